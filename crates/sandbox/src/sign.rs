//! WeChat's signatures and message encryption, written for the sandbox alone: the client side has
//! its own, and both are held to published vectors, so that they can't agree on a mistake.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest as _, Sha1};

/// The 43rd character of an EncodingAESKey may carry bits that are of no use.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const BLOCK: usize = 32;

/// Hex SHA-1 over the sorted, joined parts.
pub fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    Sha1::digest(parts.concat().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(encoding_aes_key: &str) -> Option<[u8; 32]> {
    LENIENT.decode(encoding_aes_key).ok()?.try_into().ok()
}

/// The `Encrypt` text of a message for the account `receive_id`. `None` for a key that is none.
pub fn encrypt(encoding_aes_key: &str, random: [u8; 16], message: &[u8], receive_id: &str) -> Option<String> {
    let key = key(encoding_aes_key)?;
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    let mut plain = [&random[..], &length, message, receive_id.as_bytes()].concat();
    let pad = BLOCK - plain.len() % BLOCK;
    plain.resize(plain.len() + pad, pad as u8);
    let cipher = cbc::Encryptor::<aes::Aes256>::new_from_slices(&key, &key[..16]).ok()?;
    let size = plain.len();
    cipher.encrypt_padded::<NoPadding>(&mut plain, size).ok()?;
    Some(BASE64_STANDARD.encode(plain))
}

/// Message and receive id of an `Encrypt` text.
pub fn decrypt(encoding_aes_key: &str, encrypt: &str) -> Option<(Vec<u8>, String)> {
    let key = key(encoding_aes_key)?;
    let mut bytes = BASE64_STANDARD.decode(encrypt).ok()?;
    let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(&key, &key[..16]).ok()?;
    let plain = cipher.decrypt_padded::<NoPadding>(&mut bytes).ok()?;
    let pad = usize::from(*plain.last()?);
    let plain = plain.get(..plain.len().checked_sub(pad)?).filter(|_| (1..=BLOCK).contains(&pad))?;
    let length = u32::from_be_bytes(plain.get(16..20)?.try_into().ok()?) as usize;
    let message = plain.get(20..20usize.checked_add(length)?)?;
    let receive_id = std::str::from_utf8(plain.get(20 + length..)?).ok()?;
    Some((message.to_vec(), receive_id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    #[test]
    fn the_published_signatures() {
        // Official message-push page: GET, plain POST, and the official Python sample.
        for (token, timestamp, nonce, expected) in [
            ("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
            ("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
            ("spamtest", "1409735669", "1320562132", "16120ec1b8dbb870f510d87ce6bc2463eae6ca1a"),
        ] {
            assert_eq!(signature(&[token, timestamp, nonce]), expected);
        }
    }

    #[test]
    fn the_published_encryption() {
        // WxJava's WxCryptUtilTest; the key carries spare trailing bits.
        let cipher =
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==";
        let made = encrypt(KEY, *b"aaaabbbbccccdddd", "我是中文abcd123".as_bytes(), "wxb11529c136998cb6");
        assert_eq!(made.as_deref(), Some(cipher));
        let (message, id) = decrypt(KEY, cipher).unwrap();
        assert_eq!(
            (String::from_utf8(message).unwrap().as_str(), id.as_str()),
            ("我是中文abcd123", "wxb11529c136998cb6")
        );
        // The official push page's reply, pad 1.
        let cipher =
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==";
        let (message, _) = decrypt(&"A".repeat(43), cipher).unwrap();
        assert_eq!(message, b"{\"demo_resp\":\"good luck\"}");
        let parts = ["AAAAA", "1713424427", "415670741", cipher];
        assert_eq!(signature(&parts), "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1");
    }

    #[test]
    fn junk_is_refused_without_panic() {
        for junk in ["", "AAAA", "====", "jn1L23DB+6ELqJ+6bruv2w=="] {
            assert!(decrypt(KEY, junk).is_none());
        }
        assert!(encrypt("short", [0; 16], b"x", "wx").is_none());
    }
}
