//! A wake says that something about a topic changed and that it is time to look again: the settings, the tokens, what waits
//! for a route. It carries nothing, so several at once are one, and who looks before it waits misses none.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// One topic. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(watch::Sender<()>);

/// Somebody who looks whenever the topic changed.
#[derive(Debug)]
pub struct Sleeper {
    changes: watch::Receiver<()>,
    /// Keeps the topic alive.
    _wake: Wake,
}

impl Wake {
    /// Something changed.
    pub fn all(&self) {
        self.0.send_replace(());
    }

    /// Is woken by every change from now on.
    pub fn sleeper(&self) -> Sleeper {
        Sleeper { changes: self.0.subscribe(), _wake: self.clone() }
    }
}

/// Topics by name, each there for as long as somebody sleeps by it. Cheap to clone.
#[derive(Debug)]
pub struct Topics<K>(Arc<Mutex<Named<K>>>);

#[derive(Debug)]
struct Named<K> {
    wakes: HashMap<K, Wake>,
    /// So many are looked through for those by which nobody sleeps any more.
    prune_at: usize,
}

impl<K> Clone for Topics<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Topics<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Named { wakes: HashMap::new(), prune_at: 64 })))
    }
}

impl<K: Eq + Hash> Topics<K> {
    fn named(&self) -> MutexGuard<'_, Named<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed about `topic`.
    pub fn wake(&self, topic: &K) {
        if let Some(wake) = self.named().wakes.get(topic) {
            wake.all();
        }
    }

    /// Is woken by every change of `topic` from now on.
    pub fn sleeper(&self, topic: K) -> Sleeper {
        let mut named = self.named();
        if named.wakes.len() >= named.prune_at {
            named.wakes.retain(|_, wake| wake.0.receiver_count() > 0);
            named.prune_at = 2 * named.wakes.len() + 64;
        }
        named.wakes.entry(topic).or_default().sleeper()
    }

    /// By how many somebody slept lately.
    pub fn len(&self) -> usize {
        self.named().wakes.len()
    }

    /// Whether nobody did.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Sleeper {
    /// What changed so far is about to be looked at.
    pub fn mark_seen(&mut self) {
        self.changes.mark_unchanged();
    }

    /// Returns once something changed since the last look.
    pub async fn woken(&mut self) {
        // The topic lives as long as this.
        let _ = self.changes.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn every_sleeper_hears_of_what_changed_since_it_looked_once() {
        let wake = Wake::default();
        let (mut one, mut other) = (wake.sleeper(), wake.sleeper());
        assert!(one.woken().now_or_never().is_none());
        wake.all();
        wake.all();
        other.mark_seen();
        assert!(one.woken().now_or_never().is_some());
        assert!(one.woken().now_or_never().is_none());
        assert!(other.woken().now_or_never().is_none());
    }

    #[test]
    fn a_topic_outlives_whoever_made_it() {
        let mut sleeper = Wake::default().sleeper();
        assert!(sleeper.woken().now_or_never().is_none());
    }

    #[test]
    fn a_topic_is_there_for_as_long_as_somebody_sleeps_by_it() {
        let topics = Topics::default();
        let (mut one, mut other) = (topics.sleeper(1), topics.sleeper(2));
        topics.wake(&1);
        topics.wake(&3);
        assert!(one.woken().now_or_never().is_some() && other.woken().now_or_never().is_none());
        for topic in 3..1000 {
            drop(topics.sleeper(topic));
        }
        assert!(topics.len() < 200, "{}", topics.len());
        topics.wake(&2);
        assert!(other.woken().now_or_never().is_some());
    }
}
