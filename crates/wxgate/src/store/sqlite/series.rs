//! Figures of what passed, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::queue;
use crate::metrics::Tally;
use crate::store::{SeriesQuery, SeriesRow, Stock, Tier};

pub(super) const NEXT_KEY: &str =
    "select key from series where tier = ?1 and key >= ?2 and key < ?3 order by key limit 1";
pub(super) const KEY_AFTER: &str =
    "select key from series where tier = ?1 and key > ?2 and key < ?3 order by key limit 1";
pub(super) const OF_KEY: &str = "
    select bucket, node, n, bad, ms, hist from series
    where tier = ?1 and key = ?2 and bucket >= ?3 and bucket < ?4 order by bucket, node";
pub(super) const FORGET: &str = "
    delete from series where (tier, key, bucket, node) in (
        select tier, key, bucket, node from series indexed by series_bucket
        where tier = ?1 and bucket < ?2 limit ?3)";
pub(super) const DEAD: &str =
    "select count(*) from (select 1 from deliveries where route = ?1 and status = 2 limit ?2)";

pub(super) fn keep(tx: &Transaction<'_>, rows: &[SeriesRow]) -> rusqlite::Result<()> {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut keep = tx.prepare_cached(
        "insert into series (tier, key, bucket, node, n, bad, ms, hist) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         on conflict (tier, key, bucket, node) do update
         set n = excluded.n, bad = excluded.bad, ms = excluded.ms, hist = excluded.hist",
    )?;
    for SeriesRow { tier, key, bucket, node, tally } in rows {
        let hist = Some(tally.packed()).filter(|hist| !hist.is_empty());
        let (n, bad, ms) = (number(tally.n), number(tally.bad), number(tally.ms));
        keep.execute(params![tier.number(), key, bucket, node, n, bad, ms, hist])?;
    }
    Ok(())
}

/// From key to key: what lies between the buckets that are asked for isn't read.
pub(super) fn read(db: &Connection, queries: &[SeriesQuery]) -> rusqlite::Result<Vec<SeriesRow>> {
    let mut rows = Vec::new();
    let mut of_key = db.prepare_cached(OF_KEY)?;
    for SeriesQuery { tier, first, end, from, to } in queries {
        let number = tier.number();
        let key = |text: &str, from: &str| {
            let mut next = db.prepare_cached(text)?;
            next.query_row(params![number, from, end], |row| row.get::<_, String>(0)).optional()
        };
        let mut next = key(NEXT_KEY, first)?;
        while let Some(of) = next {
            let read = |row: &Row<'_>| row_of(*tier, &of, row);
            for row in of_key.query_map(params![number, of, from, to], read)? {
                rows.push(row?);
            }
            next = key(KEY_AFTER, &of)?;
        }
    }
    Ok(rows)
}

fn row_of(tier: Tier, key: &str, row: &Row<'_>) -> rusqlite::Result<SeriesRow> {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    let hist = row.get_ref(5)?.as_blob_or_null()?.map(Tally::unpacked).unwrap_or_default();
    let tally = Tally { n: count(row.get(2)?), bad: count(row.get(3)?), ms: count(row.get(4)?), hist };
    Ok(SeriesRow { tier, key: key.to_owned(), bucket: row.get(0)?, node: row.get(1)?, tally })
}

pub(super) fn last(db: &Connection, tier: Tier, key: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("select max(bucket) from series where tier = ?1 and key = ?2")?
        .query_row(params![tier.number(), key], |row| row.get(0))
}

pub(super) fn next(db: &Connection, tier: Tier, key: &str, from: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("select min(bucket) from series where tier = ?1 and key = ?2 and bucket >= ?3")?
        .query_row(params![tier.number(), key, from], |row| row.get(0))
}

pub(super) fn forget(tx: &Transaction<'_>, tier: Tier, before: i64, limit: u32) -> rusqlite::Result<usize> {
    tx.prepare_cached(FORGET)?.execute(params![tier.number(), before, limit])
}

pub(super) fn stock(db: &Connection, routes: &[String], most: u32) -> rusqlite::Result<Vec<Stock>> {
    let mut dead = db.prepare_cached(DEAD)?;
    let of = |route: &String| {
        let waiting = queue::backlog(db, route, most)?;
        Ok(Stock { waiting, dead: dead.query_row(params![route, most], |row| row.get(0))? })
    };
    routes.iter().map(of).collect()
}
