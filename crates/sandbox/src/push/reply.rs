//! Passive replies: what the user would see of a receiver's answer.

use crate::sign;
use crate::world::{App, Callback, Format, Mode};
use serde_json::Value;

/// The reply, opened and verified, or why the user would be told that the account is out of order.
/// Neither for `success` and an empty answer.
pub(super) fn read(app: &App, callback: &Callback, body: &str) -> (Option<String>, Option<String>) {
    if body.is_empty() || body == "success" {
        return (None, None);
    }
    match open(app, callback, body) {
        Ok(reply) if names_a_type(&reply, callback.format) => (Some(reply), None),
        Ok(_) => (None, Some("the reply is no message with a MsgType".to_owned())),
        Err(wrong) => (None, Some(wrong.to_owned())),
    }
}

fn open(app: &App, callback: &Callback, body: &str) -> Result<String, &'static str> {
    let text = |name: &str| member(body, name, callback.format);
    let Some(encrypted) = text("Encrypt") else {
        return match callback.mode {
            Mode::Safe => Err("the reply is not encrypted"),
            Mode::Plain | Mode::Compat => Ok(body.to_owned()),
        };
    };
    if callback.mode == Mode::Plain {
        return Err("the reply is encrypted, the account is not");
    }
    let signature = text("MsgSignature").ok_or("the reply has no MsgSignature")?;
    let timestamp = text("TimeStamp").ok_or("the reply has no TimeStamp")?;
    let nonce = text("Nonce").ok_or("the reply has no Nonce")?;
    if sign::signature(&[&app.callback_token, &timestamp, &nonce, &encrypted]) != signature {
        return Err("the reply's MsgSignature is wrong");
    }
    sign::decrypt(&app.aes_key, &encrypted, &app.appid)
}

fn names_a_type(reply: &str, format: Format) -> bool {
    let begins = match format {
        Format::Xml => reply.trim_start().starts_with("<xml>"),
        Format::Json => true,
    };
    begins && member(reply, "MsgType", format).is_some()
}

/// Whether a reply hands the user to customer service: to anybody there, or to the one it names.
pub(super) fn transfer(reply: &str, format: Format) -> Option<Option<String>> {
    let is_meant = member(reply, "MsgType", format)? == "transfer_customer_service";
    let named = || match format {
        Format::Xml => member(reply, "KfAccount", format),
        Format::Json => {
            let reply: Value = serde_json::from_str(reply).ok()?;
            reply.pointer("/TransInfo/KfAccount")?.as_str().map(str::to_owned)
        }
    };
    is_meant.then(named)
}

/// A member at the top, as text.
fn member(body: &str, name: &str, format: Format) -> Option<String> {
    match format {
        Format::Json => {
            let object: Value = serde_json::from_str(body).ok()?;
            match object.get(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        }
        Format::Xml => {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            let (text, _) = rest.split_once(&format!("</{name}>"))?;
            let text = text.trim();
            let plain = text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
            Some(plain.unwrap_or(text).to_owned())
        }
    }
}
