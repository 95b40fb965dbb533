//! `wxgate demo`: sandbox, gateway and a sample backend in one process, with nothing to configure.

mod backend;
mod welcome;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::run::print;
use super::signals::{Ask, Signals};
use super::{language, new_admin_token, new_key};
use crate::clock::Clock;
use crate::entries::Environment;
use crate::gateway::{self, Listeners, Running, Unbound};
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::net::Client;
use crate::random::Random;
use crate::tls::Authorities;
use crate::{config, telemetry};

pub(super) const OFFICIAL: &str = "wx00000000000000a1";
pub(super) const MINI: &str = "wx00000000000000b2";
const EXAMPLE: &str = "wx3cc8fd6963e31a32";

/// How many ports above a taken one are tried.
const PORTS_TRIED: u16 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(
        long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = language::host,
        help = say(
            "网关的监听主机（健康检查和模拟器仍只监听 127.0.0.1）；不是回环地址时需要密钥，启动时打印一个",
            "Where the gateway listens (health and the simulated WeChat stay on 127.0.0.1); not a loopback address: callers need a key, and one is printed"
        )
    )]
    host: IpAddr,
    #[arg(long, value_parser = language::address, help = say(
        "网关的监听地址 [默认：HOST:36012]",
        "The gateway's address [default: HOST:36012]"
    ))]
    listen: Option<SocketAddr>,
    #[arg(long, value_parser = language::address, help = say(
        "管理端口（控制台、管理接口、健康检查）的监听地址 [默认：127.0.0.1:36013]",
        "The address of health and the admin API [default: 127.0.0.1:36013]"
    ))]
    admin_listen: Option<SocketAddr>,
    #[arg(long, value_parser = language::address, help = say(
        "微信模拟器的监听地址 [默认：127.0.0.1:36080]",
        "The simulated WeChat's address [default: 127.0.0.1:36080]"
    ))]
    sandbox_listen: Option<SocketAddr>,
    #[arg(long, help = say(
        "数据目录 [默认：临时目录，结束时删除]",
        "The folder of the data [default: a temporary one, removed at the end]"
    ))]
    data: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut signals = Signals::new()?;
    let mut moved = String::new();
    let sandbox_listener = bind(
        args.sandbox_listen.unwrap_or((local, 36080).into()),
        say("微信模拟器", "the simulated WeChat"),
        &mut moved,
    )
    .await?;
    let callers =
        bind(args.listen.unwrap_or((args.host, 36012).into()), say("网关", "the gateway"), &mut moved)
            .await?;
    let admin = bind(
        args.admin_listen.unwrap_or((local, 36013).into()),
        say("管理端口", "the admin side"),
        &mut moved,
    )
    .await?;
    let open = callers.local_addr()?.ip().is_loopback();

    let (data, _temporary) = folder(args.data)?;
    let sandbox = sandbox::Sandbox::start(sandbox_listener, Arc::new(|| Clock::System.now()));
    let key = (!open).then(new_key);
    let admin_token = new_admin_token();
    let backend = backend::start(TcpListener::bind((local, 0)).await?)?;
    let text = [
        settings(&sandbox.url(), callers.local_addr()?, admin.local_addr()?, key.as_deref(), backend.address),
        route(backend.address),
    ]
    .concat();
    let config = config::parse(&text, "demo", &data, &environment(&admin_token))?;
    let _log = telemetry::start(config.log);
    let mut running =
        gateway::start(config, super::run::world(), Listeners { callers, admin, public: None }).await?;

    let gateway = format!("http://{}", reachable(running.address()));
    let admin = format!("http://{}", running.admin_address());
    print(&moved)?;
    let openids = arrange(&sandbox.url(), &gateway).await?;
    let demo = welcome::Demo {
        gateway: &gateway,
        admin: &admin,
        console: &running.console_link(),
        sandbox: &sandbox.url(),
        key: key.as_deref(),
        admin_token: &admin_token,
        openids: &openids,
        backend: backend.address,
    };
    print(&demo.welcome())?;
    until_stopped(&mut signals, &mut running).await;
    print(say("\n正在停止……\n", "\nStopping…\n"))?;
    running.stop().await;
    backend.close().await;
    sandbox.stop().await;
    print(say("已停止\n", "Stopped\n"))
}

/// The admin token is the password of the user admin as well: a demo needs one secret to remember, not two.
fn environment(admin_token: &str) -> Environment {
    ["WXGATE_ADMIN_TOKEN", "WXGATE_ADMIN_PASSWORD"]
        .map(|name| (name.to_owned(), admin_token.to_owned()))
        .into()
}

async fn until_stopped(signals: &mut Signals, running: &mut Running) {
    loop {
        tokio::select! {
            ask = signals.next() => if ask == Ask::Stop { return },
            // There is no file to read: whoever asks is told that nobody answers.
            asker = running.asked_to_reload() => drop(asker),
        }
    }
}

/// Where the data is kept, and a folder that goes when it is dropped.
fn folder(asked: Option<PathBuf>) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(data) = asked {
        return Ok((data, None));
    }
    let temporary =
        tempfile::tempdir().context(Words::fixed("无法创建临时目录", "can't make a temporary folder"))?;
    Ok((temporary.path().to_path_buf(), Some(temporary)))
}

