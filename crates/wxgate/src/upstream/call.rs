//! Typed calls: answered by JSON or a picture, whole.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use wechat::answer::{ApiError, errcode};
use wechat::catalog::{Auth, Endpoint};

use super::{CallError, PassAnswer, PassRequest, Upstream, picture_type};
use crate::clock::Instant;
use crate::metrics::Asking;
use crate::registry::App;
use crate::rules::leaks::Leaks;
use crate::slots::{Token, Way};
use crate::tokens::{Said, TokenCall};
use crate::transport::{Answer, Lost, json_answer};

impl Upstream {
    /// A call answered by JSON.
    pub async fn json(
        &self,
        caller: &Arc<str>,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Value, CallError> {
        let answer = self.call(caller, app, endpoint, query, body).await?;
        Ok(json_answer(&answer)?)
    }

    /// A call answered by a picture; WeChat says errors in JSON all the same.
    pub async fn picture(
        &self,
        caller: &Arc<str>,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, CallError> {
        let answer = self.call(caller, app, endpoint, query, body).await?;
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
        caller: &Arc<str>,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer, CallError> {
        let call = TypedCall { caller, app, endpoint, query, body };
        if endpoint.auth == Auth::AccessToken {
            return self.tokens.healed(app, &call).await?.map_err(CallError::Refused);
        }
        let is_of_secret = endpoint.auth == Auth::Secret;
        let goes_elsewhere = is_of_secret && self.goes_elsewhere(app);
        if goes_elsewhere && let Some(answer) = self.called_elsewhere(&call).await {
            return answer;
        }
        let outcome = self.call_here(&call).await?;
        let is_of_address = outcome.as_ref().is_err_and(ApiError::is_of_address);
        if is_of_secret
            && is_of_address
            && !goes_elsewhere
            && let Some(answer) = self.called_elsewhere(&call).await
        {
            return answer;
        }
        outcome.map_err(CallError::Refused)
    }

    async fn called_elsewhere(&self, call: &TypedCall<'_>) -> Option<Result<Answer, CallError>> {
        let answer = match self.elsewhere(call.app, &call.request()).await? {
            Ok(answer) => call.read(answer).await.map_err(CallError::Lost),
            Err(error) => return Some(Err(error)),
        };
        Some(answer.and_then(|answer| answer.map_err(CallError::Refused)))
    }

    /// With the AppSecret, or without a credential.
    async fn call_here(&self, call: &TypedCall<'_>) -> Result<Result<Answer, ApiError>, Lost> {
        let TypedCall { app, endpoint, query, body, .. } = call;
        let secret = app.entry.secret.expose_secret();
        let ours = [("appid", app.entry.appid.as_str()), ("secret", secret)];
        let credential: &[(&str, &str)] = if endpoint.auth == Auth::Secret { &ours } else { &[] };
        let query = [credential, query].concat();
        let mut asking = app.meter.asks(endpoint.path, app.transport.clock().instant());
        let answer = app.transport.send(endpoint, &query, body.clone(), app.transport.deadline()).await?;
        let outcome = match refused(&answer) {
            Some(error) => {
                asking.answered(error.errcode);
                Err(Leaks::new(secret, "").hidden(error))
            }
            None => {
                count(&mut asking, &answer);
                Ok(answer)
            }
        };
        drop(asking);
        if endpoint.auth == Auth::Secret {
            let said = match &outcome {
                Err(error) => Said::Failed(error.clone()),
                Ok(answer) if is_success(answer) => Said::Done,
                Ok(_) => Said::Nothing,
            };
            self.tokens.heard(app, Way::Secret, endpoint.path, &said);
        }
        Ok(outcome)
    }
}

struct TypedCall<'a> {
    caller: &'a Arc<str>,
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

    fn request(&self) -> Cow<'_, PassRequest> {
        let Self { caller, app, endpoint, query, body } = self;
        Cow::Owned(PassRequest::typed(caller, &app.appid, endpoint, query, body.clone()))
    }

    async fn read(&self, answer: PassAnswer) -> Result<Self::Answer, Lost> {
        let answer = answer.whole(self.app.transport.limits()).await?;
        Ok(match refused(&answer) {
            Some(error) => Err(error),
            None => Ok(answer),
        })
    }

    async fn send(&self, token: &Token, deadline: Instant) -> Result<(Self::Answer, Said), Lost> {
        let query = [&[("access_token", token.expose())], self.query].concat();
        let mut asking = self.app.meter.asks(self.endpoint.path, self.app.transport.clock().instant());
        let answer = self.app.transport.send(self.endpoint, &query, self.body.clone(), deadline).await?;
        if let Some(error) = refused(&answer) {
            asking.answered(error.errcode);
            let error = Leaks::new(self.app.entry.secret.expose_secret(), token.expose()).hidden(error);
            let said = Said::of(&error);
            return Ok((Err(error), said));
        }
        count(&mut asking, &answer);
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

/// Without a code of WeChat's: an edge that broke gave no answer.
fn count(asking: &mut Asking<'_>, answer: &Answer) {
    if answer.status.is_success() {
        asking.answered(0);
    }
}

/// WeChat's refusal, unless the answer comes from a broken edge.
fn refused(answer: &Answer) -> Option<ApiError> {
    (!answer.status.is_server_error()).then(|| errcode(&answer.body)).flatten()
}
