//! Which deliveries are sent once more.

use serde::{Deserialize, Serialize};

use crate::parts::Parts;
use crate::registry::Live;
use crate::store::{Ended, EndedDelivery, StoreError};

/// Deliveries that are looked at in one step of counting.
const COUNTED: u32 = 2_000;

/// Deliveries that have ended. Times are Unix milliseconds: of those that arrived, when their message came; of others, when they were
/// given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// These, however they ended.
    pub ids: Option<Vec<i64>>,
    /// Those that arrived, in place of those that were given up.
    pub delivered: bool,
    /// By this route.
    pub route: Option<String>,
    /// Whose last attempt had this status.
    pub error_status: Option<u16>,
    /// Whose last attempt failed for this.
    pub error: Option<String>,
    /// At or after.
    pub from: Option<i64>,
    /// Before.
    pub to: Option<i64>,
    /// Of this app's messages.
    pub appid: Option<String>,
    /// Of this user's.
    pub openid: Option<String>,
    /// Of this event or type, in lower case.
    pub event: Option<String>,
}

/// What a selection has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Deliveries that can be sent once more.
    pub count: i64,
    /// Those whose route is gone.
    pub skipped: i64,
    /// The first and the last of them, Unix milliseconds.
    pub span: Option<(i64, i64)>,
}

impl Selection {
    /// How what it selects has ended.
    pub(super) fn ended(&self) -> Ended {
        match (&self.ids, self.delivered) {
            (Some(_), _) => Ended::Any,
            (None, true) => Ended::Delivered,
            (None, false) => Ended::Dead,
        }
    }

    fn at(&self, one: &EndedDelivery) -> i64 {
        if self.delivered { one.received_at } else { one.done_at }
    }

    /// Whether it has `one`, as it stood at `now`: what ends later isn't meant.
    pub(super) fn takes(&self, one: &EndedDelivery, now: i64) -> bool {
        let is =
            |wanted: &Option<String>, given: &str| wanted.as_deref().is_none_or(|wanted| wanted == given);
        let at = self.at(one);
        one.done_at <= now
            && is(&self.route, &one.route)
            && is(&self.error, &one.error)
            && is(&self.appid, &one.appid)
            && is(&self.openid, &one.openid)
            && is(&self.event, &one.kind)
            && self.error_status.is_none_or(|status| status == one.status)
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
    }
}

/// Whether its route is still there.
pub(super) fn has_route(live: &Live, one: &EndedDelivery) -> bool {
    live.routes.by_name(&one.route).is_some()
}

/// What `selection` has at `now`.
pub(super) async fn count(parts: &Parts, selection: &Selection, now: i64) -> Result<Found, StoreError> {
    let (mut found, mut place) = (Found::default(), Some(0));
    while let Some(after) = place {
        let (some, next) =
            parts.store.ended(selection.ended(), selection.ids.clone(), after, COUNTED).await?;
        let live = parts.registry.live().clone();
        for one in some.iter().filter(|one| selection.takes(one, now)) {
            if !has_route(&live, one) {
                found.skipped += 1;
                continue;
            }
            let at = selection.at(one);
            found.count += 1;
            found.span = Some(found.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
        place = next;
    }
    Ok(found)
}
