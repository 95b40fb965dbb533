//! access_token and tickets: the state machine of both ways to get one.
//!
//! An account has two slots that know nothing of each other. In each, only the newest token and the one
//! before it ever work, the latter for at most five minutes.

use super::World;
use super::kept::pairs;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use super::quota::{FORCED_DAY, STABLE_DAY, STABLE_MINUTE, TOKEN_DAY};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The way a token was got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kept {
    /// `/cgi-bin/token`
    Classic,
    /// `/cgi-bin/stable_token`
    #[default]
    Stable,
}

/// How long an old token works on; also how long before its end a stable one is replaced.
const OVERLAP: i64 = 300_000;
/// Forced refreshes are this far apart.
const FORCED_GAP: i64 = 30_000;
/// Tokens remembered, to tell a superseded one from nonsense.
const MAX_KNOWN: usize = 100_000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Slot {
    current: Option<String>,
    previous: Option<String>,
    forced_at: Option<i64>,
}

/// A token that was issued at some time.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    appid: String,
    expires: i64,
    /// When it stops working because newer ones were issued.
    superseded: Option<i64>,
}

impl Weighs for Known {
    fn weight(&self) -> usize {
        OVERHEAD + self.appid.len()
    }
}

/// All tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tokens {
    #[serde(with = "pairs")]
    slots: BTreeMap<(String, Kept), Slot>,
    known: Newest<Known>,
}

/// A `jsapi` or `wx_card` ticket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ticket {
    value: String,
    expires: i64,
}

/// A token and how many seconds it has left.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) expires_in: i64,
}

impl Tokens {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.known.bytes()
    }

    fn issue(&mut self, token: String, appid: &str, kept: Kept, now: i64, ttl: i64, overlap: i64) -> Issued {
        let slot = self.slots.entry((appid.to_owned(), kept)).or_default();
        let current = slot.current.replace(token.clone());
        let dying = std::mem::replace(&mut slot.previous, current.clone());
        for (old, until) in [(dying, now), (current, now + overlap)] {
            if let Some(known) = old.and_then(|old| self.known.get_mut(&old)) {
                known.superseded = Some(known.superseded.map_or(until, |at| at.min(until)));
            }
        }
        let known = Known { appid: appid.to_owned(), expires: now + ttl * 1000, superseded: None };
        self.known.keep(token.clone(), known, MAX_KNOWN);
        Issued { token, expires_in: ttl }
    }

    /// The current token of a slot, and milliseconds it has left.
    fn current(&self, appid: &str, kept: Kept, now: i64) -> Option<(&str, i64)> {
        let slot = self.slots.get(&(appid.to_owned(), kept))?;
        let token = slot.current.as_deref()?;
        let known = self.known.get(token)?;
        Some((token, known.expires - now)).filter(|(_, left)| *left > 0)
    }

    /// Whose token it is, alive or not.
    pub(crate) fn appid(&self, token: &str) -> Option<&str> {
        self.known.get(token).map(|known| known.appid.as_str())
    }

    /// Current tokens: account, slot, end in milliseconds.
    pub(crate) fn list(&self) -> Vec<(&str, Kept, i64)> {
        let mut all: Vec<_> = self
            .slots
            .iter()
            .filter_map(|((appid, kept), slot)| {
                let known = self.known.get(slot.current.as_ref()?)?;
                Some((appid.as_str(), *kept, known.expires))
            })
            .collect();
        all.sort_unstable_by_key(|(appid, kept, _)| (*appid, *kept == Kept::Stable));
        all
    }
}

impl World {
    fn ttl(&self, appid: &str) -> i64 {
        self.apps.get(appid).map_or(7200, |app| app.token_ttl)
    }

    fn issue(&mut self, appid: &str, kept: Kept, ttl: i64, overlap: i64) -> Issued {
        let token = format!("{}_{}", self.random.number(50..110), self.random.text::<105>());
        self.tokens.issue(token, appid, kept, self.now, ttl, overlap)
    }

