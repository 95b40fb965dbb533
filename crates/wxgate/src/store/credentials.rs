//! Tokens and tickets, sealed but for the moment they are needed.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

use super::backend::{SavedRow, TakenRow};
use super::{Store, StoreError};
use crate::keys::Cell;

/// A token or ticket.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whose.
    pub appid: String,
    /// `access_token`, `jsapi` or `wx_card`.
    pub kind: String,
    /// Counts up with every new value.
    pub version: i64,
    /// The value itself.
    pub value: SecretString,
    /// When it was fetched, Unix milliseconds.
    pub fetched_at: i64,
    /// When WeChat ends it, Unix milliseconds.
    pub expires_at: i64,
    /// When `force_refresh` was used in the last day, and when a refused classic token was last replaced.
    pub history: String,
    /// Of the row: it counts up with every change.
    pub revision: i64,
    /// Another node fetched a classic one after it, which lost its turn: this one ends within minutes.
    pub is_superseded: bool,
}

/// A [`Credential`] as it is kept: [`Store::open_credential`] opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedCredential {
    /// Whose.
    pub appid: String,
    /// `access_token`, `jsapi` or `wx_card`.
    pub kind: String,
    /// Counts up with every new value.
    pub version: i64,
    pub(super) value: Vec<u8>,
    pub(super) fetched_at: i64,
    pub(super) expires_at: i64,
    pub(super) history: String,
    /// See [`Credential`].
    pub revision: i64,
    pub(super) is_superseded: bool,
}

/// A node's turn to ask WeChat about a value; the number says which taking it was. In one process there is only one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub(super) epoch: i64,
}

/// What became of [`Store::take_turn`].
#[derive(Clone, Debug)]
pub enum Taken {
    /// It is ours until then; with what was done lately, if the store knows more than we do.
    Ours(Turn, Option<String>),
    /// Another node has it.
    Held,
    /// Another node kept another value.
    Newer(SealedCredential),
}

/// What became of [`Store::save_credential`].
#[derive(Clone, Debug)]
pub enum Saved {
    /// It is kept, as this revision.
    Saved(i64),
    /// Our turn was over: this is what another node kept.
    Newer(SealedCredential),
}

impl fmt::Debug for SealedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCredential({}/{} v{})", self.appid, self.kind, self.version)
    }
}

impl Store {
    /// Every kept token and ticket, for use at start.
    pub async fn credentials(&self) -> Result<Vec<SealedCredential>, StoreError> {
        self.backend.credentials().await
    }

    /// Opens what [`Store::credentials`] gave.
    pub fn open_credential(&self, sealed: &SealedCredential) -> Result<Credential, StoreError> {
        let name = format!("{}/{}", sealed.appid, sealed.kind);
        let corrupt =
            |error: &dyn fmt::Display| StoreError::Corrupt(format!("credentials {name}: {error}").into());
        let value = self.keys.open(value_cell(&name), &sealed.value).map_err(|error| corrupt(&error))?;
        let value = String::from_utf8(value).map_err(|error| corrupt(&error.utf8_error()))?;
        Ok(Credential {
            appid: sealed.appid.clone(),
            kind: sealed.kind.clone(),
            version: sealed.version,
            value: value.into(),
            fetched_at: sealed.fetched_at,
            expires_at: sealed.expires_at,
            history: sealed.history.clone(),
            revision: sealed.revision,
            is_superseded: sealed.is_superseded,
        })
    }

    /// What other nodes changed since `revision`.
    pub async fn credentials_since(&self, revision: i64) -> Result<Vec<SealedCredential>, StoreError> {
        self.backend.credentials_since(revision).await
    }

    /// Takes the turn to ask WeChat about a value, or goes on with it, from `now` until then. `seen` is the revision of the row
    /// that is known here; 0: none.
    pub async fn take_turn(
        &self,
        appid: &str,
        kind: &str,
        seen: i64,
        now: i64,
        until: i64,
    ) -> Result<Taken, StoreError> {
        Ok(match self.backend.take_turn(appid, kind, seen, now, self.lease(until)).await? {
            TakenRow::Ours(turn, history) => Taken::Ours(turn, history),
            TakenRow::Held => Taken::Held,
            TakenRow::Newer(row) => Taken::Newer(row),
        })
    }

    /// Goes on with a turn until then, unless it is over and another's.
    pub async fn go_on(&self, appid: &str, kind: &str, turn: Turn, until: i64) -> Result<(), StoreError> {
        self.backend.go_on(appid, kind, turn, until).await
    }

    /// Gives a turn back.
    pub async fn end_turn(&self, appid: &str, kind: &str, turn: Turn) -> Result<(), StoreError> {
        self.backend.end_turn(appid, kind, turn).await
    }

    /// A classic token that was fetched after this version lost its turn.
    pub async fn supersede(&self, appid: &str, kind: &str, version: i64) -> Result<(), StoreError> {
        self.backend.supersede(appid, kind, version).await
    }

    /// Keeps a token or ticket, unless the turn is over or a newer one is there already. The turn goes on until then.
    pub async fn save_credential(
        &self,
        row: Credential,
        turn: Turn,
        until: i64,
    ) -> Result<Saved, StoreError> {
        let name = format!("{}/{}", row.appid, row.kind);
        let value = self.keys.seal(value_cell(&name), row.value.expose_secret().as_bytes());
        let sealed = SealedCredential {
            appid: row.appid,
            kind: row.kind,
            version: row.version,
            value,
            fetched_at: row.fetched_at,
            expires_at: row.expires_at,
            history: row.history,
            revision: row.revision,
            is_superseded: false,
        };
        Ok(match self.backend.save_credential(sealed, turn, until).await? {
            SavedRow::Saved(revision) => Saved::Saved(revision),
            SavedRow::Newer(row) => Saved::Newer(row),
        })
    }
}

fn value_cell(name: &str) -> Cell<'_> {
    Cell { table: "credentials", row: name, column: "value" }
}
