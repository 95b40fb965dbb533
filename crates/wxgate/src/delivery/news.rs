//! What the log says of a route: that it began to fail, hourly that it still does, and that it is over.

use super::Sent;
use crate::lang::say;
use crate::registry::lane::{Failing, News};
use crate::registry::routes::Route;

/// Notes how an attempt went, and tells what is new in it.
pub(super) fn tell(route: &Route, well: bool, sent: &Sent, (now, ticks): (i64, i64)) {
    let name = route.entry.name.as_str();
    match route.lane.went((!well).then_some((&sent.error, sent.is_broken())), now, ticks) {
        News::Nothing => {}
        News::Fails => {
            let (status, error) = (sent.status, &sent.error);
            let words = say(
                "路由投递失败，按 retry 重试；消息都留着",
                "deliveries of the route fail, and are tried again as retry says; no message is lost",
            );
            tracing::warn!(route = name, status, error, "{words}");
        }
        News::Trips => {
            let words = say(
                "后端连续失败，先不再打扰它：每隔 1 到 60 秒用一条消息试探，恢复后接着投递；消息都留着",
                "the backend fails again and again and is left alone: one message tries it every 1 to 60 seconds, and all go on when it works; no message is lost",
            );
            tracing::warn!(route = name, "{words}");
        }
        News::Works(failing) => {
            // What waits need not wait for the next try.
            route.lane.wake.all();
            let (failures, seconds) = (failing.count, seconds(&failing, now));
            let words =
                say("路由恢复，积压的消息正在送出", "the route works again, and what waited goes out");
            tracing::info!(route = name, failures, seconds, "{words}");
        }
    }
}

/// Tells once an hour that the route still fails.
pub(super) fn remind(route: &Route, now: i64) {
    if let Some(failing) = route.lane.still_failing(now) {
        let (name, failures, seconds) = (route.entry.name.as_str(), failing.count, seconds(&failing, now));
        let words = say("路由仍然投递失败", "deliveries of the route still fail");
        tracing::warn!(route = name, failures, seconds, "{words}");
    }
}

fn seconds(failing: &Failing, now: i64) -> i64 {
    (now - failing.since).max(0) / 1000
}
