//! Several processes on one database. A file has one, to which these say nothing.

use secrecy::ExposeSecret as _;

use super::*;
use crate::store::{Credential, Node, Once, Reach, Saved, Taken, Turn};

const KIND: &str = "access_token";

fn credential(version: i64, value: &str) -> Credential {
    Credential {
        appid: "wx1".to_owned(),
        kind: KIND.to_owned(),
        version,
        value: value.to_owned().into(),
        fetched_at: NOW,
        expires_at: NOW + 7_200_000,
        history: format!("{{\"probes\":{version}}}"),
        revision: 0,
        is_superseded: false,
    }
}

/// Two nodes; `None` on a backend of one process.
async fn two(fixture: &Fixture) -> Option<(Store, Store)> {
    if !fixture.is_shared() {
        return None;
    }
    Some((fixture.open().await, fixture.open().await))
}

async fn take(store: &Store, seen: i64, now: i64) -> Taken {
    store.take_turn("wx1", KIND, seen, now, now + WHILE).await.unwrap()
}

fn ours(taken: Taken) -> (Turn, Option<String>) {
    match taken {
        Taken::Ours(turn, history) => (turn, history),
        other => panic!("{other:?}"),
    }
}

async fn save(store: &Store, version: i64, value: &str, turn: Turn) -> Saved {
    store.save_credential(credential(version, value), turn, NOW + WHILE).await.unwrap()
}

fn value(store: &Store, row: &crate::store::SealedCredential) -> String {
    store.open_credential(row).unwrap().value.expose_secret().to_owned()
}

#[tokio::test]
async fn one_node_at_a_time_asks_and_the_others_get_what_it_got() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let (turn, history) = ours(take(&a, 0, NOW).await);
    assert_eq!(history, None, "nobody has asked before");
    assert!(matches!(take(&b, 0, NOW + 1).await, Taken::Held));
    assert!(b.credentials().await.unwrap().is_empty(), "a turn is no value");
    let Saved::Saved(revision) = save(&a, 1, "one", turn).await else { panic!("it was its turn") };
    a.end_turn("wx1", KIND, turn).await.unwrap();
    // Whoever has seen nothing yet is told what there is.
    let Taken::Newer(row) = take(&b, 0, NOW + 2).await else { panic!("there is one") };
    assert_eq!((row.revision, row.version, value(&b, &row)), (revision, 1, "one".to_owned()));
    let (turn, history) = ours(take(&b, revision, NOW + 3).await);
    assert_eq!(history.as_deref(), Some("{\"probes\":1}"));
    let Saved::Saved(later) = save(&b, 2, "two", turn).await else { panic!("it was its turn") };
    assert!(later > revision);
    let news = a.credentials_since(revision).await.unwrap();
    assert_eq!(
        news.iter().map(|row| (row.version, value(&a, row))).collect::<Vec<_>>(),
        [(2, "two".to_owned())]
    );
    assert!(a.credentials_since(later).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_turn_goes_on_while_its_holder_says_so_and_no_longer() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let (first, _) = ours(take(&a, 0, NOW).await);
    a.go_on("wx1", KIND, first, NOW + WHILE + 500).await.unwrap();
    assert!(matches!(take(&b, 0, NOW + WHILE).await, Taken::Held));
    let (second, _) = ours(take(&b, 0, NOW + WHILE + 500).await);
    // It was another's meanwhile.
    a.go_on("wx1", KIND, first, NOW + 9 * WHILE).await.unwrap();
    b.end_turn("wx1", KIND, second).await.unwrap();
    a.go_on("wx1", KIND, second, NOW + 9 * WHILE).await.unwrap();
    ours(take(&a, 0, NOW + WHILE + 600).await);
}

#[tokio::test]
async fn what_a_stalled_node_saves_is_not_taken() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let (stalled, _) = ours(take(&a, 0, NOW).await);
    assert!(matches!(take(&b, 0, NOW + WHILE - 1).await, Taken::Held));
    let (turn, _) = ours(take(&b, 0, NOW + WHILE).await);
    let Saved::Newer(row) = ({
        let Saved::Saved(_) = save(&b, 1, "theirs", turn).await else { panic!("it was its turn") };
        save(&a, 1, "stalled", stalled).await
    }) else {
        panic!("its turn was over")
    };
    assert_eq!(value(&a, &row), "theirs");
    a.supersede("wx1", KIND, 1).await.unwrap();
    let row = b.credentials_since(row.revision).await.unwrap().remove(0);
    assert!(b.open_credential(&row).unwrap().is_superseded);
    // To give back a turn that is over takes it from nobody.
    let (turn, _) = ours(take(&b, row.revision, NOW + WHILE).await);
    a.end_turn("wx1", KIND, stalled).await.unwrap();
    assert!(matches!(take(&a, row.revision, NOW + WHILE).await, Taken::Held));
    b.end_turn("wx1", KIND, turn).await.unwrap();
    ours(take(&a, row.revision, NOW + WHILE).await);
}

