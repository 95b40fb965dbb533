//! Work that goes on by itself: template messages in bulk ([`sending`]), and replays ([`replaying`]). What is to be done, and what
//! became of it, stands in the store; a job is worked on by the process that has it on lease, and by another when that one was
//! killed.
//!
//! No message goes out twice. An item is written down as begun before its call goes out. Whatever isn't known of it afterwards is asked
//! by sending it again under the same `client_msg_id`, by which WeChat knows it for ten minutes; when nine are over, nobody knows and
//! nobody asks.

mod fate;
mod lease;
mod replaying;
mod selection;
mod sending;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admit::Door;
use crate::clock::millis;
use crate::feed::Feed;
use crate::keys::Holder;
use crate::lang::say;
use crate::parts::Parts;
use crate::registry::callers::Caller;
use crate::registry::line::Line;
use crate::store::{Job, JobKind, StoreError};
use crate::upstream::Upstream;
use crate::wake::Wake;

pub use selection::{Found, Selection};

/// The path whose right a batch needs, from its upload to its last message.
pub const BATCH: &str = "/v1/service/wx/sendwxtemplatemsg/batch";
/// Items a second, unless it is asked for others.
pub const RATE: u32 = 50;
/// At most.
pub const FASTEST: u32 = 1000;

/// Batches that one process works on at once, and of these one caller's; and replays that send.
const BATCHES: usize = 32;
const OF_ONE: i64 = 4;
const REPLAYS: usize = 4;
/// Uploads of one caller at once.
const UPLOADS: usize = 4;
/// Replays that have sent everything and wait for what comes of it.
const WATCHED: usize = 64;
/// How often a process looks for jobs that nobody works on, milliseconds: where there are others, which may be killed; and alone.
const LOOK_SHARED: i64 = 5_000;
const LOOK_ALONE: i64 = 60_000;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    door: Door,
    upstream: Upstream,
    feed: Feed,
    sends: Arc<Semaphore>,
    replays: Arc<Semaphore>,
    at_work: Mutex<HashMap<i64, JobKind>>,
    /// Uploads that come in, by caller.
    uploads: Mutex<HashMap<Arc<str>, usize>>,
    /// A job came, ended, or was stopped.
    changed: Wake,
}

impl Jobs {
    /// At work: messages go out by `upstream`, and count at `door`; streams get what is replayed by `feed`.
    pub fn start(parts: &Parts, door: Door, upstream: Upstream, feed: Feed) -> Self {
        let this = Self(Arc::new(Inner {
            parts: parts.clone(),
            door,
            upstream,
            feed,
            sends: Arc::new(Semaphore::new(BATCHES)),
            replays: Arc::new(Semaphore::new(REPLAYS)),
            at_work: Mutex::default(),
            uploads: Mutex::default(),
            changed: Wake::default(),
        }));
        parts.tasks.spawn(this.clone().run());
        this
    }

    /// A job came, or was stopped.
    pub fn look(&self) {
        self.0.changed.all();
    }

    /// When a job that ends at `now` is forgotten.
    pub fn forgotten_at(&self, now: i64) -> i64 {
        now + millis(self.0.parts.registry.live().retention.events)
    }

