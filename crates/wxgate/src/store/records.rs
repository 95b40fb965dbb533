//! What a database keeps of the gateway's own work, for people to look at: figures, what was refused or failed, what is amiss, and
//! what is left of quotas.

use std::fmt::Debug;

use super::backend::Pending;
use super::{QuotaRow, SeriesQuery, SeriesRow, Stock, Tier};

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
    /// Keeps figures; those of the same key, bucket and node are replaced.
    fn keep_series(&self, rows: Vec<SeriesRow>) -> Pending<'_, ()>;
    /// What the queries ask for, one after the other.
    fn series(&self, queries: Vec<SeriesQuery>) -> Pending<'_, Vec<SeriesRow>>;
    /// The newest bucket of a key.
    fn last_bucket(&self, tier: Tier, key: &str) -> Pending<'_, Option<i64>>;
    /// The oldest bucket of a key from `from` on.
    fn next_bucket(&self, tier: Tier, key: &str, from: i64) -> Pending<'_, Option<i64>>;
    /// Forgets at most `limit` rows before a bucket; how many.
    fn forget_series(&self, tier: Tier, before: i64, limit: u32) -> Pending<'_, usize>;
    /// How many deliveries of each route wait, and how many were given up, each counted up to `most`.
    fn stock(&self, routes: Vec<String>, most: u32) -> Pending<'_, Vec<Stock>>;
}
