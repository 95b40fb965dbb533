//! What streams read: the order of commits, what is forgotten, places under a name, and what was sent once more.

use super::*;
use crate::store::{KeptPlace, Opening, Purge, Reached, StreamQuery, Streamed};

fn reading(after: i64, span: i64, limit: u32) -> StreamQuery {
    StreamQuery { after, span, limit, bytes: 1 << 20, ..StreamQuery::default() }
}

fn opening(name: &str, place: Option<i64>, now: i64) -> Opening {
    let (caller, name) = ("dev".to_owned(), name.to_owned());
    Opening { caller, name, place, stays: false, now, expires_at: now + WHILE }
}

fn kept(epoch: i64, place: i64, done: Option<i64>, replayed: i64) -> KeptPlace {
    let (caller, name) = ("dev".to_owned(), "laptop".to_owned());
    KeptPlace { caller, name, epoch, place, done, replayed, expires_at: NOW + WHILE }
}

fn ids(found: &[Streamed]) -> Vec<i64> {
    found.iter().map(|one| one.claimed.event_id).collect()
}

async fn some(store: &Store, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for n in 0..count {
        let mut event = message(store, &format!("{n}"), &[]);
        event.openid = format!("o{}", n % 2);
        ids.push(keep(store, event).await.0.id);
    }
    ids
}

#[tokio::test]
async fn messages_are_read_in_order_within_each_bound() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    assert_eq!(store.stream_state().await.unwrap(), super::super::StreamState::default());
    let all = some(&store, 6).await;
    let last = all[5];
    let state = store.stream_state().await.unwrap();
    assert_eq!((state.last, state.oldest, state.forgotten), (last, Some(all[0]), 0));

    let read = async |query: StreamQuery| {
        let (found, Reached { place, more }) = store.stream_events(query).await.unwrap();
        (ids(&found), place, more)
    };
    assert_eq!(read(reading(0, 100, 10)).await, (all.clone(), last, false));
    assert_eq!(read(reading(0, 100, 2)).await, (all[..2].to_vec(), all[1], true));
    assert_eq!(read(reading(all[1], 3, 10)).await, (all[2..5].to_vec(), all[4], true));
    assert_eq!(read(reading(last, 100, 10)).await, (vec![], last, false));
    assert_eq!(read(reading(last + 7, 100, 10)).await, (vec![], last + 7, false), "never back");
    // A small bound of bytes lets one through, whatever its size.
    let small = StreamQuery { bytes: 1, ..reading(0, 100, 10) };
    assert_eq!(read(small).await, (all[..1].to_vec(), all[0], true));
    let one = StreamQuery { openid: Some("o1".to_owned()), ..reading(0, 4, 10) };
    assert_eq!(read(one).await, (vec![all[1], all[3]], 4, true));
    let none = StreamQuery { appid: Some("wx2".to_owned()), ..reading(0, 100, 10) };
    assert_eq!(read(none).await, (vec![], last, false), "what isn't wanted is passed over");
    let (found, _) = store.stream_events(reading(0, 100, 1)).await.unwrap();
    assert_eq!((&*found[0].openid, &*found[0].claimed.body), ("o0", b"0".as_slice()));
    assert_eq!(found[0].claimed.received_at, NOW);
    assert_eq!(store.stream_event(all[3]).await.unwrap().unwrap().claimed.body, b"3");
    assert!(store.stream_event(last + 1).await.unwrap().is_none());
}

#[tokio::test]
async fn the_last_message_that_was_forgotten_is_known() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let old = some(&store, 3).await;
    let mut event = message(&store, "young", &[]);
    event.received_at = NOW + WHILE;
    let young = keep(&store, event).await.0.id;
    store.purge(Purge::new(NOW, NOW, NOW, 100)).await.unwrap();
    assert_eq!(store.stream_state().await.unwrap().forgotten, 0, "nothing was old");
    store.purge(Purge::new(NOW + 1, NOW + 1, NOW, 100)).await.unwrap();
    let state = store.stream_state().await.unwrap();
    assert_eq!((state.forgotten, state.oldest, state.last), (old[2], Some(young), young));
    assert!(state.has_forgotten(old[1]) && !state.has_forgotten(old[2]));
}

