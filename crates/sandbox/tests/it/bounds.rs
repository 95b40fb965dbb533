//! What nobody may do to a sandbox that runs for weeks: make it grow for ever, or hold what has ended.

use crate::rig::{MINI, OFFICIAL, Rig};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Somebody who reads what happens; the answer's status.
async fn read(rig: &Rig, path: &str) -> (u16, Incoming) {
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    let request = http::Request::get(format!("{}{path}", rig.sandbox.url())).body(Empty::<Bytes>::new());
    let answer = client.request(request.unwrap()).await.unwrap();
    (answer.status().as_u16(), answer.into_body())
}

/// What comes next; `None` when the stream has ended.
async fn next(body: &mut Incoming) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(5), body.frame()).await.unwrap()?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_stream_ends_with_its_world_and_outlives_a_reset() {
    let rig = Rig::start().await;
    let world = rig.world("t1");
    let (status, mut body) = read(&rig, "/sandbox/worlds/t1/sandbox/live").await;
    assert_eq!(status, 200);
    assert!(next(&mut body).await.unwrap().contains("data: []"));
    world.control("reset", json!({})).await;
    assert!(next(&mut body).await.unwrap().contains("/reset"), "the world began anew, and is still there");
    rig.send(Method::DELETE, "/sandbox/worlds/t1", &[], "").await.unwrap();
    assert_eq!(next(&mut body).await, None);
    // The next of that name is another one.
    world.control("users", json!({})).await;
}

#[tokio::test]
async fn a_call_under_way_when_its_world_ends_is_answered() {
    let rig = Rig::start().await;
    rig.world("t1").control("users", json!({})).await;
    let mut line = TcpStream::connect(rig.sandbox.addr()).await.unwrap();
    let head = "POST /sandbox/worlds/t1/cgi-bin/stable_token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 4\r\n\r\n";
    line.write_all(format!("{head}{{\"").as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.send(Method::DELETE, "/sandbox/worlds/t1", &[], "").await.unwrap();
    line.write_all(b"a\"").await.unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("47001"), "{answer}");
    assert_eq!(rig.get("/sandbox/worlds").await.json()["worlds"], json!([]));
}

