//! Calls of other nodes are taken once, and only while they are fresh.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How far a call's time may be from ours; milliseconds. The database's time is everybody's.
const FRESH: i64 = 30_000;
/// A nonce is remembered so long at least: as long as its call may be fresh.
const REMEMBERED: i64 = 2 * FRESH;
/// Nonces of one such span. Only nodes bring any; beyond that none is taken.
const NONCES: usize = 1 << 18;

/// The nonces that were taken lately.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<Spans>);

#[derive(Debug, Default)]
struct Spans {
    /// When `young` began, in ticks.
    since: i64,
    young: HashSet<[u8; 16]>,
    old: HashSet<[u8; 16]>,
}

impl Taken {
    /// Takes a call that was sent at `time` with `nonce`, if that is the first and it is fresh. `now` is the database's
    /// time, `ticks` ours.
    pub(super) fn take(&self, time: i64, nonce: [u8; 16], now: i64, ticks: i64) -> bool {
        if time.abs_diff(now) > FRESH.unsigned_abs() {
            return false;
        }
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = ticks - spans.since;
        if age >= REMEMBERED {
            let young = std::mem::take(&mut spans.young);
            spans.old = if age < 2 * REMEMBERED { young } else { HashSet::new() };
            spans.since = ticks;
        }
        !spans.old.contains(&nonce) && spans.young.len() < NONCES && spans.young.insert(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_taken_once_and_in_its_time() {
        let taken = Taken::default();
        let (now, ticks) = (1_800_000_000_000, 5);
        assert!(taken.take(now, [1; 16], now, ticks));
        assert!(!taken.take(now, [1; 16], now, ticks), "again");
        assert!(taken.take(now, [2; 16], now, ticks));
        for (time, fits) in [
            (now - FRESH - 1, false),
            (now - FRESH, true),
            (now + FRESH, true),
            (now + FRESH + 1, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            let mut nonce = [3; 16];
            nonce[..8].copy_from_slice(&time.to_be_bytes());
            assert_eq!(taken.take(time, nonce, now, ticks), fits, "{time}");
        }
        // As long as its time is fresh, however late it was sent, and whatever comes meanwhile.
        let early = now + FRESH;
        assert!(taken.take(early, [4; 16], now, ticks));
        for later in [1, FRESH, REMEMBERED - 1, REMEMBERED] {
            assert!(!taken.take(early, [4; 16], now + later, ticks + later), "{later}");
        }
        assert!(!taken.take(early, [4; 16], now + REMEMBERED + 1, ticks + REMEMBERED + 1), "stale by now");
        let long = 5 * REMEMBERED;
        assert!(taken.take(now + long, [4; 16], now + long, ticks + long), "forgotten");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let taken = Taken::default();
        let nonce = |n: usize| {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&n.to_be_bytes());
            nonce
        };
        assert!((0..NONCES).all(|n| taken.take(0, nonce(n), 0, 0)));
        assert!(!taken.take(0, nonce(NONCES), 0, 0));
        assert!(taken.take(REMEMBERED, nonce(NONCES), REMEMBERED, REMEMBERED), "the next span has room");
    }
}
