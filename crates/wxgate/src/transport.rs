//! One exchange with WeChat: which host, for how long, and what is known if no answer came.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;
use wechat::catalog::{Endpoint, Host, Method};

use crate::clock::{Clock, Instant};
use crate::config;
use crate::differences::Differences;
use crate::entries::Proxy;
use crate::lang::Words;
use crate::lang::say;
use crate::limits::Limits;
use crate::net::{Answered, Client, RequestBody, Spooled, Upload, causes, collect, is_no_http, why};

/// A host that could not be connected to is passed over this long, while another is left.
const SKIP_MS: i64 = 30_000;
/// What calls that are ours say they come from.
pub const OUR_NAME: HeaderValue = HeaderValue::from_static(concat!("wxgate/", env!("CARGO_PKG_VERSION")));

/// WeChat's answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body.
    pub body: Bytes,
}

/// No usable answer came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Lost {
    /// Whether WeChat may have received the request, and not refused it unread.
    pub sent: bool,
    /// For the log and the English `msg`; holds no URL and no secret.
    pub why: Arc<str>,
    /// The same in short, Chinese.
    pub zh: Arc<str>,
}

impl Lost {
    /// WeChat may have received the request.
    pub fn after(why: impl Into<Arc<str>>, zh: impl Into<Arc<str>>) -> Self {
        Self { sent: true, why: why.into(), zh: zh.into() }
    }

    /// For the log, in its language.
    pub fn said(&self) -> String {
        say(format!("{}（{}）", self.zh, self.why), self.why.to_string())
    }

    /// Nothing was sent, or nothing was accepted.
    pub fn before(why: impl Into<Arc<str>>, zh: impl Into<Arc<str>>) -> Self {
        Self { sent: false, why: why.into(), zh: zh.into() }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Transport(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    /// What another way there would be made from.
    config: config::Wechat,
    clock: Clock,
    api: Vec<Base>,
    mp: Vec<Base>,
    open: Vec<Base>,
    limits: Arc<Limits>,
    pools: usize,
    /// Looks at each answer.
    differences: Differences,
}

#[derive(Debug)]
struct Base {
    /// `https://host`, without a slash at the end, for people.
    prefix: String,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    /// What goes before each path.
    path: String,
    /// In ticks.
    skip_until: AtomicI64,
}

impl Base {
    fn new(url: &Url) -> anyhow::Result<Self> {
        let prefix = url.as_str().trim_end_matches('/').to_owned();
        let path = url.path().trim_end_matches('/').to_owned();
        let uri::Parts { scheme, authority, .. } = prefix.parse::<Uri>()?.into_parts();
        Ok(Self { prefix, scheme, authority, path, skip_until: AtomicI64::new(0) })
    }

    /// `path`, in pieces, at this host.
    fn uri(&self, path: &[&str]) -> http::Result<Uri> {
        let mut text =
            String::with_capacity(self.path.len() + path.iter().map(|piece| piece.len()).sum::<usize>());
        text.push_str(&self.path);
        path.iter().for_each(|piece| text.push_str(piece));
        let mut parts = uri::Parts::default();
        (parts.scheme, parts.authority) = (self.scheme.clone(), self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(text))?);
        Ok(Uri::from_parts(parts)?)
    }
}

impl Transport {
    /// From `[wechat]`; with so many pools of connections: one for each worker, and one for all else.
    pub fn new(
        config: &config::Wechat,
        clock: Clock,
        limits: Arc<Limits>,
        pools: usize,
    ) -> anyhow::Result<Self> {
        let differences = Differences::new(config.compare, &clock);
        Self::looking(config, clock, limits, pools, differences)
    }

    fn looking(
        config: &config::Wechat,
        clock: Clock,
        limits: Arc<Limits>,
        pools: usize,
        differences: Differences,
    ) -> anyhow::Result<Self> {
        let tls = config.authorities.client_config()?;
        Ok(Self(Arc::new(Inner {
            client: Client::new(config.proxy.as_ref(), tls, &limits, pools),
            pools,
            config: config.clone(),
            clock,
            api: std::iter::once(&config.api_base)
                .chain(&config.fallback_bases)
                .map(Base::new)
                .collect::<anyhow::Result<_>>()?,
            mp: vec![Base::new(&config.mp_base)?],
            open: vec![Base::new(&config.open_base)?],
            limits,
            differences,
        })))
    }

    /// The same hosts by another way, on connections of its own.
    pub fn by(&self, proxy: &Proxy) -> anyhow::Result<Self> {
        let config = config::Wechat { proxy: Some(proxy.clone()), ..self.0.config.clone() };
        let Inner { clock, limits, pools, differences, .. } = &*self.0;
        Self::looking(&config, clock.clone(), limits.clone(), *pools, differences.clone())
    }

    /// How its answers differ from the sandbox's.
    pub fn differences(&self) -> &Differences {
        &self.0.differences
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.0.config.timeout
    }

    /// When a call that begins now has to be answered.
    pub fn deadline(&self) -> Instant {
        self.0.clock.instant() + self.0.config.timeout
    }