#[tokio::test]
async fn a_named_stream_has_a_place_and_its_last_opening_moves_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let all = some(&store, 4).await;
    let first = store.open_stream(opening("laptop", None, NOW)).await.unwrap();
    assert_eq!((first.place, first.replayed, first.epoch), (all[3], 0, 1), "it begins now");
    let at = async |place: Option<i64>| store.open_stream(opening("laptop", place, NOW)).await.unwrap();
    let second = at(Some(all[0])).await;
    assert_eq!((second.place, second.epoch), (all[0], 2), "its reader knows better");
    assert!(!store.keep_place(kept(1, all[3], None, 0)).await.unwrap(), "it was opened since");
    assert!(store.keep_place(kept(2, all[1], None, 7)).await.unwrap());
    let third = at(None).await;
    assert_eq!((third.place, third.replayed, third.epoch), (all[1], 7, 3));
    // What its reader isn't done with keeps it back.
    assert!(store.keep_place(kept(3, all[3], Some(all[2]), 7)).await.unwrap());
    assert_eq!(at(None).await.place, all[1]);
    assert!(store.ack("dev", "laptop", all[2], NOW + WHILE).await.unwrap());
    assert!(store.ack("dev", "laptop", all[0], NOW + WHILE).await.unwrap());
    assert_eq!(at(None).await.place, all[2], "never back");
    assert!(store.keep_place(kept(5, all[3], Some(all[2]), 7)).await.unwrap());
    assert_eq!(at(None).await.place, all[3]);
    assert!(!store.ack("dev", "laptop", all[3] + 1, NOW + WHILE).await.unwrap(), "there is no such message");
    assert!(!store.ack("dev", "desktop", all[0], NOW + WHILE).await.unwrap());
    assert!(!store.ack("shop", "laptop", all[0], NOW + WHILE).await.unwrap());
    let stays = Opening { stays: true, ..opening("laptop", Some(all[0]), NOW) };
    assert_eq!(store.open_stream(stays).await.unwrap().place, all[3]);
    let stays = Opening { stays: true, ..opening("new", Some(all[0]), NOW) };
    assert_eq!(store.open_stream(stays).await.unwrap().place, all[0], "a new one has none yet");
    if store.is_shared() {
        let named = [("dev", "laptop"), ("dev", "none")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let epochs = store.stream_epochs(named.to_vec()).await.unwrap();
        assert_eq!(epochs, [("dev".to_owned(), "laptop".to_owned(), 7)]);
    }
    // Forgotten, it is a new one, though its row is still there.
    let later = store.open_stream(opening("laptop", None, NOW + WHILE)).await.unwrap();
    assert_eq!(later.place, all[3]);
    store.purge(Purge::new(NOW + WHILE, 0, 0, 100)).await.unwrap();
    assert!(!store.ack("dev", "new", all[0], NOW + 2 * WHILE).await.unwrap(), "it is forgotten");
}

#[tokio::test]
async fn what_is_sent_once_more_has_numbers_of_its_own() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let all = some(&store, 2).await;
    for ids in [vec![all[1]], vec![all[0], all[1]], vec![4711]] {
        store.keep_replays(ids, NOW + WHILE).await.unwrap();
    }
    let found = store.stream_replays(0, 10).await.unwrap();
    let told: Vec<_> =
        found.iter().map(|(n, one)| (*n, one.as_ref().map(|one| one.claimed.event_id))).collect();
    assert_eq!(told, [(1, Some(all[1])), (2, Some(all[0])), (3, Some(all[1])), (4, None)]);
    assert_eq!(store.stream_replays(1, 2).await.unwrap().len(), 2);
    assert_eq!(store.stream_state().await.unwrap().replayed, 4);
    store.purge(Purge::new(NOW + WHILE, 0, 0, 100)).await.unwrap();
    assert!(store.stream_replays(0, 10).await.unwrap().is_empty());
    assert_eq!(store.stream_state().await.unwrap().replayed, 4, "no number comes twice");
}
