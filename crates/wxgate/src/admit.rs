//! The one admission, for the service API and the pass-through alike: who calls ([`identify`]), by what right and at what
//! rate ([`Door::enter`]), as which app ([`Door::app`]), and whether there is room ([`Door::place`]). The order is the
//! contract's; what is refused is a [`Denied`], which each surface says in its own shape.

pub mod denied;
pub mod hosts;
pub mod identify;
mod open;
mod opened;
mod quota;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, request};

pub use denied::Denied;
pub use quota::Allowed;

use crate::clock::Clock;
use crate::config;
use crate::entries::{self, SHORTEST_KEY};
use crate::keys::{Holder, Keys, TOKEN_PREFIX};
use crate::outcome::Outcome;
use crate::parts::Parts;
use crate::registry::callers::{Caller, Callers};
use crate::registry::{App, Registry};
use crate::shares::{For, Place, Room, Shares};
use crate::store::Store;
use crate::tasks::Tasks;
use crate::text;

use identify::{Gatekeeper, Shown, shown_key};
use open::OpenRates;
use opened::Opened;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    keys: Keys,
    clock: Clock,
    gatekeeper: Gatekeeper,
    open: OpenRates,
    opened: Opened,
    shares: Shares,
    store: Store,
    tasks: Tasks,
}

/// What a request shows of who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A key in its headers, or none.
    Headers,
    /// A key in the place of an AppSecret; "" is as good as nothing there.
    Secret(&'a str),
    /// A gateway token; a key in the headers may not say otherwise.
    Token(&'a str),
}

impl fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof")
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The path whose right is asked for; `None`: the right to the app is all that is asked, as for the token calls.
    pub path: Option<&'a str>,
    /// It is only for callers whose `apis` name the path literally.
    pub by_name: bool,
    /// It reads the real access_token.
    pub exports_token: bool,
}

/// A caller that was let in.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Who.
    pub caller: Arc<Caller>,
    /// What a gateway token issued now remembers of it.
    pub holder: Holder,
    /// The app that its gateway token speaks for.
    pub appid: Option<Arc<str>>,
    /// It showed no key of its own, now or when its token was issued.
    pub keyless: bool,
}

/// A caller found, before anything is asked of it.
struct Identified<'a> {
    caller: &'a Arc<Caller>,
    holder: Holder,
    appid: Option<Arc<str>>,
    /// It showed no key of its own, now or when its token was issued.
    keyless: bool,
}

impl Door {
    /// By `[server]`.
    pub fn new(parts: &Parts, server: &config::Server) -> Self {
        Self(Arc::new(Inner {
            registry: parts.registry.clone(),
            keys: parts.keys.clone(),
            clock: parts.clock.clone(),
            gatekeeper: Gatekeeper::new(server),
            open: OpenRates::new(&parts.limits),
            opened: Opened::default(),
            shares: parts.shares.clone(),
            store: parts.store.clone(),
            tasks: parts.tasks.clone(),
        }))
    }

    /// Notes in `outcome` where the client is: who connected, or whom trusted proxies name.
    pub fn locate(&self, headers: &HeaderMap, outcome: &mut Outcome) {
        let peer = outcome.peer;
        outcome.comes_from(self.0.gatekeeper.address(headers, peer).unwrap_or(peer));
    }

    /// Identity, network, rights and rate, in this order. The caller is noted in `outcome` as soon as it is known, so that
    /// a refusal counts for it.
    pub fn enter(
        &self,
        head: &request::Parts,
        peer: IpAddr,
        proof: Proof<'_>,
        wish: Wish<'_>,
        outcome: &mut Outcome,
    ) -> Result<Entered, Denied> {
        let live = self.0.registry.live();
        let found = self.find(head, peer, proof, &live.callers)?;
        let caller = found.caller.clone();
        outcome.is_of(&caller);
        if let Some(appid) = &found.appid {
            self.notice(appid, outcome);
        }
        let now = self.0.clock.now();
        if caller.has_ended(now) {
            return Err(ended(caller, proof, found.keyless));
        }
        caller.uses(&found.holder, now);
        let keeper = &self.0.gatekeeper;
        keeper.check_network(&caller, head, peer)?;
        if found.keyless {
            keeper.check_keyless(head, peer)?;
        }
        if let Some(path) = wish.path {
            if !caller.apis.allows(path) {
                return Err(Denied::Api { caller, path: path.to_owned() });
            }
            if wish.by_name && !caller.apis.names(path) {
                return Err(Denied::OnlyByName { caller, path: path.to_owned() });
            }
        }
        if wish.exports_token && !caller.export_token {
            return Err(Denied::Export { caller });
        }
        if !caller.take(now) {
            return Err(Denied::Rate { caller });
        }
        Ok(Entered { caller, holder: found.holder, appid: found.appid, keyless: found.keyless })
    }

