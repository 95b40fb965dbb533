//! Forgetting what is old, a step at a time, each through an index, and short: whoever commits waits for it.

use rusqlite::{Transaction, params};

use super::{deliveries_of, streams};
use crate::store::{Purge, Purged, Seen};

/// What need not be remembered at `?1` any more, at most `?2` rows.
pub(super) const EXPIRED: [&str; 10] = [
    "delete from seen_msg where (created, digest) in (
         select created, digest from seen_msg where expires_at <= ?1 limit ?2)",
    "delete from seen_sig where key in (select key from seen_sig where expires_at <= ?1 limit ?2)",
    "delete from once where key in (select key from once where expires_at <= ?1 limit ?2)",
    "delete from bound where key in (select key from bound where expires_at <= ?1 limit ?2)",
    "delete from streams where (caller, name) in (
         select caller, name from streams where expires_at <= ?1 limit ?2)",
    "delete from replays where id in (select id from replays where expires_at <= ?1 limit ?2)",
    "delete from codes where ticket in (select ticket from codes where expires_at <= ?1 limit ?2)",
    "delete from sent where (appid, msgid) in (select appid, msgid from sent where expires_at <= ?1 limit ?2)",
    "delete from job_items where (job, n) in (
         select i.job, i.n from jobs cross join job_items i on i.job = jobs.id where jobs.expires_at <= ?1 limit ?2)",
    "delete from jobs where id in (
         select id from jobs where expires_at <= ?1 and not exists (select 1 from job_items i where i.job = jobs.id)
         limit ?2)",
];
pub(super) const DIED: &str =
    "select id from deliveries indexed by deliveries_died where status = 2 and done_at < ?1 limit ?2";
pub(super) const OLD: &str = "
    select received_at, id from events indexed by events_received
    where received_at < ?1 and (received_at, id) > (?2, ?3) order by received_at, id limit ?4";
pub(super) const IS_OLD: &str = "select exists (select 1 from events where id = ?1 and received_at < ?2)";
/// Whether something of a message, whose deliveries are `?1` to `?2`, waits or is a dead letter.
pub(super) const NEEDED: &str = "
    select exists (select 1 from due where id between ?1 and ?2)
        or exists (select 1 from deliveries where id between ?1 and ?2 and status = 2)";

/// Rows of what need not be remembered that go before the time is looked at.
const CHUNK: u32 = 50;

/// One step, which ends when it has looked at enough, or `over` says that it took long enough; it gets on in any case.
pub(super) fn step(tx: &Transaction<'_>, step: &Purge, over: &dyn Fn() -> bool) -> rusqlite::Result<Purged> {
    let mut work = Work { tx, step, over, rows: 0, more: false, after: step.after, forgotten: 0 };
    let is_whole = work.expired()? && work.died()? && work.old()?;
    let Work { rows, more, after, forgotten, .. } = work;
    if forgotten > 0 {
        streams::forget(tx, forgotten)?;
    }
    let next = (more || !is_whole).then_some(Purge { after, ..*step });
    Ok(Purged { rows, next, seen: Seen(after) })
}

/// A step at work. Each part says whether there was time for all of it.
struct Work<'a> {
    tx: &'a Transaction<'a>,
    step: &'a Purge,
    over: &'a dyn Fn() -> bool,
    rows: usize,
    /// As much was found as a step looks at: there may be more.
    more: bool,
    after: (i64, i64),
    /// The last message that went.
    forgotten: i64,
}

impl Work<'_> {
    fn expired(&mut self) -> rusqlite::Result<bool> {
        for sql in EXPIRED {
            let mut left = self.step.limit;
            while left > 0 {
                let some = left.min(CHUNK);
                let went = self.tx.prepare_cached(sql)?.execute(params![self.step.now, some])?;
                self.rows += went;
                left -= some;
                if went < some as usize {
                    break;
                }
                self.more |= left == 0;
                if (self.over)() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Dead letters, each with its message if that is old and nothing else of it is needed.
    fn died(&mut self) -> rusqlite::Result<bool> {
        let died: Vec<i64> = self
            .tx
            .prepare_cached(DIED)?
            .query_map(params![self.step.dead_before, self.step.limit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        self.more |= died.len() >= self.step.limit as usize;
        for id in died {
            self.rows += 1;
            forget_deliveries(self.tx, id, id)?;
            let event = id >> 16;
            let is_old = self
                .tx
                .prepare_cached(IS_OLD)?
                .query_row([event, self.step.events_before], |row| row.get(0))?;
            if is_old {
                self.forget_event(event)?;
            }
            if (self.over)() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets a message and its deliveries, unless one of them is still needed.
    fn forget_event(&mut self, id: i64) -> rusqlite::Result<()> {
        let (first, last) = deliveries_of(id);
        if self.tx.prepare_cached(NEEDED)?.query_row([first, last], |row| row.get(0))? {
            return Ok(());
        }
        forget_deliveries(self.tx, first, last)?;
        self.tx.prepare_cached("delete from events where id = ?1")?.execute([id])?;
        self.rows += 1;
        self.forgotten = self.forgotten.max(id);
        Ok(())
    }

    fn old(&mut self) -> rusqlite::Result<bool> {
        let Purge { events_before, limit, .. } = *self.step;
        let old: Vec<(i64, i64)> = self
            .tx
            .prepare_cached(OLD)?
            .query_map(params![events_before, self.after.0, self.after.1, limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        self.more |= old.len() >= limit as usize;
        for place in old {
            self.after = place;
            self.forget_event(place.1)?;
            if (self.over)() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn forget_deliveries(tx: &Transaction<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("delete from attempts where delivery_id between ?1 and ?2")?.execute([first, last])?;
    tx.prepare_cached("delete from deliveries where id between ?1 and ?2")?.execute([first, last])?;
    Ok(())
}
