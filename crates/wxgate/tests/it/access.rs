//! One line and one count a request: on every surface, with who, what and how it ended, and no secret.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use http::{HeaderName, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{ADMIN_TOKEN, Http, MINI, OFFICIAL, Reply, TestApp};
use crate::cli::{free_port, sandbox, serve, served};
use crate::database;
use crate::signed::{Maker, text};

const SHOP: &str = "key_shop_0123456789abcdefghij";
/// Of words, as a path may be.
const WORDS: &str = "key-for-nobody-but-us-alone";
const NARROW: &str = "key_narrow_0123456789abcdefgh";

/// Two callers: one may everything, the other hardly anything.
fn callers() -> String {
    format!(
        "[[callers]]\nname = \"words\"\nkey = \"{WORDS}\"\napps = [\"*\"]\napis = [\"*\"]\n\
         [[callers]]\nname = \"shop\"\nkey = \"{SHOP}\"\napps = [\"*\"]\napis = [\"*\"]\n\
         [[callers]]\nname = \"narrow\"\nkey = \"{NARROW}\"\napps = [\"{MINI}\"]\napis = [\"/cgi-bin/user/get\"]\nrate = 3\n"
    )
}

/// The lines of requests in the log, by request id.
fn lines(dir: &Path) -> HashMap<String, Vec<Value>> {
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let (Some(id), true) = (line["request_id"].as_str(), line.get("surface").is_some()) {
            found.entry(id.to_owned()).or_default().push(line.clone());
        }
    }
    found
}

struct Asked {
    what: &'static str,
    reply: Reply,
    /// caller, appid, api, status, errcode
    line: Value,
}

/// What a request gets that hyper can't read.
async fn raw(port: u16, request: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
    });
    Reply { status, headers: headers.collect(), body: body.to_owned().into() }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one list of what is asked, with what its line says")]
