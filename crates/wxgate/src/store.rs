//! What wxgate must not forget, and nothing else: tokens and tickets, answers to single-use codes,
//! messages and what became of them, and what callers called.
//!
//! [`Store`] is the list of questions the rest may ask; each file here has those about one thing. It seals what is secret
//! and opens it (see [`crate::keys`]), so that no plain secret reaches a disk, and hands the rest to a [`Backend`], under
//! which the SQL lives. Another database is another implementation of that, which passes the tests in `store/suite.rs`.

mod alerts;
mod backend;
mod codes;
mod credentials;
mod deliveries;
mod documents;
mod entries;
mod inspection;
mod job_rows;
mod jobs;
mod lease;
mod lines;
mod lists;
mod messages;
mod moving;
mod nodes;
mod once;
mod pg;
mod quotas;
mod receipts;
mod records;
mod replays;
mod rings;
mod series;
mod sqlite;
mod streamed;
mod streams;
#[cfg(test)]
mod suite;
mod tables;
mod upgrade;
mod usage;
mod wx_quotas;

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::{self, Database};
use crate::keys::{Cell, Keys};
use crate::lang::say;
use crate::limits::Limits;
use crate::random::Random;
use crate::wake::Topics;

pub use alerts::{AlertRow, Deaths, SeenAlert};
pub(crate) use backend::Backend;
pub use codes::{Code, NewCode, Scan};
pub use credentials::{Credential, Saved, SealedCredential, Taken, Turn};
pub use deliveries::{Attempt, Claimed, Fate, Purge, Purged, Seen, event_of};
pub use documents::{Document, DocumentChange, Shelf};
pub use entries::{Audit, AuditQuery, EntryChange, Made, StoredEntry};
pub use inspection::{Inspection, inspect};
pub use jobs::{Added, ItemEnd, ItemState, Job, JobItem, JobKind, JobState, NewJob};
pub use lease::Lease;
pub(crate) use lines::IN_ORDER;
pub use lists::{Came, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, GroupQuery, Status};
use lists::{GROUPED, GROUPS};
pub use messages::{Accepted, NewDelivery, NewEvent, StoredEvent};
pub use moving::{Compared, Moved, Progress, Watch, move_from};
pub use nodes::{BEAT, Node, Reach, SILENT, Wakes};
pub use once::{Binding, Bound, Once};
pub use quotas::QuotaRow;
pub use receipts::SentMessage;
pub use replays::{Ended, EndedDelivery};
pub use rings::{Ring, RingQuery, RingRow};
pub use series::{SeriesQuery, SeriesRow, Stock, Tier};
pub use streamed::Streamed;
pub use streams::{KeptPlace, Opened, Opening, Reached, StreamQuery, StreamState};
pub use upgrade::{Upgraded, upgrade};
pub use usage::{UsageDelta, UsageRow};
pub use wx_quotas::WxQuota;

/// Why the store did not do as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Disk full, locked, gone: the same call may work later.
    #[error("{}{_0}", say("数据库不可用：", "the database is unavailable: "))]
    Unavailable(Arc<str>),
    /// It took too long to say. What it was asked for may still be done.
    #[error("{}", say("数据库不可用：磁盘没有响应", "the database is unavailable: the disk doesn't answer"))]
    NoAnswer,
    /// Something in it does not open or parse.
    #[error("{}{_0}", say("数据库里有坏数据：", "the database holds broken data: "))]
    Corrupt(Arc<str>),
}

/// Handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    keys: Keys,
    /// This process, as the holder of leases.
    owner: i32,
    /// Codes that somebody here waits for.
    scanned: Topics<[u8; 32]>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.backend)
    }
}

/// Where the sealed probe of the master key stands.
const KEY_CHECK: Cell<'_> = Cell { table: "meta", row: "key_check", column: "value" };
const PROBE: &[u8] = b"wxgate";

/// Opens what `settings` name, for this process, and migrates it; a file blocks.
pub(crate) async fn open_backend(
    settings: &config::Store,
    limits: Limits,
    clock: Clock,
) -> anyhow::Result<Arc<dyn Backend>> {
    match (&settings.database, settings.file()) {
        (Database::Sqlite(path), file) => {
            Ok(Arc::new(sqlite::Sqlite::open(file.as_ref().unwrap_or(path), limits)?))
        }
        (Database::Postgres(server), _) => {
            let opened = Box::pin(pg::Pg::open((**server).clone(), limits, clock));
            Ok(Arc::new(opened.await?))
        }
    }
}

impl Store {
    /// Proves that the master key fits the database, and gives both.
    ///
    /// `keys` is told whether a key may still be made: only if nothing is sealed yet.
    pub(crate) async fn open(
        backend: Arc<dyn Backend>,
        random: &Random,
        keys: impl FnOnce(bool) -> anyhow::Result<Keys>,
    ) -> anyhow::Result<(Self, Keys)> {
        match fitting(&*backend, keys).await {
            Ok(keys) => {
                let (owner, scanned) = (lease::owner(random), Topics::default());
                Ok((Self { backend, keys: keys.clone(), owner, scanned }, keys))
            }
            Err(error) => {
                backend.close().await;
                Err(error)
            }
        }
    }

    /// Proves by a small commit that the store takes writes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.backend.ping().await
    }

    /// Names it to people.
    pub fn place(&self) -> String {
        self.backend.place()
    }

    /// Which kind it is.
    pub fn kind(&self) -> &'static str {
        if self.is_shared() { "postgres" } else { "sqlite" }
    }

    /// A copy of all of it, made in `folder`; `None`: the database has tools of its own for that.
    pub async fn copy(&self, folder: PathBuf) -> Result<Option<File>, StoreError> {
        self.backend.copy(folder).await
    }

    /// Ends the store after what was handed to it.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}

/// What is said of a database that a newer version wrote.
fn too_new(schema: impl fmt::Display) -> String {
    say(
        format!(
            "这个数据库由更新版本的 wxgate 写成（schema {schema}），请升级 wxgate；若是别的程序的，改 store.url"
        ),
        format!(
            "a newer wxgate wrote this database (schema {schema}): upgrade wxgate; if it is another program's, change store.url"
        ),
    )
}

/// What is said of a database that another key sealed.
fn other_key(place: impl fmt::Display) -> String {
    say(
        format!(
            "主密钥与数据库 {place} 不符：它不是加密这些数据的那一把。请恢复原来的 store.master_key（或密钥文件）"
        ),
        format!(
            "the master key doesn't fit the database {place}: its data was sealed with another. Restore the former store.master_key (or key file)"
        ),
    )
}

/// The key that the database is sealed with; a new database is sealed with it from now on.
async fn fitting(
    backend: &dyn Backend,
    keys: impl FnOnce(bool) -> anyhow::Result<Keys>,
) -> anyhow::Result<Keys> {
    let check = backend.key_check().await?;
    let keys = keys(check.is_none())?;
    let check = match check {
        Some(check) => check,
        None => backend.keep_key_check(keys.seal(KEY_CHECK, PROBE)).await?,
    };
    if keys.open(KEY_CHECK, &check).is_err() {
        anyhow::bail!(other_key(backend.place()));
    }
    Ok(keys)
}
