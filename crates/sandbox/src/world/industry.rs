//! The industries that an account of template messages is of.

use super::{World, library};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long industries stay as they are: a month.
const MONTH: i64 = 30 * 86_400_000;
/// What an account begins as.
const FIRST: (u32, u32) = (1, 2);

/// Those that were chosen, by AppID.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Industries(BTreeMap<String, Chosen>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chosen {
    /// Numbers of the industries.
    numbers: (u32, u32),
    /// Unix milliseconds of their last change.
    changed: i64,
}

impl World {
    /// Numbers of an account's industries.
    pub(crate) fn industries(&self, appid: &str) -> (u32, u32) {
        self.industries.0.get(appid).map_or(FIRST, |industries| industries.numbers)
    }

    /// Changes them, once a month.
    pub(crate) fn set_industries(&mut self, appid: &str, first: u32, second: u32) -> Result<(), Refusal> {
        if first == second || [first, second].iter().any(|number| library::industry(*number).is_none()) {
            return Err(refuse(40102));
        }
        let now = self.now;
        if self.industries.0.get(appid).is_some_and(|industries| now < industries.changed + MONTH) {
            return Err(refuse(43100));
        }
        self.industries.0.insert(appid.to_owned(), Chosen { numbers: (first, second), changed: now });
        Ok(())
    }
}
