//! The calls that fetch a token or a ticket, and what becomes of their answers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use wechat::answer::ApiError;
use wechat::catalog::{GET_TICKET, STABLE_TOKEN, TOKEN};

use super::Tokens;
use crate::entries::TokenMode;
use crate::registry::App;
use crate::slots::policy::Failure;
use crate::slots::{Gate, Kind, Token, TokenError, ageing, refuses_token};
use crate::transport::{Answer, Lost, json_answer};

/// No token lives longer than this, whatever an answer says.
const LONGEST: i64 = 86_400;

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
        match answer {
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
                // The token's own slot rests for its refusal: a ticket only waits for that.
                let is_tokens = kind != Kind::AccessToken && matches!(error, TokenError::Refused(_));
                let failure = if is_tokens { Failure::Transient } else { error.failure() };
                let wait = slot.failed(error.clone(), failure, self.0.clock.now());
                // WeChat's own words may hold anything: only what is known of them is logged.
                let advice = error.refusal().and_then(ApiError::entry).map_or("", |entry| entry.zh);
                let ip = error.refusal().and_then(ApiError::refused_ip);
                tracing::warn!(
                    appid = %slot.appid, kind = kind.as_str(), %error, advice, ip, retry_in_ms = wait, "获取失败"
                );
                Err(error)
            }
        }
    }

    async fn ask_for_token(&self, app: &App, force: bool) -> Result<Granted, TokenError> {
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
        granted(&answer?).map_err(|error| match error {
            Refusal::Said(error) => TokenError::Refused(error),
            Refusal::Lost(lost) => TokenError::Lost(lost),
        })
    }

    /// A ticket is had with the access_token, which may turn out to be dead.
    ///
    /// Boxed, because replacing that token is again a fetch.
    fn ask_for_ticket<'a>(
        &'a self,
        app: &'a Arc<App>,
        kind: Kind,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(self.ask_for_ticket_healing(app, kind))
    }

    async fn ask_for_ticket_healing(&self, app: &Arc<App>, kind: Kind) -> Result<Granted, TokenError> {
        let token = self.get(app, Kind::AccessToken).await?;
        let first = self.ask_for_ticket_with(&token, kind).await;
        let Err(TokenError::TicketRefused(error)) = &first else { return first };
        if !refuses_token(error) {
            return first;
        }
        let replaced = self.replace(app, Kind::AccessToken, &token).await?;
        let Some(fresh) = replaced.token() else { return first };
        let second = self.ask_for_ticket_with(fresh, kind).await;
        if second.is_ok() {
            self.died_early(app, Kind::AccessToken, &token, &replaced);
        }
        second
    }

    async fn ask_for_ticket_with(&self, token: &Token, kind: Kind) -> Result<Granted, TokenError> {
        let query = [("access_token", token.expose()), ("type", kind.as_str())];
        let answer = self.0.transport.send(&GET_TICKET, &query, None, self.0.transport.deadline()).await;
        let granted = granted(&answer.map_err(TokenError::TicketLost)?).map_err(|error| match error {
            Refusal::Said(error) => TokenError::TicketRefused(error),
            Refusal::Lost(lost) => TokenError::TicketLost(lost),
        })?;
        token.accepted(self.0.clock.now());
        Ok(granted)
    }
}

enum Refusal {
    Said(ApiError),
    Lost(Lost),
}

fn granted(answer: &Answer) -> Result<Granted, Refusal> {
    let body = json_answer(answer).map_err(Refusal::Lost)?;
    if let Some(error) = wechat::answer::errcode(&answer.body) {
        return Err(Refusal::Said(error));
    }
    let granted: Option<Granted> = serde_json::from_value(body).ok();
    let sane = |granted: &Granted| {
        let value = &granted.access_token;
        (1..=4096).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match granted.filter(sane) {
        Some(granted) => Ok(Granted { expires_in: granted.expires_in.clamp(1, LONGEST), ..granted }),
        None => Err(Refusal::Lost(Lost::after(
            "the answer holds neither a usable token nor an errcode",
            "应答里没有可用的令牌，也没有错误码",
        ))),
    }
}
