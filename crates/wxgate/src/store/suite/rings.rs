//! What is remembered for a while.

use super::*;
use crate::store::{Ring, RingQuery, RingRow};

fn row(ring: Ring, appid: &str, who: &str, code: i64, at: i64) -> RingRow {
    let (appid, who) = (appid.to_owned(), who.to_owned());
    RingRow { id: 0, ring, at, appid, who, code, request_id: format!("r{at}"), value: "{}".to_owned() }
}

async fn ids(store: &Store, query: RingQuery) -> Vec<i64> {
    store.ring(query).await.unwrap().into_iter().map(|row| row.at).collect()
}

#[tokio::test]
async fn a_ring_is_read_newest_first_by_each_of_its_columns() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let rows = vec![
        row(Ring::Failures, "wx1", "shop", 40003, NOW),
        row(Ring::Failures, "wx2", "shop", 45009, NOW + 1),
        row(Ring::Failures, "wx2", "crm", 45009, NOW + 2),
        row(Ring::Refused, "wx2", "10.0.0.1", 0, NOW + 3),
    ];
    store.keep_rings(rows).await.unwrap();
    let newest = RingQuery::newest(Ring::Failures, 10);
    assert_eq!(ids(&store, newest.clone()).await, [NOW + 2, NOW + 1, NOW]);
    assert_eq!(ids(&store, RingQuery { limit: 1, ..newest.clone() }).await, [NOW + 2]);
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(ids(&store, RingQuery { appid: named("wx2"), ..newest.clone() }).await, [NOW + 2, NOW + 1]);
    assert_eq!(ids(&store, RingQuery { who: named("shop"), ..newest.clone() }).await, [NOW + 1, NOW]);
    assert_eq!(ids(&store, RingQuery { code: Some(40003), ..newest.clone() }).await, [NOW]);
    assert_eq!(ids(&store, RingQuery { since: Some(NOW + 2), ..newest.clone() }).await, [NOW + 2]);
    let one = RingQuery { request_id: Some(format!("r{}", NOW + 1)), ..newest.clone() };
    assert_eq!(ids(&store, one).await, [NOW + 1]);
    let second = store.ring(newest.clone()).await.unwrap()[1].id;
    assert_eq!(ids(&store, RingQuery { before: Some(second), ..newest }).await, [NOW]);
    assert_eq!(ids(&store, RingQuery::newest(Ring::Refused, 10)).await, [NOW + 3]);
    assert_eq!(store.ring_codes(Ring::Failures, NOW).await.unwrap(), [(40003, 1), (45009, 2)]);
    assert_eq!(store.ring_codes(Ring::Failures, NOW + 2).await.unwrap(), [(45009, 1)]);
}

#[tokio::test]
async fn the_oldest_are_forgotten_of_a_ring_or_of_an_app() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let most = Ring::Refused.most();
    let many = |from: i64, to: i64| (from..to).map(|n| row(Ring::Refused, "", "a", 0, n)).collect::<Vec<_>>();
    store.keep_rings(many(0, most)).await.unwrap();
    store.keep_rings(many(most, most + 3)).await.unwrap();
    let all = u32::try_from(most).unwrap() + 10;
    let left = ids(&store, RingQuery::newest(Ring::Refused, all)).await;
    assert_eq!((left.len(), left[0], *left.last().unwrap()), (most as usize, most + 2, 3));

    let of_app = |appid: &str, n| (0..n).map(|at| row(Ring::History, appid, "", 0, at)).collect::<Vec<_>>();
    store.keep_rings(of_app("wx1", 205)).await.unwrap();
    store.keep_rings(of_app("wx2", 2)).await.unwrap();
    let of =
        |appid: &str| RingQuery { appid: Some(appid.to_owned()), ..RingQuery::newest(Ring::History, 500) };
    assert_eq!((ids(&store, of("wx1")).await.len(), ids(&store, of("wx2")).await.len()), (200, 2));
    assert_eq!(ids(&store, RingQuery::newest(Ring::Refused, all)).await.len(), most as usize);
}
