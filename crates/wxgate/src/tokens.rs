//! The token authority: the only place that fetches and writes access_tokens and tickets.
//!
//! * [`Tokens::get`] answers from memory; only when nothing lives does one task fetch.
//! * [`Tokens::healed`] makes a call with the token, and once more with another if the first was dead ([`heal`]).
//! * [`Tokens::find_out`] is compare-and-refresh: whoever was refused says which value it was, and only if that is still
//!   the current one is anybody asked whether it is dead ([`question`]).
//! * [`Tokens::run`] refreshes in the background whatever is in use, before it ends ([`refresh`]).
//! * Where WeChat refuses this node's address, another makes the call ([`crate::handover`]); [`again`] tries from here again.
//! * Of several nodes one at a time asks WeChat about a value, and all take up what it got ([`nodes`]).
//!
//! Every fetch runs in its own task, so that a caller that goes away spoils it for nobody.

mod again;
mod fetch;
mod granted;
mod heal;
mod health;
mod nodes;
mod question;
mod refresh;
mod trial;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use heal::{Said, TokenCall};
pub use trial::try_account;

use nodes::Begun;

use crate::handover::Handover;
use crate::parts::Parts;
use crate::registry::App;
use crate::slots::{CredentialKind, Gate, SlotBook, Token, TokenError};
use crate::traces;
use crate::transport::Lost;

/// Refreshes that may run at once in the background.
const BACKGROUND: usize = 16;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    slots: SlotBook,
    handover: Handover,
    background: Arc<Semaphore>,
}

impl Tokens {
    /// Over the slots that `slots` hands to the apps.
    pub fn new(parts: Parts, slots: SlotBook, handover: Handover) -> Self {
        let background = Arc::new(Semaphore::new(BACKGROUND));
        Self(Arc::new(Inner { parts, slots, handover, background }))
    }

    /// The way by other nodes.
    pub fn handover(&self) -> &Handover {
        &self.0.handover
    }

    /// In ticks: no life and no rest depends on how the machine's clock is set.
    fn now(&self) -> i64 {
        self.0.parts.clock.ticks()
    }

    /// A value that lives. Without one in memory, one task fetches and all wait for it.
    pub async fn get(&self, app: &Arc<App>, kind: CredentialKind) -> Result<Arc<Token>, TokenError> {
        let slot = app.slots.of(kind);
        if let Some(token) = slot.live(self.now()) {
            return Ok(token);
        }
        if !app.entry.kind.has_token() {
            return Err(TokenError::None);
        }
        let gate = slot.lock().await;
        if let Some(token) = slot.live(self.now()) {
            return Ok(token);
        }
        self.in_task(app, kind, gate, None, |token| token, Self::fetch_normal).await
    }

    /// The app's access_token, also where WeChat refuses this node's address: then another node fetches it.
    pub async fn get_by_any(&self, app: &Arc<App>) -> Result<Arc<Token>, TokenError> {
        match self.get(app, CredentialKind::AccessToken).await {
            Err(TokenError::Refused(error)) if error.is_of_address() => {
                Box::pin(self.fetched_elsewhere(app)).await.ok_or(TokenError::Refused(error))
            }
            got => got,
        }
    }

    async fn fetch_normal(
        self,
        app: Arc<App>,
        kind: CredentialKind,
        gate: Gate,
    ) -> Result<(Arc<Token>, Gate), TokenError> {
        self.fetch(&app, kind, gate, false).await
    }

    /// Runs `work` in a task of its own, when it is this node's turn, and wakes the background loop afterwards. If another node
    /// got another value than the one with the version `used` meanwhile, that is `other` is made of.
    async fn in_task<T, W, F>(
        &self,
        app: &Arc<App>,
        kind: CredentialKind,
        gate: Gate,
        used: Option<i64>,
        other: fn(Arc<Token>) -> T,
        work: W,
    ) -> Result<T, TokenError>
    where
        T: Send + 'static,
        W: FnOnce(Self, Arc<App>, CredentialKind, Gate) -> F + Send + 'static,
        F: Future<Output = Result<(T, Gate), TokenError>> + Send + 'static,
    {
        if let Some(error) = app.slots.of(kind).resting(self.now()) {
            return Err(error);
        }
        let (this, app) = (self.clone(), app.clone());
        let task = self.0.parts.tasks.spawn(traces::carried(async move {
            let outcome = match this.turn(&app, kind, gate, used).await {
                Ok(Begun::Ours(gate)) => {
                    let turn = gate.turn;
                    let work = work(this.clone(), app.clone(), kind, gate);
                    let outcome = this.holding(&app, kind, turn, work).await;
                    outcome.map(|(done, _gate)| done)
                }
                Ok(Begun::Others(token)) => Ok(other(token)),
                Err(error) => Err(error),
            };
            this.0.slots.wake().all();
            outcome
        }));
        let lost = |why: &str, zh: &str| Err(TokenError::Lost(Lost::after(why, zh)));
        match task.await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => lost("wxgate is stopping", "wxgate 正在停止"),
            Err(_) => lost("the fetch panicked, see the log", "内部错误，见日志"),
        }
    }
}
