//! Web OAuth for many domains: WeChat knows one authorised domain, wxgate's, and every system of the
//! company gets its users through it.
//!
//! `oauth/start` (and WeChat's own `connect/…` paths) sends a browser to WeChat; `oauth/callback`, where
//! WeChat sends it back, sends it on to the system that asked. What lies between stands in a cookie,
//! so a login costs wxgate nothing until WeChat answers, and only the browser that began it ends it.

mod cookie;
mod home;
mod page;
mod refusals;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::lang::say;
use crate::net::Inbound;
use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::Full;
use url::{Url, form_urlencoded};
use wechat::catalog::{OAUTH_AUTHORIZE, QRCONNECT};

use super::problem::{Unhandled, note, unhandled};
use super::{PREFIX, wants_english};
use crate::admit::hosts;
use crate::config::Config;
use crate::outcome::Outcome;
use crate::parts::Parts;
use crate::problem::{Code, Problem};
use crate::shares::{For, Place, Room};
use crate::store::{Binding, Bound};
use crate::text;

use cookie::{Jar, Login};
use home::Home;
use page::About;
use refusals::{no_public_url, not_allowed, not_stored, overloaded, refused, wrong};

const START: &str = "oauth/start";
const CALLBACK: &str = "oauth/callback";
/// WeChat's own paths, which are [`START`] as well.
const CONNECT: [&str; 2] = [OAUTH_AUTHORIZE.path, QRCONNECT.path];
const SCOPES: [&str; 4] = ["snsapi_base", "snsapi_userinfo", "snsapi_login", "snsapi_privateinfo"];

/// WeChat has to answer in this time.
const LOGIN_MS: i64 = 10 * 60_000;
/// The same code again gets the same redirect for this long.
const AGAIN_MS: i64 = 5 * 60_000;
/// Longest `redirect_uri`, as written and as the browser gets it.
const MAX_REDIRECT: usize = 2 << 10;
/// Longest `state` of a caller.
const MAX_STATE: usize = 1 << 10;
/// Longest code; WeChat's have 32 characters.
const MAX_CODE: usize = 512;
/// Characters of the state that WeChat is given.
const STATE: usize = 32;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct OAuth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// `https://open.weixin.qq.com`
    open_base: String,
    /// Where WeChat sends browsers back; needs `server.public_url`.
    callback: Option<Url>,
    /// Where logins begin and end; likewise.
    home: Option<Home>,
    /// Cookies are for HTTPS alone.
    secure: bool,
    /// When the states that this process remembers are forgotten, in order.
    remembered: Mutex<VecDeque<(i64, Place)>>,
}

/// What a browser that begins a login asked for, checked.
struct LoginAsked<'a> {
    appid: &'a str,
    scope: &'a str,
    back: Url,
    state: &'a str,
}

/// Where a browser is sent, and what it is to keep.
struct Redirect {
    to: String,
    cookies: Vec<String>,
}

impl OAuth {
    /// Composed from its parts.
    pub fn new(parts: Parts, config: &Config) -> Self {
        let callback = config.server.public_url.as_ref().map(|public| {
            let mut url = public.clone();
            url.set_path(&format!("{}{PREFIX}{CALLBACK}", public.path().trim_end_matches('/')));
            url.set_query(None);
            url.set_fragment(None);
            url
        });
        Self(Arc::new(Inner {
            parts,
            open_base: config.wechat.open_base.as_str().trim_end_matches('/').to_owned(),
            callback,
            home: config.server.public_url.as_ref().map(Home::new),
            secure: config.server.tls.is_some()
                || config.server.public_url.as_ref().is_some_and(|public| public.scheme() == "https"),
            remembered: Mutex::default(),
        }))
    }

    /// Whether `path` is one of ours.
    pub fn takes(path: &str) -> bool {
        CONNECT.contains(&path) || matches!(path.strip_prefix(PREFIX), Some(START | CALLBACK))
    }

