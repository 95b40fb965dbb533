//! Documents read off pictures. A picture shows what a control call says it shows, and nothing else.
//!
//! What WeChat does is from the official pages under `doc/service/api/openpoc/ocr`.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, errcode, png, refused};
use base64::Engine;
use http::Method;
use serde_json::{Value, json};

const CARD: &str = "/cv/ocr/idcard";

async fn by_url(rig: &Rig, appid: &str, path: &str, url: &str) -> Reply {
    let (token, _) = rig.stable(appid, false).await;
    let url = url.replace(':', "%3A").replace('/', "%2F");
    rig.send(Method::POST, &format!("{path}?access_token={token}&type=photo&img_url={url}"), &[], "")
        .await
        .unwrap()
}

#[tokio::test]
async fn every_kind_of_document_has_its_members() {
    let rig = Rig::start().await;
    let url = "https://a.example.com/all.jpg";
    let shows = json!({
        "idcard": {"nationality": "汉", "name": "张三", "id": "123456789012345678", "addr": "广东省广州市", "gender": "男"},
        "bankcard": {"number": "6222021234567890123"},
        "drivinglicense": {"name": "张三", "id_num": "660601", "car_class": "C1"},
        "platenum": {"number": "粤A12345"},
        "driving": {"plate_num": "粤A12345", "owner": "张三"},
        "bizlicense": {"reg_num": "123123", "enterprise_name": "XX饮食店"},
    });
    rig.control("pictures", json!({"url": url, "shows": shows})).await;
    let read =
        async |kind: &str| by_url(&rig, MINI, &format!("/cv/ocr/{kind}"), url).await.json().to_string();
    assert_eq!(
        read("idcard").await,
        r#"{"errcode":0,"errmsg":"ok","type":"Front","name":"张三","id":"123456789012345678","addr":"广东省广州市","gender":"男","nationality":"汉"}"#
    );
    assert_eq!(read("bankcard").await, r#"{"errcode":0,"errmsg":"ok","number":"6222021234567890123"}"#);
    assert_eq!(
        read("drivinglicense").await,
        r#"{"errcode":0,"errmsg":"ok","id_num":"660601","name":"张三","car_class":"C1"}"#
    );
    assert_eq!(read("platenum").await, r#"{"errcode":0,"errmsg":"ok","number":"粤A12345"}"#);
    let driving: Value = serde_json::from_str(&read("driving").await).unwrap();
    assert_eq!(
        (&driving["plate_num"], &driving["owner"], driving.get("vin")),
        (&json!("粤A12345"), &json!("张三"), None)
    );
    let licence: Value = serde_json::from_str(&read("bizlicense").await).unwrap();
    assert_eq!(licence["enterprise_name"], "XX饮食店");
    assert_eq!(licence["img_size"], json!({"w": 1280, "h": 720}));
    assert_eq!(licence["cert_position"]["pos"]["right_bottom"], json!({"x": 1280, "y": 720}));
    // The page's table says number, its examples id.
    rig.control("quirks", json!({"bankcard_number": "id"})).await;
    assert_eq!(read("bankcard").await, r#"{"errcode":0,"errmsg":"ok","id":"6222021234567890123"}"#);
}

#[tokio::test]
async fn a_cards_back_has_its_term() {
    let rig = Rig::start().await;
    rig.control("pictures", json!({"shows": {"idcard": {"valid_date": "20070105-20270105"}}})).await;
    let back = by_url(&rig, OFFICIAL, CARD, "https://a.example.com/1").await.json();
    let expected = json!({"errcode": 0, "errmsg": "ok", "type": "Back", "valid_date": "20070105-20270105"});
    assert_eq!(back, expected, "official accounts may, too");
}

#[tokio::test]
async fn a_picture_nobody_spoke_of_shows_nothing() {
    let rig = Rig::start().await;
    let url = "https://a.example.com/blank.jpg";
    for kind in ["idcard", "bankcard", "driving", "drivinglicense", "bizlicense", "platenum"] {
        assert_eq!(refused(&by_url(&rig, MINI, &format!("/cv/ocr/{kind}"), url).await), 101_001, "{kind}");
    }
    let print = by_url(&rig, MINI, "/cv/ocr/comm", url).await.json();
    assert_eq!((&print["errcode"], &print["items"]), (&json!(0), &json!([])));
    rig.control("pictures", json!({"url": url, "shows": {"bankcard": {"number": "1"}}})).await;
    assert_eq!(refused(&by_url(&rig, MINI, CARD, url).await), 101_001, "another document");
}

#[tokio::test]
async fn a_picture_that_comes_along_is_known_by_its_bytes() {
    let rig = Rig::start().await;
    let (one, other) = (png(60, 40), png(61, 40));
    let base64 = base64::prelude::BASE64_STANDARD.encode(&one);
    let shows = json!({"comm": ["腾讯", "微信团队"], "platenum": {"number": "粤B1"}});
    rig.control("pictures", json!({"base64": base64, "shows": shows})).await;
    let read = async |path: &str, file: &[u8]| rig.upload(MINI, path, "img", "a.png", file).await;
    let print = read("/cv/ocr/comm", &one).await.json();
    assert_eq!(print["img_size"], json!({"w": 60, "h": 40}));
    let texts: Vec<&Value> = print["items"].as_array().unwrap().iter().map(|item| &item["text"]).collect();
    assert_eq!(texts, ["腾讯", "微信团队"]);
    assert_eq!(print["items"][1]["pos"]["left_top"], json!({"x": 0, "y": 32}));
    assert_eq!(read("/cv/ocr/platenum", &one).await.json()["number"], "粤B1");
    assert_eq!(refused(&read("/cv/ocr/platenum", &other).await), 101_001);

    rig.control("pictures", json!({"shows": {"platenum": {"number": "粤B2"}}})).await;
    assert_eq!(read("/cv/ocr/platenum", &one).await.json()["number"], "粤B1", "a known one isn't the next");
    assert_eq!(read("/cv/ocr/platenum", &other).await.json()["number"], "粤B2");
    assert_eq!(refused(&read("/cv/ocr/platenum", &other).await), 101_001, "the next one only");
}

#[tokio::test]
async fn pictures_that_cannot_be_read() {
    let rig = Rig::start().await;
    let read = async |field: &str, file: &[u8]| rig.upload(MINI, CARD, field, "a.png", file).await;
    assert_eq!(refused(&read("img", b"no picture").await), 101_002);
    let long = [png(10, 10), vec![0; 2 << 20]].concat();
    assert_eq!(refused(&read("img", &long).await), 101_002, "over 2 MB");
    assert_eq!(refused(&read("media", &png(10, 10)).await), 41005);
    assert_eq!(refused(&rig.call(MINI, CARD, json!({})).await), 101_000, "neither address nor file");
    for url in ["ftp://a.example.com/1", "wxfile://1", "a"] {
        assert_eq!(refused(&by_url(&rig, MINI, CARD, url).await), 101_000, "{url}");
    }
    rig.control("pictures", json!({"url": "https://a.example.com/2", "missing": true})).await;
    assert_eq!(refused(&by_url(&rig, MINI, CARD, "https://a.example.com/2").await), 101_000);
    for wrong in [
        json!({"shows": {"idcard": {"age": "7"}}}),
        json!({"shows": {"idcard": {"name": 7}}}),
        json!({"shows": {"idcard": "张三"}}),
        json!({"shows": {"comm": "腾讯"}}),
    ] {
        assert_eq!(rig.post("/sandbox/pictures", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_hundred_of_each_kind_a_day_are_free() {
    let rig = Rig::start().await;
    rig.control("quota", json!({"appid": MINI, "api": CARD, "limit": 2})).await;
    let read = async |path: &str| by_url(&rig, MINI, path, "https://a.example.com/1").await;
    for _ in 0..2 {
        assert_eq!(refused(&read(CARD).await), 101_001);
    }
    let reply = read(CARD).await;
    assert_eq!(refused(&reply), 101_003);
    assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("not enough market quota rid: "));
    assert_eq!(errcode(&read("/cv/ocr/comm").await), 0, "each has its own");
    rig.advance(86_400).await;
    assert_eq!(refused(&read(CARD).await), 101_001);
}
