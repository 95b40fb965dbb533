//! `wxgate demo`: sandbox and gateway in one process, with nothing to configure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use tokio::net::TcpListener;

use super::new_key;
use super::run::print;
use super::signals::{Ask, Signals};
use crate::app::{self, Listeners};
use crate::clock::Clock;
use crate::net::Client;
use crate::{config, telemetry};

const OFFICIAL: &str = "wx00000000000000a1";
const MINI: &str = "wx00000000000000b2";
const EXAMPLE: &str = "wx3cc8fd6963e31a32";
const EXAMPLE_CODE: &str = "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt";
const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";

/// How many ports above a taken one are tried.
const PORTS_TRIED: u16 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// 网关的监听主机（健康检查和模拟器仍只监听 127.0.0.1）；不是回环地址时需要密钥，启动时打印一个
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// 网关的监听地址 [默认：HOST:36012]
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// 健康检查的监听地址 [默认：127.0.0.1:36013]
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// 微信模拟器的监听地址 [默认：127.0.0.1:36080]
    #[arg(long)]
    sandbox_listen: Option<SocketAddr>,
    /// 数据目录 [默认：临时目录，结束时删除]
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut signals = Signals::new()?;
    let mut moved = String::new();
    let sandbox_listener =
        bind(args.sandbox_listen.unwrap_or((local, 36080).into()), "微信模拟器", &mut moved).await?;
    let callers = bind(args.listen.unwrap_or((args.host, 36012).into()), "网关", &mut moved).await?;
    let admin = bind(args.admin_listen.unwrap_or((local, 36013).into()), "健康检查", &mut moved).await?;
    let open = callers.local_addr()?.ip().is_loopback();

    let (data, _temporary) = match args.data {
        Some(data) => (data, None),
        None => {
            let temporary = tempfile::tempdir().context("无法创建临时目录")?;
            (temporary.path().to_path_buf(), Some(temporary))
        }
    };
    let sandbox = sandbox::Sandbox::start(sandbox_listener, Arc::new(|| Clock::System.now()));
    let key = (!open).then(new_key);
    let text = settings(&sandbox.url(), callers.local_addr()?, admin.local_addr()?, key.as_deref());
    let config = config::parse(&text, "demo", &data, &config::Environment::new())?;
    telemetry::start(config.log);
    let running = app::start(config, Clock::System, Listeners { callers, admin, public: None }).await?;

    let gateway = format!("http://{}", reachable(running.address()));
    let admin = format!("http://{}", running.admin_address());
    print(&moved)?;
    let openids = Openids::ask(&sandbox.url()).await?;
    print(&welcome(&gateway, &admin, &sandbox.url(), key.as_deref(), &openids))?;
    while signals.next().await != Ask::Stop {}
    print("\n正在停止……\n")?;
    running.stop().await;
    sandbox.stop().await;
    print("已停止\n")
}

/// Binds `address`, or the next free port above it, and says so.
async fn bind(address: SocketAddr, what: &str, moved: &mut String) -> anyhow::Result<TcpListener> {
    for port in address.port()..=address.port().saturating_add(PORTS_TRIED) {
        match TcpListener::bind((address.ip(), port)).await {
            Ok(listener) => {
                if port != address.port() {
                    moved.push_str(&format!("端口 {} 已被占用，{what}改用 {port}\n", address.port()));
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("无法监听 {}:{port}", address.ip())),
        }
    }
    bail!("{address} 起的 {PORTS_TRIED} 个端口都被占用，请用参数另指定（见 wxgate demo --help）")
}

/// An unspecified address can be listened on, not connected to.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, address.port()).into() } else { address }
}

