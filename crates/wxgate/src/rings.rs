//! What is remembered for whoever looks for a mistake: callbacks that were refused, calls that failed, what became of tokens.
//! Gathered in memory, within bounds, and brought to the store each second by one task; what there is too much of is dropped.

mod callbacks;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::flushing::each_second;
use crate::lang::Words;
use crate::store::{Ring, RingRow, Store, StoreError};

pub use callbacks::{Callbacks, Lately};

/// Rows of a ring that wait for the store.
const WAITING: usize = 1_000;
/// Refused callbacks of one address that are remembered a minute.
const PER_ADDRESS: u32 = 100;
/// Failed calls of one kind that are remembered a minute.
const PER_KIND: u32 = 20;
/// Addresses, and kinds of failures, that are told apart within a minute.
const TOLD_APART: usize = 4_096;

/// Why a callback was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The configured app that it was tried for, if that is known.
    pub app: Option<Arc<str>>,
    /// `plain`, `compatible` or `safe`, as far as it came.
    pub mode: Option<&'static str>,
    /// Why, and what to do.
    pub why: Words,
}

/// A callback that was refused.
#[derive(Clone, Debug)]
pub struct RefusedCallback<'a> {
    /// When, Unix milliseconds.
    pub at: i64,
    /// Its id.
    pub request_id: String,
    /// Who sent it.
    pub ip: IpAddr,
    /// Why it was.
    pub refusal: &'a Refusal,
}

/// A call that failed, or was refused.
#[derive(Clone, Debug)]
pub struct FailedCall<'a> {
    /// When it began, Unix milliseconds.
    pub at: i64,
    /// Its id.
    pub request_id: &'a str,
    /// Who called; "": nobody knows.
    pub caller: &'a str,
    /// For which app; "": none.
    pub appid: &'a str,
    /// What was called.
    pub api: &'a str,
    /// HTTP status of the answer.
    pub status: u16,
    /// WeChat's code, or ours.
    pub errcode: i64,
    /// WeChat's name for it.
    pub rid: Option<&'a str>,
    /// How long it took.
    pub ms: u64,
}

/// What became of an app's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// There is another.
    Fetched,
    /// There is none to be had.
    Failed,
    /// It died before its time.
    Superseded,
    /// A call that it was refused for was made with another.
    Healed,
}

impl Became {
    /// As the API says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Healed => "healed",
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rings {
    gathered: Arc<Mutex<Gathered>>,
    /// One flush at a time, so that rows keep their order.
    flushing: Arc<tokio::sync::Mutex<()>>,
    /// How each app's callbacks went lately.
    pub callbacks: Callbacks,
}

#[derive(Debug, Default)]
struct Gathered {
    waiting: HashMap<Ring, Vec<RingRow>>,
    addresses: Allowance<IpAddr>,
    kinds: Allowance<(String, String, i64)>,
}

impl Rings {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a callback that was refused.
    pub fn refused(&self, callback: RefusedCallback<'_>) {
        let RefusedCallback { at, request_id, ip, refusal } = callback;
        let Refusal { app, mode, why } = refusal;
        let mut gathered = self.gathered();
        if !gathered.addresses.take(ip, PER_ADDRESS, at) {
            return;
        }
        let value = json!({"mode": mode, "zh": why.zh, "en": why.en}).to_string();
        let (appid, who) = (app.as_deref().unwrap_or_default().to_owned(), ip.to_string());
        gathered.add(RingRow { id: 0, ring: Ring::Refused, at, appid, who, code: 0, request_id, value });
    }

    /// Remembers a call that failed.
    pub fn failed(&self, call: &FailedCall<'_>) {
        let FailedCall { at, request_id, caller, appid, api, status, errcode, rid, ms } = *call;
        let mut gathered = self.gathered();
        if !gathered.kinds.take((appid.to_owned(), api.to_owned(), errcode), PER_KIND, at) {
            return;
        }
        let value = json!({"api": api, "status": status, "rid": rid, "ms": ms}).to_string();
        gathered.add(RingRow {
            id: 0,
            ring: Ring::Failures,
            at,
            appid: appid.to_owned(),
            who: caller.to_owned(),
            code: errcode,
            request_id: request_id.to_owned(),
            value,
        });
    }

