//! What a caller calls, and when it last did: for whoever moves programs over one by one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters of one caller; outlive a reload, not a restart.
#[derive(Debug, Default)]
pub struct Usage {
    last_used_at: AtomicI64,
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Usage {
    /// Counts one call at `now` (Unix milliseconds). `path` is one of those we know, or `other`: no
    /// caller may fill the memory with paths of its own making.
    pub fn count(&self, path: &'static str, now: i64) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_default() += 1;
        self.last_used_at.store(now, Ordering::Relaxed);
    }

    /// Unix milliseconds; `None`: never, since the process began.
    pub fn last_used_at(&self) -> Option<i64> {
        Some(self.last_used_at.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }

    /// Calls by path.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
