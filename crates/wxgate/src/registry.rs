//! The live configuration: apps, callers and routes as they are now, swapped whole on a reload.

pub mod callers;
pub mod counted;
mod issued;
pub mod key_use;
pub mod lane;
pub mod line;
pub mod quotas;
pub mod routes;
pub mod usage;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::config::{Callback, Config, Retention};
use crate::entries::{self, AppEntry, Aside, Entries, Proxy};
use crate::metrics::{Meter, Metrics};
use crate::shares::Share;
use crate::slots::{SlotBook, Slots};
use crate::store::{Document, StoredEntry};
use crate::transport::Transport;

use crate::wake::Wake;
use callers::Callers;
pub use issued::Issued;
use routes::Routes;
use usage::UsageBook;

/// One WeChat account.
#[derive(Debug)]
pub struct App {
    /// Its settings.
    pub entry: AppEntry,
    /// Its token and tickets.
    pub slots: Slots,
    /// Its AppID, shared.
    pub appid: Arc<str>,
    /// What is held for it of everything that is shared.
    pub share: Arc<Share>,
    /// Its way to WeChat.
    pub transport: Transport,
    /// What was issued for it lately.
    pub issued: Issued,
    /// What is counted for it.
    pub meter: Meter,
}

impl App {
    /// Whether it takes callbacks at all.
    pub fn takes_callbacks(&self) -> bool {
        self.entry.kind.has_callbacks() && !self.entry.callback_tokens.is_empty()
    }

    /// Whether some message of its needs no encryption.
    pub fn takes_plain(&self) -> bool {
        let AppEntry { callback_tokens, aes_keys, allow_plain, .. } = &self.entry;
        !callback_tokens.is_empty() && (aes_keys.is_empty() || *allow_plain)
    }
}

/// One consistent state of the configuration.
#[derive(Debug)]
pub struct Live {
    apps: HashMap<Arc<str>, Arc<App>>,
    /// By `original_id`, where one is given.
    originals: HashMap<String, Arc<App>>,
    /// Those that take plain messages.
    pub plain: Vec<Arc<App>>,
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

    /// The app with this original id (`gh_…`).
    pub fn app_by_original_id(&self, id: &str) -> Option<&Arc<App>> {
        self.originals.get(id)
    }

    /// All apps.
    pub fn apps(&self) -> impl ExactSizeIterator<Item = &Arc<App>> {
        self.apps.values()
    }
}

/// What the live configuration is made of.
#[derive(Debug)]
struct Sources {
    config: Config,
    stored: Vec<StoredEntry>,
    aside: Vec<Aside>,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    live: Arc<ArcSwap<Live>>,
    sources: Arc<Mutex<Sources>>,
    /// The revision of what was made at run time, as it is here; held while that is taken up, so that none overtakes another.
    pub stored_at: Arc<tokio::sync::Mutex<i64>>,
    /// What else was made at run time, as it is here.
    pub documents: Arc<ArcSwap<Vec<Document>>>,
    slots: SlotBook,
    transport: Transport,
    usages: UsageBook,
    metrics: Metrics,
    /// Woken by every reload.
    pub changes: Wake,
}

impl Registry {
    /// The first state; `transport` is the way to WeChat for apps without one of their own.
    pub fn new(
        config: &Config,
        slots: SlotBook,
        transport: Transport,
        usages: UsageBook,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let counters = (&usages, &metrics);
        let live = build(config, &config.entries, &slots, &transport, counters, None)?;
        let live = Arc::new(ArcSwap::from_pointee(live));
        let sources = Sources { config: config.clone(), stored: Vec::new(), aside: Vec::new() };
        let sources = Arc::new(Mutex::new(sources));
        let stored_at = Arc::default();
        let documents = Arc::default();
        let changes = Wake::default();
        Ok(Self { live, sources, stored_at, documents, slots, transport, usages, metrics, changes })
    }

