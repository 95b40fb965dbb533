//! Lists for people, in SQLite.

use std::cmp::Reverse;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::deliveries_of;
use super::queue::Ended;
use crate::store::backend::DELIVERIES_PER_MESSAGE;
use crate::store::lines;
use crate::store::{
    Attempt, Came, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, GROUPED, GROUPS, GroupQuery, Status,
};

/// Deliveries shown with an event in a list; all of them are to be had by `event_id`.
const SHOWN: u32 = 20;

/// The `where` of a list whose filters may each be absent.
#[derive(Default)]
pub(super) struct Conditions {
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

    pub(super) fn newest_first(&self, sql: &str, limit: u32) -> String {
        let mut text = sql.to_owned();
        for (index, condition) in self.texts.iter().enumerate() {
            text.push_str(if index == 0 { " where " } else { " and " });
            text.push_str(condition);
        }
        text + &format!(" order by id desc limit {limit}")
    }
}

pub(super) const EVENTS: &str =
    "select id, appid, openid, msg_type, event, received_at, scene, came from events";
pub(super) const WAITING: &str = "select id, route, due_at from due";
pub(super) const ENDED: &str = "select id, route, status from deliveries";

/// `batch`: of those only, which are [`BATCH`] ids.
pub(super) fn event_conditions(query: EventQuery, batch: Option<i64>) -> Conditions {
    let mut filter = Conditions::default();
    filter.add("appid = ?", query.appid);
    filter.add("id / 1024 = ?", batch);
    filter.add("openid = ?", query.openid);
    filter.add("kind = ?", query.event.map(|event| event.to_ascii_lowercase()));
    // The indexes have no row without one.
    filter.add("scene <> '' and scene = ?", query.scene);
    filter.add("msg_id <> '' and msg_id = ?", query.msg_id);
    filter.add("received_at >= ?", query.from);
    filter.add("received_at < ?", query.to);
    filter.add("id < ?", query.before);
    filter.add("id = ?", query.id);
    if query.route.is_some() || query.status.is_some() {
        let route = query.route.map_or(Value::Null, Value::Text);
        let times = if query.status.is_none() { 2 } else { 1 };
        filter.texts.push(going(query.status));
        filter.values.extend(std::iter::repeat_n(route, times));
    }
    filter
}

/// That a message has a delivery which stands so, by the route that is given, if one is.
fn going(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Pending) => {
            "exists (select 1 from due d where d.id between events.id * 65536 and events.id * 65536 + 65535
                 and ifnull(?, d.route) = d.route)"
        }
        Some(Status::Dead) => {
            "exists (select 1 from deliveries d where d.id between events.id * 65536 and events.id * 65536 + 65535
                 and d.status = 2 and ifnull(?, d.route) = d.route)"
        }
        Some(Status::Delivered) => {
            "exists (select 1 from deliveries d where d.id between events.id * 65536 and events.id * 65536 + 65535
                 and d.status = 1 and ifnull(?, d.route) = d.route)"
        }
        None => {
            "(exists (select 1 from due d where d.id between events.id * 65536 and events.id * 65536 + 65535
                  and ifnull(?, d.route) = d.route)
              or exists (select 1 from deliveries d where d.id between events.id * 65536 and events.id * 65536 + 65535
                  and d.status <> 3 and ifnull(?, d.route) = d.route))"
        }
    }
}

/// The newest dead letters, so that a million of them can't hold anybody up.
const GROUP: &str = "
    select d.route, ifnull(a.status, 0), ifnull(a.error, ''), count(*) as n, min(d.done_at), max(d.done_at)
    from (select id, round, route, attempts, done_at from deliveries
          where status = 2 and ifnull(?1, route) = route and done_at >= ?2 and done_at < ?3
          order by id desc limit ?4) d
    left join attempts a on a.delivery_id = d.id and a.round = d.round and a.n = d.attempts
    group by 1, 2, 3 order by n desc, 1, 2, 3 limit ?5";

pub(super) fn dead_groups(db: &Connection, query: &GroupQuery) -> rusqlite::Result<Vec<DeadGroup>> {
    let (from, to) = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
    db.prepare_cached(GROUP)?
        .query_map(params![query.route, from, to, GROUPED, GROUPS], |row| {
            Ok(DeadGroup {
                route: row.get(0)?,
                status: row.get(1)?,
                error: row.get(2)?,
                count: row.get::<_, i64>(3)?.unsigned_abs(),
                oldest: row.get(4)?,
                newest: row.get(5)?,
            })
        })?
        .collect()
}

/// Messages that follow each other, among which an index knows what is another for each of them: one of all messages would
/// be written to at a place of its own for each. Whoever looks for a user's looks at the newest batch first.
const BATCH: i64 = 1024;
const BOUNDS: &str = "select (select max(id) from events), (select min(id) from events)";

pub(super) fn events(db: &Connection, query: EventQuery) -> rusqlite::Result<Vec<Event>> {
    let is_batched = query.openid.is_some() || query.scene.is_some() || query.msg_id.is_some();
    let mut events = if is_batched { by_batch(db, &query)? } else { rows(db, query, None)? };
    for event in &mut events {
        let some = DeliveryQuery { event_id: Some(event.id), limit: SHOWN, ..DeliveryQuery::default() };
        event.deliveries = deliveries(db, &some)?;
        event.deliveries.reverse();
    }
    Ok(events)
}

