//! What callers called, in SQLite.

use rusqlite::{Connection, Transaction, params};

use crate::store::{UsageDelta, UsageRow};

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<UsageRow>> {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    db.prepare("select caller, api, calls, refused, since, last_at from usage order by caller, api")?
        .query_map([], |row| {
            Ok(UsageRow {
                caller: row.get(0)?,
                api: row.get(1)?,
                calls: count(row.get(2)?),
                refused: count(row.get(3)?),
                since: row.get(4)?,
                last_at: row.get(5)?,
            })
        })?
        .collect()
}

pub(super) fn add(tx: &Transaction<'_>, deltas: &[UsageDelta]) -> rusqlite::Result<()> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut add = tx.prepare_cached(
        "insert into usage (caller, api, calls, refused, since, last_at) values (?1, ?2, ?3, ?4, ?5, ?5)
         on conflict (caller, api) do update set
             calls = calls + excluded.calls, refused = refused + excluded.refused,
             since = min(since, excluded.since), last_at = max(last_at, excluded.last_at)",
    )?;
    for delta in deltas {
        add.execute(params![delta.caller, delta.api, count(delta.calls), count(delta.refused), delta.at])?;
    }
    Ok(())
}
