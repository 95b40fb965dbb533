//! The pages of `open.weixin.qq.com`: a user authorises a web page, or logs in to a website.
//!
//! As silent or as chatty as WeChat: `snsapi_base` goes straight back, the other scopes show a page on
//! which one of the sandbox's users is chosen. `sandbox_user` (id, openid or nickname) in the query is
//! that choice, and a cookie remembers it for the silent scope. `sandbox_holder` names whoever holds the phone that opens the page:
//! the only one who is asked, and the one of the silent scope.

use super::answer::Answer;
use super::call::Call;
use super::facts::is_english;
use super::page::{PLAIN_POLICY, both, dressed, escape};
use crate::refusal::Refusal;
use crate::world::{App, CodeKind, Kind, User, World};
use http::header;
use url::{Host, Url, form_urlencoded};

pub(super) fn authorize(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let scopes = ["snsapi_base", "snsapi_userinfo"];
    Ok(start(world, call, Kind::Official, &scopes).unwrap_or_else(|error| error_page(call, error)))
}

pub(super) fn qrconnect(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    Ok(start(world, call, Kind::Open, &["snsapi_login"]).unwrap_or_else(|error| error_page(call, error)))
}

/// WeChat shows a code and a sentence, with HTTP 200.
pub(super) type PageError = (i64, &'static str);

/// The parameters of a link, in the order that the documentation wants; the last may be missing.
const ORDER: [&str; 5] = ["appid", "redirect_uri", "response_type", "scope", "state"];
/// Longest `state`.
const MAX_STATE: usize = 128;

fn start(world: &mut World, call: &Call, kind: Kind, scopes: &[&str]) -> Result<Answer, PageError> {
    let strict = world.quirks.is("oauth_link", "strict");
    let names = call.query.iter().map(|(name, _)| name.as_str());
    let given: Vec<&str> = names.filter(|name| ORDER.contains(name)).collect();
    if ORDER[..4].iter().any(|name| !given.contains(name)) {
        return Err((10002, "parameters are missing"));
    }
    if strict && given != ORDER && given != ORDER[..4] {
        return Err((10002, "parameters are not in WeChat's order"));
    }
    let (appid, scope, state) = (call.param("appid"), call.param("scope"), call.param("state"));
    let app = world.apps.get(appid).ok_or((40013, "invalid appid"))?;
    if call.param("response_type") != "code" {
        return Err((10002, "response_type must be code"));
    }
    if state.len() > MAX_STATE {
        return Err((10002, "state takes at most 128 bytes"));
    }
    if strict && !state.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err((10002, "state takes letters and digits only"));
    }
    if app.kind != kind || !scopes.contains(&scope) {
        return Err((10005, "Scope 参数错误或没有 Scope 权限"));
    }
    let back = call.param("redirect_uri");
    if !may_return_to(app, back) {
        return Err((10003, "redirect_uri 域名与后台配置不一致"));
    }
    if call.param("sandbox_consent") == "deny" {
        return Ok(Answer::redirect(with_query(back, &[("state", state)])));
    }
    let chosen = match call.param("sandbox_user") {
        "" if scope == "snsapi_base" => remembered(world, call).or_else(|| world.users.first()),
        "" => None,
        name => Some(world.users.find(name).ok_or((10002, "sandbox_user: there is no such user"))?),
    };
    let Some(user) = chosen else {
        return Ok(consent_page(world, call, app));
    };
    let (id, openid) = (user.id.clone(), user.openid(appid).to_owned());
    let code = world.give_code(CodeKind::OAuth, appid, &openid, scope);
    let to = with_query(back, &[("code", &code), ("state", state)]);
    Ok(Answer::redirect(to).with_header(header::SET_COOKIE, &cookie(&id, &call.link("/connect"))))
}

/// Remembers who uses this browser, for pages below this path.
pub(super) fn cookie(user: &str, path: &str) -> String {
    format!("sandbox_user={user}; Path={path}; HttpOnly; SameSite=Lax")
}

/// The host must be one of the account's domains, to the letter, or this machine.
pub(super) fn may_return_to(app: &App, redirect_uri: &str) -> bool {
    // What no header can carry is no address either.
    if redirect_uri.chars().any(char::is_control) {
        return false;
    }
    let Ok(url) = Url::parse(redirect_uri) else {
        return false;
    };
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let listed = || app.oauth_domains.iter().any(|domain| url.host_str() == Some(domain.as_str()));
    ["http", "https"].contains(&url.scheme()) && (loopback || listed())
}

/// Appends parameters as WeChat does; the page's own query and fragment stay.
pub(super) fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, None), |(u, f)| (u, Some(f)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let separator = if url.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
    format!("{url}{separator}{query}{fragment}")
}

/// Whose phone the page was opened on, if it says so.
fn holder<'a>(world: &'a World, call: &Call) -> Option<&'a User> {
    let name = call.param("sandbox_holder");
    world.users.find(name).filter(|_| !name.is_empty())
}

