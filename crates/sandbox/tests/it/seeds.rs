//! A seed makes every id, token, code and number again; a file makes the world a sandbox begins with.

use crate::receiver::Receiver;
use crate::rig::{Caller, EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, classic_path, errcode, secret};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Calls that make up ids of every kind, and chance; with callbacks, whose nonces are made up as well.
async fn script(world: &Caller, receiver: &Receiver) -> Value {
    let openid = world.follower(OFFICIAL).await;
    world.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "safe"})).await;
    let host = [("host", "wechat")];
    let get = async |path: String| world.send(Method::GET, &path, &host, "").await.unwrap();
    let post = async |path: String, body: Value| {
        world.send(Method::POST, &path, &host, body.to_string()).await.unwrap().json()
    };
    world.control("fault", json!({"path": "/x", "probability": 0.5, "errcode": -1, "times": 0})).await;
    for _ in 0..20 {
        get("/x".to_owned()).await;
    }
    let token = get(classic_path(OFFICIAL)).await.json()["access_token"].as_str().unwrap().to_owned();
    let path = |api: &str| format!("{api}?access_token={token}");
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    for _ in 0..3 {
        // Each has a callback that is sent while the next calls are made.
        post(path("/cgi-bin/message/template/send"), message.clone()).await;
    }
    let code = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "a"}}});
    let made = post(path("/cgi-bin/qrcode/create"), code).await;
    let asked = json!({"appid": OFFICIAL, "openid": openid, "scope": "snsapi_userinfo"});
    let code = world.control("oauth/code", asked).await["code"].as_str().unwrap().to_owned();
    let exchange = format!(
        "/sns/oauth2/access_token?appid={OFFICIAL}&secret={}&code={code}&grant_type=authorization_code",
        secret(OFFICIAL)
    );
    get(exchange).await;
    let scanned = world.control("scan", json!({"ticket": made["ticket"], "openid": openid})).await;
    assert_eq!(scanned["pushes"][0]["attempts"][0]["status"], 200);
    get(format!("/cgi-bin/user/info?access_token={token}&openid=oNobody")).await;
    // Until the callbacks of the three messages are over.
    for _ in 0..1000 {
        let journal = world.get("/sandbox/calls?limit=1000").await.json();
        let calls = journal["calls"].as_array().unwrap().iter();
        if calls.map(|call| call["pushed"].as_array().unwrap().len()).sum::<usize>() == 3 {
            return journal;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no callbacks");
}

/// Without what only tells when or how quickly.
fn timeless(mut journal: Value) -> String {
    for call in journal["calls"].as_array_mut().unwrap() {
        for push in call["pushed"].as_array_mut().unwrap() {
            let attempt = &mut push["attempts"][0];
            attempt["ms"] = json!(0);
            // Time is in what is signed, and sealed.
            let query = attempt["query"].as_str().unwrap().to_owned();
            let is_timeless = |pair: &&str| ["nonce=", "openid="].iter().any(|name| pair.starts_with(name));
            attempt["query"] = query.split('&').filter(is_timeless).collect();
            attempt["sent"] = json!("");
            let message = push["message"].as_str().unwrap().to_owned();
            let (before, rest) = message.split_once("<CreateTime>").unwrap();
            let (_, after) = rest.split_once("</CreateTime>").unwrap();
            push["message"] = json!(format!("{before}{after}"));
        }
    }
    journal.to_string()
}

#[tokio::test]
async fn the_same_seed_gives_the_same_journal_byte_for_byte() {
    let receiver = Receiver::start().await;
    let (one, other) =
        (Rig::start_as(Some(7), None).await.unwrap(), Rig::start_as(Some(7), None).await.unwrap());
    let first = timeless(script(&one, &receiver).await);
    // Three of them go out at about the same time, and arrive in any order.
    let queries = |receiver: &Receiver| {
        let nonces = receiver.take();
        nonces.iter().map(|got| got.param("nonce")).collect::<BTreeSet<_>>()
    };
    let nonces = queries(&receiver);
    assert_eq!(nonces.len(), 4);
    assert_eq!(timeless(script(&other, &receiver).await), first);
    assert_eq!(queries(&receiver), nonces, "what goes to a backend too");
    one.control("reset", json!({})).await;
    assert_eq!(timeless(script(&one, &receiver).await), first, "a reset is the same start");

    one.control("reset", json!({"seed": 8})).await;
    let eight = timeless(script(&one, &receiver).await);
    assert_ne!(eight, first);
    let chance = Rig::start().await;
    assert_ne!(timeless(script(&chance, &receiver).await), first, "chance unless asked");
    chance.control("reset", json!({"seed": 8})).await;
    assert_eq!(timeless(script(&chance, &receiver).await), eight);
    let begun = json!({"name": "t1", "seed": 7});
    chance.control("worlds", begun).await;
    assert_eq!(timeless(script(&chance.world("t1"), &receiver).await), first, "in a world beside it");
    assert_eq!(chance.post("/sandbox/reset", json!({"seed": "x"})).await.status, 400);
}

#[tokio::test]
async fn worlds_of_a_seeded_sandbox_repeat_whichever_begins_first() {
    let (one, other) =
        (Rig::start_as(Some(7), None).await.unwrap(), Rig::start_as(Some(7), None).await.unwrap());
    let a = one.world("a").classic(MINI).await;
    let b = one.world("b").classic(MINI).await;
    assert_eq!(other.world("b").classic(MINI).await, b);
    assert_eq!(other.world("a").classic(MINI).await, a);
    assert!(a != b && a != one.classic(MINI).await, "each its own");
}

const FILE: &str = r#"{
  "apps": [
    {"appid": "wx1", "secret": "s1", "kind": "official", "token_ttl": 600},
    {"appid": "wx2", "secret": "s2", "kind": "mini"}
  ],
  "users": [{"nickname": "Ann"}, {"nickname": "Bob"}],
  "callback": {"appid": "wx1", "url": "http://127.0.0.1:9/wx", "mode": "plain", "verify": false},
  "quota": {"appid": "wx1", "api": "/cgi-bin/token", "limit": 1},
  "fault": {"path": "/x", "errcode": 45011, "times": 0},
  "quirks": {"hyaline": "jpeg"},
  "clock": {"advance_seconds": 3600}
}"#;

