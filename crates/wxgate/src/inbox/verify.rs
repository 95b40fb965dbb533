//! Which app, which signature: what a callback has to show.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use wechat::crypt;
use wechat::crypt::AesKey;
use wechat::envelope::{self, Account, Mode, Push, Query};
use wechat::message::{Format, Message};

use super::Rejected;
use crate::entries::Secret;
use crate::keys::Keys;
use crate::registry::{App, Live};

/// A message's time and its claimed one may be this far apart when the claim is honest.
const SWAPPED_SECONDS: u64 = 600;
/// Appids named in one line of the log.
const MOST_NAMED: usize = 5;

/// A callback whose query has been looked at, and nothing else.
#[derive(Clone, Debug)]
pub struct Checked {
    pub(super) live: Arc<Live>,
    query: Query,
    appid: Option<String>,
    /// The first app one of whose tokens fits.
    signed_by: Option<Arc<App>>,
}

/// A verified message, and what its way needs.
pub(super) struct Verified {
    pub(super) live: Arc<Live>,
    pub(super) app: Arc<App>,
    pub(super) query: Query,
    pub(super) mode: Mode,
    /// Of what came, and so of what goes back.
    pub(super) format: Format,
    /// As WeChat wrote it, decrypted.
    pub(super) body: Vec<u8>,
    pub(super) message: Message,
    token: Secret,
    key: Option<AesKey>,
}

impl Verified {
    /// What fitted: a reply goes out with the same.
    pub(super) fn keys(&self) -> envelope::Keys<'_> {
        envelope::Keys {
            appid: &self.app.entry.appid,
            token: self.token.expose_secret(),
            key: self.key.as_ref(),
        }
    }
}

/// `now`: Unix seconds.
pub(super) fn check(
    live: Arc<Live>,
    query: &str,
    appid: Option<&str>,
    keys: &Keys,
    now: i64,
) -> Result<Checked, Rejected> {
    let query = Query::parse(query)?;
    if keys.made_nonce(&query.nonce) {
        return Err(Rejected::Refused("a delivery or reply of our own came back".to_owned()));
    }
    let age = now.abs_diff(query.seconds());
    if live.callback.max_age.is_some_and(|most| age > most.as_secs()) {
        return Err(Rejected::Refused(format!("its timestamp is {age} s from now, over callback.max_age")));
    }
    let signed_by = candidates(&live, appid, "").into_iter().find(|app| is_signed(&query, app));
    Ok(Checked { live, query, appid: appid.map(str::to_owned), signed_by })
}

/// Whether the plain signature is right; encrypted messages have a better one inside.
fn is_signed(query: &Query, app: &App) -> bool {
    let fits = |token: &Secret| {
        crypt::verify(&query.signature, &[token.expose_secret(), &query.timestamp, &query.nonce])
    };
    app.entry.callback_tokens.iter().any(fits)
}

impl Checked {
    /// Whether somebody who knows a token, or saw WeChat use it, sent this.
    pub fn is_signed(&self) -> bool {
        self.signed_by.is_some()
    }

    /// Whose token the query is signed with; where several apps share one, any of them.
    pub fn signed_by(&self) -> Option<&Arc<App>> {
        self.signed_by.as_ref()
    }

    pub(super) fn verify_url(&self) -> Result<&Query, Rejected> {
        let apps = candidates(&self.live, self.appid.as_deref(), "");
        let accounts = apps.iter().map(|app| account(app, false)).collect::<Vec<_>>();
        envelope::verify_url(&self.query, &accounts)?;
        Ok(&self.query)
    }

    pub(super) fn open(self, body: &[u8]) -> Result<Verified, Rejected> {
        let push = Push::read(self.query.clone(), body);
        let apps = candidates(&self.live, self.appid.as_deref(), &push.to_user());
        let is_plain = push.mode() == Mode::Plain;
        let accounts: Vec<Account<'_>> =
            apps.iter().map(|app| account(app, is_plain && app.entry.allow_plain)).collect();
        let opened = push.open(&accounts).map_err(|refused| {
            let tried: Vec<&str> = accounts.iter().take(MOST_NAMED).map(|account| account.appid).collect();
            Rejected::Refused(format!("{refused} (tried {} of {})", tried.join(", "), accounts.len()))
        })?;
        if opened.keys.key.is_some() && is_swapped(&self.query, opened.message.create_time()) {
            return Err(Rejected::Refused("its timestamp and its nonce changed places".to_owned()));
        }
        // Nothing in it says whose it is.
        if opened.keys.key.is_none() && self.appid.is_none() && opened.message.is_malformed() {
            return Err(Rejected::Refused("plain, malformed, and no appid in the path".to_owned()));
        }
        let app = apps[opened.account].clone();
        let fitted = |token: &&Secret| token.expose_secret() == opened.keys.token;
        let token = app.entry.callback_tokens.iter().find(fitted).cloned().unwrap_or_default();
        let key = opened.keys.key.cloned();
        let (mode, format) = (opened.mode, push.format());
        Ok(Verified {
            mode,
            format,
            body: opened.body,
            message: opened.message,
            token,
            key,
            app,
            live: self.live,
            query: self.query,
        })
    }
}

/// The signature holds whichever of the two numbers is called the timestamp, so an old message could
/// claim a new time. What is encrypted says when it was made.
fn is_swapped(query: &Query, create_time: i64) -> bool {
    let is_near = |seconds: i64| seconds.abs_diff(create_time) <= SWAPPED_SECONDS;
    query.nonce.parse().is_ok_and(is_near) && !is_near(query.seconds())
}

/// The apps a callback may be for: the one in the path, else the one with this original id, else
/// every one that takes callbacks.
fn candidates(live: &Live, appid: Option<&str>, to_user: &str) -> Vec<Arc<App>> {
    let takes = |app: &&Arc<App>| app.takes_callbacks();
    if let Some(appid) = appid {
        return live.app(appid).filter(takes).cloned().into_iter().collect();
    }
    match live.app_by_original_id(to_user) {
        Some(app) => Some(app).filter(takes).cloned().into_iter().collect(),
        None => live.apps().filter(takes).cloned().collect(),
    }
}

fn account(app: &App, plain: bool) -> Account<'_> {
    Account {
        appid: &app.entry.appid,
        tokens: app.entry.callback_tokens.iter().map(|token| token.expose_secret()).collect(),
        keys: if plain { Vec::new() } else { app.entry.aes_keys.iter().collect() },
    }
}

/// Whether some message of the app needs no encryption.
pub(super) fn takes_plain(app: &App) -> bool {
    !app.entry.callback_tokens.is_empty() && (app.entry.aes_keys.is_empty() || app.entry.allow_plain)
}
