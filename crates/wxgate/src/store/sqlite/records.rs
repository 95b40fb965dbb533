//! What is kept of the gateway's own work.

use super::{Sqlite, alerts, quotas, rings, series};
use crate::store::alerts::{AlertRow, Deaths, SeenAlert};
use crate::store::records::{Pending, Records};
use crate::store::rings::{Ring, RingQuery, RingRow};
use crate::store::wx_quotas::WxQuota;
use crate::store::{QuotaRow, SeriesQuery, SeriesRow, Stock, Tier};

impl Records for Sqlite {
    fn keep_rings(&self, rows: Vec<RingRow>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| rings::keep(tx, &rows)))
    }

    fn ring(&self, query: RingQuery) -> Pending<'_, Vec<RingRow>> {
        Box::pin(self.lists.read(move |db| rings::list(db, &query)))
    }

    fn ring_codes(&self, ring: Ring, since: i64) -> Pending<'_, Vec<(i64, i64)>> {
        Box::pin(self.lists.read(move |db| rings::codes(db, ring, since)))
    }

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

    fn see_alerts(&self, node: i32, seen: Vec<SeenAlert>, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| alerts::see(tx, node, &seen, now)))
    }

    fn open_alerts(&self) -> Pending<'_, Vec<AlertRow>> {
        Box::pin(self.rows.read(alerts::open))
    }

    fn told_alerts(&self, ids: Vec<String>, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| alerts::told(tx, &ids, now)))
    }

    fn close_alerts(&self, ids: Vec<String>, now: i64, before: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| alerts::close(tx, &ids, now, before)))
    }

    fn end_alerts(&self, alive: Vec<i32>, before: i64, now: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| alerts::end(tx, &alive, before, now)))
    }

    fn mute_alert(&self, id: &str, until: i64) -> Pending<'_, bool> {
        let id = id.to_owned();
        Box::pin(self.writer.write(move |tx| alerts::mute(tx, &id, until)))
    }

    fn past_alerts(&self, before: Option<(i64, i32, String)>, limit: u32) -> Pending<'_, Vec<AlertRow>> {
        Box::pin(self.lists.read(move |db| alerts::past(db, before.as_ref(), limit)))
    }

    fn deaths(&self, since: i64) -> Pending<'_, Vec<Deaths>> {
        Box::pin(self.rows.read(move |db| alerts::deaths(db, since)))
    }

    fn keep_wx_quota(&self, quota: WxQuota) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| alerts::keep_quota(tx, &quota)))
    }

    fn wx_quotas(&self) -> Pending<'_, Vec<WxQuota>> {
        Box::pin(self.rows.read(alerts::quotas))
    }
}
