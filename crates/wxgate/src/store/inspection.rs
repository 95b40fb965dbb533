//! A look at a database that disturbs nobody: for `wxgate check`.

use super::{KEY_CHECK, pg, sqlite};
use crate::config::{self, Database};
use crate::keys::Keys;

/// Looks at a database without disturbing a running server: readable, whole, and which schema.
/// `Ok(None)` if there is none yet.
pub async fn inspect(settings: &config::Store) -> anyhow::Result<Option<Inspection>> {
    match &settings.database {
        Database::Sqlite(path) => sqlite::inspect(path),
        Database::Postgres(server) => pg::inspect(server).await.map(Some),
    }
}

/// What [`inspect`] found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// Applied migrations.
    pub schema: i64,
    /// Stored tokens and tickets.
    pub credentials: i64,
    /// Kept messages.
    pub events: i64,
    /// Deliveries to come.
    pub pending: i64,
    /// Deliveries given up.
    pub dead: i64,
    /// The sealed probe of the master key.
    pub key_check: Option<Vec<u8>>,
}

impl Inspection {
    /// Whether `keys` is the key this database was sealed with.
    pub fn fits(&self, keys: &Keys) -> bool {
        self.key_check.as_ref().is_none_or(|sealed| keys.open(KEY_CHECK, sealed).is_ok())
    }
}
