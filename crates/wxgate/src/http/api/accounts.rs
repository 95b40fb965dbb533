//! How an account stands: its token, what ails it, its callbacks, who may call for it.

use serde_json::{Value, json};

use super::Api;
use crate::clock::Clock;
use crate::entries::{AppEntry, TokenMode};
use crate::places;
use crate::problems::signs::{self, Sign};
use crate::registry::App;
use crate::slots::CredentialKind;
use crate::store::{EventQuery, StoreError};

/// A token that ends within this is shown as ending.
const ENDING_MS: i64 = 5 * 60 * 1000;

impl Api {
    /// Adds to an account as it is listed how it stands; nothing to one that isn't in use.
    pub(super) fn with_state(&self, item: &mut Value, english: bool) {
        let live = self.parts.registry.live();
        let Some(app) = item["appid"].as_str().and_then(|appid| live.app(appid)) else { return };
        let AppEntry { tags, callback_tokens, aes_keys, allow_plain, .. } = &app.entry;
        let clock = &self.parts.clock;
        let signs = signs::of(app, self.upstream.tokens().handover().reach(), clock);
        let callers: Vec<&str> = live
            .callers
            .all()
            .into_iter()
            .filter(|caller| caller.apps.matches(&app.appid, tags))
            .map(|caller| &*caller.name)
            .collect();
        let mode = match (callback_tokens.is_empty(), aes_keys.is_empty(), allow_plain) {
            (true, ..) => None,
            (_, true, _) => Some("plain"),
            (_, false, true) => Some("compatible"),
            _ => Some("safe"),
        };
        let path = format!("v1/service/wx/wxmsg/{}", app.appid);
        let url = self.site.public_url().map(|url| format!("{}/{path}", url.trim_end_matches('/')));
        let lately = self.parts.rings.callbacks.of(&app.appid);
        let reason = lately.why.as_ref().map(|why| why.of(english).to_owned());
        item["credential"] = credential(app, &signs, clock);
        item["trouble"] = trouble(app, &signs, english);
        item["superseded_at"] = json!(superseded(&signs));
        item["callback"] = json!({
            "url": url.unwrap_or_else(|| format!("/{path}")), "mode": mode.filter(|_| app.takes_callbacks()),
            "last_at": null, "refused_at": Some(lately.refused_at / 1000).filter(|at| *at > 0), "reason": reason,
        });
        item["callers"] = callers.into();
    }

    /// Adds when its last message came.
    pub(super) async fn with_callbacks(&self, item: &mut Value) -> Result<(), StoreError> {
        let Some(appid) = item["appid"].as_str().map(str::to_owned) else { return Ok(()) };
        if item["callback"].is_null() {
            return Ok(());
        }
        let query = EventQuery { appid: Some(appid), limit: 1, ..EventQuery::default() };
        let last = self.parts.store.events(query).await?;
        item["callback"]["last_at"] = json!(last.first().map(|event| event.received_at / 1000));
        Ok(())
    }
}

/// When its token died early, Unix seconds.
fn superseded(signs: &[Sign]) -> Option<i64> {
    signs.iter().find_map(|sign| match sign {
        Sign::Superseded { at } => Some(at / 1000),
        _ => None,
    })
}

/// Whether its calls get no token, or are refused with one.
fn is_in_trouble(sign: &Sign) -> bool {
    matches!(sign, Sign::Troubled { kind: CredentialKind::AccessToken, .. } | Sign::Ails { .. })
}

fn credential(app: &App, signs: &[Sign], clock: &Clock) -> Value {
    let mode = match app.entry.token_mode {
        TokenMode::Stable => "stable",
        TokenMode::Classic => "classic",
    };
    let slot = app.slots.of(CredentialKind::AccessToken);
    let is_spent = |sign: &Sign| matches!(sign, Sign::Spent { kind: CredentialKind::AccessToken, .. });
    let (now, newest) = (clock.ticks(), slot.newest());
    let state = match &newest {
        _ if signs.iter().any(is_spent) => "superseded",
        _ if signs.iter().any(is_in_trouble) => "trouble",
        None => "none",
        Some(token) if token.expires_at <= now => "expired",
        Some(token) if token.expires_at - now < ENDING_MS => "expiring",
        Some(_) => "ok",
    };
    let shown = |ticks: i64| clock.wall_at(ticks) / 1000;
    json!({
        "mode": mode, "state": state,
        "fetched_at": newest.as_ref().map(|token| shown(token.fetched_at)),
        "expires_at": newest.as_ref().map(|token| shown(token.expires_at)),
        "next_at": slot.due_at().map(shown),
    })
}

/// The latest failure to get a token, or else what calls are refused with though the token lives.
fn trouble(app: &App, signs: &[Sign], english: bool) -> Value {
    match signs.iter().find(|sign| is_in_trouble(sign)) {
        Some(Sign::Troubled { since, retry_at, error, .. }) => {
            let refusal = error.refusal();
            let advice = refusal.map(|refusal| places::advice(&app.entry, refusal).of(english).to_owned());
            json!({
                "errcode": refusal.map(|refusal| refusal.errcode), "since": since / 1000,
                "retry_at": retry_at / 1000, "advice": advice.unwrap_or_else(|| error.to_string()),
                "ip": refusal.and_then(|refusal| refusal.refused_ip()),
            })
        }
        Some(Sign::Ails { errcode, ip, since, fix, .. }) => json!({
            "errcode": errcode, "since": since / 1000, "retry_at": null, "advice": fix.of(english), "ip": ip,
        }),
        _ => Value::Null,
    }
}
