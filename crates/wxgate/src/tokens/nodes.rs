//! Several nodes: one at a time asks WeChat about a value, and all take up what it got. The store says whose turn it is, for a
//! while, so that a node which dies or stalls holds nobody up for long; what a stalled one saves after its turn is not taken.
//!
//! A node that can't reach the store serves what it has. A stable token it may fetch without a turn, because WeChat gives
//! every node the same; a classic one or a ticket not, because that ends the others'.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use wechat::catalog::API_DOMAIN_IP;

use super::Tokens;
use crate::clock::millis;
use crate::handover::PassRequest;
use crate::lang::say;
use crate::registry::App;
use crate::slots::policy::Ageing;
use crate::slots::{CredentialKind, Gate, Slot, Token, TokenError, ageing};
use crate::store::{Saved, SealedCredential, StoreError, Taken, Turn};
use crate::transport::Lost;

/// A turn ends by itself after this: a node that dies or is cut off leaves the others most of their calls' time.
const TURN: Duration = Duration::from_secs(4);
/// A turn goes on so often while its holder is at work.
const GO_ON: Duration = Duration::from_secs(1);
/// Who waits for another node's turn looks again after this, if nobody wakes it.
const LOOK: Duration = Duration::from_millis(200);
/// What others fetched is looked for so often, if nobody tells.
const FOLLOW: Duration = Duration::from_millis(500);
/// All is compared with the store after so many looks, and after the store was away.
const COMPARE: u32 = 120;
/// A fetched value is held back so long until it is kept, so that no two nodes have one of their own.
const KEEP_TIME: Duration = Duration::from_secs(2);

/// What came of waiting for a turn.
pub(super) enum Begun {
    /// It is this node's.
    Ours(Gate),
    /// Another node got a value.
    Others(Arc<Token>),
}

/// What came of keeping a value.
pub(super) enum Kept {
    /// It is in the store, or serves without.
    Ours,
    /// The turn was over, and another node's value stands.
    Others(Arc<Token>),
}

impl Tokens {
    /// Waits for this node's turn, or until there is a value that lives, another than the one of version `used`.
    pub(super) async fn turn(
        &self,
        app: &App,
        kind: CredentialKind,
        gate: Gate,
        used: Option<i64>,
    ) -> Result<Begun, TokenError> {
        let clock = &self.0.parts.clock;
        let deadline = app.transport.deadline();
        let mut wake = self.0.parts.store.wakes().credentials.sleeper();
        let mut gate = gate;
        loop {
            wake.mark_seen();
            gate = match self.try_turn(app, kind, gate, used).await? {
                Tried::Begun(begun) => return Ok(begun),
                Tried::Held(gate) => gate,
            };
            let look = deadline.min(clock.instant() + LOOK);
            let _ = clock.by(look, wake.woken()).await;
            if clock.instant() >= deadline {
                let lost = Lost::before("another node is at it", "另一个节点正在获取");
                return Err(TokenError::Lost(lost));
            }
        }
    }

    /// The same without waiting.
    pub(super) async fn try_turn(
        &self,
        app: &App,
        kind: CredentialKind,
        mut gate: Gate,
        used: Option<i64>,
    ) -> Result<Tried, TokenError> {
        let store = &self.0.parts.store;
        let slot = app.slots.of(kind);
        if !store.is_shared() {
            gate.turn = Some(Turn::default());
            return Ok(Tried::Begun(Begun::Ours(gate)));
        }
        loop {
            // In this order: what is taken up after this look makes the revision another.
            let seen = slot.revision();
            if let Some(token) = slot.live(self.now()).filter(|token| Some(token.version) != used) {
                return Ok(Tried::Begun(Begun::Others(token)));
            }
            let (now, until) = self.turn_time();
            match store.take_turn(&slot.appid, kind.as_str(), seen, now, until).await {
                Ok(Taken::Ours(turn, history)) => {
                    if let Some(history) = history {
                        slot.take_history(&history);
                    }
                    gate.turn = Some(turn);
                    return Ok(Tried::Begun(Begun::Ours(gate)));
                }
                Ok(Taken::Newer(row)) => {
                    self.0.slots.take_up(slot, &row, ageing(&app.entry, kind));
                }
                Ok(Taken::Held) => return Ok(Tried::Held(gate)),
                Err(_) if ageing(&app.entry, kind) == Ageing::Stable => {
                    gate.turn = None;
                    return Ok(Tried::Begun(Begun::Ours(gate)));
                }
                Err(error) => {
                    let why = format!("the store can't say whose turn it is: {error}");
                    let lost = Lost::before(why, "数据库不可用，为免各节点互相顶掉令牌，暂不获取");
                    return Err(TokenError::Lost(lost));
                }
            }
        }
    }

