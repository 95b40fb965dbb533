//! Where the sandbox was stricter than WeChat: what works in production works here.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, SUBSCRIPTION, errcode, refused, secret};
use http::Method;
use serde_json::{Value, json};

/// C1. An API that WeChat has and the sandbox hasn't is told apart from one that is refused.
#[tokio::test]
async fn what_is_not_simulated_says_so() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    for path in [
        "/cgi-bin/nothing",
        "/datacube/getweanalysisappiddailysummarytrend",
        "/wxa/business/getliveinfo",
        "/cgi-bin/component/api_component_token",
    ] {
        for reply in [rig.get(path).await, rig.post(&format!("{path}?access_token={token}"), json!({})).await]
        {
            let text = String::from_utf8(reply.body.to_vec()).unwrap();
            assert_eq!((reply.status, reply.header("content-type")), (501, "text/plain; charset=utf-8"));
            assert!(text.contains("not simulated") && text.contains("docs/sandbox.md"), "{text}");
            assert!(!text.contains(path), "nothing of the call comes back: it may hold secrets");
        }
    }
    rig.control("token/rotate", json!({"appid": OFFICIAL, "hard": true})).await;
    let path = format!("/cgi-bin/nothing?access_token={token}");
    assert_eq!(refused(&rig.get(&path).await), 40001, "a dead token is told first");
    let call = rig.state().await["calls"][1].clone();
    assert_eq!(
        (&call["path"], &call["status"], &call["errcode"]),
        (&json!("/cgi-bin/nothing"), &json!(501), &json!(-1))
    );
}

/// C2. Common practice of SDKs and captures: parameters in the query, or in a form.
#[tokio::test]
async fn an_api_that_documents_get_takes_post() {
    let rig = Rig::start().await;
    let post = async |path: &str, body: &str, content_type: &str| {
        rig.send(Method::POST, path, &[("content-type", content_type)], body.to_owned()).await.unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    let login =
        format!("appid={MINI}&secret={}&js_code=demo-login&grant_type=authorization_code", secret(MINI));
    for (path, body) in
        [(format!("/sns/jscode2session?{login}"), "{}"), ("/sns/jscode2session".to_owned(), &login)]
    {
        assert!(post(&path, body, form).await.json()["session_key"].is_string(), "{path}");
    }
    let classic =
        format!("/cgi-bin/token?grant_type=client_credential&appid={OFFICIAL}&secret={}", secret(OFFICIAL));
    let token =
        post(&classic, "", "application/json").await.json()["access_token"].as_str().unwrap().to_owned();
    let openid = rig.follower(OFFICIAL).await;
    let info = format!("/cgi-bin/user/info?access_token={token}&openid={openid}");
    assert_eq!(post(&info, "", "application/json").await.json()["subscribe"], 1);
    let media_id = rig.upload_media(OFFICIAL, "image", "a.png", b"\x89PNG").await.json()["media_id"].clone();
    let media = format!("/cgi-bin/media/get?access_token={token}&media_id={}", media_id.as_str().unwrap());
    assert_eq!(&post(&media, "", "application/json").await.body[..], b"\x89PNG");
    assert_eq!(
        refused(&rig.get(&format!("/cgi-bin/clear_quota?access_token={token}")).await),
        43002,
        "not the other way"
    );
    // What curl -d sends by default is still JSON.
    let clear = format!("/cgi-bin/clear_quota?access_token={token}");
    assert_eq!(errcode(&post(&clear, &json!({"appid": OFFICIAL}).to_string(), form).await), 0);
}

/// C3, the quirk `u_escapes`: menus refuse `\u` (40033, their official page); elsewhere captures go on.
#[tokio::test]
async fn unicode_escapes_are_taken_but_for_menus() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let openid = rig.follower(OFFICIAL).await;
    let post = async |path: &str, body: String| {
        rig.send(Method::POST, &format!("{path}?access_token={token}"), &[], body).await.unwrap()
    };
    let message = format!(
        r#"{{"touser":"{openid}","template_id":"{}","data":{{"a":{{"value":"\u4e2d"}}}}}}"#,
        crate::rig::TEMPLATE
    );
    let send = async || post("/cgi-bin/message/template/send", message.clone()).await;
    assert_eq!(errcode(&send().await), 0);
    assert_eq!(rig.state().await["messages"][0]["data"]["a"]["value"], "中");
    rig.control("quirks", json!({"u_escapes": "refuse"})).await;
    assert_eq!(refused(&send().await), 47002);
    let escaped_backslash = message.replace("\\u", "\\\\u");
    assert_eq!(errcode(&post("/cgi-bin/message/template/send", escaped_backslash).await), 0);
    assert_eq!(
        errcode(&rig.upload_media(OFFICIAL, "image", "a.png", b"\x89PNG\\u4e2d").await),
        0,
        "only JSON is meant"
    );
}

