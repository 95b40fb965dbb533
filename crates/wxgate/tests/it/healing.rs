//! Is a refused token dead, or does an API answer 40001 to everybody? Found out, not guessed; and no caller pays for it.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::{OFFICIAL, Reply, TestApp};

const QR: &str = "/cgi-bin/qrcode/create";
const SEND: &str = "/cgi-bin/message/template/send";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const MODES: [&str; 2] = ["stable", "classic"];
const DAY: u64 = 24 * 3600;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An account `wxd` of its own, in the mode.
async fn account(mode: &str) -> TestApp {
    let app = TestApp::exporting(mode).await;
    app.qr_code("wxd").await.ok();
    app
}

/// Somebody else refreshes the token, without the overlap.
async fn steal(app: &TestApp, mode: &str) {
    app.control("token/rotate", json!({"appid": "wxd", "mode": mode, "hard": true})).await;
}

async fn send(app: &TestApp) -> Reply {
    let message = json!({"appid": "wxd", "openid": "o", "template_id": "t", "data": {"a": {"value": "b"}}});
    app.call("sendwxtemplatemsg", message).await
}

async fn probes(app: &TestApp) -> usize {
    app.calls(PROBE, Some("wxd")).await
}

async fn fetches(app: &TestApp) -> usize {
    app.token_calls(Some("wxd")).await
}

