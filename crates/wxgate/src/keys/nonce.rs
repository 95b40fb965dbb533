//! Nonces that wxgate knows again as its own.
//!
//! What wxgate signs on its way to a backend, or back to WeChat, is signed with a token that
//! WeChat's own callbacks are signed with: whoever sees it could send it back as a callback. So the
//! nonce, which is signed along, carries a MAC, and a callback with such a nonce is refused.

use subtle::ConstantTimeEq as _;

use super::Keys;
use crate::random::drawn_from;
use crate::text;

const RANDOM: usize = 10;
const MAC: usize = 16;

impl Keys {
    /// A fresh nonce: random and MAC between letters, so that neither end can be mistaken for a part of a timestamp.
    pub fn nonce(&self) -> String {
        self.nonce_from(self.0.random.number())
    }

    /// The nonce that belongs to `seed`.
    pub fn nonce_from(&self, seed: u64) -> String {
        let drawn: [u8; RANDOM - 1] = drawn_from(seed, b"abcdefghijkmnpqrstuvwxyz23456789");
        let mut nonce = String::with_capacity(RANDOM + MAC);
        nonce.push('w');
        nonce.extend(drawn.map(char::from));
        let mac = self.nonce_mac(&nonce);
        nonce + &mac + "w"
    }

    /// Whether `nonce` was made here. A signature joins timestamp and nonce without a mark between
    /// them, so digits before and anything behind change nothing.
    pub fn made_nonce(&self, nonce: &str) -> bool {
        let nonce = nonce.trim_start_matches(|c: char| c.is_ascii_digit());
        let (Some(random), Some(claimed)) = (nonce.get(..RANDOM), nonce.get(RANDOM..RANDOM + MAC)) else {
            return false;
        };
        self.nonce_mac(random).as_bytes().ct_eq(claimed.as_bytes()).into()
    }

    fn nonce_mac(&self, random: &str) -> String {
        text::hex(&self.mac(&[b"nonce", random.as_bytes()])[..MAC / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn own_nonces_are_known_and_no_others() {
        let (ours, theirs) = (Keys::new(&[1; 32], Random::System), Keys::new(&[2; 32], Random::System));
        let nonce = ours.nonce();
        assert!(ours.made_nonce(&nonce) && !theirs.made_nonce(&nonce));
        assert_ne!(ours.nonce(), nonce);
        assert!(
            nonce.starts_with('w')
                && nonce.ends_with('w')
                && nonce.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{nonce}"
        );
        // What could be shifted over from a timestamp before it, or a ciphertext behind it.
        assert!(ours.made_nonce(&format!("506{nonce}")) && ours.made_nonce(&format!("{nonce}AbC=")));
        for other in [
            "",
            "1320562132",
            "wabc",
            &nonce[1..],
            &nonce[..25],
            &nonce.to_uppercase(),
            "汉字汉字汉字汉字汉字",
        ] {
            assert!(!ours.made_nonce(other), "{other}");
        }
    }
}
