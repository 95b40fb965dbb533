//! What there is in the sandbox and what can be done with it: as JSON for its page, as text for a terminal.

use super::api;
use super::worlds::Below;
use crate::Shared;
use crate::world::{DEMO_CODES, Kind, TEMPLATE, World};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// The control calls: call, Chinese, English.
const CALLS: &[[&str; 3]] = &[
    ["POST /sandbox/apps {appid, secret, kind}", "新增或修改账号", "another account"],
    ["POST /sandbox/users {nickname?} · GET users", "新增微信用户", "a new WeChat user"],
    [
        "POST /sandbox/callback {appid, url, mode, format?}",
        "设置消息推送地址（会先验证）",
        "set the callback, verified first",
    ],
    ["POST /sandbox/oauth/code {appid, openid, scope}", "网页授权 code", "a web-OAuth code"],
    [
        "POST /sandbox/login/code · phone/code {appid, openid}",
        "小程序登录、手机号 code",
        "mini-program codes",
    ],
    [
        "POST /sandbox/subscribe {appid, openid, template_id, count}",
        "用户允许订阅消息",
        "allow subscription messages",
    ],
    [
        "GET /sandbox/codes ?limit · POST codes {appid, scene?, seconds?}",
        "屏幕上的码；做一个",
        "the codes on screen; make one",
    ],
    ["POST /sandbox/scan {ticket, openid}", "用户扫码", "a user scans a code"],
    ["POST /sandbox/message {appid, openid, text}", "用户发消息", "a user writes"],
    [
        "POST /sandbox/act {appid, openid, message}",
        "用户发任何消息、点菜单",
        "any message of a user's, a menu pressed",
    ],
    ["POST /sandbox/event {appid, openid, event, key}", "用户触发事件", "any event"],
    [
        "POST /sandbox/kf {appid, kf_account, act, openid?, to?}",
        "客服：接受邀请、上下线、接待、结束、转接",
        "customer service: agree, come, go, take, close, switch",
    ],
    [
        "GET /sandbox/menu · templates ?appid&openid",
        "用户看到的菜单；模板和他还允许的条数",
        "the menu that a user sees; templates, and how many messages he still allows",
    ],
    [
        "POST /sandbox/platform {appid, openid, client_platform_type}",
        "用户换手机",
        "another phone for a user",
    ],
    [
        "POST /sandbox/comment {appid, openid, msg_data_id, content or withdraw}",
        "用户留言",
        "a user comments on an article",
    ],
    [
        "POST /sandbox/outcome {appid, mass_status or publish_status}",
        "下一次群发、发布的结果",
        "what the next mass message or publication comes to",
    ],
    ["POST /sandbox/open {link, openid}", "用户打开小程序链接", "a user opens a link to a mini program"],
    [
        "POST /sandbox/pay · phone/sealed {appid, openid}",
        "用户支付；加密的手机号",
        "a user pays; the phone number, sealed",
    ],
    [
        "POST /sandbox/words {appid, word} · pictures {url, shows}",
        "内容安全的关键词；图片上有什么",
        "words that content checks find; what a picture shows",
    ],
    ["POST /sandbox/unfollow {appid, openid}", "用户取消关注", "a user leaves"],
    ["POST /sandbox/resend {push}", "把一次推送再发一遍", "the same push once more"],
    ["GET /sandbox/chats ?user", "用户的手机上有什么", "what a user's phone shows"],
    [
        "POST /sandbox/token/expire · token/rotate {appid}",
        "让 access_token 失效、被他人刷新",
        "end or replace a token",
    ],
    ["POST /sandbox/fault {path, …, times} · GET faults · DELETE faults/{id}", "注入故障", "script a fault"],
    ["POST /sandbox/clock {advance_seconds}", "拨快时钟", "move the clock"],
    ["POST /sandbox/quota {appid, api, limit}", "改接口一天的次数", "another limit of an API's day"],
    ["POST /sandbox/quirks {name: value}", "切换无法证实的行为", "facts nobody could confirm"],
    ["POST /sandbox/reset {seed?}", "恢复初始状态", "back to the start"],
    ["GET /sandbox/snapshot · POST restore", "保存、恢复全部状态", "keep the whole state, and bring it back"],
    [
        "GET · POST /sandbox/worlds {name?, seed?} · DELETE worlds/{w}",
        "互不相干的世界，在 /sandbox/worlds/{w} 之下，第一次用时出现",
        "worlds apart, below /sandbox/worlds/{w}; each begins when it is first used",
    ],
    ["GET /sandbox/state", "查看全部状态", "everything that happened"],
    ["GET /sandbox/live", "边发生边看（SSE）", "calls and pushes as they happen (SSE)"],
    [
        "GET /sandbox/calls ?path&appid&since&limit · DELETE calls",
        "每次调用的完整请求与应答",
        "every call, whole",
    ],
];

