//! Followers of an official account.

use super::On::{Mini, Official};
use super::{Case, get, post, scene};
use wechat::catalog::{USER_GET, USER_INFO, USER_INFO_BATCHGET};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    get("user.get", Official, &USER_GET, "").gives(&[("openid", "/data/openid/0"), ("last_openid", "/next_openid")]),
    get("user.get.after_the_last", Official, &USER_GET, "next_openid=<last_openid>"),
    get("user.get.wrong_openid", Official, &USER_GET, "next_openid=nobody").says(40003),
    get("user.get.mini", Mini, &USER_GET, "").says(48001),
    get("user.info.follower", Official, &USER_INFO, "openid=<openid>&lang=zh_CN"),
    get("user.info.stranger", Official, &USER_INFO, "openid=<stranger>")
        .after(&[scene("users", "{}", &[("stranger", "/openids/wx00000000000000a1"), ("mini_openid", "/openids/wx00000000000000b2")])]),
    get("user.info.wrong_openid", Official, &USER_INFO, "openid=nobody").says(40003),
    get("user.info.no_openid", Official, &USER_INFO, "").says(41009),
    post("user.batchget", Official, &USER_INFO_BATCHGET, r#"{"user_list":[{"openid":"<openid>","lang":"zh_CN"},{"openid":"<openid>"}]}"#),
    post("user.batchget.stranger", Official, &USER_INFO_BATCHGET, r#"{"user_list":[{"openid":"<openid>"},{"openid":"<stranger>"}]}"#)
        .after(&[scene("users", "{}", &[("stranger", "/openids/wx00000000000000a1")])]),
    post("user.batchget.wrong_openid", Official, &USER_INFO_BATCHGET, r#"{"user_list":[{"openid":"nobody"}]}"#).says(40003),
    post("user.batchget.no_json", Official, &USER_INFO_BATCHGET, "user_list").says(47001),
    post("user.batchget.empty", Official, &USER_INFO_BATCHGET, " ").says(44002),
];
