//! Who calls: keys, networks, rates, and the one who needs no key.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use crate::entries::{CallerEntry, Origin, Secret};
use crate::keys::Holder;
use crate::metrics::{Meter, Metrics};
use crate::rules::rights::{ApiPatterns, AppPatterns};
use crate::shares::Share;

use super::key_use::KeySlot;
use super::line::Line;
use super::quotas::Metered;
use super::usage::{Usage, UsageBook};

/// One caller as it is now.
#[derive(Debug)]
pub struct Caller {
    /// For logs.
    pub name: Arc<str>,
    /// Which apps it may use.
    pub apps: AppPatterns,
    /// Which paths it may call.
    pub apis: ApiPatterns,
    /// May read the real access_token.
    pub export_token: bool,
    /// May answer users from an event stream.
    pub may_reply: bool,
    /// Who set it up.
    pub origin: Origin,
    /// Whose the state is that was made under its name.
    pub line: Line,
    /// What it called, and when it last did.
    pub usage: Arc<Usage>,
    /// What is counted for it.
    pub meter: Meter,
    /// What it holds of everything that is shared.
    pub share: Arc<Share>,
    /// One permit a request at work; absent: no limit of its own.
    pub places: Option<Arc<Semaphore>>,
    /// Its keys.
    pub keys: Vec<KeySlot>,
    /// What it may send in a while.
    pub quotas: Vec<Metered>,
    /// From then on it is nobody any more; Unix milliseconds.
    pub expires_at: Option<i64>,
    concurrency: u32,
    networks: Vec<IpNet>,
    rate: u32,
    bucket: Arc<Mutex<Bucket>>,
}

/// A token bucket of one second's depth.
#[derive(Debug, Default)]
struct Bucket {
    /// Thousandths of a request used up, as of `at`.
    used: i64,
    at: i64,
}

impl Caller {
    fn new(entry: &CallerEntry, (usages, metrics): (&UsageBook, &Metrics), before: Option<&Callers>) -> Self {
        let before = before.and_then(|callers| callers.by_name(&entry.name));
        let places = match before.filter(|before| before.concurrency == entry.concurrency) {
            Some(before) => before.places.clone(),
            None if entry.concurrency == 0 => None,
            None => Some(Arc::new(Semaphore::new(entry.concurrency as usize))),
        };
        Self {
            name: entry.name.as_str().into(),
            apps: entry.apps.clone(),
            apis: entry.apis.clone(),
            export_token: entry.export_token,
            may_reply: entry.may_reply,
            origin: entry.origin.clone(),
            line: Line::new(entry, before.map(|before| &before.line)),
            keys: usages.of(&entry.name).keys.slots(entry),
            usage: usages.of(&entry.name),
            meter: metrics.meter(&entry.name),
            share: before.map(|caller| caller.share.clone()).unwrap_or_default(),
            places,
            quotas: usages.quotas.of(entry),
            expires_at: entry.expires_at,
            concurrency: entry.concurrency,
            networks: entry.networks.clone(),
            rate: entry.rate,
            bucket: before.map(|caller| caller.bucket.clone()).unwrap_or_default(),
        }
    }

    /// `auth.mode = "off"`: may do all but export tokens.
    fn anonymous((usages, metrics): (&UsageBook, &Metrics)) -> Self {
        Self {
            name: "anonymous".into(),
            apps: AppPatterns::any(),
            apis: ApiPatterns::any(),
            export_token: false,
            may_reply: true,
            origin: Origin::Open,
            line: Line::keyless("anonymous"),
            keys: Vec::new(),
            usage: usages.of("anonymous"),
            meter: metrics.meter("anonymous"),
            share: Arc::default(),
            places: None,
            quotas: Vec::new(),
            expires_at: None,
            concurrency: 0,
            networks: Vec::new(),
            rate: 0,
            bucket: Arc::default(),
        }
    }

    /// Notes that the key of `holder` is used at `now`.
    pub fn uses(&self, holder: &Holder, now: i64) {
        if let Some(key) = self.keys.iter().find(|key| key.holder == *holder) {
            key.uses.used(now);
        }
    }

    /// Whether its time is over at `now`.
    pub fn has_ended(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether it may call from `address`; `None` is an address that nobody could read.
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty() || address.is_some_and(|address| contains(&self.networks, address))
    }

    /// Takes one request off its rate at `now` (Unix milliseconds); false when it is used up.
    pub fn take(&self, now: i64) -> bool {
        if self.rate == 0 {
            return true;
        }
        let rate = i64::from(self.rate);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        // Elapsed milliseconds × rate = thousandths of a request that came free.
        let freed = (now - bucket.at).clamp(0, 1000) * rate;
        let used = (bucket.used - freed).max(0);
        // Also when the machine's clock was set back: else nothing would come free until it caught up.
        bucket.at = now;
        let fits = used + 1000 <= rate * 1000;
        bucket.used = if fits { used + 1000 } else { used };
        fits
    }
}

/// The callers of one configuration.
#[derive(Debug)]
pub struct Callers {
    /// By the key's digest, which a gateway token remembers.
    keyed: HashMap<Holder, Arc<Caller>>,
    /// By a hash of the key that nobody else can make; the keys themselves are compared in constant time.
    keys: HashMap<u64, (Secret, Holder, Arc<Caller>)>,
    hasher: RandomState,
    /// A bit for each length that a key has: no other text is worth a hash.
    lengths: u128,
    keyless: Vec<Arc<Caller>>,
    anonymous: Option<Arc<Caller>>,
}

