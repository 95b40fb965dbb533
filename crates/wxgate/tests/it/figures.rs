//! What is counted: `/metrics`, and the figures that the admin API tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::signed::{Maker, text};

const KEY: &str = "key_shop_0123456789abcdefghijk";
const QR_CODE: &str = "/cgi-bin/qrcode/create";

/// A caller, and two routes of which one is refused by its backend for good.
async fn world() -> (TestApp, Backend, Backend) {
    let (good, bad) = (Backend::start().await, Backend::start().await);
    bad.does(|_| says(503, "not now"));
    let app = TestApp::configured(&format!(
        "[[callers]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\napis = [\"/v1/service/wx/getwxqrcode\", \"/cgi-bin/*\"]\n\
         [[routes]]\nname = \"good\"\ntarget = \"{}\"\n\
         [[routes]]\nname = \"bad\"\ntarget = \"{}\"\nretry = []\n",
        good.url, bad.url
    ))
    .await;
    (app, good, bad)
}

fn not_listed() -> Value {
    json!({"body": {"errcode": 40164, "errmsg": "invalid ip 203.0.113.47, not in whitelist"}})
}

async fn qr_code(app: &TestApp, key: &str) -> Reply {
    app.call_with("getwxqrcode", &[("x-api-key", key)], json!({"appid": OFFICIAL, "scene": "s"})).await
}

/// Four calls that go well, one that WeChat refuses, two that we do; two messages, one of them twice, and one forgery.
async fn traffic(app: &TestApp) {
    for _ in 0..3 {
        qr_code(app, KEY).await.ok();
    }
    app.faults(QR_CODE, json!({"errcode": 45009}), 1).await;
    assert_eq!(qr_code(app, KEY).await.code(), 3_584_012);
    assert_eq!(qr_code(app, "key_of_nobody_0123456789abcdef").await.status, 401);
    let ticket = app.call_with("getwxuserinfo", &[("x-api-key", KEY)], json!({"appid": OFFICIAL})).await;
    assert_eq!(ticket.status, 403);
    let headers = [("x-api-key", KEY), ("x-wx-appid", OFFICIAL)];
    let passed = app.get("/cgi-bin/get_api_domain_ip", &headers).await;
    assert!(passed.json()["ip_list"].is_array(), "{:?}", passed.body);

    let maker = Maker::new(EXAMPLE, app.now());
    let one = maker.plain(&text("gh_0000000000c3", "one"));
    assert_eq!(app.callback(None, &one).await.body, "success");
    assert_eq!(app.callback(None, &one).await.body, "success");
    let two = maker.plain(&text("gh_0000000000c3", "two"));
    assert_eq!(app.callback(None, &two).await.body, "success");
    let forged = Maker { token: "another", ..maker }.plain(&text("gh_0000000000c3", "three"));
    assert_eq!(app.callback(Some(EXAMPLE), &forged).await.status, 403);
    app.until("both were delivered, or given up", async || {
        app.deliveries("status=dead").await.len() == 2 && app.deliveries("status=delivered").await.len() == 2
    })
    .await;
}

