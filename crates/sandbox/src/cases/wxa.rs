//! Mini programs: codes, links, phone numbers, checks.

use super::On::{Mini, Official};
use super::{Case, get, post, scene};
use wechat::catalog::{
    CHECK_SESSION, GENERATE_SCHEME, GENERATE_SHORTLINK, GENERATE_URLLINK, MSG_SEC_CHECK, NEWTMPL_LIST,
    PAID_UNIONID, PHONE_NUMBER, QUERY_SCHEME, QUERY_URLLINK, WXA_QRCODE, WXACODE, WXACODE_UNLIMIT,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("wxacode.unlimit", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a=1","check_path":false}"#),
    post("wxacode.unlimit.no_scene", Mini, &WXACODE_UNLIMIT, "{}").says(40169),
    post("wxacode.unlimit.wrong_scene", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a b"}"#).says(40129),
    post("wxacode.unlimit.wrong_page", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a","page":"pages/none/none"}"#).says(41030),
    post("wxacode.unlimit.official", Official, &WXACODE_UNLIMIT, r#"{"scene":"a"}"#).says(45063),
    // There are 100,000 of these two, for good.
    post("wxacode", Mini, &WXACODE, r#"{"path":"pages/index/index?a=1"}"#).harms(),
    post("wxacode.square", Mini, &WXA_QRCODE, r#"{"path":"pages/index/index?a=1"}"#).harms(),
    post("phone", Mini, &PHONE_NUMBER, r#"{"code":"<phone_code>"}"#)
        .after(&[scene("phone/code", r#"{"appid":"<mini>","openid":"<mini_openid>"}"#, &[("phone_code", "/code")])]),
    post("phone.code_used", Mini, &PHONE_NUMBER, r#"{"code":"<phone_code>"}"#).says(40029),
    post("phone.wrong_code", Mini, &PHONE_NUMBER, r#"{"code":"nonsense"}"#).says(40029),
    post("phone.no_code", Mini, &PHONE_NUMBER, "{}").says(41008),
    post("scheme", Mini, &GENERATE_SCHEME, r#"{"jump_wxa":{"path":"","query":"a=1"},"expire_type":1,"expire_interval":1}"#).gives(&[("scheme", "/openlink")]),
    post("scheme.wrong_page", Mini, &GENERATE_SCHEME, r#"{"jump_wxa":{"path":"pages/none/none"}}"#).says(40165),
    post("scheme.query", Mini, &QUERY_SCHEME, r#"{"scheme":"<scheme>"}"#),
    post("urllink", Mini, &GENERATE_URLLINK, r#"{"path":"","query":"a=1","expire_type":1,"expire_interval":1}"#).gives(&[("url_link", "/url_link")]),
    post("urllink.wrong_page", Mini, &GENERATE_URLLINK, r#"{"path":"pages/none/none"}"#).says(40165),
    post("urllink.query", Mini, &QUERY_URLLINK, r#"{"url_link":"<url_link>"}"#),
    post("shortlink", Mini, &GENERATE_SHORTLINK, r#"{"page_url":"pages/index/index?a=1"}"#),
    post("shortlink.wrong_page", Mini, &GENERATE_SHORTLINK, r#"{"page_url":"pages/none/none"}"#).says(40066),
    get("session.check.wrong_signature", Mini, &CHECK_SESSION, "openid=<mini_openid>&signature=nonsense&sig_method=hmac_sha256").says(87009),
    get("paid_unionid.nobody", Mini, &PAID_UNIONID, "openid=nobody").says(40003),
    post("msg_sec_check.wrong_openid", Mini, &MSG_SEC_CHECK, r#"{"version":2,"openid":"nobody","scene":1,"content":"a"}"#).says(40003),
    post("msg_sec_check.official", Official, &MSG_SEC_CHECK, r#"{"version":2,"openid":"<openid>","scene":1,"content":"a"}"#).says(48001),
    get("newtmpl.list", Mini, &NEWTMPL_LIST, ""),
];
