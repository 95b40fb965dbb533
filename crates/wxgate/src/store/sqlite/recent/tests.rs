//! What is remembered in memory alone outlives a crash, and nothing is remembered that was not kept.

use std::path::Path;

use futures_util::future::join_all;

use super::super::{Backend as _, Sqlite};
use crate::limits::Limits;
use crate::store::Purge;
use crate::store::backend::{AcceptedRow, EventRow, MessageKey};

const NOW: i64 = 1_795_305_600_000;
const HOUR: i64 = 3_600_000;

fn open(dir: &Path) -> Sqlite {
    Sqlite::open(&dir.join("wxgate.db"), Limits::default()).unwrap()
}

/// The database as a power cut leaves it at this moment, opened.
fn after_a_crash(dir: &Path) -> (Sqlite, tempfile::TempDir) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["wxgate.db", "wxgate.db-wal"] {
        std::fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    (open(copy.path()), copy)
}

fn key(n: u32) -> MessageKey {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    MessageKey { created: 1_795_305_600 + n / 1000, digest }
}

fn event(n: u32, received_at: i64) -> EventRow {
    EventRow {
        appid: "wx1".to_owned(),
        openid: format!("o{n}"),
        msg_type: "text".to_owned(),
        event: String::new(),
        kind: "text".to_owned(),
        scene: String::new(),
        msg_id: n.to_string(),
        came: String::new(),
        received_at,
        body: vec![7; 100],
        seen: key(n),
        ticket: None,
        signature: None,
        is_plain: false,
        remembered_until: received_at + HOUR,
        spent_until: received_at + HOUR,
        deliveries: Vec::new(),
    }
}

async fn accept(db: &Sqlite, n: u32) -> AcceptedRow {
    db.accept(event(n, NOW)).await.unwrap()
}

/// Keeps messages `from..to`; their ids.
async fn keep(db: &Sqlite, from: u32, to: u32) -> Vec<i64> {
    let kept = join_all((from..to).map(|n| accept(db, n))).await;
    let id = |row| match row {
        AcceptedRow::New(id, _) => id,
        other => panic!("{other:?}"),
    };
    kept.into_iter().map(id).collect()
}

async fn duplicate(db: &Sqlite, n: u32, received_at: i64) -> (i64, Option<Vec<u8>>) {
    match db.accept(event(n, received_at)).await.unwrap() {
        AcceptedRow::Duplicate(id, answer) => (id, answer),
        other => panic!("{n}: {other:?}"),
    }
}

