//! Messages from WeChat and their deliveries, as the rest sees them.

use super::{Store, StoreError};
use crate::keys::Cell;
use crate::text::hex;

/// A message to keep, before it is acknowledged.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Whose.
    pub appid: String,
    /// The user's.
    pub openid: String,
    /// `MsgType`
    pub msg_type: String,
    /// `Event`, or "".
    pub event: String,
    /// `CreateTime`, Unix seconds: keeps the keys of duplicates in the order of time.
    pub create_time: i64,
    /// Unix milliseconds.
    pub received_at: i64,
    /// The message as WeChat wrote it, in clear: the store seals and opens it.
    pub body: Vec<u8>,
    /// Its [`Store::message_digest`].
    pub digest: [u8; 32],
    /// The plain signature it came with: good for this body only in plain mode, for none in another.
    pub signature: Option<String>,
    /// Nothing but that signature says who sent it.
    pub is_plain: bool,
    /// Until when the same message is a duplicate, Unix milliseconds.
    pub remembered_until: i64,
    /// Where it goes.
    pub deliveries: Vec<NewDelivery>,
}

/// A delivery to come.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Name of its route.
    pub route: String,
    /// When it is due, or, leased, when the lease ends. Unix milliseconds.
    pub next_at: i64,
    /// Whoever made it sends it, too.
    pub leased: bool,
}

/// What became of a [`NewEvent`].
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is on disk.
    New {
        /// As it is kept.
        event: StoredEvent,
        /// Ids of the deliveries, in their order.
        deliveries: Vec<i64>,
    },
    /// It was there already.
    Duplicate {
        /// As it was kept.
        event: StoredEvent,
        /// The passive reply it got; `None`: none.
        answer: Option<Vec<u8>>,
    },
    /// Its signature came before, with another body.
    SignatureReused,
}

/// What identifies a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts up in the order of commits.
    pub id: i64,
    /// Of appid and body, under the master key.
    pub digest: [u8; 32],
    /// Row of what must not get through twice.
    pub(super) seen: Vec<u8>,
}

impl StoredEvent {
    /// Names the message to receivers, also after the database was made anew.
    pub fn name(&self) -> String {
        name(self.id, &self.digest)
    }
}

fn name(id: i64, digest: &[u8]) -> String {
    format!("evt_{id}_{}", hex(&digest[..digest.len().min(6)]))
}

/// A delivery, taken on to be sent now.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its own id.
    pub id: i64,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The message.
    pub event_id: i64,
    /// See [`StoredEvent::name`].
    pub event_name: String,
    /// Whose.
    pub appid: String,
    /// When it came, Unix milliseconds.
    pub received_at: i64,
    /// The message, in clear.
    pub body: Vec<u8>,
}

/// A row of [`Claimed`] as the database has it.
#[derive(Clone, Debug)]
pub(super) struct ClaimedRow {
    pub(super) id: i64,
    pub(super) attempt: u32,
    pub(super) event_id: i64,
    pub(super) appid: String,
    pub(super) received_at: i64,
    pub(super) digest: Vec<u8>,
    pub(super) sealed: Vec<u8>,
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

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// To be sent.
    Pending,
    /// Arrived.
    Delivered,
    /// Given up.
    Dead,
}

impl Status {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The reverse.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|status| status.as_str() == text)
    }
}

/// A kept message, for people.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub appid: String,
    /// The user's.
    pub openid: String,
    /// `MsgType`
    pub msg_type: String,
    /// `Event`, or "".
    pub event: String,
    /// Unix milliseconds.
    pub received_at: i64,
    /// Where it went.
    pub deliveries: Vec<Delivery>,
}

/// A delivery, for people.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// Its message's.
    pub event_id: i64,
    /// Name of its route.
    pub route: String,
    /// `pending`, `delivered` or `dead`.
    pub status: String,
    /// When it is tried next (while an attempt runs: when that is taken for lost), Unix milliseconds;
    /// `None`: never.
    pub next_at: Option<i64>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
}

