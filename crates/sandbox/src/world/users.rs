//! WeChat users and what accounts may know of them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::{Outcome, World};

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) nickname: String,
    pub(crate) unionid: String,
    /// By appid.
    pub(crate) openids: BTreeMap<String, String>,
    /// Appids of the official accounts followed, in no order.
    pub(crate) follows: BTreeSet<String>,
    pub(crate) phone: String,
}

impl User {
    pub(super) fn describe(&self) -> Value {
        json!({
            "user": self.id, "nickname": self.nickname, "unionid": self.unionid,
            "openids": self.openids, "follows": self.follows,
        })
    }
}

/// `o` and 27 characters, the same at every start.
fn open_id(user: &str, scope: &str) -> String {
    let digest = Sha1::digest(format!("{scope}/{user}"));
    format!("o{}", BASE64_URL_SAFE_NO_PAD.encode(&digest[..20]))
}

impl World {
    pub(crate) fn add_user(&mut self, nickname: Option<&str>) -> &User {
        let number = self.users.len() + 1;
        let id = format!("u{number}");
        let user = User {
            nickname: nickname.map_or_else(|| format!("用户{number}"), str::to_owned),
            unionid: open_id(&id, "unionid"),
            openids: self.accounts.keys().map(|appid| (appid.clone(), open_id(&id, appid))).collect(),
            follows: BTreeSet::new(),
            phone: format!("1350000{number:04}"),
            id,
        };
        self.users.push(user);
        &self.users[number - 1]
    }

    /// A new account knows every user.
    pub(crate) fn give_openids(&mut self, appid: &str) {
        for user in &mut self.users {
            let openid = open_id(&user.id, appid);
            user.openids.insert(appid.to_owned(), openid);
        }
    }

    pub(crate) fn user(&self, appid: &str, openid: &str) -> Option<&User> {
        self.users.iter().find(|user| user.openids.get(appid).is_some_and(|one| one == openid))
    }

    pub(crate) fn user_mut(&mut self, appid: &str, openid: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.openids.get(appid).is_some_and(|one| one == openid))
    }

    /// `GET /cgi-bin/user/info`
    pub(crate) fn follower_info(&self, appid: &str, openid: &str) -> Outcome<Value> {
        let user = self.user(appid, openid).ok_or(40003)?;
        if !user.follows.contains(appid) {
            return Ok(json!({"subscribe": 0, "openid": openid, "unionid": user.unionid}));
        }
        Ok(json!({
            "subscribe": 1, "openid": openid, "nickname": "", "sex": 0, "language": "zh_CN", "city": "",
            "province": "", "country": "", "headimgurl": "", "subscribe_time": self.now_secs(),
            "unionid": user.unionid, "remark": "", "groupid": 0, "tagid_list": [],
            "subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 0, "qr_scene_str": "",
        }))
    }
}
