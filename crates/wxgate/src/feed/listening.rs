//! Streams of one user's messages, whose readers may answer him; and what they answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wechat::message::Message;

use super::Feed;
use super::stream::Wanted;
use crate::clock::Instant;
use crate::delivery::{Expecting, NotTaken};
use crate::parts::Parts;
use crate::registry::App;
use crate::registry::callers::Caller;
use crate::rules::filter::Subject;
use crate::store::{Claimed, StoreError};

/// The streams that are open here, by the user that they are about, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Listening(Arc<Streams>);

#[derive(Debug, Default)]
struct Streams {
    open: Mutex<HashMap<String, Vec<Arc<Listener>>>>,
    /// How many, so that whoever has a message looks only if there are any.
    count: AtomicUsize,
}

/// Somebody who reads a stream.
#[derive(Debug)]
struct Listener {
    caller: Arc<str>,
    wanted: Arc<Wanted>,
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
    pub(super) fn begin(&self, caller: &Arc<str>, wanted: &Arc<Wanted>) -> Option<Listens> {
        let openid = wanted.openid.clone()?;
        let listener = Arc::new(Listener { caller: caller.clone(), wanted: wanted.clone() });
        self.open().entry(openid.clone()).or_default().push(listener.clone());
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Some(Listens { listening: self.clone(), openid, listener })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Listener>>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The callers whose streams take the message, the newest first.
    fn who(&self, openid: &str, appid: &str, tags: &[String], message: &Message) -> Vec<Arc<str>> {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let open = self.open();
        let Some(streams) = open.get(openid) else { return Vec::new() };
        let subject = Subject::of(message);
        let takes = |one: &&Arc<Listener>| one.wanted.takes(appid, tags, &subject);
        streams.iter().rev().filter(takes).map(|one| one.caller.clone()).collect()
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
        self.listening.0.count.fetch_sub(1, Ordering::AcqRel);
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
        let claimed: &Claimed = &found.claimed;
        let app = registry.live().app(&claimed.appid).cloned().ok_or(NoReply::Unknown)?;
        if !is_named(claimed, name) || !caller.apps.matches(&app.appid, &app.entry.tags) {
            return Err(NoReply::Unknown);
        }
        let message = Message::read(&claimed.body);
        let who = self.0.listening.who(&found.openid, &app.appid, &app.entry.tags, &message);
        if !who.contains(&caller.name) {
            return Err(NoReply::NoStream);
        }
        self.0.deliveries.reply(&caller.name, claimed, said).await.map_err(NoReply::NotTaken)
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
