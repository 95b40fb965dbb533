//! Environments to routes. In wx-proxy-service a message goes to the first environment that lists
//! its openid, else to the last one; if that doesn't allow its event, to nobody.

use std::collections::{HashMap, HashSet};

use super::original::{Environment, Original};

use crate::lang::say;

/// One `[[routes]]`.
pub(super) struct Route {
    /// The environment's.
    pub(super) name: String,
    /// `event:X` and `message:*`; never empty.
    pub(super) events: Vec<String>,
    /// Whom it is for; empty: anyone.
    pub(super) openids: Vec<String>,
    /// Where to.
    pub(super) target: String,
}

/// The routes that send every message where it went before. An environment whose messages went
/// nowhere has none, yet its openids stay away from the last one.
pub(super) fn routes(original: &Original, remarks: &mut Vec<String>) -> Vec<Route> {
    let Some((last, earlier)) = original.environments.split_last() else { return Vec::new() };
    if original.events.is_empty() {
        let empty = say(
            "WxMsgMgr.AllowMsgEvent 是空的，原服务什么都不转发：不生成 [[routes]]；填上后重新导入",
            "WxMsgMgr.AllowMsgEvent is empty, so that service handed nothing on: no [[routes]] are made; fill it and import again",
        );
        remarks.push(empty.to_owned());
        return Vec::new();
    }
    let mut owners = HashMap::new();
    let mut routes = Vec::new();
    let mut elsewhere = Vec::new();
    for environment in earlier {
        let openids = own(environment, &mut owners, remarks);
        elsewhere.extend(openids.iter().map(|openid| format!("!{openid}")));
        if openids.is_empty() {
            let name = &environment.name;
            remarks.push(say(
                format!("环境 {name:?} 的 OpenIdList 没有只属于它的 openid，而未列出的都去最后一个环境：不为它生成路由"),
                format!("the OpenIdList of {name:?} has no openid of its own, and whoever isn't listed goes to the last environment: no route is made for it"),
            ));
            continue;
        }
        routes.extend(route(environment, openids, original, remarks));
    }
    own(last, &mut owners, remarks);
    routes.extend(route(last, elsewhere, original, remarks));
    routes
}

/// The openids that no earlier environment has.
fn own<'a>(
    environment: &'a Environment,
    owners: &mut HashMap<&'a str, &'a str>,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let mut openids = Vec::new();
    for openid in &environment.openids {
        let owner = *owners.entry(openid).or_insert_with(|| {
            openids.push(openid.clone());
            &environment.name
        });
        if owner != environment.name {
            let name = &environment.name;
            remarks.push(say(
                format!("{openid} 在环境 {owner:?} 和 {name:?} 里都有，按原服务归 {owner:?}"),
                format!("{openid} stands in {owner:?} and in {name:?}: it goes to {owner:?}, as before"),
            ));
        }
    }
    openids
}

fn route(
    environment: &Environment,
    openids: Vec<String>,
    original: &Original,
    remarks: &mut Vec<String>,
) -> Option<Route> {
    let target = environment.target.clone()?;
    let events = events(&original.events, &environment.events);
    if events.is_empty() {
        let name = &environment.name;
        remarks.push(say(
            format!("环境 {name:?} 的 AllowMsgEvent 与 WxMsgMgr 的没有共同事件，什么都收不到：不为它生成路由"),
            format!("AllowMsgEvent of {name:?} and of WxMsgMgr have no event in common, so it gets nothing: no route is made for it"),
        ));
        return None;
    }
    Some(Route { name: environment.name.clone(), events, openids, target })
}

/// What both lists allow, in any case; `""` there is a message that is no event.
fn events(manager: &[String], environment: &[String]) -> Vec<String> {
    let allowed: HashSet<_> = manager.iter().map(|event| event.to_ascii_lowercase()).collect();
    let mut seen = HashSet::new();
    environment
        .iter()
        .filter(|event| allowed.contains(&event.to_ascii_lowercase()))
        .filter(|event| seen.insert(event.to_ascii_lowercase()))
        .map(|event| if event.is_empty() { "message:*".to_owned() } else { format!("event:{event}") })
        .collect()
}
