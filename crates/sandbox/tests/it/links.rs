//! Mini programs: their pages, the codes of limited number, the links that open them.
//!
//! What WeChat does is from the official pages under `miniprogram/dev/server/API/qrcode-link`.

use crate::rig::{MINI, OFFICIAL, Reply, Rig, START, errcode, refused, scan, secret};
use serde_json::{Value, json};

const CODE: &str = "/wxa/getwxacode";
const SQUARE: &str = "/cgi-bin/wxaapp/createwxaqrcode";
const SCHEME: &str = "/wxa/generatescheme";
const NFC: &str = "/wxa/generatenfcscheme";
const URL_LINK: &str = "/wxa/generate_urllink";
const SHORT: &str = "/wxa/genwxashortlink";
const QUERY_SCHEME: &str = "/wxa/queryscheme";
const QUERY_URL_LINK: &str = "/wxa/query_urllink";
const NOW: i64 = START / 1000;
const DAY: i64 = 86_400;

async fn pages(rig: &Rig, pages: Value) {
    let app = json!({"appid": MINI, "secret": secret(MINI), "kind": "mini", "pages": pages});
    assert_eq!(rig.control("apps", app).await["pages"], pages);
}

fn member(reply: &Reply, name: &str) -> String {
    let body = reply.json();
    assert_eq!((&body["errcode"], &body["errmsg"]), (&json!(0), &json!("ok")), "{body}");
    body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

#[tokio::test]
async fn a_page_that_an_account_is_given_is_one_everywhere() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let asked = async || {
        let unlimited = json!({"scene": "a", "page": "pages/shop/item"});
        let short = json!({"page_url": "pages/shop/item?id=1"});
        [
            refused(&rig.call(MINI, SCHEME, json!({"jump_wxa": {"path": "pages/shop/item"}})).await),
            refused(&rig.call(MINI, URL_LINK, json!({"path": "pages/shop/item"})).await),
            refused(&rig.call(MINI, SHORT, short).await),
            refused(&rig.call(MINI, "/wxa/getwxacodeunlimit", unlimited).await),
        ]
    };
    assert_eq!(asked().await, [40165, 40165, 40066, 41030], "only pages/index/index from the start");
    let sent = json!({"touser": openid, "page": "pages/shop/item?id=1", "template_id": "", "data": {}});
    assert_eq!(refused(&rig.call(MINI, "/cgi-bin/message/subscribe/send", sent.clone()).await), 41030);

    pages(&rig, json!(["pages/home/home", "pages/shop/item"])).await;
    assert_eq!(errcode(&rig.call(MINI, URL_LINK, json!({"path": "pages/shop/item"})).await), 0);
    assert_eq!(errcode(&rig.call(MINI, SHORT, json!({"page_url": "pages/shop/item?id=1"})).await), 0);
    assert_ne!(errcode(&rig.call(MINI, "/cgi-bin/message/subscribe/send", sent).await), 41030);
    let picture = rig.call(MINI, "/wxa/getwxacodeunlimit", json!({"scene": "a"})).await;
    assert!(scan(&picture.body).contains("page=pages%2Fhome%2Fhome"), "the first is the home page");
    let gone = json!({"scene": "a", "page": "pages/index/index"});
    assert_eq!(refused(&rig.call(MINI, "/wxa/getwxacodeunlimit", gone).await), 41030);

    pages(&rig, json!([])).await;
    assert_eq!(refused(&rig.call(MINI, SCHEME, json!({})).await), 85079, "nothing is published");
    for wrong in [json!(["/pages/a"]), json!(["pages/a?b=1"]), json!([""])] {
        let app = json!({"appid": MINI, "secret": "s", "kind": "mini", "pages": wrong});
        assert_eq!(rig.post("/sandbox/apps", app).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn codes_of_limited_number_are_jpeg_and_open_any_path() {
    let rig = Rig::start().await;
    let path = "pages/nowhere/x?id=1&name=%E4%B8%AD";
    let reply = rig.call(MINI, CODE, json!({"path": path, "width": 300, "env_version": "trial"})).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "image/jpeg"));
    assert_eq!(image::guess_format(&reply.body).unwrap(), image::ImageFormat::Jpeg);
    let text = scan(&reply.body);
    assert!(text.contains("path=pages%2Fnowhere%2Fx%3Fid%3D1%26name%3D%25E4%25B8%25AD"), "{text}");
    assert!(text.ends_with("env_version=trial"), "{text}");
    let square = rig.call(MINI, SQUARE, json!({"path": "?foo=bar"})).await;
    assert_eq!(square.header("content-type"), "image/jpeg");
    assert_eq!(image::load_from_memory(&square.body).unwrap().width(), 430);

    for (body, code) in [
        (json!({}), 40159),
        (json!({"path": ""}), 40159),
        (json!({"path": 1}), 40159),
        (json!({"path": "x".repeat(1025)}), 40159),
        (json!({"path": "a?scancode_time=1"}), 85096),
        (json!({"path": "a", "env_version": "beta"}), 40097),
        (json!({"path": "a", "width": "wide"}), 40097),
    ] {
        assert_eq!(refused(&rig.call(MINI, CODE, body.clone()).await), code, "{body}");
    }
    assert_eq!(
        rig.call(MINI, CODE, json!({"path": "x".repeat(1024)})).await.header("content-type"),
        "image/jpeg"
    );
    assert_eq!(refused(&rig.call(MINI, SQUARE, json!({"path": "x".repeat(129)})).await), 40159);
    assert_eq!(refused(&rig.call(OFFICIAL, CODE, json!({"path": "a"})).await), 45063);
}

#[tokio::test]
async fn both_kinds_of_codes_count_together_and_for_good() {
    let rig = Rig::start().await;
    rig.control("quota", json!({"appid": MINI, "api": CODE, "limit": 2})).await;
    assert_eq!(refused(&rig.call(MINI, CODE, json!({"path": ""})).await), 40159, "counts nothing");
    for path in [CODE, SQUARE] {
        assert_eq!(rig.call(MINI, path, json!({"path": "a"})).await.header("content-type"), "image/jpeg");
    }
    for path in [CODE, SQUARE] {
        assert_eq!(refused(&rig.call(MINI, path, json!({"path": "a"})).await), 45029);
    }
    let cleared = rig.call(MINI, "/cgi-bin/clear_quota", json!({"appid": MINI})).await;
    assert_eq!(errcode(&cleared), 0);
    rig.advance(400 * DAY).await;
    assert_eq!(refused(&rig.call(MINI, CODE, json!({"path": "a"})).await), 45029);
}

#[tokio::test]
async fn a_scheme_opens_what_it_was_made_for() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let jump = json!({"path": "/pages/index/index", "query": "a=1&b=%E4%B8%AD", "env_version": "trial"});
    let body = json!({"jump_wxa": jump, "expire_type": 0, "expire_time": NOW + DAY});
    let link = member(&rig.call(MINI, SCHEME, body).await, "openlink");
    assert!(link.starts_with("weixin://dl/business/?t=") && link.len() == 35, "{link}");

    let info = rig.call(MINI, QUERY_SCHEME, json!({"scheme": link, "query_type": 0})).await.json();
    let expected = json!({
        "appid": MINI, "path": "/pages/index/index", "query": "a=1&b=%E4%B8%AD",
        "create_time": NOW, "expire_time": NOW + DAY, "env_version": "trial",
    });
    assert_eq!(info, json!({"errcode": 0, "errmsg": "ok", "scheme_info": expected}));
    // What a developer hangs on it goes before: the first example of the page.
    let hung = json!({"scheme": format!("{link}&cq=a%3Dhello")});
    assert_eq!(rig.call(MINI, QUERY_SCHEME, hung).await.json()["scheme_info"]["query"], "a=hello");

    let opened = rig.control("open", json!({"link": link, "openid": openid})).await;
    assert_eq!(opened["path"], "/pages/index/index");
    assert_eq!(rig.state().await["links"][0]["visits"], 1);
    let left = rig.call(MINI, QUERY_SCHEME, json!({"query_type": 1})).await.json();
    assert_eq!(left["quota_info"]["remain_visit_quota"], 2_999_999);
    assert_eq!(left.get("scheme_info"), None);

    rig.advance(DAY).await;
    assert_eq!(refused(&rig.call(MINI, QUERY_SCHEME, json!({"scheme": link})).await), 85403);
    assert_eq!(rig.post("/sandbox/open", json!({"link": link, "openid": openid})).await.status, 400);
    assert_eq!(
        rig.call(MINI, QUERY_SCHEME, json!({"query_type": 1})).await.json()["quota_info"]["remain_visit_quota"],
        3_000_000
    );
}

