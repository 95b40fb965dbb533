//! The way to WeChat: by which proxy, trusting whom; and what is said when there is no way.

use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wxgate::limits::Limits;

use crate::app::{EXAMPLE, MINI, OFFICIAL, TestApp};
use crate::network::proxy;

const OPEN: &str = "[auth]\nmode = \"off\"";

/// A gateway whose api_base is `base`.
async fn at(base: &str, wechat: &str) -> TestApp {
    let mut app = TestApp::configured_with(OPEN, wechat).await;
    let text = app
        .text()
        .replace(&format!("api_base = \"{}\"", app.sandbox.url()), &format!("api_base = \"{base}\""));
    app.restart_with(&text).await;
    app
}

/// What a service call and one that is passed on are told, in both languages.
async fn told(app: &TestApp) -> [String; 4] {
    let login = json!({"source": "t", "appid": MINI, "code": "c"});
    let mut told = Vec::new();
    for language in ["zh", "en"] {
        let headers = [("accept-language", language), ("x-wx-appid", EXAMPLE)];
        let ret = app.call_with("code2session", &headers, login.clone()).await.ret();
        assert_eq!(ret["code"], 3_584_013, "{ret}");
        told.push(ret["msg"].as_str().unwrap().to_owned());
        let refused = app.get("/cgi-bin/user/get", &headers).await.json();
        assert_eq!(refused["errcode"], -1, "{refused}");
        told.push(refused["errmsg"].as_str().unwrap().to_owned());
    }
    told.try_into().unwrap()
}

/// They hold these words, Chinese and English.
#[track_caller]
fn say(told: &[String; 4], zh: &[&str], en: &[&str]) {
    for (at, text) in told.iter().enumerate() {
        for words in if at < 2 { zh } else { en } {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("geheim") && !text.contains("user:"), "{text}");
    }
}

/// A server that takes connections, hears something and says this.
async fn that_says(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
                // Until the other end has read it.
                let _ = stream.read(&mut heard).await;
            });
        }
    });
    port
}

fn certs() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/certs"))
}

