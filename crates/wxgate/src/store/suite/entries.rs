//! Entries made at run time, and the book of who changed what.

use serde_json::{Map, Value, json};

use super::*;
use crate::entries::EntryKind;
use crate::store::backend::EntryRow;
use crate::store::{Audit, AuditQuery, Document, DocumentChange, EntryChange, Made, Shelf, StoreError};

fn members(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("{value}") };
    members
}

fn change(kind: EntryKind, name: &str, expected: i64, value: Option<Value>) -> EntryChange {
    let (name, members) = (name.to_owned(), value.map(members));
    EntryChange { kind, name, expected, position: 0, members }
}

fn line(action: &str, target: &str) -> Audit {
    Audit {
        id: 0,
        at: NOW,
        actor: "ann".to_owned(),
        role: "admin".to_owned(),
        ip: "10.0.0.7".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        before: Value::Null,
        after: json!({"name": target}),
    }
}

async fn make(store: &Store, changes: Vec<EntryChange>, book: Vec<Audit>) -> Result<Option<i64>, StoreError> {
    store.change_entries(changes, book, NOW).await
}

async fn names(store: &Store) -> Vec<String> {
    store.made().await.unwrap().entries.into_iter().map(|entry| entry.name).collect()
}

#[tokio::test]
async fn an_entry_is_kept_changed_and_ended_by_who_saw_it_last() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    assert_eq!(store.made().await.unwrap(), Made::default());
    let shop = |rate: i64| json!({"name": "shop", "key": "key_planted_0123456789abcdefgh", "rate": rate});
    let first = make(&store, vec![change(EntryKind::Caller, "shop", 0, Some(shop(1)))], Vec::new()).await;
    let first = first.unwrap().unwrap();
    // Whoever thinks that it isn't there, or is another, changes nothing.
    for expected in [0, first + 7] {
        let other = vec![
            change(EntryKind::Route, "new", 0, Some(json!({"name": "new"}))),
            change(EntryKind::Caller, "shop", expected, Some(shop(9))),
        ];
        assert_eq!(make(&store, other, vec![line("update", "callers/shop")]).await.unwrap(), None);
    }
    assert_eq!(make(&store, vec![change(EntryKind::App, "none", 3, None)], Vec::new()).await.unwrap(), None);
    assert!(store.audit(AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap().is_empty());
    let Made { revision, entries, .. } = store.made().await.unwrap();
    assert_eq!((revision, entries.len()), (first, 1));
    assert_eq!((&entries[0].members["rate"], entries[0].revision), (&json!(1), first));

    let second = make(&store, vec![change(EntryKind::Caller, "shop", first, Some(shop(2)))], Vec::new());
    let second = second.await.unwrap().unwrap();
    assert!(second > first);
    let ended = make(&store, vec![change(EntryKind::Caller, "shop", second, None)], Vec::new()).await;
    let ended = ended.unwrap().unwrap();
    assert!(ended > second && names(&store).await.is_empty());
    assert_eq!(store.entries_revision().await.unwrap(), ended);
    // It may be made anew.
    let again = make(&store, vec![change(EntryKind::Caller, "shop", 0, Some(shop(3)))], Vec::new()).await;
    assert!(again.unwrap().unwrap() > ended);
    assert_eq!(names(&store).await, ["shop"]);
}

#[tokio::test]
async fn the_book_is_written_with_the_change_and_read_from_its_end() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for n in 0..5 {
        let name = format!("r{n}");
        let made = vec![change(EntryKind::Route, &name, 0, Some(json!({"name": name})))];
        make(&store, made, vec![line("create", &format!("routes/{name}"))]).await.unwrap().unwrap();
    }
    store.keep_audit(line("login", "session")).await.unwrap();
    let query = |before, target: Option<&str>| AuditQuery {
        before,
        target: target.map(str::to_owned),
        limit: 3,
        ..AuditQuery::default()
    };
    let newest = store.audit(query(None, None)).await.unwrap();
    let targets = |lines: &[Audit]| lines.iter().map(|line| line.target.clone()).collect::<Vec<_>>();
    assert_eq!(targets(&newest), ["session", "routes/r4", "routes/r3"]);
    let older = store.audit(query(Some(newest[2].id), None)).await.unwrap();
    assert_eq!(targets(&older), ["routes/r2", "routes/r1", "routes/r0"]);
    let one = store.audit(query(None, Some("routes/r1"))).await.unwrap();
    assert_eq!((one.len(), &one[0].after, &one[0].before), (1, &json!({"name": "routes/r1"}), &Value::Null));
    assert_eq!((one[0].at, &*one[0].ip, &*one[0].actor), (NOW, "10.0.0.7", "ann"));
    // A line alone is no change of an entry.
    assert_eq!(store.entries_revision().await.unwrap(), 5);
}

#[tokio::test]
async fn of_two_who_change_the_same_one_comes_first() {
    let fixture = Fixture::new();
    let a = fixture.open().await;
    let b = fixture.beside(&a).await;
    let all = (0..20).map(|n| {
        let store = if n % 2 == 0 { &a } else { &b };
        let made = vec![change(EntryKind::App, "wx1", 0, Some(json!({"appid": "wx1", "n": n})))];
        make(store, made, vec![line("create", "apps/wx1")])
    });
    let made = futures_util::future::join_all(all).await;
    assert_eq!(made.iter().filter(|made| matches!(made, Ok(Some(_)))).count(), 1, "{made:?}");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(a.audit(AuditQuery { limit: 99, ..AuditQuery::default() }).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_entry_keeps_no_other_from_working() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let row = EntryRow {
        kind: "routes".to_owned(),
        name: "damaged".to_owned(),
        revision: 0,
        position: 0,
        value: Some(b"no seal".to_vec()),
        changed_at: NOW,
    };
    store.backend.change_entries(vec![row], Vec::new()).await.unwrap();
    make(&store, vec![change(EntryKind::App, "wx1", 0, Some(json!({"appid": "wx1"})))], Vec::new())
        .await
        .unwrap();
    assert_eq!(names(&store).await, ["wx1"]);
}

#[tokio::test]
async fn what_is_no_entry_is_kept_in_the_same_manner() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let change = |expected: i64, members: Value| DocumentChange {
        shelf: Shelf::Users,
        name: "admin".to_owned(),
        expected,
        members: members.as_object().cloned(),
    };
    let made = store.change_documents(
        vec![change(0, json!({"role": "admin"}))],
        vec![line("create", "users/admin")],
        NOW,
    );
    let first = made.await.unwrap().unwrap();
    let late = store.change_documents(vec![change(0, json!({"role": "viewer"}))], Vec::new(), NOW);
    assert_eq!(late.await.unwrap(), None);
    let all = store.made().await.unwrap();
    assert_eq!((all.revision, all.entries.len(), all.documents.len()), (first, 0, 1));
    let Document { shelf, name, revision, members, .. } = &all.documents[0];
    assert_eq!(
        (*shelf, &**name, *revision, &members["role"]),
        (Shelf::Users, "admin", first, &json!("admin"))
    );
    assert!(
        store.change_documents(vec![change(first, Value::Null)], Vec::new(), NOW).await.unwrap().is_some()
    );
    assert!(store.made().await.unwrap().documents.is_empty());
}