    /// Takes on jobs until the stop begins.
    async fn run(self) {
        let Parts { store, clock, tasks, .. } = &self.0.parts;
        let mut changed = self.0.changed.sleeper();
        loop {
            changed.mark_seen();
            let mut look = if store.is_shared() { LOOK_SHARED } else { LOOK_ALONE };
            for kind in [JobKind::Send, JobKind::Replay] {
                while self.take_on(kind).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "{}", say("读不到任务，稍后再试", "can't read the jobs: later"));
                    look = millis(PAUSE);
                    false
                }) {}
            }
            tokio::select! {
                () = tasks.draining.cancelled() => return,
                () = changed.woken() => {}
                () = clock.sleep_until(clock.now() + look) => {}
            }
        }
    }

    /// Takes on the next job of a kind, if there is one and room for it.
    async fn take_on(&self, kind: JobKind) -> Result<bool, StoreError> {
        let Parts { store, clock, tasks, .. } = &self.0.parts;
        let (room, most, of_one) = match kind {
            JobKind::Send => (&self.0.sends, BATCHES, OF_ONE),
            // Those that wait for results hold nobody up.
            JobKind::Replay => (&self.0.replays, WATCHED, i64::MAX),
        };
        let Ok(room) = room.clone().try_acquire_owned() else { return Ok(false) };
        let is_of_kind = |(_, other): &(&i64, &JobKind)| **other == kind;
        let except: Vec<i64> = self.at_work().iter().filter(is_of_kind).map(|(id, _)| *id).collect();
        if except.len() >= most || tasks.draining.is_cancelled() {
            return Ok(false);
        }
        let (now, ticks) = (clock.now(), clock.ticks());
        let Some(job) = store.claim_job(kind, (except, of_one), now, now + lease::LENGTH).await? else {
            return Ok(false);
        };
        self.at_work().insert(job.id, kind);
        let this = self.clone();
        tasks.spawn(async move {
            this.work(job, ticks, room).await;
            this.look();
        });
        Ok(true)
    }

    async fn work(&self, job: Job, ticks: i64, room: OwnedSemaphorePermit) {
        let Parts { store, clock, .. } = &self.0.parts;
        let lease = lease::Held::new(job.id, ticks);
        let done = match job.kind {
            JobKind::Send => Box::pin(sending::work(self, &job, lease, room)).await,
            JobKind::Replay => Box::pin(replaying::work(self, &job, lease, room)).await,
        };
        if let Err(error) = done {
            tracing::error!(job = job.id, %error, "{}", say("任务做不下去，稍后再试", "a job can't go on: later"));
            clock.pause(PAUSE).await;
            // Else it is anybody's when the lease ends.
            let _ = store.leave_job(job.id).await;
        }
        self.at_work().remove(&job.id);
    }

    fn at_work(&self) -> MutexGuard<'_, HashMap<i64, JobKind>> {
        self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An upload of a caller begins, unless enough of his come in.
    pub fn begin_upload(&self, caller: &Arc<str>) -> Option<Uploading> {
        let mut uploads = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let own = uploads.entry(caller.clone()).or_default();
        if *own >= UPLOADS {
            return None;
        }
        *own += 1;
        Some(Uploading { jobs: self.clone(), caller: caller.clone() })
    }

    /// How many deliveries a selection has at `now`.
    pub async fn count(&self, selection: &Selection, now: i64) -> Result<Found, StoreError> {
        selection::count(&self.0.parts, selection, now).await
    }
}

/// An upload that comes in, until it is dropped.
#[derive(Debug)]
pub struct Uploading {
    jobs: Jobs,
    caller: Arc<str>,
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let mut uploads = self.jobs.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = uploads.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                uploads.remove(&self.caller);
            }
        }
    }
}

/// Before something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a batch keeps beside its messages: whose it is, and what its upload was answered.
pub fn batch(caller: &Caller, answer: &Value) -> Vec<u8> {
    let keys: Vec<String> =
        caller.line.keys().iter().map(|key| BASE64_STANDARD.encode(key.bytes())).collect();
    json!({"keys": keys, "answer": answer}).to_string().into_bytes()
}

/// What the upload of a batch was answered, if it is this line's.
pub fn answer_of(job: &Job, line: &Line) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(&job.value).ok()?;
    let holder = |key: &Value| {
        let bytes = BASE64_STANDARD.decode(key.as_str()?).ok()?;
        Some(Holder::of_bytes(bytes.try_into().ok()?))
    };
    let keys: Vec<Holder> = value["keys"].as_array()?.iter().filter_map(holder).collect();
    line.owns(&keys).then(|| value["answer"].take())
}

/// A message as an item keeps it: the app, and what WeChat gets.
pub fn message(appid: &str, body: &[u8]) -> Vec<u8> {
    [appid.as_bytes(), b"\n", body].concat()
}

/// The reverse.
fn parts_of(message: &[u8]) -> Option<(&str, &[u8])> {
    let at = message.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&message[..at]).ok()?, &message[at + 1..]))
}

/// A `client_msg_id` for a message that came without one: of 32 characters at most, the same whenever it is sent.
pub fn client_msg_id(job: i64, n: i64) -> String {
    format!("wxgate_{job}_{n}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_app_and_every_byte() {
        let kept = message("wx1", b"{\"a\":\n1}");
        assert_eq!(parts_of(&kept), Some(("wx1", &b"{\"a\":\n1}"[..])));
        assert_eq!(parts_of(b"wx1"), None);
    }

    #[test]
    fn names_of_messages_fit_what_wechat_takes() {
        let longest = client_msg_id((1 << 53) - 1, 100_000);
        assert!(longest.len() <= 32, "{longest}");
        assert!(longest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }
}
