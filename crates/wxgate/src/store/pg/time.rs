//! The database's time: what is stored goes by it, so that nodes whose clocks differ agree on what is due and what is
//! leased. A node learns it when it begins, and counts on by ticks, which nobody sets.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;
use crate::store::Lease;

/// How the database's time stands to ours.
#[derive(Debug)]
pub(super) struct Time {
    clock: Clock,
    /// The database's time, less our ticks.
    ahead: AtomicI64,
}

impl Time {
    pub(super) fn new(clock: Clock) -> Self {
        let ahead = AtomicI64::new(clock.now() - clock.ticks());
        Self { clock, ahead }
    }

    pub(super) fn ticks(&self) -> i64 {
        self.clock.ticks()
    }

    /// The database said that it is `now` there, between these of our ticks.
    pub(super) fn learn(&self, now: i64, before: i64, after: i64) {
        // A manual clock is everybody's.
        if matches!(self.clock, Clock::System) {
            self.ahead.store(now - i64::midpoint(before, after), Ordering::Relaxed);
        }
    }

    /// How far the database's clock is ahead of the wall's here.
    fn shift(&self) -> i64 {
        match self.clock {
            Clock::System => self.ahead.load(Ordering::Relaxed) + self.clock.ticks() - self.clock.now(),
            Clock::Manual(_) => 0,
        }
    }

    /// A time of ours, as the database has it.
    pub(super) fn theirs(&self, ours: i64) -> i64 {
        ours.saturating_add(self.shift())
    }

    /// A time of the database, as we have it.
    pub(super) fn ours(&self, theirs: i64) -> i64 {
        theirs.saturating_sub(self.shift())
    }

    pub(super) fn lease(&self, lease: Lease) -> Lease {
        Lease { until: self.theirs(lease.until), ..lease }
    }
}
