//! Forgetting what is old, and giving up what has no route any more: one node's work at a time.

use std::time::Duration;

use super::{Deliveries, news};
use crate::clock::millis;
use crate::lang::say;
use crate::store::{Purge, Seen, StoreError};

/// How often what is old is forgotten.
pub(super) const HOUSEKEEPING_MS: i64 = 60_000;
/// Old messages that are still needed are looked at again after this.
const ROUND_MS: i64 = 3_600_000;
/// Rows of each kind that one step of forgetting looks at; its time ends it earlier.
const PURGE: u32 = 1000;
/// Between two steps others commit.
const PURGE_PAUSE: Duration = Duration::from_millis(10);
/// Deliveries given up in one commit.
const BURY: u32 = 100;

/// How far forgetting got among old messages, and when it begins with the oldest again: what was still needed may not be
/// any more.
#[derive(Debug, Default)]
struct Round {
    seen: Seen,
    until: i64,
    time: Believed,
}

/// The wall's time as forgetting goes by it. A clock that jumps ahead may be wrong, and what is forgotten is gone: it is believed
/// once it has stood for a while.
#[derive(Debug, Default)]
struct Believed {
    /// The wall's time that was believed last, and the ticks of then.
    last: Option<(i64, i64)>,
    /// When the jump was noticed, in ticks.
    doubted: Option<i64>,
}

/// A clock that is ahead by more has jumped.
const JUMP_MS: i64 = 5 * 60_000;
/// What is about to be taken in has its time already: what is forgotten is older by this.
const FORGET_MARGIN_MS: i64 = 60_000;

impl Believed {
    fn now(&mut self, wall: i64, ticks: i64) -> i64 {
        if let Some((last, then)) = self.last {
            let expected = last + (ticks - then);
            if wall > expected + JUMP_MS && ticks - *self.doubted.get_or_insert(ticks) < ROUND_MS {
                return expected;
            }
        }
        (self.last, self.doubted) = (Some((wall, ticks)), None);
        wall
    }
}

impl Deliveries {
    /// Forgets what is old, and gives up what has no route any more, until the stop begins.
    pub async fn keep_house(self) {
        let mut changes = self.0.parts.registry.changes.sleeper();
        let mut round = Round::default();
        loop {
            changes.mark_seen();
            for route in self.0.parts.registry.live().routes.iter() {
                news::remind(route, self.0.parts.clock.now());
            }
            if let Err(error) = self.tidy_up_if_ours(&mut round).await {
                tracing::warn!(%error, "{}", say("清理过期消息失败，稍后再试", "can't remove what is over its retention: later"));
            }
            tokio::select! {
                () = self.0.parts.tasks.draining.cancelled() => return,
                () = changes.woken() => {}
                () = self.0.parts.clock.sleep_until(self.0.parts.clock.now() + HOUSEKEEPING_MS) => {}
            }
        }
    }

    /// One node at a time does it.
    async fn tidy_up_if_ours(&self, round: &mut Round) -> Result<(), StoreError> {
        let now = self.0.parts.clock.now();
        match self.0.parts.store.hold("housekeeping", now, now + 2 * HOUSEKEEPING_MS).await? {
            true => self.tidy_up(round).await,
            false => Ok(()),
        }
    }

    async fn tidy_up(&self, round: &mut Round) -> Result<(), StoreError> {
        let (mut routes, retention) = {
            let live = self.0.parts.registry.live();
            (live.routes.iter().map(|route| route.entry.name.clone()).collect::<Vec<_>>(), live.retention)
        };
        let now = self.0.parts.clock.now();
        // A node that was reloaded later, or earlier, may have others.
        let store = &self.0.parts.store;
        let others = store.nodes(now).await?.into_iter().filter(|node| node.id != store.node());
        routes.extend(others.flat_map(|node| node.routes));
        for route in self.0.parts.store.waiting_routes().await? {
            if routes.contains(&route) {
                continue;
            }
            let mut buried = 0;
            loop {
                let some = self.0.parts.store.bury(&route, now, BURY).await?;
                buried += some;
                if some < BURY as usize || self.0.parts.tasks.draining.is_cancelled() {
                    break;
                }
            }
            tracing::warn!(
                route,
                buried,
                "{}",
                say(
                    "路由已删除，它的待投递消息转入死信",
                    "the route is gone: what waited for it is dead letters now"
                )
            );
        }
        let now = round.time.now(now, self.0.parts.clock.ticks());
        self.0.parts.store.forget_quotas(self.0.parts.store.common_time(now)).await?;
        let before = |age| now - millis(age);
        let (events, dead) = (before(retention.events), before(retention.dead_letters));
        // Also if the clock was set back.
        if !(1..=ROUND_MS).contains(&(round.until - now)) {
            (round.seen, round.until) = (Seen::default(), now + ROUND_MS);
        }
        let mut next = Some(Purge::new(now - FORGET_MARGIN_MS, events, dead, PURGE).after(round.seen));
        while let Some(step) = next.take_if(|_| !self.0.parts.tasks.draining.is_cancelled()) {
            let purged = self.0.parts.store.purge(step).await?;
            (round.seen, next) = (purged.seen, purged.next);
            if next.is_some() {
                self.0.parts.clock.pause(PURGE_PAUSE).await;
            }
        }
        Ok(())
    }
}
