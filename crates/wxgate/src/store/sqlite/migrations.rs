//! Bringing a database to the schema.

mod steps;
#[cfg(test)]
mod tests;

use anyhow::bail;
use rusqlite::Connection;

use crate::store::too_new;
use steps::STEPS;

/// How many steps the database has taken; an error if it took some that are not known here.
pub(super) fn version(db: &Connection) -> anyhow::Result<u32> {
    let done: u32 = db.query_row("pragma user_version", [], |row| row.get(0))?;
    if done as usize > STEPS.len() {
        bail!(too_new(done));
    }
    Ok(done)
}

/// How many there are.
pub(super) fn latest() -> i64 {
    STEPS.len() as i64
}

/// Takes the steps that are left, each in a transaction.
pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let done = version(connection)?;
    for (version, step) in (1u32..).zip(STEPS).skip(done as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
