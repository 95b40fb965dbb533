//! The managed values of every app: its access_token and its tickets. What a value is, when it is
//! due, and why there is none; who fetches them is [`crate::tokens`].

mod findings;
mod health;
pub mod policy;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wechat::answer::ApiError;
use wechat::errcode::is_busy;

pub(crate) use findings::Belief;
pub use health::{Ailment, Health, Way};
pub(crate) use slot::Gate;
pub use slot::{CredentialKind, Found, Slot, Token, Trouble};

use crate::clock::Clock;
use crate::lang::say;
use crate::random::Random;
use crate::store::{SealedCredential, Store};
use crate::transport::Lost;
use crate::wake::Wake;
use policy::{Ageing, Rest};

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// WeChat's answer to the token call.
    #[error("{}{}", say("微信拒绝了取令牌的调用：", "WeChat refused the token call: "), .0.errcode)]
    Refused(ApiError),
    /// The token call got no usable answer.
    #[error("{}{}", say("没有应答：", "no answer: "), .0.said())]
    Lost(#[from] Lost),
    /// WeChat's answer to the ticket call, for which there was a token.
    #[error("{}{}", say("微信拒绝了取 ticket 的调用：", "WeChat refused the ticket call: "), .0.errcode)]
    TicketRefused(ApiError),
    /// The ticket call got no usable answer.
    #[error("{}{}", say("取 ticket 的调用没有应答：", "no answer to the ticket call: "), .0.said())]
    TicketLost(Lost),
    /// The app's kind has no access_token.
    #[error(
        "{}",
        say("kind = \"open\" 的账号没有 access_token", "an app of kind \"open\" has no access_token")
    )]
    None,
}

impl TokenError {
    /// WeChat's refusal, if that is what it is.
    pub fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Refused(error) | Self::TicketRefused(error) => Some(error),
            Self::Lost(_) | Self::TicketLost(_) | Self::None => None,
        }
    }

    /// How long it keeps everybody from asking again.
    pub(crate) fn rest(&self) -> Rest {
        match self {
            Self::Refused(error) | Self::TicketRefused(error) if !is_busy(error.errcode) => Rest::Long,
            _ => Rest::Short,
        }
    }
}

/// The slots of one app, which outlive reloads of its settings.
#[derive(Clone, Debug)]
pub struct Slots {
    slots: [Arc<Slot>; 3],
    health: Arc<Health>,
}

impl Slots {
    /// The slot of `kind`.
    pub fn of(&self, kind: CredentialKind) -> &Arc<Slot> {
        &self.slots[kind as usize]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.iter()
    }

    /// What the account suffers from.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

/// Every app's slots; the same ones as long as the process lives, whatever is reloaded. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub struct SlotBook(Arc<Book>);

#[derive(Debug)]
struct Book {
    slots: Mutex<HashMap<Arc<str>, Slots>>,
    /// What the store kept and nobody has asked for yet, sealed.
    kept: Mutex<HashMap<(String, String), SealedCredential>>,
    /// The newest that was in the store at start.
    revision: i64,
    store: Store,
    wake: Wake,
    clock: Clock,
    random: Random,
}

impl SlotBook {
    /// Takes up what the store kept, so that a restart fetches nothing.
    pub async fn new(store: Store, clock: Clock, random: Random) -> anyhow::Result<Self> {
        let kept = store.credentials().await?;
        let revision = kept.iter().map(|row| row.revision).max().unwrap_or_default();
        let kept = kept.into_iter().map(|row| ((row.appid.clone(), row.kind.clone()), row)).collect();
        let (kept, slots) = (Mutex::new(kept), Mutex::default());
        Ok(Self(Arc::new(Book { slots, kept, revision, store, wake: Wake::default(), clock, random })))
    }

    /// The slots of an app.
    pub fn of(&self, entry: &crate::entries::AppEntry) -> Slots {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = slots.get(entry.appid.as_str()) {
            return found.clone();
        }
        let appid: Arc<str> = entry.appid.as_str().into();
        let slots_of_app = CredentialKind::ALL.map(|kind| {
            let slot = Slot::new(appid.clone(), kind, self.0.clock.clone(), self.0.random.clone());
            self.restore(&slot, ageing(entry, kind));
            Arc::new(slot)
        });
        let made = Slots { slots: slots_of_app, health: Arc::default() };
        slots.insert(appid, made.clone());
        made
    }

    /// Gives a slot what the store kept for it, opened now that somebody asks; once.
    fn restore(&self, slot: &Slot, ageing: Ageing) {
        let key = (slot.appid.to_string(), slot.kind.as_str().to_owned());
        let sealed = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let Some(sealed) = sealed else { return };
        self.take_up(slot, &sealed, ageing);
    }

    /// Gives a slot what the store has for it.
    pub fn take_up(&self, slot: &Slot, sealed: &SealedCredential, ageing: Ageing) {
        match self.0.store.open_credential(sealed) {
            Ok(row) => slot.restore(row, ageing),
            Err(error) => {
                let (appid, kind) = (&slot.appid, slot.kind.as_str());
                tracing::error!(%appid, kind, %error, "{}", say("存下的令牌打不开，重新获取", "a stored token doesn't open: fetching another"));
                slot.lost(sealed.version);
                slot.is_kept(sealed.revision);
            }
        }
    }

    /// What the store had at start is no newer.
    pub fn revision(&self) -> i64 {
        self.0.revision
    }

    /// Keeps what another node fetched for an app that isn't configured here yet.
    pub fn put_aside(&self, row: SealedCredential) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((row.appid.clone(), row.kind.clone()), row);
    }

    /// A value is new, or the settings are.
    pub fn wake(&self) -> &Wake {
        &self.0.wake
    }
}

/// How an app's value of `kind` ages.
pub fn ageing(entry: &crate::entries::AppEntry, kind: CredentialKind) -> Ageing {
    match kind {
        CredentialKind::AccessToken => entry.token_mode.into(),
        CredentialKind::Jsapi | CredentialKind::WxCard => Ageing::Classic,
    }
}
