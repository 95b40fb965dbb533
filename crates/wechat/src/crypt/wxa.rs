//! What a mini program's front end hands to its server: `encryptedData` and `rawData`.

use super::{Undecipherable, key, sign};
use aes::Aes128;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Opens `encryptedData` (AES-128-CBC, all three in base64) and makes sure by its watermark that it
/// was made for `appid`.
pub fn decrypt(
    session_key: &str,
    iv: &str,
    encrypted_data: &str,
    appid: &str,
) -> Result<Value, Undecipherable> {
    let sealed = STANDARD.decode(encrypted_data).map_err(|_| Undecipherable)?;
    let cipher = cbc::Decryptor::<Aes128>::new(&block(session_key)?.into(), &block(iv)?.into());
    let buffer = cipher.decrypt_padded_vec::<NoPadding>(&sealed).map_err(|_| Undecipherable)?;
    let data: Value = serde_json::from_slice(key::unpad(&buffer, 16)?).map_err(|_| Undecipherable)?;
    let made_for = data.pointer("/watermark/appid").and_then(Value::as_str);
    if made_for == Some(appid) { Ok(data) } else { Err(Undecipherable) }
}

/// The `signature` that goes with `rawData`; the session key in its base64 form.
pub fn raw_data_signature(raw_data: &str, session_key: &str) -> String {
    sign::sha1_hex(&format!("{raw_data}{session_key}"))
}

fn block(base64: &str) -> Result<[u8; 16], Undecipherable> {
    let bytes = STANDARD.decode(base64).map_err(|_| Undecipherable)?;
    bytes.try_into().map_err(|_| Undecipherable)
}
