//! Messages that came lately, as what is remembered: kept in memory, and written to `seen_msg` many at once, in its order.
//! Each in a write of its own would change a page that no other message of its group does.
//!
//! Nothing is forgotten in a crash: `events` has them in the transaction that keeps the message, and they are read from
//! there again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::lang::say;
use crate::store::backend::MessageKey;

/// So many are written at once; twice as many are kept at most.
const CHUNK: usize = 1024;

/// A message that is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) key: MessageKey,
    /// The message's.
    pub(super) id: i64,
    /// For how long, Unix milliseconds.
    pub(super) until: i64,
}

/// What only memory and `events` remember. The writer's thread alone changes it: the lock is never waited for.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Recent>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those messages, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: VecDeque<Known>,
    by_key: HashMap<MessageKey, Known>,
    /// Of the newest, those that the group at work brought.
    fresh: usize,
    /// Of the oldest, those that the group at work has written.
    written: usize,
}

impl Recent {
    /// Reads those that an earlier process had not written.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Shared> {
        let mut recent = Self::default();
        let mut unwritten = db.prepare(
            "select created, digest, id, remembered_until from events
             where id > ifnull((select value from meta where name = 'seen_to'), 0) order by id",
        )?;
        let mut rows = unwritten.query([])?;
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(known) => recent.keep(known),
                // A damaged message is no reason to take none: it isn't known when it comes again.
                Err(error) => tracing::error!(
                    event = row.get::<_, i64>(2).unwrap_or_default(), %error, "{}",
                    say("消息记录损坏：它再来一次会被当作新的", "a message's row is damaged: if it comes again it is taken for new")
                ),
            }
        }
        drop(rows);
        recent.done(true);
        Ok(Shared(Arc::new(Mutex::new(recent))))
    }

    pub(super) fn find(&self, key: &MessageKey) -> Option<Known> {
        self.by_key.get(key).copied()
    }

    /// Takes in what was inserted just now. To be the last that a write does: if it fails, this must not have been.
    pub(super) fn keep(&mut self, known: Known) {
        self.known.push_back(known);
        self.by_key.insert(known.key, known);
        self.fresh += 1;
    }

    /// Writes some, if there are enough of them.
    pub(super) fn spill(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.known.len() < 2 * CHUNK { Ok(()) } else { self.write(tx, CHUNK) }
    }

    /// Writes at most so many of the oldest. To be the last that a write does.
    pub(super) fn write(&mut self, tx: &Transaction<'_>, most: usize) -> rusqlite::Result<()> {
        let mut chunk: Vec<Known> = self.known.iter().skip(self.written).take(most).copied().collect();
        let Some(last) = chunk.last().map(|known| known.id) else { return Ok(()) };
        chunk.sort_unstable_by_key(|known| (known.key.created, known.key.digest));
        for known in &chunk {
            remember(tx, known, None)?;
        }
        tx.prepare_cached("insert or replace into meta (name, value) values ('seen_to', ?1)")?
            .execute([last])?;
        self.written += chunk.len();
        Ok(())
    }

    /// What the group at work has written is rolled back.
    pub(super) fn unwritten(&mut self) {
        self.written = 0;
    }

    /// The group's end.
    pub(super) fn done(&mut self, committed: bool) {
        let goes = if committed { 0..self.written } else { self.known.len() - self.fresh..self.known.len() };
        for known in self.known.drain(goes) {
            // The key may be another's by now, which came when the first was forgotten.
            if self.by_key.get(&known.key).is_some_and(|newest| newest.id == known.id) {
                self.by_key.remove(&known.key);
            }
        }
        (self.fresh, self.written) = (0, 0);
    }
}

/// A row of `events`, as a message that is remembered.
fn read(row: &Row<'_>) -> rusqlite::Result<Known> {
    let key = MessageKey { created: row.get(0)?, digest: row.get(1)? };
    Ok(Known { key, id: row.get(2)?, until: row.get(3)? })
}

/// Writes that a message is remembered: for no shorter than before, with the answer it has, or this one. A message that came
/// later stays.
pub(super) fn remember(tx: &Transaction<'_>, known: &Known, answer: Option<&[u8]>) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into seen_msg (created, digest, event_id, expires_at, answer) values (?1, ?2, ?3, ?4, ?5)
         on conflict (created, digest) do update set
             event_id = excluded.event_id,
             expires_at = iif(event_id = excluded.event_id, max(expires_at, excluded.expires_at), excluded.expires_at),
             answer = iif(event_id = excluded.event_id, ifnull(excluded.answer, answer), excluded.answer)
         where event_id <= excluded.event_id",
    )?
    .execute(params![known.key.created, known.key.digest, known.id, known.until, answer])
    .map(drop)
}

/// The message that stands in the table under `key`, and its answer.
pub(super) fn written(
    tx: &Transaction<'_>,
    key: &MessageKey,
) -> rusqlite::Result<Option<(Known, Option<Vec<u8>>)>> {
    tx.prepare_cached("select event_id, expires_at, answer from seen_msg where created = ?1 and digest = ?2")?
        .query_row(params![key.created, key.digest], |row| {
            Ok((Known { key: *key, id: row.get(0)?, until: row.get(1)? }, row.get(2)?))
        })
        .optional()
}

#[cfg(test)]
mod tests;
