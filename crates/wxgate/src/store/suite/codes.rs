//! Codes and who scanned them; what was sent and its receipts.

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::store::{Code, NewCode, Purge, Scan, SentMessage};

const TICKET: &str = "gQH47joAAAAAAAAAASxodHRwOi8==";

fn new(ticket: &str) -> NewCode<'_> {
    NewCode {
        ticket,
        appid: "wx1",
        caller: "shop",
        flow_id: "f",
        scene: "login_1",
        made_at: NOW,
        ends_at: Some(NOW + WHILE),
        kept_for: WHILE,
    }
}

async fn code(store: &Store, ticket: &str) -> Code {
    store.code_of_ticket(ticket).await.unwrap().unwrap()
}

/// Somebody scans a code `after` so many seconds.
fn scan(store: &Store, openid: &str, after: i64) -> NewEvent {
    let at = NOW / 1000 + after;
    NewEvent {
        openid: openid.to_owned(),
        msg_type: "event".to_owned(),
        event: "scan".to_owned(),
        ticket: TICKET.to_owned(),
        create_time: at,
        received_at: NOW + after * 1000,
        remembered_until: NOW + after * 1000 + WHILE,
        ..message(store, &format!("{openid} {after}"), &["a"])
    }
}

fn said(openid: &str, after: i64) -> Option<Scan> {
    let (openid, event) = (openid.to_owned(), "SCAN".to_owned());
    Some(Scan { openid, event, at: (NOW / 1000 + after) * 1000 })
}

#[tokio::test]
async fn of_a_code_that_ends_the_first_scan_counts() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    assert!(store.keep_code(new(TICKET)).await.unwrap());
    let made = code(&store, TICKET).await;
    let shown =
        (made.appid.as_str(), made.caller.as_str(), made.scene.as_str(), made.ends_at, made.scan.as_ref());
    assert_eq!(shown, ("wx1", "shop", "login_1", Some(NOW + WHILE), None));
    // Another account's, another code's, and a message that only has one.
    keep(&store, NewEvent { appid: "wx2".to_owned(), ..scan(&store, "o0", 1) }).await;
    keep(&store, NewEvent { ticket: "other".to_owned(), ..scan(&store, "o0", 2) }).await;
    keep(&store, NewEvent { ticket: String::new(), ..scan(&store, "o0", 3) }).await;
    assert_eq!(code(&store, TICKET).await.scan, None);

    let mut sleeper = store.scans(&made);
    keep(&store, scan(&store, "o1", 5)).await;
    assert!(sleeper.woken().now_or_never().is_some(), "whoever waits is woken");
    assert_eq!(code(&other, TICKET).await.scan, said("o1", 5));
    keep(&other, scan(&other, "o2", 4)).await;
    keep(&store, NewEvent { event: "subscribe".to_owned(), ..scan(&store, "o3", 6) }).await;
    assert!(matches!(accept(&store, scan(&store, "o2", 4)).await, Accepted::Duplicate { .. }));
    assert_eq!(code(&store, TICKET).await.scan, said("o1", 5));
    assert_eq!(store.code(made.key).await.unwrap(), Some(code(&store, TICKET).await));
}

#[tokio::test]
async fn one_that_comes_after_the_end_counts_for_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    store.keep_code(new(TICKET)).await.unwrap();
    keep(&store, NewEvent { received_at: NOW + WHILE + 1, ..scan(&store, "o1", 61) }).await;
    assert_eq!(code(&store, TICKET).await.scan, None);
    keep(&store, scan(&store, "o2", 60)).await;
    assert_eq!(code(&store, TICKET).await.scan, said("o2", 60));
    // It is forgotten with the rest, after its time.
    let forget = async |now| {
        store.purge(Purge::new(now, 0, 0, 10)).await.unwrap();
        store.code_of_ticket(TICKET).await.unwrap().is_none()
    };
    assert_eq!((forget(NOW + 2 * WHILE - 1).await, forget(NOW + 2 * WHILE).await), (false, true));
}

#[tokio::test]
async fn of_a_permanent_code_the_latest_scan_counts() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let permanent = || NewCode { ends_at: None, ..new(TICKET) };
    assert!(store.keep_code(permanent()).await.unwrap());
    for (openid, after, latest) in [("o1", 5, "o1"), ("o2", 9, "o2"), ("o3", 7, "o2"), ("o4", 9, "o4")] {
        keep(&store, scan(&store, openid, after)).await;
        assert_eq!(code(&store, TICKET).await.scan.unwrap().openid, latest);
    }
    let event = NewEvent { event: "SUBSCRIBE".to_owned(), ..scan(&store, "o5", 1_000_000) };
    keep(&store, event).await;
    assert_eq!(code(&store, TICKET).await.scan.unwrap().event, "subscribe");
    // Made again it is the same; made by another it stays the first one's.
    assert!(store.keep_code(NewCode { flow_id: "g", ..permanent() }).await.unwrap());
    assert!(!store.keep_code(NewCode { caller: "crm", flow_id: "h", ..permanent() }).await.unwrap());
    assert!(!store.keep_code(NewCode { appid: "wx2", ..permanent() }).await.unwrap());
    let kept = code(&store, TICKET).await;
    assert_eq!((&kept.caller[..], &kept.scan.unwrap().openid[..]), ("shop", "o5"));
    let named =
        async |caller: &str, flow_id: &str| store.code_of_flow(caller, flow_id).await.unwrap().is_some();
    assert_eq!(
        (named("shop", "g").await, named("shop", "f").await, named("crm", "h").await),
        (true, false, false)
    );
}

