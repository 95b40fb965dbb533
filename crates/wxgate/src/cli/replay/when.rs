//! Times as people write them: with a zone, in the zone of this machine, or so long ago.

use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use crate::clock::{Clock, millis};
use crate::lang::say;

/// Unix seconds of `2026-11-27T14:03:00+08:00`, `2026-11-27 14:03` (here), or `2h` (ago).
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    parse_by(text, Clock::System.now_secs(), local)
}

fn parse_by(text: &str, now: i64, local: impl Fn(&str) -> Option<i64>) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(now - millis(ago) / 1000);
    }
    if let Some(at) = zoned(text) {
        return Ok(at);
    }
    let wrong = || {
        say(
            "应是带时区的时间，如 2026-11-27T14:03:00+08:00，或本机时区的 \"2026-11-27 14:03\"，或多久以前，如 2h",
            "it must be a time with its zone, like 2026-11-27T14:03:00+08:00, or one of this machine's zone, like \"2026-11-27 14:03\", or how long ago, like 2h",
        )
        .to_owned()
    };
    let Some(plain) = plain(text) else { return Err(wrong()) };
    local(&plain).ok_or_else(|| {
        say(
            "这台机器没有可用的 date 命令，算不出本机时区：写上时区，如 2026-11-27T14:03:00+08:00",
            "this machine has no `date` that tells its zone: write the zone, like 2026-11-27T14:03:00+08:00",
        )
        .to_owned()
    })
}

/// With a zone.
fn zoned(text: &str) -> Option<i64> {
    let (head, shift) = match text.strip_suffix(['Z', 'z']) {
        Some(head) => (head, 0),
        None => {
            let (head, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let sign = match zone.get(..1)? {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            (head, sign * (hours * 3600 + minutes * 60))
        }
    };
    Some(utc(&plain(head)?)? - shift)
}

/// `2026-11-27 14:03:00`, if `text` is a date with a time, to the minute or the second.
fn plain(text: &str) -> Option<String> {
    let text = text.replace('T', " ");
    let whole = if text.len() == "2026-11-27 14:03".len() { format!("{text}:00") } else { text };
    let (date, time) = whole.split_once(' ')?;
    let is_fit = date.len() == 10 && time.len() == 8;
    let fits = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | ' ');
    (is_fit && whole.chars().all(fits) && utc(&whole).is_some()).then_some(whole)
}

fn utc(plain: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(&format!("{}Z", plain.replace(' ', "T"))).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| millis(since) / 1000)
}

/// Nothing but the system knows its zones: its own program is asked, as GNU, busybox or BSD have it.
fn local(plain: &str) -> Option<i64> {
    let ways: [&[&str]; 2] = [&["-d", plain, "+%s"], &["-j", "-f", "%Y-%m-%d %H:%M:%S", plain, "+%s"]];
    ways.iter().find_map(|way| {
        let output = Command::new("date").args(*way).stdin(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok().filter(|_| output.status.success())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_798_711_200;

    #[test]
    fn a_time_has_a_zone_or_is_of_this_machine_or_so_long_ago() {
        let eight_ahead = |plain: &str| utc(plain).map(|at| at - 8 * 3600);
        for (text, at) in [
            ("2026-12-31T18:00:00+08:00", NOW),
            ("2026-12-31T10:00:00Z", NOW),
            ("2026-12-31 05:00:00-05:00", NOW),
            ("2026-12-31T15:30+05:30", NOW),
            ("2026-12-31 18:00", NOW),
            ("2026-12-31T18:00:05", NOW + 5),
            ("2h", NOW - 7200),
            ("1d 30m", NOW - 88_200),
        ] {
            assert_eq!(parse_by(text, NOW, eight_ahead), Ok(at), "{text}");
        }
        for wrong in
            ["", "soon", "2026-12-31", "18:00", "2026-02-30 18:00", "2026-12-31 18:00+8", "2026-12-31 1800:0"]
        {
            assert!(parse_by(wrong, NOW, eight_ahead).is_err(), "{wrong}");
        }
        let nowhere = parse_by("2026-12-31 18:00", NOW, |_| None).unwrap_err();
        assert!(nowhere.contains("date"), "{nowhere}");
    }

    #[test]
    fn the_zone_of_this_machine_is_within_a_day() {
        let here = local("2026-12-31 18:00:00").unwrap();
        assert!((here - NOW - 8 * 3600).abs() <= 14 * 3600, "{here}");
    }
}
