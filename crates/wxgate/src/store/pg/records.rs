//! What is kept of the gateway's own work.

use super::link::text;
use super::{Pg, alerts, quotas, rings, series};
use crate::store::alerts::{AlertRow, Deaths, SeenAlert};
use crate::store::records::{Pending, Records};
use crate::store::rings::{Ring, RingQuery, RingRow};
use crate::store::wx_quotas::WxQuota;
use crate::store::{QuotaRow, SeriesQuery, SeriesRow, Stock, Tier};

impl Records for Pg {
    fn keep_rings(&self, mut rows: Vec<RingRow>) -> Pending<'_, ()> {
        rows.iter_mut().for_each(|row| row.at = self.time.theirs(row.at));
        Box::pin(async move { rings::keep(&self.work, &rows).await })
    }

    fn ring(&self, mut query: RingQuery) -> Pending<'_, Vec<RingRow>> {
        query.since = query.since.map(|since| self.time.theirs(since));
        for wanted in [&mut query.appid, &mut query.who, &mut query.request_id].into_iter().flatten() {
            *wanted = text(wanted).into_owned();
        }
        Box::pin(async move {
            let mut rows = self.list(rings::list(&self.lists, &query)).await?;
            rows.iter_mut().for_each(|row| row.at = self.time.ours(row.at));
            Ok(rows)
        })
    }

    fn ring_codes(&self, ring: Ring, since: i64) -> Pending<'_, Vec<(i64, i64)>> {
        let since = self.time.theirs(since);
        Box::pin(self.list(rings::codes(&self.lists, ring, since)))
    }

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

    fn see_alerts(&self, node: i32, mut seen: Vec<SeenAlert>, now: i64) -> Pending<'_, ()> {
        seen.iter_mut().for_each(|one| one.since = self.time.theirs(one.since));
        let now = self.time.theirs(now);
        Box::pin(async move { alerts::see(&self.work, node, &seen, now).await })
    }

    fn open_alerts(&self) -> Pending<'_, Vec<AlertRow>> {
        Box::pin(async { Ok(self.alerts(alerts::open(&self.rows).await?)) })
    }

    fn told_alerts(&self, ids: Vec<String>, now: i64) -> Pending<'_, ()> {
        let now = self.time.theirs(now);
        Box::pin(async move { alerts::told(&self.work, &ids, now).await })
    }

    fn close_alerts(&self, ids: Vec<String>, now: i64, before: i64) -> Pending<'_, ()> {
        let (now, before) = (self.time.theirs(now), self.time.theirs(before));
        Box::pin(async move { alerts::close(&self.work, &ids, now, before).await })
    }

    fn end_alerts(&self, alive: Vec<i32>, before: i64, now: i64) -> Pending<'_, ()> {
        let (now, before) = (self.time.theirs(now), self.time.theirs(before));
        Box::pin(async move { alerts::end(&self.work, &alive, before, now).await })
    }

    fn mute_alert(&self, id: &str, until: i64) -> Pending<'_, bool> {
        let (id, until) = (id.to_owned(), self.time.theirs(until));
        Box::pin(async move { alerts::mute(&self.work, &text(&id), until).await })
    }

    fn past_alerts(&self, before: Option<(i64, i32, String)>, limit: u32) -> Pending<'_, Vec<AlertRow>> {
        let before = before.map(|(at, node, id)| (self.time.theirs(at), node, text(&id).into_owned()));
        Box::pin(async move {
            let rows = self.list(alerts::past(&self.lists, before, limit)).await?;
            Ok(self.alerts(rows))
        })
    }

    fn deaths(&self, since: i64) -> Pending<'_, Vec<Deaths>> {
        let since = self.time.theirs(since);
        Box::pin(async move { alerts::deaths(&self.rows, since).await })
    }

    fn keep_wx_quota(&self, mut quota: WxQuota) -> Pending<'_, ()> {
        quota.asked_at = self.time.theirs(quota.asked_at);
        Box::pin(async move { alerts::keep_quota(&self.work, &quota).await })
    }

    fn wx_quotas(&self) -> Pending<'_, Vec<WxQuota>> {
        Box::pin(async {
            let mut quotas = alerts::quotas(&self.rows).await?;
            quotas.iter_mut().for_each(|quota| quota.asked_at = self.time.ours(quota.asked_at));
            Ok(quotas)
        })
    }
}

impl Pg {
    /// In our time.
    fn alerts(&self, rows: Vec<AlertRow>) -> Vec<AlertRow> {
        let ours = |at| self.time.ours(at);
        let row = |row: AlertRow| AlertRow {
            since: ours(row.since),
            seen_at: ours(row.seen_at),
            ended_at: row.ended_at.map(ours),
            muted_until: if row.muted_until == 0 { 0 } else { ours(row.muted_until) },
            told_at: row.told_at.map(ours),
            closed_at: row.closed_at.map(ours),
            ..row
        };
        rows.into_iter().map(row).collect()
    }
}
