//! Several nodes on one PostgreSQL database: they share tokens, codes, messages and what became of them.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{Beside, EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::own_answers::opened;
use crate::relay::Relay;
use crate::signed::{Callback, Maker, text};

const TOKEN: &str = "/cgi-bin/stable_token";
const ORIGINAL: &str = "gh_0000000000a1";

/// A gateway and further nodes on its database; `None`: it is a file.
async fn nodes(more: &str, further: usize) -> Option<(TestApp, Vec<Beside>)> {
    database::server()?;
    let app = TestApp::configured(more).await;
    let mut others = Vec::new();
    for _ in 0..further {
        others.push(app.beside(app.text()).await);
    }
    Some((app, others))
}

async fn call(app: &TestApp, url: &str, name: &str, mut body: Value) -> Reply {
    body["source"] = "test".into();
    let url = format!("{url}/v1/service/wx/{name}");
    app.http.send(Method::POST, &url, &[], body.to_string()).await.unwrap()
}

async fn code(app: &TestApp, url: &str, appid: &str) -> Reply {
    call(app, url, "getwxqrcode", json!({"appid": appid, "scene": "s"})).await
}

async fn send(app: &TestApp, url: &str, callback: &Callback) -> Reply {
    let url = format!("{url}/v1/service/wx/wxmsg/{OFFICIAL}?{}", callback.query);
    app.http.send(Method::POST, &url, &[("content-type", "text/xml")], callback.body.clone()).await.unwrap()
}

#[tokio::test]
async fn one_token_serves_all_and_is_fetched_once() {
    let Some((app, others)) = nodes("[auth]\nmode = \"off\"", 2).await else { return };
    let urls: Vec<String> = [app.url()].into_iter().chain(others.iter().map(Beside::url)).collect();
    let all = |n: usize| join_all((0..n).map(|n| code(&app, &urls[n % urls.len()], OFFICIAL)));
    for reply in all(60).await {
        reply.ok();
    }
    assert_eq!(app.calls(TOKEN, Some(OFFICIAL)).await, 1);
    // It has ended, and everybody wants one at once.
    app.advance(Duration::from_secs(7201)).await;
    for reply in all(60).await {
        reply.ok();
    }
    assert_eq!(app.calls(TOKEN, Some(OFFICIAL)).await, 2);
    // Before its end it is fetched in the background, by one.
    app.advance(Duration::from_secs(7200 - 89)).await;
    app.until("it is fetched", async || app.calls(TOKEN, Some(OFFICIAL)).await == 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.advance(Duration::from_secs(90)).await;
    for reply in all(60).await {
        reply.ok();
    }
    assert_eq!(app.calls(TOKEN, Some(OFFICIAL)).await, 3, "each has taken it up");
}

#[tokio::test]
async fn a_token_that_one_node_replaced_is_everybodys_within_a_second() {
    let Some((app, others)) = nodes("[auth]\nmode = \"off\"", 1).await else { return };
    let other = others[0].url();
    code(&app, &other, OFFICIAL).await.ok();
    code(&app, &app.url(), OFFICIAL).await.ok();
    app.control("token/expire", json!({"appid": OFFICIAL})).await;
    code(&app, &app.url(), OFFICIAL).await.ok();
    let calls = app.calls(TOKEN, Some(OFFICIAL)).await;
    let refused = async || {
        app.state().await["calls"].as_array().unwrap().iter().filter(|call| call["errcode"] == 40001).count()
    };
    let before = refused().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    code(&app, &other, OFFICIAL).await.ok();
    assert_eq!((app.calls(TOKEN, Some(OFFICIAL)).await, refused().await), (calls, before));
}

#[tokio::test]
async fn a_dead_token_is_asked_about_by_one_node() {
    for mode in ["stable", "classic"] {
        let more = format!(
            "[auth]\nmode = \"off\"\n[[apps]]\nappid = \"wxd\"\nkind = \"official\"\nsecret = \"{}\"\ntoken_mode = \"{mode}\"",
            "e5".repeat(16)
        );
        let Some((app, others)) = nodes(&more, 2).await else { return };
        app.control("apps", json!({"appid": "wxd", "secret": "e5".repeat(16), "kind": "official"})).await;
        let urls: Vec<String> = [app.url()].into_iter().chain(others.iter().map(Beside::url)).collect();
        let all = |n: usize| join_all((0..n).map(|n| code(&app, &urls[n % urls.len()], "wxd")));
        all(6).await.iter().for_each(|reply| drop(reply.ok()));
        let before = app.token_calls(Some("wxd")).await;
        app.control("token/expire", json!({"appid": "wxd"})).await;
        all(60).await.iter().for_each(|reply| drop(reply.ok()));
        let fetched = app.token_calls(Some("wxd")).await - before;
        assert!((1..=2).contains(&fetched), "{mode}: {fetched}");
    }
}

#[tokio::test]
async fn a_duplicate_at_another_node_waits_for_the_answer() {
    let backend = Backend::start().await;
    let more = format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"reply\"\ntarget = \"{}\"\nreply = true\n",
        backend.url
    );
    let Some((app, others)) = nodes(&more, 1).await else { return };
    backend.does(|got| {
        let message = got.message();
        let body = json!({"MsgType": "text", "Content": "hello", "ToUserName": message.from_user(),
            "FromUserName": message.to_user(), "CreateTime": 1});
        says(200, body.to_string()).after(Duration::from_secs(1))
    });
    let message = text(ORIGINAL, "hi");
    let (one, other) = (app.url(), others[0].url());
    let (first, again) =
        (Maker::new(OFFICIAL, app.now()).safe(&message), Maker::new(OFFICIAL, app.now()).safe(&message));
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        send(&app, &other, &again).await
    };
    let (first, again) = tokio::join!(send(&app, &one, &first), later);
    for reply in [first, again] {
        assert!(opened(OFFICIAL, &reply).contains("hello"));
    }
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (1, 1));
}

