//! The machine's clock is set: nothing that is dead is served by that, and nothing rests for hours.

use std::time::Duration;

use serde_json::json;

use crate::app::{OFFICIAL, TestApp};

const TOKEN: &str = "/cgi-bin/stable_token";
const TICKET: &str = "/cgi-bin/ticket/getticket";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const HOUR: i64 = 3_600_000;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn sign(app: &TestApp) {
    app.call("jssdk", json!({"appid": OFFICIAL, "url": "https://a.example.com/"})).await.ok();
}

#[tokio::test]
async fn a_clock_that_is_set_changes_no_life() {
    for by in [8 * HOUR, -8 * HOUR] {
        let app = TestApp::start().await;
        sign(&app).await;
        app.clock.set(by);
        sign(&app).await;
        let calls = async || (app.calls(TOKEN, None).await, app.calls(TICKET, None).await);
        assert_eq!(calls().await, (1, 1), "{by}: both live on");
        app.advance(secs(7300)).await;
        sign(&app).await;
        assert_eq!(calls().await, (2, 2), "{by}: both have ended");
    }
}

#[tokio::test]
async fn a_back_off_lasts_as_long_as_it_says() {
    for by in [8 * HOUR, -8 * HOUR] {
        let app = TestApp::start().await;
        app.faults(TOKEN, json!({"errcode": 40164}), 1).await;
        app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
        app.clock.set(by);
        app.advance(secs(29)).await;
        app.qr_code(OFFICIAL).await.fails(3_584_005, false, 40164);
        assert_eq!(app.calls(TOKEN, None).await, 1, "{by}");
        app.advance(secs(2)).await;
        app.qr_code(OFFICIAL).await.ok();
    }
}

#[tokio::test]
async fn a_host_that_failed_is_skipped_for_half_a_minute_only() {
    let mut app = TestApp::start().await;
    let here = format!("api_base = \"{}\"", app.sandbox.url());
    let text = app.text().replace(
        &here,
        &format!("api_base = \"http://127.0.0.1:1\"\nfallback_bases = [\"{}\"]", app.sandbox.url()),
    );
    app.restart_with(&text).await;
    app.qr_code(OFFICIAL).await.ok();
    app.clock.set(-8 * HOUR);
    app.qr_code(OFFICIAL).await.ok();
}

#[tokio::test]
async fn what_was_kept_by_a_clock_that_was_ahead_is_looked_at_and_serves_meanwhile() {
    let mut app = TestApp::start().await;
    app.clock.set(8 * HOUR);
    sign(&app).await;
    app.clock.set(-8 * HOUR);
    // It has long ended when wxgate starts again, but its row says otherwise.
    app.advance(secs(7300)).await;
    app.restart().await;
    app.until("both are looked at", async || {
        app.calls(TOKEN, None).await == 2 && app.calls(TICKET, None).await == 2
    })
    .await;
    sign(&app).await;
    app.qr_code(OFFICIAL).await.ok();
    assert_eq!((app.calls(TOKEN, None).await, app.calls(TICKET, None).await), (2, 2));
    // And from then on it is as any other.
    app.restart().await;
    sign(&app).await;
    assert_eq!((app.calls(TOKEN, None).await, app.calls(TICKET, None).await), (2, 2));
}

#[tokio::test]
async fn what_cannot_be_looked_at_serves_meanwhile() {
    let mut app = TestApp::start().await;
    app.clock.set(8 * HOUR);
    sign(&app).await;
    app.clock.set(-8 * HOUR);
    app.fault(TOKEN, json!({"status": 502})).await;
    app.fault(TICKET, json!({"status": 502})).await;
    app.restart().await;
    for _ in 0..20 {
        sign(&app).await;
        app.qr_code(OFFICIAL).await.ok();
        app.advance(secs(1)).await;
    }
    let asked = app.calls(TICKET, None).await;
    assert!((2..=20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_classic_token_of_unknown_age_is_probed_and_not_replaced() {
    for is_dead in [false, true] {
        let mut app = TestApp::exporting("classic").await;
        app.clock.set(8 * HOUR);
        let before = app.exported().await;
        app.clock.set(-8 * HOUR);
        if is_dead {
            app.control("token/rotate", json!({"appid": "wxd", "mode": "classic", "hard": true})).await;
        }
        let fetched = app.token_calls(Some("wxd")).await;
        app.restart().await;
        app.until("the probe", async || app.calls(PROBE, Some("wxd")).await == 1).await;
        if is_dead {
            app.until("another", async || app.token_calls(Some("wxd")).await == fetched + 1).await;
        }
        app.qr_code("wxd").await.ok();
        let after = app.exported().await;
        assert_eq!(after["access_token"] != before["access_token"], is_dead);
        assert_eq!(after["expires_in"], 7200);
        assert_eq!(
            (app.calls(PROBE, Some("wxd")).await, app.token_calls(Some("wxd")).await),
            (1, fetched + usize::from(is_dead))
        );
    }
}

#[tokio::test]
async fn limits_of_a_clock_that_was_ahead_end() {
    let mut app = TestApp::exporting("stable").await;
    app.exported().await;
    app.clock.set(8 * HOUR);
    for path in ["/cgi-bin/qrcode/create", PROBE] {
        app.faults(path, json!({"errcode": 40001}), 1).await;
    }
    app.qr_code("wxd").await.ok();
    app.clock.set(-8 * HOUR);
    let fetched = app.token_calls(Some("wxd")).await;
    app.restart().await;
    // From then on its limits are counted by this clock.
    app.until("it is looked at", async || app.token_calls(Some("wxd")).await == fetched + 1).await;
    app.exported().await;
    app.advance(secs(301)).await;
    for path in ["/cgi-bin/qrcode/create", PROBE] {
        app.faults(path, json!({"errcode": 40001}), 1).await;
    }
    app.qr_code("wxd").await.ok();
}