    fn find<'a>(
        &self,
        head: &request::Parts,
        peer: IpAddr,
        proof: Proof<'_>,
        callers: &'a Callers,
    ) -> Result<Identified<'a>, Denied> {
        let by_key = |key: &str| {
            let (caller, holder) = callers.holder(key)?;
            Some(Identified { caller, holder, appid: None, keyless: false })
        };
        let without = || {
            let caller = self.0.gatekeeper.without_key(head, peer, callers, self.0.clock.now())?;
            Ok(Identified { caller, holder: Holder::new(None, &caller.name), appid: None, keyless: true })
        };
        match (proof, shown_key(&head.headers)) {
            (Proof::Token(token), shown) => self.by_token(token, shown, callers),
            (Proof::Secret(secret), shown) if !secret.is_empty() => {
                // With `auth.mode = "off"` any secret will do.
                if callers.is_open() && callers.by_key(secret).is_none() {
                    return without();
                }
                let wrong = || Denied::WrongSecret { odd: text::odd_character(secret) };
                let found = by_key(secret).ok_or_else(wrong)?;
                if says_otherwise(shown, found.caller, callers) {
                    return Err(Denied::Disagree);
                }
                Ok(found)
            }
            (_, Shown::Unreadable) => Err(Denied::Unreadable),
            (_, Shown::Key(key)) => by_key(key).ok_or(Denied::UnknownKey),
            (_, Shown::Nothing) => without(),
        }
    }

    /// Whom a gateway token speaks for, if a key beside it doesn't say otherwise.
    fn by_token<'a>(
        &self,
        token: &str,
        shown: Shown<'_>,
        callers: &'a Callers,
    ) -> Result<Identified<'a>, Denied> {
        let Inner { opened, keys, clock, .. } = &*self.0;
        let grant = opened.grant(keys, token, clock.now()).ok_or_else(|| {
            if callers.by_key(token).is_some() { Denied::KeyAsToken } else { Denied::DeadToken }
        })?;
        let (caller, keyless) = callers.by_holder(&grant.holder).ok_or(Denied::DeadToken)?;
        if says_otherwise(shown, caller, callers) {
            return Err(Denied::Disagree);
        }
        Ok(Identified { caller, holder: grant.holder, appid: Some(grant.appid), keyless })
    }

    /// The app that the gateway token `token` speaks for, if it is `caller`'s as well.
    pub fn agreed(&self, token: &str, caller: &Arc<Caller>) -> Result<Arc<str>, Denied> {
        let live = self.0.registry.live();
        let found = self.by_token(token, Shown::Nothing, &live.callers).map_err(|_| Denied::Disagree)?;
        if !Arc::ptr_eq(found.caller, caller) {
            return Err(Denied::Disagree);
        }
        found.appid.ok_or(Denied::Disagree)
    }

    /// What needs no credential of ours: whoever shows a key is admitted by it, everybody else by an address that some
    /// caller may call from, and at a rate; and by no web page, unless it is `for_pages`. Gives the caller whose key it was.
    pub fn enter_open(
        &self,
        head: &request::Parts,
        peer: IpAddr,
        path: &str,
        for_pages: bool,
        outcome: &mut Outcome,
    ) -> Result<Option<Arc<Caller>>, Denied> {
        if shown_key(&head.headers) != Shown::Nothing {
            let wish = Wish { path: Some(path), ..Wish::default() };
            return self.enter(head, peer, Proof::Headers, wish, outcome).map(|entered| Some(entered.caller));
        }
        if !for_pages {
            self.0.gatekeeper.check_page(head)?;
        }
        let address = self.0.gatekeeper.address(&head.headers, peer).ok_or(Denied::Address)?;
        if !self.0.registry.live().callers.may_come_from(address, self.0.clock.now()) {
            return Err(Denied::Address);
        }
        if !self.0.open.take(address, self.0.clock.now()) {
            return Err(Denied::OpenRate);
        }
        Ok(None)
    }

    /// Notes in `outcome` which app a request is for, as far as it may be repeated: a refusal that comes before
    /// [`Door::app`] names it as well.
    pub fn notice(&self, appid: &str, outcome: &mut Outcome) -> Option<Arc<App>> {
        let app = self.0.registry.live().app(appid).cloned();
        match &app {
            Some(app) => outcome.is_for(app),
            None => outcome.is_for_unknown(denied::is_appid(appid).then(|| appid.into())),
        }
        app
    }

    /// The app, if `caller` may use it. It is noted in `outcome`.
    pub fn app(&self, caller: &Arc<Caller>, appid: &str, outcome: &mut Outcome) -> Result<Arc<App>, Denied> {
        self.notice(appid, outcome);
        self.usable(caller, appid)
    }

    /// The same of one of many that a request is for.
    pub fn usable(&self, caller: &Arc<Caller>, appid: &str) -> Result<Arc<App>, Denied> {
        let app = self.0.registry.live().app(appid).cloned();
        let name = match &app {
            Some(app) => Some(app.appid.clone()),
            None => denied::is_appid(appid).then(|| appid.into()),
        };
        let tags = app.as_ref().map_or(&[][..], |app| &app.entry.tags);
        if !caller.apps.matches(appid, tags) {
            return Err(Denied::App { caller: caller.clone(), appid: name });
        }
        app.ok_or_else(|| Denied::UnknownApp { appid: name, odd: text::odd_character(appid) })
    }

    /// An app that `caller` may use, if there is one: for telling it how to name one.
    pub fn first_app(&self, caller: &Caller) -> Option<Arc<str>> {
        let live = self.0.registry.live();
        let may = live.apps().filter(|app| caller.apps.matches(&app.appid, &app.entry.tags));
        may.map(|app| app.appid.clone()).min()
    }

    /// A place at work in `room` for `caller`'s call as `app`, within its own `concurrency`; it stays taken until it is
    /// dropped.
    pub fn place(&self, room: Room, caller: &Arc<Caller>, app: &App) -> Result<Place, Denied> {
        let own = caller.places.as_ref().map(|places| places.clone().try_acquire_owned());
        let own = own.transpose().map_err(|_| Denied::Busy { caller: caller.clone() })?;
        let place = self.0.shares.take(room, 1, For { one: &caller.share, app: Some(&app.share) });
        place.map(|place| place.with(own)).map_err(|_| Denied::Overloaded)
    }

    /// The same for a call that is for no single app; what mostly waits counts in no `concurrency`.
    pub fn place_alone(&self, room: Room, caller: &Arc<Caller>) -> Result<Place, Denied> {
        let places = caller.places.as_ref().filter(|_| room != Room::Long);
        let own = places.map(|places| places.clone().try_acquire_owned());
        let own = own.transpose().map_err(|_| Denied::Busy { caller: caller.clone() })?;
        let place = self.0.shares.take(room, 1, For::from(&caller.share));
        place.map(|place| place.with(own)).map_err(|_| Denied::Overloaded)
    }

    /// A place at work for what its address alone admitted.
    pub fn place_of_stranger(&self, address: IpAddr) -> Result<Place, Denied> {
        let share = self.0.shares.of(address);
        self.0.shares.take(Room::Strangers, 1, For::from(&share)).map_err(|_| Denied::Overloaded)
    }

    /// Whether a caller's key or a living gateway token stands in `text`, alone or among other words, in any encoding of
    /// URLs.
    pub fn shows_credential(&self, text: &[u8]) -> bool {
        let live = self.0.registry.live();
        let is_key = |word: &str| entries::is_key(word) && live.callers.by_key(word).is_some();
        shows(text, |word| is_key(word) || self.is_token(word))
    }

    /// The same of tokens alone.
    pub fn shows_token(&self, text: &[u8]) -> bool {
        shows(text, |word| self.is_token(word))
    }

    fn is_token(&self, word: &str) -> bool {
        word.starts_with(TOKEN_PREFIX) && self.0.keys.granted(word, self.0.clock.now()).is_some()
    }
}

