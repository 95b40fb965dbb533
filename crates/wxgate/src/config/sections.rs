//! `[server]`, `[store]`, `[wechat]`, `[auth]`, `[callback]`, `[retention]`, `[egress]`, `[log]`, `[limits]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::entries::{Mistake, Proxy, Secret, Table, UNKNOWN};
use crate::lang::Words;
use crate::limits::Limits;
use crate::tls::Authorities;

/// Section names.
pub(super) const NAMES: [&str; 11] = [
    "server",
    "store",
    "wechat",
    "auth",
    "callback",
    "retention",
    "log",
    "egress",
    "limits",
    "cluster",
    "traces",
];

/// Reads the section `name` of `root` by `settings`.
pub(super) fn read<'a, T>(
    root: &mut Table<'a>,
    name: &'static str,
    mistakes: &mut Vec<Mistake>,
    settings: impl FnOnce(&mut Table<'a>) -> T,
) -> T {
    let mut table = root.section(name);
    let read = settings(&mut table);
    table.finish(&UNKNOWN, mistakes);
    read
}

/// Listeners and who may reach them.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Health, metrics, the admin API and the console.
    pub admin_listen: SocketAddr,
    /// How people's browsers reach the admin side.
    pub admin_url: Option<Url>,
    /// A port with only what the internet needs.
    pub public_listen: Option<SocketAddr>,
    /// Files that prove to WeChat whose domain it is, by name.
    pub verify_files: BTreeMap<String, String>,
    /// How WeChat and browsers reach wxgate.
    pub public_url: Option<Url>,
    /// Further `Host` names that keyless calls may use.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
}

/// How WeChat is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Wechat {
    /// General API.
    pub api_base: Url,
    /// `showqrcode` and the like.
    pub mp_base: Url,
    /// Pages for browsers.
    pub open_base: Url,
    /// Tried in order when a connection to `api_base` can't be made.
    pub fallback_bases: Vec<Url>,
    /// CONNECT proxy for every call to WeChat.
    pub proxy: Option<Proxy>,
    /// Whose certificates are trusted there, besides everybody's.
    pub authorities: Authorities,
    /// From the request's last byte to the answer's first, failover and retry included.
    pub timeout: Duration,
    /// Whether its answers are compared with the sandbox's, in their form.
    pub compare: bool,
}

/// Whether callers need keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `mode = "off"`: anyone who reaches the port may call.
    pub off: bool,
    /// On an address that others reach, too.
    pub allow_open: bool,
}

impl Auth {
    /// Whether it may hold on `listen`; the error says why not and what to do.
    pub fn fits(self, listen: SocketAddr) -> Result<(), Words> {
        if !self.off || self.allow_open || is_loopback(listen.ip()) {
            return Ok(());
        }
        Err(Words::new(
            format!(
                "server.listen = {listen} 不是本机回环地址，auth.mode = \"off\" 会让任何能连上的人使用你的账号：\
                 改用 \"keys\"，或监听 127.0.0.1，或确认网络可信后设 auth.allow_open = true"
            ),
            format!(
                "server.listen = {listen} is no loopback address, and auth.mode = \"off\" lets whoever reaches it use your accounts: \
                 use \"keys\", or listen on 127.0.0.1, or set auth.allow_open = true if the network is to be trusted"
            ),
        ))
    }
}

/// What callbacks have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback {
    /// How far a callback's timestamp may be from now; `None`: any distance.
    pub max_age: Option<Duration>,
}

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Messages, and what became of them.
    pub events: Duration,
    /// Deliveries that were given up, with their messages.
    pub dead_letters: Duration,
    /// Figures of what passed.
    pub series: Duration,
}

/// Where wxgate may connect to by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Whose certificates are trusted there, besides everybody's.
    pub authorities: Authorities,
    /// Whether targets that don't come from the file may be on this machine.
    pub allow_loopback: bool,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Of wxgate's own modules; other crates log at WARN and above only.
    pub level: tracing::level_filters::LevelFilter,
    /// Which requests leave a line.
    pub access: Access,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Where traces go, by OTLP over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// The collector.
    pub endpoint: Url,
    /// What it wants to see, as `name: value`.
    pub header: Option<(HeaderName, Secret)>,
    /// Of a hundred requests without a `traceparent`, and of messages.
    pub percent: u32,
}

/// See [`Log::access`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every one.
    All,
    /// Those that were refused or failed.
    Failures,
    /// None but those that something of wxgate's own broke.
    Off,
}

/// See [`Log::format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

pub(super) fn wechat(s: &mut Table<'_>) -> Wechat {
    const API: &str = "https://api.weixin.qq.com";
    const FALLBACKS: &[&str] =
        &["https://api2.weixin.qq.com", "https://sh.api.weixin.qq.com", "https://sz.api.weixin.qq.com"];
    let api_base = base(s, "api_base", API);
    let mp_base = base(s, "mp_base", "https://mp.weixin.qq.com");
    let open_base = base(s, "open_base", "https://open.weixin.qq.com");
    let default = if api_base.as_str().trim_end_matches('/') == API { FALLBACKS } else { &[] };
    let mut fallback_bases = Vec::new();
    for text in s.strings("fallback_bases", default) {
        match base_url(&text) {
            Some(url) => fallback_bases.push(url),
            None => s.mistake(
                "fallback_bases",
                format!("\"{text}\" 应是不带路径的 http(s) 地址"),
                format!("\"{text}\" must be an http(s) URL without a path"),
            ),
        }
    }
    let proxy = Proxy::read(s);
    let authorities = Proxy::authorities(s);
    let timeout = s.duration("timeout", "10s");
    if timeout.is_zero() || timeout > Duration::from_secs(120) {
        s.mistake("timeout", "应在 1ms 到 120s 之间", "must be between 1ms and 120s");
    }
    let compare = s.bool("compare", false);
    Wechat { api_base, mp_base, open_base, fallback_bases, proxy, authorities, timeout, compare }
}

