//! What WeChat's errors become: our code, whether to try again, and what to do, by the endpoint that was called.

use serde_json::{Value, json};

use crate::app::{MINI, OFFICIAL, TEMPLATE, TestApp};

/// An endpoint of the service API, and the path of WeChat's that it calls.
type Called = (&'static str, &'static str);
/// What is called, WeChat's code, ours, whether to try again, what `msg` says.
type Case = (Called, i64, u64, bool, &'static str);

const TEMPLATE_SEND: Called = ("sendwxtemplatemsg", "/cgi-bin/message/template/send");
const SUBSCRIBE_SEND: Called = ("sendsubscribemsg", "/cgi-bin/message/subscribe/send");
const UNLIMITED: Called = ("getunlimitedqrcode", "/wxa/getwxacodeunlimit");
const QR_CODE: Called = ("getwxqrcode", "/cgi-bin/qrcode/create");
const SESSION: Called = ("code2session", "/sns/jscode2session");
const OAUTH: Called = ("getwxuserinfo", "/sns/oauth2/access_token");
const TICKET: Called = ("jssdk", "/cgi-bin/ticket/getticket");

const CASES: &[Case] = &[
    // The mini program that a message names, not the account.
    (TEMPLATE_SEND, 40013, 3_584_009, false, "没有与该账号关联"),
    (SUBSCRIBE_SEND, 40013, 3_584_009, false, "没有与该账号关联"),
    (QR_CODE, 40013, 3_584_005, false, "大小写"),
    (UNLIMITED, 40013, 3_584_005, false, "大小写"),
    // A quota of the day, but for one endpoint, where it is the minute's.
    (UNLIMITED, 45009, 3_584_012, true, "每分钟"),
    (QR_CODE, 45009, 3_584_012, false, "当日"),
    (TICKET, 45009, 3_584_012, false, "当日"),
    (QR_CODE, 45011, 3_584_012, true, "每分钟"),
    (QR_CODE, 44990, 3_584_012, true, "每秒"),
    // What passes by itself.
    (QR_CODE, 268_487_001, 3_584_007, true, "系统繁忙"),
    (QR_CODE, 268_487_002, 3_584_007, true, "系统繁忙"),
    (QR_CODE, 268_487_003, 3_584_007, false, "268487xxx"),
    (TEMPLATE_SEND, 45169, 3_584_009, true, "依次"),
    (TEMPLATE_SEND, 61503, 3_584_009, true, "还没有生成"),
    (TICKET, 268_487_001, 3_584_004, true, "系统繁忙"),
    (QR_CODE, 43108, 3_584_007, false, "依次发送"),
    // Where check_path is a parameter, and where it isn't.
    (UNLIMITED, 41030, 3_584_007, false, "check_path"),
    (SUBSCRIBE_SEND, 41030, 3_584_009, false, "miniprogram_state"),
    (TEMPLATE_SEND, 40003, 3_584_009, false, "没有关注"),
    (TEMPLATE_SEND, 47001, 3_584_009, false, "缺少必填"),
    (TEMPLATE_SEND, 50002, 3_584_009, false, "微信号"),
    (QR_CODE, 40201, 3_584_007, false, "回调 URL"),
    (QR_CODE, 40202, 3_584_007, false, "action"),
    (QR_CODE, 40203, 3_584_007, false, "check_operator"),
    (QR_CODE, 40247, 3_584_007, false, "类目模板库"),
    (QR_CODE, 89505, 3_584_005, false, "30 分钟"),
    // Where the AppSecret is shown, that is wrong, and no token.
    (SESSION, 40001, 3_584_005, false, "AppSecret 不正确"),
    (OAUTH, 40001, 3_584_005, false, "AppSecret 不正确"),
    (SESSION, 45035, 3_584_005, false, "没有报出"),
    (SESSION, -1000, 3_584_013, false, "系统繁忙"),
    (QR_CODE, -1000, 3_584_013, false, "系统繁忙"),
];

/// A request of the endpoint that would succeed.
fn request(name: &str) -> Value {
    let data = json!({"thing1": {"value": "x"}});
    match name {
        "sendwxtemplatemsg" => {
            json!({"appid": OFFICIAL, "openid": "oX", "template_id": TEMPLATE, "data": data})
        }
        "sendsubscribemsg" => json!({"appid": MINI, "openid": "oX", "template_id": TEMPLATE, "data": data}),
        "getunlimitedqrcode" => json!({"appid": MINI, "scene": "s"}),
        "code2session" => json!({"appid": MINI, "code": "c"}),
        "getwxuserinfo" => json!({"appid": OFFICIAL, "code": "c"}),
        "getwxqrcode" => json!({"appid": OFFICIAL, "scene": "s"}),
        _ => json!({"appid": OFFICIAL, "url": "https://a.example.com/"}),
    }
}

#[tokio::test]
async fn each_code_says_what_is_so_of_its_endpoint() {
    let app = TestApp::start().await;
    for ((name, path), errcode, code, retryable, says) in CASES {
        app.faults(path, json!({"errcode": errcode}), 1).await;
        let ret = app.call(name, request(name)).await.fails(*code, *retryable, *errcode);
        assert!(ret["msg"].as_str().unwrap().contains(says), "{name} {errcode}: {ret}");
        // Tickets rest after a failure.
        app.advance(std::time::Duration::from_secs(700)).await;
    }
}

#[tokio::test]
async fn a_body_that_was_refused_for_its_length_had_no_effect() {
    let app = TestApp::start().await;
    for (name, path) in [TEMPLATE_SEND, SUBSCRIBE_SEND, QR_CODE] {
        app.faults(path, json!({"status": 412}), 1).await;
        let ret = app.call(name, request(name)).await.fails(3_584_013, true, 0);
        let msg = ret["msg"].as_str().unwrap();
        assert!(msg.contains("412") && msg.contains("没有受理") && !msg.contains("可能已经生效"), "{ret}");
    }
}

#[tokio::test]
async fn a_token_call_may_find_wechat_busy_in_its_newer_words() {
    for (errcode, retryable) in [(268_487_001, true), (61503, true), (268_487_009, false)] {
        let app = TestApp::start().await;
        app.fault("/cgi-bin/stable_token", json!({"errcode": errcode})).await;
        app.qr_code(OFFICIAL).await.fails(3_584_004, retryable, errcode);
    }
}
