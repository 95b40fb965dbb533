//! The platform's side of callback security: signatures and the AES envelope.
//!
//! Written apart from the `wechat` crate on purpose. If a gateway and its simulator shared this code,
//! a mistake in it would agree with itself; this way both are held to the published vectors.

use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128, Aes256};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// Real keys carry stray bits in their last character.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Lower-case hexadecimal SHA-1.
pub(crate) fn sha1_hex(text: &[u8]) -> String {
    hex(&Sha1::digest(text))
}

/// Lower-case hexadecimal SHA-256.
pub(crate) fn sha256_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// Lower-case hexadecimal HMAC-SHA256; a key may have any length.
pub(crate) fn hmac_sha256_hex(key: &[u8], text: &[u8]) -> String {
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(text);
            hex(&mac.finalize().into_bytes())
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a mini program's page gets as `encryptedData`: AES-128-CBC with the session key, in Base64.
pub(crate) fn encrypt_user_data(key: &[u8; 16], iv: &[u8; 16], text: &str) -> String {
    let cipher = cbc::Encryptor::<Aes128>::new(&(*key).into(), &(*iv).into());
    STANDARD.encode(cipher.encrypt_padded_vec::<Pkcs7>(text.as_bytes()))
}

/// `signature` (token, timestamp, nonce) and `msg_signature` (those and the ciphertext).
pub(crate) fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    sha1_hex(parts.concat().as_bytes())
}

/// An EncodingAESKey's 32 bytes; `None` unless it is 43 characters of base64.
pub(crate) fn key(encoding_aes_key: &str) -> Option<[u8; 32]> {
    if encoding_aes_key.len() != 43 {
        return None;
    }
    let bytes = LENIENT.decode(format!("{encoding_aes_key}=")).ok()?;
    bytes.try_into().ok()
}

/// Seals a message for `receive_id`.
pub(crate) fn encrypt(key: &[u8; 32], random: [u8; 16], message: &str, receive_id: &str) -> String {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut plain = random.to_vec();
    plain.extend(length.to_be_bytes());
    plain.extend(message.bytes());
    plain.extend(receive_id.bytes());
    // PKCS#7 to blocks of 32, twice the cipher's own.
    let pad = 32 - plain.len() % 32;
    plain.extend(std::iter::repeat_n(u8::try_from(pad).unwrap_or(32), pad));
    let cipher = cbc::Encryptor::<Aes256>::new(&(*key).into(), &iv(key).into());
    STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain))
}

/// Opens what was sealed for `receive_id`; says what is wrong.
pub(crate) fn decrypt(key: &[u8; 32], sealed: &str, receive_id: &str) -> Result<String, &'static str> {
    let sealed = STANDARD.decode(sealed.trim()).map_err(|_| "Encrypt is not base64")?;
    let cipher = cbc::Decryptor::<Aes256>::new(&(*key).into(), &iv(key).into());
    let plain = cipher.decrypt_padded_vec::<NoPadding>(&sealed).map_err(|_| "Encrypt is not whole blocks")?;
    let pad = plain.last().copied().map_or(0, usize::from);
    if pad == 0 || pad > 32 || pad + 20 > plain.len() {
        return Err("Encrypt has no valid padding: wrong key?");
    }
    let plain = &plain[16..plain.len() - pad];
    let (length, rest) = plain.split_at(4);
    let length = length.iter().fold(0, |n, b| n << 8 | usize::from(*b));
    let (message, id) = rest.split_at_checked(length).ok_or("the length in Encrypt is wrong")?;
    if id != receive_id.as_bytes() {
        return Err("Encrypt names another appid");
    }
    String::from_utf8(message.to_vec()).map_err(|_| "the message is not UTF-8")
}

fn iv(key: &[u8; 32]) -> [u8; 16] {
    std::array::from_fn(|i| key[i])
}

#[cfg(test)]
mod tests;
