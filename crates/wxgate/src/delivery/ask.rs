//! Asking a backend for its answer: one request a message at a time, whoever waits for it, and the answer kept for those
//! who come later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use wechat::message::Message;

use super::answer::{self, Answer};
use super::{Deliveries, Sent};
use crate::clock::Instant;
use crate::flights::{Lead, Turn};
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::routes::Route;
use crate::rules::filter::Subject;
use crate::store::Claimed;

/// Those who wait for an answer wait no longer for its commit.
pub(super) const KEEP_TIME: Duration = Duration::from_millis(500);

/// How far the asking is.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The backend is at it, or will be.
    Open(Arc<Opened>),
    /// This goes to WeChat.
    Answered(Answer),
    /// It has the message, and says nothing to WeChat.
    Silent,
    /// No 2xx: the queue goes on.
    Failed,
}

/// What is known of an asking from its begin.
#[derive(Debug)]
pub struct Opened {
    /// An answer that comes later is for nobody; `None`: it always is for somebody.
    until: Option<Instant>,
    /// Attempts of WeChat's that waited for it.
    attempts: AtomicU32,
    /// WeChat was told that there is no answer: it asks no more.
    is_over: AtomicBool,
}

impl Opened {
    /// When nobody waits any more.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// WeChat got `success` in its place.
    pub fn over(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// One more attempt of WeChat's waits: which it is, from 1.
    pub fn joined(&self) -> u32 {
        self.attempts.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Where an answer goes when it comes; held by whoever asks.
#[derive(Debug)]
pub(super) struct Hearing {
    pub(super) lead: Lead<[u8; 32], Asked>,
    pub(super) opened: Arc<Opened>,
}

/// How a backend is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until when there may be no room for the request; then the worker does it, when there is.
    pub room: Instant,
    /// Not even that long, if the backend has as many requests as it may.
    pub only_with_room: bool,
    /// See [`Opened::until`].
    pub answer: Option<Instant>,
}

impl Deliveries {
    /// The asking about the message with this digest, if it is under way.
    pub fn under_way(&self, digest: &[u8; 32]) -> Option<watch::Receiver<Asked>> {
        self.0.asked.watch(digest)
    }

    /// Sends a leased delivery now, in a task of its own that nobody's hanging up ends. Whoever asks about the same message
    /// meanwhile watches.
    pub fn ask(
        &self,
        route: Arc<Route>,
        claimed: Claimed,
        digest: [u8; 32],
        patience: Patience,
    ) -> watch::Receiver<Asked> {
        let hearing = match self.open(digest, patience.answer) {
            Ok(hearing) => hearing,
            // It was leased to us, so whoever is at it is about to end.
            Err(other) => return other,
        };
        let receiver = hearing.lead.watch();
        let this = self.clone();
        self.0.parts.tasks.spawn(async move {
            let room = route.lane.room.clone().acquire_owned();
            let permit = match patience.only_with_room.then(|| route.lane.begin_soon()) {
                Some(None) => None,
                begun => this.0.parts.clock.by(patience.room, room).await.map(|permit| (permit, begun)),
            };
            match permit {
                Some((permit, begun)) => {
                    drop(begun);
                    this.attempt(&route, &claimed, Some(hearing)).await;
                    drop(permit);
                }
                None => {
                    this.give_back(&[claimed.id]).await;
                    hearing.lead.reached(Asked::Failed);
                }
            }
        });
        receiver
    }

    /// For an attempt from the queue: if WeChat repeats the event until it gets an answer, somebody wants to hear this one.
    pub(super) fn overhear(&self, route: &Route, claimed: &Claimed) -> Option<Hearing> {
        route.entry.reply?;
        let Parts { registry, store, .. } = &self.0.parts;
        let message = Message::read(&claimed.body);
        if !answer::answers_itself(&message) {
            return None;
        }
        let live = registry.live();
        let app = live.app(&claimed.appid)?;
        let matching = live.routes.matching(&claimed.appid, &app.entry.tags, &Subject::of(&message));
        let asked = matching.iter().find(|route| route.entry.reply.is_some())?;
        let is_asked = asked.entry.name == route.entry.name;
        is_asked.then(|| self.open(store.message_digest(&claimed.appid, &claimed.body), None).ok())?
    }

    pub(super) fn open(
        &self,
        digest: [u8; 32],
        until: Option<Instant>,
    ) -> Result<Hearing, watch::Receiver<Asked>> {
        let (attempts, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
        let opened = Arc::new(Opened { until, attempts, is_over });
        match self.0.asked.join(digest, Asked::Open(opened.clone())) {
            Turn::First(lead) => Ok(Hearing { lead, opened }),
            Turn::Later(other) => Err(other),
        }
    }

    /// Reads what a backend said, keeps it for whoever comes later, and tells those who wait.
    pub(super) async fn heard(
        &self,
        route: &Route,
        claimed: &Claimed,
        sent: &Sent,
        body: Option<Bytes>,
        hearing: Hearing,
    ) {
        let Parts { registry, store, clock, .. } = &self.0.parts;
        let Hearing { lead, opened } = hearing;
        let message = Message::read(&claimed.body);
        let app = registry.live().app(&claimed.appid).cloned();
        let asked = match (body, &app) {
            (Some(said), Some(app)) => {
                let found = answer::read(&said, &route.entry, &app.entry, &message, clock.now_secs());
                found.map_or(Asked::Silent, Asked::Answered)
            }
            _ if sent.is_success() => Asked::Silent,
            _ => Asked::Failed,
        };
        let is_late = || opened.until.is_some_and(|until| clock.instant() > until);
        let mut late = None;
        let asked = match asked {
            Asked::Answered(answer) if is_late() => {
                late = Some(answer);
                Asked::Silent
            }
            Asked::Answered(answer) => {
                let event = store.stored_event(claimed, message.create_time());
                let kept = answer.to_keep();
                let kept = clock.by(clock.instant() + KEEP_TIME, store.keep_answer(&event, &kept)).await;
                if !matches!(kept, Some(Ok(()))) {
                    let event = claimed.event_id;
                    let lost = say(
                        "被动回复没能及时记下：以后重复的消息可能得到 success",
                        "a passive reply wasn't recorded in time: a duplicate may get success",
                    );
                    tracing::warn!(event, "{lost}");
                }
                // Those who waited may have been told so, and didn't wait for the store.
                let is_over = opened.is_over.load(Ordering::Relaxed) || is_late();
                late = is_over.then(|| answer.clone());
                Asked::Answered(answer)
            }
            other => other,
        };
        lead.reached(asked);
        if let (Some(answer), Some(app)) = (late, app) {
            self.late(&route.entry, claimed, &message, &answer, app);
        }
    }
}
