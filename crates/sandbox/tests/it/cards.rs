//! What the phone shows of cards, articles and their pictures, and what its page needs for it.

use crate::rig::{DECLARED, MINI, OFFICIAL, Reply, Rig, SUBSCRIPTION, TEMPLATE, errcode, png};
use http::Method;
use serde_json::{Value, json};

/// The openid of the user who is there from the start.
async fn first(rig: &Rig, appid: &str) -> String {
    let chat = chat(rig, appid).await;
    chat["openid"].as_str().unwrap().to_owned()
}

async fn chat(rig: &Rig, appid: &str) -> Value {
    let phone = rig.get("/sandbox/chats?user=u1").await.json();
    phone["chats"].as_array().unwrap().iter().find(|chat| chat["appid"] == appid).unwrap().clone()
}

async fn last_line(rig: &Rig, appid: &str) -> Value {
    chat(rig, appid).await["lines"].as_array().unwrap().last().unwrap().clone()
}

fn html(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// template/send: `url`, `miniprogram`; subscribe/send: `page`; template/subscribe: `title` (their official pages).
#[tokio::test]
async fn a_card_says_what_a_tap_opens() {
    let rig = Rig::start().await;
    let openid = first(&rig, OFFICIAL).await;
    let send = async |more: Value| {
        let mut body =
            json!({"touser": openid, "template_id": TEMPLATE, "data": {"keyword1": {"value": "x"}}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sent = rig.call(OFFICIAL, "/cgi-bin/message/template/send", body).await;
        assert_eq!(errcode(&sent), 0, "{sent:?}");
        last_line(&rig, OFFICIAL).await
    };
    assert!(send(json!({})).await.get("opens").is_none(), "nothing to open");
    let mini = json!({"appid": MINI, "pagepath": "pages/index/index?id=1"});
    let line = send(json!({"url": "http://a.example/1", "miniprogram": mini})).await;
    assert_eq!(line["opens"], json!({"url": "http://a.example/1", "miniprogram": mini}));
    assert_eq!(line["message"], json!({"keyword1": {"value": "x"}}), "the keywords are no less");
    let openid = first(&rig, MINI).await;
    rig.control(
        "subscribe",
        json!({"appid": MINI, "openid": openid, "template_id": SUBSCRIPTION, "count": 1}),
    )
    .await;
    let data = json!({"thing1": {"value": "奶茶"}, "time2": {"value": "2026年1月2日 15:30"}});
    let body =
        json!({"touser": openid, "template_id": SUBSCRIPTION, "page": "pages/index/index", "data": data});
    assert_eq!(errcode(&rig.call(MINI, "/cgi-bin/message/subscribe/send", body).await), 0);
    assert_eq!(last_line(&rig, MINI).await["opens"], json!({"page": "pages/index/index"}));
    // The contract's list of what was sent has no more members for it.
    let sent = rig.state().await["messages"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(sent, ["appid", "path", "touser", "template_id", "data", "msgid"]);
}

#[tokio::test]
async fn templates_are_listed_with_what_a_user_still_allows() {
    let rig = Rig::start().await;
    let openid = first(&rig, MINI).await;
    let left = async || {
        let list = rig.get(&format!("/sandbox/templates?appid={MINI}&openid={openid}")).await.json();
        let list = list["templates"].as_array().unwrap().clone();
        list.iter().find(|one| one["template_id"] == SUBSCRIPTION).unwrap()["left"].clone()
    };
    assert_eq!(left().await, 0);
    let list = json!([{"template_id": SUBSCRIPTION, "status": "accept"}]);
    let event = json!({"appid": MINI, "openid": openid, "event": "subscribe_msg_popup_event", "list": list});
    rig.control("event", event.clone()).await;
    rig.control("event", event).await;
    assert_eq!(left().await, 2);
    let list = json!([{"template_id": SUBSCRIPTION, "status": "reject"}]);
    rig.control(
        "event",
        json!({"appid": MINI, "openid": openid, "event": "subscribe_msg_change_event", "list": list}),
    )
    .await;
    assert_eq!(left().await, 0);
    let openid = first(&rig, OFFICIAL).await;
    let all = rig.get(&format!("/sandbox/templates?appid={OFFICIAL}&openid={openid}")).await.json();
    let declared = all["templates"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["template_id"] == DECLARED)
        .unwrap()
        .clone();
    assert_eq!((&declared["title"], &declared["purpose"]), (&json!("订单通知"), &json!("message")));
    assert_eq!(rig.get(&format!("/sandbox/templates?appid={OFFICIAL}&openid=oNobody")).await.status, 400);
}

/// A cover, and a draft whose content holds a picture for articles, a script and a form.
async fn draft(rig: &Rig) -> (String, String) {
    let cover = rig.upload(OFFICIAL, "/cgi-bin/material/add_material", "media", "a.png", &png(3, 3)).await;
    assert_eq!(errcode(&cover), 40004, "without a type");
    let cover = rig.upload(OFFICIAL, "/cgi-bin/media/uploadimg", "media", "a.png", &png(5, 5)).await.json();
    let picture = cover["url"].as_str().unwrap().to_owned();
    let (token, _) = rig.stable(OFFICIAL, false).await;
    let body = [
        &b"--B1\r\nContent-Disposition: form-data; name=\"media\"; filename=\"c.png\"\r\nContent-Type: image/png\r\n\r\n"[..],
        &png(4, 4),
        b"\r\n--B1--\r\n",
    ]
    .concat();
    let path = format!("/cgi-bin/material/add_material?access_token={token}&type=image");
    let headers = [("content-type", "multipart/form-data; boundary=B1")];
    let kept = rig.send(Method::POST, &path, &headers, body).await.unwrap().json();
    let content = format!(
        "<p style=\"color:red\">正文</p><img src=\"{picture}\"><script>evil()</script>\
         <a href=\"https://open.weixin.qq.com/connect/oauth2/authorize?appid=x\">去</a>"
    );
    let article = json!({
        "title": "<b>题目", "author": "作者", "content": content, "thumb_media_id": kept["media_id"],
        "content_source_url": "https://example.com/?a=1&b=2",
    });
    let made = rig.call(OFFICIAL, "/cgi-bin/draft/add", json!({"articles": [article]})).await.json();
    (made["media_id"].as_str().unwrap().to_owned(), picture)
}

#[tokio::test]
async fn an_article_is_a_page_in_which_nothing_runs() {
    let rig = Rig::start().await;
    let (media_id, picture) = draft(&rig).await;
    let got = rig.call(OFFICIAL, "/cgi-bin/draft/get", json!({"media_id": media_id})).await.json();
    let local =
        |url: &Value| url.as_str().unwrap().strip_prefix("http://mp.weixin.qq.com").unwrap().to_owned();
    let preview = rig.get(&local(&got["news_item"][0]["url"])).await;
    assert!(html(&preview).contains("草稿预览") && html(&preview).contains("正文"));
    let sent = rig.call(OFFICIAL, "/cgi-bin/freepublish/submit", json!({"media_id": media_id})).await.json();
    let status =
        rig.call(OFFICIAL, "/cgi-bin/freepublish/get", json!({"publish_id": sent["publish_id"]})).await;
    let status = status.json();
    let url = local(&status["article_detail"]["item"][0]["article_url"]);
    let page = rig.get(&url).await;
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "sandbox allow-popups", "form-action 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("allow-scripts"), "{policy}");
    let html = html(&page);
    for part in ["&lt;b&gt;题目", "作者", "沙箱公众号", "2026-01-02", "color:red", "阅读原文", "a=1&amp;b=2"]
    {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("<script") && !html.contains("草稿预览"), "{html}");
    assert!(
        !html.contains("mmbiz.qpic.cn") && !html.contains("open.weixin.qq.com"),
        "all of it here: {html}"
    );
    assert!(html.contains("href=\"/connect/oauth2/authorize?appid=x\""));
    // A picture of the article's is the sandbox's own copy, in any size.
    let path = picture.strip_prefix("http://mmbiz.qpic.cn").unwrap();
    assert!(html.contains(&format!("src=\"{path}")), "{html}");
    let shown = rig.get(path).await;
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/png"));
    assert_eq!(shown.body, png(5, 5));
    assert_eq!(rig.get(&path.replace("/0?wx_fmt=png", "/640")).await.body, png(5, 5));
    assert_eq!(rig.get("/mmbiz_png/nothing/0").await.status, 404);
    // Deleted, and never written.
    rig.call(OFFICIAL, "/cgi-bin/freepublish/delete", json!({"article_id": status["article_id"]})).await;
    assert!(self::html(&rig.get(&url).await).contains("该内容已被发布者删除"));
    assert_eq!(rig.get("/s/nothing").await.status, 404);
}

#[tokio::test]
async fn a_cover_is_shown_from_its_address() {
    let rig = Rig::start().await;
    draft(&rig).await;
    let list = rig
        .call(
            OFFICIAL,
            "/cgi-bin/material/batchget_material",
            json!({"type": "image", "offset": 0, "count": 1}),
        )
        .await
        .json();
    let url = list["item"][0]["url"].as_str().unwrap();
    let shown = rig.get(url.strip_prefix("http://mmbiz.qpic.cn").unwrap()).await;
    assert_eq!((shown.status, shown.body.to_vec()), (200, png(4, 4)));
}

/// A page that a phone opens knows whose phone it is: it asks nobody else, whatever a cookie remembers.
#[tokio::test]
async fn the_one_who_holds_the_phone_is_the_one_who_is_asked() {
    let rig = Rig::start().await;
    rig.control("users", json!({"nickname": "小雨"})).await;
    let link = |scope: &str, more: &str| {
        format!(
            "/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code\
             &scope={scope}&state=x{more}"
        )
    };
    let page = html(&rig.get(&link("snsapi_userinfo", "&sandbox_holder=u2")).await);
    assert!(page.contains("小雨") && !page.contains("Hui🐠"), "{page}");
    assert!(page.contains("沙箱公众号") && page.contains("Sandbox Official") && page.contains(OFFICIAL));
    assert!(!page.contains("sandbox_holder"), "a choice says who by itself: {page}");
    let page = html(&rig.get(&link("snsapi_userinfo", "&sandbox_holder=nobody")).await);
    assert!(page.contains("小雨") && page.contains("Hui🐠"), "{page}");
    let cookie = [("cookie", "sandbox_user=u1")];
    let back = rig.send(Method::GET, &link("snsapi_base", "&sandbox_holder=u2"), &cookie, "").await.unwrap();
    assert_eq!(back.status, 302);
    assert!(back.header("set-cookie").starts_with("sandbox_user=u2;"), "{back:?}");
}

#[tokio::test]
async fn a_fault_of_every_path_hits_any_call_and_no_control_call() {
    let rig = Rig::start().await;
    let id = rig.control("fault", json!({"path": "*", "errcode": 45009, "times": 0})).await["id"].clone();
    for path in ["/cgi-bin/get_api_domain_ip", "/cgi-bin/nothing"] {
        assert_eq!(errcode(&rig.get(path).await), 45009, "{path}");
    }
    assert_eq!(rig.get("/sandbox/faults").await.json()["faults"][0]["path"], "*");
    let gone = rig.send(Method::DELETE, &format!("/sandbox/faults/{id}"), &[], "").await.unwrap();
    assert_eq!(gone.status, 200);
    assert_eq!(rig.verdict("nonsense").await, 40014);
    assert_eq!(rig.post("/sandbox/fault", json!({"path": "**", "errcode": 1})).await.status, 400);
}

#[tokio::test]
async fn the_page_is_told_every_path_that_is_simulated_and_which_programs_are_linked() {
    let rig = Rig::start().await;
    let facts = rig.get("/sandbox/facts").await.json();
    let paths = facts["paths"].as_array().unwrap();
    assert!(paths.contains(&json!("/cgi-bin/message/template/send")) && paths.len() > 100);
    assert!(paths.is_sorted_by_key(|path| path.as_str().unwrap().to_owned()));
    assert_eq!(facts["apps"][0]["linked"], json!([MINI]));
}
