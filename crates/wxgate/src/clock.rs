//! Time is passed in: the system's clocks in service, hand-moved ones in tests. There are two: the wall's, which anybody may
//! set and which says what is written down and shown; and ticks, which nobody sets and which waits, lives and rests run on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::watch;

/// A moment for deadlines, which no change of the machine's clock moves.
pub use tokio::time::Instant;

/// So many ticks before the machine started: 0 is long ago, also right after a start.
const LONG_AGO: i64 = 20 * 365 * 86_400_000;

/// `length` in milliseconds, as times are reckoned here.
pub fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

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

    /// Milliseconds that run on while the machine sleeps, whatever is done to its clock. Only differences mean something.
    pub fn ticks(&self) -> i64 {
        match self {
            Self::System => {
                let since_start = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                LONG_AGO + since_start.tv_sec * 1000 + since_start.tv_nsec / 1_000_000
            }
            Self::Manual(clock) => clock.ticks.load(Ordering::Acquire),
        }
    }

    /// What the wall's clock, as it is set now, shows at `ticks`; Unix milliseconds.
    pub fn wall_at(&self, ticks: i64) -> i64 {
        self.now() + (ticks - self.ticks())
    }

    /// The ticks at which the wall's clock, as it is set now, shows `wall` (Unix milliseconds).
    pub fn ticks_at(&self, wall: i64) -> i64 {
        self.ticks() + (wall - self.now())
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
        self.sleep(at, Self::now).await;
    }

    /// Returns once [`Clock::ticks`] is at or past `at`.
    pub async fn rest_until(&self, at: i64) {
        self.sleep(at, Self::ticks).await;
    }

    async fn sleep(&self, at: i64, shown: fn(&Self) -> i64) {
        match self {
            Self::System => {
                let left = u64::try_from(at - shown(self)).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
            Self::Manual(clock) => {
                let mut moved = clock.moved.subscribe();
                while shown(self) < at {
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
    ticks: AtomicI64,
    moved: watch::Sender<()>,
}

impl ManualClock {
    /// A clock that shows `now` (Unix milliseconds).
    pub fn at(now: i64) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(now), ticks: AtomicI64::new(now), moved: watch::channel(()).0 })
    }

    /// What it shows, Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.now.load(Ordering::Acquire)
    }

    /// What it counts, in milliseconds that nothing but time moves.
    pub fn ticks(&self) -> i64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// Lets time pass, and wakes whoever waits for it.
    pub fn advance(&self, by: Duration) {
        let by = millis(by);
        self.ticks.fetch_add(by, Ordering::AcqRel);
        self.set(by);
    }

    /// Sets the wall's clock forward or back by so many milliseconds, though no time passes.
    pub fn set(&self, by: i64) {
        self.now.fetch_add(by, Ordering::AcqRel);
        self.moved.send_replace(());
    }
}
