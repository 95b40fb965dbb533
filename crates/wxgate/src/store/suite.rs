//! What every backend has to pass, asked through the facade. Only [`Fixture`] knows which backend it is.

mod alerts;
mod codes;
mod entries;
mod forgetting;
mod intake;
mod jobs;
mod lines;
mod lists;
mod nodes;
#[path = "../../tests/it/postgres.rs"]
pub(super) mod postgres;
mod queue;
mod quotas;
mod rings;
mod series;
mod streams;
mod values;

use std::sync::Arc;

use super::{
    Accepted, Attempt, Backend, Claimed, Delivery, DeliveryQuery, Fate, NewDelivery, NewEvent, Store,
    StoredEvent, open_backend,
};
use crate::clock::{Clock, ManualClock};
use crate::config::{self, Database, Postgres};
use crate::keys::Keys;
use crate::limits::Limits;
use crate::random::Random;
use postgres::{POSTGRES, new_database};

/// Unix milliseconds.
const NOW: i64 = 1_795_305_600_000;
/// How long leases and memories last here.
const WHILE: i64 = 60_000;

/// A place for a database, empty at first.
struct Fixture {
    settings: config::Store,
    limits: Limits,
    _place: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::bounded(Limits::default())
    }

    fn bounded(limits: Limits) -> Self {
        let place = tempfile::tempdir().unwrap();
        let database = match config::environment().get(POSTGRES) {
            Some(server) => {
                let url = new_database(server);
                Database::Postgres(Box::new(Postgres::parse(&url, place.path(), None).unwrap()))
            }
            None => Database::Sqlite(place.path().join("wxgate.db")),
        };
        let settings = config::Store { database, master_key: None, run_dir: None };
        Self { settings, limits, _place: place }
    }

    fn is_shared(&self) -> bool {
        matches!(self.settings.database, Database::Postgres(_))
    }

    async fn backend(&self) -> Arc<dyn Backend> {
        open_backend(&self.settings, self.limits, Clock::Manual(ManualClock::at(NOW))).await.unwrap()
    }

    /// The store of a process that begins; on SQLite the one before must be closed.
    async fn open(&self) -> Store {
        self.sealed_by(1).await.unwrap()
    }

    async fn sealed_by(&self, key: u8) -> anyhow::Result<Store> {
        Ok(Store::open(self.backend().await, &Random::System, |_| keys(key)).await?.0)
    }

    /// The store of another process beside the one that has `store`.
    async fn beside(&self, store: &Store) -> Store {
        let backend = if self.is_shared() { self.backend().await } else { store.backend.clone() };
        Store::open(backend, &Random::System, |_| keys(1)).await.unwrap().0
    }
}

fn keys(n: u8) -> anyhow::Result<Keys> {
    Ok(Keys::new(&[n; 32], Random::System))
}

/// A message that goes to `routes`.
fn message(store: &Store, content: &str, routes: &[&str]) -> NewEvent {
    let due = |route: &&str| NewDelivery { route: (*route).to_owned(), next_at: NOW, leased: false };
    NewEvent {
        appid: "wx1".to_owned(),
        openid: "o1".to_owned(),
        msg_type: "text".to_owned(),
        event: String::new(),
        scene: String::new(),
        ticket: String::new(),
        msg_id: String::new(),
        came: String::new(),
        create_time: NOW / 1000,
        received_at: NOW,
        body: content.as_bytes().to_vec(),
        digest: store.message_digest("wx1", content.as_bytes()),
        signature: None,
        is_plain: false,
        remembered_until: NOW + WHILE,
        spent_until: NOW + WHILE,
        deliveries: routes.iter().map(due).collect(),
    }
}

async fn accept(store: &Store, event: NewEvent) -> Accepted {
    Store::accept(store, &event).await.unwrap()
}

/// A new message and its deliveries.
async fn keep(store: &Store, event: NewEvent) -> (StoredEvent, Vec<i64>) {
    match accept(store, event).await {
        Accepted::New { event, deliveries } => (event, deliveries),
        other => panic!("{other:?}"),
    }
}

/// All of `route` that is due at `now`, taken on for a while.
async fn claim(store: &Store, route: &str, now: i64) -> Vec<Claimed> {
    store.claim(route, now, 100, now + WHILE).await.unwrap().0
}

async fn record(store: &Store, claimed: &Claimed, status: u16, fate: Fate) {
    let error = if status == 200 { String::new() } else { format!("HTTP {status}") };
    let attempt = Attempt { at: NOW, status, ms: 7, error, answer: Vec::new() };
    Store::record(store, claimed, attempt, fate, NOW).await.unwrap();
}

/// Every delivery, newest first.
async fn deliveries(store: &Store) -> Vec<Delivery> {
    store.deliveries(DeliveryQuery { limit: 1000, ..DeliveryQuery::default() }).await.unwrap()
}

/// The only delivery: where it stands, and the HTTP status of every attempt.
async fn only(store: &Store) -> (&'static str, Vec<u16>) {
    let found = deliveries(store).await;
    let [delivery] = &found[..] else { panic!("{found:?}") };
    (delivery.status.as_str(), delivery.attempts.iter().map(|attempt| attempt.status).collect())
}
