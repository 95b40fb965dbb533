//! WeChat's rules, one test a rule.

use std::sync::{Arc, Mutex};

use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sandbox::sign;
use serde_json::{Value, json};

use crate::world::{MINI, OFFICIAL, World};

const TEMPLATE: &str = "sandbox-template-00000000000000000000000001";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

#[tokio::test]
async fn a_classic_token_overlaps_its_predecessor_for_five_minutes() {
    let world = World::start().await;
    let (first, second) = (world.classic().await, world.classic().await);
    assert_eq!(first["expires_in"], 7200);
    assert_eq!((world.try_token(&first).await, world.try_token(&second).await), (0, 0));
    world.advance(301);
    assert_eq!((world.try_token(&first).await, world.try_token(&second).await), (40001, 0));
    world.classic().await;
    world.classic().await;
    assert_eq!(world.try_token(&second).await, 40001, "the one before the last dies at once");
    world.advance(7200);
    assert_eq!(world.try_token(&second).await, 42001);
}

#[tokio::test]
async fn the_stable_token_is_the_same_until_five_minutes_before_its_end() {
    let world = World::start().await;
    let first = world.stable(false).await;
    let classic = world.classic().await;
    world.advance(6800);
    let same = world.stable(false).await;
    assert_eq!((&same["access_token"], &same["expires_in"]), (&first["access_token"], &json!(400)));
    world.advance(101);
    let second = world.stable(false).await;
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!((world.try_token(&first).await, world.try_token(&second).await), (0, 0));
    assert_eq!(world.try_token(&classic).await, 0, "the two kinds don't disturb each other");
    world.advance(300);
    assert_eq!(world.try_token(&first).await, 42001);
}

#[tokio::test]
async fn force_refresh_has_a_gap_and_a_daily_limit() {
    let world = World::start().await;
    let mut token = world.stable(true).await;
    assert_eq!(
        world.stable(true).await["access_token"],
        token["access_token"],
        "within 30 s nothing is refreshed"
    );
    for _ in 1..20 {
        world.advance(31);
        let next = world.stable(true).await;
        assert_ne!(next["access_token"], token["access_token"]);
        token = next;
    }
    world.advance(31);
    assert_eq!(world.stable(true).await["errcode"], 45009);
    world.advance(86_400);
    assert!(world.stable(true).await["access_token"].is_string());
    world.control("quirks", json!({"forced_refresh_within_30s": "error"})).await;
    assert_eq!(world.stable(true).await["errcode"], 45011);
}

#[tokio::test]
async fn what_the_token_endpoints_refuse() {
    let world = World::start().await;
    let secret = "a1".repeat(16);
    for (query, code) in [
        (format!("grant_type=x&appid={OFFICIAL}&secret={secret}"), 40002),
        (format!("grant_type=client_credential&secret={secret}"), 41002),
        (format!("grant_type=client_credential&appid={OFFICIAL}"), 41004),
        (format!("grant_type=client_credential&appid=wxnone&secret={secret}"), 40013),
        (format!("grant_type=client_credential&appid={OFFICIAL}&secret=wrong"), 40125),
    ] {
        let reply = world.get(&format!("/cgi-bin/token?{query}")).await;
        assert_eq!((reply.status, reply.errcode()), (200, code));
        assert_eq!(reply.headers["content-type"], "application/json; encoding=utf-8");
    }
    assert_eq!(world.send(Method::POST, "/cgi-bin/stable_token", "").await.unwrap().errcode(), 44002);
    assert_eq!(world.get("/cgi-bin/stable_token").await.errcode(), 43002);
    world
        .control(
            "apps",
            json!({"appid": OFFICIAL, "secret": secret, "kind": "official", "ip_allow": ["8.8.8.8"]}),
        )
        .await;
    let refused = world.stable(false).await;
    assert_eq!(refused["errcode"], 40164);
    let text = refused["errmsg"].as_str().unwrap();
    assert!(text.starts_with("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: "), "{text}");
}

