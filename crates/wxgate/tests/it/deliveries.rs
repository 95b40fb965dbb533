//! What happens to a message after it was acknowledged.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::app::{EXAMPLE, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{Maker, text};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn to(target: &str, more: &str) -> TestApp {
    TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"r\"\ntarget = \"{target}\"\n{more}"
    ))
    .await
}

async fn say(app: &TestApp, content: &str) {
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
    assert_eq!(app.callback(None, &callback).await.body, "success");
}

/// The only delivery, once it has so many attempts.
async fn after_attempts(app: &TestApp, count: usize) -> Value {
    app.until(&format!("attempt {count}"), async || {
        let deliveries = app.deliveries("").await;
        let is_idle =
            |d: &Value| d["status"] != "pending" || d["attempts"].as_array().unwrap().len() == count;
        deliveries[0]["attempts"].as_array().unwrap().len() == count && is_idle(&deliveries[0])
    })
    .await;
    app.deliveries("").await.remove(0)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_when_it_is_back() {
    let port = free_port();
    let app = to(&format!("http://127.0.0.1:{port}/"), "").await;
    for n in 0..20 {
        say(&app, &format!("{n}")).await;
    }
    let tried = async || {
        let waiting = app.deliveries("status=pending").await;
        waiting.into_iter().filter(|d| !d["attempts"].as_array().unwrap().is_empty()).collect::<Vec<_>>()
    };
    // Then it is left alone.
    app.until("some were tried", async || tried().await.len() >= 7).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut before = tried().await;
    assert!(before.len() <= 15, "as many as there was room for: {}", before.len());
    let (first, count) = (before.remove(0), before.len() + 1);
    assert_eq!((&first["status"], &first["attempts"][0]["status"]), (&json!("pending"), &json!(0)));
    assert!(first["attempts"][0]["error"].as_str().unwrap().contains("refused"), "{first}");
    let backend = Backend::at(port).await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    let mut contents: Vec<String> =
        backend.got().iter().map(|got| got.message().content().into_owned()).collect();
    contents.sort();
    contents.dedup();
    assert_eq!((contents.len(), backend.count()), (20, 20));
    let again = backend.got().iter().filter(|got| got.header("x-wxgate-attempt") == "2").count();
    assert_eq!(again, count);
}

#[tokio::test]
async fn one_that_always_fails_ends_in_the_dead_letters_with_each_attempt() {
    let backend = Backend::start().await;
    backend.does(|_| says(503, "not now"));
    let app = to(&backend.url, "").await;
    say(&app, "a").await;
    let waits = [5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600_u64];
    for (index, wait) in waits.into_iter().enumerate() {
        let delivery = after_attempts(&app, index + 1).await;
        assert_eq!(delivery["status"], "pending");
        let ahead = delivery["next_at"].as_i64().unwrap() - app.now();
        let (least, most) = (wait as i64 * 8 / 10 - 1, wait as i64 * 12 / 10 + 1);
        assert!((least..=most).contains(&ahead), "step {index}: {ahead} s instead of {wait}±20 %");
        app.advance(Duration::from_secs(wait * 12 / 10 + 1)).await;
    }
    let dead = after_attempts(&app, 10).await;
    assert_eq!((&dead["status"], &dead["next_at"]), (&json!("dead"), &Value::Null));
    for attempt in dead["attempts"].as_array().unwrap() {
        assert_eq!((&attempt["status"], &attempt["error"]), (&json!(503), &json!("HTTP 503")));
        assert!(attempt["at"].as_i64().unwrap() > 0 && attempt["ms"].is_u64());
    }
    assert_eq!(app.deliveries("status=dead&route=r").await.len(), 1);
    assert_eq!(backend.count(), 10);
    let ids: std::collections::HashSet<_> =
        backend.got().iter().map(|got| got.header("x-wxgate-event-id").to_owned()).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn every_attempt_is_signed_anew() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let app = to(&backend.url, "token = \"route-token\"\n").await;
    say(&app, "a").await;
    after_attempts(&app, 1).await;
    app.advance(Duration::from_secs(7)).await;
    after_attempts(&app, 2).await;
    let got = backend.got();
    let parameter = |query: &str, name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    for got in &got {
        let [signature, at, nonce] =
            ["signature", "timestamp", "nonce"].map(|name| parameter(&got.query, name));
        assert_eq!(signature, wechat::crypt::signature(&["route-token", &at, &nonce]));
        assert_eq!(parameter(&got.query, "openid"), "o1");
        assert_eq!(got.body, text("gh_0000000000c3", "a"), "to the letter");
    }
    assert_ne!(parameter(&got[0].query, "nonce"), parameter(&got[1].query, "nonce"));
    assert_ne!(parameter(&got[0].query, "timestamp"), parameter(&got[1].query, "timestamp"));
}

#[tokio::test]
async fn retry_after_gone_and_redirects() {
    let backend = Backend::start().await;
    let elsewhere = Backend::start().await;
    let app = to(&backend.url, "retry = [\"100s\", \"100s\"]\n").await;
    // Honoured between the schedule and twice it.
    for (asked, least, most) in [("150", 149, 151), ("1", 99, 101), ("9999", 199, 201), ("garbage", 79, 121)]
    {
        backend.does(move |_| says(429, "").header("retry-after", asked));
        say(&app, asked).await;
        let delivery = after_attempts(&app, 1).await;
        let ahead = delivery["next_at"].as_i64().unwrap() - app.now();
        assert!((least..=most).contains(&ahead), "{asked}: {ahead}");
    }
    backend.does(|_| says(410, "gone"));
    say(&app, "gone").await;
    let gone = after_attempts(&app, 1).await;
    assert_eq!((&gone["status"], &gone["attempts"][0]["status"]), (&json!("dead"), &json!(410)));
    // One that arrives, so that the backend isn't left alone.
    backend.does(|_| says(200, ""));
    say(&app, "works").await;
    after_attempts(&app, 1).await;
    let target = elsewhere.url.clone();
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        backend.does(move |_| says(status, "").header("location", target.clone()));
        say(&app, &format!("{status}")).await;
        let moved = after_attempts(&app, 1).await;
        assert_eq!((&moved["status"], &moved["attempts"][0]["status"]), (&json!("pending"), &json!(status)));
    }
    assert_eq!(elsewhere.count(), 0, "no redirect is followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_dripping_and_silent_answers_hold_nothing_up() {
    let backend = Backend::start().await;
    let app = to(&backend.url, "timeout = \"1s\"\nconcurrency = 2\nretry = []\n").await;
    let begins = Instant::now();
    backend.does(|got| match &*got.message().content() {
        "endless" => says(200, "x").drips(Duration::ZERO),
        "dripping" => says(200, "x").drips(Duration::from_millis(200)),
        "failing" => says(500, "x").drips(Duration::ZERO),
        _ => says(200, "").after(Duration::from_secs(60)),
    });
    for content in ["endless", "dripping", "failing", "silent"] {
        say(&app, content).await;
    }
    app.all_delivered().await;
    assert!(begins.elapsed() < Duration::from_secs(5));
    let deliveries = app.deliveries("").await;
    let statuses: Vec<&str> = deliveries.iter().map(|d| d["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["dead", "dead", "delivered", "delivered"], "a 2xx is a 2xx, whatever follows");
    let silent = &deliveries[0]["attempts"][0];
    assert_eq!((&silent["status"], &silent["error"]), (&json!(0), &json!("no answer within 1s")));
}

#[tokio::test]
async fn what_a_backend_answered_is_kept_of_attempts_that_failed() {
    let backend = Backend::start().await;
    let long = format!("数据库连不上 {}", "x".repeat(5000));
    backend.does(move |got| match got.header("x-wxgate-attempt") {
        "1" => says(502, long.clone()).header("x-trace", "abc").header("set-cookie", "theirs=1"),
        _ => says(200, "success"),
    });
    let app = to(&backend.url, "retry = [\"5s\"]").await;
    say(&app, "hello").await;
    after_attempts(&app, 1).await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    let delivery = app.deliveries("").await.remove(0);
    let answer = delivery["attempts"][0]["answer"].as_str().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\n") && answer.contains("x-trace: abc\n"),
        "{answer}"
    );
    assert!(answer.contains("\n\n数据库连不上 xxx") && answer.len() < 2100, "{}", answer.len());
    assert!(!answer.contains("theirs"), "{answer}");
    assert!(delivery["attempts"][1]["answer"].is_null(), "{delivery}");
    let event = app.events().await[0]["id"].clone();
    let whole = app.api(&format!("events/{event}")).await;
    assert_eq!(whole["deliveries"][0]["attempts"][0]["answer"], delivery["attempts"][0]["answer"]);
}

#[tokio::test]
async fn a_dead_backend_delays_no_other() {
    let dead = Backend::start().await;
    let alive = Backend::start().await;
    dead.does(|_| says(200, "").after(Duration::from_secs(60)));
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"dead\"\ntarget = \"{}\"\n[[routes]]\nname = \"alive\"\ntarget = \"{}\"",
        dead.url, alive.url
    ))
    .await;
    for n in 0..60 {
        say(&app, &format!("{n}")).await;
    }
    app.until("the living one has them all", async || alive.count() == 60).await;
    assert_eq!(dead.count(), 8, "no more than `concurrency` at once");
}

