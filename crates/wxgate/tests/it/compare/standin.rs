//! A WeChat that is not the sandbox: it answers in the forms that WeChat's documentation shows, with other values each time, and
//! does nothing else. One difference of `differences.json` can be planted in it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::backend::{Backend, Does, Got, says};

/// Stands in every text that it makes up.
pub(crate) const VALUE: &str = "VALUE";
const JSON: &str = "application/json; encoding=utf-8";
const JPEG: &[u8] = &[0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10, b'J', b'F', b'I', b'F', 0, 1, 2, 3, 0xFF, 0xD9];
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// What it is about to say.
struct Answer {
    status: u16,
    content_type: String,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

enum Content {
    Json(Value),
    Bytes(Bytes),
}

impl Answer {
    fn json(content_type: &str, value: Value) -> Self {
        Self {
            status: 200,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            content: Content::Json(value),
        }
    }

    fn picture() -> Self {
        let content = Content::Bytes(Bytes::from_static(JPEG));
        Self { content_type: "image/jpeg".to_owned(), content, ..Self::json("", Value::Null) }
    }

    fn does(self, rng: &mut Rng) -> Does {
        let body = match self.content {
            Content::Bytes(bytes) => bytes,
            // A control character within a name, as users have them.
            Content::Json(value) => match rng.one_in(20) {
                true => value.to_string().replace("-nick-", "-\u{14}-").into(),
                false => value.to_string().into(),
            },
        };
        let does = self
            .headers
            .into_iter()
            .fold(says(self.status, body), |does, (name, value)| does.header(name, value));
        if self.content_type.is_empty() { does } else { does.header("content-type", self.content_type) }
    }
}

/// Numbers that look like chance, the same each time.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn text(&mut self) -> String {
        let more = self.of(&["", "汉字", "🐠", "\"quoted\"", "\\", "a b", "<x>"]);
        format!("{VALUE}{:x}{more}", self.next())
    }

    fn time(&mut self) -> u64 {
        1_600_000_000 + self.below(200_000_000)
    }

    fn rid(&mut self) -> String {
        let part = |n: u64| format!("{:08x}", n & 0xffff_ffff);
        format!("{}-{}-{}", part(self.next()), part(self.next()), part(self.next()))
    }
}

struct State {
    rng: Rng,
    plant: Option<Value>,
    /// Whether calls are refused now and then.
    is_moody: bool,
}

/// See the module.
pub(crate) struct Standin {
    pub(crate) backend: Backend,
    /// Whether calls are refused now and then, and members come and go.
    pub(crate) is_moody: bool,
    state: Arc<Mutex<State>>,
}

impl Standin {
    pub(crate) async fn start(is_moody: bool) -> Self {
        let backend = Backend::start().await;
        let state = Arc::new(Mutex::new(State { rng: Rng::new(15), plant: None, is_moody }));
        let held = state.clone();
        backend.does(move |got| {
            let state = &mut *held.lock().unwrap();
            let mut answer = state.answer(got);
            let code = match &answer.content {
                Content::Json(value) => value["errcode"].as_i64().unwrap_or(0),
                Content::Bytes(_) => 0,
            };
            if let Some(plant) = &state.plant
                && plant["call"] == got.path
                && plant["errcode"].as_i64().unwrap_or(0) == code
            {
                put(&plant["plant"], &mut answer);
            }
            answer.does(&mut state.rng)
        });
        Self { backend, is_moody, state }
    }

    /// From now on answers have this difference, or none.
    pub(crate) fn plant(&self, difference: Option<&Value>) {
        self.state.lock().unwrap().plant = difference.cloned();
    }
}

/// Refusals that are documented, by path.
const REFUSALS: &[(&str, &[(i64, &str)])] = &[
    (
        "/cgi-bin/user/info",
        &[(40003, "invalid openid"), (45009, "reach max api daily quota limit"), (-1, "system error")],
    ),
    ("/cgi-bin/user/get", &[(40003, "invalid openid"), (48001, "api unauthorized")]),
    (
        "/cgi-bin/message/template/send",
        &[
            (40037, "invalid template_id"),
            (43004, "require subscribe"),
            (40003, "invalid openid"),
            (47003, "argument invalid! data.keyword1.value is empty"),
            (47001, "data format error"),
        ],
    ),
    ("/cgi-bin/qrcode/create", &[(40129, "invalid scene"), (47001, "data format error")]),
    ("/wxa/getwxacodeunlimit", &[(41030, "invalid page"), (45009, "reach max api daily quota limit")]),
    ("/wxa/business/getuserphonenumber", &[(40029, "invalid code"), (40013, "invalid appid")]),
    (
        "/sns/jscode2session",
        &[
            (40029, "invalid code"),
            (40163, "code been used"),
            (40226, "whatever WeChat says of VALUE"),
            (45011, "api minute-quota reach limit, must slower, retry next minute"),
        ],
    ),
    ("/cgi-bin/media/get", &[(40007, "invalid media_id")]),
];

