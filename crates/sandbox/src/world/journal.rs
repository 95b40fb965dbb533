//! Calls as they came and as they were answered: what `GET /sandbox/calls` shows.

use super::PushRecord;
use super::kept::base64;
use super::lately::Weighs;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Calls kept.
const MAX_ENTRIES: usize = 10_000;
/// Bytes kept of them; the oldest go first. Room for three of the largest calls there are.
const MAX_BYTES: usize = 64 << 20;
/// About what an entry takes besides its texts.
const OVERHEAD: usize = 512;
/// Listed at once, unless asked for otherwise.
const LISTED: usize = 100;

/// One call, whole, secrets and all: this is a fake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    /// Unix milliseconds by the sandbox's clock.
    pub(crate) at: i64,
    /// Empty if the call doesn't tell.
    pub(crate) appid: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it came.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    #[serde(rename = "body_base64", with = "base64")]
    pub(crate) body: Bytes,
    /// HTTP status; 0 if the connection was closed without an answer.
    pub(crate) status: u16,
    /// What went out of the answer's body.
    #[serde(rename = "answer_base64", with = "base64")]
    pub(crate) answer: Bytes,
    /// The callbacks that followed, when they are over.
    pub(crate) pushed: Vec<PushRecord>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let texts =
            self.appid.len() + self.path.len() + self.query.len() + self.body.len() + self.answer.len();
        OVERHEAD + headers + texts + self.pushed.iter().map(Weighs::weight).sum::<usize>()
    }
}

/// Which calls are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    path: Option<String>,
    appid: Option<String>,
    /// Only calls after this one.
    #[serde(default)]
    since: u64,
    limit: Option<usize>,
}

/// The newest calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "VecDeque<Entry>", into = "VecDeque<Entry>")]
pub(crate) struct Journal {
    kept: VecDeque<Entry>,
    bytes: usize,
}

impl From<VecDeque<Entry>> for Journal {
    fn from(kept: VecDeque<Entry>) -> Self {
        Self { bytes: kept.iter().map(Entry::bytes).sum(), kept }
    }
}

impl From<Journal> for VecDeque<Entry> {
    fn from(journal: Journal) -> Self {
        journal.kept
    }
}

impl Journal {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.kept.push_back(entry);
        self.shrink();
    }

    /// What was sent of the answer.
    pub(super) fn answered(&mut self, seq: u64, answer: Bytes) {
        self.change(seq, |entry| entry.answer = answer);
    }

    /// A callback that followed.
    pub(super) fn pushed(&mut self, seq: u64, push: PushRecord) {
        self.change(seq, |entry| entry.pushed.push(push));
    }

    /// The oldest first, so that the last one's `seq` leads to the next list.
    pub(super) fn list(&self, filter: &Filter) -> Vec<&Entry> {
        let is = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        self.kept
            .iter()
            .filter(|entry| entry.seq > filter.since)
            .filter(|entry| is(&filter.path, &entry.path) && is(&filter.appid, &entry.appid))
            .take(filter.limit.unwrap_or(LISTED))
            .collect()
    }

    pub(super) fn seqs(&self) -> Vec<u64> {
        self.kept.iter().map(|entry| entry.seq).collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn change(&mut self, seq: u64, change: impl FnOnce(&mut Entry)) {
        let at = self.kept.binary_search_by_key(&seq, |entry| entry.seq);
        if let Some(entry) = at.ok().and_then(|at| self.kept.get_mut(at)) {
            self.bytes -= entry.bytes();
            change(entry);
            self.bytes += entry.bytes();
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        while self.kept.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(entry) = self.kept.pop_front() else { return };
            self.bytes -= entry.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, body: usize) -> Entry {
        Entry {
            seq,
            at: 0,
            appid: String::new(),
            method: "POST".to_owned(),
            path: "/a".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::from(vec![0; body]),
            status: 200,
            answer: Bytes::new(),
            pushed: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let mut journal = Journal::default();
        for seq in 1..=5 {
            journal.add(entry(seq, 20 << 20));
        }
        assert_eq!(journal.kept.front().map(|e| e.seq), Some(3), "by bytes");
        journal.answered(5, Bytes::from(vec![0; 20 << 20]));
        assert_eq!(journal.kept.front().map(|e| e.seq), Some(4), "answers count");
        journal.answered(1, Bytes::new());
        journal.pushed(5, PushRecord { message: "x".repeat(20 << 20), ..PushRecord::default() });
        assert_eq!(journal.kept.front().map(|e| e.seq), Some(5), "callbacks count as well");
        for seq in 6..=20_000 {
            journal.add(entry(seq, 0));
        }
        assert_eq!(journal.kept.len(), MAX_ENTRIES);
        assert_eq!(journal.bytes, journal.kept.iter().map(Entry::bytes).sum::<usize>());
    }
}
