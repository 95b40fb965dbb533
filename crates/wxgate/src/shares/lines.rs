//! Lines of the log about strangers: the first of a source at once, what follows within a second in one line with its
//! count, so that nobody fills a disk by being refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::source;

/// A source's lines are gathered this long.
pub const GATHERED: Duration = Duration::from_secs(1);
/// Requests that a line names one by one.
const NAMED: usize = 16;
/// Lines about what was not refused that a source gets for itself in that time.
const ANSWERED: u32 = 10;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sources: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    by_source: HashMap<IpAddr, Source>,
    /// Of sources for which there was no room.
    others: Gathered,
}

#[derive(Debug)]
struct Source {
    since: Instant,
    lines: u32,
    gathered: Gathered,
}

/// What one line tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// How many requests.
    pub count: u64,
    /// The first of them, each in a few words.
    pub named: Vec<String>,
}

impl Gathered {
    fn add(&mut self, named: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(named());
        }
    }
}

impl Lines {
    /// For so many sources at once.
    pub fn new(sources: usize) -> Self {
        Self(Arc::new(Inner { sources, open: Mutex::default() }))
    }

    /// Whether a request of `address` gets a line of its own, now; else it is gathered, as `named` says.
    pub fn take(&self, address: IpAddr, refused: bool, now: Instant, named: impl FnOnce() -> String) -> bool {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { by_source, others } = &mut *open;
        let is_full = by_source.len() >= self.0.sources;
        let address = source(address);
        if is_full && !by_source.contains_key(&address) {
            others.add(named);
            return false;
        }
        let fresh = || Source { since: now, lines: 0, gathered: Gathered::default() };
        let source = by_source.entry(address).or_insert_with(fresh);
        let most = if refused { 1 } else { ANSWERED };
        if source.lines < most && source.gathered.count == 0 {
            source.lines += 1;
            return true;
        }
        source.gathered.add(named);
        false
    }

    /// The lines that are due: of each source, and of all others.
    pub fn due(&self, now: Instant) -> Vec<(Option<IpAddr>, Gathered)> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        open.by_source.retain(|address, source| {
            if now - source.since < GATHERED {
                return true;
            }
            let gathered = std::mem::take(&mut source.gathered);
            (source.since, source.lines) = (now, 1);
            let is_told = gathered.count > 0;
            if is_told {
                due.push((Some(*address), gathered));
            }
            is_told
        });
        let others = std::mem::take(&mut open.others);
        if others.count > 0 {
            due.push((None, others));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_line_a_second_and_every_request_is_counted() {
        let lines = Lines::new(2);
        let begin = Instant::now();
        let take =
            |address: &str, refused| lines.take(address.parse().unwrap(), refused, begin, || "x".to_owned());
        assert!(take("1.1.1.1", true) && !take("1.1.1.1", true) && !take("1.1.1.1", false));
        assert!((0..10).all(|_| take("2.2.2.2", false)) && !take("2.2.2.2", false));
        assert!(!take("3.3.3.3", true), "there is no room");
        for _ in 0..100 {
            take("1.1.1.1", true);
        }
        let other = (None, Gathered { count: 1, named: vec!["x".to_owned()] });
        assert_eq!(lines.due(begin), [other], "the rest is not due yet");
        let counts = |seconds: u32| {
            let due = lines.due(begin + GATHERED * seconds).into_iter();
            let mut told: Vec<_> = due.map(|(_, gathered)| (gathered.count, gathered.named.len())).collect();
            told.sort_unstable();
            told
        };
        assert_eq!(counts(1), [(1, 1), (102, NAMED)]);
        assert!(!take("1.1.1.1", true), "its next line is that of the next second");
        assert_eq!(counts(2), [(1, 1)]);
        assert_eq!(counts(3), []);
        assert!(take("1.1.1.1", true), "who was quiet is told of at once");
    }
}