#[tokio::test]
async fn what_business_calls_say_of_tokens_and_bodies() {
    let world = World::start().await;
    let token = world.token(OFFICIAL).await;
    let qr = |token: &str| format!("/cgi-bin/qrcode/create?access_token={token}");
    for (path, body, code) in [
        ("/cgi-bin/qrcode/create".to_owned(), "{}", 41001),
        (qr("junk"), "{}", 40014),
        (qr("12_neverissuedneverissuedneverissued"), "{}", 40001),
        (qr(&token), "", 44002),
        (qr(&token), "{\"a\":\"\\u4e2d\"}", 47002),
        (qr(&token), "{", 47001),
        (qr(&token), "{\"action_name\":\"X\"}", 40052),
        (qr(&token), "{\"action_name\":\"QR_STR_SCENE\"}", 40053),
        (qr(&token), "{\"action_name\":\"QR_SCENE\",\"action_info\":{\"scene\":{\"scene_id\":0}}}", 40129),
        ("/cgi-bin/nothing".to_owned(), "{}", 40066),
    ] {
        let reply = world.send(Method::POST, &path, body).await.unwrap();
        assert_eq!(reply.errcode(), code, "{path} {body}");
        let errmsg = reply.json()["errmsg"].as_str().unwrap().to_owned();
        let rid = errmsg.split(" rid: ").nth(1).expect("a rid");
        assert_eq!(i64::from_str_radix(&rid[..8], 16).unwrap(), 1_795_305_600);
    }
    world.control("quirks", json!({"garbage_token": "40014"})).await;
    let reply = world.send(Method::POST, &qr("12_neverissuedneverissuedneverissued"), "{}").await.unwrap();
    assert_eq!(reply.errcode(), 40014);
}

fn scan(picture: &[u8]) -> String {
    let picture = image::load_from_memory(picture).unwrap().to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixel = |x: usize, y: usize| picture.get_pixel(x as u32, y as u32).0[0];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
    prepared.detect_grids()[0].decode().unwrap().1
}

#[tokio::test]
async fn a_qr_code_is_a_real_picture_of_its_url() {
    let world = World::start().await;
    let token = world.token(OFFICIAL).await;
    let request = json!({"expire_seconds": 600, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "x"}}});
    let made = world.post(&format!("/cgi-bin/qrcode/create?access_token={token}"), request).await.json();
    assert_eq!(made["expire_seconds"], 600);
    let ticket: String =
        url::form_urlencoded::byte_serialize(made["ticket"].as_str().unwrap().as_bytes()).collect();
    let picture = world.get(&format!("/cgi-bin/showqrcode?ticket={ticket}")).await;
    assert_eq!(picture.headers["content-type"], "image/jpg");
    assert_eq!(scan(&picture.body), made["url"].as_str().unwrap());
    assert_eq!(world.get("/cgi-bin/showqrcode?ticket=none").await.status, 404);

    let openid = world.control("users", json!({})).await["openids"][OFFICIAL].clone();
    world.advance(601);
    let late = world.post("/sandbox/scan", json!({"ticket": made["ticket"], "openid": openid})).await;
    assert_eq!(late.status, 400);
}

#[tokio::test]
async fn mini_program_codes_are_checked_and_real() {
    let world = World::start().await;
    let token = world.token(MINI).await;
    let path = format!("/wxa/getwxacodeunlimit?access_token={token}");
    for (request, code) in [
        (json!({}), 40169),
        (json!({"scene": "x".repeat(33)}), 40169),
        (json!({"scene": "中"}), 40129),
        (json!({"scene": "a%20"}), 40129),
        (json!({"scene": "a", "page": "pages/none"}), 41030),
        (json!({"scene": "a", "page": "/pages/index/index"}), 41030),
        (json!({"scene": "a", "env_version": "beta"}), 40097),
    ] {
        let reply = world.post(&path, request).await;
        assert_eq!((reply.status, reply.errcode()), (200, code));
        assert_eq!(reply.headers["content-type"], "application/json; encoding=utf-8");
    }
    let picture = world.post(&path, json!({"scene": "id=7", "width": 300})).await;
    assert_eq!(picture.headers["content-type"], "image/jpeg");
    assert!(scan(&picture.body).contains("scene=id=7"));
    let hyaline = json!({"scene": "a", "is_hyaline": true});
    assert_eq!(world.post(&path, hyaline.clone()).await.headers["content-type"], "image/png");
    world.control("quirks", json!({"hyaline": "jpeg"})).await;
    assert_eq!(world.post(&path, hyaline).await.headers["content-type"], "image/jpeg");
    let official = world.token(OFFICIAL).await;
    let wrong =
        world.post(&format!("/wxa/getwxacodeunlimit?access_token={official}"), json!({"scene": "a"})).await;
    assert_eq!(wrong.errcode(), 45063);
}

