//! SQLite: one writer thread that commits whole groups, one connection for rows, one for lists.
//!
//! WAL with `synchronous=FULL`: what was answered as stored survives a power cut. Group commit
//! makes that as fast as not syncing: while one group is being synced, the next one gathers.
//!
//! This file is the list of what is asked of it; each file below has the SQL about one thing.

mod alerts;
mod checkpoint;
mod codes;
mod copy;
mod credentials;
mod dump;
mod entries;
#[cfg(test)]
mod figures;
mod file;
mod inspect;
mod job_rows;
mod jobs;
mod lines;
mod lists;
mod messages;
mod meta;
mod migrations;
mod once;
#[cfg(test)]
mod plans;
mod purge;
mod queue;
mod quotas;
mod reader;
mod receipts;
mod recent;
mod records;
mod replays;
mod rings;
mod series;
mod streams;
#[cfg(test)]
mod tests;
mod usage;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use rusqlite::OpenFlags;

use super::backend::{
    AcceptedRow, AuditRow, Backend, BoundRow, ClaimedRow, EntryRow, EventRow, MessageKey, Pending, Record,
    SavedRow, deliveries_of,
};
use super::{
    AuditQuery, Binding, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, GroupQuery, Lease, Purge,
    Purged, SealedCredential, StoreError, Turn, UsageDelta, UsageRow,
};

pub(super) use dump::Source;
pub(super) use inspect::{inspect, steps};

use crate::lang::say;
use crate::limits::Limits;
use reader::{Lists, Rows};
use recent::{Recent, Shared};
use writer::Writer;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// A database that this process alone has open.
pub(super) struct Sqlite {
    path: PathBuf,
    /// Of one step of forgetting.
    purge_time: Duration,
    writer: Arc<Writer>,
    recent: Shared,
    rows: Rows,
    lists: Lists,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sqlite({})", self.path.display())
    }
}

/// Of the database in the writer's memory, KiB; it is given back when nothing is written.
const CACHE_KB: i64 = 4 << 10;

impl Sqlite {
    /// Opens, locks and migrates; blocks.
    pub(super) fn open(path: &Path, limits: Limits) -> anyhow::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| {
                let dir = dir.display();
                say(format!("无法创建目录 {dir}"), format!("can't make the folder {dir}"))
            })?;
        }
        if path.exists() {
            file::look(path)?;
        }
        let lock = file::lock(path)?;
        let name = path.display();
        file::make_private(path).with_context(|| {
            say(format!("无法创建数据库 {name}"), format!("can't make the database {name}"))
        })?;
        let mut connection =
            file::connect(path, OpenFlags::default()).map_err(|error| file::unreadable(path, error))?;
        // What is written to lies at the tables' ends. More would cost more: each commit looks through it.
        connection.pragma_update(None, "cache_size", -CACHE_KB)?;
        migrations::migrate(&mut connection).with_context(|| {
            say(format!("数据库 {name} 升级失败"), format!("can't upgrade the database {name}"))
        })?;
        let recent = Recent::load(&connection).map_err(|error| file::unreadable(path, error))?;
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let wal = checkpoint::beside(&mut connection, path)?;
        let (rows, lists) = (file::connect(path, read_only)?, file::connect(path, read_only)?);
        Ok(Self {
            path: path.to_owned(),
            purge_time: limits.purge_time,
            writer: Arc::new(Writer::start(
                connection,
                wal,
                recent.clone(),
                file::Placed::new(path)?,
                lock,
                limits,
            )?),
            recent,
            rows: Rows::new(rows, limits),
            lists: Lists::new(lists, limits),
        })
    }
}

impl Backend for Sqlite {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn key_check(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(self.rows.read(meta::key_check))
    }

