//! Messages to many: doc/service/api/notify/message, doc/service/guide/product/message/Batch_Sends.

use crate::drafts::draft;
use crate::materials::picture;
use crate::publications::{pushed, receive};
use crate::rig::{MINI, OFFICIAL, Reply, Rig, errcode, refused};
use serde_json::{Value, json};

const ALL: &str = "/cgi-bin/message/mass/sendall";
const SEND: &str = "/cgi-bin/message/mass/send";
const DAY: i64 = 86_400;

fn text(content: &str) -> Value {
    json!({"msgtype": "text", "text": {"content": content}})
}

/// To everybody.
async fn send_all(rig: &Rig, message: Value) -> Reply {
    let mut body = message;
    body["filter"] = json!({"is_to_all": true});
    rig.call(OFFICIAL, ALL, body).await
}

async fn send(rig: &Rig, openids: &[&str], message: Value) -> Reply {
    let mut body = message;
    body["touser"] = json!(openids);
    rig.call(OFFICIAL, SEND, body).await
}

/// Who got how many messages.
async fn received(rig: &Rig, openid: &str) -> Vec<Value> {
    let messages = rig.state().await["messages"].as_array().unwrap().clone();
    messages.into_iter().filter(|message| message["touser"] == openid).collect()
}

#[tokio::test]
async fn a_text_reaches_every_follower() {
    let rig = Rig::start().await;
    let (one, stranger) = (rig.follower(OFFICIAL).await, rig.user(OFFICIAL).await);
    let reply = send_all(&rig, text("大家好")).await.json();
    // msg_data_id is of articles only, as the page says.
    assert_eq!(
        reply,
        json!({"errcode": 0, "errmsg": "send job submission success", "msg_id": 1_000_000_001})
    );
    assert_eq!(
        received(&rig, &one).await,
        [json!({"appid": OFFICIAL, "path": ALL, "touser": one, "template_id": "",
                "data": {"msgtype": "text", "text": {"content": "大家好"}}, "msgid": 1_000_000_001})]
    );
    assert_eq!(received(&rig, &stranger).await, [] as [Value; 0]);
    let state = rig.call(OFFICIAL, "/cgi-bin/message/mass/get", json!({"msg_id": "1000000001"})).await;
    assert_eq!(state.json(), json!({"msg_id": 1_000_000_001, "msg_status": "SEND_SUCCESS"}));
    assert_eq!(refused(&rig.call(OFFICIAL, "/cgi-bin/message/mass/get", json!({"msg_id": 7})).await), 40059);
}

/// The event as it was captured: developers.weixin.qq.com/community/personal/oCJUsw0evLDVMUmrzLTuNbaXMLVw/answer
#[tokio::test]
async fn articles_reach_followers_and_are_reported() {
    let rig = Rig::start().await;
    let receiver = receive(&rig, "xml").await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.user(OFFICIAL).await);
    let media_id = draft(&rig, &["一"]).await;
    receiver.take();
    let reply =
        send(&rig, &[&one, &other], json!({"msgtype": "mpnews", "mpnews": {"media_id": media_id}})).await;
    let reply = reply.json();
    assert_eq!(
        (&reply["msg_id"], &reply["msg_data_id"]),
        (&json!(3_147_483_650_u64), &json!(2_247_483_647_u64))
    );
    let message = received(&rig, &one).await[0]["data"].clone();
    let url = message["news"]["articles"][0]["url"].as_str().unwrap();
    assert_eq!(
        (&message["msgtype"], &message["news"]["articles"][0]["title"]),
        (&json!("mpnews"), &json!("一"))
    );

    let xml = String::from_utf8(pushed(&receiver).await.body.to_vec()).unwrap();
    let expected = format!(
        "<Event><![CDATA[MASSSENDJOBFINISH]]></Event>\n<MsgID>3147483650</MsgID>\n\
         <Status><![CDATA[send success]]></Status>\n<TotalCount>2</TotalCount>\n<FilterCount>1</FilterCount>\n\
         <SentCount>1</SentCount>\n<ErrorCount>0</ErrorCount>\n\
         <CopyrightCheckResult><Count>0</Count>\n<ResultList></ResultList>\n<CheckState>1</CheckState>\n\
         </CopyrightCheckResult>\n<ArticleUrlResult><Count>1</Count>\n<ResultList><item><ArticleIdx>1</ArticleIdx>\n\
         <ArticleUrl><![CDATA[{url}]]></ArticleUrl>\n</item>\n</ResultList>\n</ArticleUrlResult>\n"
    );
    assert!(xml.contains(&expected), "{xml}");

    // The draft has left the box, and what is sent isn't among what is published.
    assert_eq!(rig.ask(OFFICIAL, "/cgi-bin/draft/count", "").await.json()["total_count"], 0);
    let list = json!({"offset": 0, "count": 20});
    assert_eq!(rig.call(OFFICIAL, "/cgi-bin/freepublish/batchget", list).await.json()["total_count"], 0);
    // Readers comment on what was sent, too.
    let open =
        rig.call(OFFICIAL, "/cgi-bin/comment/open", json!({"msg_data_id": reply["msg_data_id"]})).await;
    assert_eq!(errcode(&open), 0);
}

