//! What is left of WeChat's quotas.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::changes::read;
use super::{Api, Refusal, whole, wrong};
use crate::errors;
use crate::handover::CallError;
use crate::lang::Words;
use crate::store::WxQuota;
use crate::wx_quotas::Unknown;

/// Paths are no longer.
const LONGEST_PATH: usize = 200;

impl Api {
    fn quota_json(&self, quota: &WxQuota) -> Value {
        let WxQuota { appid, api, asked_at, limit, used, remain, rate } = quota;
        let live = self.parts.registry.live();
        let count = |name: &str, counts: &crate::registry::usage::Used| {
            let calls = counts.calls.get(api.as_str()).map(|count| count.calls).filter(|calls| *calls > 0)?;
            Some(json!({"name": name, "n": calls}))
        };
        let callers: Vec<Value> =
            live.callers.all().iter().filter_map(|one| count(&one.name, &one.usage.used())).collect();
        json!({
            "appid": appid, "api": api, "limit": limit, "used": used, "remain": remain,
            "rate": rate.map(|(calls, seconds)| json!({"calls": calls, "seconds": seconds})),
            "asked_at": asked_at / 1000, "callers": callers,
        })
    }
}

/// `GET /quota`
pub(super) async fn list(State(api): State<Api>) -> Result<Response, Refusal> {
    let known = api.parts.store.wx_quotas().await?;
    // Those of which WeChat told nothing were asked for all the same.
    let items: Vec<Value> =
        known.iter().filter(|quota| quota.limit > 0).map(|quota| api.quota_json(quota)).collect();
    Ok(whole(&items))
}

/// `POST /quota/ask`
pub(super) async fn ask(State(api): State<Api>, body: Body) -> Result<Response, Refusal> {
    let asked = read(body).await?;
    let text = |name: &str| asked[name].as_str().unwrap_or_default();
    let app = api.parts.registry.live().app(text("appid")).cloned();
    let app = app.ok_or_else(|| wrong("appid", "没有配置", "is not configured"))?;
    let path = text("api");
    if !path.starts_with('/') || path.len() > LONGEST_PATH {
        return Err(wrong(
            "api",
            "应是微信的接口路径，如 /cgi-bin/message/template/send",
            "must be a path of WeChat's, as /cgi-bin/message/template/send",
        ));
    }
    match api.wx_quotas.ask(&app, path).await {
        Ok(quota) => Ok(axum::Json(api.quota_json(&quota)).into_response()),
        Err(Unknown::Store(error)) => Err(error.into()),
        Err(error) => Err(untold(&error)),
    }
}

/// WeChat told nothing.
fn untold(error: &Unknown) -> Refusal {
    let words = match error {
        Unknown::Call(CallError::Refused(refused)) => {
            let code = refused.errcode;
            let told = errors::lookup(code).map_or(Words::fixed("", ""), |help| help.words);
            Words::new(
                format!("微信没有给出额度（{code}）：{}", told.zh),
                format!("WeChat tells none ({code}): {}", told.en),
            )
        }
        error => Words::new(format!("微信没有给出额度：{error}"), format!("WeChat tells none: {error}")),
    };
    Refusal(StatusCode::CONFLICT, words)
}
