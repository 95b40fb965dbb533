//! Forgetting what is old, a step at a time.

use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::{Purge, Purged, Seen, StoreError};

/// What need not be remembered at `$1` any more, at most `$2` rows.
static EXPIRED: [Sql; 10] = [
    expired(
        "with r as (delete from seen_msg where ctid = any (array(
             select ctid from seen_msg where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from seen_sig where key = any (array(
             select key from seen_sig where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from once where key = any (array(
             select key from once where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from bound where key = any (array(
             select key from bound where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from streams where ctid = any (array(
             select ctid from streams where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from replays where ctid = any (array(
             select ctid from replays where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from codes where ctid = any (array(
             select ctid from codes where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from sent where ctid = any (array(
             select ctid from sent where expires_at <= $1 limit $2)) returning 1) select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from job_items where ctid = any (array(
             select i.ctid from jobs j join job_items i on i.job = j.id where j.expires_at <= $1 limit $2)) returning 1)
         select count(*)::int8 from r",
    ),
    expired(
        "with r as (delete from jobs where id = any (array(
             select id from jobs j where expires_at <= $1 and not exists (select from job_items i where i.job = j.id)
             limit $2)) returning 1)
         select count(*)::int8 from r",
    ),
];

const fn expired(text: &'static str) -> Sql {
    Sql { text, types: &[Type::INT8, Type::INT8] }
}

static DIED: Sql = Sql {
    text: "select id from deliveries where status = 2 and done_at < $1 order by done_at limit $2",
    types: &[Type::INT8, Type::INT8],
};
/// Forgets dead letters, each with its attempts.
static FORGET_DEAD: Sql = Sql {
    text: "
with a as (delete from attempts where delivery_id = any ($1)),
d as (delete from deliveries where id = any ($1) returning 1)
select count(*)::int8 from d",
    types: &[Type::INT8_ARRAY],
};
/// Old and young: ids ascend in time, but for moments.
static NEXT: Sql = Sql {
    text: "select id, received_at from events where id > $1 order by id limit $2",
    types: &[Type::INT8, Type::INT8],
};
/// Forgets messages from before `$2`, each with its deliveries, unless one of these is still needed.
static FORGET: Sql = Sql {
    text: "
with e as materialized (
    select id from events e where id = any ($1) and received_at < $2
    and not exists (select from due where due.id between e.id << 16 and (e.id << 16) + 65535)
    and not exists (
        select from deliveries d where d.id between e.id << 16 and (e.id << 16) + 65535 and d.status = 2)),
o as materialized (
    select d.id from e cross join lateral (
        select id from deliveries where id between e.id << 16 and (e.id << 16) + 65535 offset 0) as d),
w as (insert into counter (name, v) select 'forgotten', max(id) from e having max(id) is not null
      on conflict (name) do update set v = greatest(counter.v, excluded.v)),
a as (delete from attempts where delivery_id = any (array (select id from o))),
d as (delete from deliveries where deliveries.id = any (array (select id from o))),
g as (delete from events where events.id = any (array (select id from e)) returning 1)
select count(*)::int8 from g",
    types: &[Type::INT8_ARRAY, Type::INT8],
};

/// One step: it gets on in any case.
pub(super) async fn step(link: &Link, step: &Purge) -> Result<Purged, StoreError> {
    let limit = i64::from(step.limit);
    let count = |row: Option<tokio_postgres::Row>| -> i64 { row.map_or(0, |row| row.get(0)) };
    let (mut rows, mut more) = (0, false);
    for sql in &EXPIRED {
        let went = count(link.row(sql, &[&step.now, &limit]).await?);
        rows += went;
        more |= went >= limit;
    }
    let died: Vec<i64> =
        link.query(&DIED, &[&step.dead_before, &limit]).await?.iter().map(|row| row.get(0)).collect();
    if !died.is_empty() {
        more |= died.len() as i64 >= limit;
        rows += count(link.row(&FORGET_DEAD, &[&died]).await?);
        let mut events: Vec<i64> = died.iter().map(|id| id >> 16).collect();
        events.dedup();
        rows += count(link.row(&FORGET, &[&events, &step.events_before]).await?);
    }
    let mut after = step.after;
    let found = link.query(&NEXT, &[&after.1, &limit]).await?;
    let is_old = |row: &&tokio_postgres::Row| row.get::<_, i64>(1) < step.events_before;
    let old: Vec<i64> = found.iter().filter(is_old).map(|row| row.get(0)).collect();
    if let Some(last) = old.last() {
        after = (step.events_before, *last);
        rows += count(link.row(&FORGET, &[&old, &step.events_before]).await?);
    }
    more |= old.len() as i64 >= limit;
    let next = more.then_some(Purge { after, ..*step });
    Ok(Purged { rows: usize::try_from(rows).unwrap_or_default(), next, seen: Seen(after) })
}
