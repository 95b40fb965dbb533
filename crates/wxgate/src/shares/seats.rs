//! Connections: what can be taken back. Each has a [`Seat`], on which two stores a request note whose it is and what it
//! does; nothing is counted until less than a tenth is free. Then whoever has most loses its oldest that are idle or that
//! nobody vouches for, some at a time, so that looking for them costs next to nothing for each.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Share, source};

/// A proxy that nothing came from for so long doesn't pass on a request.
const PROXY_MS: i64 = 1000;
/// A connection is this old before it goes, if there is another.
const YOUNG_MS: i64 = 100;

/// Connections of some listeners. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    size: usize,
    taken: Mutex<Taken>,
    freed: Notify,
    names: RandomState,
    /// What a seat's time counts from.
    began: Instant,
}

#[derive(Debug, Default)]
struct Taken {
    /// In the order in which they came.
    seats: BTreeMap<u64, Arc<Seat>>,
    next: u64,
    /// Told to go, and not gone yet.
    leaving: usize,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Stage {
    /// No whole head of a request has come yet.
    Silent,
    /// A request that nobody vouches for is at work.
    Stranger,
    /// Between two requests.
    Idle,
    /// A request of a caller, or of WeChat, is at work: it is never cut.
    AtWork,
}

/// One connection.
#[derive(Debug)]
pub struct Seat {
    /// Whose it is, as a number; [`PROXY`]: a trusted proxy's, and so nobody's yet.
    owner: AtomicU64,
    /// Whose it was when it came.
    first: u64,
    stage: AtomicU8,
    /// Since when, in milliseconds of this process.
    since: AtomicI64,
    leave: CancellationToken,
    hall: Seats,
}

/// A request at work; see [`Seat::begins`].
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

const PROXY: u64 = 0;

/// A seat that is taken until this is dropped.
#[derive(Debug)]
pub struct Sitting {
    number: u64,
    seat: Arc<Seat>,
}

impl Seats {
    /// So many.
    pub fn new(size: usize) -> Self {
        let (names, began) = (RandomState::new(), Instant::now());
        Self(Arc::new(Inner { size, taken: Mutex::default(), freed: Notify::new(), names, began }))
    }

    /// A seat for a connection from `address`, `None` for a trusted proxy's; it waits while every one is taken by
    /// somebody at work.
    pub async fn take(&self, address: Option<IpAddr>) -> Sitting {
        loop {
            let freed = self.0.freed.notified();
            if let Some(sitting) = self.try_take(address) {
                return sitting;
            }
            freed.await;
        }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).seats.len()
    }

    fn try_take(&self, address: Option<IpAddr>) -> Option<Sitting> {
        let (Inner { size, taken, .. }, now) = (&*self.0, self.now());
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = address.map_or(PROXY, |address| self.number(&source(address)));
        // Those who were told to go are as good as gone, unless nothing is left at all.
        let staying = taken.seats.len() - taken.leaving;
        if (size - staying.min(*size)) * 10 < *size {
            taken.leaving += dismiss(&taken.seats, (size / 64).max(1), now);
        }
        if taken.seats.len() >= *size {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat {
            owner: AtomicU64::new(owner),
            first: owner,
            stage: AtomicU8::new(Stage::Silent as u8),
            since: AtomicI64::new(now),
            leave: CancellationToken::new(),
            hall: self.clone(),
        });
        taken.seats.insert(number, seat.clone());
        Some(Sitting { number, seat })
    }

    fn now(&self) -> i64 {
        i64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn number(&self, of: &impl Hash) -> u64 {
        self.0.names.hash_one(of).max(1)
    }
}

/// Tells up to `count` connections to go; gives how many.
fn dismiss(seats: &BTreeMap<u64, Arc<Seat>>, count: usize, now: i64) -> usize {
    let staying = || seats.values().filter(|seat| !seat.leave.is_cancelled());
    let mut held: HashMap<u64, usize> = HashMap::new();
    let mut movable: Vec<(&Arc<Seat>, u64, i64)> = Vec::new();
    for seat in staying() {
        let (owner, since) = (seat.owner.load(Ordering::Relaxed), seat.since.load(Ordering::Relaxed));
        if owner != PROXY {
            *held.entry(owner).or_default() += 1;
        }
        if seat.stage.load(Ordering::Relaxed) != Stage::AtWork as u8 {
            movable.push((seat, owner, since));
        }
    }
    movable.sort_by_key(|(_, _, since)| *since);
    let go = |chosen: Vec<&Arc<Seat>>| {
        chosen.iter().for_each(|seat| seat.leave.cancel());
        chosen.len()
    };
    // What a proxy opened and sends nothing through.
    let is_stale = |seat: &Seat, since: i64| {
        seat.owner.load(Ordering::Relaxed) == PROXY
            && seat.stage.load(Ordering::Relaxed) == Stage::Silent as u8
            && now - since >= PROXY_MS
    };
    let stale: Vec<_> = movable
        .iter()
        .filter(|(seat, _, since)| is_stale(seat, *since))
        .map(|(seat, ..)| *seat)
        .take(count)
        .collect();
    if !stale.is_empty() {
        return go(stale);
    }
    // Whoever has most and something to lose, down to what the next one has.
    let mut owners: Vec<(usize, u64)> = held.into_iter().map(|(owner, held)| (held, owner)).collect();
    owners.sort_unstable_by(|a, b| b.cmp(a));
    for old in [YOUNG_MS, 0] {
        for (_, owner) in &owners {
            let of_owner = movable.iter().filter(|(_, of, since)| of == owner && now - since >= old);
            let chosen: Vec<_> = of_owner.map(|(seat, ..)| *seat).take(count).collect();
            if !chosen.is_empty() {
                return go(chosen);
            }
        }
    }
    // Nobody's but proxies' are left.
    go(movable.iter().map(|(seat, ..)| *seat).take(1).collect())
}

impl Sitting {
    /// The seat.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let Inner { taken, freed, .. } = &*self.seat.hall.0;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.seats.remove(&self.number);
        if self.seat.leave.is_cancelled() {
            taken.leaving = taken.leaving.saturating_sub(1);
        }
        freed.notify_one();
    }
}

