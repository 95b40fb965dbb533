//! Messages kept, many in one statement.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_postgres::types::Type;

use super::groups::Item;
use super::link::{Failure, Link, Server, Sql, text};
use super::offers::{Offer, Offers};
use super::queue;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::store::StoreError;
use crate::store::backend::{AcceptedRow, DELIVERIES_PER_MESSAGE, EventRow, MessageKey};

/// How many, the highest id that is known here, now; then the messages, column by column; then their deliveries; and columns that
/// came later.
///
/// The counter comes first: its row is held until all of it has committed, so that ids are in the order of commits. A
/// message that must be refused because its signature is spent, and that nothing is remembered of, leaves a row of
/// `seen_msg` that is forgotten already.
static ACCEPT: Sql = Sql {
    text: "
with c as (update counter set v = greatest(v, $2) + $1 where name = 'event' returning v - $1 as base),
m as materialized (
    select c.base + t.ord as id, t.* from c, unnest($4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $25, $26)
        with ordinality as t (appid, openid, msg_type, event, kind, scene, msg_id, received_at, created, digest, body, sig,
                              plain, until, spent_until, came, ticket, ord)),
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
    insert into events (id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body, came)
    select id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body, came
    from k where kept = id and not spent),
d as (
    insert into due (id, route, due_at, owner, leased_until)
    select (k.id << 16) | t.place, t.route, t.due_at, t.owner, t.leased_until
    from unnest($19, $20, $21, $22, $23, $24) as t (ord, place, route, due_at, owner, leased_until)
    join k on k.ord = t.ord where k.kept = k.id and not k.spent),
q as (
    select distinct on (c.ticket) c.ticket, k.id, k.openid, k.event, k.created * 1000 as at
    from k cross join lateral (
        select ticket, ends_at from codes where codes.ticket = k.ticket and codes.appid = k.appid
            and (ends_at is null or event_id is null and k.received_at <= ends_at) offset 0) c
    where k.ticket is not null and k.kept = k.id and not k.spent
    order by c.ticket, case when c.ends_at is null then -k.created else 0 end,
             case when c.ends_at is null then -k.id else k.id end),
