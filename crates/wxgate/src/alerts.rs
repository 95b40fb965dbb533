//! Telling people what is amiss: once for each condition, with what to do, and when it is over.
//!
//! Every node writes what it sees to the store; the one that holds the lease tells. What people were told stands in the store as
//! well, so that a restart, or another node, doesn't tell it again. A condition that goes and comes is one until it has been
//! quiet for a while.

mod channel;
mod note;
mod post;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use crate::lang::{Words, say};
use crate::net::Client;
use crate::parts::Parts;
use crate::problems::{Kind, Problem, Problems};
use crate::store::{AlertRow, SeenAlert, StoreError};

pub use channel::{Channel, shown};
pub use post::Sent;

use note::{News, Note};

/// How often is looked; milliseconds.
const LOOK: i64 = 3_000;
/// What doesn't change is written again after this, so that others see that this node lives; milliseconds.
const AGAIN: i64 = 20_000;
/// What a node saw last so long ago, and doesn't live, is over; milliseconds.
const SILENT: i64 = 60_000;
/// A condition is told once it is so old: what passes by itself is none of anybody's business; milliseconds.
const YOUNG: i64 = 10_000;
/// It is over for good once nobody has seen it for so long; milliseconds.
const QUIET: i64 = 120_000;
/// The same where whoever saw it has died, and might find it again; milliseconds.
const QUIET_AFTER_A_DEATH: i64 = 600_000;
/// What is over is remembered so long; milliseconds.
const KEPT: i64 = 90 * 86_400_000;
/// One node tells, until then; milliseconds.
const LEASE: i64 = 30_000;
/// If no channel takes anything, it is tried again after this, and each time after twice as long; milliseconds.
const FIRST_REST: i64 = 30_000;
/// But no longer.
const LONGEST_REST: i64 = 600_000;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Alerts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    problems: Problems,
    client: Client,
    admin_url: Option<Url>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was written last, and when.
    written: Option<(Vec<SeenAlert>, i64)>,
    /// Nobody is told before then, because no channel took anything; and how long that is.
    rest: (i64, i64),
    /// People were told that the database is away: without it that stands nowhere else.
    told_store: Option<Problem>,
    /// By channel: when it was told last, and what came of it.
    went: HashMap<Arc<str>, (i64, Option<Words>)>,
}

/// A condition, by whichever nodes see it.
struct Condition {
    id: String,
    problem: Problem,
    is_open: bool,
    is_told: bool,
    muted_until: i64,
    /// Since when it may be taken for over.
    quiet_from: i64,
}

