//! What a gateway gets from outside.

use std::sync::Arc;

use crate::clock::Clock;
use crate::limits::Limits;
use crate::net::Resolver;
use crate::random::Random;
use crate::store::Backend;
use crate::workers::Workers;

/// What a gateway gets from outside besides its configuration: time, randomness, names, bounds. In service the machine's;
/// tests and simulations bring their own.
#[derive(Clone, Debug)]
pub struct World {
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// Names of targets.
    pub resolver: Resolver,
    /// Every bound.
    pub limits: Limits,
    /// Where connections are served.
    pub workers: Workers,
    /// What the store stands on; `None`: what the configuration names.
    pub(crate) backend: Option<Arc<dyn Backend>>,
}

impl From<Clock> for World {
    /// The machine's, but for the clock.
    fn from(clock: Clock) -> Self {
        Self {
            clock,
            random: Random::System,
            resolver: Resolver::machine(),
            limits: Limits::default(),
            workers: Workers::none(),
            backend: None,
        }
    }
}
