//! How each app's callbacks went lately, as this node saw it: several that were refused since the last good one are a sign that what
//! WeChat has and what is configured differ.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::lang::Words;

/// Of one app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// When one was taken last, Unix milliseconds; 0: never since this node began.
    pub taken_at: i64,
    /// How many were refused since then.
    pub refused: u32,
    /// The first and the last of them.
    pub since: i64,
    /// See `since`.
    pub refused_at: i64,
    /// Why the last was, and what to do.
    pub why: Option<Words>,
}

/// Cheap to clone. Bounded by the apps that are configured: only those are noted.
#[derive(Clone, Debug, Default)]
pub struct Callbacks(Arc<Mutex<HashMap<Arc<str>, Lately>>>);

impl Callbacks {
    fn change(&self, appid: &Arc<str>, change: impl FnOnce(&mut Lately)) {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(apps.entry(appid.clone()).or_default());
    }

    /// One of `appid` was taken at `at`.
    pub fn took(&self, appid: &Arc<str>, at: i64) {
        self.change(appid, |lately| *lately = Lately { taken_at: at, ..Lately::default() });
    }

    /// One was refused.
    pub fn refused(&self, appid: &Arc<str>, why: Words, at: i64) {
        self.change(appid, |lately| {
            if lately.refused == 0 {
                lately.since = at;
            }
            lately.refused = lately.refused.saturating_add(1);
            lately.refused_at = at;
            lately.why = Some(why);
        });
    }

    /// How they went.
    pub fn of(&self, appid: &str) -> Lately {
        let apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(appid).cloned().unwrap_or_default()
    }
}