impl State {
    fn answer(&mut self, got: &Got) -> Answer {
        let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let content_type = if got.path.starts_with("/sns/") { "text/plain" } else { JSON };
        let refusals =
            REFUSALS.iter().find(|(path, _)| *path == got.path).map_or(&[][..], |(_, refusals)| refusals);
        let is_asked = got.query.contains("bad") || String::from_utf8_lossy(&got.body).contains("bad");
        if !refusals.is_empty() && (is_asked || (self.is_moody && self.rng.one_in(5))) {
            let (code, words) = if is_asked { refusals[0] } else { self.rng.of(refusals) };
            let comma = if content_type == JSON { "" } else { "," };
            let errmsg = format!("{words}{comma} rid: {}", self.rng.rid());
            return Answer::json(content_type, json!({"errcode": code, "errmsg": errmsg}));
        }
        match got.path.as_str() {
            "/wxa/getwxacodeunlimit" => Answer::picture(),
            "/cgi-bin/showqrcode" => {
                let cache = vec![("cache-control", "max-age=604800".to_owned())];
                Answer { headers: cache, content_type: "image/jpg".to_owned(), ..Answer::picture() }
            }
            "/cgi-bin/media/get" => {
                let (name, content_type) =
                    self.rng.of(&[("a.jpg", "image/jpeg"), ("b.png", "image/png"), ("c.gif", "image/gif")]);
                let disposition = format!("attachment; filename=\"{VALUE}{name}\"");
                // As the page shows it, doc/offiaccount/Asset_Management/Get_temporary_materials.html.
                let cache = "no-cache, must-revalidate".to_owned();
                let headers = vec![("content-disposition", disposition), ("cache-control", cache)];
                Answer { headers, content_type: content_type.to_owned(), ..Answer::picture() }
            }
            path => Answer::json(content_type, self.json(path, &got.query, &body)),
        }
    }

    fn json(&mut self, path: &str, query: &str, body: &Value) -> Value {
        match path {
            "/cgi-bin/stable_token" => {
                json!({"access_token": format!("{VALUE}_{:x}", self.rng.next()), "expires_in": 7200})
            }
            "/cgi-bin/ticket/getticket" => {
                json!({"errcode": 0, "errmsg": "ok", "ticket": format!("{VALUE}{:x}", self.rng.next()), "expires_in": 7200})
            }
            "/cgi-bin/user/info" => self.user(query.contains("gone")),
            "/cgi-bin/user/info/batchget" => {
                let asked = body["user_list"].as_array().cloned().unwrap_or_default();
                let users: Vec<Value> = asked
                    .iter()
                    .map(|one| self.user(one["openid"].as_str().is_some_and(|id| id.contains("gone"))))
                    .collect();
                json!({"user_info_list": users})
            }
            "/cgi-bin/user/get" => self.followers(),
            "/cgi-bin/message/template/send" => {
                json!({"errcode": 0, "errmsg": "ok", "msgid": self.rng.next() >> 2})
            }
            "/cgi-bin/template/get_all_private_template" => {
                let count = if self.is_moody { self.rng.below(3) } else { 1 };
                let list: Vec<Value> = (0..count).map(|_| self.template()).collect();
                json!({"template_list": list})
            }
            "/cgi-bin/qrcode/create" => {
                let mut made =
                    json!({"ticket": self.rng.text(), "expire_seconds": 1800, "url": self.rng.text()});
                if self.is_moody && self.rng.one_in(3) {
                    made.as_object_mut().unwrap().remove("expire_seconds");
                }
                made
            }
            "/wxa/business/getuserphonenumber" => self.phone(),
            "/sns/jscode2session" => {
                let session = json!({"session_key": self.rng.text(), "openid": self.rng.text()});
                self.with_unionid(session)
            }
            "/cgi-bin/openapi/quota/get" => self.quota(),
            "/cgi-bin/get_api_domain_ip" | "/cgi-bin/getcallbackip" => {
                json!({"ip_list": ["10.1.2.3", "10.1.2.4"]})
            }
            _ => json!({"errcode": 40066, "errmsg": format!("invalid url rid: {}", self.rng.rid())}),
        }
    }

