//! `wxgate serve`.

use std::path::{Path, PathBuf};

use super::control::{self, Control, Reloaded, Request, Status};
use super::signals::{Ask, Signals};
use crate::clock::Clock;
use crate::entries::Environment;
use crate::gateway::{self, Listeners, Running};
use crate::lang::{Words, say};
use crate::{config, telemetry, tls};

pub(super) async fn run(path: PathBuf) -> anyhow::Result<()> {
    let environment = config::environment();
    let config = config::load(&path, &environment)?;
    let _log = telemetry::start(config.log);
    let mut signals = Signals::new()?;
    let listeners = Listeners::bind(&config.server).await?;
    let (store, server, is_off) = (config.store.clone(), config.server.clone(), config.auth.off);
    let mut running = gateway::start(config, super::run::world(), listeners).await?;
    warn_of(&server, is_off, running.counts());
    // Only now: whoever has the database open has the socket. Without it the gateway serves all the same.
    let control = Control::bind(&store).inspect_err(|error| tracing::warn!("{error:#}")).ok();
    tracing::info!(
        listen = %running.address(), admin_listen = %running.admin_address(),
        version = env!("CARGO_PKG_VERSION"), "{}", say("wxgate 已启动", "wxgate runs")
    );
    loop {
        tokio::select! {
            ask = signals.next() => match ask {
                Ask::Stop => break,
                Ask::Reload => drop(reload(&mut running, &path, &environment)),
            },
            asker = running.asked_to_reload() => {
                let outcome = reload(&mut running, &path, &environment);
                // Whoever asked may have gone.
                let _ = asker.send(outcome.into());
            }
            (request, asker) = asked(control.as_ref()) => match request {
                Request::Reload { file } => {
                    let outcome = match other_file(&file, &path) {
                        Some(words) => Reloaded::new(false, words),
                        None => reload(&mut running, &path, &environment),
                    };
                    control::answer(asker, &outcome).await;
                }
                Request::Status { variables } => {
                    let file = control::whole(&path);
                    let status = Status::new(file, running.addresses(), &variables, &environment);
                    control::answer(asker, &status).await;
                }
            },
        }
    }
    drop(control);
    tracing::info!(
        "{}",
        say(
            "正在停止：等进行中的请求完成，再按一次 Ctrl-C 立即结束",
            "stopping: waiting for requests at work; Ctrl-C again ends at once",
        )
    );
    tokio::select! {
        () = running.stop() => {}
        () = second_stop(&mut signals) => {}
    }
    tracing::info!("{}", say("已停止", "stopped"));
    Ok(())
}

/// What an operator should know at once.
fn warn_of(server: &config::Server, is_off: bool, [apps, callers, _]: [usize; 3]) {
    if apps == 0 {
        tracing::warn!(
            "{}",
            say(
                "还没有账号：在控制台添加，或写进 [[apps]] 后运行 wxgate reload",
                "there is no account yet: add one at the console, or to [[apps]] and run wxgate reload",
            )
        );
    }
    if callers == 0 && !is_off {
        tracing::warn!(
            "{}",
            say(
                "还没有调用方，所有调用都会得到 401：在控制台新建，或用 `wxgate key new` 生成密钥写进 [[callers]]",
                "there is no caller yet, so every call gets 401: make one at the console, or by `wxgate key new` for [[callers]]",
            )
        );
    }
    if let Some((cert, _)) = &server.tls
        && let Ok((_, until)) = tls::validity(cert)
        && until < Clock::System.now_secs()
    {
        tracing::warn!(
            cert = %cert.display(), "{}",
            say(
                "server.tls_cert 已过期：换上新证书后运行 wxgate reload",
                "server.tls_cert has expired: put a new certificate there and run wxgate reload",
            )
        );
    }
}

/// What to tell whoever means another configuration than this process's `own`.
fn other_file(meant: &Path, own: &Path) -> Option<Words> {
    let own = control::whole(own);
    let (own, meant) = (own.display(), (meant != own).then(|| meant.display())?);
    Some(Words::new(
        format!("运行中的 wxgate 用的是 {own}，不是 {meant}，没有重读：wxgate reload --config {own}"),
        format!(
            "the wxgate that runs has {own}, not {meant}, and read nothing: wxgate reload --config {own}"
        ),
    ))
}

async fn asked(control: Option<&Control>) -> (Request, tokio::net::UnixStream) {
    match control {
        Some(control) => control.next().await,
        None => std::future::pending().await,
    }
}

async fn second_stop(signals: &mut Signals) {
    while signals.next().await != Ask::Stop {}
}

/// Reads the files again, and logs what came of it.
fn reload(running: &mut Running, path: &Path, environment: &Environment) -> Reloaded {
    let outcome = config::load(path, environment).map_err(anyhow::Error::from).and_then(|config| {
        let later = running.reload(config)?;
        Ok((running.counts(), later))
    });
    match outcome {
        Ok(([apps, callers, routes], later)) => {
            let waits = later.join(",");
            let counts = Words::new(
                format!("配置已重新读取：{apps} 个账号，{callers} 个调用方，{routes} 条路由"),
                format!(
                    "the configuration was read again: {apps} accounts, {callers} callers, {routes} routes"
                ),
            );
            if waits.is_empty() {
                tracing::info!(
                    apps,
                    callers,
                    routes,
                    "{}",
                    say("配置已重新读取", "the configuration was read again")
                );
                return Reloaded::new(true, counts);
            }
            let note = Words::new(
                format!("{}；这些节的改动要重启才生效：{waits}", counts.zh),
                format!("{}; changes of these sections wait for a restart: {waits}", counts.en),
            );
            tracing::warn!(sections = waits, "{note}");
            Reloaded::new(true, note)
        }
        Err(error) => {
            let words = both(&error);
            let refused = Words::new(
                format!("配置没有重新读取，继续使用原来的：{}", words.zh),
                format!("the configuration was not read again, the former one stays: {}", words.en),
            );
            tracing::error!("{refused}");
            Reloaded::new(false, refused)
        }
    }
}

/// What an error says, in both languages where it knows them.
fn both(error: &anyhow::Error) -> Words {
    if let Some(mistakes) = error.downcast_ref::<crate::entries::Mistakes>() {
        return Words::new(mistakes.text(false), mistakes.text(true));
    }
    let other = || Words::new(format!("{error:#}"), format!("{error:#}"));
    error.downcast_ref::<Words>().cloned().unwrap_or_else(other)
}
