//! Where the sandbox had another code or other words than WeChat.

use crate::rig::{MINI, OFFICIAL, Rig, errcode, refused, words};
use http::Method;
use serde_json::{Value, json};

const CREATE: &str = "/cgi-bin/qrcode/create";

/// Global return codes: 40036 is a template_id that isn't there; a well-formed one that nobody has is 40037.
#[tokio::test]
async fn a_template_id_that_is_missing_has_a_wrong_size() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let send = async |template: Value| {
        let message = json!({"touser": openid, "template_id": template, "data": {}});
        rig.call(OFFICIAL, "/cgi-bin/message/template/send", message).await
    };
    for missing in [Value::Null, json!("")] {
        let reply = send(missing).await;
        assert_eq!(refused(&reply), 40036);
        assert!(words(&reply).starts_with("invalid template_id size rid: "), "{reply:?}");
    }
    assert_eq!(refused(&send(json!("x".repeat(43))).await), 40037);
}

/// Captures: a permanent scene that is too long is 40053, a temporary one 40129.
#[tokio::test]
async fn a_permanent_scene_that_is_too_long_is_wrong_action_info() {
    let rig = Rig::start().await;
    let make = async |name: &str, length: usize| {
        let scene = json!({"scene": {"scene_str": "x".repeat(length)}});
        errcode(&rig.call(OFFICIAL, CREATE, json!({"action_name": name, "action_info": scene})).await)
    };
    assert_eq!((make("QR_LIMIT_STR_SCENE", 64).await, make("QR_LIMIT_STR_SCENE", 65).await), (0, 40053));
    assert_eq!((make("QR_STR_SCENE", 64).await, make("QR_STR_SCENE", 65).await), (0, 40129));
}

/// Captures: WeChat reads single quotes as JSON of another shape, not as no JSON.
#[tokio::test]
async fn single_quotes_hide_the_action() {
    let rig = Rig::start().await;
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let path = format!("{CREATE}?access_token={token}");
    let make = async |body: &'static str| rig.send(Method::POST, &path, &[], body).await.unwrap();
    let reply = make("{'action_name':'QR_SCENE','action_info':{'scene':{'scene_id':1}}}").await;
    assert_eq!(refused(&reply), 40052);
    assert!(words(&reply).starts_with("invalid action name rid: "), "{reply:?}");
    assert_eq!(refused(&make("{").await), 47001);
    assert_eq!(refused(&make("it's no JSON").await), 47001);
    assert_eq!(refused(&make("").await), 44002);
}

/// Global return codes: 40032 is the size of a list of openids.
#[tokio::test]
async fn a_hundred_and_one_followers_are_too_many_at_once() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let ask = async |count: usize| {
        let list = vec![json!({"openid": openid}); count];
        rig.call(OFFICIAL, "/cgi-bin/user/info/batchget", json!({"user_list": list})).await
    };
    assert_eq!(ask(100).await.json()["user_info_list"].as_array().unwrap().len(), 100);
    let reply = ask(101).await;
    assert_eq!(refused(&reply), 40032);
    assert!(words(&reply).starts_with("invalid openid list size rid: "), "{reply:?}");
}

/// 40249's words as captured; a code that no table has is nobody's: never in -1's words.
#[tokio::test]
async fn a_fault_speaks_in_the_codes_own_words() {
    let rig = Rig::start().await;
    let path = "/cgi-bin/user/get";
    let fault = async |fault: Value| {
        let mut whole = json!({"path": path});
        whole.as_object_mut().unwrap().extend(fault.as_object().unwrap().clone());
        rig.control("fault", whole).await;
        let (token, _) = rig.stable(OFFICIAL, false).await;
        let reply = rig.get(&format!("{path}?access_token={token}")).await;
        (refused(&reply), words(&reply).split(" rid:").next().unwrap().to_owned())
    };
    let said = |code: i64, text: &str| (code, text.to_owned());
    let blocked = "this template msg has been blocked for illegal content";
    assert_eq!(fault(json!({"errcode": 40249})).await, said(40249, blocked));
    assert_eq!(fault(json!({"errcode": -1})).await, said(-1, "system error"));
    for code in [-1234, 77777, 268_487_999] {
        assert_eq!(fault(json!({"errcode": code})).await, said(code, "unknown error"));
        assert_eq!(fault(json!({"errcode": code, "errmsg": "so it is"})).await, said(code, "so it is"));
    }
}