    /// Not every account is bound to an open platform.
    fn with_unionid(&mut self, mut value: Value) -> Value {
        if !self.is_moody || self.rng.one_in(2) {
            value["unionid"] = self.rng.text().into();
        }
        value
    }

    fn user(&mut self, is_gone: bool) -> Value {
        if is_gone {
            let stranger = json!({"subscribe": 0, "openid": self.rng.text(), "tagid_list": []});
            return self.with_unionid(stranger);
        }
        let rng = &mut self.rng;
        let tags: Vec<u64> = (0..rng.below(4)).map(|_| rng.below(300)).collect();
        let user = json!({
            "subscribe": 1, "openid": rng.text(), "nickname": format!("{VALUE}-nick-{:x}", rng.next()), "sex": rng.below(3),
            "language": rng.of(&["zh_CN", "en", ""]), "city": "", "province": "", "country": "", "headimgurl": "",
            "subscribe_time": rng.time(), "remark": rng.text(), "groupid": rng.below(200), "tagid_list": tags,
            "subscribe_scene": rng.of(&["ADD_SCENE_SEARCH", "ADD_SCENE_QR_CODE", "ADD_SCENE_OTHERS"]),
            "qr_scene": rng.below(100_000), "qr_scene_str": rng.text(),
        });
        self.with_unionid(user)
    }

    fn followers(&mut self) -> Value {
        let count = if self.is_moody { self.rng.below(4) } else { 3 };
        let openids: Vec<String> = (0..count).map(|_| self.rng.text()).collect();
        let Some(last) = openids.last().cloned() else {
            return json!({"total": self.rng.below(9), "count": 0, "next_openid": ""});
        };
        json!({"total": 3 + self.rng.below(99), "count": count, "data": {"openid": openids}, "next_openid": last})
    }

    fn template(&mut self) -> Value {
        json!({
            "template_id": self.rng.text(), "title": self.rng.text(), "primary_industry": "IT", "deputy_industry": "",
            "content": "{{first.DATA}}", "example": self.rng.text(),
        })
    }

    fn phone(&mut self) -> Value {
        let country = if self.rng.one_in(3) { json!(86) } else { json!("86") };
        json!({"errcode": 0, "errmsg": "ok", "phone_info": {
            "phoneNumber": self.rng.text(), "purePhoneNumber": self.rng.text(), "countryCode": country,
            "watermark": {"timestamp": self.rng.time(), "appid": "wx00000000000000b2"},
        }})
    }

    fn quota(&mut self) -> Value {
        let mut quota = json!({
            "errcode": 0, "errmsg": "ok", "quota": {"daily_limit": self.rng.below(9999), "used": self.rng.below(99), "remain": 7},
        });
        if self.rng.one_in(2) {
            quota["rate_limit"] = json!({"call_count": 5000, "refresh_second": 60});
        }
        quota
    }
}

/// Puts the difference in.
fn put(plant: &Value, answer: &mut Answer) {
    if let Content::Json(value) = &mut answer.content {
        for pointer in plant["remove"].as_array().into_iter().flatten() {
            let (parent, name) = pointer.as_str().unwrap().rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).expect("it was there");
        }
        for (pointer, new) in plant["set"].as_object().into_iter().flatten() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            match value.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = new.clone(),
                object => object[name] = new.clone(),
            }
        }
    }
    if let Some(whole) = plant.get("answer") {
        answer.content = Content::Json(whole.clone());
    }
    if let Some(text) = plant["text"].as_str() {
        answer.content = Content::Bytes(Bytes::copy_from_slice(text.as_bytes()));
    }
    if plant["picture"] == true {
        answer.content = Content::Bytes(Bytes::from_static(PNG));
    }
    if plant["mark"] == true
        && let Content::Json(value) = &answer.content
    {
        answer.content = Content::Bytes(format!("\u{feff}{value}").into());
    }
    if let Some(status) = plant["status"].as_u64() {
        answer.status = u16::try_from(status).unwrap();
    }
    if let Some(content_type) = plant["content_type"].as_str() {
        content_type.clone_into(&mut answer.content_type);
    }
    if let Some(gone) = plant["without_header"].as_str() {
        answer.headers.retain(|(name, _)| *name != gone);
    }
}
