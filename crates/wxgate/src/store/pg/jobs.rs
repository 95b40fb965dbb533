//! Jobs, and what they are made of.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Link, Sql, text};
use crate::store::job_rows::{AddedRow, ItemRow, JobRow};
use crate::store::{ItemEnd, Lease, StoreError};

static GIVE_UP_NAMESAKE: Sql = Sql {
    text: "update jobs set again = null, expires_at = $2 where again = $1 and state = 0",
    types: &[Type::BYTEA, Type::INT8],
};
/// Gives the number that the name stands for, if it isn't this one.
static ADD: Sql = Sql {
    text: "
with i as (
    insert into jobs (id, kind, caller, again, state, made_at, rate, total, place, good, bad, lost, value, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, $9, $10) on conflict do nothing returning id)
select id from i union all select id from jobs where again = $4 and not exists (select from i)",
    types: &[
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::BYTEA,
        Type::INT4,
        Type::INT8,
        Type::INT4,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
    ],
};
static ADD_ITEMS: Sql = Sql {
    text: "
with j as (update jobs set expires_at = $3 where id = $1 and state = 0 and expires_at > $2 returning id),
i as (
    insert into job_items (job, n, state, openid, value)
    select j.id, t.n, 0, t.openid, t.value from j, unnest($4, $5, $6) as t (n, openid, value)
    on conflict do nothing)
select id from j",
    types: &[Type::INT8, Type::INT8, Type::INT8, Type::INT8_ARRAY, Type::TEXT_ARRAY, Type::BYTEA_ARRAY],
};
/// Told again, it is begun already.
static BEGIN: Sql = Sql {
    text: "
update jobs set state = 1, total = $2, value = $3, expires_at = null
where id = $1 and state = 0 and expires_at > $4 returning 1",
    types: &[Type::INT8, Type::INT8, Type::BYTEA, Type::INT8],
};
static GIVE_UP: Sql = Sql {
    text: "update jobs set again = null, expires_at = $2 where id = $1 and state = 0",
    types: &[Type::INT8, Type::INT8],
};
static CLAIM: Sql = Sql {
    text: "
update jobs set owner = $1, leased_until = $2 where id = any (array (
    select id from jobs
    where state < 2 and state = 1 and kind = $3 and (owner is null or leased_until <= $4) and id <> all ($5)
        and (select count(*) from jobs w where w.state < 2 and w.state = 1 and w.kind = $3 and w.caller = jobs.caller
             and w.leased_until > $4) < $6
    order by id limit 1 for update skip locked))
returning id, kind, caller, state, made_at, ended_at, rate, total, place, good, bad, lost, value, expires_at",
    types: &[Type::INT4, Type::INT8, Type::TEXT, Type::INT8, Type::INT8_ARRAY, Type::INT8],
};
static KEEP: Sql = Sql {
    text: "update jobs set leased_until = $3 where id = $1 and owner = $2 and state = 1
           returning expires_at is not null",
    types: &[Type::INT8, Type::INT4, Type::INT8],
};
static LEAVE: Sql = Sql {
    text: "update jobs set owner = null, leased_until = null where id = $1 and owner = $2",
    types: &[Type::INT8, Type::INT4],
};
static END: Sql = Sql {
    text: "
update jobs set state = $3, ended_at = coalesce(ended_at, $4), expires_at = $5, owner = null, leased_until = null
where id = $1 and owner = $2 and state = 1",
    types: &[Type::INT8, Type::INT4, Type::INT4, Type::INT8, Type::INT8],
};
static STOP: Sql = Sql {
    text: "update jobs set ended_at = $2, expires_at = $3 where id = $1 and state = 1 and expires_at is null returning 1",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};
