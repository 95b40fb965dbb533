//! Web OAuth and mini-program login. Their codes come from users: a real account has none to give.

use super::On::{Mini, Official};
use super::{Case, get, scene};
use wechat::catalog::{JSCODE2SESSION, OAUTH_ACCESS_TOKEN, OAUTH_REFRESH_TOKEN, SNS_AUTH, SNS_USERINFO};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    get("oauth.token", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=<secret>&code=<code>&grant_type=authorization_code")
        .after(&[scene("oauth/code", r#"{"appid":"<official>","openid":"<openid>","scope":"snsapi_userinfo"}"#, &[("code", "/code")])])
        .gives(&[("user_token", "/access_token"), ("refresh_token", "/refresh_token")]),
    get("oauth.token.code_used", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=<secret>&code=<code>&grant_type=authorization_code").says(40163),
    get("oauth.token.wrong_code", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=<secret>&code=nonsense&grant_type=authorization_code").says(40029),
    get("oauth.token.no_code", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=<secret>&grant_type=authorization_code").says(41008),
    get("oauth.token.wrong_secret", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=00000000000000000000000000000000&code=nonsense&grant_type=authorization_code").says(40125),
    get("oauth.token.base", Official, &OAUTH_ACCESS_TOKEN, "appid=<appid>&secret=<secret>&code=<base_code>&grant_type=authorization_code")
        .after(&[scene("oauth/code", r#"{"appid":"<official>","openid":"<openid>","scope":"snsapi_base"}"#, &[("base_code", "/code")])])
        .gives(&[("base_token", "/access_token")]),
    get("oauth.refresh", Official, &OAUTH_REFRESH_TOKEN, "appid=<appid>&grant_type=refresh_token&refresh_token=<refresh_token>"),
    get("oauth.refresh.no_token", Official, &OAUTH_REFRESH_TOKEN, "appid=<appid>&grant_type=refresh_token").says(41003),
    get("sns.userinfo", Official, &SNS_USERINFO, "access_token=<user_token>&openid=<openid>&lang=zh_CN"),
    get("sns.userinfo.base", Official, &SNS_USERINFO, "access_token=<base_token>&openid=<openid>").says(48001),
    get("sns.auth", Official, &SNS_AUTH, "access_token=<user_token>&openid=<openid>"),
    get("sns.auth.wrong_openid", Official, &SNS_AUTH, "access_token=<user_token>&openid=nobody").says(40003),
    get("login", Mini, &JSCODE2SESSION, "appid=<appid>&secret=<secret>&js_code=<login_code>&grant_type=authorization_code")
        .after(&[scene("login/code", r#"{"appid":"<mini>","openid":"<mini_openid>"}"#, &[("login_code", "/code")])]),
    get("login.code_used", Mini, &JSCODE2SESSION, "appid=<appid>&secret=<secret>&js_code=<login_code>&grant_type=authorization_code").says(40163),
    get("login.wrong_code", Mini, &JSCODE2SESSION, "appid=<appid>&secret=<secret>&js_code=nonsense&grant_type=authorization_code").says(40029),
];
