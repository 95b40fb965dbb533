//! Why a request is not admitted, and what is said of it. The words stand here once; `http::problem` and the
//! pass-through's `refusal` give them their codes.

use std::net::IpAddr;
use std::sync::Arc;

use crate::problem::Words;
use crate::registry::callers::Caller;
use crate::text::Odd;

/// Why not.
#[derive(Clone, Debug)]
pub enum Denied {
    /// What stands in place of a key can't be one.
    Unreadable,
    /// Nobody's key.
    UnknownKey,
    /// What stands in place of an AppSecret is nobody's key.
    WrongSecret {
        /// It holds a character that no key has.
        odd: Option<Odd>,
    },
    /// No key, and nobody may call without one from there.
    NoKey,
    /// No key, and passed on by a proxy nobody trusts.
    Forwarded,
    /// No key, and made by a web page: this header says so.
    WebPage(&'static str),
    /// No key, and HTTP/1.0: what a proxy speaks by default.
    OldHttp,
    /// No key, and the app is named by a prefix, which any web page could write.
    Prefix,
    /// A gateway token that isn't ours, has ended, or whose key was revoked.
    DeadToken,
    /// A caller key in the place of a gateway token.
    KeyAsToken,
    /// Token, key and named app don't belong together.
    Disagree,
    /// A caller outside its networks.
    Network {
        /// Who.
        caller: Arc<Caller>,
        /// Where it called from, if that could be told.
        address: Option<IpAddr>,
    },
    /// The caller's `apis` don't allow the path.
    Api {
        /// Who.
        caller: Arc<Caller>,
        /// What.
        path: String,
    },
    /// The path is only for callers whose `apis` name it literally.
    OnlyByName {
        /// Who.
        caller: Arc<Caller>,
        /// What.
        path: String,
    },
    /// The caller lacks `export_token`.
    Export {
        /// Who.
        caller: Arc<Caller>,
    },
    /// The caller's `rate` is used up.
    Rate {
        /// Who.
        caller: Arc<Caller>,
    },
    /// The caller's time is over: it is refused as `like`.
    Ended {
        /// Who.
        caller: Arc<Caller>,
        /// What is said to somebody whom nobody knows.
        like: Box<Self>,
    },
    /// One of the caller's `quotas` is used up.
    Quota {
        /// Who.
        caller: Arc<Caller>,
        /// Of which paths.
        pattern: String,
        /// What there is, as `10000/d`.
        limit: String,
        /// There is none until tomorrow.
        is_daily: bool,
        /// Until the next window begins.
        seconds: u32,
    },
    /// Nobody knows what is left of the caller's `quotas`: the store is away.
    QuotaUnknown {
        /// Who.
        caller: Arc<Caller>,
    },
    /// The caller's `apps` don't hold the app.
    App {
        /// Who.
        caller: Arc<Caller>,
        /// Which.
        appid: Option<Arc<str>>,
    },
    /// Nobody configured the app.
    UnknownApp {
        /// Which.
        appid: Option<Arc<str>>,
        /// What no AppID has, if it has that.
        odd: Option<Odd>,
    },
    /// Nobody may call from the address.
    Address,
    /// The address calls too often without a credential.
    OpenRate,
    /// The caller's `concurrency` is used up.
    Busy {
        /// Who.
        caller: Arc<Caller>,
    },
    /// Everything is.
    Overloaded,
}

/// Whether `text` looks like an AppID. What doesn't may be a secret in the wrong place: it is not repeated.
pub(super) fn is_appid(text: &str) -> bool {
    text.strip_prefix("wx")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Denied {
    /// What it is refused as: the same for everybody whose key is nobody's.
    pub fn like(&self) -> &Self {
        match self {
            Self::Ended { like, .. } => like,
            other => other,
        }
    }

    /// In how many seconds it may come again, if that is known.
    pub fn again_in(&self) -> Option<u32> {
        match self {
            Self::Quota { seconds, .. } => Some(*seconds),
            Self::Rate { .. } | Self::OpenRate | Self::Busy { .. } | Self::Overloaded => Some(1),
            _ => None,
        }
    }

    /// What is wrong and what to do; where it is about a caller's settings, after where those were made.
    pub fn words(&self) -> Words {
        match self {
            Self::Unreadable | Self::UnknownKey => Words::new(
                "密钥不对：请求头写 Authorization: Bearer <wxgate 的调用方密钥>（在 [[callers]] 里，用 `wxgate key new` 生成）",
                "wrong key: send the header Authorization: Bearer <caller key of wxgate> (from [[callers]], made by `wxgate key new`)",
            ),
            Self::KeyAsToken => Words::new(
                "access_token 里填的是调用方密钥：先用它作 secret 从 /cgi-bin/token 取 access_token，或写进请求头 Authorization: Bearer",
                "access_token holds a caller key: get an access_token from /cgi-bin/token with it as secret, or send it in the header Authorization: Bearer",
            ),
            Self::WrongSecret { odd } => wrong_secret(odd.as_ref()),
            Self::NoKey => Words::new(
                "没有密钥：请求头写 Authorization: Bearer <wxgate 的调用方密钥>（在 [[callers]] 里，用 `wxgate key new` 生成）",
                "no key: send the header Authorization: Bearer <caller key of wxgate> (from [[callers]], made by `wxgate key new`)",
            ),
            Self::Forwarded => forwarded(),
            Self::WebPage(header) => web_page(header),
            Self::OldHttp => old_http(),
            Self::Prefix => prefix(),
            Self::DeadToken => Words::new(
                "这个 access_token 不是 wxgate 发的、已过期，或它的调用方密钥已撤销：重新获取",
                "this access_token was not issued by wxgate, has expired, or its caller key was revoked: get a new one",
            ),
            Self::Disagree => Words::new(
                "access_token、密钥、X-Wx-Appid 和 /wx/{appid}/ 前缀说的不是同一个调用方或账号",
                "access_token, key, X-Wx-Appid and the prefix /wx/{appid}/ don't mean the same caller or app",
            ),
            Self::Address => Words::new(
                "没有调用方可以从这个地址调用：把它加进某个调用方的 networks",
                "no caller may call from this address: add it to some caller's `networks`",
            ),
            Self::OpenRate => Words::new(
                "这个地址不带凭据的调用太频繁：放慢后重试，或带上调用方密钥",
                "this address calls too often without a credential: slow down, or send a caller key",
            ),
            Self::Overloaded => Words::new(
                "wxgate 正在处理的请求太多：稍后重试；常见原因是微信应答变慢",
                "too many requests at once: retry later; usually WeChat has become slow",
            ),
            Self::UnknownApp { appid, odd } => unknown(appid.as_deref(), odd.as_ref()),
            Self::Network { caller, address } => {
                let address = address.map_or_else(|| "?".to_owned(), |one| one.to_canonical().to_string());
                missing(caller, "networks", &format!("从 {address} 调用"), &format!("call from {address}"))
            }
            Self::Api { caller, path } => {
                missing(caller, "apis", &format!("调用 {path}"), &format!("call {path}"))
            }
            Self::OnlyByName { caller, path } => by_name(caller, path),
            Self::App { caller, appid } => foreign(caller, appid.as_deref()),
            Self::Export { caller } => export(caller),
            Self::Rate { caller } => exceeded(caller, "rate", "每秒请求数", "rate"),
            Self::Ended { caller, .. } => ended(caller),
            Self::Quota { caller, pattern, limit, seconds, .. } => quota(caller, pattern, limit, *seconds),
            Self::QuotaUnknown { caller } => quota_unknown(caller),
            Self::Busy { caller } => {
                exceeded(caller, "concurrency", "同时处理的请求数", "number of requests at once")
            }
        }
    }
}

fn forwarded() -> Words {
    Words::new(
        "经代理转发（带有 X-Forwarded-For、Forwarded、X-Real-IP 或 Via）的无密钥调用不被接受：给调用方一个密钥，或把代理的地址加进 server.trusted_proxies",
        "a call without a key is not accepted through a proxy (X-Forwarded-For, Forwarded, X-Real-IP or Via): give the caller a key, or add the proxy to server.trusted_proxies",
    )
}

fn quota_unknown(caller: &Caller) -> Words {
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 的限额（quotas）在数据库里，而数据库暂时不可用：稍后重试"),
        format!("the quotas of the caller {name} are in the database, which is away: retry later"),
    )
}

fn wrong_secret(odd: Option<&Odd>) -> Words {
    match odd {
        Some(odd) => Words::new(
            format!("secret 里有{}：去掉它（应填 wxgate 的调用方密钥，只有字母、数字、_ 和 -）", odd.zh),
            format!(
                "secret holds {}: take it out (it must be a caller key of wxgate: letters, digits, _ and -)",
                odd.en
            ),
        ),
        None => Words::new(
            "secret 应填 wxgate 的调用方密钥（[[callers]] 的 key，用 wxgate key new 生成），不是 AppSecret",
            "secret must be a caller key of wxgate (`key` in [[callers]], made by `wxgate key new`), not the AppSecret",
        ),
    }
}

fn old_http() -> Words {
    Words::new(
        "没有密钥的调用不接受 HTTP/1.0（代理默认用它转发）：在 nginx 的 location 里加 proxy_http_version 1.1，并给调用方一个密钥",
        "a call without a key is not accepted over HTTP/1.0 (what a proxy speaks by default): add proxy_http_version 1.1 to nginx's location, and give the caller a key",
    )
}

fn prefix() -> Words {
    Words::new(
        "没有密钥时不能用路径前缀 /wx/{appid} 指定账号：改用请求头 X-Wx-Appid，或带上 wxgate 的调用方密钥",
        "without a key the path prefix /wx/{appid} may not name the app: send the header X-Wx-Appid, or a caller key of wxgate",
    )
}

fn web_page(header: &str) -> Words {
    Words::new(
        format!(
            "网页不能使用 wxgate（{header} 来自别的站点）：请由后端调用；从别的主机名访问时，把它加进 server.hosts"
        ),
        format!(
            "web pages may not use wxgate (foreign {header}): call it from a backend; to reach it by another host name, add that to server.hosts"
        ),
    )
}

fn unknown(appid: Option<&str>, odd: Option<&Odd>) -> Words {
    if let Some(odd) = odd {
        return Words::new(
            format!("appid 里有{}：去掉它（AppID 只有字母和数字，如 wx3cc8fd6963e31a32）", odd.zh),
            format!(
                "appid holds {}: take it out (an AppID is letters and digits, as wx3cc8fd6963e31a32)",
                odd.en
            ),
        );
    }
    match appid {
        Some(appid) => Words::new(
            format!("appid {appid} 没有配置：在 wxgate.toml 的 [[apps]] 里加上它，然后运行 wxgate reload"),
            format!(
                "appid {appid} is not configured: add it to [[apps]] in wxgate.toml and run `wxgate reload`"
            ),
        ),
        None => Words::new(
            "appid 不像 AppID（wx 后跟 16 个 0-9a-f），也没有配置：检查前后的空格，是不是和密钥填反了",
            "appid doesn't look like an AppID (wx and 16 of 0-9a-f) and is not configured: look for spaces around it, or a key in its place",
        ),
    }
}

fn foreign(caller: &Caller, appid: Option<&str>) -> Words {
    match appid {
        Some(appid) => missing(caller, "apps", &format!("使用 {appid}"), &format!("use {appid}")),
        None => missing(
            caller,
            "apps",
            "使用这个 appid（它不像 AppID）",
            "use this appid (which looks like none)",
        ),
    }
}

fn by_name(caller: &Caller, path: &str) -> Words {
    missing(
        caller,
        "apis",
        &format!("调用 {path}（它影响所有调用方，须逐字写明）"),
        &format!("call {path} (it concerns every caller and must be named literally)"),
    )
}

fn export(caller: &Caller) -> Words {
    let (zh, en) = caller.origin.key("export_token");
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 不能读取 access_token：确有需要时把{zh} 设为 true"),
        format!("caller {name} may not read access_tokens: if it must, set {en} to true"),
    )
}

