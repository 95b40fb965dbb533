//! What holds of SQLite alone: its file, its lock, its writer thread.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;

use super::*;

fn open(path: &Path, limits: Limits) -> anyhow::Result<Sqlite> {
    Sqlite::open(path, limits)
}

fn answer(n: u8) -> ([u8; 32], Vec<u8>, i64) {
    ([n; 32], vec![n], i64::MAX)
}

async fn keep(db: &Sqlite, n: u8) -> Result<(), StoreError> {
    let (key, sealed, until) = answer(n);
    db.keep_once_answer(key, sealed, until).await
}

async fn is_kept(db: &Sqlite, n: u8) -> bool {
    db.once_answer([n; 32], 0).await.unwrap().is_some()
}

#[tokio::test]
async fn the_file_is_the_owners_and_holds_nothing_in_clear() {
    use crate::keys::Keys;
    use crate::random::Random;
    use crate::store::{Credential, Store};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let keys = |_| Ok(Keys::new(&[1; 32], Random::System));
    let backend = Arc::new(open(&path, Limits::default()).unwrap());
    let (store, keys) = Store::open(backend, &Random::System, keys).await.unwrap();
    let credential = Credential {
        revision: 0,
        is_superseded: false,
        appid: "wx1".to_owned(),
        kind: "access_token".to_owned(),
        version: 1,
        value: "planted-in-a-token".to_owned().into(),
        fetched_at: 1,
        expires_at: 2,
        history: "{}".to_owned(),
    };
    store.save_credential(credential, Turn::default(), 0).await.unwrap();
    store.keep_once_answer([1; 32], b"planted-in-an-answer", i64::MAX).await.unwrap();
    store.keep_signature("planted-in-a-signature", 0, i64::MAX).await.unwrap();
    assert_eq!(store.message_digest("wx1", b"x"), keys.mac(&[b"message", b"wx1", b"x"]));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"planted"));
    }
    store.close().await;
}

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let first = open(&path, Limits::default()).unwrap();
    let error = open(&path, Limits::default()).unwrap_err().to_string();
    assert!(error.contains("正在使用"), "{error}");
    first.close().await;
    open(&path, Limits::default()).unwrap();
}

#[tokio::test]
async fn a_write_that_fails_or_panics_spoils_no_other_of_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let db = open(&path, Limits::default()).unwrap();
    let before = join_all((0..20).map(|n| keep(&db, n)));
    let fails = db.writer.write(|tx| {
        once::keep(tx, &[100; 32], b"half", i64::MAX)?;
        tx.execute("insert into nowhere values (1)", []).map(drop)
    });
    let panics = db.writer.write(|tx| {
        once::keep(tx, &[101; 32], b"half", i64::MAX)?;
        if tx.is_autocommit() { Ok(()) } else { panic!("a bug") }
    });
    let after = join_all((20..40).map(|n| keep(&db, n)));
    let (before, fails, panics, after) = tokio::join!(before, fails, panics, after);
    assert!(before.iter().chain(&after).all(Result::is_ok));
    assert!(fails.unwrap_err().to_string().contains("nowhere"));
    assert!(panics.is_err());
    for n in 0..40 {
        assert!(is_kept(&db, n).await, "{n}");
    }
    assert!(!is_kept(&db, 100).await && !is_kept(&db, 101).await, "no half of one is kept");
    keep(&db, 41).await.unwrap();
}

#[tokio::test]
async fn nobody_waits_longer_than_the_bound_and_a_late_commit_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let time = Duration::from_millis(200);
    let db = open(&path, Limits { commit_time: time, ping_time: time / 2, ..Limits::default() }).unwrap();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("begin immediate").unwrap();
    let (kept, ping) = tokio::join!(keep(&db, 1), db.ping());
    assert!(matches!(kept, Err(StoreError::NoAnswer)) && matches!(ping, Err(StoreError::NoAnswer)));
    assert!(!is_kept(&db, 1).await, "rows can be read all the same");
    blocker.execute_batch("rollback").unwrap();
    // What was handed over is committed when it can be.
    while !is_kept(&db, 1).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    keep(&db, 2).await.unwrap();
}