/// Lines to paste, with this place's address in the place of `BASE`: Chinese, English, line.
const EXAMPLES: &[[&str; 3]] = &[
    [
        "下一次建二维码返回 45009；times 为 0 则直到 reset",
        "the next QR code is refused with 45009; times 0: until reset",
        r#"curl BASE/sandbox/fault -d '{"path":"/cgi-bin/qrcode/create","errcode":45009,"times":1}'"#,
    ],
    [
        "其余故障：status、delay_ms、body（可加 content_type）、cut（before、half、after）",
        "other faults: status, delay_ms, body (with content_type), cut (before, half, after)",
        r#"curl BASE/sandbox/fault -d '{"path":"/cgi-bin/stable_token","cut":"half","times":1}'"#,
    ],
    [
        "别人刷新了令牌；hard 表示旧令牌立即失效，否则还能用 5 分钟",
        "somebody else refreshes the token; hard: the old one is dead at once, else it lives 5 more minutes",
        r#"curl BASE/sandbox/token/rotate -d '{"appid":"wx00000000000000a1","hard":true}'"#,
    ],
    ["时钟拨快两小时", "two hours later", r#"curl BASE/sandbox/clock -d '{"advance_seconds":7200}'"#],
    [
        "试接 wxgate（AppSecret 见上）",
        "try wxgate against it (AppSecret above)",
        "wxgate init --api-base BASE",
    ],
];

/// Where this world is, as whoever asks has called it.
fn base(below: &Below, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}{}", host.unwrap_or("127.0.0.1:36080"), below.link(""))
}

/// Whether English is wanted.
pub(super) fn is_english(headers: &HeaderMap) -> bool {
    let languages = headers.get(header::ACCEPT_LANGUAGE);
    languages.and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("en"))
}

/// `GET /sandbox/facts`
pub(super) async fn json(State(shared): State<Arc<Shared>>, below: Below, headers: HeaderMap) -> Response {
    let facts = facts(&shared.world(), &base(&below, &headers));
    axum::Json(facts).into_response()
}

/// `GET /` for whoever isn't a browser.
pub(super) fn text(shared: &Shared, below: &Below, headers: &HeaderMap) -> String {
    let facts = facts(&shared.world(), &base(below, headers));
    render(&facts, is_english(headers))
}

fn facts(world: &World, base: &str) -> Value {
    let apps: Vec<Value> = world
        .order
        .iter()
        .filter_map(|appid| world.apps.get(appid))
        .map(|app| {
            let mut view = app.view();
            view["secret"] = app.secret.as_str().into();
            view["callback_token"] = app.callback_token.as_str().into();
            view["aes_key"] = app.encoding_aes_key.as_str().into();
            view["linked"] = json!(app.linked);
            view
        })
        .collect();
    let codes: Vec<&str> = DEMO_CODES.iter().map(|(code, _)| *code).collect();
    let pairs = |list: &[[&str; 3]]| -> Vec<Value> {
        let row = |[line, zh, en]: &[&str; 3]| json!({"line": line, "zh": zh, "en": en});
        list.iter().map(row).collect()
    };
    let examples: Vec<Value> = EXAMPLES
        .iter()
        .map(|[zh, en, line]| json!({"line": line.replace("BASE", base), "zh": zh, "en": en}))
        .collect();
    json!({
        "base": base, "now": world.now, "apps": apps, "codes": codes, "template": TEMPLATE,
        "calls": pairs(CALLS), "examples": examples, "paths": api::paths(),
    })
}

fn render(facts: &Value, english: bool) -> String {
    let say = |zh: &'static str, en: &'static str| if english { en } else { zh };
    let rows = |name: &str| facts[name].as_array().cloned().unwrap_or_default();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let kind = |app: &Value| match serde_json::from_value(app["kind"].clone()) {
        Ok(Kind::Official) => say("公众号", "official account"),
        Ok(Kind::Mini) => say("小程序", "mini program"),
        Ok(Kind::Open) | Err(_) => say("网站应用", "website"),
    };
    let mut page = String::from(say(
        "微信模拟器\n\n这里不是微信，而是一个忠实的仿制品：api、mp、open 三个域名合一，状态机、限额、错误码、推送都照真的来。\n用浏览器打开本页，是一部手机：扫码、发消息、点菜单，看每次推送。\n",
        "WeChat sandbox\n\nNot WeChat but a faithful fake: the api, mp and open hosts in one, with its state machine, limits, error codes and pushes.\nIn a browser this is a phone: scan, write, press menus, and see each push.\n",
    ));
    page += say(
        "\n账号（消息推送 Token、EncodingAESKey 各在其后）\n",
        "\nAccounts (callback token and EncodingAESKey behind each)\n",
    );
    for app in rows("apps") {
        let parts =
            ["appid", "secret", "original_id", "callback_token", "aes_key"].map(|name| text(&app, name));
        page += &format!("  {}  {}\n", kind(&app), parts.join("  "));
    }
    page += say("\n永久有效的 code 与模板\n", "\nCodes that never run out, and the template\n");
    for code in rows("codes") {
        page += &format!("  {}\n", code.as_str().unwrap_or_default());
    }
    page += &format!("  {}\n", text(facts, "template"));
    page += say("\n控制接口\n", "\nControl calls\n");
    let language = if english { "en" } else { "zh" };
    for call in rows("calls") {
        page += &format!("  {}\n      {}\n", text(&call, "line"), text(&call, language));
    }
    page += say("\n例子\n", "\nExamples\n");
    for example in rows("examples") {
        page += &format!("  # {}\n  {}\n", text(&example, language), text(&example, "line"));
    }
    page
}