#[tokio::test]
async fn stop_ends_the_list_and_order_decides() {
    let backend = Backend::start().await;
    let route = |name: &str, more: &str| {
        format!("[[routes]]\nname = \"{name}\"\ntarget = \"{}/{name}\"\n{more}\n", backend.url)
    };
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n{}{}{}{}",
        route("all", ""),
        route("texts", "events = [\"message:text\"]\nstop = true"),
        route("o1", "openids = [\"o1\"]"),
        route("rest", "openids = [\"!o1\"]"),
    ))
    .await;
    say(&app, "a").await;
    let event = "<xml><ToUserName>gh_0000000000c3</ToUserName><FromUserName>o2</FromUserName>\
        <CreateTime>1</CreateTime><MsgType>event</MsgType><Event>CLICK</Event><EventKey>k</EventKey></xml>";
    app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(event)).await;
    app.all_delivered().await;
    let mut paths: Vec<String> =
        backend.got().iter().map(|got| format!("{} {}", got.path, got.message().msg_type())).collect();
    paths.sort();
    assert_eq!(paths, ["/all event", "/all text", "/rest event", "/texts text"]);
}

#[tokio::test]
async fn what_waits_survives_a_restart_and_goes_by_the_present_settings() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let mut app = to(&format!("{}/old", backend.url), "").await;
    say(&app, "a").await;
    after_attempts(&app, 1).await;
    let moved = app.text().replace("/old", "/new");
    app.restart_with(&moved).await;
    backend.does(|_| says(200, ""));
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    assert_eq!(backend.got().iter().map(|got| got.path.clone()).collect::<Vec<_>>(), ["/old", "/new"]);
}

