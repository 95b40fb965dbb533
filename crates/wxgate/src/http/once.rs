//! Single-use codes: the same code again, from the same caller for the same app on the same
//! endpoint, gets the same answer for five minutes. A browser that reloads, or WeChat on Android
//! that calls a redirect twice, then costs nobody a login.
//!
//! Only a success is kept, sealed, in the store; who comes while the first is at work waits for it
//! and shares its outcome, whatever it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::keys::Keys;
use crate::store::Store;

const KEPT_MS: i64 = 5 * 60_000;

type Outcome<E> = Result<Value, E>;
type Key = [u8; 32];
type Running<E> = Mutex<HashMap<Key, watch::Receiver<Option<Outcome<E>>>>>;

/// The same request before this one was cut off: nobody knows what came of it.
pub(in crate::http) struct Unfinished;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::http) struct Once<E> {
    store: Store,
    keys: Keys,
    clock: Clock,
    running: Arc<Running<E>>,
}

impl<E: Clone + From<Unfinished>> Once<E> {
    pub(in crate::http) fn new(store: Store, keys: Keys, clock: Clock) -> Self {
        Self { store, keys, clock, running: Arc::default() }
    }

    /// The kept answer for `identity`, or what `work` gives. Call it from a task of its own: the
    /// work must go on when the caller hangs up, because the code is spent.
    pub(in crate::http) async fn run(
        &self,
        identity: &[&str],
        work: impl Future<Output = Outcome<E>>,
    ) -> Outcome<E> {
        let parts: Vec<&[u8]> = identity.iter().map(|part| part.as_bytes()).collect();
        let key = self.keys.mac(&parts);
        let (done, receiver) = watch::channel(None);
        let first = match self.lock().entry(key) {
            Entry::Occupied(first) => Some(first.get().clone()),
            Entry::Vacant(place) => {
                place.insert(receiver);
                None
            }
        };
        if let Some(first) = first {
            return follow(first).await;
        }
        let _leave = Leave { running: &self.running, key };
        let outcome = match self.kept(key).await {
            Some(answer) => Ok(answer),
            None => {
                let outcome = work.await;
                if let Ok(answer) = &outcome {
                    self.keep(key, answer).await;
                }
                outcome
            }
        };
        done.send_replace(Some(outcome.clone()));
        outcome
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Receiver<Option<Outcome<E>>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn kept(&self, key: Key) -> Option<Value> {
        match self.store.once_answer(key, self.clock.now()).await {
            Ok(answer) => answer.and_then(|bytes| serde_json::from_slice(&bytes).ok()),
            Err(error) => {
                tracing::error!(%error, "读不到一次性 code 的旧结果：照常问微信");
                None
            }
        }
    }

    async fn keep(&self, key: Key, answer: &Value) {
        let until = self.clock.now() + KEPT_MS;
        if let Err(error) = self.store.keep_once_answer(key, answer.to_string().as_bytes(), until).await {
            tracing::error!(%error, "存不下一次性 code 的结果：本次照常返回，重复提交会被微信拒绝");
        }
    }
}

async fn follow<E: Clone + From<Unfinished>>(mut first: watch::Receiver<Option<Outcome<E>>>) -> Outcome<E> {
    let outcome = first.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
    outcome.unwrap_or_else(|| Err(Unfinished.into()))
}

struct Leave<'a, E> {
    running: &'a Running<E>,
    key: Key,
}

impl<E> Drop for Leave<'_, E> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
