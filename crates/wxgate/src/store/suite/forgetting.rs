//! What is old goes, and what is still needed stays.

use super::*;
use crate::store::{Binding, EventQuery, Purge, Seen};

const DAY: i64 = 86_400_000;

/// Keeps a message that came `days` ago.
async fn old(store: &Store, content: &str, days: i64, routes: &[&str]) -> i64 {
    let received_at = NOW - days * DAY;
    let event =
        NewEvent { received_at, remembered_until: received_at + DAY, ..message(store, content, routes) };
    keep(store, event).await.0.id
}

async fn ids(store: &Store) -> Vec<i64> {
    let query = EventQuery { limit: 10_000, ..EventQuery::default() };
    let mut ids: Vec<i64> = store.events(query).await.unwrap().iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids
}

/// Goes through all steps; how many rows went in how many.
async fn purge(store: &Store, first: Purge) -> (usize, usize) {
    let (mut rows, mut steps, mut next) = (0, 0, Some(first));
    while let Some(step) = next {
        let purged = store.purge(step).await.unwrap();
        rows += purged.rows;
        steps += 1;
        next = purged.next;
        assert!(steps < 1000, "it ends");
    }
    (rows, steps)
}

#[tokio::test]
async fn a_message_goes_when_nothing_of_it_waits_or_is_dead() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let arrived = old(&store, "arrived", 9, &["good", "good"]).await;
    let waits = old(&store, "waits", 9, &["good", "slow"]).await;
    let dead = old(&store, "dead", 9, &["good", "bad"]).await;
    let unrouted = old(&store, "unrouted", 9, &[]).await;
    let fresh = old(&store, "fresh", 1, &["good"]).await;
    for claimed in claim(&store, "good", NOW).await {
        record(&store, &claimed, 200, Fate::Delivered).await;
    }
    let bad = claim(&store, "bad", NOW).await.remove(0);
    record(&store, &bad, 410, Fate::Dead).await;

    let step = Purge::new(NOW - 9 * DAY, NOW - 7 * DAY, NOW, 100);
    assert_eq!(purge(&store, step).await, (2, 1));
    assert_eq!(ids(&store).await, [waits, dead, fresh]);
    assert!(arrived < waits && unrouted < fresh);
    assert_eq!(deliveries(&store).await.len(), 5, "what arrived went with its message");
    // A dead letter goes at its own time, and its message with it.
    let step = Purge::new(NOW - 9 * DAY, NOW - 7 * DAY, NOW + 1, 100);
    assert_eq!(purge(&store, step).await, (2, 1));
    assert_eq!(ids(&store).await, [waits, fresh]);
    assert_eq!(claim(&store, "slow", NOW).await.len(), 1, "what waits is whole");
}

#[tokio::test]
async fn a_replayed_dead_letter_waits_again() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    old(&store, "a", 9, &["r"]).await;
    let claimed = claim(&store, "r", NOW).await.remove(0);
    record(&store, &claimed, 410, Fate::Dead).await;
    assert!(store.replay(claimed.id, NOW).await.unwrap());
    let all = Purge::new(NOW - 9 * DAY, NOW, NOW + 1, 100);
    assert_eq!(purge(&store, all).await.0, 0);
    let again = claim(&store, "r", NOW).await.remove(0);
    record(&store, &again, 200, Fate::Delivered).await;
    assert_eq!(purge(&store, all).await.0, 1);
    assert!(deliveries(&store).await.is_empty());
    record(&store, &again, 200, Fate::Delivered).await;
    assert!(deliveries(&store).await.is_empty(), "what is forgotten isn't remembered again");
}

#[tokio::test]
async fn a_step_is_small_and_what_stays_stands_in_nobodys_way() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let mut stays = Vec::new();
    for n in 0..23 {
        let route = if n < 12 || n == 20 { "waits" } else { "good" };
        let id = old(&store, &format!("{n}"), 9, &[route]).await;
        if route == "waits" {
            stays.push(id);
        }
    }
    for claimed in claim(&store, "good", NOW).await {
        record(&store, &claimed, 200, Fate::Delivered).await;
    }
    let first = store.purge(Purge::new(NOW - 9 * DAY, NOW, NOW, 5)).await.unwrap();
    assert_eq!(first.rows, 0, "the first five wait");
    let (rows, steps) = purge(&store, first.next.unwrap()).await;
    assert_eq!((rows, steps), (10, 4));
    assert_eq!(ids(&store).await, stays);
    assert_eq!(purge(&store, Purge::new(NOW - 9 * DAY, NOW, NOW, 5)).await, (0, 3), "and from the start");
}

#[tokio::test]
async fn what_stays_is_not_looked_at_again_until_a_new_round() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let waits = old(&store, "waits", 9, &["r"]).await;
    let all = Purge::new(NOW - 9 * DAY, NOW, NOW + 1, 100);
    let seen = store.purge(all).await.unwrap().seen;
    let later = old(&store, "later", 8, &[]).await;
    for claimed in claim(&store, "r", NOW).await {
        record(&store, &claimed, 200, Fate::Delivered).await;
    }
    let purged = store.purge(all.after(seen)).await.unwrap();
    assert_eq!((purged.rows, ids(&store).await), (1, vec![waits]), "{later} came after it");
    assert_eq!(store.purge(all.after(purged.seen)).await.unwrap().rows, 0);
    assert_eq!(store.purge(all.after(Seen::default())).await.unwrap().rows, 1);
    assert_eq!(ids(&store).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_dead_letters_message_goes_with_it_though_it_was_passed_over() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let (one, two) = (old(&store, "one", 9, &["bad"]).await, old(&store, "two", 9, &["bad", "slow"]).await);
    for claimed in claim(&store, "bad", NOW).await {
        record(&store, &claimed, 410, Fate::Dead).await;
    }
    let kept = Purge::new(NOW - 9 * DAY, NOW - 7 * DAY, NOW, 100);
    let seen = store.purge(kept).await.unwrap().seen;
    assert_eq!(ids(&store).await, [one, two]);
    let forgotten = Purge::new(NOW - 9 * DAY, NOW - 7 * DAY, NOW + 1, 100);
    assert_eq!(store.purge(forgotten.after(seen)).await.unwrap().rows, 3);
    assert_eq!(ids(&store).await, [two], "something of it waits");
}

#[tokio::test]
async fn what_need_not_be_remembered_goes() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for n in 0..8u8 {
        let until = NOW + i64::from(n);
        let event = message(&store, &format!("{n}"), &[]);
        keep(&store, NewEvent { remembered_until: until, ..event }).await;
        store.keep_signature(&format!("{n}"), NOW, until).await.unwrap();
        store.keep_once_answer([n; 32], b"answer", until).await.unwrap();
        let binding = Binding { key: [n; 32], digest: [n; 32], again_until: until, expires_at: until };
        store.bind(binding, NOW - 1).await.unwrap();
    }
    let nothing_old = |now| Purge::new(now, 0, 0, 3);
    assert_eq!(purge(&store, nothing_old(NOW - 1)).await, (0, 1));
    assert_eq!(purge(&store, nothing_old(NOW + 3)).await, (16, 2));
    assert_eq!(store.once_answer([4; 32], NOW).await.unwrap().unwrap(), b"answer");
    assert_eq!(store.once_answer([3; 32], NOW).await.unwrap(), None);
    assert_eq!(purge(&store, nothing_old(NOW + 9)).await, (16, 2));
    assert_eq!(ids(&store).await.len(), 8, "messages go by their own age");
}