    /// The present state; hold it for one request at most.
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// The counters of everybody who ever called.
    pub fn usages(&self) -> &UsageBook {
        &self.usages
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Swaps in what `config` says. An app whose settings changed is asked for at once.
    pub fn reload(&self, config: &Config) -> anyhow::Result<()> {
        let mut sources = self.sources();
        let before = std::mem::replace(&mut sources.config, config.clone());
        let swapped = self.swap(&mut sources);
        if swapped.is_err() {
            sources.config = before;
        }
        swapped
    }

    /// Takes up what was made at run time, all of it.
    pub fn take_stored(&self, stored: Vec<StoredEntry>) -> anyhow::Result<()> {
        let mut sources = self.sources();
        let before = std::mem::replace(&mut sources.stored, stored);
        let swapped = self.swap(&mut sources);
        if swapped.is_err() {
            sources.stored = before;
        }
        swapped
    }

    /// What was made at run time, in use or not.
    pub fn stored(&self) -> Vec<StoredEntry> {
        self.sources().stored.clone()
    }

    /// Every entry in use, the file's first.
    pub fn entries(&self) -> Entries {
        let sources = self.sources();
        merged(&sources.config.entries, &sources.stored).0
    }

    /// What of it isn't in use, and why.
    pub fn aside(&self) -> Vec<Aside> {
        self.sources().aside.clone()
    }

    /// What wouldn't be in use if this were stored instead.
    pub fn aside_of(&self, stored: &[StoredEntry]) -> Vec<Aside> {
        merged(&self.sources().config.entries, stored).1
    }

    fn swap(&self, sources: &mut Sources) -> anyhow::Result<()> {
        let (entries, aside) = merged(&sources.config.entries, &sources.stored);
        let before = self.live.load_full();
        let counters = (&self.usages, &self.metrics);
        let live = build(&sources.config, &entries, &self.slots, &self.transport, counters, Some(&before))?;
        sources.aside = aside;
        self.live.store(Arc::new(live));
        for app in self.live.load().apps() {
            let Some(old) = before.app(&app.appid).filter(|old| old.entry != app.entry) else { continue };
            app.slots.iter().for_each(|slot| slot.end_back_off());
            if old.entry.secret != app.entry.secret {
                app.slots.iter().for_each(|slot| slot.excuse());
            }
        }
        self.slots.wake().all();
        self.changes.all();
        Ok(())
    }
}

/// The file's entries, and behind them what of `stored` can stand beside them.
fn merged(file: &Entries, stored: &[StoredEntry]) -> (Entries, Vec<Aside>) {
    let judged = stored
        .iter()
        .map(|StoredEntry { kind, name, members, .. }| (*kind, name.clone(), entries::judge(*kind, members)));
    file.clone().behind(judged.collect())
}

fn build(
    config: &Config,
    entries: &Entries,
    slots: &SlotBook,
    transport: &Transport,
    (usages, metrics): (&UsageBook, &Metrics),
    before: Option<&Live>,
) -> anyhow::Result<Live> {
    let (mut apps, mut originals) = (HashMap::new(), HashMap::new());
    let mut ways = Ways { transport, before, made: Vec::new() };
    for entry in &entries.apps {
        let appid: Arc<str> = entry.appid.as_str().into();
        let share = before.and_then(|live| live.app(&appid)).map(|app| app.share.clone()).unwrap_or_default();
        let app = Arc::new(App {
            entry: entry.clone(),
            slots: slots.of(entry),
            appid: appid.clone(),
            share,
            transport: ways.of(entry)?,
            issued: Issued::default(),
            meter: metrics.meter(&entry.appid),
        });
        if !entry.original_id.is_empty() {
            originals.insert(entry.original_id.clone(), app.clone());
        }
        apps.insert(appid, app);
    }
    Ok(Live {
        plain: apps.values().filter(|app| app.takes_plain()).cloned().collect(),
        apps,
        originals,
        callers: Callers::new(
            &entries.callers,
            config.auth.off,
            (usages, metrics),
            before.map(|live| &live.callers),
        ),
        routes: Routes::new(&entries.routes, metrics, before.map(|live| &live.routes)),
        callback: config.callback,
        retention: config.retention,
        verify_files: config.server.verify_files.clone(),
    })
}

/// Ways to WeChat: apps with the same proxy share one, and it outlives a reload.
struct Ways<'a> {
    transport: &'a Transport,
    before: Option<&'a Live>,
    made: Vec<(Proxy, Transport)>,
}

impl Ways<'_> {
    fn of(&mut self, entry: &AppEntry) -> anyhow::Result<Transport> {
        let Some(proxy) = &entry.proxy else { return Ok(self.transport.clone()) };
        if let Some((_, way)) = self.made.iter().find(|(made, _)| made == proxy) {
            return Ok(way.clone());
        }
        let had =
            self.before.and_then(|live| live.apps().find(|app| app.entry.proxy.as_ref() == Some(proxy)));
        let way = had.map_or_else(|| self.transport.by(proxy), |app| Ok(app.transport.clone()))?;
        self.made.push((proxy.clone(), way.clone()));
        Ok(way)
    }
}
