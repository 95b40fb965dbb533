//! Tags, remarks and the blacklist: <https://developers.weixin.qq.com/doc/service/api/usermanage/tag/api_createtag> and
//! the pages beside it.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, TEMPLATE, errcode, refused};
use serde_json::{Value, json};

const CREATE: &str = "/cgi-bin/tags/create";
const TAG: &str = "/cgi-bin/tags/members/batchtagging";
const UNTAG: &str = "/cgi-bin/tags/members/batchuntagging";

async fn create(rig: &Rig, name: &str) -> u64 {
    let answer = rig.call(OFFICIAL, CREATE, json!({"tag": {"name": name}})).await.json();
    assert_eq!(answer["tag"]["name"], name, "{answer}");
    answer["tag"]["id"].as_u64().unwrap()
}

async fn list(rig: &Rig) -> Value {
    rig.ask(OFFICIAL, "/cgi-bin/tags/get", "").await.json()["tags"].clone()
}

/// Its code, or 0.
async fn code(rig: &Rig, path: &str, body: Value) -> i64 {
    let reply = rig.call(OFFICIAL, path, body).await;
    if errcode(&reply) == 0 { 0 } else { refused(&reply) }
}

// A capture of a fresh account: `{"tags":[{"id":2,"name":"星标组","count":0},{"id":102,"name":"广东","count":0}]}`.
#[tokio::test]
async fn tags_are_made_listed_renamed_and_removed() {
    let rig = Rig::start().await;
    let guangdong = create(&rig, "广东").await;
    assert!(guangdong >= 100, "the system keeps small numbers");
    let starred = json!({"id": 2, "name": "星标组", "count": 0});
    assert_eq!(list(&rig).await, json!([starred, {"id": guangdong, "name": "广东", "count": 0}]));
    let rename = |id: u64, name: &str| json!({"tag": {"id": id, "name": name}});
    assert_eq!(code(&rig, "/cgi-bin/tags/update", rename(guangdong, "广东人")).await, 0);
    assert_eq!(
        code(&rig, "/cgi-bin/tags/update", rename(guangdong, "广东人")).await,
        0,
        "its own name is free"
    );
    let other = create(&rig, "广西").await;
    assert_eq!(code(&rig, "/cgi-bin/tags/update", rename(other, "广东人")).await, 45157);
    for system in [0, 1, 2] {
        assert_eq!(code(&rig, "/cgi-bin/tags/update", rename(system, "x")).await, 45058);
        assert_eq!(code(&rig, "/cgi-bin/tags/delete", json!({"tag": {"id": system}})).await, 45058);
    }
    assert_eq!(code(&rig, "/cgi-bin/tags/delete", json!({"tag": {"id": other}})).await, 0);
    assert_eq!(code(&rig, "/cgi-bin/tags/delete", json!({"tag": {"id": other}})).await, 45159);
    assert_eq!(list(&rig).await, json!([starred, {"id": guangdong, "name": "广东人", "count": 0}]));
    assert!(create(&rig, "广西").await > other, "numbers aren't given twice");
    let elsewhere = rig.ask(EXAMPLE, "/cgi-bin/tags/get", "").await.json();
    assert_eq!(elsewhere["tags"], json!([starred]), "another account's are its own");
}

// The page: 45157, 45158 "标签名长度超过30个字节", 45056.
#[tokio::test]
async fn names_of_tags_are_short_and_single_and_there_are_a_hundred() {
    let rig = Rig::start().await;
    let named = |name: &str| json!({"tag": {"name": name}});
    create(&rig, &"十".repeat(10)).await;
    for (name, expected) in [
        ("", 45157),
        ("  ", 45157),
        ("星标组", 45157),
        (&*"十".repeat(10), 45157),
        (&"十".repeat(11), 45158),
        (&"a".repeat(31), 45158),
    ] {
        assert_eq!(code(&rig, CREATE, named(name)).await, expected, "{name:?}");
    }
    for wrong in [json!({"name": "x"}), json!({"tag": {}}), json!({"tag": {"name": 1}})] {
        assert_eq!(code(&rig, CREATE, wrong).await, 47001);
    }
    // The same page says "30 characters" of the parameter.
    rig.control("quirks", json!({"tag_name": "characters"})).await;
    assert_eq!(code(&rig, CREATE, named(&"字".repeat(30))).await, 0);
    assert_eq!(code(&rig, CREATE, named(&"字".repeat(31))).await, 45158);
    for number in 2..100 {
        create(&rig, &format!("t{number}")).await;
    }
    assert_eq!(code(&rig, CREATE, named("one more")).await, 45056);
    assert_eq!(refused(&rig.call(MINI, CREATE, named("x")).await), 48001);
}

