//! Tokens and tickets in SQLite.

use rusqlite::{Connection, Transaction, params};

use crate::store::SealedCredential;

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<SealedCredential>> {
    db.prepare("select appid, kind, version, value, fetched_at, expires_at, history from credentials")?
        .query_map([], |row| {
            Ok(SealedCredential {
                appid: row.get(0)?,
                kind: row.get(1)?,
                version: row.get(2)?,
                value: row.get(3)?,
                fetched_at: row.get(4)?,
                expires_at: row.get(5)?,
                history: row.get(6)?,
                revision: 0,
                is_superseded: false,
            })
        })?
        .collect()
}

pub(super) fn save(tx: &Transaction<'_>, row: &SealedCredential) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into credentials (appid, kind, version, value, fetched_at, expires_at, history)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (appid, kind) do update
         set version = ?3, value = ?4, fetched_at = ?5, expires_at = ?6, history = ?7
         where excluded.version >= credentials.version",
    )?
    .execute(params![
        row.appid,
        row.kind,
        row.version,
        row.value,
        row.fetched_at,
        row.expires_at,
        row.history
    ])
    .map(drop)
}
