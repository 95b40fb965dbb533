//! What is left of callers' quotas here. A block of a window's calls is reserved in the store before the first of them is made,
//! and spent from memory; so no number of restarts, reloads, new keys and nodes lets more through than there is.
//!
//! A quota is its caller's name's. This file is the memory; who asks the store for more is [`crate::admit`], and what nobody
//! spends goes back by [`crate::bookkeeping`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entries::{CallerEntry, Quota};

/// A quota of a caller, and what is left of it here.
#[derive(Clone, Debug)]
pub struct Metered {
    /// What there is.
    pub quota: Quota,
    /// What is left.
    pub bucket: Arc<Bucket>,
}

/// What is left of one quota here.
#[derive(Debug)]
pub struct Bucket {
    /// Whose it is.
    pub caller: String,
    /// What its windows are kept under.
    pub key: String,
    /// Held by whoever asks the store for more.
    pub gate: Arc<tokio::sync::Mutex<()>>,
    held: Mutex<Held>,
}

/// Calls of a window that nobody else can make.
#[derive(Debug, Default)]
struct Held {
    /// Where the window begins.
    start: i64,
    /// What there was in all when it was reserved.
    limit: i64,
    left: i64,
    /// Nobody asks until then, in ticks.
    rests: Option<(i64, Rest)>,
    /// Somebody took of it since it was last looked at.
    is_used: bool,
}

/// Why nobody asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of it is spent or reserved.
    Spent,
    /// The store is away.
    Away,
}

/// What came of taking a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It may be made.
    Taken,
    /// Nothing is left here.
    Empty,
    /// And nobody asks for more now.
    Rests(Rest),
}

/// A part of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where the window begins.
    pub start: i64,
    /// So many calls of it.
    pub calls: i64,
}

/// When more is asked for again, in ms: another node may have given some back.
const SPENT_MS: i64 = 1_000;
/// And when the store was away.
const AWAY_MS: i64 = 250;

impl Bucket {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call of the window that begins at `start`, of `limit` in all.
    pub fn take(&self, start: i64, limit: i64, ticks: i64) -> Take {
        let mut held = self.lock();
        if (held.start, held.limit) != (start, limit) {
            return Take::Empty;
        }
        held.is_used = true;
        if held.left > 0 {
            held.left -= 1;
            return Take::Taken;
        }
        match held.rests {
            Some((until, why)) if ticks < until => Take::Rests(why),
            _ => Take::Empty,
        }
    }

    /// A call that was taken wasn't made.
    pub fn put_back(&self, start: i64, limit: i64) {
        let mut held = self.lock();
        if (held.start, held.limit) == (start, limit) {
            held.left += 1;
        }
    }

    /// Another window begins, or another limit holds: what was held until now, if there is something.
    pub fn turn(&self, start: i64, limit: i64) -> Option<Part> {
        let mut held = self.lock();
        if (held.start, held.limit) == (start, limit) {
            return None;
        }
        let before = std::mem::replace(&mut *held, Held { start, limit, ..Held::default() });
        part(&before)
    }

    /// So many more calls of a window were reserved; 0: there were none.
    pub fn fill(&self, start: i64, limit: i64, calls: i64, ticks: i64) {
        let mut held = self.lock();
        if (held.start, held.limit) == (start, limit) {
            held.left += calls;
            held.rests = (calls == 0).then_some((ticks + SPENT_MS, Rest::Spent));
        }
    }

    /// More couldn't be asked for.
    pub fn rest(&self, ticks: i64) {
        self.lock().rests = Some((ticks + AWAY_MS, Rest::Away));
    }

    /// What is held here of the window that begins at `start`.
    pub fn left(&self, start: i64) -> i64 {
        let held = self.lock();
        if held.start == start { held.left } else { 0 }
    }

    /// Takes all of it, to be given back; unless it `is_idle` that counts, and somebody took of it since this was asked last.
    pub fn drain(&self, only_idle: bool) -> Option<Part> {
        let mut held = self.lock();
        if std::mem::take(&mut held.is_used) && only_idle {
            return None;
        }
        let part = part(&held);
        held.left = 0;
        part
    }

    /// What was taken to be given back couldn't be.
    pub fn keep(&self, part: Part) {
        let mut held = self.lock();
        if held.start == part.start {
            held.left += part.calls;
        }
    }
}

fn part(held: &Held) -> Option<Part> {
    (held.left > 0).then_some(Part { start: held.start, calls: held.left })
}

/// Buckets by caller and key.
type Buckets = HashMap<(String, String), Arc<Bucket>>;

/// The buckets of everybody. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct QuotaBook(Arc<Mutex<Buckets>>);

impl QuotaBook {
    /// The quotas of an entry, with what is left of them here.
    pub fn of(&self, entry: &CallerEntry) -> Vec<Metered> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metered = entry.quotas.iter().map(|quota| {
            let (caller, key) = (entry.name.clone(), quota.key());
            let bucket = buckets.entry((caller.clone(), key.clone())).or_insert_with(|| {
                Arc::new(Bucket { caller, key, gate: Arc::default(), held: Mutex::default() })
            });
            Metered { quota: quota.clone(), bucket: bucket.clone() }
        });
        metered.collect()
    }

    /// Everybody's. Those that no caller has any more and that hold nothing are forgotten.
    pub fn all(&self) -> Vec<Arc<Bucket>> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || bucket.lock().left > 0);
        buckets.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        let (caller, key) = ("shop".to_owned(), "/a d".to_owned());
        Bucket { caller, key, gate: Arc::default(), held: Mutex::default() }
    }

    #[test]
    fn what_is_held_belongs_to_a_window_and_a_limit() {
        let bucket = bucket();
        assert_eq!((bucket.take(60, 10, 0), bucket.turn(60, 10)), (Take::Empty, None));
        bucket.fill(60, 10, 2, 0);
        assert_eq!(bucket.take(60, 10, 0), Take::Taken);
        bucket.put_back(60, 10);
        assert_eq!(bucket.take(120, 10, 0), Take::Empty, "another window");
        assert_eq!(bucket.take(60, 5, 0), Take::Empty, "another limit");
        assert_eq!(bucket.turn(60, 5), Some(Part { start: 60, calls: 2 }));
        bucket.put_back(60, 10);
        assert_eq!(bucket.left(60), 0, "of what is gone nothing comes back");
        bucket.fill(60, 5, 0, 0);
        assert_eq!(bucket.take(60, 5, 0), Take::Rests(Rest::Spent));
        assert_eq!(bucket.take(60, 5, SPENT_MS), Take::Empty, "it is asked again");
    }

    #[test]
    fn what_nobody_uses_is_given_back() {
        let bucket = bucket();
        bucket.turn(60, 10);
        bucket.fill(60, 10, 3, 0);
        bucket.take(60, 10, 0);
        assert_eq!(bucket.drain(true), None);
        let part = bucket.drain(true).unwrap();
        assert_eq!((part, bucket.left(60)), (Part { start: 60, calls: 2 }, 0));
        bucket.keep(part);
        assert_eq!((bucket.left(60), bucket.drain(false)), (2, Some(part)));
    }
}
