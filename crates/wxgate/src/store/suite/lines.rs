//! Order by user: one of a user's deliveries goes at a time, the oldest first, and none is left behind.

use super::*;
use crate::store::IN_ORDER;

/// Keeps a message of a user for the route "r".
async fn keep_of(store: &Store, openid: &str, content: &str) -> i64 {
    let mut event = message(store, content, &["r"]);
    event.openid = openid.to_owned();
    event.deliveries[0].next_at = IN_ORDER;
    keep(store, event).await.1[0]
}

/// What is taken on: the messages' contents.
async fn take(store: &Store, ended: &[i64], now: i64, limit: u32) -> Vec<Claimed> {
    store.claim_in_order("r", ended.to_vec(), now, limit, now + WHILE).await.unwrap().0
}

fn contents(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| std::str::from_utf8(&one.body).unwrap()).collect()
}

#[tokio::test]
async fn the_oldest_of_each_user_goes_and_the_next_when_it_has_ended() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for (openid, content) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        keep_of(&store, openid, content).await;
    }
    let first = take(&store, &[], NOW, 10).await;
    assert_eq!(contents(&first), ["a1", "b1"]);
    assert!(take(&store, &[], NOW, 10).await.is_empty(), "what is held waits, however often it is asked for");
    let waits: Vec<_> =
        deliveries(&store).await.iter().filter(|one| one.next_at.is_none()).map(|one| one.id).collect();
    assert_eq!(waits.len(), 2, "those in line have no time");

    record(&store, &first[0], 200, Fate::Delivered).await;
    assert!(take(&store, &[], NOW, 10).await.is_empty(), "nobody said that it ended");
    let second = take(&store, &[first[0].id], NOW, 10).await;
    assert_eq!(contents(&second), ["a2"]);
    record(&store, &second[0], 500, Fate::Retry(NOW + 5)).await;
    assert!(take(&store, &[], NOW + 4, 10).await.is_empty(), "the third waits for the second's next attempt");
    let (again, next) =
        store.claim_in_order("r", vec![second[0].id], NOW + 5, 10, NOW + WHILE).await.unwrap();
    assert_eq!((contents(&again), again[0].attempt), (vec!["a2"], 2), "it hasn't ended, whoever says so");
    assert_eq!(next, Some(NOW + WHILE), "when a lease ends");
    record(&store, &again[0], 500, Fate::Dead).await;
    let third = take(&store, &[again[0].id], NOW + 5, 10).await;
    assert_eq!(contents(&third), ["a3"], "what was given up holds nothing");
    record(&store, &third[0], 200, Fate::Delivered).await;
    record(&store, &first[1], 200, Fate::Delivered).await;
    assert!(take(&store, &[third[0].id, first[1].id], NOW, 10).await.is_empty());
    keep_of(&store, "a", "a4").await;
    assert_eq!(contents(&take(&store, &[], NOW, 10).await), ["a4"], "a line that ended begins anew");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_held_by_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for (openid, content) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")] {
        keep_of(&store, openid, content).await;
    }
    let (one, next) = store.claim_in_order("r", Vec::new(), NOW, 1, NOW + WHILE).await.unwrap();
    assert_eq!((contents(&one), next), (vec!["a1"], Some(NOW)), "there is more");
    assert_eq!(contents(&take(&store, &[], NOW, 1).await), ["b1"]);
    record(&store, &one[0], 200, Fate::Delivered).await;
    assert_eq!(contents(&take(&store, &[one[0].id], NOW, 1).await), ["a2"], "the older before the younger");
    assert_eq!(contents(&take(&store, &[], NOW, 1).await), ["c1"]);
}

