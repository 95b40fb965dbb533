//! Tokens, answers, bindings, counters, and the key that fits.

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

use super::*;
use crate::store::{Binding, Bound, Credential, StoreError, Taken, UsageDelta, UsageRow};

fn credential(version: i64, value: &str) -> Credential {
    Credential {
        appid: "wx1".to_owned(),
        kind: "access_token".to_owned(),
        version,
        value: value.to_owned().into(),
        fetched_at: 1,
        expires_at: 2,
        history: "{}".to_owned(),
        revision: 0,
        is_superseded: false,
    }
}

/// Keeps what was fetched in a turn of its own.
async fn save(store: &Store, row: Credential) {
    let (appid, kind) = (row.appid.clone(), row.kind.clone());
    let seen = store.credentials().await.unwrap();
    let seen =
        seen.iter().find(|seen| seen.appid == appid && seen.kind == kind).map_or(0, |row| row.revision);
    let taken = store.take_turn(&appid, &kind, seen, NOW, NOW + WHILE).await.unwrap();
    let Taken::Ours(turn, _) = taken else { panic!("{taken:?}") };
    store.save_credential(row, turn, NOW + WHILE).await.unwrap();
    store.end_turn(&appid, &kind, turn).await.unwrap();
}

#[tokio::test]
async fn an_older_token_never_overwrites_a_newer_one() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    assert!(store.credentials().await.unwrap().is_empty());
    for (version, value) in [(3, "three"), (2, "two"), (1, "one")] {
        save(&store, credential(version, value)).await;
    }
    let other = Credential { kind: "jsapi".to_owned(), ..credential(1, "ticket") };
    save(&store, other).await;
    store.close().await;
    let store = fixture.open().await;
    let mut sealed = store.credentials().await.unwrap();
    sealed.sort_by(|a, b| a.kind.cmp(&b.kind));
    let opened: Vec<Credential> = sealed.iter().map(|row| store.open_credential(row).unwrap()).collect();
    let shown: Vec<_> =
        opened.iter().map(|row| (&*row.appid, &*row.kind, row.version, row.value.expose_secret())).collect();
    assert_eq!(shown, [("wx1", "access_token", 3, "three"), ("wx1", "jsapi", 1, "ticket")]);
    assert_eq!((opened[0].fetched_at, opened[0].expires_at, &*opened[0].history), (1, 2, "{}"));
    // The same version again: its life was confirmed.
    let confirmed = Credential { expires_at: 9, ..credential(3, "three") };
    save(&store, confirmed).await;
    let row = store.credentials().await.unwrap().into_iter().find(|row| row.kind == "access_token").unwrap();
    assert_eq!(store.open_credential(&row).unwrap().expires_at, 9);
}