/// Binds `address`, or the next free port above it, and says so.
async fn bind(address: SocketAddr, what: &str, moved: &mut String) -> anyhow::Result<TcpListener> {
    for port in address.port()..=address.port().saturating_add(PORTS_TRIED) {
        match TcpListener::bind((address.ip(), port)).await {
            Ok(listener) => {
                if port != address.port() {
                    let taken = address.port();
                    moved.push_str(&say(
                        format!("端口 {taken} 已被占用，{what}改用 {port}\n"),
                        format!("port {taken} is taken: {what} is on {port}\n"),
                    ));
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(Unbound::new(what, (address.ip(), port).into(), &error).into()),
        }
    }
    bail!(Words::new(
        format!("{address} 起的 {PORTS_TRIED} 个端口都被占用，请用参数另指定（见 wxgate demo --help）"),
        format!("{PORTS_TRIED} ports from {address} on are taken: name another (see wxgate demo --help)"),
    ))
}

/// An unspecified address can be listened on, not connected to.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, address.port()).into() } else { address }
}

/// The sandbox's accounts, as configuration.
fn settings(
    sandbox: &str,
    callers: SocketAddr,
    admin: SocketAddr,
    key: Option<&str>,
    backend: SocketAddr,
) -> String {
    let auth = match key {
        None => "[auth]\nmode = \"off\"\n".to_owned(),
        Some(key) => {
            format!("[[callers]]\nname = \"demo\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n")
        }
    };
    let app = |appid: &str, kind: &str, name: &str, secret: &str| {
        format!(
            "[[apps]]\nappid = \"{appid}\"\nkind = \"{kind}\"\nname = \"{name}\"\nsecret = \"{}\"\n\
             original_id = \"gh_0000000000{secret}\"\ncallback_token = \"sandboxtoken\"\n\
             aes_key = \"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG\"\nallow_plain = true\n\
             oauth_redirects = [\"http://{backend}/\"]\n",
            secret.repeat(16)
        )
    };
    [
        format!("[server]\nlisten = \"{callers}\"\nadmin_listen = \"{admin}\"\nshutdown_grace = \"5s\"\npublic_url = \"http://{}\"\n", reachable(callers)),
        // Whoever tries routes in the console has his backend here.
        "[store]\nurl = \"sqlite:wxgate.db\"\n[log]\nlevel = \"warn\"\n[egress]\nallow_loopback = true\n".to_owned(),
        format!("[wechat]\napi_base = \"{sandbox}\"\nmp_base = \"{sandbox}\"\nopen_base = \"{sandbox}\"\n"),
        auth,
        app(OFFICIAL, "official", say("模拟公众号", "simulated official account"), "a1"),
        app(MINI, "mini", say("模拟小程序", "simulated mini program"), "b2"),
        app(EXAMPLE, "official", say("示例公众号", "example account"), "c3"),
    ]
    .join("\n")
}

/// Everything goes to the sample backend, whose answers are passive replies.
fn route(backend: SocketAddr) -> String {
    let secret: [u8; 32] = Random::System.bytes();
    let secret = BASE64_STANDARD.encode(secret);
    format!(
        "\n[[routes]]\nname = \"sample-backend\"\ntarget = \"http://{backend}/\"\nformat = \"json\"\n\
         secret = \"whsec_{secret}\"\nreply = true\n"
    )
}

/// Openids of the sandbox's first user.
#[derive(Debug)]
struct Openids {
    official: String,
    mini: String,
}

/// Points the accounts' callbacks at the gateway, and asks who there is.
async fn arrange(sandbox: &str, gateway: &str) -> anyhow::Result<Openids> {
    let client = Client::new(None, Authorities::default().client_config()?, &Limits::default(), 1);
    let call = async |request: http::Request<Full<Bytes>>| -> anyhow::Result<Value> {
        let answer = client.send(request).await?.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    };
    for (appid, format) in [(OFFICIAL, "xml"), (MINI, "json"), (EXAMPLE, "xml")] {
        let url = format!("{gateway}{}/{appid}", crate::http::callback::PATH);
        let body = json!({"appid": appid, "url": url, "mode": "safe", "format": format}).to_string();
        let request = http::Request::post(format!("{sandbox}/sandbox/callback")).body(Full::from(body))?;
        let answer = call(request).await?;
        if let Some(error) = answer.get("error") {
            bail!(Words::new(
                format!("模拟器没能设置 {appid} 的回调：{error}"),
                format!("the simulated WeChat didn't take the callback of {appid}: {error}"),
            ));
        }
    }
    let state = call(http::Request::get(format!("{sandbox}/sandbox/state")).body(Full::default())?).await?;
    let openids = &state["users"][0]["openids"];
    let openid = |appid: &str| {
        openids[appid]
            .as_str()
            .map(str::to_owned)
            .context(Words::fixed("模拟器没有用户", "the simulated WeChat has no user"))
    };
    Ok(Openids { official: openid(OFFICIAL)?, mini: openid(MINI)? })
}
