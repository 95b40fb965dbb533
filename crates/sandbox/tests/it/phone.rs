//! What the page with the phone is made of: chats, codes on the screen, files, news as they happen, pushes once more.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused, scan};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

async fn first(rig: &Rig, appid: &str) -> String {
    let state = rig.state().await;
    state["users"][0]["openids"][appid].as_str().unwrap().to_owned()
}

/// The lines of the first user's chat with an account.
async fn lines(rig: &Rig, appid: &str) -> Vec<Value> {
    let phone = rig.get("/sandbox/chats?user=u1").await.json();
    let chats = phone["chats"].as_array().unwrap().clone();
    let chat = chats.into_iter().find(|chat| chat["appid"] == appid).unwrap();
    chat["lines"].as_array().unwrap().clone()
}

async fn told(rig: &Rig, receiver: &Receiver, appid: &str) {
    let callback = json!({"appid": appid, "url": receiver.url, "mode": "plain", "format": "xml"});
    rig.control("callback", callback).await;
}

fn reply(text: &str) -> String {
    format!("<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content></xml>")
}

#[tokio::test]
async fn a_chat_shows_both_sides_in_order() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    told(&rig, &receiver, OFFICIAL).await;
    receiver.answers(|got, _| {
        let text = String::from_utf8_lossy(&got.body).into_owned();
        (200, if text.contains("hello") { reply("hi") } else { "success".to_owned() }, Duration::ZERO)
    });
    let openid = first(&rig, OFFICIAL).await;
    let said = rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "hello"})).await;
    let template = json!({"touser": openid, "template_id": TEMPLATE, "data": {"thing": {"value": "tea"}}});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/template/send", template).await), 0);
    let custom = json!({"touser": openid, "msgtype": "text", "text": {"content": "more"}});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom).await), 0);

    let lines = lines(&rig, OFFICIAL).await;
    let by: Vec<&str> = lines.iter().map(|line| line["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["user", "reply", "account", "account"], "a job's end is nothing to see");
    assert_eq!(lines[0]["message"]["Content"], "hello");
    assert_eq!(lines[0]["push"], said["pushes"][0]["seq"], "the push that told of it");
    assert_eq!(lines[1]["message"], reply("hi"));
    assert_eq!(
        (&lines[2]["template_id"], &lines[2]["message"]["thing"]["value"]),
        (&json!(TEMPLATE), &json!("tea"))
    );
    assert_eq!(lines[3]["path"], "/cgi-bin/message/custom/send");
    assert!(lines.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()), "{lines:?}");
    assert!(self::lines(&rig, EXAMPLE).await.is_empty(), "nobody else's chat");
    assert_eq!(rig.get("/sandbox/chats?user=nobody").await.status, 400);
}

#[tokio::test]
async fn what_nobody_hears_is_in_the_chat_all_the_same() {
    let rig = Rig::start().await;
    let openid = first(&rig, OFFICIAL).await;
    let pushes =
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "anyone?"})).await;
    assert_eq!(pushes, json!({"pushes": []}));
    let lines = lines(&rig, OFFICIAL).await;
    assert_eq!((lines.len(), &lines[0]["push"]), (1, &Value::Null));
}

/// "该公众号提供的服务出现故障" if there is no good answer within three attempts (被动回复用户消息).
#[tokio::test]
async fn an_account_out_of_order_is_seen_and_its_silence_isnt() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    told(&rig, &receiver, OFFICIAL).await;
    let openid = first(&rig, OFFICIAL).await;
    for (status, body, seen) in [(500, "", 1), (200, "nonsense", 1), (200, "success", 0), (200, "", 0)] {
        receiver.answers(move |_, _| (status, body.to_owned(), Duration::ZERO));
        let before = lines(&rig, OFFICIAL).await.len();
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "x"})).await;
        let lines = lines(&rig, OFFICIAL).await;
        assert_eq!(lines.len(), before + 1 + seen, "{status} {body}");
        assert_eq!(lines[lines.len() - 1]["by"], if seen == 1 { "trouble" } else { "user" });
    }
}

