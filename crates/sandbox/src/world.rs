//! The state of the fake WeChat and its rules: plain data, no IO, one clock.

mod accounts;
mod calls;
mod codes;
mod messages;
mod qr;
mod tokens;
mod users;

use std::collections::{BTreeMap, HashMap, VecDeque};

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

pub(crate) use accounts::{Account, Callback, Kind, Mode};
pub(crate) use calls::{Cut, Fault, Quirks};
pub(crate) use codes::{CodeKind, UserToken, is_eternal};
pub(crate) use qr::Ticket;
pub(crate) use users::User;

use crate::Now;

/// Newest calls kept for `GET state`.
const CALLS_KEPT: usize = 200_000;
/// Newest pushes and messages kept for `GET state`.
const RECORDS_KEPT: usize = 20_000;

/// WeChat says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    /// Instead of the code's usual words.
    pub(crate) text: Option<String>,
}

impl From<i64> for Refusal {
    fn from(code: i64) -> Self {
        Self { code, text: None }
    }
}

pub(crate) type Outcome<T> = Result<T, Refusal>;

pub(crate) struct World {
    clock: Now,
    moved_ms: i64,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) users: Vec<User>,
    pub(crate) quirks: Quirks,
    pub(crate) faults: Vec<Fault>,
    codes: HashMap<String, codes::Code>,
    user_tokens: HashMap<String, UserToken>,
    refresh_tokens: HashMap<String, (UserToken, i64)>,
    known_tokens: HashMap<String, (String, i64)>,
    pub(crate) tickets: HashMap<String, Ticket>,
    credits: HashMap<(String, String), u32>,
    client_msg_ids: HashMap<(String, String), (u64, i64)>,
    counters: HashMap<(String, &'static str), (i64, u32)>,
    calls: VecDeque<Value>,
    sequence: u64,
    pushes: VecDeque<Value>,
    sent: VecDeque<Value>,
}

impl World {
    pub(crate) fn new(clock: Now) -> Self {
        let mut world = Self {
            clock,
            moved_ms: 0,
            accounts: BTreeMap::new(),
            users: Vec::new(),
            quirks: Quirks::default(),
            faults: Vec::new(),
            codes: HashMap::new(),
            user_tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            known_tokens: HashMap::new(),
            tickets: HashMap::new(),
            credits: HashMap::new(),
            client_msg_ids: HashMap::new(),
            counters: HashMap::new(),
            calls: VecDeque::new(),
            sequence: 0,
            pushes: VecDeque::new(),
            sent: VecDeque::new(),
        };
        for account in Account::first_three() {
            world.accounts.insert(account.appid.clone(), account);
        }
        world.add_user(Some("Hui🐠"));
        let officials: Vec<String> =
            world.accounts.values().filter(|a| a.kind == Kind::Official).map(|a| a.appid.clone()).collect();
        world.users[0].follows.extend(officials);
        world
    }

    /// Back to the start.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.clock.clone());
    }

    /// Unix milliseconds by the sandbox's clock.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)() + self.moved_ms
    }

    pub(crate) fn now_secs(&self) -> i64 {
        self.now() / 1000
    }

    pub(crate) fn move_clock(&mut self, seconds: i64) {
        self.moved_ms = self.moved_ms.saturating_add(seconds.saturating_mul(1000));
    }

    /// Counts one use of `what` by `appid` in the present window of `seconds`; false when over `limit`.
    /// Windows of a day begin at 00:00 Beijing time.
    fn count(&mut self, appid: &str, what: &'static str, seconds: i64, limit: u32) -> bool {
        let window = (self.now_secs() + 8 * 3600) / seconds;
        let counter = self.counters.entry((appid.to_owned(), what)).or_insert((window, 0));
        if counter.0 != window {
            *counter = (window, 0);
        }
        if counter.1 >= limit {
            return false;
        }
        counter.1 += 1;
        true
    }

    /// `aaaaaaaa-bbbbbbbb-cccccccc`: the first group is the time.
    pub(crate) fn rid(&self) -> String {
        let mut random = rand::rng();
        format!("{:08x}-{:08x}-{:08x}", self.now_secs(), random.random::<u32>(), random.random::<u32>())
    }

    /// Notes a call as it comes in, so that one that is never answered is counted too.
    pub(crate) fn begin_call(&mut self, appid: Option<&str>, path: &str) -> u64 {
        self.sequence += 1;
        if self.calls.len() == CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(json!({
            "seq": self.sequence, "appid": appid.unwrap_or_default(), "path": path, "status": 0, "errcode": 0,
        }));
        self.sequence
    }

    /// Notes how a call ended; without effect if it is forgotten already.
    pub(crate) fn end_call(&mut self, sequence: u64, appid: Option<&str>, status: u16, errcode: i64) {
        let newest = self.sequence - sequence;
        let index = usize::try_from(newest).ok().and_then(|back| self.calls.len().checked_sub(back + 1));
        if let Some(call) = index.and_then(|index| self.calls.get_mut(index)) {
            call["status"] = status.into();
            call["errcode"] = errcode.into();
            if let Some(appid) = appid {
                call["appid"] = appid.into();
            }
        }
    }

    pub(crate) fn record_push(&mut self, push: Value) {
        if self.pushes.len() == RECORDS_KEPT {
            self.pushes.pop_front();
        }
        self.pushes.push_back(push);
    }

    /// `GET /sandbox/state`: everything but secrets and tokens.
    pub(crate) fn state(&self) -> Value {
        let mut tokens = Vec::new();
        for account in self.accounts.values() {
            for (mode, slot) in [("stable", &account.stable), ("classic", &account.classic)] {
                if let Some(token) = slot.current.as_ref() {
                    let expires_at = token.expires_at / 1000;
                    tokens.push(json!({"appid": account.appid, "mode": mode, "expires_at": expires_at}));
                }
            }
        }
        json!({
            "apps": self.accounts.values().map(Account::describe).collect::<Vec<_>>(),
            "users": self.users.iter().map(User::describe).collect::<Vec<_>>(),
            "tokens": tokens,
            "pushes": self.pushes,
            "messages": self.sent,
            "calls": self.calls,
        })
    }
}

/// `n` letters and digits.
pub(crate) fn random_text(n: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(n).map(char::from).collect()
}
