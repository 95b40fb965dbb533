//! How long a scripted answer takes: always the same, or as chance has it.

use crate::world::Random;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Longest delay, milliseconds: ten minutes are more than any client waits.
const MAX: u64 = 600_000;

/// Milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Delay {
    /// `150`
    Fixed(u64),
    /// `{"min": 50, "max": 200}`: any of these as likely as any other.
    Between(Between),
    /// `{"p50": 40, "p99": 800}`: half of the answers take at most `p50`, one in a hundred more than `p99`.
    Percentiles(Percentiles),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Between {
    min: u64,
    max: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Percentiles {
    p50: u32,
    p99: u32,
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wrong = |e| Error::custom(format!("delay_ms: {e}"));
        if let Some(fixed) = value.as_u64() {
            return Ok(Self::Fixed(fixed));
        }
        if value.get("p50").is_some() || value.get("p99").is_some() {
            return Percentiles::deserialize(value).map(Self::Percentiles).map_err(wrong);
        }
        if value.is_object() {
            return Between::deserialize(value).map(Self::Between).map_err(wrong);
        }
        Err(Error::custom(format!(
            "delay_ms: milliseconds, {{\"min\", \"max\"}} or {{\"p50\", \"p99\"}}, not {value}"
        )))
    }
}

impl Delay {
    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Between(Between { min, max }) if min > max => Err("delay_ms: min is over max".into()),
            Self::Percentiles(Percentiles { p50, p99 }) if *p50 == 0 || p50 > p99 => {
                Err("delay_ms: p50 must be over 0 and at most p99".into())
            }
            _ => Ok(()),
        }
    }

    /// The next one.
    pub(super) fn draw(&self, chance: &mut Random) -> Duration {
        let longest = Duration::from_millis(MAX);
        match self {
            Self::Fixed(fixed) => Duration::from_millis(*fixed).min(longest),
            Self::Between(Between { min, max }) => {
                Duration::from_millis(chance.number(*min.min(&MAX)..max.min(&MAX).saturating_add(1)))
            }
            Self::Percentiles(Percentiles { p50, p99 }) => {
                let ms = chance.latency(f64::from(*p50), f64::from(*p99));
                Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(longest).min(longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn delay(value: &Value) -> Result<Delay, String> {
        let delay: Delay = serde_json::from_str(&value.to_string()).map_err(|e| e.to_string())?;
        delay.check().map(|()| delay)
    }

    fn drawn(value: &Value) -> Vec<u64> {
        let (delay, mut chance) = (delay(value).unwrap(), Random::seeded(1));
        let mut drawn: Vec<_> =
            (0..10_000).map(|_| u64::try_from(delay.draw(&mut chance).as_millis()).unwrap()).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn a_range_is_even_and_keeps_its_ends() {
        let drawn = drawn(&json!({"min": 10, "max": 19}));
        assert_eq!((drawn[0], drawn[9_999]), (10, 19));
        for ms in 10..20 {
            let times = drawn.iter().filter(|one| **one == ms).count();
            assert!((800..1200).contains(&times), "{ms}: {times} of 10000");
        }
    }

    #[test]
    fn percentiles_are_what_they_say() {
        let drawn = drawn(&json!({"p50": 40, "p99": 800}));
        assert!((37..43).contains(&drawn[5_000]), "{}", drawn[5_000]);
        assert!((650..1000).contains(&drawn[9_900]), "{}", drawn[9_900]);
        assert!(drawn[0] < 10, "some are quick");
    }

    #[test]
    fn nothing_takes_longer_than_ten_minutes() {
        assert_eq!(drawn(&json!(u64::MAX))[0], MAX);
        assert_eq!(drawn(&json!({"min": u64::MAX, "max": u64::MAX}))[0], MAX);
        assert_eq!(drawn(&json!({"p50": u32::MAX, "p99": u32::MAX}))[0], MAX);
    }

    #[test]
    fn what_is_no_delay_is_named() {
        for (wrong, word) in [
            (json!(-1), "delay_ms"),
            (json!(1.5), "delay_ms"),
            (json!("1"), "delay_ms"),
            (json!({"min": 1}), "max"),
            (json!({"p50": 1}), "p99"),
            (json!({"min": 1, "max": 2, "mean": 1}), "mean"),
            (json!({"min": 2, "max": 1}), "min is over max"),
            (json!({"p50": 0, "p99": 1}), "p50"),
            (json!({"p50": 2, "p99": 1}), "p50"),
        ] {
            let error = delay(&wrong).unwrap_err();
            assert!(error.contains(word), "{wrong}: {error}");
        }
    }
}