#[tokio::test]
async fn schemes_written_by_hand_are_understood() {
    let rig = Rig::start().await;
    let ask = async |scheme: String| rig.call(MINI, QUERY_SCHEME, json!({"scheme": scheme})).await;
    let plain = |appid: &str, rest: &str| format!("weixin://dl/business/?appid={appid}{rest}");
    let info = ask(plain(MINI, "&path=pages/index/index&query=a=1&b=2&env_version=release")).await.json();
    // The page's answer to a plain scheme: without times.
    let expected =
        json!({"appid": MINI, "path": "pages/index/index", "query": "a=1&b=2", "env_version": "release"});
    assert_eq!(info["scheme_info"], expected);
    for (scheme, code) in [
        (plain("wx1", "&path=pages/index/index"), 85405),
        (plain(MINI, "&path=pages/no"), 40165),
        (plain(MINI, "&path=pages/index/index&query=中"), 40212),
        (plain(MINI, "&path=pages/index/index&env_version=x"), 85402),
        ("weixin://dl/business/?t=XTSkBZlzqmn".to_owned(), 85403),
        (String::new(), 85403),
    ] {
        assert_eq!(refused(&ask(scheme.clone()).await), code, "{scheme}");
    }
    assert_eq!(refused(&rig.call(MINI, QUERY_SCHEME, json!({"query_type": 2})).await), 40097);
}

