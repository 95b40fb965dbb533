//! A route's way to its backend: how many requests that has room for, and whether it works.
//!
//! A backend that failed several times in a row is left alone: one request at a time tries it, after pauses that grow, until one
//! succeeds. What is to be delivered waits meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::millis;
use crate::wake::Wake;

/// What a route's requests share; outlives a reload.
#[derive(Clone, Debug)]
pub struct Lane {
    /// One permit a request.
    pub room: Arc<Semaphore>,
    /// There may be something to deliver.
    pub wake: Wake,
    /// Requests at work, or about to be. A worker that looks what is due holds permits too, for a moment.
    at_work: Arc<AtomicU32>,
    concurrency: u32,
    failing: Arc<Mutex<Option<Failing>>>,
    /// Deliveries that ended here, of a route that keeps order: those that they held may go.
    ended: Arc<Mutex<Vec<i64>>>,
}

/// A route whose attempts fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since its first failure, Unix milliseconds.
    pub since: i64,
    /// Failures since then.
    pub count: u64,
    /// Why the last attempt failed.
    pub error: Arc<str>,
    told: i64,
    /// How often in a row the backend was broken.
    row: u64,
    /// It is left alone.
    tripped: Option<Tripped>,
}

/// When a backend that is left alone is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tripped {
    /// In ticks.
    until: i64,
    /// Between the last two tries.
    pause: Duration,
    /// A request is on its way to find out.
    is_tried: bool,
}

/// Whether requests may go to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// As many as it has room for.
    Open,
    /// One, to find out whether it works again.
    Try,
    /// None before then, in ticks.
    Shut(i64),
}

/// What an attempt changed about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that isn't known.
    Nothing,
    /// It began to fail.
    Fails,
    /// It failed so often that it is left alone.
    Trips,
    /// It works again.
    Works(Failing),
}

impl Failing {
    /// Whether the backend is left alone, and tried now and then.
    pub fn is_left_alone(&self) -> bool {
        self.tripped.is_some()
    }
}

