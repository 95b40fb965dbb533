//! The fake platform as plain state and rules: no IO, no clock of its own, no tasks.
//!
//! Whoever locks it sets [`World::now`] first, so a rule reads one time from beginning to end.

mod app;
mod chats;
mod code;
mod feed;
mod grant;
mod journal;
mod log;
mod media;
mod message;
mod qr;
mod quirks;
pub(crate) mod quota;
mod random;
mod screen;
mod state;
mod token;
mod user;
mod values;

pub(crate) use app::{App, AppSettings, Callback, Format, Kind, Mode};
pub(crate) use chats::By;
pub(crate) use code::{CodeKind, DEMO_CODES};
pub(crate) use journal::{Entry, Filter};
pub(crate) use log::{Attempt, PushRecord};
pub(crate) use message::{Message, TEMPLATE};
pub(crate) use qr::{MAX_SECONDS, Scene};
pub(crate) use random::Random;
pub(crate) use screen::Shown;
pub(crate) use token::Kept;
pub(crate) use user::User;
pub(crate) use values::check as check_values;

use crate::faults::Faults;
use std::collections::HashMap;

/// Everything the platform knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Unix milliseconds, the moved clock included.
    pub(crate) now: i64,
    /// What `POST /sandbox/clock` added.
    pub(crate) offset: i64,
    pub(crate) apps: HashMap<String, App>,
    /// AppIDs in the order they were added.
    pub(crate) order: Vec<String>,
    pub(crate) users: user::Users,
    pub(crate) tokens: token::Tokens,
    pub(crate) tickets: HashMap<(String, String), token::Ticket>,
    pub(crate) quotas: quota::Quotas,
    pub(crate) codes: code::Codes,
    pub(crate) grants: grant::Grants,
    pub(crate) qr: qr::QrCodes,
    pub(crate) messages: message::Messages,
    pub(crate) chats: chats::Chats,
    pub(crate) screen: screen::Screen,
    pub(crate) media: media::Store,
    pub(crate) faults: Faults,
    pub(crate) quirks: quirks::Quirks,
    pub(crate) calls: log::Calls,
    pub(crate) pushes: log::Pushes,
    pub(crate) feed: feed::Feed,
    /// Whatever is made up comes from here, so that a seed makes it again.
    pub(crate) random: Random,
}

impl World {
    /// Three accounts and one user.
    pub(crate) fn new() -> Self {
        let mut world = Self::default();
        for app in app::standing() {
            world.put_app(app);
        }
        world.add_user("Hui🐠".to_owned());
        let first = &mut world.users.all[0];
        for app in world.apps.values().filter(|app| app.kind == Kind::Official) {
            first.follow(&app.appid, 0, &None);
        }
        world
    }

    pub(crate) fn now_seconds(&self) -> i64 {
        self.now.div_euclid(1000)
    }

    /// Adds an account, or gives one other settings; its tokens and callback stay.
    pub(crate) fn put_app(&mut self, mut app: App) {
        if let Some(old) = self.apps.get_mut(&app.appid) {
            app.callback = old.callback.take();
        } else {
            self.order.push(app.appid.clone());
            self.users.join(&app.appid);
        }
        self.apps.insert(app.appid.clone(), app);
    }

    /// A new WeChat user, who has an openid for every account and follows none.
    pub(crate) fn add_user(&mut self, nickname: String) -> &User {
        self.users.add(nickname, &self.order)
    }

    /// The account of an AppID, or what is wrong, for the control calls.
    pub(crate) fn app(&self, appid: &str) -> Result<&App, String> {
        self.apps.get(appid).ok_or_else(|| format!("appid: there is no account {appid:?}"))
    }

    /// Likewise an openid of that account.
    pub(crate) fn user_of(&self, appid: &str, openid: &str) -> Result<&User, String> {
        self.app(appid)?;
        self.users.of(appid, openid).ok_or_else(|| format!("openid: no user has {openid:?} in {appid}"))
    }

    /// What an account learns of who a user is elsewhere: only if it is bound to an open platform.
    pub(crate) fn unionid<'a>(&self, appid: &str, user: &'a User) -> Option<&'a str> {
        self.apps.get(appid).is_some_and(|app| app.bound).then_some(user.unionid.as_str())
    }
}
