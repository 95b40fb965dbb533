//! Scan to log in: who scanned a code, told to the caller that made it and to nobody else.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use wxgate::limits::Limits;

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TestApp};
use crate::database;
use crate::signed::Maker;

const SHOP: &str = "key_shop_012345678901234567";
const CRM: &str = "key_crm_0123456789012345678";
const CALLERS: &str = "\
    [[callers]]\nname = \"shop\"\nkey = \"key_shop_012345678901234567\"\napps = [\"*\"]\napis = [\"*\"]\nconcurrency = 1\n\
    [[callers]]\nname = \"crm\"\nkey = \"key_crm_0123456789012345678\"\napps = [\"*\"]\napis = [\"*\"]\n";

async fn made(app: &TestApp, more: Value) -> Value {
    made_by(app, "", more).await
}

async fn made_by(app: &TestApp, key: &str, mut more: Value) -> Value {
    more["appid"] = EXAMPLE.into();
    app.call_with("getwxqrcode", &headers(key), more).await.ok()
}

fn headers(key: &str) -> Vec<(&'static str, &str)> {
    if key.is_empty() { Vec::new() } else { vec![("x-api-key", key)] }
}

async fn result(app: &TestApp, of: Value) -> Value {
    app.call("getscanresult", of).await.ok()
}

async fn asked(app: &TestApp, key: &str, of: Value) -> Reply {
    app.call_with("getscanresult", &headers(key), of).await
}

/// A user of the sandbox scans a code, and the push is over.
async fn scans(app: &TestApp, code: &Value, openid: &str) {
    let said = app.control("scan", json!({"ticket": code["ticket"], "openid": openid})).await;
    assert_eq!(said["pushes"][0]["attempts"][0]["status"], 200, "{said}");
}

/// WeChat says at `at` that `openid` scanned a code; `more` stands at the end of the message.
async fn pushed(app: &TestApp, ticket: &Value, openid: &str, at: i64, more: &str) {
    let ticket = ticket.as_str().unwrap();
    let message = format!(
        "<xml><ToUserName>gh_0000000000c3</ToUserName><FromUserName>{openid}</FromUserName><CreateTime>{at}</CreateTime>\
         <MsgType>event</MsgType><Event>SCAN</Event><EventKey>s</EventKey><Ticket>{ticket}</Ticket>{more}</xml>"
    );
    let reply = app.callback(Some(EXAMPLE), &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"success"[..]));
}

#[tokio::test]
async fn a_login_is_two_calls_and_one_scan_and_nobody_takes_it_over() {
    let app = TestApp::start().await;
    app.subscribe(EXAMPLE, "plain", "xml").await;
    let (ann, bob) = (app.user(EXAMPLE).await, app.user(EXAMPLE).await);
    let code = made(&app, json!({"scene": "login_42", "flow_id": "f1"})).await;
    let waiting =
        json!({"status": "waiting", "openid": "", "event": "", "scene": "login_42", "scanned_at": 0});
    assert_eq!(result(&app, json!({"ticket": code["ticket"]})).await, waiting);
    assert_eq!(result(&app, json!({"flow_id": "f1"})).await, waiting);
    let began = Instant::now();
    let scanned = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        scans(&app, &code, &ann).await;
    };
    let poll = result(&app, json!({"ticket": code["ticket"], "wait_seconds": 50}));
    let (told, ()) = tokio::join!(poll, scanned);
    assert!(began.elapsed() < Duration::from_secs(10), "it is told at once: {:?}", began.elapsed());
    assert_eq!(
        (&told["status"], &told["openid"], &told["event"], &told["scene"]),
        (&json!("scanned"), &json!(ann), &json!("subscribe"), &json!("login_42"))
    );
    let at = told["scanned_at"].as_i64().unwrap();
    assert!((at - app.now()).abs() < 60, "{at}");
    // Whoever else scans it, and Ann once more.
    for openid in [&bob, &ann] {
        scans(&app, &code, openid).await;
        assert_eq!(result(&app, json!({"ticket": code["ticket"], "wait_seconds": 50})).await, told);
    }
    // A follower's event has another name.
    let other = made(&app, json!({"scene": "login_43", "flow_id": "f1"})).await;
    scans(&app, &other, &ann).await;
    let told = result(&app, json!({"flow_id": "f1", "appid": EXAMPLE})).await;
    assert_eq!(
        (&told["openid"], &told["event"], &told["scene"]),
        (&json!(ann), &json!("SCAN"), &json!("login_43")),
        "the newest of them"
    );
}

