//! Streams of one user's messages that are open at other nodes: each node tells the others of its own, and looks once a second
//! what they told. A reply that comes to another node than the message goes by the store.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Feed;
use super::listening::{Listener, Note};
use super::wanted::Wanted;
use crate::clock::millis;
use crate::parts::Parts;
use crate::store::StoreError;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// What is open is told again after this.
const TELL: Duration = Duration::from_secs(5);
/// What wasn't told again for so long isn't open any more.
const STALE: Duration = Duration::from_secs(15);
/// A node tells of so many streams, its newest.
const MOST: usize = 1000;

/// All that a node tells.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    /// When, by the time of all nodes.
    at: i64,
    streams: Vec<Note>,
}

impl Feed {
    /// Tells other nodes of the streams that are open here, and learns of theirs, until the stop begins.
    pub async fn share(self) {
        let Parts { store, clock, tasks, .. } = &self.0.parts;
        if !store.is_shared() {
            return;
        }
        let mut changes = self.0.listening.changes().sleeper();
        let (mut told_at, mut was_open) = (clock.instant(), false);
        let mut is_due = false;
        while !tasks.draining.is_cancelled() {
            let now = clock.instant();
            if is_due || (was_open && now >= told_at + TELL) {
                // A store that is away is told at the next look.
                if let Ok(is_open) = self.tell_others().await {
                    (told_at, was_open, is_due) = (now, is_open, false);
                }
            }
            let _ = self.look_around().await;
            tokio::select! {
                () = tasks.draining.cancelled() => {}
                () = changes.woken() => {
                    changes.mark_seen();
                    is_due = true;
                }
                () = clock.pause(LOOK) => {}
            }
        }
        let _ = store.tell_listeners(String::new()).await;
    }

    /// Whether anything is open here.
    async fn tell_others(&self) -> Result<bool, StoreError> {
        let Parts { store, clock, .. } = &self.0.parts;
        let streams = self.0.listening.notes(MOST);
        let is_open = !streams.is_empty();
        let notes = Notes { at: store.common_time(clock.now()), streams };
        let text = if is_open { serde_json::to_string(&notes).unwrap_or_default() } else { String::new() };
        store.tell_listeners(text).await?;
        Ok(is_open)
    }

    async fn look_around(&self) -> Result<(), StoreError> {
        let Parts { store, clock, registry, .. } = &self.0.parts;
        let now = store.common_time(clock.now());
        let live = registry.live().clone();
        let mut found: HashMap<String, Vec<Listener>> = HashMap::new();
        for text in store.listeners().await? {
            let Ok(notes) = serde_json::from_str::<Notes>(&text) else { continue };
            if now - notes.at > millis(STALE) {
                continue;
            }
            for note in notes.streams {
                let Some(caller) = live.callers.by_name(&note.caller) else { continue };
                let Ok(wanted) = Wanted::of(note.appid, Some(note.openid.clone()), note.events, &caller.apps)
                else {
                    continue;
                };
                let listener = Listener { caller: caller.name.clone(), wanted: wanted.into(), at: note.at };
                found.entry(note.openid).or_default().push(listener);
            }
        }
        found.values_mut().for_each(|streams| streams.sort_by_key(|one| one.at));
        self.0.listening.elsewhere(found);
        Ok(())
    }
}
