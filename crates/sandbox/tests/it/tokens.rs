//! access_token: two slots, overlaps, limits.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Reply, Rig, classic_path, errcode, refused, secret};
use serde_json::json;

#[tokio::test]
async fn a_stable_token_stays_until_five_minutes_before_its_end() {
    let rig = Rig::start().await;
    let (first, life) = rig.stable(OFFICIAL, false).await;
    assert_eq!(life, 7200);
    let (number, rest) = first.split_once('_').unwrap();
    assert!(number.parse::<u32>().is_ok() && rest.len() == 140, "{first}");

    rig.advance(6899).await;
    assert_eq!(rig.stable(OFFICIAL, false).await, (first.clone(), 301));
    rig.advance(2).await;
    let (second, life) = rig.stable(OFFICIAL, false).await;
    assert_eq!((second != first, life), (true, 7200));
    assert_eq!(rig.verdict(&first).await, 0, "the old one lives on");
    rig.advance(299).await;
    assert_eq!(rig.verdict(&first).await, 42001, "to its own end");
    assert_eq!(rig.verdict(&second).await, 0);
}

#[tokio::test]
async fn a_classic_call_makes_a_new_token_every_time() {
    let rig = Rig::start().await;
    let (first, _) = rig.classic(OFFICIAL).await;
    let (second, _) = rig.classic(OFFICIAL).await;
    assert_ne!(first, second);
    assert_eq!((rig.verdict(&first).await, rig.verdict(&second).await), (0, 0));
    rig.advance(299).await;
    assert_eq!(rig.verdict(&first).await, 0);
    rig.advance(1).await;
    assert_eq!(rig.verdict(&first).await, 40001);

    let (third, _) = rig.classic(OFFICIAL).await;
    let (fourth, _) = rig.classic(OFFICIAL).await;
    assert_eq!(rig.verdict(&second).await, 40001, "only the newest and the one before it work");
    assert_eq!((rig.verdict(&third).await, rig.verdict(&fourth).await), (0, 0));

    let (stable, _) = rig.stable(OFFICIAL, false).await;
    rig.classic(OFFICIAL).await;
    rig.classic(OFFICIAL).await;
    assert_eq!(rig.verdict(&stable).await, 0, "the other slot knows nothing of it");
}

#[tokio::test]
async fn forced_refreshes_are_rare() {
    let rig = Rig::start().await;
    let (first, _) = rig.stable(OFFICIAL, false).await;
    let (second, _) = rig.stable(OFFICIAL, true).await;
    assert_ne!(first, second);
    rig.advance(29).await;
    assert_eq!(rig.stable(OFFICIAL, true).await, (second.clone(), 7171), "nothing is refreshed");
    rig.control("quirks", json!({"forced_refresh_within_30s": "error"})).await;
    let body = json!({
        "grant_type": "client_credential", "appid": OFFICIAL, "secret": secret(OFFICIAL), "force_refresh": true,
    });
    assert_eq!(refused(&rig.post("/cgi-bin/stable_token", body.clone()).await), 45011);

    for _ in 1..20 {
        rig.advance(30).await;
        rig.stable(OFFICIAL, true).await;
    }
    rig.advance(30).await;
    assert_eq!(refused(&rig.post("/cgi-bin/stable_token", body).await), 45009, "twenty a day");
    assert_eq!(rig.verdict(&second).await, 40001);
    rig.stable(OFFICIAL, false).await;
    rig.advance(9 * 3600).await;
    rig.stable(OFFICIAL, true).await;
}

#[tokio::test]
async fn a_short_life_has_a_shorter_window() {
    let rig = Rig::start().await;
    let app = json!({"appid": "wxshort", "secret": "d4".repeat(16), "kind": "mini", "token_ttl": 10});
    rig.control("apps", app).await;
    let (first, life) = rig.stable("wxshort", false).await;
    assert_eq!(life, 10);
    rig.advance(4).await;
    assert_eq!(rig.stable("wxshort", false).await, (first.clone(), 6));
    rig.advance(1).await;
    assert_ne!(rig.stable("wxshort", false).await.0, first);
    rig.advance(5).await;
    assert_eq!(rig.verdict(&first).await, 42001);
}

