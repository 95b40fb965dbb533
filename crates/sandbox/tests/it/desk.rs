//! Customer service of official accounts: <https://developers.weixin.qq.com/doc/service/api/customer/servicermanage/api_addkfaccount>
//! and the pages beside it.

use crate::receiver::Receiver;
use crate::rig::{MINI, OFFICIAL, Rig, errcode, refused};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const ONE: &str = "one@gh_0000000000a1";
const OTHER: &str = "other@gh_0000000000a1";

async fn code(rig: &Rig, path: &str, body: Value) -> i64 {
    let reply = rig.call(OFFICIAL, &format!("/customservice/{path}"), body).await;
    if errcode(&reply) == 0 { 0 } else { refused(&reply) }
}

async fn act(rig: &Rig, account: &str, act: &str, more: Value) -> Value {
    let mut body = json!({"appid": OFFICIAL, "kf_account": account, "act": act});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rig.control("kf", body).await
}

/// A worker who is bound and at work.
async fn hire(rig: &Rig, account: &str, wx: &str) {
    assert_eq!(code(rig, "kfaccount/add", json!({"kf_account": account, "nickname": "客服"})).await, 0);
    assert_eq!(code(rig, "kfaccount/inviteworker", json!({"kf_account": account, "invite_wx": wx})).await, 0);
    act(rig, account, "accept", json!({})).await;
    act(rig, account, "online", json!({})).await;
}

async fn list(rig: &Rig) -> Value {
    rig.ask(OFFICIAL, "/cgi-bin/customservice/getkflist", "").await.json()["kf_list"].clone()
}

/// A receiver's callbacks as text, after those under way have come.
async fn heard(receiver: &Receiver) -> Vec<String> {
    tokio::time::sleep(Duration::from_millis(250)).await;
    receiver.take().into_iter().map(|got| String::from_utf8(got.body.to_vec()).unwrap()).collect()
}

// api_addkfaccount: 65403, 65404, 65405 (a hundred), 65406; api_delkfaccount: 65401.
#[tokio::test]
async fn workers_come_and_go() {
    let rig = Rig::start().await;
    let add = async |account: &str, nickname: &str| {
        code(&rig, "kfaccount/add", json!({"kf_account": account, "nickname": nickname})).await
    };
    assert_eq!(add(ONE, "客服1").await, 0);
    assert_eq!(add("test1@test", "客服2").await, 0, "as in the page's example");
    for (account, nickname, expected) in [
        (ONE, "again", 65406),
        ("three@x", "", 65403),
        ("three@x", "十七个字的昵称对一位客服来说实在太长", 65403),
        ("three", "x", 65404),
        ("@x", "x", 65404),
        ("elevenchars@x", "x", 65404),
        ("中文@x", "x", 65404),
    ] {
        assert_eq!(add(account, nickname).await, expected, "{account} {nickname}");
    }
    assert_eq!(code(&rig, "kfaccount/update", json!({"kf_account": ONE, "nickname": "改名"})).await, 0);
    assert_eq!(code(&rig, "kfaccount/update", json!({"kf_account": OTHER, "nickname": "x"})).await, 65401);
    assert_eq!(
        list(&rig).await[0],
        json!({"kf_account": ONE, "kf_headimgurl": "", "kf_id": "1001", "kf_nick": "改名"})
    );
    let delete = format!("kf_account={ONE}");
    assert_eq!(errcode(&rig.ask(OFFICIAL, "/customservice/kfaccount/del", &delete).await), 0);
    assert_eq!(refused(&rig.ask(OFFICIAL, "/customservice/kfaccount/del", &delete).await), 65401);
    assert_eq!(list(&rig).await[0]["kf_id"], "1002", "numbers stay");
    for number in 2..=100 {
        assert_eq!(add(&format!("w{number}@x"), "x").await, 0);
    }
    assert_eq!(add("w101@x", "x").await, 65405);
    assert_eq!(refused(&rig.call(MINI, "/customservice/kfaccount/add", json!({})).await), 48001);
}

