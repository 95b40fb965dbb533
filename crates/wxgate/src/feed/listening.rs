//! Streams of one user's messages, whose readers may answer him; and what they answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use wechat::message::Message;

use super::Feed;
use super::wanted::Wanted;
use crate::clock::{Instant, millis};
use crate::delivery::{Expecting, NotTaken, answers_itself};
use crate::parts::Parts;
use crate::registry::App;
use crate::registry::callers::Caller;
use crate::rules::filter::Subject;
use crate::store::{Claimed, StoreError};
use crate::wake::Wake;

/// The streams that are open, by the user that they are about. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening(Arc<Streams>);

#[derive(Debug, Default)]
struct Streams {
    /// Here, the newest last.
    open: Mutex<HashMap<String, Vec<Arc<Listener>>>>,
    /// At other nodes, the newest last.
    elsewhere: Mutex<HashMap<String, Vec<Listener>>>,
    /// How many of both, so that whoever has a message looks only if there are any.
    count: AtomicUsize,
    count_elsewhere: AtomicUsize,
    /// Those here have changed.
    changes: Wake,
}

/// Somebody who reads a stream.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) caller: Arc<str>,
    pub(super) wanted: Arc<Wanted>,
    /// When it was opened, by the time of all nodes.
    pub(super) at: i64,
}

/// A stream, as its node tells of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) caller: String,
    pub(super) openid: String,
    pub(super) appid: Option<String>,
    pub(super) events: Vec<String>,
    /// When it was opened, by the time of all nodes.
    pub(super) at: i64,
}

/// Held by the stream.
#[derive(Debug)]
pub(super) struct Listens {
    listening: Listening,
    openid: String,
    listener: Arc<Listener>,
}

