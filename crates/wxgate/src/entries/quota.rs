//! A caller's quota: how many calls of the paths that a pattern means it may send within a minute, an hour or a day.

use std::fmt;

use super::moment::CHINA_MS;
use super::table::Table;
use crate::lang::Words;
use crate::rules::pattern::Pattern;

/// Quotas of one caller.
const MOST: usize = 50;
/// Calls in a window.
const LARGEST: i64 = 1_000_000_000_000;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// The paths, as they were written.
    pub text: String,
    /// Calls in a window.
    pub limit: i64,
    /// Whose windows.
    pub unit: Unit,
    pattern: Pattern,
}

/// How long a window lasts. Each begins on the minute, the hour or the day in China.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 60 s
    Minute,
    /// 60 min
    Hour,
    /// 24 h
    Day,
}

impl Unit {
    /// As it is written.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }

    fn length(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Where the window that holds `now` begins; Unix milliseconds.
    pub fn start(self, now: i64) -> i64 {
        now - (now + CHINA_MS).rem_euclid(self.length())
    }

    /// Where the window that begins at `start` ends.
    pub fn end(self, start: i64) -> i64 {
        start + self.length()
    }
}

impl Quota {
    fn parse(text: &str, amount: &str) -> Option<Self> {
        let (limit, unit) = amount.split_once('/')?;
        let unit =
            [Unit::Minute, Unit::Hour, Unit::Day].into_iter().find(|one| one.letter() == unit.trim())?;
        let limit = limit.trim().parse().ok().filter(|limit| (1..=LARGEST).contains(limit))?;
        // WeChat's paths: what one service call sends may be several, and each counts.
        let is_path = text.starts_with(['/', '*']) && !text.starts_with("/v1/") && !text.contains(' ');
        let pattern = Pattern::parse(&text.to_ascii_lowercase()).filter(|_| is_path)?;
        Some(Self { text: text.to_owned(), limit, unit, pattern })
    }

    /// Whether a call of `path` counts, in whatever spelling.
    pub fn matches(&self, path: &str) -> bool {
        match path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.pattern.matches(&path.to_ascii_lowercase()),
            false => self.pattern.matches(path),
        }
    }

    /// What its windows are kept under.
    pub fn key(&self) -> String {
        format!("{} {}", self.text, self.unit.letter())
    }
}

/// `10000/d`
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.unit.letter())
    }
}

/// The key `quotas`.
pub(super) fn quotas(s: &mut Table<'_>) -> Vec<Quota> {
    let texts = s.texts("quotas");
    if texts.len() > MOST {
        s.mistake("quotas", format!("最多 {MOST} 项"), format!("at most {MOST}"));
    }
    let mut quotas = Vec::new();
    for (text, amount) in texts {
        match Quota::parse(&text, &amount) {
            Some(quota) => quotas.push(quota),
            None => {
                let Words { zh, en } = wrong(&text, &amount);
                s.mistake("quotas", zh, en);
            }
        }
    }
    quotas
}

fn wrong(text: &str, amount: &str) -> Words {
    Words::new(
        format!(
            "\"{text}\" = \"{amount}\" 应像 \"/cgi-bin/message/*\" = \"10000/d\"：微信的路径模式，和每 m（分钟）、h（小时）、d（天）的次数；每秒的用 rate"
        ),
        format!(
            "\"{text}\" = \"{amount}\" must be like \"/cgi-bin/message/*\" = \"10000/d\": a pattern of WeChat's paths, and calls in each m (minute), h (hour) or d (day); a second's limit is `rate`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_on_the_minute_the_hour_and_the_day_in_china() {
        // 2026-11-22 00:00:00 in China.
        let midnight = 1_795_276_800_000;
        for (unit, at, start) in [
            (Unit::Day, 0, 0),
            (Unit::Day, 86_399_999, 0),
            (Unit::Day, -1, -86_400_000),
            (Unit::Hour, 3_600_001, 3_600_000),
            (Unit::Minute, 59_999, 0),
            (Unit::Minute, 60_000, 60_000),
        ] {
            assert_eq!(unit.start(midnight + at), midnight + start, "{unit:?} {at}");
        }
        assert_eq!(Unit::Hour.end(midnight), midnight + 3_600_000);
    }

    #[test]
    fn a_quota_is_a_pattern_and_calls_in_a_window() {
        let quota = Quota::parse("/cgi-bin/Message/*", "10000/d").unwrap();
        assert_eq!(
            (quota.to_string(), quota.key()),
            ("10000/d".to_owned(), "/cgi-bin/Message/* d".to_owned())
        );
        assert!(quota.matches("/cgi-bin/message/template/send") && quota.matches("/CGI-BIN/message/x"));
        assert!(!quota.matches("/cgi-bin/user/info"));
        for (text, amount) in [
            ("/a", "5/s"),
            ("/a", "0/d"),
            ("/a", "-1/d"),
            ("/a", "5"),
            ("/a", "x/d"),
            ("a", "5/d"),
            ("/v1/service/wx/*", "5/d"),
            ("/[a", "5/d"),
            ("/a", "9999999999999999/d"),
        ] {
            assert_eq!(Quota::parse(text, amount), None, "{text} {amount}");
        }
    }
}