impl Alerts {
    /// Told by `client`, whose connector knows the egress rules; links lead to `admin_url`.
    pub fn new(parts: Parts, problems: Problems, client: Client, admin_url: Option<Url>) -> Self {
        Self(Arc::new(Inner { parts, problems, client, admin_url, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks and tells until the stop begins.
    pub async fn run(self) {
        let clock = self.0.parts.clock.clone();
        loop {
            tokio::select! {
                () = self.0.parts.tasks.draining.cancelled() => return,
                () = clock.rest_until(clock.ticks() + LOOK) => {}
            }
            // A database that is away is a problem itself, and told as one.
            let _ = self.once().await;
        }
    }

    /// One look.
    async fn once(&self) -> Result<(), StoreError> {
        let Parts { store, clock, .. } = &self.0.parts;
        let found = self.0.problems.now().await;
        let now = clock.now();
        if let Err(error) = self.write(&found, now).await {
            self.tell_of_store(&found, now).await;
            return Err(error);
        }
        self.store_is_back(now).await;
        if store.hold("alerts", now, now + LEASE).await? {
            self.tell(now).await?;
        }
        Ok(())
    }

    /// Writes what this node sees, if that is news or some time ago.
    async fn write(&self, found: &[Problem], now: i64) -> Result<(), StoreError> {
        let seen = |problem: &Problem| SeenAlert {
            id: problem.id.clone(),
            since: problem.since,
            value: serde_json::to_string(problem).unwrap_or_default(),
        };
        let seen: Vec<SeenAlert> = found.iter().map(seen).collect();
        let is_known =
            self.state().written.as_ref().is_some_and(|(last, at)| {
                *last == seen && (seen.is_empty() || (0..AGAIN).contains(&(now - at)))
            });
        if is_known {
            return Ok(());
        }
        self.0.parts.store.see_alerts(seen.clone(), now).await?;
        self.state().written = Some((seen, now));
        Ok(())
    }

    /// Tells what is to be told.
    async fn tell(&self, now: i64) -> Result<(), StoreError> {
        let store = &self.0.parts.store;
        let mut alive: Vec<i32> = store.nodes(now).await?.into_iter().map(|node| node.id).collect();
        alive.push(store.node());
        store.end_alerts(alive, now - SILENT, now).await?;
        let conditions = conditions(store.open_alerts().await?);
        let (mut begun, mut over, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        for Condition { id, problem, is_open, is_told, muted_until, quiet_from } in conditions {
            let is_muted = muted_until > now;
            if is_open {
                if !is_told && !is_muted && now - problem.since >= YOUNG {
                    begun.push(problem);
                }
            } else if now >= quiet_from {
                if is_told && !is_muted {
                    over.push(problem);
                }
                closed.push(id);
            }
        }
        if self.rests(now) {
            return Ok(());
        }
        if self.tell_all(News::Began, &begun, now).await {
            let ids = begun.iter().map(|problem| problem.id.clone()).collect();
            store.told_alerts(ids, now).await?;
        }
        let nobody_hears = over.is_empty() || self.channels().is_empty();
        if !closed.is_empty() && (nobody_hears || self.tell_all(News::Over, &over, now).await) {
            store.close_alerts(closed, now, now - KEPT).await?;
        }
        Ok(())
    }

    /// Whether nobody is told just now, because no channel took anything.
    fn rests(&self, now: i64) -> bool {
        let (until, _) = self.state().rest;
        now < until && until - now <= LONGEST_REST
    }

    /// The channels there are.
    pub fn channels(&self) -> Vec<Channel> {
        Channel::of(&self.0.parts.registry.documents.load())
    }

    /// Tells every channel at once; `true`: some took it.
    async fn tell_all(&self, news: News, problems: &[Problem], now: i64) -> bool {
        let channels = self.channels();
        if problems.is_empty() || channels.is_empty() {
            return false;
        }
        let note = Note { news, problems, admin_url: self.0.admin_url.as_ref(), now };
        let note = &note;
        let told =
            channels.iter().map(|channel| async move { (channel, self.tell_one(channel, note).await) });
        let mut is_told = false;
        for (channel, sent) in futures_util::future::join_all(told).await {
            is_told |= sent.error.is_none();
            self.went(channel, sent.error, now);
        }
        let mut state = self.state();
        let longer = (state.rest.1 * 2).clamp(FIRST_REST, LONGEST_REST);
        state.rest = if is_told { (0, 0) } else { (now + longer, longer) };
        is_told
    }

    fn went(&self, channel: &Channel, error: Option<Words>, now: i64) {
        if let Some(error) = &error {
            tracing::warn!(
                channel = &*channel.name, kind = channel.kind.name(), %error, "{}",
                say("告警没有送到", "an alert didn't get through")
            );
        }
        self.state().went.insert(channel.name.clone(), (now, error));
    }

    /// When a channel was told last by this node, Unix milliseconds, and what came of it.
    pub fn last(&self, name: &str) -> Option<(i64, Option<Words>)> {
        self.state().went.get(name).cloned()
    }

    /// Tells a channel once that this is a test.
    pub async fn test(&self, channel: &Channel) -> Sent {
        let now = self.0.parts.clock.now();
        let note = Note { news: News::Test, problems: &[], admin_url: self.0.admin_url.as_ref(), now };
        let sent = self.try_one(channel, &note).await;
        self.went(channel, sent.error.clone(), now);
        sent
    }

    /// The database is away, so nobody can say which node tells it: each does, once.
    async fn tell_of_store(&self, found: &[Problem], now: i64) {
        let Some(problem) = found.iter().find(|problem| problem.kind == Kind::Store) else { return };
        let is_due = now - problem.since >= YOUNG && !self.rests(now) && self.state().told_store.is_none();
        if is_due && self.tell_all(News::Began, std::slice::from_ref(problem), now).await {
            self.state().told_store = Some(problem.clone());
        }
    }

    async fn store_is_back(&self, now: i64) {
        let told = self.state().told_store.take();
        if let Some(problem) = told {
            let over = Problem { ended_at: Some(now), ..problem };
            self.tell_all(News::Over, &[over], now).await;
        }
    }

    /// What is amiss on any node, the worst first, with until when each is muted and who sees it.
    pub async fn now(&self) -> Result<Vec<(Problem, i64, i32)>, StoreError> {
        // What this node sees is there at once.
        let found = self.0.problems.now().await;
        self.write(&found, self.0.parts.clock.now()).await?;
        let rows = self.0.parts.store.open_alerts().await?;
        let mut open: BTreeMap<String, (Problem, i64, i32)> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.ended_at.is_none()) {
            let Some(problem) = read(row) else { continue };
            let entry = open.entry(row.id.clone()).or_insert((problem.clone(), row.muted_until, row.node));
            if problem.since < entry.0.since {
                *entry = (problem, entry.1.max(row.muted_until), row.node);
            }
        }
        let mut open: Vec<_> = open.into_values().collect();
        open.sort_by_key(|(problem, ..)| {
            (problem.severity == crate::problems::Severity::Warn, problem.since)
        });
        Ok(open)
    }

    /// What ended, latest first.
    pub async fn past(
        &self,
        before: Option<(i64, i32, String)>,
        limit: u32,
    ) -> Result<Vec<(Problem, AlertRow)>, StoreError> {
        let rows = self.0.parts.store.past_alerts(before, limit).await?;
        Ok(rows.into_iter().filter_map(|row| Some((read(&row)?, row))).collect())
    }
}

/// A row's problem, since when the row says.
fn read(row: &AlertRow) -> Option<Problem> {
    let problem: Problem = serde_json::from_str(&row.value).ok()?;
    Some(Problem { since: row.since, ended_at: row.ended_at, ..problem })
}

/// What the rows of each id are together: open while one node sees it, told once people were.
fn conditions(rows: Vec<AlertRow>) -> Vec<Condition> {
    let mut by_id: BTreeMap<String, Vec<AlertRow>> = BTreeMap::new();
    for row in rows {
        by_id.entry(row.id.clone()).or_default().push(row);
    }
    let condition = |(id, rows): (String, Vec<AlertRow>)| {
        let is_open = rows.iter().any(|row| row.ended_at.is_none());
        let shown =
            rows.iter().filter(|row| row.ended_at.is_none() == is_open).min_by_key(|row| row.since)?;
        let since = rows.iter().map(|row| row.since).min()?;
        let ended_at = rows.iter().filter_map(|row| row.ended_at).max().filter(|_| !is_open);
        let quiet = |row: &AlertRow| {
            let ended_at = row.ended_at.unwrap_or_default();
            ended_at + if ended_at - row.seen_at >= SILENT { QUIET_AFTER_A_DEATH } else { QUIET }
        };
        Some(Condition {
            is_open,
            problem: Problem { since, ended_at, ..read(shown)? },
            is_told: rows.iter().any(|row| row.told_at.is_some()),
            muted_until: rows.iter().map(|row| row.muted_until).max().unwrap_or_default(),
            quiet_from: rows.iter().map(quiet).max().unwrap_or_default(),
            id,
        })
    };
    by_id.into_iter().filter_map(condition).collect()
}
