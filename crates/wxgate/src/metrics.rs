//! Counters in memory, of which `/metrics` and the series are made: what was called and how it ended, what WeChat said, what
//! became of messages. A request that counts as others did costs a hash of numbers: names were numbered before, and each
//! worker has a table of its own.

mod keys;
mod tally;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Instant;
use crate::traces::{self, Said};
use crate::workers;

pub use keys::{Called, Id, LOST, NOBODY, Name, OTHER, Received, SEVERAL, Sent};
pub use tally::{CLASSES, Tally, bound_of};

use keys::{Key, Names, Path, Quick, name_of};

/// Counters kept apart, unless bounded otherwise; what comes on top is counted as `other`.
pub const MOST: usize = 6_000;
/// Tables, of which every worker has its own as long as there are no more workers.
const TABLES: usize = 17;

type Table = HashMap<Key, Counter, BuildHasherDefault<Quick>>;

/// All that was counted, and how much of that was taken for the series.
#[derive(Debug, Default)]
struct Counter {
    all: Tally,
    taken: Tally,
}

#[derive(Debug)]
struct Inner {
    names: Mutex<Names>,
    /// All keys in use, wherever.
    known: Mutex<HashSet<Key>>,
    tables: [Mutex<Table>; TABLES],
    most: usize,
    /// When the counting of what is fresh began, as whoever takes it says.
    since: AtomicI64,
}

/// All counters of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::bounded(MOST)
    }
}

impl Metrics {
    /// With so many counters at most, besides those that are called `other`.
    pub fn bounded(most: usize) -> Self {
        let tables = std::array::from_fn(|_| Mutex::default());
        Self(Arc::new(Inner {
            names: Mutex::default(),
            known: Mutex::default(),
            tables,
            most,
            since: AtomicI64::new(0),
        }))
    }

    /// What is counted under the name of an app, a caller or a route.
    pub fn meter(&self, name: &str) -> Meter {
        let id = lock(&self.0.names).id(name);
        Meter { metrics: self.clone(), id }
    }

    /// Counts a call: who called, which app, what it was answered.
    pub fn called(
        &self,
        (app, caller): (Id, Id),
        (api, errcode): (&'static str, i64),
        end: Called,
        took: Duration,
    ) {
        let mut table = self.table();
        self.add(&mut table, Key::Calls(app, caller, end), Some(took));
        self.add(&mut table, Key::Api(app, Path(api), errcode), None);
    }

    /// Counts a callback of which no message came.
    pub fn not_received(&self, app: Id, end: Received) {
        self.add(&mut self.table(), Key::Callbacks(app, end), None);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.0.tables[workers::index() % TABLES])
    }

    fn add(&self, table: &mut Table, key: Key, took: Option<Duration>) {
        match table.get_mut(&key) {
            Some(counter) => counter.all.add(took),
            None => {
                let key = if self.may_know(key) { key } else { key.gathered() };
                table.entry(key).or_default().all.add(took);
            }
        }
    }

    fn may_know(&self, key: Key) -> bool {
        let mut known = lock(&self.0.known);
        known.contains(&key) || (known.len() < self.0.most && known.insert(key))
    }

    /// Everything that was counted since the start.
    pub fn all(&self) -> HashMap<Name, Tally> {
        self.gather(|counter| counter.all.clone())
    }

    /// What is fresh was begun to be counted then.
    pub fn counts_since(&self, since: i64) {
        self.0.since.store(since, Ordering::Relaxed);
    }

    /// What was counted since it was last taken, and since when that is.
    pub fn fresh(&self) -> (i64, HashMap<Name, Tally>) {
        let since = self.0.since.load(Ordering::Relaxed);
        (since, self.gather(|counter| counter.all.without(&counter.taken)))
    }

    /// The same; from `now` on it is taken.
    pub fn take(&self, now: i64) -> (i64, HashMap<Name, Tally>) {
        let since = self.0.since.swap(now, Ordering::Relaxed);
        let taken = self.gather(|counter| {
            let fresh = counter.all.without(&counter.taken);
            counter.taken = counter.all.clone();
            fresh
        });
        (since, taken)
    }

    fn gather(&self, of: impl Fn(&mut Counter) -> Tally) -> HashMap<Name, Tally> {
        let mut gathered: HashMap<Name, Tally> = HashMap::new();
        for table in &self.0.tables {
            let found: Vec<(Key, Tally)> =
                lock(table).iter_mut().map(|(key, counter)| (*key, of(counter))).collect();
            let names = lock(&self.0.names);
            for (key, tally) in found.into_iter().filter(|(_, tally)| tally.n > 0) {
                gathered.entry(name_of(key, &names.texts)).or_default().merge(&tally);
            }
        }
        gathered
    }
}

