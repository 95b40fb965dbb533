//! The sample backend: shows each message it gets, and answers texts.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::http::server::{Server, Tls};
use crate::http::{Body, whole};

/// Serves on `listener` until it is closed.
pub(super) fn start(listener: TcpListener) -> std::io::Result<Server> {
    Server::start(listener, Tls::default(), CancellationToken::new(), |request, _, _| receive(request))
}

async fn receive(request: Request<Incoming>) -> Response<Body> {
    if request.method() == Method::GET { came_back(&request) } else { webhook(request).await }
}

/// A browser that logged in at WeChat.
fn came_back(request: &Request<Incoming>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        let found = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
        // Only what codes and states are made of, so that nothing needs escaping.
        let value = found.map(|(_, value)| value.into_owned()).unwrap_or_default();
        value.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
    };
    let (code, state) = (parameter("code"), parameter("state"));
    let _ = print(&format!("[示例后端] 浏览器登录后回来了 state={state}\n"));
    let text =
        format!("登录完成：state={state}\n用这个 code 调用 getwxuserinfo（5 分钟内，一次有效）：\n{code}\n");
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    whole(response)
}

/// A message, as docs/callbacks.md describes it.
async fn webhook(request: Request<Incoming>) -> Response<Body> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let webhook: Value = serde_json::from_slice(&body).unwrap_or_default();
    let data = &webhook["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!(
        "[示例后端] {} appid={} openid={}",
        webhook["type"].as_str().unwrap_or("?"),
        text("appid"),
        text("openid")
    );
    for name in ["scene", "event_key", "content"] {
        let value = text(name);
        if !value.is_empty() {
            line.push_str(&format!(" {name}={}", value.replace(char::is_control, " ")));
        }
    }
    // A closed terminal is no reason to refuse a message.
    let _ = print(&format!("{line}\n"));
    let answer = match webhook["type"].as_str() {
        Some("wechat.message.text") => {
            json!({"MsgType": "text", "Content": format!("收到：{}", text("content"))}).to_string()
        }
        _ => String::new(),
    };
    whole(Response::new(Full::new(Bytes::from(answer))))
}