#[tokio::test]
async fn a_url_link_lives_thirty_days_at_most() {
    let rig = Rig::start().await;
    let link = member(&rig.call(MINI, URL_LINK, json!({})).await, "url_link");
    assert!(link.starts_with("https://wxaurl.cn/") && link.len() == 29, "{link}");
    let ask = async |link: String| rig.call(MINI, QUERY_URL_LINK, json!({"url_link": link})).await;
    let info = ask(link.clone()).await.json()["url_link_info"].clone();
    assert_eq!(
        (&info["path"], &info["query"], &info["env_version"]),
        (&json!(""), &json!(""), &json!("release"))
    );
    assert_eq!(info["expire_time"], NOW + 30 * DAY);
    // "doamin" as in the page's answer.
    assert_eq!(
        info["cloud_base"],
        json!({"env": "", "doamin": "", "path": "", "query": "", "resource_appid": ""})
    );
    assert_eq!(ask(format!("{link}?cq=a%3Dhello")).await.json()["url_link_info"]["query"], "a=hello");

    for (body, code) in [
        (json!({"path": "pages/no"}), 40165),
        (json!({"path": "pages/index/index?a=1"}), 40165),
        (json!({"path": 1}), 40165),
        (json!({"query": "a=中"}), 40212),
        (json!({"query": "a".repeat(1025)}), 40212),
        (json!({"env_version": "beta"}), 85402),
        (json!({"expire_type": 0, "expire_time": NOW + 30}), 85401),
        (json!({"expire_type": 0, "expire_time": NOW + 31 * DAY}), 85401),
        (json!({"expire_type": 1, "expire_interval": 31}), 85401),
        (json!({"is_expire": true}), 85401),
    ] {
        assert_eq!(refused(&rig.call(MINI, URL_LINK, body.clone()).await), code, "{body}");
    }
    assert_eq!(refused(&rig.call(OFFICIAL, URL_LINK, json!({})).await), 48001);
    let cloud = json!({"cloud_base": {"env": "e1", "domain": "d"}, "expire_type": 1, "expire_interval": 1});
    let other = member(&rig.call(MINI, URL_LINK, cloud).await, "url_link");
    let info = ask(other.clone()).await.json()["url_link_info"].clone();
    assert_eq!((&info["cloud_base"]["env"], &info["cloud_base"]["doamin"]), (&json!("e1"), &json!("d")));
    rig.advance(DAY).await;
    assert_eq!(refused(&ask(other).await), 85403);
    assert_eq!(errcode(&ask(link).await), 0);
    let scheme = member(&rig.call(MINI, SCHEME, json!({})).await, "openlink");
    assert_eq!(refused(&ask(scheme).await), 85403, "a scheme is no URL link");
    let app = json!({"appid": "wxmini2", "secret": secret("wxmini2"), "kind": "mini"});
    rig.control("apps", app).await;
    let theirs = member(&rig.call("wxmini2", URL_LINK, json!({})).await, "url_link");
    assert_eq!(refused(&ask(theirs).await), 85403, "another account's");
}

