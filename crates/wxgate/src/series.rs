//! Figures of what passed, for people who look back: what was counted goes to the store each minute, and one node makes coarser
//! figures of it and forgets the old.
//!
//! [`keys`] says under which keys a count stands; [`roll`] makes ten minutes of minutes and hours of those; [`mod@read`] answers.

mod keys;
mod read;
mod roll;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::lang::say;
use crate::metrics::Tally;
use crate::parts::Parts;
use crate::store::{SeriesRow, Stock, StoreError, Tier};

pub use keys::{Dimension, Family, last as name_of, part};
pub use read::{Asked, Found, Item, Range, Span, gather, read, rows};

/// What one node does for all.
const LEASE: &str = "series";
/// Others take it over when this one said nothing for so long.
const LEASE_MS: i64 = 150_000;
/// What waits or was given up is counted so far, of each route.
pub const MOST_COUNTED: u32 = 100_000;

/// Rows that wait for a database that takes none, at most; the oldest go first.
const MOST_UNSAVED: usize = 100_000;

/// Whoever is so many seconds behind doesn't make up for it.
const BEHIND: i64 = 600;

/// The time that all nodes go by, Unix seconds.
pub fn now(parts: &Parts) -> i64 {
    parts.store.common_time(parts.clock.now()) / 1000
}

/// When the minute of `now` began.
fn minute(now: i64) -> i64 {
    now - now.rem_euclid(Tier::Minute.step())
}

/// Brings what was counted to the store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    parts: Parts,
    unsaved: Arc<Mutex<Vec<SeriesRow>>>,
}

impl Keeper {
    /// From now on.
    pub(crate) fn new(parts: Parts) -> Self {
        parts.metrics.counts_since(minute(now(&parts)));
        Self { parts, unsaved: Arc::default() }
    }

    /// Keeps each minute when it is over, until the stop begins.
    pub(crate) async fn run(self) {
        let parts = &self.parts;
        let step = Tier::Minute.step();
        let mut end = minute(now(parts)) + step;
        loop {
            let at = parts.clock.now();
            let left = end * 1000 - parts.store.common_time(at);
            tokio::select! {
                () = parts.tasks.draining.cancelled() => return,
                () = parts.clock.sleep_until(at + left) => {}
            }
            self.keep().await;
            if let Err(error) = for_all(parts, end - step).await {
                tracing::warn!(%error, "{}", say("统计数据暂时整理不了，稍后再试", "can't gather the figures now: later"));
            }
            // A minute that ended meanwhile is next, unless the clock jumped.
            let now = minute(now(parts));
            end = if (now - BEHIND..=now).contains(&end) { end + step } else { now + step };
        }
    }

    /// Stores what was counted and isn't stored; it belongs to the minute in which its counting began. What can't be stored is
    /// stored the next time.
    pub(crate) async fn keep(&self) {
        let Parts { store, metrics, .. } = &self.parts;
        let (bucket, counted) = metrics.take(minute(now(&self.parts)));
        let node = store.node();
        let row = |(key, tally)| SeriesRow { tier: Tier::Minute, key, bucket, node, tally };
        let mut rows = std::mem::take(&mut *self.unsaved());
        rows.extend(keys::spread(counted).into_iter().map(row));
        if let Err(error) = store.keep_series(rows.clone()).await {
            tracing::warn!(%error, "{}", say("统计数据暂时存不下，稍后再存", "can't store the figures now: later"));
            rows.drain(..rows.len().saturating_sub(MOST_UNSAVED));
            *self.unsaved() = rows;
        }
    }

    fn unsaved(&self) -> MutexGuard<'_, Vec<SeriesRow>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one node does for the minute `bucket`, which is over: how much waits, coarser figures, forgetting.
async fn for_all(parts: &Parts, bucket: i64) -> Result<(), StoreError> {
    let now = parts.clock.now();
    if !parts.store.hold(LEASE, now, now + LEASE_MS).await? {
        return Ok(());
    }
    let stock = stock(parts).await?;
    let mut levels: BTreeMap<String, Tally> = BTreeMap::new();
    let waiting = |stock: &Stock| stock.waiting;
    let dead = |stock: &Stock| stock.dead;
    for (family, of) in [(Family::Waiting, waiting as fn(&Stock) -> u32), (Family::Dead, dead)] {
        levels.entry(family.key()).or_default();
        for (route, stock) in &stock {
            let n = u64::from(of(stock));
            let level = Tally { n, ..Tally::default() };
            levels.entry(family.key()).or_default().merge(&level);
            levels.insert(family.key_of(Dimension::Route, route), level);
        }
    }
    let row = |(key, tally)| SeriesRow { tier: Tier::Minute, key, bucket, node: roll::EVERYBODY, tally };
    parts.store.keep_series(levels.into_iter().map(row).collect()).await?;
    roll::up(parts).await?;
    roll::forget(parts).await
}

/// How many deliveries wait, and how many were given up, by route in order.
pub async fn stock(parts: &Parts) -> Result<Vec<(String, Stock)>, StoreError> {
    let names: Vec<String> = {
        let live = parts.registry.live();
        live.routes.iter().map(|route| route.entry.name.clone()).collect()
    };
    let stock = parts.store.stock(names.clone(), MOST_COUNTED).await?;
    Ok(names.into_iter().zip(stock).collect())
}
