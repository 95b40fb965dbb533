//! Messages to users. Those that succeed reach somebody.

use super::On::{Mini, Official};
use super::{Case, get, post, scene};
use wechat::catalog::{
    CUSTOM_SEND, CUSTOM_TYPING, SUBSCRIBE_BIZSEND, SUBSCRIBE_SEND, TEMPLATE_LIST, TEMPLATE_SEND,
};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    get("template.list", Official, &TEMPLATE_LIST, ""),
    post("template.send", Official, &TEMPLATE_SEND, r#"{"touser":"<openid>","template_id":"sandbox-template-00000000000000000000000001","data":{"keyword1":{"value":"a"},"keyword2":{"value":"b"}}}"#).harms(),
    post("template.send.wrong_openid", Official, &TEMPLATE_SEND, r#"{"touser":"nobody","template_id":"none","data":{}}"#).says(40003),
    post("template.send.wrong_template", Official, &TEMPLATE_SEND, r#"{"touser":"<openid>","template_id":"none","data":{}}"#).says(40037),
    post("template.send.no_openid", Official, &TEMPLATE_SEND, r#"{"template_id":"none","data":{}}"#).says(41009),
    post("template.send.no_json", Official, &TEMPLATE_SEND, "touser=x").says(47001),
    post("template.send.stranger", Official, &TEMPLATE_SEND, r#"{"touser":"<stranger>","template_id":"sandbox-template-00000000000000000000000001","data":{"keyword1":{"value":"a"},"keyword2":{"value":"b"}}}"#).says(43004)
        .after(&[scene("users", "{}", &[("stranger", "/openids/wx00000000000000a1")])]),
    post("template.send.other_mini_program", Official, &TEMPLATE_SEND, r#"{"touser":"<openid>","template_id":"sandbox-template-00000000000000000000000001","miniprogram":{"appid":"wx0000000000000000","pagepath":"x"},"data":{"keyword1":{"value":"a"},"keyword2":{"value":"b"}}}"#).says(40013).harms(),
    post("subscribe.bizsend", Official, &SUBSCRIBE_BIZSEND, r#"{"touser":"<openid>","template_id":"sandbox-template-00000000000000000000000001","data":{"thing1":{"value":"a"},"time2":{"value":"2026-01-01"}}}"#)
        .after(&[scene("subscribe", r#"{"appid":"<official>","openid":"<openid>","template_id":"sandbox-template-00000000000000000000000001","count":1}"#, &[])]),
    post("subscribe.bizsend.not_allowed", Official, &SUBSCRIBE_BIZSEND, r#"{"touser":"<openid>","template_id":"sandbox-template-00000000000000000000000001","data":{"thing1":{"value":"a"},"time2":{"value":"2026-01-01"}}}"#).says(43101).harms(),
    post("subscribe.send", Mini, &SUBSCRIBE_SEND, r#"{"touser":"<mini_openid>","template_id":"sandbox-template-00000000000000000000000001","page":"pages/index/index","data":{"thing1":{"value":"a"},"time2":{"value":"2026-01-01"}}}"#)
        .after(&[scene("subscribe", r#"{"appid":"<mini>","openid":"<mini_openid>","template_id":"sandbox-template-00000000000000000000000001","count":1}"#, &[])]),
    post("subscribe.send.wrong_openid", Mini, &SUBSCRIBE_SEND, r#"{"touser":"nobody","template_id":"none","data":{}}"#).says(40003),
    post("subscribe.send.empty_value", Mini, &SUBSCRIBE_SEND, r#"{"touser":"<mini_openid>","template_id":"sandbox-template-00000000000000000000000001","data":{"thing1":{"value":""},"time2":{"value":"2026-01-01"}}}"#).says(47003),
    post("custom.send", Official, &CUSTOM_SEND, r#"{"touser":"<openid>","msgtype":"text","text":{"content":"a"}}"#)
        .after(&[scene("message", r#"{"appid":"<official>","openid":"<openid>","text":"a"}"#, &[])]),
    post("custom.send.wrong_type", Official, &CUSTOM_SEND, r#"{"touser":"<openid>","msgtype":"none"}"#).says(40008),
    post("custom.send.not_allowed", Official, &CUSTOM_SEND, r#"{"touser":"<stranger>","msgtype":"text","text":{"content":"a"}}"#).says(45015)
        .after(&[scene("users", "{}", &[("stranger", "/openids/wx00000000000000a1")])]),
    post("custom.typing", Official, &CUSTOM_TYPING, r#"{"touser":"<openid>","command":"Typing"}"#)
        .after(&[scene("message", r#"{"appid":"<official>","openid":"<openid>","text":"a"}"#, &[])]),
    post("custom.typing.wrong_command", Official, &CUSTOM_TYPING, r#"{"touser":"<openid>","command":"None"}"#).says(45072),
];
