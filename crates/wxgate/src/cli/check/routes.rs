//! What is allowed of a route, but hardly meant.

use crate::config::Config;
use crate::entries::{RouteEntry, WAIT_OF_ONE};
use crate::lang::say;

/// Requests that a backend should have room for, if each may take as long as WeChat's three attempts.
const LEAST_FOR_WAITS: u32 = 64;

/// One a line.
pub(super) fn reminders(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for route in &config.entries.routes {
        waits(route, &mut found);
    }
    found
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
