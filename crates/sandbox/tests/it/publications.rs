//! Drafts that are published: doc/service/api/public.

use crate::drafts::draft;
use crate::receiver::{Got, Receiver};
use crate::rig::{MINI, OFFICIAL, Reply, Rig, errcode, refused};
use serde_json::{Value, json};
use std::time::Duration;

const SUBMIT: &str = "/cgi-bin/freepublish/submit";

/// Where the account's pushes go from now on, unsealed.
pub(crate) async fn receive(rig: &Rig, format: &str) -> Receiver {
    let receiver = Receiver::start().await;
    let callback = json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain", "format": format});
    rig.control("callback", callback).await;
    receiver
}

/// The next push.
pub(crate) async fn pushed(receiver: &Receiver) -> Got {
    for _ in 0..100 {
        if let Some(got) = receiver.take().pop() {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no push");
}

async fn submit(rig: &Rig, media_id: &str) -> Reply {
    rig.call(OFFICIAL, SUBMIT, json!({"media_id": media_id})).await
}

async fn state(rig: &Rig, publish_id: &Value) -> Value {
    rig.call(OFFICIAL, "/cgi-bin/freepublish/get", json!({"publish_id": publish_id})).await.json()
}

#[tokio::test]
async fn a_draft_is_published_and_leaves_the_box() {
    let rig = Rig::start().await;
    let media_id = draft(&rig, &["一", "二"]).await;
    let reply = submit(&rig, &media_id).await.json();
    // Texts, as the page says.
    assert_eq!(
        reply,
        json!({"errcode": 0, "errmsg": "ok", "publish_id": "100000001", "msg_data_id": "2247483647"})
    );
    assert_eq!(refused(&submit(&rig, &media_id).await), 40007, "it is no draft any more");
    let shown = state(&rig, &reply["publish_id"]).await;
    assert_eq!((&shown["publish_id"], &shown["publish_status"]), (&json!("100000001"), &json!(0)));
    assert_eq!((&shown["article_detail"]["count"], &shown["fail_idx"]), (&json!(2), &json!([])));
    let second = &shown["article_detail"]["item"][1];
    assert_eq!(second["idx"], 2);

    let article_id = shown["article_id"].as_str().unwrap();
    let get = async |id: &str| {
        rig.call(OFFICIAL, "/cgi-bin/freepublish/getarticle", json!({"article_id": id})).await
    };
    let articles = get(article_id).await.json();
    let item = &articles["news_item"][1];
    assert_eq!((&item["title"], &item["is_deleted"]), (&json!("二"), &json!(false)));
    assert_eq!(item["url"], second["article_url"]);
    assert_eq!(refused(&get("unknown").await), 53600);

    let list = async || {
        let body = json!({"offset": 0, "count": 20, "no_content": 1});
        rig.call(OFFICIAL, "/cgi-bin/freepublish/batchget", body).await.json()
    };
    let page = list().await;
    assert_eq!((&page["total_count"], &page["item"][0]["article_id"]), (&json!(1), &json!(article_id)));
    assert_eq!(page["item"][0]["content"]["news_item"][0].get("content"), None);

    let delete = async |index: u64| {
        let body = json!({"article_id": article_id, "index": index});
        rig.call(OFFICIAL, "/cgi-bin/freepublish/delete", body).await
    };
    assert_eq!(errcode(&delete(2).await), 0);
    let deleted: Vec<Value> = get(article_id).await.json()["news_item"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["is_deleted"].clone())
        .collect();
    assert_eq!(deleted, [json!(false), json!(true)]);
    assert_eq!(state(&rig, &json!("100000001")).await["publish_status"], 0, "one is left");
    assert_eq!(refused(&delete(3).await), 40114);
    assert_eq!(errcode(&delete(0).await), 0);
    let shown = state(&rig, &json!("100000001")).await;
    assert_eq!((&shown["publish_status"], shown.get("article_id")), (&json!(5), None));
    assert_eq!(list().await["total_count"], 0);
}

/// doc/offiaccount/Publish/Callback_on_finish: the id is a number there.
#[tokio::test]
async fn a_publication_is_reported() {
    let rig = Rig::start().await;
    let receiver = receive(&rig, "xml").await;
    let reply = submit(&rig, &draft(&rig, &["一", "二"]).await).await.json();
    let shown = state(&rig, &reply["publish_id"]).await;
    let xml = String::from_utf8(pushed(&receiver).await.body.to_vec()).unwrap();
    let (urls, id) = (&shown["article_detail"]["item"], shown["article_id"].as_str().unwrap());
    let item = |at: usize| {
        let url = urls[at]["article_url"].as_str().unwrap();
        format!("<item><idx>{}</idx>\n<article_url><![CDATA[{url}]]></article_url>\n</item>\n", at + 1)
    };
    let expected = format!(
        "<Event><![CDATA[PUBLISHJOBFINISH]]></Event>\n<PublishEventInfo><publish_id>100000001</publish_id>\n\
         <publish_status>0</publish_status>\n<article_id><![CDATA[{id}]]></article_id>\n\
         <article_detail><count>2</count>\n{}{}</article_detail>\n</PublishEventInfo>\n",
        item(0),
        item(1)
    );
    assert!(xml.contains(&expected), "{xml}");
}

#[tokio::test]
async fn what_is_not_published() {
    let rig = Rig::start().await;
    assert_eq!(refused(&submit(&rig, "unknown").await), 40007);
    assert_eq!(refused(&rig.call(MINI, SUBMIT, json!({"media_id": "x"})).await), 48001);
    let unknown = rig.call(OFFICIAL, "/cgi-bin/freepublish/get", json!({"publish_id": "1"})).await;
    assert_eq!(refused(&unknown), 40097);
    // 53503: a draft whose cover is gone doesn't pass the check, and stays a draft.
    let media_id = draft(&rig, &["一"]).await;
    let shown = rig.call(OFFICIAL, "/cgi-bin/draft/get", json!({"media_id": media_id})).await.json();
    let cover = &shown["news_item"][0]["thumb_media_id"];
    rig.call(OFFICIAL, "/cgi-bin/material/del_material", json!({"media_id": cover})).await;
    assert_eq!(refused(&submit(&rig, &media_id).await), 53503);
    assert_eq!(rig.ask(OFFICIAL, "/cgi-bin/draft/count", "").await.json()["total_count"], 1);
    // 53504 and 53505 are of drafts that people made in the console: only a fault makes one.
    rig.control("fault", json!({"path": SUBMIT, "errcode": 53505, "times": 1})).await;
    assert_eq!(refused(&submit(&rig, &media_id).await), 53505);
}

/// A menu's button can open what was published.
#[tokio::test]
async fn a_menu_opens_an_article() {
    let rig = Rig::start().await;
    let reply = submit(&rig, &draft(&rig, &["一"]).await).await.json();
    let article_id = state(&rig, &reply["publish_id"]).await["article_id"].clone();
    let menu =
        json!({"button": [{"type": "article_view_limited", "name": "文章", "article_id": article_id}]});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/menu/create", menu).await), 0);
}

/// doc/offiaccount/Publish/Get_status, its third example: an article wasn't original.
#[tokio::test]
async fn a_publication_can_be_told_to_fail() {
    let rig = Rig::start().await;
    let receiver = receive(&rig, "xml").await;
    let media_id = draft(&rig, &["一", "二"]).await;
    let outcome = json!({"appid": OFFICIAL, "publish_status": 2, "fail_idx": [1, 2]});
    rig.control("outcome", outcome).await;
    let reply = submit(&rig, &media_id).await.json();
    assert_eq!(reply, json!({"errcode": 0, "errmsg": "ok", "publish_id": "100000001"}));
    assert_eq!(
        state(&rig, &reply["publish_id"]).await,
        json!({"publish_id": "100000001", "publish_status": 2, "fail_idx": [1, 2]})
    );
    let xml = String::from_utf8(pushed(&receiver).await.body.to_vec()).unwrap();
    let expected = "<PublishEventInfo><publish_id>100000001</publish_id>\n<publish_status>2</publish_status>\n\
                    <fail_idx>1</fail_idx>\n<fail_idx>2</fail_idx>\n</PublishEventInfo>";
    assert!(xml.contains(expected), "{xml}");
    // Once: the draft is still there, and is published by the next call.
    assert_eq!(submit(&rig, &media_id).await.json()["publish_id"], "100000002");
    assert_eq!(state(&rig, &json!("100000002")).await["publish_status"], 0);
    for wrong in [
        json!({"appid": OFFICIAL}),
        json!({"appid": OFFICIAL, "publish_status": 0}),
        json!({"appid": OFFICIAL, "mass_status": "send success"}),
        json!({"appid": OFFICIAL, "mass_status": "send fail", "publish_status": 2}),
        json!({"appid": "wx1", "publish_status": 2}),
    ] {
        assert_eq!(rig.post("/sandbox/outcome", wrong.clone()).await.status, 400, "{wrong}");
    }
}
