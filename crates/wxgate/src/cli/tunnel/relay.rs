//! Requests for WeChat, handed to a sandbox or a gateway as they came. On the way to a gateway the caller's key takes the place
//! of whatever the child has for an AppSecret: the child holds neither.

use std::borrow::Cow;

use anyhow::bail;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Request, Response, Uri, request};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use url::{Url, form_urlencoded};
use wechat::catalog::{self, Auth, Treat};

use crate::lang::Words;
use crate::limits::Limits;
use crate::net::{AnyBody, Client, Download, Pace, RequestBody, Unanswered, Upload};
use crate::text;

/// What belongs to one connection and not to a request.
const OF_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whom WeChat's requests go to.
pub(super) struct Base {
    /// Scheme, authority and a path perhaps, without a slash at its end.
    url: String,
    /// The caller's, of a gateway.
    key: Option<String>,
    is_sandbox: bool,
}

impl Base {
    pub(super) fn gateway(url: &Url, key: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { url: plain(url, "--gateway")?, key, is_sandbox: false })
    }

    pub(super) fn sandbox(url: &Url) -> anyhow::Result<Self> {
        Ok(Self { url: plain(url, "--sandbox")?, key: None, is_sandbox: true })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn is_sandbox(&self) -> bool {
        self.is_sandbox
    }
}

