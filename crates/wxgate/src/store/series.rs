//! Figures of what passed: counts by minute, ten minutes and hour, each under a key, as each node counted them.

use super::{Store, StoreError};
use crate::metrics::Tally;

/// How fine figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// As the nodes count.
    Minute,
    /// Of all nodes.
    Ten,
    /// Likewise.
    Hour,
}

impl Tier {
    /// From the finest on.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Ten, Self::Hour];

    /// Seconds of a bucket.
    pub fn step(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Ten => 600,
            Self::Hour => 3600,
        }
    }

    /// The next finer.
    pub fn finer(self) -> Option<Self> {
        match self {
            Self::Minute => None,
            Self::Ten => Some(Self::Minute),
            Self::Hour => Some(Self::Ten),
        }
    }

    pub(super) fn number(self) -> i32 {
        self as i32
    }
}

/// What was counted under a key, in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesRow {
    /// How fine.
    pub tier: Tier,
    /// What.
    pub key: String,
    /// When the bucket begins, Unix seconds by the clock of all nodes.
    pub bucket: i64,
    /// Who counted it; 0: all.
    pub node: i32,
    /// How many.
    pub tally: Tally,
}

/// What there is of a route's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Those that wait.
    pub waiting: u32,
    /// Those that were given up.
    pub dead: u32,
}

/// Rows of one tier: keys from `first` on, before `end`; buckets likewise.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// How fine.
    pub tier: Tier,
    /// The first key.
    pub first: String,
    /// The first key that isn't asked for.
    pub end: String,
    /// The first bucket.
    pub from: i64,
    /// The first bucket that isn't asked for.
    pub to: i64,
}

/// Rows that are written in one transaction.
const MOST: usize = 20_000;

impl Store {
    /// Keeps figures; those of the same key, bucket and node are replaced.
    pub async fn keep_series(&self, mut rows: Vec<SeriesRow>) -> Result<(), StoreError> {
        // In one order, so that nobody waits for somebody who waits for it.
        rows.sort_by(|a, b| (&a.key, a.bucket).cmp(&(&b.key, b.bucket)));
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(MOST));
            self.backend.keep_series(rows).await?;
            rows = rest;
        }
        Ok(())
    }

    /// What the queries ask for, one after the other, by key and bucket.
    pub async fn series(&self, queries: Vec<SeriesQuery>) -> Result<Vec<SeriesRow>, StoreError> {
        self.backend.series(queries).await
    }

    /// The newest bucket of a key.
    pub async fn last_bucket(&self, tier: Tier, key: &str) -> Result<Option<i64>, StoreError> {
        self.backend.last_bucket(tier, key).await
    }

    /// The oldest bucket of a key that isn't before `from`.
    pub async fn next_bucket(&self, tier: Tier, key: &str, from: i64) -> Result<Option<i64>, StoreError> {
        self.backend.next_bucket(tier, key, from).await
    }

    /// Forgets at most `limit` rows before a bucket; how many.
    pub async fn forget_series(&self, tier: Tier, before: i64, limit: u32) -> Result<usize, StoreError> {
        self.backend.forget_series(tier, before, limit).await
    }

    /// How many deliveries of each route wait, and how many were given up, each counted up to `most`.
    pub async fn stock(&self, routes: Vec<String>, most: u32) -> Result<Vec<Stock>, StoreError> {
        self.backend.stock(routes, most).await
    }
}
