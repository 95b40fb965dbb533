//! The calls that fetch a token or a ticket, and what becomes of their answers.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use wechat::answer::ApiError;
use wechat::catalog::{GET_TICKET, STABLE_TOKEN, TOKEN};

use super::Tokens;
use super::granted::{Granted, NotGranted, granted};
use super::heal::{Said, TokenCall};
use super::nodes::Kept;
use crate::clock::Instant;
use crate::entries::TokenMode;
use crate::handover::{CallError, PassAnswer, PassRequest};
use crate::lang::{Words, say};
use crate::parts::Parts;
use crate::places;
use crate::registry::App;
use crate::rings::Became;
use crate::rules::leaks::Leaks;
use crate::slots::policy::Rest;
use crate::slots::{CredentialKind, Gate, Slot, Token, TokenError, Way, ageing};
use crate::transport::Lost;

impl Tokens {
    /// Fetches, publishes and stores a value; a failure is noted on the slot and logged.
    pub(super) async fn fetch(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
        gate: Gate,
        force: bool,
    ) -> Result<(Arc<Token>, Gate), TokenError> {
        let slot = app.slots.of(kind);
        let asked_at = self.now();
        let answer = match kind {
            CredentialKind::AccessToken => self.ask_for_token(app, force).await,
            CredentialKind::Jsapi | CredentialKind::WxCard => self.ask_for_ticket(app, kind).await,
        };
        if kind == CredentialKind::AccessToken {
            app.meter.refreshed(answer.is_ok());
            let ms = self.now() - asked_at;
            match &answer {
                Ok(_) => self.became(app, Became::Fetched, 0, Some(ms)),
                Err(error) => self.became(app, Became::Failed, code_of(error), Some(ms)),
            }
            let path = token_path(app);
            match &answer {
                Ok(_) => self.heard_success(app, Way::TokenCall, path),
                Err(TokenError::Refused(error)) => self.heard_refusal(app, Way::TokenCall, path, error),
                Err(_) => {}
            }
        }
        match answer {
            Ok(granted) => {
                let ageing = ageing(&app.entry, kind);
                let Granted { value, expires_in: lives, is_odd } = granted;
                if is_odd {
                    tracing::warn!(
                        appid = %slot.appid, kind = kind.as_str(), expires_in = lives,
                        "{}",
                        say(
                            "应答里的有效期缺失或不到 60 秒：按 60 秒处理；检查 wechat.api_base 指向的是不是微信",
                            "the answer gives no life, or one under 60 s, and is taken for 60 s: see whether wechat.api_base is WeChat",
                        )
                    );
                }
                let token = slot.made(&gate, value, lives, ageing, asked_at);
                let token = self.take(app, slot, &gate, token).await;
                tracing::info!(
                    appid = %slot.appid, kind = kind.as_str(), version = token.version, expires_in = lives, forced = force, "{}", say("已取得", "fetched")
                );
                Ok((token, gate))
            }
            Err(error) => {
                self.note_failure(app, slot, &error);
                Err(error)
            }
        }
    }

    /// Takes a value for the present one, and keeps it: first here, or first in the store if other nodes look there. Gives the
    /// one that stands.
    pub(super) async fn take(&self, app: &App, slot: &Slot, gate: &Gate, token: Arc<Token>) -> Arc<Token> {
        if self.0.parts.store.is_shared() {
            if let Kept::Others(theirs) = self.keep(app, slot, &token, gate.turn).await {
                return theirs;
            }
            slot.publish(gate, &token);
        } else {
            slot.publish(gate, &token);
            self.keep(app, slot, &token, gate.turn).await;
        }
        token
    }

    /// Remembers what became of the app's token.
    pub(super) fn became(&self, app: &App, became: Became, errcode: i64, ms: Option<i64>) {
        let Parts { rings, store, clock, .. } = &self.0.parts;
        rings.became(&app.appid, became, errcode, ms, clock.now(), store.node());
    }

    fn note_failure(&self, app: &App, slot: &Slot, error: &TokenError) {
        // The token's own slot rests for its refusal: a ticket only waits for that.
        let is_tokens = slot.kind != CredentialKind::AccessToken && matches!(error, TokenError::Refused(_));
        let rest = if is_tokens { Rest::Short } else { error.rest() };
        let wait = slot.failed(error.clone(), rest, self.now());
        // WeChat's own words may hold anything: only what is known of them is logged.
        let advice =
            error.refusal().map_or(Words::fixed("", ""), |refused| places::advice(&app.entry, refused));
        let ip = error.refusal().and_then(ApiError::refused_ip);
        tracing::warn!(
            appid = %slot.appid, kind = slot.kind.as_str(), %error, %advice, ip, retry_in_ms = wait,
            "{}", say("获取失败", "not fetched")
        );
    }

