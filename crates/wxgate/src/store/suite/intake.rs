//! Messages are kept once, and only once.

use futures_util::future::join_all;

use super::*;
use crate::store::{EventQuery, StoreError};

async fn ids(store: &Store) -> Vec<i64> {
    let query = EventQuery { limit: 10_000, ..EventQuery::default() };
    store.events(query).await.unwrap().iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn equal_messages_at_once_are_kept_once() {
    let fixture = Fixture::bounded(Limits { group: 7, ..Limits::default() });
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let (one, two) = (&store, &other);
    let sent = (0..400).map(|n| {
        let store = if n % 2 == 0 { one } else { two };
        async move { accept(store, message(store, &format!("{}", n / 8), &["r"])).await }
    });
    let (mut new, mut again) = (Vec::new(), Vec::new());
    for accepted in join_all(sent).await {
        match accepted {
            Accepted::New { event, deliveries } => {
                assert_eq!(deliveries.len(), 1);
                new.push(event);
            }
            Accepted::Duplicate { event, answer, .. } => {
                assert_eq!(answer, None);
                again.push(event);
            }
            Accepted::SignatureReused => panic!("without a signature"),
        }
    }
    assert_eq!((new.len(), again.len()), (50, 350));
    assert!(again.iter().all(|event| new.contains(event)), "each duplicate is one of those that are kept");
    assert_eq!((ids(&store).await.len(), claim(&store, "r", NOW).await.len()), (50, 50));
}

#[tokio::test]
async fn what_is_kept_comes_back_to_the_byte_and_its_duplicates_get_its_answer() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let content = "<xml>\0\u{fffd}你好</xml>";
    let (kept, delivered) = keep(&store, message(&store, content, &["r", "s"])).await;
    assert_eq!(store.event_body(kept.id).await.unwrap().unwrap(), content.as_bytes());
    assert_eq!(store.event_body(kept.id + 1).await.unwrap(), None);
    let claimed = claim(&store, "r", NOW).await.remove(0);
    assert_eq!((claimed.id, claimed.event_id, claimed.attempt), (delivered[0], kept.id, 1));
    assert_eq!((&claimed.body[..], claimed.event_name), (content.as_bytes(), kept.name()));
    assert_eq!((&*claimed.appid, claimed.received_at), ("wx1", NOW));

    store.keep_answer(&kept, b"the answer").await.unwrap();
    store.close().await;
    let store = fixture.open().await;
    match accept(&store, message(&store, content, &["r"])).await {
        Accepted::Duplicate { event, answer, .. } => {
            assert_eq!((event, answer.as_deref()), (kept, Some(&b"the answer"[..])));
        }
        other => panic!("{other:?}"),
    }
    // Made at another second, it is another one; whatever the second is.
    for create_time in [0, -1, 1, i64::from(u32::MAX), i64::MAX] {
        let event = NewEvent { create_time, ..message(&store, content, &[]) };
        let is_new = matches!(accept(&store, event).await, Accepted::New { .. });
        assert_eq!(is_new, create_time != -1 && create_time != i64::MAX, "{create_time}: 0 stands for none");
    }
}

