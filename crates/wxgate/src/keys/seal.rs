//! Sealing at rest: XChaCha20-Poly1305 under one master key.
//!
//! The associated data names table, row and column, so a sealed value moved to another place does
//! not open. Nonces are random (24 bytes: no counter to keep, no collision to fear).

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::Mac as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Inner, Keys};
use crate::lang::{Words, say};
use crate::random::Random;

const NONCE: usize = 24;

/// Where a sealed value stands; part of what is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// Table name.
    pub table: &'a str,
    /// Primary key, joined by `/` where it has several columns.
    pub row: &'a str,
    /// Column name.
    pub column: &'a str,
}

impl Cell<'_> {
    /// Length-prefixed, so that no two cells share their bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.table.len() + self.row.len() + self.column.len());
        for part in [self.table, self.row, self.column] {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

/// The sealed bytes are not ours: another key, another cell, or damage.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open: wrong master key, or the database was tampered with")]
pub struct Unsealable;

impl Keys {
    /// From 32 raw bytes.
    pub fn new(key: &[u8; 32], random: Random) -> Self {
        let mac_key = hmac_sha256(key, b"wxgate index key v1");
        Self(Arc::new(Inner { cipher: XChaCha20Poly1305::new(key.into()), mac_key, random }))
    }

    /// From the configured base64 text.
    pub fn from_base64(text: &SecretString, random: Random) -> Result<Self, Words> {
        let bytes = BASE64_STANDARD.decode(text.expose_secret().trim()).ok();
        let key: Option<[u8; 32]> = bytes.and_then(|b| b.try_into().ok());
        match key {
            Some(key) => Ok(Self::new(&key, random)),
            None => Err(Words::fixed(
                "store.master_key 须为 32 字节的 base64（44 个字符），可用 `openssl rand -base64 32` 生成",
                "store.master_key must be 32 bytes in base64 (44 characters): `openssl rand -base64 32` makes one",
            )),
        }
    }

    /// The key in `path`; made there (mode 0600) if it is missing and `may_make` holds.
    pub fn from_file(path: &Path, may_make: bool, random: Random) -> anyhow::Result<Self> {
        if !path.exists() {
            if !may_make {
                let file = path.display();
                bail!(Words::new(
                    format!(
                        "主密钥文件 {file} 不见了，而数据库里有用它加密的数据：请从备份恢复它（或用 store.master_key 给出原来的密钥）；\
                         确实要放弃旧数据时，删除数据库文件再启动"
                    ),
                    format!(
                        "the master key's file {file} is gone, and the database holds what was sealed with it: restore it from a backup \
                         (or give the key as store.master_key); to give the old data up, delete the database and start again"
                    ),
                ));
            }
            let key: [u8; 32] = random.bytes();
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(|| {
                    let file = path.display();
                    say(
                        format!("无法创建主密钥文件 {file}"),
                        format!("can't make the master key's file {file}"),
                    )
                })?;
            file.write_all(BASE64_STANDARD.encode(key).as_bytes())?;
            file.sync_all()?;
            tracing::info!(
                path = %path.display(), "{}",
                say(
                    "主密钥已生成，请备份：没有它，数据库里的令牌和密钥打不开",
                    "made a master key: back it up, for without it the tokens and secrets in the database don't open",
                )
            );
            return Ok(Self::new(&key, random));
        }
        let file = path.display();
        let text = std::fs::read_to_string(path).with_context(|| {
            say(format!("无法读取主密钥文件 {file}"), format!("can't read the master key's file {file}"))
        })?;
        Self::from_base64(&text.into(), random)
            .with_context(|| say(format!("主密钥文件 {file}"), format!("the master key's file {file}")))
    }

    /// Seals `plain` for `cell`.
    pub fn seal(&self, cell: Cell<'_>, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = self.0.random.bytes();
        let payload = Payload { msg: plain, aad: &cell.bytes() };
        let sealed = self
            .0
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("XChaCha20-Poly1305 refuses only messages over 256 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Keys::seal`] made for the same cell.
    pub fn open(&self, cell: Cell<'_>, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(Unsealable)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Unsealable)?;
        let payload = Payload { msg: sealed, aad: &cell.bytes() };
        self.0.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| Unsealable)
    }

    /// A row key for something that must not stand in the store in clear (a code, say), and a MAC
    /// that only this master key's owner can make.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&(part.len() as u32).to_be_bytes());
            text.extend_from_slice(part);
        }
        hmac_sha256(&self.0.mac_key, &text)
    }
}

fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(key)
        .expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Cell<'_> = Cell { table: "credentials", row: "wx1/access_token", column: "value" };

    fn keys(n: u8) -> Keys {
        Keys::new(&[n; 32], Random::System)
    }

    #[test]
    fn what_is_sealed_opens_only_in_its_place_and_under_its_key() {
        let keys_7 = keys(7);
        let sealed = keys_7.seal(HERE, b"token");
        assert_eq!(keys_7.open(HERE, &sealed).unwrap(), b"token");
        assert!(keys_7.open(Cell { row: "wx2/access_token", ..HERE }, &sealed).is_err());
        assert!(keys(8).open(HERE, &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(keys_7.open(HERE, &sealed[..cut]).is_err());
        }
        assert_ne!(keys_7.seal(HERE, b"token"), sealed, "every sealing has its own nonce");
    }

    #[test]
    fn a_lost_key_file_is_never_made_anew_over_existing_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wxgate.key");
        let sealed = Keys::from_file(&path, true, Random::System).unwrap().seal(HERE, b"x");
        assert!(Keys::from_file(&path, false, Random::System).unwrap().open(HERE, &sealed).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(Keys::from_file(&path, false, Random::System).unwrap_err().to_string().contains("不见了"));
        assert!(!path.exists());
    }
}