    /// Answers a browser.
    pub async fn handle(&self, request: Request<Inbound>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
        let (head, _) = request.into_parts();
        let path = head.uri.path();
        let ours = [START, CALLBACK].into_iter().find(|name| path.strip_prefix(PREFIX) == Some(*name));
        outcome.api =
            ours.or_else(|| CONNECT.into_iter().find(|own| *own == path)).unwrap_or_default().into();
        let answer = match self.answer(&head, outcome).await {
            Ok(redirect) => respond(redirect),
            Err(problem) => Err(problem),
        };
        answer.unwrap_or_else(|problem| {
            note(outcome, &problem);
            let about = About { account: self.account(outcome), host: hosts::named(&head) };
            page::problem(&problem, outcome.id, &about, wants_english(&head.headers))
        })
    }

    /// Whose login it is, for people.
    fn account(&self, outcome: &Outcome) -> Option<String> {
        let appid = outcome.appid.as_deref()?;
        let live = self.0.parts.registry.live();
        let name = live.app(appid).map(|app| app.entry.name.clone()).filter(|name| !name.is_empty());
        Some(name.map_or_else(|| appid.to_owned(), |name| format!("{name} ({appid})")))
    }

    async fn answer(&self, head: &request::Parts, outcome: &mut Outcome) -> Result<Redirect, Problem> {
        if head.method != Method::GET {
            let problem =
                Problem::new(Code::NotFound, "这个地址只能用浏览器打开（GET）", "this is for browsers (GET)");
            return Err(Problem { allow: "GET", ..problem.status(StatusCode::METHOD_NOT_ALLOWED) });
        }
        let query = Query::read(head.uri.query().unwrap_or_default());
        if head.uri.path().strip_prefix(PREFIX) == Some(CALLBACK) {
            return self.callback(&query, head, outcome).await;
        }
        self.start(&query, head, outcome)
    }

    /// Sends a browser to WeChat.
    fn start(
        &self,
        query: &Query,
        head: &request::Parts,
        outcome: &mut Outcome,
    ) -> Result<Redirect, Problem> {
        let asked = self.asked(query, outcome)?;
        let callback = self.0.callback.as_ref().ok_or_else(no_public_url)?;
        let Parts { random, clock, .. } = &self.0.parts;
        if let Some(to) = self.0.home.as_ref().and_then(|home| home.elsewhere(head, clock.now())) {
            return Ok(Redirect { to, cookies: Vec::new() });
        }
        let own = random.letters(STATE);
        let login = Login {
            appid: asked.appid.to_owned(),
            back: asked.back.into(),
            state: asked.state.to_owned(),
            expires: clock.now() + LOGIN_MS,
        };
        let jar = self.jar(callback);
        let cookie = jar.put(&own, &login).ok_or_else(|| {
            wrong(
                "redirect_uri",
                "和 state 加起来太长：缩短其一",
                "and state together are too long: shorten one",
            )
        })?;
        let path = CONNECT[usize::from(asked.scope == "snsapi_login")];
        let query = form_urlencoded::Serializer::new(String::new())
            // WeChat wants this order.
            .append_pair("appid", asked.appid)
            .append_pair("redirect_uri", callback.as_str())
            .append_pair("response_type", "code")
            .append_pair("scope", asked.scope)
            .append_pair("state", &own)
            .finish();
        let to = format!("{}{path}?{query}#wechat_redirect", self.0.open_base);
        let mut cookies = vec![cookie];
        cookies.extend(jar.surplus(&own, &head.headers.get_all(COOKIE)));
        Ok(Redirect { to, cookies })
    }

    fn jar<'a>(&'a self, callback: &'a Url) -> Jar<'a> {
        Jar::new(&self.0.parts.keys, callback, self.0.secure)
    }