// api_invitekfworker: 65407 to 65412.
#[tokio::test]
async fn a_person_agrees_to_be_a_worker() {
    let rig = Rig::start().await;
    for account in [ONE, OTHER] {
        code(&rig, "kfaccount/add", json!({"kf_account": account, "nickname": "x"})).await;
    }
    let invite = async |account: &str, wx: &str| {
        code(&rig, "kfaccount/inviteworker", json!({"kf_account": account, "invite_wx": wx})).await
    };
    assert_eq!(invite("nobody@x", "kfwx_1").await, 65401);
    assert_eq!(invite(ONE, "short").await, 65409);
    assert_eq!(invite(ONE, "kfwx_1").await, 0);
    assert_eq!(invite(ONE, "kfwx_2").await, 65411);
    assert_eq!(invite(OTHER, "kfwx_1").await, 65408);
    let waiting = list(&rig).await[0].clone();
    assert_eq!((&waiting["invite_wx"], &waiting["invite_status"]), (&json!("kfwx_1"), &json!("waiting")));
    assert!(waiting["invite_expire_time"].is_u64() && waiting.get("kf_wx").is_none());
    act(&rig, ONE, "reject", json!({})).await;
    assert_eq!(list(&rig).await[0]["invite_status"], "rejected");
    assert_eq!(invite(ONE, "kfwx_1").await, 0);
    rig.advance(2 * 86_400).await;
    assert_eq!(list(&rig).await[0]["invite_status"], "expired");
    let late = json!({"appid": OFFICIAL, "kf_account": ONE, "act": "accept"});
    assert_eq!(rig.post("/sandbox/kf", late).await.status, 400);
    assert_eq!(invite(ONE, "kfwx_1").await, 0);
    act(&rig, ONE, "accept", json!({})).await;
    let bound = list(&rig).await[0].clone();
    assert_eq!((&bound["kf_wx"], bound.get("invite_wx")), (&json!("kfwx_1"), None));
    assert_eq!(invite(ONE, "kfwx_2").await, 65412);
    assert_eq!(invite(OTHER, "kfwx_1").await, 65407);
}

// api_uploadkfheadimg: a JPEG; 40005, 40009, 65401.
#[tokio::test]
async fn a_worker_has_a_portrait() {
    let rig = Rig::start().await;
    code(&rig, "kfaccount/add", json!({"kf_account": ONE, "nickname": "x"})).await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let upload = async |account: &str, bytes: &[u8]| {
        let mut body = b"--B1\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
        body.extend(bytes);
        body.extend(b"\r\n--B1--\r\n");
        let path =
            format!("/customservice/kfaccount/uploadheadimg?access_token={token}&kf_account={account}");
        let headers = [("content-type", "multipart/form-data; boundary=B1")];
        rig.send(Method::POST, &path, &headers, body).await.unwrap()
    };
    assert_eq!(refused(&upload(OTHER, b"\xff\xd8\xff").await), 65401);
    assert_eq!(refused(&upload(ONE, b"GIF89a").await), 40005);
    assert_eq!(refused(&upload(ONE, &vec![0; (5 << 20) + 1]).await), 40009);
    assert_eq!(list(&rig).await[0]["kf_headimgurl"], "");
    assert_eq!(errcode(&upload(ONE, b"\xff\xd8\xff\xe0").await), 0);
    assert!(list(&rig).await[0]["kf_headimgurl"].as_str().unwrap().starts_with("http://mmbiz.qpic.cn/"));
}

