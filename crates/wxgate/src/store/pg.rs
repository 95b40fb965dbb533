//! PostgreSQL: one statement for every operation, each its own transaction, so that a node that stalls holds no lock; what
//! many write at once goes in groups.
//!
//! `backend` is the list of what is asked of it; each file below has the SQL about one thing.

mod alerts;
mod backend;
mod codes;
mod credentials;
mod entries;
mod groups;
mod inspect;
mod intake;
mod job_rows;
mod jobs;
mod lines;
mod link;
mod lists;
mod load;
mod nodes;
mod offers;
mod purge;
mod queue;
mod quotas;
mod receipts;
mod records;
mod replays;
mod rings;
mod schema;
mod series;
mod streams;
mod time;
mod tls;
mod values;
mod wakes;
mod why;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::backend::{BoundRow, EventRow, Record};
use super::{Delivery, Fate, SealedCredential, StoreError};
use crate::clock::Clock;
use crate::config::Postgres;
use crate::limits::Limits;
use groups::{Groups, Linger};
pub(super) use inspect::{inspect, steps};
use intake::Intake;
use link::{Failure, Link, Server};
pub(super) use load::{Mark, Target};
use time::Time;
use wakes::Teller;

/// Outcomes of deliveries in one statement.
const RECORDS: usize = 512;
/// WeChat waits for messages to be kept; for outcomes nobody does.
const SOMEBODY_WAITS: Linger = Linger { from: 200, time: Duration::from_millis(2), unless: 16 };
const NOBODY_WAITS: Linger = Linger { from: 50, time: Duration::from_millis(5), unless: 128 };

/// A database that this process and others work on.
#[derive(Debug)]
pub(super) struct Pg {
    server: Arc<Server>,
    time: Time,
    limits: Limits,
    intake: Arc<Intake>,
    accepts: Groups<EventRow>,
    records: Groups<Record>,
    floors: queue::Floors,
    teller: Arc<Teller>,
    /// They end with this.
    tasks: [JoinHandle<()>; 2],
    work: Link,
    /// Whose turn it is to fetch doesn't wait for the queue.
    tokens: Link,
    rows: Link,
    lists: Link,
    listed: Semaphore,
    pings: Link,
}

impl Pg {
    /// Connects and migrates.
    pub(super) async fn open(settings: Postgres, limits: Limits, clock: Clock) -> anyhow::Result<Self> {
        let server = Arc::new(Server::new(settings)?);
        let time = Time::new(clock.clone());
        let link = || Link::new(&server, limits.commit_time / 2);
        let work = link();
        schema::fit(&work, &server.place()).await?;
        schema::migrate(&Link::new(&server, schema::PATIENCE)).await?;
        load::whole(&work, &server.place()).await?;
        values::learn_time(&work, &time).await?;
        let intake = Arc::new(Intake::new(&server, link().planned(link::OF_GROUPS), clock, limits));
        let runtime = Handle::current();
        let accepts = Groups::new(&runtime, limits, limits.group, SOMEBODY_WAITS, {
            let intake = intake.clone();
            Box::new(move |events| {
                let intake = intake.clone();
                Box::pin(async move { intake.accept(events).await })
            })
        });
        let records = Groups::new(&runtime, limits, RECORDS, NOBODY_WAITS, {
            let (link, intake) = (Arc::new(link().planned(link::OF_GROUPS)), intake.clone());
            Box::new(move |outcomes| {
                let (link, intake) = (link.clone(), intake.clone());
                Box::pin(async move { record(&link, &intake, &outcomes).await })
            })
        });
        let teller = Arc::new(Teller::new());
        let tasks = [
            runtime.spawn(wakes::tell(teller.clone(), link())),
            runtime.spawn(wakes::listen(teller.clone(), server.clone())),
        ];
        Ok(Self {
            intake,
            accepts,
            records,
            floors: queue::Floors::default(),
            teller,
            tasks,
            work,
            tokens: link(),
            rows: link(),
            lists: Link::new(&server, limits.list_time).planned(link::BY_CONTENT),
            listed: Semaphore::new(limits.lists),
            pings: Link::new(&server, limits.ping_time),
            limits,
            time,
            server,
        })
    }

    fn credential(&self, row: SealedCredential) -> SealedCredential {
        let (fetched_at, expires_at) = (self.time.ours(row.fetched_at), self.time.ours(row.expires_at));
        SealedCredential { fetched_at, expires_at, ..row }
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

/// Writes outcomes down, and remembers what arrived.
async fn record(link: &Link, intake: &Intake, outcomes: &[Record]) -> Result<Vec<()>, Failure> {
    let done = queue::attempt(link, outcomes).await?;
    for outcome in outcomes.iter().filter(|outcome| outcome.fate == Fate::Delivered) {
        intake.offers.arrived(outcome.delivery);
    }
    Ok(done)
}

impl Drop for Pg {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[cfg(test)]
mod figures;
#[cfg(test)]
mod tests;
