//! `GET /`: what this is, and what can be done with it.

use super::scanner;
use super::worlds::Below;
use crate::Shared;
use crate::world::{App, DEMO_CODES, Kind, TEMPLATE, World};
use axum::extract::State;
use axum::response::Html;
use http::{HeaderMap, header};
use std::sync::Arc;

/// The control calls: call, Chinese, English.
const CALLS: &[[&str; 3]] = &[
    ["POST /sandbox/apps {appid, secret, kind}", "新增或修改账号", "another account"],
    ["POST /sandbox/users {nickname?}", "新增微信用户", "a new WeChat user"],
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
    ["POST /sandbox/scan {ticket, openid}", "用户扫码", "a user scans a code"],
    ["POST /sandbox/message {appid, openid, text}", "用户发消息", "a user writes"],
    ["POST /sandbox/event {appid, openid, event, key}", "用户触发事件", "any event"],
    [
        "POST /sandbox/kf {appid, kf_account, act, openid?, to?}",
        "客服：接受邀请、上下线、接待、结束、转接",
        "customer service: agree, come, go, take, close, switch",
    ],
    ["POST /sandbox/unfollow {appid, openid}", "用户取消关注", "a user leaves"],
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
    [
        "GET /sandbox/calls ?path&appid&since&limit · DELETE calls",
        "每次调用的完整请求与应答",
        "every call, whole",
    ],
];

/// Lines to paste: Chinese, English, line.
const EXAMPLES: &[[&str; 3]] = &[
    [
        "下一次建二维码返回 45009；times 为 0 则直到 reset",
        "the next QR code is refused with 45009; times 0: until reset",
        r#"curl http://127.0.0.1:36080/sandbox/fault -d '{"path":"/cgi-bin/qrcode/create","errcode":45009,"times":1}'"#,
    ],
    [
        "其余故障：status、delay_ms、body（可加 content_type）、cut（before、half、after）",
        "other faults: status, delay_ms, body (with content_type), cut (before, half, after)",
        r#"curl http://127.0.0.1:36080/sandbox/fault -d '{"path":"/cgi-bin/stable_token","cut":"half","times":1}'"#,
    ],
    [
        "别人刷新了令牌；hard 表示旧令牌立即失效，否则还能用 5 分钟",
        "somebody else refreshes the token; hard: the old one is dead at once, else it lives 5 more minutes",
        r#"curl http://127.0.0.1:36080/sandbox/token/rotate -d '{"appid":"wx00000000000000a1","hard":true}'"#,
    ],
    [
        "时钟拨快两小时",
        "two hours later",
        r#"curl http://127.0.0.1:36080/sandbox/clock -d '{"advance_seconds":7200}'"#,
    ],
    [
        "试接 wxgate（AppSecret 见上）",
        "try wxgate against it (AppSecret above)",
        "wxgate init --api-base http://127.0.0.1:36080",
    ],
];

pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    below: Below,
    headers: HeaderMap,
) -> Html<String> {
    let languages = headers.get(header::ACCEPT_LANGUAGE);
    let english =
        languages.and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with("en"));
    Html(render(&shared.world(), &below, english))
}

fn render(world: &World, below: &Below, english: bool) -> String {
    let say = |zh: &'static str, en: &'static str| if english { en } else { zh };
    let kind = |kind| match kind {
        Kind::Official => say("公众号", "official account"),
        Kind::Mini => say("小程序", "mini program"),
        Kind::Open => say("网站应用", "website"),
    };
    let accounts: String = world
        .order
        .iter()
        .filter_map(|appid| world.apps.get(appid))
        .map(|App { appid, kind: of, original_id, secret, .. }| {
            let (appid, original_id, secret) = (escape(appid), escape(original_id), escape(secret));
            let kind = kind(*of);
            format!("<tr><td><code>{appid}</code><td>{kind}<td><code>{secret}</code><td><code>{original_id}</code>")
        })
        .collect();
    let calls: String = CALLS
        .iter()
        .map(|[call, zh, en]| format!("<tr><td><code>{call}</code><td>{}", if english { en } else { zh }))
        .collect();
    let scanner = scanner::render(world, below, say);
    let codes: Vec<&str> = DEMO_CODES.iter().map(|(code, _)| *code).collect();
    let (lang, title) = (say("zh", "en"), say("微信模拟器", "WeChat sandbox"));
    let intro = say(
        "这里不是微信，而是一个忠实的仿制品：api、mp、open 三个域名合一，状态机、限额、错误码、推送都照真的来。",
        "Not WeChat but a faithful fake: the api, mp and open hosts in one, with its state machine, limits, error codes and pushes.",
    );
    let (accounts_title, calls_title) = (say("账号", "Accounts"), say("控制接口", "Control calls"));
    let original = say("原始 ID", "original id");
    let tokens = say(
        "三者的消息推送 Token 都是 <code>sandboxtoken</code>，EncodingAESKey 都是 <code>abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG</code>。",
        "All have the callback token <code>sandboxtoken</code> and the EncodingAESKey <code>abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG</code>.",
    );
    let examples_title = say("例子（把端口换成本页的）", "Examples (use this page's port)");
    let examples: String = EXAMPLES
        .iter()
        .map(|[zh, en, line]| {
            let title = if english { en } else { zh };
            format!("<p>{title}</p><pre><code>{}</code></pre>", escape(line))
        })
        .collect();
    let codes_title = say("永久有效的 code 与模板", "Codes that never run out, and the template");
    format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1><p>{intro}</p>\
         <h2>{accounts_title}</h2><table><tr><td>AppID<td><td>AppSecret<td>{original}{accounts}</table><p>{tokens}</p>\
         {scanner}<h2>{codes_title}</h2><p><code>{}</code></p><p><code>{TEMPLATE}</code></p>\
         <h2>{calls_title}</h2><table>{calls}</table><h2>{examples_title}</h2>{examples}</main></html>",
        codes.join("</code> <code>"),
    )
}

const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;margin:0;background:#f4f5f5;color:#1a1a1a}main{max-width:56rem;\
margin:2rem auto;padding:1.5rem 2rem;background:#fff;border-radius:12px;border-top:6px solid #07c160}h1{margin:.2rem 0}\
h2{font-size:1.1rem;margin-top:2rem}table{width:100%;border-collapse:collapse}td{padding:.35rem .6rem .35rem 0;\
border-bottom:1px solid #eee;vertical-align:top}pre{overflow-x:auto;margin:.2rem 0 1rem}code{font-size:.9em;background:#f2f7f4;padding:.1em .35em;border-radius:4px;\
overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}main{background:#1b1b1b}\
td{border-color:#333}code{background:#23302a}}";

/// Text for HTML, attributes included.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
