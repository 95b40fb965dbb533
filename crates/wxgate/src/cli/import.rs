//! `wxgate import`: a wx-proxy-service YAML to a configuration that serves its callers unchanged.
//! The configuration goes to standard output, what is left to do by hand to standard error.

mod fields;
mod original;
mod routes;
#[cfg(test)]
mod tests;
mod yaml;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use toml::Value;

use self::original::{App, Original};
use self::routes::Route;
use super::run::{print, remark};
use crate::config;
use crate::entries::AccountKind;
use crate::lang::say;
use crate::places;

const MAX_BYTES: u64 = 1 << 20;

pub(super) fn run(file: &Path) -> anyhow::Result<()> {
    let (text, mut remarks) = convert(&read(file)?).with_context(|| {
        let file = file.display();
        say(format!("无法导入 {file}"), format!("can't import {file}"))
    })?;
    if let Err(problems) = config::parse(&text, "wxgate.toml", "".as_ref(), &config::environment()) {
        remarks.push(say(
            format!("这份配置还通不过 wxgate check：{problems}"),
            format!("wxgate check refuses this configuration as yet: {problems}"),
        ));
    }
    print(&text)?;
    for text in remarks {
        remark(&text);
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let failed = || say(format!("无法读取 {name}"), format!("can't read {name}"));
    let mut bytes = Vec::new();
    File::open(file)
        .with_context(failed)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!(say(
            format!("{name} 超过 1 MiB，不像 wx-proxy-service 的配置"),
            format!("{name} is over 1 MiB: hardly the configuration of a wx-proxy-service"),
        ));
    }
    String::from_utf8(bytes)
        .with_context(|| say(format!("{name} 不是 UTF-8 文本"), format!("{name} is no UTF-8 text")))
}

/// The configuration and the remarks.
fn convert(yaml: &str) -> anyhow::Result<(String, Vec<String>)> {
    let mut remarks = Vec::new();
    let original = original::read(yaml::parse(yaml)?, &mut remarks)?;
    let routes = routes::routes(&original, &mut remarks);
    for App { appid, .. } in &original.apps {
        let push = places::push(AccountKind::Official);
        remarks.push(say(
            format!(
                "账号 {appid}：填 callback_token（{} → 令牌），不填则拒绝它的微信回调；\
                 消息加解密不是明文模式的，还要填 aes_key",
                push.zh
            ),
            format!(
                "account {appid}: fill in callback_token ({} → token), or its callbacks are refused; and aes_key, unless its \
                 messages are in plain mode",
                push.en
            ),
        ));
        remarks.push(say(
            format!("账号 {appid}：最好填 original_id（公众平台 → 账号详情 → 原始ID），回调靠它分清账号"),
            format!("account {appid}: better fill in original_id (mp.weixin.qq.com, account details), which tells callbacks apart"),
        ));
        remarks.push(say(
            format!("账号 {appid}：kind 按公众号写作 \"official\"，是小程序就改为 \"mini\""),
            format!(
                "account {appid}: kind is taken for \"official\"; make it \"mini\" if it is a mini program"
            ),
        ));
    }
    Ok((write(&original, &routes), remarks))
}

fn write(original: &Original, routes: &[Route]) -> String {
    let mut text = head(original);
    for app in &original.apps {
        let (appid, secret) = (quoted(&app.appid), quoted(app.secret.expose_secret()));
        let _ = write!(text, "\n[[apps]]\nappid = {appid}\n");
        text.push_str(say(
            "kind = \"official\"   # 小程序改为 \"mini\"\n",
            "kind = \"official\"   # \"mini\" for a mini program\n",
        ));
        let _ = writeln!(text, "secret = {secret}");
        let push = places::push(AccountKind::Official);
        let _ = write!(
            text,
            "{}",
            say(
                format!("# callback_token = \"…\"   # {} → 令牌；不填则拒绝微信回调\n", push.zh),
                format!(
                    "# callback_token = \"…\"   # {} → token; without it callbacks are refused\n",
                    push.en
                ),
            )
        );
        text.push_str(say(
            "# original_id = \"gh_…\"   # 公众平台 → 账号详情 → 原始ID\n\
             # aes_key = \"…\"          # 消息加解密密钥，43 个字符；明文模式不填\n",
            "# original_id = \"gh_…\"   # mp.weixin.qq.com, account details\n\
             # aes_key = \"…\"          # EncodingAESKey, 43 characters; none in plain mode\n",
        ));
    }
    text.push_str(say(CALLER_ZH, CALLER_EN));
    text.push_str(CALLER);
    for route in routes {
        let _ =
            write!(text, "\n[[routes]]\nname = {}\nevents = {}\n", quoted(&route.name), list(&route.events));
        if !route.openids.is_empty() {
            let _ = writeln!(text, "openids = {}", list(&route.openids));
        }
        let _ = write!(
            text,
            "target = {}\nreply = true\nreply_wait = \"3s\"\nstop = true\n",
            quoted(&route.target)
        );
    }
    text
}

fn head(original: &Original) -> String {
    let listen = original.listen;
    let mut text = say(
        "# 由 wxgate import 从 wx-proxy-service 的配置生成；全部配置项见 `wxgate config default`\n\
         # 内含 AppSecret：权限设为 0600，勿入版本库；也可以把 secret 改写成 \"file:路径\" 或 \"env:变量名\"\n\
         # 先填上注释里的各项，再用 `wxgate check --online` 检查\n",
        "# Made by wxgate import from the configuration of a wx-proxy-service; `wxgate config default` has every key\n\
         # Holds AppSecrets: mode 0600, in no repository; a secret may also be \"file:PATH\" or \"env:NAME\"\n\
         # Fill in what stands in comments, then run `wxgate check --online`\n",
    )
    .to_owned();
    let _ = write!(text, "\n[server]\nlisten = \"{listen}\"\n");
    if listen.port() == 36013 {
        text.push_str("admin_listen = \"127.0.0.1:36014\"\n");
    }
    text.push_str(say(
        "# 调用方若不用 IP 而用主机名访问（如 Docker 的服务名 \"wx-proxy\"），把主机名写在这里，否则得到 403\n",
        "# Callers that use a host name and no IP address (Docker's service \"wx-proxy\", say) get 403 unless it stands here\n",
    ));
    text.push_str("hosts = []\n");
    text
}

const CALLER_ZH: &str = "
# 原来的调用方：本机和内网，不带密钥，只能调用服务接口
# 经反向代理进来的请求（带 X-Forwarded-For 等）不算，除非代理的地址在 server.trusted_proxies 里
";
const CALLER_EN: &str = "
# Those who called so far: this machine and the internal networks, without a key, the service API only
# What a proxy passes on (with X-Forwarded-For and the like) doesn't count, unless its address is in server.trusted_proxies
";
const CALLER: &str = "\
[[callers]]
name = \"legacy\"
key = \"\"
apps = [\"*\"]
apis = [\"/v1/service/wx/*\"]
networks = [\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"fc00::/7\"]
";

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    Value::from(texts.to_vec()).to_string()
}
