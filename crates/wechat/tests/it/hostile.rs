//! Bodies no WeChat ever sends: refused, and never a panic.

use crate::{KEY_1, key};
use wechat::message::{Malformed, Message};

fn refused(body: &[u8]) -> Malformed {
    Message::parse(body).expect_err(&String::from_utf8_lossy(&body[..body.len().min(200)]))
}

#[test]
fn document_types_and_entities() {
    let cases = [
        r#"<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><a>&x;</a></xml>"#,
        r#"<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY x SYSTEM "http://127.0.0.1/">]><xml><a>&x;</a></xml>"#,
        r#"<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://127.0.0.1/e.dtd"> %p;]><xml></xml>"#,
        r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><xml>&c;</xml>"#,
        "<!DOCTYPE xml><xml></xml>",
        "<xml><!DOCTYPE xml><a>1</a></xml>",
        "<xml></xml><!DOCTYPE xml>",
    ];
    for body in cases {
        assert_eq!(refused(body.as_bytes()), Malformed::Doctype, "{body}");
    }
    assert_eq!(refused(b"<!doctype xml><xml></xml>"), Malformed::Doctype);
    assert!(Message::parse(b"<xml><!ENTITY x \"y\"></xml>").is_err());
    for body in [
        "<xml><a>&x;</a></xml>",
        "<xml><a>&#xD800;</a></xml>",
        "<xml><a>&#0;</a></xml>",
        "<xml><a>&#99999999999;</a></xml>",
    ] {
        assert_eq!(refused(body.as_bytes()), Malformed::Entity, "{body}");
    }
    assert!(Message::parse(b"<xml><a>1 & 2</a></xml>").is_err());
}

#[test]
fn depth() {
    let nested = |depth: usize| format!("<xml>{}{}</xml>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(Message::parse(nested(15).as_bytes()).is_ok());
    assert_eq!(refused(nested(16).as_bytes()), Malformed::Depth);
    assert_eq!(refused(nested(1_000_000).as_bytes()), Malformed::Depth);
    assert_eq!(refused("<xml>".repeat(1_000_000).as_bytes()), Malformed::Depth);

    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(Message::parse(nested(16).as_bytes()).is_ok());
    assert_eq!(refused(nested(17).as_bytes()), Malformed::Depth);
    assert_eq!(refused(nested(127).as_bytes()), Malformed::Depth);
    assert_eq!(refused(nested(128).as_bytes()), Malformed::Json);
    assert_eq!(refused(nested(1_000_000).as_bytes()), Malformed::Json);
    let arrays = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(Message::parse(arrays(15).as_bytes()).is_ok());
    assert_eq!(refused(arrays(16).as_bytes()), Malformed::Depth);
}

#[test]
fn encodings() {
    let utf16: Vec<u8> = "\u{feff}<xml></xml>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(&utf16), Malformed::Format);
    // "你好" in GBK.
    assert_eq!(refused(b"<xml><Content>\xc4\xe3\xba\xc3</Content></xml>"), Malformed::Utf8);
    assert_eq!(refused(b"{\"a\":\"\xff\"}"), Malformed::Utf8);
    assert_eq!(refused(b"<xml><a>\xed\xa0\x80</a></xml>"), Malformed::Utf8);
    assert_eq!(refused(b"<xml><a>a\0b</a></xml>"), Malformed::Nul);
    assert_eq!(refused(b"{\"a\":\"b\"}\0"), Malformed::Nul);
    assert_eq!(refused(br#"{"a":["\u0000"]}"#), Malformed::Nul);
    assert_eq!(refused(br#"{"\u0000":1}"#), Malformed::Nul);
    assert!(Message::parse("\u{feff}<xml><a>😀</a></xml>".as_bytes()).is_ok());
    assert_eq!(refused("\u{feff}\u{feff}<xml></xml>".as_bytes()), Malformed::Format);
}

#[test]
fn syntax() {
    for body in ["", " ", "success", "\u{feff}", "[]", "null", "1", "\"<xml>\"", "汉"] {
        assert_eq!(refused(body.as_bytes()), Malformed::Format, "{body}");
    }
    for body in [
        "<?xml version=\"1.0\"?>",
        "<!-- -->",
        "<html></html>",
        "<XML></XML>",
        "<xml></xml><xml></xml>",
        "<xml></xml><a/>",
        "<xml></xml>tail",
        "<xml></xml><![CDATA[x]]>",
        "<xml></xml>&amp;",
        "<?xml version=\"1.0\"?>text<xml></xml>",
    ] {
        assert_eq!(refused(body.as_bytes()), Malformed::Root, "{body}");
    }
    for body in [
        "<",
        "<xml",
        "<xml>",
        "<xml><a></xml>",
        "<xml></a></xml>",
        "<xml><![CDATA[a</xml>",
        "</xml>",
        "<xml><!-- </xml>",
    ] {
        assert_eq!(refused(body.as_bytes()), Malformed::Xml, "{body}");
    }
    for body in ["{", "{}{}", "{\"a\":1,}", "{'a':1}", "{\"a\":NaN}", "{\"a\":\"\\ud800\"}"] {
        assert_eq!(refused(body.as_bytes()), Malformed::Json, "{body}");
    }
}

#[test]
fn the_big_and_the_repeated() {
    let big = "x".repeat(10 << 20);
    let body = format!("<xml><Content><![CDATA[{big}]]></Content></xml>");
    assert_eq!(Message::parse(body.as_bytes()).unwrap().content().len(), big.len());
    let body = format!("<xml>{}</xml>", "<item>1</item>".repeat(100_000));
    let message = Message::parse(body.as_bytes()).unwrap();
    assert_eq!(message.fields()["item"].as_array().map(Vec::len), Some(100_000));

    let twice = Message::parse(b"<xml><MsgType>a</MsgType><MsgType>b</MsgType></xml>").unwrap();
    let also = Message::parse(br#"{"MsgType":"a","MsgType":"b"}"#).unwrap();
    assert_eq!((&*twice.msg_type(), &*also.msg_type()), ("a", "a"));
    assert_eq!(Message::parse(br#"{"CreateTime":1e308}"#).unwrap().create_time(), 0);
    assert_eq!(Message::parse(br#"{"CreateTime":{"a":1}}"#).unwrap().create_time(), 0);
}

#[test]
fn ciphertexts() {
    let key = key(KEY_1);
    let sealed = key.encrypt([3; 16], b"<xml></xml>", "wx1");
    for end in 0..sealed.len() {
        assert!(key.decrypt(&sealed[..end]).is_err(), "{end}");
    }
    let long = format!("{sealed}{sealed}");
    for bad in [long.as_str(), "汉字", "!!!!", "====", "AAAAAAAAAAAAAAAAAAAAAA=="] {
        assert!(key.decrypt(bad).is_err(), "{bad}");
    }
}
