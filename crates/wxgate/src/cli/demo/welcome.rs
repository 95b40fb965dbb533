//! What `wxgate demo` prints.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{EXAMPLE, MINI, OFFICIAL, Openids};

const EXAMPLE_CODE: &str = "031pdDGa1FvFCI0lWyIa1Y0nJC0pdDGt";
const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";

/// What a person who tries it needs to know.
pub(super) struct Demo<'a> {
    pub(super) gateway: &'a str,
    pub(super) admin: &'a str,
    pub(super) sandbox: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) admin_token: &'a str,
    pub(super) openids: &'a Openids,
    pub(super) backend: SocketAddr,
}

impl Demo<'_> {
    /// What there is, and lines to paste.
    pub(super) fn welcome(&self) -> String {
        let Demo { gateway, admin, sandbox, key, admin_token, backend, .. } = *self;
        let login = format!(
            "{gateway}/v1/service/wx/oauth/start?appid={OFFICIAL}&redirect_uri=http://{backend}/login&scope=snsapi_userinfo&state=demo"
        );
        let mut text = format!(
            "\n  wxgate demo：微信是模拟的，无需任何账号\n\n  网关        {gateway}\n  健康检查    {admin}/readyz\n  管理接口    {admin}/api/v1/events（管理令牌 {admin_token}）\n  微信模拟器  {sandbox}\n  示例后端    http://{backend}/（收到的消息会显示在本窗口）\n  网页授权    浏览器打开 {login}\n"
        );
        if let Some(key) = key {
            text.push_str(&format!("  调用方密钥  {key}\n"));
        }
        text.push_str("\n  另开一个终端，粘贴下面的命令：\n");
        for (what, line) in self.calls().into_iter().chain(self.others()) {
            text.push_str(&format!("\n# {what}\n{line}\n"));
        }
        text.push_str("\n  Ctrl-C 结束\n\n");
        text
    }

    /// A service call to paste.
    fn service(&self, path: &str, members: &Value) -> String {
        let header = self.key.map(|key| format!("-H 'Authorization: Bearer {key}' ")).unwrap_or_default();
        let mut body = json!({"source": "demo"});
        if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
            body.extend(members.clone());
        }
        format!("curl -w '\\n' {header}{}/v1/service/wx/{path} -d '{body}'", self.gateway)
    }

    fn calls(&self) -> Vec<(&'static str, String)> {
        let openids = self.openids;
        let data = json!({"thing1": {"value": "奶茶"}});
        let template = json!({
            "appid": OFFICIAL, "openid": openids.official, "template_id": TEMPLATE, "data": data,
        });
        let subscribe = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "data": data});
        let allow = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "count": 100});
        let code = json!({"appid": MINI, "scene": "id=1", "page": "pages/index/index"});
        let page = json!({"appid": OFFICIAL, "url": "https://www.example.com/"});
        let call = |path, members: Value| self.service(path, &members);
        vec![
            ("网页授权：用户信息", call("getwxuserinfo", json!({"appid": EXAMPLE, "code": EXAMPLE_CODE}))),
            ("小程序登录", call("code2session", json!({"appid": MINI, "code": "demo-login"}))),
            ("小程序手机号", call("getuserphone", json!({"appid": MINI, "code": "demo-phone"}))),
            ("公众号带参二维码", call("getwxqrcode", json!({"appid": OFFICIAL, "scene": "login_1"}))),
            ("小程序码", call("getunlimitedqrcode", code)),
            ("模板消息", call("sendwxtemplatemsg", template)),
            ("订阅消息：先让模拟用户允许", self.control("subscribe", &allow)),
            ("订阅消息：再发送", call("sendsubscribemsg", subscribe)),
            ("JS-SDK 签名", call("jssdk", page)),
        ]
    }

    /// A control call of the sandbox to paste.
    fn control(&self, name: &str, body: &Value) -> String {
        format!("curl -w '\\n' {}/sandbox/{name} -d '{body}'", self.sandbox)
    }

    fn others(&self) -> Vec<(&'static str, String)> {
        let Demo { admin, sandbox, admin_token, openids, .. } = *self;
        let scan = json!({"appid": OFFICIAL, "openid": openids.official, "event": "SCAN", "key": "login_1"});
        let say = json!({"appid": OFFICIAL, "openid": openids.official, "text": "你好"});
        let events =
            format!("curl -w '\\n' -H 'Authorization: Bearer {admin_token}' '{admin}/api/v1/events?limit=5'");
        vec![
            ("用户扫码：回调经网关到达示例后端，本窗口会显示", self.control("event", &scan)),
            ("用户发消息：示例后端的应答成为被动回复", self.control("message", &say)),
            ("收到的消息和投递结果", events),
            ("是否就绪", format!("curl -w '\\n' {admin}/readyz")),
            ("模拟器看到了什么", format!("curl -w '\\n' {sandbox}/sandbox/state")),
        ]
    }
}
