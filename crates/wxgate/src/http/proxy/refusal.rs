//! wxgate's own refusals on the pass-through, in WeChat's manner: HTTP 200 with `errcode` and `errmsg`.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use serde_json::json;

use super::target::Wrong;
use crate::admit::identify::Denied;
use crate::http::RequestId;
use crate::http::once::Unfinished;
use crate::slots::TokenError;
use crate::transport::Lost;
use crate::upstream::{Failure, Unpassed};

const X_WXGATE_ERROR: HeaderName = HeaderName::from_static("x-wxgate-error");

/// A refusal: WeChat's code and words, and what to do, in Chinese.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) errcode: i64,
    words: &'static str,
    hint: Cow<'static, str>,
}

impl Refusal {
    fn new(errcode: i64, words: &'static str, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { errcode, words, hint: hint.into() }
    }

    pub(super) fn path() -> Self {
        Self::new(
            40066,
            "invalid url",
            "路径里不能有 %、;、\\、空段、. 或 ..：检查 SDK 拼出的地址（结尾的 / 也算空段）",
        )
    }

    pub(super) fn parameter(name: &str) -> Self {
        Self::new(
            40035,
            "invalid parameter",
            format!("参数 {name} 出现了两次，或写成了别的样子：只写一次 {name}=…"),
        )
    }

    pub(super) fn key_in_parameter() -> Self {
        Self::new(
            40035,
            "invalid parameter",
            "调用方密钥和 wxgate 的 access_token 不能作为别的参数交给微信：去掉它",
        )
    }

    pub(super) fn only_get() -> Self {
        Self::new(43001, "require GET method", "这个接口用 GET，参数写在地址里")
    }

    pub(super) fn missing(errcode: i64, words: &'static str, name: &str) -> Self {
        Self::new(errcode, words, format!("缺少 {name}"))
    }

    pub(super) fn grant_type() -> Self {
        Self::new(40002, "invalid grant_type", "grant_type 应是 client_credential")
    }

    pub(super) fn unknown_app(appid: &str) -> Self {
        let appid: String = appid.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        Self::new(
            40013,
            "invalid appid",
            format!("appid {appid} 没有配置：在 wxgate.toml 的 [[apps]] 里加上它，然后发 SIGHUP"),
        )
    }

    pub(super) fn wrong_key() -> Self {
        Self::new(
            40125,
            "invalid appsecret",
            "secret 应填 wxgate 的调用方密钥（[[callers]] 的 key，用 wxgate key new 生成），不是 AppSecret",
        )
    }

    pub(super) fn no_credential() -> Self {
        Self::new(
            41001,
            "access_token missing",
            "没有凭据：先用 /cgi-bin/token（secret 填调用方密钥）取 access_token；或请求头写 Authorization: Bearer <调用方密钥> 和 X-Wx-Appid，或用 /wx/{appid}/ 前缀",
        )
    }

    pub(super) fn dead_token() -> Self {
        Self::new(
            42001,
            "access_token expired",
            "这个 access_token 不是 wxgate 发的、已过期，或它的调用方密钥已撤销：重新获取",
        )
    }

    pub(super) fn replaced() -> Self {
        Self::new(
            42001,
            "access_token expired",
            "微信的 access_token 刚换新，而这个请求已不能代为重发（请求体太大，或时间不够）：请重发",
        )
    }

    pub(super) fn disagree() -> Self {
        Self::new(
            48001,
            "api unauthorized",
            "access_token、密钥、X-Wx-Appid 和 /wx/{appid}/ 前缀说的不是同一个调用方或账号",
        )
    }

    pub(super) fn forbidden_api(caller: &str, path: &str) -> Self {
        Self::new(
            48001,
            "api unauthorized",
            format!("调用方 {caller} 不能调用 {path}：需要时在 [[callers]] 的 apis 里放行"),
        )
    }

    pub(super) fn only_by_name(caller: &str, path: &str) -> Self {
        Self::new(
            48001,
            "api unauthorized",
            format!("{path} 影响所有调用方，只有 apis 里逐字写明它的调用方才能调用（{caller} 没有）"),
        )
    }

    pub(super) fn forbidden_app(caller: &str, appid: &str) -> Self {
        Self::new(
            48001,
            "api unauthorized",
            format!("调用方 {caller} 不能使用 {appid}：需要时在 [[callers]] 的 apps 里放行"),
        )
    }

