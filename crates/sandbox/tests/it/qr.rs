//! Codes to scan: parametric ones of official accounts, mini-program codes.

use crate::rig::{MINI, OFFICIAL, Rig, refused, scan};
use serde_json::{Value, json};

const CREATE: &str = "/cgi-bin/qrcode/create";
const UNLIMIT: &str = "/wxa/getwxacodeunlimit";

fn temporary(scene: &Value) -> Value {
    json!({"action_name": "QR_STR_SCENE", "expire_seconds": 600, "action_info": {"scene": scene}})
}

fn encoded(ticket: &str) -> String {
    ticket.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[tokio::test]
async fn the_picture_says_the_url() {
    let rig = Rig::start().await;
    let code = rig.call(OFFICIAL, CREATE, temporary(&json!({"scene_str": "login_1"}))).await.json();
    assert_eq!(code["expire_seconds"], 600);
    assert_eq!(code.get("errcode"), None);
    let ticket = code["ticket"].as_str().unwrap();
    assert!(ticket.len() == 96 && ticket.ends_with('='), "{ticket}");
    let picture = rig.get(&format!("/cgi-bin/showqrcode?ticket={}", encoded(ticket))).await;
    assert_eq!(picture.header("content-type"), "image/jpg");
    assert_eq!(picture.header("cache-control"), "max-age=604800");
    assert_eq!(image::guess_format(&picture.body).unwrap(), image::ImageFormat::Jpeg);
    assert_eq!(scan(&picture.body), code["url"].as_str().unwrap());
    assert_eq!(rig.get("/cgi-bin/showqrcode?ticket=wrong").await.status, 404);
}

#[tokio::test]
async fn four_kinds_and_their_limits() {
    let rig = Rig::start().await;
    let make = async |body: Value| rig.call(OFFICIAL, CREATE, body).await;
    let number =
        |name: &str, id: Value| json!({"action_name": name, "action_info": {"scene": {"scene_id": id}}});
    let code = make(number("QR_SCENE", json!(4_294_967_295_u32))).await.json();
    assert_eq!(code["expire_seconds"], 60, "unless asked for");
    let permanent = make(number("QR_LIMIT_SCENE", json!(100_000))).await.json();
    assert_eq!(permanent.get("expire_seconds"), None);
    assert_eq!(
        make(number("QR_LIMIT_SCENE", json!(100_000))).await.json(),
        permanent,
        "the same scene, the same code"
    );

    for (body, code) in [
        (json!({}), 40052),
        (json!({"action_name": "QR"}), 40052),
        (json!({"action_name": "QR_SCENE"}), 40053),
        (number("QR_SCENE", json!(0)), 40129),
        (number("QR_SCENE", json!("1")), 40129),
        (number("QR_SCENE", json!(4_294_967_296_u64)), 40129),
        (number("QR_LIMIT_SCENE", json!(100_001)), 40129),
        (temporary(&json!({"scene_str": ""})), 40129),
        (temporary(&json!({"scene_str": "x".repeat(65)})), 40129),
        (temporary(&json!({"scene_id": 1})), 40053),
    ] {
        assert_eq!(refused(&make(body.clone()).await), code, "{body}");
    }
    assert_eq!(refused(&rig.call(MINI, CREATE, number("QR_SCENE", json!(1))).await), 48001);
}

#[tokio::test]
async fn a_mini_programs_code_says_page_and_scene() {
    let rig = Rig::start().await;
    let reply = rig.call(MINI, UNLIMIT, json!({"scene": "id=1&x=/y", "width": 300})).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/jpeg"));
    let text = scan(&reply.body);
    assert_eq!(
        text,
        format!(
            "https://mp.weixin.qq.com/a/sandbox?appid={MINI}&page=pages%2Findex%2Findex&scene=id%3D1%26x%3D%2Fy&env_version=release"
        )
    );
    assert_eq!(image::load_from_memory(&reply.body).unwrap().width(), 300);

    let clear =
        json!({"scene": "a", "is_hyaline": true, "line_color": {"r": "9", "g": 0, "b": 0}, "width": 99_999});
    let reply = rig.call(MINI, UNLIMIT, clear.clone()).await;
    assert_eq!(reply.header("content-type"), "image/png");
    let picture = image::load_from_memory(&reply.body).unwrap().to_rgba8();
    assert_eq!((picture.width(), picture.get_pixel(0, 0).0[3]), (1280, 0));
    rig.control("quirks", json!({"hyaline": "jpeg"})).await;
    assert_eq!(rig.call(MINI, UNLIMIT, clear).await.header("content-type"), "image/jpeg");
}

#[tokio::test]
async fn what_a_mini_programs_code_may_not_be() {
    let rig = Rig::start().await;
    for (body, code) in [
        (json!({}), 40169),
        (json!({"scene": ""}), 40169),
        (json!({"scene": 1}), 40169),
        (json!({"scene": "x".repeat(33)}), 40169),
        (json!({"scene": "100%"}), 40129),
        (json!({"scene": "中"}), 40129),
        (json!({"scene": "a", "page": "pages/other"}), 41030),
        (json!({"scene": "a", "page": "/pages/index/index"}), 41030),
        (json!({"scene": "a", "page": "pages/x?y=1", "check_path": false}), 41030),
        (json!({"scene": "a", "env_version": "beta"}), 40097),
        (json!({"scene": "a", "check_path": "no"}), 40097),
    ] {
        let reply = rig.call(MINI, UNLIMIT, body.clone()).await;
        assert_eq!(refused(&reply), code, "{body}");
        assert_eq!(reply.header("content-type"), "application/json; encoding=utf-8");
    }
    let unpublished = json!({"scene": "a", "page": "pages/other", "check_path": false});
    assert_eq!(rig.call(MINI, UNLIMIT, unpublished).await.header("content-type"), "image/jpeg");
    assert_eq!(refused(&rig.call(OFFICIAL, UNLIMIT, json!({"scene": "a"})).await), 45063);
}

#[tokio::test]
async fn what_is_left_of_a_quota_is_told() {
    let rig = Rig::start().await;
    let left = async |path: &str| {
        rig.call(OFFICIAL, "/cgi-bin/openapi/quota/get", json!({"cgi_path": path})).await.json()
    };
    let day = |used: u32| {
        let quota = json!({"daily_limit": 100_000, "used": used, "remain": 100_000 - used});
        json!({"errcode": 0, "errmsg": "ok", "quota": quota})
    };
    assert_eq!(left(CREATE).await, day(0));
    rig.call(OFFICIAL, CREATE, temporary(&json!({"scene_str": "a"}))).await;
    rig.call(OFFICIAL, CREATE, temporary(&json!({"scene_str": "b"}))).await;
    assert_eq!(left(CREATE).await, day(2));
    let minute = left(UNLIMIT).await;
    assert_eq!(minute["rate_limit"], json!({"call_count": 5_000, "refresh_second": 60}));
    assert_eq!(minute["quota"]["daily_limit"], 0);
    rig.advance(86_400).await;
    assert_eq!(left(CREATE).await, day(0), "another day");
    for path in ["/cgi-bin/nothing", "cgi-bin/qrcode/create", "/sns/userinfo", ""] {
        assert_eq!(left(path).await["errcode"], 76021, "{path}");
    }
}