fn written(dir: &Path) -> u32 {
    let db = rusqlite::Connection::open(dir.join("wxgate.db")).unwrap();
    db.query_row("select count(*) from seen_msg", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_crash_forgets_no_message_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let mut ids = Vec::new();
    for (from, to) in [(0, 1), (1, 700), (700, 3000), (3000, 5000)] {
        ids.extend(keep(&db, from, to).await);
        let (crashed, _copy) = after_a_crash(dir.path());
        let again = join_all((0..to).map(|n| duplicate(&crashed, n, NOW + 1))).await;
        assert!(again.into_iter().zip(&ids).all(|(again, id)| again == (*id, None)), "{to}");
        let next = keep(&crashed, to, to + 1).await[0];
        assert!(next > *ids.last().unwrap());
    }
    // Some are written, in whole chunks; never are more than two and a group in memory.
    let in_table = written(dir.path());
    assert!(in_table.is_multiple_of(1024) && in_table >= 5000 - 2048 - 256, "{in_table}");
    let (known, by_key) = {
        let recent = db.recent.lock();
        (recent.known.len(), recent.by_key.len())
    };
    assert!(known <= 2048 + 256 && known == by_key, "{known} {by_key}");
    db.close().await;
    assert_eq!(written(dir.path()), 5000, "an orderly end writes them all");
    let again = open(dir.path());
    assert!(again.recent.lock().known.is_empty());
    assert_eq!(duplicate(&again, 4999, NOW + 1).await, (ids[4999], None));
}

#[tokio::test]
async fn an_answer_and_a_longer_memory_outlive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let ids = keep(&db, 0, 3).await;
    db.keep_answer(key(0), ids[0], b"sealed".to_vec()).await.unwrap();
    db.keep_answer(key(1), ids[0], b"another's".to_vec()).await.unwrap();
    db.keep_answer(key(9), ids[0], b"nobody's".to_vec()).await.unwrap();
    assert_eq!(duplicate(&db, 0, NOW + HOUR - 1).await, (ids[0], Some(b"sealed".to_vec())));
    assert_eq!(duplicate(&db, 1, NOW + HOUR - 1).await, (ids[1], None));
    let (crashed, _copy) = after_a_crash(dir.path());
    for db in [&db, &crashed] {
        assert_eq!(duplicate(db, 0, NOW + HOUR + 1).await, (ids[0], Some(b"sealed".to_vec())));
        assert_eq!(duplicate(db, 1, NOW + HOUR + 1).await, (ids[1], None), "it came again meanwhile");
        let forgotten = db.accept(event(2, NOW + HOUR)).await.unwrap();
        assert!(matches!(forgotten, AcceptedRow::New(..)), "{forgotten:?}");
    }
    // What took the place of one that was forgotten is the one that is remembered, also once both are written.
    let newest = duplicate(&db, 2, NOW + HOUR + 1).await.0;
    db.keep_answer(key(2), ids[2], b"the first one's".to_vec()).await.unwrap();
    db.close().await;
    let again = open(dir.path());
    assert_eq!(duplicate(&again, 2, NOW + HOUR + 2).await, (newest, None));
    assert_eq!(duplicate(&again, 0, NOW + HOUR + 2).await.1, Some(b"sealed".to_vec()));
}

#[tokio::test]
async fn what_is_remembered_does_not_go_with_its_message() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let ids = keep(&db, 0, 10).await;
    let (mut next, mut rows) = (Some(Purge::new(NOW, NOW + 1, NOW + 1, 100)), 0);
    while let Some(step) = next {
        let purged = db.purge(step).await.unwrap();
        (next, rows) = (purged.next, rows + purged.rows);
    }
    assert_eq!(rows, 10);
    let (crashed, _copy) = after_a_crash(dir.path());
    assert_eq!(duplicate(&crashed, 3, NOW + 1).await, (ids[3], None));
    assert_eq!(duplicate(&db, 3, NOW + 1).await, (ids[3], None));
}

#[tokio::test]
async fn what_was_rolled_back_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let (mut kept, mut failed) = (0, 0);
    for round in 0..30 {
        // One that fails alone, one that takes its whole group along, or a commit that fails.
        let spoils = [
            "insert into nothing values (1)",
            "rollback; insert into nothing values (1)",
            "create table p (id integer primary key);
             create table c (id references p (id) deferrable initially deferred); insert into c values (1)",
        ];
        let spoils = spoils[round as usize % 3];
        let numbers: Vec<u32> = (round * 100..round * 100 + 100).collect();
        let accepts = |numbers: &[u32]| join_all(numbers.iter().map(|n| db.accept(event(*n, NOW))));
        let (mut outcomes, spoilt, more) = tokio::join!(
            accepts(&numbers[..50]),
            db.writer.write(move |tx| tx.execute_batch(spoils)),
            accepts(&numbers[50..]),
        );
        assert!(spoilt.is_err());
        outcomes.extend(more);
        for (n, outcome) in numbers.iter().zip(outcomes) {
            match outcome {
                Ok(AcceptedRow::New(id, _)) => {
                    kept += 1;
                    assert_eq!(duplicate(&db, *n, NOW + 1).await.0, id);
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => {
                    failed += 1;
                    assert!(matches!(accept(&db, *n).await, AcceptedRow::New(..)), "{n} was never kept");
                }
            }
        }
    }
    assert_eq!(kept + failed, 3000);
    assert!(kept > 0 && failed > 0, "{kept} {failed}");
    let count: i64 = rusqlite::Connection::open(dir.path().join("wxgate.db"))
        .unwrap()
        .query_row("select count(*) from events", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 3000, "each is kept once");
}
