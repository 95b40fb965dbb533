//! access_tokens: two slots an account, isolated from each other; and the tickets they buy.
//!
//! `token`: every call makes a new one, the old lives five more minutes. `stable_token`: the same
//! one until five minutes before its end. Only the current and the previous one ever work.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngExt as _;
use serde_json::{Value, json};

use super::{Account, Kind, Outcome, Refusal, World};

const OVERLAP_MS: i64 = 300_000;
const DAY: i64 = 86_400;
/// Dead tokens remembered, to tell 40001 and 42001 from garbage.
const KNOWN: usize = 100_000;

#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) value: String,
    /// Unix milliseconds.
    pub(super) expires_at: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) current: Option<Issued>,
    /// With the time it dies.
    previous: Option<(Issued, i64)>,
    forced_at: Option<i64>,
}

impl Slot {
    fn issue(&mut self, now: i64, ttl: i64) -> &Issued {
        if let Some(old) = self.current.take() {
            let dies_at = old.expires_at.min(now + OVERLAP_MS);
            self.previous = Some((old, dies_at));
        }
        let value = format!("{}_{}", rand::rng().random_range(10..100), random_base64(105));
        self.current.insert(Issued { value, expires_at: now + ttl * 1000 })
    }

    /// Whether a token works at `now`: `Err` says why not, `None` is not of this slot.
    fn verdict(&self, value: &str, now: i64) -> Option<Result<(), i64>> {
        let alive = |until: i64, expires_at: i64| {
            if now < until {
                Ok(())
            } else if now >= expires_at {
                Err(42001)
            } else {
                Err(40001)
            }
        };
        if let Some(token) = self.current.as_ref().filter(|token| token.value == value) {
            return Some(alive(token.expires_at, token.expires_at));
        }
        let (token, dies_at) = self.previous.as_ref().filter(|(token, _)| token.value == value)?;
        Some(alive(*dies_at, token.expires_at))
    }
}

fn random_base64(bytes: usize) -> String {
    let mut random = vec![0u8; bytes];
    rand::rng().fill(&mut random[..]);
    BASE64_URL_SAFE_NO_PAD.encode(random)
}

impl World {
    /// `appid` and `secret`, as every call that takes them checks them.
    pub(crate) fn check_secret(&self, appid: &str, secret: &str) -> Outcome<&Account> {
        if appid.is_empty() {
            return Err(41002.into());
        }
        if secret.is_empty() {
            return Err(41004.into());
        }
        let account = self.accounts.get(appid).ok_or(Refusal::from(40013))?;
        if account.secret != secret {
            return Err(40125.into());
        }
        Ok(account)
    }

    fn check_address(account: &Account, peer: IpAddr) -> Outcome<()> {
        let peer = peer.to_canonical();
        if account.ip_allow.is_empty() || account.ip_allow.contains(&peer) {
            return Ok(());
        }
        let v6 = if peer.is_ipv4() { format!("::ffff:{peer}") } else { peer.to_string() };
        let text = format!("invalid ip {peer} ipv6 {v6}, not in whitelist");
        Err(Refusal { code: 40164, text: Some(text) })
    }

    fn check_token_call(&self, grant_type: &str, appid: &str, secret: &str, peer: IpAddr) -> Outcome<()> {
        if grant_type != "client_credential" {
            return Err(40002.into());
        }
        let account = self.check_secret(appid, secret)?;
        Self::check_address(account, peer)?;
        if account.kind == Kind::Open {
            return Err(50004.into());
        }
        Ok(())
    }

    /// `GET /cgi-bin/token`
    pub(crate) fn classic_token(
        &mut self,
        grant_type: &str,
        appid: &str,
        secret: &str,
        peer: IpAddr,
    ) -> Outcome<Value> {
        self.check_token_call(grant_type, appid, secret, peer)?;
        if !self.count(appid, "token", DAY, 2000) {
            return Err(45009.into());
        }
        Ok(self.issue(appid, false))
    }

