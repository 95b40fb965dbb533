//! Starting, reloading and stopping under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::app::{Http, OFFICIAL, TestApp};
use crate::database;

/// Calls without pause until told to stop; counts successes, keeps the first failure.
struct Load {
    go: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    workers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(url: &str, workers: usize) -> Self {
        let (go, done) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let url = format!("{url}/v1/service/wx/getwxqrcode");
        let body = json!({"source": "load", "appid": OFFICIAL}).to_string();
        let workers = (0..workers)
            .map(|_| {
                let (go, done, url, body) = (go.clone(), done.clone(), url.clone(), body.clone());
                tokio::spawn(async move {
                    let http = Http::new();
                    let mut failures = Vec::new();
                    while go.load(Ordering::Relaxed) {
                        match http.send(Method::POST, &url, &[], body.clone()).await {
                            Ok(reply) if reply.status == 200 && reply.code() == 0 => {
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                            Ok(reply) => failures.push(format!("{} {:?}", reply.status, reply.body)),
                            // Not accepted: refused at the door, as a stopped gateway may.
                            Err(error) if error.contains("Connect") => break,
                            Err(error) => failures.push(error),
                        }
                    }
                    failures
                })
            })
            .collect();
        Self { go, done, workers }
    }

    async fn passed(&self, more: usize) {
        let goal = self.done.load(Ordering::Relaxed) + more;
        let end = Instant::now() + Duration::from_secs(60);
        while self.done.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < end, "no call passes any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn finish(self) -> Vec<String> {
        self.go.store(false, Ordering::Relaxed);
        let mut failures = Vec::new();
        for worker in self.workers {
            failures.extend(worker.await.unwrap());
        }
        failures
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_fails_no_accepted_call() {
    let mut app = TestApp::start().await;
    app.fault("/cgi-bin/qrcode/create", json!({"delay_ms": 100})).await;
    let load = Load::start(&app.url(), 16);
    load.passed(64).await;
    let began = Instant::now();
    app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "within shutdown_grace");
    assert_eq!(load.finish().await, Vec::<String>::new());
}

#[tokio::test]
async fn not_ready_while_draining_and_alive_until_the_end() {
    let mut app = TestApp::start().await;
    app.fault("/cgi-bin/qrcode/create", json!({"delay_ms": 1000})).await;
    let (admin, url) = (app.admin_url(), app.url());
    let http = app.http.clone();
    let slow = tokio::spawn(async move {
        let body = json!({"source": "t", "appid": OFFICIAL}).to_string();
        http.send(Method::POST, &format!("{url}/v1/service/wx/getwxqrcode"), &[], body).await.unwrap()
    });
    app.until("the call is at work", async || app.calls("/cgi-bin/qrcode/create", None).await == 1).await;
    let probe = tokio::spawn(async move {
        let http = Http::new();
        let ready = loop {
            let ready = http.send(Method::GET, &format!("{admin}/readyz"), &[], "").await.unwrap();
            if ready.status != 200 {
                break ready;
            }
            // The stop has not begun; once it has ended nobody answers.
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let alive = http.send(Method::GET, &format!("{admin}/healthz"), &[], "").await.unwrap();
        (ready.status.as_u16(), ready.json()["status"].clone(), alive.status.as_u16())
    });
    app.stop().await;
    assert_eq!(probe.await.unwrap(), (503, json!("draining"), 200));
    slow.await.unwrap().ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_call() {
    let mut app = TestApp::start().await;
    let load = Load::start(&app.url(), 8);
    let good = format!(
        "{}\n[[callers]]\nname = \"new\"\nkey = \"key_new_0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]",
        app.text()
    );
    for round in 0..10 {
        load.passed(20).await;
        let text = if round % 2 == 0 { good.clone() } else { app.text().to_owned() };
        let config = app.config(&text).unwrap();
        assert_eq!(app.gateway().reload(config).unwrap(), Vec::<&str>::new());
    }
    let problems = app.config(&good.replace("[[callers]]", "[[caller]]")).unwrap_err();
    assert!(problems.to_string().contains("caller"), "{problems}");
    load.passed(20).await;
    assert_eq!(load.finish().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_reload_takes_up_callers_and_names_what_waits() {
    let mut app = TestApp::configured("").await;
    let call = async |app: &TestApp| {
        let key = [("x-api-key", "key_new_0123456789abcdefghijk")];
        app.call_with("code2session", &key, json!({"appid": "wx00000000000000b2", "code": "demo-login"}))
            .await
    };
    assert_eq!(call(&app).await.status.as_u16(), 401);
    let more = "[[callers]]\nname = \"new\"\nkey = \"key_new_0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]";
    let text = format!("{}\n{more}", app.text()).replace("timeout = \"10s\"", "timeout = \"11s\"");
    let config = app.config(&text).unwrap();
    assert_eq!(app.gateway().reload(config).unwrap(), ["wechat"]);
    call(&app).await.ok();
    let config = app.config(app.text()).unwrap();
    app.gateway().reload(config).unwrap();
    assert_eq!(call(&app).await.status.as_u16(), 401, "a removed caller is refused at once");
}

#[tokio::test]
async fn a_reload_never_opens_a_socket_that_others_reach() {
    let app = TestApp::configured("").await;
    let text = app
        .text()
        .replace("listen = \"127.0.0.1:0\"\n            admin", "listen = \"0.0.0.0:0\"\n            admin");
    assert_ne!(text, app.text());
    let mut other = app.beside(&text).await;
    // The new file would be fine by itself; the socket is still open to all.
    let open = other.config(&format!("{}\n[auth]\nmode = \"off\"", app.text())).unwrap();
    let error = other.gateway().reload(open).unwrap_err().to_string();
    assert!(error.contains("0.0.0.0"), "{error}");
    other.stop().await;
}

#[tokio::test]
async fn a_link_to_a_database_is_that_database() {
    if database::server().is_some() {
        return;
    }
    let mut app = TestApp::start().await;
    std::os::unix::fs::symlink(app.dir.path().join("wxgate.db"), app.dir.path().join("other.db")).unwrap();
    let text = app.text().replace("sqlite:wxgate.db", "sqlite:other.db");
    let error = app.beside_here(&text).await.err().expect("two processes, one database").to_string();
    assert!(error.contains("正在使用"), "{error}");
    app.stop().await;
}
