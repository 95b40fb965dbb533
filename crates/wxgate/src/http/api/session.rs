//! Logging in and out, and who may: users with a password each, the first of them by the setup code.
//!
//! A session's token is in a cookie that scripts can't read. What changes something must come from the console's own page: its
//! `Origin` says so, and a header that only that page knows.

use std::net::SocketAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::changes::read;
use super::guard::{Secrets, unauthorized};
use super::{Api, Client, Refusal, parameters, unknown, whole};
use crate::config;
use crate::lang::Words;
use crate::people::{Actor, Refused, Role, Session, User};

/// The header that goes with every change.
const CSRF: &str = "x-wxgate-csrf";

/// Where the console is, and how its cookie is called.
#[derive(Clone, Debug)]
pub(super) struct Site {
    cookie: String,
    url: Option<Url>,
    /// How callers reach the gateway.
    public_url: Option<Url>,
    /// Where it listens for them.
    listen: SocketAddr,
    /// Whether by TLS.
    is_tls: bool,
}

impl Site {
    /// Cookies ignore ports: the name tells apart what listens on this host.
    pub(super) fn new(port: u16, listen: SocketAddr, server: &config::Server) -> Self {
        let url = server.admin_url.clone();
        let is_https = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let prefix = if is_https { "__Host-" } else { "" };
        let public_url = server.public_url.clone();
        Self {
            cookie: format!("{prefix}wxgate_{port}"),
            url,
            public_url,
            listen,
            is_tls: server.tls.is_some(),
        }
    }

    /// The token in the console's cookie.
    pub(super) fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|value| value.split(';')).find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        })
    }

    /// Where people find the console.
    pub(super) fn admin_url(&self) -> Option<&str> {
        self.url.as_ref().map(Url::as_str)
    }

    /// How callers reach the gateway.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.public_url.as_ref().map(Url::as_str)
    }

    /// Where the gateway listens for callers.
    pub(super) fn listen(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.listen)
    }

    fn set(&self, token: &str, seconds: i64) -> Option<HeaderValue> {
        let secure = if self.cookie.starts_with("__Host-") { "; Secure" } else { "" };
        let cookie = &self.cookie;
        let text = format!("{cookie}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).ok()
    }

    /// Whether the request says that it comes from the console's own page; `None`: it says nothing.
    pub(super) fn is_own_page(&self, headers: &HeaderMap) -> Option<bool> {
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or("?"));
        let origin = text(ORIGIN)?;
        Some(match &self.url {
            Some(url) => origin == url.origin().ascii_serialization(),
            None => {
                let own = text(HOST).unwrap_or_default();
                origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(own))
            }
        })
    }
}

const FOREIGN: Words = Words::fixed(
    "请求不是控制台自己的页面发出的（Origin 与 server.admin_url 或地址栏的主机不符），不改任何东西",
    "it doesn't come from the console's own page (its Origin is not server.admin_url's, or the host's): nothing is changed",
);

/// Who asks: by the admin token, or by a session, whose changes must come from the console's page.
pub(super) async fn actor(
    api: &Api,
    headers: &HeaderMap,
    method: &Method,
    Client(ip): Client,
) -> Result<Actor, Response> {
    let is_own_page = api.site.is_own_page(headers);
    if let Some(shown) = api.guard.admit(headers, ip).await {
        shown?;
        if !method.is_safe() && is_own_page == Some(false) {
            return Err(super::refused(StatusCode::FORBIDDEN, FOREIGN));
        }
        return Ok(Actor { name: "token".to_owned(), role: Role::Admin, ip });
    }
    let session = api.site.token(headers).and_then(|token| api.people.session(token));
    let Some(Session { name, role, csrf, .. }) = session else {
        return Err(unauthorized(Words::fixed(
            "没有登录，或登录已过期：在控制台登录；程序用请求头 Authorization: Bearer <WXGATE_ADMIN_TOKEN 的值>",
            "not logged in, or no longer: log in at the console; a program sends Authorization: Bearer <the value of WXGATE_ADMIN_TOKEN>",
        )));
    };
    if method.is_safe() {
        return Ok(Actor { name, role, ip });
    }
    let shown = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
    let knows = bool::from(subtle::ConstantTimeEq::ct_eq(shown, csrf.as_bytes()));
    if is_own_page != Some(true) || !knows {
        return Err(super::refused(StatusCode::FORBIDDEN, FOREIGN));
    }
    Ok(Actor { name, role, ip })
}