#[tokio::test]
async fn a_removed_route_makes_dead_letters() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, ""));
    let mut app = to(&backend.url, "").await;
    say(&app, "a").await;
    after_attempts(&app, 1).await;
    let text = app.text().replace("name = \"r\"", "name = \"other\"");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    let dead = after_attempts(&app, 2).await;
    assert_eq!((&dead["status"], &dead["route"]), (&json!("dead"), &json!("r")));
    assert_eq!(dead["attempts"][1]["error"], "the route was removed");
    // A new route needs no restart.
    backend.does(|_| says(200, ""));
    say(&app, "b").await;
    app.all_delivered().await;
    assert_eq!(app.deliveries("route=other&status=delivered").await.len(), 1);
}

#[tokio::test]
async fn messages_are_forgotten_after_their_time_and_dead_letters_after_theirs() {
    let backend = Backend::start().await;
    backend.does(|got| if got.message().content() == "dies" { says(410, "") } else { says(200, "") });
    let app = to(&backend.url, "[retention]\nevents = \"2d\"\ndead_letters = \"5d\"\n").await;
    say(&app, "dies").await;
    say(&app, "arrives").await;
    app.all_delivered().await;
    let days = async |count: u64| {
        app.advance(Duration::from_secs(count * 86_400 + 120)).await;
    };
    days(1).await;
    assert_eq!(app.events().await.len(), 2);
    days(1).await;
    let left = async || {
        app.advance(Duration::from_secs(61)).await;
        app.events().await.len()
    };
    app.until("the delivered one is gone", async || left().await == 1).await;
    assert_eq!(app.deliveries("status=dead").await.len(), 1);
    days(3).await;
    app.until("the dead one, too", async || left().await == 0).await;
    assert!(app.deliveries("").await.is_empty());
}

#[tokio::test]
async fn json_deliveries_are_standard_webhooks() {
    let backend = Backend::start().await;
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let app = to(
        &backend.url,
        &format!("format = \"json\"\nsecret = \"{SECRET}\"\nprevious_secret = \"{other}\"\n"),
    )
    .await;
    backend.does(|got| if got.header("x-wxgate-attempt") == "1" { says(500, "") } else { says(200, "") });
    say(&app, "你好").await;
    after_attempts(&app, 1).await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    let got = backend.got();
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"), "the same on every attempt");
    assert_ne!(got[0].header("webhook-timestamp"), got[1].header("webhook-timestamp"));
    for got in got {
        let signed = format!(
            "{}.{}.{}",
            got.header("webhook-id"),
            got.header("webhook-timestamp"),
            std::str::from_utf8(&got.body).unwrap()
        );
        let expected = [SECRET, other].map(|secret| hmac_base64(secret, &signed)).join(" ");
        assert_eq!(got.header("webhook-signature"), expected);
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(
            (&body["type"], &body["timestamp"]),
            (&json!("wechat.message.text"), &json!("2014-09-03T09:14:28Z"))
        );
        let data = &body["data"];
        assert_eq!(data["msg_id"], "6054768590064713728", "64 bits, as a string");
        assert_eq!(
            (&data["content"], &data["appid"], &data["openid"]),
            (&json!("你好"), &json!(EXAMPLE), &json!("o1"))
        );
        assert_eq!((&data["event"], &data["create_time"]), (&json!(""), &json!(1_409_735_668)));
        assert_eq!(data["message"]["MsgId"], "6054768590064713728");
    }
}

