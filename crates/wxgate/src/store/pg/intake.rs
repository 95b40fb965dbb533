//! Messages kept, many in one statement.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_postgres::types::Type;

use super::groups::Item;
use super::link::{Failure, Link, Sql, text};
use crate::store::StoreError;
use crate::store::backend::{AcceptedRow, DELIVERIES_PER_MESSAGE, EventRow, MessageKey};

/// How many, the highest id that is known here, now; then the messages, column by column; then their deliveries.
///
/// The counter comes first: its row is held until all of it has committed, so that ids are in the order of commits. A
/// message that must be refused because its signature is spent, and that nothing is remembered of, leaves a row of
/// `seen_msg` that is forgotten already.
static ACCEPT: Sql = Sql {
    text: "
with c as (update counter set v = greatest(v, $2) + $1 where name = 'event' returning v - $1 as base),
m as materialized (
    select c.base + t.ord as id, t.* from c, unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        with ordinality as t (appid, openid, msg_type, event, kind, scene, msg_id, received_at, created, digest, body, sig,
                              plain, until, spent_until, ord)),
g as (
    insert into seen_sig as s (key, digest, event_id, expires_at)
    select sig, case when plain then digest else ''::bytea end, id, spent_until from m where sig is not null
    on conflict (key) do update set
        digest = case when s.expires_at <= $3 then excluded.digest else s.digest end,
        event_id = case when s.expires_at <= $3 then excluded.event_id else s.event_id end,
        expires_at = case when s.expires_at <= $3 then excluded.expires_at else s.expires_at end
    returning key, digest, event_id),
j as materialized (
    select m.*, coalesce(plain and g.digest <> m.digest, false) as reused,
           coalesce(plain and g.digest = m.digest and g.event_id <> m.id, false) as spent
    from m left join g on g.key = m.sig),
s as (
    insert into seen_msg as s (created, digest, event_id, expires_at)
    select created, digest, id, case when spent then 0 else until end from j where not reused
    on conflict (created, digest) do update set
        event_id = case when s.expires_at <= $3 then excluded.event_id else s.event_id end,
        answer = case when s.expires_at <= $3 then null else s.answer end,
        expires_at = case when s.expires_at <= $3 then excluded.expires_at
                          else greatest(s.expires_at, excluded.expires_at) end
    returning created, digest, event_id, answer),
k as materialized (
    select j.*, s.event_id as kept, s.answer from j left join s on s.created = j.created and s.digest = j.digest),
e as (
    insert into events (id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body)
    select id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body
    from k where kept = id and not spent),
d as (
    insert into due (id, route, due_at, owner, leased_until)
    select (k.id << 16) | t.place, t.route, t.due_at, t.owner, t.leased_until
    from unnest($19, $20, $21, $22, $23, $24) as t (ord, place, route, due_at, owner, leased_until)
    join k on k.ord = t.ord where k.kept = k.id and not k.spent)
select id, kept, answer, reused or spent and kept = id from k order by ord",
    types: &[
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BOOL_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
    ],
};

static KEEP_ANSWER: Sql = Sql {
    text: "update seen_msg set answer = $4 where created = $1 and digest = $2 and event_id = $3",
    types: &[Type::INT8, Type::BYTEA, Type::INT8, Type::BYTEA],
};
static KEEP_SIGNATURE: Sql = Sql {
    text: "insert into seen_sig as s (key, digest, event_id, expires_at) values ($1, '', 0, $3)
           on conflict (key) do update
           set digest = excluded.digest, event_id = 0, expires_at = excluded.expires_at
           where s.expires_at <= $2",
    types: &[Type::BYTEA, Type::INT8, Type::INT8],
};

impl Item for EventRow {
    type Outcome = AcceptedRow;

    fn is_apart_from(&self, other: &Self) -> bool {
        self.seen != other.seen && (self.signature.is_none() || self.signature != other.signature)
    }
}

/// The deliveries of a group, column by column.
#[derive(Default)]
struct Due<'a> {
    ord: Vec<i64>,
    place: Vec<i64>,
    route: Vec<&'a str>,
    due_at: Vec<i64>,
    owner: Vec<Option<i32>>,
    leased_until: Vec<Option<i64>>,
}

