//! Forgetting what is old, a step at a time, each through an index.

use rusqlite::{Transaction, params};

use super::deliveries_of;
use crate::store::{Purge, Purged};

/// What need not be remembered at `?1` any more, at most `?2` rows.
pub(super) const EXPIRED: [&str; 4] = [
    "delete from seen_msg where (created, digest) in (
         select created, digest from seen_msg where expires_at <= ?1 limit ?2)",
    "delete from seen_sig where key in (select key from seen_sig where expires_at <= ?1 limit ?2)",
    "delete from once where key in (select key from once where expires_at <= ?1 limit ?2)",
    "delete from bound where key in (select key from bound where expires_at <= ?1 limit ?2)",
];
pub(super) const DIED: &str =
    "select id from deliveries indexed by deliveries_died where status = 2 and done_at < ?1 limit ?2";
pub(super) const OLD: &str = "
    select received_at, id from events indexed by events_received
    where received_at < ?1 and (received_at, id) > (?2, ?3) order by received_at, id limit ?4";
/// Whether something of a message, whose deliveries are `?1` to `?2`, waits or is a dead letter.
pub(super) const NEEDED: &str = "
    select exists (select 1 from due where id between ?1 and ?2)
        or exists (select 1 from deliveries where id between ?1 and ?2 and status = 2)";

pub(super) fn step(tx: &Transaction<'_>, step: &Purge) -> rusqlite::Result<Purged> {
    let most = step.limit as usize;
    let (mut rows, mut more) = (0, false);
    let mut went = |count: usize| {
        rows += count;
        more |= count >= most;
    };
    for sql in EXPIRED {
        went(tx.prepare_cached(sql)?.execute(params![step.now, step.limit])?);
    }
    let died: Vec<i64> = tx
        .prepare_cached(DIED)?
        .query_map(params![step.dead_before, step.limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &died {
        forget_deliveries(tx, *id, *id)?;
    }
    went(died.len());

    let old: Vec<(i64, i64)> = tx
        .prepare_cached(OLD)?
        .query_map(params![step.events_before, step.after.0, step.after.1, step.limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    more |= old.len() >= most;
    for (_, id) in &old {
        rows += usize::from(forget_event(tx, *id)?);
    }
    let next = Purge { after: old.last().copied().unwrap_or(step.after), ..*step };
    Ok(Purged { rows, next: more.then_some(next) })
}

/// Forgets a message and its deliveries, unless one of them is still needed.
fn forget_event(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<bool> {
    let (first, last) = deliveries_of(id);
    if tx.prepare_cached(NEEDED)?.query_row([first, last], |row| row.get(0))? {
        return Ok(false);
    }
    forget_deliveries(tx, first, last)?;
    tx.prepare_cached("delete from events where id = ?1")?.execute([id])?;
    Ok(true)
}

fn forget_deliveries(tx: &Transaction<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("delete from attempts where delivery_id between ?1 and ?2")?.execute([first, last])?;
    tx.prepare_cached("delete from deliveries where id between ?1 and ?2")?.execute([first, last])?;
    Ok(())
}