/// The sandbox's accounts, as configuration.
fn settings(sandbox: &str, callers: SocketAddr, admin: SocketAddr, key: Option<&str>) -> String {
    let auth = match key {
        None => "[auth]\nmode = \"off\"\n".to_owned(),
        Some(key) => {
            format!("[[callers]]\nname = \"demo\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n")
        }
    };
    let app = |appid: &str, kind: &str, name: &str, secret: &str| {
        format!(
            "[[apps]]\nappid = \"{appid}\"\nkind = \"{kind}\"\nname = \"{name}\"\nsecret = \"{}\"\n",
            secret.repeat(16)
        )
    };
    [
        format!("[server]\nlisten = \"{callers}\"\nadmin_listen = \"{admin}\"\nshutdown_grace = \"5s\"\n"),
        "[store]\nurl = \"sqlite:wxgate.db\"\n[log]\nlevel = \"warn\"\n".to_owned(),
        format!("[wechat]\napi_base = \"{sandbox}\"\nmp_base = \"{sandbox}\"\nopen_base = \"{sandbox}\"\n"),
        auth,
        app(OFFICIAL, "official", "模拟公众号", "a1"),
        app(MINI, "mini", "模拟小程序", "b2"),
        app(EXAMPLE, "official", "示例公众号", "c3"),
    ]
    .join("\n")
}

/// Openids of the sandbox's first user.
#[derive(Debug)]
struct Openids {
    official: String,
    mini: String,
}

impl Openids {
    async fn ask(sandbox: &str) -> anyhow::Result<Self> {
        let request = http::Request::get(format!("{sandbox}/sandbox/state")).body(Full::default())?;
        let answer = Client::new(None)?.send(request).await?.into_body().collect().await?.to_bytes();
        let state: serde_json::Value = serde_json::from_slice(&answer)?;
        let openids = &state["users"][0]["openids"];
        let openid = |appid: &str| openids[appid].as_str().map(str::to_owned).context("模拟器没有用户");
        Ok(Self { official: openid(OFFICIAL)?, mini: openid(MINI)? })
    }
}

/// What there is, and lines to paste.
fn welcome(gateway: &str, admin: &str, sandbox: &str, key: Option<&str>, openids: &Openids) -> String {
    let header = key.map(|key| format!("-H 'Authorization: Bearer {key}' ")).unwrap_or_default();
    let service = |path: &str, members: serde_json::Value| {
        let mut body = json!({"source": "demo"});
        if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
            body.extend(members.clone());
        }
        format!("curl -w '\\n' {header}{gateway}/v1/service/wx/{path} -d '{body}'")
    };
    let data = json!({"thing1": {"value": "奶茶"}});
    let allow = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "count": 100});
    let lines = [
        ("网页授权：用户信息", service("getwxuserinfo", json!({"appid": EXAMPLE, "code": EXAMPLE_CODE}))),
        ("小程序登录", service("code2session", json!({"appid": MINI, "code": "demo-login"}))),
        ("小程序手机号", service("getuserphone", json!({"appid": MINI, "code": "demo-phone"}))),
        ("公众号带参二维码", service("getwxqrcode", json!({"appid": OFFICIAL, "scene": "login_1"}))),
        (
            "小程序码",
            service(
                "getunlimitedqrcode",
                json!({"appid": MINI, "scene": "id=1", "page": "pages/index/index"}),
            ),
        ),
        (
            "模板消息",
            service(
                "sendwxtemplatemsg",
                json!({"appid": OFFICIAL, "openid": openids.official, "template_id": TEMPLATE, "data": data}),
            ),
        ),
        ("订阅消息：先让模拟用户允许", format!("curl -w '\\n' {sandbox}/sandbox/subscribe -d '{allow}'")),
        (
            "订阅消息：再发送",
            service(
                "sendsubscribemsg",
                json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "data": data}),
            ),
        ),
        ("JS-SDK 签名", service("jssdk", json!({"appid": OFFICIAL, "url": "https://www.example.com/"}))),
        ("是否就绪", format!("curl -w '\\n' {admin}/readyz")),
        ("模拟器看到了什么", format!("curl -w '\\n' {sandbox}/sandbox/state")),
    ];
    let mut text = format!(
        "\n  wxgate demo：微信是模拟的，无需任何账号\n\n  网关        {gateway}\n  健康检查    {admin}/readyz\n  微信模拟器  {sandbox}\n"
    );
    if let Some(key) = key {
        text.push_str(&format!("  调用方密钥  {key}\n"));
    }
    text.push_str("\n  另开一个终端，粘贴下面的命令：\n");
    for (what, line) in lines {
        text.push_str(&format!("\n# {what}\n{line}\n"));
    }
    text.push_str("\n  Ctrl-C 结束\n\n");
    text
}
