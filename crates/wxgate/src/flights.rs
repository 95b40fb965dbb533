//! Single flight: of several equal pieces of work that meet, the first is done, and the others watch how far it gets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The work that is under way, by key; `S` says how far it is. Cheap to clone.
#[derive(Debug)]
pub struct Flights<K, S>(Arc<Mutex<HashMap<K, watch::Receiver<S>>>>);

/// What whoever comes with a key has to do.
#[derive(Debug)]
pub enum Turn<K: Eq + Hash + Copy, S> {
    /// The work itself.
    First(Lead<K, S>),
    /// Watch: the receiver ends when the work is done, or was cut.
    Later(watch::Receiver<S>),
}

/// Held by the one who works; when it is dropped, the next one with the key is the first again.
#[derive(Debug)]
pub struct Lead<K: Eq + Hash + Copy, S> {
    flights: Flights<K, S>,
    key: K,
    stage: watch::Sender<S>,
}

impl<K, S> Clone for Flights<K, S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, S> Default for Flights<K, S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Copy, S> Flights<K, S> {
    /// Joins the work under `key`; who begins it is at stage `begin`.
    pub fn join(&self, key: K, begin: S) -> Turn<K, S> {
        match self.lock().entry(key) {
            Entry::Occupied(first) => Turn::Later(first.get().clone()),
            Entry::Vacant(place) => {
                let (stage, receiver) = watch::channel(begin);
                place.insert(receiver);
                Turn::First(Lead { flights: self.clone(), key, stage })
            }
        }
    }

    /// The work under `key`, if somebody is at it.
    pub fn watch(&self, key: &K) -> Option<watch::Receiver<S>> {
        self.lock().get(key).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy, S> Lead<K, S> {
    /// How far it is.
    pub fn watch(&self) -> watch::Receiver<S> {
        self.stage.subscribe()
    }

    /// Tells whoever watches how far it is.
    pub fn reached(&self, stage: S) {
        self.stage.send_replace(stage);
    }
}

impl<K: Eq + Hash + Copy, S> Drop for Lead<K, S> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_works_the_others_watch_and_a_cut_one_is_followed_by_the_next() {
        let flights = Flights::default();
        let Turn::First(lead) = flights.join(1, "begun") else { panic!("nobody was there") };
        let Turn::Later(mut other) = flights.join(1, "begun") else { panic!("somebody is at it") };
        assert!(matches!(flights.join(2, "begun"), Turn::First(_)), "another key is another flight");
        lead.reached("done");
        assert_eq!(*other.wait_for(|stage| *stage == "done").await.unwrap(), "done");
        drop(lead);
        assert!(other.changed().await.is_err());
        assert!(matches!(flights.join(1, "begun"), Turn::First(_)));
    }
}
