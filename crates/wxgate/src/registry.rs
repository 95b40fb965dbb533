//! The live configuration: apps, callers and routes as they are now, swapped whole on a reload.

pub mod callers;
mod issued;
pub mod line;
pub mod routes;
pub mod usage;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::config::{Callback, Config, Retention};
use crate::entries::{AppEntry, Proxy};
use crate::shares::Share;
use crate::slots::{SlotBook, Slots};
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

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    live: Arc<ArcSwap<Live>>,
    slots: SlotBook,
    transport: Transport,
    usages: UsageBook,
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
    ) -> anyhow::Result<Self> {
        let live = build(config, &slots, &transport, &usages, None)?;
        let live = Arc::new(ArcSwap::from_pointee(live));
        Ok(Self { live, slots, transport, usages, changes: Wake::default() })
    }

    /// The present state; hold it for one request at most.
    pub fn live(&self) -> Guard<Arc<Live>> {
        self.live.load()
    }

    /// The counters of everybody who ever called.
    pub fn usages(&self) -> &UsageBook {
        &self.usages
    }

    /// Swaps in what `config` says. An app whose settings changed is asked for at once.
    pub fn reload(&self, config: &Config) -> anyhow::Result<()> {
        let before = self.live.load_full();
        let live = build(config, &self.slots, &self.transport, &self.usages, Some(&before))?;
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

fn build(
    config: &Config,
    slots: &SlotBook,
    transport: &Transport,
    usages: &UsageBook,
    before: Option<&Live>,
) -> anyhow::Result<Live> {
    let (mut apps, mut originals) = (HashMap::new(), HashMap::new());
    let mut ways = Ways { transport, before, made: Vec::new() };
    for entry in &config.entries.apps {
        let appid: Arc<str> = entry.appid.as_str().into();
        let share = before.and_then(|live| live.app(&appid)).map(|app| app.share.clone()).unwrap_or_default();
        let app = Arc::new(App {
            entry: entry.clone(),
            slots: slots.of(entry),
            appid: appid.clone(),
            share,
            transport: ways.of(entry)?,
            issued: Issued::default(),
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
            &config.entries.callers,
            config.auth.off,
            usages,
            before.map(|live| &live.callers),
        ),
        routes: Routes::new(&config.entries.routes, before.map(|live| &live.routes)),
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
