//! Scripted faults.

use crate::rig::{MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SEND: &str = "/cgi-bin/message/template/send";

struct Scene {
    rig: Rig,
    path: String,
    body: Value,
}

impl Scene {
    async fn set() -> Self {
        let rig = Rig::start().await;
        let openid = rig.follower(OFFICIAL).await;
        let (token, _) = rig.stable(OFFICIAL, false).await;
        Self {
            path: format!("{SEND}?access_token={token}"),
            body: json!({"touser": openid, "template_id": TEMPLATE, "data": {}}),
            rig,
        }
    }

    async fn fault(&self, mut fault: Value) {
        fault["path"] = SEND.into();
        self.rig.control("fault", fault).await;
    }

    async fn send(&self) -> Result<crate::rig::Reply, String> {
        self.rig.send(Method::POST, &self.path, &[], self.body.to_string()).await
    }

    /// Messages sent, and the last call's status and errcode.
    async fn outcome(&self) -> (usize, Value, Value) {
        let state = self.rig.state().await;
        let call = state["calls"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&call["appid"], &call["path"]), (&json!(OFFICIAL), &json!(SEND)));
        (state["messages"].as_array().unwrap().len(), call["status"].clone(), call["errcode"].clone())
    }
}

#[tokio::test]
async fn codes_statuses_and_bodies_keep_the_call_from_happening() {
    let scene = Scene::set().await;
    scene.fault(json!({"errcode": 45011, "times": 2})).await;
    for _ in 0..2 {
        let reply = scene.send().await.unwrap();
        assert_eq!(refused(&reply), 45011);
        assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("api minute-quota reach limit"));
    }
    assert_eq!(scene.outcome().await, (0, json!(200), json!(45011)));

    scene.fault(json!({"status": 502, "times": 1})).await;
    let reply = scene.send().await.unwrap();
    assert_eq!((reply.status, reply.header("content-type")), (502, "text/html; charset=utf-8"));
    assert_eq!(scene.outcome().await, (0, json!(502), json!(-1)));

    scene.fault(json!({"body": "<html>", "content_type": "text/html", "times": 1})).await;
    let reply = scene.send().await.unwrap();
    assert_eq!(
        (reply.status, &reply.body[..], reply.header("content-type")),
        (200, &b"<html>"[..], "text/html")
    );

    assert_eq!(errcode(&scene.send().await.unwrap()), 0, "used up");
    assert_eq!(scene.outcome().await, (1, json!(200), json!(0)));
}

#[tokio::test]
async fn three_ways_to_cut_a_connection() {
    let scene = Scene::set().await;
    scene.fault(json!({"cut": "before", "times": 1})).await;
    scene.send().await.unwrap_err();
    assert_eq!(scene.outcome().await, (0, json!(0), json!(-1)), "it never happened");
    scene.fault(json!({"cut": "after", "times": 1})).await;
    scene.send().await.unwrap_err();
    assert_eq!(scene.outcome().await, (1, json!(0), json!(0)), "it did");
    scene.fault(json!({"cut": "half", "times": 1})).await;
    scene.send().await.unwrap_err();
    assert_eq!(scene.outcome().await, (2, json!(200), json!(0)), "and half the answer came");
    scene.send().await.unwrap();
}

#[tokio::test]
async fn half_an_answer_is_half_of_the_announced_length() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let scene = Scene::set().await;
    scene.fault(json!({"body": "0123456789", "cut": "half"})).await;
    let mut stream = tokio::net::TcpStream::connect(scene.rig.sandbox.addr()).await.unwrap();
    let request = format!("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}", scene.path);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Reset or closed: the connection ends either way.
    let _ended = stream.read_to_string(&mut answer).await;
    assert!(answer.to_lowercase().contains("content-length: 10\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n01234"), "{answer}");
}

