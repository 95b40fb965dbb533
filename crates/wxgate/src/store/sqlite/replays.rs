//! Sending many deliveries once more, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{jobs, queue};
use crate::store::job_rows::{EndedRow, ReplayStep};
use crate::store::{Ended, EndedDelivery, ItemState};

/// What is looked at: an index has the dead ones by their numbers.
const DEAD: &str = "status = 2 and id > ?1";
const DELIVERED: &str = "status = 1 and id > ?1";
const ANY: &str = "status <> 3 and id > ?1";

fn text(which: &str, of: &str) -> String {
    format!(
        "select d.id, d.route, d.done_at, coalesce(a.status, d.last_status, 0), coalesce(a.error, ''),
                e.appid, e.openid, e.kind, e.received_at
         from (select id, round, route, status, attempts, done_at, last_status from deliveries
               where {which} {of} order by id limit ?2) d
         left join events e on e.id = d.id >> 16
         left join attempts a on d.status = 2 and a.delivery_id = d.id and a.round = d.round and a.n = d.attempts
         order by d.id"
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<EndedRow> {
    let id = row.get(0)?;
    let appid: Option<String> = row.get(5)?;
    let found = match appid {
        None => None,
        Some(appid) => Some(EndedDelivery {
            id,
            route: row.get(1)?,
            done_at: row.get(2)?,
            status: row.get(3)?,
            error: row.get(4)?,
            appid,
            openid: row.get(6)?,
            kind: row.get(7)?,
            received_at: row.get(8)?,
        }),
    };
    Ok(EndedRow { id, found })
}

pub(super) fn ended(
    db: &Connection,
    ended: Ended,
    ids: Option<&[i64]>,
    after: i64,
    limit: u32,
) -> rusqlite::Result<Vec<EndedRow>> {
    let which = match ended {
        Ended::Any => ANY,
        Ended::Delivered => DELIVERED,
        Ended::Dead => DEAD,
    };
    match ids {
        None => db.prepare_cached(&text(which, ""))?.query_map(params![after, limit], read)?.collect(),
        Some(ids) => db
            .prepare_cached(&text(which, "and id in (select value from json_each(?3))"))?
            .query_map(params![after, limit, format!("{ids:?}")], read)?
            .collect(),
    }
}

pub(super) fn step(
    tx: &Transaction<'_>,
    job: i64,
    owner: i32,
    step: &ReplayStep,
    now: i64,
) -> rusqlite::Result<bool> {
    if !jobs::is_at_work(tx, job, owner)? {
        return Ok(false);
    }
    for id in &step.ids {
        let status: Option<i32> = tx
            .prepare_cached("select status from deliveries where id = ?1 and status <> 3")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        let is_wanted = status.is_some_and(|status| step.ended == Ended::Any || status == step.ended as i32);
        if is_wanted && queue::replay(tx, *id, now)? {
            tx.prepare_cached(
                "insert into job_items (job, n, state, begun_at, delivery, round)
                 select ?1, id, 1, ?3, id, round from due where id = ?2
                 on conflict do nothing",
            )?
            .execute(params![job, id, now])?;
        }
    }
    tx.prepare_cached(
        "update jobs set place = ?2,
             total = case when ?3 then (select count(*) from job_items where job = ?1) else total end
         where id = ?1",
    )?
    .execute(params![job, step.place, step.is_last])?;
    Ok(true)
}

pub(super) fn fold(tx: &Transaction<'_>, job: i64, after: i64, limit: u32) -> rusqlite::Result<Option<i64>> {
    type Begun = (i64, Option<i32>, bool, bool);
    let begun: Vec<Begun> = tx
        .prepare_cached(
            "select i.n, d.status, d.last_at is not null, exists (select 1 from due where due.id = i.delivery)
             from job_items i left join deliveries d on d.id = i.delivery and d.round = i.round
             where i.job = ?1 and i.state < 2 and i.state = 1 and i.n > ?2 order by i.n limit ?3",
        )?
        .query_map(params![job, after, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut counts = [0; 3];
    for (n, status, has_arrived, waits) in &begun {
        let state = match status {
            Some(1) => ItemState::Good,
            // Another round followed.
            Some(3) if *has_arrived => ItemState::Good,
            Some(_) => ItemState::Bad,
            None if *waits => continue,
            None => ItemState::Lost,
        };
        tx.prepare_cached("update job_items set state = ?3 where job = ?1 and n = ?2")?.execute(params![
            job,
            n,
            state as i32
        ])?;
        counts[state as usize - 2] += 1;
    }
    if counts != [0; 3] {
        jobs::count(tx, job, counts)?;
    }
    let next = begun.last().filter(|_| begun.len() >= limit as usize);
    Ok(next.map(|(n, ..)| *n))
}
