//! The control calls, and the page that lists them.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, secret};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_wrong_is_named() {
    let rig = Rig::start().await;
    for (name, body, word) in [
        ("apps", json!({"appid": "wx1", "secret": "x"}), "kind"),
        ("apps", json!({"appid": "wx1", "secret": "x", "kind": "shop"}), "shop"),
        ("apps", json!({"appid": "wx1", "secret": "x", "kind": "mini", "aes_key": "short"}), "aes_key"),
        ("apps", json!({"appid": "wx1", "secret": "x", "kind": "mini", "ip_allow": ["here"]}), "ip_allow"),
        ("oauth/code", json!({"appid": "wx1", "openid": "o", "scope": "snsapi_base"}), "wx1"),
        ("oauth/code", json!({"appid": OFFICIAL, "openid": "oNobody", "scope": "snsapi_base"}), "oNobody"),
        ("subscribe", json!({"appid": MINI, "openid": "o", "template_id": "x", "count": 1}), "openid"),
        ("scan", json!({"ticket": "x", "openid": "o"}), "ticket"),
        ("callback", json!({"appid": MINI, "url": "ftp://x", "mode": "plain"}), "url"),
        ("quirks", json!({"colour": "blue"}), "colour"),
        ("quirks", json!({"hyaline": "gif"}), "gif"),
        ("fault", json!({"path": "/x"}), "errcode"),
        ("fault", json!({"path": "/x", "cut": "twice"}), "twice"),
        ("token/rotate", json!({"appid": "wx1"}), "wx1"),
        ("fault", json!({"path": "/x", "errcode": 1, "probability": 2}), "probability"),
        ("fault", json!({"path": "/x", "body_base64": "%"}), "body_base64"),
        ("fault", json!({"path": "/x", "errcode": 1, "headers": {}}), "headers"),
        ("clock", json!({}), "advance_seconds"),
        ("quota", json!({"appid": "wx1", "api": "/cgi-bin/message/template/send", "limit": 1}), "wx1"),
        (
            "quota",
            json!({"appid": OFFICIAL, "api": "/cgi-bin/draft/count", "limit": 1}),
            "/cgi-bin/draft/count",
        ),
        ("quota", json!({"appid": OFFICIAL, "api": "/cgi-bin/message/template/send", "limit": -1}), "-1"),
    ] {
        let reply = rig.post(&format!("/sandbox/{name}"), body.clone()).await;
        assert_eq!(reply.status, 400, "{name} {body}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(word), "{name} {body}: {error}");
    }
    assert_eq!(rig.post("/sandbox/nothing", json!({})).await.status, 404);
    assert_eq!(rig.state().await["calls"], json!([]), "control calls are not WeChat's");
}

#[tokio::test]
async fn members_that_no_call_has_are_named() {
    let rig = Rig::start().await;
    let calls = [
        "apps",
        "users",
        "callback",
        "oauth/code",
        "phone/code",
        "login/code",
        "subscribe",
        "token/expire",
        "token/rotate",
        "fault",
        "clock",
        "quirks",
        "quota",
        "reset",
        "scan",
        "message",
        "event",
        "unfollow",
        "push",
        "worlds",
    ];
    // What the calls before the last need, so that nothing else is wrong.
    let all = json!({
        "appid": OFFICIAL, "openid": "o", "secret": "x", "kind": "official", "path": "/x", "url": "", "mode": "plain",
        "template_id": "t", "count": 1, "errcode": 1, "advance_seconds": 1, "ticket": "t", "text": "t", "event": "e",
    });
    for name in calls {
        let reply = rig.post(&format!("/sandbox/{name}"), json!({"colour": "blue"})).await;
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("colour") || error.contains("missing field"), "{name}: {error}");
        let reply = rig.post(&format!("/sandbox/{name}"), all.clone()).await;
        assert_eq!(reply.status, 400, "{name} takes no member of every other call: {reply:?}");
    }
    assert_eq!(rig.get("/sandbox/calls?colour=blue").await.status, 400);
    assert_eq!(rig.get("/sandbox/calls?limit=many").await.status, 400);
}

#[tokio::test]
async fn users_have_an_openid_for_every_account() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({"nickname": "Ann"})).await;
    assert_eq!(user["nickname"], "Ann");
    let openids: Vec<&str> =
        [OFFICIAL, MINI, EXAMPLE].map(|appid| user["openids"][appid].as_str().unwrap()).to_vec();
    assert!(openids.iter().all(|o| o.len() == 28 && o.starts_with('o')));
    rig.control("apps", json!({"appid": "wxnew", "secret": secret("wxnew"), "kind": "official"})).await;
    let users = rig.state().await["users"].clone();
    assert!(users[1]["openids"]["wxnew"].is_string());
    assert_eq!(users[0]["nickname"], "Hui🐠");

    let other = Rig::start().await;
    assert_eq!(
        other.state().await["users"][0]["openids"][MINI],
        users[0]["openids"][MINI],
        "the same at every start"
    );
}

#[tokio::test]
async fn the_state_holds_no_secret_and_reset_forgets() {
    let rig = Rig::start().await;
    let start = rig.state().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    rig.control("apps", json!({"appid": "wxnew", "secret": secret("wxnew"), "kind": "official"})).await;
    rig.control("quirks", json!({"hyaline": "jpeg"})).await;
    rig.advance(100).await;
    let state = rig.state().await;
    let text = state.to_string();
    for hidden in [token.as_str(), &secret(OFFICIAL), "sandboxtoken", "abcdefghijklmnopqrstuvwxyz"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_eq!(
        state["tokens"],
        json!([{"appid": OFFICIAL, "mode": "stable", "expires_at": crate::rig::START / 1000 + 7200}])
    );
    assert_eq!(
        state["apps"][1],
        json!({
            "appid": MINI, "kind": "mini", "original_id": "gh_0000000000b2", "callback": Value::Null,
            "ip_allow": [], "token_ttl": 7200, "oauth_domains": [], "bound": true, "linked": [], "pages": ["pages/index/index"],
        })
    );
    assert_eq!(state["apps"][2]["original_id"], "gh_0000000000c3");
    rig.control("reset", json!({})).await;
    assert_eq!(rig.state().await, start);
    assert_eq!(rig.sandbox.state(), start);
}

#[tokio::test]
async fn stopping_closes_connections() {
    let rig = Rig::start().await;
    rig.state().await;
    let addr = rig.sandbox.addr();
    rig.sandbox.stop().await;
    tokio::net::TcpStream::connect(addr).await.unwrap_err();
}
