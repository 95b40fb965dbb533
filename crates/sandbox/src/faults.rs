//! Scripted faults: what a test says should go wrong, and how often.

mod delay;

use crate::world::{OVERHEAD, Random, Weighs};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use delay::Delay;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    /// Closed, and the call never happened.
    Before,
    /// The answer stops half way through its body.
    Half,
    /// The call happened, and the connection is closed without an answer.
    After,
}

/// One scripted fault. Members combine.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The exact path of the request; `*`: any path of WeChat's.
    pub(crate) path: String,
    /// Only calls of this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<String>,
    /// Only calls about this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    openid: Option<String>,
    /// How likely a call that fits is hit: over 0, at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f64>,
    /// WeChat refuses with this code; nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errcode: Option<i64>,
    /// In these words; WeChat's own by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errmsg: Option<String>,
    /// The HTTP status; alone, with the edge's HTML page, and nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// How long the answer takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<Delay>,
    /// The answer's body; nothing is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// Likewise, for any bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// The answer's content type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// Where the connection is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<Cut>,
    /// The call happens; what the receipt says that follows it: `failed:user block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receipt: Option<String>,
    /// How often; 0: until reset.
    #[serde(default = "once")]
    times: u64,
}

fn once() -> u64 {
    1
}

/// The path of a fault that any call may be hit by.
const EVERY: &str = "*";
/// Faults kept, and bytes of them.
const MAX_FAULTS: usize = 10_000;
const MAX_BYTES: usize = 64 << 20;

impl Fault {
    /// About how much memory it takes.
    fn weight(&self) -> usize {
        let texts =
            [&self.appid, &self.openid, &self.errmsg, &self.body_base64, &self.content_type, &self.receipt];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        4 * OVERHEAD + self.path.len() + texts + self.body.as_ref().map_or(0, Weighs::weight)
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') && self.path != EVERY {
            return Err("path must begin with /, or be * for every path".into());
        }
        let has_body = self.body.is_some() || self.body_base64.is_some();
        let silent = self.errcode.is_none()
            && self.status.is_none()
            && self.delay_ms.is_none()
            && !has_body
            && self.content_type.is_none()
            && self.cut.is_none()
            && self.receipt.is_none();
        if silent {
            return Err(
                "one of errcode, status, delay_ms, body, body_base64, content_type, cut and receipt is required"
                    .into(),
            );
        }
        if self.body.is_some() && self.body_base64.is_some() {
            return Err("body and body_base64: give one of them".into());
        }
        if self.errmsg.is_some() && self.errcode.is_none() {
            return Err("errmsg needs an errcode".into());
        }
        if self.body_base64.as_ref().is_some_and(|text| BASE64_STANDARD.decode(text).is_err()) {
            return Err("body_base64 must be base64".into());
        }
        if let Some(delay) = &self.delay_ms {
            delay.check()?;
        }
        if self.probability.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err("probability must be over 0 and at most 1".into());
        }
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("status must be 200 to 599".into());
        }
        let printable = |text: &String| text.bytes().all(|b| (b' '..127).contains(&b));
        if !self.content_type.as_ref().is_none_or(printable) {
            return Err("content_type must be plain ASCII".into());
        }
        Ok(())
    }

    /// How long the answer takes this time.
    pub(crate) fn delay(&self, chance: &mut Random) -> Duration {
        self.delay_ms.map_or(Duration::ZERO, |delay| delay.draw(chance))
    }

    /// The answer's body: a text as it is, anything else as JSON.
    pub(crate) fn body_bytes(&self) -> Option<Bytes> {
        let text = |body: &Value| body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let bytes = || self.body_base64.as_ref().and_then(|text| BASE64_STANDARD.decode(text).ok());
        self.body.as_ref().map(|body| text(body).into()).or_else(|| bytes().map(Bytes::from))
    }

    /// Whether it hits a call, which chance may decide.
    fn hits(&self, path: &str, appid: &str, concerns: &impl Fn(&str) -> bool, chance: &mut Random) -> bool {
        (self.path == path || self.path == EVERY)
            && self.appid.as_deref().is_none_or(|wanted| wanted == appid)
            && self.openid.as_deref().is_none_or(concerns)
            && self.probability.is_none_or(|probability| chance.chance(probability))
    }
}

/// A fault and the number it is known by.
#[derive(Clone, Debug, Serialize)]
struct Posted {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
}