/// Which events to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this app.
    pub appid: Option<String>,
    /// Of this user.
    pub openid: Option<String>,
    /// With this `Event` or `MsgType`, in any case.
    pub event: Option<String>,
    /// Received at or after, Unix milliseconds.
    pub from: Option<i64>,
    /// Received before, Unix milliseconds.
    pub to: Option<i64>,
    /// With a smaller id than this.
    pub before: Option<i64>,
    /// With this id only.
    pub id: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Which deliveries to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    /// Of this route.
    pub route: Option<String>,
    /// That stand so.
    pub status: Option<Status>,
    /// Of this event.
    pub event_id: Option<i64>,
    /// With a smaller id than this.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// What makes a message the same as another.
    pub fn message_digest(&self, appid: &str, body: &[u8]) -> [u8; 32] {
        self.keys.mac(&[b"message", appid.as_bytes(), body])
    }

    /// Keeps a message with its deliveries, in one transaction, unless it was there already.
    pub async fn accept(&self, event: NewEvent) -> Result<Accepted, StoreError> {
        let digest = event.digest;
        let created = u32::try_from(event.create_time).unwrap_or_default();
        let seen = [b"m".as_slice(), &created.to_be_bytes(), &digest].concat();
        let signature = event.signature.as_deref().map(|text| self.signature_key(text));
        let sealed = self.keys.seal(body_place(&hex(&digest)), &event.body);
        let event = NewEvent { body: sealed, ..event };
        match self.db.accept(event, seen, signature).await? {
            Accepted::Duplicate { event, answer } => {
                let answer = answer.map(|sealed| self.open_answer(&event, &sealed)).transpose()?;
                Ok(Accepted::Duplicate { event, answer })
            }
            other => Ok(other),
        }
    }

    /// Remembers the answer a message got, for its duplicates.
    pub async fn keep_answer(&self, event: &StoredEvent, answer: &[u8]) -> Result<(), StoreError> {
        let sealed = self.keys.seal(answer_place(&hex(&event.seen)), answer);
        self.db.keep_answer(event.seen.clone(), sealed).await
    }

    fn open_answer(&self, event: &StoredEvent, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let row = hex(&event.seen);
        self.keys
            .open(answer_place(&row), sealed)
            .map_err(|error| StoreError::Corrupt(format!("seen {row}: {error}").into()))
    }

    /// Remembers a plain signature that came without a body; it is good for none from now on.
    pub async fn keep_signature(&self, signature: &str, now: i64, until: i64) -> Result<(), StoreError> {
        self.db.keep_signature(self.signature_key(signature), now, until).await
    }

    fn signature_key(&self, signature: &str) -> Vec<u8> {
        [b"s".as_slice(), &self.keys.mac(&[b"signature", signature.as_bytes()])].concat()
    }

    /// Takes on at most `limit` deliveries of `route` that are due at `now`, until `leased_until`;
    /// and when the next one will be due. One whose message doesn't open is given up.
    pub async fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        leased_until: i64,
    ) -> Result<(Vec<Claimed>, Option<i64>), StoreError> {
        let (rows, next) = self.db.claim(route.to_owned(), now, limit, leased_until).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            match self.keys.open(body_place(&hex(&row.digest)), &row.sealed) {
                Ok(body) => claimed.push(Claimed {
                    id: row.id,
                    attempt: row.attempt,
                    event_id: row.event_id,
                    event_name: name(row.event_id, &row.digest),
                    appid: row.appid,
                    received_at: row.received_at,
                    body,
                }),
                Err(error) => {
                    let attempt = Attempt { at: now, status: 0, ms: 0, error: error.to_string() };
                    self.db.record(row.id, row.attempt, attempt, Fate::Dead, now).await?;
                }
            }
        }
        Ok((claimed, next))
    }

    /// Writes down how attempt number `n` of a delivery went.
    pub async fn record(
        &self,
        delivery: i64,
        n: u32,
        attempt: Attempt,
        verdict: Fate,
        now: i64,
    ) -> Result<(), StoreError> {
        self.db.record(delivery, n, attempt, verdict, now).await
    }

    /// Gives a leased delivery back: it is due at once.
    pub async fn release(&self, delivery: i64, now: i64) -> Result<(), StoreError> {
        self.db.release(delivery, now).await
    }

    /// Gives back what an earlier process had taken on.
    pub async fn release_all(&self, now: i64) -> Result<(), StoreError> {
        self.db.release_all(now).await
    }

    /// The routes that something waits for.
    pub async fn waiting_routes(&self) -> Result<Vec<String>, StoreError> {
        self.db.waiting_routes().await
    }

    /// Gives up at most `limit` pending deliveries of a route that is gone; how many.
    pub async fn bury(&self, route: &str, now: i64, limit: u32) -> Result<usize, StoreError> {
        self.db.bury(route.to_owned(), now, limit).await
    }

    /// Forgets at most `limit` of each: what need not be remembered any more, dead letters that died
    /// before `dead_before`, and messages from before `events_before` that wait for nothing.
    /// How many rows went.
    pub async fn purge(
        &self,
        now: i64,
        events_before: i64,
        dead_before: i64,
        limit: u32,
    ) -> Result<usize, StoreError> {
        self.db.purge(now, events_before, dead_before, limit).await
    }

    /// StoredEvent messages, newest first.
    pub async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        self.db.events(query).await
    }

    /// One message, in clear.
    pub async fn event_body(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((digest, sealed)) = self.db.event_body(id).await? else { return Ok(None) };
        match self.keys.open(body_place(&hex(&digest)), &sealed) {
            Ok(body) => Ok(Some(body)),
            Err(error) => Err(StoreError::Corrupt(format!("events {id}: {error}").into())),
        }
    }

    /// Deliveries, newest first.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        self.db.deliveries(query).await
    }
}

fn body_place(row: &str) -> Cell<'_> {
    Cell { table: "events", row, column: "body" }
}

fn answer_place(row: &str) -> Cell<'_> {
    Cell { table: "seen", row, column: "answer" }
}
