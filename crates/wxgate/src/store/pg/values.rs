//! What happens once, what callers called, and what the database says about itself.

use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use super::time::Time;
use crate::store::backend::{BoundRow, OnceRow};
use crate::store::{Binding, Lease, StoreError, UsageDelta, UsageRow};

static KEY_CHECK: Sql = Sql { text: "select value from meta where name = 'key_check'", types: &[] };
static KEEP_KEY_CHECK: Sql = Sql {
    text: "insert into meta (name, value) values ('key_check', $1) on conflict do nothing",
    types: &[Type::BYTEA],
};
static PING: Sql = Sql {
    text: "insert into meta (name, value) values ('ping', '')
           on conflict (name) do update set value = excluded.value",
    types: &[],
};
static ANSWER: Sql = Sql {
    text: "select answer from once where key = $1 and expires_at > $2 and answer is not null",
    types: &[Type::BYTEA, Type::INT8],
};
/// No row: there is an answer, or somebody is at it.
static BEGIN_ONCE: Sql = Sql {
    text: "insert into once as o (key, owner, lease_until, expires_at) values ($1, $2, $3, $3)
           on conflict (key) do update
           set answer = null, owner = excluded.owner, lease_until = excluded.lease_until, expires_at = excluded.expires_at
           where o.expires_at <= $4 or o.answer is null and (o.lease_until is null or o.lease_until <= $4)
           returning 1",
    types: &[Type::BYTEA, Type::INT4, Type::INT8, Type::INT8],
};
static END_ONCE: Sql = Sql {
    text: "update once set lease_until = null where key = $1 and owner = $2 and answer is null",
    types: &[Type::BYTEA, Type::INT4],
};
static KEEP_ANSWER: Sql = Sql {
    text: "insert into once (key, answer, expires_at) values ($1, $2, $3)
           on conflict (key) do update set answer = excluded.answer, expires_at = excluded.expires_at",
    types: &[Type::BYTEA, Type::BYTEA, Type::INT8],
};
static BOUND: Sql = Sql {
    text: "select digest, again_until from bound where key = $1 and expires_at > $2",
    types: &[Type::BYTEA, Type::INT8],
};
/// No row: it was bound before.
static BIND: Sql = Sql {
    text: "insert into bound as b (key, digest, again_until, expires_at) values ($1, $2, $3, $4)
           on conflict (key) do update
           set digest = excluded.digest, again_until = excluded.again_until, expires_at = excluded.expires_at
           where b.expires_at <= $5
           returning 1",
    types: &[Type::BYTEA, Type::BYTEA, Type::INT8, Type::INT8, Type::INT8],
};
static USAGE: Sql = Sql {
    text: "select caller, api, calls, refused, since, last_at from usage order by caller collate \"C\", api collate \"C\"",
    types: &[],
};
/// In the order of the keys: whoever adds at the same time waits, and never each for the other.
static ADD_USAGE: Sql = Sql {
    text: "insert into usage as u (caller, api, calls, refused, since, last_at)
           select caller, api, sum(calls)::int8, sum(refused)::int8, min(at), max(at)
           from unnest($1, $2, $3, $4, $5) as t (caller, api, calls, refused, at)
           group by caller, api order by caller, api
           on conflict (caller, api) do update set
               calls = u.calls + excluded.calls, refused = u.refused + excluded.refused,
               since = least(u.since, excluded.since), last_at = greatest(u.last_at, excluded.last_at)",
    types: &[Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};

static TIME: Sql = Sql { text: "select (extract(epoch from clock_timestamp()) * 1000)::int8", types: &[] };

/// Learns what time it is there.
pub(super) async fn learn_time(link: &Link, time: &Time) -> Result<(), StoreError> {
    let before = time.ticks();
    if let Some(row) = link.row(&TIME, &[]).await? {
        time.learn(row.get(0), before, time.ticks());
    }
    Ok(())
}

pub(super) async fn key_check(link: &Link) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(link.row(&KEY_CHECK, &[]).await?.map(|row| row.get(0)))
}

pub(super) async fn keep_key_check(link: &Link, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    link.query(&KEEP_KEY_CHECK, &[&sealed]).await?;
    Ok(key_check(link).await?.unwrap_or(sealed))
}

/// Writes something.
pub(super) async fn ping(link: &Link) -> Result<(), StoreError> {
    link.query(&PING, &[]).await.map(drop)
}

pub(super) async fn answer(link: &Link, key: [u8; 32], now: i64) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(link.row(&ANSWER, &[&&key[..], &now]).await?.map(|row| row.get(0)))
}

pub(super) async fn keep_answer(
    link: &Link,
    key: [u8; 32],
    sealed: &[u8],
    expires_at: i64,
) -> Result<(), StoreError> {
    link.query(&KEEP_ANSWER, &[&&key[..], &sealed, &expires_at]).await.map(drop)
}

pub(super) async fn begin_once(
    link: &Link,
    key: [u8; 32],
    now: i64,
    lease: Lease,
) -> Result<OnceRow, StoreError> {
    let first = link.row(&BEGIN_ONCE, &[&&key[..], &lease.owner, &lease.until, &now]).await?;
    if first.is_some() {
        return Ok(OnceRow::First);
    }
    Ok(answer(link, key, now).await?.map_or(OnceRow::Held, OnceRow::Answer))
}

pub(super) async fn end_once(link: &Link, key: [u8; 32], owner: i32) -> Result<(), StoreError> {
    link.query(&END_ONCE, &[&&key[..], &owner]).await.map(drop)
}

pub(super) async fn bound(link: &Link, key: [u8; 32], now: i64) -> Result<Option<BoundRow>, StoreError> {
    let Some(row) = link.row(&BOUND, &[&&key[..], &now]).await? else { return Ok(None) };
    let digest: &[u8] = row.get(0);
    let digest = digest.try_into().map_err(|_| StoreError::Corrupt("bound: digest".into()))?;
    Ok(Some(BoundRow { digest, again_until: row.get(1) }))
}

pub(super) async fn bind(link: &Link, binding: Binding, now: i64) -> Result<Option<BoundRow>, StoreError> {
    let Binding { key, digest, again_until, expires_at } = binding;
    let first = link.row(&BIND, &[&&key[..], &&digest[..], &again_until, &expires_at, &now]).await?;
    if first.is_some() { Ok(None) } else { bound(link, key, now).await }
}

pub(super) async fn usage(link: &Link) -> Result<Vec<UsageRow>, StoreError> {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    let rows = link.query(&USAGE, &[]).await?;
    let read = |row: tokio_postgres::Row| UsageRow {
        caller: row.get(0),
        api: row.get(1),
        calls: count(row.get(2)),
        refused: count(row.get(3)),
        since: row.get(4),
        last_at: row.get(5),
    };
    Ok(rows.into_iter().map(read).collect())
}

pub(super) async fn add_usage(link: &Link, deltas: &[UsageDelta]) -> Result<(), StoreError> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let callers: Vec<&str> = deltas.iter().map(|delta| delta.caller.as_str()).collect();
    let apis: Vec<&str> = deltas.iter().map(|delta| delta.api.as_str()).collect();
    let calls: Vec<i64> = deltas.iter().map(|delta| count(delta.calls)).collect();
    let refused: Vec<i64> = deltas.iter().map(|delta| count(delta.refused)).collect();
    let at: Vec<i64> = deltas.iter().map(|delta| delta.at).collect();
    link.query(&ADD_USAGE, &[&callers, &apis, &calls, &refused, &at]).await.map(drop)
}
