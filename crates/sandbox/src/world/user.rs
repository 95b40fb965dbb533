//! WeChat users: one person, another openid for every account.

use crate::sign::sha1_hex;
use base64::Engine;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;

use super::lately::OVERHEAD;
use super::qr::Scene;

/// One person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    #[serde(rename = "user")]
    pub(crate) id: String,
    pub(crate) nickname: String,
    pub(crate) unionid: String,
    /// By AppID.
    pub(crate) openids: BTreeMap<String, String>,
    /// Official accounts this person follows, by AppID.
    pub(crate) following: BTreeMap<String, Following>,
    pub(crate) phone: String,
    /// A virtual account: what a page learns of whoever sees it as a snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) snapshot: bool,
}

/// Since when and how a person follows an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Following {
    pub(crate) since: i64,
    pub(crate) scene: Option<Scene>,
}

impl User {
    fn new(number: usize, nickname: String, snapshot: bool) -> Self {
        let id = format!("u{number}");
        let digits = sha1_hex(id.as_bytes());
        let digits = i64::from_str_radix(&digits[..12], 16).unwrap_or_default() % 100_000_000;
        Self {
            unionid: identity("unionid", &id),
            openids: BTreeMap::new(),
            following: BTreeMap::new(),
            phone: format!("138{digits:08}"),
            snapshot,
            id,
            nickname,
        }
    }

    pub(crate) fn openid(&self, appid: &str) -> &str {
        self.openids.get(appid).map_or("", String::as_str)
    }

    pub(crate) fn follows(&self, appid: &str) -> bool {
        self.following.contains_key(appid)
    }

    /// True if it is news.
    pub(crate) fn follow(&mut self, appid: &str, since: i64, scene: &Option<Scene>) -> bool {
        if self.follows(appid) {
            return false;
        }
        let scene = scene.clone();
        self.following.insert(appid.to_owned(), Following { since, scene });
        true
    }
}

/// 28 characters that begin with `o`, the same at every start.
pub(super) fn identity(scope: &str, id: &str) -> String {
    let hash = Sha1::digest(format!("{scope}/{id}"));
    format!("o{}", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(hash))
}

/// Most users kept.
const MAX_USERS: usize = 200_000;
/// Most openids: one a user and account.
const MAX_OPENIDS: usize = 2_000_000;
/// Longest nickname that is kept, in bytes.
const MAX_NICKNAME: usize = 512;

/// Everybody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<User>", into = "Vec<User>")]
pub(crate) struct Users {
    pub(crate) all: Vec<User>,
    /// Place in `all`, by AppID and openid.
    by_openid: BTreeMap<(String, String), usize>,
}

impl From<Vec<User>> for Users {
    fn from(all: Vec<User>) -> Self {
        let openids = |(at, user): (usize, &User)| {
            let key = |(appid, openid): (&String, &String)| ((appid.clone(), openid.clone()), at);
            user.openids.iter().map(key).collect::<Vec<_>>()
        };
        Self { by_openid: all.iter().enumerate().flat_map(openids).collect(), all }
    }
}

impl From<Users> for Vec<User> {
    fn from(users: Users) -> Self {
        users.all
    }
}

impl Users {
    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        // An openid stands twice, each time with its AppID.
        8 * OVERHEAD * self.all.len() + 4 * OVERHEAD * self.by_openid.len()
    }

    /// Whether so many more users may have so many openids each.
    pub(super) fn has_room(&self, users: usize, accounts: usize) -> bool {
        (self.all.len() + users).saturating_mul(accounts) <= MAX_OPENIDS
    }

    pub(super) fn add(&mut self, mut nickname: String, snapshot: bool, appids: &[String]) -> &User {
        // Beyond what anybody simulates the last one is returned again.
        if self.all.len() < MAX_USERS && self.has_room(1, appids.len()) {
            nickname.truncate(nickname.floor_char_boundary(MAX_NICKNAME));
            self.all.push(User::new(self.all.len() + 1, nickname, snapshot));
            let at = self.all.len() - 1;
            for appid in appids {
                self.identify(at, appid);
            }
        }
        &self.all[self.all.len() - 1]
    }

    /// Gives everybody an openid for a new account.
    pub(super) fn join(&mut self, appid: &str) {
        for at in 0..self.all.len() {
            self.identify(at, appid);
        }
    }

    fn identify(&mut self, at: usize, appid: &str) {
        let user = &mut self.all[at];
        let openid = identity(appid, &user.id);
        user.openids.insert(appid.to_owned(), openid.clone());
        self.by_openid.insert((appid.to_owned(), openid), at);
    }

    pub(crate) fn of(&self, appid: &str, openid: &str) -> Option<&User> {
        let key = (appid.to_owned(), openid.to_owned());
        self.by_openid.get(&key).map(|at| &self.all[*at])
    }

    pub(crate) fn of_mut(&mut self, appid: &str, openid: &str) -> Option<&mut User> {
        let key = (appid.to_owned(), openid.to_owned());
        self.by_openid.get(&key).map(|at| &mut self.all[*at])
    }

    /// Whether somebody has this openid, for whichever account.
    pub(crate) fn is_anywhere(&self, openid: &str) -> bool {
        self.all.iter().any(|user| user.openids.values().any(|known| known == openid))
    }

    /// By id, openid or nickname.
    pub(crate) fn find(&self, name: &str) -> Option<&User> {
        let named = |user: &&User| {
            user.id == name || user.nickname == name || user.openids.values().any(|openid| openid == name)
        };
        self.all.iter().find(named)
    }

    /// The one who is there from the start.
    pub(crate) fn first(&self) -> Option<&User> {
        self.all.first()
    }
}
