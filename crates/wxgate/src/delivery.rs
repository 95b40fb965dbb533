//! Forwarding: every kept message goes to the routes that matched it, at least once, in the
//! background; a route's failures delay no other.
//!
//! A message whose backend has room goes out as soon as it is kept ([`Deliveries::send`]). Each route has a worker that takes
//! on what had none, or is due again, as much as there is room for ([`Deliveries::run`] starts them, [`worker`] is one). [`form`] writes a request,
//! [`send`] makes one attempt, [`schedule`] says what follows from it. A delivery that was taken on is leased: if the process
//! dies, the next one takes it on again. A backend that is to reply is asked at once ([`ask`]), and what it says is read by
//! [`answer`]; one that comes too late goes another way ([`late`]). [`housekeeping`] forgets what is old.

mod answer;
mod ask;
mod expect;
mod form;
mod housekeeping;
mod late;
mod news;
pub mod sample;
pub mod schedule;
mod send;
mod worker;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::clock::{Clock, millis};
use crate::entries::{AppEntry, Origin, RouteEntry};
use crate::flights::Flights;
use crate::keys::Keys;
use crate::lang::say;
use crate::limits::Limits;
use crate::metrics;
use crate::net::Client;
use crate::parts::Parts;
use crate::random::Random;
use crate::registry::routes::Route;
use crate::rules::egress::Forbidden;
use crate::store::{Attempt, Claimed, Fate};
use crate::traces::{self, Delivery, attribute};
use crate::upstream::Upstream;

pub use answer::{Answer, answers_itself};
pub use ask::{Asked, Opened, Patience};
pub use expect::{Expecting, NotTaken};
pub use form::{payload, sign};
pub use send::Sent;

use ask::Hearing;
use housekeeping::HOUSEKEEPING_MS;

/// A lease outlives its request by this.
const LEASE_MARGIN: Duration = Duration::from_secs(45);
/// A request is begun only if its lease outlives it by this.
const LEAST_MARGIN: Duration = Duration::from_secs(5);
/// How often a node looks for what others left.
const OTHERS_MS: i64 = 5_000;
/// Waits before the outcome of an attempt is written down again. Then its lease runs out, and the
/// message goes out once more.
const RECORD_PAUSES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(2), Duration::from_secs(8)];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deliveries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    client: Client,
    /// For targets of routes that were made at run time.
    made: Client,
    /// Routes that have a worker.
    working: Mutex<HashSet<String>>,
    /// Backends that are asked for a reply, by their message's digest.
    asked: Flights<[u8; 32], Asked>,
    /// Sends what came too late.
    upstream: Upstream,
    /// Replies that come from streams, if they do.
    expected: expect::Expected,
}

/// What one request to a backend takes.
#[derive(Debug)]
pub struct Courier<'a> {
    /// Its connector knows the egress rules.
    pub client: &'a Client,
    /// Makes nonces that are known again.
    pub keys: &'a Keys,
    /// Salts what is encrypted.
    pub random: &'a Random,
    /// Time.
    pub clock: &'a Clock,
    /// How much of an answer is read.
    pub limits: &'a Limits,
    /// Of what is traced.
    pub traceparent: Option<String>,
}

impl Courier<'_> {
    /// Sends `claimed`, a message of `app` if that is still configured, by `route` once; with the body of a 2xx, if `listens`.
    pub async fn deliver(
        &self,
        route: &RouteEntry,
        claimed: &Claimed,
        app: Option<&AppEntry>,
        listens: bool,
    ) -> (Sent, Option<Bytes>) {
        match form::write(self, route, claimed, app) {
            Ok(outgoing) => send::send(self, outgoing, route.timeout, listens).await,
            Err(why) => (Sent::failed(why), None),
        }
    }
}

/// How long a request of `route` may hold a delivery.
pub fn lease(route: &Route) -> i64 {
    millis(route.entry.timeout + LEASE_MARGIN)
}