    /// `POST /cgi-bin/stable_token`
    pub(crate) fn stable_token(
        &mut self,
        grant_type: &str,
        appid: &str,
        secret: &str,
        force: bool,
        peer: IpAddr,
    ) -> Outcome<Value> {
        self.check_token_call(grant_type, appid, secret, peer)?;
        if !self.count(appid, "stable_token minute", 60, 10_000) {
            return Err(45011.into());
        }
        if !self.count(appid, "stable_token", DAY, 500_000) {
            return Err(45009.into());
        }
        let now = self.now();
        let Some(account) = self.accounts.get(appid) else {
            return Err(40013.into());
        };
        // WeChat renews five minutes before the end; a short life is scaled.
        let window = (account.token_ttl * 1000 / 2).min(OVERLAP_MS);
        let current = account.stable.current.as_ref().filter(|token| token.expires_at > now);
        let same = current.map(|token| granted(token, now));
        if force {
            let too_soon = account.stable.forced_at.is_some_and(|at| now - at < 30_000);
            if too_soon && self.quirks.forced_within_30s_fails {
                return Err(45011.into());
            }
            if let Some(same) = same.clone().filter(|_| too_soon) {
                return Ok(same);
            }
            if !self.count(appid, "force_refresh", DAY, 20) {
                return Err(45009.into());
            }
            if let Some(account) = self.accounts.get_mut(appid) {
                account.stable.forced_at = Some(now);
            }
            return Ok(self.issue(appid, true));
        }
        match (current, same) {
            (Some(token), Some(same)) if token.expires_at - now > window => Ok(same),
            _ => Ok(self.issue(appid, true)),
        }
    }

    fn issue(&mut self, appid: &str, stable: bool) -> Value {
        let now = self.now();
        let Some(account) = self.accounts.get_mut(appid) else {
            return Value::Null;
        };
        let ttl = account.token_ttl;
        let slot = if stable { &mut account.stable } else { &mut account.classic };
        let token = slot.issue(now, ttl).clone();
        if self.known_tokens.len() >= KNOWN {
            self.known_tokens.clear();
        }
        self.known_tokens.insert(token.value.clone(), (appid.to_owned(), token.expires_at));
        granted(&token, now)
    }

    /// Whose token this is or was.
    pub(crate) fn token_owner(&self, token: &str) -> Option<String> {
        self.known_tokens.get(token).map(|(appid, _)| appid.clone())
    }

    /// The account a business call's token belongs to.
    pub(crate) fn check_token(&self, token: &str, peer: IpAddr) -> Outcome<&Account> {
        if token.is_empty() {
            return Err(41001.into());
        }
        if token.len() < 20 || !token.contains('_') {
            return Err(40014.into());
        }
        let now = self.now();
        let Some((appid, expires_at)) = self.known_tokens.get(token) else {
            return Err(if self.quirks.garbage_token_is_40014 { 40014 } else { 40001 }.into());
        };
        let account = self.accounts.get(appid).ok_or(Refusal::from(40001))?;
        let verdict = account.stable.verdict(token, now).or_else(|| account.classic.verdict(token, now));
        match verdict {
            Some(Ok(())) => {}
            Some(Err(code)) => return Err(code.into()),
            None if *expires_at <= now => return Err(42001.into()),
            None => return Err(40001.into()),
        }
        Self::check_address(account, peer)?;
        Ok(account)
    }

    /// Somebody else refreshes, outside all limits; `hard`: the old one is dead at once.
    pub(crate) fn rotate(&mut self, appid: &str, stable: bool, hard: bool) {
        self.issue(appid, stable);
        if let Some(account) = self.accounts.get_mut(appid).filter(|_| hard) {
            let slot = if stable { &mut account.stable } else { &mut account.classic };
            slot.previous = None;
        }
    }

    /// Ends the current tokens, as if their time were over.
    pub(crate) fn expire(&mut self, appid: &str) {
        let now = self.now();
        let Some(account) = self.accounts.get_mut(appid) else {
            return;
        };
        for slot in [&mut account.stable, &mut account.classic] {
            slot.previous = None;
            if let Some(token) = &mut slot.current {
                token.expires_at = token.expires_at.min(now);
                self.known_tokens.insert(token.value.clone(), (appid.to_owned(), token.expires_at));
            }
        }
    }

    /// `GET /cgi-bin/ticket/getticket`
    pub(crate) fn ticket(&mut self, appid: &str, kind: &str) -> Outcome<Value> {
        let index = match kind {
            "jsapi" => 0,
            "wx_card" => 1,
            _ => return Err(40097.into()),
        };
        let now = self.now();
        let Some(account) = self.accounts.get_mut(appid) else {
            return Err(40013.into());
        };
        let ticket = &mut account.tickets[index];
        if ticket.as_ref().is_none_or(|(_, end)| *end - now < OVERLAP_MS) {
            *ticket = Some((random_base64(64), now + 7_200_000));
        }
        let (value, end) = ticket.clone().unwrap_or_default();
        Ok(json!({"errcode": 0, "errmsg": "ok", "ticket": value, "expires_in": (end - now) / 1000}))
    }
}

fn granted(token: &Issued, now: i64) -> Value {
    json!({"access_token": token.value, "expires_in": (token.expires_at - now) / 1000})
}
