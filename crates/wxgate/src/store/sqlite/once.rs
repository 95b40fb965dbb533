//! What happens once, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::store::Binding;
use crate::store::backend::BoundRow;

pub(super) fn answer(db: &Connection, key: &[u8; 32], now: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("select answer from once where key = ?1 and expires_at > ?2")?
        .query_row(params![key, now], |row| row.get(0))
        .optional()
}

pub(super) fn keep(
    tx: &Transaction<'_>,
    key: &[u8; 32],
    sealed: &[u8],
    expires_at: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into once (key, answer, expires_at) values (?1, ?2, ?3)
         on conflict do update set answer = ?2, expires_at = ?3",
    )?
    .execute(params![key, sealed, expires_at])
    .map(drop)
}

pub(super) fn bound(db: &Connection, key: &[u8; 32], now: i64) -> rusqlite::Result<Option<BoundRow>> {
    db.prepare_cached("select digest, again_until from bound where key = ?1 and expires_at > ?2")?
        .query_row(params![key, now], |row| Ok(BoundRow { digest: row.get(0)?, again_until: row.get(1)? }))
        .optional()
}

pub(super) fn bind(tx: &Transaction<'_>, binding: &Binding, now: i64) -> rusqlite::Result<Option<BoundRow>> {
    let is_first = tx
        .prepare_cached(
            "insert into bound (key, digest, again_until, expires_at) values (?1, ?2, ?3, ?4)
             on conflict (key) do update
             set digest = ?2, again_until = ?3, expires_at = ?4 where bound.expires_at <= ?5",
        )?
        .execute(params![binding.key, binding.digest, binding.again_until, binding.expires_at, now])?
        > 0;
    if is_first { Ok(None) } else { bound(tx, &binding.key, now) }
}
