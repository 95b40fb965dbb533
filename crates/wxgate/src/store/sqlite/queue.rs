//! The queue in SQLite: `due` holds what waits, `deliveries` the rounds that ended, each with the attempt that arrived, and
//! `attempts` the attempts that failed.
//!
//! While a row of `due` is leased, its `due_at` is the end of the lease, so that the index over `due_at` alone says what
//! may be taken on. A delivery's id says which message it is of.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::deliveries_of;
use crate::store::backend::{ClaimedRow, Record};
use crate::store::{Attempt, Fate, Lease};

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Delivered = 1,
    Dead = 2,
    /// By another round, which began after it.
    Replayed = 3,
}

/// A row of `due`, as far as attempts concern it.
struct Due {
    id: i64,
    route: String,
    round: u32,
    attempts: u32,
    owner: Option<i32>,
}

pub(super) const CLAIM: &str = "
    update due set due_at = ?3, owner = ?4, leased_until = ?3 where id in (
        select id from due where route = ?1 and due_at <= ?2 order by due_at limit ?5)
    returning id, round, attempts";
pub(super) const NEXT: &str = "select due_at from due where route = ?1 order by due_at limit 1";
pub(super) const RESUME: &str = "
    update due set due_at = ?2, owner = null, leased_until = null
    where owner is not null and owner <> ?1";
/// From one route to the next through the index: a distinct would read every row.
pub(super) const WAITING_ROUTES: &str = "
    with recursive names (name) as (
        select min(route) from due
        union all
        select (select min(route) from due where route > name) from names where name is not null)
    select name from names where name is not null";
pub(super) const BACKLOG: &str = "select count(*) from (select 1 from due where route = ?1 limit ?2)";
pub(super) const OF_ROUTE: &str = "select id, round, attempts from due where route = ?1 order by id limit ?2";

/// The delivery of a message, whose deliveries are `?1` to `?2`, by a route.
pub(super) const WAITING_BY: &str = "select id from due where id between ?1 and ?2 and route = ?3";
pub(super) const ENDED_BY: &str =
    "select id from deliveries where id between ?1 and ?2 and route = ?3 limit 1";
pub(super) const NEXT_PLACE: &str = "
    select max(id) from (
        select max(id) as id from due where id between ?1 and ?2
        union all select max(id) from deliveries where id between ?1 and ?2)";