static ONE: Sql = Sql {
    text: "select id, kind, caller, state, made_at, ended_at, rate, total, place, good, bad, lost, value, expires_at
           from jobs where id = $1 and state > 0",
    types: &[Type::INT8],
};
static LIST: Sql = Sql {
    text: "select id, kind, caller, state, made_at, ended_at, rate, total, place, good, bad, lost, value, expires_at
           from jobs where id < $1 and state > 0 order by id desc limit $2",
    types: &[Type::INT8, Type::INT8],
};
static OPEN: Sql = Sql {
    text: "select n, state, begun_at, openid, msgid, code, value from job_items
           where job = $1 and state < 2 and state = $2 and n > $3 order by n limit $4",
    types: &[Type::INT8, Type::INT4, Type::INT8, Type::INT8],
};
static ITEMS: Sql = Sql {
    text: "select n, state, begun_at, openid, msgid, code, null::bytea from job_items
           where job = $1 and n > $2 order by n limit $3",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};
static BEGIN_ITEMS: Sql = Sql {
    text: "
with j as (select id from jobs where id = $1 and owner = $2 and state = 1 and expires_at is null for update),
u as (
    update job_items set state = 1, begun_at = $4 from j
    where job_items.job = j.id and job_items.n = any ($3) and job_items.state = 0)
select id from j",
    types: &[Type::INT8, Type::INT4, Type::INT8_ARRAY, Type::INT8],
};
static END_ITEMS: Sql = Sql {
    text: "
with t as materialized (select * from unnest($2, $3, $4, $5) as t (n, state, msgid, code)),
u as (
    update job_items i
    set state = t.state, msgid = t.msgid, code = t.code,
        begun_at = case when t.state = 0 then null else i.begun_at end,
        value = case when t.state = 0 then i.value end
    from t where i.job = $1 and i.n = any ($2) and i.n = t.n and i.state < 2
        and (t.state > 0 or exists (select from jobs where id = $1 and owner = $6)) returning i.state)
update jobs set good = good + (select count(*) from u where state = 2),
    bad = bad + (select count(*) from u where state = 3), lost = lost + (select count(*) from u where state = 4)
where id = $1",
    types: &[Type::INT8, Type::INT8_ARRAY, Type::INT4_ARRAY, Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::INT4],
};

fn job_of(row: &Row) -> JobRow {
    JobRow {
        id: row.get(0),
        kind: row.get(1),
        caller: row.get(2),
        state: row.get(3),
        made_at: row.get(4),
        ended_at: row.get(5),
        rate: row.get::<_, i32>(6).unsigned_abs(),
        total: row.get(7),
        place: row.get(8),
        good: row.get(9),
        bad: row.get(10),
        lost: row.get(11),
        value: row.get(12),
        expires_at: row.get(13),
    }
}

fn item_of(row: &Row) -> ItemRow {
    ItemRow {
        n: row.get(0),
        state: row.get(1),
        begun_at: row.get(2),
        openid: row.get(3),
        msgid: row.get(4),
        code: row.get(5),
        value: row.get(6),
    }
}

pub(super) async fn add(
    link: &Link,
    row: &JobRow,
    again: Option<[u8; 32]>,
    now: i64,
) -> Result<AddedRow, StoreError> {
    let again = again.as_ref().map(<[u8; 32]>::as_slice);
    if again.is_some() {
        link.query(&GIVE_UP_NAMESAKE, &[&again, &now]).await?;
    }
    let rate = i32::try_from(row.rate).unwrap_or(i32::MAX);
    let found = link
        .row(
            &ADD,
            &[
                &row.id,
                &row.kind,
                &text(&row.caller),
                &again,
                &row.state,
                &row.made_at,
                &rate,
                &row.total,
                &row.value,
                &row.expires_at,
            ],
        )
        .await?;
    Ok(match found.map(|found| found.get::<_, i64>(0)) {
        Some(id) if id == row.id => AddedRow::New,
        Some(id) => AddedRow::Known(id),
        None => AddedRow::Taken,
    })
}

pub(super) async fn add_items(
    link: &Link,
    job: i64,
    items: &[ItemRow],
    now: i64,
    until: i64,
) -> Result<bool, StoreError> {
    let ns: Vec<i64> = items.iter().map(|item| item.n).collect();
    let openids: Vec<_> = items.iter().map(|item| text(&item.openid)).collect();
    let values: Vec<_> = items.iter().map(|item| item.value.as_deref()).collect();
    Ok(link.row(&ADD_ITEMS, &[&job, &now, &until, &ns, &openids, &values]).await?.is_some())
}

pub(super) async fn begin(
    link: &Link,
    job: i64,
    total: i64,
    value: &[u8],
    now: i64,
) -> Result<bool, StoreError> {
    Ok(link.row(&BEGIN, &[&job, &total, &value, &now]).await?.is_some())
}

pub(super) async fn give_up(link: &Link, job: i64, now: i64) -> Result<(), StoreError> {
    link.query(&GIVE_UP, &[&job, &now]).await.map(drop)
}

pub(super) async fn claim(
    link: &Link,
    kind: &str,
    (except, of_one): (&[i64], i64),
    lease: Lease,
    now: i64,
) -> Result<Option<JobRow>, StoreError> {
    let row = link.row(&CLAIM, &[&lease.owner, &lease.until, &kind, &now, &except, &of_one]).await?;
    Ok(row.as_ref().map(job_of))
}

pub(super) async fn keep(link: &Link, job: i64, lease: Lease) -> Result<Option<bool>, StoreError> {
    Ok(link.row(&KEEP, &[&job, &lease.owner, &lease.until]).await?.map(|row| row.get(0)))
}

pub(super) async fn leave(link: &Link, job: i64, owner: i32) -> Result<(), StoreError> {
    link.query(&LEAVE, &[&job, &owner]).await.map(drop)
}

pub(super) async fn end(
    link: &Link,
    job: i64,
    owner: i32,
    is_stopped: bool,
    (now, expires_at): (i64, i64),
) -> Result<(), StoreError> {
    let state = if is_stopped { 2 } else { 3 };
    link.query(&END, &[&job, &owner, &state, &now, &expires_at]).await.map(drop)
}

pub(super) async fn stop(link: &Link, job: i64, now: i64, expires_at: i64) -> Result<bool, StoreError> {
    Ok(link.row(&STOP, &[&job, &now, &expires_at]).await?.is_some())
}

pub(super) async fn one(link: &Link, id: i64) -> Result<Option<JobRow>, StoreError> {
    Ok(link.row(&ONE, &[&id]).await?.as_ref().map(job_of))
}

pub(super) async fn list(link: &Link, before: Option<i64>, limit: u32) -> Result<Vec<JobRow>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    Ok(link.query(&LIST, &[&before, &i64::from(limit)]).await?.iter().map(job_of).collect())
}

