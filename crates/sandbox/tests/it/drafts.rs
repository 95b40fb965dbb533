//! The draft box: doc/service/api/draftbox/draftmanage.

use crate::materials::picture;
use crate::rig::{MINI, OFFICIAL, Reply, Rig, errcode, refused};
use serde_json::{Value, json};

const ADD: &str = "/cgi-bin/draft/add";

pub(crate) fn article(title: &str, cover: &str) -> Value {
    json!({"title": title, "author": "作者", "content": "<p>正文</p>", "thumb_media_id": cover})
}

/// A draft of articles with these titles: its media_id.
pub(crate) async fn draft(rig: &Rig, titles: &[&str]) -> String {
    let cover = picture(rig, OFFICIAL).await;
    let articles: Vec<Value> = titles.iter().map(|title| article(title, &cover)).collect();
    let reply = add(rig, json!(articles)).await.json();
    reply["media_id"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

async fn add(rig: &Rig, articles: Value) -> Reply {
    rig.call(OFFICIAL, ADD, json!({"articles": articles})).await
}

async fn get(rig: &Rig, media_id: &str) -> Reply {
    rig.call(OFFICIAL, "/cgi-bin/draft/get", json!({"media_id": media_id})).await
}

fn with(mut article: Value, name: &str, value: Value) -> Value {
    article[name] = value;
    article
}

#[tokio::test]
async fn a_draft_is_kept_shown_changed_and_removed() {
    let rig = Rig::start().await;
    let media_id = draft(&rig, &["一", "二"]).await;
    let shown = get(&rig, &media_id).await.json();
    let first = &shown["news_item"][0];
    assert_eq!(
        (&first["title"], &first["content"], &first["digest"]),
        (&json!("一"), &json!("<p>正文</p>"), &json!(""))
    );
    assert_eq!((&first["article_type"], &first["need_open_comment"]), (&json!("news"), &json!(0)));
    assert!(first["url"].as_str().unwrap().starts_with("http://mp.weixin.qq.com/s/"), "{first}");
    assert!(first["thumb_url"].as_str().unwrap().starts_with("http://mmbiz.qpic.cn/"), "{first}");
    assert_eq!(shown["create_time"], crate::rig::START / 1000);

    rig.advance(60).await;
    let cover = first["thumb_media_id"].as_str().unwrap();
    let update = async |index: Value, article: Value| {
        let body = json!({"media_id": media_id, "index": index, "articles": article});
        rig.call(OFFICIAL, "/cgi-bin/draft/update", body).await
    };
    assert_eq!(errcode(&update(json!(1), article("改", cover)).await), 0);
    let shown = get(&rig, &media_id).await.json();
    let titles: Vec<&Value> =
        shown["news_item"].as_array().unwrap().iter().map(|article| &article["title"]).collect();
    assert_eq!(titles, [&json!("一"), &json!("改")]);
    assert_eq!(shown["update_time"], crate::rig::START / 1000 + 60);
    assert_eq!(refused(&update(json!(2), article("改", cover)).await), 40114);
    assert_eq!(refused(&update(json!(0), article("改", "unknown")).await), 40007);
    // The page takes one article here, not a list of them.
    assert_eq!(refused(&update(json!(0), json!([article("改", cover)])).await), 47001);

    let other = draft(&rig, &["三"]).await;
    let list = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/draft/batchget", body).await;
    let page = list(json!({"offset": 0, "count": 1, "no_content": 1})).await.json();
    assert_eq!((&page["total_count"], &page["item_count"]), (&json!(2), &json!(1)));
    assert_eq!(page["item"][0]["media_id"], other, "the newest first");
    let item = &page["item"][0]["content"]["news_item"][0];
    assert_eq!((&item["title"], item.get("content")), (&json!("三"), None));
    let page = list(json!({"offset": 1, "count": 20})).await.json();
    assert_eq!(page["item"][0]["content"]["news_item"][0]["content"], "<p>正文</p>");
    for count in [0, 21] {
        assert_eq!(refused(&list(json!({"offset": 0, "count": count})).await), 40097);
    }

    let count = async || rig.ask(OFFICIAL, "/cgi-bin/draft/count", "").await.json();
    assert_eq!(count().await, json!({"total_count": 2}));
    let delete = async || rig.call(OFFICIAL, "/cgi-bin/draft/delete", json!({"media_id": media_id})).await;
    assert_eq!(errcode(&delete().await), 0);
    assert_eq!(refused(&delete().await), 40007);
    assert_eq!(refused(&get(&rig, &media_id).await), 40007);
    assert_eq!(count().await, json!({"total_count": 1}));
    let switch = rig.call(OFFICIAL, "/cgi-bin/draft/switch", json!({})).await.json();
    assert_eq!(switch, json!({"errcode": 0, "errmsg": "ok", "is_open": 1}));
}

#[tokio::test]
async fn what_an_article_must_not_be() {
    let rig = Rig::start().await;
    let cover = picture(&rig, OFFICIAL).await;
    let good = || article("标题", &cover);
    for (articles, code) in [
        (json!([]), 44003),
        (json!(vec![good(); 9]), 45008),
        (json!([with(good(), "title", json!(""))]), 47001),
        (json!([with(good(), "title", json!("长".repeat(33)))]), 45003),
        (json!([with(good(), "author", json!("长".repeat(17)))]), 45110),
        (json!([with(good(), "digest", json!("长".repeat(129)))]), 45004),
        (json!([with(good(), "content", json!(""))]), 44004),
        (json!([with(good(), "content", json!("长".repeat(20_000)))]), 45002),
        (json!([with(good(), "content_source_url", json!("http://a.cn/".repeat(100)))]), 45005),
        (json!([with(good(), "content_source_url", json!("a.cn"))]), 41039),
        // A temporary medium, or one of another account, is none that it may show.
        (json!([with(good(), "thumb_media_id", json!("unknown"))]), 40007),
        (json!([good(), with(good(), "thumb_media_id", json!(""))]), 40007),
        (json!([with(good(), "article_type", json!("film"))]), 47001),
        (json!("text"), 47001),
    ] {
        assert_eq!(refused(&add(&rig, articles).await), code);
    }
    assert_eq!(rig.ask(OFFICIAL, "/cgi-bin/draft/count", "").await.json()["total_count"], 0);
    assert_eq!(refused(&rig.call(MINI, ADD, json!({"articles": [good()]})).await), 48001);
    let longest = with(good(), "title", json!("长".repeat(32)));
    assert_eq!(errcode(&add(&rig, json!([longest])).await), 0);
}

/// The page of draft/add: without a digest the first 54 characters, scripts and pictures from elsewhere left out.
#[tokio::test]
async fn what_becomes_of_the_content() {
    let rig = Rig::start().await;
    let cover = picture(&rig, OFFICIAL).await;
    let content = format!("<p>{}</p><script>x()</script><img src=\"http://a.cn/1.png\">", "字".repeat(60));
    let reply = add(&rig, json!([with(article("标题", &cover), "content", json!(content))])).await.json();
    let shown = get(&rig, reply["media_id"].as_str().unwrap()).await.json();
    let item = &shown["news_item"][0];
    assert_eq!(item["content"], format!("<p>{}</p>", "字".repeat(60)));
    assert_eq!(item["digest"], "字".repeat(54));
}

#[tokio::test]
async fn picture_messages() {
    let rig = Rig::start().await;
    let cover = picture(&rig, OFFICIAL).await;
    let pictures = |list: Value| json!({"article_type": "newspic", "title": "图", "content": "文", "image_info": {"image_list": list}});
    let one = json!({"image_media_id": cover});
    let reply = add(&rig, json!([pictures(json!([one]))])).await.json();
    let shown = get(&rig, reply["media_id"].as_str().unwrap()).await.json();
    let item = &shown["news_item"][0];
    assert_eq!((&item["article_type"], &item["image_info"]["image_list"][0]), (&json!("newspic"), &one));
    for (list, code) in
        [(json!([]), 40007), (json!([{"image_media_id": "unknown"}]), 40007), (json!(vec![one; 21]), 40215)]
    {
        assert_eq!(refused(&add(&rig, json!([pictures(list)])).await), code);
    }
}