    /// Now, and when a turn ends that begins now.
    fn turn_time(&self) -> (i64, i64) {
        let now = self.0.parts.clock.now();
        (now, now + millis(TURN))
    }

    /// What `work` gives, during which the turn goes on; then it is given back.
    pub(super) async fn holding<T>(
        &self,
        app: &App,
        kind: CredentialKind,
        turn: Option<Turn>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(turn) = turn.filter(|_| self.0.parts.store.is_shared()) else { return work.await };
        let done = tokio::select! {
            biased;
            done = work => done,
            never = self.go_on(&app.appid, kind, turn) => match never {},
        };
        self.end_turn(app, kind, Some(turn));
        done
    }

    async fn go_on(&self, appid: &str, kind: CredentialKind, turn: Turn) -> Infallible {
        loop {
            self.0.parts.clock.pause(GO_ON).await;
            let (_, until) = self.turn_time();
            // What another has taken meanwhile is another turn, and stays.
            let _ = self.0.parts.store.go_on(appid, kind.as_str(), turn, until).await;
        }
    }

    /// Another node makes a call that every account may make, for which it needs a token, which it keeps.
    pub(super) async fn fetched_elsewhere(&self, app: &Arc<App>) -> Option<Arc<Token>> {
        const KIND: CredentialKind = CredentialKind::AccessToken;
        let request = PassRequest::typed(&"-".into(), &app.appid, &API_DOMAIN_IP, &[], None);
        self.0.handover.send(app, &request).await?.ok()?;
        let gate = app.slots.of(KIND).lock().await;
        match self.try_turn(app, KIND, gate, None).await.ok()? {
            Tried::Begun(Begun::Others(token)) => Some(token),
            Tried::Begun(Begun::Ours(gate)) => {
                self.end_turn(app, KIND, gate.turn);
                None
            }
            Tried::Held(_) => None,
        }
    }

    /// Gives a turn back, beside what follows.
    pub(super) fn end_turn(&self, app: &App, kind: CredentialKind, turn: Option<Turn>) {
        let store = self.0.parts.store.clone();
        let Some(turn) = turn.filter(|_| store.is_shared()) else { return };
        let appid = app.appid.clone();
        self.0.parts.tasks.spawn(async move {
            // If it doesn't get there, the turn ends by itself.
            let _ = store.end_turn(&appid, kind.as_str(), turn).await;
        });
    }

    /// Keeps a value with its history, and goes on with the turn. One that can't be stored serves all the same.
    pub(super) async fn keep(&self, app: &App, slot: &Slot, token: &Token, turn: Option<Turn>) -> Kept {
        let Some(turn) = turn else { return Kept::Ours };
        let (store, clock) = (&self.0.parts.store, &self.0.parts.clock);
        let (_, until) = self.turn_time();
        let saving = store.save_credential(slot.row(token), turn, until);
        let saved = if store.is_shared() {
            clock.by(clock.instant() + KEEP_TIME, saving).await.unwrap_or(Err(StoreError::NoAnswer))
        } else {
            saving.await
        };
        match saved {
            Ok(Saved::Saved(revision)) => {
                slot.is_kept(revision);
                Kept::Ours
            }
            Ok(Saved::Newer(row)) => self.others(app, slot, &row, token).await,
            Err(error) => {
                tracing::error!(
                    appid = %slot.appid, kind = slot.kind.as_str(), %error, "{}",
                    say(
                        "存不下（照常使用；但重启后会重新获取）：检查磁盘空间和权限",
                        "can't be stored (it serves all the same, and is fetched again after a restart): check disk space and permissions",
                    )
                );
                Kept::Ours
            }
        }
    }

