//! Tokens and tickets, sealed but for the moment they are needed.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

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
        })
    }

    /// Keeps a token or ticket, unless a newer one is there already.
    pub async fn save_credential(&self, row: Credential) -> Result<(), StoreError> {
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
        };
        self.backend.save_credential(sealed).await
    }
}

fn value_cell(name: &str) -> Cell<'_> {
    Cell { table: "credentials", row: name, column: "value" }
}