// api_createkfsession: 65401, 65402, 65415; api_closesession: 65413, 65414; events kf_create_session and so on.
#[tokio::test]
async fn sessions_begin_end_and_are_handed_over_and_the_account_is_told() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let openid = rig.user(OFFICIAL).await;
    let body = |account: &str| json!({"kf_account": account, "openid": openid});
    let create = async |account: &str| code(&rig, "kfsession/create", body(account)).await;
    let close = async |account: &str| code(&rig, "kfsession/close", body(account)).await;
    let who = async || {
        let path = "/customservice/kfsession/getsession";
        rig.ask(OFFICIAL, path, &format!("openid={openid}")).await.json()["kf_account"].clone()
    };
    assert_eq!(create(ONE).await, 65401);
    code(&rig, "kfaccount/add", json!({"kf_account": ONE, "nickname": "x"})).await;
    assert_eq!(create(ONE).await, 65402, "nobody is that worker yet");
    code(&rig, "kfaccount/inviteworker", json!({"kf_account": ONE, "invite_wx": "kfwx_1"})).await;
    act(&rig, ONE, "accept", json!({})).await;
    assert_eq!(create(ONE).await, 65415);
    act(&rig, ONE, "online", json!({})).await;
    hire(&rig, OTHER, "kfwx_2").await;
    assert_eq!(close(ONE).await, 65413);
    assert_eq!(who().await, "");
    assert_eq!(heard(&receiver).await, Vec::<String>::new(), "no refusal is told");

    assert_eq!(create(ONE).await, 0);
    let told = heard(&receiver).await;
    assert!(told.len() == 1 && told[0].contains("<Event><![CDATA[kf_create_session]]></Event>"), "{told:?}");
    assert!(
        told[0].contains(&format!("<KfAccount><![CDATA[{ONE}]]></KfAccount>")) && told[0].contains(&openid)
    );
    assert_eq!(create(ONE).await, 0, "he does already");
    assert_eq!(create(OTHER).await, 65414);
    assert_eq!(close(OTHER).await, 65414);
    assert_eq!(heard(&receiver).await, Vec::<String>::new());
    assert_eq!(who().await, ONE);
    let path = "/customservice/kfsession/getsessionlist";
    let served = rig.ask(OFFICIAL, path, &format!("kf_account={ONE}")).await.json();
    assert_eq!(served["sessionlist"][0]["openid"], openid);
    let online = rig.ask(OFFICIAL, "/cgi-bin/customservice/getonlinekflist", "").await.json();
    assert_eq!(
        online["kf_online_list"][0],
        json!({"kf_account": ONE, "status": 1, "kf_id": "1001", "accepted_case": 1})
    );

    let not_his =
        json!({"appid": OFFICIAL, "kf_account": OTHER, "act": "switch", "openid": openid, "to": ONE});
    assert_eq!(rig.post("/sandbox/kf", not_his).await.status, 400);
    act(&rig, ONE, "switch", json!({"openid": openid, "to": OTHER})).await;
    let told = heard(&receiver).await;
    assert!(
        told[0].contains("kf_switch_session")
            && told[0].contains(&format!("<FromKfAccount><![CDATA[{ONE}]]>"))
    );
    assert!(told[0].contains(&format!("<ToKfAccount><![CDATA[{OTHER}]]>")), "{told:?}");
    assert_eq!(close(OTHER).await, 0);
    let told = heard(&receiver).await;
    assert!(told.len() == 1 && told[0].contains("kf_close_session") && told[0].contains(OTHER), "{told:?}");
    assert_eq!(who().await, "");
    assert_eq!(code(&rig, "kfsession/create", json!({"kf_account": ONE, "openid": "oNobody"})).await, 40003);
}

