//! One sandbox on a free port, and a client that speaks WeChat.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sandbox::Sandbox;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

pub(crate) const OFFICIAL: &str = "wx00000000000000a1";
pub(crate) const MINI: &str = "wx00000000000000b2";
pub(crate) const EXAMPLE: &str = "wx3cc8fd6963e31a32";
pub(crate) const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";
/// Declares first, keyword1, keyword2, remark.
pub(crate) const DECLARED: &str = "sandbox-template-00000000000000000000000002";
/// Of subscriptions: thing1, time2.
pub(crate) const SUBSCRIPTION: &str = "sandbox-template-00000000000000000000000003";

pub(crate) fn secret(appid: &str) -> String {
    match appid {
        OFFICIAL => "a1",
        MINI => "b2",
        EXAMPLE => "c3",
        _ => "d4",
    }
    .repeat(16)
}

pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    caller: Caller,
}

/// Who calls one world.
#[derive(Clone)]
pub(crate) struct Caller {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// 2026-01-02 in Beijing, half past three in the afternoon.
pub(crate) const START: i64 = 1_767_339_000_000;

impl Rig {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::around(Sandbox::start(listener, Arc::new(|| START)))
    }

    /// One whose chance is a seed's, and whose world begins as a text says.
    pub(crate) async fn start_as(seed: Option<u64>, world: Option<&str>) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Sandbox::start_as(listener, Arc::new(|| START), seed, world).await.map(Self::around)
    }

    fn around(sandbox: Sandbox) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let caller = Caller { url: sandbox.url(), client };
        Self { sandbox, caller }
    }
}

impl std::ops::Deref for Rig {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Caller {
    /// Another world of the same sandbox.
    pub(crate) fn world(&self, name: &str) -> Self {
        Self { url: format!("{}/sandbox/worlds/{name}", self.url), client: self.client.clone() }
    }

