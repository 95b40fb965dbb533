//! Accounts tried because an operator asks: does WeChat take their credentials now, and if not, why?

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use wechat::answer::ApiError;

use super::changes::{members_of, missing};
use super::{Api, Refusal};
use crate::clock::Instant;
use crate::entries::{self, AppEntry, EntryKind};
use crate::http::wants_english;
use crate::lang::Words;
use crate::people::Actor;
use crate::places;
use crate::registry::App;
use crate::slots::TokenError;
use crate::transport::Lost;

/// What came of it.
type Tried = Result<Option<ApiError>, Lost>;

impl Api {
    fn app(&self, appid: &str) -> Result<Arc<App>, Refusal> {
        let app = self.parts.registry.live().app(appid).cloned();
        let app = app.ok_or_else(|| missing(EntryKind::App, appid))?;
        if app.entry.kind.has_token() { Ok(app) } else { Err(no_token()) }
    }

    /// `began`: when WeChat was asked.
    fn told(&self, app: &AppEntry, tried: &Tried, began: Instant, english: bool) -> Value {
        let ms = u64::try_from((self.parts.clock.instant() - began).as_millis()).unwrap_or(u64::MAX);
        let advice = match tried {
            Ok(None) => None,
            Ok(Some(error)) => Some(places::advice(app, error)),
            Err(lost) => Some(Words::new(
                format!("{}：检查网络、wechat.api_base 和 wechat.proxy", lost.zh),
                format!("{}: check the network, wechat.api_base and wechat.proxy", lost.why),
            )),
        };
        let advice = advice.map(|words| words.of(english).to_owned()).filter(|text| !text.is_empty());
        let refused = tried.as_ref().ok().and_then(Option::as_ref);
        json!({
            "ok": matches!(tried, Ok(None)),
            "errcode": tried.as_ref().ok().map(|error| error.as_ref().map_or(0, |error| error.errcode)),
            "advice": advice,
            "ip": refused.and_then(ApiError::refused_ip),
            "ms": ms,
        })
    }

    /// Notes who did it.
    async fn noted(
        &self,
        actor: &Actor,
        action: &str,
        appid: &str,
        answer: Value,
    ) -> Result<Response, Refusal> {
        let line = self.line(actor, action, format!("apps/{appid}"), Value::Null, answer.clone());
        self.parts.store.keep_audit(line).await?;
        Ok(axum::Json(answer).into_response())
    }
}

fn no_token() -> Refusal {
    let words = Words::fixed(
        "这类账号没有 access_token：到第一次网页授权时才知道凭据对不对",
        "this kind of account has no access_token: its first web OAuth shows whether the credentials are right",
    );
    Refusal(StatusCode::CONFLICT, words)
}

/// `POST /apps/{appid}/check`: does WeChat take the credentials, from here? Disturbs no token.
pub(super) async fn check(
    State(api): State<Api>,
    Path(appid): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let app = api.app(&appid)?;
    let began = api.parts.clock.instant();
    let tried = api.upstream.tokens().check(&app).await;
    let answer = api.told(&app.entry, &tried, began, wants_english(&headers));
    api.noted(&actor, "check", &appid, answer).await
}

/// `POST /apps/{appid}/refresh`: the access_token is fetched now.
pub(super) async fn refresh(
    State(api): State<Api>,
    Path(appid): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let app = api.app(&appid)?;
    let began = api.parts.clock.instant();
    let tried = match api.upstream.tokens().renewed(&app).await {
        Ok(_) => Ok(None),
        Err(TokenError::Refused(error) | TokenError::TicketRefused(error)) => Ok(Some(error)),
        Err(TokenError::Lost(lost) | TokenError::TicketLost(lost)) => Err(lost),
        Err(TokenError::None) => return Err(no_token()),
    };
    let answer = api.told(&app.entry, &tried, began, wants_english(&headers));
    api.noted(&actor, "refresh", &appid, answer).await
}

/// `POST /apps/check`: an account that isn't made yet, of which appid and secret are enough. Nothing of it is kept.
pub(super) async fn try_new(api: &Api, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let mut members = members_of(body).await?;
    members.entry("kind").or_insert_with(|| "official".into());
    let judged = entries::judge(EntryKind::App, &members);
    let mut judged =
        judged.map_err(|wrong| Refusal(StatusCode::UNPROCESSABLE_ENTITY, entries::in_a_line(&wrong.0)))?;
    let app = judged.apps.remove(0);
    if !app.kind.has_token() {
        return Err(no_token());
    }
    let began = api.parts.clock.instant();
    let tried = api.upstream.try_account(&app).await;
    let answer = api.told(&app, &tried, began, wants_english(headers));
    Ok(axum::Json(answer).into_response())
}
