//! The routes as they are now: which message goes where, and how many requests each backend has
//! room for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::entries::RouteEntry;
use crate::metrics::{Meter, Metrics};
use crate::rules::filter::Subject;
use crate::wake::Wake;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Its settings.
    pub entry: RouteEntry,
    /// Its way to the backend.
    pub lane: Lane,
    /// What is counted for it.
    pub meter: Meter,
}

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
}

/// What an attempt changed about a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that isn't known.
    Nothing,
    /// It began to fail.
    Fails,
    /// It works again.
    Works(Failing),
}

/// How often it is told that a route still fails.
const TOLD_EVERY_MS: i64 = 3_600_000;

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
    fn new(concurrency: u32, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.concurrency == concurrency => before.clone(),
            _ => Self {
                room: Arc::new(Semaphore::new(concurrency as usize)),
                wake: before.map(|before| before.wake.clone()).unwrap_or_default(),
                at_work: Arc::default(),
                concurrency,
                failing: before.map(|before| before.failing.clone()).unwrap_or_default(),
            },
        }
    }

    /// Notes how an attempt went at `now` (Unix milliseconds); `error`: it failed.
    pub fn went(&self, error: Option<&str>, now: i64) -> News {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match (error, &mut *failing) {
            (None, before) => before.take().map_or(News::Nothing, News::Works),
            (Some(error), Some(failing)) => {
                failing.count += 1;
                if *failing.error != *error {
                    failing.error = error.into();
                }
                News::Nothing
            }
            (Some(error), none) => {
                *none = Some(Failing { since: now, count: 1, error: error.into(), told: now });
                News::Fails
            }
        }
    }

    /// Whether it fails, and since when.
    pub fn failing(&self) -> Option<Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same if it is time to tell it again; then it is told.
    pub fn still_failing(&self, now: i64) -> Option<Failing> {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
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

/// All routes, in order.
#[derive(Debug)]
pub struct Routes(Vec<Arc<Route>>);

impl Routes {
    /// From the entries; `before` hands its lanes on.
    pub fn new(entries: &[RouteEntry], metrics: &Metrics, before: Option<&Self>) -> Self {
        let routes = entries.iter().map(|entry| {
            let old = before.and_then(|routes| routes.by_name(&entry.name));
            let lane = Lane::new(entry.concurrency, old.map(|old| &old.lane));
            Arc::new(Route { entry: entry.clone(), lane, meter: metrics.meter(&entry.name) })
        });
        Self(routes.collect())
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }

    /// The route of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| route.entry.name == name)
    }

    /// The routes that take a message of the app, in order; a `stop` ends the list.
    pub fn matching(&self, appid: &str, tags: &[String], message: &Subject<'_>) -> Vec<Arc<Route>> {
        let mut matching = Vec::new();
        for route in &self.0 {
            if route.entry.filter.misses(appid, tags, message).is_none() {
                matching.push(route.clone());
                if route.entry.stop {
                    break;
                }
            }
        }
        matching
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_then_hourly_and_when_it_is_over() {
        let lane = Lane::new(1, None);
        assert_eq!(lane.went(None, 0), News::Nothing);
        assert_eq!(lane.went(Some("HTTP 500"), 1), News::Fails);
        assert_eq!(lane.went(Some("HTTP 502"), 2), News::Nothing);
        assert_eq!(lane.still_failing(TOLD_EVERY_MS), None);
        let told = lane.still_failing(TOLD_EVERY_MS + 1).expect("an hour later");
        assert_eq!((told.since, told.count, &*told.error), (1, 2, "HTTP 502"));
        assert_eq!(lane.still_failing(TOLD_EVERY_MS + 2), None);
        // A reload doesn't forget it.
        let later = Lane::new(2, Some(&lane));
        let News::Works(over) = later.went(None, 3) else { panic!("it is over") };
        assert_eq!((over.since, over.count), (1, 2));
        assert_eq!((lane.failing(), lane.went(None, 4)), (None, News::Nothing));
    }
}
