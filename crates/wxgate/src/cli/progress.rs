//! How far a job is, on a terminal or in a log; and numbers and times for people.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::Clock;
use crate::lang::say;

/// Cells of the bar.
const CELLS: u64 = 24;
/// Between lines where there is no terminal.
const EVERY_MS: i64 = 5_000;
/// The pace is that of the last seconds.
const SPAN_MS: i64 = 20_000;
/// Too little to tell a pace by.
const ENOUGH_MS: i64 = 1_500;

/// `1,284`
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0:48`, `12:05`, `1:02:03`
pub(super) fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A moment in Unix seconds: Beijing's time for whoever reads Chinese, UTC for others.
pub(super) fn moment(at: i64) -> String {
    let at = say(at.saturating_add(8 * 3600), at);
    let seconds = u64::try_from(at).unwrap_or_default().min(253_402_300_799);
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let text = text.replace('T', " ").replace('Z', "");
    say(format!("{text}（北京时间）"), format!("{text} UTC"))
}

/// A bar with what came out well, then what didn't.
fn bar(good: u64, bad: u64, total: u64) -> String {
    let cells = |n: u64| (n.min(total) * CELLS).checked_div(total).unwrap_or(CELLS);
    let (good, done) = (cells(good), cells(good + bad));
    let part = |sign: &str, n: u64| sign.repeat(usize::try_from(n).unwrap_or_default());
    format!("[{}{}{}]", part("#", good), part("x", done - good), part("-", CELLS - done))
}

/// A share of all, rounded down: only what is done is 100 %.
fn percent(done: u64, total: u64) -> u64 {
    (done.min(total) * 100).checked_div(total).unwrap_or(100)
}

/// How fast something goes of late.
#[derive(Debug, Default)]
pub(super) struct Pace(VecDeque<(i64, u64)>);

impl Pace {
    /// So much was done at this time, in milliseconds.
    pub(super) fn saw(&mut self, at: i64, done: u64) {
        while self.0.front().is_some_and(|(then, _)| at - then > SPAN_MS) {
            self.0.pop_front();
        }
        self.0.push_back((at, done));
    }

    /// What was done in how many milliseconds; `None` before there is enough to go by.
    fn seen(&self) -> Option<(u64, u64)> {
        let ((from, before), (to, done)) = (self.0.front()?, self.0.back()?);
        let length = u64::try_from(to - from).ok().filter(|_| to - from >= ENOUGH_MS)?;
        Some((done.saturating_sub(*before), length))
    }

    /// The pace, and in how long `left` more are done.
    fn told(&self, left: u64) -> Option<String> {
        let (done, length) = self.seen()?;
        let tenths = done * 10_000 / length;
        let pace = match tenths {
            0..100 => format!("{}.{}", tenths / 10, tenths % 10),
            _ => grouped(tenths / 10),
        };
        let eta = (left * length / 1000).checked_div(done).map(span);
        Some(match eta {
            Some(eta) => say(format!("{pace}/秒，还要 {eta}"), format!("{pace}/s, {eta} left")),
            None => say("没有进展".to_owned(), "no progress".to_owned()),
        })
    }
}

/// How far something is, of which words tell more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Far {
    pub(super) good: u64,
    pub(super) bad: u64,
    pub(super) total: u64,
    pub(super) words: String,
}

/// Shows on standard error how far something is: one line that changes on a terminal, else a line every few seconds.
#[derive(Debug)]
pub(super) struct Bar {
    clock: Clock,
    is_terminal: bool,
    pace: Pace,
    told_at: Option<i64>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { clock: Clock::System, is_terminal, pace: Pace::default(), told_at: None }
    }

    pub(super) fn show(&mut self, far: &Far) {
        let now = self.clock.ticks();
        let done = far.good + far.bad;
        self.pace.saw(now, done);
        if !self.is_terminal && self.told_at.is_some_and(|then| now - then < EVERY_MS) {
            return;
        }
        self.told_at = Some(now);
        let line = line(far, self.pace.told(far.total.saturating_sub(done)).as_deref());
        // Nobody is left to tell if this fails.
        let _ = match self.is_terminal {
            true => write!(std::io::stderr(), "\r\x1b[2K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Takes the line off the terminal, so that others stand there.
    pub(super) fn clear(&mut self) {
        if self.is_terminal && self.told_at.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn line(far: &Far, pace: Option<&str>) -> String {
    let Far { good, bad, total, words } = far;
    let done = good + bad;
    let bar = bar(*good, *bad, *total);
    let of = format!("{}/{}", grouped(done), grouped(*total));
    let pace = pace.filter(|_| done < *total).map(|pace| format!("  {pace}")).unwrap_or_default();
    format!("{bar} {:>3}% {of}  {words}{pace}", percent(done, *total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_for_people() {
        let all = [0, 7, 999, 1_000, 1_284, 20_000, 1_000_000].map(grouped);
        assert_eq!(all, ["0", "7", "999", "1,000", "1,284", "20,000", "1,000,000"]);
        assert_eq!([0, 48, 725, 3_723, 360_000].map(span), ["0:00", "0:48", "12:05", "1:02:03", "100:00:00"]);
        assert_eq!(moment(1_798_711_200), "2026-12-31 18:00:00（北京时间）");
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(bar(0, 0, 10), format!("[{}]", "-".repeat(24)));
        assert_eq!(bar(5, 5, 20), format!("[{}{}{}]", "#".repeat(6), "x".repeat(6), "-".repeat(12)));
        assert_eq!((bar(9_999, 0, 10_000).matches('-').count(), percent(9_999, 10_000)), (1, 99));
        assert_eq!(bar(10, 0, 10), format!("[{}]", "#".repeat(24)));
        // Nothing is all of nothing, and more than all of it is all of it.
        assert_eq!((percent(0, 0), percent(11, 10), bar(11, 3, 10)), (100, 100, bar(10, 0, 10)));
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.told(10), None);
        pace.saw(0, 0);
        pace.saw(1_000, 50);
        assert_eq!(pace.told(10), None, "too little to go by");
        pace.saw(2_000, 100);
        assert_eq!(pace.told(1_000).as_deref(), Some("50/秒，还要 0:20"));
        pace.saw(4_000, 110);
        pace.saw(23_000, 111);
        assert_eq!(pace.told(60).as_deref(), Some("0.0/秒，还要 19:00"), "what was before is forgotten");
        pace.saw(44_000, 111);
        pace.saw(60_000, 111);
        assert_eq!(pace.told(60).as_deref(), Some("没有进展"));
        assert!(pace.0.len() < 5);
    }

    #[test]
    fn a_line_tells_all_of_it() {
        let far = Far { good: 640, bad: 2, total: 1_284, words: "没成 2".into() };
        let told = line(&far, Some("50/秒，还要 0:13"));
        assert_eq!(told, "[###########x------------]  50% 642/1,284  没成 2  50/秒，还要 0:13");
        let done = Far { good: 9, bad: 0, total: 9, words: String::new() };
        assert!(!line(&done, Some("9/秒")).contains('秒'), "what is done has no pace");
    }
}