#[tokio::test]
async fn a_phone_sends_every_kind_of_message_and_wechat_opens_the_window_for_each() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    told(&rig, &receiver, OFFICIAL).await;
    for message in [
        json!({"MsgType": "text", "Content": "x", "bizmsgmenuid": "101"}),
        json!({"MsgType": "image", "PicUrl": "http://127.0.0.1/x", "MediaId": "m"}),
        json!({"MsgType": "voice", "MediaId": "m", "Format": "amr"}),
        json!({"MsgType": "location", "Location_X": 23.1, "Location_Y": 113.3, "Scale": 16, "Label": "塔"}),
        json!({"MsgType": "link", "Title": "t", "Description": "d", "Url": "http://127.0.0.1/"}),
    ] {
        let openid = rig.follower(OFFICIAL).await;
        rig.advance(120).await; // What following allows is over.
        let custom = json!({"touser": openid, "msgtype": "text", "text": {"content": "x"}});
        let service =
            async || errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom.clone()).await);
        assert_eq!(service().await, 45015, "{message}");
        receiver.take();
        rig.control("act", json!({"appid": OFFICIAL, "openid": openid, "message": message})).await;
        let body = String::from_utf8(receiver.take()[0].body.to_vec()).unwrap();
        assert!(body.contains("<MsgId>") && body.contains(message["MsgType"].as_str().unwrap()), "{body}");
        assert_eq!(service().await, 0, "{message}");
    }
}

/// 客服消息: a click, and the two kinds of scanning by menu, allow messages for a minute; opening a page doesn't.
#[tokio::test]
async fn a_menu_that_is_pressed_opens_the_window_where_wechat_says_so() {
    let rig = Rig::start().await;
    for (event, expected) in [
        ("CLICK", 0),
        ("scancode_push", 0),
        ("scancode_waitmsg", 0),
        ("VIEW", 45015),
        ("location_select", 45015),
    ] {
        let openid = rig.follower(OFFICIAL).await;
        rig.advance(120).await;
        let message = json!({"MsgType": "event", "Event": event, "EventKey": "k"});
        rig.control("act", json!({"appid": OFFICIAL, "openid": openid, "message": message})).await;
        let custom = json!({"touser": openid, "msgtype": "text", "text": {"content": "x"}});
        assert_eq!(
            errcode(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom).await),
            expected,
            "{event}"
        );
    }
    let openid = rig.follower(OFFICIAL).await;
    for message in [json!({}), json!({"MsgType": "text", "a>b": "x"})] {
        let asked = json!({"appid": OFFICIAL, "openid": openid, "message": message});
        assert_eq!(rig.post("/sandbox/act", asked).await.status, 400, "{message}");
    }
}