w as (
    update codes set event_id = q.id, openid = q.openid, event = q.event, scanned_at = q.at from q
    where codes.ticket = q.ticket
      and case when codes.ends_at is null then coalesce(codes.scanned_at, q.at) <= q.at else codes.event_id is null end)
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
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
/// Of these messages those of which somebody holds a delivery.
static HELD: Sql = Sql {
    text: "select t.id from unnest($1) as t (id) where exists (
               select from due where due.id between t.id << 16 and (t.id << 16) + 65535 and due.owner = $2 offset 0)",
    types: &[Type::INT8_ARRAY, Type::INT4],
};
static ANSWER: Sql = Sql {
    text: "select (select answer from seen_msg where created = $1 and digest = $2 and event_id = $3),
                  exists (select from due where id between $3 << 16 and ($3 << 16) + 65535 and route = $4
                          and owner <> $5 and leased_until > $6)",
    types: &[Type::INT8, Type::BYTEA, Type::INT8, Type::TEXT, Type::INT4, Type::INT8],
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

/// A server that took over may be behind by so many ids at most, which the one before has given out.
const BEHIND: i64 = 1 << 20;
/// Connections that are made again while it catches up.
const TRIES: usize = 10;
/// Before a group whose connection was lost is sent again.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps messages, and keeps them again where that is in doubt.
#[derive(Debug)]
pub(super) struct Intake {
    server: Arc<Server>,
    link: Link,
    clock: Clock,
    /// To the end of a group.
    time: Duration,
    /// Messages in one.
    most: usize,
    /// The highest id that was seen here.
    floor: AtomicI64,
    /// How many losses of connections it has caught up with.
    caught_up: tokio::sync::Mutex<u64>,
    pub(super) offers: Offers,
}

impl Intake {
    pub(super) fn new(server: &Arc<Server>, link: Link, clock: Clock, limits: Limits) -> Self {
        Self {
            server: server.clone(),
            link,
            clock,
            time: limits.commit_time,
            most: limits.group,
            floor: AtomicI64::new(0),
            caught_up: tokio::sync::Mutex::new(0),
            offers: Offers::default(),
        }
    }

    /// Keeps a group of messages that are apart. Where the connection is lost it is sent again: what was kept the first time
    /// is a duplicate then, and ours if we hold a delivery of it.
    pub(super) async fn accept(&self, group: Arc<Vec<EventRow>>) -> Result<Vec<AcceptedRow>, Failure> {
        let end = self.clock.instant() + self.time;
        let mut is_in_doubt = false;
        loop {
            let accepted = async {
                // A server that took over is told what it lacks before it gives out an id.
                let losses = self.catch_up().await.map_err(Failure::Lost)?;
                let mut accepted = accept(&self.link, losses, &self.floor, &group).await?;
                if is_in_doubt {
                    self.recognise(&group, &mut accepted).await.map_err(Failure::Lost)?;
                }
                Ok(accepted)
            };
            match accepted.await {
                Err(Failure::Lost(_)) if self.clock.instant() + PAUSE < end && !self.server.is_closed() => {
                    is_in_doubt = true;
                    self.clock.pause(PAUSE).await;
                }
                Err(failure) => return Err(failure),
                Ok(accepted) => {
                    self.offers.kept(&group, &accepted, self.clock.ticks());
                    return Ok(accepted);
                }
            }
        }
    }

    /// Duplicates of which we hold a delivery are our own.
    async fn recognise(&self, group: &[EventRow], accepted: &mut [AcceptedRow]) -> Result<(), StoreError> {
        let owner = group
            .iter()
            .flat_map(|event| &event.deliveries)
            .find_map(|due| due.lease)
            .map(|lease| lease.owner);
        let Some(owner) = owner else { return Ok(()) };
        let of = |accepted: &AcceptedRow| match accepted {
            AcceptedRow::Duplicate(id, None) => Some(*id),
            _ => None,
        };
        let ids: Vec<i64> = accepted.iter().filter_map(of).collect();
        let held: Vec<i64> =
            self.link.query(&HELD, &[&ids, &owner]).await?.iter().map(|row| row.get(0)).collect();
        for (outcome, event) in accepted.iter_mut().zip(group) {
            if let Some(id) = of(outcome).filter(|id| held.contains(id)) {
                *outcome = new(id, event);
            }
        }
        Ok(())
    }

    /// A connection was lost and made again: another server may have taken over, which lacks what was committed last. Ids go
    /// on above what was seen anywhere, and what was acknowledged here lately is kept once more.
    ///
    /// Gives how many losses it has caught up with.
    pub(super) async fn catch_up(&self) -> Result<u64, StoreError> {
        let mut caught_up = self.caught_up.lock().await;
        for _ in 0..TRIES {
            if self.server.losses() == *caught_up {
                break;
            }
            // Its own connection first: to make that is a loss as well.
            self.link.ready().await?;
            let losses = self.server.losses();
            match self.offer_all(losses).await {
                Ok(()) => *caught_up = losses,
                // And others' may be made meanwhile.
                Err(_) if losses != self.server.losses() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(*caught_up)
    }

    async fn offer_all(&self, losses: u64) -> Result<(), StoreError> {
        let floor = &AtomicI64::new(self.floor.load(Ordering::Relaxed) + BEHIND);
        for offers in self.offers.groups(self.most, self.clock.ticks()) {
            self.offer(losses, floor, &offers).await?;
        }
        self.floor.fetch_max(floor.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn is_open(&self) -> bool {
        self.link.is_open().await
    }

    /// Keeps messages that are apart once more. What of them arrived isn't sent again; what else is new goes out from the queue.
    async fn offer(&self, losses: u64, floor: &AtomicI64, offers: &[Offer]) -> Result<(), StoreError> {
        let group = Arc::new(offers.iter().map(Offer::event_to_send).collect::<Vec<_>>());
        let accepted = accept(&self.link, losses, floor, &group).await?;
        self.offers.kept(&group, &accepted, self.clock.ticks());
        let mut arrived = Vec::new();
        for (offer, outcome) in offers.iter().zip(&accepted) {
            let id = match outcome {
                AcceptedRow::New(id, _) => {
                    self.offers.renamed(offer.id, *id, &offer.arrived);
                    *id
                }
                AcceptedRow::Duplicate(id, _) => *id,
                AcceptedRow::SignatureReused => continue,
            };
            for (place, (delivery, due)) in
                (0..).zip(deliveries(id, offer.event()).iter().zip(&offer.event().deliveries))
            {
                if offer.arrived.contains(&place) {
                    arrived.push(queue::arrived(*delivery, due.due_at));
                }
            }
        }
        for some in arrived.chunks(self.most) {
            queue::record(&self.link, some).await?;
        }
        Ok(())
    }
}

/// The answer of a kept message, and whether another than `owner` has its delivery by `route`.
pub(super) async fn answer(
    link: &Link,
    seen: MessageKey,
    event_id: i64,
    route: &str,
    owner: i32,
    now: i64,
) -> Result<(Option<Vec<u8>>, bool), StoreError> {
    let created = i64::from(seen.created);
    let row = link.row(&ANSWER, &[&created, &&seen.digest[..], &event_id, &route, &owner, &now]).await?;
    Ok(row.map_or((None, false), |row| (row.get(0), row.get(1))))
}

/// `floor` is the highest id that was seen here, and rises.
async fn accept(
    link: &Link,
    losses: u64,
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
    let tickets: Vec<Option<&[u8]>> =
        events.iter().map(|event| event.ticket.as_ref().map(|key| &key[..])).collect();
    let plain: Vec<bool> = events.iter().map(|event| event.is_plain).collect();
    let due = Due::of(events);
    let rows = link
        .attempt_since(
            losses,
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
                &texts(|event| &event.came),
                &tickets,
            ],
        )
        .await?;
    Ok(rows.iter().zip(events).map(|(row, event)| outcome(floor, row, event)).collect())
}

fn new(id: i64, event: &EventRow) -> AcceptedRow {
    AcceptedRow::New(id, deliveries(id, event))
}

/// The ids of a message's deliveries.
fn deliveries(id: i64, event: &EventRow) -> Vec<i64> {
    let first = id * DELIVERIES_PER_MESSAGE;
    (first..).take(event.deliveries.len()).collect()
}

/// What a row of the statement says of its message.
fn outcome(floor: &AtomicI64, row: &tokio_postgres::Row, event: &EventRow) -> AcceptedRow {
    let (id, kept, is_refused): (i64, Option<i64>, bool) = (row.get(0), row.get(1), row.get(3));
    floor.fetch_max(id, Ordering::Relaxed);
    match kept {
        Some(kept) if !is_refused && kept == id => new(id, event),
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
