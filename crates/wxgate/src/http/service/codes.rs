//! Codes to scan: parametric QR codes of official accounts, mini-program codes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use wechat::catalog::{Endpoint, QRCODE_CREATE, SHOWQRCODE, WXACODE_UNLIMIT};

use super::fields::Members;
use super::{Call, Service, Success, failure, incomplete};
use crate::clock::millis;
use crate::http::problem::written;
use crate::lang::{Words, say};
use crate::parts::Parts;
use crate::problem::Problem;
use crate::store::NewCode;
use crate::upstream::{CallError, picture_type};

const DEFAULT_EXPIRE_SECONDS: i64 = 2_592_000;

impl Service {
    pub(super) async fn qr_code(&self, call: &Call) -> Result<Success, Problem> {
        let scene = match call.fields.text("scene") {
            // 24 characters that nobody guesses, so that a scan of it proves who was shown it.
            "" => self.0.parts.random.letters(24),
            scene => scene.to_owned(),
        };
        let permanent = call.fields.flag("permanent");
        let action = if permanent { "QR_LIMIT_STR_SCENE" } else { "QR_STR_SCENE" };
        let mut request = json!({"action_name": action, "action_info": {"scene": {"scene_str": scene}}});
        if !permanent {
            let seconds = call.fields.int("expire_seconds").unwrap_or(DEFAULT_EXPIRE_SECONDS);
            request["expire_seconds"] = seconds.into();
        }
        let made = self.ask(call, &QRCODE_CREATE, &[], Some(written(&request))).await?;
        let Some(ticket) = made["ticket"].as_str() else {
            return Err(incomplete(call, &QRCODE_CREATE));
        };
        // The code exists by now, and the same call again would make another: its ticket is told whatever comes of the rest.
        let unkept = self.keep(call, &made, ticket, &scene, permanent).await.err();
        let picture = self.shown(call, ticket).await;
        let mut body = json!({
            "flow_id": call.fields.text("flow_id"),
            "appid": call.app.entry.appid,
            "scene": scene,
            "ticket": ticket,
            "url": made["url"].as_str().unwrap_or_default(),
            "expire_seconds": made["expire_seconds"].as_i64().unwrap_or_default(),
            "qr_buffer": "",
        });
        if let Some(why) = &unkept {
            body["message"] = why.of(call.english).into();
        }
        match picture {
            Ok(picture) if call.wants_picture => return Ok(bare(picture)),
            Ok(picture) => body["qr_buffer"] = data_uri(&picture).into(),
            Err(why) => {
                tracing::warn!(
                    appid = %call.app.appid, reason = %why,
                    "{}", say("二维码已创建，但没有取到图片", "the code was made, but its picture could not be had")
                );
                body["message"] = without_picture(&why).of(call.english).into();
            }
        }
        Ok(Success::Body(body))
    }

    /// Keeps the code, so that its caller can ask who scanned it; or says why that isn't to be had.
    async fn keep(
        &self,
        call: &Call,
        made: &Value,
        ticket: &str,
        scene: &str,
        permanent: bool,
    ) -> Result<(), Words> {
        let Parts { store, clock, registry, .. } = &self.0.parts;
        let made_at = clock.now();
        let asked = call.fields.int("expire_seconds").unwrap_or(DEFAULT_EXPIRE_SECONDS);
        let seconds = made["expire_seconds"].as_i64().filter(|seconds| *seconds > 0).unwrap_or(asked);
        let code = NewCode {
            ticket,
            appid: &call.app.entry.appid,
            caller: &call.caller.name,
            flow_id: call.fields.text("flow_id"),
            scene,
            made_at,
            ends_at: (!permanent).then(|| made_at.saturating_add(seconds.saturating_mul(1000))),
            kept_for: millis(registry.live().retention.events),
        };
        match store.keep_code(code).await {
            Ok(true) => Ok(()),
            // The same scene has the same permanent code, whoever makes it.
            Ok(false) => Err(Words::fixed(
                "这个永久码别的调用方已经建过：getscanresult 只回答它，不回答你；换一个 scene，或让消息路由把扫码事件给你",
                "another caller made this permanent code before: getscanresult answers that one alone; take another scene, or have a route bring you the scans",
            )),
            Err(error) => {
                tracing::warn!(
                    appid = %call.app.appid, %error,
                    "{}", say("二维码已创建，但没能记下：getscanresult 查不到它", "the code was made, but couldn't be kept: getscanresult won't know it")
                );
                Err(Words::fixed(
                    "二维码已创建，但数据库没能记下它：getscanresult 查不到，扫码事件照常经消息路由到达",
                    "the code exists, but the store couldn't keep it: getscanresult won't know it; its scans come by the routes as ever",
                ))
            }
        }
    }

    /// The picture of a code that was made, or why there is none.
    async fn shown(&self, call: &Call, ticket: &str) -> Result<Bytes, Words> {
        let allowed =
            self.0.door.allow(&call.caller, SHOWQRCODE.path).await.map_err(|denied| denied.words())?;
        let query = [("ticket", ticket)];
        let picture = self.0.upstream.picture(&call.caller.name, &call.app, &SHOWQRCODE, &query, None);
        allowed.spent_on(picture, CallError::is_unsent).await.map_err(|error| reason(&error))
    }

    pub(super) async fn wxa_code(&self, call: &Call) -> Result<Success, Problem> {
        let mut request = Members::default();
        let members =
            ["scene", "page", "check_path", "env_version", "width", "auto_color", "line_color", "is_hyaline"];
        request.copy(&call.fields, &members);
        let picture = self.picture(call, &WXACODE_UNLIMIT, &[], Some(written(&request))).await?;
        if call.wants_picture {
            return Ok(bare(picture));
        }
        Ok(Success::Body(json!({
            "flow_id": call.fields.text("flow_id"),
            "appid": call.app.entry.appid,
            "qr_buffer": data_uri(&picture),
        })))
    }

    async fn picture(
        &self,
        call: &Call,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Bytes, Problem> {
        let allowed = self.0.door.allow(&call.caller, endpoint.path).await?;
        let picture = self.0.upstream.picture(&call.caller.name, &call.app, endpoint, query, body);
        let picture = allowed.spent_on(picture, CallError::is_unsent).await;
        picture.map_err(|failure| failure::problem(call, endpoint, failure))
    }
}

/// Why there is no picture. WeChat's own words may hold anything.
fn reason(error: &CallError) -> Words {
    match error {
        CallError::Lost(lost) => Words::new(lost.zh.to_string(), lost.why.to_string()),
        CallError::Refused(error) => {
            Words::new(format!("微信 {}", error.errcode), format!("WeChat {}", error.errcode))
        }
        CallError::Token(_) | CallError::Unknown | CallError::Again => {
            Words::fixed("没有可用的 access_token", "there is no access_token")
        }
    }
}

fn without_picture(why: &Words) -> Words {
    const PAGE: &str = "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=";
    Words::new(
        format!(
            "二维码已创建，但没有取到图片（{}）：用 ticket 到 {PAGE}… 取图，或用 url 自己画，不要重新创建",
            why.zh
        ),
        format!(
            "the code exists, but its picture could not be had ({}): get it with the ticket at {PAGE}…, or draw `url`; don't make the code again",
            why.en
        ),
    )
}

fn bare(picture: Bytes) -> Success {
    Success::Bytes(picture_type(&picture).unwrap_or("image/jpeg"), picture)
}

fn data_uri(picture: &[u8]) -> String {
    let media_type = picture_type(picture).unwrap_or("image/jpeg");
    format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(picture))
}
