//! What a person sees when a login doesn't go through.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::outcome::RequestId;
use crate::problem::Problem;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;\
font:16px/1.7 system-ui,-apple-system,\"PingFang SC\",\"Microsoft YaHei\",sans-serif;background:#f2f3f5;color:#1f2329}\
main{box-sizing:border-box;width:100%;max-width:30rem;margin:1rem;padding:1.75rem;border-radius:14px;background:#fff;\
overflow-wrap:anywhere}\
h1{margin:0 0 .6rem;font-size:1.25rem;line-height:1.4}\
p{margin:0}\
small{display:block;margin-top:1.25rem;color:#646a73}\
@media(prefers-color-scheme:dark){body{background:#111;color:#e6e6e6}main{background:#1d1e20}small{color:#9aa0a6}}";

/// What the page says of the login, for whoever is asked for help.
#[derive(Debug, Default)]
pub(super) struct About<'a> {
    /// Whose users log in.
    pub(super) account: Option<String>,
    /// The host that the browser came to.
    pub(super) host: Option<&'a str>,
}

impl About<'_> {
    fn text(&self, english: bool) -> String {
        let (account, host) = if english { ("account", "host") } else { ("账号", "主机") };
        let parts = [(account, self.account.as_deref()), (host, self.host)];
        let said = parts.into_iter().filter_map(|(label, value)| Some(format!("{label} {}", value?)));
        said.collect::<Vec<_>>().join(" · ")
    }
}

/// `problem` as a page.
pub(super) fn problem(
    problem: &Problem,
    id: RequestId,
    about: &About<'_>,
    english: bool,
) -> Response<Full<Bytes>> {
    let (language, title, text) = if english {
        ("en", "The login did not go through", &problem.words.en)
    } else {
        ("zh-CN", "登录没有完成", &problem.words.zh)
    };
    let html = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1><p>{}</p><small>{}<br>{} · {}</small></main></body></html>",
        escape(text),
        escape(&about.text(english)),
        problem.status.as_u16(),
        id.as_str(),
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    private(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let nothing_but_style = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(CONTENT_SECURITY_POLICY, nothing_but_style);
    if problem.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(problem.allow));
    }
    response
}

/// Nobody keeps it, and nobody learns the address it came from, which holds a code.
pub(super) fn private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The texts are our own; the host is whatever the browser sent.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