pub(super) async fn open_items(
    link: &Link,
    job: i64,
    state: i32,
    after: i64,
    limit: u32,
) -> Result<Vec<ItemRow>, StoreError> {
    let rows = link.query(&OPEN, &[&job, &state, &after, &i64::from(limit)]).await?;
    Ok(rows.iter().map(item_of).collect())
}

pub(super) async fn items(link: &Link, job: i64, after: i64, limit: u32) -> Result<Vec<ItemRow>, StoreError> {
    Ok(link.query(&ITEMS, &[&job, &after, &i64::from(limit)]).await?.iter().map(item_of).collect())
}

pub(super) async fn begin_items(
    link: &Link,
    job: i64,
    owner: i32,
    items: &[i64],
    now: i64,
) -> Result<bool, StoreError> {
    Ok(link.row(&BEGIN_ITEMS, &[&job, &owner, &items, &now]).await?.is_some())
}

pub(super) async fn end_items(link: &Link, job: i64, owner: i32, ends: &[ItemEnd]) -> Result<(), StoreError> {
    let ns: Vec<i64> = ends.iter().map(|end| end.n).collect();
    let states: Vec<i32> = ends.iter().map(|end| end.state as i32).collect();
    let msgids: Vec<_> = ends.iter().map(|end| text(&end.msgid)).collect();
    let codes: Vec<i64> = ends.iter().map(|end| end.code).collect();
    link.query(&END_ITEMS, &[&job, &ns, &states, &msgids, &codes, &owner]).await.map(drop)
}
