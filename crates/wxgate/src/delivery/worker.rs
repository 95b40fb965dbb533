//! The worker of a route: takes on what is due, as much as there is room for, while the backend works.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{Deliveries, lease};
use crate::clock::millis;
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::lane::Gate;
use crate::registry::routes::Route;
use crate::store::{Claimed, StoreError};

/// Most deliveries taken on at once.
const BATCH: usize = 32;
/// A worker whose store fails tries again after this.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// A route that keeps order is one node's for so long, unless that says again that it is.
const TURN_MS: i64 = 20_000;

/// What a worker knows of its route's order.
#[derive(Debug, Default)]
struct Line {
    /// The route was straightened for keeping order, or for not keeping it.
    straight: Option<bool>,
    /// Until when it is this node's, in ticks.
    ours_until: i64,
    /// What ended, and what it held wasn't let go.
    ended: Vec<i64>,
}

impl Deliveries {
    /// Takes on what is due for the route of this name: ends when the route is gone.
    pub(super) async fn work(self, name: String) {
        let Parts { registry, clock, tasks, .. } = &self.0.parts;
        let mut changes = registry.changes.sleeper();
        let mut line = Line::default();
        loop {
            changes.mark_seen();
            let Some(route) = self.route_or_leave(&name) else { return };
            let mut wake = route.lane.wake.sleeper();
            let most = match route.lane.gate(clock.ticks()) {
                Gate::Open => BATCH,
                Gate::Try => 1,
                Gate::Shut(until) => {
                    tokio::select! {
                        () = tasks.draining.cancelled() => return,
                        () = changes.woken() => {}
                        () = wake.woken() => {}
                        () = clock.sleep_until(clock.now() + (until - clock.ticks())) => {}
                    }
                    continue;
                }
            };
            let room = tokio::select! {
                () = tasks.draining.cancelled() => return,
                () = changes.woken() => continue,
                room = take_room(&route, most) => room,
            };
            // Before the look, so that what comes meanwhile isn't missed.
            wake.mark_seen();
            let limit = room.len();
            let (claimed, next) = match self.take_on(&route, &mut line, limit as u32).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(route = name, %error, "{}", say("取不到待投递的消息，稍后再试", "can't read what is to be delivered: later"));
                    drop(room);
                    tokio::select! {
                        () = tasks.draining.cancelled() => return,
                        () = clock.pause(STORE_PAUSE) => {}
                    }
                    continue;
                }
            };
            let is_full = claimed.len() == limit;
            // What was changed meanwhile holds for them.
            let route = registry.live().routes.by_name(&name).cloned().unwrap_or(route);
            self.send_all(&route, claimed, room);
            if is_full {
                continue;
            }
            tokio::select! {
                () = tasks.draining.cancelled() => return,
                () = wake.woken() => {}
                () = changes.woken() => {}
                () = clock.sleep_until(next.unwrap_or(i64::MAX)) => {}
            }
        }
    }

    /// Takes on at most `limit` deliveries, and says when to look again.
    async fn take_on(
        &self,
        route: &Route,
        line: &mut Line,
        limit: u32,
    ) -> Result<(Vec<Claimed>, Option<i64>), StoreError> {
        let Parts { store, clock, .. } = &self.0.parts;
        let (name, keeps_order) = (&route.entry.name, route.entry.ordered);
        let (now, ticks) = (clock.now(), clock.ticks());
        if keeps_order && line.ours_until - ticks < TURN_MS / 2 {
            if !store.hold(&format!("route/{name}"), now, now + TURN_MS).await? {
                // Another node's: what ended here it finds out.
                *line = Line::default();
                return Ok((Vec::new(), Some(now + TURN_MS / 2)));
            }
            line.ours_until = ticks + TURN_MS;
            if store.is_shared() && line.straight == Some(true) {
                // One that had it before may have ended some since it was straightened.
                line.ended.extend(store.ended_elsewhere(name).await?);
            }
        }
        if line.straight != Some(keeps_order) {
            store.straighten(name, keeps_order).await?;
            line.straight = Some(keeps_order);
        }
        let until = now + lease(route);
        if !keeps_order {
            return store.claim(name, now, limit, until).await;
        }
        line.ended.extend(route.lane.take_ended());
        let found = store.claim_in_order(name, line.ended.clone(), now, limit, until).await?;
        line.ended.clear();
        Ok(found)
    }

    /// Sends what was taken on, each in its room.
    fn send_all(&self, route: &Arc<Route>, claimed: Vec<Claimed>, room: Vec<OwnedSemaphorePermit>) {
        let ticks = self.0.parts.clock.ticks();
        if !claimed.is_empty() && route.lane.gate(ticks) != Gate::Open {
            route.lane.tries(ticks + millis(route.entry.timeout));
        }
        for (claimed, permit) in claimed.into_iter().zip(room) {
            let (this, route) = (self.clone(), route.clone());
            self.0.parts.tasks.spawn(async move {
                let hearing = this.overhear(&route, &claimed);
                this.attempt(&route, &claimed, hearing).await;
                drop(permit);
            });
        }
    }

    /// The route as it is now; without one its worker's place is free for the next.
    fn route_or_leave(&self, name: &str) -> Option<Arc<Route>> {
        let mut working = self.working();
        let route = self.0.parts.registry.live().routes.by_name(name).cloned();
        if route.is_none() {
            working.remove(name);
        }
        route
    }
}

/// At least one permit, and what else is free up to `most`. A route that is paused has no room until it is another.
async fn take_room(route: &Route, most: usize) -> Vec<OwnedSemaphorePermit> {
    if route.entry.paused {
        std::future::pending::<()>().await;
    }
    let room = &route.lane.room;
    let mut permits: Vec<_> = room.clone().acquire_owned().await.into_iter().collect();
    while permits.len() < most
        && let Ok(permit) = room.clone().try_acquire_owned()
    {
        permits.push(permit);
    }
    permits
}
