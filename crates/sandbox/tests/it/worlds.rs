//! Worlds apart, below `/sandbox/worlds/{w}` and on `{w}.localhost`.

use crate::receiver::Receiver;
use crate::rig::{Caller, EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused, secret};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

async fn names(rig: &Rig) -> Vec<String> {
    let worlds = rig.get("/sandbox/worlds").await.json();
    worlds["worlds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|world| world["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A token for this user and back by every path that matters; what this world must be the only one to know.
async fn script(world: &Caller, number: usize) -> BTreeSet<String> {
    let user = world.control("users", json!({"nickname": format!("user of {number}")})).await;
    let openid = user["openids"][OFFICIAL].as_str().unwrap().to_owned();
    let follow = json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe", "key": ""});
    world.control("event", follow).await;
    let (token, _) = world.stable(OFFICIAL, false).await;
    let (classic, _) = world.classic(EXAMPLE).await;
    let text = format!("message of {number}");
    let message = json!({
        "touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": text}},
    });
    assert_eq!(errcode(&world.call(OFFICIAL, "/cgi-bin/message/template/send", message).await), 0);
    let login = json!({"appid": MINI, "openid": user["openids"][MINI]});
    let code = world.control("login/code", login).await["code"].as_str().unwrap().to_owned();
    let session = format!(
        "/sns/jscode2session?appid={MINI}&secret={}&js_code={code}&grant_type=authorization_code",
        secret(MINI)
    );
    assert_eq!(errcode(&world.get(&session).await), 0);
    assert_eq!(refused(&world.get(&session).await), 40163, "the code is used up");
    BTreeSet::from([token, classic, text, code, format!("user of {number}")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tests_side_by_side_see_nothing_of_each_other() {
    let rig = Arc::new(Rig::start().await);
    let mut tests = JoinSet::new();
    for number in 0..100 {
        let world = rig.world(&format!("t{number}"));
        tests.spawn(async move {
            let own = script(&world, number).await;
            let seen =
                world.state().await.to_string() + &world.get("/sandbox/snapshot").await.json().to_string();
            let calls = world.state().await["calls"].as_array().unwrap().len();
            (number, own, seen, calls, world)
        });
    }
    let all = tests.join_all().await;
    let first = (usize::MAX, BTreeSet::new(), rig.state().await.to_string(), 6, rig.world("t0"));
    for (number, own, seen, calls, world) in all.iter().chain([&first]) {
        assert_eq!(*calls, 6, "{number}: its own calls");
        assert!(own.iter().all(|text| seen.contains(text)), "{number}: what it did");
        for (other, others, ..) in all.iter().filter(|(other, ..)| other != number) {
            let strange: Vec<&String> =
                others.iter().filter(|text| seen.contains(&format!("{text}\""))).collect();
            assert!(strange.is_empty(), "{number} sees of {other}: {strange:?}");
        }
        if *number < 100 {
            let foreign = all.iter().find(|(other, ..)| other != number).unwrap();
            for token in foreign.1.iter().filter(|text| text.len() > 100) {
                assert_eq!(world.verdict(token).await, 40001, "another world's token is nobody's");
            }
        }
    }
    assert_eq!(rig.state().await["calls"], json!([]), "nor does the world without a name");
    assert_eq!(names(&rig).await.len(), 100);
}

#[tokio::test]
async fn a_world_begins_in_less_than_five_milliseconds() {
    let rig = Rig::start().await;
    rig.state().await;
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..100 {
        let world = rig.world(&format!("t{number}"));
        let begin = Instant::now();
        assert_eq!(world.get("/sandbox/calls").await.status, 200);
        took.push(begin.elapsed());
    }
    took.sort_unstable();
    println!("a world and its first answer: median {:?}, longest {:?}", took[50], took[99]);
    assert!(took[50] < Duration::from_millis(5), "{took:?}");
}

#[tokio::test]
async fn a_host_names_a_world_too() {
    let rig = Rig::start().await;
    let token = json!({"grant_type": "client_credential", "appid": MINI, "secret": secret(MINI)}).to_string();
    let of = async |host: &str| {
        let reply =
            rig.send(Method::POST, "/cgi-bin/stable_token", &[("host", host)], token.clone()).await.unwrap();
        reply.json()["access_token"].as_str().unwrap().to_owned()
    };
    let first = of("127.0.0.1:36080").await;
    let one = of("one.localhost:36080").await;
    assert_ne!(one, first);
    assert_eq!(of("ONE.localhost").await, one);
    assert_eq!(of("localhost:1").await, first);
    assert_eq!(of("api.weixin.qq.com").await, first);
    assert_eq!(of("[::1]:36080").await, first);
    assert_eq!(rig.world("one").stable(MINI, false).await.0, one, "the same by its path");
    assert_eq!(names(&rig).await, ["one"]);
}

#[tokio::test]
async fn paths_in_a_world_are_wechats_own() {
    let rig = Rig::start().await;
    let world = rig.world("t1");
    world.classic(OFFICIAL).await;
    let call = world.get("/sandbox/calls").await.json()["calls"][0].clone();
    assert_eq!(
        (&call["path"], call["query"].as_str().unwrap().starts_with("grant_type=")),
        (&json!("/cgi-bin/token"), true)
    );
    world.control("fault", json!({"path": "/cgi-bin/token", "errcode": -1, "times": 0})).await;
    assert_eq!(refused(&world.get(&crate::rig::classic_path(OFFICIAL)).await), -1);
    rig.classic(OFFICIAL).await;
}

#[tokio::test]
async fn links_stay_in_their_world() {
    let rig = Rig::start().await;
    let world = rig.world("t1");
    world.control("users", json!({"nickname": "Ann"})).await;
    let authorize = format!(
        "/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fback&response_type=code\
         &scope=snsapi_userinfo&state=s"
    );
    let page = String::from_utf8(world.get(&authorize).await.body.to_vec()).unwrap();
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let (links, files): (Vec<&str>, Vec<&str>) = links.partition(|link| link.contains('?'));
    assert_eq!(links.len(), 3, "two users and a refusal");
    assert!(files.iter().all(|file| file.starts_with("../../_/")), "{files:?}");
    for link in &links {
        assert!(link.starts_with("/sandbox/worlds/t1/connect/oauth2/authorize?"), "{link}");
    }
    // On from the link as a browser would go: Ann is of this world.
    let chosen = rig.get(&links[1].replace("&amp;", "&")).await;
    assert_eq!(chosen.status, 302, "{chosen:?}");
    assert!(chosen.header("set-cookie").contains("Path=/sandbox/worlds/t1/connect;"), "{chosen:?}");
    let back = chosen.header("location");
    assert!(back.starts_with("http://127.0.0.1/back?code="), "{back}");
    let code = back.split(['=', '&']).nth(1).unwrap();
    let exchange = format!(
        "/sns/oauth2/access_token?appid={OFFICIAL}&secret={}&code={code}&grant_type=authorization_code",
        secret(OFFICIAL)
    );
    assert_eq!(refused(&rig.get(&exchange).await), 40029, "of no other world");
    assert_eq!(errcode(&world.get(&exchange).await), 0);

    let root = rig.get("/sandbox/worlds/t1").await;
    assert_eq!((root.status, root.header("location")), (308, "/sandbox/worlds/t1/"));
    for (at, below) in [("/sandbox/worlds/t1/", "/sandbox/worlds/t1"), ("/", "")] {
        let home = String::from_utf8(rig.get(at).await.body.to_vec()).unwrap();
        let control = format!("{}{below}/sandbox/fault", rig.sandbox.url());
        assert!(home.contains(&control), "the page of {at} acts in its world");
        assert!(home.contains("src=\"./_/"), "its files are found wherever it is");
    }
}

#[tokio::test]
async fn a_phone_is_of_its_world() {
    let rig = Rig::start().await;
    let world = rig.world("t1");
    let openid = world.follower(OFFICIAL).await;
    world.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "只在这里"})).await;
    let user = world.state().await["users"][1]["user"].as_str().unwrap().to_owned();
    let chats = world.get(&format!("/sandbox/chats?user={user}")).await.json();
    let lines = chats["chats"][0]["lines"].as_array().unwrap().clone();
    assert_eq!(lines.last().unwrap()["message"]["Content"], "只在这里");
    assert_eq!(rig.get(&format!("/sandbox/chats?user={user}")).await.status, 400, "there is no such user");
    let held = world.post("/sandbox/hold", json!({"user": user})).await;
    assert!(held.header("set-cookie").contains("Path=/sandbox/worlds/t1/"), "{held:?}");
    let file =
        json!({"appid": OFFICIAL, "content_type": "image/png", "name": "a.png", "body_base64": "iVBORw=="});
    let kept = world.control("files", file).await;
    let url = kept["url"].as_str().unwrap();
    let path = url.strip_prefix(&rig.sandbox.url()).unwrap();
    assert!(path.starts_with("/sandbox/worlds/t1/sandbox/files/"), "{url}");
    assert_eq!(&rig.get(path).await.body[..], b"\x89PNG");
    for (appid, status) in [(OFFICIAL, 200), (MINI, 404)] {
        let of = format!("/sandbox/files/{}?appid={appid}", kept["media_id"].as_str().unwrap());
        assert_eq!(world.get(&of).await.status, status, "{appid}");
    }
}

