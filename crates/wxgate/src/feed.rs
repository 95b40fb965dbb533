//! Messages as they are kept, for whoever reads a stream of them: in the order of commits, which their numbers have, and none
//! passed over.
//!
//! One reader a process looks at the store while somebody streams, and tells all streams what it found ([`Told`]). A stream that
//! is behind, because it resumes or couldn't follow, reads the store by itself until it isn't ([`stream`]). [`named`] streams
//! have a place in the store. Whose stream may answer a message, [`listening`] knows.

mod elsewhere;
mod item;
mod listening;
mod named;
mod stream;
mod wanted;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast};

use crate::clock::{Instant, millis};
use crate::delivery::Deliveries;
use crate::lang::say;
use crate::parts::Parts;
use crate::store::{StoreError, StreamQuery, StreamState, Streamed};
use crate::wake::Wake;

pub use listening::NoReply;
pub use named::is_name;
pub use stream::{Stream, TAKEN, Wish};

use item::Item;
use listening::Listening;
use named::Named;

/// How often is looked where nobody wakes the reader: on a database that others write to, and on one's own.
const LOOK_SHARED: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(1);
/// After the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Numbers, messages and bytes of one reading.
const SPAN: i64 = 2000;
const ROWS: u32 = 64;
const BYTES: i64 = 256 << 10;
/// What was sent once more, in one reading.
const REPLAYS: u32 = 16;
/// Readings that streams may be behind before they read by themselves.
const BEHIND: usize = 32;
/// Streams that read by themselves at once.
const CATCHING_UP: usize = 4;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    deliveries: Deliveries,
    told: broadcast::Sender<Arc<Told>>,
    /// Whether the reader is at work.
    reads: Mutex<bool>,
    /// Something was kept here.
    kept: Wake,
    /// Turns to read the store beside the reader.
    turns: Semaphore,
    named: Named,
    listening: Listening,
}

/// What the reader found.
#[derive(Debug)]
enum Told {
    Events(Batch),
    Replays(Batch),
}

/// All there is after one number up to another.
#[derive(Debug)]
struct Batch {
    after: i64,
    upto: i64,
    items: Vec<(i64, Arc<Item>)>,
}

/// How far the reader has come.
#[derive(Clone, Copy, Debug)]
struct Place {
    events: i64,
    replays: i64,
}

impl Feed {
    /// What streams answer goes to `deliveries`.
    pub fn new(parts: Parts, deliveries: Deliveries) -> Self {
        Self(Arc::new(Inner {
            parts,
            deliveries,
            told: broadcast::channel(BEHIND).0,
            reads: Mutex::default(),
            kept: Wake::default(),
            turns: Semaphore::new(CATCHING_UP),
            named: Named::default(),
            listening: Listening::default(),
        }))
    }

    /// A message was kept.
    pub fn kept(&self) {
        self.0.kept.all();
    }

    /// Messages are sent once more: streams get them, too.
    pub async fn replayed(&self, events: Vec<i64>) -> Result<(), StoreError> {
        let Parts { store, clock, registry, .. } = &self.0.parts;
        let retention = registry.live().retention.events;
        store.keep_replays(events, clock.now() + millis(retention)).await?;
        self.0.kept.all();
        Ok(())
    }

    /// Hears what the reader finds, and sees to it that it is at work.
    fn hear(&self) -> broadcast::Receiver<Arc<Told>> {
        let heard = self.0.told.subscribe();
        if !std::mem::replace(&mut *self.reads(), true) {
            self.0.parts.tasks.spawn(self.clone().read());
        }
        heard
    }

    fn reads(&self) -> MutexGuard<'_, bool> {
        self.0.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody hears any more, so that the reader ends.
    fn is_done(&self) -> bool {
        let mut reads = self.reads();
        *reads = self.0.told.receiver_count() > 0;
        !*reads
    }

    async fn read(self) {
        let Parts { store, clock, tasks, .. } = &self.0.parts;
        let look = if store.is_shared() { LOOK_SHARED } else { LOOK };
        let mut wake = self.0.kept.sleeper();
        let (mut place, mut looked) = (None, clock.instant());
        let mut is_told = false;
        while !self.is_done() {
            wake.mark_seen();
            let found = self.read_on(&mut place).await;
            if let Err(error) = &found
                && !is_told
            {
                tracing::warn!(%error, "{}", say("事件流读不到数据库，稍后再试", "streams can't read the database: later"));
            }
            is_told = found.is_err();
            if store.is_shared() && clock.instant() >= looked + LOOK {
                looked = clock.instant();
                self.0.named.look(store).await;
            }
            let wait = async {
                match is_told {
                    true => clock.pause(PAUSE).await,
                    false => drop(clock.by(clock.instant() + look, wake.woken()).await),
                }
            };
            if tasks.draining.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    /// Tells what is new.
    async fn read_on(&self, place: &mut Option<Place>) -> Result<(), StoreError> {
        let store = &self.0.parts.store;
        let StreamState { last, replayed, .. } = store.stream_state().await?;
        let Some(place) = place else {
            // Whoever began before this looks whether it is behind.
            *place = Some(Place { events: last, replays: replayed });
            self.tell(Told::Events(Batch { after: last, upto: last, items: Vec::new() }));
            self.tell(Told::Replays(Batch { after: replayed, upto: replayed, items: Vec::new() }));
            return Ok(());
        };
        while place.events < last {
            let (found, reached) = store.stream_events(reading(place.events)).await?;
            let items = found.into_iter().map(|one| (one.claimed.event_id, Arc::new(Item::new(one))));
            self.tell(Told::Events(Batch {
                after: place.events,
                upto: reached.place,
                items: items.collect(),
            }));
            place.events = reached.place;
            if !reached.more {
                break;
            }
        }
        while place.replays < replayed {
            let batch = self.replays(place.replays).await?;
            let upto = batch.upto;
            self.tell(Told::Replays(batch));
            if upto == place.replays {
                break;
            }
            place.replays = upto;
        }
        Ok(())
    }

    /// What was sent once more after number `after`, as much of it as is read at once.
    async fn replays(&self, after: i64) -> Result<Batch, StoreError> {
        let found = self.0.parts.store.stream_replays(after, REPLAYS).await?;
        let upto = found.last().map_or(after, |(n, _)| *n);
        let item = |(n, one): (i64, Option<Streamed>)| Some((n, Arc::new(Item::new(one?))));
        Ok(Batch { after, upto, items: found.into_iter().filter_map(item).collect() })
    }

    fn tell(&self, told: Told) {
        // Whoever heard may have gone.
        let _ = self.0.told.send(Arc::new(told));
    }

    fn now(&self) -> Instant {
        self.0.parts.clock.instant()
    }
}

/// One reading of everything.
fn reading(after: i64) -> StreamQuery {
    StreamQuery { appid: None, openid: None, after, span: SPAN, limit: ROWS, bytes: BYTES }
}