/// clear_quota's page: ten a month.
#[tokio::test]
async fn quotas_are_cleared_ten_times_a_month() {
    let rig = Rig::start().await;
    let clear =
        async || errcode(&rig.call(OFFICIAL, "/cgi-bin/clear_quota", json!({"appid": OFFICIAL})).await);
    for _ in 0..10 {
        assert_eq!(clear().await, 0);
    }
    assert_eq!(clear().await, 48006);
    rig.advance(29 * 86_400).await;
    assert_eq!(clear().await, 48006, "January has 31 days, and began yesterday");
    rig.advance(86_400).await;
    assert_eq!(clear().await, 0, "a new month");
}

/// The official tables of how many messages what a user did allows: a session 2 in a minute (mini programs), a scan out of
/// the menu 3 in a minute, and nothing else that isn't listed.
#[tokio::test]
async fn sessions_and_menu_scans_allow_custom_messages() {
    let rig = Rig::start().await;
    for (appid, event, allowed) in [
        (MINI, "user_enter_tempsession", 2),
        (MINI, "CLICK", 0),
        (OFFICIAL, "scancode_push", 3),
        (OFFICIAL, "scancode_waitmsg", 3),
        (OFFICIAL, "CLICK", 3),
        (OFFICIAL, "VIEW", 0),
        (OFFICIAL, "user_enter_tempsession", 0),
    ] {
        let openid = rig.user(appid).await;
        let send = async || {
            let message = json!({"touser": openid, "msgtype": "text", "text": {"content": "hi"}});
            errcode(&rig.call(appid, "/cgi-bin/message/custom/send", message).await)
        };
        rig.control("event", json!({"appid": appid, "openid": openid, "event": event, "key": "k"})).await;
        for _ in 0..allowed {
            assert_eq!(send().await, 0, "{event}");
        }
        assert_eq!(send().await, if allowed == 0 { 45015 } else { 45047 }, "{appid} {event}");
        rig.advance(60).await;
        assert_eq!(send().await, 45015, "{event}");
    }
}

/// Official page "获取临时素材": the header of its example.
#[tokio::test]
async fn a_files_name_is_its_media_id() {
    let rig = Rig::start().await;
    let uploaded = rig.upload_media(OFFICIAL, "image", "holiday.PNG", b"\x89PNG").await.json();
    let media_id = uploaded["media_id"].as_str().unwrap();
    let file = rig.media(OFFICIAL, media_id).await;
    assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{media_id}.png\""));
    assert_eq!(file.header("cache-control"), "no-cache, must-revalidate");
}

/// Captures: `invalid code hint: [HEDcr7Ore-vifjwA] rid: …` of getuserphonenumber; `/sns` has none.
#[tokio::test]
async fn some_refusals_have_a_hint() {
    let rig = Rig::start().await;
    let phone = rig.call(MINI, "/wxa/business/getuserphonenumber", json!({"code": "x"})).await;
    let custom = json!({"touser": rig.user(MINI).await, "msgtype": "image", "image": {"media_id": "x"}});
    for (reply, code, text) in [
        (phone, 40029, "invalid code"),
        (rig.call(MINI, "/cgi-bin/media/upload", json!({})).await, 40004, ""),
        (rig.upload_media(MINI, "image", "a", b"\x89PNG").await, 40005, "invalid file type"),
        (rig.media(MINI, "x").await, 40007, "invalid media_id"),
        (rig.call(MINI, "/cgi-bin/message/custom/send", custom).await, 40007, "invalid media_id"),
    ] {
        assert_eq!(refused(&reply), code);
        let words = words(&reply);
        if text.is_empty() {
            assert!(!words.contains("hint"), "{words}");
            continue;
        }
        let (hint, _) =
            words.strip_prefix(&format!("{text} hint: [")).unwrap().split_once("] rid: ").unwrap();
        let dashes: Vec<usize> = hint.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!((hint.len(), dashes), (16, vec![9]), "{words}");
    }
    let (token, _) = rig.stable(MINI, false).await;
    let missing =
        rig.post(&format!("/cgi-bin/media/upload?access_token={token}&type=image"), json!({})).await;
    assert_eq!(refused(&missing), 41005);
    assert!(words(&missing).starts_with("media data missing hint: ["), "{missing:?}");
    let secret = crate::rig::secret(MINI);
    let sns =
        format!("/sns/jscode2session?appid={MINI}&secret={secret}&js_code=x&grant_type=authorization_code");
    assert!(words(&rig.get(&sns).await).starts_with("invalid code, rid: "));
}

/// 43107, 43108, 43116, 45168, 40226: nobody could name WeChat's words.
#[test]
fn words_that_nobody_knows_are_ours() {
    for code in [43107, 43108, 43116, 45168, 40226] {
        assert!(wechat::errcode::lookup(code).is_some_and(|row| !row.official), "{code}");
    }
}
