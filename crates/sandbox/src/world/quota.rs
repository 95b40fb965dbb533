//! Counters per account, API and time window.

use crate::refusal::{Refusal, refuse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wechat::catalog;

/// A limit: so many calls a window, and the code beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) window: Window,
    pub(crate) most: u32,
    pub(crate) code: i64,
}

/// When a counter begins anew.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    Minute,
    /// At midnight in Beijing.
    Day,
    Never,
}

impl Window {
    /// The number of the window that `now` is in.
    fn of(self, now: i64) -> i64 {
        match self {
            Self::Minute => now.div_euclid(60_000),
            Self::Day => (now + 8 * 3_600_000).div_euclid(86_400_000),
            Self::Never => 0,
        }
    }
}

/// What has been used, and the limits that are others than usual.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Quotas {
    /// By account and name of the limit: the window and how often in it.
    used: BTreeMap<String, BTreeMap<String, (i64, u32)>>,
    /// By account and name of the limit.
    set: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Quotas {
    /// Counts one call, unless that is one too many.
    pub(crate) fn take(&mut self, appid: &str, limit: Limit, now: i64) -> Result<(), Refusal> {
        let window = limit.window.of(now);
        let most = self.most(appid, limit);
        let of_app = self.used.entry(appid.to_owned()).or_default();
        let used = of_app.entry(limit.name.to_owned()).or_insert((window, 0));
        if used.0 != window {
            *used = (window, 0);
        }
        if used.1 >= most {
            return Err(refuse(limit.code));
        }
        used.1 += 1;
        Ok(())
    }

    /// How much of a limit an account has used in the window of `now`.
    pub(crate) fn used(&self, appid: &str, limit: Limit, now: i64) -> u32 {
        let used = self.used.get(appid).and_then(|used| used.get(limit.name));
        used.filter(|(window, _)| *window == limit.window.of(now)).map_or(0, |(_, used)| *used)
    }

    /// How much there is of a limit for an account.
    pub(crate) fn most(&self, appid: &str, limit: Limit) -> u32 {
        let set = self.set.get(appid).and_then(|set| set.get(limit.name));
        set.copied().unwrap_or(limit.most)
    }

    /// Gives an account another limit; what it has used stays. `api` is the path of an endpoint (its limit of a day,
    /// or of a minute if it has no other) or the name of a limit.
    pub(crate) fn set(&mut self, appid: &str, api: &str, most: u32) -> Result<(), String> {
        let of_path = OF_PATHS.iter().find(|(path, ..)| *path == api);
        let of_path = of_path.and_then(|(_, day, minute)| (*day).or(*minute));
        let limit = of_path.or_else(|| ALL.iter().find(|limit| limit.name == api).copied());
        let limit = limit.ok_or_else(|| {
            let paths = OF_PATHS.iter().map(|(path, ..)| *path);
            let known: Vec<&str> = paths.chain(ALL.iter().map(|limit| limit.name)).collect();
            format!("api: {api:?} has no limit here; there is {}", known.join(", "))
        })?;
        self.set.entry(appid.to_owned()).or_default().insert(limit.name.to_owned(), most);
        Ok(())
    }

    /// The limits that were used in the window of `now`, or set, in the order of the accounts and of [`ALL`].
    pub(crate) fn view(&self, now: i64) -> Vec<Value> {
        let mut appids: Vec<&String> = self.used.keys().chain(self.set.keys()).collect();
        appids.sort_unstable();
        appids.dedup();
        let view = |appid: &str, limit: &Limit| {
            let (used, most) = (self.used(appid, *limit, now), self.most(appid, *limit));
            let is_worth_it = used > 0 || most != limit.most;
            is_worth_it.then(|| {
                json!({"appid": appid, "api": limit.path(), "name": limit.name, "limit": most, "used": used})
            })
        };
        appids.into_iter().flat_map(|appid| ALL.iter().filter_map(move |limit| view(appid, limit))).collect()
    }

    /// `clear_quota`.
    pub(crate) fn clear(&mut self, appid: &str) {
        if let Some(used) = self.used.get_mut(appid) {
            used.retain(|name, _| name == CLEAR.name);
        }
    }
}

