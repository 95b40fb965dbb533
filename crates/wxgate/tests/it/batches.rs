//! Template messages in bulk: each goes out once, whatever happens, and the result says what became of it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wxgate::limits::Limits;

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TEMPLATE, TestApp};
use crate::raw::Raw;

const SEND: &str = "/cgi-bin/message/template/send";
const BATCH: &str = "/v1/service/wx/sendwxtemplatemsg/batch";

/// So many users who follow the official account.
async fn followers(app: &TestApp, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        let openid = app.user(OFFICIAL).await;
        app.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe", "key": ""}))
            .await;
        all.push(openid);
    }
    all
}

fn line(openid: &str) -> Value {
    json!({"openid": openid, "template_id": TEMPLATE, "data": {"keyword1": {"value": "巧克力"}}})
}

fn lines<'a>(openids: impl IntoIterator<Item = &'a String>) -> String {
    openids.into_iter().map(|openid| format!("{}\n", line(openid))).collect()
}

async fn upload(
    app: &TestApp,
    query: &str,
    headers: &[(&str, &str)],
    body: impl Into<bytes::Bytes>,
) -> Reply {
    let url = format!("{}{BATCH}?source=t&appid={OFFICIAL}&{query}", app.url());
    app.http.send(Method::POST, &url, headers, body).await.unwrap()
}

async fn job(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/v1/service/wx/jobs/{id}?limit=1000"), &[]).await.ok()
}

async fn ended(app: &TestApp, id: &str) -> Value {
    for _ in 0..3000 {
        let job = job(app, id).await;
        if job["status"] != "running" {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never ends: {}", job(app, id).await);
}

fn id_of(body: &Value) -> String {
    body["job_id"].as_str().unwrap().to_owned()
}

/// Who got how many, by the sandbox's own count.
async fn receivers(app: &TestApp) -> Vec<String> {
    let state = app.state().await;
    let all = state["messages"].as_array().unwrap().iter();
    all.map(|message| message["touser"].as_str().unwrap().to_owned()).collect()
}

fn counts(job: &Value) -> [i64; 4] {
    ["total", "sent", "failed", "unknown"].map(|name| job[name].as_i64().unwrap())
}

fn codes(job: &Value, status: &str) -> Vec<(i64, i64)> {
    let of = job["results"].as_array().unwrap().iter().filter(|one| one["status"] == status);
    of.map(|one| (one["line"].as_i64().unwrap(), one["wx_errcode"].as_i64().unwrap())).collect()
}

#[tokio::test]
async fn every_line_is_checked_and_the_good_ones_are_sent() {
    let app = TestApp::start().await;
    let all = followers(&app, 3).await;
    let stranger = app.user(OFFICIAL).await;
    let mut wrong_app = line(&all[0]);
    wrong_app["appid"] = MINI.into();
    let mut own = line(&all[2]);
    own["app_id"] = OFFICIAL.into();
    let body = [
        line(&all[0]).to_string(),
        String::new(),
        "{not json".to_owned(),
        json!({"openid": all[1], "data": {}}).to_string(),
        line(&stranger).to_string(),
        wrong_app.to_string(),
        own.to_string(),
        format!("{{\"x\":\"{}\"}}", "x".repeat(65 << 10)),
        line(&all[1]).to_string(),
    ];
    let answer = upload(&app, "rate=1000", &[], body.join("\r\n")).await.ok();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(4), &json!(4)), "{answer}");
    let told: Vec<i64> =
        answer["errors"].as_array().unwrap().iter().map(|e| e["line"].as_i64().unwrap()).collect();
    assert_eq!(told, [3, 4, 6, 8]);
    assert!(answer["errors"][1]["msg"].as_str().unwrap().contains("template_id"), "{answer}");
    let done = ended(&app, &id_of(&answer)).await;
    assert_eq!((counts(&done), &done["status"]), ([4, 3, 1, 0], &json!("done")), "{done}");
    assert_eq!(codes(&done, "failed"), [(5, 43004)]);
    assert_eq!(codes(&done, "sent"), [(1, 0), (7, 0), (9, 0)]);
    let results = done["results"].as_array().unwrap();
    assert_eq!(results[0]["openid"], all[0].as_str());
    assert!(results[0]["msgid"].as_str().unwrap().parse::<u64>().is_ok(), "{done}");
    assert_eq!(receivers(&app).await.into_iter().collect::<HashSet<_>>(), all.into_iter().collect());

    // In pages.
    let page = app.get(&format!("/v1/service/wx/jobs/{}?limit=3", id_of(&answer)), &[]).await.ok();
    assert_eq!((page["results"].as_array().unwrap().len(), &page["next"]), (3, &json!("7")));
    let page = app.get(&format!("/v1/service/wx/jobs/{}?limit=3&cursor=7", id_of(&answer)), &[]).await.ok();
    assert_eq!((page["results"][0]["line"].as_i64(), &page["next"]), (Some(9), &Value::Null));
    app.get("/v1/service/wx/jobs/77", &[]).await.fails(3_584_002, false, 0);
    app.get("/v1/service/wx/jobs/x", &[]).await.fails(3_584_002, false, 0);
}

