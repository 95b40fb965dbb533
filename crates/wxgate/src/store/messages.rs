//! Messages from WeChat: kept once each, and the answer they got.

use super::backend::{AcceptedRow, DELIVERIES_PER_MESSAGE, DueRow, EventRow, MessageKey};
use super::{Claimed, Store, StoreError};
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
    /// Scene of the code that was scanned, or "".
    pub scene: String,
    /// Ticket of that code, if who scanned it may be told; else "".
    pub ticket: String,
    /// `MsgId`, or `MsgID` of a sending report, or "".
    pub msg_id: String,
    /// How it came, for people: see [`super::Came`].
    pub came: String,
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
    /// Until when that signature is spent, which may be long after that. Unix milliseconds.
    pub spent_until: i64,
    /// Where it goes, 65,536 places at most.
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
    /// Its signature came before: with another body, or with one that is no duplicate any more.
    SignatureReused,
}

/// What identifies a kept message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts up in the order of commits.
    pub id: i64,
    /// Of appid and body, under the master key.
    pub digest: [u8; 32],
    /// `CreateTime`, as far as it is one.
    pub(super) created: u32,
}

impl StoredEvent {
    /// Names the message to receivers, also after the database was made anew.
    pub fn name(&self) -> String {
        event_name(self.id, &self.digest)
    }
}

pub(super) fn event_name(id: i64, digest: &[u8]) -> String {
    format!("evt_{id}_{}", hex(&digest[..digest.len().min(6)]))
}

impl Store {
    /// What makes a message the same as another.
    pub fn message_digest(&self, appid: &str, body: &[u8]) -> [u8; 32] {
        self.keys.mac(&[b"message", appid.as_bytes(), body])
    }

    /// Keeps a message with its deliveries, in one transaction, unless it was there already.
    pub async fn accept(&self, event: &NewEvent) -> Result<Accepted, StoreError> {
        if event.deliveries.len() > DELIVERIES_PER_MESSAGE as usize {
            return Err(StoreError::Unavailable("a message can't go to more than 65,536 routes".into()));
        }
        let digest = event.digest;
        let seen = MessageKey { created: created(event.create_time), digest };
        let kept = |id| StoredEvent { id, digest, created: seen.created };
        let row = self.event_row(event, seen);
        let ticket = row.ticket;
        let accepted = self.backend.accept(row).await?;
        // Also by a duplicate: the first may have been kept after its time.
        if let Some(ticket) = ticket {
            self.scanned.wake(&ticket);
        }
        match accepted {
            AcceptedRow::New(id, deliveries) => Ok(Accepted::New { event: kept(id), deliveries }),
            AcceptedRow::Duplicate(id, answer) => {
                let answer = answer.map(|sealed| self.open_answer(seen, &sealed)).transpose()?;
                Ok(Accepted::Duplicate { event: kept(id), answer })
            }
            AcceptedRow::SignatureReused => Ok(Accepted::SignatureReused),
        }
    }

    /// The message of a delivery, as it was kept; `create_time` is its own.
    pub fn stored_event(&self, claimed: &Claimed, create_time: i64) -> StoredEvent {
        StoredEvent {
            id: claimed.event_id,
            digest: self.message_digest(&claimed.appid, &claimed.body),
            created: created(create_time),
        }
    }

    fn event_row(&self, event: &NewEvent, seen: MessageKey) -> EventRow {
        // Lists are filtered by the event's name, or by the message's type.
        let kind = if event.event.is_empty() { &event.msg_type } else { &event.event };
        let due = |new: &NewDelivery| {
            let lease = new.leased.then(|| self.lease(new.next_at));
            let due_at = if new.leased { event.received_at } else { new.next_at };
            DueRow { route: new.route.clone(), due_at, lease }
        };
        EventRow {
            kind: kind.to_ascii_lowercase(),
            body: self.keys.seal(body_cell(&hex(&event.digest)), &event.body),
            ticket: (!event.ticket.is_empty()).then(|| self.ticket_key(&event.ticket)),
            signature: event.signature.as_deref().map(|text| self.signature_key(text)),
            deliveries: event.deliveries.iter().map(due).collect(),
            appid: event.appid.clone(),
            openid: event.openid.clone(),
            msg_type: event.msg_type.clone(),
            event: event.event.clone(),
            scene: event.scene.clone(),
            msg_id: event.msg_id.clone(),
            came: event.came.clone(),
            received_at: event.received_at,
            seen,
            is_plain: event.is_plain,
            remembered_until: event.remembered_until,
            spent_until: event.spent_until,
        }
    }

    /// The answer that another node had for a kept message, and whether one is at its delivery by `route` at `now`.
    pub async fn answer(
        &self,
        event: &StoredEvent,
        route: &str,
        now: i64,
    ) -> Result<(Option<Vec<u8>>, bool), StoreError> {
        let seen = MessageKey { created: event.created, digest: event.digest };
        let (sealed, is_held) = self.backend.answer(seen, event.id, route, self.owner, now).await?;
        Ok((sealed.map(|sealed| self.open_answer(seen, &sealed)).transpose()?, is_held))
    }

    /// Remembers the answer a message got, for its duplicates.
    pub async fn keep_answer(&self, event: &StoredEvent, answer: &[u8]) -> Result<(), StoreError> {
        let seen = MessageKey { created: event.created, digest: event.digest };
        let sealed = self.keys.seal(answer_cell(&answer_row(seen)), answer);
        self.backend.keep_answer(seen, event.id, sealed).await
    }

    fn open_answer(&self, seen: MessageKey, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let row = answer_row(seen);
        self.keys
            .open(answer_cell(&row), sealed)
            .map_err(|error| StoreError::Corrupt(format!("seen {row}: {error}").into()))
    }

    /// Remembers a plain signature that came without a body; it is good for none from now on.
    pub async fn keep_signature(&self, signature: &str, now: i64, until: i64) -> Result<(), StoreError> {
        self.backend.keep_signature(self.signature_key(signature), now, until).await
    }

    fn signature_key(&self, signature: &str) -> [u8; 32] {
        self.keys.mac(&[b"signature", signature.as_bytes()])
    }

    /// One message, in clear.
    pub async fn event_body(&self, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((digest, sealed)) = self.backend.event_body(id).await? else { return Ok(None) };
        match self.open_body(&digest, &sealed) {
            Ok(body) => Ok(Some(body)),
            Err(error) => Err(StoreError::Corrupt(format!("events {id}: {error}").into())),
        }
    }

    pub(super) fn open_body(&self, digest: &[u8], sealed: &[u8]) -> Result<Vec<u8>, crate::keys::Unsealable> {
        self.keys.open(body_cell(&hex(digest)), sealed)
    }
}

/// `CreateTime` as far as it is one.
fn created(create_time: i64) -> u32 {
    u32::try_from(create_time).unwrap_or_default()
}

fn body_cell(row: &str) -> Cell<'_> {
    Cell { table: "events", row, column: "body" }
}

/// Answers are sealed under the names that the table and its key had at first, so that those of then still open.
fn answer_cell(row: &str) -> Cell<'_> {
    Cell { table: "seen", row, column: "answer" }
}

fn answer_row(seen: MessageKey) -> String {
    hex(&[b"m".as_slice(), &seen.created.to_be_bytes(), &seen.digest].concat())
}
