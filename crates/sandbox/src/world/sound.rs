//! Whether a snapshot's numbers are such as a world counts with: larger ones would overflow in a later call.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;

/// No time, count or id of a world's own is further from 0.
const FURTHEST: i64 = 1 << 61;
/// Members that hold what callers sent, which nobody counts with, and the seed.
const ANYTHING: [&str; 12] = [
    "article",
    "articles",
    "body",
    "button",
    "cloud_base",
    "data",
    "errcode",
    "fail_idx",
    "message",
    "seed",
    "shows",
    "times",
];

/// JSON whose numbers are near enough.
pub(super) struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of at most {FURTHEST}")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self, E> {
        if number < -FURTHEST { Err(E::invalid_value(Unexpected::Signed(number), &self)) } else { Ok(self) }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self, E> {
        let is_near = i64::try_from(number).is_ok_and(|number| number <= FURTHEST);
        if is_near { Ok(self) } else { Err(E::invalid_value(Unexpected::Unsigned(number), &self)) }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            // Days, hours and ids are keys as well.
            if let Ok(number) = name.parse::<i128>()
                && number.unsigned_abs() > FURTHEST.unsigned_abs().into()
            {
                return Err(A::Error::invalid_value(Unexpected::Str(&name), &self));
            }
            if ANYTHING.contains(&name.as_str()) {
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value::<Self>()?;
            }
        }
        Ok(self)
    }
}
