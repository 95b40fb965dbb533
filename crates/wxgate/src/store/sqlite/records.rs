//! What is kept of the gateway's own work.

use super::Sqlite;
use crate::store::records::Records;

impl Records for Sqlite {}
