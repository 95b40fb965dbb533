//! Deliveries: taken on by one at a time, ended once a round, lost by none.

use super::*;
use crate::store::Status;

#[tokio::test]
async fn what_is_due_is_taken_on_by_one_and_for_a_while() {
    let fixture = Fixture::new();
    let one = fixture.open().await;
    let other = fixture.beside(&one).await;
    for content in ["a", "b", "c"] {
        keep(&one, message(&one, content, &["r", "s"])).await;
    }
    assert!(claim(&one, "r", NOW - 1).await.is_empty(), "before its time");
    let (first, next) = one.claim("r", NOW, 2, NOW + WHILE).await.unwrap();
    assert_eq!((first.len(), next), (2, Some(NOW)), "the third is due");
    let bodies: Vec<&[u8]> = first.iter().map(|claimed| &claimed.body[..]).collect();
    assert_eq!(bodies, [b"a", b"b"], "the oldest first");
    let (second, next) = other.claim("r", NOW, 2, NOW + 2 * WHILE).await.unwrap();
    assert_eq!((second.len(), next), (1, Some(NOW + WHILE)), "when the first lease ends");
    assert!(claim(&one, "r", NOW + WHILE - 1).await.is_empty());
    let ran_out = claim(&other, "r", NOW + WHILE).await;
    assert_eq!(ran_out.iter().map(|claimed| claimed.id).collect::<Vec<_>>(), [first[0].id, first[1].id]);
    assert!(ran_out.iter().all(|claimed| (claimed.attempt, claimed.round) == (1, 0)));
    assert_eq!(claim(&one, "s", NOW).await.len(), 3, "another route");
    assert_eq!(one.claim("t", NOW, 2, NOW + WHILE).await.unwrap().1, None, "nothing waits");
}

#[tokio::test]
async fn an_attempt_counts_for_whoever_holds_the_delivery() {
    let fixture = Fixture::new();
    let late = fixture.open().await;
    let holder = fixture.beside(&late).await;
    keep(&late, message(&late, "a", &["r"])).await;
    let stale = claim(&late, "r", NOW).await.remove(0);
    let held = claim(&holder, "r", NOW + WHILE).await.remove(0);
    record(&late, &stale, 500, Fate::Retry(NOW)).await;
    record(&late, &stale, 410, Fate::Dead).await;
    late.release(stale.id, NOW).await.unwrap();
    assert_eq!(only(&late).await, ("pending", vec![]));
    assert!(claim(&late, "r", NOW + WHILE).await.is_empty(), "still the other's");

    record(&holder, &held, 503, Fate::Retry(NOW + 5)).await;
    // The commit was in doubt, and it is told again.
    record(&holder, &held, 503, Fate::Retry(NOW + 9)).await;
    assert_eq!(only(&late).await, ("pending", vec![503]));
    assert_eq!(deliveries(&late).await[0].next_at, Some(NOW + 5));
    let again = claim(&late, "r", NOW + 5).await.remove(0);
    assert_eq!((again.attempt, again.round), (2, 0));
    record(&holder, &held, 500, Fate::Dead).await;
    record(&late, &again, 410, Fate::Dead).await;
    record(&late, &again, 410, Fate::Dead).await;
    assert_eq!(only(&late).await, ("dead", vec![503, 410]));
    assert_eq!(deliveries(&late).await[0].next_at, None);
    assert!(claim(&late, "r", i64::MAX - WHILE).await.is_empty());
}

#[tokio::test]
async fn an_arrival_ends_it_whoever_holds_it() {
    let fixture = Fixture::new();
    let late = fixture.open().await;
    let holder = fixture.beside(&late).await;
    keep(&late, message(&late, "a", &["r"])).await;
    let stale = claim(&late, "r", NOW).await.remove(0);
    let held = claim(&holder, "r", NOW + WHILE).await.remove(0);
    record(&holder, &held, 503, Fate::Retry(NOW + 5)).await;
    let held = claim(&holder, "r", NOW + 5).await.remove(0);
    record(&late, &stale, 200, Fate::Delivered).await;
    assert_eq!(only(&late).await, ("delivered", vec![503, 200]));
    for (status, fate) in [(500, Fate::Retry(NOW)), (410, Fate::Dead), (200, Fate::Delivered)] {
        record(&holder, &held, status, fate).await;
        assert_eq!(only(&late).await, ("delivered", vec![503, 200]));
    }
}

