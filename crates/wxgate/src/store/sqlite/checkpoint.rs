//! Merging the WAL into the database, beside the writer: a commit that had to wait for it would wait for a second sync.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, hooks};

use super::file;
use crate::lang::say;

/// Pages of 4 KiB by which it grows before it is merged. A commit that comes meanwhile waits for the disk with it: the more
/// there is to merge, the longer.
const STEP: i32 = 1000;
/// Pages beyond which the writer itself merges what is left: it would grow for ever where nobody ever pauses.
const LONG: i32 = 8192;

/// The WAL of the only connection that writes.
pub(super) struct Wal {
    pages: Arc<AtomicI32>,
    thread: JoinHandle<()>,
}

impl Wal {
    /// Between two commits: merges it, if the thread can't keep up.
    pub(super) fn shorten(&self, connection: &Connection) {
        if self.pages.load(Ordering::Relaxed) > LONG {
            told_of(checkpoint(connection, "restart"));
        }
    }

    /// Waits for the thread.
    pub(super) fn end(self, connection: &mut Connection) {
        // With the hook goes the thread's other end.
        let _ = connection.wal_hook(None::<fn(&mut hooks::Wal, i32) -> rusqlite::Result<()>>);
        let _ = self.thread.join();
    }
}

/// Has the WAL that `connection`, the only one that writes, makes of the database at `path` merged by a thread.
pub(super) fn beside(connection: &mut Connection, path: &Path) -> anyhow::Result<Wal> {
    let own = file::connect(path, OpenFlags::default())?;
    // One that waits is enough: it sees all that came by then.
    let (tell, told) = sync_channel(1);
    let pages = Arc::new(AtomicI32::new(0));
    let (mut last, seen) = (0, pages.clone());
    connection.wal_hook(Some(move |_: &mut hooks::Wal, pages: i32| {
        seen.store(pages, Ordering::Relaxed);
        // It begins anew where all of it was merged.
        last = last.min(pages);
        if pages - last >= STEP {
            last = pages;
            // A full channel: it was told already.
            let _ = tell.try_send(());
        }
        Ok(())
    }))?;
    let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
    let thread = thread.spawn(move || merge(&own, &told)).context("store-checkpoint")?;
    Ok(Wal { pages, thread })
}

fn merge(connection: &Connection, told: &Receiver<()>) {
    while told.recv().is_ok() {
        told_of(checkpoint(connection, "passive"));
    }
}

fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("pragma wal_checkpoint({how})"), [], |_| Ok(()))
}

fn told_of(merged: rusqlite::Result<()>) {
    if let Err(error) = merged {
        tracing::warn!(%error, "{}", say("没能把 WAL 并入数据库文件，稍后再试", "couldn't merge the WAL into the database: it is tried again"));
    }
}