#[tokio::test]
async fn a_node_that_ends_leaves_what_it_held() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let node = |store: &Store, address: &str| Node {
        id: store.node(),
        version: "1".to_owned(),
        address: address.to_owned(),
        routes: vec!["r".to_owned()],
    };
    let (one, other) = (node(&a, "http://a"), node(&b, ""));
    a.beat(&one, NOW).await.unwrap();
    b.beat(&other, NOW + 5_000).await.unwrap();
    let mut both = vec![one, other.clone()];
    both.sort_by_key(|node| node.id);
    assert_eq!(b.nodes(NOW + 19_999).await.unwrap(), both);
    assert_eq!(b.nodes(NOW + 20_000).await.unwrap(), std::slice::from_ref(&other), "one was silent for long");
    keep(&a, message(&a, "m", &["r"])).await;
    assert_eq!(claim(&a, "r", NOW).await.len(), 1);
    ours(take(&a, 0, NOW).await);
    assert_eq!(a.begin_once([1; 32], NOW, NOW + WHILE).await.unwrap(), Once::First);
    assert!(a.hold("house", NOW, NOW + WHILE).await.unwrap());
    assert!(
        !b.hold("house", NOW, NOW + WHILE).await.unwrap() && a.hold("house", NOW, NOW + WHILE).await.unwrap()
    );
    a.tell_reach(Reach {
        appid: "wx1".to_owned(),
        node: a.node(),
        ok: false,
        ip: "1.2.3.4".to_owned(),
        since: NOW,
    })
    .await
    .unwrap();
    assert_eq!(b.reach().await.unwrap().len(), 1);
    assert!(claim(&b, "r", NOW).await.is_empty() && matches!(take(&b, 0, NOW).await, Taken::Held));
    assert_eq!(b.begin_once([1; 32], NOW, NOW + WHILE).await.unwrap(), Once::Held);
    a.leave(NOW).await.unwrap();
    assert_eq!(claim(&b, "r", NOW).await.len(), 1);
    ours(take(&b, 0, NOW).await);
    assert_eq!(b.begin_once([1; 32], NOW, NOW + WHILE).await.unwrap(), Once::First);
    assert!(b.hold("house", NOW, NOW + WHILE).await.unwrap());
    assert_eq!((b.nodes(NOW).await.unwrap(), b.reach().await.unwrap()), (vec![other], vec![]));
}

#[tokio::test]
async fn a_code_is_used_by_one_node_and_its_answer_is_everybodys() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let begin = async |store: &Store, now| store.begin_once([7; 32], now, now + WHILE).await.unwrap();
    assert_eq!(begin(&a, NOW).await, Once::First);
    assert_eq!(begin(&b, NOW + 1).await, Once::Held);
    a.end_once([7; 32]).await.unwrap();
    assert_eq!(begin(&b, NOW + 2).await, Once::First, "nothing came of it");
    assert_eq!(begin(&a, NOW + 2 + WHILE).await, Once::First, "whoever was at it has died");
    a.keep_once_answer([7; 32], b"answer", NOW + 3 * WHILE).await.unwrap();
    assert_eq!(begin(&b, NOW + 2 * WHILE).await, Once::Answer(b"answer".to_vec()));
    assert_eq!(begin(&b, NOW + 3 * WHILE).await, Once::First);
}

#[tokio::test]
async fn a_duplicate_knows_that_another_node_may_have_an_answer() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let mut asked = message(&a, "m", &["r", "other"]);
    asked.deliveries[0] = NewDelivery { next_at: NOW + WHILE, leased: true, ..asked.deliveries[0].clone() };
    let (event, deliveries) = keep(&a, asked.clone()).await;
    let Accepted::Duplicate { answer: None, .. } = accept(&b, asked.clone()).await else {
        panic!("it came before")
    };
    assert_eq!(b.answer(&event, "r", NOW).await.unwrap(), (None, true));
    assert_eq!(a.answer(&event, "r", NOW).await.unwrap(), (None, false), "it is our own");
    assert_eq!(b.answer(&event, "other", NOW).await.unwrap(), (None, false));
    a.keep_answer(&event, b"hello").await.unwrap();
    a.release(deliveries[0], NOW).await.unwrap();
    assert_eq!(b.answer(&event, "r", NOW).await.unwrap(), (Some(b"hello".to_vec()), false));
}

#[tokio::test]
async fn nodes_wake_each_other() {
    let fixture = Fixture::new();
    let Some((a, b)) = two(&fixture).await else { return };
    let (mut credentials, mut due) = (b.wakes().credentials.sleeper(), b.wakes().due.sleeper());
    let soon = std::time::Duration::from_millis(300);
    // It may not listen yet.
    let mut n = 1;
    loop {
        let seen = a.credentials().await.unwrap().first().map_or(0, |row| row.revision);
        let (turn, _) = ours(take(&a, seen, NOW).await);
        credentials.mark_seen();
        save(&a, n, "another", turn).await;
        if tokio::time::timeout(soon, credentials.woken()).await.is_ok() {
            break;
        }
        n += 1;
        assert!(n < 100, "nobody is woken");
    }
    due.mark_seen();
    keep(&a, message(&a, "m", &["r"])).await;
    due.woken().await;
}
