//! Parametric QR codes.

use super::On::Official;
use super::{Case, get, post};
use wechat::catalog::{QRCODE_CREATE, SHOWQRCODE};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("qrcode.create", Official, &QRCODE_CREATE, r#"{"expire_seconds":60,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"wxgate"}}}"#).gives(&[("ticket", "/ticket")]),
    // There are 100,000 of these, for good.
    post("qrcode.create.permanent", Official, &QRCODE_CREATE, r#"{"action_name":"QR_LIMIT_STR_SCENE","action_info":{"scene":{"scene_str":"wxgate"}}}"#).harms(),
    post("qrcode.create.wrong_action", Official, &QRCODE_CREATE, r#"{"action_name":"NONE","action_info":{"scene":{"scene_id":1}}}"#).says(40052),
    post("qrcode.create.no_scene", Official, &QRCODE_CREATE, r#"{"action_name":"QR_STR_SCENE"}"#).says(40053),
    post("qrcode.create.empty_scene", Official, &QRCODE_CREATE, r#"{"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":""}}}"#).says(40129),
    get("showqrcode", Official, &SHOWQRCODE, "ticket=<ticket>"),
    get("showqrcode.wrong_ticket", Official, &SHOWQRCODE, "ticket=nonsense"),
];