/// Every sample, by what stands before its value.
async fn samples(app: &TestApp) -> BTreeMap<String, f64> {
    let reply = app.admin("/metrics").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

#[tokio::test]
async fn metrics_tell_exactly_what_passed() {
    let (mut app, _good, _bad) = world().await;
    traffic(&app).await;
    let samples = samples(&app).await;
    let of = |family: &str| -> Vec<(&str, f64)> {
        let is_of = |name: &&String| name.starts_with(&format!("{family}{{")) || **name == family;
        samples.iter().filter(|(name, _)| is_of(name)).map(|(name, n)| (&name[family.len()..], *n)).collect()
    };
    assert_eq!(
        of("wxgate_caller_requests_total"),
        [
            ("{caller=\"-\",outcome=\"refused\"}", 1.0),
            ("{caller=\"shop\",outcome=\"failed\"}", 1.0),
            ("{caller=\"shop\",outcome=\"ok\"}", 4.0),
            ("{caller=\"shop\",outcome=\"refused\"}", 1.0),
        ]
    );
    let qr = "/v1/service/wx/getwxqrcode";
    let label = |appid: &str, api: &str, code: &str| {
        format!("{{appid=\"{appid}\",api=\"{api}\",errcode=\"{code}\"}}")
    };
    let counted = |family: &str, labels: &str| samples.get(&format!("{family}{labels}")).copied();
    assert_eq!(counted("wxgate_requests_total", &label(OFFICIAL, qr, "0")), Some(3.0));
    assert_eq!(counted("wxgate_requests_total", &label(OFFICIAL, qr, "45009")), Some(1.0));
    assert_eq!(
        of("wxgate_upstream_requests_total"),
        [
            (&*label(OFFICIAL, "/cgi-bin/get_api_domain_ip", "0"), 1.0),
            (&*label(OFFICIAL, QR_CODE, "0"), 3.0),
            (&*label(OFFICIAL, QR_CODE, "45009"), 1.0),
            (&*label(OFFICIAL, "/cgi-bin/showqrcode", "0"), 3.0),
            (&*label(OFFICIAL, "/cgi-bin/stable_token", "0"), 1.0),
        ]
    );
    assert_eq!(samples["wxgate_upstream_request_seconds_count"], 9.0);
    assert_eq!(samples["wxgate_upstream_request_seconds_bucket{le=\"+Inf\"}"], 9.0);
    assert_eq!(samples["wxgate_request_seconds_count"], 7.0);
    let appid = |appid: &str, outcome: &str| format!("{{appid=\"{appid}\",outcome=\"{outcome}\"}}");
    assert_eq!(of("wxgate_token_refreshes_total"), [(&*appid(OFFICIAL, "ok"), 1.0)]);
    assert_eq!(
        of("wxgate_callbacks_total"),
        [
            (&*appid(EXAMPLE, "duplicate"), 1.0),
            (&*appid(EXAMPLE, "received"), 2.0),
            (&*appid(EXAMPLE, "refused"), 1.0),
        ]
    );
    let route = |route: &str, outcome: &str| format!("{{route=\"{route}\",outcome=\"{outcome}\"}}");
    assert_eq!(
        of("wxgate_deliveries_total"),
        [(&*route("bad", "dead"), 2.0), (&*route("good", "delivered"), 2.0)]
    );
    assert_eq!(of("wxgate_delivery_backlog"), [("{route=\"bad\"}", 0.0), ("{route=\"good\"}", 0.0)]);
    assert_eq!(of("wxgate_dead_letters"), [("{route=\"bad\"}", 2.0), ("{route=\"good\"}", 0.0)]);
    assert_eq!(samples["wxgate_app_up{appid=\"wx00000000000000a1\"}"], 1.0);
    assert_eq!(of("wxgate_token_expires_in_seconds").len(), 1, "of the app that has one");
    assert!(samples["wxgate_token_expires_in_seconds{appid=\"wx00000000000000a1\"}"] > 7000.0);
    assert_eq!((samples["wxgate_store_up"], samples["wxgate_draining"]), (1.0, 0.0));
    assert!(samples["wxgate_open_connections"] >= 1.0);

    // An address that isn't listed, and a token that somebody else replaced.
    app.fault(QR_CODE, not_listed()).await;
    qr_code(&app, KEY).await;
    let later = self::samples(&app).await;
    assert_eq!(later["wxgate_app_up{appid=\"wx00000000000000a1\"}"], 0.0);
    assert_eq!(later["wxgate_app_ailing{appid=\"wx00000000000000a1\",errcode=\"40164\"}"], 1.0);
    app.clock.advance(Duration::from_secs(61));
    assert!(self::samples(&app).await["wxgate_route_failing_seconds{route=\"bad\"}"] >= 61.0);
    // Nothing that is anybody's secret stands there, nor does the page need a credential.
    let page = String::from_utf8(app.admin("/metrics").await.body.to_vec()).unwrap();
    assert!(!page.contains("key_") && !page.contains("o1\"") && !page.contains("a1a1"), "{page}");
    app.stop().await;
}

#[tokio::test]
async fn metrics_answer_at_our_own_names_alone() {
    let app = TestApp::start().await;
    let url = format!("{}/metrics", app.admin_url());
    let foreign = app.http.send(Method::GET, &url, &[("host", "evil.example")], "").await.unwrap();
    assert_eq!(foreign.status, 403);
    let posted = app.http.send(Method::POST, &url, &[], "").await.unwrap();
    assert_eq!(posted.status, 405);
}

/// What stands under a name anywhere in a JSON value.
fn texts<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == name => found.push(text),
                    value => texts(value, name, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, name, found)),
        _ => {}
    }
}

/// The metrics that a PromQL expression names, each with the labels that it is asked by.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut named = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("wxgate_") {
        rest = &rest[at..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let inside =
            behind.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let labels = inside.split(',').filter_map(|pair| pair.split(['=', '!']).next());
        let labels = labels.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        named.push((name.to_owned(), labels.collect()));
        rest = behind;
    }
    named
}

