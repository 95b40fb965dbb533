//! The pages of `open.weixin.qq.com`: a user authorises a web page, or logs in to a website.
//!
//! As silent or as chatty as WeChat: `snsapi_base` goes straight back, the other scopes show a page on
//! which one of the sandbox's users is chosen. `sandbox_user` (id, openid or nickname) in the query is
//! that choice, and a cookie remembers it for the silent scope.

use super::answer::Answer;
use super::call::Call;
use super::home::escape;
use crate::refusal::Refusal;
use crate::world::{App, CodeKind, Kind, User, World};
use http::header;
use url::{Host, Url, form_urlencoded};

pub(super) fn authorize(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    let scopes = ["snsapi_base", "snsapi_userinfo"];
    Ok(start(world, call, Kind::Official, &scopes).unwrap_or_else(error_page))
}

pub(super) fn qrconnect(world: &mut World, call: &Call, _: &str) -> Result<Answer, Refusal> {
    Ok(start(world, call, Kind::Open, &["snsapi_login"]).unwrap_or_else(error_page))
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
        return Ok(Answer::page(consent_page(world, call, app)));
    };
    let (id, openid) = (user.id.clone(), user.openid(appid).to_owned());
    let code = world.give_code(CodeKind::OAuth, appid, &openid, scope);
    let to = with_query(back, &[("code", &code), ("state", state)]);
    let cookie = format!("sandbox_user={id}; Path={}; HttpOnly; SameSite=Lax", call.link("/connect"));
    Ok(Answer::redirect(to).with_header(header::SET_COOKIE, &cookie))
}

/// The host must be one of the account's domains, to the letter, or this machine.
pub(super) fn may_return_to(app: &App, redirect_uri: &str) -> bool {
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

pub(super) fn remembered<'a>(world: &'a World, call: &Call) -> Option<&'a User> {
    let cookies = call.header(header::COOKIE).split(';');
    let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(name, _)| *name == "sandbox_user")?;
    world.users.find(id)
}

/// Users shown at once.
const SHOWN: usize = 50;

/// The page's own address with a choice in it.
pub(super) fn link(call: &Call, name: &str, value: &str) -> String {
    let own = |name: &str| name.starts_with("sandbox_");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(call.query.iter().filter(|(name, _)| !own(name)))
        .append_pair(name, value)
        .finish();
    escape(&format!("{}?{query}", call.link(&call.path)))
}

/// A list of users, one of whom says yes.
pub(super) fn users_list(world: &World, call: &Call) -> String {
    let mut users: Vec<&User> = world.users.all.iter().take(SHOWN).collect();
    if let Some(last) = remembered(world, call) {
        users.sort_by_key(|user| user.id != last.id);
    }
    let item = |user: &&User| {
        let href = link(call, "sandbox_user", &user.id);
        format!("<li><a href=\"{href}\">{}</a></li>", escape(&user.nickname))
    };
    users.iter().map(item).collect()
}

fn consent_page(world: &World, call: &Call, app: &App) -> String {
    format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>微信授权 · sandbox</title><style>{STYLE}</style><main><h1>{} 申请使用</h1><p>你的昵称、头像 ({})</p>\
         <ul>{}</ul><p><a class=\"no\" href=\"{}\">拒绝 Deny</a></p></main></html>",
        escape(&app.appid),
        escape(call.param("scope")),
        users_list(world, call),
        link(call, "sandbox_consent", "deny"),
    )
}

pub(super) const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;margin:0;background:#ededed}main{max-width:24rem;margin:3rem auto;\
padding:1.5rem;background:#fff;border-radius:12px}h1{font-size:1.1rem}ul{list-style:none;padding:0}li a{display:block;margin:.5rem 0;\
padding:.6rem 1rem;background:#07c160;color:#fff;border-radius:8px;text-decoration:none}.no{color:#576b95}";

pub(super) fn error_page((code, text): PageError) -> Answer {
    Answer::page(format!(
        "<!doctype html><html lang=\"zh\"><meta charset=\"utf-8\"><title>出错了</title><body><h1>出错了</h1>\
         <p>{text}</p><p>错误码: {code}</p></body></html>"
    ))
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
