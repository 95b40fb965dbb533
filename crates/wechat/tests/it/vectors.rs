//! Every published vector, in both directions.

use serde_json::Value;
use wechat::crypt::{AesKey, jssdk_signature, signature, verify, wxa};
use wechat::envelope::{Account, Kind, Push, Query, open_reply, verify_url};
use wechat::message::{Format, Message};

fn vectors(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors.json")).expect("JSON");
    let list = all[name].as_array().expect(name).clone();
    assert!(!list.is_empty());
    list
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name} of {}", vector["source"]))
}

#[test]
fn plain_signatures() {
    for v in vectors("plain_signature") {
        let parts = [text(&v, "token"), text(&v, "timestamp"), text(&v, "nonce")];
        assert_eq!(signature(&parts), text(&v, "signature"));
        assert!(verify(text(&v, "signature"), &parts));

        let url = format!(
            "signature={}&timestamp={}&nonce={}&echostr=1",
            text(&v, "signature"),
            parts[1],
            parts[2]
        );
        let query = Query::parse(&url).unwrap();
        let account = |token| Account { appid: "wx", tokens: vec![token], keys: vec![] };
        assert_eq!(verify_url(&query, &[account("other"), account(parts[0])]), Ok(1));
        assert!(verify_url(&query, &[account("other")]).is_err());
    }
}

#[test]
fn the_urls_own_sample_is_answered() {
    let url = "signature=f464b24fc39322e44b38aa78f5edd27bd1441696&echostr=4375120948345356249&timestamp=1714036504&nonce=1514711492";
    let query = Query::parse(url).unwrap();
    let account = Account { appid: "wx", tokens: vec!["old", "AAAAA"], keys: vec![] };
    assert_eq!(verify_url(&query, &[account]), Ok(0));
    assert_eq!(query.echostr, "4375120948345356249");
}

#[test]
fn encryption_both_ways() {
    for v in vectors("crypt") {
        let key = AesKey::parse(text(&v, "encoding_aes_key")).unwrap();
        let (message, sealed) = (text(&v, "msg"), text(&v, "cipher_base64"));
        assert_eq!(message.len() as u64, v["msg_len"].as_u64().unwrap());

        let plain = key.decrypt(sealed).unwrap();
        assert_eq!(String::from_utf8(plain.message).unwrap(), message);
        assert_eq!(String::from_utf8(plain.receive_id).unwrap(), text(&v, "receive_id"));

        let random: [u8; 16] = text(&v, "random16").as_bytes().try_into().unwrap();
        assert_eq!(key.encrypt(random, message.as_bytes(), text(&v, "receive_id")), sealed);

        if let Some(signed) = v["msg_signature"].as_str() {
            let parts = [text(&v, "token"), text(&v, "timestamp"), text(&v, "nonce"), sealed];
            assert_eq!(signature(&parts), signed);
        }
    }
}