async fn authorise(rig: &Rig, query: &str) -> Reply {
    rig.get(&format!("/connect/oauth2/authorize?{query}")).await
}

/// C4, the quirk `oauth_link`: the official page wants an order and letters and digits; captures ran without.
#[tokio::test]
async fn links_in_another_order_or_with_another_state_work() {
    let rig = Rig::start().await;
    let back = "redirect_uri=http%3A%2F%2Flocalhost%2F";
    let ordered = format!("appid={OFFICIAL}&{back}&response_type=code&scope=snsapi_base");
    let uuid = "8c6f8a0e-3c1f-4f43-9a53-0d6b7c1f5f7e";
    let links = [
        format!("{ordered}&state={uuid}"),
        format!("{ordered}&state=%7B%22a%22%3A1%7D"),
        format!("scope=snsapi_base&response_type=code&state=s&{back}&appid={OFFICIAL}"),
    ];
    let states = [uuid, "%7B%22a%22%3A1%7D", "s"];
    for (link, state) in links.iter().zip(states) {
        let reply = authorise(&rig, link).await;
        assert_eq!(reply.status, 302, "{link}");
        assert!(reply.header("location").ends_with(&format!("&state={state}")), "{reply:?}");
    }
    let page = async |link: &str| String::from_utf8(authorise(&rig, link).await.body.to_vec()).unwrap();
    assert!(page(&format!("{ordered}&state={}", "x".repeat(129))).await.contains("10002"));
    assert!(page(&format!("appid={OFFICIAL}&{back}&scope=snsapi_base")).await.contains("10002"));
    rig.control("quirks", json!({"oauth_link": "strict"})).await;
    for link in &links {
        assert!(page(link).await.contains("10002"), "{link}");
    }
    assert_eq!(authorise(&rig, &format!("{ordered}&state=s")).await.status, 302);
}

/// C5. Captures: a number is taken for its digits.
#[tokio::test]
async fn a_scene_may_be_a_number() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    for name in ["QR_STR_SCENE", "QR_LIMIT_STR_SCENE"] {
        let body = json!({"action_name": name, "action_info": {"scene": {"scene_str": 111}}});
        let ticket = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await.json()["ticket"].clone();
        rig.control("scan", json!({"ticket": ticket, "openid": openid})).await;
    }
    let scene = &rig.state().await["users"][1]["following"][OFFICIAL]["scene"];
    assert_eq!(*scene, json!("111"));
    let body = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": ["111"]}}});
    assert_eq!(refused(&rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await), 40129);
}

/// C6. Captures: the slash in front is no reason, the next check is.
#[tokio::test]
async fn a_page_may_begin_with_a_slash() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let send = async |page: &str| {
        let data: Value = json!({"thing1": {"value": "a"}, "time2": {"value": "2026-01-02"}});
        let message = json!({"touser": openid, "template_id": SUBSCRIPTION, "page": page, "data": data});
        refused(&rig.call(MINI, "/cgi-bin/message/subscribe/send", message).await)
    };
    for page in ["/pages/index/index", "pages/index/index?a=1", "/pages/index/index?a=1", ""] {
        assert_eq!(send(page).await, 43101, "{page}");
    }
    for page in ["pages/none", "/pages/none", "//pages/index/index"] {
        assert_eq!(send(page).await, 41030, "{page}");
    }
}