#[tokio::test]
async fn somebody_else_refreshes_or_it_just_ends() {
    let rig = Rig::start().await;
    let (first, _) = rig.stable(OFFICIAL, false).await;
    rig.control("token/rotate", json!({"appid": OFFICIAL})).await;
    assert_eq!(rig.verdict(&first).await, 0, "five minutes more");
    let (second, _) = rig.stable(OFFICIAL, false).await;
    assert_ne!(first, second);
    rig.control("token/rotate", json!({"appid": OFFICIAL, "mode": "stable", "hard": true})).await;
    assert_eq!((rig.verdict(&first).await, rig.verdict(&second).await), (40001, 40001));

    let (third, _) = rig.stable(OFFICIAL, false).await;
    rig.control("token/expire", json!({"appid": OFFICIAL})).await;
    assert_eq!(rig.verdict(&third).await, 42001);
    let (fourth, life) = rig.stable(OFFICIAL, false).await;
    assert_eq!((fourth != third, life), (true, 7200));
}

/// WeChat's addresses, asked for with this token.
async fn addresses(rig: &Rig, token: &str) -> Reply {
    rig.get(&format!("/cgi-bin/get_api_domain_ip?access_token={token}")).await
}

#[tokio::test]
async fn addresses_tell_a_living_token_from_a_dead_one() {
    let rig = Rig::start().await;
    let current = async |mode: &str| match mode {
        "stable" => rig.stable(OFFICIAL, false).await.0,
        _ => rig.classic(OFFICIAL).await.0,
    };
    for mode in ["stable", "classic"] {
        let old = current(mode).await;
        assert_eq!(addresses(&rig, &old).await.json(), json!({"ip_list": ["127.0.0.1"]}), "{mode}");
        rig.control("token/rotate", json!({"appid": OFFICIAL, "mode": mode, "hard": true})).await;
        assert_eq!(refused(&addresses(&rig, &old).await), 40001, "{mode}");
        let new = current(mode).await;
        assert_eq!(addresses(&rig, &new).await.json(), json!({"ip_list": ["127.0.0.1"]}), "{mode}");
        rig.control("token/expire", json!({"appid": OFFICIAL})).await;
        assert_eq!(refused(&addresses(&rig, &new).await), 42001, "{mode}");
    }
}

#[tokio::test]
async fn addresses_are_asked_for_at_no_other_apis_expense() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    for _ in 0..10 {
        assert_eq!(errcode(&addresses(&rig, &token).await), 0);
        assert_eq!(refused(&addresses(&rig, "68_dead").await), 40014);
    }
    // Every quota that a test can exhaust is still whole: 2,000 classic tokens and 20 forced ones a day,
    // and clearing ten times.
    for _ in 0..2000 {
        rig.classic(OFFICIAL).await;
    }
    assert_eq!(refused(&rig.get(&classic_path(OFFICIAL)).await), 45009);
    let forced = async || {
        rig.advance(30).await;
        let body = json!({
            "grant_type": "client_credential", "appid": OFFICIAL, "secret": secret(OFFICIAL), "force_refresh": true,
        });
        errcode(&rig.post("/cgi-bin/stable_token", body).await)
    };
    for _ in 0..20 {
        assert_eq!(forced().await, 0);
    }
    assert_eq!(forced().await, 45009);
    let clear = async || {
        let body = json!({"appid": OFFICIAL});
        errcode(&rig.call(OFFICIAL, "/cgi-bin/clear_quota", body).await)
    };
    for _ in 0..10 {
        assert_eq!(clear().await, 0);
    }
    assert_eq!(clear().await, 48006);
}

#[tokio::test]
async fn what_is_no_token() {
    let rig = Rig::start().await;
    assert_eq!(rig.verdict("").await, 41001);
    assert_eq!(rig.verdict("garbage").await, 40014, "not even the shape of one");
    let unknown = format!("68_{}", "x".repeat(140));
    assert_eq!(rig.verdict(&unknown).await, 40001);
    rig.control("quirks", json!({"garbage_token": "40014"})).await;
    assert_eq!(rig.verdict(&unknown).await, 40014);
    let reply = rig.get("/cgi-bin/get_api_domain_ip?access_token=garbage").await;
    assert_eq!(reply.header("content-type"), "application/json; encoding=utf-8");
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("invalid access_token rid: 6957"));
}

