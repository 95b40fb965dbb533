//! `GET /sandbox/snapshot` and `POST /sandbox/restore`: the whole state as JSON and back.

use crate::receiver::Receiver;
use crate::rig::{Caller, EXAMPLE, MINI, OFFICIAL, Rig, START, TEMPLATE, errcode, refused};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PHOTO: &[u8] = b"\xff\xd8\xff photo";

/// Something of everything a world can hold.
async fn live(rig: &Caller, receiver: &Receiver) -> Value {
    let openid = rig.follower(OFFICIAL).await;
    let mini = rig.user(MINI).await;
    rig.control(
        "apps",
        json!({"appid": "wx1", "secret": "x", "kind": "mini", "aes_key": "A".repeat(43), "ip_allow": ["127.0.0.0/8"]}),
    )
    .await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "safe"})).await;
    rig.classic(OFFICIAL).await;
    let ticket = rig.stable(OFFICIAL, false).await.0;
    rig.get(&format!("/cgi-bin/ticket/getticket?access_token={ticket}&type=jsapi")).await;
    for scene in [json!({"scene_id": 5}), json!({"scene_str": "5"})] {
        let kind = if scene.get("scene_id").is_some() { "QR_LIMIT_SCENE" } else { "QR_LIMIT_STR_SCENE" };
        let body = json!({"action_name": kind, "action_info": {"scene": scene}});
        let made = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await.json();
        rig.control("scan", json!({"ticket": made["ticket"], "openid": openid})).await;
    }
    rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "你好"})).await;
    rig.control("subscribe", json!({"appid": MINI, "openid": mini, "template_id": TEMPLATE, "count": 3}))
        .await;
    rig.control(
        "fault",
        json!({"path": "/x", "errcode": 45011, "delay_ms": {"p50": 1, "p99": 2}, "times": 3}),
    )
    .await;
    rig.control("quota", json!({"appid": OFFICIAL, "api": "/cgi-bin/message/template/send", "limit": 2}))
        .await;
    rig.control("quirks", json!({"hyaline": "jpeg"})).await;
    let sent = json!({
        "touser": openid, "template_id": TEMPLATE, "client_msg_id": "once", "data": {"first": {"value": "x"}},
    });
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/template/send", sent.clone()).await), 0);
    let uploaded = rig.upload_media(OFFICIAL, "image", "a.jpg", PHOTO).await;
    rig.advance(60).await;
    json!({"openid": openid, "media_id": uploaded.json()["media_id"], "token": ticket, "sent": sent})
}

/// The callback of the message is over.
async fn settled(rig: &Caller) {
    for _ in 0..1000 {
        let sent = rig.get("/sandbox/calls?path=/cgi-bin/message/template/send").await.json();
        if sent["calls"][0]["pushed"] != json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no callback");
}

async fn snapshot(rig: &Caller) -> Value {
    let reply = rig.get("/sandbox/snapshot").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    reply.json()
}

#[tokio::test]
async fn what_was_restored_is_what_was_kept() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    live(&rig, &receiver).await;
    settled(&rig).await;
    let (kept, state) = (snapshot(&rig).await, rig.state().await);
    let journal = rig.get("/sandbox/calls").await.json();
    rig.control("reset", json!({})).await;
    rig.control("restore", kept.clone()).await;
    assert_eq!(snapshot(&rig).await, kept);
    assert_eq!((rig.state().await, rig.get("/sandbox/calls").await.json()), (state.clone(), journal.clone()));

    let other = Rig::start().await;
    other.control("restore", kept.clone()).await;
    assert_eq!(snapshot(&other).await, kept, "in another process as well");
    let world = other.world("copy");
    world.control("restore", kept.clone()).await;
    assert_eq!((snapshot(&world).await, world.state().await), (kept, state), "and in a world beside it");
}

