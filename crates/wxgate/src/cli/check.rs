//! `wxgate check`: is the configuration right, does the store open, and, asked for, does WeChat
//! take the credentials? Disturbs neither a running gateway nor anybody's token.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::json;
use wechat::catalog::STABLE_TOKEN;
use wechat::errcode;

use super::run::print;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::entries::AppEntry;
use crate::keys::Keys;
use crate::lang::say;
use crate::places;
use crate::random::Random;
use crate::store;
use crate::transport::{Transport, json_answer};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "wxgate.toml", help = say("配置文件", "The configuration file"))]
    config: PathBuf,
    #[arg(long, help = say(
        "还用稳定版接口（普通模式，不影响任何人）向微信验证每个账号",
        "Also try every account at WeChat by stable_token in normal mode, which disturbs nobody"
    ))]
    online: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let config = config::load(&args.config, &config::environment())?;
    print(&format!(
        "配置 {}：没有问题（{} 个账号，{} 个调用方，{} 条路由）\n",
        args.config.display(),
        config.entries.apps.len(),
        config.entries.callers.len(),
        config.entries.routes.len()
    ))?;
    for reminder in reminders(&config) {
        print(&format!("  提醒：{reminder}\n"))?;
    }
    let mut failures = 0;
    failures += report(check_store(&config))?;
    if args.online {
        let transport = Transport::new(&config.wechat, Clock::System, Arc::default())?;
        for app in config.entries.apps.iter().filter(|app| app.kind.has_token()) {
            let own = app.proxy.as_ref().map(|proxy| transport.by(proxy)).transpose()?;
            failures += report(check_app(own.as_ref().unwrap_or(&transport), app).await)?;
        }
    }
    if failures > 0 {
        bail!("有 {failures} 处问题");
    }
    Ok(())
}

/// What is allowed, but hardly meant.
fn reminders(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if config.entries.apps.is_empty() {
        found.push("没有任何 [[apps]]，所有调用都会得到 3584005".to_owned());
    }
    if config.entries.callers.is_empty() && !config.auth.off {
        found.push("没有任何 [[callers]]，所有调用都会得到 401：用 `wxgate key new` 生成密钥".to_owned());
    }
    for caller in &config.entries.callers {
        let uses_one = config.entries.apps.iter().any(|app| caller.apps.matches(&app.appid, &app.tags));
        if !uses_one && !config.entries.apps.is_empty() {
            found.push(format!("调用方 {} 的 apps 不包含任何已配置的账号：检查 appid 和标签", caller.name));
        }
    }
    let calls_back = |app: &&AppEntry| app.kind.has_callbacks() && !app.callback_tokens.is_empty();
    for route in &config.entries.routes {
        let uses_one = config.entries.apps.iter().any(|app| route.filter.takes_app(&app.appid, &app.tags));
        if !uses_one && !config.entries.apps.is_empty() {
            found.push(format!("路由 {} 的 apps 不包含任何已配置的账号：检查 appid 和标签", route.name));
        }
    }
    if !config.entries.routes.is_empty() && !config.entries.apps.iter().any(|app| calls_back(&app)) {
        found.push("有 [[routes]]，但没有一个账号有 callback_token：所有回调都会被拒绝（403）".to_owned());
    }
    for app in config.entries.apps.iter().filter(|app| !app.oauth_redirects.is_empty()) {
        if config.server.public_url.is_none() {
            found.push(format!(
                "{} 有 oauth_redirects，但没有 server.public_url：oauth/start 会报错",
                app.appid
            ));
        }
        if !app.kind.has_web_oauth() {
            found.push(format!("{} 是小程序，没有网页授权：oauth_redirects 不起作用", app.appid));
        }
    }
    for app in config.entries.apps.iter().filter(calls_back) {
        if !config.entries.routes.iter().any(|route| route.filter.takes_app(&app.appid, &app.tags)) {
            found.push(format!("{} 收到的消息不会转发：没有 [[routes]] 包含它", app.appid));
        }
        if app.aes_keys.is_empty() {
            found.push(format!("{} 没有 aes_key：明文模式的消息不受签名保护，建议改用安全模式", app.appid));
        }
    }
    for app in &config.entries.apps {
        let shape =
            |text: &str, least: usize| text.len() >= least && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !app.appid.starts_with("wx") || app.appid.len() != 18 {
            found.push(format!("{} 不像 AppID（wx 开头，共 18 个字符）", app.appid));
        }
        if !shape(app.secret.expose_secret(), 32) {
            found.push(format!("{} 的 secret 不像 AppSecret（32 个字母数字）", app.appid));
        }
    }
    found
}

fn report(outcome: Result<String, String>) -> anyhow::Result<usize> {
    match outcome {
        Ok(fine) => print(&format!("√ {fine}\n")).map(|()| 0),
        Err(wrong) => print(&format!("× {wrong}\n")).map(|()| 1),
    }
}

fn check_store(config: &Config) -> Result<String, String> {
    let path = config.store.path.display();
    let found = store::inspect(&config.store).map_err(|error| format!("{error:#}"))?;
    let Some(found) = found else {
        return Ok(format!("数据库 {path}：还没有，启动时创建"));
    };
    if found.schema == 0 {
        return Ok(format!("数据库 {path}：是空的，启动时建表（若应有数据：恢复备份时请连同 *-wal 文件）"));
    }
    let keys = match &config.store.master_key {
        Some(key) => Keys::from_base64(key, Random::System).map_err(Into::into),
        None => Keys::from_file(&config::Store::key_file(&config.store.real_path()), false, Random::System),
    };
    let keys = keys.map_err(|error| format!("{error:#}"))?;
    if !found.fits(&keys) {
        return Err(format!("主密钥与数据库 {path} 不符：恢复原来的 store.master_key 或密钥文件"));
    }
    Ok(format!(
        "数据库 {path}：完好（schema {}，{} 个令牌，{} 条消息，{} 个待投递，{} 个死信）",
        found.schema, found.credentials, found.events, found.pending, found.dead
    ))
}

/// Tries an app's credentials; the text says what is wrong and what to do.
pub(super) async fn check_app(transport: &Transport, app: &AppEntry) -> Result<String, String> {
    let who =
        if app.name.is_empty() { app.appid.clone() } else { format!("{}（{}）", app.appid, app.name) };
    let appid = &app.appid;
    let body = json!({
        "grant_type": "client_credential", "appid": appid, "secret": app.secret.expose_secret(),
        "force_refresh": false,
    });
    let answer = transport
        .send(&STABLE_TOKEN, &[], Some(Bytes::from(body.to_string())), transport.deadline())
        .await
        .and_then(|answer| json_answer(&answer).map(|_| answer))
        .map_err(|lost| format!("{who}：{}：检查网络、wechat.api_base 和 wechat.proxy", lost.zh))?;
    let Some(error) = wechat::answer::errcode(&answer.body) else {
        return Ok(format!("{who}：微信接受了凭据"));
    };
    let mut text = format!("{who}：微信 {}", error.errcode);
    if let Some(cure) = places::mend(app, &error) {
        let _ = write!(text, "：{cure}");
    } else {
        let advice = errcode::lookup(error.errcode).map_or(error.errmsg.as_str(), |entry| entry.zh);
        let _ = write!(text, "：{advice}");
    }
    Err(text)
}