#[tokio::test]
async fn codes_are_bound_single_use_and_short_lived() {
    let world = World::start().await;
    let openid = world.control("users", json!({})).await["openids"][MINI].clone();
    let person = json!({"appid": MINI, "openid": openid});
    let login = async |code: &str| {
        let secret = "b2".repeat(16);
        world
            .get(&format!("/sns/jscode2session?appid={MINI}&secret={secret}&js_code={code}&grant_type=authorization_code"))
            .await
    };
    let code = world.control("login/code", person.clone()).await["code"].as_str().unwrap().to_owned();
    let first = login(&code).await;
    assert_eq!(
        (first.json()["openid"].clone(), first.headers["content-type"].to_str().unwrap()),
        (openid.clone(), "text/plain")
    );
    let used = login(&code).await;
    assert_eq!(used.errcode(), 40163);
    assert!(used.json()["errmsg"].as_str().unwrap().starts_with("code been used, rid: "));
    let late = world.control("login/code", person.clone()).await["code"].as_str().unwrap().to_owned();
    world.advance(301);
    assert_eq!(login(&late).await.errcode(), 40029);
    for _ in 0..2 {
        assert_eq!(login("demo-login").await.errcode(), 0, "the demo's code never runs out");
    }
    let token = world.token(MINI).await;
    let phone = world.control("phone/code", person).await["code"].clone();
    let path = format!("/wxa/business/getuserphonenumber?access_token={token}");
    let answer = world.post(&path, json!({"code": phone})).await.json();
    assert_eq!(answer["phone_info"]["countryCode"], "86");
    assert_eq!(world.post(&path, json!({"code": phone})).await.errcode(), 40029);
}

#[tokio::test]
async fn the_demo_codes_work_on_every_account() {
    let world = World::start().await;
    for (appid, pair) in [(OFFICIAL, "a1"), (MINI, "b2"), ("wx3cc8fd6963e31a32", "c3")] {
        let secret = pair.repeat(16);
        let sns = async |path: &str, code: &str| {
            let query = format!("appid={appid}&secret={secret}&grant_type=authorization_code&{code}");
            world.get(&format!("/sns/{path}?{query}")).await.errcode()
        };
        assert_eq!(sns("oauth2/access_token", "code=demo-oauth").await, 0);
        assert_eq!(sns("jscode2session", "js_code=demo-login").await, 0);
        let body = json!({"grant_type": "client_credential", "appid": appid, "secret": secret});
        let token = world.post("/cgi-bin/stable_token", body).await.json();
        let path = format!(
            "/wxa/business/getuserphonenumber?access_token={}",
            token["access_token"].as_str().unwrap()
        );
        assert_eq!(world.post(&path, json!({"code": "demo-phone"})).await.errcode(), 0);
    }
}