#[tokio::test]
async fn a_duplicate_is_one_for_its_time() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let at = |received_at| {
        let event = message(&store, "a", &[]);
        NewEvent { received_at, remembered_until: received_at + WHILE, ..event }
    };
    let (first, _) = keep(&store, at(NOW)).await;
    store.keep_answer(&first, b"first").await.unwrap();
    // Each time it comes it is remembered for longer.
    assert!(matches!(accept(&store, at(NOW + WHILE - 1)).await, Accepted::Duplicate { .. }));
    assert!(matches!(accept(&store, at(NOW + 2 * WHILE - 2)).await, Accepted::Duplicate { .. }));
    let (second, _) = keep(&store, at(NOW + 4 * WHILE)).await;
    assert!(second.id > first.id);
    // The answer of the one before isn't this one's, even if it comes only now.
    store.keep_answer(&first, b"first").await.unwrap();
    match accept(&store, at(NOW + 4 * WHILE)).await {
        Accepted::Duplicate { event, answer, .. } => assert_eq!((event, answer), (second, None)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plain_signature_is_good_for_one_body() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let signed = |content: &str, signature: &str, is_plain, received_at| NewEvent {
        signature: Some(signature.to_owned()),
        is_plain,
        received_at,
        remembered_until: received_at + WHILE,
        spent_until: received_at + WHILE,
        ..message(&store, content, &["r"])
    };
    let is = |accepted: &Accepted| match accepted {
        Accepted::New { .. } => "new",
        Accepted::Duplicate { .. } => "duplicate",
        Accepted::SignatureReused => "reused",
    };
    store.keep_signature("of a GET", NOW, NOW + WHILE).await.unwrap();
    for (content, signature, is_plain, expected) in [
        ("a", "1", true, "new"),
        ("a", "1", true, "duplicate"),
        ("b", "1", true, "reused"),
        ("a", "2", true, "duplicate"),
        ("c", "of a GET", true, "reused"),
        // Beside an encrypted message it is good for no plain one.
        ("d", "3", false, "new"),
        ("e", "3", false, "new"),
        ("f", "3", true, "reused"),
        ("g", "1", false, "new"),
    ] {
        let accepted = accept(&store, signed(content, signature, is_plain, NOW)).await;
        assert_eq!(is(&accepted), expected, "{content} {signature}");
    }
    store.keep_signature("1", NOW, NOW + WHILE).await.unwrap();
    assert_eq!(is(&accept(&store, signed("a", "1", true, NOW)).await), "duplicate", "the first use stands");
    store.close().await;
    let store = fixture.open().await;
    let later = |at| {
        let event = message(&store, "h", &[]);
        let signature = Some("1".to_owned());
        NewEvent {
            signature,
            is_plain: true,
            received_at: at,
            remembered_until: at + WHILE,
            spent_until: at + WHILE,
            ..event
        }
    };
    assert_eq!(is(&accept(&store, later(NOW + WHILE - 1)).await), "reused");
    assert_eq!(is(&accept(&store, later(NOW + WHILE)).await), "new", "its time is over");
    assert_eq!(deliveries(&store).await.len(), 4, "what was refused left nothing");
}

#[tokio::test]
async fn a_signature_may_be_spent_for_longer_than_its_message_is_known() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let sent = |at: i64| NewEvent {
        signature: Some("1".to_owned()),
        is_plain: true,
        received_at: at,
        remembered_until: at + WHILE,
        spent_until: NOW + 1000 * WHILE,
        ..message(&store, "a", &["r"])
    };
    assert!(matches!(accept(&store, sent(NOW)).await, Accepted::New { .. }));
    assert!(matches!(accept(&store, sent(NOW + WHILE - 1)).await, Accepted::Duplicate { .. }));
    for at in [NOW + 2 * WHILE, NOW + 999 * WHILE] {
        assert!(matches!(accept(&store, sent(at)).await, Accepted::SignatureReused), "{at}");
    }
    assert!(matches!(accept(&store, sent(NOW + 1000 * WHILE)).await, Accepted::New { .. }));
    assert_eq!(deliveries(&store).await.len(), 2);
}

#[tokio::test]
async fn of_one_signature_at_once_only_one_body_gets_through() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let sent = (0..40).map(|n| {
        let event = message(&store, &format!("{n}"), &[]);
        accept(&store, NewEvent { signature: Some("same".to_owned()), is_plain: true, ..event })
    });
    let accepted = join_all(sent).await;
    let new = accepted.iter().filter(|accepted| matches!(accepted, Accepted::New { .. })).count();
    let reused = accepted.iter().filter(|accepted| matches!(accepted, Accepted::SignatureReused)).count();
    assert_eq!((new, reused), (1, 39));
}

#[tokio::test]
async fn ids_ascend_in_the_order_of_commits() {
    let fixture = Fixture::bounded(Limits { group: 3, ..Limits::default() });
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let (one, two) = (&store, &other);
    let written = join_all((0..300).map(|n| {
        let store = if n % 2 == 0 { one } else { two };
        async move { keep(store, message(store, &format!("{n}"), &[])).await }
    }));
    // Whoever reads on from the last id it saw misses none.
    let read = async {
        let mut seen: Vec<i64> = Vec::new();
        while seen.len() < 300 {
            let now = ids(&store).await;
            let new: Vec<i64> = now.into_iter().rev().filter(|id| !seen.contains(id)).collect();
            assert!(new.first() > seen.last() || new.is_empty(), "{new:?} after {:?}", seen.last());
            seen.extend(new);
        }
        seen
    };
    let (written, seen) = tokio::join!(written, read);
    let mut ids: Vec<i64> = written.iter().map(|(event, _)| event.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, seen);
    store.close().await;
    let store = fixture.open().await;
    assert!(keep(&store, message(&store, "later", &[])).await.0.id > ids[299]);
}

#[tokio::test]
async fn an_odd_message_spoils_no_other() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let long = "x".repeat(70_000);
    let odd = |n: usize| NewEvent {
        openid: ["\0", "o\u{0}1", &long, "😀", "'; drop table events"][n % 5].to_owned(),
        ..message(&store, &format!("odd {n}"), &["r\0"])
    };
    let too_many = NewEvent {
        deliveries: vec![NewDelivery { route: "r".to_owned(), next_at: NOW, leased: false }; 65_537],
        ..message(&store, "too many", &[])
    };
    let plain = join_all((0..100).map(|n| accept(&store, message(&store, &format!("{n}"), &["r"]))));
    // A backend may refuse one of these for itself.
    let odd = join_all((0..5).map(|n| {
        let (store, odd) = (&store, odd(n));
        async move { Store::accept(store, &odd).await }
    }));
    let (plain, odd, too_many) = tokio::join!(plain, odd, Store::accept(&store, &too_many));
    assert!(plain.iter().all(|accepted| matches!(accepted, Accepted::New { .. })));
    assert!(matches!(too_many, Err(StoreError::Unavailable(_))));
    let taken = odd.iter().filter(|accepted| accepted.is_ok()).count();
    assert_eq!(ids(&store).await.len(), 100 + taken);
    assert_eq!(claim(&store, "r", NOW).await.len(), 100);
}
