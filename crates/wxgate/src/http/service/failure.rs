//! From what WeChat did to what the caller is told: the rules of the contract, first that fits.

use wechat::answer::ApiError;
use wechat::catalog::{Auth, Effect, Endpoint as WechatEndpoint, GET_TICKET, STABLE_TOKEN};
use wechat::errcode::{self, Class, is_account_error, is_busy, is_limit, is_passing};

use super::Call;
use crate::entries::AppEntry;
use crate::places;
use crate::problem::{Code, Problem, Words};
use crate::slots::TokenError;
use crate::transport::Lost;
use crate::upstream::CallError;

/// `endpoint` was called for `call` and gave `error`.
pub(super) fn problem(call: &Call, endpoint: &WechatEndpoint, error: CallError) -> Problem {
    let appid = call.app.entry.appid.as_str();
    match error {
        CallError::Token(TokenError::None) => Problem::parameter(
            "appid",
            &format!("{appid} 是网站/移动应用（kind = \"open\"），没有 access_token，不能用于此接口"),
            &format!("{appid} is of kind \"open\": it has no access_token and can't be used here"),
        ),
        CallError::Token(TokenError::Refused(error)) => no_token(&call.app.entry, error),
        CallError::Token(TokenError::TicketRefused(error)) => refused(call, &GET_TICKET, error),
        CallError::Token(TokenError::TicketLost(lost)) => unreachable(&GET_TICKET, &lost),
        CallError::Token(TokenError::Lost(lost)) => {
            let zh = &lost.zh;
            let problem = Problem::new(
                Code::Token,
                format!(
                    "拿不到 {appid} 的 access_token：{zh}；检查网络、wechat.api_base 和 wechat.proxy，稍后重试"
                ),
                format!(
                    "no access_token for {appid}: no usable answer ({lost}); check the network, wechat.api_base and wechat.proxy, then retry"
                ),
            );
            Problem { retryable: true, ..problem }.cause(&lost)
        }
        CallError::Unknown | CallError::Again => {
            let problem = Problem::new(
                Code::Token,
                format!(
                    "微信拒绝了 {appid} 的 access_token，这次调用没有成功，可以重试：可能刚刚换新，或暂时查不出原因"
                ),
                format!(
                    "WeChat refused the access_token of {appid} and the call was not made: retry; it may have just been replaced, or nobody could find out why"
                ),
            );
            Problem { retryable: true, ..problem }
        }
        CallError::Lost(lost) => unreachable(endpoint, &lost),
        CallError::Refused(error) => refused(call, endpoint, error),
    }
}

/// The token call itself was refused.
fn no_token(app: &AppEntry, error: ApiError) -> Problem {
    let appid = &app.appid;
    if is_account_error(error.errcode) || error.errcode == 40001 {
        return account(app, &STABLE_TOKEN, error);
    }
    let (zh, en) = advice(&STABLE_TOKEN, &error);
    let code = error.errcode;
    let retryable = is_busy(code) || (45000..45100).contains(&code) || is_passing(STABLE_TOKEN.path, code);
    let problem = Problem::new(
        Code::Token,
        format!("拿不到 {appid} 的 access_token（微信 {}）：{zh}", error.errcode),
        format!("no access_token for {appid} (WeChat {}): {en}", error.errcode),
    );
    Problem { retryable, wechat: Some(error.into()), ..problem }
}

fn account(app: &AppEntry, endpoint: &WechatEndpoint, error: ApiError) -> Problem {
    let appid = &app.appid;
    let words = places::mend(app, &error).unwrap_or_else(|| {
        let ((zh, en), code) = (advice(endpoint, &error), error.errcode);
        Words::new(
            format!("{appid} 的账号配置有问题（微信 {code}）：{zh}"),
            format!("the account {appid} is not set up (WeChat {code}): {en}"),
        )
    });
    Problem { wechat: Some(error.into()), ..Problem::new(Code::App, words.zh, words.en) }
}

