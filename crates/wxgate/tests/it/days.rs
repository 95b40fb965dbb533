//! Sixty days of twelve apps, with everything going wrong now and then: no caller ever sees
//! WeChat's token errors.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::app::{TEMPLATE, TestApp};

const APPS: usize = 12;
const DAYS: i64 = 60;

/// What may go wrong with WeChat's answers.
const FAULTS: &[&str] = &["rotate", "rotate_hard", "expire", "status", "busy", "cut", "token_down"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_days_of_twelve_apps() {
    let seed = 20_261_122;
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let apps: Vec<String> = (0..APPS).map(|n| format!("wx{n:016x}")).collect();
    let entries: String = apps
        .iter()
        .enumerate()
        .map(|(n, appid)| {
            let mode = if n % 4 == 3 { "classic" } else { "stable" };
            let secret = "d4".repeat(16);
            format!("[[apps]]\nappid = \"{appid}\"\nkind = \"mini\"\nsecret = \"{secret}\"\ntoken_mode = \"{mode}\"\n")
        })
        .collect();
    let app = TestApp::configured(&format!("[auth]\nmode = \"off\"\n{entries}")).await;
    let mut openids = Vec::new();
    for appid in &apps {
        app.control("apps", json!({"appid": appid, "secret": "d4".repeat(16), "kind": "mini"})).await;
        let openid = app.state().await["users"][0]["openids"][appid].clone();
        let allow = json!({"appid": appid, "openid": openid, "template_id": TEMPLATE, "count": u32::MAX});
        app.control("subscribe", allow).await;
        openids.push(openid);
    }
    let end = app.clock.now() + DAYS * 86_400_000;
    let (mut calls, mut failed) = (0, 0);
    while app.clock.now() < end {
        app.advance(Duration::from_secs(random.random_range(120..2400))).await;
        if random.random_range(0..20) == 0 {
            inject(&app, &mut random, &apps).await;
        }
        let app = &app;
        let round = apps.iter().zip(&openids).map(|(appid, openid)| async move {
            let data = json!({"thing1": {"value": "x"}});
            let request = json!({"appid": appid, "openid": openid, "template_id": TEMPLATE, "data": data});
            app.call("sendsubscribemsg", request).await.ret()
        });
        for ret in futures_util::future::join_all(round).await {
            calls += 1;
            let wx = ret["wx_errcode"].as_i64().unwrap_or(0);
            assert!(!matches!(wx, 40001 | 40014 | 42001), "seed {seed}, at {}: {ret}", app.clock.now());
            failed += u32::from(ret["code"] != 0);
        }
    }
    println!("{calls} calls in {DAYS} days, {failed} failed by injected outages, {:?}", began.elapsed());
    assert!(failed * 20 < calls, "{failed} of {calls} calls failed");
}

async fn inject(app: &TestApp, random: &mut StdRng, apps: &[String]) {
    let appid = &apps[random.random_range(0..apps.len())];
    let send = "/cgi-bin/message/subscribe/send";
    let classic = apps.iter().position(|one| one == appid).is_some_and(|n| n % 4 == 3);
    let mode = if classic { "classic" } else { "stable" };
    match FAULTS[random.random_range(0..FAULTS.len())] {
        "rotate" => {
            app.control("token/rotate", json!({"appid": appid, "mode": mode})).await;
        }
        "rotate_hard" => {
            app.control("token/rotate", json!({"appid": appid, "mode": mode, "hard": true})).await;
        }
        "expire" => {
            app.control("token/expire", json!({"appid": appid})).await;
        }
        "status" => app.faults(send, json!({"status": 502}), 2).await,
        "busy" => app.faults(send, json!({"errcode": -1}), 2).await,
        "cut" => app.faults(send, json!({"cut": "before"}), 2).await,
        _ => app.faults("/cgi-bin/stable_token", json!({"errcode": -1}), 3).await,
    }
}
