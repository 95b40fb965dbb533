//! Background work and its end: every task is counted, so that a stop waits for it.
//!
//! A stop has two stages. `draining` is cancelled first: nothing new is begun, what runs is
//! finished. When the grace is over, `aborted` is cancelled and what still runs is dropped.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handle on the background work of one [`crate::gateway::Running`]; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the stop begins.
    pub draining: CancellationToken,
    /// Cancelled when the grace is over.
    pub aborted: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it ends or the grace is over. Dropping the handle doesn't stop it.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let aborted = self.aborted.clone();
        self.tracker.spawn(async move { aborted.run_until_cancelled(work).await })
    }

    /// Runs what reckons for long on a thread of its own, so that no request waits for it. `None`: it panicked.
    pub async fn beside_requests<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Waits until every task has ended; call it once nothing spawns any more.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
