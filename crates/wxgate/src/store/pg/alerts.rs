//! What is amiss, and what WeChat said of quotas.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::StoreError;
use crate::store::alerts::{AlertRow, Deaths, SeenAlert};
use crate::store::wx_quotas::WxQuota;

/// Each node writes its own rows.
static SEE: Sql = Sql {
    text: "
with t as materialized (select * from unnest($3, $4, $5) as t (id, since, value)),
u as (
    update alerts a set seen_at = $2, ended_at = null, value = t.value
    from t where a.id = t.id and a.node = $1 and a.closed_at is null returning a.id),
i as (
    insert into alerts as a (id, node, since, seen_at, muted_until, value)
    select t.id, $1, t.since, $2, coalesce((select max(muted_until) from alerts o where o.id = t.id), 0), t.value
    from t where not exists (select from u where u.id = t.id)
    on conflict (id, node, since) do update set
        seen_at = excluded.seen_at, ended_at = null, told_at = null, closed_at = null, value = excluded.value)
update alerts set ended_at = $2
where node = $1 and ended_at is null and closed_at is null and not exists (select from t where t.id = alerts.id)",
    types: &[Type::INT4, Type::INT8, Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::TEXT_ARRAY],
};
static OPEN: Sql = Sql {
    text: "select id, node, since, seen_at, ended_at, muted_until, told_at, closed_at, value
           from alerts where closed_at is null order by id collate \"C\", node",
    types: &[],
};
static TOLD: Sql = Sql {
    text: "update alerts set told_at = $2 where id = any($1) and closed_at is null and told_at is null",
    types: &[Type::TEXT_ARRAY, Type::INT8],
};
static CLOSE: Sql = Sql {
    text: "
with d as (delete from alerts where closed_at < $3)
update alerts a set closed_at = $2 where id = any($1) and closed_at is null and not exists (
    select from alerts o where o.id = a.id and o.closed_at is null and o.ended_at is null)",
    types: &[Type::TEXT_ARRAY, Type::INT8, Type::INT8],
};
static END: Sql = Sql {
    text: "update alerts set ended_at = $3
           where closed_at is null and ended_at is null and seen_at < $2 and node <> all($1)",
    types: &[Type::INT4_ARRAY, Type::INT8, Type::INT8],
};
static MUTE: Sql = Sql {
    text: "update alerts set muted_until = $2 where id = $1 and closed_at is null returning 1",
    types: &[Type::TEXT, Type::INT8],
};
static PAST: Sql = Sql {
    text: "select id, node, since, seen_at, ended_at, muted_until, told_at, closed_at, value
           from alerts where ended_at is not null and (ended_at, node, id collate \"C\") < ($1, $2, $3)
           order by ended_at desc, node desc, id collate \"C\" desc limit $4",
    types: &[Type::INT8, Type::INT4, Type::TEXT, Type::INT8],
};
static DEATHS: Sql = Sql {
    text: "select route, count(*) from (
               select route from deliveries where status = 2 and done_at >= $1 limit 100000) d
           group by route order by route collate \"C\"",
    types: &[Type::INT8],
};
static KEEP_QUOTA: Sql = Sql {
    text: "insert into wx_quotas (appid, api, asked_at, most, used, remain, rate_calls, rate_seconds)
           values ($1, $2, $3, $4, $5, $6, $7, $8)
           on conflict (appid, api) do update set
               asked_at = excluded.asked_at, most = excluded.most, used = excluded.used, remain = excluded.remain,
               rate_calls = excluded.rate_calls, rate_seconds = excluded.rate_seconds",
    types: &[
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
    ],
};
static QUOTAS: Sql = Sql {
    text: "select appid, api, asked_at, most, used, remain, rate_calls, rate_seconds from wx_quotas
           order by appid collate \"C\", api collate \"C\"",
    types: &[],
};

fn read(row: &Row) -> AlertRow {
    AlertRow {
        id: row.get(0),
        node: row.get(1),
        since: row.get(2),
        seen_at: row.get(3),
        ended_at: row.get(4),
        muted_until: row.get(5),
        told_at: row.get(6),
        closed_at: row.get(7),
        value: row.get(8),
    }
}

pub(super) async fn see(link: &Link, node: i32, seen: &[SeenAlert], now: i64) -> Result<(), StoreError> {
    let ids: Vec<&str> = seen.iter().map(|one| one.id.as_str()).collect();
    let since: Vec<i64> = seen.iter().map(|one| one.since).collect();
    let values: Vec<&str> = seen.iter().map(|one| one.value.as_str()).collect();
    link.query(&SEE, &[&node, &now, &ids, &since, &values]).await.map(drop)
}

pub(super) async fn open(link: &Link) -> Result<Vec<AlertRow>, StoreError> {
    Ok(link.query(&OPEN, &[]).await?.iter().map(read).collect())
}

pub(super) async fn told(link: &Link, ids: &[String], now: i64) -> Result<(), StoreError> {
    link.query(&TOLD, &[&ids, &now]).await.map(drop)
}

pub(super) async fn close(link: &Link, ids: &[String], now: i64, before: i64) -> Result<(), StoreError> {
    link.query(&CLOSE, &[&ids, &now, &before]).await.map(drop)
}

pub(super) async fn end(link: &Link, alive: &[i32], before: i64, now: i64) -> Result<(), StoreError> {
    link.query(&END, &[&alive, &before, &now]).await.map(drop)
}

pub(super) async fn mute(link: &Link, id: &str, until: i64) -> Result<bool, StoreError> {
    Ok(link.row(&MUTE, &[&id, &until]).await?.is_some())
}

pub(super) async fn past(
    link: &Link,
    before: Option<(i64, i32, String)>,
    limit: u32,
) -> Result<Vec<AlertRow>, StoreError> {
    let (at, node, id) = before.unwrap_or((i64::MAX, i32::MAX, String::new()));
    Ok(link.query(&PAST, &[&at, &node, &id, &i64::from(limit)]).await?.iter().map(read).collect())
}

pub(super) async fn deaths(link: &Link, since: i64) -> Result<Vec<Deaths>, StoreError> {
    let rows = link.query(&DEATHS, &[&since]).await?;
    Ok(rows.iter().map(|row| Deaths { route: row.get(0), count: row.get(1) }).collect())
}

pub(super) async fn keep_quota(link: &Link, quota: &WxQuota) -> Result<(), StoreError> {
    let WxQuota { appid, api, asked_at, limit, used, remain, rate } = quota;
    let (calls, seconds) = rate.unzip();
    let values: super::link::Values<'_> = &[appid, api, asked_at, limit, used, remain, &calls, &seconds];
    link.query(&KEEP_QUOTA, values).await.map(drop)
}

pub(super) async fn quotas(link: &Link) -> Result<Vec<WxQuota>, StoreError> {
    let read = |row: &Row| WxQuota {
        appid: row.get(0),
        api: row.get(1),
        asked_at: row.get(2),
        limit: row.get(3),
        used: row.get(4),
        remain: row.get(5),
        rate: row.get::<_, Option<i64>>(6).zip(row.get(7)),
    };
    Ok(link.query(&QUOTAS, &[]).await?.iter().map(read).collect())
}
