//! Nonces that wxgate knows again as its own.
//!
//! What wxgate signs on its way to a backend, or back to WeChat, is signed with a token that
//! WeChat's own callbacks are signed with: whoever sees it could send it back as a callback. So the
//! nonce, which is signed along, carries a MAC, and a callback with such a nonce is refused.

use rand::RngExt as _;
use subtle::ConstantTimeEq as _;

use crate::keys::seal::Sealer;

const RANDOM: usize = 10;
const MAC: usize = 16;

/// A fresh nonce: a letter, so that it can't be mistaken for the end of a timestamp, then random
/// and MAC.
pub fn fresh(sealer: &Sealer) -> String {
    from_seed(sealer, rand::rng().random())
}

/// The nonce that belongs to `seed`.
pub fn from_seed(sealer: &Sealer, seed: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut nonce = String::with_capacity(RANDOM + MAC);
    nonce.push('w');
    for place in 1..RANDOM {
        nonce.push(char::from(LETTERS[(seed >> (5 * place)) as usize % LETTERS.len()]));
    }
    let mac = mac(sealer, &nonce);
    nonce + &mac
}

/// Whether `nonce` was made here. A signature joins timestamp and nonce without a mark between
/// them, so digits before and anything behind change nothing.
pub fn is_ours(sealer: &Sealer, nonce: &str) -> bool {
    let nonce = nonce.trim_start_matches(|c: char| c.is_ascii_digit());
    let (Some(random), Some(claimed)) = (nonce.get(..RANDOM), nonce.get(RANDOM..RANDOM + MAC)) else {
        return false;
    };
    mac(sealer, random).as_bytes().ct_eq(claimed.as_bytes()).into()
}

fn mac(sealer: &Sealer, random: &str) -> String {
    let mac = sealer.index(&[b"nonce", random.as_bytes()]);
    mac[..MAC / 2].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_nonces_are_known_and_no_others() {
        let (ours, theirs) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        let nonce = fresh(&ours);
        assert!(is_ours(&ours, &nonce) && !is_ours(&theirs, &nonce));
        assert_ne!(fresh(&ours), nonce);
        assert!(nonce.starts_with('w') && nonce.bytes().all(|b| b.is_ascii_alphanumeric()), "{nonce}");
        // What could be shifted over from a timestamp before it, or a ciphertext behind it.
        assert!(is_ours(&ours, &format!("506{nonce}")) && is_ours(&ours, &format!("{nonce}AbC=")));
        for other in [
            "",
            "1320562132",
            "wabc",
            &nonce[1..],
            &nonce[..25],
            &nonce.to_uppercase(),
            "汉字汉字汉字汉字汉字",
        ] {
            assert!(!is_ours(&ours, other), "{other}");
        }
    }
}
