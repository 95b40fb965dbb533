//! How WeChat's answers differ from the sandbox's: in their form, at run time, if `[wechat] compare` says so. What differs is
//! counted in memory, within a bound, said in the log once, and shown to operators. No value of an answer is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use wechat::catalog;
use wechat::shape::{Compared, Difference, Known, Seen};

use crate::clock::Clock;
use crate::lang::say;

/// Differences that are told apart; what comes on top is counted.
const MOST: usize = 1_000;
/// Bytes of a body that are read: a longer one costs more than it tells.
const LONGEST: usize = 256 << 10;
/// Headers of an answer that are looked at.
const HEADERS: usize = 64;

/// One difference of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The endpoint's path.
    pub api: &'static str,
    /// What differs.
    pub difference: Difference,
    /// Answers that had it.
    pub count: u64,
    /// When it was seen first, Unix milliseconds.
    pub first_at: i64,
    /// And last.
    pub last_at: i64,
}

/// How many answers were compared, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As they should be.
    pub alike: u64,
    /// Otherwise.
    pub different: u64,
    /// Of endpoints, or of sorts, of which nothing is known.
    pub unknown: u64,
    /// Of those only status, headers and the sort of body were compared: the body went through, or is too long.
    pub unread: u64,
    /// Differences that found no room.
    pub forgotten: u64,
}

#[derive(Debug, Default)]
struct Table {
    found: HashMap<(&'static str, Difference), (u64, i64, i64)>,
    forgotten: u64,
}

#[derive(Debug)]
struct Inner {
    known: Known,
    clock: Clock,
    table: Mutex<Table>,
    alike: AtomicU64,
    different: AtomicU64,
    unknown: AtomicU64,
    unread: AtomicU64,
}

/// Cheap to clone; by default it compares nothing.
#[derive(Clone, Debug, Default)]
pub struct Differences(Option<Arc<Inner>>);

impl Differences {
    /// Compares if `is_on`.
    pub fn new(is_on: bool, clock: &Clock) -> Self {
        let inner = || Inner {
            known: Known::of_the_sandbox(),
            clock: clock.clone(),
            table: Mutex::default(),
            alike: AtomicU64::new(0),
            different: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            unread: AtomicU64::new(0),
        };
        Self(is_on.then(|| Arc::new(inner())))
    }

    /// Whether it compares.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Looks at an answer of `path`: its head, and `body` or the beginning of it.
    pub fn look(&self, path: &str, (status, headers): (StatusCode, &HeaderMap), body: &[u8], is_whole: bool) {
        if let Some(inner) = &self.0 {
            inner.look(path, (status, headers), body, is_whole && body.len() <= LONGEST);
        }
    }

    /// What differs, by endpoint.
    pub fn found(&self) -> Vec<Found> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let found = |((api, difference), (count, first_at, last_at)): (
            &(&'static str, Difference),
            &(u64, i64, i64),
        )| {
            Found {
                api,
                difference: difference.clone(),
                count: *count,
                first_at: *first_at,
                last_at: *last_at,
            }
        };
        let mut all: Vec<Found> = inner.table().found.iter().map(found).collect();
        all.sort_by(|a, b| (a.api, &a.difference).cmp(&(b.api, &b.difference)));
        all
    }

    /// How many answers were looked at.
    pub fn counts(&self) -> Counts {
        let Some(inner) = &self.0 else { return Counts::default() };
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            alike: of(&inner.alike),
            different: of(&inner.different),
            unknown: of(&inner.unknown),
            unread: of(&inner.unread),
            forgotten: inner.table().forgotten,
        }
    }

