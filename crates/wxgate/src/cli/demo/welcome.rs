//! What `wxgate demo` prints.

use std::net::SocketAddr;

use serde_json::json;

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
        let Demo { gateway, admin, sandbox, key, admin_token, openids, backend } = *self;
        let header = key.map(|key| format!("-H 'Authorization: Bearer {key}' ")).unwrap_or_default();
        let service = |path: &str, members: serde_json::Value| {
            let mut body = json!({"source": "demo"});
            if let (Some(body), Some(members)) = (body.as_object_mut(), members.as_object()) {
                body.extend(members.clone());
            }
            format!("curl -w '\\n' {header}{gateway}/v1/service/wx/{path} -d '{body}'")
        };
        let data = json!({"thing1": {"value": "奶茶"}});
        let allow = json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "count": 100});
        let scan = json!({"appid": OFFICIAL, "openid": openids.official, "event": "SCAN", "key": "login_1"});
        let say = json!({"appid": OFFICIAL, "openid": openids.official, "text": "你好"});
        let lines = [
            ("网页授权：用户信息", service("getwxuserinfo", json!({"appid": EXAMPLE, "code": EXAMPLE_CODE}))),
            ("小程序登录", service("code2session", json!({"appid": MINI, "code": "demo-login"}))),
            ("小程序手机号", service("getuserphone", json!({"appid": MINI, "code": "demo-phone"}))),
            ("公众号带参二维码", service("getwxqrcode", json!({"appid": OFFICIAL, "scene": "login_1"}))),
            (
                "小程序码",
                service(
                    "getunlimitedqrcode",
                    json!({"appid": MINI, "scene": "id=1", "page": "pages/index/index"}),
                ),
            ),
            (
                "模板消息",
                service(
                    "sendwxtemplatemsg",
                    json!({"appid": OFFICIAL, "openid": openids.official, "template_id": TEMPLATE, "data": data}),
                ),
            ),
            ("订阅消息：先让模拟用户允许", format!("curl -w '\\n' {sandbox}/sandbox/subscribe -d '{allow}'")),
            (
                "订阅消息：再发送",
                service(
                    "sendsubscribemsg",
                    json!({"appid": MINI, "openid": openids.mini, "template_id": TEMPLATE, "data": data}),
                ),
            ),
            ("JS-SDK 签名", service("jssdk", json!({"appid": OFFICIAL, "url": "https://www.example.com/"}))),
            (
                "用户扫码：回调经网关到达示例后端，本窗口会显示",
                format!("curl -w '\\n' {sandbox}/sandbox/event -d '{scan}'"),
            ),
            (
                "用户发消息：示例后端的应答成为被动回复",
                format!("curl -w '\\n' {sandbox}/sandbox/message -d '{say}'"),
            ),
            (
                "收到的消息和投递结果",
                format!(
                    "curl -w '\\n' -H 'Authorization: Bearer {admin_token}' '{admin}/api/v1/events?limit=5'"
                ),
            ),
            ("是否就绪", format!("curl -w '\\n' {admin}/readyz")),
            ("模拟器看到了什么", format!("curl -w '\\n' {sandbox}/sandbox/state")),
        ];
        let mut text = format!(
            "\n  wxgate demo：微信是模拟的，无需任何账号\n\n  网关        {gateway}\n  健康检查    {admin}/readyz\n  管理接口    {admin}/api/v1/events（管理令牌 {admin_token}）\n  微信模拟器  {sandbox}\n  示例后端    http://{backend}/（收到的消息会显示在本窗口）\n  网页授权    浏览器打开 {gateway}/v1/service/wx/oauth/start?appid={OFFICIAL}&redirect_uri=http://{backend}/login&scope=snsapi_userinfo&state=demo\n"
        );
        if let Some(key) = key {
            text.push_str(&format!("  调用方密钥  {key}\n"));
        }
        text.push_str("\n  另开一个终端，粘贴下面的命令：\n");
        for (what, line) in lines {
            text.push_str(&format!("\n# {what}\n{line}\n"));
        }
        text.push_str("\n  Ctrl-C 结束\n\n");
        text
    }
}
