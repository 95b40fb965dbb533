//! What WeChat tells an account afterwards: of subscription messages (A9), and what a template message came to (A10).

use crate::receiver::Receiver;
use crate::rig::{MINI, OFFICIAL, Rig, SUBSCRIPTION, TEMPLATE, errcode, refused};
use serde_json::{Value, json};
use std::time::Duration;

async fn plain(rig: &Rig, receiver: &Receiver, appid: &str, format: &str) {
    let callback = json!({"appid": appid, "url": receiver.url, "mode": "plain", "format": format});
    rig.control("callback", callback).await;
}

/// The next callback's text.
async fn next(receiver: &Receiver) -> String {
    for _ in 0..100 {
        if let Some(got) = receiver.take().pop() {
            return String::from_utf8(got.body.to_vec()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no push");
}

fn subscription(openid: &str) -> Value {
    let data = json!({"thing1": {"value": "奶茶"}, "time2": {"value": "2026年1月2日 15:30"}});
    json!({"touser": openid, "template_id": SUBSCRIPTION, "data": data})
}

/// A9. XML as captured (a Go SDK's fixture: numbers bare, in `SubscribeMsgSentEvent/List`); JSON as on the official page
/// "订阅消息": `List` itself, an object for one, and texts all over.
#[tokio::test]
async fn a_subscription_message_is_reported_sent() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    for (appid, path) in
        [(MINI, "/cgi-bin/message/subscribe/send"), (OFFICIAL, "/cgi-bin/message/subscribe/bizsend")]
    {
        let openid = rig.user(appid).await;
        let allow = json!({"appid": appid, "openid": openid, "template_id": SUBSCRIPTION, "count": 2});
        rig.control("subscribe", allow).await;
        plain(&rig, &receiver, appid, "xml").await;
        let msgid = rig.call(appid, path, subscription(&openid)).await.json()["msgid"].to_string();
        let xml = next(&receiver).await.replace('\n', "");
        let sent = format!(
            "<SubscribeMsgSentEvent><List><TemplateId><![CDATA[{SUBSCRIPTION}]]></TemplateId><MsgID>{msgid}</MsgID>\
             <ErrorCode>0</ErrorCode><ErrorStatus><![CDATA[success]]></ErrorStatus></List></SubscribeMsgSentEvent>"
        );
        assert!(xml.contains(&sent), "{xml}");
        assert!(xml.contains("<Event><![CDATA[subscribe_msg_sent_event]]></Event>"), "{xml}");
        plain(&rig, &receiver, appid, "json").await;
        let msgid = rig.call(appid, path, subscription(&openid)).await.json()["msgid"].to_string();
        let message: Value = serde_json::from_str(&next(&receiver).await).unwrap();
        let sent =
            json!({"TemplateId": SUBSCRIPTION, "MsgID": msgid, "ErrorCode": "0", "ErrorStatus": "success"});
        assert_eq!((&message["Event"], &message["List"]), (&json!("subscribe_msg_sent_event"), &sent));
        assert!(message["CreateTime"].is_string() && message.get("SubscribeMsgSentEvent").is_none());
        assert_eq!(refused(&rig.call(appid, path, subscription(&openid)).await), 43101);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(receiver.take().len(), 0, "of what is refused nothing is told");
    }
}

/// The quirk `subscribe_msgid`: the official pages' answers have no msgid, captured ones do.
#[tokio::test]
async fn a_subscription_messages_number_is_in_the_answer_or_not() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let allow = json!({"appid": MINI, "openid": openid, "template_id": SUBSCRIPTION, "count": 2});
    rig.control("subscribe", allow).await;
    let send = async || rig.call(MINI, "/cgi-bin/message/subscribe/send", subscription(&openid)).await.json();
    assert!(send().await["msgid"].is_u64());
    rig.control("quirks", json!({"subscribe_msgid": "absent"})).await;
    assert_eq!(send().await, json!({"errcode": 0, "errmsg": "ok"}));
}

/// A9: the official page "订阅消息" on both events; a no in the settings takes back what was allowed.
#[tokio::test]
async fn a_user_says_yes_and_no_to_subscriptions() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    let openid = rig.user(MINI).await;
    let send = async |template: &str| {
        let mut message = subscription(&openid);
        message["template_id"] = json!(template);
        errcode(&rig.call(MINI, "/cgi-bin/message/subscribe/send", message).await)
    };
    let say = async |event: &str, list: Value| {
        rig.control("event", json!({"appid": MINI, "openid": openid, "event": event, "list": list})).await;
        next(&receiver).await
    };
    plain(&rig, &receiver, MINI, "json").await;
    let both = json!([
        {"template_id": SUBSCRIPTION, "status": "accept"}, {"template_id": TEMPLATE, "status": "reject"}
    ]);
    let message: Value = serde_json::from_str(&say("subscribe_msg_popup_event", both.clone()).await).unwrap();
    assert_eq!(
        message["List"],
        json!([
            {"TemplateId": SUBSCRIPTION, "SubscribeStatusString": "accept", "PopupScene": "0"},
            {"TemplateId": TEMPLATE, "SubscribeStatusString": "reject", "PopupScene": "0"},
        ])
    );
    assert_eq!((send(SUBSCRIPTION).await, send(TEMPLATE).await), (0, 43101));
    next(&receiver).await;
    assert_eq!(send(SUBSCRIPTION).await, 43101, "one yes, one message");

    plain(&rig, &receiver, MINI, "xml").await;
    let xml = say("subscribe_msg_popup_event", both).await.replace('\n', "");
    assert_eq!(xml.matches("<List>").count(), 2, "{xml}");
    assert!(
        xml.contains("<SubscribeMsgPopupEvent><List><TemplateId>")
            && xml.contains("<PopupScene>0</PopupScene>")
    );
    let one = json!([{"template_id": SUBSCRIPTION, "status": "reject"}]);
    let xml = say("subscribe_msg_change_event", one.clone()).await.replace('\n', "");
    assert!(xml.contains("<SubscribeMsgChangeEvent><List>") && !xml.contains("PopupScene"), "{xml}");
    assert_eq!(send(SUBSCRIPTION).await, 43101, "it was taken back");
    plain(&rig, &receiver, MINI, "json").await;
    let message: Value = serde_json::from_str(&say("subscribe_msg_change_event", one).await).unwrap();
    assert_eq!(message["List"], json!({"TemplateId": SUBSCRIPTION, "SubscribeStatusString": "reject"}));
}