    /// Forgets the differences, so that those that are still there are seen anew, and said in the log again.
    pub fn forget(&self) {
        if let Some(inner) = &self.0 {
            *inner.table() = Table::default();
        }
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, path: &str, (status, headers): (StatusCode, &HeaderMap), body: &[u8], is_whole: bool) {
        let Some(endpoint) = catalog::by_path(path) else { return count(&self.unknown) };
        let names: Vec<&str> = headers.keys().take(HEADERS).map(http::HeaderName::as_str).collect();
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let seen = Seen {
            path: endpoint.path,
            status: status.as_u16(),
            content_type,
            headers: &names,
            body,
            is_whole,
        };
        match self.known.compare(&seen) {
            Compared::Unknown => count(&self.unknown),
            Compared::Broken => {}
            Compared::Part(found) | Compared::Whole(found) if !found.is_empty() => {
                count(&self.different);
                found.into_iter().for_each(|difference| self.note(endpoint.path, difference));
            }
            Compared::Part(_) => count(&self.unread),
            Compared::Whole(_) => count(&self.alike),
        }
    }

    fn note(&self, api: &'static str, difference: Difference) {
        let now = self.clock.now();
        let key = (api, difference);
        let mut table = self.table();
        if let Some((count, _, last_at)) = table.found.get_mut(&key) {
            (*count, *last_at) = (*count + 1, now);
            return;
        }
        if table.found.len() >= MOST {
            table.forgotten += 1;
            return;
        }
        table.found.insert(key.clone(), (1, now, now));
        drop(table);
        let Difference { place, what, known, seen } = key.1;
        tracing::warn!(
            api,
            place,
            what = what.name(),
            known,
            seen,
            "{}",
            say(
                "微信的应答与模拟器的不一样：可能是微信改了接口，用到这处的代码要看一看；只记这一次，次数见管理接口 differences",
                "an answer of WeChat's differs from the sandbox's: WeChat may have changed, so look at what uses this; said once, counted in the admin API's differences",
            )
        );
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn head(status: u16) -> (StatusCode, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json; encoding=utf-8".parse().unwrap());
        (StatusCode::from_u16(status).unwrap(), headers)
    }

    fn look(differences: &Differences, path: &str, body: &str) {
        let (status, headers) = head(200);
        differences.look(path, (status, &headers), body.as_bytes(), true);
    }

    const PATH: &str = "/cgi-bin/qrcode/create";

    #[test]
    fn what_differs_is_counted_once_for_each_answer_and_dated() {
        let clock = ManualClock::at(1_000);
        let differences = Differences::new(true, &Clock::Manual(clock.clone()));
        look(&differences, PATH, r#"{"ticket":"t","expire_seconds":60,"url":"u"}"#);
        assert!(differences.found().is_empty());
        for _ in 0..3 {
            look(&differences, PATH, r#"{"ticket":"PLANTED","expire_seconds":"60","url":"u"}"#);
            clock.advance(std::time::Duration::from_secs(1));
        }
        let found = differences.found();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].api, found[0].count, found[0].first_at, found[0].last_at),
            (PATH, 3, 1_000, 3_000)
        );
        assert_eq!(found[0].difference.to_string(), "type expire_seconds: integer -> text");
        look(&differences, "/nobody/knows", "{}");
        let long = format!(r#"{{"ticket":"{}"}}"#, "x".repeat(LONGEST));
        look(&differences, PATH, &long);
        let expected = Counts { alike: 1, different: 3, unknown: 1, unread: 1, forgotten: 0 };
        assert_eq!(differences.counts(), expected);
        differences.forget();
        assert!(differences.found().is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_and_none_where_it_is_off() {
        let differences = Differences::new(true, &Clock::System);
        let letters = || 'a'..='z';
        for (a, b, c) in
            letters().flat_map(|a| letters().flat_map(move |b| ('a'..='b').map(move |c| (a, b, c))))
        {
            look(
                &differences,
                PATH,
                &format!(r#"{{"ticket":"t","expire_seconds":60,"url":"u","{a}{b}{c}":1}}"#),
            );
        }
        assert_eq!(
            (differences.found().len(), differences.counts().forgotten),
            (MOST, 26 * 26 * 2 - MOST as u64)
        );
        let off = Differences::default();
        look(&off, PATH, "nonsense");
        assert!(!off.is_on() && off.found().is_empty() && off.counts() == Counts::default());
    }
}