/// Who uses this browser: the phone's holder, else whoever was chosen last.
pub(super) fn remembered<'a>(world: &'a World, call: &Call) -> Option<&'a User> {
    if let Some(holder) = holder(world, call) {
        return Some(holder);
    }
    let cookies = call.header(header::COOKIE).split(';');
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(name, _)| *name == "sandbox_user")?;
    world.users.find(id)
}

/// Users shown at once.
const SHOWN: usize = 50;

/// The page's own address with a choice in it.
fn link(call: &Call, name: &str, value: &str) -> String {
    let own = |name: &str| name.starts_with("sandbox_");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(call.query.iter().filter(|(name, _)| !own(name)))
        .append_pair(name, value)
        .finish();
    escape(&format!("{}?{query}", call.link(&call.path)))
}

/// A list of users, one of whom says yes.
fn users_list(world: &World, call: &Call) -> String {
    let mut users: Vec<&User> = world.users.all.iter().take(SHOWN).collect();
    if let Some(holder) = holder(world, call) {
        users = vec![holder];
    } else if let Some(last) = remembered(world, call) {
        users.sort_by_key(|user| user.id != last.id);
    }
    let item = |user: &&User| {
        let initial: String = user.nickname.chars().take(1).collect();
        format!(
            "<li><a href=\"{}\"><span class=\"face\" aria-hidden=\"true\">{}</span><b>{}</b><span class=\"go\">{}</span></a></li>",
            link(call, "sandbox_user", &user.id),
            escape(&initial),
            escape(&user.nickname),
            both("同意", "Allow"),
        )
    };
    users.iter().map(item).collect()
}

/// What a page asks a user.
pub(super) struct Question<'a> {
    /// Chinese and English.
    pub(super) about: (&'a str, &'a str),
    pub(super) wants: (&'a str, &'a str),
    /// What was asked for, in WeChat's words.
    pub(super) what: &'a str,
}

fn consent_page(world: &World, call: &Call, app: &App) -> Answer {
    let question = match app.kind {
        Kind::Open => Question {
            about: ("微信登录", "Log in with WeChat"),
            wants: ("登录这个网站，以你的身份：", "Log in to this website as:"),
            what: call.param("scope"),
        },
        Kind::Official | Kind::Mini => Question {
            about: ("网页授权", "A web page asks"),
            wants: ("获得你的昵称、头像，以这个身份：", "It learns nickname and picture of:"),
            what: call.param("scope"),
        },
    };
    ask(world, call, &app.appid, &question)
}

/// A page on which one of the users says yes, or somebody no.
pub(super) fn ask(world: &World, call: &Call, appid: &str, question: &Question<'_>) -> Answer {
    let (zh, en) = world.apps.get(appid).map(App::name).unwrap_or_default();
    let both = |(zh, en): (&str, &str)| both(zh, en);
    let body = format!(
        "<p class=\"over\">{}</p><h1>{} {}</h1><p class=\"dim small\"><code>{}</code></p><p class=\"dim\">{}</p><ul class=\"people\">{}</ul>\
         <p class=\"foot\"><a class=\"btn\" href=\"{}\">{}</a><code class=\"dim\">{}</code></p>",
        both(question.about),
        both((&zh, &en)),
        both(("申请使用", "asks")),
        escape(appid),
        both(question.wants),
        users_list(world, call),
        link(call, "sandbox_consent", "deny"),
        both(("拒绝", "Deny")),
        escape(question.what),
    );
    page(dressed(&call.path, is_english(&call.headers), "微信授权 · WeChat sandbox", &body))
}

fn page(html: String) -> Answer {
    Answer::page(html).with_header(header::CONTENT_SECURITY_POLICY, PLAIN_POLICY)
}

/// WeChat's sentence and number, and what to do about it.
pub(super) fn error_page(call: &Call, (code, text): PageError) -> Answer {
    let hint = wechat::errcode::lookup(code)
        .map(|row| format!("<p class=\"dim\">{}</p>", both(row.zh, row.en)))
        .unwrap_or_default();
    let body = format!(
        "<p class=\"over bad\">{}</p><h1>{}</h1><p>{text}</p>{hint}<p class=\"foot\"><code>错误码: {code}</code></p>",
        both("微信打不开这个网页", "WeChat doesn't open this page"),
        both("出错了", "Something is wrong"),
    );
    page(dressed(&call.path, is_english(&call.headers), "出错了 · WeChat sandbox", &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_appended_behind_the_pages_own_query() {
        let pairs = [("code", "c"), ("state", "s")];
        assert_eq!(with_query("http://a/b", &pairs), "http://a/b?code=c&state=s");
        assert_eq!(with_query("http://a/b?x=1#y", &pairs), "http://a/b?x=1&code=c&state=s#y");
    }
}
