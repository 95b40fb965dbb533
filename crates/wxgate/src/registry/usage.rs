//! What a caller calls, how often it was refused (each request counts as one or the other), and when it last called: for whoever moves programs over one by one.
//! Counted in memory by every request; what is new goes to the store every ten seconds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counted::{Count, Fresh};
use super::key_use::{KeyBook, PREFIX};
use super::quotas::QuotaBook;

/// Counters of one caller, which belong to its name: they outlive reloads and restarts.
#[derive(Debug)]
pub struct Usage {
    /// When its keys were used.
    pub keys: KeyBook,
    counts: Mutex<Counts>,
    /// Paths counted by name; all further ones are `other`.
    most: usize,
}

#[derive(Debug, Default)]
struct Counts {
    since: i64,
    last_used_at: i64,
    calls: BTreeMap<Arc<str>, Counted>,
}

/// What came of a path, and how much of it the store knows.
#[derive(Debug, Default)]
struct Counted {
    all: Count,
    stored: Count,
}

/// The counters as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// When counting began, Unix milliseconds; 0: nothing was counted.
    pub since: i64,
    /// When it last called, Unix milliseconds; 0: never.
    pub last_used_at: i64,
    /// By path.
    pub calls: BTreeMap<Arc<str>, Count>,
}

/// What is called where that is unknown, or named by a stranger, or one path too many.
pub const OTHER: &str = "other";

impl Usage {
    /// Nothing yet; at most `most` paths are counted by name.
    pub fn new(most: usize) -> Self {
        Self { keys: KeyBook::default(), counts: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one request at `now` (Unix milliseconds).
    pub fn count(&self, api: &str, refused: bool, now: i64) {
        let mut counts = self.lock();
        let one = Count { calls: u64::from(!refused), refused: u64::from(refused) };
        match counts.calls.get_mut(api) {
            Some(counted) => counted.all.add(one),
            None => {
                let api = if counts.calls.len() < self.most { api } else { OTHER };
                counts.calls.entry(api.into()).or_default().all.add(one);
            }
        }
        counts.last_used_at = now;
        if counts.since == 0 {
            counts.since = now;
        }
    }

    /// Takes up what the store kept of a path.
    pub fn restore(&self, api: &str, count: Count, since: i64, last_at: i64) {
        if api.starts_with(PREFIX) {
            return self.keys.refreshed(api, count, since, last_at);
        }
        let mut counts = self.lock();
        let counted = counts.calls.entry(api.into()).or_default();
        counted.all.add(count);
        counted.stored.add(count);
        counts.last_used_at = counts.last_used_at.max(last_at);
        counts.since = if counts.since == 0 { since } else { counts.since.min(since) };
    }

    /// Takes up what the store has of a path by now, which others added to as well.
    pub fn refreshed(&self, api: &str, count: Count, since: i64, last_at: i64) {
        if api.starts_with(PREFIX) {
            return self.keys.refreshed(api, count, since, last_at);
        }
        let mut counts = self.lock();
        let counted = counts.calls.entry(api.into()).or_default();
        let mut all = counted.all.without(counted.stored);
        all.add(count);
        *counted = Counted { all, stored: count };
        counts.last_used_at = counts.last_used_at.max(last_at);
        counts.since = if counts.since == 0 { since } else { counts.since.min(since) };
    }

    /// The counters as they are.
    pub fn used(&self) -> Used {
        let counts = self.lock();
        let calls = counts.calls.iter().map(|(api, counted)| (api.clone(), counted.all)).collect();
        Used { since: counts.since, last_used_at: counts.last_used_at, calls }
    }

    /// What the store doesn't know; from now on it does.
    pub fn take_fresh(&self) -> Vec<Fresh> {
        let mut counts = self.lock();
        let at = counts.last_used_at;
        let fresh = counts.calls.iter_mut().filter(|(_, counted)| counted.all != counted.stored);
        let fresh = fresh.map(|(api, counted)| {
            let count = counted.all.without(counted.stored);
            counted.stored = counted.all;
            Fresh { api: api.clone(), count, at }
        });
        fresh.chain(self.keys.take_fresh()).collect()
    }

    /// What [`Usage::take_fresh`] gave couldn't be stored.
    pub fn give_back(&self, fresh: Vec<Fresh>) {
        let mut counts = self.lock();
        for fresh in fresh {
            if fresh.api.starts_with(PREFIX) {
                self.keys.give_back(&fresh.api);
            }
            if let Some(counted) = counts.calls.get_mut(&fresh.api) {
                counted.stored = counted.stored.without(fresh.count);
            }
        }
    }
}

/// What belongs to a caller's name: the counters of everybody who ever called, and what is left of quotas. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UsageBook {
    /// What is left of quotas here.
    pub quotas: QuotaBook,
    usages: Arc<Mutex<HashMap<String, Arc<Usage>>>>,
    most: usize,
}

impl UsageBook {
    /// Empty; at most `most` paths of a caller are counted by name.
    pub fn new(most: usize) -> Self {
        Self { quotas: QuotaBook::default(), usages: Arc::default(), most }
    }

    /// The counters of the caller `name`.
    pub fn of(&self, name: &str) -> Arc<Usage> {
        let mut usages = self.usages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = usages.get(name) {
            return usage.clone();
        }
        let made = Arc::new(Usage::new(self.most));
        usages.insert(name.to_owned(), made.clone());
        made
    }

    /// Everybody's.
    pub fn all(&self) -> Vec<(String, Arc<Usage>)> {
        let usages = self.usages.lock().unwrap_or_else(PoisonError::into_inner);
        usages.iter().map(|(name, usage)| (name.clone(), usage.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_counts_once_and_paths_are_bounded() {
        let usage = Usage::new(2);
        usage.count("/a", false, 10);
        usage.count("/a", true, 11);
        usage.count("/b", false, 12);
        usage.count("/c", true, 13);
        let used = usage.used();
        let counts: Vec<(&str, u64, u64)> =
            used.calls.iter().map(|(api, count)| (&**api, count.calls, count.refused)).collect();
        assert_eq!(counts, [("/a", 1, 1), ("/b", 1, 0), ("other", 0, 1)]);
        assert_eq!((used.since, used.last_used_at), (10, 13));
    }

    #[test]
    fn what_the_store_knows_is_not_counted_twice() {
        let usage = Usage::new(9);
        usage.count("/a", false, 10);
        let fresh = usage.take_fresh();
        assert_eq!((fresh.len(), fresh[0].count.calls, usage.take_fresh().len()), (1, 1, 0));
        usage.count("/a", true, 20);
        usage.give_back(fresh);
        assert_eq!(usage.take_fresh()[0].count, Count { calls: 1, refused: 1 });

        let restarted = Usage::new(9);
        restarted.restore("/a", Count { calls: 2, refused: 1 }, 10, 20);
        restarted.count("/a", false, 30);
        let used = restarted.used();
        assert_eq!((used.calls["/a"].calls, used.since, used.last_used_at), (3, 10, 30));
        assert_eq!(restarted.take_fresh()[0].count.calls, 1);
    }
}
