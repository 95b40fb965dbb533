//! Lists for people: newest first, by every filter, page by page.

use futures_util::future::join_all;

use super::*;
use crate::store::{DeadGroup, Event, EventQuery, GroupQuery, Status};

/// Texts and scans of two apps and two users; the ids, oldest first.
async fn filled(store: &Store) -> Vec<i64> {
    let mut ids = Vec::new();
    for n in 0..12_i64 {
        let is_scan = n % 3 == 0;
        let (appid, content) = (format!("wx{}", n % 2), format!("{n}"));
        let event = NewEvent {
            digest: store.message_digest(&appid, content.as_bytes()),
            appid,
            openid: format!("o{}", n % 4),
            msg_type: if is_scan { "event" } else { "text" }.to_owned(),
            event: if is_scan { "SCAN" } else { "" }.to_owned(),
            scene: if is_scan { format!("login_{}", n % 2) } else { String::new() },
            msg_id: if is_scan { String::new() } else { format!("id {}", n % 5) },
            received_at: NOW + n,
            ..message(store, &content, &["a", "b"])
        };
        ids.push(keep(store, event).await.0.id);
    }
    ids
}

#[tokio::test]
async fn events_by_every_filter() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let ids = filled(&store).await;
    let some = |text: &str| Some(text.to_owned());
    let all = || EventQuery { limit: 100, ..EventQuery::default() };
    let cases: Vec<(EventQuery, &[usize])> = vec![
        (all(), &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (EventQuery { appid: some("wx1"), ..all() }, &[11, 9, 7, 5, 3, 1]),
        (EventQuery { openid: some("o2"), ..all() }, &[10, 6, 2]),
        (EventQuery { event: some("scan"), ..all() }, &[9, 6, 3, 0]),
        (EventQuery { event: some("Text"), appid: some("wx0"), ..all() }, &[10, 8, 4, 2]),
        (EventQuery { event: some("event"), ..all() }, &[]),
        (EventQuery { scene: some("login_1"), appid: some("wx1"), ..all() }, &[9, 3]),
        (EventQuery { scene: some("login_1"), appid: some("wx0"), ..all() }, &[]),
        (EventQuery { scene: some(""), ..all() }, &[]),
        (EventQuery { msg_id: some("id 1"), appid: some("wx1"), ..all() }, &[11, 1]),
        (EventQuery { from: Some(NOW + 10), ..all() }, &[11, 10]),
        (EventQuery { to: Some(NOW + 2), ..all() }, &[1, 0]),
        (EventQuery { from: Some(NOW + 4), to: Some(NOW + 6), openid: some("o1"), ..all() }, &[5]),
        (EventQuery { before: Some(ids[2]), ..all() }, &[1, 0]),
        (EventQuery { before: Some(ids[9]), limit: 2, ..all() }, &[8, 7]),
        (EventQuery { id: Some(ids[5]), ..all() }, &[5]),
        (EventQuery { id: Some(ids[11] + 1), ..all() }, &[]),
        (EventQuery { limit: 0, ..all() }, &[]),
    ];
    for (query, expected) in cases {
        let text = format!("{query:?}");
        let found: Vec<i64> = store.events(query).await.unwrap().iter().map(|event| event.id).collect();
        let expected: Vec<i64> = expected.iter().map(|index| ids[*index]).collect();
        assert_eq!(found, expected, "{text}");
    }
    let found = store.events(EventQuery { id: Some(ids[9]), ..all() }).await.unwrap().remove(0);
    let Event { appid, openid, msg_type, event, received_at, deliveries, .. } = found;
    assert_eq!((&*appid, &*openid, &*msg_type, &*event), ("wx1", "o1", "event", "SCAN"));
    assert_eq!(received_at, NOW + 9);
    let routes: Vec<&str> = deliveries.iter().map(|delivery| delivery.route.as_str()).collect();
    assert_eq!(routes, ["a", "b"], "in their order");
}

#[tokio::test]
async fn deliveries_by_every_filter() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let events = filled(&store).await;
    // Of route a four arrive, four die and four wait; route b only waits.
    for (n, claimed) in claim(&store, "a", NOW).await.iter().enumerate() {
        match n % 3 {
            0 => record(&store, claimed, 200, Fate::Delivered).await,
            1 => record(&store, claimed, 410, Fate::Dead).await,
            _ => record(&store, claimed, 503, Fate::Retry(NOW + 5)).await,
        }
    }
    let all = || DeliveryQuery { limit: 100, ..DeliveryQuery::default() };
    let a = || Some("a".to_owned());
    let found = store.deliveries(all()).await.unwrap();
    let ids: Vec<i64> = found.iter().map(|delivery| delivery.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]) && ids.len() == 24);
    let count = async |query| store.deliveries(query).await.unwrap().len();
    for (status, of_a, of_all) in [(Status::Delivered, 4, 4), (Status::Dead, 4, 4), (Status::Pending, 4, 16)]
    {
        assert_eq!(count(DeliveryQuery { status: Some(status), route: a(), ..all() }).await, of_a);
        let found = store.deliveries(DeliveryQuery { status: Some(status), ..all() }).await.unwrap();
        assert_eq!(found.len(), of_all);
        assert!(found.iter().all(|delivery| delivery.status == status));
    }
    assert_eq!(count(DeliveryQuery { route: a(), ..all() }).await, 12);
    assert_eq!(count(DeliveryQuery { route: Some("c".to_owned()), ..all() }).await, 0);
    let one = store.deliveries(DeliveryQuery { event_id: Some(events[2]), ..all() }).await.unwrap();
    let shown: Vec<_> =
        one.iter().map(|d| (d.route.as_str(), d.status.as_str(), d.next_at, d.attempts.len())).collect();
    assert_eq!(shown, [("b", "pending", Some(NOW), 0), ("a", "pending", Some(NOW + 5), 1)]);
    assert!(one.iter().all(|delivery| delivery.event_id == events[2]));
    assert_eq!((one[1].attempts[0].status, one[1].attempts[0].ms), (503, 7));
    for odd in [0, -1, i64::MAX, i64::MIN] {
        assert_eq!(count(DeliveryQuery { event_id: Some(odd), ..all() }).await, 0);
    }
    // Page by page it is the same list, whatever waits and whatever has ended.
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = store.deliveries(DeliveryQuery { before, limit: 5, ..all() }).await.unwrap();
        paged.extend(page.iter().map(|delivery| delivery.id));
        before = paged.last().copied();
        if page.len() < 5 {
            break;
        }
    }
    assert_eq!(paged, ids);
}

