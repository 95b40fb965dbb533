//! What is kept of the gateway's own work.

use super::{Sqlite, quotas, series};
use crate::store::backend::Pending;
use crate::store::records::Records;
use crate::store::{QuotaRow, SeriesQuery, SeriesRow, Stock, Tier};

impl Records for Sqlite {
    fn reserve_quota(&self, wanted: QuotaRow, limit: i64) -> Pending<'_, i64> {
        Box::pin(self.writer.write(move |tx| quotas::reserve(tx, &wanted, limit)))
    }

    fn return_quota(&self, unspent: QuotaRow) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| quotas::give_back(tx, &unspent)))
    }

    fn quotas(&self, now: i64) -> Pending<'_, Vec<QuotaRow>> {
        Box::pin(self.rows.read(move |db| quotas::current(db, now)))
    }

    fn forget_quotas(&self, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| quotas::forget(tx, now)))
    }

    fn keep_series(&self, rows: Vec<SeriesRow>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| series::keep(tx, &rows)))
    }

    fn series(&self, queries: Vec<SeriesQuery>) -> Pending<'_, Vec<SeriesRow>> {
        Box::pin(self.lists.read(move |db| series::read(db, &queries)))
    }

    fn last_bucket(&self, tier: Tier, key: &str) -> Pending<'_, Option<i64>> {
        let key = key.to_owned();
        Box::pin(self.rows.read(move |db| series::last(db, tier, &key)))
    }

    fn next_bucket(&self, tier: Tier, key: &str, from: i64) -> Pending<'_, Option<i64>> {
        let key = key.to_owned();
        Box::pin(self.rows.read(move |db| series::next(db, tier, &key, from)))
    }

    fn forget_series(&self, tier: Tier, before: i64, limit: u32) -> Pending<'_, usize> {
        Box::pin(self.writer.write(move |tx| series::forget(tx, tier, before, limit)))
    }

    fn stock(&self, routes: Vec<String>, most: u32) -> Pending<'_, Vec<Stock>> {
        Box::pin(self.rows.read(move |db| series::stock(db, &routes, most)))
    }
}
