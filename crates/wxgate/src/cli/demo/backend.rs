//! The sample backend: shows each message it gets, and answers texts.

use std::sync::Arc;

use crate::net::Inbound;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::clock::Clock;
use crate::config::Access;
use crate::http::problem::{Unhandled, bare_text};
use crate::http::server::{Carrier, Server, Surface, Tls};
use crate::http::{Body, whole};
use crate::lang::say;
use crate::limits::Limits;
use crate::outcome::{Outcome, Recorder};
use crate::random::Random;
use crate::shares::seats::Seats;
use crate::text;
use crate::traces::Traces;
use crate::workers::Workers;

/// Serves on `listener` until it is closed.
pub(super) fn start(listener: TcpListener) -> std::io::Result<Server> {
    let carrier = Carrier {
        limits: Arc::default(),
        clock: Clock::System,
        random: Random::System,
        recorder: Recorder::new(Access::Off, Clock::System, 0, Default::default(), Traces::default()),
        seats: Seats::new(Limits::default().connections),
        trusted_proxies: Arc::default(),
        workers: Workers::none(),
        draining: CancellationToken::new(),
    };
    Server::start(listener, Tls::default(), carrier, Backend)
}

/// What receives.
#[derive(Clone)]
struct Backend;

impl Surface for Backend {
    const NAME: &'static str = "sample-backend";

    async fn handle(&self, request: Request<Inbound>, _: &mut Outcome) -> Response<Body> {
        if request.method() == Method::GET { came_back(&request) } else { webhook(request).await }
    }

    fn refuse(&self, refused: &Unhandled<'_>, _: &mut Outcome) -> Response<Full<Bytes>> {
        bare_text(refused.status, "")
    }
}

/// A browser that logged in at WeChat.
fn came_back(request: &Request<Inbound>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        let found = text::pairs(query.as_bytes()).find(|(key, _)| key == name);
        // Only what codes and states are made of, so that nothing needs escaping.
        let value = found.map(|(_, value)| value.into_owned()).unwrap_or_default();
        value.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
    };
    let (code, state) = (parameter("code"), parameter("state"));
    let _ = print(&say(
        format!("[示例后端] 浏览器登录后回来了 state={state}\n"),
        format!("[sample backend] a browser came back from its login, state={state}\n"),
    ));
    let text = say(
        format!("登录完成：state={state}\n用这个 code 调用 getwxuserinfo（5 分钟内，一次有效）：\n{code}\n"),
        format!(
            "Logged in: state={state}\nCall getwxuserinfo with this code (once, within 5 minutes):\n{code}\n"
        ),
    );
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    whole(response)
}

/// A message, as docs/callbacks.md describes it.
async fn webhook(request: Request<Inbound>) -> Response<Body> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let webhook: Value = serde_json::from_slice(&body).unwrap_or_default();
    let data = &webhook["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!(
        "[{}] {} appid={} openid={}",
        say("示例后端", "sample backend"),
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
            json!({"MsgType": "text", "Content": format!("{}{}", say("收到：", "got: "), text("content"))})
                .to_string()
        }
        _ => String::new(),
    };
    whole(Response::new(Full::new(Bytes::from(answer))))
}
