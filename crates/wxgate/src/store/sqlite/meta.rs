//! What the database says about itself.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

/// The sealed probe of the master key.
pub(super) fn key_check(db: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("select value from meta where name = 'key_check'", [], |row| row.get(0)).optional()
}

/// Keeps the probe unless there is one; gives the one that stands.
pub(super) fn keep_key_check(tx: &Transaction<'_>, sealed: &[u8]) -> rusqlite::Result<Vec<u8>> {
    tx.execute("insert into meta values ('key_check', ?1) on conflict do nothing", [sealed])?;
    tx.query_row("select value from meta where name = 'key_check'", [], |row| row.get(0))
}

/// Writes something.
pub(super) fn ping(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    // A new value every time: SQLite writes nothing when a row stays what it was.
    tx.prepare_cached(
        "insert into meta values ('ping', randomblob(8)) on conflict do update set value = excluded.value",
    )?
    .execute([])
    .map(drop)
}
