//! What comes from the managed token and tickets themselves.

use rand::RngExt as _;
use rand::distr::Alphanumeric;
use serde_json::json;
use subtle::ConstantTimeEq as _;
use wechat::catalog::{GET_TICKET, STABLE_TOKEN};

use super::fields::Fields;
use super::{Call, Done, Service, outcome};
use crate::problem::Problem;
use crate::slots::{Kind, Token};
use crate::tokens::Replacement;
use crate::upstream::Failure;

/// `token/refresh` leaves a token alone that is younger than this.
const YOUNG_MS: i64 = 30_000;

impl Service {
    pub(super) async fn js_sdk(&self, call: &Call) -> Result<Done, Problem> {
        let url = signed_url(&call.fields)?;
        let ticket = self.0.upstream.tokens().get(&call.app, Kind::Jsapi).await;
        let ticket = ticket.map_err(|error| outcome::problem(call, &GET_TICKET, Failure::Token(error)))?;
        let nonce: String = rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect();
        let timestamp = self.0.clock.now_secs();
        Ok(Done::Body(json!({
            "appId": call.app.entry.appid,
            "timestamp": timestamp,
            "signature": wechat::crypt::jssdk_signature(ticket.expose(), &nonce, &timestamp.to_string(), url),
            "nonceStr": nonce,
        })))
    }

    pub(super) async fn token(&self, call: &Call) -> Result<Done, Problem> {
        let token = self.current(call).await?;
        Ok(self.token_body(call, &token))
    }

    pub(super) async fn token_refresh(&self, call: &Call) -> Result<Done, Problem> {
        let token = self.current(call).await?;
        let said = call.fields.text("current").as_bytes();
        let is_current = bool::from(token.expose().as_bytes().ct_eq(said));
        if !is_current || self.0.clock.now() - token.fetched_at < YOUNG_MS {
            return Ok(self.token_body(call, &token));
        }
        let replaced = self.0.upstream.tokens().replace(&call.app, Kind::AccessToken, &token).await;
        match replaced.map_err(|error| outcome::problem(call, &STABLE_TOKEN, Failure::Token(error)))? {
            Replacement::Fresh(fresh) | Replacement::Forced(fresh) => Ok(self.token_body(call, &fresh)),
            Replacement::Nothing => Ok(self.token_body(call, &token)),
        }
    }

    async fn current(&self, call: &Call) -> Result<std::sync::Arc<Token>, Problem> {
        let token = self.0.upstream.tokens().get(&call.app, Kind::AccessToken).await;
        token.map_err(|error| outcome::problem(call, &STABLE_TOKEN, Failure::Token(error)))
    }

    fn token_body(&self, call: &Call, token: &Token) -> Done {
        Done::Body(json!({
            "appid": call.app.entry.appid,
            "access_token": token.expose(),
            "expires_in": (token.expires_at - self.0.clock.now()).max(0) / 1000,
            "version": token.version,
        }))
    }
}

/// The page's URL as it is signed: complete, without its fragment.
pub(super) fn signed_url(fields: &Fields) -> Result<&str, Problem> {
    let url = fields.text("url").split('#').next().unwrap_or_default();
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url);
    }
    let (zh, en) = ("应是网页的完整地址，以 http(s):// 开头", "must be a page's full http(s) URL");
    Err(Problem::parameter("url", zh, en))
}
