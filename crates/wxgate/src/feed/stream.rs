//! One stream: what its reader wants and may see, in order, as pieces of `text/event-stream`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::item::Item;
use super::listening::Listens;
use super::named::Keeper;
use super::wanted::Wanted;
use super::{BYTES, Batch, Feed, PAUSE, Place, ROWS, SPAN, Told};
use crate::clock::Instant;
use crate::keys::Holder;
use crate::parts::Parts;
use crate::registry::callers::Caller;
use crate::rules::filter::Subject;
use crate::shares;
use crate::store::{StoreError, StreamQuery, StreamState};
use crate::wake::Sleeper;

/// A proxy that hears nothing for longer may hang up.
const COMMENT: Duration = Duration::from_secs(15);

/// What is said to the reader of a named stream that was opened once more.
pub const TAKEN: &[u8] = b": taken over\n\n";

/// What somebody asks for.
#[derive(Debug)]
pub struct Wish {
    /// Who.
    pub caller: Arc<Caller>,
    /// By which key.
    pub holder: Holder,
    /// From where.
    pub address: IpAddr,
    /// The path whose right it needs.
    pub path: &'static str,
    /// Messages of this app.
    pub appid: Option<String>,
    /// Of this user.
    pub openid: Option<String>,
    /// Of these kinds, as a route says it.
    pub events: Vec<String>,
    /// With each as WeChat wrote it.
    pub raw: bool,
    /// Its place is kept under this name.
    pub name: Option<String>,
    /// Its reader says how far it has come.
    pub acks: bool,
    /// After this message.
    pub last: Option<i64>,
    /// Among all streams.
    pub place: shares::Place,
}

/// Whose stream it is, and by what right.
#[derive(Debug)]
struct Right {
    holder: Holder,
    caller: Arc<str>,
    address: IpAddr,
    path: &'static str,
    expires_at: Option<i64>,
}

/// See the module.
#[derive(Debug)]
pub struct Stream {
    feed: Feed,
    right: Right,
    wanted: Arc<Wanted>,
    heard: broadcast::Receiver<Arc<Told>>,
    changes: Sleeper,
    /// What is said first.
    first: Option<Bytes>,
    /// Up to here all was handed out.
    place: Place,
    /// Up to here all was taken by the connection.
    taken: Place,
    /// The store has more than was heard: of messages, of replays.
    behind: (bool, bool),
    /// The store is read again then.
    again_at: Instant,
    comment_at: Instant,
    /// It was said that it is over.
    is_over: bool,
    keeper: Option<Keeper>,
    _listens: Option<Listens>,
    _place: shares::Place,
}

/// What a stream waited for.
enum News {
    Over,
    /// It was opened once more.
    Taken,
    Changed,
    Told(Result<Arc<Told>, RecvError>),
    Time,
}

impl Right {
    /// Whether its caller may still read what `wanted` says.
    fn holds(&self, parts: &Parts, wanted: &Wanted) -> bool {
        let live = parts.registry.live();
        let Some((caller, _)) = live.callers.by_holder(&self.holder) else { return false };
        caller.name == self.caller
            && !caller.has_ended(parts.clock.now())
            && caller.expires_at == self.expires_at
            && caller.apis.allows(self.path)
            && caller.apps == wanted.apps
            && caller.may_come_from(Some(self.address))
    }
}

