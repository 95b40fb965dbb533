//! Databases of earlier versions, taken up by this one.

use std::path::{Path, PathBuf};

use rusqlite::params;
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::clock::Clock;
use crate::config::{self, Database};
use crate::keys::{Cell, Keys};
use crate::limits::Limits;
use crate::random::Random;
use crate::store::sqlite::{Source, Sqlite, inspect};
use crate::store::tables::{TABLES, Value};
use crate::store::{
    Accepted, Attempt, Delivery, DeliveryQuery, EventQuery, Fate, Inspection, NewEvent, Status, Store,
    Upgraded, upgrade,
};
use crate::text::hex;

const NOW: i64 = 1_795_305_600_000;
const WHILE: i64 = 3_600_000;
/// `CreateTime` of most messages here.
const CREATED: u32 = 1_795_305_590;

#[test]
fn steps_that_exist_never_change() {
    let digests: Vec<String> = STEPS.iter().map(|step| hex(&Sha256::digest(step)[..8])).collect();
    let taken = [
        "13f838dfb36511cf",
        "9d5ff2a05094070a",
        "c98f3239b03caa50",
        "0d14441c2c541ebb",
        "365e01ba2b55bed5",
        "cc52e4e74b2522f1",
        "5a10069812520549",
        "f5623b42d80e509b",
    ];
    assert_eq!(digests, taken);
}

#[test]
fn a_column_that_some_databases_had_before_its_step_is_no_trouble() {
    for before in ["", "alter table attempts add column answer blob;"] {
        let mut db = Connection::open_in_memory().unwrap();
        for step in &STEPS[..6] {
            db.execute_batch(step).unwrap();
        }
        db.execute_batch(before).unwrap();
        db.execute_batch("insert into attempts (delivery_id, round, n, at, status, ms, error) values (7, 0, 1, 5, 500, 3, 'e')")
            .unwrap();
        db.pragma_update(None, "user_version", 6).unwrap();
        migrate(&mut db).unwrap();
        let kept: (i64, i64, Option<Vec<u8>>) = db
            .query_row("select delivery_id, status, answer from attempts", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, (7, 500, None));
    }
}

/// A database as the version with two steps wrote it.
struct Old {
    db: Connection,
    keys: Keys,
    path: PathBuf,
    dir: tempfile::TempDir,
}

impl Old {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wxgate.db");
        let db = Connection::open(&path).unwrap();
        for step in &STEPS[..2] {
            db.execute_batch(step).unwrap();
        }
        db.execute_batch("pragma user_version = 2; pragma foreign_keys = on; pragma journal_mode = wal")
            .unwrap();
        let keys = Keys::new(&[1; 32], Random::System);
        let check = keys.seal(Cell { table: "meta", row: "key_check", column: "value" }, b"wxgate");
        db.execute("insert into meta values ('key_check', ?1)", [check]).unwrap();
        Self { db, keys, path, dir }
    }

    fn digest(&self, content: &str) -> [u8; 32] {
        self.keys.mac(&[b"message", b"wx1", content.as_bytes()])
    }

    /// A message, with the deliveries of (route, status, next_at, leased, attempts).
    fn event(&self, content: &str, created: u32, deliveries: &[(&str, &str, i64, bool, u16)]) -> i64 {
        let digest = self.digest(content);
        let cell = Cell { table: "events", row: &hex(&digest), column: "body" };
        let sealed = self.keys.seal(cell, content.as_bytes());
        self.db
            .execute(
                "insert into events (appid, openid, msg_type, event, kind, received_at, digest, body)
                 values ('wx1', 'o1', 'event', 'SCAN', 'scan', ?1, ?2, ?3)",
                params![NOW, digest, sealed],
            )
            .unwrap();
        let id = self.db.last_insert_rowid();
        let key = [b"m".as_slice(), &created.to_be_bytes(), &digest].concat();
        self.db
            .execute("insert into seen values (?1, ?2, ?3, null, ?4)", params![key, digest, id, NOW + WHILE])
            .unwrap();
        for (route, status, next_at, leased, attempts) in deliveries {
            self.delivery(id, (route, status, *next_at, *leased, *attempts));
        }
        id
    }

    fn delivery(&self, event: i64, (route, status, next_at, leased, attempts): (&str, &str, i64, bool, u16)) {
        let done_at = (status != "pending").then_some(NOW);
        self.db
            .execute(
                "insert into deliveries (event_id, route, status, next_at, leased, attempts, done_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![event, route, status, next_at, leased, attempts, done_at],
            )
            .unwrap();
        let id = self.db.last_insert_rowid();
        for n in 1..=attempts {
            let status = if n == attempts && status == "delivered" { 200 } else { 500 + n };
            self.db
                .execute(
                    "insert into attempts values (?1, ?2, ?3, ?4, 7, 'error')",
                    params![id, n, NOW, status],
                )
                .unwrap();
        }
    }

    fn answer(&self, content: &str, created: u32, answer: &[u8]) {
        let key = [b"m".as_slice(), &created.to_be_bytes(), &self.digest(content)].concat();
        let cell = Cell { table: "seen", row: &hex(&key), column: "answer" };
        let sealed = self.keys.seal(cell, answer);
        self.db.execute("update seen set answer = ?2 where key = ?1", params![key, sealed]).unwrap();
    }

    fn signature(&self, text: &str, digest: &[u8], until: i64) {
        let key = [b"s".as_slice(), &self.keys.mac(&[b"signature", text.as_bytes()])].concat();
        self.db
            .execute("insert into seen values (?1, ?2, null, null, ?3)", params![key, digest, until])
            .unwrap();
    }

    fn token(&self, kind: &str, version: i64, value: &[u8]) {
        let cell = Cell { table: "credentials", row: &format!("wx1/{kind}"), column: "value" };
        let sealed = self.keys.seal(cell, value);
        self.db
            .execute(
                "insert into credentials values ('wx1', ?1, ?2, ?3, 11, 12, '{\"forced\":[1]}')",
                params![kind, version, sealed],
            )
            .unwrap();
    }

    fn once(&self, key: [u8; 32], answer: &[u8]) {
        let cell = Cell { table: "once", row: &hex(&key), column: "answer" };
        let sealed = self.keys.seal(cell, answer);
        self.db.execute("insert into once values (?1, ?2, ?3)", params![key, sealed, NOW + WHILE]).unwrap();
    }

    /// Closed, and taken up by this version.
    async fn taken_up(self) -> (Store, PathBuf, tempfile::TempDir) {
        let Self { db, keys, path, dir } = self;
        db.close().unwrap();
        (open(&path, keys).await, path, dir)
    }
}

