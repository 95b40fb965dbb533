//! Messages in SQLite, and what must not get through twice.

use rusqlite::{Transaction, params};

use super::codes;
use super::recent::{self, Known, Recent};
use crate::store::backend::{AcceptedRow, DELIVERIES_PER_MESSAGE, EventRow, MessageKey};

pub(super) fn accept(
    tx: &Transaction<'_>,
    recent: &mut Recent,
    event: &EventRow,
) -> rusqlite::Result<AcceptedRow> {
    let (now, until, is_plain) = (event.received_at, event.remembered_until, event.is_plain);
    let mut is_spent = false;
    if let Some(key) = &event.signature {
        let body: &[u8] = if is_plain { &event.seen.digest } else { &[] };
        match remember(tx, key, body, now, event.spent_until)? {
            Remembered::WithOther if is_plain => return Ok(AcceptedRow::SignatureReused),
            Remembered::WithThis => is_spent = is_plain,
            Remembered::WithOther | Remembered::New => {}
        }
    }
    if let Some((known, answer)) = known(tx, recent, &event.seen, now)? {
        if known.until < until {
            recent::remember(tx, &Known { until, ..known }, None)?;
        }
        return Ok(AcceptedRow::Duplicate(known.id, answer));
    }
    if is_spent {
        return Ok(AcceptedRow::SignatureReused);
    }
    let id = insert(tx, event)?;
    let deliveries = enqueue(tx, id, event)?;
    if let Some(ticket) = &event.ticket {
        codes::scanned(tx, id, event, ticket)?;
    }
    recent.keep(Known { key: event.seen, id, until });
    Ok(AcceptedRow::New(id, deliveries))
}

/// The message that is remembered as this one, and its answer.
fn known(
    tx: &Transaction<'_>,
    recent: &Recent,
    seen: &MessageKey,
    now: i64,
) -> rusqlite::Result<Option<(Known, Option<Vec<u8>>)>> {
    // The table first: what has an answer, or was made to last, stands there.
    let written = recent::written(tx, seen)?.filter(|(known, _)| known.until > now);
    Ok(written.or_else(|| recent.find(seen).filter(|known| known.until > now).map(|known| (known, None))))
}

fn insert(tx: &Transaction<'_>, event: &EventRow) -> rusqlite::Result<i64> {
    tx.prepare_cached(
        "insert into events (appid, openid, msg_type, event, kind, scene, msg_id, received_at,
                             digest, body, created, remembered_until, came)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .insert(params![
        event.appid,
        event.openid,
        event.msg_type,
        event.event,
        event.kind,
        event.scene,
        event.msg_id,
        event.received_at,
        event.seen.digest,
        event.body,
        event.seen.created,
        event.remembered_until,
        event.came
    ])
}

/// Puts the deliveries of message `id` into the queue; their ids.
fn enqueue(tx: &Transaction<'_>, id: i64, event: &EventRow) -> rusqlite::Result<Vec<i64>> {
    let mut insert = tx.prepare_cached(
        "insert into due (id, route, due_at, owner, leased_until) values (?1, ?2, ?3, ?4, ?5)",
    )?;
    (id * DELIVERIES_PER_MESSAGE..)
        .zip(&event.deliveries)
        .map(|(id, to)| {
            let until = to.lease.map(|lease| lease.until);
            // See `queue`: while it is leased, a row is due when the lease ends.
            let due_at = until.unwrap_or(to.due_at);
            insert.execute(params![id, to.route, due_at, to.lease.map(|lease| lease.owner), until])?;
            Ok(id)
        })
        .collect()
}

pub(super) fn keep_answer(
    tx: &Transaction<'_>,
    recent: &Recent,
    seen: &MessageKey,
    event_id: i64,
    sealed: &[u8],
) -> rusqlite::Result<()> {
    let written = recent::written(tx, seen)?.map(|(known, _)| known);
    let of_event = [written, recent.find(seen)].into_iter().flatten().find(|known| known.id == event_id);
    of_event.map_or(Ok(()), |known| recent::remember(tx, &known, Some(sealed)))
}

/// How a signature stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    /// Not at all.
    New,
    /// With the same digest.
    WithThis,
    /// With another.
    WithOther,
}

/// Remembers a signature with `digest`, unless it is remembered.
pub(super) fn remember(
    tx: &Transaction<'_>,
    key: &[u8; 32],
    digest: &[u8],
    now: i64,
    until: i64,
) -> rusqlite::Result<Remembered> {
    let is_new = tx
        .prepare_cached(
            "insert into seen_sig (key, digest, expires_at) values (?1, ?2, ?3)
             on conflict (key) do update set digest = ?2, expires_at = ?3 where seen_sig.expires_at <= ?4",
        )?
        .execute(params![key, digest, until, now])?
        > 0;
    if is_new {
        return Ok(Remembered::New);
    }
    let before: Vec<u8> = tx
        .prepare_cached("select digest from seen_sig where key = ?1")?
        .query_row([key], |row| row.get(0))?;
    Ok(if before == digest { Remembered::WithThis } else { Remembered::WithOther })
}
