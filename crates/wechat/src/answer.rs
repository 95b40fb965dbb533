//! Reading WeChat's answers.
//!
//! WeChat says a failure with HTTP 200, sometimes as `text/plain`, sometimes as JSON under an image
//! type. So the body alone decides: its first character is `{`, it parses, its `errcode` isn't 0.

use crate::errcode::{self, Class};
use serde_json::Value;

/// A failure WeChat reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WeChat answered {errcode}: {errmsg}")]
pub struct ApiError {
    /// WeChat's number, never 0.
    pub errcode: i64,
    /// WeChat's words, unchanged; empty if there were none.
    pub errmsg: String,
}

impl ApiError {
    /// WeChat's request id, if `errmsg` names one.
    pub fn rid(&self) -> Option<&str> {
        errcode::rid(&self.errmsg)
    }

    /// How to react. A code that isn't in the table is taken for the caller's argument: passed on,
    /// never repeated.
    pub fn class(&self) -> Class {
        errcode::lookup(self.errcode).map_or(Class::Argument, |e| e.class)
    }

    /// Whether the app's access_token is dead: see [`errcode::is_dead_token`].
    pub fn is_dead_token(&self) -> bool {
        errcode::is_dead_token(self.errcode)
    }

    /// The row of the code, with what to do about it.
    pub fn entry(&self) -> Option<&'static errcode::Entry> {
        errcode::lookup(self.errcode)
    }

    /// The address WeChat refused (40164, 61004).
    pub fn refused_ip(&self) -> Option<&str> {
        errcode::refused_ip(&self.errmsg)
    }
}

/// The failure in an answer's body; `None` for success, binary data and anything that isn't a
/// JSON object. An absent `errcode` is 0.
pub fn errcode(body: &[u8]) -> Option<ApiError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let answer = json(body)?;
    let code = integer(answer.get("errcode")?)?;
    let errmsg = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
    (code != 0).then(|| ApiError { errcode: code, errmsg: errmsg.to_owned() })
}

/// An answer's JSON. WeChat puts what users wrote into it as it is: control characters within a text, and bytes that are no
/// UTF-8, are read all the same.
pub fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().or_else(|| serde_json::from_str(&mended(body)).ok())
}

/// `body` as UTF-8, with the control characters in its texts escaped.
fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut out = String::with_capacity(text.len() + 16);
    let (mut in_text, mut is_escaped) = (false, false);
    for c in text.chars() {
        match c {
            c if in_text && c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        in_text ^= c == '"' && !is_escaped;
        is_escaped = in_text && c == '\\' && !is_escaped;
    }
    out
}

/// A number, or a string of one.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Option<i64> {
        errcode(body.as_bytes()).map(|e| e.errcode)
    }

    #[test]
    fn the_body_decides() {
        assert_eq!(code(r#"{"errcode":40003,"errmsg":"invalid openid"}"#), Some(40003));
        assert_eq!(code(" \n\t{\"errcode\":-1}"), Some(-1));
        assert_eq!(code(r#"{"errcode":"42001","errmsg":null}"#), Some(42001));
        for success in [
            "",
            "{",
            "[]",
            "null",
            r#"{"errcode":0,"errmsg":"ok"}"#,
            r#"{"errcode":"0"}"#,
            r#"{"access_token":"a","expires_in":7200}"#,
            r#"{"errcode":1e308}"#,
            r#"{"errcode":null}"#,
            r#"{"errcode":40001"#,
            r#"[{"errcode":40001}]"#,
            "\u{89}PNG {\"errcode\":1}",
        ] {
            assert_eq!(code(success), None, "{success}");
        }
        assert_eq!(errcode(&[b'{', 0xff, b'}']), None);
        let deep = format!(r#"{{"errcode":1,"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(code(&deep), None);
    }

    #[test]
    fn the_error_knows_its_row() {
        let e = errcode(
            br#"{"errcode":40164,"errmsg":"invalid ip 1.2.3.4, not in whitelist rid: 61b9947b-4eeffea7-4f08b7a6"}"#,
        )
        .unwrap();
        assert_eq!((e.class(), e.is_dead_token()), (Class::Config, false));
        assert_eq!(e.refused_ip(), Some("1.2.3.4"));
        assert_eq!(e.rid(), Some("61b9947b-4eeffea7-4f08b7a6"));
        assert!(e.entry().unwrap().zh.contains("白名单"));
        let unknown = ApiError { errcode: 1, errmsg: String::new() };
        assert_eq!(unknown.class(), Class::Argument);
        assert!(ApiError { errcode: 42001, errmsg: String::new() }.is_dead_token());
    }

    #[test]
    fn what_users_wrote_is_read_all_the_same() {
        let nickname = |body: &[u8]| json(body).unwrap()["nickname"].as_str().unwrap().to_owned();
        assert_eq!(nickname(b"{\"openid\":\"oX\",\"nickname\":\"\x14a\"}"), "\u{14}a");
        assert_eq!(nickname(b"{\n\"nickname\":\"a\\\"\n\tb\\\\\",\n\"x\":1}"), "a\"\n\tb\\");
        assert_eq!(nickname(b"{\"nickname\":\"\xff\xfe\"}"), "\u{fffd}\u{fffd}");
        let said = errcode(b"{\"errcode\":40029,\"errmsg\":\"invalid\x01 code\"}").unwrap();
        assert_eq!((said.errcode, said.errmsg.as_str()), (40029, "invalid\u{1} code"));
        for broken in [&b"{\"a\":"[..], b"{\"a\" 1}", b"{\x01}", b""] {
            assert_eq!(json(broken), None);
        }
    }
}
