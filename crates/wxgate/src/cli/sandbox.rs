//! `wxgate sandbox`: the simulated WeChat alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use sandbox::{Sandbox, in_chinese};
use tokio::net::TcpListener;

use super::language;
use super::run::print;
use super::signals::{Ask, Signals};
use crate::clock::Clock;
use crate::gateway::Unbound;
use crate::lang::{Words, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(
        long, default_value = "127.0.0.1:36080", value_parser = language::address,
        help = say(
            "监听地址；端口 0：任意空闲端口，启动后打印",
            "The address to listen on; port 0: any free one, which is printed"
        )
    )]
    listen: SocketAddr,
    #[arg(long, value_name = "N", help = say(
        "种子：同样的调用按同样的顺序，得到同样的 ID、令牌、code 和 rid",
        "A seed: the same calls in the same order get the same ids, tokens, codes and rids"
    ))]
    seed: Option<u64>,
    #[arg(long, value_name = "FILE", help = say(
        "开始时的世界，JSON：控制接口名和请求体，或 GET /sandbox/snapshot 的应答",
        "The world of the start, JSON: control calls and their bodies, or an answer of GET /sandbox/snapshot"
    ))]
    world: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Unbound::new("--listen", args.listen, &error))?;
    let file = args.world.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    let world = match &args.world {
        Some(path) => Some(tokio::fs::read_to_string(path).await.with_context(|| file.clone())?),
        None => None,
    };
    let now = Arc::new(|| Clock::System.now());
    let sandbox = Sandbox::start_as(listener, now, args.seed, world.as_deref())
        .await
        .map_err(|wrong| Words::new(format!("{file}：{}", in_chinese(&wrong)), format!("{file}: {wrong}")))?;
    let url = sandbox.url();
    print(&say(
        format!("微信模拟器：{url}（说明见该页面；Ctrl-C 结束）\n"),
        format!("The simulated WeChat: {url} (its page explains it; Ctrl-C ends it)\n"),
    ))?;
    while signals.next().await != Ask::Stop {}
    sandbox.stop().await;
    Ok(())
}
