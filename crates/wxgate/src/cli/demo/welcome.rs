//! What `wxgate demo` prints.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{EXAMPLE, MINI, OFFICIAL, Openids};
use crate::lang::say;

const EXAMPLE_CODE: &str = "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt";
const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";

/// What a person who tries it needs to know.
pub(super) struct Demo<'a> {
    pub(super) gateway: &'a str,
    pub(super) admin: &'a str,
    pub(super) sandbox: &'a str,
    pub(super) key: Option<&'a str>,
    /// A link that is logged in.
    pub(super) console: &'a str,
    pub(super) admin_token: &'a str,
    pub(super) openids: &'a Openids,
    pub(super) backend: SocketAddr,
}

impl Demo<'_> {
    /// What there is, and lines to paste.
    pub(super) fn welcome(&self) -> String {
        let mut text = self.places();
        if let Some(key) = self.key {
            text.push_str(&format!("  {}{key}\n", say("调用方密钥  ", "caller's key      ")));
        }
        text.push_str(say(
            "\n  另开一个终端，粘贴下面的命令：\n",
            "\n  In another terminal, paste these lines:\n",
        ));
        for (what, line) in self.calls().into_iter().chain(self.others()) {
            text.push_str(&format!("\n# {what}\n{line}\n"));
        }
        text.push_str(say("\n  Ctrl-C 结束\n\n", "\n  Ctrl-C ends it\n\n"));
        text
    }

    fn places(&self) -> String {
        let Demo { gateway, admin, console, sandbox, admin_token, backend, .. } = *self;
        let login = format!(
            "{gateway}/v1/service/wx/oauth/start?appid={OFFICIAL}&redirect_uri=http://{backend}/login&scope=snsapi_userinfo&state=demo"
        );
        say(
            format!(
                "\n  wxgate demo：微信是模拟的，无需任何账号\n\n  控制台      {console}（已登录，只能用一次；之后用户 admin，密码同管理令牌）\n  网关        {gateway}\n  健康检查    {admin}/readyz\n  \
                 管理接口    {admin}/api/v1/events（管理令牌 {admin_token}）\n  微信模拟器  {sandbox}\n  \
                 示例后端    http://{backend}/（收到的消息会显示在本窗口）\n  网页授权    浏览器打开 {login}\n"
            ),
            format!(
                "\n  wxgate demo: WeChat is simulated, no account is needed\n\n  console           {console} (logged in, for one use; later as admin, by the admin token)\n  \
                 gateway           {gateway}\n  health            {admin}/readyz\n  admin API         {admin}/api/v1/events (admin token {admin_token})\n  \
                 simulated WeChat  {sandbox}\n  sample backend    http://{backend}/ (shows its messages in this window)\n  \
                 web OAuth         open in a browser: {login}\n"
            ),
        )
    }

    /// A service call to paste.
    fn service(&self, path: &str, members: &Value, picture: &str) -> String {
        let key = self.key.map(|key| format!("-H 'Authorization: Bearer {key}' ")).unwrap_or_default();
        // A picture in base64 would flood the terminal.
        let shown = match picture {
            "" => String::new(),
            file => format!("-H 'Accept: image/*' --output {file} "),
        };
        let mut body = json!({"source": "demo"});
        if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
            body.extend(members.clone());
        }
        format!("curl -w '\\n' {key}{shown}{}/v1/service/wx/{path} -d '{body}'", self.gateway)
    }

    fn calls(&self) -> Vec<(&'static str, String)> {
        let openids = self.openids;
        let data = json!({"thing1": {"value": say("奶茶", "milk tea")}});
        let template = json!({
            "appid": OFFICIAL, "openid": openids.official, "template_id": TEMPLATE, "data": data,
        });
        let subscribe = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "data": data});
        let allow = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "count": 100});
        let code = json!({"appid": MINI, "scene": "id=1", "page": "pages/index/index"});
        let page = json!({"appid": OFFICIAL, "url": "https://www.example.com/"});
        let scene = json!({"appid": OFFICIAL, "scene": "login_1", "flow_id": "login-1"});
        let call = |path, members: Value| self.service(path, &members, "");
        vec![
            (
                say("网页授权：用户信息", "Web OAuth: a user's profile"),
                call("getwxuserinfo", json!({"appid": EXAMPLE, "code": EXAMPLE_CODE})),
            ),
            (
                say("小程序登录", "Mini program login"),
                call("code2session", json!({"appid": MINI, "code": "demo-login"})),
            ),
            (
                say("小程序手机号", "Mini program: the phone number"),
                call("getuserphone", json!({"appid": MINI, "code": "demo-phone"})),
            ),
            (
                say(
                    "公众号带参二维码，存为 qr.jpg（不要图片时去掉 Accept，得到 ticket 和 base64）",
                    "An official account's QR code as qr.jpg (without Accept: the ticket, and base64)",
                ),
                self.service("getwxqrcode", &scene, "qr.jpg"),
            ),
            (
                say(
                    "谁扫了它（扫码登录）：先在微信模拟器的页面上扫；加上 \"wait_seconds\":50 就等人来扫",
                    "Who scanned it (scan to log in): scan it on the simulated WeChat's page; \"wait_seconds\":50 waits for that",
                ),
                call("getscanresult", json!({"flow_id": "login-1"})),
            ),
            (
                say("小程序码，存为 wxacode.jpg", "A mini program's code as wxacode.jpg"),
                self.service("getunlimitedqrcode", &code, "wxacode.jpg"),
            ),
            (say("模板消息", "A template message"), call("sendwxtemplatemsg", template)),
            (
                say(
                    "订阅消息：先让模拟用户允许",
                    "A subscription message: first the simulated user allows it",
                ),
                self.control("subscribe", &allow),
            ),
            (
                say("订阅消息：再发送", "A subscription message: then it is sent"),
                call("sendsubscribemsg", subscribe),
            ),
            (say("JS-SDK 签名", "A JS-SDK signature"), call("jssdk", page)),
        ]
    }

    /// A control call of the sandbox to paste.
    fn control(&self, name: &str, body: &Value) -> String {
        format!("curl -w '\\n' {}/sandbox/{name} -d '{body}'", self.sandbox)
    }

    fn others(&self) -> Vec<(&'static str, String)> {
        let Demo { admin, sandbox, admin_token, openids, .. } = *self;
        let scan = json!({"appid": OFFICIAL, "openid": openids.official, "event": "SCAN", "key": "login_1"});
        let text = json!({"appid": OFFICIAL, "openid": openids.official, "text": say("你好", "hello")});
        let events =
            format!("curl -w '\\n' -H 'Authorization: Bearer {admin_token}' '{admin}/api/v1/events?limit=5'");
        vec![
            (
                say(
                    "用户扫码：回调经网关到达示例后端，本窗口会显示",
                    "A user scans: the callback reaches the sample backend, this window shows it",
                ),
                self.control("event", &scan),
            ),
            (
                say(
                    "用户发消息：示例后端的应答成为被动回复",
                    "A user writes: what the sample backend answers is the passive reply",
                ),
                self.control("message", &text),
            ),
            (say("收到的消息和投递结果", "What came in and what became of it"), events),
            (say("是否就绪", "Is it ready"), format!("curl -w '\\n' {admin}/readyz")),
            (
                say("模拟器看到了什么", "What the simulated WeChat saw"),
                format!("curl {sandbox}/sandbox/state | head -c 1000"),
            ),
        ]
    }
}