/// Why a caller's reply isn't taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoReply {
    /// It may not answer at all.
    #[error("the caller lacks may_reply")]
    Right,
    /// It has no stream of that user's messages.
    #[error("the caller has no stream that filters this openid")]
    NoStream,
    /// There is no such message.
    #[error("no such message")]
    Unknown,
    /// See [`NotTaken`].
    #[error("not taken")]
    NotTaken(NotTaken),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Listening {
    /// Notes a stream of one user's messages, until what this gives is dropped.
    pub(super) fn begin(&self, caller: &Arc<str>, wanted: &Arc<Wanted>, at: i64) -> Option<Listens> {
        let openid = wanted.openid.clone()?;
        let listener = Arc::new(Listener { caller: caller.clone(), wanted: wanted.clone(), at });
        self.open().entry(openid.clone()).or_default().push(listener.clone());
        self.0.count.fetch_add(1, Ordering::AcqRel);
        self.0.changes.all();
        Some(Listens { listening: self.clone(), openid, listener })
    }

    /// Woken when those that are open here change.
    pub(super) fn changes(&self) -> &Wake {
        &self.0.changes
    }

    /// The newest of those here, for other nodes.
    pub(super) fn notes(&self, most: usize) -> Vec<Note> {
        let open = self.open();
        let note = |one: &Arc<Listener>| {
            let Wanted { openid, appid, events, .. } = &*one.wanted;
            Some(Note {
                caller: one.caller.to_string(),
                openid: openid.clone()?,
                appid: appid.clone(),
                events: events.clone(),
                at: one.at,
            })
        };
        let mut notes: Vec<Note> = open.values().flatten().filter_map(note).collect();
        notes.sort_by_key(|note| -note.at);
        notes.truncate(most);
        notes
    }

    /// What other nodes told.
    pub(super) fn elsewhere(&self, found: HashMap<String, Vec<Listener>>) {
        self.0.count_elsewhere.store(found.len(), Ordering::Release);
        *self.0.elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Listener>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callers whose streams take the message, the newest first.
    fn who(&self, openid: &str, appid: &str, tags: &[String], message: &Message) -> Vec<Arc<str>> {
        let Streams { count, count_elsewhere, elsewhere, .. } = &*self.0;
        if count.load(Ordering::Acquire) == 0 && count_elsewhere.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let subject = Subject::of(message);
        let takes = |one: &Listener| one.wanted.takes(appid, tags, &subject);
        let found = |one: &Listener| takes(one).then(|| (one.at, one.caller.clone()));
        let open = self.open();
        let here = open.get(openid).into_iter().flatten().filter_map(|one| found(one));
        let elsewhere = elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let there = elsewhere.get(openid).into_iter().flatten().filter_map(found);
        let mut all: Vec<(i64, Arc<str>)> = there.chain(here).collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().rev().map(|(_, caller)| caller).collect()
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        let mut open = self.listening.open();
        if let Some(streams) = open.get_mut(&self.openid) {
            streams.retain(|one| !Arc::ptr_eq(one, &self.listener));
            if streams.is_empty() {
                open.remove(&self.openid);
            }
        }
        drop(open);
        self.listening.0.count.fetch_sub(1, Ordering::AcqRel);
        self.listening.0.changes.all();
    }
}

impl Feed {
    /// Who may answer a message of `app`: whoever opened the newest stream of that user's messages that takes it.
    pub fn replier(&self, app: &App, openid: &str, message: &Message) -> Option<Arc<str>> {
        let (appid, tags) = (&app.entry.appid, &app.entry.tags);
        let who = self.0.listening.who(openid, appid, tags, message);
        if who.is_empty() {
            return None;
        }
        let live = self.0.parts.registry.live();
        let now = self.0.parts.clock.now();
        let may = |name: &Arc<str>| {
            let caller = live.callers.by_name(name);
            caller.is_some_and(|caller| {
                caller.may_reply && !caller.has_ended(now) && caller.apps.matches(appid, tags)
            })
        };
        who.into_iter().find(may)
    }

    /// Waits for the answer that `caller` may give to the message with this digest, until then.
    pub fn expect(&self, digest: [u8; 32], caller: Arc<str>, until: Instant) -> Option<Expecting> {
        self.0.deliveries.expect(digest, caller, until)
    }

    /// Takes what `caller` answers to the message that `name` names: by its number, or as webhooks do.
    pub async fn reply(&self, caller: &Caller, name: &str, said: &[u8]) -> Result<(), NoReply> {
        let Parts { store, registry, .. } = &self.0.parts;
        if !caller.may_reply {
            return Err(NoReply::Right);
        }
        let id = number(name).ok_or(NoReply::Unknown)?;
        let found = store.stream_event(id).await?.ok_or(NoReply::Unknown)?;
        let claimed = &found.claimed;
        let app = registry.live().app(&claimed.appid).cloned().ok_or(NoReply::Unknown)?;
        if !is_named(claimed, name) || !caller.apps.matches(&app.appid, &app.entry.tags) {
            return Err(NoReply::Unknown);
        }
        let message = Message::read(&claimed.body);
        let who = self.0.listening.who(&found.openid, &app.appid, &app.entry.tags, &message);
        if !who.contains(&caller.name) {
            return Err(NoReply::NoStream);
        }
        match self.0.deliveries.reply(&caller.name, claimed, said).await {
            Err(NotTaken::Elsewhere) if store.is_shared() => {
                let is_his = self.replier(&app, &found.openid, &message).as_ref() == Some(&caller.name);
                match is_his && self.is_waited_for(&app, claimed, &message) {
                    true => self.0.deliveries.reply_elsewhere(claimed, said).await,
                    false => Err(NotTaken::Late),
                }
            }
            taken => taken,
        }
        .map_err(NoReply::NotTaken)
    }

    /// Whether another node may still wait for a stream's answer to a message.
    fn is_waited_for(&self, app: &App, claimed: &Claimed, message: &Message) -> bool {
        let Parts { registry, clock, limits, .. } = &self.0.parts;
        let routes =
            registry.live().routes.matching(&app.entry.appid, &app.entry.tags, &Subject::of(message));
        let replies = routes.iter().any(|route| route.entry.reply.is_some() && !route.entry.paused);
        let age = clock.now() - claimed.received_at;
        !replies && !answers_itself(message) && age < millis(limits.callback_time)
    }
}

/// The number in `12` or `evt_12_0a1b2c3d4e5f`.
fn number(name: &str) -> Option<i64> {
    let digits = match name.strip_prefix("evt_") {
        Some(rest) => rest.split('_').next()?,
        None => name,
    };
    digits.parse().ok().filter(|id| *id > 0)
}

fn is_named(claimed: &Claimed, name: &str) -> bool {
    !name.starts_with("evt_") || claimed.event_name == name
}
