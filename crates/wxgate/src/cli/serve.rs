//! `wxgate serve` and `wxgate sandbox`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::signals::{Ask, Signals};
use crate::clock::Clock;
use crate::gateway::{self, Listeners, Running};
use crate::{config, telemetry};

pub(super) async fn run(path: PathBuf) -> anyhow::Result<()> {
    let config = config::load(&path, &config::environment())?;
    let _log = telemetry::start(config.log);
    let mut signals = Signals::new()?;
    if config.entries.apps.is_empty() {
        tracing::warn!("没有配置任何 [[apps]]：加上账号后发 SIGHUP");
    }
    if config.entries.callers.is_empty() && !config.auth.off {
        tracing::warn!(
            "没有配置任何 [[callers]]，所有调用都会得到 401：用 `wxgate key new` 生成密钥，写进 [[callers]]"
        );
    }
    let listeners = Listeners::bind(&config.server).await?;
    let mut running = gateway::start(config, super::run::world(), listeners).await?;
    tracing::info!(
        listen = %running.address(), admin_listen = %running.admin_address(),
        version = env!("CARGO_PKG_VERSION"), "wxgate 已启动"
    );
    while signals.next().await == Ask::Reload {
        reload(&mut running, &path);
    }
    tracing::info!("正在停止：等进行中的请求完成，再按一次 Ctrl-C 立即结束");
    tokio::select! {
        () = running.stop() => {}
        () = second_stop(&mut signals) => {}
    }
    tracing::info!("已停止");
    Ok(())
}

async fn second_stop(signals: &mut Signals) {
    while signals.next().await != Ask::Stop {}
}

fn reload(running: &mut Running, path: &Path) {
    let outcome = config::load(path, &config::environment()).map_err(anyhow::Error::from);
    let (mut apps, mut callers) = (0, 0);
    let outcome = outcome.and_then(|config| {
        (apps, callers) = (config.entries.apps.len(), config.entries.callers.len());
        running.reload(config)
    });
    match outcome {
        Ok(later) if later.is_empty() => tracing::info!(apps, callers, "配置已重新读取"),
        Ok(later) => tracing::warn!(sections = later.join(","), "配置已重新读取；这些节的改动要重启才生效"),
        Err(error) => tracing::error!("配置没有重新读取，继续使用原来的：{error:#}"),
    }
}

pub(super) async fn sandbox(listen: SocketAddr) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("无法监听 {listen}（端口被占用时用 --listen 127.0.0.1:端口 换一个）"))?;
    let sandbox = sandbox::Sandbox::start(listener, Arc::new(|| Clock::System.now()));
    super::run::print(&format!("微信模拟器：{}（说明见该页面；Ctrl-C 结束）\n", sandbox.url()))?;
    while signals.next().await != Ask::Stop {}
    sandbox.stop().await;
    Ok(())
}