fn by_batch(db: &Connection, query: &EventQuery) -> rusqlite::Result<Vec<Event>> {
    let (newest, oldest): (Option<i64>, Option<i64>) =
        db.prepare_cached(BOUNDS)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(newest), Some(oldest)) = (newest, oldest) else { return Ok(Vec::new()) };
    let newest = query.before.map_or(newest, |before| newest.min(before.saturating_sub(1)));
    let mut found = Vec::new();
    for batch in (oldest / BATCH..=newest / BATCH).rev() {
        let left = query.limit.saturating_sub(found.len() as u32);
        if left == 0 {
            break;
        }
        found.extend(rows(db, EventQuery { limit: left, ..query.clone() }, Some(batch))?);
    }
    Ok(found)
}

fn rows(db: &Connection, query: EventQuery, batch: Option<i64>) -> rusqlite::Result<Vec<Event>> {
    let limit = query.limit;
    let filter = event_conditions(query, batch);
    db.prepare_cached(&filter.newest_first(EVENTS, limit))?
        .query_map(params_from_iter(&filter.values), |row| {
            Ok(Event {
                id: row.get(0)?,
                appid: row.get(1)?,
                openid: row.get(2)?,
                msg_type: row.get(3)?,
                event: row.get(4)?,
                received_at: row.get(5)?,
                scene: row.get(6)?,
                came: Came::read(&row.get::<_, String>(7)?),
                deliveries: Vec::new(),
            })
        })?
        .collect()
}

pub(super) fn event_body(db: &Connection, id: i64) -> rusqlite::Result<Option<(Vec<u8>, Vec<u8>)>> {
    db.prepare_cached("select digest, body from events where id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

pub(super) fn delivery_conditions(query: &DeliveryQuery) -> Conditions {
    let mut filter = Conditions::default();
    let ids = query.event_id.map(deliveries_of);
    filter.add("route = ?", query.route.clone());
    filter.add("id >= ?", ids.map(|ids| ids.0));
    filter.add("id <= ?", ids.map(|ids| ids.1));
    filter.add("id < ?", query.before);
    filter
}

/// What of a route's rounds a list shows: those that no other round followed.
pub(super) fn ended_conditions(query: &DeliveryQuery) -> Conditions {
    let mut filter = delivery_conditions(query);
    filter.texts.push(match query.status {
        Some(Status::Dead) => "status = 2",
        Some(_) => "status = 1",
        None => "status <> 3",
    });
    filter
}

pub(super) fn deliveries(db: &Connection, query: &DeliveryQuery) -> rusqlite::Result<Vec<Delivery>> {
    let read = |sql: &str, filter: Conditions, row: fn(&Row<'_>) -> rusqlite::Result<Delivery>| {
        db.prepare_cached(&filter.newest_first(sql, query.limit))?
            .query_map(params_from_iter(&filter.values), row)?
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut found = Vec::new();
    if query.status.is_none_or(|status| status == Status::Pending) {
        found = read(WAITING, delivery_conditions(query), waiting_row)?;
    }
    if query.status != Some(Status::Pending) {
        found.extend(read(ENDED, ended_conditions(query), ended_row)?);
    }
    found.sort_unstable_by_key(|delivery| Reverse(delivery.id));
    found.truncate(query.limit as usize);
    for delivery in &mut found {
        delivery.attempts = attempts(db, delivery.id)?;
    }
    Ok(found)
}

fn waiting_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let (id, due_at): (i64, i64) = (row.get(0)?, row.get(2)?);
    let (route, event_id) = (row.get(1)?, id.div_euclid(DELIVERIES_PER_MESSAGE));
    let (status, next_at) = (Status::Pending, lines::next_at(due_at));
    Ok(Delivery { id, event_id, route, status, next_at, attempts: Vec::new() })
}

fn ended_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let (id, status): (i64, i32) = (row.get(0)?, row.get(2)?);
    let (route, event_id) = (row.get(1)?, id.div_euclid(DELIVERIES_PER_MESSAGE));
    let status = if status == Ended::Dead as i32 { Status::Dead } else { Status::Delivered };
    Ok(Delivery { id, event_id, route, status, next_at: None, attempts: Vec::new() })
}

/// Those that failed, and those that arrived.
pub(super) const ATTEMPTS: &str = "
    select at, status, ms, error, answer from (
        select round, n, at, status, ms, error, answer from attempts where delivery_id = ?1
        union all
        select round, attempts as n, last_at, last_status, last_ms, '', null from deliveries
        where id = ?1 and last_at is not null)
    order by round, n";

fn attempts(db: &Connection, delivery: i64) -> rusqlite::Result<Vec<Attempt>> {
    db.prepare_cached(ATTEMPTS)?
        .query_map([delivery], |row| {
            let ms: i64 = row.get(2)?;
            let answer: Option<Vec<u8>> = row.get(4)?;
            Ok(Attempt {
                at: row.get(0)?,
                status: row.get(1)?,
                ms: ms.unsigned_abs(),
                error: row.get(3)?,
                answer: answer.unwrap_or_default(),
            })
        })?
        .collect()
}
