//! What is kept of the gateway's own work.

use super::Pg;
use crate::store::records::Records;

impl Records for Pg {}
