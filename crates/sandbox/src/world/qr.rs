//! Parametric QR codes of official accounts.

use super::World;
use super::kept::pairs;
use super::quota::{QR_DAY, QR_PERMANENT};
use crate::refusal::Refusal;
use base64::Engine;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// What a code carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub(crate) enum Scene {
    Number(u32),
    Text(String),
}

impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Scene {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).map(Self::Number);
        let text = || value.as_str().map(|text| Self::Text(text.to_owned()));
        number.or_else(text).ok_or_else(|| Error::custom("a scene is a text or a number of 32 bits"))
    }
}

/// One code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct QrCode {
    pub(crate) appid: String,
    pub(crate) scene: Scene,
    pub(crate) ticket: String,
    pub(crate) url: String,
    /// `None`: permanent.
    pub(crate) expires: Option<i64>,
}

/// Longest life of a temporary code: 30 days.
pub(crate) const MAX_SECONDS: i64 = 2_592_000;
/// Temporary codes remembered.
const MAX_TEMPORARY: usize = 200_000;

/// All codes, by ticket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct QrCodes {
    pub(crate) by_ticket: BTreeMap<String, QrCode>,
    temporary: VecDeque<String>,
    /// Ticket of a permanent code: the same scene has the same one.
    #[serde(with = "pairs")]
    permanent: BTreeMap<(String, Scene), String>,
}

impl World {
    /// A new code; `seconds` is the life of a temporary one.
    pub(crate) fn make_qr(
        &mut self,
        appid: &str,
        scene: Scene,
        seconds: Option<i64>,
    ) -> Result<QrCode, Refusal> {
        self.quotas.take(appid, QR_DAY, self.now)?;
        let key = (appid.to_owned(), scene.clone());
        if seconds.is_none() {
            let known = self.qr.permanent.get(&key);
            if let Some(code) = known.and_then(|ticket| self.qr.by_ticket.get(ticket)) {
                return Ok(code.clone());
            }
            self.quotas.take(appid, QR_PERMANENT, self.now)?;
        }
        // 70 bytes: a ticket ends in "==" and must be URL-encoded, as WeChat's.
        let mut bytes = self.random.bytes::<70>();
        bytes[..3].copy_from_slice(&[0x81, 0x07, 0xf0]);
        let code = QrCode {
            appid: appid.to_owned(),
            scene,
            ticket: base64::prelude::BASE64_STANDARD.encode(bytes),
            url: format!("http://weixin.qq.com/q/{}", self.random.alphanumeric(22)),
            expires: seconds.map(|seconds| self.now + seconds * 1000),
        };
        let codes = &mut self.qr;
        codes.by_ticket.insert(code.ticket.clone(), code.clone());
        if seconds.is_none() {
            codes.permanent.insert(key, code.ticket.clone());
        } else {
            codes.temporary.push_back(code.ticket.clone());
            if codes.temporary.len() > MAX_TEMPORARY
                && let Some(oldest) = codes.temporary.pop_front()
            {
                codes.by_ticket.remove(&oldest);
            }
        }
        Ok(code)
    }
}
