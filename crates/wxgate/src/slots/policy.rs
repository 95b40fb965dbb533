//! When a token is fetched anew, and when it is not: pure functions of times and counts.

use serde::{Deserialize, Serialize};

use crate::entries::TokenMode;
use crate::random::Random;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// `force_refresh` upstream: WeChat allows 20 a day, 30 s apart; we stay well inside.
const FORCED_GAP: i64 = 5 * MINUTE;
const FORCED_A_DAY: usize = 10;
/// Dead classic tokens that are replaced: a window's worth, and a day's.
const REPLACED_WINDOW: i64 = 10 * MINUTE;
const REPLACED_A_WINDOW: usize = 6;
const REPLACED_A_DAY: usize = 50;
/// Questions to the probe.
const PROBES_A_DAY: u32 = 500;
/// From so many probes a day on, it is noted which paths work: they may have to stand in for the probe. One token is
/// asked about every ten seconds at most, so the 360 that are left last an hour, which is how far the notes look back.
const WATCH_FROM: u32 = 140;

/// How a credential's value ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ageing {
    /// WeChat hands out the same one until five minutes before its end.
    Stable,
    /// Every fetch makes a new one, which overlaps the old for five minutes; tickets age so too.
    Classic,
}

impl From<TokenMode> for Ageing {
    fn from(mode: TokenMode) -> Self {
        match mode {
            TokenMode::Stable => Self::Stable,
            TokenMode::Classic => Self::Classic,
        }
    }
}

/// When to fetch a value's successor. All three are ticks.
pub fn refresh_at(ageing: Ageing, fetched_at: i64, expires_at: i64, random: &Random) -> i64 {
    let life = (expires_at - fetched_at).max(0);
    let left = match ageing {
        Ageing::Stable if life < 1080 * SECOND => life / 4,
        Ageing::Stable => random.between(90 * SECOND, 270 * SECOND),
        Ageing::Classic if life < 3600 * SECOND => life / 4,
        Ageing::Classic => random.between(10 * MINUTE, 15 * MINUTE),
    };
    // Never spin on a value that is about to end and does not change.
    (expires_at - left).max(fetched_at + SECOND.min(life))
}

/// How long a failed fetch keeps everybody from asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// No answer or -1: WeChat may be back any moment.
    Short,
    /// Wrong secret, IP not listed, quota: somebody has to act, or a day has to end.
    Long,
}

/// How long to leave WeChat alone after the `failures`-th failure in a row (from 1), milliseconds.
pub fn back_off(rest: Rest, failures: u32, random: &Random) -> i64 {
    let doubled = |first: i64, most: i64| (first << failures.saturating_sub(1).min(16)).min(most);
    match rest {
        // At most 4 s with the jitter: a WeChat that returns is noticed within 5 s.
        Rest::Short => {
            let wait = doubled(500, 3500);
            wait + random.between(0, wait / 8)
        }
        Rest::Long => doubled(30 * SECOND, 10 * MINUTE),
    }
}

/// What was done about refused values lately; kept with the value, so that a restart forgets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When `force_refresh` was used, within the last day.
    #[serde(default)]
    pub forced: Vec<i64>,
    /// When a dead classic token was replaced, within the last day.
    #[serde(default)]
    pub replaced: Vec<i64>,
    /// When the present day of probes began.
    #[serde(default)]
    pub probes_since: i64,
    /// Probes of that day.
    #[serde(default)]
    pub probes: u32,
}

impl History {
    /// The same on another clock, which shows `by` milliseconds more. What would lie after `now` there counts as just
    /// done: a clock that was wrong must block nothing for longer than the limits say.
    #[must_use]
    pub fn moved(&self, by: i64, now: i64) -> Self {
        let moved = |times: &[i64]| times.iter().map(|at| (at + by).min(now)).collect();
        Self {
            forced: moved(&self.forced),
            replaced: moved(&self.replaced),
            probes_since: (self.probes_since + by).min(now),
            probes: self.probes,
        }
    }

    /// Takes one use of `force_refresh`; false: none is left for now.
    pub fn take_forced(&mut self, now: i64) -> bool {
        self.forced.retain(|at| now - *at < DAY);
        let rested = self.forced.last().is_none_or(|last| now - last >= FORCED_GAP);
        let may = rested && self.forced.len() < FORCED_A_DAY;
        if may {
            self.forced.push(now);
        }
        may
    }

    /// Takes one replacement of a dead classic token; false: none is left for now.
    pub fn take_replaced(&mut self, now: i64) -> bool {
        self.replaced.retain(|at| now - *at < DAY);
        let lately = self.replaced.iter().filter(|at| now - **at < REPLACED_WINDOW).count();
        let may = lately < REPLACED_A_WINDOW && self.replaced.len() < REPLACED_A_DAY;
        if may {
            self.replaced.push(now);
        }
        may
    }

