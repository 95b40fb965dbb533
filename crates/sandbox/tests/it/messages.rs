//! Template, subscription and customer-service messages.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, TEMPLATE, errcode, refused};
use serde_json::{Value, json};

const SEND: &str = "/cgi-bin/message/template/send";

fn template(openid: &str) -> Value {
    json!({"touser": openid, "template_id": TEMPLATE, "url": "", "data": {"keyword1": {"value": "巧克力", "color": "#173177"}}})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

#[tokio::test]
async fn template_messages_go_to_followers() {
    let rig = Rig::start().await;
    let send = async |body: Value| rig.call(OFFICIAL, SEND, body).await;
    let openid = rig.follower(OFFICIAL).await;
    let reply = send(template(&openid)).await;
    let msgid = reply.json()["msgid"].as_u64().unwrap();
    assert_eq!((errcode(&reply), msgid.to_string().len()), (0, 19));
    let state = rig.state().await;
    assert_eq!(
        state["messages"],
        json!([{"appid": OFFICIAL, "path": SEND, "touser": openid, "template_id": TEMPLATE,
                "data": template(&openid)["data"], "msgid": msgid}])
    );

    let stranger = rig.user(OFFICIAL).await;
    for (body, code) in [
        (template(&stranger), 43004),
        (template("oNobody"), 40003),
        (with(template(&openid), "touser", json!("")), 41009),
        (with(template(&openid), "template_id", json!("other")), 40037),
        (with(template(&openid), "data", json!("text")), 47001),
        (with(template(&openid), "data", json!({"a": "text"})), 47001),
    ] {
        assert_eq!(refused(&send(body.clone()).await), code, "{body}");
    }
    assert_eq!(refused(&rig.call(MINI, SEND, template(&openid)).await), 48001);
}

#[tokio::test]
async fn a_client_msg_id_sends_once_in_ten_minutes() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let body = with(template(&openid), "client_msg_id", json!("m1"));
    let send = async || rig.call(OFFICIAL, SEND, body.clone()).await.json()["msgid"].as_u64().unwrap();
    let first = send().await;
    assert_eq!(send().await, first);
    rig.advance(600).await;
    assert_ne!(send().await, first);
    assert_eq!(rig.state().await["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn subscription_messages_use_up_what_the_user_allowed() {
    let rig = Rig::start().await;
    for (appid, path) in
        [(MINI, "/cgi-bin/message/subscribe/send"), (OFFICIAL, "/cgi-bin/message/subscribe/bizsend")]
    {
        let openid = rig.user(appid).await;
        let body = json!({"touser": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "奶茶"}}});
        let send = async |body: Value| rig.call(appid, path, body).await;
        assert_eq!(refused(&send(body.clone()).await), 43101);
        rig.control(
            "subscribe",
            json!({"appid": appid, "openid": openid, "template_id": TEMPLATE, "count": 1}),
        )
        .await;
        for (wrong, code) in [
            (with(body.clone(), "touser", json!("oNobody")), 40003),
            (with(body.clone(), "template_id", json!("other")), 40037),
        ] {
            assert_eq!(refused(&send(wrong).await), code);
        }
        let long = with(
            body.clone(),
            "data",
            json!({"time2": {"value": "2026年1月2日"}, "thing4": {"value": "长".repeat(21)}}),
        );
        let reply = send(long).await;
        assert_eq!(refused(&reply), 47003);
        assert_eq!(field(&reply).as_deref(), Some("data.thing4.value"));
        let reply = send(with(body.clone(), "data", json!({"time2": {"value": ""}}))).await;
        assert!(
            reply.json()["errmsg"]
                .as_str()
                .unwrap()
                .starts_with("argument invalid! data.time2.value is empty rid")
        );
        assert!(send(body.clone()).await.json()["msgid"].is_u64());
        assert_eq!(refused(&send(body).await), 43101);
    }
    let openid = rig.user(MINI).await;
    let paged = json!({"touser": openid, "template_id": TEMPLATE, "page": "pages/none", "data": {}});
    assert_eq!(refused(&rig.call(MINI, "/cgi-bin/message/subscribe/send", paged).await), 41030);
}

fn field(reply: &Reply) -> Option<String> {
    wechat::errcode::invalid_field(reply.json()["errmsg"].as_str()?).map(str::to_owned)
}

#[tokio::test]
async fn customer_service_answers_what_the_user_did() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let body = json!({"touser": openid, "msgtype": "text", "text": {"content": "hi"}});
    let send = async || errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", body.clone()).await);
    assert_eq!(send().await, 45015);
    rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "hello"})).await;
    for _ in 0..5 {
        assert_eq!(send().await, 0);
    }
    assert_eq!(send().await, 45047);
    rig.advance(48 * 3600).await;
    assert_eq!(send().await, 45015);
    assert_eq!(rig.state().await["messages"][4]["data"]["text"]["content"], "hi");
}

