//! What happened: calls in, pushes out.

use super::journal::{Entry, Filter, Journal};
use super::lately::{Lately, OVERHEAD, Weighs, cut};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Calls kept, and bytes of them.
const MAX_CALLS: usize = 200_000;
const MAX_CALL_BYTES: usize = 64 << 20;
/// Pushes kept, and bytes of them; room for a few of the largest there are.
const MAX_PUSHES: usize = 5_000;
const MAX_PUSH_BYTES: usize = 64 << 20;
/// Bytes of a path and of an AppID in a short record: longer ones stand whole in the journal only.
pub(crate) const MAX_PATH: usize = 256;
const MAX_APPID: usize = 64;

/// One call to the platform.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallRecord {
    pub(crate) seq: u64,
    /// Empty if the call doesn't tell.
    pub(crate) appid: String,
    /// Cut after 256 bytes.
    pub(crate) path: String,
    /// HTTP status; 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// 0 for an answer without one, -1 for no answer or an edge's error page.
    pub(crate) errcode: i64,
}

impl Weighs for CallRecord {
    fn weight(&self) -> usize {
        OVERHEAD + self.appid.len() + self.path.len()
    }
}

/// The newest calls, in short, and the newest of them whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Calls {
    kept: Lately<CallRecord>,
    journal: Journal,
    last: u64,
}

impl Calls {
    /// Numbers a call; what it is answered follows by [`Self::answered`].
    pub(crate) fn add(&mut self, errcode: i64, call: Entry) -> u64 {
        self.last += 1;
        let (appid, path) = (cut(&call.appid, MAX_APPID).to_owned(), cut(&call.path, MAX_PATH).to_owned());
        let brief = CallRecord { seq: self.last, appid, path, status: call.status, errcode };
        self.kept.add(brief, MAX_CALLS, MAX_CALL_BYTES);
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
        self.journal.bytes() + self.kept.bytes()
    }

    /// Numbers of a snapshot's calls rise, and none is behind the last.
    pub(super) fn check(&self) -> Result<(), String> {
        let brief: Vec<u64> = self.kept.iter().map(|call| call.seq).collect();
        let is_sound = |seqs: &[u64]| seqs.is_sorted() && seqs.last().is_none_or(|last| *last <= self.last);
        if is_sound(&brief) && is_sound(&self.journal.seqs()) {
            return Ok(());
        }
        Err("world.calls: their numbers don't rise".to_owned())
    }

    /// Calls in short.
    pub(crate) const fn brief(&self) -> &Lately<CallRecord> {
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

impl Weighs for PushRecord {
    fn weight(&self) -> usize {
        let own = self.url.len() + self.appid.len() + self.openid.len() + self.message.len();
        2 * OVERHEAD + own + self.attempts.iter().map(Weighs::weight).sum::<usize>()
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

impl Weighs for Attempt {
    fn weight(&self) -> usize {
        let said = [&self.reply, &self.error].into_iter().flatten().map(String::len).sum::<usize>();
        2 * OVERHEAD + self.query.len() + self.sent.len() + self.body.len() + said
    }
}

/// The newest pushes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pushes {
    /// Those that are over.
    kept: Lately<PushRecord>,
    #[serde(skip)]
    under_way: BTreeMap<u64, PushRecord>,
    /// Bytes of those under way.
    #[serde(skip)]
    bytes: usize,
    last: u64,
}

/// Pushes that are seen while they are under way, and bytes of them.
const MAX_UNDER_WAY: usize = 1_000;
const MAX_UNDER_WAY_BYTES: usize = 32 << 20;

impl Pushes {
    /// The number of a push that is about to go out.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How far a push has come.
    pub(crate) fn note(&mut self, push: &PushRecord) {
        self.arrived(push.seq);
        self.bytes += push.weight();
        self.under_way.insert(push.seq, push.clone());
        while (self.under_way.len() > MAX_UNDER_WAY || self.bytes > MAX_UNDER_WAY_BYTES)
            && let Some((oldest, _)) = self.under_way.first_key_value()
        {
            self.arrived(*oldest);
        }
    }

    /// A push is under way no longer.
    fn arrived(&mut self, seq: u64) {
        self.bytes -= self.under_way.remove(&seq).map_or(0, |push| push.weight());
    }

    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.kept.bytes() + self.bytes
    }

    /// A push is over.
    pub(crate) fn add(&mut self, push: PushRecord) {
        self.arrived(push.seq);
        self.kept.add(push, MAX_PUSHES, MAX_PUSH_BYTES);
    }

    /// Those that are over, the oldest first.
    pub(crate) const fn over(&self) -> &Lately<PushRecord> {
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
                let error = error.as_deref().map(|error| cut(error, MAX_PATH));
                json!({"status": status, "ms": ms, "replied": reply.is_some(), "error": error})
            })
            .collect();
        let Self { seq, at, url, appid, openid, .. } = self;
        // What it is stands at its beginning; the whole is a call away.
        let begin: String = self.message.chars().take(1_000).collect();
        json!({
            "seq": seq, "at": at, "url": cut(url, MAX_PATH), "appid": appid, "openid": openid, "over": is_over,
            "message": begin, "attempts": attempts,
        })
    }
}
