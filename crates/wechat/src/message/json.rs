//! WeChat's dialect of JSON: the same names as in XML, lists of one sometimes bare, numbers sometimes
//! strings.

use super::{Fields, MAX_DEPTH, Malformed, always_list};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Every integer up to here survives a reader that keeps numbers as doubles.
const MAX_SAFE: u64 = 1 << 53;

pub(super) fn parse(text: &str) -> Result<Fields, Malformed> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut fields = reader.deserialize_map(Members).map_err(|_| Malformed::Json)?;
    reader.end().map_err(|_| Malformed::Json)?;
    fields.map = normalise(fields.map)?;
    Ok(fields)
}

/// Takes an object's members; of a repeated one the first.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            fields.is_suspect |= super::repeats(&fields.map, &name);
            fields.map.entry(name).or_insert(value);
        }
        Ok(fields)
    }
}

/// Lists always arrays, integers above 2^53 strings, no NUL, not too deep.
pub(super) fn normalise(fields: Map<String, Value>) -> Result<Map<String, Value>, Malformed> {
    object(fields, 1)
}

fn object(fields: Map<String, Value>, depth: usize) -> Result<Map<String, Value>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed::Depth);
    }
    let pairs = fields.into_iter().map(|(name, member)| {
        let member = match value(member, depth)? {
            list @ Value::Array(_) => list,
            single if always_list(&name) => Value::Array(vec![single]),
            single => single,
        };
        no_nul(name).map(|name| (name, member))
    });
    pairs.collect()
}

fn value(value: Value, depth: usize) -> Result<Value, Malformed> {
    Ok(match value {
        Value::Object(fields) => Value::Object(object(fields, depth + 1)?),
        Value::Array(_) if depth == MAX_DEPTH => return Err(Malformed::Depth),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| self::value(item, depth + 1));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::String(text) => Value::String(no_nul(text)?),
        Value::Number(number) if is_large(&number) => Value::String(number.to_string()),
        other => other,
    })
}

/// A whole number that not every reader keeps.
fn is_large(number: &serde_json::Number) -> bool {
    let text = number.to_string();
    let digits = text.trim_start_matches('-');
    digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u64>().map_or(true, |n| n > MAX_SAFE)
}

fn no_nul(text: String) -> Result<String, Malformed> {
    if text.contains('\0') { Err(Malformed::Nul) } else { Ok(text) }
}
