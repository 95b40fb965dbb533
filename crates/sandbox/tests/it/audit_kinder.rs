//! Where the sandbox was kinder than WeChat: what is red in production is red here.
//! (A1, A6 and A11's unionids have files of their own: `chunked`, `bound`; A9 and A10: `audit_pushes`.)

use crate::rig::{DECLARED, EXAMPLE, MINI, OFFICIAL, Reply, Rig, SUBSCRIPTION, TEMPLATE};
use crate::rig::{errcode, refused, secret, words};
use serde_json::{Value, json};

const TEMPLATE_SEND: &str = "/cgi-bin/message/template/send";
const CUSTOM_SEND: &str = "/cgi-bin/message/custom/send";

fn data(values: &[(&str, &str)]) -> Value {
    values.iter().map(|(name, value)| ((*name).to_owned(), json!({"value": value}))).collect()
}

/// A2. 47003 `argument invalid! data.<keyword>.value is empty`: official page "发送模板消息", captures of
/// both spellings in wechat-protocol.
#[tokio::test]
async fn a_declared_keyword_that_is_missing_or_empty_is_named() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let send = async |template: &str, data: Value| {
        let message = json!({"touser": openid, "template_id": template, "data": data});
        rig.call(OFFICIAL, TEMPLATE_SEND, message).await
    };
    let whole = [("first", "a"), ("keyword1", "b"), ("keyword2", "c"), ("remark", "d")];
    assert_eq!(errcode(&send(DECLARED, data(&whole)).await), 0);
    let more = [&whole[..], &[("keyword9", "")]].concat();
    assert_eq!(errcode(&send(DECLARED, data(&more)).await), 0, "what isn't declared is ignored");
    for (values, named) in [
        (vec![("first", "a"), ("keyword1", "b"), ("remark", "d")], "keyword2"),
        (vec![("first", ""), ("keyword1", "b"), ("keyword2", "c"), ("remark", "d")], "first"),
        (vec![("first", "a"), ("keyword1", "b"), ("keyWord2", "c"), ("remark", "d")], "keyword2"),
        (vec![], "first"),
    ] {
        let reply = send(DECLARED, data(&values)).await;
        assert_eq!(refused(&reply), 47003, "{values:?}");
        assert!(words(&reply).starts_with(&format!("argument invalid! data.{named}.value is empty rid: ")));
    }
    assert_eq!(errcode(&send(TEMPLATE, data(&[("anything", "x")])).await), 0);
    for (values, named) in [(("keyword1", ""), "keyword1"), (("keyword1.DATA", "x"), "keyword1")] {
        let reply = send(TEMPLATE, data(&[values])).await;
        assert_eq!(refused(&reply), 47003, "{values:?}");
        assert!(words(&reply).contains(&format!("data.{named}.value is empty")), "{reply:?}");
    }
    assert_eq!(refused(&send(SUBSCRIPTION, data(&[("thing1", "a"), ("time2", "2026-01-02")])).await), 40037);
    let messages = rig.state().await["messages"].clone();
    assert_eq!(messages.as_array().unwrap().len(), 3, "what is refused is not sent");
}

/// A2, subscriptions: the official pages of subscribe/send and bizsend.
#[tokio::test]
async fn a_subscription_message_gives_every_keyword_and_loses_no_credit_without() {
    let rig = Rig::start().await;
    for (appid, path) in
        [(MINI, "/cgi-bin/message/subscribe/send"), (OFFICIAL, "/cgi-bin/message/subscribe/bizsend")]
    {
        let openid = rig.user(appid).await;
        let allow = json!({"appid": appid, "openid": openid, "template_id": SUBSCRIPTION, "count": 1});
        rig.control("subscribe", allow).await;
        let send = async |template: &str, data: Value| {
            rig.call(appid, path, json!({"touser": openid, "template_id": template, "data": data})).await
        };
        let reply = send(SUBSCRIPTION, data(&[("thing1", "奶茶")])).await;
        assert_eq!(refused(&reply), 47003);
        assert!(words(&reply).starts_with("argument invalid! data.time2.value is empty rid: "), "{reply:?}");
        let reply = send(SUBSCRIPTION, data(&[("thing1", "奶茶"), ("time2", "soon")])).await;
        assert!(words(&reply).starts_with("argument invalid! data.time2.value invalid rid: "), "{reply:?}");
        assert_eq!(refused(&send(DECLARED, data(&[("thing1", "a")])).await), 40037);
        assert_eq!(refused(&send("", data(&[("thing1", "a")])).await), 40037);
        let whole = data(&[("thing1", "奶茶"), ("time2", "2026年1月2日 15:30")]);
        assert_eq!(errcode(&send(SUBSCRIPTION, whole.clone()).await), 0);
        assert_eq!(refused(&send(SUBSCRIPTION, whole).await), 43101);
    }
    let allow =
        json!({"appid": OFFICIAL, "openid": rig.user(OFFICIAL).await, "template_id": DECLARED, "count": 1});
    assert_eq!(rig.post("/sandbox/subscribe", allow).await.status, 400, "nobody subscribes to those");
}