/// The envelopes WeChat's pages show around the ciphertext.
#[test]
fn whole_pushes_and_replies() {
    let mut opened = 0;
    for v in vectors("crypt") {
        let Some(signed) = v["msg_signature"].as_str() else {
            continue;
        };
        let key = AesKey::parse(text(&v, "encoding_aes_key")).unwrap();
        let account =
            Account { appid: text(&v, "receive_id"), tokens: vec![text(&v, "token")], keys: vec![&key] };
        let (timestamp, nonce) = (text(&v, "timestamp"), text(&v, "nonce"));
        let sealed = text(&v, "cipher_base64");
        let kind = text(&v, "kind");
        if kind.ends_with("push") {
            let body = match Format::of(text(&v, "msg").as_bytes()).unwrap() {
                Format::Json => format!(r#"{{"ToUserName":"gh_x","Encrypt":"{sealed}"}}"#),
                Format::Xml => format!(
                    "<xml>\n    <ToUserName><![CDATA[gh_x]]></ToUserName>\n    <Encrypt><![CDATA[{sealed}]]></Encrypt>\n</xml>"
                ),
            };
            let query = format!(
                "signature=x&timestamp={timestamp}&nonce={nonce}&openid=o&encrypt_type=aes&msg_signature={signed}"
            );
            let query = Query::parse(&query).unwrap();
            let push = Push::read(&query, body.as_bytes());
            assert_eq!(push.to_user(), "gh_x");
            let push = push.open(&[account]).unwrap();
            assert_eq!(push.body, text(&v, "msg").as_bytes());
            assert_eq!(push.message.create_time().to_string(), push.message.text("CreateTime"));
            opened += 1;
        } else if kind == "WeCom XML reply" {
            let body = format!(
                "<xml><Encrypt><![CDATA[{sealed}]]></Encrypt><MsgSignature><![CDATA[{signed}]]></MsgSignature>\
                 <TimeStamp>{timestamp}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>"
            );
            let reply = open_reply(body.as_bytes(), &account, Kind::Message).unwrap();
            assert!(reply.encrypted);
            assert_eq!(reply.message.content(), "test");
            opened += 1;
        } else if kind == "JSON reply" {
            // The sample's answer has no MsgType, so it is no message to a user.
            let body = format!(
                r#"{{"Encrypt":"{sealed}","MsgSignature":"{signed}","TimeStamp":{timestamp},"Nonce":"{nonce}"}}"#
            );
            assert!(matches!(
                open_reply(body.as_bytes(), &account, Kind::Message),
                Err(wechat::envelope::Refused::NotReply)
            ));
            opened += 1;
        }
    }
    assert_eq!(opened, 5);
}

#[test]
fn mini_program_data() {
    let all = vectors("wxa");
    let v = &all[0];
    let open = |appid| wxa::decrypt(text(v, "session_key"), text(v, "iv"), text(v, "encrypted_data"), appid);
    let plain: Value = serde_json::from_str(text(v, "plain")).unwrap();
    assert_eq!(open("wx4f4bc4dec97d474b").unwrap(), plain);
    assert!(open("wx0000000000000000").is_err());
    let open = |key, iv, data| wxa::decrypt(key, iv, data, "wx4f4bc4dec97d474b");
    assert!(open(text(v, "session_key"), text(v, "iv"), "").is_err());
    assert!(open("AAAA", text(v, "iv"), text(v, "encrypted_data")).is_err());
    assert!(open(text(v, "session_key"), "=", text(v, "encrypted_data")).is_err());
    assert!(open(text(v, "iv"), text(v, "iv"), text(v, "encrypted_data")).is_err());

    let v = &all[1];
    let signed = wxa::raw_data_signature(text(v, "raw_data"), text(v, "session_key"));
    assert_eq!(signed, text(v, "signature"));
}

#[test]
fn jssdk() {
    for v in vectors("jssdk") {
        let signed = text(&v, "string_to_sign");
        let value = |name: &str| {
            let rest = &signed[signed.find(name).unwrap() + name.len()..];
            rest.split('&').next().unwrap()
        };
        let url = &signed[signed.find("url=").unwrap() + 4..];
        let ticket = value("jsapi_ticket=");
        let (nonce, timestamp) = (value("noncestr="), value("timestamp="));
        assert_eq!(jssdk_signature(ticket, nonce, timestamp, url), text(&v, "signature"));
        assert_eq!(jssdk_signature(ticket, nonce, timestamp, &format!("{url}#top")), text(&v, "signature"));
    }
}

#[test]
fn the_samples_read_as_messages() {
    for v in vectors("crypt") {
        let Ok(message) = Message::parse(text(&v, "msg").as_bytes()) else {
            continue;
        };
        if message.msg_type() == "text" && text(&v, "source") == "official Python sample" {
            assert_eq!(message.msg_id(), "6054768590064713728");
            assert_eq!(message.content(), "abcdteT");
            assert_eq!(message.create_time(), 1_409_735_668);
            assert_eq!(message.kind(), "message.text");
        }
        if message.event() == "debug_demo" {
            assert_eq!(message.to_user(), "gh_97417a04a28d");
            assert_eq!(message.kind(), "event.debug_demo");
        }
    }
}
