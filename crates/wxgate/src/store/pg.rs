//! PostgreSQL: one statement for every operation, each its own transaction, so that a node that stalls holds no lock; what
//! many write at once goes in groups.
//!
//! This file is the list of what is asked of it; each file below has the SQL about one thing.

mod groups;
mod inspect;
mod intake;
mod link;
mod lists;
mod purge;
mod queue;
mod schema;
mod time;
mod tls;
mod values;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::backend::{
    AcceptedRow, Backend, BoundRow, ClaimedRow, DELIVERIES_PER_MESSAGE, EventRow, MessageKey, Pending, Record,
};
use super::{
    Binding, Delivery, DeliveryQuery, Event, EventQuery, Fate, Lease, Purge, Purged, SealedCredential,
    StoreError, UsageDelta, UsageRow,
};
use crate::clock::Clock;
use crate::config::Postgres;
use crate::limits::Limits;
use groups::Groups;
pub(super) use inspect::inspect;
use link::{Link, Server};
use time::Time;

/// Outcomes of deliveries in one statement.
const RECORDS: usize = 512;

/// A database that this process and others work on.
#[derive(Debug)]
pub(super) struct Pg {
    server: Arc<Server>,
    time: Time,
    limits: Limits,
    intake: Groups<EventRow>,
    records: Groups<Record>,
    work: Link,
    rows: Link,
    lists: Link,
    listed: Semaphore,
    pings: Link,
}

impl Pg {
    /// Connects and migrates.
    pub(super) async fn open(settings: Postgres, limits: Limits, clock: Clock) -> anyhow::Result<Self> {
        let server = Arc::new(Server::new(settings)?);
        let time = Time::new(clock);
        let link = || Link::new(&server, limits.commit_time / 2);
        let work = link();
        schema::migrate(&work).await?;
        values::learn_time(&work, &time).await?;
        let (accepts, records) = (Arc::new(link()), Arc::new(link()));
        let floor = Arc::new(AtomicI64::new(0));
        let runtime = Handle::current();
        let intake = Groups::new(
            &runtime,
            limits,
            limits.group,
            Box::new(move |events| {
                let (link, floor) = (accepts.clone(), floor.clone());
                Box::pin(async move { intake::accept(&link, &floor, &events).await })
            }),
        );
        let records = Groups::new(
            &runtime,
            limits,
            RECORDS,
            Box::new(move |outcomes| {
                let link = records.clone();
                Box::pin(async move { queue::record(&link, &outcomes).await })
            }),
        );
        Ok(Self {
            intake,
            records,
            work,
            rows: link(),
            lists: Link::new(&server, limits.list_time),
            listed: Semaphore::new(limits.lists),
            pings: Link::new(&server, limits.ping_time),
            limits,
            time,
            server,
        })
    }

    /// Runs a list, of which there are only so many at once.
    async fn list<T>(&self, list: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let _listed =
            self.listed.try_acquire().map_err(|_| StoreError::Unavailable("too many lists".into()))?;
        tokio::time::timeout(self.limits.list_time, list)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the list takes too long".into())))
    }

    /// Deliveries in our time.
    fn shown(&self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            delivery.next_at = delivery.next_at.map(|at| self.time.ours(at));
            delivery.attempts.iter_mut().for_each(|attempt| attempt.at = self.time.ours(attempt.at));
        }
    }

    fn ours(&self, row: BoundRow) -> BoundRow {
        BoundRow { again_until: self.time.ours(row.again_until), ..row }
    }
}

impl Backend for Pg {
    fn place(&self) -> String {
        self.server.place()
    }

    fn key_check(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(values::key_check(&self.rows))
    }

