//! The nodes that work on the database.

use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use super::time::Time;
use crate::clock::millis;
use crate::store::{Lease, Node, Reach, SILENT, StoreError};

/// Also tells what time it is there.
static BEAT: Sql = Sql {
    text: "insert into nodes (id, version, beat_at, address, routes) values ($1, $2, $3, $4, $5)
           on conflict (id) do update
           set version = excluded.version, beat_at = excluded.beat_at, address = excluded.address,
               routes = excluded.routes
           returning (extract(epoch from clock_timestamp()) * 1000)::int8",
    types: &[Type::INT4, Type::TEXT, Type::INT8, Type::TEXT, Type::TEXT_ARRAY],
};
static ALIVE: Sql = Sql {
    text: "select id, version, address, routes from nodes where beat_at > $1 order by id",
    types: &[Type::INT8],
};
/// Those who died long ago go with it.
static LEAVE: Sql = Sql {
    text: "
with gone as (delete from nodes where id = $1 or beat_at < $2 - 3600000 returning id),
r as (delete from reach using gone where node = gone.id),
l as (delete from leases where owner = $1),
c as (update credentials set lease_until = null where lease_owner = $1 and lease_until is not null),
o as (update once set lease_until = null where owner = $1 and answer is null)
update due set due_at = least(due_at, $2), owner = null, leased_until = null where owner = $1",
    types: &[Type::INT4, Type::INT8],
};
static HOLD: Sql = Sql {
    text: "insert into leases as l (name, owner, epoch, until) values ($1, $2, 1, $3)
           on conflict (name) do update
           set owner = excluded.owner, until = excluded.until,
               epoch = l.epoch + case when l.owner = excluded.owner then 0 else 1 end
           where l.owner = excluded.owner or l.until <= $4
           returning 1",
    types: &[Type::TEXT, Type::INT4, Type::INT8, Type::INT8],
};
static REACH: Sql = Sql { text: "select appid, node, ok, ip, since from reach", types: &[] };
static TELL_REACH: Sql = Sql {
    text:
        "insert into reach (appid, node, ok, ip, since) values ($1, $2, $3, $4, $5)
           on conflict (appid, node) do update set ok = excluded.ok, ip = excluded.ip, since = excluded.since",
    types: &[Type::TEXT, Type::INT4, Type::BOOL, Type::TEXT, Type::INT8],
};

/// `now` is ours.
pub(super) async fn beat(link: &Link, time: &Time, node: &Node, now: i64) -> Result<(), StoreError> {
    let Node { id, version, address, routes } = node;
    let before = time.ticks();
    let row = link.row(&BEAT, &[id, version, &time.theirs(now), address, routes]).await?;
    if let Some(row) = row {
        time.learn(row.get(0), before, time.ticks());
    }
    Ok(())
}

pub(super) async fn alive(link: &Link, now: i64) -> Result<Vec<Node>, StoreError> {
    let read = |row: tokio_postgres::Row| Node {
        id: row.get(0),
        version: row.get(1),
        address: row.get(2),
        routes: row.get(3),
    };
    Ok(link.query(&ALIVE, &[&(now - millis(SILENT))]).await?.into_iter().map(read).collect())
}

pub(super) async fn leave(link: &Link, owner: i32, now: i64) -> Result<(), StoreError> {
    link.query(&LEAVE, &[&owner, &now]).await.map(drop)
}

pub(super) async fn hold(link: &Link, name: &str, lease: Lease, now: i64) -> Result<bool, StoreError> {
    Ok(link.row(&HOLD, &[&name, &lease.owner, &lease.until, &now]).await?.is_some())
}

pub(super) async fn reach(link: &Link) -> Result<Vec<Reach>, StoreError> {
    let read = |row: tokio_postgres::Row| Reach {
        appid: row.get(0),
        node: row.get(1),
        ok: row.get(2),
        ip: row.get(3),
        since: row.get(4),
    };
    Ok(link.query(&REACH, &[]).await?.into_iter().map(read).collect())
}

pub(super) async fn tell_reach(link: &Link, reach: &Reach) -> Result<(), StoreError> {
    let Reach { appid, node, ok, ip, since } = reach;
    link.query(&TELL_REACH, &[appid, node, ok, ip, since]).await.map(drop)
}
