//! Figures of what happened: <https://developers.weixin.qq.com/doc/offiaccount/Analytics/User_Analysis_Data_Interface.html>
//! and the pages beside it. The rig's day is 2026-01-02, half past three in the afternoon, in Beijing.

use crate::receiver::Receiver;
use crate::rig::{EXAMPLE, MINI, OFFICIAL, Rig, refused};
use serde_json::{Value, json};
use std::time::Duration;

async fn ask(rig: &Rig, name: &str, first: &str, last: &str) -> Value {
    let body = json!({"begin_date": first, "end_date": last});
    rig.call(OFFICIAL, &format!("/datacube/{name}"), body).await.json()
}

async fn write(rig: &Rig, openid: &str, times: usize) {
    for _ in 0..times {
        rig.control("message", json!({"appid": OFFICIAL, "openid": openid, "text": "x"})).await;
    }
}

// "end_date at most yesterday", "the difference is less than the longest span".
#[tokio::test]
async fn spans_are_as_long_as_each_page_says_and_end_yesterday() {
    let rig = Rig::start().await;
    let spans = [
        ("getusersummary", 7),
        ("getusercumulate", 7),
        ("getarticlesummary", 1),
        ("getarticletotal", 1),
        ("getuserread", 3),
        ("getuserreadhour", 1),
        ("getusershare", 7),
        ("getusersharehour", 1),
        ("getupstreammsg", 7),
        ("getupstreammsghour", 1),
        ("getupstreammsgweek", 30),
        ("getupstreammsgmonth", 30),
        ("getupstreammsgdist", 15),
        ("getupstreammsgdistweek", 30),
        ("getupstreammsgdistmonth", 30),
        ("getinterfacesummary", 30),
        ("getinterfacesummaryhour", 1),
    ];
    for (name, most) in spans {
        let first = |days: u32| format!("2025-12-{:02}", 32 - days);
        assert!(ask(&rig, name, &first(most), "2025-12-31").await["list"].is_array(), "{name}");
        let body = |first: String, last: &str| json!({"begin_date": first, "end_date": last});
        for (body, expected) in [
            (body(first(most + 1), "2025-12-31"), 61501),
            (body("2026-01-02".to_owned(), "2026-01-02"), 61501),
            (body("2025-12-31".to_owned(), "2025-12-30"), 61501),
            (body("2025-12-32".to_owned(), "2025-12-31"), 61500),
            (body("20251231".to_owned(), "2025-12-31"), 61500),
            (json!({"begin_date": "2025-12-31"}), 47001),
        ] {
            let reply = rig.call(OFFICIAL, &format!("/datacube/{name}"), body.clone()).await;
            assert_eq!(refused(&reply), expected, "{name} {body}");
        }
        let body = body(first(1), "2025-12-31");
        assert_eq!(refused(&rig.call(MINI, &format!("/datacube/{name}"), body).await), 48001);
    }
}