fn session_json(api: &Api, session: &Session) -> Value {
    let Session { name, role, csrf, expires_at } = session;
    json!({
        "name": name, "role": role.as_str(), "csrf": csrf, "expires_at": expires_at / 1000,
        "server": {
            "version": env!("CARGO_PKG_VERSION"),
            "node": api.parts.store.node(),
            "now": api.parts.clock.now() / 1000,
            "public_url": api.site.public_url(),
            "listen": api.site.listen(),
        },
    })
}

fn logged_in(api: &Api, status: StatusCode, (token, session): &(String, Session)) -> Response {
    let seconds = (session.expires_at - api.parts.clock.now()) / 1000;
    let mut response = (status, axum::Json(session_json(api, session))).into_response();
    if let Some(cookie) = api.site.set(token, seconds) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// A login that another page asks for would put its own user in the place of ours.
fn from_own_page(api: &Api, headers: &HeaderMap) -> Result<(), Refusal> {
    match api.site.is_own_page(headers) {
        Some(false) => Err(Refusal(StatusCode::FORBIDDEN, FOREIGN)),
        _ => Ok(()),
    }
}

fn text<'a>(body: &'a Value, key: &str) -> Result<&'a str, Refusal> {
    body[key].as_str().ok_or_else(|| {
        Refusal(
            StatusCode::BAD_REQUEST,
            Words::new(format!("请求体缺少 {key}（字符串）"), format!("the body needs {key}, a text")),
        )
    })
}

fn refusal(refused: Refused, wrong: Words) -> Refusal {
    match refused {
        Refused::Wrong => Refusal(StatusCode::UNAUTHORIZED, wrong),
        Refused::Missing => {
            Refusal(StatusCode::NOT_FOUND, Words::fixed("没有这个用户", "there is no such user"))
        }
        Refused::Rule(words) => Refusal(StatusCode::UNPROCESSABLE_ENTITY, words),
        Refused::Busy => Refusal(
            StatusCode::TOO_MANY_REQUESTS,
            Words::fixed(
                "正在核对的密码太多：几秒后再试",
                "too many passwords are being checked: try again in some seconds",
            ),
        ),
        Refused::Store => Refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Words::fixed(
                "没有存下：原因见日志，稍后再试",
                "it isn't stored: the log says why, try again later",
            ),
        ),
    }
}

/// Nothing secret was asked for.
const NEVER: Words = Words::fixed("不对", "wrong");

/// What came of trying a secret, so that a wrong one is slowed down and all else told at once.
type Tried<T> = Option<Result<T, Refused>>;

fn tried<T>(result: Result<T, Refused>) -> Tried<T> {
    match result {
        Err(Refused::Wrong) => None,
        other => Some(other),
    }
}

fn set_up_already() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, Words::fixed("已经有用户了：请登录", "there is a user already: log in"))
}

/// `GET /setup`
pub(super) async fn setup(State(api): State<Api>) -> Result<Response, Refusal> {
    if !api.people.is_empty() {
        return Err(set_up_already());
    }
    Ok(axum::Json(json!({"needed": true})).into_response())
}