#[tokio::test]
async fn followers_are_told_apart() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let info = async |openid: &str| {
        rig.get(&format!("/cgi-bin/user/info?access_token={token}&openid={openid}&lang=zh_CN")).await
    };
    let stranger = rig.user(OFFICIAL).await;
    assert_eq!(info(&stranger).await.json()["subscribe"], 0);
    let create = json!({"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 98765}}});
    let code = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", create).await.json();
    rig.control("scan", json!({"ticket": code["ticket"], "openid": stranger})).await;
    let known = info(&stranger).await.json();
    assert_eq!(
        (&known["subscribe"], &known["qr_scene"], &known["nickname"]),
        (&json!(1), &json!(98765), &json!(""))
    );
    assert_eq!(refused(&info("oNobody").await), 40003);
    let list = rig.get(&format!("/cgi-bin/user/get?access_token={token}")).await.json();
    assert_eq!((&list["total"], &list["next_openid"]), (&json!(2), &json!(stranger)));
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": stranger})).await;
    assert_eq!(info(&stranger).await.json()["subscribe"], 0);
}

#[tokio::test]
async fn media_come_back_byte_for_byte() {
    let rig = Rig::start().await;
    let bytes = b"\x89PNG\r\n--not the end\r\n\xff\x00";
    let media_id = rig.upload_media(OFFICIAL, "image", "a.png", bytes).await.json()["media_id"].clone();
    let file = rig.media(OFFICIAL, media_id.as_str().unwrap()).await;
    assert_eq!((&file.body[..], file.header("content-type")), (&bytes[..], "image/png"));
    assert_eq!(refused(&rig.media(OFFICIAL, "x").await), 40007);
    assert_eq!(refused(&rig.media(MINI, media_id.as_str().unwrap()).await), 40007, "another account's");
    rig.advance(3 * 86_400).await;
    assert_eq!(refused(&rig.media(OFFICIAL, media_id.as_str().unwrap()).await), 40007);
}

#[tokio::test]
async fn a_days_limit_can_be_another_until_a_reset() {
    let rig = Rig::start().await;
    let told = async |appid: &str| {
        rig.call(appid, "/cgi-bin/openapi/quota/get", json!({"cgi_path": SEND})).await.json()["quota"].clone()
    };
    let openid = rig.follower(OFFICIAL).await;
    rig.control("quota", json!({"appid": OFFICIAL, "api": SEND, "limit": 2})).await;
    for expected in [0, 0, 45009] {
        assert_eq!(errcode(&rig.call(OFFICIAL, SEND, template(&openid)).await), expected);
    }
    assert_eq!(told(OFFICIAL).await, json!({"daily_limit": 2, "used": 2, "remain": 0}));
    let other = rig.follower(crate::rig::EXAMPLE).await;
    assert_eq!(errcode(&rig.call(crate::rig::EXAMPLE, SEND, template(&other)).await), 0, "another account");
    rig.control("quota", json!({"appid": OFFICIAL, "api": SEND, "limit": 1_000_000})).await;
    assert_eq!(errcode(&rig.call(OFFICIAL, SEND, template(&openid)).await), 0);
    assert_eq!(told(OFFICIAL).await, json!({"daily_limit": 1_000_000, "used": 3, "remain": 999_997}));
    rig.control("reset", json!({})).await;
    assert_eq!(told(OFFICIAL).await, json!({"daily_limit": 100_000, "used": 0, "remain": 100_000}));
}

// "你在48小时之内只能发送5条 … 除非用户 … 又给你发消息了 这样会按照上面的规则重新计算" (WeChat's answer in its developers' community): counted anew.
#[tokio::test]
async fn what_a_user_does_again_begins_the_count_anew_and_adds_nothing_up() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    rig.advance(61).await;
    let write =
        async || rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "x"})).await;
    let send = async || {
        let body = json!({"touser": openid, "msgtype": "text", "text": {"content": "x"}});
        errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", body).await)
    };
    for _ in 0..4 {
        write().await;
    }
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(send().await);
    }
    assert_eq!(sent, [0, 0, 0, 0, 0, 45047], "five, however often he wrote");
    write().await;
    assert_eq!(send().await, 0);
    // A menu has a count of its own.
    for _ in 0..3 {
        rig.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "CLICK", "key": "k"}))
            .await;
    }
    let mut more = Vec::new();
    for _ in 0..8 {
        more.push(send().await);
    }
    assert_eq!(more, [0, 0, 0, 0, 0, 0, 0, 45047], "four of the message and three of the menu");
    rig.advance(48 * 3600).await;
    assert_eq!(send().await, 45015);
}
