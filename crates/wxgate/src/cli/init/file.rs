//! What `wxgate init` writes, and what is to be done next.

use serde_json::json;

use crate::entries::{AccountKind, AppEntry};
use crate::lang::say;
use crate::places;
use crate::random::Random;

/// What messages are signed and encrypted with: made here, pasted into 公众平台.
pub(super) struct Callback {
    token: String,
    aes_key: String,
}

impl Callback {
    pub(super) fn new() -> Self {
        Self { token: Random::System.letters(32), aes_key: Random::System.letters(43) }
    }

    /// Its lines in the file. 网站应用 and 移动应用 have no callbacks.
    fn lines(&self, kind: AccountKind) -> String {
        if !kind.has_callbacks() {
            return String::new();
        }
        format!("callback_token = \"{}\"\naes_key = \"{}\"\n", self.token, self.aes_key)
    }
}

const ROUTE_EXAMPLE: (&str, &str) = (
    "
# 收到的消息和事件转发给后端（去掉 # 启用；用 `wxgate route test` 试）
# [[routes]]
# name = \"backend\"
# target = \"http://127.0.0.1:8080/wx\"
",
    "
# Messages and events go to a backend (without the #; `wxgate route test` tries it)
# [[routes]]
# name = \"backend\"
# target = \"http://127.0.0.1:8080/wx\"
",
);

const OAUTH_EXAMPLE: (&str, &str) = (
    "# oauth_redirects = [\"https://*.example.com/\"] # 网页授权完成后可以回到哪里；还要设 [server] public_url\n",
    "# oauth_redirects = [\"https://*.example.com/\"] # where browsers may go after web OAuth; [server] public_url is needed too\n",
);

/// What was made.
pub(super) struct Made {
    pub(super) path: String,
    pub(super) app: AppEntry,
    pub(super) key: String,
    pub(super) callback: Callback,
    /// Where the simulated WeChat is, if it is tried with that.
    pub(super) sandbox: Option<String>,
    /// WeChat refused the account, though not its AppID and AppSecret.
    pub(super) is_refused: bool,
}

impl Made {
    /// The configuration.
    pub(super) fn file(&self, secret: &str, wechat_section: &str) -> String {
        let (app, key) = (&self.app, &self.key);
        let head = say(
            "# 由 wxgate init 生成；全部配置项见 `wxgate config default`\n",
            "# Made by wxgate init; `wxgate config default` has every key\n",
        );
        let rights = say(
            "# 这个调用方可以用所有账号的所有接口：给每个业务单独一个，写明它要的 apps 和 apis\n",
            "# This caller may use every API of every account: better one for each service, with the apps and apis it needs\n",
        );
        let more = match app.kind {
            AccountKind::Open => say(OAUTH_EXAMPLE.0, OAUTH_EXAMPLE.1),
            AccountKind::Official | AccountKind::Mini => "",
        };
        let route = if app.kind.has_callbacks() { say(ROUTE_EXAMPLE.0, ROUTE_EXAMPLE.1) } else { "" };
        format!(
            "{head}{wechat_section}\n[[apps]]\nappid = \"{}\"\nkind = \"{}\"\nsecret = \"{secret}\"\n{}{more}\n\
             {rights}[[callers]]\nname = \"default\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]\n{route}",
            app.appid,
            app.kind.as_str(),
            self.callback.lines(app.kind),
        )
    }

    /// What is to be done next.
    pub(super) fn next_steps(&self) -> String {
        let path = &self.path;
        let written = say(
            format!("\n已写出 {path}（权限 0600，内含密钥，勿入版本库）\n\n"),
            format!("\nWrote {path} (mode 0600; it holds secrets and belongs in no repository)\n\n"),
        );
        let first = match self.is_refused {
            false => String::new(),
            true => say(
                format!("先处理上面报出的问题，再验证：\n\x20 wxgate check --online --config {path}\n\n"),
                format!(
                    "First mend what is said above, then try again:\n\x20 wxgate check --online --config {path}\n\n"
                ),
            ),
        };
        let start = say(
            format!(
                "启动（默认监听 0.0.0.0:36012，明文 HTTP，凭密钥调用）：\n\x20 wxgate serve --config {path}\n\n"
            ),
            format!(
                "Start (it listens on 0.0.0.0:36012, plain HTTP, callers show a key):\n\x20 wxgate serve --config {path}\n\n"
            ),
        );
        [written, first, self.platform(), start, self.callback_at_sandbox(), self.call()].concat()
    }

