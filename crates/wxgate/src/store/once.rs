//! What happens once: answers to single-use codes, and keys bound to the first that comes with them.

use subtle::ConstantTimeEq as _;

use super::backend::{BoundRow, OnceRow};
use super::{Store, StoreError};
use crate::keys::Cell;
use crate::text::hex;

/// A key to be bound to the first digest that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// A MAC of what is bound.
    pub key: [u8; 32],
    /// A MAC of what it is bound to.
    pub digest: [u8; 32],
    /// Until when the same digest is good once more, Unix milliseconds.
    pub again_until: i64,
    /// Until when any other is refused, Unix milliseconds.
    pub expires_at: i64,
}

/// What a key is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Nothing before: now to this digest.
    First,
    /// This digest, since before.
    Same {
        /// As whoever bound it said.
        again_until: i64,
    },
    /// Another digest.
    Other,
}

/// What is known of a single-use code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// Nothing: it is ours to use.
    First,
    /// What came of it.
    Answer(Vec<u8>),
    /// Another node is at it.
    Held,
}

impl Bound {
    fn of(row: BoundRow, digest: &[u8; 32]) -> Self {
        match bool::from(row.digest.ct_eq(digest)) {
            true => Self::Same { again_until: row.again_until },
            false => Self::Other,
        }
    }
}

impl Store {
    /// The kept answer under `key`, if it lives at `now`.
    pub async fn once_answer(&self, key: [u8; 32], now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = self.backend.once_answer(key, now).await? else {
            return Ok(None);
        };
        self.open_once(key, &sealed).map(Some)
    }

    fn open_once(&self, key: [u8; 32], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let row = hex(&key);
        self.keys
            .open(answer_cell(&row), sealed)
            .map_err(|error| StoreError::Corrupt(format!("once {row}: {error}").into()))
    }

    /// The kept answer under `key`, or whose turn it is to get it, from `now` until then.
    pub async fn begin_once(&self, key: [u8; 32], now: i64, until: i64) -> Result<Once, StoreError> {
        Ok(match self.backend.begin_once(key, now, self.lease(until)).await? {
            OnceRow::First => Once::First,
            OnceRow::Held => Once::Held,
            OnceRow::Answer(sealed) => Once::Answer(self.open_once(key, &sealed)?),
        })
    }

    /// Nothing came of our turn.
    pub async fn end_once(&self, key: [u8; 32]) -> Result<(), StoreError> {
        self.backend.end_once(key, self.owner).await
    }

    /// Keeps an answer until `expires_at` (Unix milliseconds).
    pub async fn keep_once_answer(
        &self,
        key: [u8; 32],
        answer: &[u8],
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let sealed = self.keys.seal(answer_cell(&hex(&key)), answer);
        self.backend.keep_once_answer(key, sealed, expires_at).await
    }

    /// What `key` is bound to at `now`, seen from `digest`: never [`Bound::First`].
    pub async fn bound(
        &self,
        key: [u8; 32],
        digest: &[u8; 32],
        now: i64,
    ) -> Result<Option<Bound>, StoreError> {
        let row = self.backend.bound(key, now).await?;
        Ok(row.map(|row| Bound::of(row, digest)))
    }

    /// Binds a key that is bound to nothing at `now`; of several at once only one is the first.
    pub async fn bind(&self, binding: Binding, now: i64) -> Result<Bound, StoreError> {
        let before = self.backend.bind(binding, now).await?;
        Ok(before.map_or(Bound::First, |row| Bound::of(row, &binding.digest)))
    }
}

fn answer_cell(row: &str) -> Cell<'_> {
    Cell { table: "once", row, column: "answer" }
}
