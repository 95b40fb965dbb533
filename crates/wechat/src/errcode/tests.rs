//! What the table holds, and what is taken out of WeChat's words.

use super::*;

#[test]
fn table_ascends_and_every_row_is_whole() {
    let rows: Vec<&Entry> = table().collect();
    assert!(rows.windows(2).all(|w| w[0].code < w[1].code));
    for e in rows.into_iter().chain(table::AT.iter().map(|(_, row)| row)) {
        assert!(!e.text.is_empty() && !e.zh.is_empty() && !e.en.is_empty(), "{}", e.code);
        assert!(e.en.replace('→', "").is_ascii(), "{}", e.code);
        assert!(!e.zh.is_ascii() && !e.text.contains("rid:"), "{}", e.code);
        // What is wrong, and what to do: pages show them apart.
        let said = |parts: Option<(&str, &str)>| {
            parts.is_some_and(|(cause, fix)| !cause.is_empty() && !fix.is_empty())
        };
        assert!(said(e.zh.split_once('：')) && said(e.en.split_once(": ")), "{}", e.code);
    }
    assert_eq!(lookup(40001).map(|e| e.class), Some(Class::Token));
    assert_eq!(lookup(-1).map(|e| e.class), Some(Class::Busy));
    assert!(lookup(40000).is_none());
    assert_eq!(lookup(40125).map(|e| (e.text, e.official)), Some(("invalid appsecret", true)));
    assert_eq!(lookup(43107).map(|e| e.official), Some(false));
}

#[test]
fn what_users_meet_has_a_row() {
    let met = [
        40015..=40020,
        40023..=40028,
        40054..=40055,
        40119..=40121,
        65316..=65320,
        40031..=40032,
        45056..=45059,
        45157..=45159,
        40010..=40012,
        45083..=45084,
        48021..=48022,
        89503..=89507,
        53503..=53505,
        88000..=88010,
        65400..=65417,
        61500..=61501,
        101_000..=101_003,
        9_410_010..=9_410_012,
        268_487_001..=268_487_002,
    ];
    let single = [
        41007, 45010, 45171, 40092, 40118, 45162, 70000, 40130, 40152, 45062, 40114, 40155, 40227, 45166,
        53600, 63178, 63182, 63183, 45169, 61503,
    ];
    let missing: Vec<i64> =
        met.into_iter().flatten().chain(single).filter(|code| lookup(*code).is_none()).collect();
    assert_eq!(missing, Vec::<i64>::new());
    assert_eq!(lookup(268_487_123).map(|e| e.code), Some(268_487_000), "the family has a row");
    assert!(lookup(268_486_999).is_none() && lookup(268_488_000).is_none());
}

/// Code, a part of its words, a part of what it says in Chinese and in English.
const SAYS: &[(i64, &str, &str, &str)] = &[
    (40201, "invalid check url", "回调", "callback URL"),
    (40202, "invalid check action", "dns、ping、all", "dns, ping or all"),
    (40203, "invalid check operator", "CHINANET", "CHINANET"),
    (40247, "need new category template", "类目模板库", "category library"),
    (40003, "invalid openid", "没有关注", "follower"),
    (47001, "data format error", "缺少必填", "member is missing"),
    (50002, "user limited", "微信号", "WeChat account"),
    (40016, "invalid button size", "不要再套一层 menu", "without a menu"),
    (40027, "invalid sub button url size", "必须有 url", "needs one"),
    (45009, "reach max api daily quota limit", "当日", "day's quota"),
    (41030, "invalid page", "check_path", "check_path"),
    (45171, "some openid fail", "fail_openid_list", "fail_openid_list"),
    (40225, "invalid page title", "page_title", "page_title"),
    (85401, "time limit between 1min and 30days", "30 天", "30 days"),
    (85403, "not found", "不存在", "no such link"),
    (85406, "daily visit limit", "300 万", "3,000,000"),
    (101_002, "decode image failed", "解码", "decoded"),
];

/// Likewise at one path.
const SAYS_AT: &[(&str, i64, &str, &str)] = &[
    ("/cgi-bin/message/template/send", 40013, "没有与该账号关联", "isn't linked"),
    ("/cgi-bin/message/subscribe/send", 40013, "没有与该账号关联", "isn't linked"),
    ("/cgi-bin/message/subscribe/bizsend", 40013, "没有与该账号关联", "isn't linked"),
    ("/wxa/getwxacodeunlimit", 45009, "每分钟", "per minute"),
    ("/cgi-bin/message/subscribe/send", 41030, "已发布版本", "published version"),
    ("/cgi-bin/user/get", 45009, "当日", "day's quota"),
    ("/wxa/getwxacodeunlimit", 41030, "check_path", "check_path"),
    ("/cgi-bin/token", 40013, "大小写", "case and spaces"),
    ("/wxa/msg_sec_check", 61010, "近两小时", "two hours"),
    ("/wxa/media_check_async", 43104, "不是这个小程序", "isn't this mini program"),
    ("/wxa/media_check_async", 40004, "media_type", "media_type"),
    ("/cgi-bin/user/get", 61010, "授权码", "authorisation code"),
    ("/wxa/business/checkencryptedmsg", 1, "SHA-256", "SHA-256"),
];