#[tokio::test]
async fn wrong_credentials() {
    let rig = Rig::start().await;
    for (query, code) in [
        ("grant_type=client_credential&secret=x", 41002),
        ("grant_type=client_credential&appid=wx1", 41004),
        ("grant_type=client_credential&appid=wx1&secret=x", 40013),
        ("grant_type=client_credential&appid=wx00000000000000a1&secret=x", 40125),
        ("grant_type=authorization_code&appid=wx1&secret=x", 40002),
    ] {
        assert_eq!(refused(&rig.get(&format!("/cgi-bin/token?{query}")).await), code, "{query}");
    }
    let path = "/cgi-bin/stable_token";
    assert_eq!(refused(&rig.get(path).await), 43002);
    assert_eq!(refused(&rig.send(http::Method::POST, path, &[], "").await.unwrap()), 44002);
    assert_eq!(refused(&rig.send(http::Method::POST, path, &[], "{").await.unwrap()), 47001);

    rig.control("apps", json!({"appid": "wxsite", "secret": "d4".repeat(16), "kind": "open"})).await;
    assert_eq!(refused(&rig.get(&classic_path("wxsite")).await), 50004);
}

#[tokio::test]
async fn addresses_that_are_not_listed() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(EXAMPLE, false).await;
    let app = |allow: &str| json!({"appid": EXAMPLE, "secret": secret(EXAMPLE), "kind": "official", "ip_allow": [allow]});
    rig.control("apps", app("10.0.0.0/8")).await;
    let reply = rig.get(&classic_path(EXAMPLE)).await;
    assert_eq!(refused(&reply), 40164);
    assert_eq!(wechat::errcode::refused_ip(reply.json()["errmsg"].as_str().unwrap()), Some("127.0.0.1"));
    assert_eq!(rig.verdict(&token).await, 40164);
    let reply = rig.get(&format!("/cgi-bin/user/get?access_token={token}")).await;
    let words = "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: ";
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with(words), "{reply:?}");
    rig.control("quirks", json!({"ip_scope": "secret"})).await;
    assert_eq!(rig.verdict(&token).await, 0, "only calls with the secret are bound");
    assert_eq!(refused(&rig.get(&classic_path(EXAMPLE)).await), 40164);
    rig.control("quirks", json!({"ip_scope": "all"})).await;
    rig.control("apps", app("127.0.0.1")).await;
    assert_eq!(rig.verdict(&token).await, 0);
}

#[tokio::test]
async fn two_thousand_classic_calls_a_day() {
    let rig = Rig::start().await;
    for _ in 0..2000 {
        rig.classic(MINI).await;
    }
    assert_eq!(refused(&rig.get(&classic_path(MINI)).await), 45009);
    let (token, _) = rig.stable(MINI, false).await;
    let path = format!("/cgi-bin/clear_quota?access_token={token}");
    assert_eq!(errcode(&rig.post(&path, json!({"appid": MINI})).await), 0);
    rig.classic(MINI).await;
}

#[tokio::test]
async fn tickets_stay_while_they_last() {
    let rig = Rig::start().await;
    let ticket = async |kind: &str| {
        let (token, _) = rig.stable(OFFICIAL, false).await;
        let path = format!("/cgi-bin/ticket/getticket?access_token={token}&type={kind}");
        rig.get(&path).await.json()
    };
    let first = ticket("jsapi").await;
    assert_eq!(
        (&first["errcode"], &first["errmsg"], &first["expires_in"]),
        (&json!(0), &json!("ok"), &json!(7200))
    );
    rig.advance(60).await;
    assert_eq!(ticket("jsapi").await["ticket"], first["ticket"]);
    assert_ne!(ticket("wx_card").await["ticket"], first["ticket"]);
    rig.advance(7140).await;
    assert_ne!(ticket("jsapi").await["ticket"], first["ticket"]);
}
