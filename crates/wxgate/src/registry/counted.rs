//! Counts of requests, and what of them the store doesn't know yet.

use std::sync::Arc;

/// Requests of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that were admitted, whatever came of them.
    pub calls: u64,
    /// Those that wxgate refused.
    pub refused: u64,
}

/// What is new about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The path.
    pub api: Arc<str>,
    /// How many more.
    pub count: Count,
    /// When its caller last called anything, Unix milliseconds.
    pub at: i64,
}

impl Count {
    /// With more.
    pub fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.refused += more.refused;
    }

    /// Without a part of it.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(part.calls),
            refused: self.refused.saturating_sub(part.refused),
        }
    }
}