#[tokio::test]
async fn web_oauth_from_the_page_to_the_profile() {
    let world = World::start().await;
    let back: String = url::form_urlencoded::byte_serialize(b"http://127.0.0.1:9/cb?x=1").collect();
    let link = |scope: &str| {
        format!(
            "/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri={back}&response_type=code&scope={scope}&state=s1"
        )
    };
    let page = world.get(&link("snsapi_userinfo")).await;
    assert!(String::from_utf8_lossy(&page.body).contains("Hui🐠"));
    let agreed = world.get(&format!("{}&sandbox_user=u1", link("snsapi_userinfo"))).await;
    let location = agreed.headers["location"].to_str().unwrap().to_owned();
    assert!(
        agreed.status == 302
            && location.starts_with("http://127.0.0.1:9/cb?x=1&code=")
            && location.ends_with("&state=s1")
    );
    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let secret = "a1".repeat(16);
    let exchange = format!(
        "/sns/oauth2/access_token?appid={OFFICIAL}&secret={secret}&grant_type=authorization_code&code="
    );
    let granted = world.get(&format!("{exchange}{code}")).await.json();
    assert_eq!(granted["scope"], "snsapi_userinfo");
    let (token, openid) = (granted["access_token"].as_str().unwrap(), granted["openid"].as_str().unwrap());
    let profile = world.get(&format!("/sns/userinfo?access_token={token}&openid={openid}&lang=zh_CN")).await;
    assert_eq!(profile.json()["nickname"], "Hui🐠");
    assert_eq!(world.get(&format!("/sns/auth?access_token={token}&openid=oOther")).await.errcode(), 40003);
    let refresh = granted["refresh_token"].as_str().unwrap();
    let renewed = world
        .get(&format!(
            "/sns/oauth2/refresh_token?appid={OFFICIAL}&grant_type=refresh_token&refresh_token={refresh}"
        ))
        .await;
    assert_eq!(renewed.json()["openid"], openid);
    world.advance(7201);
    assert_eq!(
        world.get(&format!("/sns/userinfo?access_token={token}&openid={openid}")).await.errcode(),
        42001
    );

    let silent = world.get(&link("snsapi_base")).await;
    let code = silent.headers["location"]
        .to_str()
        .unwrap()
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let base = world.get(&format!("{exchange}{code}")).await.json();
    let token = base["access_token"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/sns/userinfo?access_token={token}&openid={openid}")).await.errcode(),
        48001
    );

    for wrong in [
        link("snsapi_userinfo").replace("127.0.0.1", "evil.example.com"),
        format!(
            "/connect/oauth2/authorize?redirect_uri={back}&appid={OFFICIAL}&response_type=code&scope=snsapi_base&state=s"
        ),
        link("snsapi_login"),
    ] {
        let page = world.get(&wrong).await;
        assert!(page.status == 200 && String::from_utf8_lossy(&page.body).contains("错误码"), "{wrong}");
    }
}

#[tokio::test]
async fn template_and_subscription_messages() {
    let world = World::start().await;
    let token = world.token(OFFICIAL).await;
    let state = world.state().await;
    let follower = state["users"][0]["openids"][OFFICIAL].clone();
    let stranger = world.control("users", json!({})).await["openids"][OFFICIAL].clone();
    let path = format!("/cgi-bin/message/template/send?access_token={token}");
    let message = |to: &Value| json!({"touser": to, "template_id": TEMPLATE, "client_msg_id": "m1", "data": {"k": {"value": "巧克力"}}});
    let first = world.post(&path, message(&follower)).await.json();
    assert_eq!(first["msgid"].to_string().len(), 19);
    assert_eq!(
        world.post(&path, message(&follower)).await.json()["msgid"],
        first["msgid"],
        "sent once in ten minutes"
    );
    assert_eq!(world.post(&path, message(&stranger)).await.errcode(), 43004);
    assert_eq!(world.post(&path, message(&json!("oNobody"))).await.errcode(), 40003);
    let mut other = message(&follower);
    other["template_id"] = "other".into();
    assert_eq!(world.post(&path, other).await.errcode(), 40037);
    assert_eq!(world.state().await["messages"].as_array().unwrap().len(), 1);

    let token = world.token(MINI).await;
    let user = state["users"][0]["openids"][MINI].clone();
    let path = format!("/cgi-bin/message/subscribe/send?access_token={token}");
    let message =
        |value: &str| json!({"touser": user, "template_id": TEMPLATE, "data": {"thing1": {"value": value}}});
    assert_eq!(world.post(&path, message("奶茶")).await.errcode(), 43101);
    world
        .control("subscribe", json!({"appid": MINI, "openid": user, "template_id": TEMPLATE, "count": 1}))
        .await;
    let wrong = world.post(&path, message(&"长".repeat(21))).await.json();
    assert!(
        wrong["errmsg"].as_str().unwrap().starts_with("argument invalid! data.thing1.value invalid rid:"),
        "{wrong}"
    );
    assert_eq!(world.post(&path, message("奶茶")).await.errcode(), 0);
    assert_eq!(world.post(&path, message("奶茶")).await.errcode(), 43101);
}