#[test]
fn every_code_says_what_is_so() {
    for (code, text, zh, en) in SAYS {
        let row = lookup(*code).unwrap();
        assert!(row.text.contains(text) && row.zh.contains(zh) && row.en.contains(en), "{code}: {row:?}");
    }
    for (path, code, zh, en) in SAYS_AT {
        let row = lookup_at(path, *code).unwrap();
        assert!(row.zh.contains(zh) && row.en.contains(en), "{path} {code}: {row:?}");
    }
    let page = lookup_at("/cgi-bin/message/subscribe/send", 41030).unwrap();
    assert!(!page.zh.contains("check_path") && !page.en.contains("check_path"), "there is none");
}

#[test]
fn what_passes_by_itself() {
    let passing = |path| codes(|e| is_passing(path, e.code));
    let always = [44990, 45011, 45169, 61503, 268_487_001, 268_487_002];
    assert_eq!(passing("/cgi-bin/user/get"), always);
    assert_eq!(
        passing("/wxa/getwxacodeunlimit"),
        [44990, 45009, 45011, 45169, 61503, 268_487_001, 268_487_002]
    );
}

fn codes(which: impl Fn(&Entry) -> bool) -> Vec<i64> {
    table().filter(|e| which(e)).map(|e| e.code).collect()
}

#[test]
fn the_sets_are_those_of_the_table() {
    assert_eq!(codes(|e| is_dead_token(e.code)), [40001, 40014, 42001]);
    assert_eq!(codes(|e| e.class == Class::Token), [40001, 40014, 42001, 42009, 48012]);
    let account = codes(|e| is_account_error(e.code));
    assert_eq!(account[..8], [40013, 40125, 40164, 40243, 45035, 50004, 50007, 61004]);
    assert!(account[8..].iter().all(|code| code / 100 == 895), "{account:?}");
    assert!(codes(|e| is_account_error(e.code) && e.class != Class::Config).is_empty());
    assert_eq!(codes(|e| is_limit(e.code)), [44990, 45009, 45011]);
    for code in [-1, 0, 40000, 40003, 89499, 89600] {
        assert!(!is_dead_token(code) && !is_account_error(code) && !is_limit(code), "{code}");
    }
    // A code the table doesn't have yet.
    assert!(is_account_error(89599) && lookup(89599).is_none());
}

#[test]
fn rid_is_found_in_every_form() {
    let id = "61b9947b-4eeffea7-4f08b7a6";
    for tail in ["invalid openid rid: ", "invalid code, rid: ", "rid:", "rid: x rid:  "] {
        assert_eq!(rid(&format!("{tail}{id}")), Some(id), "{tail}");
    }
    assert_eq!(rid(&format!("a rid: {id}, more")), Some(id));
    for none in [
        "",
        "rid:",
        "invalid code hint: [IfdFrrMre-JPlAXa]",
        "rid: 61B9947B-4eeffea7-4f08b7a6",
        "rid: 61b9947b4-eeffea7-4f08b7a6",
        "rid: 汉字汉字汉字汉字汉字汉字",
    ] {
        assert_eq!(rid(none), None, "{none}");
    }
}

#[test]
fn refused_address_is_found() {
    let cases = [
        ("invalid ip 124.223.42.217 ipv6 ::ffff:124.223.42.217, not in whitelist rid: 0", "124.223.42.217"),
        ("invalid ip 1.2.3.4, not in whitelist", "1.2.3.4"),
        ("invalid ip 2408:4001::1, not in whitelist", "2408:4001::1"),
        ("invalid ip  ipv6 2408:4001::1, not in whitelist", "2408:4001::1"),
        ("access clientip is not registered requestIP: 47.107.99.226 rid: 0", "47.107.99.226"),
        ("access clientip is not registered requestIP: ::ffff:47.1.2.3", "::ffff:47.1.2.3"),
    ];
    for (errmsg, ip) in cases {
        assert_eq!(refused_ip(errmsg), Some(ip), "{errmsg}");
    }
    for none in ["", "invalid ip", "invalid ip 1.2.3, not", "requestIP: ；汉字", "invalid openid"] {
        assert_eq!(refused_ip(none), None, "{none}");
    }
}

#[test]
fn invalid_field_is_found() {
    let f = invalid_field("argument invalid! data.thing4.value invalid rid: 1");
    assert_eq!(f, Some("data.thing4.value"));
    let f = invalid_field("argument invalid! data.time2.value is emtpy");
    assert_eq!(f, Some("data.time2.value"));
    let f = invalid_field("argument invalid! data.character_string13.value  rid: 66f2a1b3-1");
    assert_eq!(f, Some("data.character_string13.value"));
    assert_eq!(invalid_field("argument invalid!"), None);
    assert_eq!(invalid_field("argument invalid! rid: 1"), None);
}

#[test]
fn what_may_be_tried_again() {
    for (code, again) in [
        (-1, true),
        (-1000, true),
        (40001, true),
        (45011, true),
        (61503, true),
        (9_001_002, true),
        (0, false),
        (40003, false),
        (40164, false),
        (45009, false),
        (99_999, false),
    ] {
        assert_eq!(is_retryable(code), again, "{code}");
    }
}
