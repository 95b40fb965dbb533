//! What was seen, kept as a file: members and types as they were, each value hidden.

use std::path::Path;

use anyhow::Context as _;
use sandbox::cases::Case;
use serde_json::{Map, Value, json};
use wechat::answer;
use wechat::errcode::rid;
use wechat::shape::{Known, shown};

use super::target::Answered;

/// Letters of a text that are kept, hidden.
const LONGEST: usize = 200;
/// Numbers below this are kept: states and counts, and nobody's.
const SMALL: u64 = 100_000;

/// Writes `answered` to a file named after `case`.
pub(super) fn keep(folder: &Path, known: &Known, case: &Case, answered: &Answered) -> anyhow::Result<()> {
    let headers: Map<String, Value> = answered
        .headers
        .iter()
        .map(|(name, value)| match name.as_str() {
            "content-type" => (name.to_string(), answered.content_type().into()),
            _ => (name.to_string(), hidden(&String::from_utf8_lossy(value.as_bytes())).into()),
        })
        .collect();
    let body = match answer::json(&answered.body) {
        Some(body) => redacted(known, "", &body),
        None => json!({"bytes": answered.body.len()}),
    };
    let fixture = json!({
        "case": case.name, "method": case.method().as_str(), "path": case.at.path, "status": answered.status,
        "headers": headers, "body": body,
    });
    let file = folder.join(format!("{}.json", case.name));
    let text = format!("{}\n", serde_json::to_string_pretty(&fixture)?);
    std::fs::write(&file, text).with_context(|| file.display().to_string())
}

fn redacted(known: &Known, name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let hide =
                |(name, value): (&String, &Value)| (shown(name).to_owned(), redacted(known, name, value));
            Value::Object(members.iter().map(hide).collect())
        }
        Value::Array(items) => items.iter().map(|item| redacted(known, name, item)).collect(),
        Value::String(text) if name == "errmsg" => {
            let rid = if rid(text).is_some() { " rid: 00000000-00000000-00000000" } else { "" };
            format!("{}{rid}", known.words(text)).into()
        }
        Value::String(text) => hidden(text).into(),
        Value::Number(_) if name == "errcode" => value.clone(),
        Value::Number(number) => match number.as_i64() {
            Some(small) if small.unsigned_abs() < SMALL => value.clone(),
            Some(_) => SMALL.into(),
            None => json!(0.5),
        },
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

/// Its punctuation, and how long it is: letters and digits are others.
fn hidden(text: &str) -> String {
    let hide = |c: char| match c {
        c if c.is_ascii_digit() => '0',
        c if c.is_ascii_uppercase() => 'X',
        c if c.is_ascii_lowercase() => 'x',
        c if c.is_ascii() => c,
        _ => '字',
    };
    text.chars().take(LONGEST).map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixture_keeps_the_form_and_hides_each_value() {
        let known = Known::of_the_sandbox();
        let body = json!({
            "openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "nickname": "老王🐠", "sex": 1, "phone": 13800138000u64, "is": true,
            "list": [{"o6_bmjrPTlm6_2sgVt7hMZOPfL2M": 1.25}], "errcode": 40003,
            "errmsg": "invalid openid o6_bmjrPTlm6_2sgVt7hMZOPfL2M rid: 65a33cd8-01234567-89abcdef",
        });
        assert_eq!(
            redacted(&known, "", &body),
            json!({
                "openid": "x0_xxxxXXxx0_0xxXx0xXXXXxX0X", "nickname": "字字字", "sex": 1, "phone": 100_000, "is": true,
                "list": [{"*": 0.5}], "errcode": 40003,
                "errmsg": "invalid openid * rid: 00000000-00000000-00000000",
            })
        );
    }
}