#[tokio::test]
async fn members_combine_and_zero_lasts_until_reset() {
    let scene = Scene::set().await;
    scene.fault(json!({"errcode": -1, "delay_ms": 150, "times": 0})).await;
    for _ in 0..2 {
        let begin = Instant::now();
        assert_eq!(refused(&scene.send().await.unwrap()), -1);
        assert!(begin.elapsed() >= Duration::from_millis(150));
    }
    let (other, _) = scene.rig.stable(MINI, false).await;
    assert_eq!(scene.rig.verdict(&other).await, 0, "other paths are well");
    scene.rig.control("reset", json!({})).await;
    assert_eq!(refused(&scene.send().await.unwrap()), 40001, "the token is forgotten, too");
    assert_eq!(scene.rig.state().await["calls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn accounts_and_users_choose_what_is_hit() {
    let rig = Rig::start().await;
    let (first, second) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    rig.control(
        "fault",
        json!({"path": "/cgi-bin/get_api_domain_ip", "appid": MINI, "errcode": 48001, "times": 0}),
    )
    .await;
    rig.control(
        "fault",
        json!({"path": SEND, "openid": second, "errcode": 43101, "errmsg": "no thanks", "times": 0}),
    )
    .await;
    for (appid, code) in [(OFFICIAL, 0), (MINI, 48001), (OFFICIAL, 0)] {
        let (token, _) = rig.stable(appid, false).await;
        assert_eq!(rig.verdict(&token).await, code);
    }
    let send = async |openid: &str| {
        let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
        rig.call(OFFICIAL, SEND, message).await
    };
    assert_eq!(errcode(&send(&first).await), 0);
    let reply = send(&second).await;
    assert_eq!(refused(&reply), 43101);
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("no thanks rid: "));
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let info = format!("/cgi-bin/user/info?access_token={token}&openid=");
    rig.control(
        "fault",
        json!({"path": "/cgi-bin/user/info", "openid": second, "errcode": 40003, "times": 0}),
    )
    .await;
    assert_eq!(errcode(&rig.get(&format!("{info}{first}")).await), 0);
    assert_eq!(refused(&rig.get(&format!("{info}{second}")).await), 40003);
}

#[tokio::test]
async fn words_are_the_scripts_or_the_catalogues_never_another_codes() {
    let rig = Rig::start().await;
    for (fault, words) in [
        (json!({"errcode": 99998}), "errcode 99998 rid: "),
        (json!({"errcode": 99998, "errmsg": "blue moon"}), "blue moon rid: "),
        (json!({"errcode": 45011, "errmsg": "slower"}), "slower rid: "),
        (
            json!({"errcode": 47003, "errmsg": "argument invalid! rid: 61b9947b-4eeffea7-4f08b7a6"}),
            "argument invalid! rid: 61b9947b-4eeffea7-4f08b7a6",
        ),
        (json!({"errcode": 43101}), "user refuse to accept the msg rid: "),
    ] {
        let mut posted = fault.clone();
        posted["path"] = "/x".into();
        rig.control("fault", posted).await;
        let text = rig.get("/x").await.json()["errmsg"].as_str().unwrap().to_owned();
        assert!(text.starts_with(words) && text.matches("rid:").count() == 1, "{fault}: {text}");
    }
}

#[tokio::test]
async fn chance_hits_some_calls() {
    let rig = Rig::start().await;
    rig.control("fault", json!({"path": "/x", "probability": 0.5, "errcode": -1, "times": 0})).await;
    let mut hit = 0;
    for _ in 0..200 {
        hit += usize::from(errcode(&rig.get("/x").await) == -1);
    }
    assert!((50..150).contains(&hit), "{hit} of 200");
}

#[tokio::test]
async fn faults_are_listed_and_taken_back() {
    let rig = Rig::start().await;
    let first = rig.control("fault", json!({"path": "/x", "errcode": 40001, "times": 3})).await["id"].clone();
    let second = rig.control("fault", json!({"path": "/x", "status": 500, "cut": "half", "times": 0})).await
        ["id"]
        .clone();
    assert_ne!(first, second);
    rig.get("/x").await;
    assert_eq!(
        rig.get("/sandbox/faults").await.json(),
        json!({"faults": [
            {"id": first, "path": "/x", "errcode": 40001, "times": 2},
            {"id": second, "path": "/x", "status": 500, "cut": "half", "times": 0},
        ]})
    );
    let remove = async |id: &Value| {
        rig.send(Method::DELETE, &format!("/sandbox/faults/{id}"), &[], "").await.unwrap().status
    };
    assert_eq!([remove(&first).await, remove(&first).await, remove(&second).await], [200, 400, 200]);
    assert_eq!(refused(&rig.get("/x").await), 40066, "nothing is left");
    assert_eq!(rig.get("/sandbox/faults").await.json(), json!({"faults": []}));
}

#[tokio::test]
async fn calls_are_counted_in_order() {
    let rig = Rig::start().await;
    rig.classic(OFFICIAL).await;
    rig.get("/cgi-bin/nothing").await;
    rig.get("/sns/jscode2session?appid=wx1").await;
    let calls = rig.state().await["calls"].clone();
    assert_eq!(
        calls,
        json!([
            {"seq": 1, "appid": OFFICIAL, "path": "/cgi-bin/token", "status": 200, "errcode": 0},
            {"seq": 2, "appid": "", "path": "/cgi-bin/nothing", "status": 200, "errcode": 40066},
            {"seq": 3, "appid": "wx1", "path": "/sns/jscode2session", "status": 200, "errcode": 41004},
        ])
    );
}
