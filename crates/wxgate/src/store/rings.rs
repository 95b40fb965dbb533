//! What is remembered for a while, the oldest forgotten first: callbacks that were refused, calls that failed, what became of
//! tokens. Nothing of it is needed to work.

use super::{Store, StoreError};

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ring {
    /// Callbacks that were refused.
    Refused,
    /// Calls that failed.
    Failures,
    /// What became of an app's token.
    History,
}

impl Ring {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Failures, Self::History];

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failures => "failures",
            Self::History => "history",
        }
    }

    /// So many rows stay.
    pub fn most(self) -> i64 {
        match self {
            Self::Refused => 10_000,
            Self::Failures => 20_000,
            Self::History => 200,
        }
    }

    /// They are an app's; else everybody's.
    pub fn is_by_app(self) -> bool {
        self == Self::History
    }
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRow {
    /// Ascends; given by the store.
    pub id: i64,
    /// Which.
    pub ring: Ring,
    /// When, Unix milliseconds.
    pub at: i64,
    /// The app; "": unknown.
    pub appid: String,
    /// The address, or the caller.
    pub who: String,
    /// The code, or 0.
    pub code: i64,
    /// The request's id, or "".
    pub request_id: String,
    /// The rest, a JSON object as text.
    pub value: String,
}

/// Which rows, newest first.
#[derive(Clone, Debug)]
pub struct RingQuery {
    /// Of this ring.
    pub ring: Ring,
    /// Before this id.
    pub before: Option<i64>,
    /// Not before this, Unix milliseconds.
    pub since: Option<i64>,
    /// Of this app.
    pub appid: Option<String>,
    /// Of this address, or caller.
    pub who: Option<String>,
    /// With this code.
    pub code: Option<i64>,
    /// Of this request.
    pub request_id: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl RingQuery {
    /// The newest of `ring`.
    pub fn newest(ring: Ring, limit: u32) -> Self {
        Self { ring, before: None, since: None, appid: None, who: None, code: None, request_id: None, limit }
    }
}

impl Store {
    /// Remembers these, and forgets what there is too much of.
    pub async fn keep_rings(&self, rows: Vec<RingRow>) -> Result<(), StoreError> {
        self.backend.keep_rings(rows).await
    }

    /// What is remembered.
    pub async fn ring(&self, query: RingQuery) -> Result<Vec<RingRow>, StoreError> {
        self.backend.ring(query).await
    }

    /// How often each code occurs in `ring` since `since`, Unix milliseconds.
    pub async fn ring_codes(&self, ring: Ring, since: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        self.backend.ring_codes(ring, since).await
    }
}
