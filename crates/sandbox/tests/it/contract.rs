//! The control calls, one by one: what each takes and answers, to the letter.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, classic_path, errcode, refused, secret};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Names of an object's members, in alphabetical order.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// `POST apps {appid, secret, kind, callback_token?, aes_key?, ip_allow?, token_ttl?, oauth_domains?, bound?, linked?}`
#[tokio::test]
async fn an_account_with_everything_it_can_have() {
    let rig = Rig::start().await;
    let app = json!({
        "appid": "wx1", "secret": "s", "kind": "official", "callback_token": "t", "aes_key": "A".repeat(43),
        "ip_allow": ["127.0.0.1", "10.0.0.0/8"], "token_ttl": 60, "oauth_domains": ["example.com"], "bound": false,
        "linked": [MINI],
    });
    rig.control("apps", app).await;
    let token = "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=s";
    assert_eq!(rig.get(token).await.json()["expires_in"], 60);
    let app = rig.state().await["apps"][3].clone();
    assert_eq!(
        (&app["appid"], &app["bound"], &app["linked"]),
        (&json!("wx1"), &json!(false), &json!([MINI]))
    );
    for kind in ["official", "mini", "open"] {
        rig.control("apps", json!({"appid": "wx2", "secret": "s", "kind": kind})).await;
    }
}

/// `POST users {nickname?}` → `{"user", "nickname", "unionid", "openids"}`; codes of a user; what he allows.
#[tokio::test]
async fn users_their_codes_and_what_they_allow() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({"nickname": "Ann"})).await;
    assert_eq!(members(&user), ["nickname", "openids", "unionid", "user"]);
    assert_eq!(members(&user["openids"]), [OFFICIAL, MINI, EXAMPLE]);
    assert!(rig.control("users", json!({})).await["nickname"].is_string());
    let of = |appid: &str| json!({"appid": appid, "openid": user["openids"][appid]});
    for (call, appid) in [("oauth/code", OFFICIAL), ("phone/code", MINI), ("login/code", MINI)] {
        let mut asked = of(appid);
        if call == "oauth/code" {
            asked["scope"] = json!("snsapi_base");
        }
        let given = rig.control(call, asked).await;
        assert!(members(&given) == ["code"] && given["code"].is_string(), "{call}: {given}");
    }
    let mut allowed = of(MINI);
    allowed["template_id"] = json!(TEMPLATE);
    allowed["count"] = json!(2);
    rig.control("subscribe", allowed).await;
}

/// `POST callback`, `scan`, `message`, `event`, `unfollow`, `push` → `{"pushes":[{"url","attempts":[{"status","body","ms"}]}]}`
#[tokio::test]
async fn what_users_do_is_answered_with_its_pushes() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    let openid = rig.user(OFFICIAL).await;
    for (mode, format) in [("plain", "xml"), ("compat", "json"), ("safe", "xml")] {
        let callback = json!({"appid": OFFICIAL, "url": receiver.url, "mode": mode, "format": format});
        rig.control("callback", callback).await;
    }
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let code = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "a"}}});
    let ticket = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", code).await.json()["ticket"].clone();
    let of = |more: Value| {
        let mut asked = json!({"appid": OFFICIAL, "openid": openid});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let scan = json!({"ticket": ticket, "openid": openid});
    for (call, asked, words) in [
        ("scan", scan.clone(), &["<![CDATA[subscribe]]>", "<![CDATA[qrscene_a]]>"][..]),
        ("scan", scan, &["<![CDATA[SCAN]]>", "<EventKey><![CDATA[a]]>"]),
        ("message", of(json!({"text": "你好"})), &["<![CDATA[你好]]>", "<MsgType><![CDATA[text]]>"]),
        (
            "event",
            of(json!({"event": "CLICK", "key": "k"})),
            &["<![CDATA[CLICK]]>", "<EventKey><![CDATA[k]]>"],
        ),
        ("unfollow", of(json!({})), &["<![CDATA[unsubscribe]]>"]),
        (
            "push",
            of(json!({"message": {"MsgType": "shortvideo", "MediaId": "m", "CreateTime": 5}})),
            &["<CreateTime>5</CreateTime>", "<![CDATA[shortvideo]]>", "<MediaId><![CDATA[m]]>"],
        ),
    ] {
        let answer = rig.control(call, asked).await;
        let push = &answer["pushes"][0];
        assert_eq!(
            (members(&answer), answer["pushes"].as_array().unwrap().len()),
            (vec!["pushes"], 1),
            "{call}"
        );
        assert_eq!(push["url"], receiver.url);
        let attempt = &push["attempts"][0];
        assert_eq!((&attempt["status"], &attempt["body"]), (&json!(200), &json!("success")), "{call}");
        assert!(attempt["ms"].is_u64());
        let got = receiver.take();
        let body = String::from_utf8_lossy(&got[0].body).into_owned();
        assert!(got.len() == 1 && words.iter().all(|word| body.contains(word)), "{call}: {body}");
    }
    let pushes = rig.state().await["pushes"].clone();
    assert!(pushes.as_array().unwrap().len() == 6 && pushes[0]["attempts"][0]["ms"].is_u64(), "{pushes}");
}

