//! Calling WeChat as an app: puts the credential on the wire, and heals a dead access_token once.

mod pass;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use wechat::answer::ApiError;
use wechat::catalog::{Auth, Endpoint};

use crate::clock::Clock;
use crate::registry::App;
use crate::slots::{Kind, Token, TokenError, refuses_token};
use crate::tokens::Tokens;
use crate::transport::{Answer, Lost, Transport, json_answer};

pub use pass::{Passed, Passing, Piece, Unpassed};

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The app's access_token could not be had.
    #[error("no access_token: {0}")]
    Token(#[from] TokenError),
    /// WeChat's own refusal. For a token error: what a fresh token did not cure.
    #[error("WeChat refused: {} {}", .0.errcode, .0.errmsg)]
    Refused(ApiError),
    /// No usable answer.
    #[error("no answer: {0}")]
    Lost(#[from] Lost),
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    tokens: Tokens,
    transport: Transport,
    clock: Clock,
}

impl Upstream {
    /// Over the same transport as `tokens`.
    pub fn new(tokens: Tokens, transport: Transport, clock: Clock) -> Self {
        Self { tokens, transport, clock }
    }

    /// The token authority.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// A call answered by JSON.
    pub async fn json(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let answer = self.call(app, endpoint, query, body).await?;
        Ok(json_answer(&answer)?)
    }

    /// A call answered by a picture; WeChat says errors in JSON all the same.
    pub async fn picture(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Bytes, Failure> {
        let answer = self.call(app, endpoint, query, body).await?;
        if picture_type(&answer.body).is_some() && answer.status == StatusCode::OK {
            return Ok(answer.body);
        }
        let status = answer.status.as_u16();
        let lost =
            Lost::after(format!("HTTP {status} without a picture"), format!("应答不是图片（HTTP {status}）"));
        Err(Failure::Lost(lost))
    }

    async fn call(
        &self,
        app: &Arc<App>,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        if endpoint.auth != Auth::AccessToken {
            let secret = [("appid", app.entry.appid.as_str()), ("secret", app.entry.secret.expose_secret())];
            let credential: &[(&str, &str)] = if endpoint.auth == Auth::Secret { &secret } else { &[] };
            let query = [credential, query].concat();
            let answer = self.transport.send(endpoint, &query, body, self.transport.deadline()).await?;
            return refused(&answer).map_or(Ok(answer), |error| Err(Failure::Refused(error)));
        }
        let token = self.tokens.get(app, Kind::AccessToken).await?;
        // The clock of `wechat.timeout` covers the repetition as well.
        let deadline = self.transport.deadline();
        let send = async |token: &str| {
            let query = [&[("access_token", token)], query].concat();
            self.transport.send(endpoint, &query, body.clone(), deadline).await
        };
        let answer = send(token.expose()).await?;
        let Some(error) = refused(&answer) else {
            self.note(&token, &answer);
            return Ok(answer);
        };
        if !refuses_token(&error) {
            return Err(Failure::Refused(error));
        }
        let replaced = self.tokens.replace(app, Kind::AccessToken, &token).await?;
        let Some(fresh) = replaced.token() else { return Err(Failure::Refused(error)) };
        let answer = send(fresh.expose()).await?;
        match refused(&answer) {
            None => {
                if self.note(fresh, &answer) {
                    self.tokens.died_early(app, Kind::AccessToken, &token, &replaced);
                }
                Ok(answer)
            }
            Some(error) => Err(Failure::Refused(error)),
        }
    }

    /// Only a real success proves that a token lives: not a broken edge, nor WeChat being busy.
    fn note(&self, token: &Token, answer: &Answer) -> bool {
        let looks_said =
            picture_type(&answer.body).is_some() || answer.body.trim_ascii_start().starts_with(b"{");
        let is_success = answer.status.is_success() && looks_said;
        if is_success {
            token.accepted(self.clock.now());
        }
        is_success
    }
}

/// WeChat's refusal, unless the answer comes from a broken edge.
fn refused(answer: &Answer) -> Option<ApiError> {
    (!answer.status.is_server_error()).then(|| wechat::answer::errcode(&answer.body)).flatten()
}

/// The media type of a picture, by its first bytes.
pub fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ => None,
    }
}
