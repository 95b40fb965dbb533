//! What a database keeps of jobs.

use std::fmt::Debug;

use super::records::Pending;
use super::{Ended, EndedDelivery, ItemEnd, Lease};

/// A job, with what it is sealed. State: 0 comes in, 1 at work, or to be stopped where `expires_at` is given, 2 stopped, 3 done.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) caller: String,
    pub(crate) state: i32,
    pub(crate) made_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) rate: u32,
    pub(crate) total: i64,
    pub(crate) place: i64,
    pub(crate) good: i64,
    pub(crate) bad: i64,
    pub(crate) lost: i64,
    pub(crate) value: Vec<u8>,
    pub(crate) expires_at: Option<i64>,
}

/// An item, with its message sealed.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemRow {
    pub(crate) n: i64,
    pub(crate) state: i32,
    pub(crate) begun_at: Option<i64>,
    pub(crate) openid: String,
    pub(crate) msgid: String,
    pub(crate) code: i64,
    pub(crate) value: Option<Vec<u8>>,
}

/// What became of a new job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddedRow {
    New,
    /// The one of the same name.
    Known(i64),
    /// Its number is another's.
    Taken,
}

/// A delivery that has ended; `None`: its message is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct EndedRow {
    pub(crate) id: i64,
    pub(crate) found: Option<EndedDelivery>,
}

/// Deliveries that a replay sends once more.
#[derive(Clone, Debug)]
pub(crate) struct ReplayStep {
    pub(crate) ids: Vec<i64>,
    /// Those of them that have ended so.
    pub(crate) ended: Ended,
    /// How far was looked.
    pub(crate) place: i64,
    /// Nothing is left to look at.
    pub(crate) is_last: bool,
}

/// The part of a [`super::Backend`] that keeps them. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Jobs: Send + Sync + Debug {
    /// Keeps a job; one that comes in under the same name is given up before.
    fn add_job(&self, row: JobRow, again: Option<[u8; 32]>, now: i64) -> Pending<'_, AddedRow>;
    /// Adds items to a job that comes in; `false`: it doesn't.
    fn add_items(&self, job: i64, items: Vec<ItemRow>, now: i64, until: i64) -> Pending<'_, bool>;
    /// A job that came in is to be worked on; `false`: it was given up.
    fn begin_job(&self, job: i64, total: i64, value: Vec<u8>, now: i64) -> Pending<'_, bool>;
    /// Gives up a job that comes in: it expires now.
    fn drop_job(&self, job: i64, now: i64) -> Pending<'_, ()>;
    /// Leases the oldest job that nobody has at `now`, but none of `except`, and of no caller of whom so many are leased.
    fn claim_job(
        &self,
        kind: &'static str,
        except: (Vec<i64>, i64),
        lease: Lease,
        now: i64,
    ) -> Pending<'_, Option<JobRow>>;
    /// Goes on with a lease: `None` if it is another's, else whether the job is to be stopped.
    fn keep_job(&self, job: i64, lease: Lease) -> Pending<'_, Option<bool>>;
    /// Gives a lease back.
    fn leave_job(&self, job: i64, owner: i32) -> Pending<'_, ()>;
    /// Ends a job that `owner` has.
    fn end_job(&self, job: i64, owner: i32, is_stopped: bool, now: i64, expires_at: i64) -> Pending<'_, ()>;
    /// Whoever has it is to stop it; `false`: it isn't at work.
    fn stop_job(&self, job: i64, now: i64, expires_at: i64) -> Pending<'_, bool>;
    /// One that has come in.
    fn job(&self, id: i64) -> Pending<'_, Option<JobRow>>;
    /// Those that have come in, newest first.
    fn jobs(&self, before: Option<i64>, limit: u32) -> Pending<'_, Vec<JobRow>>;
    /// Items in this state, which is no end, after `after`.
    fn open_items(&self, job: i64, state: i32, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>>;
    /// All items after `after`, without their messages.
    fn items(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Vec<ItemRow>>;
    /// Those of the items that wait are begun; `false`: the job isn't `owner`'s, or is to be stopped.
    fn begin_items(&self, job: i64, owner: i32, items: Vec<i64>, now: i64) -> Pending<'_, bool>;
    /// What became of items that have no end, counted with their job. They wait again only if it is `owner`'s.
    fn end_items(&self, job: i64, owner: i32, ends: Vec<ItemEnd>) -> Pending<'_, ()>;

    /// Deliveries that have ended so, after `after`, in their order, with their messages; of `ids`, if they are given.
    fn ended(
        &self,
        ended: Ended,
        ids: Option<Vec<i64>>,
        after: i64,
        limit: u32,
    ) -> Pending<'_, Vec<EndedRow>>;
    /// Begins another round of deliveries, as items of a job; `false`: the job isn't `owner`'s, or is to be stopped.
    fn replay_step(&self, job: i64, owner: i32, step: ReplayStep, now: i64) -> Pending<'_, bool>;
    /// Looks at begun rounds after `after`, and ends the items of those that have ended. Gives where it got; `None`: to the end.
    fn fold_job(&self, job: i64, after: i64, limit: u32) -> Pending<'_, Option<i64>>;
}
