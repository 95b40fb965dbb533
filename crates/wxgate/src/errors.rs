//! What every code means, why it comes and what to do: WeChat's, of `wechat::errcode`'s table, and ours beside them. The API, the
//! page in `docs/` and what callers are told all take it from here.

use std::fmt::Write as _;

use wechat::errcode::{self, Entry, is_account_error, is_busy, is_dead_token, is_limit};

use crate::lang::Words;
use crate::problem::Code;

/// Help for one code.
#[derive(Clone, Debug)]
pub struct Help {
    /// WeChat's, or ours.
    pub code: i64,
    /// With which code the service API answers it; `None`: that of the endpoint.
    pub ours: Option<i64>,
    /// WeChat's own words.
    pub text: Option<&'static str>,
    /// Why, and what to do.
    pub words: Words,
    /// Whether the same call may be made again though nobody changed anything.
    pub retry: bool,
}

/// What the service API's own codes say, and whether the same call may be made again.
#[rustfmt::skip]
const OURS: &[(Code, bool, Words)] = &[
    (Code::Internal, true, Words::fixed(
        "wxgate 内部错误：稍后重试；若再出现，把 request_id 和日志里那一行发给维护者。",
        "An error inside wxgate: try again later; if it comes again, send the request_id and its line of the log to the maintainers.")),
    (Code::Parameter, false, Words::fixed(
        "参数缺失或不对：msg 里指出了是哪一个，对照 openapi.json 改。",
        "A parameter is missing or wrong: msg says which; see openapi.json.")),
    (Code::Json, false, Words::fixed(
        "请求体不是 JSON 对象：检查 Content-Type 和正文，msg 里指出了哪里读不下去。",
        "The body is no JSON object: check Content-Type and body; msg says where reading stopped.")),
    (Code::Token, false, Words::fixed(
        "拿不到 access_token，或微信不认，或网页授权的 code 被拒：看 wx_errcode 那一行；retryable 为真时可以重试。",
        "There is no access_token to be had, WeChat refuses it, or an OAuth code was refused: see the row of wx_errcode; try again where retryable is true.")),
    (Code::App, false, Words::fixed(
        "appid 没有配置、AppSecret 不对或出口 IP 不在白名单：msg 里有要改的地方和要加的 IP。",
        "The appid isn't configured, its AppSecret is wrong, or the outgoing IP isn't listed: msg says where to mend it and which IP to add.")),
    (Code::User, false, Words::fixed(
        "用户信息或登录失败：看 wx_errcode 那一行。",
        "User info or login failed: see the row of wx_errcode.")),
    (Code::QrCode, false, Words::fixed(
        "二维码失败：看 wx_errcode 那一行。",
        "The QR code failed: see the row of wx_errcode.")),
    (Code::Phone, false, Words::fixed(
        "手机号失败：看 wx_errcode 那一行。",
        "The phone number failed: see the row of wx_errcode.")),
    (Code::Message, false, Words::fixed(
        "模板消息或订阅消息失败：看 wx_errcode 那一行。",
        "The template or subscription message failed: see the row of wx_errcode.")),
    (Code::Unauthenticated, false, Words::fixed(
        "没有带调用方密钥，或密钥不对：用请求头 x-api-key 或 Authorization: Bearer 带上，密钥在 callers 里。",
        "The request shows no caller key, or a wrong one: send it as x-api-key or Authorization: Bearer; keys are set up with callers.")),
    (Code::Forbidden, false, Words::fixed(
        "调用方没有这个权限：给它的 apps、apis 或 networks 加上 msg 里说的那一项。",
        "The caller may not: add what msg names to its apps, apis or networks.")),
    (Code::Limited, true, Words::fixed(
        "超过调用方的速率或微信的配额：降低频率；当日配额要等零点（北京时间），retryable 说明能否重试。",
        "Over the caller's rate or WeChat's quota: slow down; a quota of the day ends at midnight in Beijing; retryable says whether to try again.")),
    (Code::Unreachable, true, Words::fixed(
        "连不上微信或应答不可用：检查网络、wechat.api_base 和 wechat.proxy；写操作可能已经生效，重试前先核对。",
        "WeChat can't be reached or gave no usable answer: check the network, wechat.api_base and wechat.proxy; a write may have taken effect, so look before you repeat it.")),
    (Code::Store, true, Words::fixed(
        "数据库不可用：检查磁盘空间和权限，或 PostgreSQL 是否在运行，再重试。",
        "The database isn't available: check disk space and permissions, or whether PostgreSQL runs, then try again.")),
    (Code::Overloaded, true, Words::fixed(
        "同时的请求太多：按 Retry-After 稍后重试；常见的话调大 concurrency，或看微信为什么慢。",
        "Too much at once: try again after Retry-After; if it happens often, raise concurrency or see why WeChat is slow.")),
    (Code::NotFound, false, Words::fixed(
        "没有这个接口，或方法不对：对照 openapi.json 核对路径和 GET、POST。",
        "There is no such endpoint or method: check path and GET or POST against openapi.json.")),
];

/// Every code: WeChat's, ascending, then ours.
pub fn all() -> impl Iterator<Item = Help> {
    errcode::table().map(Help::of).chain(OURS.iter().map(Help::ours))
}

