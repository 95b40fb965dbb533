//! The whole world in one snapshot: something of every family, kept and brought back.

use crate::drafts::draft;
use crate::receiver::Receiver;
use crate::rig::{Caller, MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused, secret};
use serde_json::{Value, json};
use std::time::Duration;

async fn call(rig: &Rig, appid: &str, path: &str, body: Value) -> Value {
    let reply = rig.call(appid, path, body).await;
    assert_eq!(errcode(&reply), 0, "{path}: {reply:?}");
    reply.json()
}

/// Followers and what is kept of them, templates, customer service.
async fn people(rig: &Rig, openid: &str) {
    let tag = call(rig, OFFICIAL, "/cgi-bin/tags/create", json!({"tag": {"name": "常客"}})).await;
    let carriers = json!({"openid_list": [openid], "tagid": tag["tag"]["id"]});
    call(rig, OFFICIAL, "/cgi-bin/tags/members/batchtagging", carriers).await;
    let chosen = json!({"template_id_short": "47123", "keyword_name_list": ["时间"]});
    call(rig, OFFICIAL, "/cgi-bin/template/api_add_template", chosen).await;
    let industries = json!({"industry_id1": 1, "industry_id2": 4});
    call(rig, OFFICIAL, "/cgi-bin/template/api_set_industry", industries).await;
    let worker = json!({"kf_account": "one@a", "nickname": "客服"});
    call(rig, OFFICIAL, "/customservice/kfaccount/add", worker).await;
    call(rig, OFFICIAL, "/cgi-bin/shorten/gen", json!({"long_data": "loooooong"})).await;
    let page = format!(
        "/mp/subscribemsg?action=get_confirm&appid={OFFICIAL}&scene=7&template_id={TEMPLATE}&reserved=a\
         &redirect_url=http%3A%2F%2F127.0.0.1%2Fback&sandbox_user=u1"
    );
    assert_eq!(rig.get(&page).await.status, 302);
    let message = json!({"touser": openid, "template_id": TEMPLATE, "client_msg_id": "1", "data": {"k": {"value": "v"}}});
    call(rig, OFFICIAL, "/cgi-bin/message/template/send", message).await;
    let nobody = rig.ask(OFFICIAL, "/cgi-bin/user/info", "openid=oNobody").await;
    assert_eq!(refused(&nobody), 40003, "a rid to ask for");
}

/// Menus, media, articles, mass messages.
async fn content(rig: &Rig, openid: &str) {
    let button = json!([{"type": "click", "name": "今日", "key": "K"}]);
    call(rig, OFFICIAL, "/cgi-bin/menu/create", json!({"button": button})).await;
    let rule = json!({"button": button, "matchrule": {"client_platform_type": 2}});
    call(rig, OFFICIAL, "/cgi-bin/menu/addconditional", rule).await;
    rig.control("platform", json!({"appid": OFFICIAL, "openid": openid, "client_platform_type": 2})).await;
    assert_eq!(errcode(&rig.upload_media(OFFICIAL, "image", "a.jpg", b"\xff\xd8\xff photo").await), 0);
    let picture =
        rig.upload(OFFICIAL, "/cgi-bin/media/uploadimg", "media", "a.jpg", b"\xff\xd8\xff photo").await;
    assert_eq!(errcode(&picture), 0);
    let published = draft(rig, &["一"]).await;
    call(rig, OFFICIAL, "/cgi-bin/freepublish/submit", json!({"media_id": published})).await;
    draft(rig, &["二", "三"]).await;
    let message = json!({"filter": {"is_to_all": true}, "msgtype": "text", "text": {"content": "大家好"}});
    call(rig, OFFICIAL, "/cgi-bin/message/mass/sendall", message).await;
    rig.control("outcome", json!({"appid": OFFICIAL, "mass_status": "err(20001)"})).await;
}

/// Mini programs, content checks, logins, pages.
async fn minis(rig: &Rig, official: &str) {
    let (openid, _) = rig.visitor(MINI).await;
    rig.control("phone/sealed", json!({"appid": MINI, "openid": openid})).await;
    rig.control("pay", json!({"appid": MINI, "openid": openid})).await;
    rig.control("words", json!({"appid": MINI, "word": "危险"})).await;
    rig.control("pictures", json!({"url": "http://a.cn/1.jpg", "shows": {"comm": ["一"]}})).await;
    rig.control("subscribe", json!({"appid": MINI, "openid": openid, "template_id": TEMPLATE, "count": 3}))
        .await;
    rig.control("phone/code", json!({"appid": MINI, "openid": openid})).await;
    call(rig, MINI, "/wxa/generate_urllink", json!({})).await;
    let code =
        rig.control("oauth/code", json!({"appid": OFFICIAL, "openid": official, "scope": "snsapi_userinfo"}));
    let granted = rig
        .get(&format!(
            "/sns/oauth2/access_token?appid={OFFICIAL}&secret={}&code={}&grant_type=authorization_code",
            secret(OFFICIAL),
            code.await["code"].as_str().unwrap()
        ))
        .await;
    assert_eq!(errcode(&granted), 0, "{granted:?}");
}

