//! A lease: what a process took on is its own for a while, and anybody's when that is over.

use super::Store;
use crate::random::Random;

/// Who has something to itself, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// A number that a process drew when it opened the store; never 0.
    pub owner: i32,
    /// Unix milliseconds.
    pub until: i64,
}

/// The number of a process that begins.
pub(super) fn owner(random: &Random) -> i32 {
    i32::try_from(random.between(1, i64::from(i32::MAX))).unwrap_or(1)
}

impl Store {
    /// A lease of this process.
    pub(super) fn lease(&self, until: i64) -> Lease {
        Lease { owner: self.owner, until }
    }
}