#[tokio::test]
async fn what_failed_is_tried_again_although_new_ones_wait_and_leaves_them_half_of_the_room() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for (openid, content) in [("a", "a1"), ("b", "b1"), ("c", "c1"), ("d", "d1"), ("e", "e1"), ("f", "f1")] {
        keep_of(&store, openid, content).await;
    }
    for failed in take(&store, &[], NOW, 3).await {
        record(&store, &failed, 500, Fate::Retry(NOW + 5)).await;
    }
    assert_eq!(contents(&take(&store, &[], NOW + 5, 2).await), ["a1", "d1"]);
    assert_eq!(
        contents(&take(&store, &[], NOW + 5, 1).await),
        ["b1"],
        "one that failed tries a broken backend"
    );
    assert_eq!(contents(&take(&store, &[], NOW + 5, 10).await), ["c1", "e1", "f1"]);
}

#[tokio::test]
async fn a_replay_waits_for_what_is_on_its_way_and_a_lease_that_ran_out_for_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let old = keep_of(&store, "a", "old").await;
    let first = take(&store, &[], NOW, 10).await;
    record(&store, &first[0], 410, Fate::Dead).await;
    keep_of(&store, "a", "new").await;
    let new = take(&store, &[old], NOW, 10).await;
    assert_eq!(contents(&new), ["new"]);
    assert!(store.replay(old, NOW).await.unwrap());
    assert!(take(&store, &[], NOW, 10).await.is_empty());
    let again = take(&store, &[], NOW + WHILE, 10).await;
    assert_eq!(contents(&again), ["new"], "by whoever comes after one that died");
    record(&store, &again[0], 200, Fate::Delivered).await;
    assert_eq!(contents(&take(&store, &[again[0].id], NOW + WHILE, 10).await), ["old"]);
}

#[tokio::test]
async fn what_a_crash_left_in_line_goes_on() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for content in ["a1", "a2", "a3"] {
        keep_of(&store, "a", content).await;
    }
    let first = take(&store, &[], NOW, 10).await;
    record(&store, &first[0], 200, Fate::Delivered).await;
    // Here it ends, before it said that this ended.
    store.close().await;
    let store = fixture.open().await;
    assert!(take(&store, &[], NOW, 10).await.is_empty());
    assert_eq!(store.ended_elsewhere("r").await.unwrap(), [first[0].id]);
    store.straighten("r", true).await.unwrap();
    assert!(store.ended_elsewhere("r").await.unwrap().is_empty());
    let second = take(&store, &[], NOW, 10).await;
    assert_eq!(contents(&second), ["a2"]);
    store.straighten("r", true).await.unwrap();
    assert!(take(&store, &[], NOW, 10).await.is_empty(), "the second is on its way");
    // The route keeps no order any more.
    store.straighten("r", false).await.unwrap();
    assert_eq!(contents(&claim(&store, "r", NOW).await), ["a3"]);
}

#[tokio::test]
async fn a_route_that_is_gone_leaves_no_line() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for content in ["a1", "a2"] {
        keep_of(&store, "a", content).await;
    }
    assert_eq!(take(&store, &[], NOW, 10).await.len(), 1);
    assert_eq!(store.bury("r", NOW, 10).await.unwrap(), 2);
    keep_of(&store, "a", "a3").await;
    assert_eq!(contents(&take(&store, &[], NOW, 10).await), ["a3"]);
}

#[tokio::test]
async fn thousands_in_one_line_are_looked_at_twice_each() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for n in 0..600 {
        keep_of(&store, "a", &format!("a{n}")).await;
    }
    let b = keep_of(&store, "b", "b1").await;
    let (mut found, mut looks) = (Vec::new(), 0);
    while !found.iter().any(|one: &Claimed| one.id == b) {
        found.extend(take(&store, &[], NOW, 10).await);
        looks += 1;
        assert!(looks < 5, "another user's message is found soon");
    }
    assert_eq!(contents(&found), ["a0", "b1"]);
    for n in 1..600 {
        let last = found.remove(0);
        record(&store, &last, 200, Fate::Delivered).await;
        let next = take(&store, &[last.id], NOW, 1).await;
        assert_eq!(contents(&next), [format!("a{n}")]);
        found.insert(0, next.into_iter().next().unwrap());
    }
}