#[tokio::test]
async fn a_token_opens_only_where_it_belongs_and_shows_nowhere() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    save(&store, credential(1, "planted-token-value")).await;
    let sealed = store.credentials().await.unwrap().remove(0);
    let opened = store.open_credential(&sealed).unwrap();
    for text in [format!("{sealed:?}"), format!("{opened:?}"), format!("{store:?}")] {
        assert!(!text.contains("planted"), "{text}");
    }
    let mut moved = sealed.clone();
    moved.appid = "wx2".to_owned();
    assert!(matches!(store.open_credential(&moved), Err(StoreError::Corrupt(_))));
    let other = Store { keys: keys(2).unwrap(), ..store.clone() };
    assert!(matches!(other.open_credential(&sealed), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn the_first_key_is_the_only_one_that_fits() {
    let fixture = Fixture::new();
    let may_make = |expected| {
        move |asked| {
            assert_eq!(asked, expected);
            keys(1)
        }
    };
    let backend = fixture.backend().await;
    let (store, keys_1) = Store::open(backend, &Random::System, may_make(true)).await.unwrap();
    assert_eq!(keys_1.mac(&[b"x"]), keys(1).unwrap().mac(&[b"x"]));
    store.close().await;
    let error = fixture.sealed_by(2).await.unwrap_err().to_string();
    assert!(error.contains("主密钥与数据库"), "{error}");
    let backend = fixture.backend().await;
    let lost = Store::open(backend, &Random::System, |_| anyhow::bail!("no key")).await.unwrap_err();
    assert_eq!(lost.to_string(), "no key");
    // Whoever was refused holds nothing.
    let backend = fixture.backend().await;
    Store::open(backend, &Random::System, may_make(false)).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_kept_until_its_time() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    store.keep_once_answer([9; 32], b"answer", 1000).await.unwrap();
    assert_eq!(store.once_answer([9; 32], 999).await.unwrap().unwrap(), b"answer");
    assert_eq!(store.once_answer([9; 32], 1000).await.unwrap(), None);
    assert_eq!(store.once_answer([8; 32], 0).await.unwrap(), None);
    store.keep_once_answer([9; 32], b"another", 2000).await.unwrap();
    store.close().await;
    let store = fixture.open().await;
    assert_eq!(store.once_answer([9; 32], 1999).await.unwrap().unwrap(), b"another");
}

#[tokio::test]
async fn a_key_is_bound_to_the_first_that_comes() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let binding =
        |n: u8| Binding { key: [1; 32], digest: [n; 32], again_until: NOW + 5, expires_at: NOW + 10 };
    assert_eq!(store.bound([1; 32], &[0; 32], NOW).await.unwrap(), None);
    let at_once = join_all((0..20).map(|n| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.bind(binding(n / 4), NOW)
    }));
    let bound: Vec<Bound> = at_once.await.into_iter().map(Result::unwrap).collect();
    assert_eq!(bound.iter().filter(|bound| **bound == Bound::First).count(), 1);
    let first = bound.iter().position(|bound| *bound == Bound::First).unwrap();
    for (n, bound) in bound.iter().enumerate().filter(|(n, _)| *n != first) {
        let expected = match n / 4 == first / 4 {
            true => Bound::Same { again_until: NOW + 5 },
            false => Bound::Other,
        };
        assert_eq!(*bound, expected);
    }
    store.close().await;

    let store = fixture.open().await;
    let digest = [u8::try_from(first / 4).unwrap(); 32];
    let same = Some(Bound::Same { again_until: NOW + 5 });
    assert_eq!(store.bound([1; 32], &digest, NOW + 9).await.unwrap(), same);
    assert_eq!(store.bound([1; 32], &[77; 32], NOW + 9).await.unwrap(), Some(Bound::Other));
    assert_eq!(store.bound([1; 32], &digest, NOW + 10).await.unwrap(), None);
    let anew = Binding { again_until: NOW + 15, expires_at: NOW + 20, ..binding(77) };
    assert_eq!(store.bind(anew, NOW + 9).await.unwrap(), Bound::Other);
    assert_eq!(store.bind(anew, NOW + 10).await.unwrap(), Bound::First);
    let again = Bound::Same { again_until: NOW + 15 };
    assert_eq!(store.bind(Binding { again_until: 0, ..anew }, NOW + 11).await.unwrap(), again);
    assert_eq!(store.bind(Binding { key: [2; 32], ..anew }, NOW).await.unwrap(), Bound::First);
}

#[tokio::test]
async fn calls_add_up() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let delta = |caller: &str, api: &str, calls, refused, at| UsageDelta {
        caller: caller.to_owned(),
        api: api.to_owned(),
        calls,
        refused,
        at,
    };
    store.add_usage(Vec::new()).await.unwrap();
    store.add_usage(vec![delta("shop", "/a", 2, 0, 10), delta("shop", "/b", 1, 1, 11)]).await.unwrap();
    let more =
        vec![delta("shop", "/a", 3, 1, 20), delta("bot", "/a", 1, 0, 21), delta("shop", "/a", 1, 0, 9)];
    store.add_usage(more).await.unwrap();
    store.close().await;
    let store = fixture.open().await;
    store.add_usage(vec![delta("shop", "/a", 1, 0, 15)]).await.unwrap();
    let row = |caller: &str, api: &str, calls, refused, since, last_at| UsageRow {
        caller: caller.to_owned(),
        api: api.to_owned(),
        calls,
        refused,
        since,
        last_at,
    };
    assert_eq!(
        store.usage().await.unwrap(),
        [row("bot", "/a", 1, 0, 21, 21), row("shop", "/a", 7, 1, 9, 20), row("shop", "/b", 1, 1, 11, 11)]
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    store.ping().await.unwrap();
    store.close().await;
    store.close().await;
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
    let event = message(&store, "a", &[]);
    assert!(matches!(Store::accept(&store, &event).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn more_writes_than_there_is_room_for_wait_their_turn() {
    let fixture = Fixture::bounded(Limits { writes: 4, group: 2, ..Limits::default() });
    let store = fixture.open().await;
    let kept = join_all((0..100).map(|n| keep(&store, message(&store, &format!("{n}"), &[])))).await;
    assert_eq!(kept.len(), 100);
}
