//! Refreshing in the background whatever is in use, before it ends.

use std::sync::Arc;
use std::time::Duration;

use super::Tokens;
use super::nodes::{Begun, Tried};
use crate::registry::App;
use crate::slots::{Gate, Slot};

/// The longest the background sleeps without looking.
const LOOK: i64 = 60_000;
/// Where another node is at it, the background looks again after this.
const HELD: Duration = Duration::from_secs(1);

impl Tokens {
    /// Refreshes in the background until the stop begins.
    pub async fn run(self) {
        let clock = self.0.parts.clock.clone();
        let draining = self.0.parts.tasks.draining.clone();
        let mut wake = self.0.slots.wake().sleeper();
        let mut next = clock.ticks();
        loop {
            let sleep = clock.rest_until(next);
            tokio::select! {
                () = draining.cancelled() => return,
                () = sleep => {}
                () = wake.woken() => {}
            }
            wake.mark_seen();
            next = self.refresh_due();
        }
    }

    /// Starts a refresh of whatever is due; returns when to look again, in ticks.
    fn refresh_due(&self) -> i64 {
        let now = self.now();
        let mut next = now + LOOK;
        for app in self.0.parts.registry.live().apps() {
            for slot in app.slots.iter() {
                match slot.due_at() {
                    None => {}
                    Some(due) if due > now => next = next.min(due),
                    Some(_) if slot.queue() => self.refresh_in_background(app.clone(), slot.clone()),
                    Some(_) => {}
                }
            }
        }
        next
    }

    fn refresh_in_background(&self, app: Arc<App>, slot: Arc<Slot>) {
        let this = self.clone();
        self.0.parts.tasks.spawn(async move {
            let turn = this.0.background.clone().acquire_owned().await;
            slot.unqueue();
            // Whoever holds the gate is fetching, and wakes the loop when done: waiting for a turn
            // must not keep a caller from it.
            let is_due = slot.due_at().is_some_and(|due| due <= this.now());
            if let (Ok(_turn), true, Some(gate)) = (turn, is_due, slot.try_lock()) {
                let is_held = this.refresh(&app, &slot, gate).await;
                if is_held {
                    this.0.parts.clock.pause(HELD).await;
                }
                this.0.slots.wake().all();
            } else if is_due {
                // Not every holder of the gate fetches: look again shortly.
                this.0.parts.clock.rest_until(this.now() + 1_000).await;
                this.0.slots.wake().all();
            }
        });
    }

    /// True: another node is at it.
    async fn refresh(&self, app: &Arc<App>, slot: &Slot, gate: Gate) -> bool {
        match self.try_turn(app, slot.kind, gate, slot.newest().map(|token| token.version)).await {
            Ok(Tried::Begun(Begun::Ours(gate))) => {
                let turn = gate.turn;
                // The failure, if any, is noted on the slot and logged there.
                let _ = self.holding(app, slot.kind, turn, self.renew(app, slot.kind, gate)).await;
                false
            }
            Ok(Tried::Begun(Begun::Others(_))) => false,
            Ok(Tried::Held(_)) | Err(_) => true,
        }
    }
}