async fn open(path: &Path, keys: Keys) -> Store {
    let backend = std::sync::Arc::new(Sqlite::open(path, Limits::default()).unwrap());
    let keys = |may_make: bool| {
        assert!(!may_make, "there is data");
        Ok(keys)
    };
    Store::open(backend, &Random::System, keys).await.unwrap().0
}

fn looked_at(path: &Path) -> Inspection {
    inspect(path).unwrap().unwrap()
}

fn message(store: &Store, content: &str, created: u32) -> NewEvent {
    NewEvent {
        appid: "wx1".to_owned(),
        openid: "o1".to_owned(),
        msg_type: "event".to_owned(),
        event: "SCAN".to_owned(),
        scene: String::new(),
        ticket: String::new(),
        msg_id: String::new(),
        came: String::new(),
        create_time: created.into(),
        received_at: NOW,
        body: content.as_bytes().to_vec(),
        digest: store.message_digest("wx1", content.as_bytes()),
        signature: None,
        is_plain: false,
        remembered_until: NOW + WHILE,
        spent_until: NOW + WHILE,
        deliveries: Vec::new(),
    }
}

async fn of_event(store: &Store, event_id: i64) -> Vec<Delivery> {
    let query = DeliveryQuery { event_id: Some(event_id), limit: 100, ..DeliveryQuery::default() };
    let mut found = store.deliveries(query).await.unwrap();
    found.reverse();
    found
}

fn shown(delivery: &Delivery) -> (&str, Status, Option<i64>, Vec<u16>) {
    let attempts = delivery.attempts.iter().map(|attempt| attempt.status).collect();
    (&delivery.route, delivery.status, delivery.next_at, attempts)
}

