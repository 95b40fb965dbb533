//! The token calls: what an SDK gets here is a gateway token, and the managed ticket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, request};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::refusal::Refusal;
use super::target::Target;
use super::{Proxy, by_secret, json_answer, named_app};
use crate::http::{Body, Unread, read};
use crate::keys::{EXPIRES_IN, Grant};
use crate::registry::App;
use crate::registry::callers::Callers;
use crate::slots::Kind;
use crate::upstream::Failure;

/// A token call's body has to arrive in this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest body of a token call.
const MAX_BODY: usize = 64 << 10;

impl Proxy {
    /// `/cgi-bin/token` and `/cgi-bin/stable_token`, by GET or POST, from query, form or JSON.
    pub(super) async fn token(
        &self,
        head: &request::Parts,
        body: Incoming,
        target: &Target<'_>,
        peer: IpAddr,
    ) -> Result<Response<Body>, Refusal> {
        let is_in_query =
            |name| Ok::<_, Refusal>(target.parameter(name)?.is_some_and(|place| !place.value.is_empty()));
        let from_body = if head.method == Method::POST && !(is_in_query("appid")? && is_in_query("secret")?) {
            // Nobody has shown anything yet: little room, and little time.
            let _place = self.0.strangers.try_acquire().map_err(|_| Refusal::overloaded())?;
            fields(body).await?
        } else {
            Vec::new()
        };
        let parameter = |name: &'static str| -> Result<String, Refusal> {
            let from_query =
                target.parameter(name)?.map(|place| place.value).filter(|value| !value.is_empty());
            let from_body = || from_body.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            Ok(from_query.or_else(from_body).unwrap_or_default())
        };
        if !matches!(parameter("grant_type")?.as_str(), "" | "client_credential") {
            return Err(Refusal::grant_type());
        }
        let (appid, secret) = (parameter("appid")?, parameter("secret")?);
        let live = self.0.registry.live();
        let (caller, key) = by_secret(&self.0.gatekeeper, &secret, head, peer, &live.callers)?;
        let holder = Callers::holder(caller, key.as_deref());
        let named = named_app(head, target)?;
        let appid = match (appid.is_empty(), named) {
            (true, Some(appid)) => appid,
            (true, None) => return Err(Refusal::missing(41002, "appid missing", "appid")),
            (false, Some(other)) if other != appid => return Err(Refusal::disagree()),
            (false, _) => appid,
        };
        let identity = self.admit(&live, caller.clone(), &appid, target.path)?;
        if identity.app.entry.kind == crate::entries::AccountKind::Open {
            return Err(Failure::Token(crate::slots::TokenError::None).into());
        }
        let token = self.0.keys.issue(&Grant { holder, appid }, self.0.clock.now());
        Ok(json_answer(&json!({"access_token": token, "expires_in": EXPIRES_IN})))
    }

    /// `getticket` from the managed tickets.
    pub(super) async fn ticket(&self, app: &Arc<App>, kind: Kind) -> Result<Response<Body>, Refusal> {
        let ticket = self.0.upstream.tokens().get(app, kind).await.map_err(Failure::Token)?;
        let left = (ticket.expires_at - self.0.clock.now()).max(1000) / 1000;
        Ok(json_answer(&json!({"errcode": 0, "errmsg": "ok", "ticket": ticket.expose(), "expires_in": left})))
    }
}

/// Which managed ticket a call asks for, if it asks for one.
pub(super) fn managed_ticket(target: &Target<'_>) -> Result<Option<Kind>, Refusal> {
    if target.path != "/cgi-bin/ticket/getticket" {
        return Ok(None);
    }
    Ok(match target.parameter("type")?.map(|place| place.value).as_deref() {
        Some("jsapi") => Some(Kind::Jsapi),
        Some("wx_card") => Some(Kind::WxCard),
        _ => None,
    })
}

/// The members of a JSON object, or of a form.
async fn fields(body: Incoming) -> Result<Vec<(String, String)>, Refusal> {
    let deadline = Instant::now() + BODY_TIMEOUT;
    let body = read(body, MAX_BODY, deadline).await.map_err(|unread| match unread {
        Unread::TooLarge | Unread::Cut(_) => Refusal::body(),
    })?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
    if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            _ => None,
        };
        return Ok(members.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect());
    }
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let form = String::from_utf8_lossy(body);
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
}
