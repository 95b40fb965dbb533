//! Whom a menu or a mass message is for: the one place where they ask about followers and their tags.

use super::World;
use crate::refusal::{Refusal, refuse};

impl World {
    /// The tag that a follower got last, by which menus choose if there are several.
    pub(super) fn last_tag(&self, appid: &str, openid: &str) -> Option<u32> {
        self.tags_of(appid, openid).last().copied()
    }

    /// The openids of those who have a tag; 40152 if there is no such tag.
    pub(crate) fn tagged(&self, appid: &str, tag: u32) -> Result<Vec<String>, Refusal> {
        self.tag_members(appid, tag).map_err(|_| refuse(40152))
    }

    /// The openids of all followers.
    pub(crate) fn followers(&self, appid: &str) -> Vec<String> {
        let followers = self.users.all.iter().filter(|user| user.follows(appid));
        followers.map(|user| user.openid(appid).to_owned()).collect()
    }

    /// Whether a mass message of the account reaches a user: a follower who isn't on its blacklist.
    pub(crate) fn takes_mass(&self, appid: &str, openid: &str) -> bool {
        self.users.of(appid, openid).is_some_and(|user| user.follows(appid))
            && !self.is_blocked(appid, openid)
    }
}