    /// Another node's value stands, though ours was fetched later perhaps: then that of a classic one ends soon.
    async fn others(&self, app: &App, slot: &Slot, row: &SealedCredential, ours: &Token) -> Kept {
        let ageing = ageing(&app.entry, slot.kind);
        let had = slot.newest();
        self.0.slots.take_up(slot, row, ageing);
        let Some(theirs) = slot.newest().filter(|theirs| theirs.version == row.version) else {
            return Kept::Ours;
        };
        let is_new = had.is_none_or(|had| had.expose() != ours.expose());
        if ageing == Ageing::Classic && is_new && theirs.expose() != ours.expose() {
            tracing::warn!(
                appid = %slot.appid, kind = slot.kind.as_str(), "{}",
                say(
                    "本节点停顿太久，期间另一个节点已换新：几分钟内再换一次",
                    "this node stalled while another fetched: it is fetched once more within minutes",
                )
            );
            // If that fails it is found dead, and healed.
            let _ = self.0.parts.store.supersede(&slot.appid, slot.kind.as_str(), theirs.version).await;
        }
        Kept::Others(theirs)
    }

    /// Takes up what other nodes fetched, until the stop begins.
    pub async fn follow(self) {
        let store = self.0.parts.store.clone();
        if !store.is_shared() {
            return;
        }
        let clock = self.0.parts.clock.clone();
        let mut wake = store.wakes().credentials.sleeper();
        let (mut revision, mut looks, mut was_away) = (self.0.slots.revision(), 0, false);
        loop {
            tokio::select! {
                () = self.0.parts.tasks.draining.cancelled() => return,
                () = wake.woken() => {}
                () = clock.pause(FOLLOW) => {}
            }
            wake.mark_seen();
            looks += 1;
            let compares = was_away || looks >= COMPARE;
            let since = if compares { -1 } else { revision };
            let Ok(rows) = store.credentials_since(since).await else {
                was_away = true;
                continue;
            };
            if compares {
                (looks, was_away) = (0, false);
                self.offer(&rows).await;
            }
            // Another server may have taken over, which has fewer.
            let newest = rows.iter().map(|row| row.revision).max();
            revision = newest.unwrap_or(if compares { 0 } else { revision });
            if self.adopt(rows) {
                self.0.slots.wake().all();
            }
        }
    }

    /// True: something is new here.
    fn adopt(&self, rows: Vec<SealedCredential>) -> bool {
        let live = self.0.parts.registry.live().clone();
        let mut is_news = false;
        for row in rows {
            let kind = CredentialKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
            match (live.app(&row.appid), kind) {
                (Some(app), Some(kind)) => {
                    let slot = app.slots.of(kind);
                    if slot.revision() != row.revision {
                        self.0.slots.take_up(slot, &row, ageing(&app.entry, kind));
                        is_news = true;
                    }
                }
                _ => self.0.slots.put_aside(row),
            }
        }
        is_news
    }

    /// Keeps what is newer here than in the store: it was fetched while that was away, or a server took over that lacks it.
    async fn offer(&self, rows: &[SealedCredential]) {
        let there: HashMap<(&str, &str), &SealedCredential> =
            rows.iter().map(|row| ((&*row.appid, &*row.kind), row)).collect();
        let live = self.0.parts.registry.live().clone();
        for app in live.apps() {
            for slot in app.slots.iter() {
                let row = there.get(&(&*app.appid, slot.kind.as_str()));
                let Some(token) = slot.live(self.now()) else { continue };
                if row.is_some_and(|row| row.version >= token.version) {
                    continue;
                }
                let Some(gate) = slot.try_lock() else { continue };
                slot.is_kept(row.map_or(0, |row| row.revision));
                let tried = self.try_turn(app, slot.kind, gate, Some(token.version)).await;
                if let Ok(Tried::Begun(Begun::Ours(gate))) = tried {
                    self.keep(app, slot, &token, gate.turn).await;
                    self.end_turn(app, slot.kind, gate.turn);
                }
            }
        }
    }
}

/// What came of asking for a turn.
pub(super) enum Tried {
    Begun(Begun),
    /// Another node has it.
    Held(Gate),
}
