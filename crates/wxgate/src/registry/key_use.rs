//! When each of a caller's keys was made, and last used: whoever changes a key sees when the old one falls silent. It is kept with
//! what the caller called, under a name that no path has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::counted::{Count, Fresh};
use crate::entries::CallerEntry;
use crate::keys::Holder;

/// What the names of keys begin with among those of paths.
pub const PREFIX: &str = "key:";

/// A key that a caller has.
#[derive(Clone, Debug)]
pub struct KeySlot {
    /// `key` or `previous_key`
    pub slot: &'static str,
    /// Its end, as people see it.
    pub hint: String,
    /// Who shows it.
    pub holder: Holder,
    /// When it was used.
    pub uses: Arc<KeyUse>,
}

/// When a key was made and used, Unix milliseconds; 0: nobody knows, or never.
#[derive(Debug, Default)]
pub struct KeyUse {
    made_at: AtomicI64,
    used_at: AtomicI64,
    /// The last use that the store knows.
    stored: AtomicI64,
    /// The store knows when it was made.
    is_stored: AtomicBool,
}

impl KeyUse {
    /// When it was made, as far as that is known.
    pub fn made_at(&self) -> Option<i64> {
        Some(self.made_at.load(Relaxed)).filter(|at| *at > 0)
    }

    /// When it was used last.
    pub fn used_at(&self) -> Option<i64> {
        Some(self.used_at.load(Relaxed)).filter(|at| *at > 0)
    }

    /// It is used at `now`.
    pub fn used(&self, now: i64) {
        self.used_at.store(now, Relaxed);
    }

    /// It was made at `now`, unless it was there before.
    pub fn made(&self, now: i64) {
        // Nothing else is written with it.
        let _ = self.made_at.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// What the store knows.
    fn refreshed(&self, count: Count, since: i64, last_at: i64) {
        self.made_at.store(since, Relaxed);
        self.is_stored.store(true, Relaxed);
        if count.calls > 0 {
            self.used_at.fetch_max(last_at, Relaxed);
            self.stored.fetch_max(last_at, Relaxed);
        }
    }

    /// What the store doesn't know; from now on it does.
    fn fresh(&self) -> Option<(Count, i64)> {
        let (used, made) = (self.used_at.load(Relaxed), self.made_at.load(Relaxed));
        if self.stored.swap(used, Relaxed) < used {
            return Some((Count { calls: 1, refused: 0 }, used));
        }
        (made > 0 && !self.is_stored.swap(true, Relaxed)).then_some((Count::default(), made))
    }
}

/// The keys that a caller has or had.
#[derive(Debug, Default)]
pub struct KeyBook(Mutex<BTreeMap<Arc<str>, Arc<KeyUse>>>);

impl KeyBook {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<KeyUse>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, name: &str) -> Arc<KeyUse> {
        self.lock().entry(name.into()).or_default().clone()
    }

    /// Those of an entry.
    pub fn slots(&self, entry: &CallerEntry) -> Vec<KeySlot> {
        let keys = [("key", &entry.key), ("previous_key", &entry.previous_key)];
        let slot = |(slot, key): (&'static str, &crate::entries::Secret)| {
            let shown = key.expose_secret();
            let holder = Holder::new(Some(shown), "");
            let hint = format!("…{}", &shown[shown.len().saturating_sub(4)..]);
            KeySlot { slot, hint, holder, uses: self.of(&name(&holder)) }
        };
        keys.into_iter().filter_map(|(at, key)| Some(slot((at, key.as_ref()?)))).collect()
    }

    /// Takes up what the store has.
    pub fn refreshed(&self, name: &str, count: Count, since: i64, last_at: i64) {
        self.of(name).refreshed(count, since, last_at);
    }

    /// What the store doesn't know.
    pub fn take_fresh(&self) -> Vec<Fresh> {
        let keys = self.lock();
        let fresh = keys.iter().filter_map(|(name, uses)| {
            let (count, at) = uses.fresh()?;
            Some(Fresh { api: name.clone(), count, at })
        });
        fresh.collect()
    }

    /// What [`KeyBook::take_fresh`] gave couldn't be stored.
    pub fn give_back(&self, name: &str) {
        let uses = self.of(name);
        uses.stored.store(0, Relaxed);
        uses.is_stored.store(false, Relaxed);
    }
}

/// What a key is kept under: it says nothing of the key.
fn name(holder: &Holder) -> String {
    let mut name = PREFIX.to_owned();
    for byte in &Sha256::digest(holder.bytes())[..8] {
        // A text takes everything.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_learns_once_when_a_key_was_made_and_each_time_it_is_used() {
        let book = KeyBook::default();
        let uses = book.of("key:1");
        assert!(book.take_fresh().is_empty(), "nothing is known of it");
        uses.made(5);
        uses.made(6);
        let made = book.take_fresh();
        assert_eq!((made[0].count.calls, made[0].at, uses.used_at()), (0, 5, None));
        book.give_back("key:1");
        assert_eq!((book.take_fresh(), book.take_fresh().len()), (made, 0));
        uses.used(9);
        assert_eq!(book.take_fresh()[0].count.calls, 1);
        assert!(book.take_fresh().is_empty());

        let later = KeyBook::default();
        later.refreshed("key:1", Count::default(), 5, 5);
        assert_eq!((later.of("key:1").made_at(), later.of("key:1").used_at()), (Some(5), None));
        later.refreshed("key:1", Count { calls: 1, refused: 0 }, 5, 9);
        assert_eq!(later.of("key:1").used_at(), Some(9));
        assert!(later.take_fresh().is_empty());
    }
}
