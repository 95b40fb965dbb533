//! The queue: `due` holds what waits, `deliveries` the rounds that ended, `attempts` the attempts that failed.
//!
//! A row of `due` keeps its `due_at` while it is leased: to take it on, or to send it again later, changes no more than
//! it must. A crash of the server may forget that a delivery was taken on or had arrived, and it is sent once more: these
//! commits don't wait for the disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::groups::Item;
use super::link::{Failure, Link, Sql, text};
use crate::store::backend::{ClaimedRow, Record};
use crate::store::{Attempt, Fate, Lease, StoreError};

static CLAIM: Sql = Sql {
    text: "
with x as (select set_config('synchronous_commit', 'off', true) as off),
r as (
    select due.id from x, due
    where route = $1 and due_at between $6 and $2 and (leased_until is null or leased_until <= $2) and off = 'off'
    order by due_at limit $3 for update of due skip locked),
u as (
    update due set owner = $4, leased_until = $5 where due.id = any (array (select id from r))
    returning due.id, due.round, due.attempts, due.due_at)
select u.id, u.round, u.attempts, e.appid, e.received_at, e.digest, e.body, u.due_at
from u cross join lateral (select * from events where events.id = u.id >> 16 offset 0) as e order by u.id",
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::INT4, Type::INT8, Type::INT8],
};
/// What is due is leased, when this is asked.
static NEXT: Sql = Sql {
    text: "
select least(
    (select due_at from due where route = $1 and due_at > $2 order by due_at limit 1),
    (select min(leased_until) from due where route = $1 and due_at between $3 and $2 and leased_until > $2))",
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};
/// One that waits is leased, one that has ended begins another round, one that never was takes the next place.
static TAKE_ON: Sql = Sql {
    text: "
with e as (select id, appid, received_at, digest, body from events where id = $1),
w as (select due.id from due, e where due.id between $1 << 16 and ($1 << 16) + 65535 and route = $2 limit 1),
o as (
    select d.id from deliveries d, e where d.id between $1 << 16 and ($1 << 16) + 65535 and route = $2 limit 1),
u as (
    update due set owner = $4, leased_until = $5
    where due.id = any (array (select id from w)) and (owner is null or leased_until <= $3) returning due.id, due.round, due.attempts),
a as (
    update deliveries d set status = 3
    where d.id = any (array (select id from o)) and d.status <> 3 and not exists (select from w) returning d.id, d.round),
n as (
    insert into due (id, route, due_at, round, owner, leased_until)
    select id, $2, $3, round + 1, $4, $5 from a
    union all
    select coalesce(greatest((select max(id) from due where id between $1 << 16 and ($1 << 16) + 65535),
                             (select max(id) from deliveries where id between $1 << 16 and ($1 << 16) + 65535)) + 1,
                    $1 << 16), $2, $3, 0, $4, $5
    from e where not exists (select from w) and not exists (select from o)
    on conflict (id) do nothing
    returning id, round, attempts)
select t.id, t.round, t.attempts, e.appid, e.received_at, e.digest, e.body
from (select * from u union all select * from n) as t, e",
    types: &[Type::INT8, Type::TEXT, Type::INT8, Type::INT4, Type::INT8],
};
static RECORD: Sql = Sql {
    text: "
with x as (select set_config('synchronous_commit', 'off', true) as off),
r as materialized (
    select t.* from x, unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        as t (id, round, n, owner, fate, at, status, ms, error, retry_at, now, answer)
    where off = 'off' order by id),
gone as (
    delete from due using r
    where due.id = any ($1) and due.id = r.id and due.round = r.round and r.fate <> 0
    and (due.owner = r.owner and due.attempts + 1 = r.n or r.fate = 1)
    returning r.*, due.route, due.attempts + 1 as place),
again as (
    update due set due_at = r.retry_at, attempts = r.n, owner = null, leased_until = null from r
    where due.id = any ($1) and due.id = r.id and due.round = r.round and r.fate = 0 and due.owner = r.owner and due.attempts + 1 = r.n
    returning r.*),
ended as (
    insert into deliveries (id, round, route, status, attempts, done_at, last_at, last_status, last_ms)
    select id, round, route, fate, place, now, case fate when 1 then at end, case fate when 1 then status end,
           case fate when 1 then ms end
    from gone on conflict do nothing),
late as (
    update deliveries d
    set status = 1, attempts = d.attempts + 1, done_at = r.now, last_at = r.at, last_status = r.status, last_ms = r.ms
    from r where r.fate = 1 and d.id = any ($1) and d.id = r.id and d.round = r.round and d.status = 2 and r.id not in (select id from gone))
insert into attempts (delivery_id, round, n, at, status, ms, error, answer)
select id, round, place, at, status, ms, error, answer from gone where fate <> 1
union all
select id, round, n, at, status, ms, error, answer from again on conflict do nothing",
    types: &[
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
static RELEASE: Sql = Sql {
    text: "update due set due_at = $3, owner = null, leased_until = null where id = $1 and owner = $2",
    types: &[Type::INT8, Type::INT4, Type::INT8],
};
/// From one route to the next through the index: a distinct would read every row.
static WAITING_ROUTES: Sql = Sql {
    text: "
with recursive names (name) as (
    (select route from due order by route limit 1)
    union all
    select (select route from due where route > name order by route limit 1) from names where name is not null)
select name from names where name is not null order by name collate \"C\"",
    types: &[],
};
static BACKLOG: Sql = Sql {
    text: "select count(*)::int8 from (select from due where route = $1 limit $2) as t",
    types: &[Type::TEXT, Type::INT8],
};
static BURY: Sql = Sql {
    text: "
with r as materialized (
    select id, route, round, attempts + 1 as place from due where route = $1 order by due_at limit $3 for update),
gone as (delete from due where due.id = any (array (select id from r))),
line as (delete from lines where id = any (array (select id from r))),
ended as (
    insert into deliveries (id, round, route, status, attempts, done_at)
    select id, round, route, 2, place, $2 from r on conflict do nothing),
noted as (
    insert into attempts (delivery_id, round, n, at, status, ms, error)
    select id, round, place, $2, 0, 0, 'the route was removed' from r on conflict do nothing)
select count(*)::int8 from r",
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};
static REPLAY: Sql = Sql {
    text: "
with a as (update deliveries set status = 3 where id = $1 and status <> 3 returning id, round, route)
insert into due (id, route, due_at, round) select id, route, $2, round + 1 from a
on conflict (id) do nothing returning 1",
    types: &[Type::INT8, Type::INT8],
};

pub(super) fn claimed(row: &Row) -> ClaimedRow {
    let count = |n: i32| u32::try_from(n).unwrap_or_default();
    ClaimedRow {
        id: row.get(0),
        round: count(row.get(1)),
        attempts: count(row.get(2)),
        appid: row.get(3),
        received_at: row.get(4),
        digest: row.get(5),
        body: row.get(6),
    }
}

/// From where a route's queue is looked at: where somebody holds an old snapshot, as a dump does, what was deleted stays at
/// its head, and each look would go past all of it.
#[derive(Debug, Default)]
pub(super) struct Floors(Mutex<HashMap<String, Floor>>);

#[derive(Clone, Copy, Debug)]
struct Floor {
    due_at: i64,
    /// In ticks. Then it is looked at from its beginning: what somebody else had taken on lies there.
    until: i64,
}

/// What comes late is due so long before what has been seen, milliseconds.
const LATE: i64 = 10_000;
/// A floor holds so long, milliseconds.
const HOLDS: i64 = 5_000;

impl Floors {
    fn of(&self, route: &str, ticks: i64) -> i64 {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        floors.retain(|_, floor| floor.until > ticks);
        floors.get(route).map_or(i64::MIN, |floor| floor.due_at)
    }

    /// What was claimed begins at `due_at`.
    fn seen(&self, route: &str, due_at: i64, ticks: i64) {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match floors.get_mut(route) {
            Some(floor) => floor.due_at = due_at - LATE,
            None => {
                let floor = Floor { due_at: due_at - LATE, until: ticks + HOLDS };
                floors.insert(route.to_owned(), floor);
            }
        }
    }
}

pub(super) async fn claim(
    link: &Link,
    floors: &Floors,
    route: &str,
    (now, ticks): (i64, i64),
    limit: u32,
    lease: Lease,
) -> Result<(Vec<ClaimedRow>, Option<i64>), StoreError> {
    let (most, floor) = (i64::from(limit), floors.of(route, ticks));
    let rows = link.query(&CLAIM, &[&route, &now, &most, &lease.owner, &lease.until, &floor]).await?;
    if let Some(first) = rows.iter().map(|row| row.get(7)).min() {
        floors.seen(route, first, ticks);
    }
    let claimed: Vec<ClaimedRow> = rows.iter().map(claimed).collect();
    if claimed.len() >= limit as usize {
        // There may be more.
        return Ok((claimed, Some(now)));
    }
    let next = next(link, route, now, floor).await?;
    Ok((claimed, next))
}

/// When something is due next, or may be taken on again, of what is due from `floor` on.
pub(super) async fn next(link: &Link, route: &str, now: i64, floor: i64) -> Result<Option<i64>, StoreError> {
    Ok(link.row(&NEXT, &[&route, &now, &floor]).await?.and_then(|row| row.get(0)))
}

pub(super) async fn take_on(
    link: &Link,
    event_id: i64,
    route: &str,
    now: i64,
    lease: Lease,
) -> Result<Option<ClaimedRow>, StoreError> {
    let row = link.row(&TAKE_ON, &[&event_id, &route, &now, &lease.owner, &lease.until]).await?;
    Ok(row.as_ref().map(claimed))
}

impl Item for Record {
    type Outcome = ();

    fn is_apart_from(&self, other: &Self) -> bool {
        self.delivery != other.delivery
    }
}

/// A delivery arrived that is recorded no more: whoever holds it, that ends it.
pub(super) fn arrived(delivery: i64, at: i64) -> Record {
    let attempt = Attempt { at, status: 200, ms: 0, error: String::new(), answer: Vec::new() };
    Record { delivery, round: 0, n: 1, owner: 0, attempt, fate: Fate::Delivered, now: at }
}

pub(super) async fn record(link: &Link, records: &[Record]) -> Result<Vec<()>, StoreError> {
    Ok(attempt(link, records).await?)
}

/// Writes a group of outcomes that are apart.
pub(super) async fn attempt(link: &Link, records: &[Record]) -> Result<Vec<()>, Failure> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let longs = |of: fn(&Record) -> i64| -> Vec<i64> { records.iter().map(of).collect() };
    let fate = |record: &Record| match record.fate {
        Fate::Delivered => 1,
        Fate::Dead => 2,
        Fate::Retry(_) => 0,
    };
    let retry_at = |record: &Record| match record.fate {
        Fate::Retry(at) => at,
        _ => 0,
    };
    let rounds: Vec<i32> = records.iter().map(|record| number(record.round)).collect();
    let attempts: Vec<i32> = records.iter().map(|record| number(record.n)).collect();
    let owners: Vec<i32> = records.iter().map(|record| record.owner).collect();
    let fates: Vec<i32> = records.iter().map(fate).collect();
    let statuses: Vec<i32> = records.iter().map(|record| record.attempt.status.into()).collect();
    let errors: Vec<_> = records.iter().map(|record| text(&record.attempt.error)).collect();
    let ms = |attempt: &Attempt| i64::try_from(attempt.ms).unwrap_or(i64::MAX);
    let took: Vec<i64> = records.iter().map(|record| ms(&record.attempt)).collect();
    let retries: Vec<i64> = records.iter().map(retry_at).collect();
    let answer = |record: &Record| Some(record.attempt.answer.clone()).filter(|answer| !answer.is_empty());
    let answers: Vec<Option<Vec<u8>>> = records.iter().map(answer).collect();
    link.attempt(
        &RECORD,
        &[
            &longs(|record| record.delivery),
            &rounds,
            &attempts,
            &owners,
            &fates,
            &longs(|record| record.attempt.at),
            &statuses,
            &took,
            &errors,
            &retries,
            &longs(|record| record.now),
            &answers,
        ],
    )
    .await?;
    Ok(vec![(); records.len()])
}

pub(super) async fn release(link: &Link, delivery: i64, owner: i32, now: i64) -> Result<(), StoreError> {
    link.query(&RELEASE, &[&delivery, &owner, &now]).await.map(drop)
}

pub(super) async fn waiting_routes(link: &Link) -> Result<Vec<String>, StoreError> {
    Ok(link.query(&WAITING_ROUTES, &[]).await?.iter().map(|row| row.get(0)).collect())
}

pub(super) async fn backlog(link: &Link, route: &str, most: u32) -> Result<u32, StoreError> {
    let found: i64 = link.row(&BACKLOG, &[&route, &i64::from(most)]).await?.map_or(0, |row| row.get(0));
    Ok(u32::try_from(found).unwrap_or(most))
}

pub(super) async fn bury(link: &Link, route: &str, now: i64, limit: u32) -> Result<usize, StoreError> {
    let found: i64 = link.row(&BURY, &[&route, &now, &i64::from(limit)]).await?.map_or(0, |row| row.get(0));
    Ok(usize::try_from(found).unwrap_or_default())
}

pub(super) async fn replay(link: &Link, delivery: i64, now: i64) -> Result<bool, StoreError> {
    Ok(link.row(&REPLAY, &[&delivery, &now]).await?.is_some())
}
