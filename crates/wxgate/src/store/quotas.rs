//! What is spent or reserved of callers' quotas, by window.

use super::{Store, StoreError};

/// A window of a quota, and calls in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRow {
    /// Name of the caller.
    pub caller: String,
    /// What it is kept under.
    pub pattern: String,
    /// Where it begins, Unix milliseconds.
    pub start: i64,
    /// Where it ends.
    pub until: i64,
    /// How many calls: in the store those that are spent or reserved.
    pub n: i64,
}

impl Store {
    /// Reserves as many of `wanted`'s calls as `limit` leaves, and gives how many that are.
    pub async fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Result<i64, StoreError> {
        self.backend.reserve_quota(wanted, limit).await
    }

    /// Gives back calls that were reserved and not spent.
    pub async fn return_quota(&self, unspent: QuotaRow) -> Result<(), StoreError> {
        self.backend.return_quota(unspent).await
    }

    /// The windows that aren't over at `now`.
    pub async fn quotas(&self, now: i64) -> Result<Vec<QuotaRow>, StoreError> {
        self.backend.quotas(now).await
    }

    /// Forgets windows that have been over for as long as they lasted, and an hour, at `now`.
    pub async fn forget_quotas(&self, now: i64) -> Result<(), StoreError> {
        self.backend.forget_quotas(now).await
    }
}