    /// What a browser wants, if it may.
    fn asked<'a>(&self, query: &'a Query, outcome: &mut Outcome) -> Result<LoginAsked<'a>, Problem> {
        let (appid, scope) = (query.one("appid")?, query.one("scope")?);
        let live = self.0.parts.registry.live();
        let Some(app) = live.app(appid) else {
            return Err(wrong("appid", "没有在 wxgate 里配置", "is not configured in wxgate"));
        };
        outcome.appid = Some(app.appid.clone());
        if !app.entry.kind.has_web_oauth() {
            let (zh, en) = ("是小程序，没有网页授权", "is a mini program, which has no web OAuth");
            return Err(wrong("appid", zh, en));
        }
        if !matches!(query.one("response_type")?, "" | "code") {
            return Err(wrong("response_type", "只能是 code", "must be code"));
        }
        if !SCOPES.contains(&scope) {
            let (zh, en) = (
                "应是 snsapi_base、snsapi_userinfo 或 snsapi_login",
                "must be snsapi_base, snsapi_userinfo or snsapi_login",
            );
            return Err(wrong("scope", zh, en));
        }
        let (back, state) = (query.one("redirect_uri")?, query.one("state")?);
        if back.len() > MAX_REDIRECT {
            return Err(wrong("redirect_uri", "超过 2048 字节", "is over 2048 bytes"));
        }
        if state.len() > MAX_STATE {
            return Err(wrong("state", "超过 1024 字节", "is over 1024 bytes"));
        }
        let back = app.entry.oauth_redirects.allows(back).ok_or_else(not_allowed)?;
        if back.as_str().len() > MAX_REDIRECT {
            return Err(wrong("redirect_uri", "编码之后超过 2048 字节", "is over 2048 bytes once encoded"));
        }
        Ok(LoginAsked { appid, scope, back, state })
    }

    /// Sends a browser that comes from WeChat on to where it wanted to go.
    async fn callback(
        &self,
        query: &Query,
        head: &request::Parts,
        outcome: &mut Outcome,
    ) -> Result<Redirect, Problem> {
        let callback = self.0.callback.as_ref().ok_or_else(no_public_url)?;
        let (code, state) = (query.one("code")?, query.one("state")?);
        if code.len() > MAX_CODE {
            return Err(wrong("code", "太长", "is too long"));
        }
        if state.len() != STATE || !state.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(refused(say("state 不是 wxgate 的", "the state is none of ours")));
        }
        let jar = self.jar(callback);
        let cookies = head.headers.get_all(COOKIE);
        let login = jar
            .take(state, &cookies)
            .ok_or_else(|| refused(say("没有这个 state 的 cookie", "no cookie for the state")))?;
        outcome.appid = Some(login.appid.as_str().into());
        let back = self.allowed(&login.appid, &login.back)?;
        if code.is_empty() {
            // The user said no.
            self.in_time(&login)?;
        } else {
            let _place = self.place(Room::Logins, outcome)?;
            self.spend(state, code, &login, outcome).await?;
        }
        Ok(Redirect { to: with_answer(back, code, &login.state), cookies: jar.surplus(state, &cookies) })
    }

    /// `back`, if the configuration of this moment lets a browser of `appid` go there.
    fn allowed(&self, appid: &str, back: &str) -> Result<Url, Problem> {
        let live = self.0.parts.registry.live();
        live.app(appid).and_then(|app| app.entry.oauth_redirects.allows(back)).ok_or_else(not_allowed)
    }

    fn in_time(&self, login: &Login) -> Result<(), Problem> {
        if self.0.parts.clock.now() < login.expires {
            Ok(())
        } else {
            Err(refused(say("state 已过期", "the state has expired")))
        }
    }

    /// Binds a state to the first code that comes with it: that code again is good for a while,
    /// another one never.
    async fn spend(&self, state: &str, code: &str, login: &Login, outcome: &Outcome) -> Result<(), Problem> {
        let keys = &self.0.parts.keys;
        let key = keys.mac(&[b"oauth state", state.as_bytes()]);
        let digest = keys.mac(&[b"oauth code", state.as_bytes(), code.as_bytes()]);
        let Parts { store, clock, .. } = &self.0.parts;
        let now = clock.now();
        if let Some(bound) = store.bound(key, &digest, now).await.map_err(|error| not_stored(&error))? {
            return again(bound, now);
        }
        self.in_time(login)?;
        // The login is over by then: the state can't come to life again.
        let forget = now + LOGIN_MS;
        self.make_room(now, forget, outcome)?;
        let binding = Binding { key, digest, again_until: now + AGAIN_MS, expires_at: forget };
        let bound = store.bind(binding, now).await.map_err(|error| not_stored(&error))?;
        if bound != Bound::First {
            self.leave_room(forget);
        }
        again(bound, now)
    }

    /// Counts one more state that is remembered until `forget`.
    fn make_room(&self, now: i64, forget: i64, outcome: &Outcome) -> Result<(), Problem> {
        let mut remembered = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        while remembered.front().is_some_and(|(end, _)| *end <= now) {
            remembered.pop_front();
        }
        remembered.push_back((forget, self.place(Room::States, outcome)?));
        Ok(())
    }

    /// A browser's login counts for its address.
    fn place(&self, room: Room, outcome: &Outcome) -> Result<Place, Problem> {
        let shares = &self.0.parts.shares;
        shares.take(room, 1, For::from(&shares.of(outcome.peer))).map_err(|_| overloaded())
    }

    /// Another answer to the same state was quicker, and is counted.
    fn leave_room(&self, forget: i64) {
        let mut remembered = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = remembered.iter().rposition(|(end, _)| *end == forget) {
            remembered.remove(index);
        }
    }
}

