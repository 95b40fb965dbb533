//! Lists for people.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::link::{Link, Sql};
use crate::store::backend::{DELIVERIES_PER_MESSAGE, deliveries_of};
use crate::store::lines;
use crate::store::{
    Attempt, Came, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, GROUPED, GROUPS, GroupQuery,
    Status, StoreError,
};

/// Deliveries shown with an event in a list; all of them are to be had by `event_id`.
const SHOWN: usize = 20;

/// The latest of several messages' deliveries that wait, and of those that ended.
static WAITING_OF: Sql = Sql {
    text: "
select d.* from unnest($1) as e (id), lateral (
    select id, route, due_at, leased_until from due
    where id between e.id << 16 and (e.id << 16) + 65535 order by id desc limit $2) as d",
    types: &[Type::INT8_ARRAY, Type::INT8],
};
static ENDED_OF: Sql = Sql {
    text: "
select d.* from unnest($1) as e (id), lateral (
    select id, route, status from deliveries
    where id between e.id << 16 and (e.id << 16) + 65535 and status <> 3 order by id desc limit $2) as d",
    types: &[Type::INT8_ARRAY, Type::INT8],
};

const EVENTS: &str = "select id, appid, openid, msg_type, event, received_at, scene, came from events";
const WAITING: &str = "select id, route, due_at, leased_until from due";
const ENDED: &str = "select id, route, status from deliveries";

static BODY: Sql = Sql { text: "select digest, body from events where id = $1", types: &[Type::INT8] };
/// The attempts of deliveries that failed, and those that arrived.
static ATTEMPTS: Sql = Sql {
    text: "
select delivery_id, round, n, at, status, ms, error, answer from attempts where delivery_id = any ($1)
union all
select id, round, attempts, last_at, last_status, last_ms, '', null from deliveries
where id = any ($1) and last_at is not null
order by 1, 2, 3",
    types: &[Type::INT8_ARRAY],
};

/// The `where` of a list whose filters may each be absent.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Conditions {
    /// `text` with its value in the place of `?`.
    fn add<T: ToSql + Sync + Send + 'static>(&mut self, text: &str, of: Type, value: Option<T>) {
        if let Some(value) = value {
            self.values.push((Box::new(value), of));
            self.texts.push(text.replace('?', &format!("${}", self.values.len())));
        }
    }

    async fn newest_first(&self, link: &Link, sql: &str, limit: u32) -> Result<Vec<Row>, StoreError> {
        let mut text = sql.to_owned();
        for (index, condition) in self.texts.iter().enumerate() {
            text.push_str(if index == 0 { " where " } else { " and " });
            text.push_str(condition);
        }
        text.push_str(&format!(" order by id desc limit {limit}"));
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect();
        link.query_once(&text, &values).await
    }
}

fn event_conditions(query: EventQuery) -> Conditions {
    let mut filter = Conditions::default();
    filter.add("appid = ?", Type::TEXT, query.appid);
    filter.add("openid = ?", Type::TEXT, query.openid);
    filter.add("kind = ?", Type::TEXT, query.event.map(|event| event.to_ascii_lowercase()));
    // The indexes have no row without one.
    filter.add("scene <> '' and scene = ?", Type::TEXT, query.scene);
    filter.add("msg_id <> '' and msg_id = ?", Type::TEXT, query.msg_id);
    filter.add("received_at >= ?", Type::INT8, query.from);
    filter.add("received_at < ?", Type::INT8, query.to);
    filter.add("id < ?", Type::INT8, query.before);
    filter.add("id = ?", Type::INT8, query.id);
    if query.route.is_some() || query.status.is_some() {
        // One that is null is no filter, and is given all the same.
        filter.add(going(query.status), Type::TEXT, Some(query.route));
    }
    filter
}

/// That a message has a delivery which stands so, by the route that is given, if one is.
fn going(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Pending) => {
            "exists (select from due d where d.id between events.id << 16 and (events.id << 16) + 65535
                 and coalesce(?, d.route) = d.route)"
        }
        Some(Status::Dead) => {
            "exists (select from deliveries d where d.id between events.id << 16 and (events.id << 16) + 65535
                 and d.status = 2 and coalesce(?, d.route) = d.route)"
        }
        Some(Status::Delivered) => {
            "exists (select from deliveries d where d.id between events.id << 16 and (events.id << 16) + 65535
                 and d.status = 1 and coalesce(?, d.route) = d.route)"
        }
        None => {
            "(exists (select from due d where d.id between events.id << 16 and (events.id << 16) + 65535
                  and coalesce(?, d.route) = d.route)
              or exists (select from deliveries d where d.id between events.id << 16 and (events.id << 16) + 65535
                  and d.status <> 3 and coalesce(?, d.route) = d.route))"
        }
    }
}

