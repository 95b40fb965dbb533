//! What WeChat pushes although it is no message: read as far as that goes, and opened whatever it is.

use serde_json::json;
use wechat::crypt::signature;
use wechat::envelope::{Account, Mode, Outgoing, Push, Query, Refused, Stamp, compatible_push};
use wechat::message::{Format, Message};

use crate::{KEY_1, key};

const HEAD: &str = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>5</CreateTime><MsgType>text</MsgType>";

fn read(body: impl AsRef<[u8]>) -> Message {
    let message = Message::read(body.as_ref());
    assert!(message.is_malformed());
    message
}

#[test]
fn xml_is_read_up_to_where_it_breaks() {
    let nested = "<Content><![CDATA[<status><a><![CDATA[x]]></a></status>]]></Content><MsgId>7</MsgId></xml>";
    for tail in [
        nested,
        "<Content><![CDATA[a]]></Content></b></xml>",
        "<Content>cut",
        "",
        "<Content><![CDATA[a",
        "<!DOCTYPE x><Content>a</Content></xml>",
        "<Content>a</Content></xml>tail",
        "<a><b></a></xml>",
    ] {
        let m = read(format!("{HEAD}{tail}"));
        let known = (&*m.to_user(), &*m.from_user(), m.create_time(), &*m.msg_type());
        assert_eq!(known, ("gh_1", "o1", 5, "text"), "{tail}");
        assert_eq!((&*m.kind(), m.format(), m.is_suspect()), ("message.text", Format::Xml, false), "{tail}");
    }
    // What is no character is replaced, and what stands behind it is read.
    for (content, expected) in [
        (&b"a\0b"[..], "a\u{fffd}b"),
        (b"cut \xe6\xb1", "cut \u{fffd}"),
        (b"\xff", "\u{fffd}"),
        (b"1 & 2 &nbsp; &#0; &#xD800; &lt;", "1 & 2 &nbsp; &#0; &#xD800; <"),
    ] {
        let body = [HEAD.as_bytes(), b"<Content>", content, b"</Content><MsgId>7</MsgId></xml>"].concat();
        let m = read(body);
        assert_eq!((&*m.content(), &*m.msg_id()), (expected, "7"));
    }
}

#[test]
fn what_stands_behind_the_break_may_be_read_by_others() {
    let scan = "<FromUserName>oVICTIM</FromUserName><MsgType>event</MsgType><Event>SCAN</Event><EventKey>login_1</EventKey>";
    for hides in [
        format!("{}{}", "<a>".repeat(16), "</a>".repeat(16)),
        format!("{}{}", "<a>".repeat(300), "</a>".repeat(300)),
        "<![CDATA[<status><![CDATA[x]]></status>]]>".to_owned(),
        "</b>".to_owned(),
    ] {
        let m = read(format!("{HEAD}<Content>hi</Content>{hides}{scan}<Content></Content></xml>"));
        assert!(m.is_suspect() && m.scene().is_empty() && m.msg_id().is_empty(), "{hides}");
        assert_eq!((&*m.from_user(), &*m.event()), ("o1", ""), "{hides}");
    }
    let prefixed = format!("{HEAD}<Content>hi</Content></b><a:msgtype>event</a:msgtype></xml>");
    assert!(read(prefixed).is_suspect());
}

#[test]
fn json_is_read_up_to_where_it_breaks() {
    let head = r#"{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":5,"MsgType":"text","Content":"#;
    let content = |content: &[u8]| {
        let m = read([head.as_bytes(), content, b",\"MsgId\":7}"].concat());
        assert_eq!((&*m.from_user(), m.create_time(), &*m.kind()), ("o1", 5, "message.text"));
        (m.content().into_owned(), m.msg_id().into_owned())
    };
    for (written, expected) in [
        (&b"\"a\nb\tc\""[..], "a\nb\tc"),
        (b"\"a\\ud83d\"", "a\u{fffd}"),
        (b"\"\\udc00\\ud83d\\ud83d\\udc20\"", "\u{fffd}\u{fffd}\u{1f420}"),
        (b"\"\\\\ud83d\x01\"", "\\ud83d\u{1}"),
        (b"\"\\u0000\0\"", "\u{fffd}\u{fffd}"),
        (b"\"\xe6\xb1\"", "\u{fffd}"),
        (b"\"a\\xb it\\'s\"", "a\\xb it\\'s"),
        (b"\"a\\\nb\"", "a\\\nb"),
    ] {
        assert_eq!(content(written), (expected.to_owned(), "7".to_owned()));
    }
    let broken = ("".to_owned(), "".to_owned());
    for written in [&b"\"cut"[..], b"nonsense", b"1}{", b"NaN", b"'a'"] {
        let got = content(written);
        assert!(got == broken || got.1.is_empty(), "{got:?}");
    }
    // What can't be read here somebody else may read: it vouches for nothing.
    for hides in ["NaN", "'y'", &format!("{}1{}", "[".repeat(200), "]".repeat(200))] {
        let body = format!(
            "{head}\"x\",\"a\":{hides},\"FromUserName\":\"oVICTIM\",\"MsgType\":\"event\",\"Event\":\"SCAN\"}}"
        );
        assert!(read(&body).is_suspect(), "{hides}");
    }
    let deep = format!("{{\"MsgType\":\"text\",\"deep\":{}{},\"MsgId\":7}}", "[".repeat(40), "]".repeat(40));
    let m = read(&deep);
    assert_eq!((&*m.msg_id(), m.fields().contains_key("deep")), ("7", false));
}

