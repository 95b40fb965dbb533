//! What each caller called, so that a restart forgets nothing of it.

use super::{Store, StoreError};

/// Calls that the store doesn't know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDelta {
    /// Name of the caller.
    pub caller: String,
    /// Path of what it called.
    pub api: String,
    /// How many more were admitted.
    pub calls: u64,
    /// How many more were refused; these are not among `calls`.
    pub refused: u64,
    /// When the last of them came, Unix milliseconds.
    pub at: i64,
}

/// All that a caller called under one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Name of the caller.
    pub caller: String,
    /// Path of what it called.
    pub api: String,
    /// How many were admitted.
    pub calls: u64,
    /// How many were refused; these are not among `calls`.
    pub refused: u64,
    /// When the first was counted, Unix milliseconds.
    pub since: i64,
    /// When the last came, Unix milliseconds.
    pub last_at: i64,
}

impl Store {
    /// Adds calls to what is kept, all of them or none.
    pub async fn add_usage(&self, deltas: Vec<UsageDelta>) -> Result<(), StoreError> {
        if deltas.is_empty() {
            return Ok(());
        }
        self.backend.add_usage(deltas).await
    }

    /// All that is kept, by caller and path.
    pub async fn usage(&self) -> Result<Vec<UsageRow>, StoreError> {
        self.backend.usage().await
    }
}
