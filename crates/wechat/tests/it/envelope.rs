//! Callbacks in every mode and format, key rotation, and which account fits.

use crate::{KEY_1, KEY_2, STAMP, account, key, keys};
use proptest::prelude::*;
use serde_json::{Value, json};
use wechat::crypt::{AesKey, signature};
use wechat::envelope::{
    Account, Keys, Kind, Mode, Opened, Outgoing, Push, Query, Refused, Stamp, compatible_push, open_reply,
    push, seal_reply,
};
use wechat::message::{Format, Malformed, Message, to_xml};

const XML: &str = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o-_1]]></FromUserName>\
    <CreateTime>1714036504</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[汉]]></Content></xml>";

fn open<'a>(sent: &Outgoing, accounts: &[Account<'a>]) -> Result<Opened<'a>, Refused> {
    Push::read(&Query::parse(&sent.query)?, &sent.body).open(accounts)
}

fn refused(sent: &Outgoing, accounts: &[Account<'_>]) -> Refused {
    open(sent, accounts).map(|opened| opened.account).expect_err("must be refused")
}

#[test]
fn outgoing_pushes_look_like_wechats() {
    let key = key(KEY_1);
    let plain = push(&keys("wx1", "AAAAA", None), XML.as_bytes(), &STAMP);
    assert_eq!(
        plain.query,
        "signature=f464b24fc39322e44b38aa78f5edd27bd1441696&timestamp=1714036504&nonce=1514711492&openid=o-_1"
    );
    assert_eq!((plain.body.as_slice(), plain.content_type), (XML.as_bytes(), "text/xml"));

    let secure = push(&keys("wx1", "AAAAA", Some(&key)), XML.as_bytes(), &STAMP);
    let tail = secure.query.strip_prefix(plain.query.as_str()).unwrap();
    assert!(tail.starts_with("&encrypt_type=aes&msg_signature="), "{tail}");
    let body = String::from_utf8(secure.body).unwrap();
    assert!(body.starts_with("<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA["), "{body}");
    assert!(!body.contains("Content"));

    let both = compatible_push(&keys("wx1", "AAAAA", Some(&key)), XML.as_bytes(), &STAMP).unwrap();
    let both = Message::parse(&both.body).unwrap();
    assert_eq!((&*both.content(), both.text("Encrypt").is_empty()), ("汉", false));
    let json = compatible_push(&keys("wx1", "AAAAA", Some(&key)), b" {} ", &STAMP).unwrap();
    assert!(json.body.starts_with(b" {\"Encrypt\":\"") && json.body.ends_with(b"} "));
    let bad = compatible_push(&keys("wx1", "AAAAA", Some(&key)), b"<xml/>", &STAMP);
    assert_eq!(bad, Err(Malformed::Root));
}

#[test]
fn previous_token_and_key_still_open() {
    let (new, old) = (key(KEY_1), key(KEY_2));
    let account = account("wx1", &["new", "old"], &[&new, &old]);
    for (token, used) in [("new", &new), ("old", &old), ("new", &old), ("old", &new)] {
        let sent = push(&keys("wx1", token, Some(used)), XML.as_bytes(), &STAMP);
        let opened = open(&sent, std::slice::from_ref(&account)).unwrap();
        assert_eq!((opened.keys.token, opened.keys.key), (token, Some(used)));
        assert_eq!((opened.body.as_slice(), opened.mode), (XML.as_bytes(), Mode::Secure));
    }
    let plain = push(&keys("wx1", "old", None), XML.as_bytes(), &STAMP);
    let opened = open(&plain, &[crate::account("wx1", &["new", "old"], &[])]).unwrap();
    assert_eq!((opened.keys.token, opened.keys.key, opened.mode), ("old", None, Mode::Plain));
}

#[test]
fn the_failed_check_is_named() {
    let (one, two) = (key(KEY_1), key(KEY_2));
    let secure = push(&keys("wx1", "t", Some(&one)), XML.as_bytes(), &STAMP);
    let plain = push(&keys("wx1", "t", None), XML.as_bytes(), &STAMP);
    assert_eq!(refused(&secure, &[]), Refused::NoAccount);
    assert_eq!(refused(&secure, &[account("wx1", &["u"], &[&one])]), Refused::Signature);
    assert_eq!(refused(&secure, &[account("wx1", &["t"], &[&two])]), Refused::Cipher);
    assert_eq!(refused(&secure, &[account("wx2", &["t"], &[&one])]), Refused::ReceiveId);
    assert_eq!(refused(&secure, &[account("wx1", &["t"], &[])]), Refused::NoKey);
    assert_eq!(refused(&plain, &[account("wx1", &["t"], &[&one])]), Refused::Plain);
    assert_eq!(refused(&plain, &[account("wx1", &["u"], &[])]), Refused::Signature);
    // The furthest of several.
    let several =
        [account("wx1", &["u"], &[&one]), account("wx2", &["t"], &[&one]), account("wx3", &["t"], &[])];
    assert_eq!(refused(&secure, &several), Refused::ReceiveId);
}

#[test]
fn an_encrypted_push_names_its_account_a_plain_one_must_fit_one() {
    let key = key(KEY_1);
    let accounts =
        [account("wx1", &["t"], &[&key]), account("wx2", &["t"], &[&key]), account("wx3", &["t"], &[])];
    let sent = push(&keys("wx2", "t", Some(&key)), XML.as_bytes(), &STAMP);
    assert_eq!(open(&sent, &accounts).unwrap().account, 1);
    let sent = push(&keys("wx3", "t", None), XML.as_bytes(), &STAMP);
    assert_eq!(open(&sent, &accounts).unwrap().account, 2);
    assert_eq!(refused(&sent, &[account("a", &["t"], &[]), account("b", &["t"], &[])]), Refused::Ambiguous);
    assert_eq!(open(&sent, &[account("a", &["u"], &[]), account("b", &["t"], &[])]).unwrap().account, 1);
}

/// Of a compatible push an account with a key reads the encrypted half only.
#[test]
fn the_clear_half_counts_for_nothing_with_a_key() {
    let key = key(KEY_1);
    let mut sent = compatible_push(&keys("wx1", "t", Some(&key)), XML.as_bytes(), &STAMP).unwrap();
    sent.body = String::from_utf8(sent.body).unwrap().replace("汉", "forged").into_bytes();
    let opened = open(&sent, &[account("wx1", &["t"], &[&key])]).unwrap();
    assert_eq!((opened.message.content().as_ref(), opened.mode), ("汉", Mode::Compatible));
    let opened = open(&sent, &[account("wx1", &["t"], &[])]).unwrap();
    assert_eq!((opened.message.content().as_ref(), opened.mode), ("forged", Mode::Plain));
    // Without the encrypted half it is a plain push, which the key forbids.
    sent.body = XML.as_bytes().to_vec();
    assert_eq!(refused(&sent, &[account("wx1", &["t"], &[&key])]), Refused::Plain);
}

#[test]
fn signatures_are_not_interchangeable() {
    let key = key(KEY_1);
    let sent = push(&keys("wx1", "t", Some(&key)), XML.as_bytes(), &STAMP);
    let swap = sent
        .query
        .replace("msg_signature", "x")
        .replace("signature", "msg_signature")
        .replace("&x=", "&signature=");
    let swapped = Outgoing { query: swap, ..sent.clone() };
    let accounts = [account("wx1", &["t"], &[&key])];
    assert_eq!(refused(&swapped, &accounts), Refused::Signature);
    let without = sent.query.split("&encrypt_type").next().unwrap().to_owned();
    assert_eq!(refused(&Outgoing { query: without, ..sent.clone() }, &accounts), Refused::Signature);
    let twice = format!("{}&msg_signature=0", sent.query);
    assert!(matches!(refused(&Outgoing { query: twice, ..sent }, &accounts), Refused::Query(_)));
}

#[test]
fn what_was_encrypted_is_wechats_whatever_it_is() {
    let key = key(KEY_1);
    for inner in ["", "success", "<xml>", "{", "<!DOCTYPE x><xml></xml>"] {
        let encrypted = key.encrypt([1; 16], inner.as_bytes(), "wx1");
        let signed = signature(&["t", "1", "2", &encrypted]);
        let sent = Outgoing {
            query: format!("timestamp=1&nonce=2&msg_signature={signed}"),
            body: json!({ "Encrypt": encrypted }).to_string().into_bytes(),
            content_type: "",
        };
        let opened = open(&sent, &[account("wx1", &["t"], &[&key])]).unwrap();
        assert_eq!((opened.body.as_slice(), opened.message.is_malformed()), (inner.as_bytes(), true));
    }
}

#[test]
fn replies_are_recognised() {
    let key = key(KEY_1);
    let backend = account("wx1", &["t"], &[&key]);
    let text = "<xml><MsgType>text</MsgType><Content>hi</Content></xml>";
    let reply = open_reply(text.as_bytes(), &backend, Kind::Message).unwrap();
    assert_eq!((reply.encrypted, reply.in_format(Format::Xml).unwrap()), (false, text.as_bytes().to_vec()));
    assert_eq!(reply.in_format(Format::Json).unwrap(), br#"{"MsgType":"text","Content":"hi"}"#);

    for format in [Format::Xml, Format::Json] {
        let sealed = seal_reply(&keys("wx1", "t", Some(&key)), format, text.as_bytes(), &STAMP);
        let reply = open_reply(&sealed, &backend, Kind::Message).unwrap();
        assert!(reply.encrypted);
        assert_eq!(reply.body, text.as_bytes());
        let refused = |account: &Account<'_>| open_reply(&sealed, account, Kind::Message).unwrap_err();
        assert_eq!(refused(&account("wx1", &["u"], &[&key])), Refused::Signature);
        assert_eq!(refused(&account("wx2", &["t"], &[&key])), Refused::ReceiveId);
        assert_eq!(refused(&account("wx1", &["t"], &[])), Refused::NoKey);
    }
    let plain = seal_reply(&keys("wx1", "t", None), Format::Xml, text.as_bytes(), &STAMP);
    assert_eq!(plain, text.as_bytes());

    for none in [
        "",
        "success",
        "\"success\"",
        "[]",
        "<html></html>",
        "<xml></xml>",
        "{}",
        r#"{"MsgType":""}"#,
        r#"{"errcode":0}"#,
    ] {
        assert!(open_reply(none.as_bytes(), &backend, Kind::Message).is_err(), "{none}");
    }
    let json = br#"{"MsgType":"text","Content":"hi"}"#;
    let xml = open_reply(json, &backend, Kind::Message).unwrap().in_format(Format::Xml).unwrap();
    let expected = "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hi]]></Content></xml>";
    assert_eq!(String::from_utf8(xml).unwrap(), expected);
}

#[test]
fn secrets_are_not_printed() {
    let key = key(KEY_1);
    let shown = format!(
        "{:?} {:?} {:?}",
        account("wx1", &["s3cret"], &[&key]),
        keys("wx1", "s3cret", Some(&key)),
        Stamp { timestamp: 1, nonce: "n0nce", random: [9; 16] }
    );
    assert!(shown.contains("wx1"));
    assert!(!shown.contains("s3cret") && !shown.contains("abcd") && !shown.contains("n0nce"), "{shown}");
}

fn stamp() -> impl Strategy<Value = (i64, String, [u8; 16])> {
    (0..4_000_000_000_i64, "[A-Za-z0-9_.~-]{1,24}", any::<[u8; 16]>())
}

proptest! {
    #[test]
    fn sealed_opens(
        message in prop::collection::vec(any::<u8>(), 0..300),
        appid in "[a-z0-9]{0,40}",
        random in any::<[u8; 16]>(),
        encoding in "[A-Za-z0-9]{43}",
    ) {
        let key = AesKey::parse(&encoding).unwrap();
        let plain = key.decrypt(&key.encrypt(random, &message, &appid)).unwrap();
        prop_assert_eq!(plain.message, message);
        prop_assert_eq!(plain.receive_id, appid.into_bytes());
    }

    #[test]
    fn pushes_and_replies_survive_every_mode_and_format(
        content in "[^\\x00-\\x1f\\x7f\u{fffe}\u{ffff}]{0,60}",
        (timestamp, nonce, random) in stamp(),
        json_format in any::<bool>(),
        mode in 0..3,
    ) {
        let fields = json!({"ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1, "MsgType": "text", "Content": content});
        let text = if json_format { fields.to_string() } else { to_xml(fields.as_object().unwrap()).unwrap() };
        let aes = key(KEY_2);
        let stamp = Stamp { timestamp, nonce: &nonce, random };
        let (key, known): (Option<&AesKey>, Vec<&AesKey>) = if mode == 0 { (None, vec![]) } else { (Some(&aes), vec![&aes]) };
        let keys = Keys { appid: "wx1", token: "t0ken", key };
        let sent = if mode == 1 { compatible_push(&keys, text.as_bytes(), &stamp).unwrap() } else { push(&keys, text.as_bytes(), &stamp) };

        let account = Account { appid: "wx1", tokens: vec!["t0ken"], keys: known };
        let query = Query::parse(&sent.query).unwrap();
        let read = Push::read(&query, &sent.body);
        prop_assert_eq!(read.to_user(), "gh_1");
        let opened = read.open(std::slice::from_ref(&account)).unwrap();
        prop_assert_eq!(&opened.body, text.as_bytes());
        prop_assert!(opened.message.content() == content.as_str());
        prop_assert_eq!(opened.mode, [Mode::Plain, Mode::Compatible, Mode::Secure][mode as usize]);

        let sealed = seal_reply(&opened.keys, opened.message.format(), text.as_bytes(), &stamp);
        let reply = open_reply(&sealed, &account, Kind::Message).unwrap();
        prop_assert_eq!(reply.body, text.as_bytes());
        prop_assert_eq!(reply.encrypted, mode != 0);
    }

    #[test]
    fn a_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let aes = key(KEY_1);
        let sent = push(&keys("wx1", "t", Some(&aes)), XML.as_bytes(), &STAMP);
        let message = Message::parse(&sent.body).unwrap();
        let encrypted = message.text("Encrypt").into_owned();
        let mut broken = encrypted.clone().into_bytes();
        let at = at.index(broken.len());
        broken[at] ^= 1_u8 << bit;
        let broken = String::from_utf8_lossy(&broken).into_owned();
        let body = Value::from_iter([("Encrypt", broken.clone())]).to_string();
        let sent = Outgoing { body: body.into_bytes(), ..sent };
        prop_assert!(open(&sent, &[account("wx1", &["t"], &[&aes])]).is_err());
        // Whatever it decrypts to without its signature, it doesn't panic.
        let _ = aes.decrypt(&broken);
    }

    #[test]
    fn no_input_panics(query in "([a-z_]{0,13}=[%+a-z0-9]{0,6}&?){0,6}", body in prop::collection::vec(any::<u8>(), 0..100)) {
        let aes = key(KEY_1);
        let _ = aes.decrypt(&String::from_utf8_lossy(&body));
        let _ = AesKey::parse(&String::from_utf8_lossy(&body));
        let _ = open_reply(&body, &account("wx1", &["t"], &[&aes]), Kind::Message);
        if let Ok(query) = Query::parse(&query) {
            let _ = Push::read(&query, &body).open(&[account("wx1", &["t"], &[&aes])]);
        }
    }
}
