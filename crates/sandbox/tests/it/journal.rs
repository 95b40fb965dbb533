//! `GET /sandbox/calls`: every call to WeChat as it came and as it was answered.

use crate::receiver::Receiver;
use crate::rig::{MINI, OFFICIAL, Rig, START, TEMPLATE, classic_path, secret};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Method;
use serde_json::{Value, json};

fn decoded(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

async fn calls(rig: &Rig, query: &str) -> Vec<Value> {
    let reply = rig.get(&format!("/sandbox/calls{query}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["calls"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_call_is_shown_whole() {
    let rig = Rig::start().await;
    let body = json!({"grant_type": "client_credential", "appid": MINI, "secret": secret(MINI)}).to_string();
    let headers = [("x-odd", "a"), ("x-odd", "b")];
    let reply =
        rig.send(Method::POST, "/cgi-bin/stable_token?a=%41&&b", &headers, body.clone()).await.unwrap();
    let list = calls(&rig, "").await;
    assert_eq!(list.len(), 1);
    let call = &list[0];
    let mut names: Vec<&String> = call.as_object().unwrap().keys().collect();
    names.sort();
    let members = [
        "answer_base64",
        "appid",
        "at",
        "body_base64",
        "headers",
        "method",
        "path",
        "pushed",
        "query",
        "seq",
        "status",
    ];
    assert_eq!(names, members);
    assert_eq!((&call["seq"], &call["at"], &call["status"]), (&json!(1), &json!(START), &json!(200)));
    assert_eq!((&call["method"], &call["path"]), (&json!("POST"), &json!("/cgi-bin/stable_token")));
    assert_eq!((&call["query"], &call["appid"]), (&json!("a=%41&&b"), &json!(MINI)));
    let odd: Vec<&Value> =
        call["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == "x-odd").collect();
    assert_eq!(odd, [&json!(["x-odd", "a"]), &json!(["x-odd", "b"])]);
    assert_eq!(decoded(&call["body_base64"]), body.as_bytes(), "secrets as they came");
    assert_eq!(decoded(&call["answer_base64"]), reply.body);
    assert_eq!(call["pushed"], json!([]));
}

#[tokio::test]
async fn pictures_faults_and_cut_connections_are_shown_as_they_went_out() {
    let rig = Rig::start().await;
    let picture = rig.call(MINI, "/wxa/getwxacodeunlimit", json!({"scene": "a"})).await;
    rig.control(
        "fault",
        json!({"path": "/x", "body_base64": BASE64_STANDARD.encode([0, 255, 1]), "status": 503}),
    )
    .await;
    let scripted = rig.get("/x").await;
    assert_eq!((scripted.status, &scripted.body[..]), (503, &[0, 255, 1][..]));
    for (cut, status, answer) in [("before", 0, ""), ("after", 0, ""), ("half", 200, "01234")] {
        rig.control("fault", json!({"path": "/y", "body": "0123456789", "cut": cut})).await;
        rig.send(Method::GET, "/y", &[], "").await.unwrap_err();
        let last = calls(&rig, "?path=/y").await.pop().unwrap();
        assert_eq!(
            (&last["status"], decoded(&last["answer_base64"])),
            (&json!(status), answer.as_bytes().to_vec()),
            "{cut}"
        );
    }
    let list = calls(&rig, "").await;
    let paths: Vec<&str> = list.iter().map(|call| call["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/cgi-bin/stable_token", "/wxa/getwxacodeunlimit", "/x", "/y", "/y", "/y"]);
    assert_eq!(decoded(&list[1]["answer_base64"]), picture.body);
    assert_eq!((&list[2]["status"], decoded(&list[2]["answer_base64"])), (&json!(503), vec![0, 255, 1]));
}

#[tokio::test]
async fn lists_are_chosen_and_followed() {
    let rig = Rig::start().await;
    for appid in [OFFICIAL, MINI] {
        rig.classic(appid).await;
        rig.stable(appid, false).await;
    }
    for _ in 0..101 {
        rig.get("/cgi-bin/nothing").await;
    }
    let seqs = async |query: &str| {
        let list = calls(&rig, query).await;
        list.iter().map(|call| call["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seqs("").await, (1..=100).collect::<Vec<_>>());
    assert_eq!(seqs("?since=100").await, (101..=105).collect::<Vec<_>>());
    assert_eq!(seqs("?since=103&limit=1").await, [104]);
    assert_eq!(seqs(&format!("?appid={MINI}")).await, [3, 4]);
    assert_eq!(seqs("?path=/cgi-bin/token").await, [1, 3]);
    assert_eq!(seqs(&format!("?path=/cgi-bin/token&appid={OFFICIAL}")).await, [1]);

    let reply = rig.send(Method::DELETE, "/sandbox/calls", &[], "").await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(seqs("").await, Vec::<u64>::new());
    assert_eq!(rig.state().await["calls"], json!([]));
    rig.get(&classic_path(MINI)).await;
    assert_eq!(seqs("").await, [106], "numbers go on");
}

#[tokio::test]
async fn what_followed_is_shown_with_its_call() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    let openid = rig.follower(OFFICIAL).await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    rig.call(OFFICIAL, "/cgi-bin/message/template/send", message).await;
    for _ in 0..500 {
        let call = calls(&rig, "?path=/cgi-bin/message/template/send").await.remove(0);
        if let Some(push) = call["pushed"].as_array().unwrap().first() {
            assert_eq!(push["attempts"][0]["status"], 200, "{push}");
            assert!(push["message"].as_str().unwrap().contains("TEMPLATESENDJOBFINISH"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no push");
}