#[tokio::test]
async fn every_code_that_is_made_stands_on_the_screen_and_can_be_read_from_its_picture() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/sandbox/codes").await.json()["codes"], json!([]));
    let body = json!({"action_name": "QR_STR_SCENE", "expire_seconds": 60, "action_info": {"scene": {"scene_str": "login_1"}}});
    let made = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await.json();
    let mini = json!({"scene": "id=1"});
    assert_eq!(rig.call(MINI, "/wxa/getwxacodeunlimit", mini).await.status, 200);
    let by_hand = rig.control("codes", json!({"appid": EXAMPLE, "scene": "shop", "seconds": 600})).await;

    let codes = rig.get("/sandbox/codes").await.json()["codes"].as_array().unwrap().clone();
    let scenes: Vec<&str> = codes.iter().map(|code| code["scene"].as_str().unwrap()).collect();
    assert_eq!(scenes, ["shop", "id=1", "login_1"], "the newest first");
    let kinds: Vec<&str> = codes.iter().map(|code| code["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["temporary", "mini", "temporary"]);
    assert_eq!((&codes[2]["ticket"], &codes[0]["ticket"]), (&made["ticket"], &by_hand["ticket"]));

    for code in &codes {
        let picture = rig.get(&format!("/sandbox/codes/{}", code["seq"])).await;
        assert_eq!(scan(&picture.body), code["url"].as_str().unwrap());
        // A file that is held against the phone says the same.
        let read =
            rig.control("code/read", json!({"body_base64": BASE64_STANDARD.encode(&picture.body)})).await;
        assert_eq!((&read["code"]["scene"], &read["text"]), (&code["scene"], &code["url"]));
    }
    let calls = rig.get("/sandbox/calls").await.json();
    assert!(!calls.to_string().contains("showqrcode"), "looking at the screen calls nothing");
    for wrong in [json!({"body_base64": BASE64_STANDARD.encode("x")}), json!({"body_base64": "%"})] {
        assert_eq!(rig.post("/sandbox/code/read", wrong).await.status, 400);
    }
    assert_eq!(rig.get("/sandbox/code?text=nothing").await.status, 400);
    assert_eq!(rig.get("/sandbox/codes/99").await.status, 400);
    for wrong in [
        json!({"appid": MINI}),
        json!({"appid": OFFICIAL, "scene": ""}),
        json!({"appid": OFFICIAL, "seconds": 0}),
    ] {
        assert_eq!(rig.post("/sandbox/codes", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_file_on_the_phone_is_the_accounts_media_and_no_page() {
    let rig = Rig::start().await;
    let new = |kind: &str| json!({"appid": OFFICIAL, "content_type": kind, "name": "a.png", "body_base64": BASE64_STANDARD.encode("bytes")});
    let kept = rig.control("files", new("image/png")).await;
    let (media_id, url) = (kept["media_id"].as_str().unwrap(), kept["url"].as_str().unwrap());
    let shown = rig.get(url.strip_prefix(&rig.sandbox.url()).unwrap()).await;
    assert_eq!(
        (shown.status, shown.header("content-type"), &shown.body[..]),
        (200, "image/png", &b"bytes"[..])
    );
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    assert!(shown.header("content-security-policy").contains("sandbox"));
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let got = rig.get(&format!("/cgi-bin/media/get?access_token={token}&media_id={media_id}")).await;
    assert_eq!(&got.body[..], b"bytes", "the account's backend can fetch it");
    assert_eq!(
        rig.get(&format!("/sandbox/files/{media_id}?appid={EXAMPLE}")).await.status,
        404,
        "nobody else's"
    );
    for kind in ["text/html", "image/svg+xml", "image/png\r\nx: y"] {
        assert_eq!(rig.post("/sandbox/files", new(kind)).await.status, 400, "{kind}");
    }
}

#[tokio::test]
async fn a_push_once_more_is_the_same_message_freshly_signed() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    told(&rig, &receiver, OFFICIAL).await;
    receiver.answers(|_, n| (if n <= 3 { 500 } else { 200 }, String::new(), Duration::ZERO));
    let openid = first(&rig, OFFICIAL).await;
    let failed = rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "once"})).await;
    assert_eq!(failed["pushes"][0]["attempts"].as_array().unwrap().len(), 3);
    let again = rig.control("resend", json!({"push": failed["pushes"][0]["seq"]})).await;
    let (old, new) = (&failed["pushes"][0], &again["pushes"][0]);
    assert_eq!((new["attempts"].as_array().unwrap().len(), &new["attempts"][0]["status"]), (1, &json!(200)));
    assert_eq!(old["message"], new["message"], "MsgId and CreateTime too");
    assert_ne!(old["seq"], new["seq"]);
    let got = receiver.take();
    assert_eq!(got.len(), 4);
    assert_ne!(got[2].param("nonce"), got[3].param("nonce"));
    // What went out is kept whole.
    let kept = rig.get(&format!("/sandbox/pushes/{}", new["seq"])).await.json();
    assert_eq!(kept["attempts"][0]["query"].as_str().unwrap(), got[3].query.strip_prefix("own=1&").unwrap());
    assert_eq!(kept["attempts"][0]["sent"], String::from_utf8(got[3].body.to_vec()).unwrap());
    for wrong in [json!({"push": 99}), json!({})] {
        assert_eq!(rig.post("/sandbox/resend", wrong).await.status, 400);
    }
    assert_eq!(rig.get("/sandbox/pushes/99").await.status, 400);
}

/// Server-sent events until `until` stands in them.
async fn watch(rig: &Rig, until: &str) -> String {
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::get(format!("{}/sandbox/live", rig.sandbox.url()));
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let mut answer = client.request(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut seen = String::new();
    while !seen.contains(until) {
        let frame = tokio::time::timeout(Duration::from_secs(10), answer.body_mut().frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("{until} not in {seen}")).unwrap().unwrap();
        seen += &String::from_utf8_lossy(&frame.into_data().unwrap());
    }
    seen
}

#[tokio::test]
async fn whoever_watches_sees_calls_and_every_attempt_as_they_happen() {
    let rig = Rig::start().await;
    assert!(watch(&rig, "\n\n").await.contains("data: []"), "the line stands at once");
    let receiver = Receiver::start().await;
    told(&rig, &receiver, OFFICIAL).await;
    receiver.answers(|_, n| (if n == 1 { 502 } else { 200 }, String::new(), Duration::ZERO));
    let openid = first(&rig, OFFICIAL).await;
    let (seen, _) = tokio::join!(watch(&rig, "\"over\":true"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        rig.verdict("nonsense").await;
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "x"})).await;
    });
    let events = seen.lines().filter_map(|line| line.strip_prefix("data: "));
    let news: Vec<Value> =
        events.flat_map(|data| serde_json::from_str::<Vec<Value>>(data).unwrap()).collect();
    let call = news.iter().find(|one| one["kind"] == "call").unwrap();
    assert_eq!(
        (&call["call"]["errcode"], &call["call"]["path"]),
        (&json!(40014), &json!("/cgi-bin/get_api_domain_ip"))
    );
    let errmsg = call["call"]["errmsg"].as_str().unwrap();
    assert!(wechat::errcode::rid(errmsg).is_some(), "its own words, whole: {errmsg}");
    let attempts: Vec<usize> = news
        .iter()
        .filter(|one| one["kind"] == "push")
        .map(|one| one["push"]["attempts"].as_array().unwrap().len())
        .collect();
    assert_eq!(attempts, [0, 1, 2], "under way, after the first, over");
    assert!(
        news.iter()
            .any(|one| one["control"]["path"].as_str().is_some_and(|path| path.ends_with("/callback")))
    );
}

