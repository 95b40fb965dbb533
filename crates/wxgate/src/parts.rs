//! What most of the gateway stands on, handed on whole.

use std::sync::Arc;

use crate::clock::Clock;
use crate::differences::Differences;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::random::Random;
use crate::registry::Registry;
use crate::rings::Rings;
use crate::sent::Sent;
use crate::shares::Shares;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::traces::Traces;
use crate::workers::Workers;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The live configuration.
    pub registry: Registry,
    /// What must not be forgotten.
    pub store: Store,
    /// The master key.
    pub keys: Keys,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// Background work.
    pub tasks: Tasks,
    /// What runs out, and whose it is.
    pub shares: Shares,
    /// What went wrong lately.
    pub rings: Rings,
    /// What was sent lately.
    pub sent: Sent,
    /// Every bound.
    pub limits: Arc<Limits>,
    /// How WeChat's answers differ from the sandbox's.
    pub differences: Differences,
    /// Counters.
    pub metrics: Metrics,
    /// Where spans go.
    pub traces: Traces,
    /// Where connections are served.
    pub workers: Workers,
}
