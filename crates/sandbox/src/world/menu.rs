//! The menus of official accounts: one for everybody, and others for some of the followers.

use super::World;
use super::buttons::host;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One menu.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Menu {
    menuid: u64,
    /// As `menu/get` shows them.
    button: Vec<Value>,
    rule: Rule,
}

/// Whom a menu is for; nothing is asked of everybody.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rule {
    tag_id: Option<u32>,
    /// 1 iOS, 2 Android, 3 others.
    client_platform_type: Option<u32>,
}

/// The menus of one account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Own {
    default: Option<Menu>,
    /// The oldest first.
    conditional: Vec<Menu>,
}

/// The menus of all accounts, by AppID.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Menus {
    own: BTreeMap<String, Own>,
    count: u64,
    /// By the person's id: whose phone is none of `IOS`.
    platforms: BTreeMap<String, u32>,
}

/// The phone that people have, unless it was changed.
const IOS: u32 = 1;

/// Menus for some of the followers that an account may have; WeChat names no number.
const MAX_CONDITIONAL: usize = 100;
/// Hosts that all of these together may lead to.
const MAX_HOSTS: usize = 3;
/// What a rule could ask once, and mayn't any more.
const PRIVATE: [&str; 5] = ["sex", "country", "province", "city", "language"];

impl Menu {
    /// As `menu/get` shows it.
    pub(crate) fn view(&self) -> Value {
        json!({"button": self.button, "menuid": self.menuid})
    }

    pub(crate) fn buttons(&self) -> &[Value] {
        &self.button
    }

    fn conditional_view(&self) -> Value {
        let mut rule = Map::new();
        // A tag was a group once, and the page still shows it as one.
        for (name, value) in
            [("group_id", self.rule.tag_id), ("client_platform_type", self.rule.client_platform_type)]
        {
            rule.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        json!({"button": self.button, "matchrule": rule, "menuid": self.menuid})
    }

    /// Where its buttons lead.
    fn hosts(&self) -> impl Iterator<Item = String> {
        let below = self.button.iter().filter_map(|button| button["sub_button"].as_array()).flatten();
        self.button.iter().chain(below).filter_map(|button| host(button["url"].as_str()?))
    }

    fn uses(&self, media_id: &str) -> bool {
        let below = self.button.iter().filter_map(|button| button["sub_button"].as_array()).flatten();
        self.button.iter().chain(below).any(|button| button["media_id"] == media_id)
    }
}

impl Rule {
    /// `matchrule` of `menu/addconditional`: at least one thing is asked, and nothing private (65320).
    pub(crate) fn read(rule: Option<&Value>) -> Result<Self, Refusal> {
        let rule = rule.and_then(Value::as_object).ok_or(refuse(65304))?;
        let is_given = |value: &Value| !value.is_null() && value.as_str() != Some("");
        if PRIVATE.iter().any(|name| rule.get(*name).is_some_and(is_given)) {
            return Err(refuse(65320));
        }
        let number = |name: &str| match rule.get(name).filter(|value| is_given(value)) {
            None => Ok(None),
            Some(Value::String(digits)) => digits.parse().map(Some).map_err(|_| refuse(47001)),
            Some(number) => {
                number.as_u64().and_then(|number| u32::try_from(number).ok()).map(Some).ok_or(refuse(47001))
            }
        };
        let read = Self {
            tag_id: number("tag_id")?.or(number("group_id")?),
            client_platform_type: number("client_platform_type")?,
        };
        if read.client_platform_type.is_some_and(|platform| !(1..=3).contains(&platform)) {
            return Err(refuse(47001));
        }
        if read.tag_id.is_none() && read.client_platform_type.is_none() {
            return Err(refuse(65304));
        }
        Ok(read)
    }

