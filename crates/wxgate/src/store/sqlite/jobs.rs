//! Jobs in SQLite, and what they are made of.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::store::job_rows::{AddedRow, ItemRow, JobRow};
use crate::store::{ItemEnd, ItemState, Lease};

const COLUMNS: &str =
    "id, kind, caller, state, made_at, ended_at, rate, total, place, good, bad, lost, value, expires_at";

pub(super) const CLAIM: &str = "
    update jobs set owner = ?1, leased_until = ?2 where id = (
        select id from jobs
        where state < 2 and state = 1 and kind = ?3 and (owner is null or leased_until <= ?4)
            and id not in (select value from json_each(?5))
            and (select count(*) from jobs w where w.state < 2 and w.state = 1 and w.kind = ?3 and w.caller = jobs.caller
                 and w.leased_until > ?4) < ?6
        order by id limit 1)
    returning id, kind, caller, state, made_at, ended_at, rate, total, place, good, bad, lost, value, expires_at";
pub(super) const OPEN: &str = "
    select n, state, begun_at, openid, msgid, code, value from job_items
    where job = ?1 and state < 2 and state = ?2 and n > ?3 order by n limit ?4";
pub(super) const ITEMS: &str = "
    select n, state, begun_at, openid, msgid, code, null from job_items where job = ?1 and n > ?2 order by n limit ?3";

fn job_of(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        caller: row.get(2)?,
        state: row.get(3)?,
        made_at: row.get(4)?,
        ended_at: row.get(5)?,
        rate: row.get(6)?,
        total: row.get(7)?,
        place: row.get(8)?,
        good: row.get(9)?,
        bad: row.get(10)?,
        lost: row.get(11)?,
        value: row.get(12)?,
        expires_at: row.get(13)?,
    })
}

fn item_of(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    Ok(ItemRow {
        n: row.get(0)?,
        state: row.get(1)?,
        begun_at: row.get(2)?,
        openid: row.get(3)?,
        msgid: row.get(4)?,
        code: row.get(5)?,
        value: row.get(6)?,
    })
}

pub(super) fn add(
    tx: &Transaction<'_>,
    row: &JobRow,
    again: Option<[u8; 32]>,
    now: i64,
) -> rusqlite::Result<AddedRow> {
    if let Some(again) = again {
        tx.prepare_cached("update jobs set again = null, expires_at = ?2 where again = ?1 and state = 0")?
            .execute(params![again, now])?;
        let known = tx
            .prepare_cached("select id from jobs where again = ?1")?
            .query_row([again], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(AddedRow::Known(id));
        }
    }
    let added = tx
        .prepare_cached(
            "insert into jobs (id, kind, caller, again, state, made_at, rate, total, place, good, bad, lost, value, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, ?9, ?10) on conflict (id) do nothing",
        )?
        .execute(params![
            row.id,
            row.kind,
            row.caller,
            again,
            row.state,
            row.made_at,
            row.rate,
            row.total,
            row.value,
            row.expires_at
        ])?;
    Ok(if added == 0 { AddedRow::Taken } else { AddedRow::New })
}

pub(super) fn add_items(
    tx: &Transaction<'_>,
    job: i64,
    items: &[ItemRow],
    now: i64,
    until: i64,
) -> rusqlite::Result<bool> {
    let comes = tx
        .prepare_cached("update jobs set expires_at = ?3 where id = ?1 and state = 0 and expires_at > ?2")?
        .execute(params![job, now, until])?;
    if comes == 0 {
        return Ok(false);
    }
    for item in items {
        tx.prepare_cached("insert into job_items (job, n, state, openid, value) values (?1, ?2, 0, ?3, ?4)")?
            .execute(params![job, item.n, item.openid, item.value])?;
    }
    Ok(true)
}

pub(super) fn begin(
    tx: &Transaction<'_>,
    job: i64,
    total: i64,
    value: &[u8],
    now: i64,
) -> rusqlite::Result<bool> {
    let begun = tx
        .prepare_cached(
            "update jobs set state = 1, total = ?2, value = ?3, expires_at = null
             where id = ?1 and state = 0 and expires_at > ?4",
        )?
        .execute(params![job, total, value, now])?;
    Ok(begun > 0)
}

pub(super) fn give_up(tx: &Transaction<'_>, job: i64, now: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("update jobs set again = null, expires_at = ?2 where id = ?1 and state = 0")?
        .execute(params![job, now])
        .map(drop)
}

pub(super) fn claim(
    tx: &Transaction<'_>,
    kind: &str,
    (except, of_one): (&[i64], i64),
    lease: Lease,
    now: i64,
) -> rusqlite::Result<Option<JobRow>> {
    let except = format!("{except:?}");
    tx.prepare_cached(CLAIM)?
        .query_row(params![lease.owner, lease.until, kind, now, except, of_one], job_of)
        .optional()
}

