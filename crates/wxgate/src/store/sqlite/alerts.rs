//! What is amiss, and what WeChat said of quotas, in SQLite.

use rusqlite::{Connection, Row, Transaction, params};

use crate::store::alerts::{AlertRow, Deaths, SeenAlert};
use crate::store::wx_quotas::WxQuota;

/// Dead letters are counted so far.
const COUNTED: u32 = 100_000;

const COLUMNS: &str = "id, node, since, seen_at, ended_at, muted_until, told_at, closed_at, value";

fn read(row: &Row<'_>) -> rusqlite::Result<AlertRow> {
    Ok(AlertRow {
        id: row.get(0)?,
        node: row.get(1)?,
        since: row.get(2)?,
        seen_at: row.get(3)?,
        ended_at: row.get(4)?,
        muted_until: row.get(5)?,
        told_at: row.get(6)?,
        closed_at: row.get(7)?,
        value: row.get(8)?,
    })
}

pub(super) fn see(tx: &Transaction<'_>, node: i32, seen: &[SeenAlert], now: i64) -> rusqlite::Result<()> {
    for SeenAlert { id, since, value } in seen {
        let known = tx
            .prepare_cached(
                "update alerts set seen_at = ?3, ended_at = null, value = ?4
                 where id = ?1 and node = ?2 and closed_at is null",
            )?
            .execute(params![id, node, now, value])?;
        if known == 0 {
            tx.prepare_cached(
                "insert into alerts (id, node, since, seen_at, muted_until, value)
                 values (?1, ?2, ?3, ?4, ifnull((select max(muted_until) from alerts where id = ?1), 0), ?5)
                 on conflict (id, node, since) do update set
                     seen_at = excluded.seen_at, ended_at = null, told_at = null, closed_at = null, value = excluded.value",
            )?
            .execute(params![id, node, since, now, value])?;
        }
    }
    let open: Vec<(String, i64)> = tx
        .prepare_cached(
            "select id, since from alerts where node = ?1 and ended_at is null and closed_at is null",
        )?
        .query_map([node], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, since) in open.into_iter().filter(|(id, _)| seen.iter().all(|one| one.id != *id)) {
        tx.prepare_cached("update alerts set ended_at = ?4 where id = ?1 and node = ?2 and since = ?3")?
            .execute(params![id, node, since, now])?;
    }
    Ok(())
}

pub(super) fn open(db: &Connection) -> rusqlite::Result<Vec<AlertRow>> {
    let text = format!("select {COLUMNS} from alerts where closed_at is null order by id, node");
    db.prepare_cached(&text)?.query_map([], read)?.collect()
}

pub(super) fn told(tx: &Transaction<'_>, ids: &[String], now: i64) -> rusqlite::Result<()> {
    for id in ids {
        tx.prepare_cached(
            "update alerts set told_at = ?2 where id = ?1 and closed_at is null and told_at is null",
        )?
        .execute(params![id, now])?;
    }
    Ok(())
}

pub(super) fn close(tx: &Transaction<'_>, ids: &[String], now: i64, before: i64) -> rusqlite::Result<()> {
    for id in ids {
        tx.prepare_cached(
            "update alerts set closed_at = ?2 where id = ?1 and closed_at is null and not exists (
                 select 1 from alerts where id = ?1 and closed_at is null and ended_at is null)",
        )?
        .execute(params![id, now])?;
    }
    tx.prepare_cached("delete from alerts where closed_at < ?1")?.execute([before])?;
    Ok(())
}

pub(super) fn end(tx: &Transaction<'_>, alive: &[i32], before: i64, now: i64) -> rusqlite::Result<()> {
    let seen_last: Vec<(String, i32, i64)> = tx
        .prepare_cached(
            "select id, node, since from alerts where closed_at is null and ended_at is null and seen_at < ?1",
        )?
        .query_map([before], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, node, since) in seen_last.into_iter().filter(|(_, node, _)| !alive.contains(node)) {
        tx.prepare_cached("update alerts set ended_at = ?4 where id = ?1 and node = ?2 and since = ?3")?
            .execute(params![id, node, since, now])?;
    }
    Ok(())
}

pub(super) fn mute(tx: &Transaction<'_>, id: &str, until: i64) -> rusqlite::Result<bool> {
    let muted = tx
        .prepare_cached("update alerts set muted_until = ?2 where id = ?1 and closed_at is null")?
        .execute(params![id, until])?;
    Ok(muted > 0)
}

pub(super) fn past(
    db: &Connection,
    before: Option<&(i64, i32, String)>,
    limit: u32,
) -> rusqlite::Result<Vec<AlertRow>> {
    let (at, node, id) = before.map_or((i64::MAX, i32::MAX, ""), |(at, node, id)| (*at, *node, id.as_str()));
    let text = format!(
        "select {COLUMNS} from alerts where ended_at is not null and (ended_at, node, id) < (?1, ?2, ?3)
         order by ended_at desc, node desc, id desc limit ?4"
    );
    db.prepare_cached(&text)?.query_map(params![at, node, id, limit], read)?.collect()
}

pub(super) fn deaths(db: &Connection, since: i64) -> rusqlite::Result<Vec<Deaths>> {
    db.prepare_cached(
        "select route, count(*) from (
             select route from deliveries indexed by deliveries_died where status = 2 and done_at >= ?1 limit ?2)
         group by route order by route",
    )?
    .query_map(params![since, COUNTED], |row| Ok(Deaths { route: row.get(0)?, count: row.get(1)? }))?
    .collect()
}

pub(super) fn keep_quota(tx: &Transaction<'_>, quota: &WxQuota) -> rusqlite::Result<()> {
    let WxQuota { appid, api, asked_at, limit, used, remain, rate } = quota;
    let (calls, seconds) = rate.unzip();
    tx.prepare_cached(
        "insert into wx_quotas (appid, api, asked_at, most, used, remain, rate_calls, rate_seconds)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         on conflict (appid, api) do update set
             asked_at = excluded.asked_at, most = excluded.most, used = excluded.used, remain = excluded.remain,
             rate_calls = excluded.rate_calls, rate_seconds = excluded.rate_seconds",
    )?
    .execute(params![appid, api, asked_at, limit, used, remain, calls, seconds])?;
    Ok(())
}

pub(super) fn quotas(db: &Connection) -> rusqlite::Result<Vec<WxQuota>> {
    db.prepare_cached(
        "select appid, api, asked_at, most, used, remain, rate_calls, rate_seconds from wx_quotas order by appid, api",
    )?
    .query_map([], |row| {
        let (calls, seconds): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
        Ok(WxQuota {
            appid: row.get(0)?,
            api: row.get(1)?,
            asked_at: row.get(2)?,
            limit: row.get(3)?,
            used: row.get(4)?,
            remain: row.get(5)?,
            rate: calls.zip(seconds),
        })
    })?
    .collect()
}
