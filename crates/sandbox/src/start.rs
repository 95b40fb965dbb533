//! How a world begins, and begins again at every reset.

use crate::world::{Random, World};
use sha1::{Digest, Sha1};
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::CancellationToken;

/// What the worlds of a sandbox have in common at their start.
#[derive(Debug)]
pub(crate) struct Start {
    /// Of every id, token and code; by chance if there is none.
    seed: Option<u64>,
    /// As the file of the start made it.
    laid: OnceLock<World>,
    /// About how many bytes there are in all of them.
    pub(crate) weight: AtomicUsize,
    /// Who reads what happens, in all of them.
    pub(crate) readers: AtomicUsize,
}

impl Start {
    pub(crate) const fn new(seed: Option<u64>) -> Self {
        Self { seed, laid: OnceLock::new(), weight: AtomicUsize::new(0), readers: AtomicUsize::new(0) }
    }

    /// Worlds begin like this one from now on.
    pub(crate) fn lay(&self, world: World) {
        // Nobody else sets it: there is one file at most.
        let _ = self.laid.set(world);
    }

    /// A fresh world that begins now (Unix milliseconds); `seed` instead of the sandbox's own.
    pub(crate) fn world(&self, name: &str, seed: Option<u64>, now: i64) -> World {
        let seed = seed.or_else(|| self.seed.map(|seed| of_name(seed, name)));
        let random = seed.map_or_else(Random::default, Random::seeded);
        match self.laid.get() {
            None => World::begin(random, now),
            Some(laid) => World {
                random: laid.random.with_seed_of(&random),
                life: CancellationToken::new(),
                ..laid.clone()
            },
        }
    }
}

/// A seed of its own for every name, whichever begins first.
fn of_name(seed: u64, name: &str) -> u64 {
    if name.is_empty() {
        return seed;
    }
    let digest = Sha1::digest(format!("{seed}/{name}"));
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
