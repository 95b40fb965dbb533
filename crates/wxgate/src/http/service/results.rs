//! What became of what was made before: who scanned a code, and whether a message arrived.

use std::time::Duration;

use serde_json::json;
use wechat::message::Message;

use super::fields::Fields;
use super::{Call, Service, Success};
use crate::clock::{Clock, Instant, millis};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::registry::callers::Caller;
use crate::store::{self, SentMessage};

/// Who waits for a scan looks again after this, where another node may have got it.
const LOOK: Duration = Duration::from_millis(500);
/// All that wait on a node don't look more often than once in so long.
const LOOK_OF_ONE: Duration = Duration::from_micros(500);
/// Where no other node is: for the code's own end.
const SELDOM: Duration = Duration::from_secs(5);

impl Service {
    /// The account whose code is asked for.
    pub(super) async fn app_of_code(&self, caller: &Caller, fields: &Fields) -> Result<String, Problem> {
        let code = self.code(caller, fields).await?;
        match fields.appid() {
            given if given.is_empty() || given == code.appid => Ok(code.appid),
            _ => Err(Problem::parameter(
                "appid",
                "不是这个二维码的公众号：可以不给",
                "isn't that of this code: it may be left out",
            )),
        }
    }

    /// The code that is asked for, if `caller` made it.
    async fn code(&self, caller: &Caller, fields: &Fields) -> Result<store::Code, Problem> {
        let store = &self.0.parts.store;
        let (name, found) = match fields.text("ticket") {
            "" => ("flow_id", store.code_of_flow(&caller.name, fields.text("flow_id")).await),
            ticket => ("ticket", store.code_of_ticket(ticket).await),
        };
        let of_caller = |code: &store::Code| *code.caller == *caller.name;
        found?.filter(of_caller).ok_or_else(|| no_code(name))
    }

    /// Waits until somebody has scanned the code, or it has ended, for as long as the caller likes.
    pub(super) async fn scan_result(&self, call: &Call) -> Result<Success, Problem> {
        let Parts { store, clock, tasks, .. } = &self.0.parts;
        let wait = call.fields.int("wait_seconds").and_then(|wait| u64::try_from(wait).ok());
        let end = clock.instant() + Duration::from_secs(wait.unwrap_or_default());
        let mut code = self.code(&call.caller, &call.fields).await?;
        let mut wake = store.scans(&code);
        loop {
            wake.mark_seen();
            let found = store.code(code.key).await?;
            // What is forgotten meanwhile has ended long ago.
            code = found.unwrap_or(code);
            let (status, over) = standing(&code, clock);
            if over || clock.instant() >= end || tasks.draining.is_cancelled() {
                return Ok(result(status, &code));
            }
            let look = end.min(self.next_look(&code));
            tokio::select! {
                () = tasks.draining.cancelled() => {}
                _ = clock.by(look, wake.woken()) => {}
            }
        }
    }

    fn next_look(&self, code: &store::Code) -> Instant {
        let Parts { store, clock, .. } = &self.0.parts;
        let look = match store.is_shared() {
            true => LOOK.max(LOOK_OF_ONE * u32::try_from(store.awaited_codes()).unwrap_or(u32::MAX)),
            false => SELDOM,
        };
        let left = code.ends_at.map_or(i64::MAX, |at| at.saturating_sub(clock.now()).saturating_add(1));
        clock.instant() + look.min(Duration::from_millis(left.unsigned_abs()))
    }

    /// Notes that WeChat took a message, for whoever asks what became of it.
    pub(super) fn note_sent(&self, call: &Call, msgid: &str) {
        let Parts { sent, registry, clock, .. } = &self.0.parts;
        if msgid.is_empty() {
            return;
        }
        let sent_at = clock.now();
        sent.note(SentMessage {
            appid: call.app.entry.appid.clone(),
            msgid: msgid.to_owned(),
            caller: call.caller.name.to_string(),
            sent_at,
            expires_at: sent_at.saturating_add(millis(registry.live().retention.events)),
        });
    }

    /// What became of a message. Another caller's is unknown.
    pub(super) async fn message_result(&self, call: &Call) -> Result<Success, Problem> {
        let Parts { sent, store, .. } = &self.0.parts;
        let (appid, msgid) = (&call.app.entry.appid, call.fields.text("msgid"));
        // What this node noted just now is known to it; if the store is away, the next line says so.
        let _ = sent.flush(store).await;
        let (caller, receipt) = store.receipt(appid, msgid).await?;
        let is_others = caller.as_deref().is_some_and(|caller| *caller != *call.caller.name);
        let receipt = receipt.filter(|_| !is_others).and_then(|body| Message::read(&body).receipt());
        let (status, finished_at) = match receipt {
            Some(receipt) => (receipt.status, receipt.finished_at),
            None if caller.is_some() && !is_others => ("sent".to_owned(), 0),
            None => ("unknown".to_owned(), 0),
        };
        Ok(Success::Body(json!({"status": status, "finished_at": finished_at})))
    }
}

/// A code is named by its ticket, or by what its caller calls it.
pub(super) fn check_code(fields: &Fields) -> Result<(), Problem> {
    if fields.text("ticket").is_empty() && fields.text("flow_id").is_empty() {
        return Err(Problem::parameter(
            "ticket",
            "缺少：getwxqrcode 给的 ticket，或当时传的 flow_id",
            "is missing: the ticket that getwxqrcode gave, or the flow_id that it was given",
        ));
    }
    Ok(())
}

/// How a code stands, and whether that is its last word.
fn standing(code: &store::Code, clock: &Clock) -> (&'static str, bool) {
    match (&code.scan, code.ends_at) {
        (Some(_), _) => ("scanned", true),
        (None, Some(at)) if clock.now() > at => ("expired", true),
        (None, _) => ("waiting", false),
    }
}

fn result(status: &str, code: &store::Code) -> Success {
    let scan = code.scan.as_ref();
    Success::Body(json!({
        "status": status,
        "openid": scan.map_or("", |scan| &scan.openid),
        "event": scan.map_or("", |scan| &scan.event),
        "scene": code.scene,
        "scanned_at": scan.map_or(0, |scan| scan.at / 1000),
    }))
}

/// Whoever asks for another's code learns no more than that it isn't theirs.
fn no_code(name: &str) -> Problem {
    Problem::parameter(
        name,
        "没有对应的二维码：只能查本调用方用 getwxqrcode 建的码；过期的码在 retention.events 之后不再记得",
        "names no code: a caller may ask only for codes that it made by getwxqrcode; those that ended are forgotten after retention.events",
    )
}
