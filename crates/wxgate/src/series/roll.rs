//! Ten minutes of minutes, hours of ten minutes, and the end of what is old. One node does it, for all.

use std::collections::BTreeMap;

use super::keys::Family;
use crate::metrics::Tally;
use crate::parts::Parts;
use crate::store::{SeriesQuery, SeriesRow, StoreError, Tier};

/// The node of what all nodes counted.
pub(super) const EVERYBODY: i32 = 0;
/// A node's last minute is there after so many seconds.
const LATE: i64 = 180;
/// How long minutes are kept, in seconds.
const MINUTES: i64 = 24 * 3600;
/// And ten minutes.
const TENS: i64 = 7 * 24 * 3600;
/// Rows that one step forgets.
const FORGET: u32 = 1_000;

/// Makes every coarser bucket that can be whole by now.
pub(super) async fn up(parts: &Parts) -> Result<(), StoreError> {
    let now = parts.store.common_time(parts.clock.now()) / 1000;
    // What every node writes each minute.
    let always = Family::Calls.key();
    for tier in [Tier::Ten, Tier::Hour] {
        let Some(finer) = tier.finer() else { continue };
        let (store, step) = (&parts.store, tier.step());
        let mut from = store.last_bucket(tier, &always).await?.map_or(0, |last| last + step);
        while let Some(next) = store.next_bucket(finer, &always, from).await? {
            let bucket = next - next.rem_euclid(step);
            if bucket + step + LATE > now || parts.tasks.draining.is_cancelled() {
                break;
            }
            let all = SeriesQuery {
                tier: finer,
                first: String::new(),
                end: char::MAX.to_string(),
                from: bucket,
                to: bucket + step,
            };
            store.keep_series(rolled(store.series(vec![all]).await?, tier, bucket)).await?;
            from = bucket + step;
        }
    }
    Ok(())
}

/// One bucket of the finer ones. Of how much there was, the most counts.
fn rolled(rows: Vec<SeriesRow>, tier: Tier, bucket: i64) -> Vec<SeriesRow> {
    let mut all: BTreeMap<String, Tally> = BTreeMap::new();
    for SeriesRow { key, tally, .. } in rows {
        let is_level = Family::of(&key).is_some_and(Family::is_level);
        let sum = all.entry(key).or_default();
        if is_level {
            sum.n = sum.n.max(tally.n);
        } else {
            sum.merge(&tally);
        }
    }
    let row = |(key, tally)| SeriesRow { tier, key, bucket, node: EVERYBODY, tally };
    all.into_iter().map(row).collect()
}

/// Forgets what is over its time.
pub(super) async fn forget(parts: &Parts) -> Result<(), StoreError> {
    let now = parts.store.common_time(parts.clock.now()) / 1000;
    let most = i64::try_from(parts.registry.live().retention.series.as_secs()).unwrap_or(i64::MAX);
    for (tier, kept) in [(Tier::Minute, MINUTES), (Tier::Ten, TENS), (Tier::Hour, i64::MAX)] {
        let before = now.saturating_sub(kept.min(most)).max(0);
        while !parts.tasks.draining.is_cancelled() {
            if parts.store.forget_series(tier, before, FORGET).await? < FORGET as usize {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_and_levels_are_not() {
        let row = |key: &str, bucket, node, n| SeriesRow {
            tier: Tier::Minute,
            key: key.to_owned(),
            bucket,
            node,
            tally: Tally { n, bad: 1, ms: 7, hist: [n; 12] },
        };
        let rows = vec![
            row("calls", 0, 1, 2),
            row("calls", 0, 2, 3),
            row("calls", 60, 1, 4),
            row("dead", 0, 0, 5),
            row("dead", 60, 0, 4),
        ];
        let rolled = rolled(rows, Tier::Ten, 0);
        assert_eq!(rolled.len(), 2);
        assert_eq!(rolled[0].tally, Tally { n: 9, bad: 3, ms: 21, hist: [9; 12] });
        assert_eq!((rolled[1].tally.n, rolled[1].node, rolled[1].tier), (5, EVERYBODY, Tier::Ten));
    }
}
