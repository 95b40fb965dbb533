//! Scripted faults: what a test says should go wrong, and how often.

use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fault {
    /// The exact path of the request.
    pub(crate) path: String,
    /// WeChat refuses with this code; nothing is done.
    pub(crate) errcode: Option<i64>,
    /// The HTTP status; alone, with the edge's HTML page, and nothing is done.
    pub(crate) status: Option<u16>,
    /// How long the answer takes.
    pub(crate) delay_ms: Option<u64>,
    /// The answer's body; nothing is done.
    pub(crate) body: Option<Value>,
    /// The answer's content type.
    pub(crate) content_type: Option<String>,
    /// Where the connection is cut.
    pub(crate) cut: Option<Cut>,
    /// How often; 0: until reset.
    #[serde(default = "once")]
    pub(crate) times: u64,
}

fn once() -> u64 {
    1
}

/// Longest delay: a minute is more than any client waits.
const MAX_DELAY: u64 = 600_000;
/// Faults kept.
const MAX_FAULTS: usize = 10_000;

impl Fault {
    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') {
            return Err("path must begin with /".into());
        }
        let silent = self.errcode.is_none()
            && self.status.is_none()
            && self.delay_ms.is_none()
            && self.body.is_none()
            && self.content_type.is_none()
            && self.cut.is_none();
        if silent {
            return Err("one of errcode, status, delay_ms, body, content_type and cut is required".into());
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

    /// How long the answer takes.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.unwrap_or(0).min(MAX_DELAY))
    }

    /// The text of `body`: a string as it is, anything else as JSON.
    pub(crate) fn body_text(&self) -> Option<String> {
        self.body.as_ref().map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned))
    }
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> Result<(), String> {
        fault.check()?;
        if self.0.len() >= MAX_FAULTS {
            return Err("too many faults: reset".into());
        }
        self.0.push(fault);
        Ok(())
    }

    /// The fault of a call at `path`: counted ones first, in the order they were posted, then the
    /// newest of those that last until reset.
    pub(crate) fn take(&mut self, path: &str) -> Option<Fault> {
        if let Some(at) = self.0.iter().position(|f| f.times > 0 && f.path == path) {
            self.0[at].times -= 1;
            let fault = self.0[at].clone();
            if fault.times == 0 {
                self.0.remove(at);
            }
            return Some(fault);
        }
        self.0.iter().rev().find(|f| f.path == path).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(body: Value) -> Fault {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn counted_ones_come_first_and_run_out() {
        let mut faults = Faults::default();
        faults.add(fault(json!({"path": "/a", "errcode": -1, "times": 0}))).unwrap();
        faults.add(fault(json!({"path": "/a", "errcode": 45011, "times": 2}))).unwrap();
        let mut next = || faults.take("/a").and_then(|f| f.errcode);
        assert_eq!([next(), next(), next(), next()], [Some(45011), Some(45011), Some(-1), Some(-1)]);
        assert!(faults.take("/b").is_none());
    }

    #[test]
    fn a_fault_does_something() {
        assert!(fault(json!({"path": "/a"})).check().is_err());
        assert!(fault(json!({"path": "a", "status": 502})).check().is_err());
        assert!(fault(json!({"path": "/a", "status": 99})).check().is_err());
        assert!(fault(json!({"path": "/a", "cut": "half"})).check().is_ok());
    }
}
