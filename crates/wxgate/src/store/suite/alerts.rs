//! What is amiss, on one node and on several; what WeChat said of quotas.

use super::*;
use crate::store::{AlertRow, Deaths, SeenAlert, WxQuota};

fn seen(id: &str, since: i64) -> SeenAlert {
    SeenAlert { id: id.to_owned(), since, value: format!("{{\"id\":\"{id}\"}}") }
}

/// Conditions that aren't closed: which, whether they ended, whether they were told.
async fn open(store: &Store) -> Vec<(String, Option<i64>, Option<i64>)> {
    let rows = store.open_alerts().await.unwrap();
    rows.into_iter().map(|row| (row.id, row.ended_at, row.told_at)).collect()
}

#[tokio::test]
async fn a_condition_begins_goes_on_ends_and_is_closed() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let (a, b) = ("a".to_owned(), "b".to_owned());
    store.see_alerts(vec![seen("a", NOW - 5), seen("b", NOW)], NOW).await.unwrap();
    store.told_alerts(vec![a.clone()], NOW + 1).await.unwrap();
    assert_eq!(open(&store).await, [(a.clone(), None, Some(NOW + 1)), (b.clone(), None, None)]);
    // At the same moment one of them isn't there any more; and then it is again.
    store.see_alerts(vec![seen("a", NOW + 7)], NOW).await.unwrap();
    assert_eq!(open(&store).await[1], (b.clone(), Some(NOW), None));
    store.see_alerts(vec![seen("a", NOW + 7), seen("b", NOW + 9)], NOW + 10).await.unwrap();
    let rows = store.open_alerts().await.unwrap();
    let expected = AlertRow {
        id: b.clone(),
        node: store.node(),
        since: NOW,
        seen_at: NOW + 10,
        ended_at: None,
        muted_until: 0,
        told_at: None,
        closed_at: None,
        value: "{\"id\":\"b\"}".to_owned(),
    };
    assert_eq!((rows[0].since, &rows[1]), (NOW - 5, &expected));
    // What is seen isn't closed.
    store.see_alerts(vec![seen("b", NOW)], NOW + 20).await.unwrap();
    store.close_alerts(vec![a.clone(), b.clone()], NOW + 30, 0).await.unwrap();
    assert_eq!(open(&store).await, [(b.clone(), None, None)]);
    let past = store.past_alerts(None, 10).await.unwrap();
    assert_eq!((past.len(), past[0].id.as_str(), past[0].closed_at), (1, "a", Some(NOW + 30)));
    // It comes again, even since the same moment: that is another.
    store.see_alerts(vec![seen("a", NOW - 5), seen("b", NOW)], NOW + 40).await.unwrap();
    assert_eq!(open(&store).await, [(a.clone(), None, None), (b, None, None)]);
    store.see_alerts(Vec::new(), NOW + 50).await.unwrap();
    store.close_alerts(vec![a], NOW + 60, NOW + 61).await.unwrap();
    store.close_alerts(Vec::new(), NOW + 70, NOW + 61).await.unwrap();
    let left = store.past_alerts(None, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["b"], "the other is forgotten");
}

#[tokio::test]
async fn what_ended_is_read_in_pages_and_silence_is_for_what_is_open() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let all = ["a", "b", "c"].map(|id| seen(id, NOW));
    store.see_alerts(all.to_vec(), NOW).await.unwrap();
    assert!(store.mute_alert("b", NOW + 100).await.unwrap());
    assert!(!store.mute_alert("d", NOW + 100).await.unwrap());
    store.see_alerts(all[..1].to_vec(), NOW + 1).await.unwrap();
    store.see_alerts(Vec::new(), NOW + 2).await.unwrap();
    let first = store.past_alerts(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let last = (first[1].ended_at.unwrap(), first[1].node, first[1].id.clone());
    let second = store.past_alerts(Some(last), 2).await.unwrap();
    assert_eq!(second.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["b"]);
    // Silence goes on when the condition comes again.
    store.close_alerts(vec!["b".to_owned()], NOW + 3, 0).await.unwrap();
    assert!(!store.mute_alert("b", NOW).await.unwrap(), "it is closed");
    store.see_alerts(vec![seen("b", NOW + 5)], NOW + 5).await.unwrap();
    let rows = store.open_alerts().await.unwrap();
    assert_eq!(rows.iter().find(|row| row.id == "b").unwrap().muted_until, NOW + 100);
}

#[tokio::test]
async fn each_node_has_its_own_and_a_dead_ones_end() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    store.see_alerts(vec![seen("a", NOW)], NOW).await.unwrap();
    other.see_alerts(vec![seen("a", NOW + 1)], NOW + 1).await.unwrap();
    store.see_alerts(Vec::new(), NOW + 2).await.unwrap();
    store.close_alerts(vec!["a".to_owned()], NOW + 3, 0).await.unwrap();
    let ended = async || open(&store).await.into_iter().filter_map(|(_, ended, _)| ended).collect::<Vec<_>>();
    assert_eq!((ended().await, open(&store).await.len()), (vec![NOW + 2], 2), "the other sees it");
    store.end_alerts(vec![store.node(), other.node()], NOW + 100, NOW + 200).await.unwrap();
    store.end_alerts(vec![store.node()], NOW + 1, NOW + 200).await.unwrap();
    assert_eq!(ended().await, [NOW + 2]);
    store.end_alerts(vec![store.node()], NOW + 2, NOW + 200).await.unwrap();
    let mut all = ended().await;
    all.sort_unstable();
    assert_eq!(all, [NOW + 2, NOW + 200]);
    store.close_alerts(vec!["a".to_owned()], NOW + 300, 0).await.unwrap();
    assert!(open(&store).await.is_empty());
}

#[tokio::test]
async fn dead_letters_are_counted_by_route_since_a_moment() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for (n, at) in [(0, NOW), (1, NOW + 1_000)] {
        keep(&store, message(&store, &format!("m{n}"), &["crm", "shop"])).await;
        for claimed in claim(&store, "crm", at).await {
            let attempt =
                Attempt { at, status: 500, ms: 1, error: "HTTP 500".to_owned(), answer: Vec::new() };
            Store::record(&store, &claimed, attempt, Fate::Dead, at).await.unwrap();
        }
    }
    let deaths = |count| vec![Deaths { route: "crm".to_owned(), count }];
    assert_eq!(store.deaths(NOW).await.unwrap(), deaths(2));
    assert_eq!(store.deaths(NOW + 1).await.unwrap(), deaths(1));
    assert!(store.deaths(NOW + 1_001).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_wechat_said_of_a_quota_last_is_kept() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let quota = |api: &str, used, rate| WxQuota {
        appid: "wx1".to_owned(),
        api: api.to_owned(),
        asked_at: NOW + used,
        limit: 100,
        used,
        remain: 100 - used,
        rate,
    };
    for one in [quota("/b", 1, None), quota("/a", 2, Some((5000, 60))), quota("/b", 7, None)] {
        store.keep_wx_quota(one).await.unwrap();
    }
    let kept = store.wx_quotas().await.unwrap();
    assert_eq!(kept, [quota("/a", 2, Some((5000, 60))), quota("/b", 7, None)]);
}