#[tokio::test]
async fn the_templates_are_listed_with_their_content() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let path = format!("/cgi-bin/template/get_all_private_template?access_token={token}");
    let list = rig.get(&path).await.json()["template_list"].clone();
    let ids: Vec<&str> =
        list.as_array().unwrap().iter().map(|t| t["template_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [TEMPLATE, DECLARED]);
    for keyword in ["first", "keyword1", "keyword2", "remark"] {
        assert!(list[1]["content"].as_str().unwrap().contains(&format!("{{{{{keyword}.DATA}}}}")));
    }
}

async fn custom(rig: &Rig, appid: &str, openid: &str, kind: &str, content: Value) -> Reply {
    rig.call(appid, CUSTOM_SEND, json!({"touser": openid, "msgtype": kind, kind: content})).await
}

/// A3: 40007, and the allowance isn't used (official page "客服消息"; captures). A4: 44004, 45002, 45008 (global return
/// codes). B: `mpnews` is a type (official page).
#[tokio::test]
async fn what_is_wrong_with_a_custom_message_uses_nothing_up() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "hello"})).await;
    let send = async |kind: &str, content: Value| custom(&rig, OFFICIAL, &openid, kind, content).await;
    let article = json!({"title": "t", "description": "d", "url": "u", "picurl": "p"});
    for (kind, content, code) in [
        ("image", json!({"media_id": "nothing"}), 40007),
        ("voice", json!({"media_id": "nothing"}), 40007),
        ("video", json!({"media_id": "nothing", "thumb_media_id": "nothing"}), 40007),
        ("music", json!({"musicurl": "u", "hqmusicurl": "u", "thumb_media_id": "nothing"}), 40007),
        ("miniprogrampage", json!({"title": "t", "thumb_media_id": "nothing"}), 40007),
        ("mpnews", json!({"media_id": "nothing"}), 40007),
        ("text", json!({"content": ""}), 44004),
        ("text", json!({"content": "中".repeat(683)}), 45002),
        ("news", json!({"articles": []}), 44003),
        ("news", json!({"articles": [article, article]}), 45008),
        ("shop", json!({}), 40008),
    ] {
        assert_eq!(refused(&send(kind, content.clone()).await), code, "{kind} {content}");
    }
    let png = rig.upload_media(OFFICIAL, "image", "a.png", b"\x89PNG").await.json()["media_id"].clone();
    let other = rig.upload_media(MINI, "image", "a.png", b"\x89PNG").await.json()["media_id"].clone();
    assert_eq!(refused(&send("image", json!({"media_id": other})).await), 40007, "another account's");
    for (kind, content) in [
        ("image", json!({"media_id": png})),
        ("text", json!({"content": "中".repeat(682)})),
        ("news", json!({"articles": [article]})),
        ("text", json!({"content": "4"})),
        ("text", json!({"content": "5"})),
    ] {
        assert_eq!(errcode(&send(kind, content.clone()).await), 0, "{kind} {content}");
    }
    assert_eq!(refused(&send("text", json!({"content": "6"})).await), 45047);
    assert_eq!(rig.state().await["messages"].as_array().unwrap().len(), 5);
}

