//! A wake says that something about a topic changed and that it is time to look again: the settings, the tokens, what waits
//! for a route. It carries nothing, so several at once are one, and who looks before it waits misses none.

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
}
