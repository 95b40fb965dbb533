//! The calls that show a secret for something else than a login: the token calls, which give a gateway token, and what
//! resets quotas. And the managed tickets.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};
use wechat::catalog::{self, Endpoint, Host, Treat};

use super::refusal::Refusal;
use super::target::Target;
use super::{Asked, Proxy, agreed, answered, passed, unread_body};
use crate::admit::{Denied, Proof, Wish};
use crate::http::problem::json_bytes;
use crate::http::{Body, Reader, Unread, whole};
use crate::keys::{EXPIRES_IN, Grant};
use crate::net::Inbound;
use crate::outcome::Outcome;
use crate::parts::Parts;
use crate::registry::App;
use crate::shares::Room;
use crate::slots::{CredentialKind, TokenError};
use crate::text;
use crate::transport::Payload;
use crate::upstream::{CallError, Part, PassRequest};

impl Proxy {
    /// `/cgi-bin/token` and `/cgi-bin/stable_token`, by GET or POST, from query, form or JSON.
    pub(super) async fn token(
        &self,
        asked: &Asked<'_>,
        body: Inbound,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let names = ["appid", "secret", "grant_type"];
        let [appid, secret, grant_type] = self.given(asked, body, names, outcome.peer).await?;
        if !matches!(&*grant_type, "" | "client_credential") {
            return Err(Refusal::grant_type());
        }
        let door = &self.0.door;
        let entered = door.enter(asked.head, asked.peer, Proof::Secret(&secret), Wish::default(), outcome);
        let entered = entered.map_err(|denied| {
            door.notice(&appid, outcome);
            match denied {
                Denied::NoKey => Refusal::no_secret_for_token(),
                denied => denied.into(),
            }
        })?;
        asked.check_prefix(&entered)?;
        let appid = asked.app(&appid)?;
        let app = door.app(&entered.caller, &appid, outcome)?;
        if !app.entry.kind.has_token() {
            return Err(CallError::Token(TokenError::None).into());
        }
        let Parts { keys, .. } = &self.0.parts;
        let (holder, now) = (entered.holder, outcome.at());
        let answer = app.issued.of(holder, now, || {
            let token = keys.issue(&Grant { holder, appid }, now);
            format!("{{\"access_token\":\"{token}\",\"expires_in\":{EXPIRES_IN}}}").into()
        });
        Ok(whole(json_bytes(StatusCode::OK, answer)))
    }

    /// `getticket` from the managed tickets.
    pub(super) async fn ticket(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
    ) -> Result<Response<Body>, Refusal> {
        let ticket = self.0.upstream.tokens().get(app, kind).await;
        let ticket = ticket.map_err(|error| Refusal::call(error.into(), &app.entry))?;
        let left = (ticket.expires_at - self.0.parts.clock.ticks()).max(1000) / 1000;
        Ok(answered(&json!({"errcode": 0, "errmsg": "ok", "ticket": ticket.expose(), "expires_in": left})))
    }

    /// What resets an account's quotas by its AppSecret, shown here as a caller key in `appsecret`.
    pub(super) async fn with_secret(
        &self,
        asked: &Asked<'_>,
        body: Inbound,
        outcome: &mut Outcome,
    ) -> Result<Response<Body>, Refusal> {
        let path = asked.target.path;
        let [appid, secret] = self.given(asked, body, ["appid", "appsecret"], outcome.peer).await?;
        let door = &self.0.door;
        door.notice(&appid, outcome);
        let wish = Wish { path: Some(path), by_name: catalog::by_name_only(path), ..Wish::default() };
        let token = asked.target.parameter("access_token")?.map(|span| span.value).unwrap_or_default();
        let proof = match secret.is_empty() && !token.is_empty() {
            true => Proof::Token(&token),
            false => Proof::Secret(&secret),
        };
        let entered = door.enter(asked.head, asked.peer, proof, wish, outcome)?;
        asked.check_prefix(&entered)?;
        let given = Some(appid).filter(|appid| !appid.is_empty()).map(Arc::from);
        let spoken = match token.is_empty() || entered.appid.is_some() {
            true => entered.appid,
            false => Some(door.agreed(&token, &entered.caller)?),
        };
        let appid = agreed(spoken, given)?.unwrap_or_default();
        let app = door.app(&entered.caller, &asked.app(&appid)?, outcome)?;
        let place = door.place(Room::Passed, &entered.caller, &app)?;
        let request = PassRequest {
            caller: entered.caller.name.clone(),
            host: Host::Api,
            method: asked.head.method.clone(),
            path: path.to_owned(),
            target: vec![Part::Raw(format!("{path}?appid={}&appsecret=", app.appid)), Part::Secret],
            headers: HeaderMap::new(),
            body: Payload::Kept(Bytes::new()),
            proves_token: false,
        };
        Ok(passed(self.pass_untouched(Some(&entered.caller), Some(&app), &request).await?, place))
    }

    /// Parameters from the query, and, posted, from the body if the first two don't stand in the query; "" where one is
    /// missing.
    async fn given<'a, const N: usize>(
        &self,
        asked: &Asked<'a>,
        body: Inbound,
        names: [&'static str; N],
        peer: IpAddr,
    ) -> Result<[Cow<'a, str>; N], Refusal> {
        let mut values = [const { Cow::Borrowed("") }; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = asked.target.parameter(name)?.map(|span| span.value).unwrap_or_default();
        }
        let is_whole = values.iter().take(2).all(|value| !value.is_empty());
        if asked.head.method == Method::POST && !is_whole {
            let fields = Box::pin(self.fields(body, peer)).await?;
            for (value, name) in values.iter_mut().zip(names).filter(|(value, _)| value.is_empty()) {
                if let Some((_, given)) = fields.iter().find(|(key, _)| key == name) {
                    *value = given.clone().into();
                }
            }
        }
        Ok(values)
    }

    /// The members of a JSON object, or of a form.
    async fn fields(&self, body: Inbound, peer: IpAddr) -> Result<Vec<(String, String)>, Refusal> {
        let parts = &self.0.parts;
        // Nobody has shown anything yet: it counts for the address.
        let share = parts.shares.of(peer);
        let read = Reader::new(parts, &share, body).whole(parts.limits.token_body).await;
        let body = read.map_err(|unread| match unread {
            Unread::TooLarge => Refusal::body(),
            unread => unread_body(&unread, &parts.limits),
        })?;
        let body = body.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body.bytes);
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
