//! How much the store takes on at once, and how long anybody waits for it.

use std::time::Duration;

/// Smaller ones let a test reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Writes that may wait before callers have to.
    pub writes: usize,
    /// Writes in one commit, at most.
    pub group: usize,
    /// How long a caller waits for its commit, or for a row: longer than the database waits for a lock. A disk that
    /// hangs must not hang whoever asks.
    pub commit_time: Duration,
    /// How long a ping waits: whoever asks for health has little time.
    pub ping_time: Duration,
    /// Lists for people that may be asked for at once.
    pub lists: usize,
    /// How long one may take.
    pub list_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            writes: 1024,
            group: 256,
            commit_time: Duration::from_secs(8),
            ping_time: Duration::from_secs(2),
            lists: 8,
            list_time: Duration::from_secs(2),
        }
    }
}
