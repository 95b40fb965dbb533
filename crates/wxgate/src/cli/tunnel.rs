//! `wxgate run`: a command whose HTTPS for WeChat's hosts goes to a sandbox or a gateway, for SDKs whose hosts can't be changed.
//!
//! A proxy on this machine ([`proxy`]) ends TLS for WeChat's hosts and no others, with a certificate that only the child trusts
//! ([`authority`], [`files`]), and hands the requests over ([`relay`]). The child learns of it by its environment ([`child`]). There
//! is no other way to this: neither the sandbox's nor the gateway's own listener speaks CONNECT.

mod authority;
mod child;
mod files;
mod hosts;
mod peer;
mod proxy;
mod relay;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use super::client::Server;
use super::run::notice;
use crate::clock::Clock;
use crate::config;
use crate::entries::{Environment, is_of_keys};
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::net::Client;
use crate::tasks::Tasks;
use crate::tls::Authorities;

use authority::Authority;
use child::Told;
use files::Files;
use hosts::{Allowed, Hosts};
use proxy::Proxy;
use relay::{Base, Relay};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, value_name = "URL", help = say(
        "发往这个网关 [不写则发往微信模拟器]",
        "To this gateway [without it to the simulated WeChat]"
    ))]
    gateway: Option<Url>,
    #[arg(long, requires = "gateway", help = say(
        "调用方密钥；不写则取环境变量 WXGATE_KEY。命令里 SDK 的 AppSecret 可以随便写，命令本身看不到密钥",
        "The caller's key; without it WXGATE_KEY of the environment. The SDK's AppSecret may be anything; the command never sees the key"
    ))]
    key: Option<String>,
    #[arg(long, value_name = "URL", conflicts_with = "gateway", help = say(
        "发往这个已在运行的模拟器 [不写则自己启动一个]",
        "To this simulated WeChat, which runs already [without it one is started]"
    ))]
    sandbox: Option<Url>,
    #[arg(long, value_name = "HOST[:PORT]", value_parser = hosts::allowed, help = say(
        "微信以外还可以访问的主机，可以写多次；其余的都被代理拒绝",
        "A host beside WeChat's that may be reached; may be given more than once. The proxy refuses all others"
    ))]
    allow: Vec<Allowed>,
    #[arg(long, help = say(
        "另外信任的证书机构（PEM），网关用 HTTPS 时",
        "Further authorities to trust (PEM), for a gateway with HTTPS"
    ))]
    ca_file: Option<PathBuf>,
    #[arg(last = true, required = true, value_name = "COMMAND", help = say("要运行的命令和它的参数", "The command and its arguments"))]
    command: Vec<OsString>,
}

/// Runs the command to its end, and ends as it does.
pub(super) async fn run(args: Args) -> anyhow::Result<u8> {
    let environment = config::environment();
    let tasks = Tasks::default();
    let told = Told::new()?;
    let (base, own_sandbox) = base(&args, &environment).await?;
    let sandbox = base.is_sandbox().then(|| base.url().to_owned());
    let hosts = Hosts::new(args.allow, base.is_sandbox());
    let authority = Authority::new(hosts.names())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let files = Files::write(&authority.certificate, &environment, port)?;
    let variables = child::variables(&environment, port, &files, sandbox.as_deref());

    let authorities = args.ca_file.as_deref().map(Authorities::read).transpose()?.unwrap_or_default();
    let limits = Limits::default();
    let client = Client::new(None, authorities.client_config()?, &limits, 1);
    notice(&going_to(&base));
    if let Some(wrong) = wrong_with(&base, args.ca_file.as_deref()).await? {
        notice(&say(format!("wxgate run：{}", wrong.zh), format!("wxgate run: {}", wrong.en)));
    }
    let relay = Relay::new(client, limits, base);
    let proxy = Arc::new(Proxy::new(hosts, relay, &authority, tasks.clone()));
    tasks.spawn(proxy.serve(listener));
    let code = match child::start(&args.command, variables) {
        Ok(child) => told.until_ended(child).await?,
        Err(code) => code,
    };
    tasks.aborted.cancel();
    tasks.wait().await;
    if let Some(sandbox) = own_sandbox {
        sandbox.stop().await;
    }
    Ok(code)
}

/// Whom WeChat's requests go to, and the sandbox that was started for it.
async fn base(args: &Args, environment: &Environment) -> anyhow::Result<(Base, Option<sandbox::Sandbox>)> {
    if let Some(gateway) = &args.gateway {
        let key = args.key.clone().or_else(|| environment.get("WXGATE_KEY").cloned());
        let key = key.filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| !key.bytes().all(is_of_keys)) {
            bail!(Words::fixed(
                "--key 里有密钥不会有的字符：整段重新复制",
                "--key has characters that no key has: copy it once more, whole",
            ));
        }
        return Ok((Base::gateway(gateway, key)?, None));
    }
    if let Some(running) = &args.sandbox {
        return Ok((Base::sandbox(running)?, None));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let sandbox = sandbox::Sandbox::start(listener, Arc::new(|| Clock::System.now()));
    Ok((Base::sandbox(&Url::parse(&sandbox.url())?)?, Some(sandbox)))
}

/// The name of what [`child`] starts, which nobody else has a use for.
pub(super) const FOLLOW: &str = "run-child";

/// What a command is run as, so that it ends with the run: for this program alone, see [`child`].
#[derive(Debug, clap::Args)]
pub(super) struct Followed {
    parent: u32,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the command.
pub(super) fn follow(args: &Followed) -> u8 {
    child::follow(args.parent, &args.command)
}

/// How long a gateway is waited for before the command starts.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the gateway is there and knows the key, before the command's SDK finds out in words of its own: what is wrong. It may
/// still come right, so the command is run all the same.
async fn wrong_with(base: &Base, ca_file: Option<&Path>) -> anyhow::Result<Option<Words>> {
    if base.is_sandbox() {
        return Ok(None);
    }
    let given_by = say("--key 或 WXGATE_KEY", "--key or WXGATE_KEY");
    let server = Server::new(Url::parse(base.url())?, ca_file, base.key().unwrap_or_default(), given_by)?;
    // Without a body nothing is done, even where the key is right.
    let asked = server.ask(Method::POST, "v1/service/wx/getscanresult", Value::Null);
    Ok(match tokio::time::timeout(PATIENCE, asked).await {
        Err(_) => {
            let place = server.place();
            Some(Words::new(format!("{place} 没有应答"), format!("{place} doesn't answer")))
        }
        Ok(Err(away)) => Some(away),
        Ok(Ok(answer)) if answer.status == StatusCode::UNAUTHORIZED && base.key().is_some() => {
            Some(server.refusal(answer.status, &answer.body))
        }
        Ok(Ok(_)) => None,
    })
}

fn going_to(base: &Base) -> String {
    let url = base.url();
    match base.is_sandbox() {
        true => say(
            format!("wxgate run：发往微信的请求都到微信模拟器 {url}（打开它可以扫码、关注、发消息）"),
            format!(
                "wxgate run: what is for WeChat goes to the simulated WeChat {url} (open it to scan, follow, write)"
            ),
        ),
        false => say(
            format!("wxgate run：发往微信的请求都到网关 {url}"),
            format!("wxgate run: what is for WeChat goes to the gateway {url}"),
        ),
    }
}
