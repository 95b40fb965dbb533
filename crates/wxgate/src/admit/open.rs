//! How often each address may call what needs no credential.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::limits::Limits;
use crate::shares::source;

/// Requests of each address in the present second.
#[derive(Debug)]
pub(super) struct OpenRates {
    rate: u32,
    addresses: usize,
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    second: i64,
    counts: HashMap<IpAddr, u32>,
}

impl OpenRates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { rate: limits.open_rate, addresses: limits.open_addresses, window: Mutex::default() }
    }

    /// Takes one at `now` (Unix milliseconds); false when the address has used its own up.
    pub(super) fn take(&self, address: IpAddr, now: i64) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != now / 1000 {
            window.second = now / 1000;
            window.counts.clear();
        }
        let address = source(address);
        if window.counts.len() >= self.addresses && !window.counts.contains_key(&address) {
            return false;
        }
        let count = window.counts.entry(address).or_default();
        *count += 1;
        *count <= self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_rate_and_their_number_is_bounded() {
        let limits = Limits { open_rate: 2, open_addresses: 2, ..Limits::default() };
        let rates = OpenRates::new(&limits);
        let take = |address: &str, now| rates.take(address.parse().unwrap(), now);
        assert!(take("10.0.0.1", 1000) && take("10.0.0.1", 1999) && !take("10.0.0.1", 1999));
        assert!(take("10.0.0.1", 2000), "the next second");
        assert!(take("2001:db8::1", 2000) && take("2001:db8::2", 2000) && !take("2001:db8::3", 2000));
        assert!(!take("10.0.0.2", 2000), "a third address finds no room");
    }
}
