//! What hangs on an account's ties to others: unionids, and mini programs that its messages open.

use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused, secret};
use serde_json::{Value, json};

#[tokio::test]
async fn an_account_that_is_bound_nowhere_learns_no_unionid() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({})).await;
    let openid = |appid: &str| user["openids"][appid].as_str().unwrap().to_owned();
    let unionids = async || {
        let follow = json!({"appid": EXAMPLE, "openid": openid(EXAMPLE), "event": "subscribe", "key": ""});
        rig.control("event", follow).await;
        let (token, _) = rig.stable(EXAMPLE, false).await;
        let info = format!("/cgi-bin/user/info?access_token={token}&openid={}", openid(EXAMPLE));
        let code = rig.control(
            "oauth/code",
            json!({"appid": EXAMPLE, "openid": openid(EXAMPLE), "scope": "snsapi_userinfo"}),
        );
        let code = code.await["code"].as_str().unwrap().to_owned();
        let exchange = format!(
            "/sns/oauth2/access_token?appid={EXAMPLE}&secret={}&code={code}&grant_type=authorization_code",
            secret(EXAMPLE)
        );
        let granted = rig.get(&exchange).await.json();
        let profile = format!(
            "/sns/userinfo?access_token={}&openid={}",
            granted["access_token"].as_str().unwrap(),
            openid(EXAMPLE)
        );
        let login = rig.control("login/code", json!({"appid": MINI, "openid": openid(MINI)})).await;
        let session = format!(
            "/sns/jscode2session?appid={MINI}&secret={}&js_code={}&grant_type=authorization_code",
            secret(MINI),
            login["code"].as_str().unwrap()
        );
        let answers = [
            rig.get(&info).await.json(),
            granted,
            rig.get(&profile).await.json(),
            rig.get(&session).await.json(),
        ];
        answers.map(|answer| answer.get("unionid").cloned())
    };
    assert_eq!(unionids().await, [(); 4].map(|()| Some(user["unionid"].clone())));
    for (appid, kind) in [(EXAMPLE, "official"), (MINI, "mini")] {
        rig.control("apps", json!({"appid": appid, "secret": secret(appid), "kind": kind, "bound": false}))
            .await;
    }
    assert_eq!(unionids().await, [None::<Value>, None, None, None]);
}

#[tokio::test]
async fn a_message_opens_only_mini_programs_that_are_linked() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let send = async |appid: &str| {
        let message = json!({
            "touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}},
            "miniprogram": {"appid": appid, "pagepath": "pages/index/index"},
        });
        rig.call(OFFICIAL, "/cgi-bin/message/template/send", message).await
    };
    assert_eq!(errcode(&send(MINI).await), 0);
    assert_eq!(errcode(&send("").await), 0);
    assert_eq!(refused(&send("wxother").await), 40013);
    let settings = json!({
        "appid": OFFICIAL, "secret": secret(OFFICIAL), "kind": "official", "linked": ["wxother"],
    });
    rig.control("apps", settings).await;
    assert_eq!(errcode(&send("wxother").await), 0);
    assert_eq!(refused(&send(MINI).await), 40013);
}
