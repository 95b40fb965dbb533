//! What became of a message: WeChat's receipt, told to the caller that sent it.

use serde_json::{Value, json};

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TEMPLATE, TestApp};
use crate::database;
use crate::signed::Maker;

const SHOP: &str = "key_shop_012345678901234567";
const CRM: &str = "key_crm_0123456789012345678";
const CALLERS: &str = "\
    [[callers]]\nname = \"shop\"\nkey = \"key_shop_012345678901234567\"\napps = [\"*\"]\napis = [\"*\"]\n\
    [[callers]]\nname = \"crm\"\nkey = \"key_crm_0123456789012345678\"\napps = [\"*\"]\napis = [\"*\"]\n";

async fn call(app: &TestApp, key: &str, name: &str, body: Value) -> Reply {
    app.call_with(name, &[("x-api-key", key)], body).await
}

/// A follower of the account.
async fn follower(app: &TestApp, appid: &str) -> String {
    let openid = app.user(appid).await;
    let follows = json!({"appid": appid, "openid": openid, "event": "subscribe", "key": ""});
    app.control("event", follows).await;
    openid
}

async fn sent(app: &TestApp, key: &str) -> String {
    let openid = follower(app, EXAMPLE).await;
    let message = json!({"appid": EXAMPLE, "openid": openid, "template_id": TEMPLATE, "data": {}});
    let sent = call(app, key, "sendwxtemplatemsg", message).await.ok();
    sent["msgid"].as_str().unwrap().to_owned()
}

async fn result(app: &TestApp, key: &str, appid: &str, msgid: &str) -> (String, i64) {
    let told = call(app, key, "getmsgresult", json!({"appid": appid, "msgid": msgid})).await.ok();
    (told["status"].as_str().unwrap().to_owned(), told["finished_at"].as_i64().unwrap())
}

fn said(status: &str, at: i64) -> (String, i64) {
    (status.to_owned(), at)
}

/// WeChat's receipt of a template message.
async fn finished(app: &TestApp, msgid: &str, status: &str, at: i64) {
    let message = format!(
        "<xml><ToUserName>gh_0000000000c3</ToUserName><FromUserName>o1</FromUserName><CreateTime>{at}</CreateTime>\
         <MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event><MsgID>{msgid}</MsgID><Status>{status}</Status></xml>"
    );
    let reply = app.callback(Some(EXAMPLE), &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
    assert_eq!(&reply.body[..], b"success");
}

#[tokio::test]
async fn it_is_sent_until_wechat_says_what_became_of_it() {
    let app = TestApp::configured(CALLERS).await;
    for (status, shown) in [
        ("success", "success"),
        ("failed:user block", "failed:user block"),
        ("failed: system failed", "failed: system failed"),
    ] {
        let msgid = sent(&app, SHOP).await;
        assert_eq!(result(&app, SHOP, EXAMPLE, &msgid).await, said("sent", 0), "at once");
        finished(&app, &msgid, status, 1_795_000_000).await;
        assert_eq!(result(&app, SHOP, EXAMPLE, &msgid).await, said(shown, 1_795_000_000));
        assert_eq!(result(&app, CRM, EXAMPLE, &msgid).await, said("unknown", 0), "it is another's");
        assert_eq!(result(&app, SHOP, OFFICIAL, &msgid).await, said("unknown", 0), "another account's");
    }
    assert_eq!(result(&app, SHOP, EXAMPLE, "1").await, said("unknown", 0));
    // Of what nobody is known to have sent here, whoever may use the account.
    finished(&app, "77", "success", 1_795_000_001).await;
    assert_eq!(result(&app, CRM, EXAMPLE, "77").await, said("success", 1_795_000_001));
    call(&app, SHOP, "getmsgresult", json!({"appid": EXAMPLE})).await.fails(3_584_002, false, 0);
}

#[tokio::test]
async fn wechats_own_receipt_of_what_the_sandbox_took() {
    let mut app = TestApp::configured(CALLERS).await;
    app.subscribe(EXAMPLE, "safe", "xml").await;
    let text = app.text().replacen(
        "original_id = \"gh_0000000000c3\"",
        "original_id = \"gh_0000000000c3\"\naes_key = \"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG\"",
        1,
    );
    app.restart_with(&text).await;
    app.subscribe(EXAMPLE, "safe", "xml").await;
    let msgid = sent(&app, SHOP).await;
    app.until("the receipt has come", async || result(&app, SHOP, EXAMPLE, &msgid).await.0 == "success")
        .await;
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_neither_does_the_store_soon() {
    let mut app = TestApp::configured(CALLERS).await;
    let msgid = sent(&app, SHOP).await;
    app.restart().await;
    assert_eq!(result(&app, SHOP, EXAMPLE, &msgid).await, said("sent", 0));
    assert_eq!(result(&app, CRM, EXAMPLE, &msgid).await, said("unknown", 0));
    // The numbers of subscription messages stand deeper in their receipts.
    let openid = app.user(MINI).await;
    let allowed = json!({"appid": MINI, "openid": openid, "template_id": TEMPLATE, "count": 1});
    app.control("subscribe", allowed).await;
    let message =
        json!({"appid": MINI, "openid": openid, "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}}});
    let sent = call(&app, SHOP, "sendsubscribemsg", message).await.ok();
    let msgid = sent["msgid"].as_str().unwrap();
    assert_eq!(result(&app, SHOP, MINI, msgid).await, said("sent", 0));
    let receipt = json!({
        "ToUserName": "gh_0000000000b2", "FromUserName": openid, "CreateTime": app.now(), "MsgType": "event",
        "Event": "subscribe_msg_sent_event",
        "List": {"TemplateId": "t", "MsgID": msgid, "ErrorCode": "20005", "ErrorStatus": "user block"},
    });
    app.callback(Some(MINI), &Maker::new(MINI, app.now()).safe(&receipt.to_string())).await;
    assert_eq!(result(&app, SHOP, MINI, msgid).await, said("failed:user block", app.now()));
}

#[tokio::test]
async fn whoever_sends_waits_for_no_store() {
    let app = TestApp::configured(CALLERS).await;
    let openid = follower(&app, EXAMPLE).await;
    sent(&app, SHOP).await;
    database::take_away(&app).await;
    let message = json!({"appid": EXAMPLE, "openid": openid, "template_id": TEMPLATE, "data": {}});
    call(&app, SHOP, "sendwxtemplatemsg", message).await.ok();
}