#[tokio::test]
async fn followers_who_came_and_went() {
    let rig = Rig::start().await;
    // One is there from the start; three more come, of whom one leaves the same day and one the day after.
    let body = json!({"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "a"}}});
    let ticket = rig.call(OFFICIAL, "/cgi-bin/qrcode/create", body).await.json()["ticket"].clone();
    let scanned = rig.user(OFFICIAL).await;
    rig.control("scan", json!({"ticket": ticket, "openid": scanned})).await;
    rig.control("scan", json!({"ticket": ticket, "openid": scanned})).await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": one})).await;
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": one})).await;
    rig.advance(86_400).await;
    rig.control("unfollow", json!({"appid": OFFICIAL, "openid": scanned})).await;
    rig.advance(86_400).await;
    let row = |date: &str, source: u32, new: u32, gone: u32| json!({"ref_date": date, "user_source": source, "new_user": new, "cancel_user": gone});
    assert_eq!(
        ask(&rig, "getusersummary", "2026-01-01", "2026-01-03").await["list"],
        json!([
            row("2026-01-01", 0, 0, 0),
            row("2026-01-02", 0, 0, 0),
            row("2026-01-02", 1, 2, 1),
            row("2026-01-02", 30, 1, 0),
            row("2026-01-03", 0, 0, 0),
            row("2026-01-03", 30, 0, 1),
        ]),
        "a second scan and a second leave are no news"
    );
    let total = |date: &str, users: u32| json!({"ref_date": date, "user_source": 0, "cumulate_user": users});
    assert_eq!(
        ask(&rig, "getusercumulate", "2026-01-01", "2026-01-03").await["list"],
        json!([total("2026-01-01", 1), total("2026-01-02", 3), total("2026-01-03", 2)])
    );
    let elsewhere = rig
        .call(
            EXAMPLE,
            "/datacube/getusersummary",
            json!({"begin_date": "2026-01-02", "end_date": "2026-01-02"}),
        )
        .await;
    assert_eq!(elsewhere.json()["list"], json!([row("2026-01-02", 0, 0, 0)]));
    assert!(!other.is_empty());
}

#[tokio::test]
async fn messages_by_day_hour_week_month_and_number() {
    let rig = Rig::start().await;
    let (one, other) = (rig.follower(OFFICIAL).await, rig.follower(OFFICIAL).await);
    write(&rig, &one, 6).await;
    write(&rig, &other, 1).await;
    let voice = json!({"appid": OFFICIAL, "openid": one, "message": {"MsgType": "voice", "MediaId": "x"}});
    rig.control("push", voice).await;
    rig.control("event", json!({"appid": OFFICIAL, "openid": one, "event": "CLICK", "key": "k"})).await;
    rig.advance(86_400 - 8 * 3600).await;
    write(&rig, &one, 5).await;
    rig.advance(4 * 86_400).await;
    let row = |date: &str, kind: u32, users: u32, count: u32| json!({"ref_date": date, "user_source": 0, "msg_type": kind, "msg_user": users, "msg_count": count});
    assert_eq!(
        ask(&rig, "getupstreammsg", "2026-01-01", "2026-01-06").await["list"],
        json!([row("2026-01-02", 1, 2, 7), row("2026-01-02", 3, 1, 1), row("2026-01-03", 1, 1, 5)])
    );
    let mut hour = row("2026-01-02", 3, 1, 1);
    hour["ref_hour"] = json!(1500);
    assert_eq!(ask(&rig, "getupstreammsghour", "2026-01-02", "2026-01-02").await["list"][1], hour);
    // Both days are of the week of 29 December, and of January.
    assert_eq!(
        ask(&rig, "getupstreammsgweek", "2026-01-02", "2026-01-06").await["list"],
        json!([row("2025-12-29", 1, 2, 12), row("2025-12-29", 3, 1, 1)])
    );
    assert_eq!(
        ask(&rig, "getupstreammsgmonth", "2026-01-02", "2026-01-06").await["list"][0],
        row("2026-01-01", 1, 2, 12)
    );
    let spread = |date: &str, interval: u32, users: u32| json!({"ref_date": date, "user_source": 0, "count_interval": interval, "msg_user": users});
    assert_eq!(
        ask(&rig, "getupstreammsgdist", "2026-01-02", "2026-01-06").await["list"],
        json!([spread("2026-01-02", 1, 1), spread("2026-01-02", 2, 1), spread("2026-01-03", 1, 1)])
    );
    assert_eq!(
        ask(&rig, "getupstreammsgdistmonth", "2026-01-02", "2026-01-06").await["list"],
        json!([spread("2026-01-01", 1, 1), spread("2026-01-01", 3, 1)])
    );
}

#[tokio::test]
async fn callbacks_that_were_made_and_failed() {
    let rig = Rig::start().await;
    let receiver = Receiver::start().await;
    rig.control("callback", json!({"appid": OFFICIAL, "url": receiver.url, "mode": "plain"})).await;
    let openid = rig.follower(OFFICIAL).await;
    receiver.answers(|_, _| (200, "success".to_owned(), Duration::from_millis(30)));
    write(&rig, &openid, 2).await;
    receiver.answers(|_, _| (500, String::new(), Duration::ZERO));
    write(&rig, &openid, 1).await;
    rig.advance(86_400).await;
    let days = ask(&rig, "getinterfacesummary", "2026-01-01", "2026-01-02").await["list"].clone();
    let day = &days[0];
    assert_eq!((&day["ref_date"], days.as_array().unwrap().len()), (&json!("2026-01-02"), 1));
    assert_eq!((&day["callback_count"], &day["fail_count"]), (&json!(4), &json!(1)));
    let (total, longest) = (day["total_time_cost"].as_u64().unwrap(), day["max_time_cost"].as_u64().unwrap());
    assert!((30..=total / 2 + 15).contains(&longest) && total >= 60, "{day}");
    let hours = ask(&rig, "getinterfacesummaryhour", "2026-01-02", "2026-01-02").await["list"].clone();
    assert_eq!((&hours[0]["ref_hour"], &hours[0]["callback_count"]), (&json!(1500), &json!(4)));
}

// "Ask for the day before after 8": what comes earlier is a switch.
#[tokio::test]
async fn yesterdays_figures_may_not_be_ready_before_eight() {
    let rig = Rig::start().await;
    rig.advance(16 * 3600 + 1800 - 1).await;
    rig.control("quirks", json!({"datacube_before_8": "61503"})).await;
    let body = json!({"begin_date": "2026-01-02", "end_date": "2026-01-02"});
    let ask = async || rig.call(OFFICIAL, "/datacube/getusersummary", body.clone()).await;
    assert_eq!(refused(&ask().await), 61503);
    rig.control("quirks", json!({"datacube_before_8": "ready"})).await;
    assert!(ask().await.json()["list"].is_array());
    rig.control("quirks", json!({"datacube_before_8": "61503"})).await;
    rig.advance(1).await;
    assert!(ask().await.json()["list"].is_array(), "eight o'clock");
}

// getarticletotal: the articles that went to many on a day, and day by day up to yesterday who got and who read them.
#[tokio::test]
async fn figures_of_articles_are_of_what_was_sent_to_many() {
    let rig = Rig::start().await;
    rig.follower(OFFICIAL).await;
    let picture = crate::materials::picture(&rig, OFFICIAL).await;
    let article = json!({"title": "甲", "content": "x", "thumb_media_id": picture});
    let draft =
        rig.call(OFFICIAL, "/cgi-bin/draft/add", json!({"articles": [article, article]})).await.json();
    let sent = json!({"filter": {"is_to_all": true}, "mpnews": {"media_id": draft["media_id"]}, "msgtype": "mpnews"});
    let sent = rig.call(OFFICIAL, "/cgi-bin/message/mass/sendall", sent).await.json();
    assert_eq!(sent["errcode"], 0, "{sent}");
    let ask = async |path: &str, date: &str| {
        let body = json!({"begin_date": date, "end_date": date});
        rig.call(OFFICIAL, &format!("/datacube/{path}"), body).await.json()["list"].clone()
    };
    rig.advance(2 * 86_400).await;
    let list = ask("getarticletotal", "2026-01-02").await;
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list[1]["msgid"], format!("{}_2", sent["msg_data_id"]));
    assert_eq!((&list[1]["ref_date"], &list[1]["title"]), (&json!("2026-01-02"), &json!("甲")));
    let details = list[1]["details"].as_array().unwrap();
    assert_eq!(details.len(), 2, "the day itself and the next: {list}");
    // Hui and the follower.
    assert_eq!((&details[1]["stat_date"], &details[1]["target_user"]), (&json!("2026-01-03"), &json!(2)));
    assert_eq!((&details[1]["int_page_read_count"], &details[1]["add_to_fav_user"]), (&json!(0), &json!(0)));
    assert_eq!(ask("getarticletotal", "2026-01-01").await, json!([]));
    assert_eq!(ask("getarticlesummary", "2026-01-02").await, json!([]), "nobody read it");
    rig.advance(30 * 86_400).await;
    assert_eq!(ask("getarticletotal", "2026-01-02").await[0]["details"].as_array().unwrap().len(), 7);
}
