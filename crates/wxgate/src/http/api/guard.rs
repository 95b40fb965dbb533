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
/// Wrong tokens of one address that wait for their answer at once; with more, none of it is looked at.
const WAITING: usize = 4;
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
    tries: Mutex<HashMap<IpAddr, Tries>>,
}

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
        Some(match self.tried(client, async { fits(headers, &expected).then_some(()) }).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(unauthorized(Words::fixed(
                "管理令牌不对：请求头写 Authorization: Bearer <WXGATE_ADMIN_TOKEN 的值>",
                "a wrong admin token: send Authorization: Bearer <the value of WXGATE_ADMIN_TOKEN>",
            ))),
            Err(too_many) => Err(too_many),
        })
    }

    /// Lets `client` try a secret: what `attempt` gives, or `None` if it was wrong, told later the more often. An error is the answer to
    /// somebody who tries too many at once.
    pub(super) async fn tried<T>(
        &self,
        client: IpAddr,
        attempt: impl Future<Output = Option<T>>,
    ) -> Result<Option<T>, Response> {
        if self.is_crowded(client) {
            return Err(too_many());
        }
        let found = attempt.await;
        if found.is_none()
            && let Some(answered) = self.note_wrong(client)
        {
            self.clock.until(answered).await;
        }
        Ok(found)
    }

    /// Whether as many wrong tokens of `client` wait as may: whoever hangs up gains no further guess.
    fn is_crowded(&self, client: IpAddr) -> bool {
        let now = self.clock.instant();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = tries.get_mut(&client) else { return false };
        own.answered.retain(|at| *at > now);
        own.answered.len() >= WAITING
    }

    /// Counts a wrong token of `client`; until when its answer waits.
    fn note_wrong(&self, client: IpAddr) -> Option<Instant> {
        let now = self.clock.instant();
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ADDRESSES && !tries.contains_key(&client) {
            let oldest = tries.iter().min_by_key(|(_, own)| own.since).map(|(address, _)| *address);
            oldest.map(|oldest| tries.remove(&oldest));
        }
        let none = || Tries { since: now, count: 0, answered: Vec::new(), logged: None, unlogged: 0 };
        let own = tries.entry(client).or_insert_with(none);
        if now - own.since > MINUTE {
            (own.since, own.count) = (now, 0);
        }
        own.count += 1;
        own.unlogged += 1;
        if own.logged.is_none_or(|at| now - at >= SECOND) {
            let count = std::mem::take(&mut own.unlogged);
            own.logged = Some(now);
            tracing::warn!(
                peer = %client, count, "{}",
                say("管理令牌、密码或设置码不对", "a wrong admin token, password or setup code")
            );
        }
        (own.count > AT_ONCE).then(|| {
            let answered = now + self.pause;
            own.answered.push(answered);
            answered
        })
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
