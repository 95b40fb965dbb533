//! `wxgate init`: asks for one account, tries it, writes a configuration to start from.

mod file;
mod terminal;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use wechat::answer::ApiError;

use self::file::{Callback, Made};
use self::terminal::{ask, ask_hidden};
use super::run::print;
use super::{check, new_key};
use crate::clock::Clock;
use crate::config;
use crate::entries::{AccountKind, AppEntry};
use crate::lang::{Words, say};
use crate::places;
use crate::tokens::try_account;
use crate::transport::Transport;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "wxgate.toml", help = say(
        "要写的配置文件；已存在时不覆盖",
        "The configuration file to write; one that exists is not overwritten"
    ))]
    config: PathBuf,
    #[arg(long, help = say(
        "微信接口的地址（试用模拟器时改它）",
        "Where WeChat's API is (another one to try the simulated WeChat)"
    ))]
    api_base: Option<String>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    if args.config.exists() {
        bail!(exists(&args.config));
    }
    let wechat_section = match &args.api_base {
        None => String::new(),
        Some(base) => {
            let base = toml::Value::from(base.as_str());
            format!("\n[wechat]\napi_base = {base}\nmp_base = {base}\nopen_base = {base}\n")
        }
    };
    // Reads the environment as `serve` will: a proxy set there is used here as well.
    let settings = config::parse(&wechat_section, "init", "".as_ref(), &config::environment())?;
    let kind = ask(
        say(
            "账号类型：1 公众号，2 小程序，3 网站应用或移动应用 [1]：",
            "Kind of account: 1 official account, 2 mini program, 3 website or mobile app [1]: ",
        ),
        |text| match text {
            "" | "1" | "official" | "公众号" => Ok(AccountKind::Official),
            "2" | "mini" | "小程序" => Ok(AccountKind::Mini),
            "3" | "open" | "网站应用" | "移动应用" => Ok(AccountKind::Open),
            _ => Err(Words::fixed("类型是 1、2 或 3", "The kind is 1, 2 or 3")),
        },
    )?;
    let transport = Transport::new(&settings.wechat, Clock::System, Arc::default(), 1)?;
    let (app, secret, is_refused) = account(kind, args.api_base.is_some(), &transport).await?;
    let made = Made {
        path: args.config.display().to_string(),
        app,
        key: new_key(),
        callback: Callback::new(),
        sandbox: args.api_base,
        is_refused,
    };
    write(&args.config, &made.file(&secret, &wechat_section))?;
    print(&made.next_steps())
}

/// What there is to do about a file that is there.
fn exists(path: &Path) -> Words {
    let path = path.display();
    Words::new(
        format!(
            "{path} 已经存在，没有改动它。要改账号，直接编辑它，再 `wxgate check --online --config {path}`；\
             要从头来，先移走它：mv {path} {path}.old；要另写一份，用 --config 换个名字"
        ),
        format!(
            "{path} exists and was left alone. To change an account, edit it, then `wxgate check --online --config {path}`; \
             to start over, move it away: mv {path} {path}.old; for another one, name it with --config"
        ),
    )
}

/// Asks for an account until WeChat doesn't call AppID or AppSecret wrong; whether it refused them for another reason.
async fn account(
    kind: AccountKind,
    is_sandbox: bool,
    transport: &Transport,
) -> anyhow::Result<(AppEntry, String, bool)> {
    let mut appid = ask_appid(is_sandbox)?;
    loop {
        let secret = ask_hidden(say("AppSecret（输入时不显示）：", "AppSecret (not shown): "), secret)?;
        let app = AppEntry::new(appid.clone(), kind, secret.clone().into());
        if !kind.has_token() {
            print(say(
                "这类账号没有 access_token，凭据要到第一次网页授权时才知道对不对\n",
                "This kind of account has no access_token: its first web OAuth shows whether the credentials are right\n",
            ))?;
            return Ok((app, secret, false));
        }
        print(say(
            "正在用稳定版接口（普通模式，不影响在用的令牌）试一试……\n",
            "Trying them by stable_token (normal mode, which disturbs no token in use)…\n",
        ))?;
        let answer = try_account(transport, &app).await;
        let wrong = answer.as_ref().ok().and_then(|error| wrong(&app, error.as_ref()?));
        let Some((words, is_appid)) = wrong else {
            let found = check::judged(&app, answer);
            print(&check::line(&found))?;
            return Ok((app, secret, found.is_err()));
        };
        print(&say(
            format!("× {words}，请重新输入（Ctrl-C 放弃，什么都不会写）\n"),
            format!("× {words}: once more, please (Ctrl-C gives up, and nothing is written)\n"),
        ))?;
        if is_appid {
            appid = ask_appid(is_sandbox)?;
        }
    }
}

fn ask_appid(is_sandbox: bool) -> anyhow::Result<String> {
    ask(say("AppID：", "AppID: "), |text| {
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        // The simulated WeChat has accounts of any name.
        if is_plain && (is_sandbox || (text.starts_with("wx") && text.len() == 18)) {
            return Ok(text.to_owned());
        }
        Err(match text.len() {
            32 if is_plain => {
                Words::fixed("这像是 AppSecret，不是 AppID", "That looks like an AppSecret, not an AppID")
            }
            _ => Words::fixed(
                "AppID 以 wx 开头，共 18 个字母和数字",
                "An AppID begins with wx and has 18 letters and digits",
            ),
        })
    })
}

fn secret(text: &str) -> Result<String, Words> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        true => Ok(text.to_owned()),
        false => Err(Words::fixed("AppSecret 只有字母和数字", "An AppSecret is letters and digits")),
    }
}

/// What is wrong, if WeChat says that AppID or AppSecret is none of its own, and whether it is the AppID.
fn wrong(app: &AppEntry, error: &ApiError) -> Option<(Words, bool)> {
    let (code, appid) = (error.errcode, &app.appid);
    match code {
        40013 | 41002 => Some((
            Words::new(
                format!("微信 {code}：没有 {appid} 这个 AppID"),
                format!("WeChat {code}: there is no AppID {appid}"),
            ),
            true,
        )),
        40001 | 40125 | 41004 => {
            let place = places::secret(app.kind);
            Some((
                Words::new(
                    format!("微信 {code}：{appid} 的 AppSecret 不正确（到 {} 核对或重置）", place.zh),
                    format!(
                        "WeChat {code}: the AppSecret of {appid} is wrong (check or reset it at {})",
                        place.en
                    ),
                ),
                false,
            ))
        }
        _ => None,
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = path.display();
    let failed = || say(format!("无法写 {name}"), format!("can't write {name}"));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)
}