    /// The bounds on what is read.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Calls `endpoint` once. A connection that can't be made is tried at the next host; nothing
    /// that may have been received is sent again.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
        deadline: Instant,
    ) -> Result<Answer, Lost> {
        let path = path_and_query(endpoint.path, query);
        let body = body.unwrap_or_default();
        let write = |base: &Base| {
            let mut request = Request::builder().uri(base.uri(&[&path])?).header(USER_AGENT, OUR_NAME);
            if endpoint.method == Method::Post {
                request = request
                    .method(http::Method::POST)
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            request.body(Either::Left(Full::new(body.clone())))
        };
        let response = self.dispatch(endpoint.host, &write, Wait::Until(deadline)).await?;
        let (head, mut body) = response.into_parts();
        let limits = self.limits();
        let read = collect(&mut body, limits.answer, limits.silence, |_| false).await;
        let read = read.map_err(|cut| Lost::after(cut.to_string(), "应答没有收全"))?;
        if !read.whole {
            return Err(Lost::after(format!("the answer is over {} bytes", limits.answer), "应答太大"));
        }
        self.0.differences.look(endpoint.path, (head.status, &head.headers), &read.bytes, true);
        Ok(Answer { status: head.status, body: read.bytes })
    }

    /// Passes a caller's request on, likewise. `path`, in pieces, has the query; `headers` are all but what HTTP
    /// itself needs. The answer's body is still to be read.
    pub async fn pass(
        &self,
        host: Host,
        method: &http::Method,
        path: &[&str],
        headers: &HeaderMap,
        body: &Payload,
        deadline: Instant,
    ) -> Result<Response<Answered>, Lost> {
        // Only a file's needs one.
        let sent = matches!(body, Payload::Spooled(_)).then(CancellationToken::new);
        let is_empty = matches!(body, Payload::Kept(body) if body.is_empty());
        let write = |base: &Base| {
            let body = match body {
                Payload::Kept(body) => Either::Left(Full::new(body.clone())),
                Payload::Stream(upload) => Either::Right(Either::Left(upload.clone())),
                Payload::Spooled(file) => {
                    Either::Right(Either::Right(file.body(sent.clone().unwrap_or_default())))
                }
            };
            let mut request = Request::new(body);
            (*request.method_mut(), *request.uri_mut()) = (method.clone(), base.uri(path)?);
            *request.headers_mut() = headers.clone();
            if is_empty && matches!(*method, http::Method::POST | http::Method::PUT | http::Method::PATCH) {
                // Some edges ask for a length where a body could be.
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Ok(request)
        };
        let wait = match body {
            Payload::Kept(_) => Wait::Until(deadline),
            Payload::Spooled(_) => Wait::AfterSent(sent.clone().unwrap_or_default()),
            Payload::Stream(upload) => Wait::AfterSent(upload.sent()),
        };
        self.dispatch(host, &write, wait).await
    }

    /// Sends what `write` makes for a host to the first one that can be connected to.
    async fn dispatch(
        &self,
        host: Host,
        write: &(dyn Fn(&Base) -> http::Result<Request<RequestBody>> + Sync),
        wait: Wait,
    ) -> Result<Response<Answered>, Lost> {
        let bases = match host {
            Host::Api => &self.0.api,
            Host::Mp => &self.0.mp,
            Host::Open => &self.0.open,
        };
        let now = self.0.clock.ticks();
        let rested = |base: &&Base| base.skip_until.load(Ordering::Relaxed) <= now;
        let mut candidates: Vec<&Base> = bases.iter().filter(rested).collect();
        if candidates.is_empty() {
            candidates = bases.iter().collect();
        }
        let mut tried = Tried::default();
        for base in candidates {
            let request = write(base).map_err(|error| Lost::before(error.to_string(), "请求无法构成"))?;
            match self.exchange(base, request, &wait).await {
                Err(Failed::ToConnect(why)) => {
                    base.skip_until.store(self.0.clock.ticks() + SKIP_MS, Ordering::Relaxed);
                    tried.add(&base.prefix, why);
                }
                Err(Failed::Lost(lost)) => return Err(lost),
                Ok(response) => return Ok(response),
            }
        }
        Err(tried.lost(self.0.config.proxy.as_ref()))
    }

    async fn exchange(
        &self,
        base: &Base,
        request: Request<RequestBody>,
        wait: &Wait,
    ) -> Result<Response<Answered>, Failed> {
        let timeout = self.0.config.timeout;
        let late = async {
            match wait {
                Wait::Until(deadline) => self.0.clock.until(*deadline).await,
                Wait::AfterSent(sent) => {
                    sent.cancelled().await;
                    self.0.clock.pause(timeout).await;
                }
            }
        };
        tokio::select! {
            biased;
            answer = self.0.client.pass(request) => match answer {
                Ok(response) => Ok(response),
                Err(error) if error.is_connect() => Err(Failed::ToConnect(why(&error))),
                Err(error) if is_no_http(&error) => Err(Failed::Lost(no_http(&base.prefix))),
                Err(error) => Err(Failed::Lost(Lost::after(causes(&error), "连接中断，没有应答"))),
            },
            () = late => {
                let zh = format!("{timeout:?} 内没有应答");
                Err(Failed::Lost(Lost::after(format!("no answer within {timeout:?}"), zh)))
            }
        }
    }
}

/// Why one host gave no answer.
enum Failed {
    /// Nothing was sent: the next may be tried.
    ToConnect(Words),
    Lost(Lost),
}

/// The hosts that could not be connected to, each with its cause.
#[derive(Default)]
struct Tried(Vec<(String, Words)>);

impl Tried {
    fn add(&mut self, host: &str, why: Words) {
        self.0.push((host.to_owned(), why));
    }

    fn lost(self, proxy: Option<&Proxy>) -> Lost {
        let hosts = |said: &dyn Fn(&(String, Words)) -> String, mark: &str| {
            self.0.iter().map(said).collect::<Vec<_>>().join(mark)
        };
        // Mostly it is the same with each of them, and is said once.
        let is_one = self.0.iter().all(|(_, why)| *why == self.0[0].1);
        let (zh, en) = match self.0.first() {
            None => ("没有可用的域名".to_owned(), "no host".to_owned()),
            Some((_, why)) if is_one => (
                format!("连不上 {}：{}", hosts(&|(host, _)| host.clone(), "、"), why.zh),
                format!("cannot connect to {}: {}", hosts(&|(host, _)| host.clone(), ", "), why.en),
            ),
            Some(_) => (
                format!("连不上 {}", hosts(&|(host, why)| format!("{host}（{}）", why.zh), "、")),
                format!("cannot connect to {}", hosts(&|(host, why)| format!("{host} ({})", why.en), ", ")),
            ),
        };
        // A proxy's own refusal names it.
        match proxy.map(Proxy::name).filter(|proxy| !en.contains(proxy)) {
            Some(proxy) => {
                Lost::before(format!("by the proxy {proxy}: {en}"), format!("经代理 {proxy} {zh}"))
            }
            None => Lost::before(en, zh),
        }
    }
}

fn no_http(base: &str) -> Lost {
    Lost::after(
        format!("{base} did not answer in HTTP: if it speaks TLS, write https:// for http://"),
        format!("{base} 的应答不是 HTTP：对方若只说 TLS，把 http:// 改成 https://"),
    )
}

/// How long an answer's first byte is waited for.
enum Wait {
    Until(Instant),
    /// From when the body is on its way; it has its own limit on silence.
    AfterSent(CancellationToken),
}

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// All of it is here: it can be sent again.
    Kept(Bytes),
    /// It goes through as it comes.
    Stream(Upload),
    /// All of it is in a file: it can be sent again.
    Spooled(Spooled),
}

/// The answer as a JSON object; anything else was not said by WeChat's API. 412 is its edge's answer to a body without a
/// length, which no API gets to see.
pub fn json_answer(answer: &Answer) -> Result<Value, Lost> {
    let status = answer.status.as_u16();
    if answer.status.is_server_error() {
        return Err(Lost::after(format!("HTTP {status}"), format!("应答是 HTTP {status}")));
    }
    if answer.status == StatusCode::PRECONDITION_FAILED {
        let why = "HTTP 412: the request's body came without a length, so it was not accepted; wxgate always sends one: look for a proxy on the way to WeChat";
        let zh = "HTTP 412：请求体到达时没有长度，微信没有受理；wxgate 总会带长度，请检查通往微信的代理";
        return Err(Lost::before(why, zh));
    }
    match wechat::answer::json(&answer.body) {
        Some(value @ Value::Object(_)) => Ok(value),
        // What nginx says to HTTP on a port of TLS.
        _ if shows(&answer.body, b"HTTPS port") => Err(Lost::after(
            format!("HTTP {status}: the port wants TLS, write https:// for http://"),
            format!("HTTP {status}：这个端口要求 TLS，把 http:// 改成 https://"),
        )),
        _ => Err(Lost::after(format!("HTTP {status}, not JSON"), format!("应答不是 JSON（HTTP {status}）"))),
    }
}

fn shows(body: &[u8], words: &[u8]) -> bool {
    body.len() < 4096 && body.windows(words.len()).any(|window| window == words)
}

/// What `encodeURIComponent` leaves alone.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes one query value.
fn encode(value: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(value, UNRESERVED)
}

fn path_and_query(path: &str, query: &[(&str, &str)]) -> String {
    format!("{path}{}", written(query, '?'))
}

/// `query` as it follows what begins with `?`.
pub fn more_query(query: &[(&str, &str)]) -> String {
    written(query, '&')
}

fn written(query: &[(&str, &str)], first: char) -> String {
    let (mut out, mut mark) = (String::new(), first);
    for (name, value) in query {
        let _ = write!(out, "{mark}{name}=");
        encode(value).for_each(|piece| out.push_str(piece));
        mark = '&';
    }
    out
}
