//! What the log says of a route: that it began to fail, hourly that it still does, and that it is over.

use super::Sent;
use crate::lang::say;
use crate::registry::routes::{Failing, News, Route};

/// Notes how an attempt went, and tells what is new in it.
pub(super) fn tell(route: &Route, well: bool, sent: &Sent, now: i64) {
    let name = route.entry.name.as_str();
    match route.lane.went((!well).then_some(&sent.error), now) {
        News::Nothing => {}
        News::Fails => {
            let (status, error) = (sent.status, &sent.error);
            let words = say(
                "路由投递失败，按 retry 重试；消息都留着",
                "deliveries of the route fail, and are tried again as retry says; no message is lost",
            );
            tracing::warn!(route = name, status, error, "{words}");
        }
        News::Works(failing) => {
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
