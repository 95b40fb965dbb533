//! What happened to official accounts day by day, for the figures of `datacube`.

use super::date::{day_of, hour_of};
use super::lately::OVERHEAD;
use super::{PushRecord, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days of an account that are kept.
const MAX_DAYS: usize = 400;
/// Users by hour and kind of message that a day tells apart, and all days of an account.
const MAX_NOTED: u32 = 100_000;
const MAX_NOTED_IN_ALL: u32 = 500_000;
/// Largest count of a snapshot: a year of them can be added up.
const MAX_COUNT: u64 = 1 << 40;
/// Where followers come from: a search by name, a scanned code.
const SEARCHED: u32 = 1;
const SCANNED: u32 = 30;

/// By AppID, then by day.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cube(BTreeMap<String, BTreeMap<i64, Day>>);

/// One day of one account.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Day {
    /// Who came and who went, by where they came from.
    pub(crate) users: BTreeMap<u32, Users>,
    /// Messages by hour, kind and openid.
    pub(crate) messages: BTreeMap<i64, BTreeMap<u8, BTreeMap<String, u64>>>,
    noted: u32,
    /// Callbacks by hour.
    pub(crate) callbacks: BTreeMap<i64, Callbacks>,
}

#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Users {
    pub(crate) new: u64,
    pub(crate) cancelled: u64,
}

#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Callbacks {
    pub(crate) count: u64,
    pub(crate) failed: u64,
    /// Milliseconds.
    pub(crate) total: u64,
    pub(crate) longest: u64,
}

/// The number WeChat gives a kind of message; the others aren't counted.
fn kind(name: &str) -> Option<u8> {
    match name {
        "text" => Some(1),
        "image" => Some(2),
        "voice" => Some(3),
        "video" | "shortvideo" => Some(4),
        "link" => Some(6),
        _ => None,
    }
}

impl Cube {
    /// Whether a snapshot's figures are such as can be added up.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_hour = |hour: &i64| (0..24).contains(hour);
        let is_sound = |day: &Day| {
            let users = day.users.values().flat_map(|users| [users.new, users.cancelled]);
            let messages =
                day.messages.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).copied();
            let callbacks = day.callbacks.values();
            let callbacks = callbacks.flat_map(|one| [one.count, one.failed, one.total, one.longest]);
            day.messages.keys().chain(day.callbacks.keys()).all(is_hour)
                && users.chain(messages).chain(callbacks).all(|count| count <= MAX_COUNT)
        };
        if self.0.values().flat_map(BTreeMap::values).all(is_sound) {
            return Ok(());
        }
        Err("world.cube: an hour, or a count, is impossible".to_owned())
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let days = self.0.values().flat_map(BTreeMap::values);
        days.map(|day| 4 * OVERHEAD + 2 * OVERHEAD * usize::try_from(day.noted).unwrap_or_default()).sum()
    }
}

impl World {
    fn today(&mut self, appid: &str) -> &mut Day {
        let days = self.cube.0.entry(appid.to_owned()).or_default();
        let today = day_of(self.now);
        if days.len() >= MAX_DAYS && !days.contains_key(&today) {
            days.pop_first();
        }
        days.entry(today).or_default()
    }

    /// What happened on a day; nothing is `None`.
    pub(crate) fn day(&self, appid: &str, day: i64) -> Option<&Day> {
        self.cube.0.get(appid)?.get(&day)
    }

    pub(super) fn count_follower(&mut self, appid: &str, is_scanned: bool, is_new: bool) {
        let source = if is_scanned { SCANNED } else { SEARCHED };
        let users = self.today(appid).users.entry(source).or_default();
        if is_new {
            users.new += 1;
        } else {
            users.cancelled += 1;
        }
    }

    /// Followers at the end of a day: today's, without what came later.
    pub(crate) fn followers_on(&self, appid: &str, day: i64) -> u64 {
        let now = self.users.all.iter().filter(|user| user.follows(appid)).count() as u64;
        let later = self.cube.0.get(appid).into_iter().flat_map(|days| days.range(day + 1..));
        later
            .flat_map(|(_, day)| day.users.values())
            .fold(now, |count, users| count.saturating_add(users.cancelled).saturating_sub(users.new))
    }

    /// A user wrote to the account.
    pub(crate) fn count_message(&mut self, appid: &str, openid: &str, name: &str) {
        let Some(kind) = kind(name) else { return };
        let hour = hour_of(self.now);
        let days = self.cube.0.get(appid);
        let noted =
            days.into_iter().flat_map(BTreeMap::values).fold(0_u32, |sum, day| sum.saturating_add(day.noted));
        let day = self.today(appid);
        let by_user = day.messages.entry(hour).or_default().entry(kind).or_default();
        if let Some(count) = by_user.get_mut(openid) {
            *count += 1;
        } else if day.noted < MAX_NOTED && noted < MAX_NOTED_IN_ALL {
            by_user.insert(openid.to_owned(), 1);
            day.noted += 1;
        }
    }

    /// A callback is over.
    pub(crate) fn count_callback(&mut self, push: &PushRecord) {
        let hour = hour_of(self.now);
        let callbacks = self.today(&push.appid).callbacks.entry(hour).or_default();
        let took: u64 = push.attempts.iter().map(|attempt| attempt.ms).sum();
        let is_good = |last: &super::Attempt| last.status == 200 && last.error.is_none();
        callbacks.count += 1;
        callbacks.failed += u64::from(!push.attempts.last().is_some_and(is_good));
        callbacks.total += took;
        callbacks.longest = callbacks.longest.max(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn figures_can_be_kept_as_json() {
        let mut world = World { now: 1_767_339_000_000, ..World::default() };
        world.count_message("wx1", "oA", "text");
        world.count_follower("wx1", true, true);
        let kept: Value = serde_json::to_value(&world.cube).unwrap();
        let back: Cube = serde_json::from_value(kept.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), kept);
        assert_eq!(back.0["wx1"][&20_455].messages[&15][&1]["oA"], 1);
    }
}