#[test]
fn what_names_no_type_is_unknown() {
    for body in ["", "success", "\u{feff}", "<", "{", "[1]", "<html></html>", "<xml><FromUserName>o1</xml>"] {
        let m = read(body);
        assert_eq!((&*m.kind(), &*m.msg_type(), m.is_event()), ("unknown", "", false), "{body}");
    }
    // A text's event is no event, broken or not; and what repeats is suspect.
    let m = read(format!("{HEAD}<Content></Content><Event>SCAN</Event><EventKey>login_1</EventKey></a>"));
    assert_eq!((&*m.event(), &*m.event_key(), &*m.scene()), ("", "", ""));
    assert!(read(format!("{HEAD}<Content></Content><MsgType>event</MsgType></a>")).is_suspect());
    let scan = "<xml><MsgType>event</MsgType><Event>SCAN</Event><EventKey>login_1</EventKey></a>";
    assert_eq!((&*read(scan).event(), &*read(scan).scene()), ("SCAN", ""), "a scene may log somebody in");
}

#[test]
fn the_ciphertext_is_found_beside_what_a_user_spoilt() {
    let key = key(KEY_1);
    let keys = crate::keys("wx1", "t", Some(&key));
    let stamp = Stamp { timestamp: 1_714_036_504, nonce: "n", random: [7; 16] };
    let fake = "<Encrypt><![CDATA[AAAA]]></Encrypt>";
    for content in [
        "<![CDATA[<status><![CDATA[x]]></status>]]>",
        "<![CDATA[a]]></Content><Encrypt>AAAA</Encrypt><Encrypt>BBBB</Encrypt><Content>",
        &format!("<![CDATA[<a><![CDATA[x]]>{fake}{fake}</a>]]>"),
        "<![CDATA[\0]]>",
    ] {
        let inner = format!("{HEAD}<Content>{content}</Content><MsgId>7</MsgId></xml>");
        let last = compatible_push(&keys, inner.as_bytes(), &stamp).unwrap();
        let text = String::from_utf8(last.body.clone()).unwrap();
        let at = text.rfind("<Encrypt>").unwrap();
        let encrypted = text[at..].strip_suffix("</xml>").unwrap();
        let first = format!("{}</xml>", &text[..at]).replacen(HEAD, &format!("{HEAD}{encrypted}"), 1);
        let first = Outgoing { body: first.into_bytes(), ..last.clone() };
        for sent in [last, first] {
            let account = Account { appid: "wx1", tokens: vec!["t"], keys: vec![&key] };
            let query = Query::parse(&sent.query).unwrap();
            let push = Push::read(&query, &sent.body);
            let opened = push.open(&[account]).unwrap();
            assert_eq!(
                (opened.body, opened.mode),
                (inner.clone().into_bytes(), Mode::Compatible),
                "{content}"
            );
            // An account without a key reads what stands in the clear, and takes no spoilt Encrypt for anything.
            let plain = Account { appid: "wx1", tokens: vec!["t"], keys: vec![] };
            assert!(push.open(&[plain]).is_ok());
        }
    }
    let sealed = key.encrypt([1; 16], b"{", "wx1");
    let signed = signature(&["t", "1714036504", "n", &sealed]);
    let query = format!("timestamp=1714036504&nonce=n&msg_signature={signed}");
    let spoilt = format!(
        "{{\"Content\":\"\\\"Encrypt\\\":\\\"x\\\"\" nonsense \"Encrypt\" : {}}}",
        json!(sealed).to_string().replace('/', "\\/")
    );
    let open = |body: &str, token| {
        let account = Account { appid: "wx1", tokens: vec![token], keys: vec![&key] };
        Push::read(&Query::parse(&query).unwrap(), body.as_bytes()).open(&[account]).map(|opened| opened.body)
    };
    assert_eq!(open(&spoilt, "t"), Ok(b"{".to_vec()));
    assert_eq!(open(&spoilt, "other"), Err(Refused::Signature));
    assert_eq!(open("nonsense", "t"), Err(Refused::Plain));
}