#[tokio::test]
async fn an_event_shows_some_of_its_deliveries_and_all_are_to_be_had() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let names: Vec<String> = (0..30).map(|n| format!("{n:02}")).collect();
    let routes: Vec<&str> = names.iter().map(String::as_str).collect();
    let (kept, _) = keep(&store, message(&store, "a", &routes)).await;
    keep(&store, message(&store, "b", &["x"])).await;
    let query = EventQuery { id: Some(kept.id), limit: 1, ..EventQuery::default() };
    let event = store.events(query).await.unwrap().remove(0);
    assert_eq!(event.deliveries.len(), 20);
    let query = DeliveryQuery { event_id: Some(kept.id), limit: 100, ..DeliveryQuery::default() };
    assert_eq!(store.deliveries(query).await.unwrap().len(), 30);
}

#[tokio::test]
async fn a_users_messages_are_found_however_many_stand_between() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 0..9 {
        let kept =
            keep(&store, NewEvent { openid: "often".to_owned(), ..message(&store, &format!("{n}"), &[]) });
        ids.push(kept.await.0.id);
        let others = (0..1000).map(|other| accept(&store, message(&store, &format!("{n} {other}"), &[])));
        join_all(others).await;
    }
    ids.reverse();
    let all = EventQuery { openid: Some("often".to_owned()), limit: 100, ..EventQuery::default() };
    let listed = async |query: EventQuery| -> Vec<i64> {
        store.events(query).await.unwrap().iter().map(|event| event.id).collect()
    };
    assert_eq!(listed(all.clone()).await, ids);
    assert_eq!(listed(EventQuery { limit: 4, ..all.clone() }).await, ids[..4]);
    assert_eq!(listed(EventQuery { before: Some(ids[3]), limit: 4, ..all.clone() }).await, ids[4..8]);
    assert_eq!(listed(EventQuery { before: Some(ids[8]), ..all.clone() }).await, [0; 0]);
    assert_eq!(listed(EventQuery { id: Some(ids[8]), ..all.clone() }).await, ids[8..]);
    for odd in [0, -1, i64::MAX, i64::MIN] {
        let found = listed(EventQuery { before: Some(odd), ..all.clone() }).await;
        assert_eq!(found, if odd == i64::MAX { &ids[..] } else { &[] });
    }
}

#[tokio::test]
async fn events_by_what_became_of_them_and_dead_letters_in_groups() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(keep(&store, message(&store, &format!("{n}"), &["a", "b"])).await.0.id);
    }
    // By a: two die, one arrives, one waits. By b all wait.
    let (claimed, _) = store.claim("a", NOW, 9, NOW + WHILE).await.unwrap();
    for (claimed, status) in claimed.iter().zip([502, 502, 200]) {
        let fate = if status == 200 { Fate::Delivered } else { Fate::Dead };
        let error = if status == 200 { "" } else { "HTTP 502" };
        let attempt = Attempt { at: NOW, status, ms: 1, error: error.to_owned(), answer: Vec::new() };
        store.record(claimed, attempt, fate, NOW + claimed.event_id).await.unwrap();
    }
    let found = async |status: Option<Status>, route: Option<&str>| -> Vec<i64> {
        let query = EventQuery { limit: 9, status, route: route.map(str::to_owned), ..EventQuery::default() };
        store.events(query).await.unwrap().into_iter().map(|event| event.id).collect()
    };
    let all = |places: &[usize]| places.iter().map(|place| ids[*place]).collect::<Vec<_>>();
    assert_eq!(found(Some(Status::Dead), None).await, all(&[1, 0]));
    assert_eq!(found(Some(Status::Dead), Some("b")).await, all(&[]));
    assert_eq!(found(Some(Status::Delivered), Some("a")).await, all(&[2]));
    assert_eq!(found(Some(Status::Pending), Some("a")).await, all(&[3]));
    assert_eq!(found(Some(Status::Pending), None).await, all(&[3, 2, 1, 0]));
    assert_eq!(found(None, Some("a")).await, all(&[3, 2, 1, 0]));
    assert_eq!(found(None, Some("c")).await, all(&[]));

    let groups = store.dead_groups(GroupQuery::default()).await.unwrap();
    let expected = DeadGroup {
        route: "a".to_owned(),
        status: 502,
        error: "HTTP 502".to_owned(),
        count: 2,
        oldest: NOW + ids[0],
        newest: NOW + ids[1],
    };
    assert_eq!(groups, [expected]);
    for query in [
        GroupQuery { route: Some("b".to_owned()), ..GroupQuery::default() },
        GroupQuery { from: Some(NOW + ids[1] + 1), ..GroupQuery::default() },
        GroupQuery { to: Some(NOW + ids[0]), ..GroupQuery::default() },
    ] {
        assert!(store.dead_groups(query).await.unwrap().is_empty());
    }
}
