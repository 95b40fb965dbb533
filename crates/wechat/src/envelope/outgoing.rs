//! Sealing what goes out: replies to WeChat, and pushes to backends as WeChat sends them.

use super::{Keys, Stamp};
use crate::crypt::{AesKey, signature};
use crate::message::{Format, Malformed, Message, xml::cdata};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

/// A push, ready for POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What goes behind the `?` of the backend's URL (or behind an `&`).
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
    /// Its content type.
    pub content_type: &'static str,
}

/// Writes a reply to a push: encrypted if `keys` has a key, else `message` as it is.
pub fn seal_reply(keys: &Keys<'_>, format: Format, message: &[u8], stamp: &Stamp<'_>) -> Vec<u8> {
    let Some(key) = keys.key else {
        return message.to_vec();
    };
    let sealed = Sealed::new(keys, key, message, stamp);
    let Stamp { timestamp, nonce, .. } = *stamp;
    let text = match format {
        Format::Json => json!({
            "Encrypt": sealed.encrypted,
            "MsgSignature": sealed.signature,
            "TimeStamp": timestamp,
            "Nonce": nonce,
        })
        .to_string(),
        Format::Xml => {
            let mut xml = String::from("<xml>");
            element(&mut xml, "Encrypt", &sealed.encrypted);
            element(&mut xml, "MsgSignature", &sealed.signature);
            xml.push_str(&format!("<TimeStamp>{timestamp}</TimeStamp>"));
            element(&mut xml, "Nonce", nonce);
            xml.push_str("</xml>");
            xml
        }
    };
    text.into_bytes()
}

/// Writes `message` as WeChat pushes it, well-formed or not: in secure mode if `keys` has a key, else plain.
pub fn push(keys: &Keys<'_>, message: &[u8], stamp: &Stamp<'_>) -> Outgoing {
    write(keys, message, stamp, |parsed, encrypted| match parsed.format() {
        Format::Json => json!({ "ToUserName": parsed.to_user(), "Encrypt": encrypted }).to_string(),
        Format::Xml => {
            let mut xml = String::from("<xml>");
            element(&mut xml, "ToUserName", &parsed.to_user());
            element(&mut xml, "Encrypt", encrypted);
            xml.push_str("</xml>");
            xml
        }
    })
}

/// The same in compatible mode: the ciphertext goes into the message itself.
pub fn compatible_push(keys: &Keys<'_>, message: &[u8], stamp: &Stamp<'_>) -> Result<Outgoing, Malformed> {
    let text = std::str::from_utf8(message).map_err(|_| Malformed::Utf8)?;
    let last = match Format::of(message).ok_or(Malformed::Format)? {
        Format::Xml => text.rfind("</xml"),
        Format::Json => text.rfind('}'),
    };
    let (head, tail) = text.split_at(last.ok_or(Malformed::Root)?);
    Ok(write(keys, message, stamp, |parsed, encrypted| match parsed.format() {
        Format::Json => {
            let comma = if parsed.fields().is_empty() { "" } else { "," };
            format!("{head}{comma}\"Encrypt\":\"{encrypted}\"{tail}")
        }
        Format::Xml => {
            let mut xml = head.to_owned();
            element(&mut xml, "Encrypt", encrypted);
            xml + tail
        }
    }))
}

fn write(
    keys: &Keys<'_>,
    message: &[u8],
    stamp: &Stamp<'_>,
    seal: impl Fn(&Message, &str) -> String,
) -> Outgoing {
    let parsed = Message::read(message);
    let Stamp { timestamp, nonce, .. } = *stamp;
    let signed = signature(&[keys.token, &timestamp.to_string(), nonce]);
    let nonce = utf8_percent_encode(nonce, UNRESERVED);
    let mut query = format!("signature={signed}&timestamp={timestamp}&nonce={nonce}");
    let from_user = parsed.from_user();
    if !from_user.is_empty() {
        query.push_str("&openid=");
        query.extend(utf8_percent_encode(&from_user, UNRESERVED));
    }
    let content_type = parsed.format().content_type();
    let Some(key) = keys.key else {
        return Outgoing { query, body: message.to_vec(), content_type };
    };
    let sealed = Sealed::new(keys, key, message, stamp);
    query.push_str("&encrypt_type=aes&msg_signature=");
    query.push_str(&sealed.signature);
    let body = seal(&parsed, &sealed.encrypted).into_bytes();
    Outgoing { query, body, content_type }
}

/// Openids contain `-` and `_`, which WeChat doesn't escape.
const UNRESERVED: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

struct Sealed {
    encrypted: String,
    signature: String,
}

impl Sealed {
    fn new(keys: &Keys<'_>, key: &AesKey, message: &[u8], stamp: &Stamp<'_>) -> Self {
        let encrypted = key.encrypt(stamp.random, message, keys.appid);
        let timestamp = stamp.timestamp.to_string();
        let signature = signature(&[keys.token, &timestamp, stamp.nonce, &encrypted]);
        Self { encrypted, signature }
    }
}

fn element(xml: &mut String, name: &str, text: &str) {
    xml.push_str(&format!("<{name}>"));
    cdata(xml, text);
    xml.push_str(&format!("</{name}>"));
}
