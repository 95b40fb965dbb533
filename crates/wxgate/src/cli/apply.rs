//! `wxgate apply`: the apps, callers and routes of a file, put through the admin API of a wxgate that runs somewhere. What differs is
//! printed first. The server compares, because it alone knows the secrets that are there; those of the file are looked up here.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::Server;
use super::run::{confirmed, print, remark};
use crate::config::{self, Wanted};
use crate::lang::{Words, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(short, long, value_name = "FILE", help = say(
        "有 [[apps]]、[[callers]]、[[routes]] 的 TOML 文件；env: 和 file: 的密钥在这台机器上查找",
        "A TOML file with [[apps]], [[callers]] and [[routes]]; secrets of env: and file: are looked up on this machine"
    ))]
    file: PathBuf,
    #[arg(long, default_value = "http://127.0.0.1:36013", help = say(
        "wxgate 的管理端口；令牌从环境变量 WXGATE_ADMIN_TOKEN（或 WXGATE_ADMIN_TOKEN_FILE）读取",
        "The admin port of the wxgate; the token comes from WXGATE_ADMIN_TOKEN (or WXGATE_ADMIN_TOKEN_FILE)"
    ))]
    url: Url,
    #[arg(long, help = say(
        "另外信任的证书机构（PEM），https 的管理端口用",
        "Further authorities to trust (PEM), for an admin port with https"
    ))]
    ca_file: Option<PathBuf>,
    #[arg(long, help = say("不问，直接应用", "Don't ask, apply"))]
    yes: bool,
    #[arg(long, help = say(
        "文件里有的列表中，删掉运行时加的、文件里没有的",
        "Of the lists that the file has, delete what was made at run time and isn't in the file"
    ))]
    prune: bool,
}

/// There is a difference, and it was left so.
#[derive(Debug)]
pub(super) struct NotApplied;

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(say(
            "有差异，没有应用：加 --yes，或在终端里确认",
            "there is a difference, and it isn't applied: say --yes, or confirm it on a terminal",
        ))
    }
}

impl std::error::Error for NotApplied {}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Wanted { lists, others, admin_token } = config::wanted(&args.file, &config::environment())?;
    for other in others {
        remark(&say(
            format!("{other} 不经管理接口，略过：只应用 [[apps]]、[[callers]]、[[routes]]"),
            format!(
                "{other} doesn't go through the admin API and is passed over: [[apps]], [[callers]] and [[routes]] are applied"
            ),
        ));
    }
    let token = admin_token.context(Words::fixed(
        "没有管理令牌：设置环境变量 WXGATE_ADMIN_TOKEN（或 WXGATE_ADMIN_TOKEN_FILE）",
        "there is no admin token: set WXGATE_ADMIN_TOKEN (or WXGATE_ADMIN_TOKEN_FILE) in the environment",
    ))?;
    let server = Server::new(args.url, args.ca_file.as_deref(), token.expose_secret(), "WXGATE_ADMIN_TOKEN")?;
    let ask = |more: Value| {
        let mut body: Map<String, Value> = lists.clone();
        body.extend(more.as_object().cloned().unwrap_or_default());
        server.admin(Method::POST, "apply", Value::Object(body))
    };
    let planned = ask(json!({"prune": args.prune, "dry_run": true})).await?;
    let changes = planned["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    for change in changes {
        print(&told(change))?;
    }
    if planned["pending"] == 0 {
        return print(say("没有要做的\n", "nothing to do\n"));
    }
    if !args.yes && !confirmed(say("应用吗？", "Apply? "))? {
        bail!(NotApplied);
    }
    // What was changed since it was looked at stops it.
    ask(json!({"prune": args.prune, "revision": planned["revision"]})).await?;
    print(say("已应用\n", "applied\n"))
}

/// A change in a line, and one more for each key that differs.
fn told(change: &Value) -> String {
    let text = |key: &str| change[key].as_str().unwrap_or_default();
    let (list, name) = (text("list"), text("name"));
    let keys = change["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines = match text("action") {
        "create" => format!("+ {list}/{name}\n"),
        "change" => format!("~ {list}/{name}\n"),
        "delete" => format!("- {list}/{name}\n"),
        "order" => say(format!("~ {list} 的顺序\n"), format!("~ the order of {list}\n")),
        "file" => {
            let place = text("file");
            say(
                format!("! {list}/{name}：在服务器的配置文件里（{place}），不改\n"),
                format!("! {list}/{name}: it stands in the server's file ({place}) and is left alone\n"),
            )
        }
        _ => return String::new(),
    };
    for key in keys.iter().filter(|_| text("action") != "create") {
        let name = key["key"].as_str().unwrap_or_default();
        lines += &match key["secret"] == true {
            true => say(format!("    {name}：另一个密钥\n"), format!("    {name}: another secret\n")),
            false => format!("    {name}: {} -> {}\n", key["before"], key["after"]),
        };
    }
    // A name may hold anything.
    lines.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
