//! Who may use the admin API: whoever shows the admin token, or has logged in. Wrong tokens, passwords and codes are slowed down by
//! address, and logged.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::refused;
use crate::clock::{Clock, Instant};
use crate::entries::Secret;
use crate::lang::{Words, say};

/// Wrong tokens of one address within a minute that are answered at once: people mistype.
const AT_ONCE: u32 = 3;
/// Tries of one address that are looked at, or wait for their answer, at once; with more, none of it is looked at.
const WAITING: usize = 4;
/// The answer to a wrong one waits longer each time, up to so many times the first wait.
const SLOWEST: u32 = 5;
/// Addresses that are remembered; the oldest is forgotten.
const ADDRESSES: usize = 4096;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Guard {
    /// SHA-256 of the admin token; `None`: nobody may.
    token: Option<[u8; 32]>,
    /// How long a wrong token waits for its answer.
    pause: Duration,
    clock: Clock,
    tries: Mutex<HashMap<Source, Tries>>,
}

/// What is tried: programs that show a wrong token keep no people out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Secrets {
    /// The admin token.
    Token,
    /// Passwords, codes and links.
    People,
}

/// Who tries what.
type Source = (Secrets, IpAddr);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Wrong tokens of one address.
struct Tries {
    /// Since when they are counted: a minute.
    since: Instant,
    count: u32,
    /// Those that are being looked at.
    under_way: usize,
    /// When those that wait for an answer get it, hung up or not.
    answered: Vec<Instant>,
    /// When the log heard of it last, and how many came since.
    logged: Option<Instant>,
    unlogged: u32,
}

impl Guard {
    pub(super) fn new(token: Option<&Secret>, pause: Duration, clock: Clock) -> Self {
        let token = token.map(|token| Sha256::digest(token.expose_secret().as_bytes()).into());
        Self { token, pause, clock, tries: Mutex::default() }
    }

    /// Whether `headers` show the admin token; `None`: they show none at all. If it is wrong, the answer, which comes slower the
    /// more often `client` asks.
    pub(super) async fn admit(&self, headers: &HeaderMap, client: IpAddr) -> Option<Result<(), Response>> {
        if !headers.contains_key(AUTHORIZATION) {
            return None;
        }
        let Some(expected) = self.token else {
            return Some(Err(unauthorized(Words::fixed(
                "没有设置管理令牌：设置环境变量 WXGATE_ADMIN_TOKEN（或 WXGATE_ADMIN_TOKEN_FILE）后重启，或在控制台登录",
                "there is no admin token: set WXGATE_ADMIN_TOKEN (or WXGATE_ADMIN_TOKEN_FILE) in the environment and restart, or log in at the console",
            ))));
        };
        // Nobody guesses a token: the right one is good whatever else comes from there.
        if fits(headers, &expected) {
            return Some(Ok(()));
        }
        Some(match self.tried((Secrets::Token, client), async { None::<()> }).await {
            Ok(_) => Err(unauthorized(Words::fixed(
                "管理令牌不对：请求头写 Authorization: Bearer <WXGATE_ADMIN_TOKEN 的值>",
                "a wrong admin token: send Authorization: Bearer <the value of WXGATE_ADMIN_TOKEN>",
            ))),
            Err(too_many) => Err(too_many),
        })
    }

    /// Lets a source try a secret: what `attempt` gives, or `None` if it was wrong, told later the more often. An error is the answer to
    /// somebody who tries too many at once.
    pub(super) async fn tried<T>(
        &self,
        source: Source,
        attempt: impl Future<Output = Option<T>>,
    ) -> Result<Option<T>, Response> {
        let Some(under_way) = self.begin(source) else { return Err(too_many()) };
        let found = attempt.await;
        let answered = if found.is_none() { self.note_wrong(source) } else { None };
        drop(under_way);
        if let Some(answered) = answered {
            self.clock.until(answered).await;
        }
        Ok(found)
    }

    /// Takes a place among the tries of a source; `None`: as many as may are looked at or wait. Whoever hangs up gains no further
    /// guess.
    fn begin(&self, source: Source) -> Option<UnderWay<'_>> {
        let now = self.clock.instant();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ADDRESSES && !tries.contains_key(&source) {
            let idle = tries.iter().filter(|(_, own)| own.under_way == 0);
            let oldest = idle.min_by_key(|(_, own)| own.since).map(|(source, _)| *source);
            tries.remove(&oldest?);
        }
        let own = tries.entry(source).or_insert_with(|| Tries {
            since: now,
            count: 0,
            under_way: 0,
            answered: Vec::new(),
            logged: None,
            unlogged: 0,
        });
        own.answered.retain(|at| *at > now);
        if own.answered.len() + own.under_way >= WAITING {
            return None;
        }
        own.under_way += 1;
        Some(UnderWay { guard: self, source })
    }

    /// Counts a wrong try of `source`; until when its answer waits.
    fn note_wrong(&self, source: Source) -> Option<Instant> {
        let now = self.clock.instant();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let own = tries.get_mut(&source)?;
        if now - own.since > MINUTE {
            (own.since, own.count) = (now, 0);
        }
        own.count += 1;
        own.unlogged += 1;
        if own.logged.is_none_or(|at| now - at >= SECOND) {
            let count = std::mem::take(&mut own.unlogged);
            own.logged = Some(now);
            tracing::warn!(
                peer = %source.1, count, "{}",
                say("管理令牌、密码或设置码不对", "a wrong admin token, password or setup code")
            );
        }
        (own.count > AT_ONCE).then(|| {
            let answered = now + self.pause * (own.count - AT_ONCE).min(SLOWEST);
            own.answered.push(answered);
            answered
        })
    }
}

/// A try that is being looked at.
struct UnderWay<'a> {
    guard: &'a Guard,
    source: Source,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut tries = self.guard.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = tries.get_mut(&self.source) {
            own.under_way = own.under_way.saturating_sub(1);
        }
    }
}

fn fits(headers: &HeaderMap, expected: &[u8; 32]) -> bool {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let token = match (shown.next(), shown.next()) {
        (Some(one), None) => one.to_str().ok().and_then(|text| text.split_once(' ')),
        _ => None,
    };
    token.is_some_and(|(scheme, token)| {
        let digest: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(digest.ct_eq(expected))
    })
}

/// The answer to whoever shows nothing that lets him in.
pub(super) fn unauthorized(words: Words) -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, words);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn too_many() -> Response {
    let mut response = refused(
        StatusCode::TOO_MANY_REQUESTS,
        Words::fixed(
            "这个地址试错得太多（令牌、密码或设置码）：稍后再试",
            "this address shows too many wrong tokens, passwords or codes: try later",
        ),
    );
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
