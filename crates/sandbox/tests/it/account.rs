//! What an account asks about calls, callbacks and users, and texts it leaves with WeChat.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, START, errcode, refused};
use serde_json::{Value, json};

async fn rid_of(rig: &Rig, path: &str) -> String {
    let text = rig.get(path).await.json()["errmsg"].as_str().unwrap().to_owned();
    wechat::errcode::rid(&text).unwrap().to_owned()
}

// api_getridinfo: seven days, the same account, not `/sns`.
#[tokio::test]
async fn a_rid_leads_to_the_call_that_was_refused() {
    let rig = Rig::start().await;
    let look =
        async |appid: &str, rid: &str| rig.call(appid, "/cgi-bin/openapi/rid/get", json!({"rid": rid})).await;
    let asked = json!({"tag": {"name": ""}});
    let reply = rig.call(OFFICIAL, "/cgi-bin/tags/create", asked.clone()).await;
    let answer = String::from_utf8(reply.body.to_vec()).unwrap();
    let rid = wechat::errcode::rid(&answer).unwrap();
    let found = look(OFFICIAL, rid).await.json();
    assert_eq!((&found["errcode"], &found["errmsg"]), (&json!(0), &json!("ok")));
    let found = &found["request"];
    assert_eq!(found["invoke_time"], START / 1000);
    assert_eq!(found["response_body"], answer);
    assert_eq!(found["request_body"], asked.to_string());
    assert_eq!(found["client_ip"], "127.0.0.1");
    assert!(found["request_url"].as_str().unwrap().starts_with("access_token="), "{found}");
    assert!(found["cost_in_ms"].as_u64().unwrap() > 0);

    assert_eq!(refused(&look(EXAMPLE, rid).await), 76003);
    for wrong in ["", "x", "695772d8-0000-11111111", "695772d8-00000000-1111111g"] {
        assert_eq!(refused(&look(OFFICIAL, wrong).await), 76002, "{wrong}");
    }
    assert_eq!(refused(&look(OFFICIAL, "695772d8-00000000-11111111").await), 76001);
    let sns = format!("/sns/jscode2session?appid={MINI}&secret=x&js_code=y&grant_type=authorization_code");
    let sns = rid_of(&rig, &sns).await;
    assert_eq!(refused(&look(MINI, &sns).await), 76022);
    // A token that is dead still tells whose call it was.
    let (token, _) = rig.stable(OFFICIAL, false).await;
    rig.control("token/expire", json!({"appid": OFFICIAL})).await;
    let dead = rid_of(&rig, &format!("/cgi-bin/get_api_domain_ip?access_token={token}")).await;
    assert_eq!(errcode(&look(OFFICIAL, &dead).await), 0);
    rig.control("fault", json!({"path": "/cgi-bin/tags/get", "errcode": 45009, "times": 1})).await;
    let reply = rig.ask(OFFICIAL, "/cgi-bin/tags/get", "").await;
    let scripted = wechat::errcode::rid(reply.json()["errmsg"].as_str().unwrap()).unwrap().to_owned();
    assert_eq!(errcode(&look(OFFICIAL, &scripted).await), 0, "a scripted refusal is found, too");
    rig.advance(7 * 86_400).await;
    assert_eq!(refused(&look(OFFICIAL, rid).await), 76004);
}

// api_genshortkey and api_fetchshorten.
#[tokio::test]
async fn a_text_is_kept_under_a_short_key() {
    let rig = Rig::start().await;
    let keep = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/shorten/gen", body).await;
    let fetch = async |appid: &str, key: &str| {
        rig.call(appid, "/cgi-bin/shorten/fetch", json!({"short_key": key})).await
    };
    let kept = keep(json!({"long_data": "loooooong 数据", "expire_seconds": 86_400})).await.json();
    let key = kept["short_key"].as_str().unwrap();
    assert!(key.len() == 15 && key.bytes().all(|b| b.is_ascii_alphanumeric()), "{kept}");
    rig.advance(100).await;
    assert_eq!(
        fetch(OFFICIAL, key).await.json(),
        json!({"errcode": 0, "errmsg": "ok", "long_data": "loooooong 数据",
               "create_time": START / 1000, "expire_seconds": 86_300})
    );
    assert_eq!(refused(&fetch(EXAMPLE, key).await), 9_410_012, "another account's");
    assert_eq!(refused(&fetch(OFFICIAL, "x").await), 9_410_012);
    assert_eq!(refused(&fetch(OFFICIAL, "").await), 47003);
    for (body, expected) in [
        (json!({"expire_seconds": 1}), 47003),
        (json!({"long_data": "汉".repeat(1366)}), 9_410_010),
        (json!({"long_data": "x", "expire_seconds": 2_592_001}), 9_410_011),
        (json!({"long_data": "x", "expire_seconds": 0}), 9_410_011),
    ] {
        assert_eq!(refused(&keep(body).await), expected);
    }
    assert_eq!(errcode(&keep(json!({"long_data": "x".repeat(4096)})).await), 0, "30 days if none are named");
    rig.advance(86_300).await;
    assert_eq!(refused(&fetch(OFFICIAL, key).await), 9_410_012);
}

