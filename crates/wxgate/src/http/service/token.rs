//! What comes from the managed token and tickets themselves.

use serde_json::json;
use subtle::ConstantTimeEq as _;
use wechat::catalog::{GET_TICKET, STABLE_TOKEN};

use super::fields::Fields;
use super::{Call, Service, Success, failure};
use crate::problem::Problem;
use crate::slots::{CredentialKind, Found, Token};
use crate::upstream::CallError;

/// `token/refresh` leaves a token alone that is younger than this.
const YOUNG_MS: i64 = 30_000;

impl Service {
    pub(super) async fn js_sdk(&self, call: &Call) -> Result<Success, Problem> {
        let url = signed_url(&call.fields)?;
        let ticket = self.0.upstream.tokens().get(&call.app, CredentialKind::Jsapi).await;
        let ticket = ticket.map_err(|error| failure::problem(call, &GET_TICKET, CallError::Token(error)))?;
        let nonce = self.0.parts.random.letters(16);
        let timestamp = self.0.parts.clock.now_secs();
        Ok(Success::Body(json!({
            "appId": call.app.entry.appid,
            "timestamp": timestamp,
            "signature": wechat::crypt::jssdk_signature(ticket.expose(), &nonce, &timestamp.to_string(), url),
            "nonceStr": nonce,
        })))
    }

    pub(super) async fn token(&self, call: &Call) -> Result<Success, Problem> {
        let token = self.current(call).await?;
        Ok(self.token_body(call, &token))
    }

    pub(super) async fn token_refresh(&self, call: &Call) -> Result<Success, Problem> {
        let token = self.current(call).await?;
        let said = call.fields.text("current").as_bytes();
        let is_current = bool::from(token.expose().as_bytes().ct_eq(said));
        if !is_current || self.0.parts.clock.ticks() - token.fetched_at < YOUNG_MS {
            return Ok(self.token_body(call, &token));
        }
        // A caller's word for it: what is dead is found out, as after any refusal.
        let found = self.0.upstream.tokens().find_out(&call.app, &token, call.operation.path()).await;
        match found.map_err(|error| failure::problem(call, &STABLE_TOKEN, CallError::Token(error)))? {
            Found::Newer(fresh) | Found::Fresh(fresh) | Found::Forced(fresh) => {
                Ok(self.token_body(call, &fresh))
            }
            Found::Alive | Found::Spent => Ok(self.token_body(call, &token)),
            Found::Unknown => Err(failure::problem(call, &STABLE_TOKEN, CallError::Unknown)),
        }
    }

    async fn current(&self, call: &Call) -> Result<std::sync::Arc<Token>, Problem> {
        let token = self.0.upstream.tokens().get_by_any(&call.app).await;
        token.map_err(|error| failure::problem(call, &STABLE_TOKEN, CallError::Token(error)))
    }

    fn token_body(&self, call: &Call, token: &Token) -> Success {
        Success::Body(json!({
            "appid": call.app.entry.appid,
            "access_token": token.expose(),
            "expires_in": (token.expires_at - self.0.parts.clock.ticks()).max(0) / 1000,
            "version": token.version,
        }))
    }
}

pub(super) fn check_url(fields: &Fields) -> Result<(), Problem> {
    signed_url(fields).map(drop)
}

/// The page's URL as it is signed: complete, without its fragment.
fn signed_url(fields: &Fields) -> Result<&str, Problem> {
    let url = fields.text("url").split('#').next().unwrap_or_default();
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url);
    }
    let (zh, en) = ("应是网页的完整地址，以 http(s):// 开头", "must be a page's full http(s) URL");
    Err(Problem::parameter("url", zh, en))
}
