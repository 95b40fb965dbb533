//! Snapshots that somebody wrote by hand: what would break a later call is refused, the rest breaks nothing.

use crate::rig::{Caller, MINI, OFFICIAL, Rig, TEMPLATE, secret};
use http::Method;
use serde_json::{Value, json};

/// Every number of a snapshot that a world counts with, by its place.
fn numbers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => found.push(at),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, one)| numbers(one, format!("{at}/{i}"), found));
        }
        Value::Object(members) => {
            for (name, one) in members {
                if !["message", "data", "seed", "body", "button", "errcode", "times"].contains(&name.as_str())
                {
                    numbers(one, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
                }
            }
        }
        _ => {}
    }
}

/// Something of everything; no answer may be missing.
async fn live(rig: &Caller) {
    let user = rig.post("/sandbox/users", json!({})).await.json();
    let (openid, mini) = (user["openids"][OFFICIAL].clone(), user["openids"][MINI].clone());
    let act = async |name: &str, body: Value| {
        rig.send(Method::POST, &format!("/sandbox/{name}"), &[], body.to_string())
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    act("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe", "key": ""})).await;
    act("message", json!({"appid": OFFICIAL, "openid": openid, "text": "x"})).await;
    act("subscribe", json!({"appid": MINI, "openid": mini, "template_id": TEMPLATE, "count": 1})).await;
    act("pay", json!({"appid": MINI, "openid": mini})).await;
    act("codes", json!({"appid": OFFICIAL})).await;
    act("fault", json!({"path": "/x", "errcode": 1})).await;
    let token = async |appid: &str| {
        let body = json!({"grant_type": "client_credential", "appid": appid, "secret": secret(appid)});
        let reply = act("../cgi-bin/stable_token", body).await;
        reply.json()["access_token"].as_str().unwrap_or_default().to_owned()
    };
    let code = act("login/code", json!({"appid": MINI, "openid": mini})).await.json();
    let login = format!(
        "/sns/jscode2session?appid={MINI}&secret={}&js_code={}&grant_type=authorization_code",
        secret(MINI),
        code["code"].as_str().unwrap_or_default()
    );
    rig.get(&login).await;
    rig.get(&crate::rig::classic_path(OFFICIAL)).await;
    let (official, small) = (token(OFFICIAL).await, token(MINI).await);
    let day = json!({"begin_date": "2026-01-01", "end_date": "2026-01-01"});
    for (token, path, body) in [
        (
            &official,
            "message/template/send",
            json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}, "client_msg_id": "1"}),
        ),
        (
            &official,
            "message/custom/send",
            json!({"touser": openid, "msgtype": "text", "text": {"content": "x"}}),
        ),
        (
            &official,
            "qrcode/create",
            json!({"expire_seconds": 60, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "x"}}}),
        ),
        (&official, "tags/create", json!({"tag": {"name": "x"}})),
        (&official, "shorten/gen", json!({"long_data": "x"})),
        (&official, "openapi/quota/get", json!({"cgi_path": "/cgi-bin/message/custom/send"})),
        (&official, "menu/create", json!({"button": [{"type": "click", "name": "x", "key": "x"}]})),
        (&official, "../datacube/getusercumulate", day.clone()),
        (&official, "../datacube/getupstreammsghour", day.clone()),
        (&official, "../datacube/getinterfacesummary", day.clone()),
        (
            &official,
            "../customservice/msgrecord/getmsglist",
            json!({"starttime": i64::MIN, "endtime": i64::MAX, "msgid": 1, "number": 1}),
        ),
        (&small, "../wxa/generate_urllink", json!({})),
        (
            &small,
            "message/subscribe/send",
            json!({"touser": mini, "template_id": TEMPLATE, "data": {"thing1": {"value": "x"}}}),
        ),
    ] {
        act(&format!("../cgi-bin/{path}?access_token={token}"), body).await;
    }
    for path in ["chats?user=u1", "state", "snapshot", "codes", "calls", "facts", "users"] {
        assert!(rig.get(&format!("/sandbox/{path}")).await.status < 500, "{path}");
    }
    act("clock", json!({"advance_seconds": 90_000})).await;
}

