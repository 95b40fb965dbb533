//! Which nodes can reach WeChat for which apps: what this one was told by WeChat, and what the others wrote into the store.
//! A process alone on its database has none of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::lang::say;
use crate::parts::Parts;
use crate::registry::App;
use crate::store::{Node, Reach as Row};
use crate::wake::Wake;

/// What others wrote is looked for so often, if nobody tells.
const LOOK: Duration = Duration::from_secs(1);
/// An app whose calls are refused here is tried again after so many ticks.
const TRY_AGAIN: i64 = 60_000;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reach(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    is_shared: bool,
    own: ArcSwap<HashMap<Arc<str>, Own>>,
    others: ArcSwap<Others>,
    /// This node learned something.
    learned: Wake,
    /// Another node says that it is reached where this one is; it was said.
    has_twin: AtomicBool,
}

/// What WeChat told this node about an app.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    ok: bool,
    /// The address that it named.
    ip: String,
    /// Unix milliseconds.
    since: i64,
    /// When it was asked last, in ticks.
    tried_at: i64,
}

#[derive(Debug, Default)]
struct Others {
    /// Those that live and can be reached.
    nodes: Vec<Arc<Node>>,
    /// By app and node, whether WeChat takes its calls.
    known: HashMap<String, HashMap<i32, bool>>,
}

impl Reach {
    /// Knows nothing yet.
    pub(super) fn new(parts: Parts) -> Self {
        let is_shared = parts.store.is_shared();
        let (own, others, learned) = (ArcSwap::default(), ArcSwap::default(), Wake::default());
        Self(Arc::new(Inner { parts, is_shared, own, others, learned, has_twin: AtomicBool::new(false) }))
    }

    /// Whether WeChat refuses this node's address for `appid`.
    pub fn is_refused(&self, appid: &str) -> bool {
        self.0.is_shared && self.0.own.load().get(appid).is_some_and(|own| !own.ok)
    }

    /// WeChat took a call of `app` with its token, from here.
    pub fn taken(&self, app: &App) {
        if self.0.is_shared && !self.0.own.load().get(&app.appid).is_some_and(|own| own.ok) {
            self.learn(app, true, "");
        }
    }

    /// WeChat refused this node's address, which it named, for `app`.
    pub fn refused(&self, app: &App, ip: &str) {
        let is_known = |own: &Own| !own.ok && own.ip == ip;
        if self.0.is_shared && !self.0.own.load().get(&app.appid).is_some_and(is_known) {
            self.learn(app, false, ip);
        }
    }

    fn learn(&self, app: &App, ok: bool, ip: &str) {
        let clock = &self.0.parts.clock;
        let (since, tried_at) = (clock.now(), clock.ticks());
        self.0.own.rcu(|own| {
            let mut own = HashMap::clone(own);
            own.insert(app.appid.clone(), Own { ok, ip: ip.to_owned(), since, tried_at });
            own
        });
        self.0.learned.all();
    }

    /// The other nodes that may make calls of `appid`: those that WeChat is known to take them from first.
    pub fn candidates(&self, appid: &str) -> Vec<Arc<Node>> {
        if !self.0.is_shared {
            return Vec::new();
        }
        let others = self.0.others.load();
        let known = others.known.get(appid);
        let says = |node: &Node| known.and_then(|known| known.get(&node.id)).copied();
        let may = others.nodes.iter().filter(|node| says(node) != Some(false));
        let mut may: Vec<(bool, u64, &Arc<Node>)> =
            may.map(|node| (says(node).is_none(), self.0.parts.random.number(), node)).collect();
        may.sort_unstable_by_key(|(is_unknown, drawn, _)| (*is_unknown, *drawn));
        may.into_iter().map(|(.., node)| node.clone()).collect()
    }

    /// Whether another node may make calls of `appid`.
    pub fn has_candidate(&self, appid: &str) -> bool {
        !self.candidates(appid).is_empty()
    }