/// How often it is told that a route still fails.
const TOLD_EVERY_MS: i64 = 3_600_000;
/// Failures in a row after which a backend is left alone.
const TRIPS: u64 = 7;
/// Before it is tried again, for the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A request at work, until it is dropped.
#[derive(Debug)]
pub struct AtWork(Arc<AtomicU32>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Lane {
    /// Other room than `before` had is new room; who waits to be woken is the same.
    pub(super) fn new(concurrency: u32, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.concurrency == concurrency => before.clone(),
            _ => Self {
                room: Arc::new(Semaphore::new(concurrency as usize)),
                wake: before.map(|before| before.wake.clone()).unwrap_or_default(),
                at_work: Arc::default(),
                concurrency,
                failing: before.map(|before| before.failing.clone()).unwrap_or_default(),
                ended: before.map(|before| before.ended.clone()).unwrap_or_default(),
            },
        }
    }

    /// Notes how an attempt went at `now` (Unix milliseconds, and in ticks); `error`: it failed, and whether for a backend that
    /// is broken, or by one that is well and doesn't want this message.
    pub fn went(&self, error: Option<(&str, bool)>, now: i64, ticks: i64) -> News {
        let mut failing = self.failing_now();
        let Some((error, is_broken)) = error else {
            return failing.take().map_or(News::Nothing, News::Works);
        };
        let Some(failing) = &mut *failing else {
            let row = u64::from(is_broken);
            let (error, told) = (error.into(), now);
            *failing = Some(Failing { since: now, count: 1, error, told, row, tripped: None });
            return News::Fails;
        };
        failing.count += 1;
        failing.row = if is_broken { failing.row + 1 } else { 0 };
        if *failing.error != *error {
            failing.error = error.into();
        }
        if !is_broken {
            failing.tripped = None;
            return News::Nothing;
        }
        let pause = match failing.tripped {
            None if failing.row < TRIPS => return News::Nothing,
            None => FIRST_PAUSE,
            // It was on its way before.
            Some(tripped) if !tripped.is_tried => return News::Nothing,
            Some(tripped) => (tripped.pause * 2).min(LONGEST_PAUSE),
        };
        let is_new = failing.tripped.is_none();
        failing.tripped = Some(Tripped { until: ticks + millis(pause), pause, is_tried: false });
        if is_new { News::Trips } else { News::Nothing }
    }

    /// Whether requests may go to the backend.
    pub fn gate(&self, ticks: i64) -> Gate {
        match self.failing_now().as_ref().and_then(|failing| failing.tripped) {
            None => Gate::Open,
            Some(tripped) if ticks < tripped.until => Gate::Shut(tripped.until),
            Some(_) => Gate::Try,
        }
    }

    /// A request goes to find out whether it works again: no other before then, in ticks.
    pub fn tries(&self, until: i64) {
        if let Some(tripped) = self.failing_now().as_mut().and_then(|failing| failing.tripped.as_mut()) {
            (tripped.until, tripped.is_tried) = (until, true);
        }
    }

    /// Somebody expects it to work again: if it is left alone, it is tried at once, by what waits.
    pub fn try_now(&self, ticks: i64) {
        if let Some(tripped) = self.failing_now().as_mut().and_then(|failing| failing.tripped.as_mut())
            && !tripped.is_tried
        {
            tripped.until = tripped.until.min(ticks);
        }
        self.wake.all();
    }

    fn failing_now(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery of a route that keeps order ended: what it held may go.
    pub fn ended(&self, delivery: i64) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
    }

    /// Those that ended since this was asked last.
    pub fn take_ended(&self) -> Vec<i64> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it fails, and since when.
    pub fn failing(&self) -> Option<Failing> {
        self.failing_now().clone()
    }

    /// The same if it is time to tell it again; then it is told.
    pub fn still_failing(&self, now: i64) -> Option<Failing> {
        let mut failing = self.failing_now();
        let failing = failing.as_mut().filter(|failing| (now - failing.told).abs() >= TOLD_EVERY_MS)?;
        failing.told = now;
        Some(failing.clone())
    }

    /// Counts a request.
    pub fn begin(&self) -> AtWork {
        self.at_work.fetch_add(1, Ordering::AcqRel);
        AtWork(self.at_work.clone())
    }

    /// Counts a request if fewer than the backend has room for are at work: its permit comes soon.
    pub fn begin_soon(&self) -> Option<AtWork> {
        let one_more = |n| (n < self.concurrency).then_some(n + 1);
        self.at_work.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(AtWork(self.at_work.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_then_hourly_and_when_it_is_over() {
        let lane = Lane::new(1, None);
        assert_eq!(lane.went(None, 0, 0), News::Nothing);
        assert_eq!(lane.went(Some(("HTTP 500", true)), 1, 0), News::Fails);
        assert_eq!(lane.went(Some(("HTTP 502", true)), 2, 0), News::Nothing);
        assert_eq!(lane.still_failing(TOLD_EVERY_MS), None);
        let told = lane.still_failing(TOLD_EVERY_MS + 1).expect("an hour later");
        assert_eq!((told.since, told.count, &*told.error), (1, 2, "HTTP 502"));
        assert_eq!(lane.still_failing(TOLD_EVERY_MS + 2), None);
        // A reload doesn't forget it.
        let later = Lane::new(2, Some(&lane));
        let News::Works(over) = later.went(None, 3, 0) else { panic!("it is over") };
        assert_eq!((over.since, over.count), (1, 2));
        assert_eq!((lane.failing(), lane.went(None, 4, 0)), (None, News::Nothing));
    }

    fn fails(lane: &Lane, times: u32, ticks: i64) -> News {
        (0..times).fold(News::Nothing, |_, _| lane.went(Some(("HTTP 500", true)), 0, ticks))
    }

    #[test]
    fn a_backend_that_fails_seven_times_in_a_row_is_tried_by_one_after_pauses_that_grow() {
        let lane = Lane::new(8, None);
        assert_eq!(fails(&lane, 6, 0), News::Nothing);
        assert_eq!(lane.gate(0), Gate::Open);
        assert_eq!(fails(&lane, 1, 0), News::Trips);
        let mut now = 0;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            // Those that were on their way change nothing.
            assert_eq!(fails(&lane, 3, now), News::Nothing);
            assert_eq!(lane.gate(now), Gate::Shut(now + pause * 1000));
            now += pause * 1000;
            assert_eq!(lane.gate(now), Gate::Try);
            lane.tries(now + 50);
            assert_eq!(lane.gate(now), Gate::Shut(now + 50), "one at a time");
            fails(&lane, 1, now);
        }
        lane.try_now(now);
        assert_eq!(lane.gate(now), Gate::Try, "somebody expects it to work");
        lane.tries(now + 50);
        lane.try_now(now);
        assert_eq!(lane.gate(now), Gate::Shut(now + 50), "by one");
        fails(&lane, 1, now);
        // A reload doesn't forget it.
        let lane = Lane::new(2, Some(&lane));
        assert!(lane.failing().is_some_and(|failing| failing.is_left_alone()));
        assert_eq!(lane.gate(now + 60_000), Gate::Try);
        lane.tries(now + 60_050);
        assert_eq!(lane.gate(now + 60_050), Gate::Try, "what came of the one before is lost");
        assert!(matches!(lane.went(None, 0, now), News::Works(_)));
        assert_eq!(lane.gate(now), Gate::Open);
    }

    #[test]
    fn one_success_is_the_end_of_a_row() {
        let lane = Lane::new(8, None);
        for _ in 0..5 {
            fails(&lane, 6, 0);
            lane.went(None, 0, 0);
        }
        assert_eq!(lane.gate(0), Gate::Open);
        // A backend that answers isn't broken.
        fails(&lane, 7, 0);
        assert_ne!(lane.gate(0), Gate::Open);
        for _ in 0..20 {
            assert_eq!(lane.went(Some(("HTTP 410", false)), 0, 0), News::Nothing);
            assert_eq!(lane.gate(0), Gate::Open);
        }
        assert_eq!(lane.failing().map(|failing| failing.count), Some(27));
    }
}