    /// When `force_refresh` may be used again.
    pub fn forced_again(&self) -> i64 {
        let rested = self.forced.last().map_or(0, |last| last + FORCED_GAP);
        rested.max(ends(&self.forced, FORCED_A_DAY, DAY))
    }

    /// When a dead classic token may be replaced again.
    pub fn replaced_again(&self) -> i64 {
        ends(&self.replaced, REPLACED_A_WINDOW, REPLACED_WINDOW).max(ends(
            &self.replaced,
            REPLACED_A_DAY,
            DAY,
        ))
    }

    /// Takes one probe; false: none is left today.
    pub fn take_probe(&mut self, now: i64) -> bool {
        if now - self.probes_since >= DAY {
            self.probes_since = now;
            self.probes = 0;
        }
        let may = self.probes < PROBES_A_DAY;
        self.probes += u32::from(may);
        may
    }

    /// Whether it has to be noted which paths work.
    pub fn watches_paths(&self, now: i64) -> bool {
        self.probes >= WATCH_FROM && now - self.probes_since < DAY
    }
}

/// When less than `most` of `times` are in the last `window`.
fn ends(times: &[i64], most: usize, window: i64) -> i64 {
    times.len().checked_sub(most).and_then(|first| times.get(first)).map_or(0, |first| first + window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_fetched_inside_its_window() {
        let random = Random::System;
        for _ in 0..1000 {
            let left = 7200 * SECOND - refresh_at(Ageing::Stable, 0, 7200 * SECOND, &random);
            assert!((90 * SECOND..=270 * SECOND).contains(&left), "{left}");
            let left = 7200 * SECOND - refresh_at(Ageing::Classic, 0, 7200 * SECOND, &random);
            assert!((10 * MINUTE..=15 * MINUTE).contains(&left), "{left}");
        }
        assert_eq!(refresh_at(Ageing::Stable, 0, 1000 * SECOND, &random), 750 * SECOND);
        assert_eq!(refresh_at(Ageing::Stable, 0, 30 * SECOND, &random), 22_500);
        assert_eq!(refresh_at(Ageing::Classic, 0, 3000 * SECOND, &random), 2250 * SECOND);
        assert_eq!(refresh_at(Ageing::Stable, 0, 1, &random), 1, "a life under a second ends at its end");
    }

    #[test]
    fn a_wrong_secret_costs_at_most_twenty_calls_an_hour() {
        let random = Random::System;
        let (mut now, mut calls) = (0, 0);
        while now < 60 * MINUTE {
            calls += 1;
            now += back_off(Rest::Long, calls, &random);
        }
        assert!(calls <= 20, "{calls}");
        assert_eq!(back_off(Rest::Long, 1, &random), 30 * SECOND);
        assert_eq!(back_off(Rest::Long, 99, &random), 10 * MINUTE);
        assert!((1..99).all(|n| back_off(Rest::Short, n, &random) < 5 * SECOND));
    }

    /// How often `take` says yes when it is asked every ten seconds for a day.
    fn taken(mut take: impl FnMut(&mut History, i64) -> bool) -> usize {
        let mut history = History::default();
        (0..24 * 360).filter(|n| take(&mut history, DAY + n * 10 * SECOND)).count()
    }

    #[test]
    fn what_replaces_a_token_stays_within_its_limits() {
        assert_eq!(taken(History::take_forced), FORCED_A_DAY);
        assert_eq!(taken(History::take_replaced), REPLACED_A_DAY);
        assert_eq!(taken(History::take_probe), PROBES_A_DAY as usize);
        let mut history = History::default();
        assert!(history.take_forced(DAY) && !history.take_forced(DAY + FORCED_GAP - 1));
        assert!(history.take_forced(DAY + FORCED_GAP));
        assert_eq!((0..20).filter(|_| history.take_replaced(DAY)).count(), REPLACED_A_WINDOW);
        assert!(
            !history.take_replaced(DAY + REPLACED_WINDOW - 1) && history.take_replaced(DAY + REPLACED_WINDOW)
        );
        assert_eq!(
            (history.forced_again(), history.replaced_again()),
            (DAY + 2 * FORCED_GAP, DAY + REPLACED_WINDOW)
        );
        let late = history.moved(8 * 3_600_000, DAY);
        assert!(late.forced.iter().chain(&late.replaced).all(|at| *at == DAY), "{late:?}");
        assert_eq!(history.moved(-DAY, DAY).moved(DAY, DAY + REPLACED_WINDOW), history);
        for _ in 0..600 {
            history.take_probe(DAY);
        }
        assert!(!history.take_probe(2 * DAY - 1) && history.take_probe(2 * DAY), "a day later it may again");
    }
}