/// Whether a code may pass whose state is bound so.
fn again(bound: Bound, now: i64) -> Result<(), Problem> {
    match bound {
        Bound::First => Ok(()),
        Bound::Same { again_until } if now < again_until => Ok(()),
        Bound::Same { .. } => {
            Err(refused(say("state 五分钟前就用过了", "the state was used over five minutes ago")))
        }
        Bound::Other => {
            Err(refused(say("state 曾与另一个 code 一起来过", "the state came with another code before")))
        }
    }
}

/// Decoded parameters.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(query: &str) -> Self {
        Self(text::pairs(query.as_bytes()).into_owned().collect())
    }

    /// The value of `name`, "" if it isn't there; twice is a trick.
    fn one(&self, name: &'static str) -> Result<&str, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.unwrap_or_default()),
            _ => Err(wrong(name, "出现了不止一次", "is given more than once")),
        }
    }
}

/// `back` with WeChat's answer behind its own query. What an earlier answer left there (a page that
/// logs in again with its present address) goes.
fn with_answer(mut back: Url, code: &str, state: &str) -> String {
    let is_old = |pair: &&str| {
        form_urlencoded::parse(pair.as_bytes())
            .next()
            .is_some_and(|(name, _)| name == "code" || name == "state")
    };
    let own: Vec<&str> = back.query().unwrap_or_default().split('&').filter(|pair| !is_old(pair)).collect();
    let own = own.join("&");
    let mut answer = form_urlencoded::Serializer::new(String::new());
    if !code.is_empty() {
        answer.append_pair("code", code);
    }
    let answer = answer.append_pair("state", state).finish();
    let query = if own.is_empty() { answer } else { format!("{own}&{answer}") };
    back.set_query(Some(&query));
    back.into()
}

fn respond(redirect: Redirect) -> Result<Response<Full<Bytes>>, Problem> {
    let value = |text: String| HeaderValue::try_from(text).map_err(|error| Problem::internal(&error));
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::FOUND;
    page::private(response.headers_mut());
    response.headers_mut().insert(LOCATION, value(redirect.to)?);
    for cookie in redirect.cookies {
        response.headers_mut().append(SET_COOKIE, value(cookie)?);
    }
    Ok(response)
}

/// Says no to a browser where no handler could.
pub fn refuse(refused: &Unhandled<'_>, outcome: &mut Outcome) -> Response<Full<Bytes>> {
    let problem = unhandled(refused);
    note(outcome, &problem);
    page::problem(&problem, outcome.id, &About::default(), refused.english)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stands_behind_the_pages_own_query() {
        let cases = [
            ("https://a.example.com/", "https://a.example.com/?code=c&state=s%26"),
            ("https://a.example.com/?", "https://a.example.com/?code=c&state=s%26"),
            (
                "https://a.example.com/x?a=1&b=%2f+%20",
                "https://a.example.com/x?a=1&b=%2f+%20&code=c&state=s%26",
            ),
            (
                "https://a.example.com/?code=old&a=1&st%61te=old",
                "https://a.example.com/?a=1&code=c&state=s%26",
            ),
            (
                "https://a.example.com/?codes=1&xstate",
                "https://a.example.com/?codes=1&xstate&code=c&state=s%26",
            ),
        ];
        for (back, expected) in cases {
            assert_eq!(with_answer(Url::parse(back).unwrap(), "c", "s&"), expected);
        }
        let refused = with_answer(Url::parse("https://a.example.com/?code=old").unwrap(), "", "");
        assert_eq!(refused, "https://a.example.com/?state=");
    }
}
