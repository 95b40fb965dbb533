//! WeChat's dialect of JSON: the same names as in XML, lists of one sometimes bare, numbers sometimes
//! strings.

use super::{Fields, MAX_DEPTH, Malformed, always_list};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Every integer up to here survives a reader that keeps numbers as doubles.
const MAX_SAFE: u64 = 1 << 53;

/// What can be read of `text`, and why that isn't all.
pub(super) fn read(text: &str) -> (Fields, Option<Malformed>) {
    let mut fields = Fields::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole = reader.deserialize_map(Members(&mut fields)).and_then(|()| reader.end());
    let mut wrong = whole.err().map(|_| Malformed::Json);
    for (name, value) in std::mem::take(&mut fields.map) {
        match member(&name, value, 1) {
            Ok(value) => drop(fields.map.insert(name, value)),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    (fields, wrong)
}

/// `body` with what makes no JSON, but reaches us all the same, in a form that does: control characters and broken bytes
/// within texts, halves of surrogate pairs, NUL.
pub(super) fn mended(body: &[u8]) -> String {
    crate::answer::mended(body).replace("\\u0000", "\\ufffd")
}

/// Takes an object's members, also if they end in nothing readable; of a repeated one the first.
struct Members<'a>(&'a mut Fields);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(fields) = self;
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            fields.is_suspect |= super::repeats(&fields.map, &name);
            fields.map.entry(name).or_insert(value);
        }
        Ok(())
    }
}

/// Lists always arrays, integers above 2^53 strings, no NUL, not too deep.
fn member(name: &str, value: Value, depth: usize) -> Result<Value, Malformed> {
    if name.contains('\0') {
        return Err(Malformed::Nul);
    }
    Ok(match self::value(value, depth)? {
        list @ Value::Array(_) => list,
        single if always_list(name) => Value::Array(vec![single]),
        single => single,
    })
}

fn object(fields: Map<String, Value>, depth: usize) -> Result<Map<String, Value>, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed::Depth);
    }
    let pairs =
        fields.into_iter().map(|(name, value)| member(&name, value, depth).map(|value| (name, value)));
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
