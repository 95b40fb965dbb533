//! Where the gateways of the tests keep things: SQLite, or PostgreSQL.

use crate::postgres::{POSTGRES, new_database};

const KEY: &str = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU=";

/// `[store]` of a gateway whose database is new.
pub(crate) fn store() -> String {
    match wxgate::config::environment().get(POSTGRES) {
        None => "[store]\nurl = \"sqlite:wxgate.db\"\n".to_owned(),
        Some(server) => format!("[store]\nurl = \"{}\"\nmaster_key = \"{KEY}\"\n", new_database(server)),
    }
}