#[tokio::test]
async fn of_scans_in_one_group_the_first_committed_counts_and_of_a_permanent_code_the_latest() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    for (round, ends_at) in [(0, Some(NOW + WHILE)), (100, None)] {
        let ticket = format!("ticket {round}");
        store.keep_code(NewCode { ends_at, ..new(&ticket) }).await.unwrap();
        let scans = (0..40).map(|n| {
            let store = if n % 2 == 0 { &store } else { &other };
            let event = NewEvent {
                ticket: ticket.clone(),
                // Neither in the order of time nor against it.
                create_time: NOW / 1000 + (n * 7) % 40,
                ..scan(store, &format!("o{n}"), round)
            };
            async move { (keep(store, event).await.0.id, n) }
        });
        let kept = join_all(scans).await;
        let first = kept.iter().min().unwrap().1;
        let latest = (0..40).max_by_key(|n| (n * 7) % 40).unwrap();
        let counts = if ends_at.is_some() { first } else { latest };
        assert_eq!(code(&store, &ticket).await.scan.unwrap().openid, format!("o{counts}"), "{ends_at:?}");
    }
}

#[tokio::test]
async fn a_callers_newest_code_is_found_by_what_it_calls_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for (ticket, caller, made_at) in
        // Two in the same millisecond, and one after the clock was set back.
        [("a", "shop", NOW + 2), ("b", "shop", NOW + 2), ("c", "shop", NOW), ("d", "crm", NOW)]
    {
        store.keep_code(NewCode { caller, made_at, scene: ticket, ..new(ticket) }).await.unwrap();
    }
    let found = async |caller: &str, flow_id: &str| {
        store.code_of_flow(caller, flow_id).await.unwrap().map(|code| code.scene)
    };
    assert_eq!(found("shop", "f").await.as_deref(), Some("c"));
    assert_eq!(found("crm", "f").await.as_deref(), Some("d"));
    assert_eq!((found("shop", "g").await, found("x", "f").await), (None, None));
    store.keep_code(NewCode { flow_id: "", ..new("e") }).await.unwrap();
    assert_eq!(found("shop", "").await, None, "without a name none is meant");
}

#[tokio::test]
async fn the_latest_receipt_of_a_message_is_found_and_who_sent_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let sent = |msgid: &str, caller: &str| SentMessage {
        appid: "wx1".to_owned(),
        msgid: msgid.to_owned(),
        caller: caller.to_owned(),
        sent_at: NOW,
        expires_at: NOW + WHILE,
    };
    store.keep_sent(vec![sent("1", "shop"), sent("2", "crm"), sent("1", "crm")]).await.unwrap();
    store.keep_sent(vec![sent("2", "shop")]).await.unwrap();
    store.keep_sent(Vec::new()).await.unwrap();
    let receipt = |n: usize, event: &str, msgid: &str| NewEvent {
        msg_type: "event".to_owned(),
        event: event.to_owned(),
        msg_id: msgid.to_owned(),
        ..message(&store, &format!("receipt {n}"), &[])
    };
    for (n, event, msgid) in [
        (1, "TEMPLATESENDJOBFINISH", "1"),
        (2, "TEMPLATESENDJOBFINISH", "1"),
        (3, "CLICK", "1"),
        (4, "subscribe_msg_sent_event", "3"),
        (5, "TEMPLATESENDJOBFINISH", ""),
    ] {
        keep(&store, receipt(n, event, msgid)).await;
    }
    let other = NewEvent { appid: "wx2".to_owned(), ..receipt(6, "TEMPLATESENDJOBFINISH", "1") };
    let other = NewEvent { digest: store.message_digest("wx2", &other.body), ..other };
    keep(&store, other).await;
    let found = async |appid: &str, msgid: &str| {
        let (caller, body) = store.receipt(appid, msgid).await.unwrap();
        (caller, body.map(|body| String::from_utf8(body).unwrap()))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found("wx1", "1").await, (some("shop"), some("receipt 2")));
    assert_eq!(found("wx1", "2").await, (some("crm"), None));
    assert_eq!(found("wx1", "3").await, (None, some("receipt 4")));
    assert_eq!(found("wx2", "1").await, (None, some("receipt 6")));
    assert_eq!(found("wx1", "").await, (None, None));
}
