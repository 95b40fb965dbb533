//! Who can't be told apart by an address.

use std::net::{IpAddr, Ipv6Addr};

/// Whoever has one public IPv6 address has the 2^64 beside it; inside a network each machine counts singly.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !is_inside(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        single => single,
    }
}

fn is_inside(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_source_and_a_machine_inside_another() {
        let is_same = |a: &str, b: &str| source(a.parse().unwrap()) == source(b.parse().unwrap());
        assert!(is_same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(is_same("::ffff:1.2.3.4", "1.2.3.4"));
        for (a, b) in [
            ("2001:db8::1", "2001:db8:0:1::1"),
            ("fd00::1", "fd00::2"),
            ("10.0.0.1", "10.0.0.2"),
            ("::1", "::2"),
        ] {
            assert!(!is_same(a, b), "{a} {b}");
        }
    }
}