#[tokio::test]
async fn a_permanent_code_tells_the_latest_scan() {
    let mut app = TestApp::start().await;
    let code = made(&app, json!({"scene": "desk", "permanent": true})).await;
    let of = || json!({"ticket": code["ticket"]});
    assert_eq!(result(&app, of()).await["status"], "waiting");
    let now = app.now();
    pushed(&app, &code["ticket"], "oAnn", now, "").await;
    pushed(&app, &code["ticket"], "oBob", now + 2, "").await;
    // WeChat tried to tell this one before.
    pushed(&app, &code["ticket"], "oEve", now + 1, "").await;
    // Made once more, it is the same.
    assert_eq!(made(&app, json!({"scene": "desk", "permanent": true})).await["ticket"], code["ticket"]);
    app.advance(Duration::from_secs(90 * 86_400)).await;
    app.restart().await;
    let told = result(&app, of()).await;
    assert_eq!((&told["openid"], &told["scanned_at"]), (&json!("oBob"), &json!(now + 2)));
}

#[tokio::test]
async fn the_first_of_scans_that_come_at_once_counts() {
    let app = TestApp::start().await;
    for n in 0..4 {
        let code = made(&app, json!({"scene": format!("s{n}")})).await;
        let openids: Vec<String> = (0..20).map(|n| format!("o{n}")).collect();
        let all = openids.iter().map(|openid| pushed(&app, &code["ticket"], openid, app.now(), ""));
        futures_util::future::join_all(all).await;
        let events = app.api("events?limit=500").await;
        let events = events["items"].as_array().unwrap();
        // In the order of commits, and newest first.
        let first = events[..20].iter().min_by_key(|event| event["id"].as_i64()).unwrap();
        assert_eq!(result(&app, json!({"ticket": code["ticket"]})).await["openid"], first["openid"]);
    }
}

#[tokio::test]
async fn a_code_that_ended_stays_so_and_is_forgotten_later() {
    let mut app = TestApp::start().await;
    let code = made(&app, json!({"expire_seconds": 60})).await;
    let of = || json!({"ticket": code["ticket"], "wait_seconds": 50});
    app.advance(Duration::from_millis(61_500)).await;
    let told = result(&app, of()).await;
    assert_eq!((&told["status"], &told["scene"]), (&json!("expired"), &code["scene"]));
    pushed(&app, &code["ticket"], "oLate", app.now(), "").await;
    assert_eq!(result(&app, of()).await["status"], "expired");
    app.advance(Duration::from_secs(7 * 86_400 + 3600)).await;
    app.restart().await;
    app.until("it is forgotten", async || {
        let reply = app.call("getscanresult", of()).await;
        if reply.json()["ret"]["code"] == 0 {
            app.advance(Duration::from_secs(3600)).await;
            return false;
        }
        reply.fails(3_584_002, false, 0);
        true
    })
    .await;
}

#[tokio::test]
async fn what_may_not_be_wechats_own_words_logs_nobody_in() {
    let app = TestApp::start().await;
    let code = made(&app, json!({"scene": "s"})).await;
    let status = async || result(&app, json!({"ticket": code["ticket"]})).await["status"].clone();
    // A user's text may have left its field.
    pushed(&app, &code["ticket"], "oEve", app.now(), "<Ticket>other</Ticket>").await;
    pushed(&app, &code["ticket"], "oEve", app.now(), "<FromUserName>oEve</FromUserName>").await;
    // What isn't quite XML.
    pushed(&app, &code["ticket"], "oEve", app.now(), "<a").await;
    // A text that names a ticket.
    let ticket = code["ticket"].as_str().unwrap();
    let text =
        crate::signed::text("gh_0000000000c3", &format!("]]></Content><Ticket>{ticket}</Ticket><Event>SCAN"));
    app.callback(Some(EXAMPLE), &Maker::new(EXAMPLE, app.now()).plain(&text)).await;
    // Another account's scan of it.
    let message = format!(
        "<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>oEve</FromUserName><CreateTime>1409735668</CreateTime>\
         <MsgType>event</MsgType><Event>SCAN</Event><EventKey>s</EventKey><Ticket>{ticket}</Ticket></xml>"
    );
    let reply = app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(&message)).await;
    assert_eq!(&reply.body[..], b"success");
    assert_eq!(status().await, "waiting");
    assert_eq!(app.events().await.len(), 5, "all of them are kept");
    pushed(&app, &code["ticket"], "oAnn", app.now(), "").await;
    assert_eq!(status().await, "scanned");
}

