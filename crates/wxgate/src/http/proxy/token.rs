//! The token calls: what an SDK gets here is a gateway token, and the managed ticket.

use std::sync::Arc;

use http::{Method, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};
use wechat::catalog::{Endpoint, Treat};

use super::refusal::Refusal;
use super::target::Target;
use super::{Asked, Proxy, answered};
use crate::admit::{Denied, Proof, Wish};
use crate::http::{Body, read};
use crate::keys::{EXPIRES_IN, Grant};
use crate::outcome::Outcome;
use crate::parts::Parts;
use crate::registry::App;
use crate::rooms::Room;
use crate::slots::{CredentialKind, TokenError};
use crate::text;
use crate::upstream::CallError;

impl Proxy {
    /// `/cgi-bin/token` and `/cgi-bin/stable_token`, by GET or POST, from query, form or JSON.
    pub(super) async fn token(
        &self,
        asked: &Asked<'_>,
        body: Incoming,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let target = asked.target;
        let is_in_query =
            |name| Ok::<_, Refusal>(target.parameter(name)?.is_some_and(|span| !span.value.is_empty()));
        let is_posted = asked.head.method == Method::POST;
        let from_body = match is_posted && !(is_in_query("appid")? && is_in_query("secret")?) {
            true => self.fields(body).await?,
            false => Vec::new(),
        };
        let parameter = |name: &'static str| -> Result<String, Refusal> {
            let from_query = target.parameter(name)?.map(|span| span.value).filter(|value| !value.is_empty());
            let from_body = || from_body.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            Ok(from_query.or_else(from_body).unwrap_or_default())
        };
        if !matches!(parameter("grant_type")?.as_str(), "" | "client_credential") {
            return Err(Refusal::grant_type());
        }
        let (appid, secret) = (parameter("appid")?, parameter("secret")?);
        let door = &self.0.door;
        let entered = door.enter(asked.head, asked.peer, Proof::Secret(&secret), Wish::default(), outcome)?;
        let appid = match (appid.is_empty(), asked.named_app()?) {
            (true, Some(named)) => named,
            (true, None) => return Err(Refusal::no_appid()),
            (false, Some(named)) if named != appid => return Err(Denied::Disagree.into()),
            (false, _) => appid,
        };
        let app = door.app(&entered.caller, &appid, outcome)?;
        if !app.entry.kind.has_token() {
            return Err(CallError::Token(TokenError::None).into());
        }
        let Parts { keys, clock, .. } = &self.0.parts;
        let token = keys.issue(&Grant { holder: entered.holder, appid }, clock.now());
        Ok(answered(&json!({"access_token": token, "expires_in": EXPIRES_IN})))
    }

    /// `getticket` from the managed tickets.
    pub(super) async fn ticket(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
    ) -> Result<Response<Body>, Refusal> {
        let ticket = self.0.upstream.tokens().get(app, kind).await.map_err(CallError::Token)?;
        let left = (ticket.expires_at - self.0.parts.clock.now()).max(1000) / 1000;
        Ok(answered(&json!({"errcode": 0, "errmsg": "ok", "ticket": ticket.expose(), "expires_in": left})))
    }

    /// The members of a JSON object, or of a form.
    async fn fields(&self, body: Incoming) -> Result<Vec<(String, String)>, Refusal> {
        let Parts { clock, limits, .. } = &self.0.parts;
        // Nobody has shown anything yet: little room, and little time.
        let _place = self.0.door.place(Room::Strangers, None)?;
        let deadline = clock.instant() + limits.connect_time;
        let body = read(body, limits.unsigned_body / 2, deadline, clock, limits).await;
        let body = body.map_err(|_| Refusal::body())?;
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
        if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
            let text = |value: Value| match value {
                Value::String(text) => Some(text),
                _ => None,
            };
            return Ok(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect());
        }
        Ok(text::pairs(body).into_owned().collect())
    }
}

/// Which managed ticket a call asks for, if it asks for one.
pub(super) fn managed_ticket(
    target: &Target<'_>,
    known: Option<&Endpoint>,
) -> Result<Option<CredentialKind>, Refusal> {
    if known.is_none_or(|known| known.treat != Treat::Ticket) {
        return Ok(None);
    }
    Ok(match target.parameter("type")?.map(|span| span.value).as_deref() {
        Some("jsapi") => Some(CredentialKind::Jsapi),
        Some("wx_card") => Some(CredentialKind::WxCard),
        _ => None,
    })
}