/// It is refused as if its key, or its token, were nobody's; but told why.
fn ended(caller: Arc<Caller>, proof: Proof<'_>, keyless: bool) -> Denied {
    let like = match proof {
        Proof::Token(_) => Denied::DeadToken,
        _ if keyless => Denied::NoKey,
        Proof::Secret(secret) if !secret.is_empty() => Denied::WrongSecret { odd: None },
        Proof::Secret(_) | Proof::Headers => Denied::UnknownKey,
    };
    Denied::Ended { caller, like: Box::new(like) }
}

/// Whether a word of `text` is one; they are as long as credentials are at least.
fn shows(text: &[u8], is_one: impl Fn(&str) -> bool) -> bool {
    let is_one = |word: &[u8]| std::str::from_utf8(word).is_ok_and(&is_one);
    text.len() >= SHORTEST_KEY
        && text::in_any_encoding(text, |text| {
            let words = text.split(|byte| !entries::is_of_keys(*byte));
            words.filter(|word| word.len() >= SHORTEST_KEY).any(|word| parts(word).any(is_one))
        })
}

/// A word, and what is left of it where others may be glued to its ends: by `_` or `-`, or before what our own credentials
/// begin with.
fn parts(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    // More joints than that has no name: somebody's random token at most.
    const JOINTS: usize = 12;
    let joint = |(at, byte): (usize, &u8)| matches!(byte, b'_' | b'-').then_some(at);
    let begins = word.iter().enumerate().filter_map(joint).take(JOINTS).map(|at| at + 1);
    let ours = word.windows(4).enumerate().filter(|(_, begin)| [&b"wxk_"[..], b"wxg_"].contains(begin));
    let ours = ours.map(|(at, _)| at).take(JOINTS);
    std::iter::once(0).chain(begins).chain(ours).flat_map(move |begin| {
        let ends = word.iter().enumerate().rev().filter_map(joint).take(JOINTS);
        let ends = std::iter::once(word.len()).chain(ends);
        ends.take_while(move |end| *end >= begin + SHORTEST_KEY).map(move |end| &word[begin..end])
    })
}

/// Whether a key in the headers means somebody else than `caller`.
fn says_otherwise(shown: Shown<'_>, caller: &Arc<Caller>, callers: &Callers) -> bool {
    match shown {
        Shown::Nothing => false,
        Shown::Unreadable => true,
        Shown::Key(key) => callers.by_key(key).is_none_or(|other| !Arc::ptr_eq(other, caller)),
    }
}
