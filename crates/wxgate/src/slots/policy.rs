//! When a token is fetched anew, and when it is not: pure functions of times and counts.

use rand::RngExt as _;

use crate::entries::TokenMode;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

/// `force_refresh` upstream: WeChat allows 20 a day, 30 s apart; we stay well inside.
const FORCED_GAP: i64 = 5 * MINUTE;
const FORCED_A_DAY: usize = 10;
/// A token that another call has used with success this recently is alive, whatever one API says.
const PROOF_OF_LIFE: i64 = MINUTE;
/// A refused classic token is replaced at most this often.
const CLASSIC_GAP: i64 = MINUTE;
/// Normal mode has just confirmed the refused token: ask again no sooner.
const CONFIRMED_GAP: i64 = SECOND;

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

/// When to fetch a value's successor, Unix milliseconds. Both times are Unix milliseconds.
pub fn refresh_at(ageing: Ageing, fetched_at: i64, expires_at: i64) -> i64 {
    let life = (expires_at - fetched_at).max(0);
    let left = match ageing {
        Ageing::Stable if life < 1080 * SECOND => life / 4,
        Ageing::Stable => rand::rng().random_range(90 * SECOND..=270 * SECOND),
        Ageing::Classic if life < 3600 * SECOND => life / 4,
        Ageing::Classic => rand::rng().random_range(10 * MINUTE..=15 * MINUTE),
    };
    // Never spin on a value that is about to end and does not change.
    (expires_at - left).max(fetched_at + SECOND.min(life))
}

/// Why a fetch failed, as far as waiting is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer or -1: WeChat may be back any moment.
    Transient,
    /// Wrong secret, IP not listed, quota: somebody has to act, or a day has to end.
    Lasting,
}

/// How long to leave WeChat alone after the `failures`-th failure in a row (from 1), milliseconds.
pub fn back_off(failure: Failure, failures: u32) -> i64 {
    let doubled = |first: i64, most: i64| (first << failures.saturating_sub(1).min(16)).min(most);
    match failure {
        // At most 4 s with the jitter: a WeChat that returns is noticed within 5 s.
        Failure::Transient => {
            let wait = doubled(500, 3500);
            wait + rand::rng().random_range(0..=wait / 8)
        }
        Failure::Lasting => doubled(30 * SECOND, 10 * MINUTE),
    }
}

/// What happened to a slot's values lately; kept with the value, so that a restart forgets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct History {
    /// When `force_refresh` was used, within the last day.
    #[serde(default)]
    pub forced: Vec<i64>,
    /// When a refused classic token was last replaced.
    #[serde(default)]
    pub replaced_at: i64,
    /// When normal mode last returned the very token that had been refused.
    #[serde(skip)]
    pub confirmed_at: i64,
}

impl History {
    /// Whether `force_refresh` may be used on a token last used with success at `last_ok`.
    pub fn may_force(&self, last_ok: i64, now: i64) -> bool {
        let today = self.forced.iter().filter(|at| now - **at < DAY).count();
        let last = self.forced.last().copied().unwrap_or(i64::MIN / 2);
        now - last_ok >= PROOF_OF_LIFE && now - last >= FORCED_GAP && today < FORCED_A_DAY
    }

    /// Notes a use of `force_refresh`.
    pub fn forced(&mut self, now: i64) {
        self.forced.retain(|at| now - *at < DAY);
        self.forced.push(now);
    }

    /// Whether a refused classic token, last used with success at `last_ok`, may be replaced.
    pub fn may_replace_classic(&self, last_ok: i64, now: i64) -> bool {
        now - last_ok >= PROOF_OF_LIFE && now - self.replaced_at >= CLASSIC_GAP
    }

    /// Whether normal mode may be asked again about a refused token.
    pub fn may_confirm(&self, now: i64) -> bool {
        now - self.confirmed_at >= CONFIRMED_GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_fetched_inside_its_window() {
        for _ in 0..1000 {
            let left = 7200 * SECOND - refresh_at(Ageing::Stable, 0, 7200 * SECOND);
            assert!((90 * SECOND..=270 * SECOND).contains(&left), "{left}");
            let left = 7200 * SECOND - refresh_at(Ageing::Classic, 0, 7200 * SECOND);
            assert!((10 * MINUTE..=15 * MINUTE).contains(&left), "{left}");
        }
        assert_eq!(refresh_at(Ageing::Stable, 0, 1000 * SECOND), 750 * SECOND);
        assert_eq!(refresh_at(Ageing::Stable, 0, 30 * SECOND), 22_500);
        assert_eq!(refresh_at(Ageing::Classic, 0, 3000 * SECOND), 2250 * SECOND);
        assert_eq!(refresh_at(Ageing::Stable, 0, 1), 1, "a life under a second ends at its end");
    }

    #[test]
    fn a_wrong_secret_costs_at_most_twenty_calls_an_hour() {
        let (mut now, mut calls) = (0, 0);
        while now < 60 * MINUTE {
            calls += 1;
            now += back_off(Failure::Lasting, calls);
        }
        assert!(calls <= 20, "{calls}");
        assert_eq!(back_off(Failure::Lasting, 1), 30 * SECOND);
        assert_eq!(back_off(Failure::Lasting, 99), 10 * MINUTE);
        assert!((1..99).all(|n| back_off(Failure::Transient, n) < 5 * SECOND));
    }

    #[test]
    fn force_refresh_stays_within_its_limits() {
        let mut history = History::default();
        let (mut now, mut used) = (DAY, 0);
        for _ in 0..24 * 60 {
            if history.may_force(0, now) {
                history.forced(now);
                used += 1;
            }
            now += MINUTE;
        }
        assert_eq!(used, FORCED_A_DAY);
        assert!(history.may_force(0, now + DAY), "a day later it may again");
        assert!(!history.may_force(now + DAY - 59 * SECOND, now + DAY), "not for a token proven alive");
    }

    #[test]
    fn a_refused_classic_token_is_replaced_once_a_minute_unless_it_lives() {
        let mut history = History::default();
        assert!(history.may_replace_classic(0, DAY));
        assert!(!history.may_replace_classic(DAY - 59 * SECOND, DAY));
        history.replaced_at = DAY;
        assert!(!history.may_replace_classic(0, DAY + 59 * SECOND));
        assert!(history.may_replace_classic(0, DAY + MINUTE));
    }
}