#[tokio::test]
async fn a_snapshot_of_impossible_numbers_is_refused_and_of_odd_ones_breaks_nothing() {
    let rig = Rig::start().await;
    live(&rig).await;
    live(&rig).await;
    let kept = rig.get("/sandbox/snapshot").await.json();
    let mut all = Vec::new();
    numbers(&kept["world"], String::new(), &mut all);
    assert!(all.len() > 80, "{}", all.len());
    for place in &all {
        for most in [json!(u64::MAX), json!(i64::MIN), json!(i64::MAX)] {
            let mut broken = kept.clone();
            *broken["world"].pointer_mut(place).unwrap() = most;
            let reply = rig.post("/sandbox/restore", broken).await;
            assert_eq!(reply.status, 400, "{place}: {reply:?}");
        }
    }
    // One at a time: as much as is let through, and as little.
    let mut taken = 0;
    let top: Vec<&String> = all.iter().filter(|place| !place.contains("/calls/")).collect();
    for place in top {
        for odd in [json!(1_u64 << 61), json!(-(1_i64 << 61)), json!(u32::MAX)] {
            let mut broken = kept.clone();
            *broken["world"].pointer_mut(place).unwrap() = odd.clone();
            if rig.post("/sandbox/restore", broken).await.status == 200 {
                taken += 1;
                live(&rig).await;
            }
        }
    }
    assert!(taken > 50, "{taken}");
}

/// Every list, object and text of a snapshot, by its place.
fn parts(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, one)| parts(one, format!("{at}/{i}"), found));
        }
        Value::Object(members) => {
            for (name, one) in members {
                parts(one, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::String(_) => {}
        _ => return,
    }
    found.push(at);
}

#[tokio::test]
async fn a_snapshot_with_holes_breaks_nothing() {
    let rig = Rig::start().await;
    live(&rig).await;
    let kept = rig.get("/sandbox/snapshot").await.json();
    let mut all = Vec::new();
    parts(&kept["world"], String::new(), &mut all);
    let mut taken = 0;
    for place in all.iter().filter(|place| !place.starts_with("/calls/") && !place.is_empty()) {
        let mut broken = kept.clone();
        let part = broken["world"].pointer_mut(place).unwrap();
        *part = match part {
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            _ => json!(""),
        };
        if rig.post("/sandbox/restore", broken).await.status == 200 {
            taken += 1;
            live(&rig).await;
        }
    }
    assert!(taken > 50, "{taken}");
}

#[tokio::test]
async fn what_a_snapshot_says_of_itself_must_fit() {
    let rig = Rig::start().await;
    rig.stable(OFFICIAL, false).await;
    let kept = rig.get("/sandbox/snapshot").await.json();
    for (place, value) in [
        ("/world/apps/wx00000000000000a1/token_ttl", json!(0)),
        ("/world/apps/wx00000000000000a1/token_ttl", json!(31_536_001)),
        ("/world/apps/wx00000000000000a1/appid", json!("wx1")),
        ("/world/calls/last", json!(0)),
        ("/world/order", json!([])),
    ] {
        let mut broken = kept.clone();
        *broken.pointer_mut(place).unwrap() = value;
        let reply = rig.post("/sandbox/restore", broken).await;
        assert_eq!(reply.status, 400, "{place}: {reply:?}");
        assert_eq!(rig.get("/sandbox/snapshot").await.json(), kept, "{place}: a broken one changes nothing");
    }
    let mut hours = kept.clone();
    hours["world"]["cube"] = json!({OFFICIAL: {"20454": {"users": {}, "messages": {"922337203685477580": {"1": {"oA": 1}}}, "noted": 1, "callbacks": {}}}});
    assert_eq!(rig.post("/sandbox/restore", hours).await.status, 400);
}
