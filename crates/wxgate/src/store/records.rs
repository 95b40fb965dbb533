//! What a database keeps of the gateway's own work, for people to look at: figures, what was refused or failed, what is amiss, and
//! what is left of quotas.

use std::fmt::Debug;

use super::QuotaRow;
use super::backend::Pending;

/// The part of a [`super::Backend`] that keeps them. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Records: Send + Sync + Debug {
    /// Reserves as many of `wanted`'s calls as `limit` leaves, and gives how many that are.
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64>;
    /// Gives back calls that were reserved.
    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()>;
    /// The windows that aren't over at `now`.
    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>>;
    /// Forgets windows that have been over for as long as they lasted, and an hour.
    fn forget_quotas(&self, now: i64) -> Pending<'_, ()>;
}
