//! What a test scripts: faults, and the facts nobody could confirm.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::World;

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    /// Nothing is processed.
    Before,
    /// Processed; half the answer is sent.
    Half,
    /// Processed; nothing is answered.
    After,
}

/// `POST /sandbox/fault`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    path: String,
    pub(crate) errcode: Option<i64>,
    pub(crate) status: Option<u16>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) body: Option<Value>,
    pub(crate) content_type: Option<String>,
    pub(crate) cut: Option<Cut>,
    #[serde(default)]
    times: u32,
}

impl World {
    /// The fault for a call of `path`, counted down.
    pub(crate) fn take_fault(&mut self, path: &str) -> Option<Fault> {
        let index = self.faults.iter().position(|fault| fault.path == path)?;
        let fault = self.faults[index].clone();
        match fault.times {
            0 => {}
            1 => {
                self.faults.remove(index);
            }
            _ => self.faults[index].times -= 1,
        }
        Some(fault)
    }
}

/// `POST /sandbox/quirks`: each switch is at the first of its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quirks {
    pub(crate) new_retry_signature: bool,
    pub(crate) forced_within_30s_fails: bool,
    pub(crate) hyaline_jpeg: bool,
    pub(crate) garbage_token_is_40014: bool,
    pub(crate) country_code_is_number: bool,
}

impl Quirks {
    /// Sets what `values` names; the error says what can't be set.
    pub(crate) fn set(&mut self, values: &Map<String, Value>) -> Result<(), String> {
        let mut next = self.clone();
        for (name, value) in values {
            let (switch, first, second) = match name.as_str() {
                "retry_signature" => (&mut next.new_retry_signature, "same", "new"),
                "forced_refresh_within_30s" => (&mut next.forced_within_30s_fails, "same", "error"),
                "hyaline" => (&mut next.hyaline_jpeg, "png", "jpeg"),
                "garbage_token" => (&mut next.garbage_token_is_40014, "40001", "40014"),
                "country_code" => (&mut next.country_code_is_number, "string", "number"),
                _ => return Err(format!("no quirk {name}")),
            };
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *switch = match text {
                text if text == first => false,
                text if text == second => true,
                _ => return Err(format!("{name} is {first} or {second}")),
            };
        }
        *self = next;
        Ok(())
    }
}