/// `POST token/expire {appid}` · `POST token/rotate {appid, mode?, hard?}`
#[tokio::test]
async fn tokens_end_or_are_refreshed_by_somebody_else() {
    let rig = Rig::start().await;
    let (stable, classic) = (rig.stable(OFFICIAL, false).await.0, rig.classic(OFFICIAL).await.0);
    for (asked, verdicts) in [
        (json!({"appid": OFFICIAL}), [0, 0]),
        (json!({"appid": OFFICIAL, "mode": "stable", "hard": true}), [40001, 0]),
        (json!({"appid": OFFICIAL, "mode": "classic"}), [40001, 0]),
        (json!({"appid": OFFICIAL, "mode": "classic", "hard": true}), [40001, 40001]),
    ] {
        rig.control("token/rotate", asked.clone()).await;
        assert_eq!([rig.verdict(&stable).await, rig.verdict(&classic).await], verdicts, "{asked}");
    }
    let (next, _) = rig.stable(OFFICIAL, false).await;
    rig.control("token/rotate", json!({"appid": OFFICIAL})).await;
    assert_eq!(rig.verdict(&next).await, 0, "five minutes more");
    rig.advance(301).await;
    assert_eq!(rig.verdict(&next).await, 40001);
    let (next, _) = rig.stable(OFFICIAL, false).await;
    rig.control("token/expire", json!({"appid": OFFICIAL})).await;
    assert_eq!(rig.verdict(&next).await, 42001);
}

/// `POST quota {appid, api, limit}`, and `GET state` shows it.
#[tokio::test]
async fn every_quota_can_be_set_and_is_seen() {
    let rig = Rig::start().await;
    let set = async |api: &str, limit: u32| {
        rig.control("quota", json!({"appid": OFFICIAL, "api": api, "limit": limit})).await;
    };
    let token = async || errcode(&rig.get(&classic_path(OFFICIAL)).await);
    let stable = async |force: bool| {
        let body = json!({
            "grant_type": "client_credential", "appid": OFFICIAL, "secret": secret(OFFICIAL), "force_refresh": force,
        });
        errcode(&rig.post("/cgi-bin/stable_token", body).await)
    };
    assert_eq!(rig.state().await["quotas"], json!([]));
    set("/cgi-bin/token", 1).await;
    assert_eq!([token().await, token().await], [0, 45009]);
    set("stable_token/forced", 1).await;
    assert_eq!(stable(true).await, 0);
    rig.advance(31).await;
    assert_eq!(stable(true).await, 45009);
    set("stable_token/minute", 0).await;
    assert_eq!(stable(false).await, 45011);
    let seen = |name: &str, api: Value, limit: u32, used: u32| json!({"appid": OFFICIAL, "api": api, "name": name, "limit": limit, "used": used});
    assert_eq!(
        rig.state().await["quotas"],
        json!([
            seen("token", json!("/cgi-bin/token"), 1, 1),
            seen("stable_token/minute", Value::Null, 0, 2),
            seen("stable_token/day", json!("/cgi-bin/stable_token"), 500_000, 2),
            seen("stable_token/forced", Value::Null, 1, 1),
        ])
    );
    let other = json!({"appid": MINI, "api": "/wxa/getwxacodeunlimit", "limit": 0});
    rig.control("quota", other).await;
    assert_eq!(refused(&rig.call(MINI, "/wxa/getwxacodeunlimit", json!({"scene": "a"})).await), 45009);
    let unknown = rig.post("/sandbox/quota", json!({"appid": MINI, "api": "moon", "limit": 0})).await;
    let error = unknown.json()["error"].as_str().unwrap().to_owned();
    for known in ["moon", "/cgi-bin/token", "stable_token/forced", "clear_quota"] {
        assert!(error.contains(known), "{known}: {error}");
    }
    rig.control("reset", json!({})).await;
    assert_eq!((rig.state().await["quotas"].clone(), token().await), (json!([]), 0));
}

