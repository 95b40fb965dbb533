//! The calls that fetch a token or a ticket, and what becomes of their answers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use wechat::catalog::{GET_TICKET, STABLE_TOKEN, TOKEN};

use super::{Replacement, Tokens};
use crate::apps::App;
use crate::config::TokenMode;
use crate::slots::{Gate, Kind, Token, TokenError, ageing, refuses_token};
use crate::transport::{Answer, Lost, json_answer};

#[derive(Deserialize)]
struct Granted {
    #[serde(alias = "ticket")]
    access_token: String,
    expires_in: i64,
}

impl Tokens {
    /// Fetches, publishes and stores a value; a failure is noted on the slot and logged.
    pub(super) async fn fetch(
        &self,
        app: &Arc<App>,
        kind: Kind,
        gate: Gate,
        force: bool,
    ) -> Result<(Arc<Token>, Gate), TokenError> {
        let slot = app.slots.of(kind);
        let asked_at = self.0.clock.now();
        let answer = match kind {
            Kind::AccessToken => self.ask_for_token(app, force).await,
            Kind::Jsapi | Kind::WxCard => self.ask_for_ticket(app, kind).await,
        };
        match answer.and_then(|answer| granted(&answer)) {
            Ok(granted) => {
                let ageing = ageing(&app.entry, kind);
                let (token, row) =
                    slot.publish(&gate, granted.access_token, granted.expires_in, ageing, asked_at);
                tracing::info!(
                    appid = %slot.appid, kind = kind.as_str(), version = token.version,
                    expires_in = granted.expires_in, forced = force, "已取得"
                );
                if let Err(error) = self.0.store.save_credential(row).await {
                    tracing::error!(
                        appid = %slot.appid, kind = kind.as_str(), %error,
                        "存不下（照常使用；但重启后会重新获取）：检查磁盘空间和权限"
                    );
                }
                Ok((token, gate))
            }
            Err(error) => {
                let wait = slot.failed(error.clone(), error.failure(), self.0.clock.now());
                let advice = match &error {
                    TokenError::Refused(error) => error.entry().map_or("", |entry| entry.zh),
                    TokenError::Lost(_) | TokenError::None => "",
                };
                tracing::warn!(
                    appid = %slot.appid, kind = kind.as_str(), %error, advice, retry_in_ms = wait, "获取失败"
                );
                Err(error)
            }
        }
    }

    async fn ask_for_token(&self, app: &App, force: bool) -> Result<Answer, TokenError> {
        let (appid, secret) = (app.entry.appid.as_str(), app.entry.secret.expose_secret());
        let deadline = self.0.transport.deadline();
        let answer = match app.entry.token_mode {
            TokenMode::Stable => {
                let body = serde_json::json!({
                    "grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": force,
                });
                let body = Bytes::from(body.to_string());
                self.0.transport.send(&STABLE_TOKEN, &[], Some(body), deadline).await
            }
            TokenMode::Classic => {
                let query = [("grant_type", "client_credential"), ("appid", appid), ("secret", secret)];
                self.0.transport.send(&TOKEN, &query, None, deadline).await
            }
        };
        Ok(answer?)
    }

    /// A ticket is had with the access_token, which may turn out to be dead.
    ///
    /// Boxed, because replacing that token is again a fetch.
    fn ask_for_ticket<'a>(
        &'a self,
        app: &'a Arc<App>,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Answer, TokenError>> {
        Box::pin(self.ask_for_ticket_healing(app, kind))
    }

    async fn ask_for_ticket_healing(&self, app: &Arc<App>, kind: Kind) -> Result<Answer, TokenError> {
        let token = self.get(app, Kind::AccessToken).await?;
        let answer = self.ask_for_ticket_with(&token, kind).await?;
        let Err(TokenError::Refused(error)) = granted(&answer) else {
            return Ok(answer);
        };
        if !refuses_token(&error) {
            return Ok(answer);
        }
        match self.replace(app, Kind::AccessToken, &token).await? {
            Replacement::Nothing => Ok(answer),
            Replacement::Fresh(fresh) => {
                let answer = self.ask_for_ticket_with(&fresh, kind).await?;
                if granted(&answer).is_ok() {
                    self.died_early(app, Kind::AccessToken, &token);
                }
                Ok(answer)
            }
        }
    }

    async fn ask_for_ticket_with(&self, token: &Token, kind: Kind) -> Result<Answer, TokenError> {
        let query = [("access_token", token.expose()), ("type", kind.as_str())];
        let answer = self.0.transport.send(&GET_TICKET, &query, None, self.0.transport.deadline()).await?;
        if granted(&answer).is_ok() {
            token.accepted(self.0.clock.now());
        }
        Ok(answer)
    }
}

fn granted(answer: &Answer) -> Result<Granted, TokenError> {
    let body = json_answer(answer)?;
    if let Some(error) = wechat::answer::errcode(&answer.body) {
        return Err(TokenError::Refused(error));
    }
    serde_json::from_value(body).map_err(|_| {
        TokenError::Lost(Lost { sent: true, why: "the answer holds no token and no errcode".into() })
    })
}
