//! Randomness is passed in: the system's in service, a seeded one in simulations.

use std::sync::{Arc, Mutex, PoisonError};

use rand::distr::Alphanumeric;
use rand::rngs::StdRng;
use rand::{Rng, RngExt as _, SeedableRng as _};

/// Where random numbers come from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Random {
    /// The thread's generator, seeded by the operating system.
    #[default]
    System,
    /// The same numbers for the same seed.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Random {
    /// Gives the same numbers for the same `seed`: for simulations, never in service.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut dyn Rng) -> T) -> T {
        match self {
            Self::System => draw(&mut rand::rng()),
            Self::Seeded(rng) => draw(&mut *rng.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        self.with(|rng| rng.random())
    }

    /// Any bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        self.with(|rng| rng.random())
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&self, least: i64, most: i64) -> i64 {
        self.with(|rng| rng.random_range(least..=most))
    }

    /// A number between 0.8 and 1.2, to spread what would happen at the same time.
    pub fn jitter(&self) -> f64 {
        self.with(|rng| rng.random_range(0.8..=1.2))
    }

    /// `count` letters and digits: 5.95 bits each.
    pub fn letters(&self, count: usize) -> String {
        self.with(|rng| rng.sample_iter(Alphanumeric).take(count).map(char::from).collect())
    }

    /// `N` characters of `alphabet`, all equally likely where its length is a power of two or `N` is small.
    pub fn drawn<const N: usize>(&self, alphabet: &[u8]) -> [u8; N] {
        drawn_from(self.number(), alphabet)
    }
}

/// `N` characters of `alphabet` that follow from `seed`: up to 12 of 36, or 12 of 32.
pub fn drawn_from<const N: usize>(mut seed: u64, alphabet: &[u8]) -> [u8; N] {
    let mut drawn = [0; N];
    for place in &mut drawn {
        *place = alphabet[(seed % alphabet.len() as u64) as usize];
        seed /= alphabet.len() as u64;
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_the_system_does_not() {
        let draw = |random: &Random| (random.number(), random.letters(8), random.between(1, 1 << 40));
        assert_eq!(draw(&Random::seeded(7)), draw(&Random::seeded(7)));
        assert_ne!(draw(&Random::seeded(7)), draw(&Random::seeded(8)));
        assert_ne!(draw(&Random::System), draw(&Random::System));
        assert!((0..100).all(|_| (0.8..=1.2).contains(&Random::System.jitter())));
        assert_eq!(&drawn_from::<4>(1 + 2 * 36, b"0123456789abcdefghijklmnopqrstuvwxyz"), b"1200");
    }
}