#[tokio::test]
async fn deliveries_stand_where_they_stood() {
    let old = Old::new();
    let first = old.event(
        "first",
        CREATED,
        &[
            ("a", "pending", NOW - 5, false, 2),
            ("b", "dead", NOW, false, 3),
            ("c", "delivered", NOW, false, 1),
            ("d", "pending", NOW + 75_000, true, 0),
        ],
    );
    let second = old.event("second", CREATED, &[("a", "pending", NOW + 60_000, false, 1)]);
    // What a replay of then would have added comes later, and stands behind.
    old.delivery(first, ("e", "pending", NOW, false, 0));
    let none = old.event("third", CREATED, &[]);
    let before = looked_at(&old.path);
    assert_eq!((before.schema, before.events, before.pending, before.dead), (2, 3, 4, 1));

    let (store, path, _dir) = old.taken_up().await;
    let found = of_event(&store, first).await;
    assert_eq!(found.iter().map(|d| d.id - first * 65_536).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let expected = [
        ("a", Status::Pending, Some(NOW - 5), vec![501, 502]),
        ("b", Status::Dead, None, vec![501, 502, 503]),
        ("c", Status::Delivered, None, vec![200]),
        ("d", Status::Pending, Some(NOW + 75_000), vec![]),
        ("e", Status::Pending, Some(NOW), vec![]),
    ];
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!(
        found[0].attempts[0],
        Attempt { at: NOW, status: 501, ms: 7, error: "error".to_owned(), answer: Vec::new() }
    );
    assert_eq!(
        shown(&of_event(&store, second).await[0]),
        ("a", Status::Pending, Some(NOW + 60_000), vec![501])
    );
    assert!(of_event(&store, none).await.is_empty());
    let after = looked_at(&path);
    assert_eq!((after.schema, after.events, after.pending, after.dead), (STEPS.len() as i64, 3, 4, 1));
    assert!(after.fits(&Keys::new(&[1; 32], Random::System)));

    // They go out with the attempt they had come to.
    let (claimed, next) = store.claim("a", NOW, 9, NOW + WHILE).await.unwrap();
    let taken: Vec<_> = claimed.iter().map(|c| (c.event_id, c.round, c.attempt, &c.body[..])).collect();
    assert_eq!((taken, next), (vec![(first, 0, 3, &b"first"[..])], Some(NOW + 60_000)));
    let attempt = Attempt { at: NOW, status: 200, ms: 1, error: String::new(), answer: Vec::new() };
    Store::record(&store, &claimed[0], attempt, Fate::Delivered, NOW).await.unwrap();
    assert_eq!(shown(&of_event(&store, first).await[0]), ("a", Status::Delivered, None, vec![501, 502, 200]));
    // A lease of then ends as it would have, or when this process begins.
    assert!(store.claim("d", NOW, 9, NOW + WHILE).await.unwrap().0.is_empty());
    store.resume(NOW).await.unwrap();
    assert_eq!(store.claim("d", NOW, 9, NOW + WHILE).await.unwrap().0.len(), 1);
    assert_eq!(store.waiting_routes().await.unwrap(), ["a", "d", "e"]);
    // A dead letter can begin anew.
    assert!(store.replay(first * 65_536 + 1, NOW).await.unwrap());
    assert_eq!(store.claim("b", NOW, 9, NOW + WHILE).await.unwrap().0[0].attempt, 1);
}

#[tokio::test]
async fn an_attempt_that_was_not_counted_keeps_its_number() {
    let old = Old::new();
    let event = old.event("a", CREATED, &[("r", "pending", NOW, false, 2)]);
    // The outcome of the first came after that of the second.
    old.db.execute("update deliveries set attempts = 1", []).unwrap();
    let (store, ..) = old.taken_up().await;
    let claimed = store.claim("r", NOW, 9, NOW + WHILE).await.unwrap().0.remove(0);
    assert_eq!(claimed.attempt, 3);
    let attempt = Attempt { at: NOW, status: 503, ms: 1, error: String::new(), answer: Vec::new() };
    Store::record(&store, &claimed, attempt, Fate::Dead, NOW).await.unwrap();
    assert_eq!(shown(&of_event(&store, event).await[0]), ("r", Status::Dead, None, vec![501, 502, 503]));
}

#[tokio::test]
async fn what_was_seen_is_still_seen() {
    let old = Old::new();
    let odd = [0, 1, 9, 0x0a0b_0c0d, CREATED, 0x89ab_cdef, u32::MAX];
    let ids: Vec<i64> = odd.iter().map(|created| old.event(&format!("{created}"), *created, &[])).collect();
    for created in odd {
        old.answer(&format!("{created}"), created, format!("answer {created}").as_bytes());
    }
    let unanswered = old.event("unanswered", CREATED, &[]);
    old.signature("of a message", &old.digest("9"), NOW + WHILE);
    old.signature("of a GET", &[], NOW + WHILE);
    old.signature("over", &old.digest("9"), NOW);
    let (store, ..) = old.taken_up().await;
    for (created, id) in odd.into_iter().zip(ids) {
        match accept(&store, message(&store, &format!("{created}"), created)).await {
            Accepted::Duplicate { event, answer, .. } => {
                assert_eq!(event.id, id);
                assert_eq!(answer.unwrap(), format!("answer {created}").as_bytes());
            }
            other => panic!("{created}: {other:?}"),
        }
    }
    let again = accept(&store, message(&store, "unanswered", CREATED)).await;
    assert!(matches!(again, Accepted::Duplicate { event, answer: None, .. } if event.id == unanswered));
    for (content, signature, is_reused) in [
        ("9", "of a message", false),
        ("another", "of a message", true),
        ("another", "of a GET", true),
        ("another", "over", false),
    ] {
        let event = NewEvent {
            signature: Some(signature.to_owned()),
            is_plain: true,
            ..message(&store, content, if content == "9" { 9 } else { CREATED })
        };
        let accepted = accept(&store, event).await;
        assert_eq!(matches!(accepted, Accepted::SignatureReused), is_reused, "{signature}: {accepted:?}");
    }
}

async fn accept(store: &Store, event: NewEvent) -> Accepted {
    Store::accept(store, &event).await.unwrap()
}

#[tokio::test]
async fn tokens_answers_and_messages_are_still_there() {
    let old = Old::new();
    old.token("access_token", 7, b"the token");
    old.token("jsapi", 2, b"the ticket");
    old.once([5; 32], b"a session");
    let id = old.event("a message", CREATED, &[]);
    let (store, path, dir) = old.taken_up().await;
    let mut tokens: Vec<_> = Vec::new();
    for sealed in store.credentials().await.unwrap() {
        tokens.push(store.open_credential(&sealed).unwrap());
    }
    tokens.sort_by(|a, b| a.kind.cmp(&b.kind));
    let found: Vec<_> = tokens.iter().map(|t| (&*t.kind, t.version, t.value.expose_secret())).collect();
    assert_eq!(found, [("access_token", 7, "the token"), ("jsapi", 2, "the ticket")]);
    assert_eq!(
        (tokens[0].fetched_at, tokens[0].expires_at, &*tokens[0].history),
        (11, 12, "{\"forced\":[1]}")
    );
    assert_eq!(store.once_answer([5; 32], NOW).await.unwrap().unwrap(), b"a session");
    assert_eq!(store.event_body(id).await.unwrap().unwrap(), b"a message");
    let query = EventQuery { event: Some("scan".to_owned()), limit: 9, ..EventQuery::default() };
    assert_eq!(store.events(query).await.unwrap().len(), 1);
    // Numbers go on, also when the last message is gone.
    let next = accept(&store, message(&store, "later", CREATED)).await;
    assert!(matches!(next, Accepted::New { event, .. } if event.id == id + 1));
    store.close().await;
    // Once taken up it is like any other.
    open(&path, Keys::new(&[1; 32], Random::System)).await.close().await;
    drop(dir);
}

#[tokio::test]
async fn an_old_database_is_upgraded_and_read_out() {
    let old = Old::new();
    let id =
        old.event("a", CREATED, &[("r", "pending", NOW + 9, true, 1), ("s", "delivered", NOW, false, 2)]);
    old.once([3; 32], b"answer");
    let Old { db, path, dir, .. } = old;
    db.close().unwrap();
    let database = Database::Sqlite(path.clone());
    let settings = config::Store { database, master_key: None, run_dir: None };
    let latest = STEPS.len() as i64;
    for from in [2, latest] {
        assert_eq!(upgrade(&settings, Clock::System).await.unwrap(), Upgraded { from, to: latest });
    }
    let source = Source::open(&path, NOW).unwrap();
    let error = Source::open(&path, NOW).err().unwrap().to_string();
    assert!(error.contains("正在使用"), "{error}");
    let mut rows = std::collections::HashMap::new();
    for table in TABLES {
        let found = source.rows(table, None).await.unwrap();
        assert_eq!(source.count(table).await.unwrap(), found.len() as u64, "{}", table.name);
        let last = found.last().cloned();
        assert!(last.is_none() || source.rows(table, last).await.unwrap().is_empty(), "{}", table.name);
        rows.insert(table.name, found);
    }
    // Nobody holds it, and it is due now.
    let first = id << 16;
    let text = |text: &str| Value::Text(text.to_owned());
    let due = [Value::Number(first), text("r"), Value::Number(NOW), Value::Number(0), Value::Number(1)];
    assert_eq!(rows["due"], [due.to_vec()]);
    let delivered = [Value::Number(first + 1), Value::Number(0), text("s"), Value::Number(1)];
    assert_eq!(rows["deliveries"][0][..4], delivered);
    assert_eq!(["events", "seen_msg", "once", "attempts"].map(|table| rows[table].len()), [1, 1, 1, 3]);
    assert_eq!(source.newest().await.unwrap(), id);
    drop(dir);
}

#[test]
fn a_database_of_any_version_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wxgate.db");
    assert!(inspect(&path).unwrap().is_none());
    for steps in 0..=STEPS.len() {
        let path = dir.path().join(format!("{steps}.db"));
        let mut db = Connection::open(&path).unwrap();
        for step in &STEPS[..steps] {
            db.execute_batch(step).unwrap();
        }
        db.pragma_update(None, "user_version", steps as u32).unwrap();
        let found = looked_at(&path);
        assert_eq!((found.schema, found.pending, found.dead), (steps as i64, 0, 0));
        migrate(&mut db).unwrap();
        assert_eq!(looked_at(&path).schema, STEPS.len() as i64);
    }
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", STEPS.len() as u32 + 1).unwrap();
    drop(db);
    assert!(inspect(&path).unwrap_err().to_string().contains("更新版本"));
    let error = format!("{:#}", Sqlite::open(&path, Limits::default()).unwrap_err());
    assert!(error.contains("更新版本"), "{error}");
}