#[tokio::test]
async fn worlds_are_listed_begun_and_ended() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/sandbox/worlds").await.json(), json!({"worlds": []}));
    let made = rig.control("worlds", json!({"name": "Ann-1_x"})).await;
    assert_eq!(made["name"], "Ann-1_x");
    assert_eq!(made["url"], format!("{}/sandbox/worlds/Ann-1_x", rig.sandbox.url()));
    assert_eq!(rig.control("worlds", json!({})).await["name"], "w1", "a name is made up");
    assert_eq!(rig.control("worlds", json!({})).await["name"], "w2");
    let (token, _) = rig.world("w1").stable(MINI, false).await;
    let listed = rig.get("/sandbox/worlds").await.json()["worlds"][1].clone();
    assert_eq!(
        (&listed["name"], &listed["users"], &listed["calls"], &listed["unused_seconds"]),
        (&json!("w1"), &json!(1), &json!(1), &json!(0))
    );
    assert!(listed["bytes"].as_u64().unwrap() > 500, "{listed}");

    let twice = rig.post("/sandbox/worlds", json!({"name": "w1"})).await;
    assert!(twice.status == 400 && twice.json()["error"].as_str().unwrap().contains("w1"), "{twice:?}");
    let delete = async |name: &str| {
        rig.send(Method::DELETE, &format!("/sandbox/worlds/{name}"), &[], "").await.unwrap().status
    };
    assert_eq!([delete("w1").await, delete("w1").await], [200, 400]);
    assert_eq!(names(&rig).await, ["Ann-1_x", "w2"]);
    assert_eq!(rig.world("w1").verdict(&token).await, 40001, "another world of that name");
}

