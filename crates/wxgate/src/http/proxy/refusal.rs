//! wxgate's own refusals on the pass-through, in WeChat's manner: HTTP 200 with `errcode` and `errmsg`.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::target::Wrong;
use crate::admit::Denied;
use crate::entries::AppEntry;
use crate::http::once::Unfinished;
use crate::http::problem::{Unhandled, json_response};
use crate::outcome::{End, Outcome, RequestId};
use crate::places;
use crate::problem::Words;
use crate::slots::TokenError;
use crate::transport::Lost;
use crate::upstream::CallError;

const X_WXGATE_ERROR: HeaderName = HeaderName::from_static("x-wxgate-error");

/// WeChat's codes and words for what goes wrong here.
const UNAUTHORIZED: (i64, &str) = (48001, "api unauthorized");
const SYSTEM_ERROR: (i64, &str) = (-1, "system error");
const TOO_LARGE: (i64, &str) = (45001, "media size out of limit");
const INVALID_PARAMETER: (i64, &str) = (40035, "invalid parameter");
const INVALID_URL: (i64, &str) = (40066, "invalid url");
const EXPIRED: (i64, &str) = (42001, "access_token expired");
const NO_TOKEN: (i64, &str) = (41001, "access_token missing");
const SPENT: (i64, &str) = (45009, "reach max api daily quota limit");
const TOO_OFTEN: (i64, &str) = (45011, "api minute-quota reach limit, must slower, retry next minute");

const NO_SECRET: Words = Words::fixed(
    "缺少 secret，或它是空的（填 wxgate 的调用方密钥）",
    "secret is missing or empty: it must be a caller key of wxgate",
);

/// A refusal: WeChat's code and words, and what to do.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    errcode: i64,
    words: &'static str,
    hint: Words,
    end: End,
    status: StatusCode,
    /// It may come again after so many seconds.
    again_in: Option<u32>,
}

impl Refusal {
    fn new((errcode, words): (i64, &'static str), hint: Words) -> Self {
        Self { errcode, words, hint, end: End::Refused, status: StatusCode::OK, again_in: None }
    }

    fn failed(code: (i64, &'static str), hint: Words) -> Self {
        Self { end: End::Failed, ..Self::new(code, hint) }
    }

    fn parameter(name: &str) -> Self {
        Self::new(
            INVALID_PARAMETER,
            Words::new(
                format!("参数 {name} 出现了两次，或写成了别的样子：只写一次 {name}=…"),
                format!("the parameter {name} is given twice, or in another spelling: write {name}=… once"),
            ),
        )
    }

    /// The path, the query or the header `place` shows a credential of ours where it would reach WeChat.
    pub(super) fn shown_credential(place: Option<&str>) -> Self {
        let (zh, en) = match place {
            Some(header) => (format!("请求头 {header} 里"), format!("the header {header}")),
            None => ("路径或别的参数里".to_owned(), "the path or another parameter".to_owned()),
        };
        Self::new(
            INVALID_PARAMETER,
            Words::new(
                format!("{zh}有调用方密钥或 wxgate 的 access_token，不能交给微信：去掉它"),
                format!(
                    "{en} holds a caller key or an access_token of wxgate, which WeChat mustn't get: take it out"
                ),
            ),
        )
    }

    pub(super) fn only_get() -> Self {
        Self::new(
            (43001, "require GET method"),
            Words::new("这个接口用 GET，参数写在地址里", "use GET, with the parameters in the URL"),
        )
    }

    pub(super) fn no_appid() -> Self {
        Self::new((41002, "appid missing"), Words::new("缺少 appid", "appid is missing"))
    }

    pub(super) fn no_secret() -> Self {
        Self::new((41004, "appsecret missing"), NO_SECRET)
    }

    /// Of a token call, which shows nothing else either.
    pub(super) fn no_secret_for_token() -> Self {
        Self::new(NO_TOKEN, NO_SECRET)
    }

    pub(super) fn grant_type() -> Self {
        let hint = Words::new("grant_type 应是 client_credential", "grant_type must be client_credential");
        Self::new((40002, "invalid grant_type"), hint)
    }

    /// No credential at all.
    fn no_credential() -> Self {
        Self::new(
            NO_TOKEN,
            Words::new(
                "没有凭据：先用 /cgi-bin/token（secret 填调用方密钥）取 access_token；或请求头写 Authorization: Bearer <调用方密钥> 和 X-Wx-Appid，或用 /wx/{appid}/ 前缀",
                "no credential: get an access_token from /cgi-bin/token (a caller key as secret), or send Authorization: Bearer <caller key> with X-Wx-Appid, or use the prefix /wx/{appid}/",
            ),
        )
    }

    /// The caller is known, but not which account is meant; `appid` is one that it may use.
    pub(super) fn no_app_named(appid: Option<&str>, has_key: bool) -> Self {
        let appid = appid.unwrap_or("<appid>");
        let (zh, en) = match has_key {
            true => ("密钥没有问题，还要说明用哪个账号", "the key is right, say which account"),
            false => ("没有说明用哪个账号", "say which account"),
        };
        Self::new(
            NO_TOKEN,
            Words::new(
                format!(
                    "{zh}：请求头加 X-Wx-Appid: {appid}，或用 /wx/{appid}/ 前缀，或先用 /cgi-bin/token 取 access_token"
                ),
                format!(
                    "{en}: send X-Wx-Appid: {appid}, or use the prefix /wx/{appid}/, or get an access_token from /cgi-bin/token"
                ),
            ),
        )
    }

    /// The call carries a credential that isn't wxgate's to give.
    pub(super) fn other_credential() -> Self {
        Self::new(
            UNAUTHORIZED,
            Words::new(
                "第三方平台的接口（component_access_token 等）此版本不支持：不要经由 wxgate 调用",
                "calls of third-party platforms (component_access_token and the like) are not supported in this version: don't send them through wxgate",
            ),
        )
    }

    pub(super) fn body() -> Self {
        Self::new(SYSTEM_ERROR, Words::new("请求体没有收全", "the request's body did not come whole"))
    }

    /// A body without its length that is over `most` bytes; with it, WeChat would have the last word.
    pub(super) fn too_large(most: usize) -> Self {
        let most = most >> 20;
        let hint = Words::new(
            format!("没有 Content-Length 的请求体超过 {most} MiB：让 SDK 带上长度（不用 chunked）"),
            format!(
                "the request's body has no Content-Length and is over {most} MiB: have the SDK send its length (not chunked)"
            ),
        );
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::new(TOO_LARGE, hint) }
    }

    pub(super) fn answer() -> Self {
        Self::failed(SYSTEM_ERROR, Words::new("微信的应答没有收全", "WeChat's answer did not come whole"))
    }

    /// What no handler could answer.
    pub(super) fn malformed(refused: &Unhandled<'_>) -> Self {
        let code = match refused.status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => INVALID_PARAMETER,
            status if status.is_server_error() => SYSTEM_ERROR,
            _ => INVALID_URL,
        };
        let end = if refused.status.is_server_error() { End::Broken } else { End::Refused };
        Self { end, ..Self::new(code, refused.words.clone()) }
    }

