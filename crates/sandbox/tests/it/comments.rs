//! What readers say of articles: doc/service/api/leaving, doc/service/Comments_management.

use crate::drafts::article;
use crate::materials::picture;
use crate::rig::{OFFICIAL, Reply, Rig, errcode, refused};
use serde_json::{Value, json};

/// A published article of each, the second of which is open to followers: their msg_data_id.
async fn published(rig: &Rig) -> u64 {
    let cover = picture(rig, OFFICIAL).await;
    let mut open = article("二", &cover);
    open["need_open_comment"] = json!(1);
    open["only_fans_can_comment"] = json!(1);
    let articles = json!({"articles": [article("一", &cover), open]});
    let media_id = rig.call(OFFICIAL, "/cgi-bin/draft/add", articles).await.json()["media_id"].clone();
    let done = rig.call(OFFICIAL, "/cgi-bin/freepublish/submit", json!({"media_id": media_id})).await.json();
    done["msg_data_id"].as_str().unwrap().parse().unwrap()
}

async fn call(rig: &Rig, name: &str, msg_data_id: u64, more: Value) -> Reply {
    let mut body = json!({"msg_data_id": msg_data_id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rig.call(OFFICIAL, &format!("/cgi-bin/comment/{name}"), body).await
}

async fn list(rig: &Rig, msg_data_id: u64, index: u64, kind: u64) -> Value {
    let more = json!({"index": index, "begin": 0, "count": 49, "type": kind});
    call(rig, "list", msg_data_id, more).await.json()
}

#[tokio::test]
async fn readers_comment_and_the_account_answers() {
    let rig = Rig::start().await;
    let openid = rig.user(OFFICIAL).await;
    let id = published(&rig).await;
    let say =
        |content: &str| json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id, "content": content});
    let closed = rig.post("/sandbox/comment", say("好")).await;
    assert!(closed.status == 400 && closed.json()["error"].as_str().unwrap().contains("comment/open"));
    assert_eq!(errcode(&call(&rig, "open", id, json!({})).await), 0);
    assert_eq!(rig.control("comment", say("好")).await, json!({"user_comment_id": 1}));
    rig.control("comment", say("很好")).await;

    assert_eq!(errcode(&call(&rig, "markelect", id, json!({"user_comment_id": 1})).await), 0);
    let reply = async |content: &str| {
        call(&rig, "reply/add", id, json!({"user_comment_id": 1, "content": content})).await
    };
    assert_eq!(refused(&reply("").await), 88007);
    assert_eq!(refused(&reply(&"长".repeat(601)).await), 88007);
    assert_eq!(errcode(&reply("谢谢").await), 0);
    assert_eq!(refused(&reply("谢谢").await), 88005);
    let at = crate::rig::START / 1000;
    assert_eq!(
        list(&rig, id, 0, 2).await,
        json!({"errcode": 0, "errmsg": "ok", "total": 1, "comment": [{"user_comment_id": 1, "openid": openid,
            "create_time": at, "content": "好", "comment_type": 1, "reply": {"content": "谢谢", "create_time": at}}]})
    );
    let all = list(&rig, id, 0, 0).await;
    assert_eq!((&all["total"], &all["comment"][0]["content"]), (&json!(2), &json!("很好")));
    assert_eq!(list(&rig, id, 0, 1).await["total"], 1);

    assert_eq!(errcode(&call(&rig, "reply/delete", id, json!({"user_comment_id": 1})).await), 0);
    assert_eq!(refused(&call(&rig, "reply/delete", id, json!({"user_comment_id": 1})).await), 88009);
    assert_eq!(errcode(&call(&rig, "unmarkelect", id, json!({"user_comment_id": 1})).await), 0);
    assert_eq!(list(&rig, id, 0, 2).await["total"], 0);
    // What its reader took back, and what the account removed, are told apart.
    let back = json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id, "withdraw": 1});
    rig.control("comment", back).await;
    assert_eq!(refused(&call(&rig, "markelect", id, json!({"user_comment_id": 1})).await), 88004);
    assert_eq!(errcode(&call(&rig, "delete", id, json!({"user_comment_id": 2})).await), 0);
    assert_eq!(refused(&call(&rig, "delete", id, json!({"user_comment_id": 2})).await), 88008);
    assert_eq!(list(&rig, id, 0, 0).await["total"], 0);
    assert_eq!(errcode(&call(&rig, "close", id, json!({})).await), 0);
    assert_eq!(rig.post("/sandbox/comment", say("晚了")).await.status, 400);
}

#[tokio::test]
async fn an_article_can_be_open_to_followers_only() {
    let rig = Rig::start().await;
    let id = published(&rig).await;
    let say = |openid: &str| json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id, "index": 1, "content": "好"});
    let stranger = rig.user(OFFICIAL).await;
    assert_eq!(rig.post("/sandbox/comment", say(&stranger)).await.status, 400);
    rig.control("comment", say(&rig.follower(OFFICIAL).await)).await;
    assert_eq!(
        (&list(&rig, id, 1, 0).await["total"], &list(&rig, id, 0, 0).await["total"]),
        (&json!(1), &json!(0))
    );
}

#[tokio::test]
async fn what_is_no_article_or_comment() {
    let rig = Rig::start().await;
    let id = published(&rig).await;
    for name in ["open", "close", "list"] {
        assert_eq!(refused(&call(&rig, name, 1, json!({})).await), 88001, "{name}");
        assert_eq!(refused(&call(&rig, name, id, json!({"index": 2})).await), 88001, "{name}");
    }
    for name in ["markelect", "unmarkelect", "delete", "reply/add", "reply/delete"] {
        assert_eq!(refused(&call(&rig, name, id, json!({"user_comment_id": 9})).await), 88008, "{name}");
    }
    // doc/service/api/leaving/api_listcomment refuses 50; the words of 88010 say that only more is too many.
    for (quirk, most) in [("49", 49), ("50", 50)] {
        rig.control("quirks", json!({"comment_page": quirk})).await;
        for (count, code) in [(0, 88010), (most, 0), (most + 1, 88010)] {
            let more = json!({"begin": 0, "count": count, "type": 0});
            assert_eq!(errcode(&call(&rig, "list", id, more).await), code, "{count}");
        }
    }
    let control = async |body: Value| rig.post("/sandbox/comment", body).await.status;
    let openid = rig.user(OFFICIAL).await;
    let said = json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": 1, "content": "x"});
    assert_eq!(control(said).await, 400);
    assert_eq!(control(json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id})).await, 400);
    let other = json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id, "withdraw": 1});
    assert_eq!(control(other).await, 400, "somebody else's");
}

/// 88003's own words; the number is that of the console.
#[tokio::test]
async fn a_hundred_comments_are_seen_by_everybody() {
    let rig = Rig::start().await;
    let id = published(&rig).await;
    call(&rig, "open", id, json!({})).await;
    let openid = rig.user(OFFICIAL).await;
    for number in 1..=101 {
        let said = json!({"appid": OFFICIAL, "openid": openid, "msg_data_id": id, "content": "好"});
        rig.control("comment", said).await;
        let elected = call(&rig, "markelect", id, json!({"user_comment_id": number})).await;
        assert_eq!(errcode(&elected), if number <= 100 { 0 } else { 88003 });
    }
}
