//! What is spent of quotas. Windows begin by the database's time, which is every node's.

use tokio_postgres::types::Type;

use super::link::{Link, Sql, text};
use crate::store::{QuotaRow, StoreError};

/// `granted` is what the last reservation of the row got: nodes come one after the other.
static RESERVE: Sql = Sql {
    text: "
insert into quotas as q (caller, pattern, start, until, n, granted)
values ($1, $2, $3, $4, least($5, $6), least($5, $6))
on conflict (caller, pattern, start) do update set
    n = least(q.n + $5, $6), granted = least($5, $6 - q.n)
    where q.n < $6
returning granted",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
static GIVE_BACK: Sql = Sql {
    text: "update quotas set n = greatest(n - $4, 0) where caller = $1 and pattern = $2 and start = $3",
    types: &[Type::TEXT, Type::TEXT, Type::INT8, Type::INT8],
};
static CURRENT: Sql = Sql {
    text: "select caller, pattern, start, until, n from quotas where until > $1
           order by caller collate \"C\", pattern collate \"C\", start",
    types: &[Type::INT8],
};
static FORGET: Sql =
    Sql { text: "delete from quotas where until + (until - start) + 3600000 < $1", types: &[Type::INT8] };

/// Reserves at most `n` calls of a window, as far as `limit` allows; how many.
pub(super) async fn reserve(link: &Link, window: &QuotaRow, limit: i64) -> Result<i64, StoreError> {
    let QuotaRow { caller, pattern, start, until, n } = window;
    let row = link.row(&RESERVE, &[&text(caller), &text(pattern), start, until, n, &limit]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}

pub(super) async fn give_back(link: &Link, window: &QuotaRow) -> Result<(), StoreError> {
    let QuotaRow { caller, pattern, start, n, .. } = window;
    link.query(&GIVE_BACK, &[&text(caller), &text(pattern), start, n]).await.map(drop)
}

pub(super) async fn current(link: &Link, now: i64) -> Result<Vec<QuotaRow>, StoreError> {
    let read = |row: tokio_postgres::Row| QuotaRow {
        caller: row.get(0),
        pattern: row.get(1),
        start: row.get(2),
        until: row.get(3),
        n: row.get(4),
    };
    Ok(link.query(&CURRENT, &[&now]).await?.into_iter().map(read).collect())
}

pub(super) async fn forget(link: &Link, now: i64) -> Result<(), StoreError> {
    link.query(&FORGET, &[&now]).await.map(drop)
}
