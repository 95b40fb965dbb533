//! What wxgate must not forget, and nothing else: tokens and tickets, answers to single-use codes,
//! messages and what became of them.
//!
//! This file is the list of questions the rest may ask; the SQL lives under `store/`. Everything
//! secret arrives here sealed already (see [`crate::keys::seal`]), so no plain secret reaches a disk.

mod messages;
mod migrations;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

pub use messages::{
    Accepted, Attempt, Claimed, Delivery, DeliveryQuery, Event, EventQuery, Fate, NewDelivery, NewEvent,
    Status, StoredEvent,
};

use crate::keys::{Cell, Keys};
use crate::text::hex;

/// Why the store did not do as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Disk full, locked, gone: the same call may work later.
    #[error("store unavailable: {0}")]
    Unavailable(Arc<str>),
    /// Something in it does not open or parse.
    #[error("store corrupt: {0}")]
    Corrupt(Arc<str>),
}

/// A stored token or ticket.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose.
    pub appid: String,
    /// `access_token`, `jsapi` or `wx_card`.
    pub kind: String,
    /// Counts up with every new value.
    pub version: i64,
    /// The value itself, in clear: the store seals and opens it.
    pub value: Vec<u8>,
    /// When it was fetched, Unix milliseconds.
    pub fetched_at: i64,
    /// When WeChat ends it, Unix milliseconds.
    pub expires_at: i64,
    /// When `force_refresh` was used in the last day, and when a refused classic token was last replaced.
    pub history: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}/{} v{})", self.appid, self.kind, self.version)
    }
}

/// Handle on the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: sqlite::Sqlite,
    keys: Keys,
}

const KEY_CHECK: Cell<'_> = Cell { table: "meta", row: "key_check", column: "value" };

impl Store {
    /// Opens (and migrates) the database at `path` and proves that the master key fits it.
    ///
    /// `keys` is asked for once the database's state is known: whether a key may still be made.
    pub fn open(path: &Path, keys: impl FnOnce(bool) -> anyhow::Result<Keys>) -> anyhow::Result<Self> {
        let mut made = None;
        let db = sqlite::Sqlite::open(path, |check| {
            let keys = made.insert(keys(check.is_none())?);
            let Some(sealed) = check else {
                return Ok(Some(keys.seal(KEY_CHECK, b"wxgate")));
            };
            keys.open(KEY_CHECK, &sealed).map_err(|_| {
                anyhow::anyhow!(
                    "主密钥与数据库 {} 不符：它不是加密这些数据的那一把。请恢复原来的 store.master_key（或密钥文件）",
                    path.display()
                )
            })?;
            Ok(None)
        })?;
        let keys = made.context("the store never asked for its key")?;
        Ok(Self { db, keys })
    }

    /// The master key's services, for what others seal.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Every stored token and ticket; blocks, for use at start.
    pub fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        let rows = self.db.credentials_blocking()?;
        rows.into_iter()
            .map(|mut row| {
                let name = format!("{}/{}", row.appid, row.kind);
                row.value = self
                    .keys
                    .open(Cell { table: "credentials", row: &name, column: "value" }, &row.value)
                    .map_err(|e| StoreError::Corrupt(format!("credentials {name}: {e}").into()))?;
                Ok(row)
            })
            .collect()
    }

    /// Keeps a token or ticket, unless a newer one is there already.
    pub async fn save_credential(&self, mut row: Credential) -> Result<(), StoreError> {
        let name = format!("{}/{}", row.appid, row.kind);
        row.value = self.keys.seal(Cell { table: "credentials", row: &name, column: "value" }, &row.value);
        self.db.save_credential(row).await
    }

    /// The kept answer under `key`, if it lives at `now`.
    pub async fn once_answer(&self, key: [u8; 32], now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = self.db.once_answer(key, now).await? else {
            return Ok(None);
        };
        let row = hex(&key);
        match self.keys.open(Cell { table: "once", row: &row, column: "answer" }, &sealed) {
            Ok(plain) => Ok(Some(plain)),
            Err(e) => Err(StoreError::Corrupt(format!("once {row}: {e}").into())),
        }
    }

    /// Keeps an answer until `expires_at` (Unix milliseconds), and forgets those that ended by `now`.
    pub async fn keep_once_answer(
        &self,
        key: [u8; 32],
        answer: &[u8],
        now: i64,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        let row = hex(&key);
        let sealed = self.keys.seal(Cell { table: "once", row: &row, column: "answer" }, answer);
        self.db.keep_once_answer(key, sealed, now, expires_at).await
    }

    /// Proves by a small commit that the store takes writes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.ping().await
    }

    /// Ends the writer thread after what was handed to it; blocks.
    pub fn close(&self) {
        self.db.close();
    }
}

/// Looks at a database without disturbing a running server: readable, whole, and which schema.
/// `Ok(None)` if there is none yet.
pub fn inspect(path: &Path) -> anyhow::Result<Option<Inspection>> {
    sqlite::inspect(path)
}

/// What [`inspect`] found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Applied migrations.
    pub schema: i64,
    /// Stored tokens and tickets.
    pub credentials: i64,
    /// StoredEvent messages.
    pub events: i64,
    /// Deliveries to come.
    pub pending: i64,
    /// Deliveries given up.
    pub dead: i64,
    /// The sealed probe of the master key.
    pub key_check: Option<Vec<u8>>,
}

impl Inspection {
    /// Whether `keys` is the key this database was sealed with.
    pub fn fits(&self, keys: &Keys) -> bool {
        self.key_check.as_ref().is_none_or(|sealed| keys.open(KEY_CHECK, sealed).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> anyhow::Result<Keys> {
        Ok(Keys::new(&[n; 32], crate::random::Random::System))
    }

    #[tokio::test]
    async fn a_token_survives_a_restart_and_stands_nowhere_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wxgate.db");
        let row = Credential {
            appid: "wx1".into(),
            kind: "access_token".into(),
            version: 3,
            value: b"planted-token-value".to_vec(),
            fetched_at: 1,
            expires_at: 2,
            history: "{}".into(),
        };
        let store = Store::open(&path, |_| key(1)).unwrap();
        store.save_credential(row.clone()).await.unwrap();
        store.save_credential(Credential { version: 2, ..row.clone() }).await.unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(13).any(|w| w == b"planted-token"));
        }
        store.close();
        let store = Store::open(&path, |fresh| {
            assert!(!fresh);
            key(1)
        })
        .unwrap();
        assert_eq!(store.credentials().unwrap(), [row], "an older version never overwrites a newer one");
    }

    #[test]
    fn another_master_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wxgate.db");
        Store::open(&path, |_| key(1)).unwrap().close();
        let error = Store::open(&path, |_| key(2)).unwrap_err().to_string();
        assert!(error.contains("主密钥与数据库"), "{error}");
    }

    #[test]
    fn a_second_process_on_the_same_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wxgate.db");
        let first = Store::open(&path, |_| key(1)).unwrap();
        let error = Store::open(&path, |_| key(1)).unwrap_err().to_string();
        assert!(error.contains("正在使用"), "{error}");
        first.close();
        Store::open(&path, |_| key(1)).unwrap();
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("wxgate.db"), |_| key(1)).unwrap();
        store.keep_once_answer([9; 32], b"answer", 0, 1000).await.unwrap();
        assert_eq!(store.once_answer([9; 32], 999).await.unwrap().unwrap(), b"answer");
        assert_eq!(store.once_answer([9; 32], 1000).await.unwrap(), None);
        assert_eq!(store.once_answer([8; 32], 0).await.unwrap(), None);
    }
}
