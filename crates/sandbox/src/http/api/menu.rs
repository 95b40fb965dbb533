//! The menus of official accounts.

use super::super::answer::Answer;
use super::super::call::{Call, number, text};
use super::{Row, check_kind};
use crate::refusal::{Refusal, refuse};
use crate::world::quota::{
    Limit, MENU_ADD_DAY, MENU_CREATE_DAY, MENU_DEL_DAY, MENU_DELETE_DAY, MENU_GET_DAY, MENU_MATCH_DAY,
};
use crate::world::{Kind, Rule, World};
use serde_json::{Value, json};
use wechat::catalog;

pub(super) const HANDLERS: &[Row] = &[
    (&catalog::MENU_CREATE, create),
    (&catalog::MENU_GET, get),
    (&catalog::MENU_DELETE, delete),
    (&catalog::MENU_ADDCONDITIONAL, add),
    (&catalog::MENU_DELCONDITIONAL, remove),
    (&catalog::MENU_TRYMATCH, try_match),
    (&catalog::SELFMENU_INFO, in_use),
];

/// What every call here must pass.
fn enter(world: &mut World, appid: &str, limit: Limit) -> Result<(), Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let now = world.now;
    world.quotas.take(appid, limit, now)
}

fn create(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_CREATE_DAY)?;
    let buttons = world.buttons(appid, &call.json()?)?;
    world.set_menu(appid, buttons);
    Ok(Answer::ok(&call.path))
}

fn get(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_GET_DAY)?;
    Ok(Answer::json(&call.path, world.menus(appid).ok_or(refuse(46003))?))
}

fn delete(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_DELETE_DAY)?;
    world.remove_menus(appid);
    Ok(Answer::ok(&call.path))
}

fn add(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_ADD_DAY)?;
    let body = call.json()?;
    let rule = Rule::read(body.get("matchrule"))?;
    let buttons = world.buttons(appid, &body)?;
    let menuid = world.add_menu(appid, buttons, rule)?;
    // A text here, a number in menu/get.
    Ok(Answer::json(&call.path, json!({"menuid": menuid.to_string()})))
}

fn remove(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_DEL_DAY)?;
    let menuid = number(&call.json()?, "menuid").ok_or(refuse(65301))?;
    world.remove_menu(appid, menuid)?;
    Ok(Answer::ok(&call.path))
}

/// What a user, by openid or WeChat name, sees.
fn try_match(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    enter(world, appid, MENU_MATCH_DAY)?;
    let body = call.json()?;
    let user = world.users.find(text(&body, "user_id")).ok_or(refuse(65302))?;
    let openid = user.openid(appid).to_owned();
    let menu = world.menu_for(appid, &openid).ok_or(refuse(46003))?;
    Ok(Answer::json(&call.path, json!({"button": menu.buttons()})))
}

/// The menu as its operator sees it.
fn in_use(world: &mut World, call: &Call, appid: &str) -> Result<Answer, Refusal> {
    check_kind(world, appid, Kind::Official)?;
    let buttons: Vec<Value> = match world.default_menu(appid) {
        Some(menu) => menu.buttons().iter().map(for_operators).collect(),
        None => Vec::new(),
    };
    let body = json!({"is_menu_open": u8::from(!buttons.is_empty()), "selfmenu_info": {"button": buttons}});
    Ok(Answer::json(&call.path, body))
}

/// A button with those below it in a `list`, and without an empty one.
fn for_operators(button: &Value) -> Value {
    let mut shown = button.clone();
    let below = button["sub_button"].as_array().filter(|below| !below.is_empty());
    let below = below.map(|below| below.iter().map(for_operators).collect::<Vec<_>>());
    if let Some(members) = shown.as_object_mut() {
        members.remove("sub_button");
        members.extend(below.map(|below| ("sub_button".to_owned(), json!({"list": below}))));
    }
    shown
}
