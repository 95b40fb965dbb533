//! What is amiss as this node sees it, for people: what it is, what it does to them, what to do. Computed from what there is, never
//! kept: `alerts` keeps who was told.

mod account;
mod other;
pub mod signs;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

pub use other::MOST_COUNTED;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::handover::Reach;
use crate::lang::Words;
use crate::parts::Parts;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Calls or messages fail.
    Error,
    /// They will, unless somebody acts.
    Warn,
}

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// WeChat refuses the address that calls come from.
    Ip,
    /// The AppSecret is wrong.
    Secret,
    /// The account is frozen, or may not any more.
    Account,
    /// No token or ticket is to be had.
    Refresh,
    /// Another program refreshes the token.
    Superseded,
    /// Callbacks are refused.
    Callbacks,
    /// A route's deliveries fail.
    Route,
    /// Dead letters grow.
    Dead,
    /// A quota of WeChat's is nearly used up.
    Quota,
    /// The database is away.
    Store,
    /// The certificate ends.
    Certificate,
    /// A caller's time ends.
    Key,
}

impl Kind {
    /// As the API says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Secret => "secret",
            Self::Account => "account",
            Self::Refresh => "refresh",
            Self::Superseded => "superseded",
            Self::Callbacks => "callbacks",
            Self::Route => "route",
            Self::Dead => "dead",
            Self::Quota => "quota",
            Self::Store => "store",
            Self::Certificate => "certificate",
            Self::Key => "key",
        }
    }
}

/// The thing that ails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `app`, `route`, `caller`, `store`, `certificate`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its AppID or name.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// What a button does about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// A POST, below `/api/v1/`.
    pub call: String,
    /// What stands on the button.
    pub label: Words,
}

/// Something is amiss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The same as long as it is the same: `kind:object`.
    pub id: String,
    /// See there.
    pub kind: Kind,
    /// See there.
    pub severity: Severity,
    /// See there.
    pub object: Object,
    /// Unix milliseconds.
    pub since: i64,
    /// When it was over, Unix milliseconds.
    #[serde(skip)]
    pub ended_at: Option<i64>,
    /// What it is, in a line.
    pub summary: Words,
    /// What it does to whom.
    pub impact: Words,
    /// What to do.
    pub fix: Words,
    /// What is to be copied for that.
    pub copy: Option<String>,
    /// What a click does.
    pub action: Option<Action>,
    /// The console's page about it.
    pub link: String,
}

impl Problem {
    /// As the API shows it, but for what only its row knows.
    pub fn json(&self, english: bool) -> Value {
        let of = |words: &Words| words.of(english).to_owned();
        let action =
            self.action.as_ref().map(|action| json!({"call": action.call, "label": of(&action.label)}));
        json!({
            "id": self.id, "kind": self.kind, "severity": self.severity, "object": self.object,
            "since": self.since / 1000, "ended_at": self.ended_at.map(|at| at / 1000), "summary": of(&self.summary), "impact": of(&self.impact),
            "fix": of(&self.fix), "copy": self.copy, "action": action, "link": self.link, "muted_until": null,
        })
    }
}

/// Where problems are looked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Problems(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    reach: Reach,
    certificate: Option<PathBuf>,
    /// When the database proved last that it takes writes, in ticks.
    pinged: AtomicI64,
    /// Since when there is what doesn't say so itself, Unix milliseconds.
    since: Mutex<HashMap<String, i64>>,
}

impl Problems {
    /// Over what there is; `certificate` is the callers' listener's.
    pub fn new(parts: Parts, reach: Reach, certificate: Option<PathBuf>) -> Self {
        let pinged = AtomicI64::new(0);
        Self(Arc::new(Inner { parts, reach, certificate, pinged, since: Mutex::default() }))
    }

    /// Everything that is amiss now, one for each id, the worst first.
    pub async fn now(&self) -> Vec<Problem> {
        let mut found = self.accounts();
        found.extend(self.others().await);
        let mut ids = std::collections::HashSet::new();
        found.retain(|problem| ids.insert(problem.id.clone()));
        found.sort_by_key(|problem| problem.severity == Severity::Warn);
        self.date(&mut found);
        found
    }

    /// What says not itself when it began (0) began when it was seen first.
    fn date(&self, found: &mut [Problem]) {
        let now = self.0.parts.clock.now();
        let mut since = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|id, _| found.iter().any(|problem| problem.id == *id));
        for problem in found.iter_mut().filter(|problem| problem.since == 0) {
            problem.since = *since.entry(problem.id.clone()).or_insert(now);
        }
    }
}