impl Deliveries {
    /// Requests go out by `client`, whose connector knows the egress rules; those to targets of routes that were made at run
    /// time by `made`.
    pub fn new(parts: Parts, upstream: Upstream, (client, made): (Client, Client)) -> Self {
        let (working, asked, expected) = (Mutex::default(), Flights::default(), expect::Expected::default());
        Self(Arc::new(Inner { parts, client, made, working, asked, upstream, expected }))
    }

    /// Keeps a worker for every route, until the stop begins.
    pub async fn run(self) {
        let Parts { registry, store, clock, tasks, .. } = &self.0.parts;
        let mut changes = registry.changes.sleeper();
        let mut due = store.wakes().due.sleeper();
        loop {
            changes.mark_seen();
            due.mark_seen();
            for route in registry.live().routes.iter() {
                let name = route.entry.name.clone();
                if self.working().insert(name.clone()) {
                    self.0.parts.tasks.spawn(self.clone().work(name));
                }
                // A message that was committed after its time woke nobody, nor did what other nodes left.
                route.lane.wake.all();
            }
            let look = if store.is_shared() { OTHERS_MS } else { HOUSEKEEPING_MS };
            tokio::select! {
                () = tasks.draining.cancelled() => return,
                () = changes.woken() => {}
                () = due.woken() => {}
                () = clock.sleep_until(clock.now() + look) => {}
            }
        }
    }

    fn working(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a delivery that is ours from its beginning, in the room that is kept for it. If the commit took longer than the
    /// lease leaves time for, it is somebody else's. `began`: before the lease did, in ticks.
    pub fn send(&self, route: Arc<Route>, claimed: Claimed, room: OwnedSemaphorePermit, began: i64) {
        let this = self.clone();
        self.0.parts.tasks.spawn(async move {
            let passed = this.0.parts.clock.ticks() - began;
            if passed <= millis(LEASE_MARGIN.saturating_sub(LEAST_MARGIN)) {
                this.attempt(&route, &claimed, None).await;
            }
            drop(room);
        });
    }

    /// Leaves deliveries to the workers, now, whoever had meant to send them.
    pub async fn give_back(&self, deliveries: &[i64]) {
        for id in deliveries {
            if let Err(error) = self.0.parts.store.release(*id, self.0.parts.clock.now()).await {
                tracing::warn!(delivery = id, %error, "{}", say("投递推迟到租约到期", "the delivery waits for the end of its lease"));
            }
        }
        for route in self.0.parts.registry.live().routes.iter() {
            route.lane.wake.all();
        }
    }

    /// Sends `xml`, a message that nobody sent, by `route` once: how that went, and how many milliseconds it took.
    pub async fn probe(&self, route: &Route, app: &AppEntry, xml: String) -> (Sent, u64) {
        let Parts { clock, random, .. } = &self.0.parts;
        let claimed = Claimed {
            id: 0,
            round: 0,
            attempt: 1,
            event_id: 0,
            event_name: format!("evt_probe_{:016x}", random.number()),
            appid: app.appid.clone(),
            received_at: clock.now(),
            body: xml.into_bytes(),
        };
        let began = clock.instant();
        let (sent, _) = self.courier(route).deliver(&route.entry, &claimed, Some(app), false).await;
        if sent.is_success() {
            news::tell(route, true, &sent, (clock.now(), clock.ticks()));
        }
        (sent, u64::try_from((clock.instant() - began).as_millis()).unwrap_or(u64::MAX))
    }

    /// The way to the backend of `route`.
    fn courier(&self, route: &Route) -> Courier<'_> {
        let Inner { parts: Parts { clock, random, keys, limits, .. }, client, made, .. } = &*self.0;
        let client = if route.entry.origin == Origin::Stored { made } else { client };
        Courier { client, keys, random, clock, limits, traceparent: None }
    }