#[tokio::test]
async fn no_more_writes_wait_than_there_is_room_for() {
    const ROOM: usize = 2;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let limits = Limits { writes: ROOM, commit_time: Duration::from_millis(50), ..Limits::default() };
    let db = open(&path, limits).unwrap();
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("begin immediate").unwrap();
    // Those whose callers have gone wait as well: in the group that is at work, and twice the room behind it.
    let mut waiting = Vec::new();
    let refused = loop {
        let n = waiting.len() as u8;
        match keep(&db, n).await.unwrap_err().to_string() {
            said if said.contains("too many writes are waiting") => break n,
            _ => waiting.push(n),
        }
        assert!(waiting.len() <= 3 * ROOM, "{waiting:?}");
    };
    blocker.execute_batch("rollback").unwrap();
    for n in waiting {
        while !is_kept(&db, n).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(!is_kept(&db, refused).await);
    while keep(&db, refused).await.is_err() {}
}

#[tokio::test]
async fn no_more_writes_than_a_group_share_a_commit() {
    const GROUP: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let db = open(&path, Limits { group: GROUP, ..Limits::default() }).unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // While the first is at work the others gather.
    let first = db.writer.write(move |_| wait.recv().map_err(|_| rusqlite::Error::InvalidQuery));
    let others = join_all((0..20).map(|n| {
        let path = path.clone();
        db.writer.write(move |tx| {
            once::keep(tx, &[n; 32], b"x", i64::MAX)?;
            let count = |db: &rusqlite::Connection| {
                db.query_row("select count(*) from once", [], |row| row.get::<_, i64>(0))
            };
            // What this transaction sees and nobody else does was written by its group.
            Ok(count(tx)? - count(&rusqlite::Connection::open(&path)?)?)
        })
    }));
    let (first, others, sent) = tokio::join!(first, others, async { go.send(()) });
    assert!(first.is_ok() && sent.is_ok());
    let places: Vec<i64> = others.into_iter().map(Result::unwrap).collect();
    assert_eq!(places.iter().max(), Some(&(GROUP as i64)), "{places:?}");
}

#[tokio::test]
async fn few_wait_for_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("wxgate.db"), Limits { lists: 2, ..Limits::default() }).unwrap();
    let list = || db.deliveries(DeliveryQuery { limit: 1, ..DeliveryQuery::default() });
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let first = db.lists.read(move |_| wait.recv().map_err(|_| rusqlite::Error::InvalidQuery));
    let (first, second, third, sent) = tokio::join!(first, list(), list(), async { go.send(()) });
    assert!(first.is_ok() && second.is_ok() && sent.is_ok());
    assert!(third.unwrap_err().to_string().contains("too many lists"));
    list().await.unwrap();
}

#[tokio::test]
async fn a_list_that_takes_too_long_is_cut_and_the_next_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { list_time: Duration::from_millis(100), ..Limits::default() };
    let db = open(&dir.path().join("wxgate.db"), limits).unwrap();
    let endless = "with recursive n (x) as (select 1 union all select x + 1 from n) select max(x) from n";
    let cut = db.lists.read(move |db| db.query_row(endless, [], |row| row.get::<_, i64>(0))).await;
    assert!(cut.unwrap_err().to_string().contains("takes too long"));
    assert!(db.deliveries(DeliveryQuery { limit: 1, ..DeliveryQuery::default() }).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_of_forgetting_ends_when_its_time_is_over_and_gets_on_in_any_case() {
    use crate::store::Purge;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let db = open(&path, Limits { purge_time: Duration::ZERO, ..Limits::default() }).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    for id in 1..=6i64 {
        let event = "insert into events (id, appid, openid, msg_type, event, kind, received_at, digest, body)
            values (?1, 'a', 'o', 't', 'e', 'k', 0, x'', x'')";
        connection.execute(event, [id]).unwrap();
        // Of the first three a delivery died at 1, of the next one waits, the last two are done.
        let delivery = match id {
            1..=3 => {
                "insert into deliveries (id, round, route, status, attempts, done_at) values (?1 * 65536, 0, 'r', 2, 1, 1)"
            }
            4 => "insert into due (id, route, due_at) values (?1 * 65536, 'r', 0)",
            _ => {
                "insert into deliveries (id, round, route, status, attempts, done_at) values (?1 * 65536, 0, 'r', 1, 1, 1)"
            }
        };
        connection.execute(delivery, [id]).unwrap();
    }
    let walk = async |first: Purge| {
        let (mut next, mut rows) = (Some(first), Vec::new());
        while let Some(step) = next {
            let purged = db.purge(step).await.unwrap();
            rows.push(purged.rows);
            next = purged.next;
        }
        rows
    };
    // One message a step: those that are needed are passed over.
    assert_eq!(walk(Purge::new(0, 1, 0, 100)).await, [0, 0, 0, 0, 1, 1, 0]);
    // One dead letter a step, and its message with it.
    assert_eq!(walk(Purge::new(0, 1, 2, 100)).await, [2, 2, 2, 0, 0]);
    let left: i64 = connection.query_row("select min(id) from events", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 4);
    db.close().await;
}

#[tokio::test]
async fn the_wal_is_merged_beside_the_writer_and_stays_short() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    let db = open(&path, Limits::default()).unwrap();
    for round in 0..60_u8 {
        let writes = (0..20_u8).map(|n| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&[round, n]);
            db.keep_once_answer(key, vec![7; 60_000], i64::MAX)
        });
        join_all(writes).await.into_iter().for_each(|kept| kept.unwrap());
    }
    // 72 MB were written.
    let wal = std::fs::metadata(dir.path().join("wxgate.db-wal")).unwrap().len();
    assert!(wal < 48 << 20, "{wal}");
    let whole = std::fs::metadata(&path).unwrap().len();
    assert!(whole > 20 << 20, "what was merged is in the database: {whole}");
    db.close().await;
    assert!(std::fs::metadata(dir.path().join("wxgate.db-wal")).map_or(0, |file| file.len()) == 0);
}
