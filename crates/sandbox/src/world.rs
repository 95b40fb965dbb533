//! The fake platform as plain state and rules: no IO, no clock of its own, no tasks.
//!
//! Whoever locks it sets [`World::now`] first, so a rule reads one time from beginning to end.

mod app;
mod article;
mod audience;
mod buttons;
mod chats;
mod code;
mod comment;
mod content;
mod cube;
pub(crate) mod date;
mod desk;
mod draft;
mod feed;
mod gallery;
mod grant;
mod industry;
mod journal;
mod kept;
mod lately;
pub(crate) mod library;
mod link;
mod log;
mod mass;
mod material;
mod media;
mod menu;
mod message;
mod mini;
mod newest;
mod once;
mod publication;
mod qr;
mod quirks;
pub(crate) mod quota;
mod random;
mod reach;
mod reader;
mod rid;
mod screen;
mod session;
mod short;
mod snapshot;
mod sound;
mod state;
mod template;
mod token;
mod user;
mod values;

pub(crate) use app::{App, AppSettings, Callback, Format, Kind, Mode};
pub(crate) use chats::By;
pub(crate) use code::{CodeKind, DEMO_CODES};
pub(crate) use comment::{Comments, MAX_CONTENT as MAX_COMMENT};
pub(crate) use content::{DOCUMENTS, LABELS, Picture, Suggest, Verdict, Word, check_shows};
pub(crate) use cube::{Callbacks, Day};
pub(crate) use desk::{Record, Told, Worker};
pub(crate) use journal::{Entry, Filter};
pub(crate) use lately::{OVERHEAD, Weighs, cut};
pub(crate) use link::{Link, LinkKind, Target, without_query};
pub(crate) use log::{Attempt, MAX_PATH, PushRecord};
pub(crate) use mass::{Job, SUCCESS as MASS_SUCCESS};
pub(crate) use material::{Kind as MaterialKind, Material};
pub(crate) use media::File;
pub(crate) use menu::{Menu, Rule};
pub(crate) use message::Message;
pub(crate) use once::MAX_SCENE;
pub(crate) use publication::{Failure, Publication};
pub(crate) use qr::{MAX_SECONDS, Scene};
pub(crate) use random::Random;
pub(crate) use reader::Read;
pub(crate) use rid::Refused;
pub(crate) use screen::Shown;
pub(crate) use template::{Purpose, TEMPLATE, Template};
pub(crate) use token::Kept;
pub(crate) use user::User;

use crate::faults::Faults;
use kept::pairs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// Furthest a clock may be moved from the machine's: a century. What is further away overflows somewhere.
pub(crate) const MAX_OFFSET: i64 = 100 * 366 * 86_400_000;

/// Accounts, and bytes of their settings.
const MAX_APPS: usize = 10_000;
const MAX_APP_BYTES: usize = 32 << 20;

