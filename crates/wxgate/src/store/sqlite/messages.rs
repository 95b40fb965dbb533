//! Messages and deliveries in SQLite.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};

use super::super::messages::ClaimedRow;
use super::super::{
    Accepted, Attempt, Delivery, DeliveryQuery, Event, EventQuery, Fate, NewEvent, Status, StoreError,
    StoredEvent,
};
use super::Sqlite;

/// Deliveries shown with an event in a list; all of them are to be had by `event_id`.
const SHOWN: u32 = 20;

impl Sqlite {
    /// `event.body` is sealed; `seen` and `signature` are the rows that must not be there yet.
    pub(in crate::store) async fn accept(
        &self,
        event: NewEvent,
        seen: Vec<u8>,
        signature: Option<Vec<u8>>,
    ) -> Result<Accepted, StoreError> {
        self.write(move |tx| accept(tx, &event, seen, signature.as_deref())).await
    }

    pub(in crate::store) async fn keep_answer(
        &self,
        seen: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached("update seen set answer = ?2 where key = ?1")?
                .execute(params![seen, sealed])
                .map(drop)
        })
        .await
    }

    pub(in crate::store) async fn keep_signature(
        &self,
        key: Vec<u8>,
        now: i64,
        until: i64,
    ) -> Result<(), StoreError> {
        self.write(move |tx| remember(tx, &key, &[], now, until).map(drop)).await
    }

    pub(in crate::store) async fn claim(
        &self,
        route: String,
        now: i64,
        limit: u32,
        leased_until: i64,
    ) -> Result<(Vec<ClaimedRow>, Option<i64>), StoreError> {
        self.write(move |tx| {
            let ids: Vec<i64> = tx
                .prepare_cached(
                    "update deliveries set next_at = ?4, leased = 1 where id in (
                         select id from deliveries
                         where route = ?1 and status = 'pending' and next_at <= ?2
                         order by next_at limit ?3)
                     returning id",
                )?
                .query_map(params![route, now, limit, leased_until], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut read = tx.prepare_cached(
                "select d.id, d.attempts + 1, e.id, e.appid, e.received_at, e.digest, e.body
                 from deliveries d join events e on e.id = d.event_id where d.id = ?1",
            )?;
            let claimed =
                ids.iter().map(|id| read.query_row([id], claimed_row)).collect::<rusqlite::Result<_>>()?;
            let next = tx
                .prepare_cached(
                    "select next_at from deliveries where route = ?1 and status = 'pending'
                     order by next_at limit 1",
                )?
                .query_row([&route], |row| row.get(0))
                .optional()?;
            Ok((claimed, next))
        })
        .await
    }

    pub(in crate::store) async fn record(
        &self,
        delivery: i64,
        n: u32,
        attempt: Attempt,
        verdict: Fate,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached("insert or replace into attempts values (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
                params![delivery, n, attempt.at, attempt.status, attempt.ms as i64, attempt.error],
            )?;
            let (status, next_at) = match verdict {
                Fate::Delivered => (Status::Delivered, now),
                Fate::Retry(at) => (Status::Pending, at),
                Fate::Dead => (Status::Dead, now),
            };
            // A delivery that was given up meanwhile stays so, unless it did arrive.
            tx.prepare_cached(
                "update deliveries set status = ?3, next_at = ?4, leased = 0, attempts = ?2,
                     done_at = case ?3 when 'pending' then null else ?5 end
                 where id = ?1 and (status = 'pending' or ?3 = 'delivered')",
            )?
            .execute(params![delivery, n, status.as_str(), next_at, now])
            .map(drop)
        })
        .await
    }

    pub(in crate::store) async fn release(&self, delivery: i64, now: i64) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached(
                "update deliveries set next_at = ?2, leased = 0 where id = ?1 and status = 'pending'",
            )?
            .execute(params![delivery, now])
            .map(drop)
        })
        .await
    }

    pub(in crate::store) async fn release_all(&self, now: i64) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "update deliveries indexed by deliveries_leased set next_at = ?1, leased = 0
                 where leased = 1 and status = 'pending'",
                [now],
            )
            .map(drop)
        })
        .await
    }

    /// The routes that something waits for.
    pub(in crate::store) async fn waiting_routes(&self) -> Result<Vec<String>, StoreError> {
        self.list(|db| {
            // From one to the next through the index: a distinct would read every row.
            db.prepare_cached(
                "with recursive names (name) as (
                     select min(route) from deliveries indexed by deliveries_due where status = 'pending'
                     union all
                     select (select min(route) from deliveries indexed by deliveries_due where status = 'pending' and route > name)
                     from names where name is not null)
                 select name from names where name is not null",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        })
        .await
    }

    pub(in crate::store) async fn bury(
        &self,
        route: String,
        now: i64,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let ids: Vec<i64> = tx
                .prepare_cached("select id from deliveries where route = ?1 and status = 'pending' limit ?2")?
                .query_map(params![route, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for id in &ids {
                tx.prepare_cached(
                    "insert or replace into attempts
                     select id, attempts + 1, ?2, 0, 0, 'the route was removed' from deliveries where id = ?1",
                )?
                .execute(params![id, now])?;
                tx.prepare_cached(
                    "update deliveries set status = 'dead', leased = 0, attempts = attempts + 1, done_at = ?2
                     where id = ?1",
                )?
                .execute(params![id, now])?;
            }
            Ok(ids.len())
        })
        .await
    }

    pub(in crate::store) async fn purge(
        &self,
        now: i64,
        events_before: i64,
        dead_before: i64,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let seen = tx.execute(
                "delete from seen where key in (select key from seen where expires_at <= ?1 limit ?2)",
                params![now, limit],
            )?;
            let dead = tx.execute(
                "delete from deliveries where id in (
                     select id from deliveries indexed by deliveries_dead
                     where status = 'dead' and done_at < ?1 limit ?2)",
                params![dead_before, limit],
            )?;
            let events = tx.execute(
                "delete from events where id in (
                     select id from events e where received_at < ?1 and not exists (
                         select 1 from deliveries d where d.event_id = e.id and d.status <> 'delivered')
                     order by received_at limit ?2)",
                params![events_before, limit],
            )?;
            Ok(seen + dead + events)
        })
        .await
    }

    pub(in crate::store) async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        self.list(move |db| {
            let mut filter = Conditions::default();
            filter.add("appid = ?", query.appid);
            filter.add("openid = ?", query.openid);
            filter.add("kind = ?", query.event.map(|event| event.to_ascii_lowercase()));
            filter.add("received_at >= ?", query.from);
            filter.add("received_at < ?", query.to);
            filter.add("id < ?", query.before);
            filter.add("id = ?", query.id);
            let sql = "select id, appid, openid, msg_type, event, received_at from events";
            let mut events: Vec<Event> = db
                .prepare_cached(&filter.newest_first(sql, query.limit))?
                .query_map(params_from_iter(&filter.values), |row| {
                    Ok(Event {
                        id: row.get(0)?,
                        appid: row.get(1)?,
                        openid: row.get(2)?,
                        msg_type: row.get(3)?,
                        event: row.get(4)?,
                        received_at: row.get(5)?,
                        deliveries: Vec::new(),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            for event in &mut events {
                let some =
                    DeliveryQuery { event_id: Some(event.id), limit: SHOWN, ..DeliveryQuery::default() };
                event.deliveries = deliveries(db, &some)?;
                event.deliveries.reverse();
            }
            Ok(events)
        })
        .await
    }

    pub(in crate::store) async fn event_body(
        &self,
        id: i64,
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        self.list(move |db| {
            db.prepare_cached("select digest, body from events where id = ?1")?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .await
    }

    pub(in crate::store) async fn deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.list(move |db| deliveries(db, &query)).await
    }
}

fn accept(
    tx: &Transaction<'_>,
    event: &NewEvent,
    seen: Vec<u8>,
    signature: Option<&[u8]>,
) -> rusqlite::Result<Accepted> {
    let (now, until, digest) = (event.received_at, event.remembered_until, event.digest);
    if let Some(key) = signature {
        let body: &[u8] = if event.is_plain { &digest } else { &[] };
        if !remember(tx, key, body, now, until)? && event.is_plain {
            return Ok(Accepted::SignatureReused);
        }
    }
    let known: Option<(i64, Option<Vec<u8>>)> = tx
        .prepare_cached(
            "update seen set expires_at = max(expires_at, ?3) where key = ?1 and expires_at > ?2
             returning event_id, answer",
        )?
        .query_row(params![seen, now, until], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((id, answer)) = known {
        return Ok(Accepted::Duplicate { event: StoredEvent { id, digest, seen }, answer });
    }
    tx.prepare_cached(
        "insert into events (appid, openid, msg_type, event, kind, received_at, digest, body)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        event.appid,
        event.openid,
        event.msg_type,
        event.event,
        kind(event),
        now,
        digest,
        event.body
    ])?;
    let id = tx.last_insert_rowid();
    tx.prepare_cached("insert or replace into seen values (?1, ?2, ?3, null, ?4)")?
        .execute(params![seen, digest, id, until])?;
    let mut insert = tx.prepare_cached(
        "insert into deliveries (event_id, route, status, next_at, leased, attempts)
         values (?1, ?2, 'pending', ?3, ?4, 0)",
    )?;
    let deliveries = event
        .deliveries
        .iter()
        .map(|to| insert.insert(params![id, to.route, to.next_at, to.leased]))
        .collect::<rusqlite::Result<_>>()?;
    Ok(Accepted::New { event: StoredEvent { id, digest, seen }, deliveries })
}

/// What lists are filtered by: the event's name, or the message's type.
fn kind(event: &NewEvent) -> String {
    let name = if event.event.is_empty() { &event.msg_type } else { &event.event };
    name.to_ascii_lowercase()
}

/// Whether `key` may stand with `digest`: it is new, or stood with the same.
fn remember(tx: &Transaction<'_>, key: &[u8], digest: &[u8], now: i64, until: i64) -> rusqlite::Result<bool> {
    let before: Option<Vec<u8>> = tx
        .prepare_cached("select digest from seen where key = ?1 and expires_at > ?2")?
        .query_row(params![key, now], |row| row.get(0))
        .optional()?;
    if let Some(before) = before {
        return Ok(before == digest);
    }
    tx.prepare_cached("insert or replace into seen values (?1, ?2, null, null, ?3)")?
        .execute(params![key, digest, until])?;
    Ok(true)
}

fn claimed_row(row: &Row<'_>) -> rusqlite::Result<ClaimedRow> {
    Ok(ClaimedRow {
        id: row.get(0)?,
        attempt: row.get(1)?,
        event_id: row.get(2)?,
        appid: row.get(3)?,
        received_at: row.get(4)?,
        digest: row.get(5)?,
        sealed: row.get(6)?,
    })
}

/// The `where` of a list whose filters may each be absent.
#[derive(Default)]
struct Conditions {
    texts: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, text: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.texts.push(text);
            self.values.push(value.into());
        }
    }

    fn newest_first(&self, sql: &str, limit: u32) -> String {
        let mut text = sql.to_owned();
        for (index, condition) in self.texts.iter().enumerate() {
            text.push_str(if index == 0 { " where " } else { " and " });
            text.push_str(condition);
        }
        text + &format!(" order by id desc limit {limit}")
    }
}

fn deliveries(db: &Connection, query: &DeliveryQuery) -> rusqlite::Result<Vec<Delivery>> {
    let mut filter = Conditions::default();
    filter.add("route = ?", query.route.clone());
    filter.add("status = ?", query.status.map(|status| status.as_str().to_owned()));
    filter.add("event_id = ?", query.event_id);
    filter.add("id < ?", query.before);
    let sql = "select id, event_id, route, status, next_at from deliveries";
    let mut found: Vec<Delivery> = db
        .prepare_cached(&filter.newest_first(sql, query.limit))?
        .query_map(params_from_iter(&filter.values), |row| {
            let status: String = row.get(3)?;
            let next_at = if status == Status::Pending.as_str() { row.get(4)? } else { None };
            Ok(Delivery {
                id: row.get(0)?,
                event_id: row.get(1)?,
                route: row.get(2)?,
                status,
                next_at,
                attempts: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut read =
        db.prepare_cached("select at, status, ms, error from attempts where delivery_id = ?1 order by n")?;
    for delivery in &mut found {
        delivery.attempts = read
            .query_map([delivery.id], |row| {
                let ms: i64 = row.get(2)?;
                Ok(Attempt {
                    at: row.get(0)?,
                    status: row.get(1)?,
                    ms: ms.unsigned_abs(),
                    error: row.get(3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
    }
    Ok(found)
}
