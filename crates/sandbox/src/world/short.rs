//! Texts under a short key.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};

/// Longest text, in bytes.
const MAX_TEXT: usize = 4_096;
/// Longest life, in seconds, and the one of a text that names none.
const MAX_SECONDS: i64 = 2_592_000;
/// Texts kept.
const MAX_KEPT: usize = 10_000;

/// One text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Long {
    appid: String,
    pub(crate) text: String,
    /// Unix seconds.
    pub(crate) made: i64,
    /// Unix milliseconds.
    pub(crate) expires: i64,
}

impl Weighs for Long {
    fn weight(&self) -> usize {
        OVERHEAD + self.appid.len() + self.text.len()
    }
}

/// The newest texts, by key.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shorts(Newest<Long>);

impl Shorts {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

impl World {
    /// Keeps a text; its key of 15 letters and digits.
    pub(crate) fn shorten(
        &mut self,
        appid: &str,
        text: &str,
        seconds: Option<i64>,
    ) -> Result<String, Refusal> {
        if text.len() > MAX_TEXT {
            return Err(refuse(9_410_010));
        }
        let seconds = seconds.unwrap_or(MAX_SECONDS);
        if !(1..=MAX_SECONDS).contains(&seconds) {
            return Err(refuse(9_410_011));
        }
        let key = self.random.alphanumeric(15);
        let (made, expires) = (self.now_seconds(), self.now + seconds * 1000);
        let long = Long { appid: appid.to_owned(), text: text.to_owned(), made, expires };
        self.shorts.0.keep(key.clone(), long, MAX_KEPT);
        Ok(key)
    }

    /// The text of a key: 9410012 if there is none, it has expired, or it is another account's.
    pub(crate) fn long(&self, appid: &str, key: &str) -> Result<&Long, Refusal> {
        let found = self.shorts.0.get(key).filter(|long| long.appid == appid && long.expires > self.now);
        found.ok_or(refuse(9_410_012))
    }
}