    /// An error is a connection that was cut.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // What is wrong with control calls is said in the language of the tests.
        if path.starts_with("/sandbox/") && !headers.iter().any(|(name, _)| *name == "accept-language") {
            request = request.header("accept-language", "en");
        }
        let request = request.body(Full::from(body.into())).unwrap();
        let answer = self.client.request(request).await.map_err(|e| e.to_string())?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &[], body.to_string()).await.unwrap()
    }

    /// A control call that works.
    pub(crate) async fn control(&self, name: &str, body: Value) -> Value {
        let reply = self.post(&format!("/sandbox/{name}"), body).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        reply.json()
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        self.control("clock", json!({"advance_seconds": seconds})).await;
    }

    pub(crate) async fn state(&self) -> Value {
        self.get("/sandbox/state").await.json()
    }

    /// A stable token call: `(access_token, expires_in)`.
    pub(crate) async fn stable(&self, appid: &str, force: bool) -> (String, i64) {
        let body = json!({
            "grant_type": "client_credential", "appid": appid, "secret": secret(appid), "force_refresh": force,
        });
        token(&self.post("/cgi-bin/stable_token", body).await)
    }

    /// A classic one.
    pub(crate) async fn classic(&self, appid: &str) -> (String, i64) {
        token(&self.get(&classic_path(appid)).await)
    }

    /// A POST with a token of the account.
    pub(crate) async fn call(&self, appid: &str, path: &str, body: Value) -> Reply {
        let (token, _) = self.stable(appid, false).await;
        self.post(&format!("{path}?access_token={token}"), body).await
    }

    /// A GET with a token of the account; `query` without its `?`.
    pub(crate) async fn ask(&self, appid: &str, path: &str, query: &str) -> Reply {
        let (token, _) = self.stable(appid, false).await;
        self.get(&format!("{path}?access_token={token}&{query}")).await
    }

    /// A file as an HTML form sends it.
    pub(crate) async fn upload(
        &self,
        appid: &str,
        path: &str,
        field: &str,
        name: &str,
        file: &[u8],
    ) -> Reply {
        let (token, _) = self.stable(appid, false).await;
        let head = format!(
            "--B1\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), file, b"\r\n--B1--\r\n"].concat();
        let path = format!("{path}?access_token={token}");
        self.send(Method::POST, &path, &[("content-type", "multipart/form-data; boundary=B1")], body)
            .await
            .unwrap()
    }

    /// A user of the account who has just logged in there: openid and session key.
    pub(crate) async fn visitor(&self, appid: &str) -> (String, String) {
        let openid = self.user(appid).await;
        let key = self.log_in(appid, &openid).await;
        (openid, key)
    }

    /// The user logs in: the session key.
    pub(crate) async fn log_in(&self, appid: &str, openid: &str) -> String {
        let given = self.control("login/code", json!({"appid": appid, "openid": openid})).await;
        let session = self
            .get(&format!(
                "/sns/jscode2session?appid={appid}&secret={}&js_code={}&grant_type=authorization_code",
                secret(appid),
                given["code"].as_str().unwrap()
            ))
            .await;
        session.json()["session_key"].as_str().unwrap().to_owned()
    }

    /// An upload of a file by this name, as `image/png`.
    pub(crate) async fn upload_media(&self, appid: &str, kind: &str, name: &str, bytes: &[u8]) -> Reply {
        let (token, _) = self.stable(appid, false).await;
        let mut body = format!(
            "--B1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--B1\r\nContent-Disposition: form-data; \
             name=\"media\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        body.extend(bytes);
        body.extend(b"\r\n--B1--\r\n");
        let path = format!("/cgi-bin/media/upload?access_token={token}&type={kind}");
        let headers = [("content-type", "multipart/form-data; boundary=B1")];
        self.send(Method::POST, &path, &headers, body).await.unwrap()
    }

    /// A file that was uploaded.
    pub(crate) async fn media(&self, appid: &str, media_id: &str) -> Reply {
        let (token, _) = self.stable(appid, false).await;
        self.get(&format!("/cgi-bin/media/get?access_token={token}&media_id={media_id}")).await
    }

    /// What a business call says of this token.
    pub(crate) async fn verdict(&self, token: &str) -> i64 {
        errcode(&self.get(&format!("/cgi-bin/get_api_domain_ip?access_token={token}")).await)
    }

    /// A new user's openid.
    pub(crate) async fn user(&self, appid: &str) -> String {
        let user = self.control("users", json!({})).await;
        user["openids"][appid].as_str().unwrap().to_owned()
    }

    /// A new user who follows the account.
    pub(crate) async fn follower(&self, appid: &str) -> String {
        let openid = self.user(appid).await;
        self.control("event", json!({"appid": appid, "openid": openid, "event": "subscribe", "key": ""}))
            .await;
        openid
    }
}

pub(crate) fn classic_path(appid: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={}", secret(appid))
}

fn token(reply: &Reply) -> (String, i64) {
    let body = reply.json();
    let token = body["access_token"].as_str().unwrap_or_else(|| panic!("{body}"));
    (token.to_owned(), body["expires_in"].as_i64().unwrap())
}

/// The answer's errcode; 0 if it has none.
pub(crate) fn errcode(reply: &Reply) -> i64 {
    reply.json().get("errcode").map_or(0, |code| code.as_i64().unwrap())
}

/// The refusal's code, after a look at its form.
pub(crate) fn refused(reply: &Reply) -> i64 {
    assert_eq!(reply.status, 200);
    let body = reply.json();
    let text = body["errmsg"].as_str().unwrap();
    assert!(wechat::errcode::rid(text).is_some(), "{text}");
    body["errcode"].as_i64().unwrap()
}

/// A white picture.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::RgbImage::from_pixel(width, height, image::Rgb([255; 3]))
        .write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png)
        .unwrap();
    bytes
}

/// The refusal's words.
pub(crate) fn words(reply: &Reply) -> String {
    reply.json()["errmsg"].as_str().unwrap().to_owned()
}

/// What a picture says when it is scanned.
pub(crate) fn scan(picture: &[u8]) -> String {
    let picture = image::load_from_memory(picture).unwrap().to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        picture.get_pixel(x as u32, y as u32).0[0]
    });
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the picture");
    grids[0].decode().unwrap().1
}
