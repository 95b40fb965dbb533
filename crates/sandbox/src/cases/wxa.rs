//! Mini programs: codes and phone numbers.

use super::On::{Mini, Official};
use super::{Case, post, scene};
use wechat::catalog::{PHONE_NUMBER, WXACODE_UNLIMIT};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("wxacode.unlimit", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a=1","check_path":false}"#),
    post("wxacode.unlimit.no_scene", Mini, &WXACODE_UNLIMIT, "{}").says(40169),
    post("wxacode.unlimit.wrong_scene", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a b"}"#).says(40129),
    post("wxacode.unlimit.wrong_page", Mini, &WXACODE_UNLIMIT, r#"{"scene":"a","page":"pages/none/none"}"#).says(41030),
    post("wxacode.unlimit.official", Official, &WXACODE_UNLIMIT, r#"{"scene":"a"}"#).says(45063),
    post("phone", Mini, &PHONE_NUMBER, r#"{"code":"<phone_code>"}"#)
        .after(&[scene("phone/code", r#"{"appid":"<mini>","openid":"<mini_openid>"}"#, &[("phone_code", "/code")])]),
    post("phone.code_used", Mini, &PHONE_NUMBER, r#"{"code":"<phone_code>"}"#).says(40029),
    post("phone.wrong_code", Mini, &PHONE_NUMBER, r#"{"code":"nonsense"}"#).says(40029),
    post("phone.no_code", Mini, &PHONE_NUMBER, "{}").says(41008),
];