#[tokio::test]
async fn faults_cut_delay_and_answer_as_scripted() {
    let world = World::start().await;
    let path = "/cgi-bin/token";
    for cut in ["before", "half", "after"] {
        world.control("fault", json!({"path": path, "cut": cut, "times": 1})).await;
        let secret = "a1".repeat(16);
        let url = format!("{path}?grant_type=client_credential&appid={OFFICIAL}&secret={secret}");
        assert!(world.send(Method::GET, &url, "").await.is_err(), "{cut}");
    }
    let calls = world.state().await["calls"].as_array().unwrap().len();
    assert_eq!(calls, 3, "each was counted");
    assert_eq!(world.state().await["tokens"].as_array().unwrap().len(), 1, "half and after were processed");
    world.control("fault", json!({"path": path, "errcode": 45011, "times": 2})).await;
    assert_eq!(
        (world.classic().await["errcode"].clone(), world.classic().await["errcode"].clone()),
        (json!(45011), json!(45011))
    );
    assert!(world.classic().await["access_token"].is_string());
    world.control("fault", json!({"path": path, "status": 502, "times": 0})).await;
    assert_eq!(world.get(path).await.status, 502);
    let body = json!({"path": "/x", "body": "<html>", "content_type": "text/html", "times": 1});
    world.control("fault", body).await;
    let reply = world.get("/x").await;
    assert_eq!(
        (reply.headers["content-type"].to_str().unwrap(), &reply.body[..]),
        ("text/html", &b"<html>"[..])
    );
    world.control("reset", json!({})).await;
    assert!(world.classic().await["access_token"].is_string());
    assert_eq!(world.post("/sandbox/fault", json!({"path": "/x", "nonsense": 1})).await.status, 400);
}