#[tokio::test]
async fn followers_carry_tags_and_a_tag_counts_them() {
    let rig = Rig::start().await;
    let id = create(&rig, "广东").await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    assert_eq!(code(&rig, TAG, json!({"openid_list": [one, other], "tagid": id})).await, 0);
    assert_eq!(code(&rig, TAG, json!({"openid_list": [one], "tagid": 2})).await, 0, "stars may be given");
    assert_eq!(code(&rig, TAG, json!({"openid_list": [one], "tagid": id})).await, 0, "twice is once");
    let info = rig.ask(OFFICIAL, "/cgi-bin/user/info", &format!("openid={one}")).await.json();
    assert_eq!((&info["groupid"], sorted(&info["tagid_list"])), (&json!(0), vec![2, id]));
    let of_user = rig.call(OFFICIAL, "/cgi-bin/tags/getidlist", json!({"openid": other})).await.json();
    assert_eq!(of_user, json!({"tagid_list": [id]}));
    assert_eq!((&list(&rig).await[0]["count"], &list(&rig).await[1]["count"]), (&json!(1), &json!(2)));

    let page = async |next: &str| {
        rig.call(OFFICIAL, "/cgi-bin/user/tag/get", json!({"tagid": id, "next_openid": next})).await.json()
    };
    let first = page("").await;
    let openids: Vec<&str> =
        first["data"]["openid"].as_array().unwrap().iter().map(|openid| openid.as_str().unwrap()).collect();
    assert_eq!((&first["count"], openids.len(), &first["next_openid"]), (&json!(2), 2, &json!(openids[1])));
    assert!(openids.contains(&&*one) && openids.contains(&&*other));
    assert_eq!(page(openids[0]).await["data"]["openid"], json!([openids[1]]));
    assert_eq!(page(openids[1]).await, json!({"count": 0, "data": {"openid": []}, "next_openid": ""}));

    assert_eq!(code(&rig, UNTAG, json!({"openid_list": [other], "tagid": id})).await, 0);
    assert_eq!(list(&rig).await[1]["count"], 1);
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": one})).await;
    assert_eq!(list(&rig).await[1]["count"], 0, "who leaves carries none");
    rig.control("event", json!({"appid": OFFICIAL, "openid": one, "event": "subscribe"})).await;
    let info = rig.ask(OFFICIAL, "/cgi-bin/user/info", &format!("openid={one}")).await.json();
    assert_eq!(info["tagid_list"], json!([]), "nor when he comes back");
}

fn sorted(list: &Value) -> Vec<u64> {
    let mut list: Vec<u64> = list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    list.sort_unstable();
    list
}

// api_batchtagging: 40003, 40032 (50 at most), 45059 (20 a user), 45159; the older page adds 49003.
#[tokio::test]
async fn what_can_not_be_tagged() {
    let rig = Rig::start().await;
    let id = create(&rig, "广东").await;
    let (openid, stranger) = (rig.follower(OFFICIAL).await, rig.user(OFFICIAL).await);
    let elsewhere = rig.follower(EXAMPLE).await;
    for (list, tag, expected) in [
        (json!([]), id, 40032),
        (json!(vec![&openid; 51]), id, 40032),
        (json!([stranger]), id, 40003),
        (json!(["oNobody"]), id, 40003),
        (json!([elsewhere]), id, 49003),
        (json!([openid]), 99_999, 45159),
        (json!([openid]), 1, 45159),
        (json!([openid, "oNobody"]), id, 40003),
    ] {
        let body = json!({"openid_list": list, "tagid": tag});
        assert_eq!(code(&rig, TAG, body.clone()).await, expected, "{body}");
    }
    assert_eq!(list(&rig).await[1]["count"], 0, "all of them or nobody");
    for number in 0..20 {
        let id = create(&rig, &format!("t{number}")).await;
        assert_eq!(code(&rig, TAG, json!({"openid_list": [openid], "tagid": id})).await, 0);
    }
    assert_eq!(code(&rig, TAG, json!({"openid_list": [openid], "tagid": id})).await, 45059);
    assert_eq!(code(&rig, UNTAG, json!({"openid_list": vec![&openid; 50], "tagid": id})).await, 0);
}

