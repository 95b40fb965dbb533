//! Which app, which signature: what a callback has to show.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use wechat::crypt;
use wechat::crypt::AesKey;
use wechat::envelope::{self, Account, Mode, Push, Query};
use wechat::message::{Format, Message};

use super::{Rejected, seen, why};
use crate::entries::Secret;
use crate::keys::Keys;
use crate::lang::Words;
use crate::registry::{App, Live};

/// A message's time and its claimed one are hardly further apart when another claim would fit.
const HONEST_SECONDS: u64 = 600;
/// WeChat's are ten digits. A part of a ciphertext, which is signed along without a mark between them, is longer.
const LONGEST_NONCE: usize = 64;
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
    /// What its signature was made with.
    pub(super) fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// Which of the account's keys opened it; "": it was plain.
    pub(super) fn key_name(&self) -> &'static str {
        let Some(key) = &self.key else { return "" };
        if self.app.entry.aes_keys.first() == Some(key) { "aes_key" } else { "previous_aes_key" }
    }

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
    if let Some(appid) = appid.filter(|appid| !live.app(appid).is_some_and(|app| app.takes_callbacks())) {
        return Err(Rejected::Refused(why::no_callbacks(&live, appid)));
    }
    if keys.made_nonce(&query.nonce) {
        return Err(Rejected::Refused(Words::fixed(
            "是 wxgate 自己投递或回复的消息绕了回来：检查路由的 target",
            "a delivery or reply of our own came back: look at the routes' targets",
        )));
    }
    if query.timestamp.len() != 10 || query.seconds() >= seen::LATEST {
        return Err(Rejected::Refused(Words::fixed(
            "timestamp 不是十位数字，或晚于 2100 年：不像微信发来的，看来自哪个地址",
            "its timestamp isn't ten digits, or beyond 2100: hardly WeChat's, see which address it comes from",
        )));
    }
    if query.nonce.len() > LONGEST_NONCE {
        return Err(Rejected::Refused(Words::new(
            format!("nonce 超过 {LONGEST_NONCE} 个字符：不像微信发来的，看来自哪个地址"),
            format!(
                "its nonce is longer than {LONGEST_NONCE}: hardly WeChat's, see which address it comes from"
            ),
        )));
    }
    check_age(&live, &query, now)?;
    let signed_by = candidates(&live, appid, "").into_iter().find(|app| signing(&query, app).is_some());
    Ok(Checked { live, query, appid: appid.map(str::to_owned), signed_by })
}

fn check_age(live: &Live, query: &Query, now: i64) -> Result<(), Rejected> {
    let age = now.abs_diff(query.seconds());
    if live.callback.max_age.is_some_and(|most| age > most.as_secs()) {
        return Err(Rejected::Refused(Words::new(
            format!("timestamp 与现在相差 {age} 秒，超过 callback.max_age：检查本机时间"),
            format!("its timestamp is {age} s from now, over callback.max_age: look at this machine's clock"),
        )));
    }
    Ok(())
}

/// Which of the app's tokens the plain signature is right by; encrypted messages have a better one inside.
fn signing<'a>(query: &Query, app: &'a App) -> Option<&'a Secret> {
    let fits = |token: &&Secret| {
        crypt::verify(&query.signature, &[token.expose_secret(), &query.timestamp, &query.nonce])
    };
    app.entry.callback_tokens.iter().find(fits)
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

    /// The query, and the token it is signed with.
    pub(super) fn verify_url(&self) -> Result<(&Query, Secret), Rejected> {
        let apps = candidates(&self.live, self.appid.as_deref(), "");
        let accounts = apps.iter().map(|app| account(app, false)).collect::<Vec<_>>();
        let fits = envelope::verify_url(&self.query, &accounts)?;
        Ok((&self.query, signing(&self.query, &apps[fits]).cloned().unwrap_or_default()))
    }

    /// `now`: Unix seconds.
    pub(super) fn open(self, body: &[u8], now: i64) -> Result<Verified, Rejected> {
        // Its body may have come slowly: what is too old by now may be forgotten.
        check_age(&self.live, &self.query, now)?;
        let push = Push::read(&self.query, body);
        let apps = candidates(&self.live, self.appid.as_deref(), &push.to_user());
        let is_plain = push.mode() == Mode::Plain;
        let accounts: Vec<Account<'_>> =
            apps.iter().map(|app| account(app, is_plain && app.entry.allow_plain)).collect();
        let opened = push.open(&accounts).map_err(|refused| {
            let tried: Vec<&str> = accounts.iter().take(MOST_NAMED).map(|account| account.appid).collect();
            let (Words { zh, en }, names, count) = (why::words(&refused), tried.join(", "), accounts.len());
            Rejected::Refused(Words::new(
                format!("{zh}（试了 {count} 个账号：{names}）"),
                format!("{en} (tried {names} of {count})"),
            ))
        })?;
        if opened.keys.key.is_some() {
            self.check_time(&opened.message, opened.keys.token, now)?;
        }
        // Nothing in it says whose it is.
        if opened.keys.key.is_none() && self.appid.is_none() && opened.message.is_malformed() {
            return Err(Rejected::Refused(Words::fixed(
                "明文、残缺，地址里又没有 appid：回调地址写成 wxmsg/{appid}",
                "plain, malformed, and no appid in the path: use wxmsg/{appid} as the callback's URL",
            )));
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

impl Checked {
    /// The signature may hold at another time as well, but what is encrypted says when it was made.
    fn check_time(&self, message: &Message, token: &str, now: i64) -> Result<(), Rejected> {
        let Some(window) = seen::window(&self.live, message) else { return Ok(()) };
        let made = message.create_time();
        let age = now.abs_diff(made);
        if age > window.as_secs() {
            return Err(Rejected::Refused(Words::new(
                format!("CreateTime 与现在相差 {age} 秒：检查本机时间"),
                format!("its CreateTime is {age} s from now: look at this machine's clock"),
            )));
        }
        let is_honest = |time: i64| time.abs_diff(made) <= HONEST_SECONDS;
        let Query { timestamp, nonce, .. } = &self.query;
        let others = crypt::readings([token, timestamp, nonce], [token]);
        let swapped = nonce.parse().ok();
        if !is_honest(self.query.seconds()) && others.into_iter().chain(swapped).any(is_honest) {
            return Err(Rejected::Refused(Words::fixed(
                "timestamp 是从别的数字里切出来的，是伪造：看来自哪个地址",
                "its timestamp is cut from another's digits, a forgery: see which address it comes from",
            )));
        }
        Ok(())
    }
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