pub(super) fn claim(
    tx: &Transaction<'_>,
    route: &str,
    now: i64,
    limit: u32,
    lease: Lease,
) -> rusqlite::Result<(Vec<ClaimedRow>, Option<i64>)> {
    let mut taken: Vec<(i64, u32, u32)> = tx
        .prepare_cached(CLAIM)?
        .query_map(params![route, now, lease.until, lease.owner, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    taken.sort_unstable();
    let mut claimed = Vec::with_capacity(taken.len());
    for (id, round, attempts) in taken {
        claimed.extend(with_message(tx, id, round, attempts)?);
    }
    let next = tx.prepare_cached(NEXT)?.query_row([route], |row| row.get(0)).optional()?;
    Ok((claimed, next))
}

/// A delivery with its message; `None` if that is forgotten.
fn with_message(
    tx: &Transaction<'_>,
    id: i64,
    round: u32,
    attempts: u32,
) -> rusqlite::Result<Option<ClaimedRow>> {
    let message = |row: &Row<'_>| {
        Ok(ClaimedRow {
            id,
            round,
            attempts,
            appid: row.get(0)?,
            received_at: row.get(1)?,
            digest: row.get(2)?,
            body: row.get(3)?,
        })
    };
    tx.prepare_cached("select appid, received_at, digest, body from events where id = ?1 >> 16")?
        .query_row([id], message)
        .optional()
}

/// Takes on one that is due, with its message.
pub(super) fn lease(tx: &Transaction<'_>, id: i64, lease: Lease) -> rusqlite::Result<Option<ClaimedRow>> {
    let taken: Option<(u32, u32)> = tx
        .prepare_cached(
            "update due set due_at = ?2, owner = ?3, leased_until = ?2 where id = ?1 returning round, attempts",
        )?
        .query_row(params![id, lease.until, lease.owner], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match taken {
        Some((round, attempts)) => with_message(tx, id, round, attempts),
        None => Ok(None),
    }
}

pub(super) fn take_on(
    tx: &Transaction<'_>,
    event_id: i64,
    route: &str,
    now: i64,
    lease: Lease,
) -> rusqlite::Result<Option<ClaimedRow>> {
    let is_kept: bool = tx
        .prepare_cached("select exists (select 1 from events where id = ?1)")?
        .query_row([event_id], |row| row.get(0))?;
    if !is_kept {
        return Ok(None);
    }
    let (first, last) = deliveries_of(event_id);
    let number = |sql: &str| -> rusqlite::Result<Option<i64>> {
        tx.prepare_cached(sql)?.query_row(params![first, last, route], |row| row.get(0)).optional()
    };
    let id = match number(WAITING_BY)? {
        Some(id) => id,
        None => match number(ENDED_BY)? {
            Some(id) => {
                replay(tx, id, now)?;
                id
            }
            // The route is newer than the message.
            None => {
                let id = tx
                    .prepare_cached(NEXT_PLACE)?
                    .query_row(params![first, last], |row| row.get::<_, Option<i64>>(0))?
                    .map_or(first, |id| id + 1);
                tx.prepare_cached("insert into due (id, route, due_at) values (?1, ?2, ?3)")?
                    .execute(params![id, route, now])?;
                id
            }
        },
    };
    let taken: Option<(u32, u32)> = tx
        .prepare_cached(
            "update due set due_at = ?2, owner = ?3, leased_until = ?2
             where id = ?1 and (owner is null or leased_until <= ?4) returning round, attempts",
        )?
        .query_row(params![id, lease.until, lease.owner, now], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match taken {
        Some((round, attempts)) => with_message(tx, id, round, attempts),
        None => Ok(None),
    }
}

pub(super) fn record(tx: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let arrived = record.fate == Fate::Delivered;
    let waiting = waiting(tx, record.delivery)?.filter(|due| due.round == record.round);
    let Some(due) = waiting else {
        return if arrived { arrive_after_the_end(tx, record) } else { Ok(()) };
    };
    let is_held = due.owner == Some(record.owner) && due.attempts + 1 == record.n;
    if !is_held && !arrived {
        return Ok(());
    }
    match record.fate {
        Fate::Delivered => end(tx, &due, Ended::Delivered, Some(&record.attempt), record.now),
        Fate::Dead => {
            note(tx, &due, &record.attempt)?;
            end(tx, &due, Ended::Dead, None, record.now)
        }
        Fate::Retry(at) => {
            note(tx, &due, &record.attempt)?;
            tx.prepare_cached(
                "update due set due_at = ?2, attempts = attempts + 1, owner = null, leased_until = null
                 where id = ?1",
            )?
            .execute(params![due.id, at])
            .map(drop)
        }
    }
}

fn waiting(tx: &Transaction<'_>, delivery: i64) -> rusqlite::Result<Option<Due>> {
    tx.prepare_cached("select route, round, attempts, owner from due where id = ?1")?
        .query_row([delivery], |row| {
            Ok(Due {
                id: delivery,
                route: row.get(0)?,
                round: row.get(1)?,
                attempts: row.get(2)?,
                owner: row.get(3)?,
            })
        })
        .optional()
}

/// Writes down the attempt that follows those of `due`.
fn note(tx: &Transaction<'_>, due: &Due, attempt: &Attempt) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into attempts (delivery_id, round, n, at, status, ms, error, answer)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        due.id,
        due.round,
        due.attempts + 1,
        attempt.at,
        attempt.status,
        millis(attempt),
        attempt.error,
        Some(&attempt.answer).filter(|answer| !answer.is_empty())
    ])
    .map(drop)
}

fn millis(attempt: &Attempt) -> i64 {
    i64::try_from(attempt.ms).unwrap_or(i64::MAX)
}

/// Takes `due` out of the queue, with the attempt that arrived.
fn end(
    tx: &Transaction<'_>,
    due: &Due,
    how: Ended,
    arrived: Option<&Attempt>,
    now: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached("delete from due where id = ?1")?.execute([due.id])?;
    tx.prepare_cached(
        "insert into deliveries (id, round, route, status, attempts, done_at, last_at, last_status, last_ms)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        due.id,
        due.round,
        due.route,
        how as i32,
        due.attempts + 1,
        now,
        arrived.map(|attempt| attempt.at),
        arrived.map(|attempt| attempt.status),
        arrived.map(millis)
    ])
    .map(drop)
}

