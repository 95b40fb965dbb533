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
