//! What an account suffers from that its token doesn't show: an address that isn't listed, a freeze, an API that was taken
//! away. Noted when WeChat says so, over with the next success of the same kind. A success costs an atomic load or two.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use wechat::answer::ApiError;
use wechat::errcode::is_of_address;

/// The account is frozen.
const FROZEN: i64 = 50007;
/// The account may not call this API.
const UNAUTHORIZED: i64 = 48001;
/// An API that worked within this time and is refused now was taken away; milliseconds.
const LATELY: i64 = 24 * 3_600_000;
/// When a path worked is known to the minute; milliseconds.
const GRAIN: i64 = 60_000;
/// Paths remembered at once.
const PATHS: usize = 256;
/// What is longer, in bytes, is no path of WeChat's.
const LONGEST_PATH: usize = 200;

/// What a call showed to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The AppSecret, for a token.
    TokenCall,
    /// The AppSecret, for something else.
    Secret,
    /// The access_token.
    Token,
}

/// Something is amiss with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ailment {
    /// WeChat's code.
    pub errcode: i64,
    /// The address that isn't listed, if it is that.
    pub ip: Option<String>,
    /// Since when, in ticks.
    pub since: i64,
    /// Where it was noticed first.
    pub path: String,
    way: Way,
}

impl Ailment {
    fn ends_with(&self, way: Way, path: &str) -> bool {
        if self.errcode == UNAUTHORIZED { self.path == path } else { self.way == way }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Health {
    /// When each path last worked, in ticks.
    worked: ArcSwap<HashMap<String, Arc<AtomicI64>>>,
    is_ill: AtomicBool,
    ailments: Mutex<Vec<Ailment>>,
}

impl Health {
    fn ailments_now(&self) -> MutexGuard<'_, Vec<Ailment>> {
        self.ailments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `path` did what it was asked; gives what is over by that.
    pub(crate) fn worked(&self, way: Way, path: &str, now: i64) -> Vec<Ailment> {
        match self.worked.load().get(path) {
            Some(at) if now - at.load(Ordering::Relaxed) < GRAIN => {}
            Some(at) => at.store(now, Ordering::Relaxed),
            None => self.worked_first(path, now),
        }
        if !self.is_ill.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut ailments = self.ailments_now();
        let over = ailments.extract_if(.., |one| one.ends_with(way, path)).collect();
        self.is_ill.store(!ailments.is_empty(), Ordering::Relaxed);
        over
    }

    fn worked_first(&self, path: &str, now: i64) {
        if path.len() > LONGEST_PATH {
            return;
        }
        self.worked.rcu(|paths| {
            let mut paths = HashMap::clone(paths);
            if paths.len() >= PATHS {
                paths.retain(|_, at| now - at.load(Ordering::Relaxed) < LATELY);
            }
            if paths.len() < PATHS {
                paths.insert(path.to_owned(), Arc::new(AtomicI64::new(now)));
            }
            paths
        });
    }

    /// The paths that worked within so many ticks before `now`, to the minute.
    pub(crate) fn in_use(&self, now: i64, within: i64) -> Vec<String> {
        let paths = self.worked.load();
        let lately = paths.iter().filter(|(_, at)| now - at.load(Ordering::Relaxed) < within + GRAIN);
        lately.map(|(path, _)| path.clone()).collect()
    }

    /// WeChat refused `path`; gives what is amiss, if that is news.
    pub(crate) fn refused(&self, way: Way, path: &str, error: &ApiError, now: i64) -> Option<Ailment> {
        let errcode = error.errcode;
        let worked_lately =
            || self.worked.load().get(path).is_some_and(|at| now - at.load(Ordering::Relaxed) < LATELY);
        if !(is_of_address(errcode) || errcode == FROZEN || (errcode == UNAUTHORIZED && worked_lately())) {
            return None;
        }
        let ailment = Ailment {
            errcode,
            ip: error.refused_ip().map(str::to_owned),
            since: now,
            path: path.to_owned(),
            way,
        };
        let mut ailments = self.ailments_now();
        self.is_ill.store(true, Ordering::Relaxed);
        let known = ailments.iter_mut().find(|one| one.errcode == errcode && one.ends_with(way, path));
        if let Some(known) = known {
            // The address may be another by now.
            known.ip = ailment.ip.or_else(|| known.ip.take());
            return None;
        }
        let is_news = ailments.iter().all(|one| one.errcode != errcode || errcode == UNAUTHORIZED);
        ailments.push(ailment.clone());
        is_news.then_some(ailment)
    }

    /// What is amiss, one for each code, since it began.
    pub fn ailments(&self) -> Vec<Ailment> {
        if !self.is_ill.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut found: Vec<Ailment> = Vec::new();
        for ailment in self.ailments_now().iter() {
            if found.iter().all(|one| one.errcode != ailment.errcode) {
                found.push(ailment.clone());
            }
        }
        found
    }

    /// Whether nothing with `errcode` is left.
    pub(crate) fn is_over(&self, errcode: i64) -> bool {
        self.ailments_now().iter().all(|one| one.errcode != errcode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errcode: i64) -> ApiError {
        ApiError { errcode, errmsg: "invalid ip 1.2.3.4, not in whitelist".to_owned() }
    }

    #[test]
    fn what_is_amiss_ends_with_a_success_of_its_kind() {
        let health = Health::default();
        assert!(health.refused(Way::Token, "/a", &error(40164), 5).is_some());
        assert!(health.refused(Way::Token, "/b", &error(40164), 6).is_none(), "told once");
        assert!(health.refused(Way::TokenCall, "/t", &error(40164), 7).is_none(), "whoever else says so");
        assert!(health.refused(Way::Token, "/b", &error(50007), 8).is_some());
        let found = health.ailments();
        assert_eq!((found.len(), found[0].since, found[0].ip.as_deref()), (2, 5, Some("1.2.3.4")));
        assert!(health.worked(Way::Secret, "/s", 9).is_empty());
        assert_eq!(health.worked(Way::Token, "/c", 9).len(), 2);
        assert!(!health.is_over(40164) && health.is_over(50007));
        assert_eq!(health.worked(Way::TokenCall, "/t", 9).len(), 1);
        assert!(health.is_over(40164) && health.ailments().is_empty());
    }

    #[test]
    fn an_api_that_was_taken_away_is_one_that_worked() {
        let health = Health::default();
        assert!(health.refused(Way::Token, "/a", &error(48001), 0).is_none(), "it never was there");
        health.worked(Way::Token, "/a", 1);
        assert!(health.refused(Way::Token, "/a", &error(48001), LATELY + 1).is_none(), "long ago");
        health.worked(Way::Token, "/a", LATELY);
        assert!(health.refused(Way::Token, "/a", &error(48001), LATELY + 1).is_some());
        assert!(health.worked(Way::Token, "/b", LATELY + 2).is_empty(), "another path says nothing");
        assert_eq!(health.worked(Way::Token, "/a", LATELY + 3).len(), 1);
        assert!(health.ailments().is_empty());
    }

    #[test]
    fn other_refusals_are_none_of_it_and_paths_are_bounded() {
        let health = Health::default();
        for code in [-1, 40001, 40003, 40013, 40125, 45009, 48004] {
            assert!(health.refused(Way::Token, "/a", &error(code), 0).is_none(), "{code}");
        }
        for n in 0..1000 {
            health.worked(Way::Token, &format!("/{n}"), n);
        }
        assert_eq!(health.worked.load().len(), PATHS);
        health.worked(Way::Token, "/new", 2 * LATELY);
        assert!(health.refused(Way::Token, "/new", &error(48001), 2 * LATELY).is_some());
    }
}