#[tokio::test]
async fn what_is_given_up_stays_so_unless_it_arrives() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for content in ["a", "b", "c"] {
        keep(&store, message(&store, content, &["gone"])).await;
    }
    keep(&store, message(&store, "d", &["stays"])).await;
    let taken = store.claim("gone", NOW, 2, NOW + WHILE).await.unwrap().0;
    assert_eq!(store.waiting_routes().await.unwrap(), ["gone", "stays"]);
    assert_eq!(store.bury("gone", NOW, 2).await.unwrap(), 2);
    assert_eq!(store.bury("gone", NOW, 2).await.unwrap(), 1);
    assert_eq!(store.bury("gone", NOW, 2).await.unwrap(), 0);
    assert_eq!(store.waiting_routes().await.unwrap(), ["stays"]);
    record(&store, &taken[0], 500, Fate::Retry(NOW)).await;
    record(&store, &taken[1], 200, Fate::Delivered).await;
    record(&store, &taken[1], 200, Fate::Delivered).await;
    let found: Vec<_> = deliveries(&store)
        .await
        .into_iter()
        .map(|d| (d.status.as_str(), d.attempts.into_iter().map(|a| a.error).collect::<Vec<_>>()))
        .collect();
    let removed = || "the route was removed".to_owned();
    assert_eq!(
        found,
        [
            ("pending", vec![]),
            ("dead", vec![removed()]),
            ("delivered", vec![removed(), String::new()]),
            ("dead", vec![removed()]),
        ]
    );
}

#[tokio::test]
async fn every_round_has_attempts_of_its_own() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let (kept, ids) = keep(&store, message(&store, "a", &["r"])).await;
    let first = claim(&store, "r", NOW).await.remove(0);
    record(&store, &first, 500, Fate::Retry(NOW)).await;
    let second = claim(&store, "r", NOW).await.remove(0);
    record(&store, &second, 501, Fate::Dead).await;
    assert!(store.replay(ids[0], NOW + 1).await.unwrap());
    assert!(!store.replay(ids[0], NOW + 1).await.unwrap(), "it waits");
    assert!(!store.replay(ids[0] + 1, NOW).await.unwrap(), "there is none");
    assert_eq!(only(&store).await, ("pending", vec![500, 501]));
    // An attempt of the round before changes nothing in this one, even by the same process.
    record(&store, &second, 200, Fate::Delivered).await;
    assert_eq!(only(&store).await, ("pending", vec![500, 501]));

    let again = claim(&store, "r", NOW + 1).await.remove(0);
    assert_eq!((again.id, again.round, again.attempt), (ids[0], 1, 1));
    assert_eq!((again.event_id, &again.event_name), (kept.id, &kept.name()));
    record(&store, &first, 502, Fate::Dead).await;
    record(&store, &again, 503, Fate::Retry(NOW + 2)).await;
    let again = claim(&store, "r", NOW + 2).await.remove(0);
    assert_eq!((again.round, again.attempt), (1, 2));
    record(&store, &again, 200, Fate::Delivered).await;
    assert_eq!(only(&store).await, ("delivered", vec![500, 501, 503, 200]));
    // What arrived may be wanted once more as well.
    assert!(store.replay(ids[0], NOW + 3).await.unwrap());
    let again = claim(&store, "r", NOW + 3).await.remove(0);
    assert_eq!((again.round, again.attempt), (2, 1));
    record(&store, &again, 410, Fate::Dead).await;
    assert_eq!(only(&store).await, ("dead", vec![500, 501, 503, 200, 410]));
}

#[tokio::test]
async fn a_delivery_may_be_born_leased() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let leased = NewDelivery { route: "r".to_owned(), next_at: NOW + WHILE, leased: true };
    let plain = NewDelivery { next_at: NOW + 3, leased: false, ..leased.clone() };
    let deliveries = vec![leased.clone(), plain, leased];
    let (kept, ids) = keep(&store, NewEvent { deliveries, ..message(&store, "a", &[]) }).await;
    assert_eq!(other.claim("r", NOW, 9, NOW + WHILE).await.unwrap().1, Some(NOW + 3));
    assert_eq!(claim(&other, "r", NOW + 3).await.len(), 1);
    // Whoever made it sends it without asking for it.
    let own = Claimed {
        id: ids[0],
        round: 0,
        attempt: 1,
        event_id: kept.id,
        event_name: kept.name(),
        appid: "wx1".to_owned(),
        received_at: NOW,
        body: Vec::new(),
    };
    record(&other, &own, 500, Fate::Dead).await;
    record(&store, &own, 200, Fate::Delivered).await;
    other.release(ids[2], NOW).await.unwrap();
    assert!(claim(&other, "r", NOW + 4).await.is_empty(), "not theirs to give back");
    store.release(ids[2], NOW + 4).await.unwrap();
    assert_eq!(claim(&other, "r", NOW + 4).await[0].id, ids[2]);
    store.release(ids[0], NOW).await.unwrap();
    assert!(claim(&other, "r", NOW + 5).await.is_empty(), "what has ended isn't given back");
}