    /// Whether it is for a follower who got this tag last, and has such a phone.
    fn fits(&self, last_tag: Option<u32>, platform: u32) -> bool {
        self.tag_id.is_none_or(|tag| last_tag == Some(tag))
            && self.client_platform_type.is_none_or(|wanted| wanted == platform)
    }
}

impl World {
    fn next_menuid(&mut self) -> u64 {
        self.menus.count += 1;
        208_379_532 + self.menus.count
    }

    /// Sets the menu for everybody.
    pub(crate) fn set_menu(&mut self, appid: &str, button: Vec<Value>) {
        let menu = Menu { menuid: self.next_menuid(), button, rule: Rule::default() };
        self.menus.own.entry(appid.to_owned()).or_default().default = Some(menu);
    }

    /// Adds a menu for some of the followers: its id.
    pub(crate) fn add_menu(&mut self, appid: &str, button: Vec<Value>, rule: Rule) -> Result<u64, Refusal> {
        let own = self.menus.own.get(appid).filter(|own| own.default.is_some()).ok_or(refuse(65303))?;
        if own.conditional.len() == MAX_CONDITIONAL {
            return Err(refuse(65305));
        }
        let mut menu = Menu { menuid: 0, button, rule };
        let hosts: BTreeSet<String> =
            own.conditional.iter().flat_map(Menu::hosts).chain(menu.hosts()).collect();
        if hosts.len() > MAX_HOSTS {
            return Err(refuse(65316));
        }
        menu.menuid = self.next_menuid();
        let menuid = menu.menuid;
        self.menus.own.entry(appid.to_owned()).or_default().conditional.push(menu);
        Ok(menuid)
    }

    pub(crate) fn remove_menu(&mut self, appid: &str, menuid: u64) -> Result<(), Refusal> {
        let own = self.menus.own.get_mut(appid).ok_or(refuse(65301))?;
        let at = own.conditional.iter().position(|menu| menu.menuid == menuid).ok_or(refuse(65301))?;
        own.conditional.remove(at);
        Ok(())
    }

    /// Takes all menus away.
    pub(crate) fn remove_menus(&mut self, appid: &str) {
        self.menus.own.remove(appid);
    }

    /// What `menu/get` answers; `None` if there is no menu.
    pub(crate) fn menus(&self, appid: &str) -> Option<Value> {
        let own = self.menus.own.get(appid)?;
        let mut shown = json!({"menu": own.default.as_ref()?.view()});
        if !own.conditional.is_empty() {
            shown["conditionalmenu"] = own.conditional.iter().map(Menu::conditional_view).collect();
        } else if self.quirks.is("menuid", "conditional") {
            shown["menu"] = json!({"button": own.default.as_ref()?.button});
        }
        Some(shown)
    }

    /// The menu for everybody.
    pub(crate) fn default_menu(&self, appid: &str) -> Option<&Menu> {
        self.menus.own.get(appid)?.default.as_ref()
    }

    /// The menu that a user sees: the newest of those that are for some and fit, else the one for everybody.
    pub(crate) fn menu_for(&self, appid: &str, openid: &str) -> Option<&Menu> {
        let own = self.menus.own.get(appid)?;
        let user = self.users.of(appid, openid);
        let platform = user.and_then(|user| self.menus.platforms.get(&user.id)).copied().unwrap_or(IOS);
        let tag = self.last_tag(appid, openid);
        let fitting = own.conditional.iter().rev().find(|menu| menu.rule.fits(tag, platform));
        fitting.or(own.default.as_ref())
    }

    /// Gives a user another phone: 1 iOS, 2 Android, 3 others.
    pub(crate) fn set_platform(&mut self, user: String, platform: u32) {
        self.menus.platforms.insert(user, platform);
    }

    /// Whether a button of the account gives out a permanent medium.
    pub(super) fn menu_uses(&self, appid: &str, media_id: &str) -> bool {
        self.menus
            .own
            .get(appid)
            .is_some_and(|own| own.default.iter().chain(&own.conditional).any(|menu| menu.uses(media_id)))
    }
}