#[tokio::test]
async fn a_route_that_keeps_order_is_one_nodes_and_anothers_when_that_stops() {
    let backend = Backend::start().await;
    let more = format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"line\"\ntarget = \"{}\"\nordered = true\n",
        backend.url
    );
    let Some((app, mut others)) = nodes(&more, 1).await else { return };
    let urls = [app.url(), others[0].url()];
    let say = async |n: usize, url: &str| {
        for user in ["a", "b"] {
            let message = text(ORIGINAL, &n.to_string()).replace("CDATA[o1]", &format!("CDATA[{user}]"));
            send(&app, url, &Maker::new(OFFICIAL, app.now()).safe(&message)).await;
        }
    };
    for n in 0..20 {
        say(n, &urls[n % 2]).await;
    }
    app.all_delivered().await;
    // Whichever it was, the one that is left goes on.
    others.remove(0).stop().await;
    for n in 20..30 {
        say(n, &urls[0]).await;
    }
    app.until("the rest arrived", async || {
        app.advance(Duration::from_secs(5)).await;
        backend.count() == 60
    })
    .await;
    for user in ["a", "b"] {
        let got = backend.got();
        let messages = got.iter().map(|got| got.message()).filter(|message| message.from_user() == user);
        let contents: Vec<usize> = messages.map(|message| message.content().parse().unwrap()).collect();
        assert_eq!(contents, (0..30).collect::<Vec<_>>(), "{user}");
    }
}

#[tokio::test]
async fn a_code_is_used_once_whichever_nodes_it_comes_to() {
    let Some((app, others)) = nodes("[auth]\nmode = \"off\"", 2).await else { return };
    let urls: Vec<String> = [app.url()].into_iter().chain(others.iter().map(Beside::url)).collect();
    let openid = app.user(EXAMPLE).await;
    let code = app.code("oauth", EXAMPLE, &openid).await;
    let body = json!({"appid": EXAMPLE, "code": code});
    let all = join_all(urls.iter().map(|url| call(&app, url, "getwxuserinfo", body.clone()))).await;
    for reply in &all {
        assert_eq!(reply.ok()["openid"], openid.as_str());
    }
    assert_eq!(app.calls("/sns/oauth2/access_token", None).await, 1);
}

#[tokio::test]
async fn a_stopped_nodes_deliveries_go_on_at_another() {
    let backend = Backend::start().await;
    backend.does(|_| says(500, "no"));
    let more = format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"all\"\ntarget = \"{}\"\nretry = [\"2s\", \"2s\", \"2s\"]\n",
        backend.url
    );
    let Some((app, mut others)) = nodes(&more, 1).await else { return };
    let other = others.remove(0);
    for n in 0..5 {
        let callback = Maker::new(OFFICIAL, app.now()).safe(&text(ORIGINAL, &format!("m{n}")));
        assert_eq!(send(&app, &other.url(), &callback).await.status, StatusCode::OK);
    }
    app.until("all are tried", async || backend.count() == 5).await;
    backend.does(|_| says(200, ""));
    other.stop().await;
    app.advance(Duration::from_secs(3)).await;
    app.all_delivered().await;
    assert_eq!(backend.count(), 10);
}