// Network_Detection.html: 40201 without a callback URL, 40202, 40203; its answer has no errcode.
#[tokio::test]
async fn the_callbacks_host_is_looked_up_and_reached_for() {
    let rig = Rig::start().await;
    let check = async |action: &str, operator: &str| {
        let body = json!({"action": action, "check_operator": operator});
        rig.call(OFFICIAL, "/cgi-bin/callback/check", body).await
    };
    assert_eq!(refused(&check("all", "DEFAULT").await), 40201);
    assert_eq!(refused(&check("every", "DEFAULT").await), 40202);
    assert_eq!(refused(&check("all", "CMCC").await), 40203);
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let all = check("all", "UNICOM").await.json();
    assert_eq!(all["dns"], json!([{"ip": "127.0.0.1", "real_operator": "UNICOM"}]));
    let ping = &all["ping"][0];
    assert_eq!((&ping["ip"], &ping["package_loss"]), (&json!("127.0.0.1"), &json!("0%")));
    assert!(ping["time"].as_str().unwrap().ends_with("ms") && all.get("errcode").is_none(), "{all}");
    assert!(check("dns", "DEFAULT").await.json().get("ping").is_none());
    drop(receiver);
    let gone = check("ping", "CAP").await.json();
    assert!(gone.get("dns").is_none());
    assert_eq!(gone["ping"][0]["package_loss"], "100%", "nobody listens any more");
}

// wxaapi_getuserriskrank: `"errmsg":"getuserriskrank succ"`, and `unoin_id` as WeChat spells it.
#[tokio::test]
async fn a_users_risk_is_that_of_whoever_is_blacklisted() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({})).await;
    let (openid, followed) = (user["openids"][MINI].clone(), user["openids"][OFFICIAL].clone());
    let stranger = json!({"appid": MINI, "openid": openid, "scene": 1, "client_ip": "1.2.3.4"});
    assert_eq!(refused(&rig.call(MINI, "/wxa/getuserriskrank", stranger).await), 61010, "who wasn't there");
    rig.log_in(MINI, openid.as_str().unwrap()).await;
    let body = json!({"appid": MINI, "openid": openid, "scene": 1, "client_ip": "1.2.3.4"});
    let ask = async |body: Value| rig.call(MINI, "/wxa/getuserriskrank", body).await;
    let answer = ask(body.clone()).await.json();
    assert_eq!(
        (&answer["errcode"], &answer["errmsg"], &answer["risk_rank"]),
        (&json!(0), &json!("getuserriskrank succ"), &json!(0))
    );
    assert!(answer["unoin_id"].is_u64(), "{answer}");
    rig.control("event", json!({"appid": OFFICIAL, "openid": followed, "event": "subscribe"})).await;
    rig.call(OFFICIAL, "/cgi-bin/tags/members/batchblacklist", json!({"openid_list": [followed]})).await;
    assert_eq!(ask(body.clone()).await.json()["risk_rank"], 4);
    for (name, value, expected) in [
        ("appid", json!(OFFICIAL), 40013),
        ("openid", json!("oNobody"), 40003),
        ("openid", followed, 43104),
        ("scene", json!(3), 40129),
        ("client_ip", json!("here"), 40097),
    ] {
        let mut wrong = body.clone();
        wrong[name] = value;
        assert_eq!(refused(&ask(wrong).await), expected, "{name}");
    }
    assert_eq!(refused(&rig.call(OFFICIAL, "/wxa/getuserriskrank", body).await), 48001);
}

// A published answer of changeopenid: `{"ori_openid":…,"new_openid":…,"err_msg":"ok"}`, `"err_msg":"ori_openid error"`.
#[tokio::test]
async fn openids_of_a_merged_account_become_this_ones() {
    let rig = Rig::start().await;
    let user = rig.control("users", json!({})).await;
    let (old, new) = (user["openids"][EXAMPLE].clone(), user["openids"][OFFICIAL].clone());
    let change = async |from: &str, list: Value| {
        rig.call(OFFICIAL, "/cgi-bin/changeopenid", json!({"from_appid": from, "openid_list": list})).await
    };
    let unknown = json!([{"ori_openid": old, "err_msg": "ori_openid error"}]);
    assert_eq!(change(EXAMPLE, json!([old])).await.json()["result_list"], unknown, "he doesn't follow it");
    rig.control("event", json!({"appid": EXAMPLE, "openid": old, "event": "subscribe"})).await;
    for from in [EXAMPLE, "gh_0000000000c3"] {
        let answer = change(from, json!([old, "oNobody"])).await.json();
        assert_eq!(
            answer,
            json!({"errcode": 0, "errmsg": "ok", "result_list": [
                {"ori_openid": old, "new_openid": new, "err_msg": "ok"},
                {"ori_openid": "oNobody", "err_msg": "ori_openid error"},
            ]})
        );
    }
    for (from, list, expected) in [
        (OFFICIAL, json!([old]), 63178),
        (MINI, json!([old]), 63178),
        ("wx0", json!([old]), 63178),
        (EXAMPLE, json!([]), 63182),
        (EXAMPLE, json!(vec![&old; 101]), 40032),
    ] {
        assert_eq!(refused(&change(from, list).await), expected, "{from}");
    }
}

// Official: /cgi-bin/openapi/quota/clear is for shops' paths only; 76021 a wrong path, 76022 one of another kind of account.
#[tokio::test]
async fn quotas_of_one_minute_are_told_as_set_and_one_endpoint_is_cleared_for_shops_only() {
    let rig = Rig::start().await;
    rig.control("quota", json!({"appid": MINI, "api": "/wxa/getwxacodeunlimit", "limit": 7})).await;
    let told = rig
        .call(MINI, "/cgi-bin/openapi/quota/get", json!({"cgi_path": "/wxa/getwxacodeunlimit"}))
        .await
        .json();
    assert_eq!(told["rate_limit"], json!({"call_count": 7, "refresh_second": 60}));
    let clear = async |path: &str| {
        refused(&rig.call(OFFICIAL, "/cgi-bin/openapi/quota/clear", json!({"cgi_path": path})).await)
    };
    assert_eq!(clear("/cgi-bin/message/custom/send").await, 76022);
    assert_eq!(clear("/channels/ec/basics/info/get").await, 76022);
    assert_eq!(clear("/nonsense").await, 76021);
    assert_eq!(clear("").await, 76021);
}