    /// `/cgi-bin/token`: a new one every time.
    pub(crate) fn classic_token(&mut self, appid: &str) -> Result<Issued, Refusal> {
        self.quotas.take(appid, TOKEN_DAY, self.now)?;
        let ttl = self.ttl(appid);
        Ok(self.issue(appid, Kept::Classic, ttl, OVERLAP))
    }

    /// `/cgi-bin/stable_token`: the same one until five minutes before its end.
    pub(crate) fn stable_token(&mut self, appid: &str, force: bool) -> Result<Issued, Refusal> {
        self.quotas.take(appid, STABLE_MINUTE, self.now)?;
        self.quotas.take(appid, STABLE_DAY, self.now)?;
        let ttl = self.ttl(appid);
        let force = force && self.may_force(appid)?;
        if !force {
            let window = OVERLAP.min(ttl * 500);
            if let Some((token, left)) = self.tokens.current(appid, Kept::Stable, self.now)
                && left > window
            {
                return Ok(Issued { token: token.to_owned(), expires_in: left / 1000 });
            }
        }
        Ok(self.issue(appid, Kept::Stable, ttl, OVERLAP))
    }

    /// Counts a forced refresh; within 30 s of the last one nothing is refreshed.
    fn may_force(&mut self, appid: &str) -> Result<bool, Refusal> {
        let slot = self.tokens.slots.entry((appid.to_owned(), Kept::Stable)).or_default();
        if slot.forced_at.is_some_and(|at| self.now - at < FORCED_GAP) {
            return if self.quirks.is("forced_refresh_within_30s", "error") {
                Err(refuse(45011))
            } else {
                Ok(false)
            };
        }
        self.quotas.take(appid, FORCED_DAY, self.now)?;
        slot.forced_at = Some(self.now);
        Ok(true)
    }

    /// Somebody else refreshes, outside all limits.
    pub(crate) fn rotate_token(&mut self, appid: &str, kept: Kept, hard: bool) {
        let ttl = self.ttl(appid);
        let overlap = if hard { 0 } else { OVERLAP };
        self.issue(appid, kept, ttl, overlap);
    }

    /// Ends the current tokens of both slots.
    pub(crate) fn expire_tokens(&mut self, appid: &str) {
        for kept in [Kept::Classic, Kept::Stable] {
            let slot = self.tokens.slots.get(&(appid.to_owned(), kept));
            let current = slot.and_then(|slot| slot.current.clone());
            if let Some(known) = current.and_then(|token| self.tokens.known.get_mut(&token)) {
                known.expires = known.expires.min(self.now);
            }
        }
    }

    /// Whose token it is, if it works.
    pub(crate) fn check_token(&self, token: &str) -> Result<String, Refusal> {
        if token.is_empty() {
            return Err(refuse(41001));
        }
        let Some(known) = self.tokens.known.get(token) else {
            let shapeless = token.len() < 20 || !token.contains('_');
            let code = if shapeless || self.quirks.is("garbage_token", "40014") { 40014 } else { 40001 };
            return Err(refuse(code));
        };
        if self.now >= known.expires {
            return Err(refuse(42001));
        }
        if known.superseded.is_some_and(|at| self.now >= at) {
            return Err(refuse(40001));
        }
        Ok(known.appid.clone())
    }

    /// The account's ticket of this type, and how many seconds it has left.
    pub(crate) fn ticket(&mut self, appid: &str, kind: &str) -> (String, i64) {
        let now = self.now;
        let random = &mut self.random;
        let mut fresh = || Ticket { value: random.text::<64>(), expires: now + 7_200_000 };
        let ticket = self.tickets.entry((appid.to_owned(), kind.to_owned())).or_insert_with(&mut fresh);
        if ticket.expires - now <= OVERLAP {
            *ticket = fresh();
        }
        (ticket.value.clone(), (ticket.expires - now) / 1000)
    }
}
