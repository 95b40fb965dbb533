//! One-time subscription messages: <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/One-time_subscription_info.html>.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, TEMPLATE, errcode, refused};
use serde_json::{Value, json};
use std::collections::HashMap;
use url::Url;

fn page(scene: &str, more: &str) -> String {
    format!(
        "/mp/subscribemsg?action=get_confirm&appid={OFFICIAL}&scene={scene}&template_id={TEMPLATE}\
         &redirect_url=http%3A%2F%2F127.0.0.1%2Fback%3Fx%3D1&reserved=abc{more}"
    )
}

/// Where the browser is sent, and with what.
fn back(reply: &Reply) -> HashMap<String, String> {
    assert_eq!(reply.status, 302, "{reply:?}");
    let url = Url::parse(reply.header("location")).unwrap();
    assert_eq!(url.path(), "/back");
    url.query_pairs().into_owned().collect()
}

fn message(openid: &str, scene: u32) -> Value {
    json!({
        "touser": openid, "template_id": TEMPLATE, "url": "", "scene": scene.to_string(), "title": "新消息",
        "data": {"content": {"value": "你的订单到了", "color": "#173177"}},
    })
}

#[tokio::test]
async fn a_yes_allows_one_message_for_its_scene() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({"nickname": "<小明>"})).await;
    let openid = user["openids"][OFFICIAL].as_str().unwrap();
    let send = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/message/template/subscribe", body).await;
    assert_eq!(refused(&send(message(openid, 1000)).await), 43101);

    let asked = rig.get(&page("1000", "")).await;
    let html = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(asked.status == 200 && html.contains("&lt;小明&gt;"), "{html}");
    for _ in 0..2 {
        let yes =
            back(&rig.get(&page("1000", &format!("&sandbox_user={}", user["user"].as_str().unwrap()))).await);
        for (name, value) in [
            ("openid", openid),
            ("template_id", TEMPLATE),
            ("action", "confirm"),
            ("scene", "1000"),
            ("reserved", "abc"),
            ("x", "1"),
        ] {
            assert_eq!(yes.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
    assert_eq!(refused(&send(message(openid, 1001)).await), 43101, "another scene");
    let mut long = message(openid, 1000);
    long["title"] = json!("十六个字的标题是太长的一个标题了");
    assert_eq!(refused(&send(long).await), 40062);
    let mut unlinked = message(openid, 1000);
    unlinked["miniprogram"] = json!({"appid": "wx0", "pagepath": "a"});
    assert_eq!(refused(&send(unlinked).await), 40013);
    let mut empty = message(openid, 1000);
    empty["data"] = json!({"content": {"value": ""}});
    let reply = send(empty).await;
    assert_eq!(refused(&reply), 47003);
    assert_eq!(
        wechat::errcode::invalid_field(reply.json()["errmsg"].as_str().unwrap()),
        Some("data.content.value")
    );
    assert_eq!(
        errcode(&send(message(openid, 1000)).await),
        0,
        "he need not follow, and refusals cost nothing"
    );
    assert_eq!(refused(&send(message(openid, 1000)).await), 43101, "saying yes twice allows one");
    let sent = rig.state().await["messages"].clone();
    assert_eq!(
        (&sent[0]["touser"], &sent[0]["data"]["content"]["value"]),
        (&json!(openid), &json!("你的订单到了"))
    );
}

#[tokio::test]
async fn a_no_and_a_wrong_link_allow_nothing() {
    let rig = Rig::start().await;
    let no = back(&rig.get(&page("7", "&sandbox_consent=deny")).await);
    assert_eq!(no.get("action").map(String::as_str), Some("cancel"));
    let first = rig.state().await["users"][0]["openids"][OFFICIAL].as_str().unwrap().to_owned();
    let send = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/message/template/subscribe", body).await;
    assert_eq!(refused(&send(message(&first, 7)).await), 43101);
    let good = page("7", "&sandbox_user=u1");
    for (from, to) in [
        ("get_confirm", "confirm"),
        (OFFICIAL, MINI),
        ("scene=7", "scene=10001"),
        (TEMPLATE, "other"),
        ("127.0.0.1", "example.com"),
        ("reserved=abc", "reserved=%2F"),
        ("sandbox_user=u1", "sandbox_user=nobody"),
    ] {
        let reply = rig.get(&good.replacen(from, to, 1)).await;
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(reply.status == 200 && text.contains("错误码"), "{to}: {text}");
    }
    assert_eq!(refused(&send(message(&first, 7)).await), 43101);
    assert_eq!(back(&rig.get(&good).await).get("action").map(String::as_str), Some("confirm"));
    assert_eq!(errcode(&send(message(&first, 7)).await), 0);
    assert_eq!(
        refused(&rig.call(MINI, "/cgi-bin/message/template/subscribe", message(&first, 7)).await),
        48001
    );
}