/// The bit of its length; keys have 128 characters at most.
fn bit(key: &str) -> u128 {
    u32::try_from(key.len()).ok().and_then(|length| 1_u128.checked_shl(length.wrapping_sub(1))).unwrap_or(0)
}

impl Callers {
    /// From the entries; `open`: `auth.mode = "off"`. `before` hands its rate buckets and places on.
    pub fn new(
        entries: &[CallerEntry],
        open: bool,
        counters: (&UsageBook, &Metrics),
        before: Option<&Self>,
    ) -> Self {
        let (mut keyed, mut keys, mut lengths) = (HashMap::new(), HashMap::new(), 0);
        let (mut keyless, hasher) = (Vec::new(), RandomState::new());
        for entry in entries {
            let caller = Arc::new(Caller::new(entry, counters, before));
            for key in [&entry.key, &entry.previous_key].into_iter().flatten() {
                let shown = key.expose_secret();
                let holder = Holder::new(Some(shown), "");
                lengths |= bit(shown);
                keyed.insert(holder, caller.clone());
                keys.insert(hasher.hash_one(shown), (key.clone(), holder, caller.clone()));
            }
            if entry.key.is_none() {
                keyless.push(caller);
            }
        }
        // What it holds outlives a reload as everybody's does.
        let anonymous = open.then(|| {
            let same = before.and_then(|callers| callers.anonymous.clone());
            same.unwrap_or_else(|| Arc::new(Caller::anonymous(counters)))
        });
        Self { keyed, keys, hasher, lengths, keyless, anonymous }
    }

    /// Whose key this is.
    pub fn by_key(&self, key: &str) -> Option<&Arc<Caller>> {
        self.holder(key).map(|(caller, _)| caller)
    }

    /// Whose key this is, and what a gateway token remembers of it.
    pub fn holder(&self, key: &str) -> Option<(&Arc<Caller>, Holder)> {
        if self.lengths & bit(key) == 0 {
            return None;
        }
        let (expected, holder, caller) = self.keys.get(&self.hasher.hash_one(key))?;
        bool::from(expected.expose_secret().as_bytes().ct_eq(key.as_bytes())).then_some((caller, *holder))
    }

    /// The caller that a gateway token's [`Holder`] means, and whether it needs no key.
    pub fn by_holder(&self, holder: &Holder) -> Option<(&Arc<Caller>, bool)> {
        if let Some(caller) = self.keyed.get(holder) {
            return Some((caller, false));
        }
        let keyless = self.keyless.iter().chain(&self.anonymous);
        keyless
            .into_iter()
            .find(|caller| Holder::new(None, &caller.name) == *holder)
            .map(|caller| (caller, true))
    }

    /// `auth.mode = "off"`
    pub fn is_open(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Whether somebody may call from `address` at `now`.
    pub fn may_come_from(&self, address: IpAddr, now: i64) -> bool {
        self.each().any(|caller| caller.may_come_from(Some(address)) && !caller.has_ended(now))
    }

    /// Everybody; whoever has two keys twice.
    fn each(&self) -> impl Iterator<Item = &Arc<Caller>> {
        self.keyed.values().chain(&self.keyless).chain(&self.anonymous)
    }

    /// Everybody, once each, by name.
    pub fn all(&self) -> Vec<&Arc<Caller>> {
        let mut all: Vec<_> = self.each().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        all
    }

    /// Who calls without a key from `address` at `now`; one whose time is over if there is nobody else.
    pub fn without_key(&self, address: IpAddr, now: i64) -> Option<&Arc<Caller>> {
        let mut own = self.keyless.iter().filter(|caller| contains(&caller.networks, address));
        let living = own.clone().find(|caller| !caller.has_ended(now)).or(self.anonymous.as_ref());
        living.or_else(|| own.next())
    }

    /// Who has this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Caller>> {
        self.each().find(|caller| *caller.name == *name)
    }
}

/// Whether one of `networks` holds `address`, whatever form it is written in.
pub fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(rate: u32) -> Caller {
        Caller { rate, ..Caller::anonymous((&UsageBook::new(9), &Metrics::default())) }
    }

    #[test]
    fn what_the_anonymous_caller_holds_outlives_a_reload() {
        let counters = (&UsageBook::new(9), &Metrics::default());
        let before = Callers::new(&[], true, counters, None);
        let after = Callers::new(&[], true, counters, Some(&before));
        assert!(Arc::ptr_eq(&before.anonymous.unwrap().share, &after.anonymous.unwrap().share));
    }

    #[test]
    fn a_rate_is_averaged_over_one_second() {
        let caller = caller(10);
        let taken = |range: std::ops::Range<i64>| range.filter(|now| caller.take(1_000_000 + now)).count();
        assert_eq!(taken(0..1), 1);
        assert_eq!((0..100).filter(|_| caller.take(1_000_001)).count(), 9, "a second's worth at once");
        let second = taken(1..1001);
        assert!((9..=11).contains(&second), "{second}");
        assert_eq!((0..100).filter(|_| caller.take(1_100_000)).count(), 10);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let caller = caller(2);
        assert!(caller.take(1_000_000) && caller.take(1_000_000) && !caller.take(1_000_000));
        assert!(!caller.take(400_000));
        assert!(caller.take(401_000));
    }
}