#[tokio::test]
async fn the_same_message_goes_out_once_a_day() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let named = |content: &str| {
        let mut message = text(content);
        message["clientmsgid"] = json!("m1");
        message
    };
    let first = send_all(&rig, named("一")).await.json()["msg_id"].clone();
    // As captured, without a rid: developers.weixin.qq.com/community/personal/oCJUsw-KQHOM_7NJrPLU0zIzJ7Yc/answer
    let again = send_all(&rig, named("二")).await.json();
    assert_eq!(again, json!({"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": first}));
    // Without one, it is made of whom the message is for and what it says.
    let second = send_all(&rig, text("三")).await.json()["msg_id"].clone();
    assert_eq!(send_all(&rig, text("三")).await.json()["msg_id"], second);
    assert_eq!(received(&rig, &openid).await.len(), 2);
    rig.advance(DAY).await;
    assert_eq!(errcode(&send_all(&rig, named("二")).await), 0);
    let long = json!({"msgtype": "text", "text": {"content": "x"}, "clientmsgid": "m".repeat(65)});
    assert_eq!(refused(&send_all(&rig, long).await), 45067);
}

#[tokio::test]
async fn four_a_month_reach_a_user() {
    let rig = Rig::start().await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    let receiver = receive(&rig, "json").await;
    for number in 1..=4 {
        assert_eq!(errcode(&send_all(&rig, text(&number.to_string())).await), 0);
        pushed(&receiver).await;
    }
    assert_eq!(refused(&send_all(&rig, text("5")).await), 45028);
    // To some it goes out, and reaches none who has had four.
    assert_eq!(errcode(&send(&rig, &[&one, &other], text("6")).await), 0);
    let event: Value = serde_json::from_slice(&pushed(&receiver).await.body).unwrap();
    let counts = ["TotalCount", "FilterCount", "SentCount"].map(|name| event[name].as_u64().unwrap());
    assert_eq!(counts, [2, 0, 0]);
    assert_eq!(received(&rig, &one).await.len(), 4);
    // clear_quota gives back calls, not these.
    rig.call(OFFICIAL, "/cgi-bin/clear_quota", json!({"appid": OFFICIAL})).await;
    assert_eq!(refused(&send_all(&rig, text("7")).await), 45028);
    rig.advance(31 * DAY).await;
    assert_eq!(errcode(&send_all(&rig, text("8")).await), 0);
    assert_eq!(received(&rig, &one).await.len(), 5);
}

#[tokio::test]
async fn what_is_not_sent() {
    let rig = Rig::start().await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    let both = [one.as_str(), other.as_str()];
    assert_eq!(refused(&send(&rig, &[&one], text("x")).await), 40130);
    assert_eq!(refused(&send(&rig, &[&one, "oNobody"], text("x")).await), 40031);
    assert_eq!(refused(&send(&rig, &vec![one.as_str(); 10_001], text("x")).await), 40032);
    for filter in [json!({"tag_id": 999}), json!({"is_to_all": false})] {
        let mut body = text("x");
        body["filter"] = filter;
        assert_eq!(refused(&rig.call(OFFICIAL, ALL, body).await), 40152);
    }
    assert_eq!(refused(&rig.call(OFFICIAL, ALL, text("x")).await), 47001);
    let pictures = |list: Value| json!({"msgtype": "image", "images": {"media_ids": list}});
    for (message, code) in [
        (text(""), 44004),
        (text(&"x".repeat(2049)), 45002),
        (json!({"msgtype": "film", "film": {}}), 40008),
        (json!({"msgtype": "text"}), 47001),
        (json!({"msgtype": "wxcard", "wxcard": {"card_id": "x"}}), 45113),
        (json!({"msgtype": "mpnews", "mpnews": {"media_id": "unknown"}}), 40007),
        (json!({"msgtype": "image", "image": {"media_id": "unknown"}}), 40007),
        (pictures(json!(["unknown"])), 40007),
        (pictures(json!([])), 40007),
        (pictures(json!(vec!["x"; 21])), 40215),
        (json!({"msgtype": "voice", "voice": {"media_id": ""}}), 40007),
        (json!({"msgtype": "mpvideo", "mpvideo": {"media_id": "unknown"}}), 40007),
    ] {
        assert_eq!(refused(&send(&rig, &both, message.clone()).await), code, "{message}");
    }
    assert_eq!(refused(&rig.call(MINI, ALL, text("x")).await), 48001);
    assert_eq!(rig.state().await["messages"], json!([]));
    let media_id = picture(&rig, OFFICIAL).await;
    assert_eq!(errcode(&send(&rig, &both, pictures(json!([media_id]))).await), 0);
    assert_eq!(
        received(&rig, &one).await[0]["data"],
        json!({"msgtype": "image", "images": {"media_ids": [media_id]}, "image": {"media_id": media_id}})
    );
}