/// TLS with the certificate `name` of the tests' own authority, before what listens at `behind`.
async fn tls(name: &str, behind: String) -> u16 {
    let config = wxgate::tls::server_config(&certs().join(name), &certs().join("leaf.key")).unwrap();
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind: Arc<str> = behind.into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut there = TcpStream::connect(&*behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn an_app_has_a_way_of_its_own() {
    let (port, seen) = proxy().await;
    let mut app = TestApp::start().await;
    let own = format!("appid = \"{OFFICIAL}\"\nproxy = \"http://user:geheim@127.0.0.1:{port}\"");
    let text = app.text().replace(&format!("appid = \"{OFFICIAL}\""), &own);
    app.restart_with(&text).await;
    let by_proxy = || seen.lock().unwrap().len();

    app.qr_code(EXAMPLE).await.ok();
    app.call("code2session", json!({"appid": MINI, "code": "demo-login"})).await.ok();
    app.get("/cgi-bin/user/get", &[("x-wx-appid", EXAMPLE)]).await;
    assert_eq!(by_proxy(), 0, "others go straight");

    // Token call, service call, one that is passed on, a login: on one connection that is kept, or on several.
    app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": "demo-oauth"})).await.ok();
    assert_eq!(by_proxy(), 1, "a login");
    app.qr_code(OFFICIAL).await.ok();
    app.get("/cgi-bin/user/get", &[("x-wx-appid", OFFICIAL)]).await;
    let straight = format!(
        "/sns/oauth2/access_token?appid={OFFICIAL}&secret=any&code=demo-oauth&grant_type=authorization_code"
    );
    assert!(app.get(&straight, &[]).await.json()["openid"].is_string());
    let seen = seen.lock().unwrap().clone();
    assert!(
        seen.iter().all(|head| head.starts_with(&format!("CONNECT {} ", app.sandbox.addr()))),
        "{seen:?}"
    );

    // Without its proxy it calls nobody: not by another way.
    let gone = text.replace(&format!(":{port}"), ":1");
    app.restart_with(&gone).await;
    let calls = app.state().await["calls"].as_array().unwrap().len();
    app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": "c"})).await.fails(3_584_013, true, 0);
    app.qr_code(OFFICIAL).await.fails(3_584_013, true, 0);
    assert_eq!(app.get("/cgi-bin/user/get", &[("x-wx-appid", OFFICIAL)]).await.json()["errcode"], -1);
    assert_eq!(app.state().await["calls"].as_array().unwrap().len(), calls);
    // And its host isn't skipped for those who reach it.
    app.qr_code(EXAMPLE).await.ok();
    // A reload takes the proxy up, or away.
    let config = app.config(&text).unwrap();
    assert_eq!(app.gateway().reload(config).unwrap(), Vec::<&str>::new());
    app.qr_code(OFFICIAL).await.ok();
}

#[tokio::test]
async fn a_base_without_a_port_is_asked_for_at_its_schemes_own() {
    for (base, target) in [
        ("http://wechat.example", "wechat.example:80"),
        ("https://wechat.example", "wechat.example:443"),
        ("http://wechat.example:8080", "wechat.example:8080"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            String::from_utf8(head[..length].to_vec()).unwrap()
        });
        let app = at(base, &format!("proxy = \"http://127.0.0.1:{port}\"")).await;
        app.call("code2session", json!({"appid": MINI, "code": "c"})).await;
        let head = heard.await.unwrap();
        assert!(head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{head}");
        assert!(head.to_lowercase().contains(&format!("host: {target}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn a_proxys_own_refusal_is_told_as_such() {
    for (answer, zh, en) in [
        (&b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"[..], &["HTTP 407", "用户名和密码"][..], &["HTTP 407", "user and password"][..]),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n<html>denied</html>", &["HTTP 403", "放行"], &["HTTP 403", "allow"]),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad", &["HTTP 502", "代理自己连不上"], &["HTTP 502", "the proxy itself"]),
        (b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", &["HTTP 405", "不支持 CONNECT"], &["HTTP 405", "no CONNECT"]),
        (b"SSH-2.0-OpenSSH_9.6\r\n", &["没有像 HTTP 代理那样应答"], &["did not answer as an HTTP proxy"]),
    ] {
        let port = that_says(answer).await;
        let app = at("https://wechat.example", &format!("proxy = \"http://user:geheim@127.0.0.1:{port}\"")).await;
        let told = told(&app).await;
        say(&told, zh, en);
        say(&told, &[&format!("代理 127.0.0.1:{port}"), "https://wechat.example"], &[&format!("the proxy 127.0.0.1:{port}"), "https://wechat.example"]);
    }
    let app = at("https://wechat.example", "proxy = \"http://user:geheim@127.0.0.1:1\"").await;
    say(
        &told(&app).await,
        &["连不上代理 127.0.0.1:1", "连接被拒绝"],
        &["the proxy 127.0.0.1:1 can't be reached", "connection refused"],
    );
}

#[tokio::test]
async fn every_cause_has_its_words_and_the_hosts_tried_are_named() {
    let app = at(
        "https://127.0.0.1:1",
        "fallback_bases = [\"http://127.0.0.1:1\", \"https://no-such-host.invalid\"]",
    )
    .await;
    let names = ["https://127.0.0.1:1", "http://127.0.0.1:1", "https://no-such-host.invalid"];
    let told = told(&app).await;
    say(&told, &names, &names);
    say(&told, &["连接被拒绝", "域名解析失败"], &["connection refused", "can't be resolved"]);
    // What is the same with all of them is said once.
    let app = at("https://127.0.0.1:1", "fallback_bases = [\"http://127.0.0.1:1\"]").await;
    let told = self::told(&app).await;
    assert_eq!(told[0].matches("连接被拒绝").count(), 1, "{}", told[0]);

    let plain = app.sandbox.url().replace("http://", "https://");
    say(
        &self::told(&at(&plain, "").await).await,
        &["不是 TLS", "http://"],
        &["does not speak TLS", "http://"],
    );

    let behind = app.sandbox.addr().to_string();
    let secure = tls("leaf.pem", behind.clone()).await;
    let wrong = format!("http://127.0.0.1:{secure}");
    say(&self::told(&at(&wrong, "").await).await, &[&wrong, "https://"], &[&wrong, "https://"]);
    let https = |port: u16| format!("https://127.0.0.1:{port}");
    say(&self::told(&at(&https(secure), "").await).await, &["机构", "ca_file"], &["who issued", "ca_file"]);
    let trusting = format!("ca_file = \"{}\"", certs().join("ca.pem").display());
    let expired = tls("expired.pem", behind).await;
    say(&self::told(&at(&https(expired), &trusting).await).await, &["证书已过期"], &["has expired"]);
    let page = that_says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 55\r\n\r\nThe plain HTTP request was sent to HTTPS port; go away.").await;
    let app = at(&format!("http://127.0.0.1:{page}"), "").await;
    let login = json!({"appid": MINI, "code": "c"});
    let msg = app.call("code2session", login).await.ret()["msg"].as_str().unwrap().to_owned();
    assert!(msg.contains("TLS") && msg.contains("https://"), "{msg}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_told_from_one_that_refuses() {
    let (_listener, _waiting) = crate::limits::ways::full(("127.0.0.1", 0)).await;
    let base = format!("http://{}", _listener.local_addr().unwrap());
    let mut app = at(&base, "").await;
    app.world.limits = Limits { dial_time: std::time::Duration::from_millis(200), ..Limits::default() };
    let text = app.text().to_owned();
    app.restart_with(&text).await;
    say(&told(&app).await, &[&base, "连接超时"], &[&base, "timed out"]);
}

#[tokio::test]
async fn a_companys_own_authority_is_trusted_besides_the_others() {
    let mut app = TestApp::start().await;
    let port = tls("leaf.pem", app.sandbox.addr().to_string()).await;
    std::fs::copy(certs().join("ca.pem"), app.dir.path().join("ca.pem")).unwrap();
    let here = format!("api_base = \"{}\"", app.sandbox.url());
    let there = format!("api_base = \"https://localhost:{port}\"\nca_file = \"ca.pem\"");
    let text = app.text().replace(&here, &there);
    app.restart_with(&text).await;
    app.qr_code(OFFICIAL).await.ok();
    for (file, what) in [("nothing.pem", "读不到"), ("empty.pem", "没有证书")] {
        std::fs::write(app.dir.path().join("empty.pem"), "").unwrap();
        for section in ["wechat", "egress"] {
            let wrong = match section {
                "wechat" => text.replace("ca.pem", file),
                _ => format!("{text}\n[egress]\nca_file = \"{file}\"\n"),
            };
            let mistakes = app.config(&wrong).unwrap_err().to_string();
            assert!(
                mistakes.contains(&format!("{section}.ca_file")) && mistakes.contains(what),
                "{mistakes}"
            );
        }
    }
}

#[tokio::test]
async fn deliveries_trust_what_egress_says() {
    let backend = crate::backend::Backend::start().await;
    let address = backend.url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let port = tls("leaf.pem", address).await;
    let route = format!(
        "{OPEN}\n[egress]\nca_file = \"{}\"\n[[routes]]\nname = \"r\"\ntarget = \"https://localhost:{port}/x\"",
        certs().join("ca.pem").display()
    );
    let app = TestApp::configured(&route).await;
    let message = crate::signed::text("gh_0000000000c3", "hello");
    let signed = crate::signed::Maker::new(EXAMPLE, app.now()).plain(&message);
    assert_eq!(app.callback(None, &signed).await.body, "success");
    app.all_delivered().await;
    assert_eq!(app.deliveries("status=delivered").await.len(), 1);
}

#[tokio::test]
async fn a_proxy_that_is_none_is_a_mistake_that_shows_no_password() {
    let app = TestApp::start().await;
    for wrong in ["socks5://user:geheim@127.0.0.1:1", "127.0.0.1:3128", "https://127.0.0.1:1"] {
        let text = app.text().replacen(
            "kind = \"official\"",
            &format!("kind = \"official\"\nproxy = \"{wrong}\""),
            1,
        );
        let mistakes = app.config(&text).unwrap_err().to_string();
        assert!(mistakes.contains("apps[0].proxy") && !mistakes.contains("geheim"), "{mistakes}");
    }
    let url = format!("{}/healthz", app.admin_url());
    let _: Value = app.http.send(Method::GET, &url, &[], "").await.unwrap().json();
}
