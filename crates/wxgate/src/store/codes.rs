//! QR codes that were made here, and who scanned them: kept by a digest of the ticket, for whoever has that may let a scan pass
//! for a login.

use super::records::Pending;
use super::{Store, StoreError};
use crate::wake::Sleeper;

/// A code that was made.
#[derive(Clone, Debug)]
pub struct NewCode<'a> {
    /// WeChat's name for it.
    pub ticket: &'a str,
    /// The account's.
    pub appid: &'a str,
    /// Who made it.
    pub caller: &'a str,
    /// What that calls it, or "".
    pub flow_id: &'a str,
    /// What it carries.
    pub scene: &'a str,
    /// When, Unix milliseconds.
    pub made_at: i64,
    /// When it ends, Unix milliseconds; `None`: never.
    pub ends_at: Option<i64>,
    /// How long what came of it is remembered after that, in milliseconds.
    pub kept_for: i64,
}

/// A code, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Names it here.
    pub key: [u8; 32],
    /// The account's.
    pub appid: String,
    /// Who made it.
    pub caller: String,
    /// What it carries.
    pub scene: String,
    /// When it ends, Unix milliseconds; `None`: never.
    pub ends_at: Option<i64>,
    /// Of a code that ends the first, of one that doesn't the latest.
    pub scan: Option<Scan>,
}

/// Somebody scanned a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Who.
    pub openid: String,
    /// `SCAN`, or `subscribe` by whoever follows by it.
    pub event: String,
    /// When, by WeChat's clock, Unix milliseconds.
    pub at: i64,
}

/// A code to keep.
#[derive(Clone, Debug)]
pub(crate) struct CodeRow {
    pub(crate) key: [u8; 32],
    pub(crate) appid: String,
    pub(crate) caller: String,
    pub(crate) flow_id: String,
    pub(crate) scene: String,
    pub(crate) made_at: i64,
    pub(crate) ends_at: Option<i64>,
    pub(crate) expires_at: Option<i64>,
}

/// Which code is asked for.
#[derive(Clone, Debug)]
pub(crate) enum CodeOf {
    Key([u8; 32]),
    /// The newest that `caller` calls so.
    Flow {
        caller: String,
        flow_id: String,
    },
}

/// The part of a [`super::Backend`] that keeps them. Who scanned is written by [`super::Backend::accept`].
pub(crate) trait Codes {
    /// Keeps a code, or keeps it for longer; `false`: another caller made it before.
    fn keep_code(&self, code: CodeRow) -> Pending<'_, bool>;
    /// The code, if it is remembered.
    fn code(&self, of: CodeOf) -> Pending<'_, Option<Code>>;
}

impl Store {
    pub(super) fn ticket_key(&self, ticket: &str) -> [u8; 32] {
        self.keys.mac(&[b"ticket", ticket.as_bytes()])
    }

    /// Keeps a code that was made. `false`: another caller made it before, and it stays that one's.
    pub async fn keep_code(&self, new: NewCode<'_>) -> Result<bool, StoreError> {
        let row = CodeRow {
            key: self.ticket_key(new.ticket),
            appid: new.appid.to_owned(),
            caller: new.caller.to_owned(),
            flow_id: new.flow_id.to_owned(),
            scene: new.scene.to_owned(),
            made_at: new.made_at,
            ends_at: new.ends_at,
            expires_at: new.ends_at.map(|ends_at| ends_at.saturating_add(new.kept_for)),
        };
        self.backend.keep_code(row).await
    }

    /// The code with this ticket.
    pub async fn code_of_ticket(&self, ticket: &str) -> Result<Option<Code>, StoreError> {
        self.code(self.ticket_key(ticket)).await
    }

    /// The newest code that `caller` gave this `flow_id`.
    pub async fn code_of_flow(&self, caller: &str, flow_id: &str) -> Result<Option<Code>, StoreError> {
        let of = CodeOf::Flow { caller: caller.to_owned(), flow_id: flow_id.to_owned() };
        self.backend.code(of).await
    }

    /// A code once more.
    pub async fn code(&self, key: [u8; 32]) -> Result<Option<Code>, StoreError> {
        self.backend.code(CodeOf::Key(key)).await
    }

    /// Is woken when a scan of the code was kept by this process.
    pub fn scans(&self, code: &Code) -> Sleeper {
        self.scanned.sleeper(code.key)
    }

    /// By how many codes somebody waits here, about.
    pub fn awaited_codes(&self) -> usize {
        self.scanned.len()
    }
}

/// As the API has it: WeChat's own spelling, whatever came.
pub(super) fn event_name(event: &str) -> &'static str {
    if event.eq_ignore_ascii_case("subscribe") { "subscribe" } else { "SCAN" }
}
