//! `wxgate check`: is the configuration right, would this machine let `serve` start, what is dangerous, and, asked for,
//! does WeChat take the credentials? Disturbs neither a running gateway nor anybody's token.

mod dangers;
mod machine;
mod routes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use secrecy::ExposeSecret as _;
use wechat::answer::ApiError;
use wechat::errcode;

pub(super) use self::machine::line;

use self::machine::Found;
use super::control::{self, Request, Status};
use super::run::print;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::entries::{AppEntry, Environment};
use crate::lang::{Words, say};
use crate::places;
use crate::tokens::try_account;
use crate::transport::{Lost, Transport};

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
    let environment = config::environment();
    let config = config::load(&args.config, &environment)?;
    let (file, entries) = (args.config.display(), &config.entries);
    let (apps, callers, routes) = (entries.apps.len(), entries.callers.len(), entries.routes.len());
    print(&say(
        format!("配置 {file}：没有问题（{apps} 个账号，{callers} 个调用方，{routes} 条路由）\n"),
        format!("configuration {file}: no problem (accounts {apps}, callers {callers}, routes {routes})\n"),
    ))?;
    let running = running(&config, &environment).await;
    let label = say("提醒：", "note: ");
    for reminder in reminders(&config).into_iter().chain(dangers::dangers(&config, running.as_ref())) {
        print(&format!("  {label}{reminder}\n"))?;
    }
    let mut found = vec![machine::database(&config.store).await];
    found.extend(machine::in_use(&args.config, running.as_ref()));
    found.extend(machine::run_dir(&config.store));
    found.extend(machine::ports(&config, running.as_ref()));
    found.extend(machine::certificate(&config));
    if args.online {
        let transport = Transport::new(&config.wechat, Clock::System, Arc::default(), 1)?;
        for app in config.entries.apps.iter().filter(|app| app.kind.has_token()) {
            let own = app.proxy.as_ref().map(|proxy| transport.by(proxy)).transpose()?;
            found.push(judged(app, try_account(own.as_ref().unwrap_or(&transport), app).await));
        }
    }
    for found in &found {
        print(&line(found))?;
    }
    match found.iter().filter(|found| found.is_err()).count() {
        0 => Ok(()),
        failures => bail!(Words::new(format!("有 {failures} 处问题"), format!("problems: {failures}"))),
    }
}

/// The process that serves this configuration's database, if one does and this user may ask it.
async fn running(config: &Config, environment: &Environment) -> Option<Status> {
    let known = |name: &String| Some((name.clone(), control::digest(environment.get(name)?)));
    let variables: BTreeMap<String, String> = config.sources.variables.keys().filter_map(known).collect();
    control::ask(&config.store, &Request::Status { variables }).await.ok().flatten()
}

/// What is allowed, but hardly meant.
fn reminders(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if config.entries.apps.is_empty() {
        let none = say(
            "没有任何 [[apps]]，所有调用都会得到 3584005",
            "there are no [[apps]]: every call gets 3584005",
        );
        found.push(none.to_owned());
    }
    if config.entries.callers.is_empty() && !config.auth.off {
        let none = say(
            "没有任何 [[callers]]，所有调用都会得到 401：用 `wxgate key new` 生成密钥",
            "there are no [[callers]]: every call gets 401, `wxgate key new` makes a key",
        );
        found.push(none.to_owned());
    }
    for caller in &config.entries.callers {
        let uses_one = config.entries.apps.iter().any(|app| caller.apps.matches(&app.appid, &app.tags));
        if !uses_one && !config.entries.apps.is_empty() {
            let name = &caller.name;
            found.push(say(
                format!("调用方 {name} 的 apps 不包含任何已配置的账号：检查 appid 和标签"),
                format!("apps of the caller {name} takes none of the accounts: check appids and tags"),
            ));
        }
    }
    for route in &config.entries.routes {
        let uses_one = config.entries.apps.iter().any(|app| route.filter.takes_app(&app.appid, &app.tags));
        if !uses_one && !config.entries.apps.is_empty() {
            let name = &route.name;
            found.push(say(
                format!("路由 {name} 的 apps 不包含任何已配置的账号：检查 appid 和标签"),
                format!("apps of the route {name} takes none of the accounts: check appids and tags"),
            ));
        }
    }
    if !config.entries.routes.is_empty() && !config.entries.apps.iter().any(calls_back) {
        let none = say(
            "有 [[routes]]，但没有一个账号有 callback_token：所有回调都会被拒绝（403）",
            "there are [[routes]], and no account has a callback_token: every callback is refused (403)",
        );
        found.push(none.to_owned());
    }
    found.extend(routes::reminders(config));
    for app in &config.entries.apps {
        remind_of_login(config, app, &mut found);
        remind_of_messages(config, app, &mut found);
        remind_of_shape(app, &mut found);
    }
    found
}