fn plain(url: &Url, option: &str) -> anyhow::Result<String> {
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.query().is_none();
    if !is_plain {
        bail!(Words::new(
            format!("{option} 应是 http(s) 地址，如 http://127.0.0.1:36012"),
            format!("{option} must be an http(s) URL, as http://127.0.0.1:36012"),
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// See the module.
pub(super) struct Relay {
    client: Client,
    limits: Limits,
    base: Base,
}

impl Relay {
    pub(super) fn new(client: Client, limits: Limits, base: Base) -> Self {
        Self { client, limits, base }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whom WeChat's requests go to.
    pub(super) fn place(&self) -> &str {
        &self.base.url
    }

    /// A request for the host `name` of WeChat's.
    pub(super) async fn pass(
        &self,
        name: &str,
        request: Request<Incoming>,
    ) -> Result<Response<AnyBody>, Unanswered> {
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let key = self.base.key.as_deref().filter(|_| shows_secret(path));
        let target = match key {
            Some(key) if !query.is_empty() => format!("{path}?{}", with_key(query, key)).into(),
            _ => Cow::Borrowed(&*target),
        };
        let url = format!("{}{target}", self.base.url);
        let body = match key {
            Some(key) if posts_secret(path) && head.method == Method::POST => {
                head.headers.remove(CONTENT_LENGTH);
                let body = Limited::new(body, self.limits.token_body).collect().await;
                let body = body.map_err(Unanswered::Connect)?.to_bytes();
                Either::Left(Full::new(body_with_key(body, key)))
            }
            _ => self.streamed(body),
        };
        // The sandbox hears the name that WeChat would; a gateway has one of its own.
        match name.parse() {
            Ok(name) if self.base.is_sandbox => drop(head.headers.insert(HOST, name)),
            _ => drop(head.headers.remove(HOST)),
        }
        self.send(head, &url, body).await
    }

    /// A request for a host that was allowed, as it is.
    pub(super) async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<AnyBody>, Unanswered> {
        let (mut head, body) = request.into_parts();
        head.headers.remove(HOST);
        let url = head.uri.to_string();
        let body = self.streamed(body);
        self.send(head, &url, body).await
    }

    async fn send(
        &self,
        mut head: request::Parts,
        url: &str,
        body: RequestBody,
    ) -> Result<Response<AnyBody>, Unanswered> {
        head.uri = url.parse::<Uri>().map_err(|error| Unanswered::Connect(error.into()))?;
        head.extensions.clear();
        remove_those_of_connection(&mut head.headers);
        let answer = self.client.pass(Request::from_parts(head, body)).await?;
        let (mut head, body) = answer.into_parts();
        remove_those_of_connection(&mut head.headers);
        let body = Download::new(Bytes::new(), Some(body), self.limits.silence);
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    fn streamed(&self, body: Incoming) -> RequestBody {
        let upload = Upload::new(Bytes::new(), body, self.limits.silence, Pace::new(&self.limits));
        Either::Right(Either::Left(upload))
    }
}

/// Those that always are, and those that `Connection` names (RFC 9110, 7.6.1).
fn remove_those_of_connection(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    let named: Vec<HeaderName> = named.collect();
    for name in named.into_iter().chain(OF_CONNECTION) {
        headers.remove(name);
    }
}

/// Whether a call shows the AppSecret.
fn shows_secret(path: &str) -> bool {
    known(path).is_some_and(|known| known.auth == Auth::Secret || known.treat == Treat::Refresh)
}

/// Whether it may do so in its body.
fn posts_secret(path: &str) -> bool {
    known(path).is_some_and(|known| matches!(known.treat, Treat::Token | Treat::Secret))
}

/// A doubled slash at the start is one, as the gateway has it.
fn known(path: &str) -> Option<&'static catalog::Endpoint> {
    let rest = path.trim_start_matches('/');
    catalog::by_path(&path[(path.len() - rest.len()).saturating_sub(1)..])
}

fn is_secret(name: &str) -> bool {
    matches!(name, "secret" | "appsecret")
}

/// A query, or a form, as it stands, but for the AppSecret's value.
fn with_key(query: &str, key: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split('=').next() {
        Some(name) if is_secret(name) => format!("{name}={key}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The same of a body: JSON, or a form.
fn body_with_key(body: Bytes, key: &str) -> Bytes {
    let json = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
    if let Ok(Value::Object(mut members)) = serde_json::from_slice(json) {
        for (_, value) in members.iter_mut().filter(|(name, _)| is_secret(name)) {
            *value = key.into();
        }
        return Value::Object(members).to_string().into();
    }
    if !text::pairs(&body).any(|(name, _)| is_secret(&name)) {
        return body;
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in text::pairs(&body) {
        form.append_pair(&name, if is_secret(&name) { key } else { &value });
    }
    form.finish().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_where_the_secret_stood_and_nothing_else_changes() {
        let query = "grant_type=client_credential&appid=wx1&secret=any%20thing&x=secret%3D1&secretary=2";
        assert_eq!(
            with_key(query, "K"),
            "grant_type=client_credential&appid=wx1&secret=K&x=secret%3D1&secretary=2"
        );
        assert_eq!(with_key("secret&appsecret=", "K"), "secret=K&appsecret=K");
        assert_eq!(with_key("a=%E4%BD%A0&&b", "K"), "a=%E4%BD%A0&&b");
    }

    #[test]
    fn bodies_likewise() {
        let body = |text: &'static str| body_with_key(Bytes::from_static(text.as_bytes()), "K");
        assert_eq!(
            body(r#"{"grant_type":"client_credential","secret":"s","appid":"wx1","force_refresh":false}"#),
            r#"{"grant_type":"client_credential","secret":"K","appid":"wx1","force_refresh":false}"#
        );
        assert_eq!(body("appid=wx1&secret=a+b&grant_type=c"), "appid=wx1&secret=K&grant_type=c");
        assert_eq!(body("neither"), "neither");
        assert_eq!(body("[1]"), "[1]");
    }

    #[test]
    fn only_calls_that_take_the_secret_are_given_the_key() {
        for path in [
            "/cgi-bin/token",
            "//cgi-bin/token",
            "/cgi-bin/stable_token",
            "/sns/oauth2/access_token",
            "/sns/oauth2/refresh_token",
            "/sns/jscode2session",
            "/cgi-bin/clear_quota/v2",
        ] {
            assert!(shows_secret(path), "{path}");
        }
        for path in ["/cgi-bin/user/info", "/sns/userinfo", "/cgi-bin/token/", "/", "", "/secret"] {
            assert!(!shows_secret(path), "{path}");
        }
        assert!(posts_secret("/cgi-bin/stable_token") && !posts_secret("/sns/jscode2session"));
    }

    #[test]
    fn what_a_connection_names_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Secret"),
            ("connection", "x-other,not a name"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("x-kept", "3"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        remove_those_of_connection(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }

    #[test]
    fn a_base_is_a_url_with_nothing_but_a_place() {
        let base = |text: &str| plain(&Url::parse(text).unwrap(), "--gateway").ok();
        assert_eq!(base("http://127.0.0.1:36012/").unwrap(), "http://127.0.0.1:36012");
        assert_eq!(base("https://wx.example.com/gate/").unwrap(), "https://wx.example.com/gate");
        for wrong in ["ftp://a", "http://a?b", "http://u:p@a", "mailto:a@b"] {
            assert!(base(wrong).is_none(), "{wrong}");
        }
    }
}