// api_updateremark: under 30 bytes.
#[tokio::test]
async fn a_remark_is_shown_and_short() {
    let rig = Rig::start().await;
    let (openid, stranger) = (rig.follower(OFFICIAL).await, rig.user(OFFICIAL).await);
    let set = async |openid: &str, remark: &str| {
        code(&rig, "/cgi-bin/user/info/updateremark", json!({"openid": openid, "remark": remark})).await
    };
    assert_eq!(set(&openid, "老客户").await, 0);
    assert_eq!(set(&openid, &"a".repeat(30)).await, 40092);
    assert_eq!(set(&openid, &"汉".repeat(10)).await, 40092);
    assert_eq!(set(&stranger, "x").await, 43004);
    assert_eq!(set("oNobody", "x").await, 40003);
    let info = rig.ask(OFFICIAL, "/cgi-bin/user/info", &format!("openid={openid}")).await.json();
    assert_eq!(info["remark"], "老客户", "what was refused changed nothing");
    assert_eq!(set(&openid, &"a".repeat(29)).await, 0);
    assert_eq!(set(&openid, "").await, 0);
    let info = rig.ask(OFFICIAL, "/cgi-bin/user/info", &format!("openid={openid}")).await.json();
    assert_eq!(info["remark"], "");
}

// api_batchblacklist: 20 at most (40032), 40003; 43019 "require remove blacklist".
#[tokio::test]
async fn whoever_is_on_the_blacklist_is_neither_sent_to_nor_heard() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let openid = rig.follower(OFFICIAL).await;
    let said = json!({"appid": OFFICIAL, "openid": openid, "text": "hello"});
    rig.control("message", said.clone()).await;
    let set = async |action: &str, list: Value| {
        code(&rig, &format!("/cgi-bin/tags/members/{action}"), json!({"openid_list": list})).await
    };
    assert_eq!(set("batchblacklist", json!([openid])).await, 0);
    let list =
        rig.call(OFFICIAL, "/cgi-bin/tags/members/getblacklist", json!({"begin_openid": ""})).await.json();
    assert_eq!(list, json!({"total": 1, "count": 1, "data": {"openid": [openid]}, "next_openid": openid}));
    receiver.take();
    assert_eq!(rig.control("message", said.clone()).await, json!({"pushes": []}));
    let picture =
        json!({"appid": OFFICIAL, "openid": openid, "message": {"MsgType": "image", "MediaId": "x"}});
    assert_eq!(rig.control("push", picture).await, json!({"pushes": []}));
    assert_eq!(receiver.take().len(), 0);

    let template = json!({"touser": openid, "template_id": TEMPLATE, "data": {"first": {"value": "x"}}});
    let custom = json!({"touser": openid, "msgtype": "text", "text": {"content": "hi"}});
    let send = async || {
        (
            code(&rig, "/cgi-bin/message/template/send", template.clone()).await,
            code(&rig, "/cgi-bin/message/custom/send", custom.clone()).await,
        )
    };
    assert_eq!(send().await, (43019, 43019));
    assert_eq!(rig.state().await["messages"], json!([]));
    let leaves = json!({"appid": OFFICIAL, "openid": openid, "event": "unsubscribe"});
    assert_eq!(rig.control("event", leaves).await["pushes"].as_array().unwrap().len(), 1, "that is told");
    assert_eq!(set("batchunblacklist", json!([openid])).await, 0, "who has left can be taken off");
    rig.control("event", json!({"appid": OFFICIAL, "openid": openid, "event": "subscribe"})).await;
    assert_eq!(send().await, (0, 0));
    assert_eq!(rig.control("message", said).await["pushes"].as_array().unwrap().len(), 1);

    let stranger = rig.user(OFFICIAL).await;
    for (list, expected) in
        [(json!([]), 40032), (json!(vec![&openid; 21]), 40032), (json!([stranger]), 40003)]
    {
        assert_eq!(set("batchblacklist", list).await, expected);
    }
    let list = rig.call(OFFICIAL, "/cgi-bin/tags/members/getblacklist", json!({})).await.json();
    assert_eq!(list, json!({"total": 0, "count": 0, "next_openid": ""}));
}
