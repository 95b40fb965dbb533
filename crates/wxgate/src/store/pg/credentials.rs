//! Tokens and tickets, and whose turn it is to ask WeChat for one.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::backend::{SavedRow, TakenRow};
use crate::store::{Lease, SealedCredential, StoreError, Turn};

static ALL: Sql = Sql {
    text: "select appid, kind, version, value, fetched_at, expires_at, history, revision, superseded from credentials
           where revision > $1 and version > 0 order by revision",
    types: &[Type::INT8],
};
static ONE: Sql = Sql {
    text: "select appid, kind, version, value, fetched_at, expires_at, history, revision, superseded from credentials
           where appid = $1 and kind = $2 and revision <> $3 and version > 0",
    types: &[Type::TEXT, Type::TEXT, Type::INT8],
};
/// No row: somebody has the turn, or the row is another than was seen.
static TAKE: Sql = Sql {
    text: "insert into credentials as c (appid, kind, version, value, fetched_at, expires_at, history,
                                         lease_owner, lease_until, lease_epoch)
           values ($1, $2, 0, '', 0, 0, '', $4, $5, 1)
           on conflict (appid, kind) do update
           set lease_owner = excluded.lease_owner, lease_until = excluded.lease_until, lease_epoch = c.lease_epoch + 1
           where (c.revision = $3 or c.version = 0)
             and (c.lease_until is null or c.lease_until <= $6 or c.lease_owner = excluded.lease_owner)
           returning lease_epoch, history",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT4, Type::INT8, Type::INT8],
};
/// No row: the turn is over, and was another's since.
static SAVE: Sql = Sql {
    text: "with r as (update counter set v = v + 1 where name = 'credential' returning v)
           update credentials set version = $3, value = $4, fetched_at = $5, expires_at = $6, history = $7,
                                  superseded = false, revision = r.v, lease_until = $9
           from r where appid = $1 and kind = $2 and lease_epoch = $8 and version <= $3
           returning revision",
    types: &[
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
    ],
};
static GO_ON: Sql = Sql {
    text: "update credentials set lease_until = $4 where appid = $1 and kind = $2 and lease_epoch = $3 and lease_until < $4",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8],
};
static END: Sql = Sql {
    text: "update credentials set lease_until = null where appid = $1 and kind = $2 and lease_epoch = $3",
    types: &[Type::TEXT, Type::TEXT, Type::INT8],
};
static SUPERSEDE: Sql = Sql {
    text: "with r as (update counter set v = v + 1 where name = 'credential' returning v)
           update credentials set superseded = true, revision = r.v
           from r where appid = $1 and kind = $2 and version = $3 and not superseded",
    types: &[Type::TEXT, Type::TEXT, Type::INT8],
};

fn read(row: &Row) -> SealedCredential {
    SealedCredential {
        appid: row.get(0),
        kind: row.get(1),
        version: row.get(2),
        value: row.get(3),
        fetched_at: row.get(4),
        expires_at: row.get(5),
        history: row.get(6),
        revision: row.get(7),
        is_superseded: row.get(8),
    }
}

pub(super) async fn since(link: &Link, revision: i64) -> Result<Vec<SealedCredential>, StoreError> {
    Ok(link.query(&ALL, &[&revision]).await?.iter().map(read).collect())
}

/// The row, if it is another than the one with `revision`.
async fn other(
    link: &Link,
    appid: &str,
    kind: &str,
    revision: i64,
) -> Result<Option<SealedCredential>, StoreError> {
    Ok(link.row(&ONE, &[&appid, &kind, &revision]).await?.as_ref().map(read))
}

pub(super) async fn take(
    link: &Link,
    appid: &str,
    kind: &str,
    seen: i64,
    now: i64,
    lease: Lease,
) -> Result<TakenRow, StoreError> {
    let taken = link.row(&TAKE, &[&appid, &kind, &seen, &lease.owner, &lease.until, &now]).await?;
    if let Some(row) = taken {
        let history: String = row.get(1);
        return Ok(TakenRow::Ours(Turn { epoch: row.get(0) }, Some(history).filter(|text| !text.is_empty())));
    }
    Ok(other(link, appid, kind, seen).await?.map_or(TakenRow::Held, TakenRow::Newer))
}

pub(super) async fn save(
    link: &Link,
    row: SealedCredential,
    turn: Turn,
    until: i64,
) -> Result<SavedRow, StoreError> {
    let SealedCredential { appid, kind, version, value, fetched_at, expires_at, history, .. } = row;
    let saved = link
        .row(
            &SAVE,
            &[&appid, &kind, &version, &value, &fetched_at, &expires_at, &history, &turn.epoch, &until],
        )
        .await?;
    if let Some(row) = saved {
        return Ok(SavedRow::Saved(row.get(0)));
    }
    Ok(other(link, &appid, &kind, -1).await?.map_or(SavedRow::Saved(0), SavedRow::Newer))
}

pub(super) async fn go_on(
    link: &Link,
    appid: &str,
    kind: &str,
    turn: Turn,
    until: i64,
) -> Result<(), StoreError> {
    link.query(&GO_ON, &[&appid, &kind, &turn.epoch, &until]).await.map(drop)
}

pub(super) async fn end(link: &Link, appid: &str, kind: &str, turn: Turn) -> Result<(), StoreError> {
    link.query(&END, &[&appid, &kind, &turn.epoch]).await.map(drop)
}

pub(super) async fn supersede(link: &Link, appid: &str, kind: &str, version: i64) -> Result<(), StoreError> {
    link.query(&SUPERSEDE, &[&appid, &kind, &version]).await.map(drop)
}
