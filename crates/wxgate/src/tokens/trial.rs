//! Credentials tried because somebody asked: whether WeChat takes them, without disturbing anybody's token.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::json;
use wechat::answer::{ApiError, errcode};
use wechat::catalog::STABLE_TOKEN;

use super::{Said, Tokens};
use crate::entries::AppEntry;
use crate::registry::App;
use crate::rules::leaks::Leaks;
use crate::slots::{CredentialKind, Token, TokenError, Way};
use crate::transport::{Lost, Transport, json_answer};

/// Tries an account's credentials by stable_token in normal mode, which gives everybody the same token: WeChat's refusal, if it
/// answered with one.
pub async fn try_account(transport: &Transport, app: &AppEntry) -> Result<Option<ApiError>, Lost> {
    let secret = app.secret.expose_secret();
    let body = json!({
        "grant_type": "client_credential", "appid": app.appid, "secret": secret, "force_refresh": false,
    });
    let body = Some(Bytes::from(body.to_string()));
    let answer = transport.send(&STABLE_TOKEN, &[], body, transport.deadline()).await?;
    json_answer(&answer)?;
    Ok(errcode(&answer.body).map(|error| Leaks::new(secret, "").hidden(error)))
}

impl Tokens {
    /// Tries the credentials of `app` from here. Whoever waited after a failure waits no longer; where they are taken, what
    /// couldn't be had is had now.
    pub async fn check(&self, app: &Arc<App>) -> Result<Option<ApiError>, Lost> {
        app.slots.iter().for_each(|slot| slot.end_back_off());
        let answer = try_account(&app.transport, &app.entry).await;
        let said = match &answer {
            Ok(None) => Said::Done,
            Ok(Some(error)) => Said::Failed(error.clone()),
            Err(_) => Said::Nothing,
        };
        self.heard(app, Way::TokenCall, STABLE_TOKEN.path, &said);
        if said == Said::Done && app.slots.of(CredentialKind::AccessToken).trouble().is_some() {
            // What comes of it stands on the slot.
            drop(self.renewed(app).await);
        }
        self.0.slots.wake().all();
        answer
    }

    /// Fetches the app's access_token now: in stable mode in normal mode, which disturbs nobody, in classic mode another one. Whoever
    /// waited after a failure waits no longer.
    pub async fn renewed(&self, app: &Arc<App>) -> Result<Arc<Token>, TokenError> {
        if !app.entry.kind.has_token() {
            return Err(TokenError::None);
        }
        app.slots.iter().for_each(|slot| slot.end_back_off());
        let slot = app.slots.of(CredentialKind::AccessToken);
        let used = slot.newest().map(|token| token.version);
        let gate = slot.lock().await;
        self.in_task(app, CredentialKind::AccessToken, gate, used, |token| token, Self::fetch_normal).await
    }
}