#[tokio::test]
async fn calls_are_limited_by_the_day_and_by_the_minute() {
    let rig = Rig::start().await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    let both = [one.as_str(), other.as_str()];
    for number in 0..100 {
        if number == 60 {
            assert_eq!(refused(&send(&rig, &both, text("61")).await), 45011);
            rig.advance(60).await;
        }
        assert_eq!(errcode(&send(&rig, &both, text(&number.to_string())).await), 0);
    }
    rig.advance(60).await;
    assert_eq!(refused(&send(&rig, &both, text("101")).await), 45009);
}

#[tokio::test]
async fn a_preview_is_for_one_and_uses_nothing_up() {
    let rig = Rig::start().await;
    let openid = rig.follower(OFFICIAL).await;
    let media_id = draft(&rig, &["一"]).await;
    let preview = async |to: Value, message: &Value| {
        let mut body = message.clone();
        body.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        rig.call(OFFICIAL, "/cgi-bin/message/mass/preview", body).await
    };
    let news = json!({"msgtype": "mpnews", "mpnews": {"media_id": media_id}});
    let reply = preview(json!({"touser": openid}), &news).await.json();
    assert_eq!((&reply["errmsg"], reply["msg_id"].is_u64()), (&json!("preview success"), true));
    let got = received(&rig, &openid).await;
    assert_eq!((got.len(), &got[0]["data"]["news"]["articles"][0]["title"]), (1, &json!("一")));
    assert_eq!(rig.ask(OFFICIAL, "/cgi-bin/draft/count", "").await.json()["total_count"], 1, "still a draft");
    let stranger = rig.user(OFFICIAL).await;
    for (to, code) in [
        (json!({}), 41009),
        (json!({"touser": "oNobody"}), 40003),
        (json!({"touser": stranger}), 43004),
        // towxname counts if both are given.
        (json!({"touser": openid, "towxname": "nobody"}), 40132),
    ] {
        assert_eq!(refused(&preview(to, &text("x")).await), code);
    }
    assert_eq!(errcode(&preview(json!({"towxname": "Hui🐠"}), &text("x")).await), 0);
    let path = "/cgi-bin/message/mass/preview";
    rig.control("quota", json!({"appid": OFFICIAL, "api": path, "limit": 2})).await;
    assert_eq!(refused(&preview(json!({"touser": openid}), &text("x")).await), 45009);
}

/// doc/service/api/notify/message/api_deletemassmsg
#[tokio::test]
async fn sent_articles_can_be_taken_away_and_texts_not() {
    let rig = Rig::start().await;
    let delete = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/message/mass/delete", body).await;
    let state = async |id: &Value| {
        let reply = rig.call(OFFICIAL, "/cgi-bin/message/mass/get", json!({"msg_id": id})).await.json();
        reply["msg_status"].as_str().unwrap().to_owned()
    };
    let said = send_all(&rig, text("x")).await.json();
    assert_eq!(refused(&delete(json!({"msg_id": said["msg_id"], "article_idx": 0})).await), 40008);
    let media_id = draft(&rig, &["一", "二"]).await;
    let sent = send_all(&rig, json!({"msgtype": "mpnews", "mpnews": {"media_id": media_id}})).await.json();
    let id = &sent["msg_id"];
    assert_eq!(errcode(&delete(json!({"msg_id": id, "article_idx": 2})).await), 0);
    assert_eq!(state(id).await, "SEND_SUCCESS", "one is left");
    let messages = rig.state().await["messages"].clone();
    let url = messages[1]["data"]["news"]["articles"][0]["url"].clone();
    assert_eq!(errcode(&delete(json!({"url": url})).await), 0);
    assert_eq!(state(id).await, "DELETE");
    assert_eq!(rig.state().await["messages"], messages, "who got it still has it");
    let comments = json!({"msg_data_id": sent["msg_data_id"]});
    assert_eq!(refused(&rig.call(OFFICIAL, "/cgi-bin/comment/open", comments).await), 88001);
    for (body, code) in [
        (json!({"msg_id": id, "article_idx": 3}), 40114),
        (json!({"msg_id": 7}), 40059),
        (json!({"article_idx": 0}), 40059),
        (json!({"url": "http://a.cn"}), 40059),
        // The other id that a message has.
        (json!({"msg_id": sent["msg_data_id"]}), 40059),
    ] {
        assert_eq!(refused(&delete(body).await), code);
    }
}

