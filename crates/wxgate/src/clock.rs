//! Time is passed in: the system's clock in service, a hand-moved one in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;

/// A moment for deadlines, which no change of the machine's clock moves.
pub use tokio::time::Instant;

/// Where "now" comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// Unix milliseconds.
    pub fn now(&self) -> i64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            Self::System => std::time::SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(clock) => clock.now.load(Ordering::Acquire),
        }
    }

    /// Unix seconds.
    pub fn now_secs(&self) -> i64 {
        self.now() / 1000
    }

    /// The present moment, for deadlines.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Returns when `length` has passed, whatever a manual clock shows.
    pub async fn pause(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }

    /// Returns at `deadline`.
    pub async fn until(&self, deadline: Instant) {
        tokio::time::sleep_until(deadline).await;
    }

    /// What `work` gives, if it does by `deadline`.
    pub async fn by<F: IntoFuture>(&self, deadline: Instant, work: F) -> Option<F::Output> {
        tokio::time::timeout_at(deadline, work).await.ok()
    }

    /// Returns once [`Clock::now`] is at or past `at` (Unix milliseconds).
    pub async fn sleep_until(&self, at: i64) {
        match self {
            Self::System => {
                let left = u64::try_from(at - self.now()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
            Self::Manual(clock) => {
                let mut moved = clock.moved.subscribe();
                while clock.now.load(Ordering::Acquire) < at {
                    if moved.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// See [`Clock::Manual`].
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    moved: watch::Sender<()>,
}

impl ManualClock {
    /// A clock that shows `now` (Unix milliseconds).
    pub fn at(now: i64) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(now), moved: watch::channel(()).0 })
    }

    /// What it shows, Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.now.load(Ordering::Acquire)
    }

    /// Moves it forward and wakes whoever waits for it.
    pub fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2), Ordering::AcqRel);
        self.moved.send_replace(());
    }
}
