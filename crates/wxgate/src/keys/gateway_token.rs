//! Gateway tokens: what an SDK holds in place of WeChat's access_token.
//!
//! A token names caller and app and is sealed under the master key, so it is checked without the
//! store. It ends after 7,800 s or with its caller's key; a new one ends no older one.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use sha2::{Digest as _, Sha256};

use super::{Cell, Keys};

/// How long a token lives: longer than SDKs are told, so that one in use never ends on them.
const LIFE_MS: i64 = 7_800_000;
/// What SDKs are told, in seconds.
pub const EXPIRES_IN: u32 = 7200;
/// What every token begins with.
pub const PREFIX: &str = "wxg_";
const CELL: Cell<'_> = Cell { table: "gateway_token", row: "", column: "" };

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub holder: Holder,
    /// For which app.
    pub appid: Arc<str>,
}

/// Who holds a gateway token, without saying the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder([u8; 16]);

impl Holder {
    /// Whoever showed `key`, or the caller `name` that needs none: a token dies with that.
    pub fn new(key: Option<&str>, name: &str) -> Self {
        let digest = match key {
            Some(key) => Sha256::digest(key.as_bytes()),
            None => Sha256::digest(format!("\0{name}").as_bytes()),
        };
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }

    /// As it was written down by [`Self::bytes`].
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// To be written down, sealed.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Keys {
    /// A fresh token, at `now` (Unix milliseconds).
    pub fn issue(&self, grant: &Grant, now: i64) -> String {
        let ends = now.saturating_add(LIFE_MS).to_be_bytes();
        let plain = [ends.as_slice(), &grant.holder.0, grant.appid.as_bytes()].concat();
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(self.seal(CELL, &plain)))
    }

    /// What `token` grants at `now`; `None`: nothing, or nothing any more.
    pub fn granted(&self, token: &str, now: i64) -> Option<Grant> {
        self.opened(token).filter(|(_, ends)| now < *ends).map(|(grant, _)| grant)
    }

    /// What `token` grants, and until when (Unix milliseconds).
    pub fn opened(&self, token: &str) -> Option<(Grant, i64)> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let plain = self.open(CELL, &sealed).ok()?;
        let (ends, rest) = plain.split_first_chunk::<8>()?;
        let (holder, appid) = rest.split_first_chunk::<16>()?;
        let appid = std::str::from_utf8(appid).ok()?.into();
        Some((Grant { holder: Holder(*holder), appid }, i64::from_be_bytes(*ends)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_token_says_what_it_was_issued_for_until_its_end() {
        let keys = Keys::new(&[1; 32], Random::System);
        let grant = Grant { holder: Holder([7; 16]), appid: "wx3cc8fd6963e31a32".into() };
        let token = keys.issue(&grant, 1000);
        assert!((64..=256).contains(&token.len()), "{}", token.len());
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{token}");
        assert_ne!(keys.issue(&grant, 1000), token);
        assert_eq!(keys.granted(&token, 1000), Some(grant.clone()));
        assert_eq!(keys.granted(&token, 1000 + LIFE_MS - 1), Some(grant));
        assert_eq!(keys.granted(&token, 1000 + LIFE_MS), None);
        assert_eq!(Keys::new(&[2; 32], Random::System).granted(&token, 1000), None);
        for wrong in
            ["", "wxg_", &token[4..], &token[..80], &token.replace('A', "B").to_lowercase(), "75_real-token"]
        {
            assert_eq!(keys.granted(wrong, 1000), None, "{wrong}");
        }
    }
}
