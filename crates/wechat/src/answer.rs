//! Reading WeChat's answers.
//!
//! WeChat says a failure with HTTP 200, sometimes as `text/plain`, sometimes as JSON under an image
//! type. So the body alone decides: its first character is `{`, it parses, its `errcode` isn't 0.

use crate::errcode::{self, Class};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

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

    /// Whether WeChat refused the address that the call came from: see [`errcode::is_of_address`].
    pub fn is_of_address(&self) -> bool {
        errcode::is_of_address(self.errcode)
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
    if unmarked(body).trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    // Most are successes: of those nothing else is kept.
    let code = in_text(body, |text| whole(text, Code))??;
    if integer(&code)? == 0 {
        return None;
    }
    let answer = json(body)?;
    let errcode = integer(answer.get("errcode")?)?;
    let errmsg = answer.get("errmsg").and_then(Value::as_str).unwrap_or_default();
    Some(ApiError { errcode, errmsg: errmsg.to_owned() })
}

/// An answer's JSON. WeChat puts what users wrote into it as it is: control characters within a text, bytes that are no
/// UTF-8 and halves of characters are read all the same, a byte order mark is skipped, and of a repeated member the first
/// counts: the later ones may be what a user wrote.
pub fn json(body: &[u8]) -> Option<Value> {
    in_text(body, read)
}

/// What `read` finds in `body`, as it is or else mended.
fn in_text<T>(body: &[u8], read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let body = unmarked(body);
    std::str::from_utf8(body).ok().and_then(&read).or_else(|| {
        let end = body.trim_ascii_end().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        read(&mended(&body[..end]))
    })
}

fn unmarked(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

fn read(text: &str) -> Option<Value> {
    if !text.trim_start().starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    whole(text, Members).map(Value::Object)
}

/// What `visitor` takes of the object that is all of `text`.
fn whole<'t, V: Visitor<'t>>(text: &'t str, visitor: V) -> Option<V::Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let taken = reader.deserialize_map(visitor).ok()?;
    reader.end().ok()?;
    Some(taken)
}

/// Takes an object's `errcode`; of a repeated one the first.
struct Code;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Errcode,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Code {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(name) = members.next_key()? {
            match name {
                Name::Errcode if first.is_none() => first = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(first)
    }
}

/// Takes an object's members; of a repeated one the first.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut first = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            first.entry(name).or_insert(value);
        }
        Ok(first)
    }
}

/// `body` as UTF-8, with the control characters in its texts escaped and halves of characters replaced.
pub(crate) fn mended(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let (mut rest, mut in_text) = (&*text, false);
    let mut out = String::with_capacity(text.len() + 16);
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\\' if in_text => escape(rest, &mut out),
            c if in_text && c < ' ' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
                c.len_utf8()
            }
            c => {
                in_text ^= c == '"';
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

/// Copies the escape that `rest` begins with; gives its length, or a pair's of surrogates. One without the other becomes
/// U+FFFD.
fn escape(rest: &str, out: &mut String) -> usize {
    let code = |at: usize| {
        let hex = rest.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    let length = match (code(0), code(6)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
        (Some(0xD800..=0xDFFF), _) => {
            out.push_str("\\ufffd");
            return 6;
        }
        (Some(_), _) => 6,
        (None, _) => match rest[1..].chars().next() {
            Some(known) if r#""\/bfnrt"#.contains(known) => 2,
            // No escape at all: the backslash stands for itself.
            _ => {
                out.push_str("\\\\");
                return 1;
            }
        },
    };
    out.push_str(&rest[..length]);
    length
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
        for (lone, read) in [
            (&br#"{"nickname":"a\ud83d"}"#[..], "a\u{fffd}"),
            (br#"{"nickname":"\udc20b"}"#, "\u{fffd}b"),
            (br#"{"nickname":"\ud83d\ud83d\udc20"}"#, "\u{fffd}\u{1f420}"),
            (br#"{"nickname":"\\ud83d\ud83d"}"#, "\\ud83d\u{fffd}"),
            (br#"{"nickname":"\ud83dx\""}"#, "\u{fffd}x\""),
        ] {
            assert_eq!(nickname(lone), read);
        }
        assert_eq!(nickname(b"\xef\xbb\xbf{\"nickname\":\"a\"}"), "a");
        let marked = errcode(b"\xef\xbb\xbf {\"errcode\":40001}").unwrap();
        assert!(marked.is_dead_token());
        // A nickname that leaves its field makes nobody else of a user.
        let injected = json(br#"{"openid":"oX","nickname":"a","openid":"oVICTIM","n":1.50}"#).unwrap();
        assert_eq!((injected["openid"].as_str(), injected["n"].to_string()), (Some("oX"), "1.50".to_owned()));
        for broken in [&b"{\"a\":"[..], b"{\"a\" 1}", b"{\x01}", b""] {
            assert_eq!(json(broken), None);
        }
    }
}