async fn every_request_leaves_one_line_with_all_that_is_known() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let more =
        format!("callback_token = \"planted-callback-token\"\n[log]\nformat = \"json\"\n{}", callers());
    std::fs::write(dir.path().join("wxgate.toml"), served(&sandbox.url(), port, admin, &more)).unwrap();
    let gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let send = async |method: Method, url: String, headers: &[(&str, &str)], body: String| {
        http.send(method, &url, headers, body).await.unwrap()
    };
    let service = async |key: &str, name: &str, body: Value| {
        let url = format!("http://127.0.0.1:{port}/v1/service/wx/{name}");
        send(Method::POST, url, &[("x-api-key", key)], body.to_string()).await
    };
    let get = async |path: &str, headers: &[(&str, &str)]| {
        send(Method::GET, format!("http://127.0.0.1:{port}{path}"), headers, String::new()).await
    };
    let token = get(&format!("/cgi-bin/token?appid={OFFICIAL}&secret={SHOP}"), &[]).await;
    let gateway_token = token.json()["access_token"].as_str().unwrap().to_owned();
    let now = wxgate::clock::Clock::System.now_secs();
    let maker = Maker { token: "planted-callback-token", ..Maker::new(OFFICIAL, now) };
    let push = maker.plain(&text("gh_x", "planted-content"));
    let callback = |query: &str| format!("http://127.0.0.1:{port}/v1/service/wx/wxmsg/{OFFICIAL}?{query}");
    let mut asked = Vec::new();
    let mut ask = |what, reply, line| asked.push(Asked { what, reply, line });
    ask("a token call", token, json!(["shop", OFFICIAL, "/cgi-bin/token", 200, 0]));
    let code = json!({"source": "t", "appid": MINI, "code": "demo-login"});
    let api = |name: &str| format!("/v1/service/wx/{name}");
    ask(
        "a service call",
        service(SHOP, "code2session", code.clone()).await,
        json!(["shop", MINI, api("code2session"), 200, 0]),
    );
    ask(
        "a service call refused by its right",
        service(NARROW, "code2session", code).await,
        json!(["narrow", "-", api("code2session"), 403, 3_584_011]),
    );
    ask(
        "a service call that WeChat refused",
        service(SHOP, "code2session", json!({"source": "t", "appid": MINI, "code": "planted-code"})).await,
        json!(["shop", MINI, api("code2session"), 200, 3_584_006]),
    );
    ask(
        "a service call without a key",
        service("key_wrong_0123456789abcdefghij", "code2session", json!({})).await,
        json!(["-", "-", api("code2session"), 401, 3_584_010]),
    );
    ask(
        "no such endpoint",
        service(SHOP, "planted-path", json!({})).await,
        json!(["-", "-", "other", 404, 3_584_016]),
    );
    ask(
        "a call passed on",
        get(&format!("/cgi-bin/user/get?access_token={gateway_token}"), &[]).await,
        json!(["shop", OFFICIAL, "/cgi-bin/user/get", 200, 0]),
    );
    ask(
        "a call that WeChat refused",
        get(&format!("/cgi-bin/user/info?access_token={gateway_token}&openid=planted-openid"), &[]).await,
        json!(["shop", OFFICIAL, "/cgi-bin/user/info", 200, 40003]),
    );
    let narrow = [("x-api-key", NARROW), ("x-wx-appid", OFFICIAL)];
    ask(
        "a call refused by its app",
        get("/cgi-bin/user/get", &narrow).await,
        json!(["narrow", OFFICIAL, "/cgi-bin/user/get", 200, 48001]),
    );
    ask(
        "a call refused by its right",
        get("/cgi-bin/menu/get", &narrow).await,
        json!(["narrow", OFFICIAL, "/cgi-bin/menu/get", 200, 48001]),
    );
    ask(
        "a call with a dead token",
        get("/cgi-bin/user/get?access_token=wxg_planted", &[]).await,
        json!(["-", "-", "/cgi-bin/user/get", 200, 42001]),
    );
    ask(
        "a message",
        send(Method::POST, callback(&push.query), &[], String::from_utf8(push.body.clone()).unwrap()).await,
        json!(["-", OFFICIAL, "wxmsg", 200, 0]),
    );
    ask(
        "a forged message",
        send(
            Method::POST,
            callback("signature=planted&timestamp=1&nonce=2"),
            &[],
            String::from_utf8(push.body.clone()).unwrap(),
        )
        .await,
        json!(["-", OFFICIAL, "wxmsg", 403, 0]),
    );
    ask(
        "a login that may not be",
        get(
            &format!(
                "/v1/service/wx/oauth/start?appid={OFFICIAL}&scope=snsapi_base&redirect_uri=http://planted/"
            ),
            &[],
        )
        .await,
        json!(["-", OFFICIAL, "oauth/start", 400, 3_584_002]),
    );
    ask(
        "a secret in the place of an appid",
        get("/cgi-bin/user/get", &[("x-api-key", SHOP), ("x-wx-appid", NARROW)]).await,
        json!(["shop", "-", "/cgi-bin/user/get", 200, 40013]),
    );
    ask(
        "a secret in a service call's",
        service(SHOP, "code2session", json!({"source": "t", "appid": NARROW, "code": "c"})).await,
        json!(["shop", "-", api("code2session"), 200, 3_584_002]),
    );
    ask(
        "a key in a path of words",
        get(&format!("/cgi-bin/{WORDS}"), &[("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)]).await,
        json!(["shop", OFFICIAL, "other", 200, 40035]),
    );
    let secret = "a1".repeat(16);
    ask(
        "a secret in a path",
        get(&format!("/cgi-bin/{secret}"), &[("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)]).await,
        json!(["shop", OFFICIAL, "other", 501, 0]),
    );
    let admin_url = |path: &str| format!("http://127.0.0.1:{admin}{path}");
    ask(
        "health",
        send(Method::GET, admin_url("/healthz"), &[], String::new()).await,
        json!(["-", "-", "/healthz", 200, 0]),
    );
    let bearer = format!("Bearer {ADMIN_TOKEN}x");
    ask(
        "an admin call refused",
        send(Method::GET, admin_url("/api/v1/events"), &[("authorization", &bearer)], String::new()).await,
        json!(["-", "-", "/api/v1/events", 401, 0]),
    );
    // An admin is no stranger: none of these is gathered.
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for _ in 0..15 {
        let reply =
            send(Method::GET, admin_url("/api/v1/events"), &[("authorization", &bearer)], String::new())
                .await;
        ask("an admin's call", reply, json!(["-", "-", "/api/v1/events", 200, 0]));
    }
    ask(
        "an odd URL",
        raw(port, "GET /cgi-bin/user/get?openid=\"planted\" HTTP/1.1\r\nHost: h\r\n\r\n").await,
        json!(["-", "-", "other", 200, 40066]),
    );
    ask(
        "an odd head",
        raw(port, "POST /v1/service/wx/jssdk HTTP/1.1\r\nHost: h\r\nX: planted\0\r\n\r\n").await,
        json!(["-", "-", "other", 400, 3_584_002]),
    );
    ask(
        "an odd callback",
        raw(port, &format!("POST /v1/service/wx/wxmsg/{OFFICIAL}?a=\"b\" HTTP/1.1\r\nHost: h\r\n\r\n")).await,
        json!(["-", OFFICIAL, "other", 403, 0]),
    );
    let ids: Vec<&str> =
        asked.iter().map(|asked| asked.reply.headers["x-request-id"].to_str().unwrap()).collect();
    // The log is written beside the requests.
    for _ in 0..500 {
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        if ids.iter().all(|id| log.contains(id)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(gateway);
    let lines = lines(dir.path());
    let gathered = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for Asked { what, reply, line } in &asked {
        let id = reply.headers["x-request-id"].to_str().unwrap();
        if line[0] == "-" && *what != "an admin's call" && !lines.contains_key(id) {
            // A stranger's, among what was gathered of a second.
            let text = |member: &Value| member.as_str().map(str::to_owned).unwrap_or(member.to_string());
            let one = [id.to_owned(), text(&line[2]), text(&line[1]), text(&line[3])].join(" ");
            assert!(gathered.contains(&one), "{what}: {one} is not in {gathered}");
            continue;
        }
        let found = lines.get(id).unwrap_or_else(|| panic!("{what}: no line of {id}"));
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        let one = &found[0];
        let said = json!([one["caller"], one["appid"], one["api"], one["status"], one["errcode"]]);
        assert_eq!(said, *line, "{what}: {one}");
        assert_eq!(one["status"], reply.status.as_u16(), "{what}");
        assert!(one["ms"].is_u64() && one["peer"] == "127.0.0.1", "{what}: {one}");
    }
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    for secret in ["planted", SHOP, NARROW, &gateway_token, "demo-login", &"a1".repeat(16)] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

#[tokio::test]
async fn a_caller_is_counted_once_a_request_with_its_outcome_on_either_surface() {
    let app = TestApp::configured(&callers()).await;
    let key = [("x-api-key", SHOP)];
    let narrow = [("x-api-key", NARROW), ("x-wx-appid", OFFICIAL)];
    let session = json!({"appid": MINI, "code": "demo-login"});
    app.call_with("code2session", &key, session.clone()).await.ok();
    app.call_with("code2session", &key, json!({"appid": MINI})).await.fails(3_584_002, false, 0);
    app.get("/cgi-bin/user/get", &[("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)]).await;
    app.get("/sns/userinfo?access_token=x&openid=o", &key).await;
    app.get("/cgi-bin/nobody/knows/this", &[("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)]).await;
    // By right, by app, by network none, then by rate: three a second.
    app.call_with("code2session", &narrow, session).await;
    for _ in 0..4 {
        app.get("/cgi-bin/user/get", &narrow).await;
    }
    let seen = app.api("callers").await;
    let of = |name: &str| {
        seen["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone()
    };
    let (shop, narrow) = (of("shop"), of("narrow"));
    assert_eq!(
        shop["calls"],
        json!({
            "/cgi-bin/nobody/knows/this": 1, "/cgi-bin/user/get": 1, "/sns/userinfo": 1,
            "/v1/service/wx/code2session": 1,
        })
    );
    assert_eq!(
        (&shop["refused"], &shop["since"], &shop["last_used_at"]),
        (&json!(1), &json!(app.now()), &json!(app.now()))
    );
    assert_eq!((&narrow["refused"], &narrow["calls"]), (&json!(5), &json!({})));
}

#[tokio::test]
async fn counters_outlive_a_crash_but_for_ten_seconds() {
    let mut app = TestApp::configured(&callers()).await;
    let call = async |app: &TestApp, times: usize| {
        for _ in 0..times {
            app.call_with(
                "code2session",
                &[("x-api-key", SHOP)],
                json!({"appid": MINI, "code": "demo-login"}),
            )
            .await
            .ok();
        }
    };
    let counted = async |app: &TestApp| {
        let seen = app.api("callers").await;
        let shop =
            seen["items"].as_array().unwrap().iter().find(|item| item["name"] == "shop").unwrap().clone();
        (shop["calls"]["/v1/service/wx/code2session"].as_u64().unwrap_or(0), shop["since"].clone())
    };
    let began = json!(app.now());
    call(&app, 3).await;
    app.advance(Duration::from_secs(10)).await;
    // What was flushed is in the store: another look at the file would find it.
    app.until("the counters are stored", async || database::stored_calls(&app).await == 3).await;
    call(&app, 2).await;
    app.restart().await;
    assert_eq!(counted(&app).await, (5, began), "a stop forgets nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_failures_holds_what_wechat_refused_on_either_surface_and_no_success() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let more = format!("[log]\nformat = \"json\"\naccess = \"failures\"\n{}", callers());
    std::fs::write(dir.path().join("wxgate.toml"), served(&sandbox.url(), port, admin, &more)).unwrap();
    let gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let get = async |path: &str| {
        let headers = [("x-api-key", SHOP), ("x-wx-appid", OFFICIAL)];
        let url = format!("http://127.0.0.1:{port}{path}");
        let reply = http.send(Method::GET, &url, &headers, String::new()).await.unwrap();
        reply.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    let success = get("/cgi-bin/user/get").await;
    let failures = [get("/cgi-bin/user/info?openid=nobody").await, get("/cgi-bin/a%62").await];
    for _ in 0..500 {
        if failures.iter().all(|id| lines(dir.path()).contains_key(id)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(gateway);
    let lines = lines(dir.path());
    assert!(failures.iter().all(|id| lines[id].len() == 1));
    assert!(!lines.contains_key(&success));
}
