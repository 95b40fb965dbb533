//! One-time subscriptions of official accounts: a user allows one message for a scene.

use super::World;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Highest number of a scene.
pub(crate) const MAX_SCENE: u32 = 10_000;
/// Scenes a user allows at once.
const MAX_ALLOWED: usize = 1_000;

/// Scenes that users allow one message for, by AppID and openid: saying yes twice doesn't allow two.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Once(BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>);

impl World {
    /// The user says yes.
    pub(crate) fn allow_once(&mut self, appid: &str, openid: &str, scene: u32) {
        let users = self.once.0.entry(appid.to_owned()).or_default();
        let scenes = users.entry(openid.to_owned()).or_default();
        if scenes.len() < MAX_ALLOWED {
            scenes.insert(scene);
        }
    }

    /// Whether one message may be sent for the scene.
    pub(crate) fn check_once(&self, appid: &str, openid: &str, scene: u32) -> Result<(), Refusal> {
        let scenes = self.once.0.get(appid).and_then(|users| users.get(openid));
        if scenes.is_some_and(|scenes| scenes.contains(&scene)) { Ok(()) } else { Err(refuse(43101)) }
    }

    /// It was sent.
    pub(crate) fn use_once(&mut self, appid: &str, openid: &str, scene: u32) {
        if let Some(scenes) = self.once.0.get_mut(appid).and_then(|users| users.get_mut(openid)) {
            scenes.remove(&scene);
        }
    }
}
