//! Nobody starves anybody: how everything that runs out is shared out. Whoever may hold something has a [`Share`]: a
//! caller, an app, and for those who showed nothing their address. Anybody may use what is free; once less than a tenth
//! is, only whoever holds less than is left gets more, so that what is left halves, and halves again, and never ends for
//! somebody new. Connections, which can be taken back, are [`seats`]; lines of the log are [`lines`].

pub mod lines;
pub mod seats;
mod source;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::clock::{Clock, Instant};
use crate::limits::Limits;

pub use source::source;

/// What is shared out: places at work, mostly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Service calls.
    Calls,
    /// Requests passed on for callers.
    Passed,
    /// Requests passed on that were admitted by their address alone.
    Strangers,
    /// Callbacks whose query is signed.
    Callbacks,
    /// Callbacks whose query isn't.
    Unsigned,
    /// Logins that come back from WeChat.
    Logins,
    /// OAuth states that are remembered.
    States,
    /// Bytes of bodies in memory.
    Bodies,
    /// Bytes of bodies in files.
    Spooled,
    /// Streams of events, long polls and uploads of batches, which mostly wait.
    Long,
}

/// How many there are of [`Room`].
const ROOMS: usize = 10;

/// The rooms, and the shares of addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pools: [Pool; ROOMS],
    sources: Mutex<Sources>,
}

#[derive(Debug)]
struct Pool {
    size: usize,
    free: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// What one caller, app or address holds.
#[derive(Debug, Default)]
pub struct Share {
    held: [AtomicUsize; ROOMS],
    waiting: AtomicUsize,
}

/// The shares of addresses that hold something.
#[derive(Debug, Default)]
struct Sources {
    by_address: HashMap<IpAddr, Weak<Share>>,
    /// So many entries are looked through for dead ones.
    prune_at: usize,
}

/// For whom something is taken: the caller and the app, or the address.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// The caller's share, an address's, or that of the app that a callback is for.
    pub one: &'a Arc<Share>,
    /// The share of the app that a call is for.
    pub app: Option<&'a Arc<Share>>,
}

impl<'a> From<&'a Arc<Share>> for For<'a> {
    fn from(one: &'a Arc<Share>) -> Self {
        Self { one, app: None }
    }
}

/// There is nothing left, or what is left is for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What is taken until this is dropped: it goes with the work, not with the connection.
#[derive(Debug)]
pub struct Place {
    shares: Shares,
    room: Room,
    count: usize,
    one: Arc<Share>,
    app: Option<Arc<Share>>,
    /// Of the caller's `concurrency`.
    own: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// As large as `limits` says.
    pub fn new(limits: &Limits) -> Self {
        let sizes: [usize; ROOMS] = [
            limits.calls,
            limits.passed,
            limits.strangers,
            limits.callbacks,
            limits.unsigned,
            limits.logins,
            limits.states,
            limits.body_budget,
            limits.spooled,
            limits.long,
        ];
        let pool = |size| Pool {
            size,
            free: AtomicUsize::new(size),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        };
        Self(Arc::new(Inner { pools: sizes.map(pool), sources: Mutex::default() }))
    }

    /// What `address` holds, with those who can't be told from it.
    pub fn of(&self, address: IpAddr) -> Arc<Share> {
        let address = source(address);
        let mut sources = self.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = sources.by_address.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        if sources.by_address.len() >= sources.prune_at {
            sources.by_address.retain(|_, share| share.strong_count() > 0);
            sources.prune_at = 2 * sources.by_address.len() + 64;
        }
        let share = Arc::<Share>::default();
        sources.by_address.insert(address, Arc::downgrade(&share));
        share
    }

    /// `count` of `room` at once, or not.
    pub fn take(&self, room: Room, count: usize, by: For<'_>) -> Result<Place, Full> {
        if !self.pool(room).take(room, count, by) {
            return Err(Full);
        }
        by.shares().for_each(|share| share.add(room, count));
        let (one, app) = (by.one.clone(), by.app.cloned());
        Ok(Place { shares: self.clone(), room, count, one, app, own: None })
    }

    fn pool(&self, room: Room) -> &Pool {
        &self.0.pools[room as usize]
    }
}

impl Pool {
    fn take(&self, room: Room, count: usize, by: For<'_>) -> bool {
        let rest = |free: usize| {
            let left = free.checked_sub(count)?;
            self.admits(room, count, left, by).then_some(left)
        };
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest).is_ok()
    }

    /// Whether somebody may take `count` and leave so much.
    fn admits(&self, room: Room, count: usize, left: usize, by: For<'_>) -> bool {
        let others_wait = self.waiting.load(Ordering::Acquire) > by.one.waiting.load(Ordering::Acquire);
        if others_wait && by.one.holds(room) + count > self.size / 4 {
            return false;
        }
        if left >= self.size / 10 {
            return true;
        }
        let is_small = |share: &Arc<Share>| share.holds(room) <= left;
        // An app that has become slow must not keep its callers from the others, nor a caller by having many apps the
        // other callers: so of what is left one half is for either, the other for callers alone.
        is_small(by.one) || (left >= self.size / 20 && by.app.is_some_and(is_small))
    }
}

impl Share {
    fn holds(&self, room: Room) -> usize {
        self.held[room as usize].load(Ordering::Acquire)
    }

    fn add(&self, room: Room, count: usize) {
        self.held[room as usize].fetch_add(count, Ordering::AcqRel);
    }
}

impl<'a> For<'a> {
    fn shares(self) -> impl Iterator<Item = &'a Arc<Share>> {
        [Some(self.one), self.app].into_iter().flatten()
    }
}