/// `POST /setup`
pub(super) async fn set_up(
    State(api): State<Api>,
    Extension(Client(ip)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    from_own_page(&api, &headers).map_err(Refusal::into_response)?;
    let body = read(body).await.map_err(Refusal::into_response)?;
    let code = text(&body, "code").map_err(Refusal::into_response)?;
    let password = text(&body, "password").map_err(Refusal::into_response)?;
    if !api.people.is_empty() {
        return Err(set_up_already().into_response());
    }
    let done = api
        .guard
        .tried((Secrets::People, ip), async { tried(api.people.set_up(code, password, ip).await) })
        .await?;
    let wrong = Words::fixed(
        "设置码不对：它在日志里，也在 store.run_dir 的 setup-code 文件里",
        "a wrong code: it is in the log, and in the file setup-code in store.run_dir",
    );
    let opened = done.unwrap_or(Err(Refused::Wrong)).map_err(|why| match why {
        Refused::Wrong => Refusal(StatusCode::FORBIDDEN, wrong).into_response(),
        Refused::Missing => set_up_already().into_response(),
        other => refusal(other, NEVER).into_response(),
    })?;
    Ok(logged_in(&api, StatusCode::CREATED, &opened))
}

/// `POST /session`: by name and password, or by a link that is logged in.
pub(super) async fn log_in(
    State(api): State<Api>,
    Extension(Client(ip)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    from_own_page(&api, &headers).map_err(Refusal::into_response)?;
    let body = read(body).await.map_err(Refusal::into_response)?;
    let (attempt, wrong) = if let Some(once) = body["once"].as_str() {
        let attempt =
            api.guard.tried((Secrets::People, ip), async { tried(api.people.enter(once, ip).await) }).await?;
        let wrong = Words::fixed(
            "这个登录链接已经用过或过期：用密码登录",
            "this link was used already, or is over: log in by password",
        );
        (attempt, wrong)
    } else {
        let name = text(&body, "name").map_err(Refusal::into_response)?;
        let password = text(&body, "password").map_err(Refusal::into_response)?;
        let attempt = api
            .guard
            .tried((Secrets::People, ip), async { tried(api.people.log_in(name, password, ip).await) })
            .await?;
        (attempt, Words::fixed("用户名或密码不对", "a wrong name or password"))
    };
    let opened = attempt.unwrap_or(Err(Refused::Wrong)).map_err(|why| refusal(why, wrong).into_response())?;
    Ok(logged_in(&api, StatusCode::OK, &opened))
}

/// `GET /session`
pub(super) async fn session(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Refusal> {
    let session = api.site.token(&headers).and_then(|token| api.people.session(token));
    let session = session.ok_or_else(|| {
        Refusal(
            StatusCode::NOT_FOUND,
            Words::fixed(
                "这个请求用的是管理令牌，不是登录",
                "this request is by the admin token, not by a login",
            ),
        )
    })?;
    Ok(axum::Json(session_json(&api, &session)).into_response())
}

/// `DELETE /session`, with `all=true` every session of the user.
pub(super) async fn log_out(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut all = false;
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "all" => all = value == "true",
            _ => return Err(unknown(&name, &["all"])),
        }
    }
    if let Some(token) = api.site.token(&headers) {
        api.people.log_out(token, all, &actor).await.map_err(|why| refusal(why, NEVER))?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = api.site.set("", 0) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn user_json(user: &User) -> Value {
    let User { name, role, created_at, last_login_at } = user;
    json!({
        "name": name, "role": role.as_str(), "created_at": created_at / 1000,
        "last_login_at": last_login_at.map(|at| at / 1000),
    })
}

/// `GET /users`
pub(super) async fn users(State(api): State<Api>) -> Response {
    let items: Vec<Value> = api.people.all().iter().map(user_json).collect();
    whole(&items)
}

/// `POST /users`
pub(super) async fn add_user(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let body = read(body).await?;
    let (name, role, password) = (text(&body, "name")?, text(&body, "role")?, text(&body, "password")?);
    let user = api.people.add(name, role, password, &actor).await;
    let user = user.map_err(|why| refusal(why, NEVER))?;
    Ok((StatusCode::CREATED, axum::Json(user_json(&user))).into_response())
}

/// `PATCH /users/{name}`: another role, another password; for one's own the old one is asked as well.
pub(super) async fn edit_user(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    let body = read(body).await.map_err(Refusal::into_response)?;
    let password = body["password"].as_str();
    if password.is_some() && name == actor.name {
        let old = body["old_password"].as_str().unwrap_or_default();
        let knows = async {
            match api.people.knows(&name, old).await {
                Ok(knows) => knows.then_some(Ok(())),
                Err(why) => Some(Err(why)),
            }
        };
        let known = api.guard.tried((Secrets::People, actor.ip), knows).await?;
        if let Some(Err(why)) = known {
            return Err(refusal(why, NEVER).into_response());
        }
        if known.is_none() {
            let words = Words::fixed("原密码（old_password）不对", "old_password is wrong");
            return Err(Refusal(StatusCode::FORBIDDEN, words).into_response());
        }
    }
    let own = api.site.token(&headers).filter(|_| name == actor.name);
    let user = api.people.edit(&name, (body["role"].as_str(), password), own, &actor).await;
    let user = user.map_err(|why| refusal(why, NEVER).into_response())?;
    Ok(axum::Json(user_json(&user)).into_response())
}

/// `DELETE /users/{name}`
pub(super) async fn end_user(
    State(api): State<Api>,
    Path(name): Path<String>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, Refusal> {
    api.people.remove(&name, &actor).await.map_err(|why| refusal(why, NEVER))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