/// What is counted under one name, of an app, a caller or a route, which outlives reloads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    metrics: Metrics,
    id: Id,
}

impl Meter {
    /// The name, numbered.
    pub fn id(&self) -> Id {
        self.id
    }

    fn add(&self, key: Key, took: Option<Duration>) {
        self.metrics.add(&mut self.metrics.table(), key, took);
    }

    /// A message of the app came.
    pub fn received(&self, end: Received) {
        self.add(Key::Callbacks(self.id, end), None);
    }

    /// An attempt to deliver by the route.
    pub fn sent(&self, end: Sent, took: Duration) {
        self.add(Key::Deliveries(self.id, end), Some(took));
    }

    /// The app's access_token was fetched, or wasn't.
    pub fn refreshed(&self, well: bool) {
        self.add(Key::Refreshes(self.id, well), None);
    }

    /// WeChat is called at `began`, as the app. What isn't said to be answered counts as lost.
    pub fn asks(&self, api: &'static str, began: Instant) -> Asking<'_> {
        Asking { meter: self, api: Path(api), began, errcode: LOST }
    }
}

/// A call to WeChat under way; counted when it is dropped.
#[derive(Debug)]
pub struct Asking<'a> {
    meter: &'a Meter,
    api: Path,
    began: Instant,
    errcode: i64,
}

impl Asking<'_> {
    /// WeChat said this; 0: what was asked for.
    pub fn answered(&mut self, errcode: i64) {
        self.errcode = errcode;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.meter.add(Key::Upstream(self.meter.id, self.api, self.errcode), Some(self.began.elapsed()));
        if let Some(request) = traces::current() {
            let (name, is_success) = (Cow::Borrowed(self.api.0), self.errcode == 0);
            let attributes = match self.errcode {
                LOST => vec![traces::attribute("error.type", "lost")],
                errcode => vec![traces::attribute("wechat.errcode", errcode)],
            };
            request.asked(self.began, Said { name, is_success, attributes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(5);

    fn counts(all: &HashMap<Name, Tally>) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = all.iter().map(|(name, tally)| (format!("{name:?}"), tally.n)).collect();
        counts.sort();
        counts
    }

    #[test]
    fn what_is_taken_is_not_fresh_and_nothing_is_lost_of_all() {
        let metrics = Metrics::default();
        let (app, caller) = (metrics.meter("wx1"), metrics.meter("shop"));
        let call = |end| metrics.called((app.id(), caller.id()), ("/cgi-bin/menu/get", 0), end, MS);
        call(Called::Ok);
        call(Called::Ok);
        call(Called::Failed);
        let calls = |end| Name::Calls("wx1".into(), "shop".into(), end);
        metrics.counts_since(60);
        let (since, taken) = metrics.take(120);
        assert_eq!((since, metrics.fresh().0), (60, 120));
        assert_eq!((taken[&calls("ok")].n, taken[&calls("ok")].ms, taken[&calls("failed")].n), (2, 10, 1));
        assert_eq!(taken[&Name::Api("wx1".into(), "/cgi-bin/menu/get", 0)].n, 3);
        assert!(metrics.fresh().1.is_empty() && metrics.take(180).1.is_empty());
        call(Called::Ok);
        assert_eq!((metrics.fresh().1[&calls("ok")].n, metrics.all()[&calls("ok")].n), (1, 3));
        // The same name is the same counter.
        metrics.meter("wx1").refreshed(true);
        app.refreshed(true);
        assert_eq!(metrics.all()[&Name::Refreshes("wx1".into(), "ok")].n, 2);
    }

    #[test]
    fn more_keys_than_there_is_room_for_are_counted_together() {
        let metrics = Metrics::bounded(3);
        for n in 0..5 {
            metrics.meter(&format!("r{n}")).sent(Sent::Dead, MS);
        }
        metrics.meter("r0").sent(Sent::Dead, MS);
        metrics.meter("wx1").refreshed(false);
        let expected = [
            ("Deliveries(\"other\", \"dead\")", 2),
            ("Deliveries(\"r0\", \"dead\")", 2),
            ("Deliveries(\"r1\", \"dead\")", 1),
            ("Deliveries(\"r2\", \"dead\")", 1),
            ("Refreshes(\"other\", \"failed\")", 1),
        ];
        let expected = expected.map(|(name, n)| (name.to_owned(), n));
        assert_eq!(counts(&metrics.all()), expected);
    }

    #[test]
    fn a_call_without_an_answer_counts_as_lost() {
        let metrics = Metrics::default();
        let app = metrics.meter("wx1");
        drop(app.asks("/a", Instant::now()));
        app.asks("/a", Instant::now()).answered(40001);
        let code = |code| metrics.all()[&Name::Upstream("wx1".into(), "/a", code)].n;
        assert_eq!((code(LOST), code(40001)), (1, 1));
    }
}