/// Everything the platform knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    /// Unix milliseconds, the moved clock included.
    pub(crate) now: i64,
    /// What `POST /sandbox/clock` added.
    pub(crate) offset: i64,
    pub(crate) apps: BTreeMap<String, App>,
    /// AppIDs in the order they were added.
    pub(crate) order: Vec<String>,
    pub(crate) users: user::Users,
    pub(crate) audiences: audience::Audiences,
    pub(crate) tokens: token::Tokens,
    #[serde(with = "pairs")]
    pub(crate) tickets: BTreeMap<(String, String), token::Ticket>,
    pub(crate) quotas: quota::Quotas,
    pub(crate) codes: code::Codes,
    pub(crate) content: content::Content,
    pub(crate) cube: cube::Cube,
    pub(crate) desks: desk::Desks,
    #[serde(default)]
    pub(crate) gallery: gallery::Gallery,
    pub(crate) grants: grant::Grants,
    pub(crate) qr: qr::QrCodes,
    pub(crate) links: link::Links,
    pub(crate) messages: message::Messages,
    pub(crate) templates: template::Templates,
    pub(crate) once: once::Once,
    pub(crate) rids: rid::Rids,
    pub(crate) industries: industry::Industries,
    pub(crate) shorts: short::Shorts,
    pub(crate) chats: chats::Chats,
    pub(crate) screen: screen::Screen,
    pub(crate) media: media::Store,
    pub(crate) minis: mini::Minis,
    pub(crate) menus: menu::Menus,
    pub(crate) materials: material::Materials,
    pub(crate) drafts: draft::Drafts,
    pub(crate) publications: publication::Publications,
    pub(crate) mass: mass::Mass,
    pub(crate) faults: Faults,
    pub(crate) quirks: quirks::Quirks,
    pub(crate) calls: log::Calls,
    pub(crate) pushes: log::Pushes,
    pub(crate) sessions: session::Sessions,
    /// For whoever watches: no part of the state.
    #[serde(skip)]
    pub(crate) feed: feed::Feed,
    /// Whatever is made up comes from here, so that a seed makes it again.
    pub(crate) random: Random,
    /// Ends when the world does: callbacks under way are given up.
    #[serde(skip)]
    pub(crate) life: CancellationToken,
}

impl World {
    #[cfg(test)]
    pub(crate) fn new(random: Random) -> Self {
        Self::begin(random, 0)
    }

    /// Three accounts and one user, who follows the official ones since the world began.
    pub(crate) fn begin(random: Random, now: i64) -> Self {
        let mut world = Self { random, now, ..Self::default() };
        for app in app::standing() {
            world.put_app(app);
        }
        world.add_user("Hui🐠".to_owned(), false);
        let since = world.now_seconds();
        let first = &mut world.users.all[0];
        for app in world.apps.values().filter(|app| app.kind == Kind::Official) {
            first.follow(&app.appid, since, &None);
        }
        world
    }

    /// About how much memory it takes. What isn't among these is a few hundred bytes a user or an account.
    pub(crate) fn bytes(&self) -> usize {
        let happened = self.calls.bytes() + self.pushes.bytes() + self.chats.bytes() + self.messages.bytes();
        let files = self.media.bytes() + self.materials.bytes() + self.gallery.bytes();
        let articles = self.drafts.bytes() + self.publications.size() + self.publications.comments();
        let names = self.tokens.bytes()
            + self.codes.bytes()
            + self.links.bytes()
            + self.shorts.bytes()
            + self.rids.bytes()
            + self.sessions.bytes()
            + self.grants.bytes()
            + 8 * OVERHEAD * self.qr.by_ticket.len();
        let told = self.content.bytes() + self.faults.bytes() + self.desks.bytes() + self.minis.bytes();
        let accounts = self.apps.values().map(Weighs::weight).sum::<usize>() + self.users.bytes();
        happened + self.feed.bytes() + files + articles + names + told + accounts + self.cube.bytes()
    }

    /// Whether there is room for an account; what is wrong, for the control call.
    pub(crate) fn check_room_for(&self, app: &App) -> Result<(), String> {
        let is_new = !self.apps.contains_key(&app.appid);
        let bytes: usize = self.apps.values().map(Weighs::weight).sum();
        if is_new && (self.apps.len() >= MAX_APPS || !self.users.has_room(0, self.apps.len() + 1)) {
            return Err(format!(
                "there are {} accounts with {} users already",
                self.apps.len(),
                self.users.all.len()
            ));
        }
        if bytes + app.weight() > MAX_APP_BYTES {
            return Err(format!("the accounts' settings take {} MiB at most", MAX_APP_BYTES >> 20));
        }
        Ok(())
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
            self.templates.welcome(&app);
        }
        self.apps.insert(app.appid.clone(), app);
    }

    /// A new WeChat user, who has an openid for every account and follows none; or a virtual account, which a page
    /// that is shown as a snapshot takes for one.
    pub(crate) fn add_user(&mut self, nickname: String, snapshot: bool) -> &User {
        self.users.add(nickname, snapshot, &self.order)
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