#[tokio::test]
async fn what_names_no_world_is_refused() {
    let rig = Rig::start().await;
    for name in ["", "a%20b", "a.b", "%2e%2e", "%E4%B8%AD", &"x".repeat(64)] {
        let reply = rig.get(&format!("/sandbox/worlds/{name}/sandbox/state")).await;
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        assert!(reply.json()["error"].as_str().unwrap().contains("letters"), "{name}: {reply:?}");
    }
    assert_eq!(rig.world(&"x".repeat(63)).get("/sandbox/state").await.status, 200);
    let reply = rig.post("/sandbox/worlds", json!({"name": "a/b"})).await;
    assert_eq!(reply.status, 400);
    assert!(
        rig.post("/sandbox/worlds", json!({"colour": 1})).await.json()["error"]
            .to_string()
            .contains("colour")
    );
    let reply = rig.send(Method::GET, "/", &[("host", "a.b.localhost")], "").await.unwrap();
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(rig.world("t1").get("/sandbox/worlds").await.status, 404, "no world holds worlds");
    assert_eq!(rig.world("t1").world("t2").get("/sandbox/state").await.status, 404);
    assert_eq!(names(&rig).await, ["t1".to_owned(), "x".repeat(63)]);
}

#[tokio::test]
async fn the_world_unused_longest_makes_room() {
    let rig = Rig::start().await;
    let tokens = (rig.world("w0").stable(MINI, false).await.0, rig.world("w1").stable(MINI, false).await.0);
    for number in 2..1000 {
        rig.world(&format!("w{number}")).get("/sandbox/calls").await;
    }
    assert_eq!(rig.world("w0").verdict(&tokens.0).await, 0, "used again");
    rig.world("another").get("/sandbox/calls").await;
    let names = names(&rig).await;
    assert_eq!((names.len(), names.contains(&"w1".to_owned())), (1000, false));
    assert_eq!(rig.world("w0").verdict(&tokens.0).await, 0);
    assert_eq!(rig.world("w1").verdict(&tokens.1).await, 40001, "begun anew");
}