impl Feed {
    /// Opens a stream. The error is the kind of event that can't be read.
    pub async fn open(&self, wish: Wish) -> Result<Result<Stream, String>, StoreError> {
        let parts = &self.0.parts;
        let wanted = match Wanted::of(wish.appid, wish.openid, wish.events, &wish.caller.apps) {
            Ok(wanted) => wanted,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let wanted = Arc::new(wanted.raw(wish.raw));
        let heard = self.hear();
        let (mut keeper, mut from, mut replays) = (None, wish.last, None);
        if let Some(name) = &wish.name {
            let named = (&*wish.caller.name, &**name);
            let (own, opened) = self.0.named.take(parts, named, wish.last, wish.acks).await?;
            let place = if wish.acks { from.unwrap_or(opened.place) } else { opened.place };
            (keeper, from, replays) = (Some(own), Some(place), Some(opened.replayed));
        }
        // After that: nothing that is known of was kept later.
        let state = parts.store.stream_state().await?;
        let (events, first) = begin(from, state);
        if let Some(keeper) = &mut keeper
            && from.is_some_and(|from| events < from)
        {
            keeper.begins_anew();
        }
        let place = Place { events, replays: replays.unwrap_or(state.replayed) };
        let at = parts.store.common_time(parts.clock.now());
        let listens = self.0.listening.begin(&wish.caller.name, &wanted, at);
        Ok(Ok(Stream {
            right: Right {
                holder: wish.holder,
                caller: wish.caller.name.clone(),
                address: wish.address,
                path: wish.path,
                expires_at: wish.caller.expires_at,
            },
            wanted,
            heard,
            changes: parts.registry.changes.sleeper(),
            first: Some(first),
            place,
            taken: place,
            behind: (true, true),
            again_at: self.now(),
            comment_at: self.now() + COMMENT,
            is_over: false,
            keeper,
            _listens: listens,
            _place: wish.place,
            feed: self.clone(),
        }))
    }

    /// Notes that the reader of a named stream is done with message `id`; false if there is no such stream or message.
    pub async fn ack(&self, caller: &Caller, name: &str, id: i64) -> Result<bool, StoreError> {
        let Parts { store, clock, .. } = &self.0.parts;
        store.ack(&caller.name, name, id, super::named::expires_at(clock.now())).await
    }
}

/// Where a stream begins that goes on after `from`, and what is said first.
fn begin(from: Option<i64>, state: StreamState) -> (i64, Bytes) {
    let StreamState { last, oldest, forgotten, .. } = state;
    let gap = |place: i64, from: i64, to: i64| {
        let said = format!(": place {place}\n\nevent: gap\ndata: {{\"from\":{from},\"to\":{to}}}\n\n");
        (place, Bytes::from(said))
    };
    match from {
        // The database is another than it was: all that there is may be new.
        Some(from) if from > last => {
            let place = oldest.map_or(last, |oldest| oldest - 1);
            gap(place, from, place)
        }
        Some(from) if state.has_forgotten(from) => {
            gap(from, from, if forgotten > 0 { forgotten } else { oldest.map_or(last, |oldest| oldest - 1) })
        }
        from => {
            let place = from.unwrap_or(last);
            (place, comment(place))
        }
    }
}

/// Says that the stream lives, and where it is.
fn comment(place: i64) -> Bytes {
    Bytes::from(format!(": place {place}\n\n"))
}

impl Stream {
    /// What is said next; `None`: it is over.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            self.taken = self.place;
            let now = self.feed.now();
            if !self.keep(now).await {
                return self.ends();
            }
            if now >= self.comment_at {
                return Some(self.say(comment(self.place.events)));
            }
            let said = if self.is_behind() && now >= self.again_at {
                let parts = &self.feed.0.parts;
                if parts.tasks.draining.is_cancelled() || !self.right.holds(parts, &self.wanted) {
                    return None;
                }
                self.catch_up().await
            } else {
                match self.news(now).await {
                    News::Over => return None,
                    News::Taken => return self.ends(),
                    News::Changed if !self.right.holds(&self.feed.0.parts, &self.wanted) => return None,
                    News::Changed | News::Time => Vec::new(),
                    News::Told(told) => self.hear(told)?,
                }
            };
            if !said.is_empty() {
                return Some(self.say(said.into()));
            }
        }
    }

    /// It was opened once more: that is said, and then it is over.
    fn ends(&mut self) -> Option<Bytes> {
        let is_told = std::mem::replace(&mut self.is_over, true);
        (!is_told).then(|| Bytes::from_static(TAKEN))
    }

    fn say(&mut self, said: Bytes) -> Bytes {
        self.comment_at = self.feed.now() + COMMENT;
        said
    }

    fn is_behind(&self) -> bool {
        self.behind.0 || self.behind.1
    }

    /// Writes the place down if it is time to; false: the stream is another's now.
    async fn keep(&mut self, now: Instant) -> bool {
        match &mut self.keeper {
            Some(keeper) if keeper.ended.is_cancelled() => false,
            Some(keeper) if now >= keeper.due(self.taken) => keeper.keep(self.taken).await,
            _ => true,
        }
    }

    /// Waits for what happens next.
    async fn news(&mut self, now: Instant) -> News {
        let Self { feed, heard, changes, keeper, right, .. } = self;
        let Parts { clock, tasks, .. } = &feed.0.parts;
        let due = keeper.as_ref().map(|keeper| keeper.due(self.taken));
        let again = (self.behind.0 || self.behind.1).then_some(self.again_at.max(now));
        let wait = [Some(self.comment_at), due, again].into_iter().flatten().min();
        let ended = async {
            match keeper {
                Some(keeper) => keeper.ended.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let expired = async {
            match right.expires_at {
                Some(at) => clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = tasks.draining.cancelled() => News::Over,
            () = ended => News::Taken,
            () = expired => News::Over,
            () = changes.woken() => News::Changed,
            told = heard.recv() => News::Told(told),
            () = clock.until(wait.unwrap_or(now)) => News::Time,
        }
    }

    /// What of the reader's findings is for this stream; `None`: there is no reader any more.
    fn hear(&mut self, told: Result<Arc<Told>, RecvError>) -> Option<Vec<u8>> {
        let told = match told {
            Ok(told) => told,
            Err(RecvError::Lagged(_)) => {
                self.behind = (true, true);
                return Some(Vec::new());
            }
            Err(RecvError::Closed) => return None,
        };
        Some(match &*told {
            Told::Events(batch) if self.behind.0 || batch.after > self.place.events => {
                self.behind.0 = true;
                Vec::new()
            }
            Told::Events(batch) => self.write_events(batch),
            Told::Replays(batch) if self.behind.1 || batch.after > self.place.replays => {
                self.behind.1 = true;
                Vec::new()
            }
            Told::Replays(batch) => self.write_replays(batch),
        })
    }

    /// Writes what is wanted of those after `place`, and gives the last of it.
    fn write(
        &self,
        batch: &Batch,
        place: i64,
        out: &mut Vec<u8>,
        write: fn(&Item, bool, &mut Vec<u8>),
    ) -> Option<i64> {
        let mut written = None;
        let live = self.feed.0.parts.registry.live();
        for (n, item) in batch.items.iter().filter(|(n, _)| *n > place) {
            let tags = live.app(item.appid()).map_or(&[][..], |app| &app.entry.tags);
            if self.wanted.takes(item.appid(), tags, &Subject::of(&item.message)) {
                write(item, self.wanted.raw, out);
                written = Some(*n);
            }
        }
        written
    }

    /// Writes messages, whose places a reader may have to acknowledge.
    fn write_events(&mut self, batch: &Batch) -> Vec<u8> {
        let mut out = Vec::new();
        let last = self.write(batch, self.place.events, &mut out, Item::write);
        if let (Some(keeper), Some(last)) = (&mut self.keeper, last) {
            keeper.hands(last);
        }
        self.place.events = self.place.events.max(batch.upto);
        out
    }

    /// Writes what is sent once more.
    fn write_replays(&mut self, batch: &Batch) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(batch, self.place.replays, &mut out, Item::write_again);
        self.place.replays = self.place.replays.max(batch.upto);
        out
    }

    /// Reads the store on from where the stream is.
    async fn catch_up(&mut self) -> Vec<u8> {
        let feed = self.feed.clone();
        let Ok(turn) = feed.0.turns.acquire().await else { return Vec::new() };
        let read = if self.behind.0 { self.read_events().await } else { self.read_replays().await };
        drop(turn);
        read.unwrap_or_else(|_| {
            self.again_at = self.feed.now() + PAUSE;
            Vec::new()
        })
    }

    async fn read_events(&mut self) -> Result<Vec<u8>, StoreError> {
        let Wanted { appid, openid, .. } = &*self.wanted;
        let (appid, openid, after) = (appid.clone(), openid.clone(), self.place.events);
        let query = StreamQuery { appid, openid, after, span: SPAN, limit: ROWS, bytes: BYTES };
        let (found, reached) = self.feed.0.parts.store.stream_events(query).await?;
        let items = found.into_iter().map(|one| (one.claimed.event_id, Arc::new(Item::new(one)))).collect();
        self.behind.0 = reached.more;
        Ok(self.write_events(&Batch { after, upto: reached.place, items }))
    }

    async fn read_replays(&mut self) -> Result<Vec<u8>, StoreError> {
        let after = self.place.replays;
        let batch = self.feed.replays(after).await?;
        self.behind.1 = batch.upto > after;
        Ok(self.write_replays(&batch))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.end(self.taken);
        }
    }
}
