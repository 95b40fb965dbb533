//! The routes as they are now: which message goes where.

use std::sync::Arc;

use super::lane::Lane;
use crate::entries::RouteEntry;
use crate::metrics::{Meter, Metrics};
use crate::rules::filter::Subject;

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Its settings.
    pub entry: RouteEntry,
    /// Its way to the backend.
    pub lane: Lane,
    /// What is counted for it.
    pub meter: Meter,
}

/// All routes, in order.
#[derive(Debug)]
pub struct Routes(Vec<Arc<Route>>);

impl Routes {
    /// From the entries; `before` hands its lanes on.
    pub fn new(entries: &[RouteEntry], metrics: &Metrics, before: Option<&Self>) -> Self {
        let routes = entries.iter().map(|entry| {
            let old = before.and_then(|routes| routes.by_name(&entry.name));
            let lane = Lane::new(entry.concurrency, old.map(|old| &old.lane));
            Arc::new(Route { entry: entry.clone(), lane, meter: metrics.meter(&entry.name) })
        });
        Self(routes.collect())
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }

    /// The route of this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| route.entry.name == name)
    }

    /// The routes that take a message of the app, in order; a `stop` ends the list.
    pub fn matching(&self, appid: &str, tags: &[String], message: &Subject<'_>) -> Vec<Arc<Route>> {
        let mut matching = Vec::new();
        for route in &self.0 {
            if route.entry.filter.misses(appid, tags, message).is_none() {
                matching.push(route.clone());
                if route.entry.stop {
                    break;
                }
            }
        }
        matching
    }
}
