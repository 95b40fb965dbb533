//! What a `rid` stands for: the call that was refused with it.

use super::World;
use super::lately::{OVERHEAD, Weighs};
use super::newest::Newest;
use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};

/// How long a rid can be looked up: seven days.
const LIFE: i64 = 7 * 86_400_000;
/// Rids kept.
const MAX_RIDS: usize = 20_000;
/// Bytes of a body that are kept.
const MAX_TEXT: usize = 4_096;

/// One refused call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// Empty if the call didn't tell.
    pub(crate) appid: String,
    pub(crate) path: String,
    /// Unix milliseconds.
    pub(crate) at: i64,
    pub(crate) cost_in_ms: u64,
    /// The query, its token included.
    pub(crate) query: String,
    pub(crate) body: String,
    pub(crate) answer: String,
    pub(crate) client_ip: String,
}

impl Weighs for Refused {
    fn weight(&self) -> usize {
        let texts = [&self.appid, &self.path, &self.query, &self.body, &self.answer, &self.client_ip];
        3 * OVERHEAD + texts.map(String::len).iter().sum::<usize>()
    }
}

/// The newest of them.
#[derive(Default, Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rids(Newest<Refused>);

impl Rids {
    /// About how much memory they take.
    pub(super) const fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

impl World {
    /// Keeps what a rid stands for.
    pub(crate) fn remember_rid(&mut self, rid: &str, mut refused: Refused) {
        for text in [&mut refused.path, &mut refused.query, &mut refused.body, &mut refused.answer] {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
        }
        refused.cost_in_ms = self.random.number(5..60);
        self.rids.0.keep(rid.to_owned(), refused, MAX_RIDS);
    }

    /// The call of a rid, for the account whose call it was. The page says 76001 of one older than seven days as well as of
    /// an unknown one, the list of codes 76004: its time is in the rid, so that one is 76004 here.
    pub(crate) fn rid(&self, appid: &str, rid: &str) -> Result<&Refused, Refusal> {
        if wechat::errcode::rid(&format!("rid: {rid}")) != Some(rid) {
            return Err(refuse(76002));
        }
        let made = i64::from_str_radix(&rid[..8], 16).unwrap_or_default() * 1000;
        if made + LIFE <= self.now {
            return Err(refuse(76004));
        }
        let refused = self.rids.0.get(rid).ok_or(refuse(76001))?;
        if refused.appid != appid {
            return Err(refuse(76003));
        }
        // "/xxx/sns/xxx" isn't told anybody.
        if refused.path.starts_with("/sns/") {
            return Err(refuse(76022));
        }
        Ok(refused)
    }
}
