//! What people look at: messages and deliveries, newest first.

use serde::Serialize;

use super::deliveries::attempt_cell;
use super::{Attempt, Store, StoreError};

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
    /// Scene of the code that was scanned, or "".
    pub scene: String,
    /// How it came.
    pub came: Came,
    /// Where it went.
    pub deliveries: Vec<Delivery>,
}

/// How a message came. Nothing is known of those that an older version kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// The request that brought it first.
    pub request_id: Option<String>,
    /// `plain`, `compatible` or `safe`.
    pub mode: Option<String>,
    /// The key that opened it: `aes_key` or `previous_aes_key`.
    pub key: Option<String>,
}

impl Came {
    /// As it is kept: what holds no space, apart by spaces.
    pub fn written(request_id: &str, mode: &str, key: &str) -> String {
        format!("{request_id} {mode} {key}").trim_end().to_owned()
    }

    /// The reverse.
    pub fn read(text: &str) -> Self {
        let mut parts = text.split(' ').filter(|part| !part.is_empty()).map(str::to_owned);
        Self { request_id: parts.next(), mode: parts.next(), key: parts.next() }
    }
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
    /// Where it stands.
    pub status: Status,
    /// When it is tried next (while an attempt runs: when that is taken for lost), Unix milliseconds;
    /// `None`: never.
    pub next_at: Option<i64>,
    /// Every attempt of every round, in order.
    pub attempts: Vec<Attempt>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To be sent.
    Pending,
    /// Arrived.
    Delivered,
    /// Given up.
    Dead,
}

impl Status {
    /// As shown.
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

/// Which events to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this app.
    pub appid: Option<String>,
    /// Of this user.
    pub openid: Option<String>,
    /// With this `Event` or `MsgType`, in any case.
    pub event: Option<String>,
    /// With this scene.
    pub scene: Option<String>,
    /// With this `MsgId`.
    pub msg_id: Option<String>,
    /// Received at or after, Unix milliseconds.
    pub from: Option<i64>,
    /// Received before, Unix milliseconds.
    pub to: Option<i64>,
    /// With a smaller id than this.
    pub before: Option<i64>,
    /// With this id only.
    pub id: Option<i64>,
    /// With a delivery by this route.
    pub route: Option<String>,
    /// With a delivery that stands so.
    pub status: Option<Status>,
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

/// Which dead letters to group.
#[derive(Clone, Debug, Default)]
pub struct GroupQuery {
    /// Of this route.
    pub route: Option<String>,
    /// Given up at or after, Unix milliseconds.
    pub from: Option<i64>,
    /// Given up before, Unix milliseconds.
    pub to: Option<i64>,
}

/// Dead letters of one route that failed alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadGroup {
    /// Name of the route.
    pub route: String,
    /// Status of the last attempt; 0: none came.
    pub status: u16,
    /// Why the last attempt failed.
    pub error: String,
    /// How many, among the newest [`GROUPED`].
    pub count: u64,
    /// When the first was given up, Unix milliseconds.
    pub oldest: i64,
    /// When the last was.
    pub newest: i64,
}

/// Dead letters that are looked at.
pub(super) const GROUPED: u32 = 100_000;
/// Groups that are shown.
pub(super) const GROUPS: u32 = 200;

impl Store {
    /// Dead letters by route and failure, the largest group first.
    pub async fn dead_groups(&self, query: GroupQuery) -> Result<Vec<DeadGroup>, StoreError> {
        self.backend.dead_groups(query).await
    }

    /// Kept messages, newest first.
    pub async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        let mut found = self.backend.events(query).await?;
        found.iter_mut().flat_map(|event| &mut event.deliveries).for_each(|one| self.open_answers(one));
        Ok(found)
    }

    /// Deliveries, newest first.
    pub async fn deliveries(&self, query: DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let mut found = self.backend.deliveries(query).await?;
        found.iter_mut().for_each(|one| self.open_answers(one));
        Ok(found)
    }

    /// What can't be opened any more is left out.
    fn open_answers(&self, delivery: &mut Delivery) {
        let row = delivery.id.to_string();
        for attempt in delivery.attempts.iter_mut().filter(|attempt| !attempt.answer.is_empty()) {
            attempt.answer = self.keys.open(attempt_cell(&row), &attempt.answer).unwrap_or_default();
        }
    }
}