#[tokio::test]
async fn what_a_user_can_not_say_of_subscriptions() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let one = |id: &str, status: &str| json!([{"template_id": id, "status": status}]);
    for (event, list) in [
        ("subscribe_msg_popup_event", one("none", "accept")),
        ("subscribe_msg_popup_event", one(SUBSCRIPTION, "perhaps")),
        ("subscribe_msg_sent_event", one(SUBSCRIPTION, "accept")),
        ("CLICK", one(SUBSCRIPTION, "accept")),
    ] {
        let asked = json!({"appid": MINI, "openid": openid, "event": event, "list": list});
        assert_eq!(rig.post("/sandbox/event", asked.clone()).await.status, 400, "{asked}");
    }
    let reply = rig.call(MINI, "/cgi-bin/message/subscribe/send", subscription(&openid)).await;
    assert_eq!(refused(&reply), 43101);
}

/// A10: the official page of template messages: three endings (the space is WeChat's).
#[tokio::test]
async fn a_template_message_comes_to_what_a_fault_says() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    plain(&rig, &receiver, OFFICIAL, "xml").await;
    let (blocking, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    receiver.take();
    let path = "/cgi-bin/message/template/send";
    let ending = async |openid: &str| {
        let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"a": {"value": "b"}}});
        let reply = rig.call(OFFICIAL, path, message).await;
        assert_eq!(errcode(&reply), 0, "WeChat takes it first");
        let xml = next(&receiver).await;
        assert!(xml.contains(&format!("<MsgID>{}</MsgID>", reply.json()["msgid"])), "{xml}");
        let (_, rest) = xml.split_once("<Status><![CDATA[").unwrap();
        rest.split_once("]]>").unwrap().0.to_owned()
    };
    let block = json!({"path": path, "openid": blocking, "receipt": "failed:user block", "times": 0});
    rig.control("fault", block).await;
    rig.control("fault", json!({"path": path, "receipt": "failed: system failed"})).await;
    assert_eq!(ending(&other).await, "failed: system failed");
    assert_eq!(ending(&other).await, "success");
    assert_eq!(ending(&blocking).await, "failed:user block");
    assert_eq!(ending(&blocking).await, "failed:user block");
}

#[tokio::test]
async fn a_subscription_message_can_fail_as_well() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    plain(&rig, &receiver, MINI, "json").await;
    let openid = rig.user(MINI).await;
    let allow = json!({"appid": MINI, "openid": openid, "template_id": SUBSCRIPTION, "count": 1});
    rig.control("subscribe", allow).await;
    let path = "/cgi-bin/message/subscribe/send";
    rig.control("fault", json!({"path": path, "receipt": "failed: system failed"})).await;
    assert_eq!(errcode(&rig.call(MINI, path, subscription(&openid)).await), 0);
    let message: Value = serde_json::from_str(&next(&receiver).await).unwrap();
    let list = &message["List"];
    assert_eq!((&list["ErrorCode"], &list["ErrorStatus"]), (&json!("-1"), &json!("failed: system failed")));
}
