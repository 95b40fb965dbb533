//! Which routes take a message, and why: for people who ask.

use super::route::RouteEntry;
use crate::rules::filter::{Condition, Subject};

/// How a message stands to one route.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// The route.
    pub route: &'a RouteEntry,
    /// It takes the message.
    pub matched: bool,
    /// How the message stands to each of its lists.
    pub why: Vec<Condition>,
    /// An earlier route that took it and has `stop`: this one isn't looked at.
    pub stopped_by: Option<&'a str>,
    /// Its backend's answer is the passive reply.
    pub replies: bool,
}

/// How a message of an app stands to each of `routes`, in their order.
pub fn verdicts<'a>(
    routes: impl IntoIterator<Item = &'a RouteEntry>,
    appid: &str,
    tags: &[String],
    message: &Subject<'_>,
) -> Vec<Verdict<'a>> {
    let (mut stopped_by, mut is_answered) = (None, false);
    let mut verdicts = Vec::new();
    for route in routes {
        let why = route.filter.conditions(appid, tags, message);
        let matched = stopped_by.is_none() && why.iter().all(|condition| condition.holds);
        // A route that is paused is asked nothing.
        let replies = matched && route.reply.is_some() && !route.paused && !is_answered;
        verdicts.push(Verdict { route, matched, why, stopped_by, replies });
        is_answered |= replies;
        if matched && route.stop {
            stopped_by = Some(&*route.name);
        }
    }
    verdicts
}
