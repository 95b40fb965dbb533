//! The token authority: the only place that fetches and writes access_tokens and tickets.
//!
//! * [`Tokens::get`] answers from memory; only when nothing lives does one task fetch.
//! * [`Tokens::replace`] is compare-and-refresh: a caller says which value WeChat refused, and
//!   only if that is still the current one is anything fetched.
//! * [`Tokens::run`] refreshes in the background whatever is in use, before it ends.
//!
//! Every fetch runs in its own task, so that a caller that goes away spoils it for nobody.

mod fetch;

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::registry::{App, Registry};
use crate::slots::policy::Ageing;
use crate::slots::{Gate, Kind, Slot, SlotBook, Token, TokenError, ageing};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::transport::{Lost, Transport};

/// Refreshes that may run at once in the background.
const BACKGROUND: usize = 16;
/// The longest the background sleeps without looking.
const LOOK: i64 = 60_000;

/// What came of reporting a refused token.
#[derive(Clone, Debug)]
pub enum Replacement {
    /// Repeat the call with this one.
    Fresh(Arc<Token>),
    /// Likewise; WeChat had held the refused one for current, and was made to give another.
    Forced(Arc<Token>),
    /// Nothing better is to be had now: pass WeChat's refusal on.
    Nothing,
}

impl Replacement {
    /// What to repeat the call with.
    pub fn token(&self) -> Option<&Arc<Token>> {
        match self {
            Self::Fresh(token) | Self::Forced(token) => Some(token),
            Self::Nothing => None,
        }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    transport: Transport,
    clock: Clock,
    tasks: Tasks,
    slots: SlotBook,
    background: Arc<Semaphore>,
}

impl Tokens {
    /// Over the slots that `slots` hands to the apps.
    pub fn new(slots: SlotBook, store: Store, transport: Transport, clock: Clock, tasks: Tasks) -> Self {
        let background = Arc::new(Semaphore::new(BACKGROUND));
        Self(Arc::new(Inner { store, transport, clock, tasks, slots, background }))
    }

    /// A value that lives. Without one in memory, one task fetches and all wait for it.
    pub async fn get(&self, app: &Arc<App>, kind: Kind) -> Result<Arc<Token>, TokenError> {
        let slot = app.slots.of(kind);
        if let Some(token) = slot.live(self.0.clock.now()) {
            return Ok(token);
        }
        if app.entry.kind == crate::entries::AccountKind::Open {
            return Err(TokenError::None);
        }
        let gate = slot.lock().await;
        if let Some(token) = slot.live(self.0.clock.now()) {
            return Ok(token);
        }
        self.in_task(app, kind, gate, Self::fetch_normal).await
    }

    /// WeChat refused `used`: compare-and-refresh.
    pub async fn replace(
        &self,
        app: &Arc<App>,
        kind: Kind,
        used: &Arc<Token>,
    ) -> Result<Replacement, TokenError> {
        let slot = app.slots.of(kind);
        let gate = slot.lock().await;
        let now = self.0.clock.now();
        if let Some(token) = slot.live(now).filter(|token| token.version != used.version) {
            return Ok(Replacement::Fresh(token));
        }
        let (may_ask, classic) = match ageing(&app.entry, kind) {
            Ageing::Stable => (slot.history(|h| h.may_confirm(now)), false),
            Ageing::Classic => {
                let dead = used.expires_at <= now;
                (dead || slot.history(|h| h.may_replace_classic(used.last_ok(), now)), true)
            }
        };
        if !may_ask {
            return Ok(Replacement::Nothing);
        }
        let refused = used.clone();
        self.in_task(app, kind, gate, async move |this: Self, app: Arc<App>, kind, gate| {
            let slot = app.slots.of(kind).clone();
            if classic {
                slot.history(|h| h.replaced_at = now);
            }
            let (token, gate) = this.fetch(&app, kind, gate, false).await?;
            if token.version != refused.version {
                return Ok((Replacement::Fresh(token), gate));
            }
            // WeChat holds the refused token for current. Only force_refresh gives another.
            let now = this.0.clock.now();
            let may_force = slot.history(|h| {
                h.confirmed_at = now;
                !classic && h.may_force(refused.last_ok(), now)
            });
            if !may_force {
                return Ok((Replacement::Nothing, gate));
            }
            slot.history(|h| h.forced(now));
            tracing::warn!(appid = %slot.appid, "稳定版接口返回的正是被拒绝的 access_token，强制刷新一次");
            let (token, gate) = this.fetch(&app, kind, gate, true).await?;
            if token.version == refused.version {
                return Ok((Replacement::Nothing, gate));
            }
            // It was we who ended it: whoever else was refused with it must not accuse others.
            refused.report_once();
            Ok((Replacement::Forced(token), gate))
        })
        .await
    }

