//! Where every id, token and code of a world comes from: the same seed gives the same ones again.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A source of chance that is two numbers, so that a world can be kept and go on where it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Random {
    seed: u64,
    /// Draws so far: each has a generator of its own.
    drawn: u64,
}

impl Default for Random {
    fn default() -> Self {
        Self::seeded(rand::random())
    }
}

impl Random {
    /// The same draws for the same seed.
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// What has been drawn stays drawn; what comes, comes from the other's seed.
    pub(crate) const fn with_seed_of(&self, other: &Self) -> Self {
        Self { seed: other.seed, drawn: self.drawn }
    }

    fn draw(&mut self) -> StdRng {
        self.drawn += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&self.drawn.to_le_bytes());
        StdRng::from_seed(seed)
    }

    pub(crate) fn bytes<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        self.draw().fill(&mut bytes);
        bytes
    }

    /// Random bytes as base64url: tokens, tickets and the like.
    pub(crate) fn text<const BYTES: usize>(&mut self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.bytes::<BYTES>())
    }

    /// ASCII letters and digits.
    pub(crate) fn alphanumeric(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut draw = self.draw();
        (0..length).map(|_| char::from(LETTERS[draw.random_range(0..LETTERS.len())])).collect()
    }

    /// Hexadecimal digits, two a byte.
    pub(crate) fn hex<const BYTES: usize>(&mut self) -> String {
        self.bytes::<BYTES>().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Another source, for what happens at a time of its own: what it draws moves nothing here.
    pub(crate) fn fork(&mut self) -> Self {
        Self::seeded(self.number(0..u64::MAX))
    }

    /// About how long something takes of which half takes at most `p50` and one in a hundred more than `p99`:
    /// log-normal, as answers over a network are.
    pub(crate) fn latency(&mut self, p50: f64, p99: f64) -> f64 {
        let mut draw = self.draw();
        let (one, other): (f64, f64) =
            (draw.random_range(f64::MIN_POSITIVE..1.0), draw.random_range(0.0..1.0));
        let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        // A normal distribution has 99 of 100 below 2.326 deviations.
        p50 * (p99 / p50).powf(normal / 2.326)
    }

    /// A number of this range.
    pub(crate) fn number(&mut self, range: Range<u64>) -> u64 {
        self.draw().random_range(range)
    }

    /// Whether what happens with this probability (0 to 1) happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.draw().random_bool(probability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_again_and_a_kept_one_goes_on() {
        let (mut one, mut other) = (Random::seeded(7), Random::seeded(7));
        assert_eq!((one.text::<40>(), one.alphanumeric(22)), (other.text::<40>(), other.alphanumeric(22)));
        let kept = serde_json::to_string(&one).unwrap();
        let mut restored: Random = serde_json::from_str(&kept).unwrap();
        assert_eq!(one.hex::<16>(), restored.hex::<16>());
        assert_ne!(one.number(0..u64::MAX), Random::seeded(8).number(0..u64::MAX));
    }
}
