//! Templates that an account has chosen from the library, and its industries.

use super::library::{self, Public};
use super::{TEMPLATE, World};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Templates of one sort that an account has at most.
const MAX_PRIVATE: usize = 25;
/// How long industries stay as they are: a month.
const MONTH: i64 = 30 * 86_400_000;

/// One chosen template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Private {
    /// 43 characters.
    pub(crate) id: String,
    pub(crate) tid: u32,
    pub(crate) title: String,
    /// 1: a template message; 2 and 3: a subscription, for one message a consent, or for many.
    pub(crate) kind: u8,
    /// Keys of `data` in order, such as `thing1`.
    pub(crate) keywords: Vec<String>,
    pub(crate) content: String,
    pub(crate) example: String,
}

/// By AppID.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shelves(BTreeMap<String, Shelf>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shelf {
    templates: Vec<Private>,
    /// Numbers of the industries.
    industries: (u32, u32),
    /// Unix milliseconds of their last change.
    changed: Option<i64>,
}

impl Default for Shelf {
    /// An account begins as what the standing template says of it.
    fn default() -> Self {
        Self { templates: Vec::new(), industries: (1, 2), changed: None }
    }
}

/// The code of a full shelf: both sorts say it in their own way.
const fn full(kind: u8) -> i64 {
    if kind == 1 { 45026 } else { 200_012 }
}

impl World {
    fn shelf_mut(&mut self, appid: &str) -> &mut Shelf {
        self.shelves.0.entry(appid.to_owned()).or_default()
    }

    /// Chooses a template with keywords by their `kid`; its id of 43 characters.
    pub(crate) fn add_private(
        &mut self,
        appid: &str,
        public: &Public,
        kind: u8,
        kids: &[usize],
    ) -> Result<String, Refusal> {
        let word = |kid: usize| Some((kid, public.keywords.get(kid.checked_sub(1)?)?));
        let chosen: Vec<_> = kids.iter().copied().filter_map(word).collect();
        let keys: Vec<String> = chosen.iter().map(|(kid, word)| format!("{}{kid}", word.rule)).collect();
        let id = self.random.text::<32>();
        let lines = |text: fn(&library::Keyword, &str) -> String| -> String {
            chosen.iter().zip(&keys).map(|((_, word), key)| text(word, key)).collect()
        };
        let private = Private {
            id: id.clone(),
            tid: public.tid,
            title: public.title.to_owned(),
            kind,
            content: lines(|word, key| format!("{}:{{{{{key}.DATA}}}}\n", word.name)),
            example: lines(|word, _| format!("{}:{}\n", word.name, word.example)),
            keywords: keys,
        };
        let templates = &mut self.shelf_mut(appid).templates;
        let same_sort = |known: &&Private| (known.kind == 1) == (kind == 1);
        if templates.iter().filter(same_sort).count() >= MAX_PRIVATE {
            return Err(refuse(full(kind)));
        }
        let is_same = |known: &Private| known.tid == private.tid && known.keywords == private.keywords;
        if kind != 1 && templates.iter().filter(same_sort).any(is_same) {
            return Err(refuse(200_022));
        }
        templates.push(private);
        Ok(id)
    }

    /// Removes a chosen template: a message's, or a subscription's.
    pub(crate) fn remove_private(
        &mut self,
        appid: &str,
        id: &str,
        is_subscription: bool,
    ) -> Result<(), Refusal> {
        let templates = &mut self.shelf_mut(appid).templates;
        let found = templates.iter().position(|known| known.id == id && (known.kind != 1) == is_subscription);
        // The page of subscriptions has a code of its own for wrong parameters.
        templates.remove(found.ok_or(refuse(if is_subscription { 20002 } else { 40037 }))?);
        Ok(())
    }

    /// The keywords that a template of this sort declares; the standing one takes any. 40037 if the account has none.
    pub(crate) fn declared(
        &self,
        appid: &str,
        id: &str,
        is_subscription: bool,
    ) -> Result<Vec<String>, Refusal> {
        if id == TEMPLATE {
            return Ok(Vec::new());
        }
        let mut chosen = self.private_templates(appid).iter();
        let found = chosen.find(|known| known.id == id && (known.kind != 1) == is_subscription);
        found.map(|known| known.keywords.clone()).ok_or(refuse(40037))
    }

    /// What an account has chosen, the oldest first.
    pub(crate) fn private_templates(&self, appid: &str) -> &[Private] {
        self.shelves.0.get(appid).map_or(&[], |shelf| &shelf.templates)
    }

    /// Numbers of an account's industries.
    pub(crate) fn industries(&self, appid: &str) -> (u32, u32) {
        self.shelves.0.get(appid).map_or(Shelf::default().industries, |shelf| shelf.industries)
    }

    /// Changes them, once a month.
    pub(crate) fn set_industries(&mut self, appid: &str, first: u32, second: u32) -> Result<(), Refusal> {
        if first == second || [first, second].iter().any(|number| library::industry(*number).is_none()) {
            return Err(refuse(40102));
        }
        let now = self.now;
        let shelf = self.shelf_mut(appid);
        if shelf.changed.is_some_and(|at| now < at + MONTH) {
            return Err(refuse(43100));
        }
        shelf.industries = (first, second);
        shelf.changed = Some(now);
        Ok(())
    }
}