    /// Makes an attempt; `hearing`: somebody wants to hear what is answered.
    async fn attempt(&self, route: &Route, claimed: &Claimed, hearing: Option<Hearing>) {
        let Parts { registry, clock, random, .. } = &self.0.parts;
        let (at, began) = (clock.now(), clock.instant());
        let _at_work = route.lane.begin();
        let app = registry.live().app(&claimed.appid).cloned();
        let app = app.as_deref().map(|app| &app.entry);
        let trace = self.0.parts.traces.delivers(&claimed.event_name);
        let traceparent = trace.as_ref().map(Delivery::traceparent);
        let courier = Courier { traceparent, ..self.courier(route) };
        let (sent, body) = courier.deliver(&route.entry, claimed, app, hearing.is_some()).await;
        let took = clock.instant() - began;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let fate = schedule::fate(&route.entry.retry, claimed.attempt, &sent, clock.now(), random.jitter());
        let (name, event, attempt) = (&route.entry.name, claimed.event_id, claimed.attempt);
        let (status, error) = (sent.status, &sent.error);
        tracing::debug!(route = name, event, attempt, status, ms, error, "{}", say("投递", "delivery"));
        if fate == Fate::Dead {
            tracing::warn!(
                route = name,
                event,
                attempt,
                status,
                error,
                "{}",
                say("投递失败，转入死信", "the delivery failed for good: a dead letter")
            );
        }
        route.meter.sent(counted(fate), took);
        if let Some(trace) = trace {
            trace.ended(at, took, span(route, claimed, &sent));
        }
        news::tell(route, fate == Fate::Delivered, &sent, (clock.now(), clock.ticks()));
        let attempt = Attempt { at, status, ms, error: sent.error.clone(), answer: sent.answer.clone() };
        let heard = async {
            if let Some(hearing) = hearing {
                self.heard(route, claimed, &sent, body, hearing).await;
            }
        };
        // Side by side, so that both are one commit.
        let ((), is_recorded) = tokio::join!(heard, self.record(claimed, attempt, fate));
        if route.entry.ordered && is_recorded && !matches!(fate, Fate::Retry(_)) {
            route.lane.ended(claimed.id);
        }
        if route.entry.ordered || fate != Fate::Delivered {
            // The worker may mean to sleep for longer.
            route.lane.wake.all();
        }
    }

    /// Writes down how an attempt went; a store that doesn't answer is asked again for a while. Whether that was done.
    async fn record(&self, claimed: &Claimed, attempt: Attempt, fate: Fate) -> bool {
        let Parts { store, clock, .. } = &self.0.parts;
        let now = clock.now();
        let mut pauses = RECORD_PAUSES.into_iter();
        while let Err(error) = store.record(claimed, attempt.clone(), fate, now).await {
            let Some(pause) = pauses.next() else {
                tracing::error!(delivery = claimed.id, %error, "{}", say("投递结果记不下来，这条消息会再投递一次", "can't record what became of a delivery: the message is delivered once more"));
                return false;
            };
            clock.pause(pause).await;
        }
        true
    }
}

/// As a trace tells of an attempt.
fn span(route: &Route, claimed: &Claimed, sent: &Sent) -> traces::Said {
    let status = match sent.status {
        0 => attribute("error.type", "lost"),
        status => attribute("http.response.status_code", i64::from(status)),
    };
    let attributes = vec![
        attribute("wxgate.route", route.entry.name.to_string()),
        attribute("wxgate.event", claimed.event_name.clone()),
        attribute("wxgate.appid", claimed.appid.clone()),
        attribute("wxgate.attempt", i64::from(claimed.attempt)),
        status,
    ];
    traces::Said { name: "deliver".into(), is_success: sent.is_success(), attributes }
}

fn counted(fate: Fate) -> metrics::Sent {
    match fate {
        Fate::Delivered => metrics::Sent::Delivered,
        Fate::Retry(_) => metrics::Sent::Retried,
        Fate::Dead => metrics::Sent::Dead,
    }
}

/// What stands in an attempt's record when the egress rules refused the target.
fn forbidden(reason: &Forbidden) -> String {
    format!("egress: {reason}")
}
