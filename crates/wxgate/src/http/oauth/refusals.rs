//! Why a login doesn't go on, in words for the person in front of the browser.

use http::StatusCode;

use crate::problem::{Code, Problem};
use crate::store::StoreError;

pub(super) fn wrong(name: &'static str, zh: &str, en: &str) -> Problem {
    Problem::parameter(name, zh, en).status(StatusCode::BAD_REQUEST)
}

pub(super) fn not_allowed() -> Problem {
    wrong(
        "redirect_uri",
        "不在允许的范围内：把它的协议、主机、端口和路径前缀加进这个账号的 oauth_redirects，并照浏览器地址栏里的写法写",
        "is not allowed: add its scheme, host, port and path prefix to the app's oauth_redirects, and write it as a browser's address bar shows it",
    )
}

pub(super) fn no_public_url() -> Problem {
    Problem::new(
        Code::Internal,
        "wxgate 不知道自己的公网地址：在配置里设 server.public_url（它的域名就是公众平台上的网页授权域名），然后重启",
        "wxgate doesn't know its own address: set server.public_url in its configuration (its domain is the one authorised at WeChat) and restart",
    )
}

pub(super) fn refused(cause: &'static str) -> Problem {
    Problem::new(
        Code::Forbidden,
        "这次登录已失效，或不是在这个浏览器里开始的：请回到原来的页面，重新登录",
        "this login has ended, or was begun in another browser: go back to the page you came from and log in again",
    )
    .cause(cause)
}

pub(super) fn overloaded() -> Problem {
    Problem::new(
        Code::Overloaded,
        "同时登录的人太多：请稍后刷新本页",
        "too many logins at once: reload this page later",
    )
}

pub(super) fn not_stored(error: &StoreError) -> Problem {
    Problem::new(
        Code::Store,
        "暂时无法完成登录：请稍后刷新本页",
        "the login can't be finished now: reload this page later",
    )
    .status(StatusCode::SERVICE_UNAVAILABLE)
    .cause(error)
}
