//! Typed calls: answered by JSON or a picture, whole.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use wechat::answer::{ApiError, errcode};
use wechat::catalog::{Auth, Endpoint};

use super::{CallError, Upstream, picture_type};
use crate::clock::Instant;
use crate::registry::App;
use crate::rules::leaks::Leaks;
use crate::slots::{Token, Way};
use crate::tokens::{Said, TokenCall};
use crate::transport::{Answer, Lost, json_answer};

impl Upstream {
    /// A call answered by JSON.
    pub async fn json(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Value, CallError> {
        let answer = self.call(app, endpoint, query, body).await?;
        Ok(json_answer(&answer)?)
    }

    /// A call answered by a picture; WeChat says errors in JSON all the same.
    pub async fn picture(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        let answer = self.call(app, endpoint, query, body).await?;
        if picture_type(&answer.body).is_some() && answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let status = answer.status.as_u16();
        let lost =
            Lost::after(format!("HTTP {status} without a picture"), format!("应答不是图片（HTTP {status}）"));
        Err(CallError::Lost(lost))
    }

    async fn call(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer, CallError> {
        if endpoint.auth == Auth::AccessToken {
            let attempt = TypedCall { app, endpoint, query, body };
            return self.tokens.healed(app, &attempt).await?.map_err(CallError::Refused);
        }
        let secret = app.entry.secret.expose_secret();
        let ours = [("appid", app.entry.appid.as_str()), ("secret", secret)];
        let credential: &[(&str, &str)] = if endpoint.auth == Auth::Secret { &ours } else { &[] };
        let query = [credential, query].concat();
        let answer = app.transport.send(endpoint, &query, body, app.transport.deadline()).await?;
        let outcome = match refused(&answer) {
            Some(error) => Err(Leaks::new(secret, "").hidden(error)),
            None => Ok(answer),
        };
        if endpoint.auth == Auth::Secret {
            let said = match &outcome {
                Err(error) => Said::Failed(error.clone()),
                Ok(answer) if is_success(answer) => Said::Done,
                Ok(_) => Said::Nothing,
            };
            self.tokens.heard(app, Way::Secret, endpoint.path, &said);
        }
        outcome.map_err(CallError::Refused)
    }
}

struct TypedCall<'a> {
    app: &'a App,
    endpoint: &'a Endpoint,
    query: &'a [(&'a str, &'a str)],
    body: Option<Bytes>,
}

impl TokenCall for TypedCall<'_> {
    /// Or WeChat's refusal of it.
    type Answer = Result<Answer, ApiError>;

    fn path(&self) -> &str {
        self.endpoint.path
    }

    async fn send(&self, token: &Token, deadline: Instant) -> Result<(Self::Answer, Said), Lost> {
        let query = [&[("access_token", token.expose())], self.query].concat();
        let answer = self.app.transport.send(self.endpoint, &query, self.body.clone(), deadline).await?;
        if let Some(error) = refused(&answer) {
            let error = Leaks::new(self.app.entry.secret.expose_secret(), token.expose()).hidden(error);
            let said = Said::of(&error);
            return Ok((Err(error), said));
        }
        // Not a broken edge, nor WeChat being busy.
        let said = if is_success(&answer) { Said::Accepted } else { Said::Nothing };
        Ok((Ok(answer), said))
    }
}

/// Only a real success proves anything.
fn is_success(answer: &Answer) -> bool {
    let is_said = picture_type(&answer.body).is_some() || answer.body.trim_ascii_start().starts_with(b"{");
    answer.status.is_success() && is_said
}

/// WeChat's refusal, unless the answer comes from a broken edge.
fn refused(answer: &Answer) -> Option<ApiError> {
    (!answer.status.is_server_error()).then(|| errcode(&answer.body)).flatten()
}