#[tokio::test]
async fn links_have_limits_of_a_second_and_of_a_day() {
    let rig = Rig::start().await;
    for _ in 0..100 {
        assert_eq!(errcode(&rig.call(MINI, URL_LINK, json!({})).await), 0);
    }
    let reply = rig.call(MINI, URL_LINK, json!({})).await;
    assert_eq!(refused(&reply), 44990);
    let words = reply.json()["errmsg"].as_str().unwrap().to_owned();
    assert!(words.starts_with("reach max api second frequence limit rid: "), "{words}");
    assert_eq!(errcode(&rig.call(MINI, SCHEME, json!({})).await), 0, "each has its own second");
    rig.advance(1).await;
    assert_eq!(errcode(&rig.call(MINI, URL_LINK, json!({})).await), 0);

    rig.control("quota", json!({"appid": MINI, "api": URL_LINK, "limit": 102})).await;
    for path in [URL_LINK, SCHEME] {
        let reply = rig.call(MINI, path, json!({})).await;
        assert_eq!(refused(&reply), 44993, "schemes and URL links together");
        assert!(reply.json()["errmsg"].as_str().unwrap().starts_with("reach max api day frequence limit"));
    }
    rig.advance(DAY).await;
    assert_eq!(errcode(&rig.call(MINI, URL_LINK, json!({})).await), 0);
}

#[tokio::test]
async fn a_tags_scheme_never_ends() {
    let rig = Rig::start().await;
    assert_eq!(refused(&rig.call(MINI, NFC, json!({})).await), 9_800_003);
    let link = member(&rig.call(MINI, NFC, json!({"model_id": "m1", "sn": "s1"})).await, "openlink");
    rig.advance(400 * DAY).await;
    let info = rig.call(MINI, QUERY_SCHEME, json!({"scheme": link})).await.json();
    assert_eq!(info["scheme_info"]["expire_time"], 0);
}

#[tokio::test]
async fn short_links_carry_title_and_query() {
    let rig = Rig::start().await;
    let openid = rig.user(MINI).await;
    let body =
        json!({"page_url": "pages/index/index?id=1", "page_title": "题".repeat(21), "is_permanent": true});
    let link = member(&rig.call(MINI, SHORT, body).await, "link");
    assert!(link.starts_with("#小程序://") && link.contains(&format!("{}...", "题".repeat(20))), "{link}");
    let opened = rig.control("open", json!({"link": link, "openid": openid})).await;
    assert_eq!((&opened["path"], &opened["query"]), (&json!("pages/index/index"), &json!("id=1")));
    let passing = member(&rig.call(MINI, SHORT, json!({"page_url": "pages/index/index"})).await, "link");
    rig.advance(30 * DAY).await;
    assert_eq!(rig.post("/sandbox/open", json!({"link": passing, "openid": openid})).await.status, 400);
    assert_eq!(rig.control("open", json!({"link": link, "openid": openid})).await["appid"], MINI);
    for (body, code) in [
        (json!({}), 40066),
        (json!({"page_url": "pages/no"}), 40066),
        (json!({"page_url": "pages/index/index", "page_title": 1}), 40225),
        (json!({"page_url": "pages/index/index", "page_title": "sandbox-risky"}), 40225),
        (json!({"page_url": "pages/index/index", "is_permanent": "yes"}), 47001),
    ] {
        assert_eq!(refused(&rig.call(MINI, SHORT, body.clone()).await), code, "{body}");
    }
}