impl<'de> Deserialize<'de> for Posted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        let id = members.remove("id").and_then(|id| id.as_u64());
        let id = id.ok_or_else(|| Error::custom("a fault needs an id"))?;
        let fault = Fault::deserialize(Value::Object(members)).map_err(Error::custom)?;
        fault.check().map_err(Error::custom)?;
        Ok(Self { id, fault })
    }
}

/// The faults still to come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    posted: Vec<Posted>,
    last: u64,
}

impl Faults {
    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.posted.iter().map(|posted| posted.fault.weight()).sum()
    }

    /// Keeps a fault; its number.
    pub(crate) fn add(&mut self, fault: Fault) -> Result<u64, String> {
        fault.check()?;
        if self.posted.len() >= MAX_FAULTS {
            return Err("too many faults: reset".into());
        }
        if self.bytes() + fault.weight() > MAX_BYTES {
            return Err(format!("faults take {} MiB at most: reset", MAX_BYTES >> 20));
        }
        self.last += 1;
        self.posted.push(Posted { id: self.last, fault });
        Ok(self.last)
    }

    /// All of them, with how often each is still to come.
    pub(crate) fn list(&self) -> Value {
        json!(self.posted)
    }

    /// Takes one back; whether there was such a fault.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.posted.len();
        self.posted.retain(|posted| posted.id != id);
        self.posted.len() < before
    }

    /// The fault of a call of `appid` at `path`: counted ones first, in the order they were posted, then the newest of
    /// those that last until reset.
    pub(crate) fn take(
        &mut self,
        path: &str,
        appid: &str,
        concerns: impl Fn(&str) -> bool,
        chance: &mut Random,
    ) -> Option<Fault> {
        let mut hits = |posted: &Posted| posted.fault.hits(path, appid, &concerns, chance);
        let Some(at) = self.posted.iter().position(|posted| posted.fault.times > 0 && hits(posted)) else {
            let lasting = self.posted.iter().rev().find(|posted| posted.fault.times == 0 && hits(posted));
            return lasting.map(|posted| posted.fault.clone());
        };
        let fault = &mut self.posted[at].fault;
        fault.times -= 1;
        if fault.times > 0 {
            return Some(fault.clone());
        }
        Some(self.posted.remove(at).fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: Value) -> Fault {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn counted_ones_come_first_and_run_out() {
        let mut faults = Faults::default();
        faults.add(fault(json!({"path": "/a", "errcode": -1, "times": 0}))).unwrap();
        faults.add(fault(json!({"path": "/a", "errcode": 45011, "times": 2}))).unwrap();
        let mut next = || faults.take("/a", "", |_| false, &mut Random::default()).and_then(|f| f.errcode);
        assert_eq!([next(), next(), next(), next()], [Some(45011), Some(45011), Some(-1), Some(-1)]);
        assert!(faults.take("/b", "", |_| false, &mut Random::default()).is_none());
    }

    #[test]
    fn accounts_users_and_chance_choose() {
        let mut faults = Faults::default();
        faults.add(fault(json!({"path": "/a", "appid": "wx1", "errcode": 1}))).unwrap();
        faults.add(fault(json!({"path": "/a", "openid": "o1", "errcode": 2}))).unwrap();
        faults.add(fault(json!({"path": "/a", "probability": 1e-12, "errcode": 3, "times": 0}))).unwrap();
        let mut next = |appid: &str, openid: &str| {
            faults
                .take("/a", appid, |wanted| wanted == openid, &mut Random::default())
                .and_then(|f| f.errcode)
        };
        assert_eq!([next("wx2", "o2"), next("wx2", "o1"), next("wx2", "o1")], [None, Some(2), None]);
        assert_eq!([next("wx1", "o2"), next("wx1", "o2")], [Some(1), None]);
    }

    #[test]
    fn a_fault_does_something() {
        assert!(fault(json!({"path": "/a"})).check().is_err());
        assert!(fault(json!({"path": "a", "status": 502})).check().is_err());
        assert!(fault(json!({"path": "/a", "status": 99})).check().is_err());
        assert!(fault(json!({"path": "/a", "cut": "half"})).check().is_ok());
        for wrong in [
            json!({"path": "/a", "body": "", "body_base64": ""}),
            json!({"path": "/a", "body_base64": "?"}),
            json!({"path": "/a", "errcode": 1, "probability": 0.0}),
            json!({"path": "/a", "errcode": 1, "probability": 1.5}),
            json!({"path": "/a", "status": 500, "errmsg": "x"}),
        ] {
            assert!(fault(wrong.clone()).check().is_err(), "{wrong}");
        }
    }
}