    fn keep_key_check(&self, sealed: Vec<u8>) -> Pending<'_, Vec<u8>> {
        Box::pin(values::keep_key_check(&self.work, sealed))
    }

    fn credentials(&self) -> Pending<'_, Vec<SealedCredential>> {
        Box::pin(async {
            let mut rows = values::credentials(&self.rows).await?;
            for row in &mut rows {
                row.fetched_at = self.time.ours(row.fetched_at);
                row.expires_at = self.time.ours(row.expires_at);
            }
            Ok(rows)
        })
    }

    fn save_credential(&self, row: SealedCredential) -> Pending<'_, ()> {
        let (fetched_at, expires_at) = (self.time.theirs(row.fetched_at), self.time.theirs(row.expires_at));
        Box::pin(values::save_credential(&self.work, SealedCredential { fetched_at, expires_at, ..row }))
    }

    fn once_answer(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(values::answer(&self.rows, key, self.time.theirs(now)))
    }

    fn keep_once_answer(&self, key: [u8; 32], sealed: Vec<u8>, expires_at: i64) -> Pending<'_, ()> {
        let expires_at = self.time.theirs(expires_at);
        Box::pin(async move { values::keep_answer(&self.work, key, &sealed, expires_at).await })
    }

    fn bound(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<BoundRow>> {
        Box::pin(async move {
            let row = values::bound(&self.rows, key, self.time.theirs(now)).await?;
            Ok(row.map(|row| self.ours(row)))
        })
    }

    fn bind(&self, binding: Binding, now: i64) -> Pending<'_, Option<BoundRow>> {
        let time = &self.time;
        let binding = Binding {
            again_until: time.theirs(binding.again_until),
            expires_at: time.theirs(binding.expires_at),
            ..binding
        };
        Box::pin(async move {
            let row = values::bind(&self.work, binding, self.time.theirs(now)).await?;
            Ok(row.map(|row| self.ours(row)))
        })
    }

    fn usage(&self) -> Pending<'_, Vec<UsageRow>> {
        Box::pin(async {
            let mut rows = values::usage(&self.rows).await?;
            for row in &mut rows {
                row.since = self.time.ours(row.since);
                row.last_at = self.time.ours(row.last_at);
            }
            Ok(rows)
        })
    }

    fn add_usage(&self, mut deltas: Vec<UsageDelta>) -> Pending<'_, ()> {
        deltas.iter_mut().for_each(|delta| delta.at = self.time.theirs(delta.at));
        Box::pin(async move { values::add_usage(&self.work, &deltas).await })
    }

    fn accept(&self, mut event: EventRow) -> Pending<'_, AcceptedRow> {
        if event.deliveries.len() as i64 > DELIVERIES_PER_MESSAGE {
            return Box::pin(async { Err(StoreError::Unavailable("too many routes".into())) });
        }
        let theirs = |time: &mut i64| *time = self.time.theirs(*time);
        theirs(&mut event.received_at);
        theirs(&mut event.remembered_until);
        theirs(&mut event.spent_until);
        for due in &mut event.deliveries {
            theirs(&mut due.due_at);
            due.lease = due.lease.map(|lease| self.time.lease(lease));
        }
        Box::pin(self.intake.write(event))
    }

    fn keep_answer(&self, seen: MessageKey, event_id: i64, sealed: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move { intake::keep_answer(&self.work, seen, event_id, &sealed).await })
    }

    fn keep_signature(&self, key: [u8; 32], now: i64, until: i64) -> Pending<'_, ()> {
        Box::pin(intake::keep_signature(&self.work, key, self.time.theirs(now), self.time.theirs(until)))
    }

    fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)> {
        let route = route.to_owned();
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            let (mut rows, next) = queue::claim(&self.work, &route, now, limit, lease).await?;
            rows.iter_mut().for_each(|row| row.received_at = self.time.ours(row.received_at));
            Ok((rows, next.map(|next| self.time.ours(next))))
        })
    }

    fn take_on(&self, event_id: i64, route: &str, now: i64, lease: Lease) -> Pending<'_, Option<ClaimedRow>> {
        let route = route.to_owned();
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            let row = queue::take_on(&self.work, event_id, &route, now, lease).await?;
            Ok(row.map(|row| ClaimedRow { received_at: self.time.ours(row.received_at), ..row }))
        })
    }

    fn record(&self, mut record: Record) -> Pending<'_, ()> {
        record.now = self.time.theirs(record.now);
        record.attempt.at = self.time.theirs(record.attempt.at);
        if let Fate::Retry(at) = &mut record.fate {
            *at = self.time.theirs(*at);
        }
        Box::pin(self.records.write(record))
    }

    fn release(&self, delivery: i64, owner: i32, now: i64) -> Pending<'_, ()> {
        Box::pin(queue::release(&self.work, delivery, owner, self.time.theirs(now)))
    }

    fn resume(&self, _owner: i32, _now: i64) -> Pending<'_, ()> {
        // Other nodes may live: what a dead one had taken on is due when its lease ends.
        Box::pin(async { Ok(()) })
    }

    fn waiting_routes(&self) -> Pending<'_, Vec<String>> {
        Box::pin(queue::waiting_routes(&self.rows))
    }

    fn backlog(&self, route: &str, most: u32) -> Pending<'_, u32> {
        let route = route.to_owned();
        Box::pin(async move { queue::backlog(&self.rows, &route, most).await })
    }

    fn bury(&self, route: &str, now: i64, limit: u32) -> Pending<'_, usize> {
        let route = route.to_owned();
        Box::pin(async move { queue::bury(&self.work, &route, self.time.theirs(now), limit).await })
    }

    fn replay(&self, delivery: i64, now: i64) -> Pending<'_, bool> {
        Box::pin(queue::replay(&self.work, delivery, self.time.theirs(now)))
    }

    fn purge(&self, step: Purge) -> Pending<'_, Purged> {
        // Within a purge the clocks stand to each other as they do: where it got is an id.
        let theirs = |time| self.time.theirs(time);
        let (now, events_before, dead_before) =
            (theirs(step.now), theirs(step.events_before), theirs(step.dead_before));
        let own = Purge { now, events_before, dead_before, ..step };
        Box::pin(async move {
            let purged = purge::step(&self.work, &own).await?;
            let next = purged.next.map(|next| Purge { after: next.after, ..step });
            Ok(Purged { next, ..purged })
        })
    }

    fn events(&self, mut query: EventQuery) -> Pending<'_, Vec<Event>> {
        query.from = query.from.map(|from| self.time.theirs(from));
        query.to = query.to.map(|to| self.time.theirs(to));
        Box::pin(async move {
            let mut events = self.list(lists::events(&self.lists, query)).await?;
            for event in &mut events {
                event.received_at = self.time.ours(event.received_at);
                self.shown(&mut event.deliveries);
            }
            Ok(events)
        })
    }

    fn event_body(&self, id: i64) -> Pending<'_, Option<(Vec<u8>, Vec<u8>)>> {
        Box::pin(self.list(lists::event_body(&self.lists, id)))
    }

    fn deliveries(&self, query: DeliveryQuery) -> Pending<'_, Vec<Delivery>> {
        Box::pin(async move {
            let mut deliveries = self.list(lists::deliveries(&self.lists, &query)).await?;
            self.shown(&mut deliveries);
            Ok(deliveries)
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(values::ping(&self.pings))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        // Whoever handed something to it has waited for that.
        self.server.close();
        Box::pin(async {})
    }
}
