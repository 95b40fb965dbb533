//! access_token, tickets, quotas.

use super::On::{Mini, Official};
use super::{Case, get, post, scene};
use wechat::catalog::{
    API_DOMAIN_IP, CALLBACK_IP, CLEAR_QUOTA, CLEAR_QUOTA_V2, GET_TICKET, QUOTA_GET, STABLE_TOKEN, TOKEN,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("stable_token", Official, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"<appid>","secret":"<secret>"}"#),
    post("stable_token.mini", Mini, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"<appid>","secret":"<secret>","force_refresh":false}"#),
    post("stable_token.wrong_secret", Official, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"<appid>","secret":"00000000000000000000000000000000"}"#).says(40125),
    post("stable_token.wrong_appid", Official, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"wx0000000000000000","secret":"<secret>"}"#).says(40013),
    post("stable_token.wrong_grant", Official, &STABLE_TOKEN, r#"{"grant_type":"none","appid":"<appid>","secret":"<secret>"}"#).says(40002),
    post("stable_token.no_secret", Official, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"<appid>"}"#).says(41004),
    post("stable_token.other_address", Official, &STABLE_TOKEN, r#"{"grant_type":"client_credential","appid":"wxcases000000ip","secret":"s"}"#).says(40164)
        .after(&[scene("apps", r#"{"appid":"wxcases000000ip","secret":"s","kind":"official","ip_allow":["10.99.99.99"]}"#, &[])]),
    // Another call of this kind ends the token of whoever else fetches them so.
    get("token", Official, &TOKEN, "grant_type=client_credential&appid=<appid>&secret=<secret>").harms(),
    get("token.wrong_secret", Official, &TOKEN, "grant_type=client_credential&appid=<appid>&secret=00000000000000000000000000000000").says(40125),
    get("token.no_appid", Official, &TOKEN, "grant_type=client_credential").says(41002),
    get("api_domain_ip", Official, &API_DOMAIN_IP, ""),
    get("api_domain_ip.nonsense", Official, &API_DOMAIN_IP, "access_token=nonsense").says(40014),
    get("api_domain_ip.wrong_token", Official, &API_DOMAIN_IP, "access_token=75_nonsense-that-looks-like-a-token").says(40001),
    get("api_domain_ip.no_token", Official, &API_DOMAIN_IP, "access_token=").says(41001),
    get("callback_ip", Official, &CALLBACK_IP, ""),
    get("ticket.jsapi", Official, &GET_TICKET, "type=jsapi"),
    get("ticket.card", Official, &GET_TICKET, "type=wx_card"),
    get("ticket.wrong_type", Official, &GET_TICKET, "type=none").says(40097),
    post("quota.with_rate", Official, &QUOTA_GET, r#"{"cgi_path":"/wxa/getwxacodeunlimit"}"#),
    post("quota.of_the_day", Official, &QUOTA_GET, r#"{"cgi_path":"/cgi-bin/message/custom/send"}"#),
    post("quota.unknown_path", Official, &QUOTA_GET, r#"{"cgi_path":"/cgi-bin/none"}"#).says(76021),
    post("clear_quota", Official, &CLEAR_QUOTA, r#"{"appid":"<appid>"}"#).harms(),
    post("clear_quota.wrong_appid", Official, &CLEAR_QUOTA, r#"{"appid":"wx0000000000000000"}"#).says(40013),
    post("clear_quota_v2", Mini, &CLEAR_QUOTA_V2, r#"{"appid":"<appid>","appsecret":"<secret>"}"#).harms(),
];
