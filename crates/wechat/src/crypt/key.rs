//! The `EncodingAESKey` and the envelope it seals.
//!
//! Plain text is `16 random bytes ‖ length (u32, big-endian) ‖ message ‖ receive id`, padded by
//! PKCS#7 to blocks of **32** bytes (stock unpadders stop at 16), under AES-256-CBC whose IV is the
//! key's first half.

use super::Undecipherable;
use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use std::fmt;
use subtle::ConstantTimeEq;

/// Blocks of the padding, not of the cipher.
const PAD: usize = 32;
/// Random bytes and length before the message.
const HEAD: usize = 20;

/// The last character of a real `EncodingAESKey` may carry bits beyond the 256: two of WeChat's own
/// published keys do.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// An `EncodingAESKey` that isn't 43 characters of base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an EncodingAESKey is 43 characters out of A-Z, a-z, 0-9")]
pub struct BadKey;

/// A callback's AES key.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey([u8; 32]);

/// What was under an [`AesKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The message.
    pub message: Vec<u8>,
    /// Whom it was sealed for: the account's AppID, a platform's component AppID, a corpid. The
    /// caller must compare it.
    pub receive_id: Vec<u8>,
}

impl AesKey {
    /// Reads the 43 characters shown on WeChat's console.
    pub fn parse(encoding_aes_key: &str) -> Result<Self, BadKey> {
        if encoding_aes_key.len() != 43 {
            return Err(BadKey);
        }
        let bytes = KEY_BASE64.decode(encoding_aes_key).map_err(|_| BadKey)?;
        bytes.try_into().map(Self).map_err(|_| BadKey)
    }

    /// Seals `message` for `receive_id`; standard base64. `random` must be fresh for every call.
    pub fn encrypt(&self, random: [u8; 16], message: &[u8], receive_id: &str) -> String {
        let used = HEAD + message.len() + receive_id.len();
        let pad = PAD - used % PAD;
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut buffer = Vec::with_capacity(used + pad);
        buffer.extend_from_slice(&random);
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(message);
        buffer.extend_from_slice(receive_id.as_bytes());
        buffer.resize(used + pad, u8::try_from(pad).unwrap_or_default());

        let cipher = cbc::Encryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&buffer))
    }

    /// Opens what [`encrypt`](Self::encrypt) sealed.
    pub fn decrypt(&self, encrypted: &str) -> Result<Plain, Undecipherable> {
        let sealed = STANDARD.decode(encrypted.trim_ascii()).map_err(|_| Undecipherable)?;
        let cipher = cbc::Decryptor::<Aes256>::new(&self.0.into(), &self.iv().into());
        let buffer = cipher.decrypt_padded_vec::<NoPadding>(&sealed).map_err(|_| Undecipherable)?;
        let body = unpad(&buffer, PAD)?;
        let (head, rest) = body.split_at_checked(HEAD).ok_or(Undecipherable)?;
        let length = head[16..].iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        let (message, receive_id) = rest.split_at_checked(length).ok_or(Undecipherable)?;
        Ok(Plain { message: message.to_vec(), receive_id: receive_id.to_vec() })
    }

    fn iv(&self) -> [u8; 16] {
        std::array::from_fn(|i| self.0[i])
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(…)")
    }
}

/// Strips PKCS#7 padding of 1 to `block` bytes after looking at every one of them.
pub(super) fn unpad(buffer: &[u8], block: usize) -> Result<&[u8], Undecipherable> {
    let pad = *buffer.last().ok_or(Undecipherable)?;
    let count = usize::from(pad);
    if count == 0 || count > block || count > buffer.len() {
        return Err(Undecipherable);
    }
    let (body, padding) = buffer.split_at(buffer.len() - count);
    let expected = vec![pad; count];
    if bool::from(padding.ct_eq(&expected)) { Ok(body) } else { Err(Undecipherable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AesKey {
        AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap()
    }

    fn seal(plain: &[u8]) -> String {
        let cipher = cbc::Encryptor::<Aes256>::new(&key().0.into(), &key().iv().into());
        STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(plain))
    }

    /// An envelope whose length field says `length`, ending in `pad` bytes of value `fill`.
    fn envelope(length: u32, pad: usize, fill: u8) -> Vec<u8> {
        let mut plain = vec![7; 16];
        plain.extend_from_slice(&length.to_be_bytes());
        plain.resize(96 - pad, b'x');
        plain.resize(96, fill);
        plain
    }

    #[test]
    fn padding_is_1_to_32_and_whole() {
        for pad in 1..=32_u8 {
            let sealed = seal(&envelope(3, usize::from(pad), pad));
            assert_eq!(key().decrypt(&sealed).unwrap().message, b"xxx", "{pad}");
        }
        for fill in [0, 97, 255] {
            assert_eq!(key().decrypt(&seal(&envelope(3, 32, fill))), Err(Undecipherable), "{fill}");
        }
        for pad in 33..=64_u8 {
            let sealed = seal(&envelope(3, usize::from(pad), pad));
            assert_eq!(key().decrypt(&sealed), Err(Undecipherable), "{pad}");
        }
        let mut broken = envelope(3, 32, 32);
        broken[64] ^= 1;
        assert_eq!(key().decrypt(&seal(&broken)), Err(Undecipherable));
    }

    #[test]
    fn lengths_are_checked() {
        assert!(key().decrypt(&seal(&envelope(44, 32, 32))).unwrap().receive_id.is_empty());
        for length in [45, 96, i32::MAX as u32, u32::MAX] {
            assert_eq!(key().decrypt(&seal(&envelope(length, 32, 32))), Err(Undecipherable), "{length}");
        }
        assert_eq!(key().decrypt(&seal(&[16; 32])), Err(Undecipherable));
        assert_eq!(key().decrypt(&seal(&[32; 32])), Err(Undecipherable));
        for sealed in ["", "=", "AAAA", "not base64!", &seal(&[9; 32])[..43], &seal(&[9; 32])[..40]] {
            assert_eq!(key().decrypt(sealed), Err(Undecipherable), "{sealed}");
        }
    }

    #[test]
    fn keys_are_43_characters() {
        let good = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";
        assert!(AesKey::parse(good).is_ok());
        let (short, long) = (&good[..42], format!("{good}A"));
        for bad in
            ["", short, &long, &format!("{short}="), &format!("{short}-"), &format!("{}汉", &good[..40])]
        {
            assert_eq!(AesKey::parse(bad), Err(BadKey), "{bad}");
        }
        assert_eq!(format!("{:?}", key()), "AesKey(…)");
    }
}
