//! Who a user is: web OAuth, mini-program login, phone number. All three spend a single-use code.

use std::sync::Arc;

use serde_json::{Value, json};
use wechat::catalog::{JSCODE2SESSION, OAUTH_ACCESS_TOKEN, PHONE_NUMBER, SNS_USERINFO};

use super::{Call, Service, Success, incomplete};
use crate::admit::Denied;
use crate::http::problem::written;
use crate::problem::Problem;
use crate::traces::carried;

impl Service {
    /// Runs `work` once for the call's code, in a task that outlives a caller who hangs up and keeps the call's place.
    pub(super) async fn once<W, F>(self, call: Call, work: W) -> Result<Success, Problem>
    where
        W: FnOnce(Self, Arc<Call>) -> F,
        F: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let call = Arc::new(call);
        let (this, work) = (self.clone(), work(self.clone(), call.clone()));
        let task =
            self.0.parts.tasks.spawn(carried(async move {
                this.0.once.run(&call.caller, &identity(&call, ""), work).await
            }));
        match task.await {
            Ok(Some(outcome)) => outcome.map(Success::Body),
            Ok(None) => Err(Problem::from(Denied::Overloaded).cause("stopping")),
            Err(panic) => Err(Problem::internal(&panic)),
        }
    }

    pub(super) async fn user_info(self, call: Arc<Call>) -> Result<Value, Problem> {
        // The exchange is kept by itself: if only the second step fails, the code is not lost.
        let exchange = self.exchange(&call);
        let granted = Box::pin(self.0.once.run(&call.caller, &identity(&call, "exchange"), exchange)).await?;
        let text = |name: &str| granted[name].as_str().unwrap_or_default();
        let mut body = json!({
            "appid": call.app.entry.appid,
            "openid": text("openid"),
            "unionid": text("unionid"),
            "nickname": "", "sex": 0, "province": "", "city": "", "country": "", "headimgurl": "",
            "privilege": [],
            "is_snapshot_user": u8::from(granted["is_snapshotuser"] == 1),
            "access_token": "", "refresh_token": "",
        });
        if !text("scope").split(',').any(|scope| matches!(scope.trim(), "snsapi_userinfo" | "snsapi_login")) {
            return Ok(body);
        }
        let lang = Some(call.fields.text("lang")).filter(|lang| !lang.is_empty()).unwrap_or("zh_CN");
        let query = [("access_token", text("access_token")), ("openid", text("openid")), ("lang", lang)];
        let profile = self.ask(&call, &SNS_USERINFO, &query, None).await?;
        for name in ["unionid", "nickname", "province", "city", "country", "headimgurl"] {
            if let Some(value) = profile[name].as_str().filter(|value| !value.is_empty()) {
                body[name] = value.into();
            }
        }
        if let Some(sex) = profile["sex"].as_i64() {
            body["sex"] = sex.into();
        }
        if profile["privilege"].is_array() {
            body["privilege"] = profile["privilege"].clone();
        }
        Ok(body)
    }

    async fn exchange(&self, call: &Call) -> Result<Value, Problem> {
        let query = [("code", call.fields.text("code")), ("grant_type", "authorization_code")];
        let granted = self.ask(call, &OAUTH_ACCESS_TOKEN, &query, None).await?;
        if granted["openid"].is_string() && granted["access_token"].is_string() {
            return Ok(granted);
        }
        Err(incomplete(call, &OAUTH_ACCESS_TOKEN))
    }

    pub(super) async fn session(self, call: Arc<Call>) -> Result<Value, Problem> {
        let query = [("js_code", call.fields.text("code")), ("grant_type", "authorization_code")];
        let session = self.ask(&call, &JSCODE2SESSION, &query, None).await?;
        if !session["openid"].is_string() {
            return Err(incomplete(&call, &JSCODE2SESSION));
        }
        Ok(json!({
            "appid": call.app.entry.appid,
            "openid": session["openid"],
            "unionid": session["unionid"].as_str().unwrap_or_default(),
            "session_key": session["session_key"].as_str().unwrap_or_default(),
        }))
    }

    pub(super) async fn phone(self, call: Arc<Call>) -> Result<Value, Problem> {
        let mut body = json!({"code": call.fields.text("code")});
        if let Some(openid) = call.fields.get("openid") {
            body["openid"] = openid.clone();
        }
        let answer = self.ask(&call, &PHONE_NUMBER, &[], Some(written(&body))).await?;
        let info = &answer["phone_info"];
        if !info.is_object() {
            return Err(incomplete(&call, &PHONE_NUMBER));
        }
        let text = |name: &str| match &info[name] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        Ok(json!({
            "appid": call.app.entry.appid,
            "purePhoneNumber": text("purePhoneNumber"),
            "phoneNumber": text("phoneNumber"),
            "countryCode": text("countryCode"),
        }))
    }
}

fn identity<'a>(call: &'a Call, step: &'a str) -> [&'a str; 4] {
    [call.fields.appid(), call.operation.name, call.fields.text("code"), step]
}
