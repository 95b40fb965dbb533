//! What is kept of the gateway's own work.

use super::{Pg, quotas, series};
use crate::store::backend::Pending;
use crate::store::records::Records;
use crate::store::{QuotaRow, SeriesQuery, SeriesRow, Stock, Tier};

impl Records for Pg {
    // Windows begin by the database's time already.
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64> {
        Box::pin(async move { quotas::reserve(&self.work, &wanted, limit).await })
    }

    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()> {
        Box::pin(async move { quotas::give_back(&self.work, &unspent).await })
    }

    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>> {
        Box::pin(quotas::current(&self.rows, now))
    }

    fn forget_quotas(&self, now: i64) -> Pending<'_, ()> {
        Box::pin(quotas::forget(&self.work, now))
    }

    fn keep_series(&self, rows: Vec<SeriesRow>) -> Pending<'_, ()> {
        Box::pin(async move { series::keep(&self.work, &rows).await })
    }

    fn series(&self, queries: Vec<SeriesQuery>) -> Pending<'_, Vec<SeriesRow>> {
        Box::pin(self.list(series::read(&self.lists, queries)))
    }

    fn last_bucket(&self, tier: Tier, key: &str) -> Pending<'_, Option<i64>> {
        let key = key.to_owned();
        Box::pin(async move { series::last(&self.rows, tier, &key).await })
    }

    fn next_bucket(&self, tier: Tier, key: &str, from: i64) -> Pending<'_, Option<i64>> {
        let key = key.to_owned();
        Box::pin(async move { series::next(&self.rows, tier, &key, from).await })
    }

    fn forget_series(&self, tier: Tier, before: i64, limit: u32) -> Pending<'_, usize> {
        Box::pin(series::forget(&self.work, tier, before, limit))
    }

    fn stock(&self, routes: Vec<String>, most: u32) -> Pending<'_, Vec<Stock>> {
        Box::pin(async move { series::stock(&self.rows, &routes, most).await })
    }
}