    /// The apps to be tried from here again, which count as tried now, and when the next one is due, in ticks.
    pub fn due(&self) -> (Vec<Arc<str>>, i64) {
        let now = self.0.parts.clock.ticks();
        let is_due = |own: &Own| !own.ok && now - own.tried_at >= TRY_AGAIN;
        let own = self.0.own.load_full();
        let due: Vec<Arc<str>> =
            own.iter().filter(|(_, own)| is_due(own)).map(|(appid, _)| appid.clone()).collect();
        if !due.is_empty() {
            self.0.own.rcu(|own| {
                let mut own = HashMap::clone(own);
                own.values_mut().filter(|own| is_due(own)).for_each(|own| own.tried_at = now);
                own
            });
        }
        let next = self.0.own.load().values().filter(|own| !own.ok).map(|own| own.tried_at).min();
        (due, next.map_or(i64::MAX, |tried_at| tried_at + TRY_AGAIN))
    }

    /// Woken when this node learned something.
    pub fn learned(&self) -> &Wake {
        &self.0.learned
    }

    /// Tells the others, and takes up what they tell, until the stop begins.
    pub(super) async fn run(self) {
        let Inner { parts, is_shared, .. } = &*self.0;
        if !is_shared {
            return;
        }
        let (mut told, mut away) = (HashMap::new(), HashSet::new());
        let mut wake = parts.store.wakes().credentials.sleeper();
        let mut learned = self.0.learned.sleeper();
        loop {
            wake.mark_seen();
            learned.mark_seen();
            self.tell(&mut told).await;
            self.look().await;
            self.say(&mut away);
            tokio::select! {
                () = parts.tasks.draining.cancelled() => return,
                () = wake.woken() => {}
                () = learned.woken() => {}
                () = parts.clock.pause(LOOK) => {}
            }
        }
    }

    async fn tell(&self, told: &mut HashMap<Arc<str>, (bool, String)>) {
        let store = &self.0.parts.store;
        for (appid, own) in self.0.own.load_full().iter() {
            let news = (own.ok, own.ip.clone());
            if told.get(appid) == Some(&news) {
                continue;
            }
            let (ok, ip) = news.clone();
            let row = Row { appid: appid.to_string(), node: store.node(), ok, ip, since: own.since };
            // What the store doesn't take now is told at the next look.
            if store.tell_reach(row).await.is_ok() {
                told.insert(appid.clone(), news);
            }
        }
    }

    /// A store that is away changes nothing.
    async fn look(&self) {
        let Parts { store, clock, .. } = &self.0.parts;
        let (Ok(nodes), Ok(rows)) = (store.nodes(clock.now()).await, store.reach().await) else { return };
        let own = nodes
            .iter()
            .find(|node| node.id == store.node())
            .map(|node| node.address.clone())
            .unwrap_or_default();
        let (twins, nodes): (Vec<Node>, Vec<Node>) = nodes
            .into_iter()
            .filter(|node| node.id != store.node() && !node.address.is_empty())
            .partition(|node| node.address == own);
        if !twins.is_empty() && !self.0.has_twin.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                address = own,
                "{}",
                say(
                    "另一个节点的 [cluster] advertise 与本节点的相同：每个节点写自己的地址，否则它们之间转交不了调用",
                    "another node has the same [cluster] advertise: each needs its own address, else no call goes between them",
                )
            );
        }
        let mut known: HashMap<String, HashMap<i32, bool>> = HashMap::new();
        for Row { appid, node, ok, .. } in rows {
            known.entry(appid).or_default().insert(node, ok);
        }
        self.0.others.store(Arc::new(Others { nodes: nodes.into_iter().map(Arc::new).collect(), known }));
    }

    /// `away` are the apps whose calls are said to go by others.
    fn say(&self, away: &mut HashSet<Arc<str>>) {
        for (appid, own) in self.0.own.load().iter() {
            let goes = !own.ok && self.has_candidate(appid);
            let ip = &own.ip;
            if goes && away.insert(appid.clone()) {
                tracing::warn!(
                    %appid, ip, "{}",
                    say(
                        "微信不接受本节点的 IP：这个账号的调用改由别的节点发出，直到白名单里加上它",
                        "WeChat doesn't take this node's address: the app's calls go by another node until it is listed",
                    )
                );
            } else if !goes && away.remove(appid) {
                let words = if own.ok {
                    say(
                        "微信又接受本节点的 IP：这个账号的调用恢复由本节点发出",
                        "WeChat takes this node's address again: the app's calls go from here",
                    )
                } else {
                    say(
                        "没有别的节点能发出这个账号的调用了：它们会失败，直到白名单里加上本节点的 IP",
                        "no other node can make the app's calls any more: they fail until this node's address is listed",
                    )
                };
                tracing::warn!(%appid, ip, "{words}");
            }
        }
    }
}