#[tokio::test]
async fn two_hundred_read_at_once() {
    let rig = Rig::start().await;
    let mut readers = Vec::new();
    for number in 0..200 {
        let path = if number % 2 == 0 { "/sandbox/live" } else { "/sandbox/worlds/w/sandbox/live" };
        let (status, body) = read(&rig, path).await;
        assert_eq!(status, 200, "{number}");
        readers.push(body);
    }
    assert_eq!(read(&rig, "/sandbox/live").await.0, 503);
    drop(readers.pop());
    for _ in 0..50 {
        if read(&rig, "/sandbox/live").await.0 == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("who has gone leaves a place");
}

#[tokio::test]
async fn a_reader_who_is_behind_is_told_so_and_gets_no_more_at_once_than_it_can_hold() {
    let rig = Rig::start().await;
    let (_, mut body) = read(&rig, "/sandbox/live").await;
    next(&mut body).await.unwrap();
    for _ in 0..1_200 {
        rig.post("/sandbox/unfollow", json!({})).await;
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request =
        http::Request::get(format!("{}/sandbox/live", rig.sandbox.url())).header("last-event-id", "1");
    let mut late = client.request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap().into_body();
    let mut told = String::new();
    while !told.contains("\n\n") {
        told += &next(&mut late).await.unwrap();
    }
    // The first 199 of them: one before the 1,000 that are kept was seen.
    assert!(told.starts_with(": behind: 199 news are forgotten\n"), "{}", &told[..200]);
    assert!(told.len() < 80 << 10, "{}", told.len());
}

/// About how many bytes a world holds.
async fn weight(rig: &Rig, name: &str) -> u64 {
    let worlds = rig.get("/sandbox/worlds").await.json()["worlds"].clone();
    let world = worlds.as_array().unwrap().iter().find(|world| world["name"] == name).unwrap().clone();
    world["bytes"].as_u64().unwrap()
}

#[tokio::test]
async fn what_users_write_is_weighed_and_makes_room() {
    let rig = Rig::start().await;
    let world = rig.world("w");
    let openid = world.follower(OFFICIAL).await;
    let write = async |length: usize| {
        let said = json!({"appid": OFFICIAL, "openid": openid, "text": "x".repeat(length)});
        world.post("/sandbox/message", said).await
    };
    for number in 1..=60 {
        assert_eq!(write(1_000_000).await.status, 200);
        if number == 20 {
            let held = weight(&rig, "w").await;
            assert!((20_000_000..25_000_000).contains(&held), "{held}");
        }
    }
    let held = weight(&rig, "w").await;
    assert!(held < 40_000_000, "the oldest lines made room: {held}");
    let much = write(1 << 20).await;
    assert!(much.status == 400 && much.json()["error"].as_str().unwrap().contains("1024"), "{much:?}");
}

#[tokio::test]
async fn what_control_calls_keep_has_a_bound() {
    let rig = Rig::start().await;
    let large = "x".repeat(15 << 20);
    let refused_after = async |name: &str, body: Value, most: usize| {
        for number in 0..=most {
            let reply = rig.post(&format!("/sandbox/{name}"), body.clone()).await;
            if reply.status == 400 {
                assert!(number > 0, "{name}: {reply:?}");
                assert!(reply.json()["error"].as_str().unwrap().contains("MiB"), "{name}: {reply:?}");
                return;
            }
        }
        panic!("{name}: {most} of them");
    };
    refused_after("fault", json!({"path": "/x", "body": large}), 5).await;
    refused_after("pictures", json!({"shows": {"comm": [large]}}), 3).await;
    let word = |n: usize| json!({"appid": MINI, "word": format!("{n}{}", "x".repeat(1_000_000))});
    rig.control("reset", json!({})).await;
    for number in 0..40 {
        let reply = rig.post("/sandbox/words", word(number)).await;
        if reply.status == 400 {
            assert!(number > 20, "{number}");
            return;
        }
    }
    panic!("words without end");
}

#[tokio::test]
async fn worlds_that_control_calls_filled_make_room_though_somebody_reads_them() {
    let rig = Rig::start().await;
    let large = "x".repeat(15 << 20);
    let (_, mut body) = read(&rig, "/sandbox/worlds/w0/sandbox/live").await;
    for number in 0..10 {
        let world = rig.world(&format!("w{number}"));
        for _ in 0..4 {
            world.control("fault", json!({"path": "/x", "body": large})).await;
        }
    }
    let worlds = rig.get("/sandbox/worlds").await.json()["worlds"].clone();
    let held: u64 = worlds.as_array().unwrap().iter().map(|world| world["bytes"].as_u64().unwrap()).sum();
    assert!(held <= (512 << 20) + (60 << 20), "{held}");
    assert!(worlds.as_array().unwrap().iter().all(|world| world["name"] != "w0"), "used longest ago");
    while next(&mut body).await.is_some() {}
}

#[tokio::test]
async fn settings_have_a_length() {
    let rig = Rig::start().await;
    let long = "x".repeat(600);
    for (member, value) in [
        ("secret", json!(long)),
        ("appid", json!(long)),
        ("oauth_domains", json!([long])),
        ("linked", json!(vec!["wx"; 1_001])),
        ("pages", json!([long])),
    ] {
        let mut app = json!({"appid": "wx1", "secret": "x", "kind": "mini"});
        app[member] = value;
        assert_eq!(rig.post("/sandbox/apps", app).await.status, 400, "{member}");
    }
    let callback = json!({"appid": OFFICIAL, "url": format!("http://127.0.0.1/{}", "x".repeat(3_000)), "mode": "plain", "verify": false});
    assert_eq!(rig.post("/sandbox/callback", callback).await.status, 400);
    let user = rig.control("users", json!({"nickname": "中".repeat(1_000)})).await;
    assert_eq!(user["nickname"].as_str().unwrap().chars().count(), 170, "512 bytes");
}

#[tokio::test]
async fn a_long_path_stands_whole_in_the_journal_only() {
    let rig = Rig::start().await;
    let path = format!("/cgi-bin/{}", "x".repeat(20_000));
    rig.get(&format!("{path}?appid={}", "y".repeat(20_000))).await;
    let brief = rig.state().await["calls"][0].clone();
    assert_eq!((brief["path"].as_str().unwrap().len(), &brief["appid"]), (256, &json!("")));
    let (_, mut body) = read(&rig, "/sandbox/live").await;
    let news = next(&mut body).await.unwrap();
    assert!(news.len() < 1_000, "{}", news.len());
    let whole = rig.get("/sandbox/calls").await.json()["calls"][0].clone();
    assert_eq!(whole["path"], path);
}

#[tokio::test]
async fn small_things_of_users_and_files() {
    let rig = Rig::start().await;
    let users = rig.get("/sandbox/users").await.json();
    assert_eq!(users["users"][0]["openids"][OFFICIAL], rig.state().await["users"][0]["openids"][OFFICIAL]);
    let openid = users["users"][0]["openids"][OFFICIAL].as_str().unwrap().to_owned();
    let info = rig.ask(OFFICIAL, "/cgi-bin/user/info", &format!("openid={openid}")).await.json();
    assert_eq!(
        info["subscribe_time"],
        json!(crate::rig::START / 1000),
        "who follows does so since some time"
    );
    for (content_type, status) in
        [("image/SVG+xml", 400), ("Image/Svg", 400), ("IMAGE/PNG", 200), ("text/html", 400)]
    {
        let file =
            json!({"appid": OFFICIAL, "content_type": content_type, "name": "a", "body_base64": "eA=="});
        assert_eq!(rig.post("/sandbox/files", file).await.status, status, "{content_type}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_chinese_unless_english_is_asked_for() {
    let rig = Rig::start().await;
    let error = async |method: Method, path: &str, body: &str, language: &str| {
        let reply = rig.send(method, path, &[("accept-language", language)], body.to_owned()).await.unwrap();
        assert!(reply.status >= 400, "{reply:?}");
        reply.json()["error"].as_str().unwrap().to_owned()
    };
    for (method, path, body, zh, en) in [
        (
            Method::POST,
            "/sandbox/unfollow",
            r#"{"appid":"wx7","openid":"o"}"#,
            "appid：没有账号 \"wx7\"",
            "appid: there is no account \"wx7\"",
        ),
        (
            Method::POST,
            "/sandbox/scan",
            "{}",
            "缺少 ticket（第 1 行第 2 列）",
            "missing field `ticket` at line 1 column 2",
        ),
        (
            Method::POST,
            "/sandbox/clock",
            r#"{"advance_seconds":99999999999}"#,
            "advance_seconds：超过一个世纪",
            "advance_seconds: more than a century",
        ),
        (
            Method::GET,
            "/sandbox/nothing",
            "",
            "没有这个控制接口，或者不是用这个方法",
            "there is no such control call, or not by this method",
        ),
        (
            Method::GET,
            "/sandbox/files/x",
            "",
            "没有文件 \"x\"，或者已经不在了",
            "there is no file \"x\", or no longer",
        ),
        (Method::DELETE, "/sandbox/worlds/none", "", "没有世界 \"none\"", "there is no world \"none\""),
        (
            Method::POST,
            "/sandbox/restore",
            "{}",
            "缺少 version（第 1 行第 2 列）",
            "missing field `version` at line 1 column 2",
        ),
    ] {
        assert_eq!(error(method.clone(), path, body, "zh-CN").await, zh);
        assert_eq!(error(method.clone(), path, body, "").await, zh);
        assert_eq!(error(method, path, body, "en-GB,en").await, en);
    }
}