#[tokio::test]
async fn only_the_caller_that_made_a_code_may_ask() {
    let mut app = TestApp::configured(CALLERS).await;
    let code = made_by(&app, SHOP, json!({"flow_id": "f1"})).await;
    let of = || json!({"ticket": code["ticket"]});
    assert_eq!(asked(&app, SHOP, of()).await.ok()["status"], "waiting");
    let others = asked(&app, CRM, of()).await.fails(3_584_002, false, 0);
    let nobodys = asked(&app, CRM, json!({"ticket": "gQH47joAAAAAAAAAASxodHRwOi8"})).await;
    assert_eq!(others["msg"], nobodys.fails(3_584_002, false, 0)["msg"], "whether it exists isn't told");
    asked(&app, CRM, json!({"flow_id": "f1"})).await.fails(3_584_002, false, 0);
    for wrong in [
        json!({}),
        json!({"ticket": "", "flow_id": null}),
        json!({"ticket": code["ticket"], "appid": OFFICIAL}),
        json!({"ticket": code["ticket"], "appid": MINI}),
        json!({"ticket": code["ticket"], "wait_seconds": 51}),
        json!({"ticket": code["ticket"], "wait_seconds": "soon"}),
    ] {
        asked(&app, SHOP, wrong).await.fails(3_584_002, false, 0);
    }
    // The same permanent code is the first caller's.
    let desk = made_by(&app, SHOP, json!({"scene": "desk", "permanent": true})).await;
    let again = made_by(&app, CRM, json!({"scene": "desk", "permanent": true})).await;
    assert_eq!((&desk["ticket"], desk.get("message")), (&again["ticket"], None));
    assert!(again["message"].as_str().unwrap().contains("getscanresult"), "{again}");
    assert_eq!(asked(&app, SHOP, json!({"ticket": desk["ticket"]})).await.ok()["status"], "waiting");
    asked(&app, CRM, json!({"ticket": desk["ticket"]})).await.fails(3_584_002, false, 0);
    // Nor may one that may use the account no more.
    let text = app.text().replacen("apps = [\"*\"]", &format!("apps = [\"{OFFICIAL}\"]"), 1);
    app.restart_with(&text).await;
    let reply = asked(&app, SHOP, of()).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, 3_584_011));
}

#[tokio::test]
async fn long_polls_end_in_time_and_count_beside_all_else() {
    let app = TestApp::limited(CALLERS, Limits { long: 2, ..Limits::default() }).await;
    let code = made_by(&app, SHOP, json!({})).await;
    let poll = async |seconds: u32| {
        asked(&app, SHOP, json!({"ticket": code["ticket"], "wait_seconds": seconds})).await
    };
    let began = Instant::now();
    // Two of a caller whose `concurrency` is 1, and a call of its own beside them.
    let beside = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        made_by(&app, SHOP, json!({})).await;
        let third = poll(1).await;
        assert_eq!(third.status, StatusCode::SERVICE_UNAVAILABLE);
        third.fails(3_584_015, true, 0);
    };
    let (one, other, ()) = tokio::join!(poll(1), poll(1), beside);
    assert_eq!(
        (one.ok()["status"].clone(), other.ok()["status"].clone()),
        (json!("waiting"), json!("waiting"))
    );
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(5));
    // One whose client hung up holds no place.
    for _ in 0..2 {
        let hung_up = tokio::time::timeout(Duration::from_millis(200), async {
            let url = format!("{}/v1/service/wx/getscanresult", app.url());
            let body = json!({"source": "test", "ticket": code["ticket"], "wait_seconds": 50});
            let http = crate::app::Http::new();
            http.send(Method::POST, &url, &headers(SHOP), body.to_string()).await
        });
        assert!(hung_up.await.is_err());
    }
    app.until("their places are free", async || poll(0).await.status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_stop_ends_a_long_poll() {
    let mut app = TestApp::start().await;
    let code = made(&app, json!({})).await;
    let (url, http) = (format!("{}/v1/service/wx/getscanresult", app.url()), crate::app::Http::new());
    let body = json!({"source": "test", "ticket": code["ticket"], "wait_seconds": 50}).to_string();
    let poll = tokio::spawn(async move { http.send(Method::POST, &url, &[], body).await.unwrap() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    app.stop().await;
    assert_eq!(poll.await.unwrap().ok()["status"], "waiting");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_store_that_fails_keeps_nobody_from_the_code() {
    let app = TestApp::start().await;
    app.qr_code(EXAMPLE).await.ok();
    database::take_away(&app).await;
    // It is looked at once a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let code = made(&app, json!({"scene": "s"})).await;
    assert!(!code["ticket"].as_str().unwrap().is_empty());
    assert!(code["message"].as_str().unwrap().contains("getscanresult"), "{code}");
}

#[tokio::test]
async fn a_scan_that_came_to_another_node_is_told_too() {
    if database::server().is_none() {
        return;
    }
    let app = TestApp::start().await;
    let other = app.beside(app.text()).await;
    let code = made(&app, json!({})).await;
    let url = format!("{}/v1/service/wx/getscanresult", other.url());
    let body = json!({"source": "test", "ticket": code["ticket"], "wait_seconds": 50}).to_string();
    let began = Instant::now();
    let scan = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        pushed(&app, &code["ticket"], "oAnn", app.now(), "").await;
    };
    let (told, ()) = tokio::join!(app.http.send(Method::POST, &url, &[], body), scan);
    assert_eq!(told.unwrap().ok()["openid"], "oAnn");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    other.stop().await;
}