fn calls_back(app: &AppEntry) -> bool {
    app.kind.has_callbacks() && !app.callback_tokens.is_empty()
}

fn remind_of_login(config: &Config, app: &AppEntry, found: &mut Vec<String>) {
    let appid = &app.appid;
    if app.oauth_redirects.is_empty() {
        return;
    }
    if config.server.public_url.is_none() {
        found.push(say(
            format!("{appid} 有 oauth_redirects，但没有 server.public_url：oauth/start 会报错"),
            format!("{appid} has oauth_redirects, and there is no server.public_url: oauth/start fails"),
        ));
    }
    if !app.kind.has_web_oauth() {
        found.push(say(
            format!("{appid} 是小程序，没有网页授权：oauth_redirects 不起作用"),
            format!("{appid} is a mini program, which has no web OAuth: its oauth_redirects do nothing"),
        ));
    }
}

fn remind_of_messages(config: &Config, app: &AppEntry, found: &mut Vec<String>) {
    let appid = &app.appid;
    if !calls_back(app) {
        return;
    }
    if !config.entries.routes.iter().any(|route| route.filter.takes_app(&app.appid, &app.tags)) {
        found.push(say(
            format!("{appid} 收到的消息不会转发：没有 [[routes]] 包含它"),
            format!("messages of {appid} go nowhere: no [[routes]] take it"),
        ));
    }
    if app.aes_keys.is_empty() {
        found.push(say(
                format!("{appid} 没有 aes_key：明文模式的消息不受签名保护，建议改用安全模式"),
                format!("{appid} has no aes_key: messages in plain mode are not protected by their signature, use the safe mode"),
            ));
    }
}

fn remind_of_shape(app: &AppEntry, found: &mut Vec<String>) {
    let appid = &app.appid;
    let shape =
        |text: &str, least: usize| text.len() >= least && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !app.appid.starts_with("wx") || app.appid.len() != 18 {
        found.push(say(
            format!("{appid} 不像 AppID（wx 开头，共 18 个字符）"),
            format!("{appid} hardly is an AppID (18 characters that begin with wx)"),
        ));
    }
    if !shape(app.secret.expose_secret(), 32) {
        found.push(say(
            format!("{appid} 的 secret 不像 AppSecret（32 个字母数字）"),
            format!("the secret of {appid} hardly is an AppSecret (32 letters and digits)"),
        ));
    }
}

/// What that says: what is wrong and what to do.
pub(super) fn judged(app: &AppEntry, answer: Result<Option<ApiError>, Lost>) -> Found {
    let (appid, name) = (&app.appid, &app.name);
    let who = if name.is_empty() { appid.clone() } else { format!("{appid} ({name})") };
    let error = match answer {
        Ok(Some(error)) => error,
        Ok(None) => {
            return Ok(Words::new(
                format!("{who}：微信接受了凭据"),
                format!("{who}: WeChat takes the credentials"),
            ));
        }
        Err(lost) => {
            return Err(Words::new(
                format!("{who}：{}：检查网络、wechat.api_base 和 wechat.proxy", lost.zh),
                format!("{who}: {lost}: check the network, wechat.api_base and wechat.proxy"),
            ));
        }
    };
    let code = error.errcode;
    let known = || errcode::lookup(code).map(|entry| Words::fixed(entry.zh, entry.en));
    let said = || Words::new(error.errmsg.clone(), error.errmsg.clone());
    let Words { zh, en } = places::mend(app, &error).or_else(known).unwrap_or_else(said);
    Err(Words::new(format!("{who}：微信 {code}：{zh}"), format!("{who}: WeChat {code}: {en}")))
}
