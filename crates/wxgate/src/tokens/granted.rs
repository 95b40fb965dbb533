//! What a token or ticket call was answered with: read leniently where WeChat's own answers vary, and taken for nothing
//! where what it holds could not be used.

use secrecy::SecretString;
use serde_json::Value;
use wechat::answer::{ApiError, errcode};

use crate::transport::{Answer, Lost, json_answer};

/// No token lives longer than this, whatever an answer says; seconds.
const LONGEST: i64 = 86_400;
/// Nor shorter: what lives for less would be fetched all the time.
const SHORTEST: i64 = 60;
/// Longest token or ticket, bytes.
const LONGEST_VALUE: usize = 4096;

/// A token or ticket that can be used.
pub(super) struct Granted {
    pub(super) value: SecretString,
    /// Seconds.
    pub(super) expires_in: i64,
    /// The answer gave no life, or one that is too short to be true.
    pub(super) is_odd: bool,
}

/// Why an answer grants nothing.
pub(super) enum NotGranted {
    /// WeChat refuses.
    Said(ApiError),
    /// No usable answer.
    Lost(Lost),
}

/// What `answer` grants.
pub(super) fn granted(answer: &Answer) -> Result<Granted, NotGranted> {
    let body = json_answer(answer).map_err(NotGranted::Lost)?;
    if let Some(error) = errcode(&answer.body) {
        return Err(NotGranted::Said(error));
    }
    let value = body["access_token"].as_str().or(body["ticket"].as_str()).filter(|value| is_usable(value));
    let Some(value) = value else {
        return Err(NotGranted::Lost(Lost::after(
            "the answer holds neither a usable token nor an errcode",
            "应答里没有可用的令牌，也没有错误码",
        )));
    };
    let life = seconds(&body["expires_in"]).filter(|life| *life >= SHORTEST);
    let expires_in = life.unwrap_or(SHORTEST).min(LONGEST);
    Ok(Granted { value: value.into(), expires_in, is_odd: life.is_none() })
}

/// It goes into URLs as it is: nothing but what means nothing there.
fn is_usable(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (1..=LONGEST_VALUE).contains(&value.len()) && value.bytes().all(is_plain)
}

/// Whole seconds: a number or a text of one, with a fraction or without.
fn seconds(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // What is out of range ends at its edge.
    number.filter(|number: &f64| number.is_finite()).map(|number| number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lives_are_read_in_every_form() {
        for (given, life) in [
            (json!(7200), Some(7200)),
            (json!("7200"), Some(7200)),
            (json!(" 7200.9 "), Some(7200)),
            (json!(7200.0), Some(7200)),
            (json!(0), Some(0)),
            (json!(-5), Some(-5)),
            (json!(1e300), Some(i64::MAX)),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!(""), None),
            (json!("two hours"), None),
            (json!(true), None),
            (json!([7200]), None),
            (Value::Null, None),
        ] {
            assert_eq!(seconds(&given), life, "{given}");
        }
    }

    #[test]
    fn only_what_means_nothing_in_a_url_is_a_token() {
        assert!(is_usable("66_Ab-c.d~e"));
        for value in
            ["", "a&openid=evil", "a b", "a#", "a%26", "a=b", "a+b", "a/b", "a?b", "中", "a\r\nb", "a\"b"]
        {
            assert!(!is_usable(value), "{value}");
        }
        assert!(is_usable(&"x".repeat(LONGEST_VALUE)) && !is_usable(&"x".repeat(LONGEST_VALUE + 1)));
    }
}