impl<'a> Due<'a> {
    fn of(events: &'a [EventRow]) -> Self {
        let mut due = Self::default();
        for (ord, event) in (1..).zip(events) {
            for (place, to) in (0..DELIVERIES_PER_MESSAGE).zip(&event.deliveries) {
                due.ord.push(ord);
                due.place.push(place);
                due.route.push(&to.route);
                due.due_at.push(to.due_at);
                due.owner.push(to.lease.map(|lease| lease.owner));
                due.leased_until.push(to.lease.map(|lease| lease.until));
            }
        }
        due
    }
}

/// Keeps a group of messages that are apart. `floor` is the highest id that was seen here, and rises.
pub(super) async fn accept(
    link: &Link,
    floor: &AtomicI64,
    events: &[EventRow],
) -> Result<Vec<AcceptedRow>, Failure> {
    let texts = |of: fn(&EventRow) -> &str| -> Vec<Cow<'_, str>> {
        events.iter().map(|event| text(of(event))).collect()
    };
    let numbers = |of: fn(&EventRow) -> i64| -> Vec<i64> { events.iter().map(of).collect() };
    let count = i64::try_from(events.len()).unwrap_or_default();
    // The first of them: what was young enough for it must not be forgotten.
    let now = events.iter().map(|event| event.received_at).min().unwrap_or_default();
    let digests: Vec<&[u8]> = events.iter().map(|event| &event.seen.digest[..]).collect();
    let bodies: Vec<&[u8]> = events.iter().map(|event| &event.body[..]).collect();
    let signatures: Vec<Option<&[u8]>> =
        events.iter().map(|event| event.signature.as_ref().map(|key| &key[..])).collect();
    let plain: Vec<bool> = events.iter().map(|event| event.is_plain).collect();
    let due = Due::of(events);
    let rows = link
        .attempt(
            &ACCEPT,
            &[
                &count,
                &floor.load(Ordering::Relaxed),
                &now,
                &texts(|event| &event.appid),
                &texts(|event| &event.openid),
                &texts(|event| &event.msg_type),
                &texts(|event| &event.event),
                &texts(|event| &event.kind),
                &texts(|event| &event.scene),
                &texts(|event| &event.msg_id),
                &numbers(|event| event.received_at),
                &numbers(|event| event.seen.created.into()),
                &digests,
                &bodies,
                &signatures,
                &plain,
                &numbers(|event| event.remembered_until),
                &numbers(|event| event.spent_until),
                &due.ord,
                &due.place,
                &due.route,
                &due.due_at,
                &due.owner,
                &due.leased_until,
            ],
        )
        .await?;
    Ok(rows.iter().zip(events).map(|(row, event)| outcome(floor, row, event)).collect())
}

/// What a row of the statement says of its message.
fn outcome(floor: &AtomicI64, row: &tokio_postgres::Row, event: &EventRow) -> AcceptedRow {
    let (id, kept, is_refused): (i64, Option<i64>, bool) = (row.get(0), row.get(1), row.get(3));
    floor.fetch_max(id, Ordering::Relaxed);
    match kept {
        Some(kept) if !is_refused && kept == id => {
            let first = id * DELIVERIES_PER_MESSAGE;
            AcceptedRow::New(id, (first..).take(event.deliveries.len()).collect())
        }
        Some(kept) if !is_refused => AcceptedRow::Duplicate(kept, row.get(2)),
        _ => AcceptedRow::SignatureReused,
    }
}

pub(super) async fn keep_answer(
    link: &Link,
    seen: MessageKey,
    event_id: i64,
    sealed: &[u8],
) -> Result<(), StoreError> {
    let created = i64::from(seen.created);
    link.query(&KEEP_ANSWER, &[&created, &&seen.digest[..], &event_id, &sealed]).await.map(drop)
}

pub(super) async fn keep_signature(
    link: &Link,
    key: [u8; 32],
    now: i64,
    until: i64,
) -> Result<(), StoreError> {
    link.query(&KEEP_SIGNATURE, &[&&key[..], &now, &until]).await.map(drop)
}
