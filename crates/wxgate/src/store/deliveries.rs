//! Deliveries on their way: taken on, tried, ended, and forgotten with their messages.
//!
//! A delivery waits, or has ended. What waits may be leased to the process that sends it. One that has ended can begin
//! anew, in another round with attempts of its own.

use super::backend::{ClaimedRow, DELIVERIES_PER_MESSAGE, Record};
use super::messages::event_name;
use super::{Cell, Store, StoreError};

/// A delivery, taken on to be sent now.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its own id.
    pub id: i64,
    /// How often it has begun anew.
    pub round: u32,
    /// Which attempt of the round this is, from 1.
    pub attempt: u32,
    /// The message.
    pub event_id: i64,
    /// See [`super::StoredEvent::name`].
    pub event_name: String,
    /// Whose.
    pub appid: String,
    /// When it came, Unix milliseconds.
    pub received_at: i64,
    /// The message, in clear.
    pub body: Vec<u8>,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began, Unix milliseconds.
    pub at: i64,
    /// HTTP status; 0: no answer.
    pub status: u16,
    /// How long it took.
    pub ms: u64,
    /// Why it failed; "" if it didn't.
    pub error: String,
    /// The head of the answer and the begin of its body, of one that failed.
    pub answer: Vec<u8>,
}

/// What an attempt makes of its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived.
    Delivered,
    /// Once more, at this time (Unix milliseconds).
    Retry(i64),
    /// Given up.
    Dead,
}

/// One step of forgetting, and what it goes by. Times are Unix milliseconds. It ends early if it takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Forgets what need not be remembered any more at this time.
    pub now: i64,
    /// Forgets messages from before this time that wait for nothing.
    pub events_before: i64,
    /// Forgets dead letters that died before this time.
    pub dead_before: i64,
    /// Looks at so many rows of each kind, at most.
    pub limit: u32,
    /// The message that the step before looked at last: when it came, and its id.
    pub(super) after: (i64, i64),
}

/// What a step of forgetting did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How much went: seen messages, signatures, answers, dead letters, and messages.
    pub rows: usize,
    /// The next step, if there is more to look at.
    pub next: Option<Purge>,
    /// How far it got.
    pub seen: Seen,
}

/// The old message that forgetting looked at last: when it came, and its id. What stays is not looked at again until
/// somebody begins anew, by [`Seen::default`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(pub(super) (i64, i64));

impl Default for Seen {
    fn default() -> Self {
        Self((i64::MIN, 0))
    }
}

impl Purge {
    /// The first step.
    pub fn new(now: i64, events_before: i64, dead_before: i64, limit: u32) -> Self {
        Self { now, events_before, dead_before, limit, after: Seen::default().0 }
    }

    /// The same, from where an earlier one got.
    pub fn after(self, seen: Seen) -> Self {
        Self { after: seen.0, ..self }
    }
}

impl Store {
    /// Takes on at most `limit` deliveries of `route` that are due at `now` and that nobody else has taken on, until
    /// `leased_until`; and when the next one will be due. One whose message doesn't open is given up.
    pub async fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        leased_until: i64,
    ) -> Result<(Vec<Claimed>, Option<i64>), StoreError> {
        let (rows, next) = self.backend.claim(route, now, limit, self.lease(leased_until)).await?;
        Ok((self.with_bodies(rows, now).await?, next))
    }

    /// Those whose message opens; others are given up.
    pub(super) async fn with_bodies(
        &self,
        rows: Vec<ClaimedRow>,
        now: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            let opened = self.open_body(&row.digest, &row.body);
            let delivery = taken_on(row);
            match opened {
                Ok(body) => claimed.push(Claimed { body, ..delivery }),
                Err(error) => {
                    let attempt =
                        Attempt { at: now, status: 0, ms: 0, error: error.to_string(), answer: Vec::new() };
                    self.record(&delivery, attempt, Fate::Dead, now).await?;
                }
            }
        }
        Ok(claimed)
    }

    /// Takes on the delivery of a message by `route`, due or not, ended or not, until `leased_until`: in another round if it
    /// has ended. `None` if somebody holds it, or the message is forgotten.
    pub async fn take_on(
        &self,
        event_id: i64,
        route: &str,
        now: i64,
        leased_until: i64,
    ) -> Result<Option<Claimed>, StoreError> {
        let Some(row) = self.backend.take_on(event_id, route, now, self.lease(leased_until)).await? else {
            return Ok(None);
        };
        let body = self.open_body(&row.digest, &row.body);
        let body = body.map_err(|error| StoreError::Corrupt(format!("events {event_id}: {error}").into()))?;
        Ok(Some(Claimed { body, ..taken_on(row) }))
    }

    /// Writes down how an attempt of a delivery went. If somebody else has taken it on meanwhile, or given it up, only
    /// an arrival counts: that ends it.
    pub async fn record(
        &self,
        claimed: &Claimed,
        attempt: Attempt,
        fate: Fate,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut attempt = attempt;
        if !attempt.answer.is_empty() {
            attempt.answer = self.keys.seal(attempt_cell(&claimed.id.to_string()), &attempt.answer);
        }
        let record = Record {
            delivery: claimed.id,
            round: claimed.round,
            n: claimed.attempt,
            owner: self.owner,
            attempt,
            fate,
            now,
        };
        self.backend.record(record).await
    }

    /// Gives back a delivery that this process has taken on: it is due at once.
    pub async fn release(&self, delivery: i64, now: i64) -> Result<(), StoreError> {
        self.backend.release(delivery, self.owner, now).await
    }

    /// At start: what processes that have died had taken on is due at `now`.
    pub async fn resume(&self, now: i64) -> Result<(), StoreError> {
        self.backend.resume(self.owner, now).await
    }

    /// The routes that something waits for.
    pub async fn waiting_routes(&self) -> Result<Vec<String>, StoreError> {
        self.backend.waiting_routes().await
    }

    /// How many deliveries wait for `route`, counted up to `most`.
    pub async fn backlog(&self, route: &str, most: u32) -> Result<u32, StoreError> {
        self.backend.backlog(route, most).await
    }

    /// Gives up at most `limit` waiting deliveries of a route that is gone; how many.
    pub async fn bury(&self, route: &str, now: i64, limit: u32) -> Result<usize, StoreError> {
        self.backend.bury(route, now, limit).await
    }

    /// Sends a delivery that has ended once more, in a round of its own; false if it waits, or isn't there.
    pub async fn replay(&self, delivery: i64, now: i64) -> Result<bool, StoreError> {
        self.backend.replay(delivery, now).await
    }

    /// Forgets what is old, a step at a time, so that nobody waits for long.
    pub async fn purge(&self, step: Purge) -> Result<Purged, StoreError> {
        self.backend.purge(step).await
    }
}

/// The message of a delivery.
pub fn event_of(delivery: i64) -> i64 {
    delivery.div_euclid(DELIVERIES_PER_MESSAGE)
}

/// A row as whoever sends it sees it, without its message.
fn taken_on(row: ClaimedRow) -> Claimed {
    let event_id = event_of(row.id);
    Claimed {
        id: row.id,
        round: row.round,
        attempt: row.attempts.saturating_add(1),
        event_id,
        event_name: event_name(event_id, &row.digest),
        appid: row.appid,
        received_at: row.received_at,
        body: Vec::new(),
    }
}

/// An answer may stand with any attempt of its delivery.
pub(super) fn attempt_cell(delivery: &str) -> Cell<'_> {
    Cell { table: "attempts", row: delivery, column: "answer" }
}