    async fn ask_for_token(&self, app: &App, force: bool) -> Result<Granted, TokenError> {
        let (appid, secret) = (app.entry.appid.as_str(), app.entry.secret.expose_secret());
        let transport = &app.transport;
        let deadline = transport.deadline();
        let mut asking = app.meter.asks(token_path(app), transport.clock().instant());
        let answer = match app.entry.token_mode {
            TokenMode::Stable => {
                let body = serde_json::json!({
                    "grant_type": "client_credential", "appid": appid, "secret": secret, "force_refresh": force,
                });
                let body = Bytes::from(body.to_string());
                transport.send(&STABLE_TOKEN, &[], Some(body), deadline).await
            }
            TokenMode::Classic => {
                let query = [("grant_type", "client_credential"), ("appid", appid), ("secret", secret)];
                transport.send(&TOKEN, &query, None, deadline).await
            }
        };
        let granted = granted(&answer?);
        match &granted {
            Ok(_) => asking.answered(0),
            Err(NotGranted::Said(error)) => asking.answered(error.errcode),
            Err(NotGranted::Lost(_)) => {}
        }
        granted.map_err(|no| match no {
            NotGranted::Said(error) => TokenError::Refused(Leaks::new(secret, "").hidden(error)),
            NotGranted::Lost(lost) => TokenError::Lost(lost),
        })
    }

    /// A ticket is had with the access_token, which may turn out to be dead. Boxed, because replacing that is a fetch again.
    fn ask_for_ticket<'a>(
        &'a self,
        app: &'a Arc<App>,
        kind: CredentialKind,
    ) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(self.ask_for_ticket_unboxed(app, kind))
    }

    async fn ask_for_ticket_unboxed(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
    ) -> Result<Granted, TokenError> {
        let attempt = TicketCall { app, kind };
        let granted = self.healed(app, &attempt).await.map_err(|error| match error {
            CallError::Token(error) => error,
            CallError::Lost(lost) => TokenError::TicketLost(lost),
            CallError::Refused(error) => TokenError::TicketRefused(error),
            CallError::Unknown => TokenError::TicketLost(Lost::before(
                "the access_token was refused, and nobody knows why",
                "微信拒绝了 access_token，暂时查不出原因",
            )),
            CallError::Again => TokenError::TicketLost(Lost::before(
                "the access_token has just been replaced",
                "access_token 刚换新",
            )),
        })?;
        granted.map_err(|no| match no {
            NotGranted::Said(error) => TokenError::TicketRefused(error),
            NotGranted::Lost(lost) => TokenError::TicketLost(lost),
        })
    }
}

/// WeChat's code, if it answered with one.
fn code_of(error: &TokenError) -> i64 {
    error.refusal().map_or(0, |refused| refused.errcode)
}

/// Where an app's token comes from.
fn token_path(app: &App) -> &'static str {
    match app.entry.token_mode {
        TokenMode::Stable => STABLE_TOKEN.path,
        TokenMode::Classic => TOKEN.path,
    }
}

struct TicketCall<'a> {
    app: &'a App,
    kind: CredentialKind,
}

impl TokenCall for TicketCall<'_> {
    type Answer = Result<Granted, NotGranted>;

    fn path(&self) -> &str {
        GET_TICKET.path
    }

    fn request(&self) -> Cow<'_, PassRequest> {
        let query = [("type", self.kind.as_str())];
        Cow::Owned(PassRequest::typed(&"-".into(), &self.app.appid, &GET_TICKET, &query, None))
    }

    async fn read(&self, answer: PassAnswer) -> Result<Self::Answer, Lost> {
        Ok(granted(&answer.whole(self.app.transport.limits()).await?))
    }

    async fn send(&self, token: &Token, deadline: Instant) -> Result<(Self::Answer, Said), Lost> {
        let query = [("access_token", token.expose()), ("type", self.kind.as_str())];
        let mut asking = self.app.meter.asks(GET_TICKET.path, self.app.transport.clock().instant());
        let answer = self.app.transport.send(&GET_TICKET, &query, None, deadline).await?;
        let leaks = Leaks::new(self.app.entry.secret.expose_secret(), token.expose());
        Ok(match granted(&answer) {
            Ok(granted) => {
                asking.answered(0);
                (Ok(granted), Said::Accepted)
            }
            Err(NotGranted::Said(error)) => {
                asking.answered(error.errcode);
                let error = leaks.hidden(error);
                let said = Said::of(&error);
                (Err(NotGranted::Said(error)), said)
            }
            Err(lost) => (Err(lost), Said::Nothing),
        })
    }
}
