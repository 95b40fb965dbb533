//! How long commits take while old things are forgotten. Prints, and judges nothing: `make figures`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tokio_util::task::TaskTracker;

use super::Sqlite;
use crate::limits::Limits;
use crate::store::Purge;
use crate::store::backend::Backend as _;

const LETTERS: i64 = 1_000_000;

/// A database with as many messages that came at 0, each with a delivery that died at 1.
fn fill(path: &Path) {
    drop(Sqlite::open(path, Limits::default()).unwrap());
    let db = Connection::open(path).unwrap();
    db.execute_batch("pragma journal_mode = wal; pragma synchronous = off; begin").unwrap();
    let numbers = "with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)";
    for insert in [
        "insert into events (id, appid, openid, msg_type, event, kind, received_at, digest, body)
         select i, 'wx1', 'o' || i, 'event', 'SCAN', 'event:scan', 0, randomblob(32), randomblob(400) from n",
        "insert into deliveries (id, round, route, status, attempts, done_at)
         select i * 65536, 0, 'backend', 2, 10, 1 from n",
        "insert into attempts (delivery_id, round, n, at, status, ms, error)
         select i * 65536, 0, 1, 1, 500, 3, 'HTTP 500' from n",
    ] {
        db.execute(&format!("{numbers} {insert}"), params![LETTERS]).unwrap();
    }
    // Nothing of them is remembered.
    db.execute("update meta set value = ?1 where name = 'seen_to'", [LETTERS]).unwrap();
    db.execute_batch("commit; pragma wal_checkpoint(truncate)").unwrap();
}

/// Commits one after the other until `done`; how long each took.
async fn commits(db: &Sqlite, done: impl Fn() -> bool) -> Vec<Duration> {
    let mut took = Vec::new();
    while !done() {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&took.len().to_le_bytes());
        let begin = Instant::now();
        db.keep_once_answer(key, vec![0; 200], i64::MAX).await.unwrap();
        took.push(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    took.sort_unstable();
    took
}

fn print(what: &str, rows: usize, took: &[Duration]) {
    let at = |part: usize| took.get(took.len() * part / 1000).copied().unwrap_or_default();
    let last = took.last().copied().unwrap_or_default();
    println!(
        "{what}: {rows} rows went; {} commits: half within {:?}, 99 % {:?}, 99.9 % {:?}, all {last:?}",
        took.len(),
        at(500),
        at(990),
        at(999)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, for minutes"]
async fn commits_while_a_million_dead_letters_are_kept_then_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    fill(&path);
    let db = Arc::new(Sqlite::open(&path, Limits::default()).unwrap());
    let begin = Instant::now();
    print("nothing is forgotten", 0, &commits(&db, || begin.elapsed() > Duration::from_secs(3)).await);
    for (what, dead_before) in [("all are kept", 0), ("all are forgotten", 2)] {
        let purging = {
            let db = db.clone();
            TaskTracker::new().spawn(async move {
                let (begin, mut rows, mut steps) = (Instant::now(), 0, 0);
                let mut next = Some(Purge::new(0, 1, dead_before, 1000));
                while let Some(step) = next.take_if(|_| begin.elapsed() < Duration::from_secs(20)) {
                    let purged = db.purge(step).await.unwrap();
                    rows += purged.rows;
                    steps += 1;
                    next = purged.next;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                println!("{what}: {steps} steps in {:?}", begin.elapsed());
                rows
            })
        };
        let took = commits(&db, || purging.is_finished()).await;
        print(what, purging.await.unwrap(), &took);
    }
}