/// `POST fault {path, appid?, openid?, errmsg?, probability?, body_base64?, errcode or status or delay_ms or body,
/// content_type?, cut?, times}` → `{id}`; `GET faults`, `DELETE faults/{id}`
#[tokio::test]
async fn a_fault_takes_every_member_there_is() {
    let rig = Rig::start().await;
    for (more, status, body) in [
        (
            json!({"errcode": 45011, "errmsg": "slower rid: 61b9947b-4eeffea7-4f08b7a6"}),
            200,
            r#"{"errcode":45011,"errmsg":"slower rid: 61b9947b-4eeffea7-4f08b7a6"}"#,
        ),
        (json!({"status": 503, "body": {"a": [1]}}), 503, r#"{"a":[1]}"#),
        (json!({"body": "text"}), 200, "text"),
        (json!({"body_base64": "AAEC"}), 200, "\u{0}\u{1}\u{2}"),
        (
            json!({"body": "x", "content_type": "text/x", "appid": MINI, "openid": "o1", "probability": 1}),
            200,
            "x",
        ),
    ] {
        let mut fault = more.clone();
        fault["path"] = json!("/x");
        let posted = rig.control("fault", fault).await;
        assert!(members(&posted) == ["id"] && posted["id"].is_u64(), "{posted}");
        let reply = rig.get(&format!("/x?appid={MINI}&openid=o1")).await;
        assert_eq!((reply.status, &reply.body[..]), (status, body.as_bytes()), "{more}");
        assert_eq!(rig.get("/sandbox/faults").await.json(), json!({"faults": []}), "once is the default");
    }
    for cut in ["before", "half", "after"] {
        rig.control("fault", json!({"path": "/x", "body": "0123", "cut": cut, "times": 1})).await;
        rig.send(Method::GET, "/x", &[], "").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_delay_is_a_number_a_range_or_percentiles() {
    let rig = Rig::start_as(Some(1), None).await.unwrap();
    for (delay, shortest) in
        [(json!(60), 60), (json!({"min": 60, "max": 80}), 60), (json!({"p50": 60, "p99": 60}), 60)]
    {
        rig.control("fault", json!({"path": "/cgi-bin/token", "delay_ms": delay, "times": 1})).await;
        assert_eq!(
            rig.get("/sandbox/faults").await.json()["faults"][0]["delay_ms"],
            delay,
            "as it was given"
        );
        let begin = Instant::now();
        rig.classic(OFFICIAL).await;
        let took = begin.elapsed();
        assert!(
            took >= Duration::from_millis(shortest) && took < Duration::from_secs(5),
            "{delay}: {took:?}"
        );
    }
    for wrong in [json!({"min": 2, "max": 1}), json!({"p50": 1}), json!("soon"), json!(-1), json!({})] {
        let reply = rig.post("/sandbox/fault", json!({"path": "/x", "delay_ms": wrong})).await;
        assert!(
            reply.status == 400 && reply.json()["error"].to_string().contains("delay_ms"),
            "{wrong}: {reply:?}"
        );
    }
}

/// `POST clock {advance_seconds}` · `POST quirks {name: value}`, the first value is the default.
#[tokio::test]
async fn the_clock_and_the_quirks() {
    let rig = Rig::start().await;
    let before = rig.state().await["now"].as_i64().unwrap();
    rig.control("clock", json!({"advance_seconds": 10})).await;
    assert_eq!(rig.state().await["now"], before + 10_000);
    for (name, values) in [
        ("retry_signature", ["same", "new"]),
        ("forced_refresh_within_30s", ["same", "error"]),
        ("hyaline", ["png", "jpeg"]),
        ("garbage_token", ["40001", "40014"]),
        ("country_code", ["string", "number"]),
        ("ip_scope", ["all", "secret"]),
    ] {
        assert_eq!(rig.state().await["quirks"][name], values[0]);
        for value in [values[1], values[0]] {
            assert_eq!(rig.control("quirks", json!({name: value})).await[name], value);
        }
    }
}

/// `GET state`
#[tokio::test]
async fn the_state_has_the_members_it_should_have() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/template/send", message).await), 0);
    let state = rig.state().await;
    for name in ["apps", "users", "tokens", "pushes", "messages", "calls"] {
        assert!(state[name].is_array(), "{name}");
    }
    assert_eq!(members(&state["tokens"][0]), ["appid", "expires_at", "mode"]);
    assert_eq!(members(&state["messages"][0]), ["appid", "data", "msgid", "path", "template_id", "touser"]);
    assert_eq!(members(&state["calls"][0]), ["appid", "errcode", "path", "seq", "status"]);
}