fn hmac_base64(secret: &str, text: &str) -> String {
    use base64::Engine as _;
    use hmac::Mac as _;
    let key = base64::prelude::BASE64_STANDARD.decode(&secret[6..]).unwrap();
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    format!("v1,{}", base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn no_target_may_be_wxgate_itself_or_a_metadata_service() {
    let mut app = to("http://127.0.0.1:1/", "retry = []\n").await;
    let own = [app.url(), app.admin_url()];
    let ports: Vec<String> = own.iter().map(|url| url.rsplit(':').next().unwrap().to_owned()).collect();
    let mut targets: Vec<String> = own.to_vec();
    targets.push(format!("http://localhost:{}", ports[0]));
    targets.push(format!("http://[::ffff:127.0.0.1]:{}/", ports[1]));
    for target in targets {
        let text = app.text().replace("http://127.0.0.1:1/", &target);
        let config = app.config(&text).unwrap();
        app.gateway().reload(config).unwrap();
        say(&app, &target).await;
        let delivery = after_attempts(&app, 1).await;
        let error = delivery["attempts"][0]["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("egress: ") && error.contains("wxgate itself"), "{target}: {error}");
    }
    let calls = app.state().await["calls"].as_array().unwrap().len();
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn a_stop_lets_deliveries_finish_and_loses_none() {
    let backend = Backend::start().await;
    backend.does(|_| says(200, "").after(Duration::from_millis(500)));
    let mut app = to(&backend.url, "").await;
    for n in 0..30 {
        say(&app, &format!("{n}")).await;
    }
    app.until("some are on their way", async || backend.count() > 0).await;
    app.restart().await;
    backend.does(|_| says(200, ""));
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (30, 30), "each once: what ran was finished");
}

#[tokio::test]
async fn secrets_of_routes_show_nowhere() {
    let app = to(
        "http://127.0.0.1:1/?token=planted-in-a-url",
        &format!("format = \"json\"\nsecret = \"{SECRET}\"\n"),
    )
    .await;
    say(&app, "a").await;
    let delivery = after_attempts(&app, 1).await.to_string();
    assert!(!delivery.contains("planted") && !delivery.contains("whsec_"), "{delivery}");
    let debug = format!("{:?}", app.config(app.text()).unwrap());
    assert!(
        !debug.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") && !debug.contains("sandboxtoken"),
        "{debug}"
    );
    let url = format!("{}/api/v1/events", app.admin_url());
    let reply = app.http.send(Method::GET, &url, &[], "").await.unwrap();
    assert_eq!(reply.status.as_u16(), 401);
}

#[tokio::test]
async fn a_reload_of_concurrency_loses_no_wake_up() {
    let backend = Backend::start().await;
    backend.does(|got| {
        if got.header("x-wxgate-attempt") == "1" {
            says(500, "").after(Duration::from_millis(300))
        } else {
            says(200, "")
        }
    });
    let mut app = to(&backend.url, "retry = [\"1s\"]\n").await;
    say(&app, "a").await;
    app.until("it is under way", async || backend.count() == 1).await;
    let text = app.text().replace("retry =", "concurrency = 9\nretry =");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    after_attempts(&app, 1).await;
    app.advance(Duration::from_secs(2)).await;
    app.all_delivered().await;
    assert_eq!(backend.count(), 2);
}

#[tokio::test]
async fn what_waits_for_room_goes_by_the_settings_when_there_is_some() {
    let backend = Backend::start().await;
    backend.does(|got| says(200, "").after(Duration::from_millis(if got.path == "/old" { 700 } else { 0 })));
    let mut app = to(&format!("{}/old", backend.url), "concurrency = 1\n").await;
    say(&app, "a").await;
    // From before the backend has it until the backend answers, the worker waits for room.
    app.until("it is under way", async || backend.count() == 1).await;
    say(&app, "b").await;
    let text = app.text().replace("/old", "/new");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    app.all_delivered().await;
    assert_eq!(backend.got().iter().map(|got| got.path.clone()).collect::<Vec<_>>(), ["/old", "/new"]);
}
