//! The lease of a job: kept on while it is worked on. Nothing goes out unless it outlives the call.

use crate::clock::millis;
use crate::parts::Parts;
use crate::store::StoreError;
use std::time::Duration;

/// How long a lease lasts, milliseconds.
pub(super) const LENGTH: i64 = 30_000;
/// It is kept on when so much of it is over.
const KEPT_ON: i64 = 8_000;
/// It outlives a call by more than that takes.
const MARGIN: Duration = Duration::from_secs(12);

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on.
    Ours,
    /// It goes on, and the job is to be stopped.
    Stops,
    /// The job is another's by now.
    Lost,
}

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Held {
    job: i64,
    /// When it began, in ticks.
    since: i64,
    /// Look at once, whatever is left of it.
    looks: bool,
}

impl Held {
    /// That began at `ticks`.
    pub(super) fn new(job: i64, ticks: i64) -> Self {
        Self { job, since: ticks, looks: false }
    }

    /// Somebody may have stopped the job.
    pub(super) fn look(&mut self) {
        self.looks = true;
    }

    /// Whether a call may go out.
    pub(super) fn covers_a_call(&self, parts: &Parts) -> bool {
        parts.clock.ticks() - self.since < LENGTH - millis(MARGIN)
    }

    /// Keeps it on, if it is time to.
    pub(super) async fn keep(&mut self, parts: &Parts) -> Result<Standing, StoreError> {
        let (now, ticks) = (parts.clock.now(), parts.clock.ticks());
        if !self.looks && ticks - self.since < KEPT_ON {
            return Ok(Standing::Ours);
        }
        let kept = parts.store.keep_job(self.job, now + LENGTH).await?;
        (self.since, self.looks) = (ticks, false);
        Ok(match kept {
            None => Standing::Lost,
            Some(false) => Standing::Ours,
            Some(true) => Standing::Stops,
        })
    }
}
