//! The live configuration: apps, callers and routes as they are now, swapped whole on a reload.

pub mod callers;
pub mod routes;
pub mod usage;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use crate::config::{Callback, Config, Retention};
use crate::entries::AppEntry;
use crate::registry::callers::Callers;
use crate::registry::routes::Routes;
use crate::slots::{SlotBook, Slots};

/// One WeChat account.
#[derive(Debug)]
pub struct App {
    /// Its settings.
    pub entry: AppEntry,
    /// Its token and tickets.
    pub slots: Slots,
}

/// One consistent state of the configuration.
#[derive(Debug)]
pub struct Live {
    apps: HashMap<String, Arc<App>>,
    /// Who may call.
    pub callers: Callers,
    /// Where messages go.
    pub routes: Routes,
    /// What callbacks have to be.
    pub callback: Callback,
    /// How long things are kept.
    pub retention: Retention,
    /// Files at `/`, by name.
    pub verify_files: BTreeMap<String, String>,
}

impl Live {
    /// The app with this AppID.
    pub fn app(&self, appid: &str) -> Option<&Arc<App>> {
        self.apps.get(appid)
    }

    /// All apps.
    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values()
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    live: Arc<ArcSwap<Live>>,
    slots: SlotBook,
    changes: watch::Sender<()>,
}

impl Registry {
    /// The first state.
    pub fn new(config: &Config, slots: SlotBook) -> Self {
        let live = build(config, &slots, None);
        Self { live: Arc::new(ArcSwap::from_pointee(live)), slots, changes: watch::Sender::new(()) }
    }

    /// Told of every reload.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The present state; hold it for one request at most.
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// Swaps in what `config` says. An app whose secret or token mode changed is asked for at once.
    pub fn reload(&self, config: &Config) {
        let before = self.live.load_full();
        self.live.store(Arc::new(build(config, &self.slots, Some(&before))));
        for app in self.live.load().apps() {
            if before.app(&app.entry.appid).is_some_and(|old| old.entry != app.entry) {
                app.slots.iter().for_each(|slot| slot.end_back_off());
            }
        }
        self.slots.notify();
        self.changes.send_replace(());
    }
}

fn build(config: &Config, slots: &SlotBook, before: Option<&Live>) -> Live {
    let apps = config
        .entries
        .apps
        .iter()
        .map(|entry| {
            let app = App { entry: entry.clone(), slots: slots.of(entry) };
            (entry.appid.clone(), Arc::new(app))
        })
        .collect();
    Live {
        apps,
        callers: Callers::new(config, before.map(|live| &live.callers)),
        routes: Routes::new(config, before.map(|live| &live.routes)),
        callback: config.callback,
        retention: config.retention,
        verify_files: config.server.verify_files.clone(),
    }
}