/// A world that holds something of everything.
async fn full(rig: &Rig, receiver: &Receiver) {
    rig.control("apps", json!({"appid": "wx1", "secret": "x", "kind": "open"})).await;
    let openid = rig.follower(OFFICIAL).await;
    people(rig, &openid).await;
    content(rig, &openid).await;
    minis(rig, &openid).await;
    rig.ask(OFFICIAL, "/cgi-bin/ticket/getticket", "type=jsapi").await;
    let scene = json!({"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "1"}}});
    call(rig, OFFICIAL, "/cgi-bin/qrcode/create", scene).await;
    rig.control("fault", json!({"path": "/x", "errcode": 45011, "times": 3})).await;
    rig.control("quota", json!({"appid": OFFICIAL, "api": "mass/all", "limit": 2})).await;
    rig.control("quirks", json!({"tag_name": "characters"})).await;
    rig.advance(60).await;
    // What these calls push goes nowhere; then there is one push, which is over when the answer comes.
    tokio::time::sleep(Duration::from_millis(400)).await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "safe"})).await;
    rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "你好"})).await;
}

async fn snapshot(rig: &Caller) -> Value {
    rig.get("/sandbox/snapshot").await.json()["world"].clone()
}

#[tokio::test]
async fn a_snapshot_has_something_of_every_family() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    let empty = snapshot(&rig).await;
    full(&rig, &receiver).await;
    let kept = snapshot(&rig).await;
    for (name, value) in kept.as_object().unwrap() {
        // The times are the rig's own.
        assert!(value != &empty[name] || name == "now", "{name}: this test fills nothing of it: {value}");
    }
    let state = rig.state().await;
    let other = Rig::start().await;
    other.control("restore", json!({"version": 1, "world": kept})).await;
    assert_eq!(snapshot(&other).await, kept);
    assert_eq!(other.state().await, state);
    assert_eq!(empty.as_object().unwrap().len(), kept.as_object().unwrap().len());
}

/// What was kept goes on where it was: the same calls are answered the same in both.
#[tokio::test]
async fn a_restored_world_answers_as_the_first_does() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    full(&rig, &receiver).await;
    let openid = rig.state().await["users"][1]["openids"][OFFICIAL].as_str().unwrap().to_owned();
    let other = Rig::start().await;
    other.control("restore", rig.get("/sandbox/snapshot").await.json()).await;
    let answers = async |rig: &Rig| {
        let mut answers = Vec::new();
        for (appid, path, body) in [
            (OFFICIAL, "/cgi-bin/tags/getidlist", json!({"openid": openid})),
            (OFFICIAL, "/cgi-bin/draft/batchget", json!({"offset": 0, "count": 20})),
            (OFFICIAL, "/cgi-bin/freepublish/batchget", json!({"offset": 0, "count": 20})),
            (OFFICIAL, "/cgi-bin/material/get_materialcount", json!({})),
            (OFFICIAL, "/cgi-bin/menu/trymatch", json!({"user_id": openid})),
            (OFFICIAL, "/cgi-bin/message/mass/get", json!({"msg_id": 1_000_000_001})),
            (OFFICIAL, "/cgi-bin/customservice/getkflist", json!({})),
            (OFFICIAL, "/cgi-bin/template/get_all_private_template", json!({})),
            (OFFICIAL, "/cgi-bin/template/get_industry", json!({})),
            (MINI, "/wxa/msg_sec_check", json!({"content": "危险"})),
            (MINI, "/wxa/generate_urllink", json!({})),
            (OFFICIAL, "/cgi-bin/tags/create", json!({"tag": {"name": "新的"}})),
        ] {
            answers.push(rig.call(appid, path, body).await.json());
        }
        answers.push(rig.get("/sandbox/chats?user=u2").await.json());
        answers.push(rig.get("/sandbox/codes").await.json());
        answers
    };
    assert_eq!(answers(&other).await, answers(&rig).await);
}
