//! Figures of what passed.

use super::*;
use crate::metrics::Tally;
use crate::store::{SeriesQuery, SeriesRow, Stock, Tier};

fn row(tier: Tier, key: &str, bucket: i64, node: i32, n: u64) -> SeriesRow {
    let mut hist = [0; 12];
    hist[3] = n;
    SeriesRow { tier, key: key.to_owned(), bucket, node, tally: Tally { n, bad: 1, ms: 9 * n, hist } }
}

fn query(tier: Tier, first: &str, end: &str, from: i64, to: i64) -> SeriesQuery {
    SeriesQuery { tier, first: first.to_owned(), end: end.to_owned(), from, to }
}

#[tokio::test]
async fn figures_are_kept_replaced_read_and_forgotten() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let (minute, ten) = (Tier::Minute, Tier::Ten);
    let rows = vec![
        row(minute, "calls", 60, 1, 5),
        row(minute, "calls", 60, 2, 6),
        row(minute, "calls", 120, 1, 7),
        row(minute, "calls\ta\twx1", 60, 1, 3),
        row(minute, "calls\ta\twx2", 120, 1, 4),
        row(minute, "calls\tc\tshop", 60, 1, 8),
        row(minute, "calls\ta\twx中", 60, 1, 1),
        row(ten, "calls", 0, 0, 9),
    ];
    store.keep_series(rows.clone()).await.unwrap();
    store.keep_series(vec![row(minute, "calls", 60, 1, 15)]).await.unwrap();
    let only = store.series(vec![query(minute, "calls", "calls\u{1}", 0, 120)]).await.unwrap();
    assert_eq!(only, [row(minute, "calls", 60, 1, 15), row(minute, "calls", 60, 2, 6)]);
    let queries =
        vec![query(minute, "calls\ta\t", "calls\ta\n", 60, 180), query(ten, "", "\u{10ffff}", 0, 600)];
    let found = store.series(queries).await.unwrap();
    assert_eq!(found, [rows[3].clone(), rows[4].clone(), rows[6].clone(), rows[7].clone()]);
    let last = async |tier| store.last_bucket(tier, "calls").await.unwrap();
    assert_eq!((last(minute).await, last(ten).await, last(Tier::Hour).await), (Some(120), Some(0), None));
    let next = async |from| store.next_bucket(minute, "calls", from).await.unwrap();
    assert_eq!((next(0).await, next(61).await, next(121).await), (Some(60), Some(120), None));

    assert_eq!(store.forget_series(minute, 120, 3).await.unwrap(), 3);
    assert_eq!(store.forget_series(minute, 120, 3).await.unwrap(), 2);
    assert_eq!(store.forget_series(minute, 120, 3).await.unwrap(), 0);
    let left = store.series(vec![query(minute, "", "\u{10ffff}", 0, 999)]).await.unwrap();
    assert_eq!(left, [rows[2].clone(), rows[4].clone()]);
    assert_eq!(last(ten).await, Some(0));
}

#[tokio::test]
async fn what_waits_and_what_was_given_up_is_counted_by_route() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for content in ["a", "b", "c"] {
        keep(&store, message(&store, content, &["r", "other"])).await;
    }
    for claimed in claim(&store, "r", NOW).await {
        record(&store, &claimed, 503, Fate::Dead).await;
    }
    let routes = || ["other", "r", "none"].map(str::to_owned).to_vec();
    let stock = |waiting, dead| Stock { waiting, dead };
    assert_eq!(store.stock(routes(), 9).await.unwrap(), [stock(3, 0), stock(0, 3), stock(0, 0)]);
    assert_eq!(store.stock(routes(), 2).await.unwrap(), [stock(2, 0), stock(0, 2), stock(0, 0)]);
}
