//! Figures of what passed.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Link, Sql, text};
use crate::metrics::Tally;
use crate::store::{SeriesQuery, SeriesRow, Stock, StoreError, Tier};

static KEEP: Sql = Sql {
    text: "insert into series (tier, key, bucket, node, n, bad, ms, hist)
           select * from unnest($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (tier, key, bucket, node) do update
           set n = excluded.n, bad = excluded.bad, ms = excluded.ms, hist = excluded.hist",
    types: &[
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
/// From key to key: what lies between the buckets that are asked for isn't read.
static READ: Sql = Sql {
    text: "
with recursive k (key) as (
    (select key from series where tier = $1 and key >= $2 and key < $3 order by key limit 1)
    union all
    select (select s.key from series s where s.tier = $1 and s.key > k.key and s.key < $3 order by s.key limit 1)
    from k where k.key is not null)
select s.key, s.bucket, s.node, s.n, s.bad, s.ms, s.hist
from k cross join lateral (
    select * from series s where s.tier = $1 and s.key = k.key and s.bucket >= $4 and s.bucket < $5
    order by s.bucket, s.node) s
where k.key is not null",
    types: &[Type::INT4, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8],
};
static LAST: Sql = Sql {
    text: "select max(bucket) from series where tier = $1 and key = $2",
    types: &[Type::INT4, Type::TEXT],
};
static NEXT: Sql = Sql {
    text: "select min(bucket) from series where tier = $1 and key = $2 and bucket >= $3",
    types: &[Type::INT4, Type::TEXT, Type::INT8],
};
static FORGET: Sql = Sql {
    text: "with gone as (
               delete from series where ctid = any (array (
                   select ctid from series where tier = $1 and bucket < $2 limit $3)) returning 1)
           select count(*)::int8 from gone",
    types: &[Type::INT4, Type::INT8, Type::INT8],
};
static STOCK: Sql = Sql {
    text: "
select (select count(*) from (select from due where due.route = r.route limit $2) as w),
       (select count(*) from (select from deliveries d where d.route = r.route and status = 2 limit $2) as d)
from unnest($1) with ordinality as r (route, place) order by place",
    types: &[Type::TEXT_ARRAY, Type::INT8],
};

pub(super) async fn keep(link: &Link, rows: &[SeriesRow]) -> Result<(), StoreError> {
    fn numbers(rows: &[SeriesRow], of: fn(&Tally) -> u64) -> Vec<i64> {
        rows.iter().map(|row| i64::try_from(of(&row.tally)).unwrap_or(i64::MAX)).collect()
    }
    let tiers: Vec<i32> = rows.iter().map(|row| row.tier.number()).collect();
    let keys: Vec<_> = rows.iter().map(|row| text(&row.key)).collect();
    let buckets: Vec<i64> = rows.iter().map(|row| row.bucket).collect();
    let nodes: Vec<i32> = rows.iter().map(|row| row.node).collect();
    let hist = |row: &SeriesRow| Some(row.tally.packed()).filter(|hist| !hist.is_empty());
    let hists: Vec<Option<Vec<u8>>> = rows.iter().map(hist).collect();
    let (n, bad, ms) =
        (numbers(rows, |tally| tally.n), numbers(rows, |tally| tally.bad), numbers(rows, |tally| tally.ms));
    link.query(&KEEP, &[&tiers, &keys, &buckets, &nodes, &n, &bad, &ms, &hists]).await.map(drop)
}

pub(super) async fn read(link: &Link, queries: Vec<SeriesQuery>) -> Result<Vec<SeriesRow>, StoreError> {
    let mut rows = Vec::new();
    for SeriesQuery { tier, first, end, from, to } in queries {
        let (first, end) = (text(&first), text(&end));
        let found = link.query(&READ, &[&tier.number(), &first, &end, &from, &to]).await?;
        rows.extend(found.iter().map(|row| row_of(tier, row)));
    }
    Ok(rows)
}

fn row_of(tier: Tier, row: &Row) -> SeriesRow {
    let count = |at: usize| u64::try_from(row.get::<_, i64>(at)).unwrap_or_default();
    let hist = row.get::<_, Option<&[u8]>>(6).map(Tally::unpacked).unwrap_or_default();
    let tally = Tally { n: count(3), bad: count(4), ms: count(5), hist };
    SeriesRow { tier, key: row.get(0), bucket: row.get(1), node: row.get(2), tally }
}

pub(super) async fn last(link: &Link, tier: Tier, key: &str) -> Result<Option<i64>, StoreError> {
    Ok(link.row(&LAST, &[&tier.number(), &key]).await?.and_then(|row| row.get(0)))
}

pub(super) async fn next(link: &Link, tier: Tier, key: &str, from: i64) -> Result<Option<i64>, StoreError> {
    Ok(link.row(&NEXT, &[&tier.number(), &key, &from]).await?.and_then(|row| row.get(0)))
}

pub(super) async fn forget(link: &Link, tier: Tier, before: i64, limit: u32) -> Result<usize, StoreError> {
    let gone = link.row(&FORGET, &[&tier.number(), &before, &i64::from(limit)]).await?;
    Ok(gone.map_or(0, |row| usize::try_from(row.get::<_, i64>(0)).unwrap_or_default()))
}

pub(super) async fn stock(link: &Link, routes: &[String], most: u32) -> Result<Vec<Stock>, StoreError> {
    let routes: Vec<_> = routes.iter().map(|route| text(route)).collect();
    let count = |row: &Row, at: usize| u32::try_from(row.get::<_, i64>(at)).unwrap_or(most);
    let rows = link.query(&STOCK, &[&routes, &i64::from(most)]).await?;
    Ok(rows.iter().map(|row| Stock { waiting: count(row, 0), dead: count(row, 1) }).collect())
}