pub(super) fn auth(s: &mut Table<'_>, server: &Server) -> Auth {
    let off = s.choice("mode", &[("keys", false), ("off", true)]);
    let allow_open = s.bool("allow_open", false);
    let auth = Auth { off, allow_open };
    if let Err(problem) = auth.fits(server.listen) {
        s.mistake("mode", problem.zh, problem.en);
    }
    auth
}

pub(super) fn log(s: &mut Table<'_>) -> Log {
    use tracing::level_filters::LevelFilter as Level;
    let level = s.choice(
        "level",
        &[
            ("info", Level::INFO),
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ],
    );
    let format = s.choice("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let access =
        s.choice("access", &[("all", Access::All), ("failures", Access::Failures), ("off", Access::Off)]);
    Log { level, access, format }
}

pub(super) fn traces(s: &mut Table<'_>) -> Option<Traces> {
    let endpoint = optional(
        s,
        "endpoint",
        Words::fixed(
            "应是采集器的 http(s) 地址，如 http://127.0.0.1:4318",
            "must be a collector's http(s) URL, like http://127.0.0.1:4318",
        ),
        web_url,
    );
    let header = s.secret("header").and_then(|text| {
        let read = text.expose_secret().split_once(':').and_then(|(name, value)| {
            let name = HeaderName::try_from(name.trim()).ok()?;
            HeaderValue::from_str(value.trim()).ok()?;
            Some((name, Secret::from(value.trim().to_owned())))
        });
        if read.is_none() {
            s.mistake(
                "header",
                "应形如 \"Authorization: Bearer …\"",
                "must be like \"Authorization: Bearer …\"",
            );
        }
        read
    });
    let percent = s.integer("percent", 100);
    if percent > 100 {
        s.mistake("percent", "应在 0 到 100 之间", "must be between 0 and 100");
    }
    Some(Traces { endpoint: endpoint?, header, percent })
}

pub(super) fn callback(s: &mut Table<'_>) -> Callback {
    let max_age = s.duration("max_age", "24h");
    if max_age > Duration::from_secs(30 * 86400) {
        s.mistake("max_age", "最多 30d；\"0\" 表示不检查", "at most 30d; \"0\" checks nothing");
    }
    Callback { max_age: (!max_age.is_zero()).then_some(max_age) }
}

pub(super) fn retention(s: &mut Table<'_>) -> Retention {
    let retention = Retention {
        events: s.duration("events", "7d"),
        dead_letters: s.duration("dead_letters", "30d"),
        series: s.duration("series", "90d"),
    };
    let Retention { events, dead_letters, series } = retention;
    for (key, length) in [("events", events), ("dead_letters", dead_letters), ("series", series)] {
        if length.is_zero() || length > Duration::from_secs(3650 * 86400) {
            s.mistake(key, "应大于 0，最多 3650d", "must be over 0 and at most 3650d");
        }
    }
    retention
}

pub(super) fn egress(s: &mut Table<'_>) -> Egress {
    let allow_loopback = s.bool("allow_loopback", false);
    Egress { authorities: Proxy::authorities(s), allow_loopback }
}

/// `[limits] body_budget`, bytes.
pub(super) fn body_budget(s: &mut Table<'_>) -> Option<usize> {
    let what = Words::fixed(
        "应是 \"256MiB\" 这样的大小，4MiB 到 1TiB",
        "must be a size like \"256MiB\", from 4MiB to 1TiB",
    );
    optional(s, "body_budget", what, bytes).filter(|bytes| *bytes != Limits::default().body_budget)
}

/// `[cluster] advertise`
pub(super) fn advertise(s: &mut Table<'_>) -> Option<Url> {
    let what = Words::fixed(
        "其他节点能访问到的本节点地址，不带路径，如 \"http://10.0.0.2:36012\"",
        "how other nodes reach this one, without a path, like \"http://10.0.0.2:36012\"",
    );
    optional(s, "advertise", what, base_url)
}

/// `256MiB`: a number and its unit.
fn bytes(text: &str) -> Option<usize> {
    const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let parse = |(unit, shift): &(&str, u32)| {
        let number: usize = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(1 << shift)
    };
    UNITS.iter().find_map(parse).filter(|bytes| (4 << 20..=1 << 40).contains(bytes))
}

/// A text that `parse` understands, or "" for none.
pub(super) fn optional<T>(
    s: &mut Table<'_>,
    key: &'static str,
    what: Words,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = s.string(key, "");
    let value = parse(&text).filter(|_| !text.is_empty());
    if value.is_none() && !text.is_empty() {
        s.mistake(key, what.zh, what.en);
    }
    value
}

pub(super) fn address(s: &mut Table<'_>, key: &'static str, default: &str) -> SocketAddr {
    let what = Words::fixed("\"IP:端口\"，如 \"127.0.0.1:36012\"", "\"IP:port\", like \"127.0.0.1:36012\"");
    s.parsed(key, default, &what, |text| text.parse().ok())
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn base(s: &mut Table<'_>, key: &'static str, default: &'static str) -> Url {
    let what = Words::fixed(
        "不带路径的 http(s) 地址，如 \"https://api.weixin.qq.com\"",
        "an http(s) URL without a path, like \"https://api.weixin.qq.com\"",
    );
    s.parsed(key, default, &what, base_url)
        .unwrap_or_else(|| base_url(default).expect("the defaults are URLs"))
}

pub(super) fn web_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A base carries nothing but scheme, host and port.
fn base_url(text: &str) -> Option<Url> {
    web_url(text).filter(|url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Whether only this machine can reach `ip`.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