impl Seat {
    /// Returns when the place is needed for somebody else.
    pub async fn must_leave(&self) {
        self.leave.cancelled().await;
    }

    /// A request has come; it is over when the guard is dropped.
    pub fn begins(self: &Arc<Self>) -> Busy {
        self.is(Stage::Stranger);
        Busy(self.clone())
    }

    /// The request comes from `address`, as a proxy says.
    pub fn comes_from(&self, address: IpAddr) {
        if self.first == PROXY {
            self.owner.store(self.hall.number(&source(address)), Ordering::Relaxed);
        }
    }

    /// The request is that of whoever has this share, and showed so.
    pub fn belongs_to(&self, owner: &Arc<Share>) {
        // Where the share is tells it from every other, and takes no reckoning.
        self.owner.store(Arc::as_ptr(owner).addr() as u64, Ordering::Relaxed);
        self.stage.store(Stage::AtWork as u8, Ordering::Relaxed);
    }

    fn is(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        self.since.store(self.hall.now(), Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.first == PROXY {
            self.0.owner.store(PROXY, Ordering::Relaxed);
        }
        self.0.is(Stage::Idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(seats: &Seats, address: &str) -> Sitting {
        seats.try_take(Some(address.parse().unwrap())).expect("a seat")
    }

    fn must_leave(sitting: &Sitting) -> bool {
        sitting.seat.leave.is_cancelled()
    }

    /// As if it had come `ms` ago.
    fn old(sitting: &Sitting, ms: i64) {
        sitting.seat.since.fetch_sub(ms, Ordering::Relaxed);
    }

    #[test]
    fn whoever_has_most_loses_its_oldest_silent_ones() {
        let seats = Seats::new(100);
        let caller = came(&seats, "10.0.0.9");
        let _busy = caller.seat.begins();
        caller.seat.belongs_to(&Arc::default());
        let mut crowd: Vec<Sitting> = (0..61).map(|_| came(&seats, "6.6.6.6")).collect();
        crowd.iter().enumerate().for_each(|(n, one)| old(one, 5000 - i64::try_from(n).unwrap()));
        let few: Vec<Sitting> = (0..29).map(|_| came(&seats, "7.7.7.7")).collect();
        few.iter().for_each(|one| old(one, 9000));
        let gone = |crowd: &[Sitting]| crowd.iter().filter(|one| must_leave(one)).count();
        assert_eq!(gone(&crowd), 0, "a tenth is free");
        let mut others = Vec::new();
        for n in 1..=5 {
            others.push(came(&seats, &format!("9.9.9.{n}")));
            assert!(gone(&crowd) >= 1);
            assert!(must_leave(&crowd[0]), "the oldest first");
            crowd.retain(|one| !must_leave(one));
        }
        assert_eq!(gone(&few) + gone(std::slice::from_ref(&caller)), 0);
    }

    #[test]
    fn who_is_at_work_for_a_caller_is_never_cut() {
        let seats = Seats::new(10);
        let sitting: Vec<Sitting> = (0..10).map(|_| came(&seats, "10.0.0.9")).collect();
        let busy: Vec<Busy> = sitting.iter().map(|one| one.seat.begins()).collect();
        let shop = Arc::default();
        sitting.iter().for_each(|one| one.seat.belongs_to(&shop));
        assert!(seats.try_take(Some("1.1.1.1".parse().unwrap())).is_none());
        assert!(!sitting.iter().any(must_leave));
        drop(busy);
        assert!(seats.try_take(None).is_none());
        assert_eq!(sitting.iter().filter(|one| must_leave(one)).count(), 1, "an idle one goes");
    }

    #[test]
    fn behind_a_proxy_it_is_the_client_who_counts() {
        let seats = Seats::new(100);
        let mut taken = Vec::new();
        for n in 0..90 {
            let one = seats.try_take(None).unwrap();
            let busy = one.seat.begins();
            one.seat.comes_from(format!("6.6.6.{}", n % 3).parse().unwrap());
            old(&one, 500);
            taken.push((one, busy));
        }
        let user = seats.try_take(None).unwrap();
        let _busy = user.seat.begins();
        user.seat.comes_from("8.8.8.8".parse().unwrap());
        let fresh = seats.try_take(None).unwrap();
        let gone = |taken: &[(Sitting, Busy)]| taken.iter().filter(|(one, _)| must_leave(one)).count();
        assert!(gone(&taken) > 0 && !must_leave(&user) && !must_leave(&fresh));
        // What a proxy opened and leaves silent goes before anything.
        taken.retain(|(one, _)| !must_leave(one));
        old(&fresh, 2000);
        while !must_leave(&fresh) {
            let one = seats.try_take(None).unwrap();
            let busy = one.seat.begins();
            one.seat.comes_from("7.7.7.7".parse().unwrap());
            taken.push((one, busy));
        }
        assert_eq!(gone(&taken), 0);
    }
}