impl Limit {
    /// The endpoint it is the limit of, if it is the only one or the day's; `None` for the others.
    fn path(&self) -> Option<&'static str> {
        let is_it = |limit: Option<Self>| limit.is_some_and(|limit| limit.name == self.name);
        let found = OF_PATHS.iter().find(|(_, day, minute)| is_it((*day).or(*minute)));
        found.map(|(path, ..)| *path)
    }
}

const fn limit(name: &'static str, window: Window, most: u32, code: i64) -> Limit {
    Limit { name, window, most, code }
}

pub(crate) const TOKEN_DAY: Limit = limit("token", Window::Day, 2_000, 45009);
pub(crate) const STABLE_MINUTE: Limit = limit("stable_token/minute", Window::Minute, 10_000, 45011);
pub(crate) const STABLE_DAY: Limit = limit("stable_token/day", Window::Day, 500_000, 45009);
pub(crate) const FORCED_DAY: Limit = limit("stable_token/forced", Window::Day, 20, 45009);
pub(crate) const QR_DAY: Limit = limit("qrcode", Window::Day, 100_000, 45009);
pub(crate) const QR_PERMANENT: Limit = limit("qrcode/permanent", Window::Never, 100_000, 45029);
pub(crate) const TEMPLATE_DAY: Limit = limit("template", Window::Day, 100_000, 45009);
pub(crate) const WXACODE_MINUTE: Limit = limit("wxacode", Window::Minute, 5_000, 45009);
pub(crate) const WXACODE_UNCHECKED: Limit = limit("wxacode/unchecked", Window::Never, 60_000, 45009);
pub(crate) const USER_INFO_DAY: Limit = limit("user/info", Window::Day, 5_000_000, 45009);
pub(crate) const CUSTOM_DAY: Limit = limit("custom/send", Window::Day, 500_000, 45009);
pub(crate) const MEDIA_DAY: Limit = limit("media/upload", Window::Day, 100_000, 45009);
/// Ten a month on the platform; a month's length in windows isn't worth a rule of its own.
pub(crate) const CLEAR: Limit = limit("clear_quota", Window::Never, 10, 48006);

/// All limits there are.
const ALL: &[Limit] = &[
    TOKEN_DAY,
    STABLE_MINUTE,
    STABLE_DAY,
    FORCED_DAY,
    QR_DAY,
    QR_PERMANENT,
    TEMPLATE_DAY,
    WXACODE_MINUTE,
    WXACODE_UNCHECKED,
    USER_INFO_DAY,
    CUSTOM_DAY,
    MEDIA_DAY,
    CLEAR,
];

/// The day's limit and the minute's of the endpoints that have one here.
pub(crate) const OF_PATHS: &[(&str, Option<Limit>, Option<Limit>)] = &[
    (catalog::QRCODE_CREATE.path, Some(QR_DAY), None),
    (catalog::TEMPLATE_SEND.path, Some(TEMPLATE_DAY), None),
    (catalog::CUSTOM_SEND.path, Some(CUSTOM_DAY), None),
    (catalog::USER_INFO.path, Some(USER_INFO_DAY), None),
    (catalog::MEDIA_UPLOAD.path, Some(MEDIA_DAY), None),
    (catalog::TOKEN.path, Some(TOKEN_DAY), None),
    (catalog::STABLE_TOKEN.path, Some(STABLE_DAY), Some(STABLE_MINUTE)),
    (catalog::WXACODE_UNLIMIT.path, None, Some(WXACODE_MINUTE)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_and_seen() {
        let defined = include_str!("quota.rs").matches(": Limit = limit(").count();
        // Itself, in the line above.
        assert_eq!(ALL.len(), defined - 1, "a limit that is not in ALL can't be set");
        let mut quotas = Quotas::default();
        for (at, limit) in ALL.iter().enumerate() {
            let most = u32::try_from(at).unwrap();
            quotas.set("wx1", limit.name, most).unwrap();
            assert_eq!(quotas.most("wx1", *limit), most);
            assert_eq!(quotas.view(0)[at]["name"], limit.name);
        }
        assert_eq!(quotas.view(0).len(), ALL.len());
        quotas.set("wx1", catalog::WXACODE_UNLIMIT.path, 7).unwrap();
        assert_eq!(quotas.most("wx1", WXACODE_MINUTE), 7, "a path without a limit of a day: the minute's");
    }
}