/// Help for `code`; where a family of codes has one row, that row's.
pub fn lookup(code: i64) -> Option<Help> {
    let ours = || OURS.iter().find(|(ours, ..)| number(*ours) == code).map(Help::ours);
    errcode::lookup(code).map(|entry| Help { code, ..Help::of(entry) }).or_else(ours)
}

fn number(code: Code) -> i64 {
    i64::from(code as u32)
}

impl Help {
    fn of(entry: &'static Entry) -> Self {
        let &Entry { code, text, zh, en, official, .. } = entry;
        let ours = match code {
            code if is_busy(code) => Some(Code::Unreachable),
            code if is_limit(code) => Some(Code::Limited),
            code if is_account_error(code) => Some(Code::App),
            code if is_dead_token(code) => Some(Code::Token),
            _ => None,
        };
        Self {
            code,
            ours: ours.map(number),
            text: official.then_some(text),
            words: Words::fixed(zh, en),
            retry: errcode::is_retryable(code),
        }
    }

    fn ours((code, retry, words): &(Code, bool, Words)) -> Self {
        let code = number(*code);
        Self { code, ours: Some(code), text: None, words: words.clone(), retry: *retry }
    }

    /// Why, in one of the languages, and what to do.
    pub fn parts(&self, english: bool) -> (&str, &str) {
        let [zh, en] = self.words.parts();
        if english { en } else { zh }
    }

    /// Whether `wanted` is in its code or its words.
    pub fn is_about(&self, wanted: &str) -> bool {
        let wanted = wanted.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        self.code.to_string().contains(&wanted)
            || has(&self.words.zh)
            || has(&self.words.en)
            || self.text.is_some_and(has)
    }
}

/// The page in `docs/`.
pub fn document(english: bool) -> String {
    let say = |zh, en| if english { en } else { zh };
    let mut page = String::from(say(
        "中文 | [English](errors.en.md)\n\n# 错误码\n\n由代码里的错误表生成（`make gen`），与接口的 `msg`、管理接口的 `errors` 是同一份。「我们的」是服务接口 `ret.code`，空着时是各接口自己的；\
         「重试」指什么都没改也可以再调。SDK 直通时得到微信自己的码。\n\n| 码 | 我们的 | 原因 | 怎么办 | 重试 | 微信的原话 |\n|---|---|---|---|---|---|\n",
        "[中文](errors.md) | English\n\n# Error codes\n\nWritten from the error table in the code (`make gen`), the same that the API's `msg` and the admin API's `errors` come from. \"Ours\" is \
         `ret.code` of the service API, empty where each endpoint has its own; \"again\" says whether the same call may be made again though nobody changed \
         anything. SDKs that pass through get WeChat's own codes.\n\n| code | ours | cause | what to do | again | WeChat's words |\n|---|---|---|---|---|---|\n",
    ));
    for help in all().filter(|help| help.code != 0) {
        let (cause, fix) = help.parts(english);
        let ours =
            help.ours.filter(|ours| *ours != help.code).map(|ours| ours.to_string()).unwrap_or_default();
        let again = if help.retry { say("是", "yes") } else { "" };
        let text = help.text.map(|text| format!("`{text}`")).unwrap_or_default();
        // What links lead to: `errors.md#40164`.
        let code = format!("<a id=\"{0}\"></a>{0}", help.code);
        let cells = [&code, &ours, cause, fix, again, &text].map(cell);
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    page.push_str(say(
        "\n## 在个别接口上另有含义的\n\n| 接口 | 码 | 原因 | 怎么办 |\n|---|---|---|---|\n",
        "\n## What means something else at one path\n\n| path | code | cause | what to do |\n|---|---|---|---|\n",
    ));
    for (path, entry) in errcode::at_paths() {
        let help = Help::of(entry);
        let (cause, fix) = help.parts(english);
        let _ = writeln!(page, "| `{path}` | {} | {} | {} |", help.code, cell(cause), cell(fix));
    }
    page
}

/// A bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_cause_and_fix_in_both_languages_once() {
        let mut codes = Vec::new();
        for help in all() {
            for english in [false, true] {
                let (cause, fix) = help.parts(english);
                assert!(!cause.is_empty() && !fix.is_empty(), "{}", help.code);
            }
            codes.push(help.code);
        }
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert_eq!(lookup(40164).map(|help| (help.ours, help.retry)), Some((Some(3_584_005), false)));
        assert_eq!(lookup(-1000).map(|help| (help.code, help.ours)), Some((-1000, Some(3_584_013))));
        assert_eq!(lookup(3_584_016).map(|help| help.retry), Some(false));
        assert!(lookup(12345).is_none());
    }

    #[test]
    fn a_search_finds_by_code_and_by_words() {
        let found = |wanted: &str| {
            all().filter(|help| help.is_about(wanted)).map(|help| help.code).collect::<Vec<_>>()
        };
        assert!(found("40164").contains(&40164) && found("白名单").contains(&40164));
        assert!(found("ALLOW-LIST").contains(&40164) && found("not in whitelist").contains(&40164));
        assert!(found("no such words").is_empty());
    }

    #[test]
    fn the_pages_are_those_of_the_table() {
        let pages = [
            (false, include_str!("../../../docs/errors.md")),
            (true, include_str!("../../../docs/errors.en.md")),
        ];
        for (english, committed) in pages {
            assert!(document(english) == committed, "docs/errors is stale: run `make gen`");
        }
    }
}
