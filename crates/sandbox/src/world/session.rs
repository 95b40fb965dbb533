//! A mini-program user's login: the session key, the keys that encrypt what page and server exchange, and the data
//! that WeChat sealed with a session key.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use crate::refusal::{Refusal, refuse};
use crate::sign;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// Life of a session key since the login. WeChat names none; three days is what is seen.
const LIFE: i64 = 3 * 86_400_000;
/// Logins in quick succession keep the key: "不是每次调用 wx.login 都会刷新". WeChat names no time.
const SAME_KEY: i64 = 300_000;
/// Life of a user's encryption key, and how many are remembered.
const ENCRYPT_LIFE: i64 = 3_600_000;
const ENCRYPT_KEYS: usize = 3;
/// How long WeChat knows what it sealed, and how much of it is remembered here.
const SEALED_LIFE: i64 = 3 * 86_400_000;
const MAX_SEALED: usize = 100_000;

/// One login. Times are Unix milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Session {
    /// Base64 of 16 bytes.
    key: String,
    made: i64,
    expires: i64,
    encrypt_keys: Vec<EncryptKey>,
}

/// A key of `wx.getUserCryptoManager`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EncryptKey {
    /// Base64 of 16 bytes.
    pub(crate) key: String,
    /// 16 hexadecimal digits.
    pub(crate) iv: String,
    pub(crate) version: u64,
    /// Unix milliseconds.
    pub(crate) made: i64,
}

impl EncryptKey {
    /// Seconds it still works.
    pub(crate) fn left(&self, now: i64) -> i64 {
        (self.made + ENCRYPT_LIFE - now).max(0) / 1000
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sealed {
    appid: String,
    at: i64,
}

impl Weighs for Sealed {
    fn weight(&self) -> usize {
        OVERHEAD + self.appid.len()
    }
}

/// All logins, by AppID and openid: one a user at most. What was sealed, by its SHA-256.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    by_user: BTreeMap<String, BTreeMap<String, Session>>,
    sealed: Newest<Sealed>,
}

impl Sessions {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        let logins: usize = self.by_user.values().map(BTreeMap::len).sum();
        self.sealed.bytes() + 8 * OVERHEAD * logins
    }

    fn of(&self, appid: &str, openid: &str) -> Option<&Session> {
        self.by_user.get(appid)?.get(openid)
    }

    fn entry(&mut self, appid: &str, openid: &str) -> &mut Session {
        self.by_user.entry(appid.to_owned()).or_default().entry(openid.to_owned()).or_default()
    }
}

impl World {
    fn new_session_key(&mut self) -> String {
        BASE64_STANDARD.encode(self.random.bytes::<16>())
    }

    /// The user logs in: their session key, which is a new one unless the last is younger than five minutes.
    pub(crate) fn log_in(&mut self, appid: &str, openid: &str) -> String {
        let now = self.now;
        self.visit(appid, openid);
        let fresh = self.new_session_key();
        let session = self.sessions.entry(appid, openid);
        if session.key.is_empty() || now - session.made >= SAME_KEY {
            session.key = fresh;
            session.made = now;
        }
        session.expires = now + LIFE;
        session.key.clone()
    }

    /// Whether the caller knows the user's session key, by its HMAC-SHA256 of nothing: 87008 for another method, 87007
    /// without a login that lasts, 87009 for another key.
    pub(crate) fn check_session(
        &self,
        appid: &str,
        openid: &str,
        signature: &str,
        method: &str,
    ) -> Result<(), Refusal> {
        if method != "hmac_sha256" {
            return Err(refuse(87008));
        }
        let session = self.sessions.of(appid, openid).filter(|session| self.now < session.expires);
        let session = session.ok_or(refuse(87007))?;
        if !signature.eq_ignore_ascii_case(&sign::hmac_sha256_hex(session.key.as_bytes(), b"")) {
            return Err(refuse(87009));
        }
        Ok(())
    }

    /// Another session key, which ends when the old one would have.
    pub(crate) fn reset_session(&mut self, appid: &str, openid: &str) -> String {
        let fresh = self.new_session_key();
        let session = self.sessions.entry(appid, openid);
        session.key.clone_from(&fresh);
        fresh
    }

    /// The user's last three encryption keys, the newest first. It is made when there is none that works, as the
    /// user's page would have it made.
    pub(crate) fn encrypt_keys(&mut self, appid: &str, openid: &str) -> Vec<EncryptKey> {
        let now = self.now;
        let fresh =
            EncryptKey { key: self.new_session_key(), iv: self.random.hex::<8>(), version: 1, made: now };
        let keys = &mut self.sessions.entry(appid, openid).encrypt_keys;
        let newest = keys.first().map(|key| (key.version, key.left(now)));
        match newest {
            Some((_, left)) if left > 0 => {}
            Some((version, _)) => keys.insert(0, EncryptKey { version: version + 1, ..fresh }),
            None => keys.push(fresh),
        }
        keys.truncate(ENCRYPT_KEYS);
        keys.clone()
    }

    /// The user's phone number as the page gets it, sealed with the session key: `encryptedData` and `iv`, in Base64.
    pub(crate) fn seal_phone(&mut self, appid: &str, openid: &str) -> Result<(String, String), String> {
        let phone = self.user_of(appid, openid)?.phone.clone();
        let session = self.sessions.of(appid, openid).filter(|session| self.now < session.expires);
        let key = session.ok_or("openid: log the user in first, by jscode2session")?.key.clone();
        let key = BASE64_STANDARD.decode(key).ok().and_then(|key| <[u8; 16]>::try_from(key).ok());
        let key = key.ok_or("the session key is not 16 bytes")?;
        let iv = self.random.bytes::<16>();
        let told = json!({
            "phoneNumber": phone,
            "purePhoneNumber": phone,
            "countryCode": "86",
            "watermark": {"timestamp": self.now_seconds(), "appid": appid},
        });
        let sealed = sign::encrypt_user_data(&key, &iv, &told.to_string());
        let hash = sign::sha256_hex(sealed.as_bytes());
        self.sessions.sealed.keep(hash, Sealed { appid: appid.to_owned(), at: self.now }, MAX_SEALED);
        Ok((sealed, BASE64_STANDARD.encode(iv)))
    }

    /// When WeChat sealed the data of this SHA-256 for this account, within three days: Unix seconds.
    pub(crate) fn sealed_at(&self, appid: &str, hash: &str) -> Option<i64> {
        let sealed = self.sessions.sealed.get(&hash.to_ascii_lowercase())?;
        let is_known = sealed.appid == appid && self.now - sealed.at < SEALED_LIFE;
        is_known.then_some(sealed.at.div_euclid(1000))
    }
}