    fn lost(lost: &Lost) -> Self {
        let (zh, en) = (&lost.zh, &lost.why);
        let hint = if lost.sent {
            Words::new(
                format!("微信没有给出可用的应答（{zh}）；请求可能已经生效，wxgate 没有重发"),
                format!(
                    "WeChat gave no usable answer ({en}); the call may have taken effect and was not repeated"
                ),
            )
        } else {
            Words::new(
                format!(
                    "连不上微信（{zh}），请求没有发出，可以重试：检查网络、wechat.api_base 和 wechat.proxy"
                ),
                format!(
                    "WeChat can't be reached ({en}); nothing was sent, you may retry: check the network, wechat.api_base and wechat.proxy"
                ),
            )
        };
        Self::failed(SYSTEM_ERROR, hint)
    }

    /// The call was never sent, for there was no token to send it with.
    fn no_token(lost: &Lost) -> Self {
        let (zh, en) = (&lost.zh, &lost.why);
        Self::failed(
            SYSTEM_ERROR,
            Words::new(
                format!(
                    "拿不到 access_token（{zh}），请求没有发出，可以重试：检查网络、wechat.api_base 和 wechat.proxy"
                ),
                format!(
                    "no access_token can be had ({en}); the call was not sent, you may retry: check the network, wechat.api_base and wechat.proxy"
                ),
            ),
        )
    }

    fn said(zh: &str, en: &str, error: &wechat::answer::ApiError) -> Self {
        let (code, text) = (error.errcode, &error.errmsg);
        let hint =
            Words::new(format!("{zh}，微信说 {code} {text}"), format!("{en}; WeChat says {code} {text}"));
        Self::failed(UNAUTHORIZED, hint)
    }

    /// No call as `app` could be made. What its operator has to do is told with it.
    pub(super) fn call(error: CallError, app: &AppEntry) -> Self {
        let cure = match &error {
            CallError::Token(error) => error.refusal().and_then(|refused| places::mend(app, refused)),
            _ => None,
        };
        let refusal = Self::from(error);
        let Some(cure) = cure else { return refusal };
        let hint = Words::new(
            format!("{}；{}", refusal.hint.zh, cure.zh),
            format!("{}; {}", refusal.hint.en, cure.en),
        );
        Self { hint, ..refusal }
    }