/// The blacklist's page: messages of whoever is on it don't arrive; so nothing may be answered to them either.
#[tokio::test]
async fn what_a_blacklisted_user_writes_stands_in_their_own_chat_only() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    told(&rig, &receiver, OFFICIAL).await;
    let openid = first(&rig, OFFICIAL).await;
    receiver.take();
    let blacklist = async |path: &str| {
        let path = format!("/cgi-bin/tags/members/{path}");
        assert_eq!(errcode(&rig.call(OFFICIAL, &path, json!({"openid_list": [openid]})).await), 0);
    };
    blacklist("batchblacklist").await;
    let message = json!({"MsgType": "text", "Content": "hello"});
    for (name, body) in [
        ("message", json!({"appid": OFFICIAL, "openid": openid, "text": "hello"})),
        ("act", json!({"appid": OFFICIAL, "openid": openid, "message": message})),
        ("push", json!({"appid": OFFICIAL, "openid": openid, "message": message})),
    ] {
        assert_eq!(rig.control(name, body).await["pushes"], json!([]), "{name}");
    }
    assert!(receiver.take().is_empty());
    let lines = lines(&rig, OFFICIAL).await;
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line["by"] == "user" && line["push"].is_null()), "{lines:?}");
    let custom = json!({"touser": openid, "msgtype": "text", "text": {"content": "more"}});
    let answer = async || refused(&rig.call(OFFICIAL, "/cgi-bin/message/custom/send", custom.clone()).await);
    assert_eq!(answer().await, 43019);
    blacklist("batchunblacklist").await;
    assert_eq!(answer().await, 45015, "none of these allowed one");
}

/// What workers of customer service do is nothing that the user did.
#[tokio::test]
async fn a_workers_acts_are_no_lines_of_the_user() {
    let (rig, receiver) = (Rig::start().await, Receiver::start().await);
    told(&rig, &receiver, OFFICIAL).await;
    let openid = first(&rig, OFFICIAL).await;
    let worker = |more: Value| {
        let mut body = json!({"appid": OFFICIAL, "kf_account": "one@a"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (path, body) in [
        ("add", json!({"kf_account": "one@a", "nickname": "客服"})),
        ("inviteworker", json!({"kf_account": "one@a", "invite_wx": "wx_one"})),
    ] {
        let path = format!("/customservice/kfaccount/{path}");
        assert_eq!(errcode(&rig.call(OFFICIAL, &path, body).await), 0, "{path}");
    }
    for act in ["accept", "online"] {
        assert_eq!(rig.control("kf", worker(json!({"act": act}))).await["pushes"], json!([]));
    }
    let taken = rig.control("kf", worker(json!({"act": "take", "openid": openid}))).await;
    assert_eq!(taken["pushes"].as_array().unwrap().len(), 1, "{taken}");
    assert_eq!(lines(&rig, OFFICIAL).await, [] as [Value; 0]);
}
