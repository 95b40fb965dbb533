//! What is allowed of a route, but hardly meant.

use crate::config::Config;
use wechat::catalog::events;

use crate::entries::{AppEntry, Form, RouteEntry, WAIT_OF_ONE};
use crate::lang::say;

/// Requests that a backend should have room for, if each may take as long as WeChat's three attempts.
const LEAST_FOR_WAITS: u32 = 64;

/// One a line.
pub(super) fn reminders(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for route in &config.entries.routes {
        waits(route, &mut found);
        unknown_events(route, &mut found);
        forgeable(config, route, &mut found);
    }
    found
}

/// WeChat may know more names than we do: a near one is what is meant, most likely.
fn unknown_events(route: &RouteEntry, found: &mut Vec<String>) {
    let route_name = &route.name;
    for name in route.filter.event_names().filter(|name| events::names().all(|known| known != *name)) {
        let far = |known: &&str| strsim::osa_distance(known, name);
        let near = events::names().min_by_key(far).filter(|known| far(known) <= 2);
        let (zh, en) = match near {
            Some(near) => (format!("是不是 {near}？"), format!("did you mean {near}?")),
            None => (
                "检查拼写；微信新加的事件可以忽略这一条".to_owned(),
                "check its spelling; ignore this if WeChat added it".to_owned(),
            ),
        };
        found.push(say(
            format!("路由 {route_name} 的 events 里有没见过的名字 {name}：{zh}"),
            format!("events of the route {route_name} has a name that nobody knows, {name}: {en}"),
        ));
    }
}

/// Whoever has an account's token can sign callbacks of the account.
fn forgeable(config: &Config, route: &RouteEntry, found: &mut Vec<String>) {
    if !matches!(route.form, Form::Wechat { token: None, .. }) {
        return;
    }
    let takes_plain = |app: &&AppEntry| {
        let plain = app.aes_keys.is_empty() || app.allow_plain;
        plain && !app.callback_tokens.is_empty() && route.filter.takes_app(&app.appid, &app.tags)
    };
    if let Some(app) = config.entries.apps.iter().find(takes_plain) {
        let (name, appid) = (&route.name, &app.appid);
        found.push(say(
            format!("路由 {name} 没有 token：后端拿到的就是 {appid} 的 callback_token，而这个账号收明文消息，后端可以伪造它的回调；给路由写一个自己的 token（wxgate key new），或给账号配 aes_key"),
            format!("the route {name} has no token: its backend gets the callback_token of {appid}, which takes plain messages, and could forge its callbacks; give the route a token of its own (wxgate key new), or the account an aes_key"),
        ));
    }
}

fn waits(route: &RouteEntry, found: &mut Vec<String>) {
    let (name, concurrency) = (&route.name, route.concurrency);
    if route.reply.is_some_and(|reply| reply.wait > WAIT_OF_ONE) && concurrency < LEAST_FOR_WAITS {
        found.push(say(
            format!("路由 {name} 的 reply_wait 超过 4.5s，concurrency 却只有 {concurrency}：没答完的消息各占一个位置，没有位置时微信立即得到 success；至少给 {LEAST_FOR_WAITS}"),
            format!("the route {name} has a reply_wait over 4.5s and a concurrency of {concurrency}: each message takes a place until it is answered, and without one WeChat gets success at once; give it {LEAST_FOR_WAITS} at least"),
        ));
    }
}