/// doc/service/api/notify/message/api_getspeed
#[tokio::test]
async fn how_fast_they_go_out() {
    let rig = Rig::start().await;
    let get = async || rig.call(OFFICIAL, "/cgi-bin/message/mass/speed/get", json!({})).await.json();
    let set = async |body: Value| rig.call(OFFICIAL, "/cgi-bin/message/mass/speed/set", body).await;
    assert_eq!(get().await, json!({"speed": 0, "realspeed": 80}));
    assert_eq!(errcode(&set(json!({"speed": 3})).await), 0);
    assert_eq!(get().await, json!({"speed": 3, "realspeed": 30}));
    for (body, code) in [(json!({}), 45084), (json!({"speed": 5}), 45083), (json!({"speed": -1}), 45083)] {
        assert_eq!(refused(&set(body).await), code);
    }
}

/// doc/service/guide/product/message/Batch_Sends: `err(20001)` and others are why a message wasn't let through.
#[tokio::test]
async fn a_message_can_be_told_to_fail() {
    let rig = Rig::start().await;
    let receiver = receive(&rig, "json").await;
    let openid = rig.follower(OFFICIAL).await;
    receiver.take();
    rig.control("outcome", json!({"appid": OFFICIAL, "mass_status": "err(20001)"})).await;
    let media_id = draft(&rig, &["一"]).await;
    let news = json!({"msgtype": "mpnews", "mpnews": {"media_id": media_id}, "clientmsgid": "first"});
    let sent = send_all(&rig, news.clone()).await.json();
    assert_eq!((&sent["errcode"], sent.get("msg_data_id")), (&json!(0), None));
    let event: Value = serde_json::from_slice(&pushed(&receiver).await.body).unwrap();
    assert_eq!(
        (&event["Status"], &event["TotalCount"], &event["SentCount"]),
        (&json!("err(20001)"), &json!(2), &json!(0))
    );
    let state = rig.call(OFFICIAL, "/cgi-bin/message/mass/get", json!({"msg_id": sent["msg_id"]})).await;
    assert_eq!(state.json()["msg_status"], "SEND_FAIL");
    assert_eq!(received(&rig, &openid).await, [] as [Value; 0]);
    // Once, and the draft is still there.
    let mut again = news;
    again["clientmsgid"] = json!("second");
    assert!(send_all(&rig, again).await.json()["msg_data_id"].is_u64());
    assert_eq!(received(&rig, &openid).await.len(), 1);
}

// api_sendall: `tag_id` of the account's tags; the blacklist's page: whoever is on it gets no mass messages.
#[tokio::test]
async fn a_tags_carriers_are_reached_but_nobody_on_the_blacklist() {
    let rig = Rig::start().await;
    let (one, blocked, other) =
        (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    let tag = rig.call(OFFICIAL, "/cgi-bin/tags/create", json!({"tag": {"name": "常客"}})).await.json();
    let tag = &tag["tag"]["id"];
    let carriers = json!({"openid_list": [one, blocked], "tagid": tag});
    assert_eq!(errcode(&rig.call(OFFICIAL, "/cgi-bin/tags/members/batchtagging", carriers).await), 0);
    rig.call(OFFICIAL, "/cgi-bin/tags/members/batchblacklist", json!({"openid_list": [blocked]})).await;
    let receiver = receive(&rig, "json").await;
    let mut message = text("只给常客");
    message["filter"] = json!({"is_to_all": false, "tag_id": tag});
    assert_eq!(errcode(&rig.call(OFFICIAL, ALL, message).await), 0);
    let event: Value = serde_json::from_slice(&pushed(&receiver).await.body).unwrap();
    let counts = ["TotalCount", "FilterCount", "SentCount"].map(|name| event[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1]);
    assert_eq!(received(&rig, &one).await.len(), 1);
    assert_eq!(received(&rig, &blocked).await, [] as [Value; 0]);
    assert_eq!(received(&rig, &other).await, [] as [Value; 0]);
    let mut preview = text("先看看");
    preview["touser"] = json!(blocked);
    assert_eq!(refused(&rig.call(OFFICIAL, "/cgi-bin/message/mass/preview", preview).await), 43019);
}