// Passive_user_reply_message: `transfer_customer_service`, with or without TransInfo.
#[tokio::test]
async fn a_reply_hands_the_user_to_customer_service() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let openid = rig.user(OFFICIAL).await;
    let reply =
        |more: &str| format!("<xml><MsgType><![CDATA[transfer_customer_service]]></MsgType>{more}</xml>");
    let say = async |text: &str, answer: String| {
        receiver.answers(move |got, _| {
            let is_text = got.body.windows(6).any(|window| window == b"[text]");
            (200, if is_text { answer.clone() } else { "success".to_owned() }, Duration::ZERO)
        });
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": text})).await;
    };
    let waiting = async || rig.ask(OFFICIAL, "/customservice/kfsession/getwaitcase", "").await.json();
    say("hello", "success".to_owned()).await;
    assert_eq!(waiting().await, json!({"count": 0, "waitcaselist": []}), "only if the account says so");
    say("hello", reply("")).await;
    let now = rig.state().await["now"].as_i64().unwrap() / 1000;
    assert_eq!(
        waiting().await,
        json!({"count": 1, "waitcaselist": [{"latest_time": now, "openid": openid}]})
    );
    hire(&rig, ONE, "kfwx_1").await;
    receiver.take();
    act(&rig, ONE, "take", json!({"openid": openid})).await;
    assert_eq!(waiting().await["count"], 0);
    act(&rig, ONE, "close", json!({"openid": openid})).await;
    assert_eq!(heard(&receiver).await.len(), 2);
    let named = format!("<TransInfo><KfAccount><![CDATA[{ONE}]]></KfAccount></TransInfo>");
    say("again", reply(&named)).await;
    let told = heard(&receiver).await;
    assert!(told.len() == 2 && told[1].contains("kf_create_session"), "{told:?}");
    act(&rig, ONE, "close", json!({"openid": openid})).await;
    act(&rig, ONE, "offline", json!({})).await;
    say("is anybody there", reply(&named)).await;
    assert_eq!(waiting().await["count"], 1, "he isn't at work");
}

// api_getmsglist: 2002 and 2003, 24 hours at most (65417), 65416 for parameters.
#[tokio::test]
async fn what_was_said_can_be_read_afterwards() {
    let rig = Rig::start().await;
    hire(&rig, ONE, "kfwx_1").await;
    let openid = rig.user(OFFICIAL).await;
    let said = json!({"appid": OFFICIAL, "openid": openid, "text": "before"});
    rig.control("message", said).await;
    act(&rig, ONE, "take", json!({"openid": openid})).await;
    rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "你好"})).await;
    let mut custom = json!({
        "touser": openid, "msgtype": "text", "text": {"content": "您好"}, "customservice": {"kf_account": ONE},
    });
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom.clone()).await), 0);
    custom["customservice"]["kf_account"] = json!(OTHER);
    assert_eq!(refused(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom).await), 65401);
    let now = rig.state().await["now"].as_i64().unwrap() / 1000;
    let read = async |from: i64, to: i64, first: u64, most: u64| {
        let body = json!({"starttime": from, "endtime": to, "msgid": first, "number": most});
        rig.call(OFFICIAL, "/customservice/msgrecord/getmsglist", body).await
    };
    let all = read(now - 60, now, 1, 10_000).await.json();
    assert_eq!(
        all["recordlist"],
        json!([
            {"openid": openid, "opercode": 2003, "text": "你好", "time": now, "worker": ONE},
            {"openid": openid, "opercode": 2002, "text": "您好", "time": now, "worker": ONE},
        ])
    );
    assert_eq!(all["number"], 2);
    let first = read(now, now, 1, 1).await.json();
    let next = first["msgid"].as_u64().unwrap();
    assert_eq!(read(now, now, next, 10).await.json()["recordlist"][0]["text"], "您好");
    assert_eq!(read(now - 100, now - 1, 1, 10).await.json()["number"], 0);
    for (from, to, first, most, expected) in [
        (now - 86_401, now, 1, 1, 65417),
        (now, now - 1, 1, 1, 65416),
        (now, now, 0, 1, 65416),
        (now, now, 1, 10_001, 65416),
        (now, now, 1, 0, 65416),
    ] {
        assert_eq!(refused(&read(from, to, first, most).await), expected);
    }
}
