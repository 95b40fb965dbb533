//! What an official account keeps of its users: tags, remarks, the blacklist.

use super::{Scene, World};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags an account has at most, besides the system's.
const MAX_TAGS: usize = 100;
/// Tags a user has at most.
const MAX_TAGS_OF_ONE: usize = 20;
/// A tag that more users carry can't be deleted.
const MAX_DELETED: usize = 100_000;
/// Longest name of a tag: bytes or characters, as the quirk `tag_name` says.
const MAX_NAME: usize = 30;
/// A remark is shorter, in bytes.
const MAX_REMARK: usize = 30;
/// The system's tag of starred users; 0 and 1, no group and the blacklist, are no tags that anybody gives.
const STARRED: u32 = 2;
/// What the first tag of an account's own is numbered.
const FIRST: u32 = 100;

/// One tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) id: u32,
    pub(crate) name: String,
}

/// By AppID.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Audiences(BTreeMap<String, Audience>);

#[derive(Default, Debug, Clone, Serialize, Deserialize)]
struct Audience {
    tags: Vec<Tag>,
    /// Tags made so far: numbers aren't given twice.
    made: u32,
    /// By openid: whoever has a tag, a remark or a place on the blacklist.
    members: BTreeMap<String, Member>,
}

#[derive(Default, Debug, Clone, Serialize, Deserialize)]
struct Member {
    tags: Vec<u32>,
    remark: String,
    is_blocked: bool,
}

impl Audiences {
    fn member(&self, appid: &str, openid: &str) -> Option<&Member> {
        self.0.get(appid)?.members.get(openid)
    }

    fn member_mut(&mut self, appid: &str, openid: &str) -> &mut Member {
        let audience = self.0.entry(appid.to_owned()).or_default();
        audience.members.entry(openid.to_owned()).or_default()
    }
}

impl Audience {
    /// Users who carry a tag.
    fn carriers(&self, id: u32) -> impl Iterator<Item = &String> {
        self.members.iter().filter(move |(_, member)| member.tags.contains(&id)).map(|(openid, _)| openid)
    }
}

impl World {
    /// A follower of the account; else 40003, or 49003 if it is another account's user.
    pub(crate) fn check_follower(&self, appid: &str, openid: &str) -> Result<(), Refusal> {
        match self.users.of(appid, openid) {
            Some(user) if user.follows(appid) => Ok(()),
            Some(_) => Err(refuse(40003)),
            None => Err(refuse(if self.users.is_anywhere(openid) { 49003 } else { 40003 })),
        }
    }

    /// A person begins to follow an account; true if that is news.
    pub(crate) fn follow(&mut self, appid: &str, openid: &str, scene: &Option<Scene>) -> bool {
        let since = self.now_seconds();
        let user = self.users.of_mut(appid, openid);
        let is_news = user.is_some_and(|user| user.follow(appid, since, scene));
        if is_news {
            self.count_follower(appid, scene.is_some(), true);
        }
        is_news
    }

    /// A person follows an account no more: tags and remark are gone, the blacklist isn't.
    pub(crate) fn unfollow(&mut self, appid: &str, openid: &str) {
        let user = self.users.of_mut(appid, openid);
        let Some(following) = user.and_then(|user| user.following.remove(appid)) else { return };
        self.count_follower(appid, following.scene.is_some(), false);
        if let Some(audience) = self.audiences.0.get_mut(appid) {
            audience.members.retain(|of, member| of != openid || member.is_blocked);
            if let Some(member) = audience.members.get_mut(openid) {
                member.tags.clear();
                member.remark.clear();
            }
        }
    }

    fn check_tag_name(&self, appid: &str, name: &str, besides: Option<u32>) -> Result<(), Refusal> {
        let is_taken = |tag: &&Tag| tag.name == name && Some(tag.id) != besides;
        let tags = self.audiences.0.get(appid).map_or(&[][..], |audience| &audience.tags);
        let length = match self.quirks.is("tag_name", "bytes") {
            true => name.len(),
            false => name.chars().count(),
        };
        if length > MAX_NAME {
            return Err(refuse(45158));
        }
        if name.trim().is_empty() || name == STARRED_NAME || tags.iter().any(|tag| is_taken(&tag)) {
            return Err(refuse(45157));
        }
        Ok(())
    }

    pub(crate) fn create_tag(&mut self, appid: &str, name: &str) -> Result<Tag, Refusal> {
        self.check_tag_name(appid, name, None)?;
        let audience = self.audiences.0.entry(appid.to_owned()).or_default();
        if audience.tags.len() >= MAX_TAGS {
            return Err(refuse(45056));
        }
        let tag = Tag { id: FIRST.saturating_add(audience.made), name: name.to_owned() };
        audience.made = audience.made.saturating_add(1);
        audience.tags.push(tag.clone());
        Ok(tag)
    }

    /// The tags and how many followers carry each, the system's first.
    pub(crate) fn tags(&self, appid: &str) -> Vec<(Tag, usize)> {
        let none = Audience::default();
        let audience = self.audiences.0.get(appid).unwrap_or(&none);
        let starred = Tag { id: STARRED, name: STARRED_NAME.to_owned() };
        let all = std::iter::once(starred).chain(audience.tags.iter().cloned());
        all.map(|tag| (tag.clone(), audience.carriers(tag.id).count())).collect()
    }