#[tokio::test]
async fn what_all_worlds_hold_is_bounded() {
    let rig = Rig::start().await;
    // Three of these are the most that one journal keeps.
    for number in 0..10 {
        let world = rig.world(&format!("w{number}"));
        for _ in 0..3 {
            world.send(Method::POST, "/x", &[], vec![b'x'; 19 << 20]).await.unwrap();
        }
    }
    let worlds = rig.get("/sandbox/worlds").await.json()["worlds"].clone();
    let held: u64 = worlds.as_array().unwrap().iter().map(|world| world["bytes"].as_u64().unwrap()).sum();
    assert!(held <= (512 << 20) + (60 << 20), "{held} bytes in {worlds}");
    let names = names(&rig).await;
    assert!(!names.contains(&"w0".to_owned()) && names.contains(&"w9".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_world_that_ended_pushes_nothing_more() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    let world = rig.world("t1");
    let openid = world.follower(OFFICIAL).await;
    world.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    assert_eq!(errcode(&world.call(OFFICIAL, "/cgi-bin/message/template/send", message).await), 0);
    rig.send(Method::DELETE, "/sandbox/worlds/t1", &[], "").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.take().len(), 0);
    let said: Value = rig.state().await["pushes"].clone();
    assert_eq!(said, json!([]));
}

#[tokio::test]
async fn a_page_of_somebody_elses_begins_no_world_and_no_name_of_its_leads_in() {
    let rig = Rig::start().await;
    let ask = async |path: &str, header: (&str, &str)| {
        rig.send(Method::GET, path, &[header], "").await.unwrap().status
    };
    // A picture of a page elsewhere.
    assert_eq!(ask("/sandbox/worlds/evil/", ("sec-fetch-site", "cross-site")).await, 400);
    assert_eq!(rig.get("/sandbox/worlds").await.json()["worlds"], json!([]));
    assert_eq!(ask("/sandbox/worlds/mine/", ("sec-fetch-site", "none")).await, 200);
    assert_eq!(ask("/sandbox/worlds/mine/", ("sec-fetch-site", "cross-site")).await, 200);
    // A name that was made to lead to this machine.
    for path in ["/", "/sandbox/facts", "/sandbox/worlds/mine/sandbox/state", "/q/x"] {
        assert_eq!(ask(path, ("host", "evil.com:36080")).await, 403, "{path}");
    }
    assert_eq!(ask("/sandbox/facts", ("host", "sandbox:36080")).await, 200);
    assert_eq!(
        ask("/cgi-bin/token", ("host", "api.example.com")).await,
        200,
        "WeChat's paths go by any name"
    );
}