/// The newest dead letters, so that a million of them can't hold anybody up.
static GROUP: Sql = Sql {
    text: "
select d.route, coalesce(a.status, 0), coalesce(a.error, ''), count(*), min(d.done_at), max(d.done_at)
from (select id, round, route, attempts, done_at from deliveries
      where status = 2 and coalesce($1, route) = route and done_at >= $2 and done_at < $3
      order by id desc limit $4) d
left join attempts a on a.delivery_id = d.id and a.round = d.round and a.n = d.attempts
group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit $5",
    types: &[Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};

pub(super) async fn dead_groups(link: &Link, query: &GroupQuery) -> Result<Vec<DeadGroup>, StoreError> {
    let (from, to) = (query.from.unwrap_or(i64::MIN), query.to.unwrap_or(i64::MAX));
    let (most, shown) = (i64::from(GROUPED), i64::from(GROUPS));
    let rows = link.query(&GROUP, &[&query.route, &from, &to, &most, &shown]).await?;
    let read = |row: &Row| DeadGroup {
        route: row.get(0),
        status: u16::try_from(row.get::<_, i32>(1)).unwrap_or_default(),
        error: row.get(2),
        count: row.get::<_, i64>(3).unsigned_abs(),
        oldest: row.get(4),
        newest: row.get(5),
    };
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn events(link: &Link, query: EventQuery) -> Result<Vec<Event>, StoreError> {
    let limit = query.limit;
    let rows = event_conditions(query).newest_first(link, EVENTS, limit).await?;
    let read = |row: &Row| Event {
        id: row.get(0),
        appid: row.get(1),
        openid: row.get(2),
        msg_type: row.get(3),
        event: row.get(4),
        received_at: row.get(5),
        scene: row.get(6),
        came: Came::read(row.get(7)),
        deliveries: Vec::new(),
    };
    let mut events: Vec<Event> = rows.iter().map(read).collect();
    let mut shown = deliveries_of_all(link, &events).await?;
    for event in &mut events {
        event.deliveries = shown.remove(&event.id).unwrap_or_default();
    }
    Ok(events)
}

/// The latest deliveries of each, by the messages' ids.
async fn deliveries_of_all(link: &Link, events: &[Event]) -> Result<HashMap<i64, Vec<Delivery>>, StoreError> {
    let mut found: HashMap<i64, Vec<Delivery>> = HashMap::new();
    if events.is_empty() {
        return Ok(found);
    }
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    let most = SHOWN as i64;
    let waiting = link.query(&WAITING_OF, &[&ids, &most]).await?;
    let ended = link.query(&ENDED_OF, &[&ids, &most]).await?;
    let all = waiting.iter().map(|row| delivery(row, Status::Pending));
    for delivery in all.chain(ended.iter().map(|row| delivery(row, ended_as(row)))) {
        found.entry(delivery.event_id).or_default().push(delivery);
    }
    for deliveries in found.values_mut() {
        deliveries.sort_unstable_by_key(|delivery| delivery.id);
        deliveries.drain(..deliveries.len().saturating_sub(SHOWN));
    }
    let shown: Vec<i64> = found.values().flatten().map(|delivery| delivery.id).collect();
    let mut attempts = attempts(link, &shown).await?;
    for delivery in found.values_mut().flatten() {
        delivery.attempts = attempts.remove(&delivery.id).unwrap_or_default();
    }
    Ok(found)
}

fn ended_as(row: &Row) -> Status {
    if row.get::<_, i32>(2) == 2 { Status::Dead } else { Status::Delivered }
}

pub(super) async fn event_body(link: &Link, id: i64) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
    Ok(link.row(&BODY, &[&id]).await?.map(|row| (row.get(0), row.get(1))))
}

fn delivery_conditions(query: &DeliveryQuery) -> Conditions {
    let mut filter = Conditions::default();
    let ids = query.event_id.map(deliveries_of);
    filter.add("route = ?", Type::TEXT, query.route.clone());
    filter.add("id >= ?", Type::INT8, ids.map(|ids| ids.0));
    filter.add("id <= ?", Type::INT8, ids.map(|ids| ids.1));
    filter.add("id < ?", Type::INT8, query.before);
    filter
}

pub(super) async fn deliveries(link: &Link, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
    let mut found: Vec<Delivery> = Vec::new();
    if query.status.is_none_or(|status| status == Status::Pending) {
        let rows = delivery_conditions(query).newest_first(link, WAITING, query.limit).await?;
        found.extend(rows.iter().map(|row| delivery(row, Status::Pending)));
    }
    if query.status != Some(Status::Pending) {
        let mut filter = delivery_conditions(query);
        // Of a route's rounds those that no other followed.
        filter.texts.push(
            match query.status {
                Some(Status::Dead) => "status = 2",
                Some(_) => "status = 1",
                None => "status <> 3",
            }
            .to_owned(),
        );
        let rows = filter.newest_first(link, ENDED, query.limit).await?;
        found.extend(rows.iter().map(|row| delivery(row, ended_as(row))));
    }
    found.sort_unstable_by_key(|delivery| Reverse(delivery.id));
    found.truncate(query.limit as usize);
    let ids: Vec<i64> = found.iter().map(|delivery| delivery.id).collect();
    let mut attempts = attempts(link, &ids).await?;
    for delivery in &mut found {
        delivery.attempts = attempts.remove(&delivery.id).unwrap_or_default();
    }
    Ok(found)
}

fn delivery(row: &Row, status: Status) -> Delivery {
    let id: i64 = row.get(0);
    let next_at = match status {
        Status::Pending => row.get::<_, Option<i64>>(3).or(lines::next_at(row.get(2))),
        _ => None,
    };
    let (route, event_id) = (row.get(1), id.div_euclid(DELIVERIES_PER_MESSAGE));
    Delivery { id, event_id, route, status, next_at, attempts: Vec::new() }
}

async fn attempts(link: &Link, of: &[i64]) -> Result<HashMap<i64, Vec<Attempt>>, StoreError> {
    let mut found: HashMap<i64, Vec<Attempt>> = HashMap::new();
    if of.is_empty() {
        return Ok(found);
    }
    for row in link.query(&ATTEMPTS, &[&of]).await? {
        let (status, ms): (i32, i64) = (row.get(4), row.get(5));
        let status = u16::try_from(status).unwrap_or_default();
        let answer: Option<Vec<u8>> = row.get(7);
        let answer = answer.unwrap_or_default();
        let attempt = Attempt { at: row.get(3), status, ms: ms.unsigned_abs(), error: row.get(6), answer };
        found.entry(row.get(0)).or_default().push(attempt);
    }
    Ok(found)
}