    fn keep_key_check(&self, sealed: Vec<u8>) -> Pending<'_, Vec<u8>> {
        Box::pin(self.writer.write(move |tx| meta::keep_key_check(tx, &sealed)))
    }

    fn credentials(&self) -> Pending<'_, Vec<SealedCredential>> {
        Box::pin(self.rows.read(credentials::all))
    }

    fn save_credential(&self, row: SealedCredential, _turn: Turn, _until: i64) -> Pending<'_, SavedRow> {
        Box::pin(self.writer.write(move |tx| credentials::save(tx, &row).map(|()| SavedRow::Saved(0))))
    }

    fn once_answer(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(self.rows.read(move |db| once::answer(db, &key, now)))
    }

    fn keep_once_answer(&self, key: [u8; 32], sealed: Vec<u8>, expires_at: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| once::keep(tx, &key, &sealed, expires_at)))
    }

    fn bound(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<BoundRow>> {
        Box::pin(self.rows.read(move |db| once::bound(db, &key, now)))
    }

    fn bind(&self, binding: Binding, now: i64) -> Pending<'_, Option<BoundRow>> {
        Box::pin(self.writer.write(move |tx| once::bind(tx, &binding, now)))
    }

    fn usage(&self) -> Pending<'_, Vec<UsageRow>> {
        Box::pin(self.rows.read(usage::all))
    }

    fn add_usage(&self, deltas: Vec<UsageDelta>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| usage::add(tx, &deltas)))
    }

    fn copy(&self, folder: PathBuf) -> Pending<'_, Option<File>> {
        let path = self.path.clone();
        Box::pin(async move {
            let copied = tokio::task::spawn_blocking(move || copy::into(&path, &folder)).await;
            copied.map_err(|error| StoreError::Unavailable(error.to_string().into()))?.map(Some)
        })
    }

    fn entries(&self) -> Pending<'_, (i64, Vec<EntryRow>)> {
        Box::pin(self.rows.read(entries::all))
    }

    fn entries_revision(&self) -> Pending<'_, i64> {
        Box::pin(self.rows.read(entries::revision))
    }

    fn change_entries(&self, changes: Vec<EntryRow>, book: Vec<AuditRow>) -> Pending<'_, Option<i64>> {
        Box::pin(self.writer.write(move |tx| entries::change(tx, &changes, &book)))
    }

    fn audit(&self, query: AuditQuery) -> Pending<'_, Vec<AuditRow>> {
        Box::pin(self.lists.read(move |db| entries::audit(db, &query)))
    }

    fn accept(&self, event: EventRow) -> Pending<'_, AcceptedRow> {
        let recent = self.recent.clone();
        Box::pin(self.writer.write(move |tx| messages::accept(tx, &mut recent.lock(), &event)))
    }

    fn keep_answer(&self, seen: MessageKey, event_id: i64, sealed: Vec<u8>) -> Pending<'_, ()> {
        let recent = self.recent.clone();
        Box::pin(
            self.writer.write(move |tx| messages::keep_answer(tx, &recent.lock(), &seen, event_id, &sealed)),
        )
    }

    fn keep_signature(&self, key: [u8; 32], now: i64, until: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| messages::remember(tx, &key, &[], now, until).map(drop)))
    }

    fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)> {
        let route = route.to_owned();
        Box::pin(self.writer.write(move |tx| queue::claim(tx, &route, now, limit, lease)))
    }

    fn take_on(&self, event_id: i64, route: &str, now: i64, lease: Lease) -> Pending<'_, Option<ClaimedRow>> {
        let route = route.to_owned();
        Box::pin(self.writer.write(move |tx| queue::take_on(tx, event_id, &route, now, lease)))
    }

    fn record(&self, record: Record) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| queue::record(tx, &record)))
    }

    fn release(&self, delivery: i64, owner: i32, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| queue::release(tx, delivery, owner, now)))
    }

    fn resume(&self, owner: i32, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| queue::resume(tx, owner, now)))
    }

    fn waiting_routes(&self) -> Pending<'_, Vec<String>> {
        Box::pin(self.rows.read(queue::waiting_routes))
    }

    fn backlog(&self, route: &str, most: u32) -> Pending<'_, u32> {
        let route = route.to_owned();
        Box::pin(self.rows.read(move |db| queue::backlog(db, &route, most)))
    }

    fn bury(&self, route: &str, now: i64, limit: u32) -> Pending<'_, usize> {
        let route = route.to_owned();
        Box::pin(self.writer.write(move |tx| queue::bury(tx, &route, now, limit)))
    }

    fn replay(&self, delivery: i64, now: i64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| queue::replay(tx, delivery, now)))
    }

    fn purge(&self, step: Purge) -> Pending<'_, Purged> {
        let (time, recent) = (self.purge_time, self.recent.clone());
        Box::pin(self.writer.write(move |tx| {
            let begin = Instant::now();
            let purged = purge::step(tx, &step, &|| begin.elapsed() >= time)?;
            // What is remembered must not go with the messages.
            recent.lock().write(tx, usize::MAX)?;
            Ok(purged)
        }))
    }

    fn events(&self, query: EventQuery) -> Pending<'_, Vec<Event>> {
        Box::pin(self.lists.read(move |db| lists::events(db, query)))
    }

    fn event_body(&self, id: i64) -> Pending<'_, Option<(Vec<u8>, Vec<u8>)>> {
        Box::pin(self.lists.read(move |db| lists::event_body(db, id)))
    }

    fn deliveries(&self, query: DeliveryQuery) -> Pending<'_, Vec<Delivery>> {
        Box::pin(self.lists.read(move |db| lists::deliveries(db, &query)))
    }

    fn dead_groups(&self, query: GroupQuery) -> Pending<'_, Vec<DeadGroup>> {
        Box::pin(self.lists.read(move |db| lists::dead_groups(db, &query)))
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(self.writer.ping())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let writer = self.writer.clone();
        Box::pin(async move {
            // On a thread of its own: a disk that hangs must not hang whoever closes.
            let _ = tokio::task::spawn_blocking(move || writer.end()).await;
        })
    }
}