/// A round that was given up did arrive.
fn arrive_after_the_end(tx: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "update deliveries set status = ?3, attempts = attempts + 1, done_at = ?4,
                               last_at = ?6, last_status = ?7, last_ms = ?8
         where id = ?1 and round = ?2 and status = ?5",
    )?
    .execute(params![
        record.delivery,
        record.round,
        Ended::Delivered as i32,
        record.now,
        Ended::Dead as i32,
        record.attempt.at,
        record.attempt.status,
        millis(&record.attempt)
    ])
    .map(drop)
}

pub(super) fn release(tx: &Transaction<'_>, delivery: i64, owner: i32, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "update due set due_at = ?3, owner = null, leased_until = null where id = ?1 and owner = ?2",
    )?
    .execute(params![delivery, owner, now])
    .map(drop)
}

/// The file has one process at a time: every other owner is dead.
pub(super) fn resume(tx: &Transaction<'_>, owner: i32, now: i64) -> rusqlite::Result<()> {
    tx.execute("update jobs set owner = null, leased_until = null where state < 2 and owner <> ?1", [owner])?;
    tx.execute(RESUME, params![owner, now]).map(drop)
}

pub(super) fn waiting_routes(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(WAITING_ROUTES)?.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn backlog(db: &Connection, route: &str, most: u32) -> rusqlite::Result<u32> {
    db.prepare_cached(BACKLOG)?.query_row(params![route, most], |row| row.get(0))
}

pub(super) fn bury(tx: &Transaction<'_>, route: &str, now: i64, limit: u32) -> rusqlite::Result<usize> {
    let waiting: Vec<Due> = tx
        .prepare_cached(OF_ROUTE)?
        .query_map(params![route, limit], |row| {
            Ok(Due {
                id: row.get(0)?,
                route: route.to_owned(),
                round: row.get(1)?,
                attempts: row.get(2)?,
                owner: None,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let removed =
        Attempt { at: now, status: 0, ms: 0, error: "the route was removed".to_owned(), answer: Vec::new() };
    for due in &waiting {
        note(tx, due, &removed)?;
        end(tx, due, Ended::Dead, None, now)?;
        tx.prepare_cached("delete from lines where id = ?1")?.execute([due.id])?;
    }
    Ok(waiting.len())
}

pub(super) fn replay(tx: &Transaction<'_>, delivery: i64, now: i64) -> rusqlite::Result<bool> {
    let ended: Option<(u32, String)> = tx
        .prepare_cached(
            "update deliveries set status = ?2 where id = ?1 and status <> ?2 returning round, route",
        )?
        .query_row(params![delivery, Ended::Replayed as i32], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((round, route)) = ended else { return Ok(false) };
    tx.prepare_cached("insert into due (id, route, due_at, round) values (?1, ?2, ?3, ?4)")?
        .execute(params![delivery, route, now, round + 1])?;
    Ok(true)
}
