//! Named streams: how far each has come stands in the store, and only the last opening of one goes on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Place;
use crate::clock::{Instant, millis};
use crate::parts::Parts;
use crate::store::{KeptPlace, Opened, Opening, Store, StoreError};

/// A stream that nobody opens is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(30 * 86_400);
/// Its place is written down no more often.
const KEEP: Duration = Duration::from_secs(1);
/// And so often at least, lest an idle stream is forgotten.
const KEEP_IDLE: Duration = Duration::from_secs(6 * 3600);
/// No name is longer.
const LONGEST: usize = 64;

/// Whether a stream may have this name.
pub fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(fits)
}

/// When a stream that is used at `now` is forgotten.
pub(super) fn expires_at(now: i64) -> i64 {
    now + millis(FORGOTTEN)
}

type Key = (String, String);

/// Those that are open here, by caller and name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Named(Arc<Mutex<HashMap<Key, (i64, CancellationToken)>>>);

/// One that is open.
#[derive(Debug)]
pub(super) struct Keeper {
    parts: Parts,
    named: Named,
    key: Key,
    epoch: i64,
    /// Its reader says how far it has come.
    acks: bool,
    /// It was opened once more.
    pub(super) ended: CancellationToken,
    /// As it was written down last.
    kept: (i64, i64),
    kept_at: Instant,
    /// The last message that was handed out, if its reader has to say that it is done with that.
    handed: Option<i64>,
}

impl Named {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, (i64, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the stream `name` of `caller`, at `place` if its reader says so, and ends the one that had it.
    pub(super) async fn take(
        &self,
        parts: &Parts,
        (caller, name): (&str, &str),
        place: Option<i64>,
        acks: bool,
    ) -> Result<(Keeper, Opened), StoreError> {
        let now = parts.clock.now();
        let key = (caller.to_owned(), name.to_owned());
        let opening = Opening {
            caller: key.0.clone(),
            name: key.1.clone(),
            place,
            // What its reader has got it may not be done with.
            stays: acks,
            now,
            expires_at: expires_at(now),
        };
        let opened = parts.store.open_stream(opening).await?;
        let ended = CancellationToken::new();
        let before = {
            let mut open = self.open();
            match open.get(&key) {
                // Two at once: the later one has it.
                Some((epoch, _)) if *epoch > opened.epoch => Some((opened.epoch, ended.clone())),
                _ => open.insert(key.clone(), (opened.epoch, ended.clone())),
            }
        };
        if let Some((_, before)) = before {
            before.cancel();
        }
        let keeper = Keeper {
            parts: parts.clone(),
            named: self.clone(),
            key,
            epoch: opened.epoch,
            acks,
            ended,
            kept: (opened.place, opened.replayed),
            kept_at: parts.clock.instant(),
            handed: place.filter(|place| acks && *place > opened.place),
        };
        Ok((keeper, opened))
    }

    /// Ends those that were opened at other nodes.
    pub(super) async fn look(&self, store: &Store) {
        let keys: Vec<Key> = self.open().keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        // A store that is away opens nothing.
        for (caller, name, epoch) in store.stream_epochs(keys).await.unwrap_or_default() {
            if let Some((own, ended)) = self.open().get(&(caller, name))
                && *own < epoch
            {
                ended.cancel();
            }
        }
    }
}

impl Keeper {
    /// The database is another than it was: what was handed out is none of its messages.
    pub(super) fn begins_anew(&mut self) {
        self.handed = None;
    }

    /// A message was handed out.
    pub(super) fn hands(&mut self, id: i64) {
        if self.acks {
            self.handed = Some(id);
        }
    }

    /// When `place` is to be written down.
    pub(super) fn due(&self, place: Place) -> Instant {
        self.kept_at + if self.is_kept(place) { KEEP_IDLE } else { KEEP }
    }

    fn is_kept(&self, place: Place) -> bool {
        self.kept == (place.events, place.replays)
    }

    fn row(&self, place: Place) -> KeptPlace {
        KeptPlace {
            caller: self.key.0.clone(),
            name: self.key.1.clone(),
            epoch: self.epoch,
            place: place.events,
            done: self.handed,
            replayed: place.replays,
            expires_at: expires_at(self.parts.clock.now()),
        }
    }

    /// Writes `place` down; false: the stream was opened once more.
    pub(super) async fn keep(&mut self, place: Place) -> bool {
        self.kept_at = self.parts.clock.instant();
        match self.parts.store.keep_place(self.row(place)).await {
            Ok(is_ours) => {
                self.kept = (place.events, place.replays);
                is_ours
            }
            // Later.
            Err(_) => true,
        }
    }

    /// It ends at `place`.
    pub(super) fn end(&self, place: Place) {
        {
            let mut open = self.named.open();
            if open.get(&self.key).is_some_and(|(epoch, _)| *epoch == self.epoch) {
                open.remove(&self.key);
            }
        }
        if !self.is_kept(place) && !self.ended.is_cancelled() {
            let (store, row) = (self.parts.store.clone(), self.row(place));
            self.parts.tasks.spawn(async move { store.keep_place(row).await });
        }
    }
}