#[tokio::test]
async fn a_file_makes_the_world_of_the_start() {
    let rig = Rig::start_as(None, Some(FILE)).await.unwrap();
    let token = async |caller: &Caller| {
        let path = "/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=s1";
        caller.get(path).await.json()
    };
    let check = async |caller: &Caller| {
        let state = caller.state().await;
        assert_eq!(state["apps"][3]["callback"]["url"], "http://127.0.0.1:9/wx");
        assert_eq!(
            (&state["apps"][4]["appid"], &state["users"][2]["nickname"]),
            (&json!("wx2"), &json!("Bob"))
        );
        assert_eq!(state["now"], crate::rig::START + 3_600_000);
        assert_eq!(state["quirks"]["hyaline"], "jpeg");
        assert_eq!(
            state["quotas"],
            json!([{"appid": "wx1", "api": "/cgi-bin/token", "name": "token", "limit": 1, "used": 0}])
        );
        assert_eq!(token(caller).await["expires_in"], 600);
        assert_eq!(token(caller).await["errcode"], 45009);
        assert_eq!(errcode(&caller.get("/x").await), 45011);
    };
    check(&rig).await;
    check(&rig.world("t1")).await;
    rig.control("reset", json!({})).await;
    check(&rig).await;
}

#[tokio::test]
async fn codes_of_the_file_are_not_made_again() {
    let code = format!(r#"{{"oauth/code": {{"appid": "{EXAMPLE}", "openid": "OPENID"}}}}"#);
    let rig = Rig::start().await;
    let openid = rig.state().await["users"][0]["openids"][EXAMPLE].as_str().unwrap().to_owned();
    let rig = Rig::start_as(Some(1), Some(&code.replace("OPENID", &openid))).await.unwrap();
    let next = async || rig.control("oauth/code", json!({"appid": EXAMPLE, "openid": openid})).await;
    let first = next().await;
    rig.control("reset", json!({})).await;
    assert_eq!(next().await, first);
    let kept = rig.get("/sandbox/snapshot").await.json();
    assert_eq!(kept["world"]["codes"]["known"].as_object().unwrap().len(), 2, "the file's and one more");
}

#[tokio::test]
async fn a_snapshot_is_a_file_too() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(MINI, false).await;
    let kept = String::from_utf8(rig.get("/sandbox/snapshot").await.body.to_vec()).unwrap();
    let other = Rig::start_as(None, Some(&kept)).await.unwrap();
    assert_eq!(other.verdict(&token).await, 0);
    other.control("reset", json!({})).await;
    assert_eq!(other.verdict(&token).await, 0, "the start is the snapshot");
}

#[tokio::test]
async fn mistakes_of_a_file_name_line_and_member() {
    let broken = |from: &str, to: &str| {
        assert!(FILE.contains(from), "{from}");
        FILE.replacen(from, to, 1)
    };
    for (file, words) in [
        (
            broken("\"token_ttl\": 600", "\"colour\": 600"),
            &["line 3: apps: ", "colour", "line 3 column 6"][..],
        ),
        (broken("{\"appid\": \"wx2\"", "{\n  \"appid\":\n 2"), &["line 4: apps: ", "line 6 column 2"]),
        (broken("official", "shop"), &["line 3: apps: ", "shop"]),
        (
            broken("\"quota\": {\"appid\": \"wx1\"", "\"quota\": {\"appid\": \"wx7\""),
            &["line 8: quota: ", "wx7"],
        ),
        (broken("\"verify\": false", "\"verify\": true"), &["line 7: callback: ", "verification failed"]),
        (broken("\"users\"", "\"user\""), &["line 6: user: ", "no such control call"]),
        (broken("\"quirks\"", "\"state\""), &["line 10: state: ", "no such control call"]),
        (broken("\"quirks\": {\"hyaline\": \"jpeg\"}", "\"reset\": {}"), &["line 10: reset: "]),
        (broken("\"quirks\"", "\"a b\""), &["line 10: a b: "]),
        (broken("\"quirks\": {", "\"quirks\": 5, \"x\": {"), &["line 10: quirks: "]),
        (broken("\"fault\":", "fault:"), &["line 9 column 3"]),
        ("[]".to_owned(), &["an object of control calls", "line 1"]),
        (String::new(), &["line 1"]),
        ("{}{}".to_owned(), &["line 1 column 3"]),
        ("{\"version\": 9}".to_owned(), &["version"]),
    ] {
        let Err(error) = Rig::start_as(None, Some(&file)).await else { panic!("{words:?}: {file}") };
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
