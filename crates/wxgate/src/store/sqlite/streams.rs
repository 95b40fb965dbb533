//! What streams of events need, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::Sqlite;
use crate::store::records::Pending;
use crate::store::streams::{
    KeptPlace, Opened, Opening, Reached, StreamQuery, StreamState, StreamedRow, Streams,
};

impl Streams for Sqlite {
    fn stream_state(&self) -> Pending<'_, StreamState> {
        Box::pin(self.rows.read(state))
    }

    fn stream_events(&self, query: StreamQuery) -> Pending<'_, (Vec<StreamedRow>, Reached)> {
        Box::pin(self.rows.read(move |db| events(db, &query)))
    }

    fn stream_replays(&self, after: i64, limit: u32) -> Pending<'_, Vec<(i64, Option<StreamedRow>)>> {
        Box::pin(self.rows.read(move |db| replays(db, after, limit)))
    }

    fn keep_replays(&self, events: Vec<i64>, expires_at: i64) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| {
            let mut keep = tx.prepare_cached("insert into replays (event_id, expires_at) values (?1, ?2)")?;
            events.iter().try_for_each(|event| keep.execute([*event, expires_at]).map(drop))
        }))
    }

    fn open_stream(&self, opening: Opening) -> Pending<'_, Opened> {
        Box::pin(self.writer.write(move |tx| open(tx, &opening)))
    }

    fn keep_place(&self, place: KeptPlace) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| keep(tx, &place)))
    }

    fn ack(&self, caller: &str, name: &str, place: i64, expires_at: i64) -> Pending<'_, bool> {
        let (caller, name) = (caller.to_owned(), name.to_owned());
        Box::pin(self.writer.write(move |tx| {
            let is_there = place <= last(tx, "events")?;
            let changed = tx
                .prepare_cached(
                    "update streams set place = max(place, ?3), expires_at = ?4
                     where caller = ?1 and name = ?2 and ?5",
                )?
                .execute(params![caller, name, place, expires_at, is_there])?;
            Ok(changed > 0)
        }))
    }
}

/// The number that a table gave out last.
fn last(db: &Connection, table: &str) -> rusqlite::Result<i64> {
    let found = db
        .prepare_cached("select seq from sqlite_sequence where name = ?1")?
        .query_row([table], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

fn state(db: &Connection) -> rusqlite::Result<StreamState> {
    let forgotten = db
        .prepare_cached("select value from meta where name = 'forgotten'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let oldest = db.prepare_cached("select min(id) from events")?.query_row([], |row| row.get(0))?;
    Ok(StreamState {
        last: last(db, "events")?,
        oldest,
        forgotten: forgotten.unwrap_or(0),
        replayed: last(db, "replays")?,
    })
}

/// Notes the last message that is forgotten.
pub(super) fn forget(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into meta values ('forgotten', ?1) on conflict do update set value = max(value, excluded.value)",
    )?
    .execute([id])
    .map(drop)
}

fn streamed(row: &Row<'_>, at: usize) -> rusqlite::Result<StreamedRow> {
    Ok(StreamedRow {
        id: row.get(at)?,
        appid: row.get(at + 1)?,
        openid: row.get(at + 2)?,
        received_at: row.get(at + 3)?,
        digest: row.get(at + 4)?,
        body: row.get(at + 5)?,
    })
}

fn events(db: &Connection, query: &StreamQuery) -> rusqlite::Result<(Vec<StreamedRow>, Reached)> {
    let StreamQuery { appid, openid, after, span, limit, bytes } = query;
    // Before the rows: whatever has a number up to it is seen.
    let last = last(db, "events")?;
    let until = last.min(after.saturating_add(*span));
    let mut read = db.prepare_cached(
        "select id, appid, openid, received_at, digest, body from events
         where id > ?1 and id <= ?2 and (?3 is null or appid = ?3) and (?4 is null or openid = ?4)
         order by id limit ?5",
    )?;
    let mut found = read.query(params![after, until, appid, openid, limit])?;
    let (mut rows, mut size) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        let row = streamed(row, 0)?;
        size += i64::try_from(row.body.len()).unwrap_or(i64::MAX);
        rows.push(row);
        if size >= *bytes {
            break;
        }
    }
    let is_cut = size >= *bytes || rows.len() >= *limit as usize;
    let cut = rows.last().filter(|_| is_cut).map(|row| row.id);
    let place = cut.unwrap_or(until).max(*after);
    Ok((rows, Reached { place, more: place < last }))
}

fn replays(db: &Connection, after: i64, limit: u32) -> rusqlite::Result<Vec<(i64, Option<StreamedRow>)>> {
    db.prepare_cached(
        "select r.id, e.id, e.appid, e.openid, e.received_at, e.digest, e.body
         from replays r left join events e on e.id = r.event_id
         where r.id > ?1 order by r.id limit ?2",
    )?
    .query_map(params![after, limit], |row| {
        let event: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, event.map(|_| streamed(row, 1)).transpose()?))
    })?
    .collect()
}

fn open(tx: &Transaction<'_>, opening: &Opening) -> rusqlite::Result<Opened> {
    let Opening { caller, name, place, stays, now, expires_at } = opening;
    let (last, replayed) = (last(tx, "events")?, last(tx, "replays")?);
    tx.prepare_cached(
        "insert into streams as s (caller, name, place, replayed, epoch, expires_at)
         values (?1, ?2, coalesce(?3, ?4), ?5, 1, ?7)
         on conflict (caller, name) do update set
             place = case when s.expires_at <= ?6 then excluded.place
                          when ?8 then s.place else coalesce(?3, s.place) end,
             replayed = case when s.expires_at <= ?6 then excluded.replayed else s.replayed end,
             epoch = s.epoch + 1, expires_at = excluded.expires_at
         returning place, replayed, epoch",
    )?
    .query_row(params![caller, name, place, last, replayed, now, expires_at, stays], |row| {
        Ok(Opened { place: row.get(0)?, replayed: row.get(1)?, epoch: row.get(2)? })
    })
}

fn keep(tx: &Transaction<'_>, kept: &KeptPlace) -> rusqlite::Result<bool> {
    let KeptPlace { caller, name, epoch, place, done, replayed, expires_at } = kept;
    let changed = tx
        .prepare_cached(
            "update streams set place = case when ?5 is null or place >= ?5 then ?4 else place end,
                 replayed = ?6, expires_at = ?7
             where caller = ?1 and name = ?2 and epoch = ?3",
        )?
        .execute(params![caller, name, epoch, place, done, replayed, expires_at])?;
    Ok(changed > 0)
}