    /// A call that failed with `refused` succeeded with its successor: it had died before its time.
    /// Where WeChat itself held it for current, nobody else had a hand in it.
    pub fn died_early(&self, app: &App, kind: Kind, refused: &Token, replaced: &Replacement) {
        let now = self.0.clock.now();
        let is_superseded = matches!(replaced, Replacement::Fresh(_));
        if !is_superseded || refused.expires_at <= now + 5_000 || !refused.report_once() {
            return;
        }
        app.slots.of(kind).note_superseded(now);
        tracing::warn!(
            appid = %app.entry.appid,
            event = "superseded",
            at = now / 1000,
            left_secs = (refused.expires_at - now) / 1000,
            "access_token 提前失效：有别的程序用同一个 AppSecret 刷新了它。已换新；请找到那个程序，改为经由 wxgate 调用"
        );
    }

    /// Refreshes in the background until the stop begins.
    pub async fn run(self, registry: Registry) {
        let draining = self.0.tasks.draining.clone();
        let mut next = self.0.clock.now();
        loop {
            let sleep = self.0.clock.sleep_until(next);
            tokio::select! {
                () = draining.cancelled() => return,
                () = sleep => {}
                () = self.0.slots.changed() => {}
            }
            next = self.refresh_due(&registry);
        }
    }

    /// Starts a refresh of whatever is due; returns when to look again (Unix milliseconds).
    fn refresh_due(&self, registry: &Registry) -> i64 {
        let now = self.0.clock.now();
        let mut next = now + LOOK;
        for app in registry.live().apps() {
            for slot in app.slots.iter() {
                match slot.due_at() {
                    None => {}
                    Some(due) if due > now => next = next.min(due),
                    Some(_) if slot.queue() => self.refresh_in_background(app.clone(), slot.clone()),
                    Some(_) => {}
                }
            }
        }
        next
    }

    fn refresh_in_background(&self, app: Arc<App>, slot: Arc<Slot>) {
        let this = self.clone();
        self.0.tasks.spawn(async move {
            let turn = this.0.background.clone().acquire_owned().await;
            slot.unqueue();
            // Whoever holds the gate is fetching, and wakes the loop when done: waiting for a turn
            // must not keep a caller from it.
            let is_due = slot.due_at().is_some_and(|due| due <= this.0.clock.now());
            if let (Ok(_turn), true, Some(gate)) = (turn, is_due, slot.try_lock()) {
                // The failure, if any, is noted on the slot and logged there.
                let _ = this.fetch(&app, slot.kind, gate, false).await;
                this.0.slots.notify();
            } else if is_due {
                // Not every holder of the gate fetches: look again shortly.
                this.0.clock.sleep_until(this.0.clock.now() + 1_000).await;
                this.0.slots.notify();
            }
        });
    }

    async fn fetch_normal(
        self,
        app: Arc<App>,
        kind: Kind,
        gate: Gate,
    ) -> Result<(Arc<Token>, Gate), TokenError> {
        self.fetch(&app, kind, gate, false).await
    }

    /// Runs `work` in a task of its own and wakes the background loop afterwards.
    async fn in_task<T, W, F>(&self, app: &Arc<App>, kind: Kind, gate: Gate, work: W) -> Result<T, TokenError>
    where
        T: Send + 'static,
        W: FnOnce(Self, Arc<App>, Kind, Gate) -> F,
        F: Future<Output = Result<(T, Gate), TokenError>> + Send + 'static,
    {
        if let Some(error) = app.slots.of(kind).resting(self.0.clock.now()) {
            return Err(error);
        }
        let work = work(self.clone(), app.clone(), kind, gate);
        let this = self.clone();
        let task = self.0.tasks.spawn(async move {
            let outcome = work.await;
            this.0.slots.notify();
            outcome.map(|(done, _gate)| done)
        });
        let lost = |why: &str, zh: &str| Err(TokenError::Lost(Lost::after(why, zh)));
        match task.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => lost("wxgate is stopping", "wxgate 正在停止"),
            Err(_) => lost("the fetch panicked, see the log", "内部错误，见日志"),
        }
    }
}