/// A backend that notes what it gets and answers what it is told.
struct Backend {
    url: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Backend {
    async fn start(statuses: &'static [u16], reply: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/cb", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let noted = seen.clone();
        tokio::task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let noted = noted.clone();
                tokio::task::spawn(async move {
                    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        let noted = noted.clone();
                        async move {
                            let query = request.uri().query().unwrap_or_default().to_owned();
                            let echo = query.split("echostr=").nth(1).map(str::to_owned);
                            let body = request.into_body().collect().await.unwrap().to_bytes();
                            let mut response = http::Response::new(Full::new(bytes::Bytes::from(
                                echo.clone().unwrap_or_else(|| reply.to_owned()),
                            )));
                            if echo.is_none() {
                                let mut noted = noted.lock().unwrap();
                                let status = statuses.get(noted.len()).copied().unwrap_or(200);
                                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                                noted.push((query, String::from_utf8_lossy(&body).into_owned()));
                            }
                            Ok::<_, std::convert::Infallible>(response)
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, seen }
    }
}

fn parameter(query: &str, name: &str) -> String {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(one, _)| one == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn pushes_in_every_mode_and_format() {
    for (appid, format) in [(OFFICIAL, "xml"), (MINI, "xml"), (MINI, "json")] {
        for mode in ["plain", "compat", "safe"] {
            let world = World::start().await;
            let backend = Backend::start(&[], "success").await;
            world
                .control(
                    "callback",
                    json!({"appid": appid, "url": backend.url, "mode": mode, "format": format}),
                )
                .await;
            let openid =
                world.control("users", json!({})).await["openids"][appid].as_str().unwrap().to_owned();
            let pushed =
                world.control("message", json!({"appid": appid, "openid": openid, "text": "你好]]>"})).await;
            assert_eq!(pushed["pushes"][0]["attempts"][0]["status"], 200, "{pushed}");
            let (query, body) = backend.seen.lock().unwrap()[0].clone();
            let part = |name: &str| parameter(&query, name);
            let (timestamp, nonce) = (part("timestamp"), part("nonce"));
            assert_eq!(part("signature"), sign::signature(&["sandboxtoken", &timestamp, &nonce]));
            assert_eq!(part("openid"), openid);
            let encrypt = if format == "json" {
                serde_json::from_str::<Value>(&body).unwrap()["Encrypt"].as_str().map(str::to_owned)
            } else {
                body.split("<Encrypt><![CDATA[")
                    .nth(1)
                    .map(|rest| rest.split("]]>").next().unwrap().to_owned())
            };
            assert_eq!(encrypt.is_some(), mode != "plain");
            assert_eq!(body.contains("MsgType"), mode != "safe");
            let Some(encrypt) = encrypt else { continue };
            assert_eq!(part("encrypt_type"), "aes");
            assert_eq!(
                part("msg_signature"),
                sign::signature(&["sandboxtoken", &timestamp, &nonce, &encrypt])
            );
            let (message, id) = sign::decrypt(KEY, &encrypt).unwrap();
            let message = String::from_utf8(message).unwrap();
            assert!(
                id == appid
                    && message.contains("你好")
                    && message.starts_with(if format == "json" { '{' } else { '<' })
            );
        }
    }
}

#[tokio::test]
async fn scans_follow_and_failed_pushes_are_tried_three_times() {
    let world = World::start().await;
    let backend = Backend::start(&[500, 500, 500, 500, 200], "success").await;
    world.control("callback", json!({"appid": OFFICIAL, "url": backend.url, "mode": "plain"})).await;
    let token = world.token(OFFICIAL).await;
    let request = json!({"expire_seconds": 600, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "x"}}});
    let made = world.post(&format!("/cgi-bin/qrcode/create?access_token={token}"), request).await.json();
    let openid = world.control("users", json!({})).await["openids"][OFFICIAL].clone();
    let scan = json!({"ticket": made["ticket"], "openid": openid});
    let first = world.control("scan", scan.clone()).await;
    assert_eq!(first["pushes"][0]["attempts"].as_array().unwrap().len(), 3);
    let second = world.control("scan", scan).await;
    assert_eq!(second["pushes"][0]["attempts"].as_array().unwrap().len(), 2);
    let seen = backend.seen.lock().unwrap().clone();
    assert!(seen[0].1.contains("<Event><![CDATA[subscribe]]>") && seen[0].1.contains("qrscene_x"));
    assert!(seen[3].1.contains("<Event><![CDATA[SCAN]]>") && !seen[3].1.contains("qrscene_"));
    assert_eq!(seen[0], seen[2], "attempts carry the same signature");
    drop(seen);

    let token = world.token(OFFICIAL).await;
    let openid = world.state().await["users"][0]["openids"][OFFICIAL].clone();
    let message = json!({"touser": openid, "template_id": TEMPLATE, "data": {"k": {"value": "v"}}});
    let msgid = world
        .post(&format!("/cgi-bin/message/template/send?access_token={token}"), message)
        .await
        .json()["msgid"]
        .to_string();
    for _ in 0..100 {
        if backend.seen.lock().unwrap().len() > 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let finish = backend.seen.lock().unwrap()[5].1.clone();
    assert!(
        finish.contains("TEMPLATESENDJOBFINISH") && finish.contains(&format!("<MsgID>{msgid}</MsgID>")),
        "{finish}"
    );
    let wrong = world
        .post("/sandbox/callback", json!({"appid": OFFICIAL, "url": "http://127.0.0.1:1/", "mode": "plain"}))
        .await;
    assert_eq!(wrong.status, 400);
}