    /// As the caller gets it.
    pub(super) fn response(&self, id: RequestId, english: bool) -> Response<Full<Bytes>> {
        let errmsg = format!("{} hint: [wxgate {}] {}", self.words, id.as_str(), self.hint.of(english));
        let body = json!({"errcode": self.errcode, "errmsg": errmsg});
        let mut response = json_response(self.status, &body);
        response.headers_mut().insert(X_WXGATE_ERROR, HeaderValue::from_static("1"));
        if let Some(seconds) = self.again_in {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Notes in `outcome` that the request ended so. WeChat's code alone goes to the log: the hint may hold what others
    /// wrote.
    pub(super) fn note(&self, outcome: &mut Outcome) {
        outcome.end = self.end;
        outcome.errcode = self.errcode;
        outcome.words = self.words.into();
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Path => Self::new(
                INVALID_URL,
                Words::new(
                    "路径里不能有 %、;、\\、空段、. 或 ..：检查 SDK 拼出的地址（结尾的 / 也算空段）",
                    "a path may hold no %, ;, \\, empty segment, . or ..: look at the URL that the SDK makes (a / at the end makes an empty segment)",
                ),
            ),
            Wrong::Parameter(name) => Self::parameter(name),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let code = match denied.like() {
            Denied::NoKey if !matches!(denied, Denied::Ended { .. }) => return Self::no_credential(),
            Denied::NoKey => NO_TOKEN,
            Denied::Prefix => (41001, "access_token missing"),
            Denied::WrongSecret { .. } => (40125, "invalid appsecret"),
            Denied::DeadToken | Denied::KeyAsToken => EXPIRED,
            Denied::UnknownApp { .. } => (40013, "invalid appid"),
            Denied::Quota { is_daily: true, .. } => SPENT,
            Denied::Rate { .. } | Denied::OpenRate | Denied::Quota { .. } => TOO_OFTEN,
            Denied::Busy { .. } | Denied::Overloaded | Denied::QuotaUnknown { .. } => SYSTEM_ERROR,
            Denied::Unreadable
            | Denied::UnknownKey
            | Denied::Forwarded
            | Denied::WebPage(_)
            | Denied::OldHttp
            | Denied::Disagree
            | Denied::Network { .. }
            | Denied::Api { .. }
            | Denied::OnlyByName { .. }
            | Denied::Export { .. }
            | Denied::App { .. }
            | Denied::Ended { .. }
            | Denied::Address => UNAUTHORIZED,
        };
        let end = if matches!(denied, Denied::QuotaUnknown { .. }) { End::Broken } else { End::Refused };
        Self { again_in: denied.again_in(), end, ..Self::new(code, denied.words()) }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Token(TokenError::None) => Self::new(
                UNAUTHORIZED,
                Words::new(
                    "网站/移动应用（kind = \"open\"）没有 access_token",
                    "an app of kind \"open\" has no access_token",
                ),
            ),
            CallError::Token(TokenError::Refused(error)) => {
                Self::said("拿不到 access_token", "no access_token can be had", &error)
            }
            CallError::Token(TokenError::TicketRefused(error)) => {
                Self::said("拿不到 ticket", "no ticket can be had", &error)
            }
            CallError::Token(TokenError::Lost(lost) | TokenError::TicketLost(lost)) => {
                Self { again_in: Some(1), ..Self::no_token(&lost) }
            }
            CallError::Lost(lost) => Self::lost(&lost),
            CallError::Refused(error) => Self::said(
                "access_token 换新后仍被拒绝，或暂时不能再换：确认账号有此接口的权限、没有别的程序在刷新它的 access_token",
                "another access_token is refused as well, or may not be had yet: check that the account may use this API and that nothing else refreshes its access_token",
                &error,
            ),
            CallError::Unknown => Self::failed(
                SYSTEM_ERROR,
                Words::new(
                    "微信拒绝了 access_token，暂时查不出是不是它失效了：请求没有生效，可以重试",
                    "WeChat refused the access_token, and whether it is dead could not be found out: the call had no effect, you may retry",
                ),
            ),
            CallError::Again => Self::failed(
                EXPIRED,
                Words::new(
                    "微信的 access_token 刚换新，而这个请求已不能代为重发（请求体太大）：请重发",
                    "WeChat's access_token has just been replaced, and this request can't be repeated here (its body is too large): send it again",
                ),
            ),
        }
    }
}

impl From<Unfinished> for Refusal {
    fn from(_: Unfinished) -> Self {
        let hint = Words::new("先到的同一请求没有完成", "the same request before this one did not finish");
        Self::failed(SYSTEM_ERROR, hint)
    }
}