/// A5: 45015 `response out of time limit or subscription is canceled`.
#[tokio::test]
async fn who_has_left_gets_no_custom_message() {
    let rig = Rig::start().await;
    for unfollow in ["unfollow", "event", "push"] {
        let openid = rig.follower(OFFICIAL).await;
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "hello"})).await;
        let send = async || custom(&rig, OFFICIAL, &openid, "text", json!({"content": "x"})).await;
        assert_eq!(errcode(&send().await), 0);
        let mut asked = json!({"appid": OFFICIAL, "openid": openid});
        match unfollow {
            "event" => asked["event"] = json!("unsubscribe"),
            "push" => asked["message"] = json!({"MsgType": "event", "Event": "unsubscribe"}),
            _ => {}
        }
        rig.control(unfollow, asked).await;
        assert_eq!(refused(&send().await), 45015, "{unfollow}");
        rig.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe"})).await;
        assert_eq!(errcode(&send().await), 0, "back again");
    }
}

/// A7: official page "获取临时素材": a video is `{"video_url": …}`.
#[tokio::test]
async fn a_video_is_told_where_it_is() {
    let rig = Rig::start().await;
    let video = b"\x00\x00\x00\x18ftypmp42 and so on";
    let media_id = rig.upload_media(OFFICIAL, "video", "a.mp4", video).await.json()["media_id"].clone();
    let reply = rig.media(OFFICIAL, media_id.as_str().unwrap()).await;
    assert_eq!(reply.header("content-type"), "application/json; encoding=utf-8");
    let body = reply.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let path = body["video_url"].as_str().unwrap().strip_prefix(&rig.sandbox.url()).unwrap().to_owned();
    assert_eq!(&rig.get(&path).await.body[..], video);
    assert_eq!(rig.get("/sandbox/media/none").await.status, 404);
}

/// A8: 40005 `invalid file type`: a name without suffix (captures of several SDKs), and by content.
#[tokio::test]
async fn a_file_is_what_its_name_and_bytes_say() {
    let rig = Rig::start().await;
    for (kind, name, bytes, code) in [
        ("image", "a.png", &b"\x89PNG"[..], 0),
        ("image", "a.JPG", b"\xff\xd8\xff\xe0", 0),
        ("image", "a", b"\x89PNG", 40005),
        ("image", "png", b"\x89PNG", 40005),
        ("image", "a.txt", b"\x89PNG", 40005),
        ("image", "a.png", b"a text", 40005),
        ("voice", "a.mp3", b"ID3\x04", 0),
        ("voice", "a.amr", b"#!AMR\n", 0),
        ("voice", "a.mp3", b"\x89PNG", 40005),
        ("voice", "a.png", b"\x89PNG", 40005),
        ("video", "a.mp4", b"\xff\xd8\xff\xe0", 40005),
        ("thumb", "a.jpg", b"\xff\xd8\xff\xe0", 0),
        ("thumb", "a.jpg", b"ID3\x04", 40005),
        ("image", "a.png", b"", 44001),
    ] {
        assert_eq!(
            errcode(&rig.upload_media(OFFICIAL, kind, name, bytes).await),
            code,
            "{kind} {name} {bytes:?}"
        );
    }
}

/// A11: an unfollowed user/info has three members (official page "获取用户基本信息", captures).
#[tokio::test]
async fn of_a_stranger_nothing_is_told() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let info =
        async || rig.get(&format!("/cgi-bin/user/info?access_token={token}&openid={openid}")).await.json();
    let nothing = json!({"subscribe": 0, "openid": openid, "tagid_list": []});
    assert_eq!(info().await, nothing);
    rig.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe"})).await;
    assert!(info().await["unionid"].is_string());
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": openid})).await;
    assert_eq!(info().await, nothing, "nor of one who left");
}

async fn exchange(rig: &Rig, path: &str, appid: &str, code: &str) -> Reply {
    let name = if path == "/sns/jscode2session" { "js_code" } else { "code" };
    let secret = secret(appid);
    rig.get(&format!("{path}?appid={appid}&secret={secret}&{name}={code}&grant_type=authorization_code"))
        .await
}

