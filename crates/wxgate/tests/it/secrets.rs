//! Planted secrets are found nowhere they don't belong: log at TRACE, database, WAL, error answers.

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::app::{Http, MINI, OFFICIAL, Reply};
use crate::cli::{free_port, sandbox, serve, served};

fn key(n: usize) -> String {
    format!("key_planted{n}_0123456789abcdefghij")
}

fn callers() -> String {
    (0..6)
        .map(|n| {
            format!(
                "[[callers]]\nname = \"c{n}\"\nkey = \"{}\"\nprevious_key = \"old_{}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n",
                key(n),
                key(n)
            )
        })
        .collect()
}

fn files_hold(dir: &Path, secret: &str) -> Option<String> {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
            return Some(path.display().to_string());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_planted_secrets_are_found_nowhere() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let more = format!("[log]\nlevel = \"trace\"\nformat = \"json\"\n{}", callers());
    std::fs::write(dir.path().join("wxgate.toml"), served(&sandbox.url(), port, admin, &more)).unwrap();
    let mut gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let control = async |name: &str, body: Value| {
        let url = format!("{}/sandbox/{name}", sandbox.url());
        http.send(Method::POST, &url, &[], body.to_string()).await.unwrap()
    };
    let call = async |n: usize, name: &str, mut body: Value| {
        body["source"] = "t".into();
        let url = format!("http://127.0.0.1:{port}/v1/service/wx/{name}");
        http.send(Method::POST, &url, &[("x-api-key", &key(n))], body.to_string()).await.unwrap()
    };
    let mut errors: Vec<Reply> = Vec::new();
    let mut secrets: Vec<String> = (0..6).flat_map(|n| [key(n), format!("old_{}", key(n))]).collect();
    secrets.extend(["a1".repeat(16), "b2".repeat(16)]);
    let mut openids = Vec::new();

    // Codes that work, and whose answers (session keys) are kept sealed.
    for n in 0..4 {
        let user = control("users", json!({})).await.json();
        let openid = user["openids"][MINI].as_str().unwrap().to_owned();
        for (kind, name) in [("login", "code2session"), ("phone", "getuserphone")] {
            let given =
                control(&format!("{kind}/code"), json!({"appid": MINI, "openid": openid})).await.json();
            let code = given["code"].as_str().unwrap().to_owned();
            let body = call(n, name, json!({"appid": MINI, "code": code, "openid": openid})).await.ok();
            secrets.extend(body["session_key"].as_str().map(str::to_owned));
            secrets.push(code);
        }
        openids.push(openid);
        openids.push(user["openids"][OFFICIAL].as_str().unwrap().to_owned());
    }
    // Codes that WeChat refuses, in every way.
    for n in 0..6 {
        let code = format!("planted-code-{n}-0123456789");
        errors.push(call(n, "getwxuserinfo", json!({"appid": OFFICIAL, "code": code})).await);
        errors.push(call(n, "code2session", json!({"appid": MINI, "code": code, "extra": key(n)})).await);
        secrets.push(code);
    }
    for fault in
        [json!({"status": 500}), json!({"cut": "before"}), json!({"cut": "half"}), json!({"errcode": -1})]
    {
        for path in ["/sns/oauth2/access_token", "/cgi-bin/message/template/send", "/cgi-bin/stable_token"] {
            let mut fault = fault.clone();
            fault["path"] = path.into();
            fault["times"] = 1.into();
            control("fault", fault).await;
        }
        let code = format!("planted-cut-{}", secrets.len());
        errors.push(call(0, "getwxuserinfo", json!({"appid": OFFICIAL, "code": code})).await);
        secrets.push(code);
        let message = json!({"appid": OFFICIAL, "openid": openids[1], "template_id": "t", "data": {"k": {"value": "v"}}});
        errors.push(call(1, "sendwxtemplatemsg", message).await);
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    control("reset", json!({})).await;
    // Tickets and tokens that only the gateway and WeChat know.
    for n in 0..2 {
        let ticket = format!("planted-ticket-{n}-{}", "t".repeat(60));
        let body = json!({"errcode": 0, "errmsg": "ok", "ticket": ticket, "expires_in": 7200}).to_string();
        control("fault", json!({"path": "/cgi-bin/ticket/getticket", "body": body, "times": 1})).await;
        // A mini program has no JS-SDK: its ticket comes from the pass-through.
        let appid = [OFFICIAL, MINI][n];
        let request = json!({"appid": appid, "url": "https://a.example.com/"});
        let passed = format!("http://127.0.0.1:{port}/wx/{appid}/cgi-bin/ticket/getticket?type=jsapi");
        // The outages above may still keep the token at rest for some seconds.
        let mut is_had = false;
        for _ in 0..50 {
            is_had = match appid {
                OFFICIAL => call(n, "jssdk", request.clone()).await.code() == 0,
                _ => {
                    let reply = http.send(Method::GET, &passed, &[("x-api-key", &key(n))], "").await.unwrap();
                    reply.json()["ticket"] == ticket.as_str()
                }
            };
            if is_had {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(is_had, "{appid} had its ticket");
        secrets.push(ticket);
        for _ in 0..2 {
            let url = format!("http://127.0.0.1:{port}/v1/service/wx/token?appid={appid}");
            let token = http.send(Method::GET, &url, &[("x-api-key", &key(n))], "").await.unwrap().ok();
            secrets.push(token["access_token"].as_str().unwrap().to_owned());
            control("token/rotate", json!({"appid": appid, "hard": true})).await;
            errors.push(call(n, "getwxqrcode", json!({"appid": appid})).await);
        }
    }
    // Keys that are none.
    for n in 0..2 {
        let wrong = format!("wrong_{}", key(n));
        let url = format!("http://127.0.0.1:{port}/v1/service/wx/token?appid={MINI}&secret={wrong}");
        errors.push(
            http.send(Method::GET, &url, &[("authorization", &format!("Bearer {wrong}"))], "").await.unwrap(),
        );
        secrets.push(wrong);
    }
    let master = std::fs::read_to_string(dir.path().join("data/wxgate.db.key")).unwrap();

    assert!(secrets.len() >= 40, "{}", secrets.len());
    let holds = |text: &str, secret: &str| text.contains(secret);
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.contains("request_id"), "the log was written");
    let check = |secret: &str| {
        assert!(!holds(&log, secret), "in the log: {secret}");
        for reply in &errors {
            if reply.status != 200 || reply.code() != 0 {
                assert!(!holds(&String::from_utf8_lossy(&reply.body), secret), "in an answer: {secret}");
            }
        }
    };
    let data = dir.path().join("data");
    for secret in &secrets {
        check(secret);
        assert_eq!(files_hold(&data, secret), None, "{secret} in clear");
    }
    check(&master);
    for openid in &openids {
        assert!(!holds(&log, openid), "an openid in the log");
    }
    gateway.signal("-TERM");
    assert!(gateway.wait(Duration::from_secs(10)).success());
    for secret in &secrets {
        assert_eq!(files_hold(&data, secret), None, "{secret} in clear after the stop");
    }
    sandbox.stop().await;
}