/// Labels that an expression groups or joins by.
fn grouped(expression: &str) -> Vec<String> {
    let mut labels = Vec::new();
    for word in ["by", "on", "without", "ignoring"] {
        for (at, _) in expression.match_indices(&format!("{word} (")) {
            let inside = &expression[at + word.len() + 2..];
            let inside = inside.split_once(')').unwrap().0;
            labels.extend(inside.split(',').map(|label| label.trim().to_owned()));
        }
    }
    labels
}

#[tokio::test]
async fn dashboards_and_rules_name_what_there_is() {
    let (app, _good, _bad) = world().await;
    traffic(&app).await;
    app.control("token/rotate", json!({"appid": OFFICIAL, "mode": "stable", "hard": true})).await;
    qr_code(&app, KEY).await.ok();
    app.fault(QR_CODE, not_listed()).await;
    qr_code(&app, KEY).await;
    let mut labels_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in samples(&app).await.keys() {
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let pairs = labels.trim_end_matches('}').split("\",");
        let labels = pairs.filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned()));
        labels_of.entry(name.to_owned()).or_default().extend(labels);
    }
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let read = |path: &str| std::fs::read_to_string(deploy.join(path)).unwrap();
    let mut expressions: Vec<String> = Vec::new();
    for board in ["overview", "accounts", "deliveries"] {
        let board: Value = serde_json::from_str(&read(&format!("grafana/{board}.json"))).unwrap();
        let mut found = Vec::new();
        texts(&board, "expr", &mut found);
        texts(&board, "query", &mut found);
        assert!(found.len() >= 6, "{found:?}");
        expressions.extend(found.into_iter().map(str::to_owned));
    }
    let rules = read("prometheus/rules.yml");
    let of_rules: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(of_rules.len() >= 9, "{of_rules:?}");
    for annotation in ["summary_zh: ", "summary_en: ", "fix_zh: ", "fix_en: "] {
        assert_eq!(rules.matches(annotation).count(), of_rules.len(), "{annotation} of each rule");
    }
    expressions.extend(of_rules.into_iter().map(str::to_owned));
    let mut used = BTreeSet::new();
    for expression in &expressions {
        for (name, labels) in named(expression) {
            let Some(known) = labels_of.get(&name) else { panic!("there is no {name}: {expression}") };
            for label in labels {
                assert!(known.contains(&label), "{name} has no {label}: {expression}");
            }
            let grouped = grouped(expression);
            assert!(
                grouped.iter().all(|label| labels_of.values().any(|known| known.contains(label))),
                "{expression}"
            );
            used.insert(name);
        }
    }
    assert!(used.len() >= 14, "{used:?}");
}