impl Place {
    /// The same, with a permit of the caller's own.
    pub fn with(mut self, own: Option<OwnedSemaphorePermit>) -> Self {
        self.own = own;
        self
    }

    /// Takes `more` of the same, waiting until `deadline` if there is none; false if there was none.
    pub async fn grow(&mut self, more: usize, clock: &Clock, deadline: Instant) -> bool {
        if self.try_grow(more) {
            return true;
        }
        let shares = self.shares.clone();
        let pool = shares.pool(self.room);
        let _waits = Waits::begin(pool, self.one.clone());
        loop {
            let mut freed = std::pin::pin!(pool.freed.notified());
            freed.as_mut().enable();
            if self.try_grow(more) {
                return true;
            }
            if clock.by(deadline, freed).await.is_none() {
                return self.try_grow(more);
            }
        }
    }

    fn try_grow(&mut self, more: usize) -> bool {
        let by = For { one: &self.one, app: self.app.as_ref() };
        if !self.shares.pool(self.room).take(self.room, more, by) {
            return false;
        }
        by.shares().for_each(|share| share.add(self.room, more));
        self.count += more;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let by = For { one: &self.one, app: self.app.as_ref() };
        for share in by.shares() {
            share.held[self.room as usize].fetch_sub(self.count, Ordering::AcqRel);
        }
        let pool = self.shares.pool(self.room);
        pool.free.fetch_add(self.count, Ordering::AcqRel);
        if pool.waiting.load(Ordering::Acquire) > 0 {
            pool.freed.notify_waiters();
        }
    }
}

/// Counts who waits for a pool, until it is dropped.
struct Waits<'a> {
    pool: &'a Pool,
    share: Arc<Share>,
}

impl<'a> Waits<'a> {
    fn begin(pool: &'a Pool, share: Arc<Share>) -> Self {
        share.waiting.fetch_add(1, Ordering::AcqRel);
        pool.waiting.fetch_add(1, Ordering::AcqRel);
        Self { pool, share }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.pool.waiting.fetch_sub(1, Ordering::AcqRel);
        self.share.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shares(calls: usize) -> Shares {
        Shares::new(&Limits { calls, body_budget: 400, ..Limits::default() })
    }

    fn all(shares: &Shares, by: For<'_>) -> Vec<Place> {
        std::iter::from_fn(|| shares.take(Room::Calls, 1, by).ok()).collect()
    }

    #[test]
    fn anyone_may_use_what_is_free_and_the_last_tenth_is_for_those_who_hold_little() {
        let shares = shares(1000);
        let (greedy, one, other) = (Arc::default(), Arc::default(), Arc::default());
        let first = all(&shares, For::from(&greedy));
        assert_eq!(first.len(), 900);
        let second = all(&shares, For::from(&one));
        assert_eq!(second.len(), 50, "half of what was left");
        assert_eq!(all(&shares, For::from(&other)).len(), 25);
        // Somebody new always finds something.
        for _ in 0..4 {
            std::mem::forget(all(&shares, For::from(&Arc::default())));
        }
        assert!(shares.take(Room::Calls, 1, For::from(&Arc::default())).is_ok());
        drop(first);
        assert!(all(&shares, For::from(&other)).len() > 700, "what was given back is anybody's");
    }

    #[test]
    fn an_app_that_hangs_does_not_keep_its_caller_from_others() {
        let shares = shares(1000);
        let (caller, slow, well) = (Arc::default(), Arc::default(), Arc::default());
        let by = |app| For { one: &caller, app: Some(app) };
        let _hanging = all(&shares, by(&slow));
        assert_eq!(all(&shares, by(&well)).len(), 50);
        // And by however many apps, never from other callers.
        let apps: Vec<Arc<Share>> = (0..100).map(|_| Arc::default()).collect();
        let taken: Vec<_> = apps.iter().map(|app| all(&shares, by(app))).collect();
        assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 50);
        let other = Arc::default();
        assert_eq!(all(&shares, For { one: &other, app: Some(&slow) }).len(), 25);
    }

    #[tokio::test]
    async fn nobody_holds_over_a_quarter_while_others_wait() {
        let shares = shares(1);
        let (one, other): (Arc<Share>, Arc<Share>) = Default::default();
        let clock = Clock::System;
        let soon = || clock.instant() + Duration::from_millis(20);
        let mut first = shares.take(Room::Bodies, 200, For::from(&one)).unwrap();
        let mut second = shares.take(Room::Bodies, 160, For::from(&other)).unwrap();
        assert!(!second.grow(60, &clock, soon()).await, "there is no more");
        // While the other waits, the first, which holds half, gets no more of what there is.
        let (later, waiting) = (soon() + Duration::from_secs(5), soon());
        let (got, more) = tokio::join!(second.grow(60, &clock, later), async {
            let more = first.grow(1, &clock, waiting).await;
            drop(first);
            more
        });
        assert!(got && !more);
        assert_eq!(other.holds(Room::Bodies), 220);
        drop(second);
        assert!(shares.take(Room::Bodies, 400, For::from(&one)).is_ok());
    }

    #[test]
    fn an_address_has_one_share_while_it_holds_something() {
        let shares = shares(1);
        let of = |address: &str| shares.of(address.parse().unwrap());
        let one = of("8.8.8.8");
        assert!(Arc::ptr_eq(&one, &of("::ffff:8.8.8.8")) && !Arc::ptr_eq(&one, &of("8.8.8.9")));
        for n in 0..10_000_u32 {
            shares.of(IpAddr::V4(n.into()));
        }
        assert!(shares.0.sources.lock().unwrap().by_address.len() < 1000, "who holds nothing is forgotten");
        assert!(Arc::ptr_eq(&one, &of("8.8.8.8")));
    }
}