#[tokio::test]
async fn what_a_dead_process_had_taken_on_goes_out_again() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for content in ["a", "b", "c"] {
        keep(&store, message(&store, content, &["r"])).await;
    }
    let taken = claim(&store, "r", NOW).await;
    record(&store, &taken[0], 500, Fate::Retry(NOW + 1)).await;
    assert_eq!(claim(&store, "r", NOW + 1).await[0].attempt, 2);
    record(&store, &taken[1], 200, Fate::Delivered).await;
    store.close().await;

    let store = fixture.open().await;
    assert!(claim(&store, "r", NOW + 2).await.is_empty(), "their leases stand");
    store.resume(NOW + 2).await.unwrap();
    // Where others may live, nobody but the lease says that they don't.
    let then = if fixture.is_shared() { NOW + 1 + WHILE } else { NOW + 2 };
    let again = claim(&store, "r", then).await;
    let attempts: Vec<_> = again.iter().map(|claimed| (claimed.body[0], claimed.attempt)).collect();
    assert_eq!(attempts, [(b'a', 2), (b'c', 1)], "with the attempts they had");
    store.resume(then + 1).await.unwrap();
    assert!(claim(&store, "r", then + 1).await.is_empty(), "its own it keeps");
}

#[tokio::test]
async fn the_routes_that_something_waits_for() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    assert!(store.waiting_routes().await.unwrap().is_empty());
    let names: Vec<String> = (0..30).map(|n| format!("route {n:02}")).collect();
    for content in ["a", "b"] {
        let routes: Vec<&str> = names.iter().map(String::as_str).rev().collect();
        keep(&store, message(&store, content, &routes)).await;
    }
    for claimed in claim(&store, "route 07", NOW).await {
        record(&store, &claimed, 200, Fate::Delivered).await;
    }
    claim(&store, "route 08", NOW).await;
    let waiting = store.waiting_routes().await.unwrap();
    let expected: Vec<&String> = names.iter().filter(|name| *name != "route 07").collect();
    assert_eq!(waiting.iter().collect::<Vec<_>>(), expected, "also those whose deliveries are under way");
    for (route, waiting) in [("route 07", 0), ("route 08", 2), ("route 09", 2), ("nobody", 0)] {
        assert_eq!(store.backlog(route, 100).await.unwrap(), waiting, "{route}");
    }
    assert_eq!(store.backlog("route 09", 1).await.unwrap(), 1, "no further than asked");
}

#[tokio::test]
async fn a_message_that_does_not_open_is_given_up() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    keep(&store, message(&store, "a", &["r"])).await;
    let other = Store { keys: keys(2).unwrap(), ..store.clone() };
    assert!(claim(&other, "r", NOW).await.is_empty());
    let delivery = deliveries(&store).await.remove(0);
    assert_eq!((delivery.status, delivery.attempts.len()), (Status::Dead, 1));
    assert!(delivery.attempts[0].error.contains("does not open"), "{delivery:?}");
    assert!(claim(&store, "r", NOW + WHILE).await.is_empty());
}

#[tokio::test]
async fn one_delivery_is_taken_on_by_name_whatever_became_of_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let (event, ids) = keep(&store, message(&store, "a", &["q", "r"])).await;
    let take = async |store: &Store, route: &str, now: i64| {
        store.take_on(event.id, route, now, now + WHILE).await.unwrap()
    };
    let first = take(&store, "r", NOW - 1).await.expect("before its time");
    assert_eq!((first.id, first.round, first.attempt, &first.body[..]), (ids[1], 0, 1, &b"a"[..]));
    assert_eq!(first.event_name, event.name());
    assert!(take(&other, "r", NOW).await.is_none() && take(&store, "r", NOW).await.is_none(), "it is held");
    record(&store, &first, 500, Fate::Retry(NOW + 2 * WHILE)).await;
    let second = take(&other, "r", NOW).await.expect("the queue would wait");
    assert_eq!((second.round, second.attempt), (0, 2));
    let lost = take(&store, "r", NOW + WHILE).await.expect("its lease ran out");
    record(&store, &lost, 200, Fate::Delivered).await;
    let third = take(&store, "r", NOW).await.expect("it has ended");
    assert_eq!((third.id, third.round, third.attempt), (ids[1], 1, 1));
    record(&store, &third, 410, Fate::Dead).await;
    assert_eq!(take(&store, "r", NOW).await.expect("a dead letter").round, 2);
    // A route that wasn't there when the message came.
    let new = take(&store, "new", NOW).await.expect("a delivery of its own");
    assert_eq!((new.id, new.round, new.attempt), (ids[1] + 1, 0, 1));
    assert!(take(&store, "new", NOW).await.is_none());
    assert_eq!(claim(&store, "q", NOW).await.len(), 1, "nobody touched it");
    assert!(store.take_on(event.id + 1, "r", NOW, NOW + WHILE).await.unwrap().is_none(), "no such message");
}
