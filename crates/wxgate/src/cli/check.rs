//! `wxgate check`: is the configuration right, does the store open, and, asked for, does WeChat
//! take the credentials? Disturbs neither a running gateway nor anybody's token.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::json;
use wechat::catalog::STABLE_TOKEN;
use wechat::errcode;

use super::run::print;
use crate::clock::Clock;
use crate::config::{self, AppEntry, Config, Kind};
use crate::seal::Sealer;
use crate::store;
use crate::transport::{Transport, json_answer};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// 配置文件
    #[arg(long, default_value = "wxgate.toml")]
    config: PathBuf,
    /// 还用稳定版接口（普通模式，不影响任何人）向微信验证每个账号
    #[arg(long)]
    online: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let config = config::load(&args.config, &config::environment())?;
    print(&format!("配置 {}：没有问题\n", args.config.display()))?;
    let mut failures = 0;
    failures += report(check_store(&config))?;
    if args.online {
        let transport = Transport::new(&config.wechat, Clock::System)?;
        for app in config.apps.iter().filter(|app| app.kind != Kind::Open) {
            failures += report(check_app(&transport, app).await)?;
        }
    }
    if failures > 0 {
        bail!("有 {failures} 处问题");
    }
    Ok(())
}

fn report(outcome: Result<String, String>) -> anyhow::Result<usize> {
    match outcome {
        Ok(fine) => print(&format!("{fine}\n")).map(|()| 0),
        Err(wrong) => print(&format!("× {wrong}\n")).map(|()| 1),
    }
}

fn path_of_store(config: &Config) -> PathBuf {
    std::fs::canonicalize(&config.store.path).unwrap_or_else(|_| config.store.path.clone())
}

fn check_store(config: &Config) -> Result<String, String> {
    let path = config.store.path.display();
    let found = store::inspect(&config.store.path).map_err(|error| format!("{error:#}"))?;
    let Some(found) = found else {
        return Ok(format!("数据库 {path}：还没有，启动时创建"));
    };
    let sealer = match &config.store.master_key {
        Some(key) => Sealer::from_base64(key),
        None => Sealer::from_file(&config::Store::key_file(&path_of_store(config)), false),
    };
    let sealer = sealer.map_err(|error| format!("{error:#}"))?;
    if !found.fits(&sealer) {
        return Err(format!("主密钥与数据库 {path} 不符：恢复原来的 store.master_key 或密钥文件"));
    }
    Ok(format!("数据库 {path}：完好（schema {}，{} 个令牌）", found.schema, found.credentials))
}

/// Tries an app's credentials; the text says what is wrong and what to do.
pub(super) async fn check_app(transport: &Transport, app: &AppEntry) -> Result<String, String> {
    let (appid, name) = (&app.appid, &app.name);
    let body = json!({
        "grant_type": "client_credential", "appid": appid, "secret": app.secret.expose_secret(),
        "force_refresh": false,
    });
    let answer = transport
        .send(&STABLE_TOKEN, &[], Some(Bytes::from(body.to_string())), transport.deadline())
        .await
        .and_then(|answer| json_answer(&answer).map(|_| answer))
        .map_err(|lost| format!("{appid} {name}：连不上微信（{lost}）：检查网络和 wechat.proxy"))?;
    let Some(error) = wechat::answer::errcode(&answer.body) else {
        return Ok(format!("{appid} {name}：微信接受了凭据"));
    };
    let mut text = format!("{appid} {name}：微信 {}", error.errcode);
    if let Some(ip) = errcode::refused_ip(&error.errmsg) {
        let _ = write!(text, "：出口 IP {ip} 不在白名单：公众平台 → 基本配置 → IP白名单，添加后重试");
    } else if matches!(error.errcode, 40001 | 40125) {
        text.push_str("：AppSecret 不正确：到公众平台 → 基本配置核对或重置");
    } else {
        let advice = errcode::lookup(error.errcode).map_or(error.errmsg.as_str(), |entry| entry.zh);
        let _ = write!(text, "：{advice}");
    }
    Err(text)
}
