//! Whose a connection is, by what the kernel says of it.

use std::net::{IpAddr, SocketAddr};

/// Where the kernel lists the sockets of this network; one that reaches 127.0.0.1 may well be of IPv6.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// A table changes while it is read: what isn't in it is looked for once more.
const LOOKS: usize = 3;

/// Whether `peer`, which connected to `own`, is a socket of this process's user. A system without such tables can't tell; there
/// everybody is.
pub(super) fn is_own(peer: SocketAddr, own: SocketAddr) -> bool {
    for _ in 0..LOOKS {
        let tables: Vec<String> =
            TABLES.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        if tables.is_empty() {
            return true;
        }
        if let Some(user) = tables.iter().find_map(|table| user(table, peer, own)) {
            return user == rustix::process::geteuid().as_raw();
        }
    }
    false
}

/// An address as the tables write it, for IPv4 and mapped to IPv6; the whole of it, as others may hold the port elsewhere.
fn written(addr: SocketAddr) -> Option<[String; 2]> {
    let IpAddr::V4(ip) = addr.ip() else { return None };
    let (ip, port) = (u32::from_ne_bytes(ip.octets()), addr.port());
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    Some([format!("{ip:08X}:{port:04X}"), format!("{:016X}{mapped:08X}{ip:08X}:{port:04X}", 0)])
}

/// Whose the socket is that leads from `peer` to `own`, both on 127.0.0.1.
fn user(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let (from, to) = (written(peer)?, written(own)?);
    let is = |word: &str, written: &[String; 2]| written.iter().any(|one| one == word);
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_it = is(words.next()?, &from) && is(words.next()?, &to);
        // Four words stand between.
        if is_it { words.nth(4)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 0100007F:8CF2 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n\
        1: 0100007F:8CF2 0100007F:C350 01 00000000:00000000 00:00000000 00000000     7        0 2 1 0 20 4 30 10 -1\n\
        2: 0100007F:C350 0100007F:8CF2 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1\n";

    #[test]
    fn it_is_the_socket_at_the_other_end_that_counts() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(user(TABLE, at(0xc350), at(0x8cf2)), Some(1000));
        assert_eq!(user(TABLE, at(0xc351), at(0x8cf2)), None);
        assert_eq!(user("", at(1), at(2)), None);
        // Somebody else's, with the same port at another address.
        let other = SocketAddr::from(([127, 0, 0, 2], 0xc350));
        assert_eq!(user(TABLE, other, at(0x8cf2)), None);
    }

    #[test]
    fn a_connection_of_our_own_is_our_own() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_own(stream.local_addr().unwrap(), listener.local_addr().unwrap()));
    }
}
