//! Permanent media, and pictures for articles.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, errcode, refused};
use http::Method;
use serde_json::{Value, json};

pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";
const JPG: &[u8] = b"\xff\xd8\xff\xe0 and more";
const ADD: &str = "/cgi-bin/material/add_material";

/// A multipart upload to `path`, which has its own query but for the token.
async fn upload(rig: &Rig, appid: &str, path: &str, name: &str, bytes: &[u8], description: &str) -> Reply {
    let (token, _) = rig.stable(appid, false).await;
    let mut body = Vec::new();
    if !description.is_empty() {
        let field =
            format!("--B\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{description}\r\n");
        body.extend(field.as_bytes());
    }
    let head = format!(
        "--B\r\nContent-Disposition: form-data; name=\"media\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    body.extend(head.as_bytes());
    body.extend(bytes);
    body.extend(b"\r\n--B--\r\n");
    let and = if path.contains('?') { '&' } else { '?' };
    let headers = [("content-type", "multipart/form-data; boundary=B")];
    rig.send(Method::POST, &format!("{path}{and}access_token={token}"), &headers, body).await.unwrap()
}

/// A permanent picture's media_id.
pub(crate) async fn picture(rig: &Rig, appid: &str) -> String {
    let reply = upload(rig, appid, &format!("{ADD}?type=image"), "cover.png", PNG, "").await.json();
    reply["media_id"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// doc/service/api/material/permanent/api_uploadimage
#[tokio::test]
async fn pictures_for_articles() {
    let rig = Rig::start().await;
    let send = async |name: &str, bytes: &[u8]| {
        upload(&rig, OFFICIAL, "/cgi-bin/media/uploadimg", name, bytes, "").await
    };
    let reply = send("a.png", PNG).await.json();
    assert!(reply["url"].as_str().unwrap().starts_with("http://mmbiz.qpic.cn/mmbiz_png/"), "{reply}");
    assert_eq!((&reply["errcode"], &reply["errmsg"]), (&json!(0), &json!("ok")));
    let reply = send("a.jpg", JPG).await.json();
    assert!(reply["url"].as_str().unwrap().ends_with("/0?wx_fmt=jpeg"), "{reply}");
    let mut large = JPG.to_vec();
    large.resize(1 << 20, 0);
    for (name, bytes, code) in [
        ("a.gif", &b"GIF89a"[..], 40005),
        ("a.png", b"text", 40005),
        ("a", PNG, 40005),
        ("a.png", b"", 44001),
        ("a.jpg", &large, 40009),
        ("", PNG, 41005),
    ] {
        assert_eq!(refused(&send(name, bytes).await), code, "{name}");
    }
    assert_eq!(errcode(&send("a.jpg", &large[..large.len() - 1]).await), 0);
    // Mini programs have this one, too.
    assert_eq!(errcode(&upload(&rig, MINI, "/cgi-bin/media/uploadimg", "a.png", PNG, "").await), 0);
    let counts = rig.ask(OFFICIAL, "/cgi-bin/material/get_materialcount", "").await.json();
    assert_eq!(counts["image_count"], 0, "they are none of the account's media");
}

/// doc/service/api/material/permanent/api_addmaterial, api_getmaterial, api_batchgetmaterial, api_getmaterialcount
#[tokio::test]
async fn permanent_media_are_kept_listed_and_removed() {
    let rig = Rig::start().await;
    let add = async |kind: &str, name: &str, bytes: &[u8], description: &str| {
        upload(&rig, OFFICIAL, &format!("{ADD}?type={kind}"), name, bytes, description).await
    };
    let image = add("image", "a.png", PNG, "").await.json();
    assert!(image["url"].as_str().unwrap().starts_with("http://mmbiz.qpic.cn/"), "{image}");
    let thumb = add("thumb", "t.jpg", JPG, "").await.json();
    let voice = add("voice", "v.mp3", b"ID3 sound", "").await.json();
    assert_eq!(voice.get("url"), None, "only pictures have one");
    let video =
        add("video", "f.mp4", b"\0\0\0\x18ftypmp42", r#"{"title":"T","introduction":"I"}"#).await.json();

    let get = async |id: &Value| {
        rig.call(OFFICIAL, "/cgi-bin/material/get_material", json!({"media_id": id})).await
    };
    let file = get(&image["media_id"]).await;
    assert_eq!((&file.body[..], file.header("content-type")), (PNG, "image/png"));
    assert_eq!(&get(&voice["media_id"]).await.body[..], b"ID3 sound");
    let shown = get(&video["media_id"]).await.json();
    assert_eq!((&shown["title"], &shown["description"]), (&json!("T"), &json!("I")));
    let url = shown["down_url"].as_str().unwrap().strip_prefix(&rig.sandbox.url()).unwrap();
    assert_eq!(&rig.get(url).await.body[..], b"\0\0\0\x18ftypmp42");
    assert_eq!(refused(&get(&json!("unknown")).await), 40007);

    let counts = rig.ask(OFFICIAL, "/cgi-bin/material/get_materialcount", "").await.json();
    assert_eq!(counts, json!({"voice_count": 1, "video_count": 1, "image_count": 2, "news_count": 0}));
    let list = async |kind: &str, offset: u64, count: u64| {
        let body = json!({"type": kind, "offset": offset, "count": count});
        rig.call(OFFICIAL, "/cgi-bin/material/batchget_material", body).await
    };
    let page = list("image", 0, 1).await.json();
    assert_eq!((&page["total_count"], &page["item_count"]), (&json!(2), &json!(1)));
    assert_eq!(page["item"][0]["media_id"], thumb["media_id"], "the newest first");
    let item = &list("image", 1, 20).await.json()["item"][0];
    assert_eq!(
        item,
        &json!({"media_id": image["media_id"], "name": "a.png", "update_time": crate::rig::START / 1000, "url": image["url"]})
    );
    assert_eq!(list("news", 0, 20).await.json(), json!({"total_count": 0, "item_count": 0, "item": []}));
    for (kind, count, code) in
        [("thumb", 20, 40004), ("film", 20, 40004), ("image", 0, 40097), ("image", 21, 40097)]
    {
        assert_eq!(refused(&list(kind, 0, count).await), code, "{kind} {count}");
    }

    let delete = async |id: &Value| {
        rig.call(OFFICIAL, "/cgi-bin/material/del_material", json!({"media_id": id})).await
    };
    assert_eq!(errcode(&delete(&voice["media_id"]).await), 0);
    assert_eq!(refused(&delete(&voice["media_id"]).await), 40007);
    assert_eq!(refused(&get(&voice["media_id"]).await), 40007);
    // A temporary file ends after three days, these don't.
    rig.advance(4 * 86_400).await;
    assert_eq!(&get(&image["media_id"]).await.body[..], PNG);
}

#[tokio::test]
async fn what_is_not_kept() {
    let rig = Rig::start().await;
    let mut large = JPG.to_vec();
    large.resize((64 << 10) + 1, 0);
    let mut speech = b"ID3".to_vec();
    speech.resize((2 << 20) + 1, 0);
    for (kind, name, bytes, code) in [
        ("film", "a.png", PNG, 40004),
        ("image", "a", PNG, 40005),
        ("image", "a.png", b"text", 40005),
        ("voice", "a.mp3", PNG, 40005),
        ("voice", "a.png", PNG, 40005),
        ("video", "a.mp4", JPG, 40005),
        ("thumb", "a.png", PNG, 40005),
        ("thumb", "a.jpg", PNG, 40005),
        ("thumb", "a.jpg", &large, 40012),
        ("voice", "a.mp3", &speech, 40010),
        ("image", "a.png", b"", 44001),
        ("image", "", PNG, 41005),
    ] {
        let reply = upload(&rig, OFFICIAL, &format!("{ADD}?type={kind}"), name, bytes, "").await;
        assert_eq!(refused(&reply), code, "{kind} {name}");
    }
    let film = upload(&rig, OFFICIAL, &format!("{ADD}?type=video"), "a.mp4", b"film", "{title}").await;
    assert_eq!(refused(&film), 47001);
    assert_eq!(refused(&upload(&rig, MINI, &format!("{ADD}?type=image"), "a.png", PNG, "").await), 48001);
    let counts = rig.ask(OFFICIAL, "/cgi-bin/material/get_materialcount", "").await.json();
    assert_eq!(counts, json!({"voice_count": 0, "video_count": 0, "image_count": 0, "news_count": 0}));
}

/// 48005's own words.
#[tokio::test]
async fn a_medium_that_a_menu_gives_out_stays() {
    let rig = Rig::start().await;
    let media_id = picture(&rig, OFFICIAL).await;
    let menu = json!({"button": [{"type": "media_id", "name": "图片", "media_id": media_id}]});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/menu/create", menu).await), 0);
    let delete =
        async || rig.call(OFFICIAL, "/cgi-bin/material/del_material", json!({"media_id": media_id})).await;
    assert_eq!(refused(&delete().await), 48005);
    rig.ask(OFFICIAL, "/cgi-bin/menu/delete", "").await;
    assert_eq!(errcode(&delete().await), 0);
}

/// Withdrawn on 2022-02-28; 45103 at first, 45106 since
/// (developers.weixin.qq.com/community/minihome/doc/0000242f858d704d293edeb925b400).
#[tokio::test]
async fn permanent_articles_are_withdrawn() {
    let rig = Rig::start().await;
    for path in ["/cgi-bin/material/add_news", "/cgi-bin/material/update_news"] {
        let reply = rig.call(OFFICIAL, path, json!({"articles": []})).await;
        assert_eq!(refused(&reply), 45106);
        assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("This API has been unsupported"));
    }
}