#[tokio::test]
async fn what_holds_no_good_line_or_is_too_long_is_no_job() {
    let app = TestApp::start().await;
    let ret = upload(&app, "", &[], "{}\n[]").await.fails(3_584_002, false, 0);
    assert!(ret["msg"].as_str().unwrap().contains("第 1"), "{ret}");
    upload(&app, "", &[], "").await.fails(3_584_002, false, 0);
    upload(&app, "rate=0", &[], "{}").await.fails(3_584_002, false, 0);
    upload(&app, "rate=1001", &[], "{}").await.fails(3_584_002, false, 0);
    upload(&app, "", &[("idempotency-key", &"k".repeat(129))], "{}").await.fails(3_584_002, false, 0);
    assert_eq!(
        upload(&app, "", &[], "\n".repeat((64 << 20) + 1)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(app.api("jobs").await["items"], json!([]));
}

#[tokio::test]
async fn an_upload_has_bounds_and_a_place_of_its_own() {
    let limits =
        Limits { long: 1, batch: 5000, batch_line: 300, batch_lines: 3, calls: 1, ..Limits::default() };
    let app = TestApp::limited("[auth]\nmode = \"off\"", limits).await;
    let openid = followers(&app, 1).await.remove(0);
    let line = line(&openid).to_string();
    let too_long = format!("{line}{}", " ".repeat(301 - line.len()));
    assert_eq!(upload(&app, "", &[], format!("{line}\n{too_long}\n{line}")).await.ok()["rejected"], 1);
    let refused = upload(&app, "", &[], format!("{line}\n").repeat(4)).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    refused.fails(3_584_002, false, 0);
    assert_eq!(upload(&app, "", &[], "\n".repeat(5001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // One that goes on holds the only place, and none of those that calls have.
    let mut raw = Raw::to(&app.url()).await;
    raw.send(format!(
        "POST {BATCH}?source=t&appid={OFFICIAL} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n",
        line.len()
    ))
    .await;
    raw.send(&line[..10]).await;
    let full = async || upload(&app, "", &[], "{}").await.status == StatusCode::SERVICE_UNAVAILABLE;
    app.until("the place is taken", full).await;
    upload(&app, "", &[], "{}").await.fails(3_584_015, true, 0);
    app.call("code2session", json!({"appid": MINI, "code": "demo-login"})).await.ok();
    raw.send(&line[10..]).await;
    assert_eq!(raw.answer().await.ok()["accepted"], 1);
    assert!(!full().await);
}

#[tokio::test]
async fn the_same_key_is_the_same_job_and_a_cut_upload_is_none() {
    let app = TestApp::start().await;
    let all = followers(&app, 2).await;
    let key = [("idempotency-key", "night-7")];
    // Cut before its end: with a length, and in chunks.
    for framing in ["Content-Length: 9000", "Transfer-Encoding: chunked"] {
        let mut raw = Raw::to(&app.url()).await;
        raw.send(format!(
            "POST {BATCH}?source=t&appid={OFFICIAL} HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: night-7\r\n{framing}\r\n\r\n"
        ))
        .await;
        let body = lines(&all);
        let chunk = format!("{:x}\r\n{body}\r\n", body.len());
        raw.send(if framing.starts_with('C') { body } else { chunk }).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(raw);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((app.api("jobs").await["items"].clone(), receivers(&app).await.len()), (json!([]), 0));
    let first = upload(&app, "rate=1000", &key, lines(&all)).await.ok();
    let mut again = first.clone();
    again["again"] = true.into();
    assert_eq!(upload(&app, "", &key, lines(&all)).await.ok(), again);
    ended(&app, &id_of(&first)).await;
    assert_eq!(upload(&app, "", &key, "{}").await.ok(), again);
    let other = upload(&app, "rate=1000", &[("idempotency-key", "night-8")], lines(&all)).await.ok();
    assert_ne!(id_of(&other), id_of(&first));
    ended(&app, &id_of(&other)).await;
    assert_eq!(receivers(&app).await.len(), 4);
}

#[tokio::test]
async fn a_batch_keeps_its_rate_and_can_be_stopped() {
    let app = TestApp::start().await;
    let all = followers(&app, 80).await;
    let began = Instant::now();
    let answer = upload(&app, "rate=40", &[], lines(&all)).await.ok();
    let id = id_of(&answer);
    let listed = app.api("jobs").await["items"][0].clone();
    assert_eq!((&listed["id"], &listed["kind"], &listed["rate"]), (&json!(id), &json!("send"), &json!(40)));
    app.until("some are sent", async || receivers(&app).await.len() >= 20).await;
    let took = began.elapsed();
    assert!(took > Duration::from_millis(250), "{took:?}");
    let url = format!("{}/v1/service/wx/jobs/{id}/stop", app.url());
    let stopped = app.http.send(Method::POST, &url, &[], "").await.unwrap().ok();
    assert_eq!(stopped["status"], "stopped");
    app.until("what was begun has ended", async || app.api(&format!("jobs/{id}")).await["ended_at"].is_i64())
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = receivers(&app).await.len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(sent < 60 && receivers(&app).await.len() == sent, "{sent}");
    app.until("it counts what was sent", async || job(&app, &id).await["sent"] == sent as i64).await;
    let job = app.api(&format!("jobs/{id}")).await;
    assert_eq!((&job["status"], &job["waiting"]), (&json!("stopped"), &json!(80 - sent as i64)), "{job}");
}

#[tokio::test]
async fn only_its_caller_sees_a_job_and_needs_the_right_to_its_end() {
    let callers = |apis: &str| {
        format!(
            "[[callers]]\nname = \"shop\"\nkey = \"key_shop_0123456789abcdefghij\"\napps = [\"*\"]\napis = {apis}\n\
             [[callers]]\nname = \"crm\"\nkey = \"key_crm_0123456789abcdefghijk\"\napps = [\"{EXAMPLE}\"]\napis = [\"*\"]\n"
        )
    };
    let every = "[\"/v1/service/wx/sendwxtemplatemsg/*\", \"/v1/service/wx/jobs/*\"]";
    let mut app = TestApp::configured(&callers(every)).await;
    let all = followers(&app, 40).await;
    let shop = ("x-api-key", "key_shop_0123456789abcdefghij");
    let crm = ("x-api-key", "key_crm_0123456789abcdefghijk");
    upload(&app, "", &[crm], lines(&all)).await.fails(3_584_002, false, 0);
    assert_eq!(upload(&app, "", &[], lines(&all)).await.status, StatusCode::UNAUTHORIZED);
    let id = id_of(&upload(&app, "rate=20", &[shop], lines(&all)).await.ok());
    let path = format!("/v1/service/wx/jobs/{id}");
    app.get(&path, &[crm]).await.fails(3_584_002, false, 0);
    assert_eq!(app.get(&path, &[shop]).await.ok()["total"], 40);
    app.until("some are sent", async || receivers(&app).await.len() >= 3).await;
    // Its right ends: so does the job.
    let text = app.text().replace(every, "[\"/v1/service/wx/jobs/*\"]");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    app.until("it is stopped", async || app.get(&path, &[shop]).await.ok()["status"] == "stopped").await;
    let sent = receivers(&app).await.len();
    assert!(sent < 40, "{sent}");
    assert_eq!(upload(&app, "", &[shop], lines(&all)).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_under_the_same_name() {
    let app = TestApp::start().await;
    let all = followers(&app, 6).await;
    // WeChat acts, and its answer is cut; another is busy, and one limits for a minute.
    app.faults(SEND, json!({"cut": "after", "openid": all[0]}), 2).await;
    app.faults(SEND, json!({"errcode": -1, "openid": all[1]}), 1).await;
    app.faults(SEND, json!({"errcode": 45011, "openid": all[2]}), 1).await;
    app.faults(SEND, json!({"errcode": 45009, "openid": all[3]}), 1).await;
    app.faults(SEND, json!({"errcode": 48001, "openid": all[4]}), 1).await;
    let id = id_of(&upload(&app, "rate=100", &[], lines(&all)).await.ok());
    let done = ended(&app, &id).await;
    assert_eq!(counts(&done), [6, 4, 2, 0], "{done}");
    assert_eq!(codes(&done, "failed"), [(4, 45009), (5, 48001)]);
    let mut got = receivers(&app).await;
    got.sort();
    let mut expected = vec![all[0].clone(), all[1].clone(), all[2].clone(), all[5].clone()];
    expected.sort();
    assert_eq!(got, expected, "each once");
}

#[tokio::test]
async fn after_nine_minutes_nobody_knows_and_nobody_asks() {
    let app = TestApp::start().await;
    let all = followers(&app, 2).await;
    app.fault(SEND, json!({"cut": "after", "openid": all[0]})).await;
    let id = id_of(&upload(&app, "rate=100", &[], lines(&all)).await.ok());
    app.until("it was tried", async || app.calls(SEND, None).await >= 2).await;
    // WeChat's clock goes with it.
    app.advance(Duration::from_secs(9 * 60 + 1)).await;
    let done = ended(&app, &id).await;
    assert_eq!((counts(&done), codes(&done, "unknown")), ([2, 1, 0, 1], vec![(1, 0)]), "{done}");
    let calls = app.calls(SEND, None).await;
    app.advance(Duration::from_secs(3600)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((app.calls(SEND, None).await, receivers(&app).await.len()), (calls, 2));
}

#[tokio::test]
async fn a_batch_without_a_token_waits_and_goes_on() {
    let app = TestApp::start().await;
    let all = followers(&app, 5).await;
    app.faults("/cgi-bin/stable_token", json!({"errcode": -1}), 1).await;
    let id = id_of(&upload(&app, "rate=100", &[], lines(&all)).await.ok());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receivers(&app).await.len(), 0);
    assert_eq!(job(&app, &id).await["status"], "running");
    // What failed rests by the clock.
    for _ in 0..20 {
        app.advance(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(counts(&ended(&app, &id).await), [5, 5, 0, 0]);
    assert_eq!(receivers(&app).await.len(), 5);
}

#[tokio::test]
async fn a_batch_survives_restarts_and_nobody_gets_it_twice() {
    let mut app = TestApp::start().await;
    let all = followers(&app, 120).await;
    app.fault(SEND, json!({"delay_ms": 40})).await;
    let id = id_of(&upload(&app, "rate=100", &[], lines(&all)).await.ok());
    for enough in [20, 50, 80] {
        app.until("some are sent", async || receivers(&app).await.len() >= enough).await;
        app.restart().await;
    }
    let done = ended(&app, &id).await;
    assert_eq!(counts(&done), [120, 120, 0, 0], "{done}");
    let got = receivers(&app).await;
    assert_eq!((got.len(), got.into_iter().collect::<HashSet<_>>().len()), (120, 120));
}