    /// Remembers what became of an app's token at `at`, Unix milliseconds, at the node `node`.
    pub fn became(&self, appid: &str, became: Became, errcode: i64, ms: Option<i64>, at: i64, node: i32) {
        let value = json!({"event": became.name(), "ms": ms, "node": node}).to_string();
        self.gathered().add(RingRow {
            id: 0,
            ring: Ring::History,
            at,
            appid: appid.to_owned(),
            who: became.name().to_owned(),
            code: errcode,
            request_id: String::new(),
            value,
        });
    }

    /// Brings what is gathered to the store each second, until the stop begins.
    pub async fn run(self, store: Store, clock: Clock, draining: CancellationToken) {
        let trouble = Words::fixed("失败记录暂时存不下，稍后再存", "can't keep what failed just now: later");
        each_second(&clock, &draining, &trouble, || self.flush(&store)).await;
    }

    /// Brings what was gathered to the store; what it doesn't take now is tried again the next time.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let _one = self.flushing.lock().await;
        let rows: Vec<RingRow> =
            std::mem::take(&mut self.gathered().waiting).into_values().flatten().collect();
        if rows.is_empty() {
            return Ok(());
        }
        match store.keep_rings(rows.clone()).await {
            // It is mostly done all the same: to keep it again would be twice.
            Err(error @ StoreError::Unavailable(_)) => {
                let mut gathered = self.gathered();
                let later = std::mem::take(&mut gathered.waiting);
                rows.into_iter().chain(later.into_values().flatten()).for_each(|row| gathered.add(row));
                Err(error)
            }
            kept => kept,
        }
    }
}

impl Gathered {
    fn add(&mut self, row: RingRow) {
        let waiting = self.waiting.entry(row.ring).or_default();
        if waiting.len() < WAITING {
            waiting.push(row);
        }
    }
}

/// How many of each were let through within this minute.
#[derive(Debug)]
struct Allowance<K> {
    minute: i64,
    taken: HashMap<K, u32>,
}

impl<K> Default for Allowance<K> {
    fn default() -> Self {
        Self { minute: 0, taken: HashMap::new() }
    }
}

impl<K: Eq + Hash> Allowance<K> {
    fn take(&mut self, key: K, most: u32, now: i64) -> bool {
        let minute = now.div_euclid(60_000);
        if self.minute != minute {
            self.minute = minute;
            self.taken.clear();
        }
        if self.taken.len() >= TOLD_APART && !self.taken.contains_key(&key) {
            return false;
        }
        let taken = self.taken.entry(key).or_default();
        *taken += 1;
        *taken <= most
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    static WHY: Refusal =
        Refusal { app: None, mode: None, why: Words::fixed("不对：改", "wrong: mend it") };

    fn callback(ip: u32, at: i64) -> RefusedCallback<'static> {
        RefusedCallback {
            at,
            request_id: "wxmsg_1".to_owned(),
            ip: Ipv4Addr::from_bits(ip).into(),
            refusal: &WHY,
        }
    }

    fn waiting(rings: &Rings, ring: Ring) -> usize {
        rings.gathered().waiting.get(&ring).map_or(0, Vec::len)
    }

    #[test]
    fn an_address_and_a_kind_of_failure_have_their_share_of_a_minute() {
        let rings = Rings::default();
        (0..150).for_each(|_| rings.refused(callback(1, 60_000)));
        assert_eq!(waiting(&rings, Ring::Refused), 100);
        rings.refused(callback(2, 60_001));
        rings.refused(callback(1, 120_000));
        assert_eq!(waiting(&rings, Ring::Refused), 102);
        let call = FailedCall {
            at: 0,
            request_id: "r",
            caller: "shop",
            appid: "wx1",
            api: "/a",
            status: 200,
            errcode: 45009,
            rid: None,
            ms: 3,
        };
        (0..30).for_each(|_| rings.failed(&call));
        rings.failed(&FailedCall { errcode: 40003, ..call.clone() });
        assert_eq!(waiting(&rings, Ring::Failures), 21);
    }

    #[test]
    fn what_waits_is_bounded_and_so_are_the_addresses() {
        let rings = Rings::default();
        (0..5_000).for_each(|ip| rings.refused(callback(ip, 0)));
        assert_eq!(waiting(&rings, Ring::Refused), WAITING);
        assert_eq!(rings.gathered().addresses.taken.len(), TOLD_APART);
        // A flood of one kind takes no room from another.
        rings.became("wx1", Became::Fetched, 0, Some(5), 0, 1);
        assert_eq!(waiting(&rings, Ring::History), 1);
    }
}