fn missing(caller: &Caller, key: &str, zh: &str, en: &str) -> Words {
    let (where_zh, where_en) = caller.origin.key(key);
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 不能{zh}：需要时在 {where_zh} 里放行"),
        format!("caller {name} may not {en}: allow it in {where_en}"),
    )
}

fn ended(caller: &Caller) -> Words {
    let (where_zh, where_en) = caller.origin.key("expires_at");
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 已到期（{where_zh}）：还要用就改它，或换一个调用方"),
        format!("the caller {name} has ended ({where_en}): to go on, change that, or use another caller"),
    )
}

fn quota(caller: &Caller, pattern: &str, limit: &str, seconds: u32) -> Words {
    let (where_zh, where_en) = caller.origin.key("quotas");
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 对 {pattern} 的限额 {limit} 已用完（{where_zh}）：{seconds} 秒后重新计数"),
        format!(
            "the caller {name} has used up its quota {limit} of {pattern} ({where_en}): it begins anew in {seconds} s"
        ),
    )
}

fn exceeded(caller: &Caller, key: &str, zh: &str, en: &str) -> Words {
    let (where_zh, where_en) = caller.origin.key(key);
    let name = &caller.name;
    Words::new(
        format!("调用方 {name} 超过了{zh}（{where_zh}）：放慢后重试"),
        format!("caller {name} is over its {en} ({where_en}): slow down and retry"),
    )
}
