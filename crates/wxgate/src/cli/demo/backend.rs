//! The sample backend: shows each message it gets, and answers texts.

use bytes::Bytes;
use http::{Request, Response};
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

/// One webhook: the message of section "json" of the manual.
async fn receive(request: Request<Incoming>) -> Response<Body> {
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
