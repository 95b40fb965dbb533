//! What is remembered for a while.

use std::collections::HashSet;

use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::StoreError;
use crate::store::rings::{Ring, RingQuery, RingRow};

static KEEP: Sql = Sql {
    text: "
with c as (update counter set v = v + cardinality($1) where name = 'ring' returning v - cardinality($1) as base)
insert into rings (id, ring, at, appid, who, code, request_id, value)
select c.base + ord, ring, at, appid, who, code, request_id, value
from c, unnest($1, $2, $3, $4, $5, $6, $7) with ordinality as t (ring, at, appid, who, code, request_id, value, ord)",
    types: &[
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
    ],
};
static TRIM: Sql = Sql {
    text: "delete from rings where ring = $1 and id <= (
               select id from rings where ring = $1 order by id desc limit 1 offset $2)",
    types: &[Type::TEXT, Type::INT8],
};
static TRIM_APP: Sql = Sql {
    text: "delete from rings where ring = $1 and appid = $2 and id <= (
               select id from rings where ring = $1 and appid = $2 order by id desc limit 1 offset $3)",
    types: &[Type::TEXT, Type::TEXT, Type::INT8],
};
static LIST: Sql = Sql {
    text: "select id, at, appid, who, code, request_id, value from rings
           where ring = $1 and ($2::int8 is null or id < $2) and ($3::int8 is null or at >= $3)
             and ($4::text is null or appid = $4) and ($5::text is null or who = $5)
             and ($6::int8 is null or code = $6) and ($7::text is null or request_id = $7)
           order by id desc limit $8",
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::TEXT, Type::TEXT, Type::INT8, Type::TEXT, Type::INT8],
};
static CODES: Sql = Sql {
    text: "select code, count(*) from rings where ring = $1 and at >= $2 group by code order by code",
    types: &[Type::TEXT, Type::INT8],
};

pub(super) async fn keep(link: &Link, rows: &[RingRow]) -> Result<(), StoreError> {
    fn texts<'a>(rows: &'a [RingRow], of: fn(&'a RingRow) -> &'a str) -> Vec<&'a str> {
        rows.iter().map(of).collect()
    }
    let numbers = |of: fn(&RingRow) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    link.query(
        &KEEP,
        &[
            &texts(rows, |row| row.ring.name()),
            &numbers(|row| row.at),
            &texts(rows, |row| &row.appid),
            &texts(rows, |row| &row.who),
            &numbers(|row| row.code),
            &texts(rows, |row| &row.request_id),
            &texts(rows, |row| &row.value),
        ],
    )
    .await?;
    let (by_app, whole): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.ring.is_by_app());
    for ring in whole.iter().map(|row| row.ring).collect::<HashSet<_>>() {
        link.query(&TRIM, &[&ring.name(), &ring.most()]).await?;
    }
    for (ring, appid) in by_app.iter().map(|row| (row.ring, row.appid.as_str())).collect::<HashSet<_>>() {
        link.query(&TRIM_APP, &[&ring.name(), &appid, &ring.most()]).await?;
    }
    Ok(())
}

pub(super) async fn list(link: &Link, query: &RingQuery) -> Result<Vec<RingRow>, StoreError> {
    let RingQuery { ring, before, since, appid, who, code, request_id, limit } = query;
    let limit = i64::from(*limit);
    let rows =
        link.query(&LIST, &[&ring.name(), before, since, appid, who, code, request_id, &limit]).await?;
    let read = |row: &tokio_postgres::Row| RingRow {
        id: row.get(0),
        ring: *ring,
        at: row.get(1),
        appid: row.get(2),
        who: row.get(3),
        code: row.get(4),
        request_id: row.get(5),
        value: row.get(6),
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn codes(link: &Link, ring: Ring, since: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows = link.query(&CODES, &[&ring.name(), &since]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
