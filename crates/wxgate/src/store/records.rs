//! What a database keeps of the gateway's own work, for people to look at: figures, what was refused or failed, what is amiss, and
//! what is left of quotas.

use std::fmt::Debug;

/// The part of a [`super::Backend`] that keeps them. Times are Unix milliseconds; each method that writes is one transaction.
pub(crate) trait Records: Send + Sync + Debug {}
