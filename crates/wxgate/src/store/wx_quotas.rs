//! What WeChat said of an app's quotas.

use super::{Store, StoreError};

/// Of one endpoint of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WxQuota {
    /// The app.
    pub appid: String,
    /// The endpoint's path.
    pub api: String,
    /// When WeChat said so, Unix milliseconds.
    pub asked_at: i64,
    /// Calls a day.
    pub limit: i64,
    /// Those of the day.
    pub used: i64,
    /// What is left of it.
    pub remain: i64,
    /// So many calls within so many seconds, if WeChat limits that.
    pub rate: Option<(i64, i64)>,
}

/// Beijing's days begin so much before those of UTC; milliseconds.
const BEIJING: i64 = 8 * 3_600_000;

impl WxQuota {
    /// Whether it is of the day that `now` is in: in Beijing a day ends at midnight.
    pub fn holds(&self, now: i64) -> bool {
        let day = |at: i64| (at + BEIJING).div_euclid(86_400_000);
        day(self.asked_at) == day(now)
    }
}

impl Store {
    /// Keeps what WeChat said.
    pub async fn keep_wx_quota(&self, quota: WxQuota) -> Result<(), StoreError> {
        self.backend.keep_wx_quota(quota).await
    }

    /// All that WeChat said.
    pub async fn wx_quotas(&self) -> Result<Vec<WxQuota>, StoreError> {
        self.backend.wx_quotas().await
    }
}