fn unreachable(endpoint: &WechatEndpoint, lost: &Lost) -> Problem {
    let (zh, en) = if lost.sent && endpoint.effect != Effect::Reads {
        (
            "；请求可能已经生效，wxgate 没有重发，请先核对再决定是否重试",
            "; the call may have taken effect and was not repeated: check before you retry",
        )
    } else {
        ("，可以重试", "; it is safe to retry")
    };
    let problem = Problem::new(
        Code::Unreachable,
        format!("微信没有给出可用的应答（{}）{zh}", lost.zh),
        format!("WeChat gave no usable answer ({lost}){en}"),
    );
    Problem { retryable: !lost.sent || endpoint.effect == Effect::Reads, ..problem }.cause(lost)
}

fn refused(call: &Call, endpoint: &WechatEndpoint, error: ApiError) -> Problem {
    let code = error.errcode;
    let appid = call.app.entry.appid.as_str();
    // In a message the mini program is named as well: it is that one that isn't linked.
    let is_message = call.operation.refused_as == Code::Message;
    // Where the AppSecret is shown, 40001 means that.
    let is_secret = code == 40001 && endpoint.auth == Auth::Secret;
    if is_secret || (is_account_error(code) && !(is_message && code == 40013)) {
        return account(&call.app.entry, endpoint, error);
    }
    let (zh, en) = scene_advice(call, &error).unwrap_or_else(|| advice(endpoint, &error));
    let passes = is_passing(endpoint.path, code);
    let said = |ours: Code, retryable: bool| {
        let problem = Problem::new(ours, format!("微信 {code}：{zh}"), format!("WeChat {code}: {en}"));
        Problem { retryable, ..problem }
    };
    let problem = if is_busy(code) {
        said(Code::Unreachable, endpoint.effect == Effect::Reads)
    } else if is_limit(code) {
        said(Code::Limited, passes)
    } else if error.is_dead_token() && endpoint.auth == Auth::AccessToken {
        Problem::new(
            Code::Token,
            format!(
                "微信拒绝了 {appid} 的 access_token（{code}），换新后仍被拒绝，或暂时不能再换：确认账号有此接口的权限、没有别的程序在刷新它的 access_token"
            ),
            format!(
                "WeChat refused the access_token of {appid} ({code}), and a fresh one did not help or may not be had yet: check that the account may use this API and that nothing else refreshes its access_token"
            ),
        )
    } else if error.class() == Class::Code && endpoint.name == wechat::catalog::OAUTH_ACCESS_TOKEN.name {
        said(Code::Token, false)
    } else {
        said(call.operation.refused_as, passes)
    };
    Problem { wechat: Some(error.into()), ..problem }
}

/// What a code of `endpoint` means and what to do about it. WeChat's own words stay in `wx_errmsg`: they may hold
/// anything, and this text goes to the log as well.
fn advice(endpoint: &WechatEndpoint, error: &ApiError) -> (String, String) {
    match errcode::lookup_at(endpoint.path, error.errcode) {
        Some(entry) => {
            let field =
                errcode::invalid_field(&error.errmsg).map(|field| format!(" [{field}]")).unwrap_or_default();
            (format!("{}{field}", entry.zh), format!("{}{field}", entry.en))
        }
        None => (
            "没有收录的错误码，原话见 wx_errmsg，可凭 wx_rid 在公众平台查询".to_owned(),
            "an error code we don't know: see wx_errmsg, and look wx_rid up at WeChat".to_owned(),
        ),
    }
}

/// Which character of a mini-program code's scene WeChat doesn't take.
fn scene_advice(call: &Call, error: &ApiError) -> Option<(String, String)> {
    const TAKEN: &str = "!#$&'()*+,/:;=?@-._~";
    let scene = call.fields.text("scene");
    if error.errcode != 40129 || call.operation.name != "getunlimitedqrcode" {
        return None;
    }
    let bad = scene.chars().find(|c| !(c.is_ascii_alphanumeric() || TAKEN.contains(*c)))?;
    Some((
        format!(
            "scene 里的 {bad:?} 微信不收：只能用字母、数字和 {TAKEN}，中文、空格和 % 先换成它们（如存一个短 ID）"
        ),
        format!(
            "WeChat takes no {bad:?} in scene: letters, digits and {TAKEN} only; store other text under a short id"
        ),
    ))
}
