//! Whom a menu or a mass message is for: the one place where they ask about followers and their tags.

use super::World;
use crate::refusal::{Refusal, refuse};

/// The system's tag of starred users, which every account has.
const STARRED: u32 = 2;

impl World {
    /// The tag that a follower got last, by which menus choose if there are several.
    pub(super) fn last_tag(&self, appid: &str, openid: &str) -> Option<u32> {
        self.tagged(appid, STARRED).ok()?.iter().any(|tagged| tagged == openid).then_some(STARRED)
    }

    /// The openids of those who have a tag; 40152 if there is no such tag. Nobody is starred, and no other tags are
    /// simulated yet.
    pub(crate) fn tagged(&self, _appid: &str, tag: u32) -> Result<Vec<String>, Refusal> {
        if tag == STARRED { Ok(Vec::new()) } else { Err(refuse(40152)) }
    }

    /// The openids of all followers.
    pub(crate) fn followers(&self, appid: &str) -> Vec<String> {
        let followers = self.users.all.iter().filter(|user| user.follows(appid));
        followers.map(|user| user.openid(appid).to_owned()).collect()
    }

    /// Whether an account may write to a user whom it names in a mass message.
    pub(crate) fn takes_mass(&self, appid: &str, openid: &str) -> bool {
        self.users.of(appid, openid).is_some_and(|user| user.follows(appid))
    }
}
