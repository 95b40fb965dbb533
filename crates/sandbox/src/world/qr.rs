//! Codes to scan: parametric QR codes with their tickets, mini-program codes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Kind, Outcome, Refusal, World, random_text};

const MAX_SECONDS: i64 = 2_592_000;
const MAX_PERMANENT: u32 = 100_000;
/// Tickets remembered.
const KEPT: usize = 100_000;
/// What may stand in the scene of a mini-program code besides letters and digits.
const SCENE_MARKS: &str = "!#$&'()*+,/:;=?@-._~";

/// A parametric QR code.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) appid: String,
    pub(crate) scene: String,
    pub(crate) url: String,
    /// Unix milliseconds; a permanent one has none.
    pub(crate) expires_at: Option<i64>,
}

impl World {
    /// `POST /cgi-bin/qrcode/create`
    pub(crate) fn create_qr(&mut self, appid: &str, request: &Value) -> Outcome<Value> {
        if self.accounts.get(appid).is_none_or(|account| account.kind != Kind::Official) {
            return Err(48001.into());
        }
        let (permanent, by_id) = match request["action_name"].as_str() {
            Some("QR_SCENE") => (false, true),
            Some("QR_STR_SCENE") => (false, false),
            Some("QR_LIMIT_SCENE") => (true, true),
            Some("QR_LIMIT_STR_SCENE") => (true, false),
            _ => return Err(40052.into()),
        };
        let scene = request["action_info"]["scene"].as_object().ok_or(Refusal::from(40053))?;
        let scene = if by_id {
            let id = scene.get("scene_id").and_then(Value::as_i64).ok_or(Refusal::from(40129))?;
            let most = if permanent { 100_000 } else { i64::from(u32::MAX) };
            if !(1..=most).contains(&id) {
                return Err(40129.into());
            }
            id.to_string()
        } else {
            let text = scene.get("scene_str").and_then(Value::as_str).ok_or(Refusal::from(40129))?;
            if !(1..=64).contains(&text.chars().count()) {
                return Err(40129.into());
            }
            text.to_owned()
        };
        let seconds = match &request["expire_seconds"] {
            Value::Null => 60,
            value => value.as_i64().filter(|seconds| *seconds > 0).ok_or(Refusal::from(40097))?,
        };
        if !self.count(appid, "qrcode/create", 86_400, 100_000) {
            return Err(45009.into());
        }
        let now = self.now();
        if permanent {
            let Some(account) = self.accounts.get_mut(appid) else {
                return Err(40013.into());
            };
            if account.permanent_codes >= MAX_PERMANENT {
                return Err(45029.into());
            }
            account.permanent_codes += 1;
        }
        if self.tickets.len() >= KEPT {
            self.tickets.clear();
        }
        let ticket = BASE64_STANDARD.encode(format!("gQ{}{}", random_text(64), "=="));
        let url = format!("http://weixin.qq.com/q/{}", random_text(20));
        let seconds = seconds.min(MAX_SECONDS);
        let made = Ticket {
            appid: appid.to_owned(),
            scene,
            url: url.clone(),
            expires_at: (!permanent).then_some(now + seconds * 1000),
        };
        self.tickets.insert(ticket.clone(), made);
        let mut answer = json!({"ticket": ticket, "url": url});
        if !permanent {
            answer["expire_seconds"] = seconds.into();
        }
        Ok(answer)
    }

    /// The text and width of `POST /wxa/getwxacodeunlimit`'s picture.
    pub(crate) fn wxa_code(&mut self, appid: &str, request: &Value) -> Outcome<(String, u32)> {
        let Value::String(scene) = &request["scene"] else { return Err(40169.into()) };
        if !(1..=32).contains(&scene.chars().count()) {
            return Err(40169.into());
        }
        if !scene.chars().all(|c| c.is_ascii_alphanumeric() || SCENE_MARKS.contains(c)) {
            return Err(40129.into());
        }
        let page = request["page"].as_str().unwrap_or_default();
        if page.starts_with('/') || page.contains('?') {
            return Err(41030.into());
        }
        if page.contains("scancode_time") {
            return Err(85096.into());
        }
        if !matches!(request["env_version"].as_str().unwrap_or("release"), "release" | "trial" | "develop") {
            return Err(40097.into());
        }
        let is_checked = request["check_path"].as_bool().unwrap_or(true);
        if is_checked && !matches!(page, "" | "pages/index/index") {
            return Err(41030.into());
        }
        if !self.count(appid, "getwxacodeunlimit", 60, 5000) {
            return Err(45009.into());
        }
        let page = if page.is_empty() { "pages/index/index" } else { page };
        let width = request["width"].as_i64().unwrap_or(430).clamp(280, 1280);
        let text = format!("https://wxa.example/{appid}/{page}?scene={scene}");
        Ok((text, u32::try_from(width).unwrap_or(430)))
    }
}