/// A12: getuserphonenumber's page: 40013 is a code of another account; the others have 40029.
#[tokio::test]
async fn eternal_codes_fit_the_accounts_that_have_such_codes() {
    let rig = Rig::start().await;
    let phone = async |appid: &str| {
        errcode(&rig.call(appid, "/wxa/business/getuserphonenumber", json!({"code": "demo-phone"})).await)
    };
    assert_eq!((phone(MINI).await, phone(OFFICIAL).await), (0, 40013));
    let login =
        async |appid: &str| errcode(&exchange(&rig, "/sns/jscode2session", appid, "demo-login").await);
    assert_eq!((login(MINI).await, login(OFFICIAL).await, login(EXAMPLE).await), (0, 40029, 40029));
    let oauth =
        async |appid: &str| errcode(&exchange(&rig, "/sns/oauth2/access_token", appid, "demo-oauth").await);
    assert_eq!((oauth(OFFICIAL).await, oauth(EXAMPLE).await, oauth(MINI).await), (0, 0, 40029));
    rig.control("apps", json!({"appid": "wxsite", "secret": secret("wxsite"), "kind": "open"})).await;
    assert_eq!((oauth("wxsite").await, login("wxsite").await), (0, 40029));
}

/// A13: code2Session's page: 100 a minute for one user; user/get: 500 a day (official page of limits).
#[tokio::test]
async fn one_user_logs_in_a_hundred_times_a_minute() {
    let rig = Rig::start().await;
    let login = async |code: &str| exchange(&rig, "/sns/jscode2session", MINI, code).await;
    for _ in 0..100 {
        assert_eq!(errcode(&login("demo-login").await), 0);
    }
    assert_eq!(refused(&login("demo-login").await), 45011);
    let code = async |openid: &str| {
        let given = rig.control("login/code", json!({"appid": MINI, "openid": openid})).await;
        given["code"].as_str().unwrap().to_owned()
    };
    let openid = rig.state().await["users"][0]["openids"][MINI].as_str().unwrap().to_owned();
    let (own, others) = (code(&openid).await, code(&rig.user(MINI).await).await);
    assert_eq!(refused(&login(&own).await), 45011);
    assert_eq!(errcode(&login(&others).await), 0, "another user");
    rig.advance(60).await;
    assert_eq!(errcode(&login(&own).await), 0, "the code was not used up");
}

#[tokio::test]
async fn followers_are_listed_five_hundred_times_a_day() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let list = async || rig.get(&format!("/cgi-bin/user/get?access_token={token}")).await;
    for _ in 0..500 {
        assert_eq!(errcode(&list().await), 0);
    }
    assert_eq!(refused(&list().await), 45009);
    let quota =
        rig.call(OFFICIAL, "/cgi-bin/openapi/quota/get", json!({"cgi_path": "/cgi-bin/user/get"})).await;
    assert_eq!(quota.json()["quota"], json!({"daily_limit": 500, "used": 500, "remain": 0}));
}

/// A14: `is_snapshotuser` of oauth2/access_token's page: 1 for a virtual account, else absent.
#[tokio::test]
async fn a_snapshot_pages_user_is_a_virtual_account() {
    let rig = Rig::start().await;
    for snapshot in [true, false] {
        let user = rig.control("users", json!({"snapshot": snapshot})).await;
        let openid = &user["openids"][OFFICIAL];
        for scope in ["snsapi_base", "snsapi_userinfo"] {
            let asked = json!({"appid": OFFICIAL, "openid": openid, "scope": scope});
            let code = rig.control("oauth/code", asked).await["code"].as_str().unwrap().to_owned();
            let granted = exchange(&rig, "/sns/oauth2/access_token", OFFICIAL, &code).await.json();
            assert_eq!(granted.get("is_snapshotuser"), snapshot.then(|| json!(1)).as_ref(), "{scope}");
            assert_eq!(granted["openid"], *openid);
        }
    }
    let users = rig.state().await["users"].clone();
    assert_eq!((&users[1]["snapshot"], users[2].get("snapshot")), (&json!(true), None));
}
