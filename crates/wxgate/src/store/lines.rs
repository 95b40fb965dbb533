//! Routes that keep order: of each user's messages one is on its way at a time, the oldest first.
//!
//! A new delivery of such a route is due before everything else, in the order of ids, which is that of the messages
//! ([`IN_ORDER`]), but for half of the room, which those have first that are due again. Whoever takes deliveries on looks at each: the first of a user's goes, and those after it are held
//! ([`HELD`]) until it has ended, so that each is looked at twice at most, however many wait. The table `lines` says what
//! goes and what is held.

use super::{Claimed, Store, StoreError};

/// When a new delivery of a route that keeps order is due.
pub(crate) const IN_ORDER: i64 = 0;
/// When one is due that waits for another of its user's.
pub(crate) const HELD: i64 = 1 << 60;
/// New deliveries looked at in one go.
pub(super) const LOOK: u32 = 256;

/// So many of `limit` are for those that were tried before, even if new ones wait: a user whose message failed once must not
/// wait until all of a backlog was looked at.
pub(super) const fn tried_first(limit: u32) -> usize {
    limit.div_ceil(2) as usize
}

/// When a delivery is tried next, for people; `None`: in its turn.
pub(super) fn next_at(due_at: i64) -> Option<i64> {
    (IN_ORDER < due_at && due_at < HELD).then_some(due_at)
}

impl Store {
    /// Takes on at most `limit` deliveries of a `route` that keeps order, of each user the oldest alone, as [`Store::claim`]
    /// does. `ended`: deliveries of the route that have ended since this was asked last.
    pub async fn claim_in_order(
        &self,
        route: &str,
        ended: Vec<i64>,
        now: i64,
        limit: u32,
        leased_until: i64,
    ) -> Result<(Vec<Claimed>, Option<i64>), StoreError> {
        let lease = self.lease(leased_until);
        let (rows, next) = self.backend.claim_in_order(route, ended, now, limit, lease).await?;
        Ok((self.with_bodies(rows, now).await?, next))
    }

    /// Deliveries of `route` that ended at a process that had it before and didn't let go what they held.
    pub async fn ended_elsewhere(&self, route: &str) -> Result<Vec<i64>, StoreError> {
        self.backend.ended_elsewhere(route).await
    }

    /// Before deliveries of `route` are taken on by this process: what waits for nothing that is on its way may go.
    pub async fn straighten(&self, route: &str, keeps_order: bool) -> Result<(), StoreError> {
        self.backend.straighten(route, keeps_order).await
    }
}
