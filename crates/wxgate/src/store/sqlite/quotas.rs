//! What is spent of quotas, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::store::QuotaRow;

/// Reserves at most `n` calls of a window, as far as `limit` allows; how many.
pub(super) fn reserve(tx: &Transaction<'_>, window: &QuotaRow, limit: i64) -> rusqlite::Result<i64> {
    let QuotaRow { caller, pattern, start, until, n } = window;
    let had: i64 = tx
        .prepare_cached("select n from quotas where caller = ?1 and pattern = ?2 and start = ?3")?
        .query_row(params![caller, pattern, start], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let granted = (*n).min(limit - had).max(0);
    if granted > 0 {
        tx.prepare_cached(
            "insert into quotas (caller, pattern, start, until, n) values (?1, ?2, ?3, ?4, ?5)
             on conflict (caller, pattern, start) do update set n = n + excluded.n",
        )?
        .execute(params![caller, pattern, start, until, granted])?;
    }
    Ok(granted)
}

pub(super) fn give_back(tx: &Transaction<'_>, window: &QuotaRow) -> rusqlite::Result<()> {
    let QuotaRow { caller, pattern, start, n, .. } = window;
    tx.prepare_cached(
        "update quotas set n = max(n - ?4, 0) where caller = ?1 and pattern = ?2 and start = ?3",
    )?
    .execute(params![caller, pattern, start, n])?;
    Ok(())
}

pub(super) fn current(db: &Connection, now: i64) -> rusqlite::Result<Vec<QuotaRow>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(QuotaRow {
            caller: row.get(0)?,
            pattern: row.get(1)?,
            start: row.get(2)?,
            until: row.get(3)?,
            n: row.get(4)?,
        })
    };
    db.prepare(
        "select caller, pattern, start, until, n from quotas where until > ?1 order by caller, pattern, start",
    )?
    .query_map([now], read)?
    .collect()
}

pub(super) fn forget(tx: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    tx.execute("delete from quotas where until + (until - start) + 3600000 < ?1", [now])?;
    Ok(())
}
