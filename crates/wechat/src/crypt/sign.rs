//! SHA-1 signatures.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// Lower-case hexadecimal SHA-1 of the parts, sorted and joined: `signature` over token, timestamp
/// and nonce; `msg_signature` with the ciphertext as fourth.
pub fn signature(parts: &[&str]) -> String {
    let mut sha = Sha1::new();
    sorted(parts).iter().for_each(|part| sha.update(part));
    hex(&sha.finalize())
}

/// The parts in the order in which they are joined.
pub(super) fn sorted<'a>(parts: &[&'a str]) -> Vec<&'a str> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Whether `claimed` is the [`signature`] of `parts`, in constant time.
pub fn verify(claimed: &str, parts: &[&str]) -> bool {
    signature(parts).as_bytes().ct_eq(claimed.as_bytes()).into()
}

/// The signature of `wx.config`. The page's `url` is signed without its fragment.
pub fn jssdk_signature(ticket: &str, nonce: &str, timestamp: &str, url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    sha1_hex(&format!("jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"))
}

/// The signature of `wx.addCard` and `wx.chooseCard`: over the values that take part, the
/// `wx_card` ticket among them; empty ones may be left out.
pub fn card_signature(values: &[&str]) -> String {
    signature(values)
}

pub(super) fn sha1_hex(text: &str) -> String {
    hex(&Sha1::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_fragment_do_not_matter() {
        assert_eq!(signature(&["b", "a", "c"]), sha1_hex("abc"));
        assert!(verify(&sha1_hex("abc"), &["c", "b", "a"]));
        assert!(!verify(&sha1_hex("abc").to_uppercase(), &["c", "b", "a"]));
        assert!(!verify("", &[]));
        assert_eq!(
            jssdk_signature("t", "n", "1", "http://a/b?c#d#e"),
            jssdk_signature("t", "n", "1", "http://a/b?c")
        );
        assert_eq!(card_signature(&["b", "a"]), sha1_hex("ab"));
    }
}
