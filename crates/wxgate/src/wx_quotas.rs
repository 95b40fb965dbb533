//! What is left of WeChat's quotas: asked when somebody wants to know, and now and then in the background for the paths that are
//! called, so that people hear before a quota is used up. WeChat counts; wxgate doesn't guess.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use wechat::catalog::{Auth, QUOTA_GET};

use crate::clock::millis;
use crate::handover::CallError;
use crate::parts::Parts;
use crate::registry::App;
use crate::store::{StoreError, WxQuota};
use crate::upstream::Upstream;

/// How often is looked whether there is something to ask.
const LOOK: Duration = Duration::from_secs(60);
/// A quota of which half is used is asked for at most so often.
const OFTEN: Duration = Duration::from_secs(10 * 60);
/// Others.
const SELDOM: Duration = Duration::from_secs(3600);
/// Paths called within this time are in use.
const IN_USE: Duration = Duration::from_secs(10 * 60);
/// Questions at one look.
const AT_ONCE: usize = 20;
/// One node asks, until then.
const LEASE: Duration = Duration::from_secs(180);

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// WeChat, or the way there.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its answer wasn't kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its answer isn't one.
    #[error("the answer names no quota")]
    Odd,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct WxQuotas {
    parts: Parts,
    upstream: Upstream,
}

impl WxQuotas {
    /// Asks by `upstream`.
    pub fn new(parts: Parts, upstream: Upstream) -> Self {
        Self { parts, upstream }
    }

    /// Asks WeChat about `api` of `app`, and keeps what it says.
    pub async fn ask(&self, app: &Arc<App>, api: &str) -> Result<WxQuota, Unknown> {
        let body = Bytes::from(json!({"cgi_path": api}).to_string());
        let said = self.upstream.json(&"-".into(), app, &QUOTA_GET, &[], Some(body)).await?;
        let quota = read(&app.appid, api, &said, self.parts.clock.now()).ok_or(Unknown::Odd)?;
        self.parts.store.keep_wx_quota(quota.clone()).await?;
        Ok(quota)
    }

    /// Asks about what is in use, until the stop begins.
    pub async fn run(self) {
        let clock = self.parts.clock.clone();
        loop {
            tokio::select! {
                () = self.parts.tasks.draining.cancelled() => return,
                () = clock.rest_until(clock.ticks() + millis(LOOK)) => {}
            }
            let now = clock.now();
            // What can't be asked now is asked later.
            if let Ok(true) = self.parts.store.hold("wx_quotas", now, now + millis(LEASE)).await {
                let _ = self.look(now).await;
            }
        }
    }

    async fn look(&self, now: i64) -> Result<(), StoreError> {
        let known = self.parts.store.wx_quotas().await?;
        let live = self.parts.registry.live().clone();
        let mut left = AT_ONCE;
        // An account that ails isn't asked: a success would end what it suffers from.
        for app in live.apps().filter(|app| app.slots.health().ailments().is_empty()) {
            for api in app.slots.health().in_use(self.parts.clock.ticks(), millis(IN_USE)) {
                let has = known.iter().find(|one| *one.appid == *app.appid && one.api == api);
                if left == 0 || !is_asked(&api) || !has.is_none_or(|one| is_due(one, now)) {
                    continue;
                }
                left -= 1;
                if self.ask(app, &api).await.is_err() {
                    // WeChat tells none of this path, or nothing just now: not before an hour.
                    let nothing = WxQuota {
                        appid: app.appid.to_string(),
                        api,
                        asked_at: now,
                        limit: 0,
                        used: 0,
                        remain: 0,
                        rate: None,
                    };
                    self.parts.store.keep_wx_quota(nothing).await?;
                }
            }
        }
        Ok(())
    }
}

/// WeChat tells the quotas of calls with an access_token; of what asks for quotas nobody wants to know.
fn is_asked(api: &str) -> bool {
    let known = wechat::catalog::by_path(api);
    known.is_some_and(|known| known.auth == Auth::AccessToken && known.path != QUOTA_GET.path)
}

fn is_due(known: &WxQuota, now: i64) -> bool {
    let often = known.limit > 0 && known.used.saturating_mul(2) >= known.limit;
    let pause = if often { OFTEN } else { SELDOM };
    !(0..millis(pause)).contains(&(now - known.asked_at))
}

fn read(appid: &str, api: &str, said: &Value, now: i64) -> Option<WxQuota> {
    let (quota, rate) = (&said["quota"], &said["rate_limit"]);
    Some(WxQuota {
        appid: appid.to_owned(),
        api: api.to_owned(),
        asked_at: now,
        limit: quota["daily_limit"].as_i64()?,
        used: quota["used"].as_i64()?,
        remain: quota["remain"].as_i64()?,
        rate: rate["call_count"].as_i64().zip(rate["refresh_second"].as_i64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_asked_for_more_often_when_half_of_it_is_used() {
        let quota = |limit, used| WxQuota {
            appid: String::new(),
            api: String::new(),
            asked_at: 0,
            limit,
            used,
            remain: 0,
            rate: None,
        };
        let minutes = |n: i64| n * 60_000;
        assert!(!is_due(&quota(100, 50), minutes(9)) && is_due(&quota(100, 50), minutes(10)));
        assert!(!is_due(&quota(100, 49), minutes(59)) && is_due(&quota(100, 49), minutes(60)));
        assert!(!is_due(&quota(0, 0), minutes(59)), "unknown ones");
        assert!(is_due(&quota(0, 0), -1), "the clock was set back");
        assert!(is_asked("/cgi-bin/user/get") && !is_asked("/sns/jscode2session") && !is_asked("/x"));
        assert!(!is_asked(QUOTA_GET.path));
    }
}