/// An item of `/series`, without its percentiles.
fn item(series: &Value, key: &str) -> (Vec<Value>, Vec<Value>) {
    let items = series["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["key"] == key).unwrap_or_else(|| panic!("no {key}: {series}"));
    let of = |name: &str| item[name].as_array().unwrap().clone();
    (of("n"), of("bad"))
}

fn keys(series: &Value) -> Vec<&str> {
    series["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect()
}

/// To just after the end of the next minutes.
async fn minutes(app: &TestApp, count: i64) {
    for _ in 0..count {
        let begun = app.clock.now().rem_euclid(60_000);
        let was = app.now();
        app.advance(Duration::from_millis(u64::try_from(60_001 - begun).unwrap())).await;
        let begin = was - was.rem_euclid(60);
        app.until("the minute is kept", async || {
            let path = format!("series?metric=dead&from={begin}&to={}&step=60", begin + 60);
            let series = app.api(&path).await;
            series["partial_from"].is_null() && item(&series, "total").0 == [json!(dead(&series))]
        })
        .await;
    }
}

/// Three minutes from `begin` on.
async fn three(app: &TestApp, begin: i64, query: &str) -> Value {
    app.api(&format!("series?from={begin}&to={}&step=60&{query}", begin + 180)).await
}

fn dead(series: &Value) -> u64 {
    item(series, "total").0[0].as_u64().unwrap_or(u64::MAX)
}

#[tokio::test]
async fn series_tell_by_whatever_was_counted_and_outlive_a_restart() {
    let (mut app, _good, _bad) = world().await;
    // So that all of it is within one minute.
    app.clock.set(60_000 - app.clock.now().rem_euclid(60_000));
    app.restart().await;
    traffic(&app).await;
    let begin = app.now();
    let null = Value::Null;
    // Before the minute is over, from this node's memory.
    let live = three(&app, begin, "metric=calls").await;
    assert_eq!(
        item(&live, "total"),
        (vec![json!(7), null.clone(), null.clone()], vec![json!(3), null.clone(), null.clone()])
    );
    assert_eq!((&live["partial_from"], &live["step"]), (&json!(begin), &json!(60)));
    minutes(&app, 1).await;
    qr_code(&app, KEY).await.ok();
    app.restart().await;
    let both = |a: u64, b: u64| vec![json!(a), json!(b), Value::Null];
    assert_eq!(
        item(&three(&app, begin, "metric=calls").await, "total"),
        (both(7, 1), both(3, 0)),
        "what a stop finds is kept"
    );
    assert_eq!(item(&three(&app, begin, "metric=calls&by=outcome").await, "ok").0, both(4, 1));
    assert_eq!(item(&three(&app, begin, "metric=calls&by=outcome").await, "refused").0, both(2, 0));
    assert_eq!(item(&three(&app, begin, "metric=calls&by=caller").await, "shop"), (both(6, 1), both(2, 0)));
    assert_eq!(
        item(&three(&app, begin, "metric=calls&by=appid").await, OFFICIAL).0,
        both(5, 1),
        "the other two were refused before"
    );
    assert_eq!(
        item(&three(&app, begin, "metric=calls&by=caller&appid=wx00000000000000a1").await, "shop").0,
        both(5, 1)
    );
    assert_eq!(
        item(&three(&app, begin, "metric=calls&by=outcome&caller=shop").await, "failed").0,
        both(1, 0)
    );
    assert_eq!(
        item(&three(&app, begin, "metric=calls&caller=shop&appid=nothing").await, "total").0,
        both(0, 0)
    );
    assert_eq!(item(&three(&app, begin, "metric=api&by=errcode").await, "45009").0, both(1, 0));
    assert_eq!(item(&three(&app, begin, "metric=callbacks&by=outcome").await, "duplicate").0, both(1, 0));
    assert_eq!(
        item(&three(&app, begin, "metric=deliveries&by=route").await, "bad"),
        (both(2, 0), both(2, 0))
    );
    let levels = item(&three(&app, begin, "metric=dead&by=route").await, "bad").0;
    assert_eq!(levels[0], json!(2));
    assert_eq!(keys(&three(&app, begin, "metric=waiting&by=route").await), ["bad", "good"]);
    let p95 = &three(&app, begin, "metric=deliveries").await["items"][0]["p95"];
    assert!(p95[0].as_f64().unwrap() > 0.0 && p95[2].is_null(), "{p95}");
    app.stop().await;
}

#[tokio::test]
async fn minutes_become_tens_and_hours_and_are_forgotten_after_their_time() {
    let (mut app, _good, _bad) = world().await;
    app.clock.set(3_600_000 - app.clock.now().rem_euclid(3_600_000));
    app.restart().await;
    let begin = app.now();
    traffic(&app).await;
    minutes(&app, 1).await;
    qr_code(&app, KEY).await.ok();
    // Its bucket of ten minutes is made three minutes late.
    minutes(&app, 13).await;
    let ask = async |step: i64| {
        let series =
            app.api(&format!("series?metric=calls&from={begin}&to={}&step={step}", begin + 3600)).await;
        item(&series, "total").0[0].clone()
    };
    assert_eq!((ask(60).await, ask(600).await, ask(3600).await), (json!(7), json!(8), json!(8)));
    for _ in 0..60 {
        minutes(&app, 1).await;
    }
    assert_eq!((ask(60).await, ask(600).await, ask(3600).await), (json!(7), json!(8), json!(8)));
    // After a day only what is coarser is left, after a week only hours, after retention.series nothing.
    let until = async |what: &str, wanted: [Value; 3]| {
        app.until(what, async || [ask(60).await, ask(600).await, ask(3600).await] == wanted).await;
    };
    app.advance(Duration::from_secs(25 * 3600)).await;
    until("a day", [Value::Null, json!(8), json!(8)]).await;
    app.advance(Duration::from_secs(7 * 86_400)).await;
    until("a week", [Value::Null, Value::Null, json!(8)]).await;
    app.advance(Duration::from_secs(90 * 86_400)).await;
    until("ninety days", [Value::Null, Value::Null, Value::Null]).await;
    app.stop().await;
}

#[tokio::test]
async fn the_overview_tells_what_passes_and_what_came_most_often() {
    let (mut app, _good, _bad) = world().await;
    app.clock.set(60_000 - app.clock.now().rem_euclid(60_000));
    app.restart().await;
    let begun = app.api("overview").await;
    assert_eq!(begun["steps"], json!({"app": true, "caller": true, "call": false, "message": false}));
    assert_eq!(begun["figures"]["calls_min"], json!([0, null]));
    assert_eq!(
        (&begun["figures"]["p95"], &begun["figures"]["bad_rate"]),
        (&json!([null, null]), &json!([null, null]))
    );
    traffic(&app).await;
    let now = app.api("overview?range=1h").await;
    let figures = &now["figures"];
    assert_eq!((&figures["calls_min"], &figures["callbacks_min"]), (&json!([7, null]), &json!([4, null])));
    assert_eq!(figures["bad_rate"], json!([0.429, null]));
    assert!(figures["p95"][0].as_f64().unwrap() > 0.0);
    assert_eq!((&figures["waiting"], &figures["dead"]), (&json!([0, null]), &json!([2, null])));
    assert_eq!(now["top"]["errcodes"].as_array().unwrap().len(), 3, "{now}");
    assert_eq!(
        now["top"]["routes"],
        json!([{"key": "bad", "n": 2, "bad": 2}, {"key": "good", "n": 2, "bad": 0}])
    );
    assert_eq!(
        now["top"]["callers"],
        json!([{"key": "shop", "n": 6, "bad": 2}, {"key": "-", "n": 1, "bad": 1}])
    );
    assert_eq!(now["steps"], json!({"app": true, "caller": true, "call": true, "message": true}));
    assert_eq!(now["apps"], json!({"total": 3, "bad": 0}));
    let problems: Vec<&Value> = now["problems"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert!(problems.contains(&&json!("route:bad")), "{now}");
    for spark in ["calls_min", "bad_rate", "p95", "callbacks_min", "waiting", "dead"] {
        assert_eq!(now["sparks"][spark].as_array().unwrap().len(), 30, "{spark}");
    }
    // Half a minute later half of it counts, and a day later it is yesterday's.
    minutes(&app, 1).await;
    app.advance(Duration::from_secs(30)).await;
    // Where others count as well, what they have counted since isn't known yet.
    let expected = if database::server().is_some() { json!(7) } else { json!(3.5) };
    assert_eq!(app.api("overview").await["figures"]["calls_min"][0], expected);
    for _ in 0..14 {
        minutes(&app, 1).await;
    }
    app.advance(Duration::from_secs(86_400 - 900)).await;
    app.until("a day passed", async || app.api("overview").await["figures"]["calls_min"][1] == json!(0.7))
        .await;
    assert_eq!(app.api("overview").await["figures"]["dead"], json!([2, 2]));

    // Beside apps and routes.
    let (apps, routes) = (app.api("apps").await, app.api("routes").await);
    let one = |list: &Value, key: &str, name: &str| {
        list["items"].as_array().unwrap().iter().find(|item| item[key] == name).unwrap().clone()
    };
    assert_eq!(one(&apps, "appid", OFFICIAL)["calls24"], json!({"n": 5, "bad": 1}));
    assert_eq!(one(&apps, "appid", EXAMPLE)["calls24"], json!({"n": 0, "bad": 0}));
    let bad = one(&routes, "name", "bad");
    assert_eq!(
        (&bad["waiting"], &bad["dead"], &bad["last_error"]),
        (&json!(0), &json!(2), &json!("HTTP 503"))
    );
    assert!(bad["failing_since"].as_i64().unwrap() > 0 && bad["p95"].is_null());
    assert_eq!(one(&routes, "name", "good")["failing_since"], Value::Null);
    app.stop().await;
}

#[tokio::test]
async fn series_refuse_what_they_cannot_answer() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", crate::app::ADMIN_TOKEN);
    for (query, says) in [
        ("", "metric"),
        ("metric=calls&by=route", "by"),
        ("metric=calls&range=2h", "range"),
        ("metric=calls&from=0&step=60", "step"),
        ("metric=calls&x=1", "x"),
    ] {
        let url = format!("{}/api/v1/series?{query}", app.admin_url());
        let reply = app.http.send(Method::GET, &url, &[("authorization", &bearer)], "").await.unwrap();
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.json()["detail"].as_str().unwrap().contains(says), "{query}: {:?}", reply.body);
    }
}
