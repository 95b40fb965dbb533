//! Quotas: reserved in blocks, never more than there is, whoever asks at once.

use futures_util::future::join_all;

use super::*;
use crate::store::QuotaRow;

const DAY: i64 = 86_400_000;

fn window(start: i64, n: i64) -> QuotaRow {
    QuotaRow { caller: "shop".to_owned(), pattern: "/a d".to_owned(), start, until: start + DAY, n }
}

#[tokio::test]
async fn a_block_is_what_is_left_at_most() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let reserve = async |n| store.reserve_quota(window(NOW, n), 10).await.unwrap();
    assert_eq!((reserve(4).await, reserve(4).await, reserve(4).await, reserve(4).await), (4, 4, 2, 0));
    store.return_quota(window(NOW, 3)).await.unwrap();
    assert_eq!((reserve(1).await, reserve(9).await, reserve(9).await), (1, 2, 0));
    assert_eq!(store.reserve_quota(window(NOW, 20), 15).await.unwrap(), 5, "a higher limit");
    assert_eq!(store.reserve_quota(window(NOW, 1), 3).await.unwrap(), 0, "a lower one");
    assert_eq!(store.reserve_quota(window(NOW + DAY, 1), 10).await.unwrap(), 1, "another window");
    let other = QuotaRow { caller: "crm".to_owned(), ..window(NOW, 11) };
    assert_eq!(store.reserve_quota(other, 10).await.unwrap(), 10, "another caller");
    // Too much given back makes none of it.
    store.return_quota(window(NOW + DAY, 5)).await.unwrap();
    let rows: Vec<_> = store
        .quotas(NOW)
        .await
        .unwrap()
        .into_iter()
        .map(|row| (row.caller, row.start - NOW, row.n))
        .collect();
    let named = |name: &str, start, n| (name.to_owned(), start, n);
    assert_eq!(rows, [named("crm", 0, 10), named("shop", 0, 15), named("shop", DAY, 0)]);
}

#[tokio::test]
async fn all_that_ask_at_once_get_no_more_than_there_is() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let other = fixture.beside(&store).await;
    let asks = (0..100).map(|n| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.reserve_quota(window(NOW, 3), 100)
    });
    let got: i64 = join_all(asks).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(got, 100);
}

#[tokio::test]
async fn a_window_is_forgotten_when_it_has_been_over_for_long() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    store.reserve_quota(window(NOW, 3), 10).await.unwrap();
    store.forget_quotas(NOW + 2 * DAY + 3_600_000).await.unwrap();
    assert_eq!(
        (store.quotas(NOW).await.unwrap().len(), store.quotas(NOW + DAY).await.unwrap().len()),
        (1, 0)
    );
    store.forget_quotas(NOW + 2 * DAY + 3_600_001).await.unwrap();
    assert_eq!(store.quotas(NOW).await.unwrap(), []);
}