    /// A tag of the account's own: the system's can't be changed (45058).
    fn own_tag(&mut self, appid: &str, id: u32) -> Result<&mut Audience, Refusal> {
        if id <= STARRED {
            return Err(refuse(45058));
        }
        let audience = self.audiences.0.get_mut(appid);
        audience.filter(|audience| audience.tags.iter().any(|tag| tag.id == id)).ok_or(refuse(45159))
    }

    pub(crate) fn rename_tag(&mut self, appid: &str, id: u32, name: &str) -> Result<(), Refusal> {
        self.own_tag(appid, id)?;
        self.check_tag_name(appid, name, Some(id))?;
        let audience = self.own_tag(appid, id)?;
        if let Some(tag) = audience.tags.iter_mut().find(|tag| tag.id == id) {
            name.clone_into(&mut tag.name);
        }
        Ok(())
    }

    pub(crate) fn delete_tag(&mut self, appid: &str, id: u32) -> Result<(), Refusal> {
        let audience = self.own_tag(appid, id)?;
        if audience.carriers(id).count() > MAX_DELETED {
            return Err(refuse(45057));
        }
        audience.tags.retain(|tag| tag.id != id);
        for member in audience.members.values_mut() {
            member.tags.retain(|of| *of != id);
        }
        Ok(())
    }

    fn check_tag(&self, appid: &str, id: u32) -> Result<(), Refusal> {
        let own = self.audiences.0.get(appid).map_or(&[][..], |audience| &audience.tags);
        if id == STARRED || own.iter().any(|tag| tag.id == id) { Ok(()) } else { Err(refuse(45159)) }
    }

    /// Openids of those who carry a tag.
    pub(crate) fn tag_members(&self, appid: &str, id: u32) -> Result<Vec<String>, Refusal> {
        self.check_tag(appid, id)?;
        let audience = self.audiences.0.get(appid);
        Ok(audience.map_or_else(Vec::new, |audience| audience.carriers(id).cloned().collect()))
    }

    /// Gives followers a tag, or takes it from them: all of them or nobody.
    pub(crate) fn tag(
        &mut self,
        appid: &str,
        openids: &[&str],
        id: u32,
        is_given: bool,
    ) -> Result<(), Refusal> {
        self.check_tag(appid, id)?;
        for openid in openids {
            self.check_follower(appid, openid)?;
            let tags = self.tags_of(appid, openid);
            if is_given && tags.len() >= MAX_TAGS_OF_ONE && !tags.contains(&id) {
                return Err(refuse(45059));
            }
        }
        for openid in openids {
            let tags = &mut self.audiences.member_mut(appid, openid).tags;
            tags.retain(|of| *of != id);
            if is_given {
                tags.push(id);
            }
        }
        Ok(())
    }

    pub(crate) fn tags_of(&self, appid: &str, openid: &str) -> &[u32] {
        self.audiences.member(appid, openid).map_or(&[], |member| &member.tags)
    }

    pub(crate) fn remark_of(&self, appid: &str, openid: &str) -> &str {
        self.audiences.member(appid, openid).map_or("", |member| &member.remark)
    }

    pub(crate) fn set_remark(&mut self, appid: &str, openid: &str, remark: &str) -> Result<(), Refusal> {
        let user = self.users.of(appid, openid).ok_or(refuse(40003))?;
        if !user.follows(appid) {
            return Err(refuse(43004));
        }
        if remark.len() >= MAX_REMARK {
            return Err(refuse(40092));
        }
        remark.clone_into(&mut self.audiences.member_mut(appid, openid).remark);
        Ok(())
    }

    /// Puts users on the blacklist, or takes them off: all of them or nobody.
    pub(crate) fn block(&mut self, appid: &str, openids: &[&str], is_blocked: bool) -> Result<(), Refusal> {
        for openid in openids {
            // Who has left may still be taken off.
            if is_blocked || !self.is_blocked(appid, openid) {
                self.check_follower(appid, openid)?;
            }
        }
        for openid in openids {
            self.audiences.member_mut(appid, openid).is_blocked = is_blocked;
        }
        Ok(())
    }

    pub(crate) fn is_blocked(&self, appid: &str, openid: &str) -> bool {
        self.audiences.member(appid, openid).is_some_and(|member| member.is_blocked)
    }

    /// Nothing is sent to who is on the blacklist.
    pub(crate) fn check_not_blocked(&self, appid: &str, openid: &str) -> Result<(), Refusal> {
        if self.is_blocked(appid, openid) { Err(refuse(43019)) } else { Ok(()) }
    }

    /// Openids on the blacklist.
    pub(crate) fn blacklist(&self, appid: &str) -> Vec<String> {
        let members = self.audiences.0.get(appid).into_iter().flat_map(|audience| &audience.members);
        members.filter(|(_, member)| member.is_blocked).map(|(openid, _)| openid.clone()).collect()
    }
}

const STARRED_NAME: &str = "星标组";
