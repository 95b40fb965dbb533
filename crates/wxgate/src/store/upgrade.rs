//! A database taken to the schema of this version, without a server: for `wxgate migrate`.

use super::{open_backend, pg, sqlite};
use crate::clock::Clock;
use crate::config::{self, Database};
use crate::limits::Limits;

/// Steps that the database had taken, and that it has taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Before; 0: it was empty.
    pub from: i64,
    /// Now.
    pub to: i64,
}

/// Takes the steps that are left. Where none is, nobody who works on the database is disturbed.
pub async fn upgrade(settings: &config::Store, clock: Clock) -> anyhow::Result<Upgraded> {
    let (from, latest) = steps(settings).await?;
    if from == latest {
        return Ok(Upgraded { from, to: from });
    }
    open_backend(settings, Limits::default(), clock).await?.close().await;
    Ok(Upgraded { from, to: steps(settings).await?.0 })
}

async fn steps(settings: &config::Store) -> anyhow::Result<(i64, i64)> {
    match &settings.database {
        Database::Sqlite(path) => sqlite::steps(settings.file().as_ref().unwrap_or(path)),
        Database::Postgres(server) => pg::steps(server).await,
    }
}
