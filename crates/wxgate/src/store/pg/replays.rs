//! Sending many deliveries once more.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::job_rows::{EndedRow, ReplayStep};
use crate::store::{Ended, EndedDelivery, StoreError};

macro_rules! ended {
    ($which:literal) => {
        Sql {
            text: concat!(
                "
select d.id, d.route, d.done_at, coalesce(a.status, d.last_status, 0), coalesce(a.error, ''),
       e.appid, e.openid, e.kind, e.received_at
from (select id, round, route, status, attempts, done_at, last_status from deliveries
      where ",
                $which,
                " and id > $1 and ($3::int8[] is null or id = any ($3)) order by id limit $2) d
left join events e on e.id = d.id >> 16
left join attempts a on d.status = 2 and a.delivery_id = d.id and a.round = d.round and a.n = d.attempts
order by d.id"
            ),
            types: &[Type::INT8, Type::INT8, Type::INT8_ARRAY],
        }
    };
}

static DEAD: Sql = ended!("status = 2");
static DELIVERED: Sql = ended!("status = 1");
static ANY: Sql = ended!("status <> 3");
static STEP: Sql = Sql {
    text: "
with j as (select id from jobs where id = $1 and owner = $2 and state = 1 and expires_at is null for update),
a as (
    update deliveries d set status = 3 from j
    where d.id = any ($3) and d.status <> 3 and ($4 = 0 or d.status = $4) returning d.id, d.round, d.route),
q as (
    insert into due (id, route, due_at, round) select id, route, $7, round + 1 from a
    on conflict (id) do nothing returning id, round),
i as (
    insert into job_items (job, n, state, begun_at, delivery, round)
    select j.id, q.id, 1, $7, q.id, q.round from j, q on conflict do nothing returning 1)
update jobs set place = $5,
    total = case when $6 then (select count(*) from job_items where job = $1) + (select count(*) from i)
            else total end
from j where jobs.id = j.id returning 1",
    types: &[Type::INT8, Type::INT4, Type::INT8_ARRAY, Type::INT4, Type::INT8, Type::BOOL, Type::INT8],
};
/// A round that another followed arrived, if it says when.
static FOLD: Sql = Sql {
    text: "
with p as materialized (
    select n, delivery, round from job_items
    where job = $1 and state < 2 and state = 1 and n > $2 order by n limit $3),
s as materialized (
    select p.n, case when d.status = 1 or (d.status = 3 and d.last_at is not null) then 2
                     when d.status is not null then 3
                     when not exists (select from due where due.id = p.delivery) then 4 end as state
    from p left join deliveries d on d.id = p.delivery and d.round = p.round),
u as (
    update job_items i set state = s.state from s
    where i.job = $1 and i.n = s.n and s.state is not null and i.state = 1 returning i.state),
c as (
    update jobs set good = good + (select count(*) from u where state = 2),
        bad = bad + (select count(*) from u where state = 3), lost = lost + (select count(*) from u where state = 4)
    where id = $1 and exists (select from u))
select max(n), count(*) from p",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};

fn read(row: &Row) -> EndedRow {
    let id = row.get(0);
    let appid: Option<String> = row.get(5);
    let found = appid.map(|appid| EndedDelivery {
        id,
        route: row.get(1),
        done_at: row.get(2),
        status: u16::try_from(row.get::<_, i32>(3)).unwrap_or_default(),
        error: row.get(4),
        appid,
        openid: row.get(6),
        kind: row.get(7),
        received_at: row.get(8),
    });
    EndedRow { id, found }
}

pub(super) async fn ended(
    link: &Link,
    ended: Ended,
    ids: Option<&[i64]>,
    after: i64,
    limit: u32,
) -> Result<Vec<EndedRow>, StoreError> {
    let sql = match ended {
        Ended::Any => &ANY,
        Ended::Delivered => &DELIVERED,
        Ended::Dead => &DEAD,
    };
    Ok(link.query(sql, &[&after, &i64::from(limit), &ids]).await?.iter().map(read).collect())
}

pub(super) async fn step(
    link: &Link,
    job: i64,
    owner: i32,
    step: &ReplayStep,
    now: i64,
) -> Result<bool, StoreError> {
    let ReplayStep { ids, ended, place, is_last } = step;
    let row = link.row(&STEP, &[&job, &owner, ids, &(*ended as i32), place, is_last, &now]).await?;
    Ok(row.is_some())
}

pub(super) async fn fold(link: &Link, job: i64, after: i64, limit: u32) -> Result<Option<i64>, StoreError> {
    let most = i64::from(limit);
    let row = link.row(&FOLD, &[&job, &after, &most]).await?;
    Ok(row.and_then(|row| if row.get::<_, i64>(1) >= most { row.get(0) } else { None }))
}