pub(super) fn keep(tx: &Transaction<'_>, job: i64, lease: Lease) -> rusqlite::Result<Option<bool>> {
    tx.prepare_cached(
        "update jobs set leased_until = ?3 where id = ?1 and owner = ?2 and state = 1
         returning expires_at is not null",
    )?
    .query_row(params![job, lease.owner, lease.until], |row| row.get(0))
    .optional()
}

pub(super) fn leave(tx: &Transaction<'_>, job: i64, owner: i32) -> rusqlite::Result<()> {
    tx.prepare_cached("update jobs set owner = null, leased_until = null where id = ?1 and owner = ?2")?
        .execute(params![job, owner])
        .map(drop)
}

pub(super) fn end(
    tx: &Transaction<'_>,
    job: i64,
    owner: i32,
    is_stopped: bool,
    (now, expires_at): (i64, i64),
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "update jobs set state = ?3, ended_at = ifnull(ended_at, ?4), expires_at = ?5, owner = null, leased_until = null
         where id = ?1 and owner = ?2 and state = 1",
    )?
    .execute(params![job, owner, if is_stopped { 2 } else { 3 }, now, expires_at])
    .map(drop)
}

pub(super) fn stop(tx: &Transaction<'_>, job: i64, now: i64, expires_at: i64) -> rusqlite::Result<bool> {
    let stopped = tx
        .prepare_cached(
            "update jobs set ended_at = ?2, expires_at = ?3 where id = ?1 and state = 1 and expires_at is null",
        )?
        .execute(params![job, now, expires_at])?;
    Ok(stopped > 0)
}

pub(super) fn one(db: &Connection, id: i64) -> rusqlite::Result<Option<JobRow>> {
    let text = format!("select {COLUMNS} from jobs where id = ?1 and state > 0");
    db.prepare_cached(&text)?.query_row([id], job_of).optional()
}

pub(super) fn list(db: &Connection, before: Option<i64>, limit: u32) -> rusqlite::Result<Vec<JobRow>> {
    let text = format!("select {COLUMNS} from jobs where id < ?1 and state > 0 order by id desc limit ?2");
    db.prepare_cached(&text)?.query_map(params![before.unwrap_or(i64::MAX), limit], job_of)?.collect()
}

pub(super) fn open_items(
    db: &Connection,
    job: i64,
    state: i32,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Vec<ItemRow>> {
    db.prepare_cached(OPEN)?.query_map(params![job, state, after, limit], item_of)?.collect()
}

pub(super) fn items(db: &Connection, job: i64, after: i64, limit: u32) -> rusqlite::Result<Vec<ItemRow>> {
    db.prepare_cached(ITEMS)?.query_map(params![job, after, limit], item_of)?.collect()
}

/// Whether a job is `owner`'s, and goes on.
pub(super) fn is_at_work(tx: &Transaction<'_>, job: i64, owner: i32) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "select exists (select 1 from jobs where id = ?1 and owner = ?2 and state = 1 and expires_at is null)",
    )?
    .query_row([job, owner.into()], |row| row.get(0))
}

pub(super) fn begin_items(
    tx: &Transaction<'_>,
    job: i64,
    owner: i32,
    items: &[i64],
    now: i64,
) -> rusqlite::Result<bool> {
    if !is_at_work(tx, job, owner)? {
        return Ok(false);
    }
    for n in items {
        tx.prepare_cached(
            "update job_items set state = 1, begun_at = ?3 where job = ?1 and n = ?2 and state = 0",
        )?
        .execute(params![job, n, now])?;
    }
    Ok(true)
}

pub(super) fn end_items(
    tx: &Transaction<'_>,
    job: i64,
    owner: i32,
    ends: &[ItemEnd],
) -> rusqlite::Result<()> {
    let mut counts = [0_i64; 5];
    for ItemEnd { n, state, msgid, code } in ends {
        let ended = match state {
            ItemState::Waits => tx
                .prepare_cached(
                    "update job_items set state = 0, begun_at = null where job = ?1 and n = ?2 and state = 1
                     and exists (select 1 from jobs where id = ?1 and owner = ?3)",
                )?
                .execute(params![job, n, owner])?,
            _ => tx
                .prepare_cached(
                    "update job_items set state = ?3, msgid = ?4, code = ?5, value = null
                     where job = ?1 and n = ?2 and state < 2",
                )?
                .execute(params![job, n, *state as i32, msgid, code])?,
        };
        counts[*state as usize] += ended as i64;
    }
    let [_, _, good, bad, lost] = counts;
    count(tx, job, [good, bad, lost])
}

pub(super) fn count(tx: &Transaction<'_>, job: i64, [good, bad, lost]: [i64; 3]) -> rusqlite::Result<()> {
    tx.prepare_cached("update jobs set good = good + ?2, bad = bad + ?3, lost = lost + ?4 where id = ?1")?
        .execute(params![job, good, bad, lost])
        .map(drop)
}
