//! Messages to many followers.

use super::World;
use super::quota::{MASS_MONTH, MASS_USER_MONTH};
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One mass message.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) msg_id: u64,
    /// Its `msgtype`.
    pub(crate) kind: String,
    /// Of its articles, if it has any.
    pub(crate) msg_data_id: Option<u64>,
    client_id: String,
    /// Unix milliseconds.
    at: i64,
    pub(crate) is_deleted: bool,
    /// `send success`, or why it went to nobody.
    pub(crate) status: String,
}

/// What a message comes to, unless it is told to fail.
pub(crate) const SUCCESS: &str = "send success";

/// The mass messages of all accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mass {
    /// By AppID, the oldest first.
    jobs: BTreeMap<String, Vec<Job>>,
    /// By AppID.
    speeds: BTreeMap<String, u64>,
    /// By AppID: why the next one fails.
    next: BTreeMap<String, String>,
    count: u64,
}

/// Jobs kept of an account; the oldest are forgotten.
const MAX_JOBS: usize = 1_000;
/// How long a `clientmsgid` stops a second message.
const DEDUPE: i64 = 86_400_000;

impl Job {
    pub(crate) fn new(msg_id: u64, kind: &str, client_id: String, status: &str) -> Self {
        Self { msg_id, kind: kind.to_owned(), client_id, status: status.to_owned(), ..Self::default() }
    }
}

impl World {
    /// The job that a `clientmsgid` began within a day.
    pub(crate) fn mass_sent_as(&self, appid: &str, client_id: &str) -> Option<u64> {
        let mut own = self.mass_jobs(appid).iter();
        let found = own.find(|job| job.client_id == client_id && self.now - job.at < DEDUPE);
        found.map(|job| job.msg_id)
    }

    fn mass_jobs(&self, appid: &str) -> &[Job] {
        self.mass.jobs.get(appid).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn mass_job(&mut self, appid: &str, msg_id: u64) -> Result<&mut Job, Refusal> {
        let own = self.mass.jobs.get_mut(appid).ok_or(refuse(40059))?;
        own.iter_mut().find(|job| job.msg_id == msg_id).ok_or(refuse(40059))
    }

    /// The number of a new mass message: WeChat counts those to tags and those to lists in ranges of their own.
    pub(crate) fn next_mass_id(&mut self, is_list: bool) -> u64 {
        self.mass.count += 1;
        self.mass.count + if is_list { 3_147_483_649 } else { 1_000_000_000 }
    }

    pub(crate) fn keep_mass(&mut self, appid: &str, mut job: Job) {
        job.at = self.now;
        let own = self.mass.jobs.entry(appid.to_owned()).or_default();
        if own.len() == MAX_JOBS {
            own.remove(0);
        }
        own.push(job);
    }

    /// One of the month's messages to everybody; 45028 if none is left.
    pub(crate) fn use_mass(&mut self, appid: &str) -> Result<(), Refusal> {
        let now = self.now;
        self.quotas.take(appid, MASS_MONTH, now)
    }

    /// Those of these users whom a message reaches: who follow, and haven't had a month's yet. It is one more of the
    /// month's for them.
    pub(crate) fn reach(&mut self, appid: &str, openids: Vec<String>) -> Vec<String> {
        let now = self.now;
        let mut reached = openids;
        reached.retain(|openid| {
            self.takes_mass(appid, openid)
                && self.quotas.take(&format!("{appid}/{openid}"), MASS_USER_MONTH, now).is_ok()
        });
        reached
    }

    /// The account's next message is to come to this.
    pub(crate) fn fail_next_mass(&mut self, appid: &str, status: String) {
        self.mass.next.insert(appid.to_owned(), status);
    }

    /// What a message comes to.
    pub(crate) fn mass_status(&mut self, appid: &str) -> String {
        self.mass.next.remove(appid).unwrap_or_else(|| SUCCESS.to_owned())
    }

    /// 0 to 4, the fastest first.
    pub(crate) fn mass_speed(&self, appid: &str) -> u64 {
        self.mass.speeds.get(appid).copied().unwrap_or_default()
    }

    pub(crate) fn set_mass_speed(&mut self, appid: &str, speed: u64) {
        self.mass.speeds.insert(appid.to_owned(), speed);
    }
}