#[tokio::test]
async fn what_another_node_counted_is_shown() {
    let caller =
        "[[callers]]\nname = \"shop\"\nkey = \"key_shop_0123456789abcdef\"\napps = [\"*\"]\napis = [\"*\"]\n";
    let Some((app, others)) = nodes(caller, 1).await else { return };
    for url in [app.url(), others[0].url()] {
        let url = format!("{url}/v1/service/wx/getwxqrcode");
        let body = json!({"appid": OFFICIAL, "scene": "s", "source": "t"}).to_string();
        let reply = app
            .http
            .send(Method::POST, &url, &[("x-api-key", "key_shop_0123456789abcdef")], body)
            .await
            .unwrap();
        reply.ok();
    }
    app.until("both are counted", async || {
        app.advance(Duration::from_secs(11)).await;
        let callers = app.api("callers").await;
        let shop = callers["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|caller| caller["name"] == "shop")
            .unwrap()
            .clone();
        shop["calls"].as_object().is_some_and(|calls| calls.values().any(|count| *count == 2))
    })
    .await;
}

#[tokio::test]
async fn many_callers_at_expiry_cost_a_fetch_an_app() {
    let apps: String = (0..50)
        .map(|n| {
            format!("[[apps]]\nappid = \"wxn{n}\"\nkind = \"official\"\nsecret = \"{}\"\n", "e5".repeat(16))
        })
        .collect();
    let Some((app, others)) = nodes(&format!("[auth]\nmode = \"off\"\n{apps}"), 2).await else { return };
    for n in 0..50 {
        app.control(
            "apps",
            json!({"appid": format!("wxn{n}"), "secret": "e5".repeat(16), "kind": "official"}),
        )
        .await;
    }
    let urls: Vec<String> = [app.url()].into_iter().chain(others.iter().map(Beside::url)).collect();
    for n in 0..150 {
        code(&app, &urls[n % 3], &format!("wxn{}", n % 50)).await.ok();
    }
    let before = app.calls(TOKEN, None).await;
    assert_eq!(before, 50);
    app.advance(Duration::from_secs(7201)).await;
    let replies = join_all((0..600).map(|n| {
        let (url, appid) = (&urls[n % 3], format!("wxn{}", n % 50));
        let app = &app;
        async move { code(app, url, &appid).await }
    }))
    .await;
    for reply in &replies {
        assert_eq!(reply.code(), 0, "{:?}", reply.ret());
    }
    assert_eq!(app.calls(TOKEN, None).await - before, 50);
}

#[tokio::test]
async fn a_node_cut_off_from_the_database_serves_what_it_has_and_catches_up() {
    let Some((app, _)) = nodes("[auth]\nmode = \"off\"", 0).await else { return };
    let relay = Relay::start(&database::socket(&database::server().unwrap())).await;
    let text = database::by(app.text(), &format!("127.0.0.1:{}", relay.port), "sslmode=disable");
    let node = app.beside(&text).await;
    code(&app, &node.url(), OFFICIAL).await.ok();
    let callback = |content: &str| Maker::new(OFFICIAL, app.now()).safe(&text_of(content));
    assert_eq!(send(&app, &node.url(), &callback("before")).await.status, StatusCode::OK);
    let get = async |url: String| app.http.send(Method::GET, &url, &[], "").await.unwrap();
    relay.cut();
    app.until("it knows", async || get(format!("{}/readyz?for=callbacks", node.url())).await.status == 503)
        .await;
    assert_eq!(get(format!("{}/readyz", node.url())).await.status, StatusCode::OK);
    assert_eq!(get(format!("{}/readyz", node.admin_url())).await.json()["status"], "degraded");
    assert_eq!(
        send(&app, &node.url(), &callback("meanwhile")).await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    code(&app, &node.url(), OFFICIAL).await.ok();
    assert_eq!(app.calls(TOKEN, Some(OFFICIAL)).await, 1, "it serves what it has");
    // A stable one that has ended is fetched without the store, which gives what the others got.
    app.advance(Duration::from_secs(7201)).await;
    code(&app, &app.url(), OFFICIAL).await.ok();
    code(&app, &node.url(), OFFICIAL).await.ok();
    assert_eq!(app.calls(TOKEN, Some(OFFICIAL)).await, 3);
    relay.mend();
    app.until("it is back", async || get(format!("{}/readyz?for=callbacks", node.url())).await.status == 200)
        .await;
    app.until("it takes messages", async || send(&app, &node.url(), &callback("after")).await.status == 200)
        .await;
    assert!(app.events().await.len() >= 2);
    node.stop().await;
}

fn text_of(content: &str) -> String {
    text(ORIGINAL, content)
}