    /// What to do at WeChat's own pages.
    fn platform(&self) -> String {
        let Callback { token, aes_key } = &self.callback;
        let appid = &self.app.appid;
        if !self.app.kind.has_callbacks() {
            return say(
                "微信开放平台上要做的：\n\x20 授权回调域：填 server.public_url 的域名；配置里写上 oauth_redirects 和 [server] public_url\n\n",
                "At open.weixin.qq.com:\n\x20 authorised callback domain: that of server.public_url; write oauth_redirects and [server] public_url into the file\n\n",
            )
            .to_owned();
        }
        let (addresses, push) = (places::addresses(self.app.kind), places::push(self.app.kind));
        say(
            format!(
                "微信那边要做的：\n\
                 \x20 {}：加入 wxgate 的出口 IP（报 40164 时，就是报出的那个 IP）\n\
                 \x20 其他程序不要再用这个 AppSecret 获取 access_token，改为经由 wxgate 调用\n\
                 \x20 {}：先启动 wxgate，再填写并提交\n\
                 \x20   URL             https://你的域名/v1/service/wx/wxmsg/{appid}（80 或 443 端口，反向代理到 wxgate）\n\
                 \x20   Token           {token}\n\
                 \x20   EncodingAESKey  {aes_key}\n\
                 \x20   加解密方式      安全模式\n\n",
                addresses.zh, push.zh
            ),
            format!(
                "At WeChat:\n\
                 \x20 {}: add the address wxgate calls from (the one that 40164 names)\n\
                 \x20 No other program may fetch an access_token with this AppSecret any more: they call through wxgate\n\
                 \x20 {}: start wxgate, then fill in and submit\n\
                 \x20   URL             https://YOUR-DOMAIN/v1/service/wx/wxmsg/{appid} (port 80 or 443, a proxy in front of wxgate)\n\
                 \x20   Token           {token}\n\
                 \x20   EncodingAESKey  {aes_key}\n\
                 \x20   Encryption      safe mode\n\n",
                addresses.en, push.en
            ),
        )
    }

    /// The two lines that make the simulated WeChat push to this gateway.
    fn callback_at_sandbox(&self) -> String {
        let (Some(sandbox), true) = (&self.sandbox, self.app.kind.has_callbacks()) else {
            return String::new();
        };
        let (sandbox, appid, kind) = (sandbox.trim_end_matches('/'), &self.app.appid, self.app.kind.as_str());
        let Callback { token, aes_key } = &self.callback;
        // The secret is read from the file: the terminal doesn't show it.
        let secret = format!("'\"$(sed -n 's/^secret = \"\\(.*\\)\"$/\\1/p' {})\"'", self.path);
        let account = json!({
            "appid": appid, "secret": "SECRET", "kind": kind, "callback_token": token, "aes_key": aes_key,
        });
        let account = account.to_string().replace("SECRET", &secret);
        let url = format!("http://127.0.0.1:36012/v1/service/wx/wxmsg/{appid}");
        let callback = json!({"appid": appid, "url": url, "mode": "safe"});
        let what = say(
            "启动之后，让模拟器把消息推到这里（设 Token 和密钥，再设地址）：",
            "Once it runs, have the simulated WeChat push to it (token and key, then the URL):",
        );
        format!(
            "{what}\n\x20 curl {sandbox}/sandbox/apps -d '{account}'\n\x20 curl {sandbox}/sandbox/callback -d '{callback}'\n\n"
        )
    }

    /// A call to paste: one that needs no code from a user, so that it works.
    fn call(&self) -> String {
        let (key, appid) = (&self.key, &self.app.appid);
        let rights = say(
            "密钥（调用方 default）可以用所有账号的所有接口：交给业务之前，给每个业务单独一个 [[callers]]，写明它要的 apps 和 apis\n",
            "The key (caller default) may use every API of every account: before services get one, give each a [[callers]] of its own with the apps and apis it needs\n",
        );
        let what = say(
            "后端和各 SDK 旁的代码这样调用，密钥是 Bearer 之后的那一串（接口列表见 /v1/service/wx/openapi.json）：\n",
            "Backends call like this, the key is what follows Bearer (/v1/service/wx/openapi.json lists the calls):\n",
        );
        let (call, members) = match self.app.kind {
            AccountKind::Mini => ("getunlimitedqrcode", "\"scene\":\"id=1\",\"check_path\":false"),
            AccountKind::Official => ("getwxqrcode", "\"scene\":\"try\""),
            AccountKind::Open => ("getwxuserinfo", "\"code\":\"CODE\""),
        };
        let picture = if self.app.kind.has_token() { "-H 'Accept: image/*' --output qr.jpg " } else { "" };
        format!(
            "{what}\x20 curl http://127.0.0.1:36012/v1/service/wx/{call} {picture}\\\n\
             \x20   -H 'Authorization: Bearer {key}' \\\n\
             \x20   -d '{{\"source\":\"try\",\"appid\":\"{appid}\",{members}}}'\n\n{rights}"
        )
    }
}