/// How many tokens the account has had, by what wxgate counts.
async fn tokens_had(app: &TestApp) -> usize {
    let token = app.exported().await;
    usize::try_from(token["version"].as_u64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_stolen_token_costs_no_caller_a_failure() {
    for mode in MODES {
        let app = account(mode).await;
        for round in 0..5 {
            let (replies, ()) =
                tokio::join!(join_all((0..60).map(|_| app.qr_code("wxd"))), steal(&app, mode));
            replies.iter().for_each(|reply| drop(reply.ok()));
            join_all((0..60).map(|_| app.qr_code("wxd"))).await.iter().for_each(|reply| drop(reply.ok()));
            assert!(fetches(&app).await <= 2 + round, "{mode}: one fetch a theft");
            app.advance(secs(150)).await;
        }
    }
}

#[tokio::test]
async fn a_stolen_token_heals_although_it_worked_a_moment_ago() {
    for mode in MODES {
        let app = account(mode).await;
        steal(&app, mode).await;
        app.qr_code("wxd").await.ok();
        assert_eq!(fetches(&app).await, 2, "{mode}");
        assert_eq!(probes(&app).await, usize::from(mode == "classic"), "{mode}: normal mode knows without");
    }
}

#[tokio::test]
async fn apis_that_refuse_everybody_cost_questions_only() {
    for mode in MODES {
        let app = account(mode).await;
        app.fault(QR, json!({"errcode": 40001})).await;
        app.fault(SEND, json!({"errcode": 40001})).await;
        let had = tokens_had(&app).await;
        for step in 0..DAY / 60 {
            let reply = if step % 2 == 0 { app.qr_code("wxd").await } else { send(&app).await };
            reply.fails(3_584_004, false, 40001);
            app.advance(secs(60)).await;
        }
        let probes = probes(&app).await;
        assert!((24..=500).contains(&probes), "{mode}: {probes} probes");
        let most = if mode == "stable" { 14 + probes } else { 14 };
        let fetches = fetches(&app).await;
        assert!(fetches <= most, "{mode}: {fetches} fetches");
        assert!(tokens_had(&app).await <= had + 14, "{mode}: nothing was forced");
        assert_eq!(
            app.admin("/readyz").await.json()["checks"]["tokens"],
            json!([]),
            "{mode}: nobody is accused"
        );
    }
}

#[tokio::test]
async fn the_only_api_of_an_account_heals_at_its_first_call() {
    for mode in MODES {
        let app = account(mode).await;
        for _ in 0..6 {
            app.advance(secs(3600)).await;
            steal(&app, mode).await;
            app.qr_code("wxd").await.ok();
        }
    }
}

#[tokio::test]
async fn what_the_probe_does_not_know_costs_nothing_and_may_be_tried_again() {
    for mode in MODES {
        for noise in [
            json!({"status": 502}),
            json!({"errcode": -1}),
            json!({"errcode": 45009}),
            json!({"cut": "before"}),
        ] {
            let app = account(mode).await;
            app.fault(QR, json!({"errcode": 40001})).await;
            app.fault(PROBE, noise.clone()).await;
            let had = tokens_had(&app).await;
            app.qr_code("wxd").await.fails(3_584_004, true, 0);
            let pass = app.get(&format!("{QR}?x=1"), &[("x-wx-appid", "wxd")]).await.json();
            assert_eq!(pass["errcode"], -1, "{mode} {noise}: {pass}");
            assert_eq!(tokens_had(&app).await, had, "{mode} {noise}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_always_dead_is_replaced_within_its_limits() {
    for (mode, most) in [("stable", 10), ("classic", 50)] {
        let app = account(mode).await;
        for path in [QR, PROBE] {
            app.fault(path, json!({"errcode": 40001})).await;
        }
        for _ in 0..DAY / 120 {
            app.qr_code("wxd").await.fails(3_584_004, false, 40001);
            app.advance(secs(120)).await;
        }
        let had = tokens_had(&app).await;
        assert!((3..=most + 15).contains(&had), "{mode}: {had}");
    }
}

/// A refresh is under way, and its token is stolen before it is here: whoever was refused with the old one and finds the
/// stolen one is none the worse.
#[tokio::test]
async fn a_token_that_was_stolen_on_its_way_here_costs_no_caller_a_failure() {
    for mode in MODES {
        let app = account(mode).await;
        let fetch = if mode == "stable" { "/cgi-bin/stable_token" } else { "/cgi-bin/token" };
        let before = fetches(&app).await;
        app.faults(fetch, json!({"delay_ms": 400}), 1).await;
        let refresh = async {
            while fetches(&app).await == before {
                app.advance(secs(60)).await;
            }
            steal(&app, mode).await;
            app.qr_code("wxd").await.ok();
        };
        refresh.await;
        assert_eq!(fetches(&app).await, before + 2, "{mode}: the stolen one, and another");
    }
}

#[tokio::test]
async fn many_callers_of_a_broken_api_ask_one_question() {
    for mode in MODES {
        let app = account(mode).await;
        app.fault(QR, json!({"errcode": 40001})).await;
        app.faults(PROBE, json!({"delay_ms": 200}), 1).await;
        for reply in join_all((0..200).map(|_| app.qr_code("wxd"))).await {
            reply.fails(3_584_004, false, 40001);
        }
        assert_eq!(probes(&app).await, 1, "{mode}");
        send(&app).await.fails(3_584_009, false, 40003);
    }
}

#[tokio::test]
async fn another_credential_than_ours_is_none_of_our_business() {
    let app = account("classic").await;
    let fetched = fetches(&app).await;
    for path in [
        "/cgi-bin/component/api_query_auth?component_access_token=junk",
        "/sns/component/x",
        "/cgi-bin/anything?authorizer_access_token=junk",
        "/cgi-bin/user/get?Component_Access_Token=junk",
    ] {
        let answer = app.get(path, &[("x-wx-appid", "wxd")]).await;
        assert_eq!(answer.json()["errcode"], 48001, "{path}");
        assert_eq!(answer.headers["x-wxgate-error"], "1");
    }
    // A user's own token is answered by WeChat, and ours has nothing to do with it.
    let user = app.get("/sns/userinfo?access_token=junk&openid=o", &[]).await.json();
    assert!(user["errcode"].as_i64().is_some_and(|code| code != 0), "{user}");
    assert_eq!((fetches(&app).await, probes(&app).await), (fetched, 0));
}

#[tokio::test]
async fn limits_outlive_a_restart() {
    let mut app = account("classic").await;
    for path in [QR, PROBE] {
        app.fault(path, json!({"errcode": 40001})).await;
    }
    for _ in 0..6 {
        app.qr_code("wxd").await.fails(3_584_004, false, 40001);
        app.advance(secs(11)).await;
    }
    let before = fetches(&app).await;
    app.restart().await;
    app.qr_code("wxd").await.fails(3_584_004, false, 40001);
    assert_eq!(fetches(&app).await, before, "six in ten minutes were used up");
    app.advance(secs(600)).await;
    app.qr_code("wxd").await.fails(3_584_004, false, 40001);
    assert_eq!(fetches(&app).await, before + 1);
}

#[tokio::test]
async fn a_ticket_heals_as_calls_do() {
    let app = TestApp::start().await;
    app.qr_code(OFFICIAL).await.ok();
    app.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    let page = json!({"appid": OFFICIAL, "url": "https://a.example.com/"});
    let signed: Value = app.call("jssdk", page).await.ok();
    assert_eq!(signed["appId"], OFFICIAL);
    assert_eq!(app.token_calls(Some(OFFICIAL)).await, 2);
}

#[tokio::test]
async fn a_dead_token_that_may_not_be_replaced_is_left_alone_and_replaced_when_it_may() {
    for mode in MODES {
        let app = account(mode).await;
        app.qr_code("wxd").await.ok();
        // Once more than it may be replaced just now.
        let may = if mode == "stable" { 1 } else { 6 };
        app.faults(QR, json!({"errcode": 40001}), 2 * may + 300).await;
        app.faults(PROBE, json!({"errcode": 40001}), may + 1).await;
        for _ in 0..may {
            app.qr_code("wxd").await.fails(3_584_004, false, 40001);
        }
        let (had, asked) = (fetches(&app).await, probes(&app).await);
        for _ in 0..300 {
            app.qr_code("wxd").await.fails(3_584_004, false, 40001);
        }
        let (more, questions) = (fetches(&app).await - had, probes(&app).await - asked);
        assert!(more <= 1 && questions <= 1, "{mode}: {more} fetches, {questions} probes for 300 refusals");
        let ready = app.admin("/readyz").await.json();
        let tokens = ready["checks"]["tokens"].as_array().unwrap();
        assert!(
            tokens.iter().any(|one| one["event"] == "failing" && one["wx_errcode"] == 40001),
            "{mode}: {ready}"
        );
        assert_eq!(ready["apps"]["down"], 1, "{mode}");
        // Once it may be replaced again, the first call does so.
        for path in [QR, PROBE] {
            app.faults(path, json!({"errcode": 40001}), 1).await;
        }
        app.advance(secs(601)).await;
        let had = tokens_had(&app).await;
        app.qr_code("wxd").await.ok();
        assert_eq!(tokens_had(&app).await, had + 1, "{mode}");
        assert_eq!(app.admin("/readyz").await.json()["apps"]["down"], 0, "{mode}");
    }
}

#[tokio::test]
async fn a_path_that_refuses_everybody_does_not_keep_those_that_work_from_being_healed() {
    for mode in MODES {
        let app = account(mode).await;
        app.fault(SEND, json!({"errcode": 40001})).await;
        app.qr_code("wxd").await.ok();
        send(&app).await.fails(3_584_004, false, 40001);
        app.advance(secs(1)).await;
        app.qr_code("wxd").await.ok();
        steal(&app, mode).await;
        app.qr_code("wxd").await.ok();
        send(&app).await.fails(3_584_004, false, 40001);
    }
}
