//! What a wx-proxy-service YAML says, with a remark on everything in it that can't be taken over.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::bail;
use secrecy::SecretString;
use url::Url;

use super::fields::Fields;
use super::yaml::Node;
use crate::lang::say;
use crate::rules::egress;

const PORT: u16 = 36012;
const MAX_ENVIRONMENTS: usize = 1000;

/// The configuration, as far as wxgate can use it.
pub(super) struct Original {
    /// `Host` and `Port`.
    pub(super) listen: SocketAddr,
    /// Every usable account, each AppID once.
    pub(super) apps: Vec<App>,
    /// `WxMsgMgr.AllowMsgEvent`.
    pub(super) events: Vec<String>,
    /// `WxMsgMgr.WxOpenIdList` in its order.
    pub(super) environments: Vec<Environment>,
}

/// One of `WxAppInfo`.
pub(super) struct App {
    /// `AppID`.
    pub(super) appid: String,
    /// `AppSecret`.
    pub(super) secret: SecretString,
}

/// One of `WxOpenIdList`.
pub(super) struct Environment {
    /// `EnvName`, unique; `env1`, … where there is none.
    pub(super) name: String,
    /// `AllowMsgEvent`.
    pub(super) events: Vec<String>,
    /// `HandleUrl`, if messages can be sent there.
    pub(super) target: Option<String>,
    /// `OpenIdList`.
    pub(super) openids: Vec<String>,
}

/// Understands the document `root`.
pub(super) fn read(root: Node, remarks: &mut Vec<String>) -> anyhow::Result<Original> {
    let Node::Map(entries) = root else {
        bail!(say(
            "不是 wx-proxy-service 的配置：最外层应是 WxAppInfo、WxMsgMgr 等键",
            "not the configuration of a wx-proxy-service: its outermost keys are WxAppInfo, WxMsgMgr and the like",
        ));
    };
    let mut root = Fields::new(entries, "", remarks);
    let listen = listen(&mut root);
    let apps = root.list("WxAppInfo");
    let manager = root.map("WxMsgMgr");
    root.finish();
    let apps = self::apps(apps, remarks);
    if apps.is_empty() {
        let none = || say("没有账号", "there is none").to_owned();
        let why = if remarks.is_empty() { none() } else { remarks.join(say("；", "; ")) };
        let why = why.replace(char::is_control, " ");
        bail!(say(
            format!("WxAppInfo 里没有可用的账号：{why}"),
            format!("WxAppInfo holds no usable account: {why}"),
        ));
    }
    let Some(manager) = manager else {
        let missing = say(
            "没有 WxMsgMgr：不生成 [[routes]]，微信回调只保存，不转发",
            "no WxMsgMgr: no [[routes]] are made, callbacks are kept and go nowhere",
        );
        remarks.push(missing.to_owned());
        return Ok(Original { listen, apps, events: Vec::new(), environments: Vec::new() });
    };
    let mut manager = Fields::new(manager, "WxMsgMgr", remarks);
    let events = manager.texts("AllowMsgEvent");
    let list = manager.list("WxOpenIdList");
    manager.finish();
    if list.len() > MAX_ENVIRONMENTS {
        bail!(say(
            format!("WxMsgMgr.WxOpenIdList 超过 {MAX_ENVIRONMENTS} 个环境"),
            format!("WxMsgMgr.WxOpenIdList has over {MAX_ENVIRONMENTS} environments"),
        ));
    }
    let events = self::events(events, "WxMsgMgr", remarks);
    let environments = environments(list, remarks);
    if environments.is_empty() {
        let missing = say(
            "没有 WxMsgMgr.WxOpenIdList：不生成 [[routes]]，微信回调只保存，不转发",
            "no WxMsgMgr.WxOpenIdList: no [[routes]] are made, callbacks are kept and go nowhere",
        );
        remarks.push(missing.to_owned());
    }
    Ok(Original { listen, apps, events, environments })
}

fn listen(root: &mut Fields<'_>) -> SocketAddr {
    let host = root.text("Host").unwrap_or_default();
    let ip = match host.as_str() {
        "" => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
        _ => host.trim_matches(['[', ']']).parse().unwrap_or_else(|_| {
            root.remark(say(
                format!("Host {host:?} 不是 IP 地址，监听改为 0.0.0.0：需要时改 server.listen"),
                format!("Host {host:?} is no IP address, 0.0.0.0 stands in its place: change server.listen if need be"),
            ));
            Ipv4Addr::UNSPECIFIED.into()
        }),
    };
    let port = root.text("Port").map_or(Some(PORT), |text| text.parse().ok().filter(|port| *port != 0));
    if port.is_none() {
        root.remark(say(
            format!("Port 不是 1 到 65535 的整数，改为 {PORT}：需要时改 server.listen"),
            format!("Port is no whole number from 1 to 65535, {PORT} stands in its place: change server.listen if need be"),
        ));
    }
    SocketAddr::new(ip, port.unwrap_or(PORT))
}

