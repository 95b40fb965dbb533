//! How an account stands: its token, what ails it, its callbacks, who may call for it.

use serde_json::{Value, json};
use wechat::errcode;

use super::Api;
use crate::clock::Clock;
use crate::entries::{AppEntry, TokenMode};
use crate::lang::Words;
use crate::places;
use crate::registry::App;
use crate::slots::{CredentialKind, Slot};
use crate::store::{EventQuery, StoreError};

/// A token that ends within this is shown as ending.
const ENDING_MS: i64 = 5 * 60 * 1000;
/// A failure that nobody has tried to overcome since, and a token that died early, are shown this long.
const TROUBLE_SHOWN_MS: i64 = 10 * 60 * 1000;
const SUPERSEDED_SHOWN_MS: i64 = 24 * 3600 * 1000;

impl Api {
    /// Adds to an account as it is listed how it stands; nothing to one that isn't in use.
    pub(super) fn with_state(&self, item: &mut Value, english: bool) {
        let live = self.parts.registry.live();
        let Some(app) = item["appid"].as_str().and_then(|appid| live.app(appid)) else { return };
        let AppEntry { tags, callback_tokens, aes_keys, allow_plain, .. } = &app.entry;
        let slot = app.slots.of(CredentialKind::AccessToken);
        let clock = &self.parts.clock;
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
        item["credential"] = credential(app, slot, clock);
        item["trouble"] = trouble(app, slot, clock, english);
        item["superseded_at"] = json!(superseded(slot, clock));
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

fn superseded(slot: &Slot, clock: &Clock) -> Option<i64> {
    let at = slot.superseded_at().filter(|at| clock.ticks() - at < SUPERSEDED_SHOWN_MS);
    at.map(|at| clock.wall_at(at) / 1000)
}

fn credential(app: &App, slot: &Slot, clock: &Clock) -> Value {
    let mode = match app.entry.token_mode {
        TokenMode::Stable => "stable",
        TokenMode::Classic => "classic",
    };
    let now = clock.ticks();
    let newest = slot.newest();
    let fails = slot.trouble().is_some_and(|trouble| now - trouble.retry_at < TROUBLE_SHOWN_MS);
    let state = match &newest {
        _ if slot.spent().is_some() => "superseded",
        _ if fails || !app.slots.health().ailments().is_empty() => "trouble",
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
fn trouble(app: &App, slot: &Slot, clock: &Clock, english: bool) -> Value {
    let (now, shown) = (clock.ticks(), |ticks: i64| clock.wall_at(ticks) / 1000);
    if let Some(trouble) = slot.trouble().filter(|trouble| now - trouble.retry_at < TROUBLE_SHOWN_MS) {
        let refusal = trouble.error.refusal();
        let said = trouble.error.to_string();
        let advice = refusal.map(|error| places::advice(&app.entry, error).of(english).to_owned());
        return json!({
            "errcode": refusal.map(|error| error.errcode), "since": shown(trouble.since),
            "retry_at": shown(trouble.retry_at), "advice": advice.unwrap_or(said),
            "ip": refusal.and_then(|error| error.refused_ip()),
        });
    }
    let ailments = app.slots.health().ailments();
    let Some(ailment) = ailments.first() else { return Value::Null };
    let advice = match ailment.errcode {
        code if errcode::is_of_address(code) => places::list_address(app.entry.kind, ailment.ip.as_deref()),
        48001 => places::permissions(app.entry.kind),
        code => errcode::lookup(code).map_or(Words::fixed("", ""), |entry| Words::fixed(entry.zh, entry.en)),
    };
    json!({
        "errcode": ailment.errcode, "since": shown(ailment.since), "retry_at": null,
        "advice": advice.of(english), "ip": ailment.ip,
    })
}
