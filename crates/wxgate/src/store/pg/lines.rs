//! Routes that keep order. One node at a time holds such a route, by a lease of its name.

use tokio_postgres::types::Type;

use super::link::{Link, Sql, Values};
use super::{Pg, queue};
use crate::store::backend::{ClaimedRow, Lines};
use crate::store::lines::{HELD, IN_ORDER, LOOK, tried_first};
use crate::store::records::Pending;
use crate::store::{Lease, StoreError};

/// What ended, and what each held of its user's that is the oldest.
static LET_GO: Sql = Sql {
    text: "
with gone as (
    delete from lines l where l.id = any ($2) and l.route = $1 and not exists (select from due where due.id = l.id)
    returning l.openid),
n as (
    select f.id from gone cross join lateral (
        select id, goes from lines where route = $1 and openid = gone.openid and id <> all ($2) order by id limit 1) as f
    where f.goes = 0)
update due set due_at = $3 from n where due.id = n.id and due.due_at = $4",
    types: &[Type::TEXT, Type::INT8_ARRAY, Type::INT8, Type::INT8],
};
/// Looks at what is due: the first of each user's goes, unless another does or there is no room; those after it are held.
/// Rows without a message are those that are held.
static CLAIM: Sql = Sql {
    text: "
with x as (select set_config('synchronous_commit', 'off', true) as off),
c as materialized (
    select d.id, d.turn, e.openid from x, (
        select id, case when row_number() over (order by due_at, id) <= $9 then 0 else 2 end as turn from (
            select id, due_at from due
            where route = $1 and due_at > $8 and due_at <= $2 and (leased_until is null or leased_until <= $2)
            order by due_at, id limit $6) as tried
        union all
        (select id, 1 from due
         where route = $1 and due_at = $8 and (leased_until is null or leased_until <= $2)
         order by id limit $3)) as d
    cross join lateral (select openid from events where events.id = d.id >> 16 offset 0) as e
    where off = 'off'),
r as materialized (
    select c.*, coalesce(l.goes, 0) as goes,
           row_number() over (partition by c.openid order by coalesce(l.goes, 0) desc, c.id) as n,
           exists (select from lines o where o.route = $1 and o.openid = c.openid and o.goes = 1 and o.id <> c.id) as busy
    from c left join lines l on l.route = $1 and l.openid = c.openid and l.id = c.id),
g as materialized (select id, openid from r where n = 1 and not busy order by turn, id limit $6),
h as materialized (
    select id, openid from r
    where goes = 0 and (busy or n > 1 and openid in (select openid from g)) and id not in (select id from g)),
i as (
    insert into lines (route, openid, id, goes)
    select $1, openid, id, 1 from g union all select $1, openid, id, 0 from h
    on conflict (route, openid, id) do update set goes = excluded.goes),
k as (update due set due_at = $7 where due.id = any (array (select id from h))),
u as (
    update due set owner = $4, leased_until = $5
    where due.id = any (array (select id from g)) and (leased_until is null or leased_until <= $2)
    returning due.id, due.round, due.attempts)
select u.id, u.round, u.attempts, e.appid, e.received_at, e.digest, e.body
from u cross join lateral (select * from events where events.id = u.id >> 16 offset 0) as e
union all
select id, 0, 0, null, 0, null, null from h
order by 1",
    types: &[
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT4,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
    ],
};
static ENDED: Sql = Sql {
    text: "
select id from lines
where route = $1 and goes = 1 and not exists (select from due where due.id = lines.id)",
    types: &[Type::TEXT],
};
static LEAVE: Sql = Sql {
    text: "
with l as (delete from lines where route = $1)
update due set due_at = $2 where route = $1 and due_at = $3",
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};
static STRAIGHTEN: Sql = Sql {
    text: "
with gone as (
    delete from lines where route = $1 and not exists (select from due where due.id = lines.id) returning id),
l as materialized (select * from lines where route = $1 and exists (select from due where due.id = lines.id))
update due set due_at = $2 where route = $1 and due_at = $3 and (
    id in (select min(id) from l group by openid having max(goes) = 0) or id not in (select id from l))",
    types: &[Type::TEXT, Type::INT8, Type::INT8],
};

impl Lines for Pg {
    fn claim_in_order(
        &self,
        route: &str,
        ended: Vec<i64>,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)> {
        let route = route.to_owned();
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            if !ended.is_empty() {
                self.work.query(&LET_GO, &[&route, &ended, &IN_ORDER, &HELD]).await?;
            }
            let (mut rows, next) = claim(&self.work, &route, now, limit, lease).await?;
            rows.iter_mut().for_each(|row| row.received_at = self.time.ours(row.received_at));
            Ok((rows, next.map(|next| self.time.ours(next))))
        })
    }

    fn ended_elsewhere(&self, route: &str) -> Pending<'_, Vec<i64>> {
        let route = route.to_owned();
        Box::pin(async move {
            Ok(self.work.query(&ENDED, &[&route]).await?.iter().map(|row| row.get(0)).collect())
        })
    }

    fn straighten(&self, route: &str, keeps_order: bool) -> Pending<'_, ()> {
        let sql = if keeps_order { &STRAIGHTEN } else { &LEAVE };
        let route = route.to_owned();
        Box::pin(async move { self.work.query(sql, &[&route, &IN_ORDER, &HELD]).await.map(drop) })
    }
}

async fn claim(
    link: &Link,
    route: &str,
    now: i64,
    limit: u32,
    lease: Lease,
) -> Result<(Vec<ClaimedRow>, Option<i64>), StoreError> {
    let (look, most) = (i64::from(LOOK), i64::from(limit));
    let first = tried_first(limit) as i64;
    let values: Values<'_> =
        &[&route, &now, &look, &lease.owner, &lease.until, &most, &HELD, &IN_ORDER, &first];
    let rows = link.query(&CLAIM, values).await?;
    let is_claimed = |row: &&tokio_postgres::Row| row.get::<_, Option<&str>>(3).is_some();
    let claimed: Vec<ClaimedRow> = rows.iter().filter(is_claimed).map(queue::claimed).collect();
    if claimed.len() >= limit as usize || rows.len() > claimed.len() {
        // There may be more.
        return Ok((claimed, Some(now)));
    }
    let next = queue::next(link, route, now, i64::MIN).await?;
    Ok((claimed, next))
}
