//! A moment as an operator writes it: a date with time and zone, or a date alone, which means the end of that day in China.

use std::time::UNIX_EPOCH;

use serde_json::Value;
use toml::value::{Datetime, Offset};

use super::table::Table;
use crate::clock::millis;

/// China's time: its days are WeChat's.
pub(super) const CHINA_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

impl Table<'_> {
    /// A moment, Unix milliseconds: what isn't over yet ends there. Through an API also Unix seconds, as it shows them.
    pub fn moment(&mut self, key: &'static str) -> Option<i64> {
        let moment = match self.take(key)? {
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => read(&text),
            Value::Number(seconds) => seconds.as_i64().and_then(|seconds| seconds.checked_mul(1000)),
            _ => None,
        };
        if moment.is_none() {
            self.mistake(
                key,
                "应是带时区的时间，如 2026-12-31T18:00:00+08:00，或只写日期，如 2026-12-31（到北京时间当天结束为止）",
                "must be a time with its zone, like 2026-12-31T18:00:00+08:00, or a date alone, like 2026-12-31 (to the end of that day at +08:00)",
            );
        }
        moment
    }
}

fn read(text: &str) -> Option<i64> {
    let Datetime { date, time, offset } = text.trim().parse().ok()?;
    let date = date?;
    let begin = utc(&format!("{date}T00:00:00Z"))?;
    let (Some(time), Some(offset)) = (time, offset) else {
        // A time whose zone nobody wrote could be anybody's.
        return time.is_none().then_some(begin + DAY_MS - CHINA_MS);
    };
    let shift = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * MINUTE_MS,
    };
    let seconds =
        i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
    Some(begin + seconds * 1000 + i64::from(time.nanosecond.unwrap_or(0)) / 1_000_000 - shift)
}

fn utc(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_zone_or_is_a_day_in_china() {
        for (text, seconds) in [
            ("2026-12-31T18:00:00+08:00", 1_798_711_200),
            ("2026-12-31 10:00:00Z", 1_798_711_200),
            ("2026-12-31T10:00:00.000Z", 1_798_711_200),
            ("2026-12-31", 1_798_732_800),
            ("1970-01-01", 57_600),
        ] {
            assert_eq!(read(text), Some(seconds * 1000), "{text}");
        }
        for wrong in ["", "2026-12-31T18:00:00", "18:00:00", "2026-02-30", "soon", "2026-13-01", "1969-12-31"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
