//! Menus of official accounts.

use super::On::{Mini, Official};
use super::{Case, get, post};
use wechat::catalog::{MENU_CREATE, MENU_DELETE, MENU_GET, MENU_TRYMATCH};

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    post("menu.create", Official, &MENU_CREATE, r#"{"button":[{"type":"click","name":"a","key":"K"},{"name":"b","sub_button":[{"type":"view","name":"c","url":"http://example.com/"},{"type":"miniprogram","name":"d","url":"http://example.com/","appid":"<mini>","pagepath":"pages/index/index"}]}]}"#).harms(),
    post("menu.create.no_buttons", Official, &MENU_CREATE, r#"{"button":[]}"#).says(40016),
    post("menu.create.no_json", Official, &MENU_CREATE, "button").says(47001),
    post("menu.create.mini", Mini, &MENU_CREATE, r#"{"button":[{"type":"click","name":"a","key":"K"}]}"#).says(48001),
    get("menu.get", Official, &MENU_GET, "").harms(),
    post("menu.trymatch.wrong_user", Official, &MENU_TRYMATCH, r#"{"user_id":"nobody"}"#).says(65302),
    get("menu.delete", Official, &MENU_DELETE, "").harms(),
    get("menu.get.none", Official, &MENU_GET, "").says(46003).harms(),
];