    pub(super) fn forbidden_address() -> Self {
        Self::new(48001, "api unauthorized", "没有调用方可以从这个地址调用：把它加进某个调用方的 networks")
    }

    pub(super) fn over_rate() -> Self {
        Self::new(
            45011,
            "api minute-quota reach limit, must slower, retry next minute",
            "超过了 wxgate 给这个调用方的速率（[[callers]] 的 rate）：放慢后重试",
        )
    }

    pub(super) fn overloaded() -> Self {
        Self::new(-1, "system error", "wxgate 正在处理的请求太多：稍后重试")
    }

    pub(super) fn body() -> Self {
        Self::new(-1, "system error", "请求体没有收全")
    }

    fn lost(lost: &Lost) -> Self {
        let zh = &lost.zh;
        let hint = if lost.sent {
            format!("微信没有给出可用的应答（{zh}）；请求可能已经生效，wxgate 没有重发")
        } else {
            format!("连不上微信（{zh}），请求没有发出，可以重试：检查网络、wechat.api_base 和 wechat.proxy")
        };
        Self::new(-1, "system error", hint)
    }

    fn said(what: &str, error: &wechat::answer::ApiError) -> Self {
        let hint = format!("{what}，微信说 {} {}", error.errcode, error.errmsg);
        Self::new(48001, "api unauthorized", hint)
    }

    /// As the caller gets it.
    pub(super) fn response(&self, id: RequestId) -> Response<Full<Bytes>> {
        let errmsg = format!("{} hint: [wxgate {}] {}", self.words, id.as_str(), self.hint);
        let body = json!({"errcode": self.errcode, "errmsg": errmsg}).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(X_WXGATE_ERROR, HeaderValue::from_static("1"));
        response
    }

    /// For the log: holds nothing a caller sent.
    pub(super) fn words(&self) -> &'static str {
        self.words
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Path => Self::path(),
            Wrong::Parameter(name) => Self::parameter(name),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let not_allowed = |hint: Cow<'static, str>| Self::new(48001, "api unauthorized", hint);
        match denied {
            Denied::NoKey => Self::no_credential(),
            Denied::Unreadable | Denied::UnknownKey => {
                not_allowed("密钥不对：请求头的 Authorization: Bearer 后面应是 wxgate 的调用方密钥".into())
            }
            Denied::Forwarded => not_allowed(
                "经代理转发的无密钥调用不被接受：给调用方一个密钥，或把代理的地址加进 server.trusted_proxies".into(),
            ),
            Denied::WebPage(header) => not_allowed(
                format!("网页不能使用 wxgate（{header} 来自别的站点）：请由后端调用；从别的主机名访问时，把它加进 server.hosts").into(),
            ),
            Denied::Network { caller, address } => {
                let address = address.map_or_else(|| "?".to_owned(), |address| address.to_canonical().to_string());
                not_allowed(format!("调用方 {caller} 不能从 {address} 调用：把它加进 [[callers]] 的 networks").into())
            }
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Token(TokenError::None) => {
                Self::new(48001, "api unauthorized", "网站/移动应用（kind = \"open\"）没有 access_token")
            }
            Failure::Token(TokenError::Refused(error)) => Self::said("拿不到 access_token", &error),
            Failure::Token(TokenError::TicketRefused(error)) => Self::said("拿不到 ticket", &error),
            Failure::Token(TokenError::Lost(lost) | TokenError::TicketLost(lost)) | Failure::Lost(lost) => {
                Self::lost(&lost)
            }
            Failure::Refused(error) => Self::said(
                "access_token 换新后仍被拒绝，或暂时不能再换：确认账号有此接口的权限、没有别的程序在刷新它的 access_token",
                &error,
            ),
        }
    }
}

impl From<Unpassed> for Refusal {
    fn from(unpassed: Unpassed) -> Self {
        match unpassed {
            Unpassed::Failed(failure) => failure.into(),
            Unpassed::Again => Self::replaced(),
        }
    }
}

impl From<Unfinished> for Refusal {
    fn from(_: Unfinished) -> Self {
        Self::new(-1, "system error", "先到的同一请求没有完成")
    }
}
