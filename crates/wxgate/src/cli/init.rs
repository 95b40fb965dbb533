//! `wxgate init`: asks for one account, tries it, writes a configuration to start from.

use std::io::{BufRead as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::run::print;
use super::{check, new_key};
use crate::clock::Clock;
use crate::config;
use crate::entries::{AccountKind, AppEntry};
use crate::lang::say;
use crate::places;
use crate::random::Random;
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
        bail!("{} 已经存在：换个 --config，或先移走它", args.config.display());
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
    let kind = ask("账号类型：1 公众号，2 小程序 [1]：", |text| match text {
        "" | "1" | "official" | "公众号" => Some(AccountKind::Official),
        "2" | "mini" | "小程序" => Some(AccountKind::Mini),
        _ => None,
    })?;
    let plain = |text: &str| {
        let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fine.then(|| text.to_owned())
    };
    let appid = ask("AppID：", plain)?;
    let secret = ask("AppSecret：", plain)?;
    let app = AppEntry::new(appid, kind, secret.clone().into());
    print("正在用稳定版接口（普通模式，不影响在用的令牌）试一试……\n")?;
    let transport = Transport::new(&settings.wechat, Clock::System, Arc::default())?;
    let outcome = check::check_app(&transport, &app).await;
    let refused = outcome.is_err();
    match outcome {
        Ok(fine) => print(&format!("√ {fine}\n"))?,
        Err(wrong) => print(&format!("× {wrong}\n"))?,
    }
    let key = new_key();
    let callback = Callback::new();
    write(&args.config, &file(&app, &secret, &key, &callback, &wechat_section))?;
    print(&next_steps(&args.config.display().to_string(), &app, &key, &callback, refused))
}

/// Asks until `read` understands; the end of input is an error.
fn ask<T>(question: &str, read: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
    loop {
        print(question)?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!("输入提前结束");
        }
        match read(line.trim()) {
            Some(value) => return Ok(value),
            None => print("看不懂，请重新输入（类型输 1 或 2；AppID 和 AppSecret 只含字母和数字）\n")?,
        }
    }
}

/// What messages are signed and encrypted with: made here, pasted into 公众平台.
struct Callback {
    token: String,
    aes_key: String,
}

impl Callback {
    fn new() -> Self {
        Self { token: Random::System.letters(32), aes_key: Random::System.letters(43) }
    }

    /// Its lines in the file. 网站应用 and 移动应用 have no callbacks.
    fn lines(&self, kind: AccountKind) -> String {
        if kind == AccountKind::Open {
            return String::new();
        }
        format!("callback_token = \"{}\"\naes_key = \"{}\"\n", self.token, self.aes_key)
    }
}

const ROUTE_EXAMPLE: &str = "
# 收到的消息和事件转发给后端（去掉 # 启用；用 `wxgate route test` 试）
# [[routes]]
# name = \"backend\"
# target = \"http://127.0.0.1:8080/wx\"
";

fn file(app: &AppEntry, secret: &str, key: &str, callback: &Callback, wechat_section: &str) -> String {
    format!(
        "# 由 wxgate init 生成；全部配置项见 `wxgate config default`\n\
         {wechat_section}\n\
         [[apps]]\n\
         appid = \"{}\"\n\
         kind = \"{}\"\n\
         secret = \"{secret}\"\n\
         {}\
         \n\
         [[callers]]\n\
         name = \"default\"\n\
         key = \"{key}\"\n\
         apps = [\"*\"]\n\
         apis = [\"*\"]\n\
         {ROUTE_EXAMPLE}",
        app.appid,
        app.kind.as_str(),
        callback.lines(app.kind),
    )
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("无法写 {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("无法写 {}", path.display()))
}

fn next_steps(path: &str, app: &AppEntry, key: &str, callback: &Callback, refused: bool) -> String {
    let appid = &app.appid;
    // A call that needs no code from a user, so that it works when pasted.
    let (call, members) = match app.kind {
        AccountKind::Mini => ("getunlimitedqrcode", "\"scene\":\"id=1\",\"check_path\":false"),
        AccountKind::Official | AccountKind::Open => ("getwxqrcode", "\"scene\":\"try\""),
    };
    let first = if refused {
        format!(
            "先处理上面报出的问题（凭据写错就改 {path} 里的 secret），再验证：\n\x20 wxgate check --online --config {path}\n\n"
        )
    } else {
        String::new()
    };
    let menu = places::push(app.kind);
    let push = if app.kind == AccountKind::Open {
        String::new()
    } else {
        format!(
            "\x20 {menu}：先启动 wxgate，再填写并提交\n\
             \x20   URL             https://你的域名/v1/service/wx/wxmsg/{appid}（80 或 443 端口，反向代理到 wxgate）\n\
             \x20   Token           {}\n\
             \x20   EncodingAESKey  {}\n\
             \x20   加解密方式      安全模式\n",
            callback.token, callback.aes_key
        )
    };
    format!(
        "\n已写出 {path}（权限 0600，内含密钥，勿入版本库）\n\n\
         {first}\
         在微信那边要做的：\n\
         \x20 {}：加入 wxgate 的出口 IP（报 40164 时，就是报出的那个 IP；也可写 CIDR 网段；几分钟后生效）\n\
         \x20 其他程序不要再用这个 AppSecret 获取 access_token，改为经由 wxgate 调用\n\
         {push}\n\
         启动（默认监听 0.0.0.0:36012，明文 HTTP，凭密钥调用）：\n\
         \x20 wxgate serve --config {path}\n\n\
         后端和各 SDK 旁的代码这样调用，密钥是 Bearer 之后的那一串（接口列表见 /v1/service/wx/openapi.json）：\n\
         \x20 curl http://127.0.0.1:36012/v1/service/wx/{call} \\\n\
         \x20   -H 'Authorization: Bearer {key}' \\\n\
         \x20   -d '{{\"source\":\"try\",\"appid\":\"{appid}\",{members}}}'\n",
        places::addresses(app.kind)
    )
}
