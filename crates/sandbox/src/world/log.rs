//! What happened: calls in, pushes out.

use super::journal::{Entry, Filter, Journal};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Calls kept.
const MAX_CALLS: usize = 200_000;
/// Pushes kept.
const MAX_PUSHES: usize = 5_000;

/// One call to the platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    pub(crate) seq: u64,
    /// Empty if the call doesn't tell.
    pub(crate) appid: String,
    pub(crate) path: String,
    /// HTTP status; 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// 0 for an answer without one, -1 for no answer or an edge's error page.
    pub(crate) errcode: i64,
}

/// The newest calls, in short, and the newest of them whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Calls {
    kept: VecDeque<CallRecord>,
    journal: Journal,
    last: u64,
}

impl Calls {
    /// Numbers a call; what it is answered follows by [`Self::answered`].
    pub(crate) fn add(&mut self, errcode: i64, call: Entry) -> u64 {
        self.last += 1;
        if self.kept.len() == MAX_CALLS {
            self.kept.pop_front();
        }
        let (appid, path, status) = (call.appid.clone(), call.path.clone(), call.status);
        self.kept.push_back(CallRecord { seq: self.last, appid, path, status, errcode });
        self.journal.add(Entry { seq: self.last, ..call });
        self.last
    }

    /// What went out of an answer's body.
    pub(crate) fn answered(&mut self, seq: u64, answer: Bytes) {
        self.journal.answered(seq, answer);
    }

    /// A callback that a call caused is over.
    pub(crate) fn pushed(&mut self, seq: u64, push: PushRecord) {
        self.journal.pushed(seq, push);
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.journal.bytes()
    }

    /// Calls in short.
    pub(crate) fn brief(&self) -> &VecDeque<CallRecord> {
        &self.kept
    }

    /// Calls as they came.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<&Entry> {
        self.journal.list(filter)
    }

    /// Forgets them; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
        self.journal.clear();
    }
}

/// One callback and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PushRecord {
    /// Its number; resent, it has another.
    pub(crate) seq: u64,
    /// When it began: Unix milliseconds by the sandbox's clock.
    pub(crate) at: i64,
    pub(crate) url: String,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) appid: String,
    pub(crate) openid: String,
    /// The message before it was sealed.
    pub(crate) message: String,
}

impl PushRecord {
    /// As control calls tell of it: what went over the wire stands in the journal.
    pub(crate) fn told(&self) -> Value {
        let mut told = json!(self);
        for attempt in told["attempts"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
        {
            attempt.shift_remove("query");
            attempt.shift_remove("sent");
        }
        told
    }
}

/// One of at most three attempts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// What the address was given, signatures and all.
    pub(crate) query: String,
    /// The body that was posted.
    pub(crate) sent: String,
    /// 0: no answer.
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) ms: u64,
    /// The passive reply, opened and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<String>,
    /// Why it failed, or why the user sees no reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The newest pushes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pushes {
    /// Those that are over.
    kept: VecDeque<PushRecord>,
    #[serde(skip)]
    under_way: BTreeMap<u64, PushRecord>,
    last: u64,
}

/// Pushes that are seen while they are under way.
const MAX_UNDER_WAY: usize = 1_000;

impl Pushes {
    /// The number of a push that is about to go out.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How far a push has come.
    pub(crate) fn note(&mut self, push: &PushRecord) {
        self.under_way.insert(push.seq, push.clone());
        if self.under_way.len() > MAX_UNDER_WAY {
            self.under_way.pop_first();
        }
    }

    /// A push is over.
    pub(crate) fn add(&mut self, push: PushRecord) {
        self.under_way.remove(&push.seq);
        if self.kept.len() == MAX_PUSHES {
            self.kept.pop_front();
        }
        self.kept.push_back(push);
    }

    /// Those that are over, the oldest first.
    pub(crate) fn over(&self) -> &VecDeque<PushRecord> {
        &self.kept
    }

    pub(crate) fn find(&self, seq: u64) -> Option<&PushRecord> {
        let is_meant = |push: &&PushRecord| push.seq == seq;
        self.under_way.get(&seq).or_else(|| self.kept.iter().rev().find(is_meant))
    }
}

impl PushRecord {
    /// In short, for whoever watches.
    pub(crate) fn news(&self, is_over: bool) -> Value {
        let attempts = self.attempts.iter();
        let attempts: Vec<Value> = attempts
            .map(|Attempt { status, ms, reply, error, .. }| {
                json!({"status": status, "ms": ms, "replied": reply.is_some(), "error": error})
            })
            .collect();
        let Self { seq, at, url, appid, openid, .. } = self;
        // What it is stands at its beginning; the whole is a call away.
        let begin: String = self.message.chars().take(1_000).collect();
        json!({
            "seq": seq, "at": at, "url": url, "appid": appid, "openid": openid, "over": is_over,
            "message": begin, "attempts": attempts,
        })
    }
}