#[tokio::test]
async fn a_restored_world_goes_on() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    let lived = live(&rig, &receiver).await;
    let kept = snapshot(&rig).await;
    let text = |name: &str| lived[name].as_str().unwrap().to_owned();
    let other = Rig::start().await;
    other.control("restore", kept).await;
    assert_eq!(other.classic(EXAMPLE).await, rig.classic(EXAMPLE).await, "chance goes on as well");
    assert_eq!(other.verdict(&text("token")).await, 0, "tokens live");
    assert_eq!(other.stable(OFFICIAL, false).await.0, text("token"));
    let file = format!("/cgi-bin/media/get?access_token={}&media_id={}", text("token"), text("media_id"));
    assert_eq!(&other.get(&file).await.body[..], PHOTO, "files are there");
    assert_eq!(refused(&other.get("/x").await), 45011, "faults too");
    let mini = other.state().await["users"][2]["openids"][MINI].clone();
    let message = json!({"touser": mini, "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}, "time2": {"value": "2026-01-02"}}});
    let subscribe = "/cgi-bin/message/subscribe/send";
    assert_ne!(errcode(&other.call(MINI, subscribe, message).await), 43101, "what users allowed");
    let again = other.call(OFFICIAL, "/cgi-bin/message/template/send", lived["sent"].clone()).await.json();
    let (before, after) = (rig.state().await["messages"].clone(), other.state().await["messages"].clone());
    assert_eq!(
        again["msgid"],
        before.as_array().unwrap().last().unwrap()["msgid"],
        "sent once under that id"
    );
    assert!(after.as_array().unwrap().len() <= before.as_array().unwrap().len() + 1);
    let happened = json!({"appid": OFFICIAL, "openid": lived["openid"], "event": "CLICK", "key": "k"});
    assert_eq!(
        other.control("event", happened).await["pushes"][0]["attempts"][0]["status"],
        200,
        "callbacks are set, keys and all"
    );
}

#[tokio::test]
async fn the_clock_goes_on_where_it_stood() {
    let rig = Rig::start().await;
    rig.advance(86_400 * 365).await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let kept = snapshot(&rig).await;
    rig.control("reset", json!({})).await;
    assert_eq!(rig.state().await["now"], START);
    rig.control("restore", kept).await;
    assert_eq!(rig.state().await["now"], START + 86_400_000 * 365);
    assert_eq!(rig.verdict(&token).await, 0);
}

#[tokio::test]
async fn a_broken_snapshot_changes_nothing_and_says_why() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    live(&rig, &receiver).await;
    settled(&rig).await;
    let kept = snapshot(&rig).await;
    let with = |pointer: &str, value: Value| {
        let mut broken = kept.clone();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        broken.to_string()
    };
    let without = |name: &str| {
        let mut broken = kept.clone();
        broken["world"].as_object_mut().unwrap().remove(name);
        broken.to_string()
    };
    let more = |at: &str, name: &str| {
        let mut broken = kept.clone();
        broken.pointer_mut(at).unwrap()[name] = json!(1);
        broken.to_string()
    };
    for (broken, word) in [
        (String::new(), "EOF"),
        ("{}".to_owned(), "version"),
        ("[]".to_owned(), "line 1"),
        (kept.to_string()[..1000].to_owned(), "EOF"),
        (with("/version", json!(2)), "version: this wxgate restores 1, not 2"),
        (with("/version", json!("1")), "expected u64"),
        (with("/world", Value::Null), "null"),
        (without("users"), "users"),
        (without("random"), "random"),
        (more("/world", "colour"), "colour"),
        (more("", "colour"), "colour"),
        (with("/world/now", json!(i64::MAX)), "century"),
        (with("/world/order", json!(["wxother"])), "order"),
        (with("/world/quirks/hyaline", json!("gif")), "gif"),
        (with("/world/faults/posted/0/errcode", json!("no")), "\"no\""),
        (with("/world/faults/posted/0/path", json!("x")), "path"),
        (with("/world/messages/sent/0/path", json!("/x")), "/x"),
        (with("/world/media/0/file/bytes", json!("%")), "line 1"),
        (with("/world/apps/wx1/aes_key", json!("AAAA")), "length"),
        (with("/world/users/0/openids", json!([])), "line 1"),
    ] {
        let reply = rig.send(Method::POST, "/sandbox/restore", &[], broken).await.unwrap();
        let error = reply.json()["error"].as_str().unwrap_or_else(|| panic!("{word}: {reply:?}")).to_owned();
        assert!(reply.status == 400 && error.contains(word), "{word}: {error}");
        assert_eq!(snapshot(&rig).await, kept, "{word}");
    }
}

#[tokio::test]
async fn a_snapshot_may_be_long() {
    let rig = Rig::start().await;
    for _ in 0..3 {
        rig.send(Method::POST, "/x", &[], vec![b'x'; 19 << 20]).await.unwrap();
    }
    let kept = rig.get("/sandbox/snapshot").await.body;
    assert!(kept.len() > 60 << 20, "{}", kept.len());
    let reply = rig.send(Method::POST, "/sandbox/restore", &[], kept.clone()).await.unwrap();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(rig.get("/sandbox/snapshot").await.body, kept);
}

#[tokio::test]
async fn callbacks_of_a_world_that_ended_are_given_up() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    let openid = rig.follower(OFFICIAL).await;
    let callback = json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"});
    rig.control("callback", callback.clone()).await;
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/template/send", message).await), 0);
    rig.control("reset", json!({})).await;
    rig.control("callback", callback).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(receiver.take().len(), 0, "TEMPLATESENDJOBFINISH belongs to the world before");
    assert_eq!(rig.state().await["pushes"], json!([]));
}