fn apps(list: Vec<Node>, remarks: &mut Vec<String>) -> Vec<App> {
    let mut seen = HashSet::new();
    let mut apps = Vec::new();
    for (index, node) in list.into_iter().enumerate() {
        let place = format!("WxAppInfo[{index}]");
        let Node::Map(entries) = node else {
            remarks.push(say(
                format!("{place} 不是 AppID 和 AppSecret，略过"),
                format!("{place} is no AppID with an AppSecret: left out"),
            ));
            continue;
        };
        let mut fields = Fields::new(entries, &place, remarks);
        let appid = fields.text("AppID").unwrap_or_default();
        let secret = fields.text("AppSecret").unwrap_or_default();
        fields.finish();
        let is_appid = (1..=64).contains(&appid.len())
            && appid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_appid {
            remarks.push(say(
                format!("{place} 的 AppID 缺少或不对，略过这个账号：补上后重新导入"),
                format!("the AppID of {place} is missing or wrong, and the account left out: mend it and import again"),
            ));
        } else if secret.is_empty() {
            remarks.push(say(
                format!("{place}（{appid}）缺少 AppSecret，略过这个账号：补上后重新导入"),
                format!(
                    "{place} ({appid}) has no AppSecret, and the account is left out: add it and import again"
                ),
            ));
        } else if !seen.insert(appid.clone()) {
            remarks.push(say(
                format!("{place} 的 AppID {appid} 重复，略过：以第一个为准"),
                format!("the AppID {appid} of {place} stood there before: left out, the first counts"),
            ));
        } else {
            if secret.len() != 32 || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                remarks.push(say(
                    format!("{place}（{appid}）的 AppSecret 不像 32 个字母数字：核对 [[apps]] 的 secret"),
                    format!("the AppSecret of {place} ({appid}) hardly is one, which has 32 letters and digits: check secret of [[apps]]"),
                ));
            }
            apps.push(App { appid, secret: SecretString::from(secret) });
        }
    }
    apps
}

fn environments(list: Vec<Node>, remarks: &mut Vec<String>) -> Vec<Environment> {
    let mut names = HashSet::new();
    let mut environments = Vec::new();
    for (index, node) in list.into_iter().enumerate() {
        let place = format!("WxMsgMgr.WxOpenIdList[{index}]");
        // Even what isn't understood keeps its place: who is last decides where all others go.
        let entries = match node {
            Node::Map(entries) => entries,
            _ => {
                remarks.push(say(
                    format!("{place} 不是 EnvName、HandleUrl 等键"),
                    format!("{place} has no keys like EnvName and HandleUrl"),
                ));
                Vec::new()
            }
        };
        let mut fields = Fields::new(entries, &place, remarks);
        let given = fields.text("EnvName").unwrap_or_default();
        let events = fields.texts("AllowMsgEvent");
        let url = fields.text("HandleUrl").unwrap_or_default();
        let openids = fields.texts("OpenIdList");
        fields.finish();
        let base = if given.is_empty() { format!("env{}", index + 1) } else { given };
        let name = unique(&base, &mut names);
        if name != base {
            remarks.push(say(
                format!("{place} 的名字 {base:?} 已有，路由取名 {name:?}"),
                format!("the name {base:?} of {place} is taken: its route is named {name:?}"),
            ));
        }
        environments.push(Environment {
            name,
            events: self::events(events, &place, remarks),
            target: target(url, &place, remarks),
            openids: self::openids(openids, &place, remarks),
        });
    }
    environments
}

fn unique(base: &str, names: &mut HashSet<String>) -> String {
    let mut name = base.to_owned();
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

/// Keeps what can be an event's name, and `""`.
fn events(texts: Vec<String>, place: &str, remarks: &mut Vec<String>) -> Vec<String> {
    let is_event = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    keep(texts, is_event, |text| {
        remarks.push(say(
            format!("{place}.AllowMsgEvent 中的 {text:?} 不是事件名，略过（原服务里没有通配符）"),
            format!("{text:?} in {place}.AllowMsgEvent is no event's name: left out (that service knew no patterns)"),
        ));
    })
}

fn openids(texts: Vec<String>, place: &str, remarks: &mut Vec<String>) -> Vec<String> {
    let is_openid = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    keep(texts, is_openid, |text| {
        remarks.push(say(
            format!("{place}.OpenIdList 中的 {text:?} 不是 openid，略过"),
            format!("{text:?} in {place}.OpenIdList is no openid: left out"),
        ));
    })
}

fn keep(texts: Vec<String>, wanted: impl Fn(&str) -> bool, mut lost: impl FnMut(&str)) -> Vec<String> {
    let mut kept = Vec::new();
    for text in texts {
        if wanted(&text) {
            kept.push(text);
        } else {
            lost(&text);
        }
    }
    kept
}

fn target(url: String, place: &str, remarks: &mut Vec<String>) -> Option<String> {
    let wrong = match Url::parse(&url) {
        Ok(parsed) => match egress::check_url(&parsed) {
            Ok(()) => return Some(url),
            Err(bad) => say(bad.zh(), bad.to_string()),
        },
        Err(_) => say("缺少或不是 http(s) 地址", "missing, or no http(s) URL").to_owned(),
    };
    remarks.push(say(
        format!("{place} 的 HandleUrl 不能用（{wrong}），不为它生成路由：改正后重新导入"),
        format!("the HandleUrl of {place} can't be used ({wrong}), and no route is made for it: mend it and import again"),
    ));
    None
}
