//! Counters per account, API and time window.

use super::date;
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
    Second,
    Minute,
    /// At midnight in Beijing.
    Day,
    /// At the first midnight of a month in Beijing.
    Month,
    Never,
}

impl Window {
    /// The number of the window that `now` is in.
    fn of(self, now: i64) -> i64 {
        match self {
            Self::Second => now.div_euclid(1_000),
            Self::Minute => now.div_euclid(60_000),
            Self::Day => date::day_of(now),
            Self::Month => date::month_of(date::day_of(now)),
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
        // Of single users it is the account's.
        let appid = appid.split('/').next().unwrap_or_default();
        let set = self.set.get(appid).and_then(|set| set.get(limit.name));
        set.copied().unwrap_or(limit.most)
    }

    /// Gives an account another limit; what it has used stays. `api` is the path of an endpoint (its limit of a day,
    /// or the one it has if it has none of a day) or the name of a limit.
    pub(crate) fn set(&mut self, appid: &str, api: &str, most: u32) -> Result<(), String> {
        let of_path = OF_PATHS.iter().find(|(path, ..)| *path == api);
        let of_path = of_path.and_then(|(_, day, minute)| (*day).or(*minute));
        let in_all = || IN_ALL.iter().find(|(path, _)| *path == api).map(|(_, limit)| *limit);
        let named = || ALL.iter().find(|limit| limit.name == api).copied();
        let limit = of_path.or_else(in_all).or_else(named).ok_or_else(|| {
            let paths = OF_PATHS.iter().map(|(path, ..)| *path).chain(IN_ALL.iter().map(|(path, _)| *path));
            let known: Vec<&str> = paths.chain(ALL.iter().map(|limit| limit.name)).collect();
            format!("api: {api:?} has no limit here; there is {}", known.join(", "))
        })?;
        self.set.entry(appid.to_owned()).or_default().insert(limit.name.to_owned(), most);
        Ok(())
    }

    /// The limits that were used in the window of `now`, or set, in the order of the accounts and of [`ALL`].
    pub(crate) fn view(&self, now: i64) -> Vec<Value> {
        let mut appids: Vec<&String> = self.used.keys().chain(self.set.keys()).collect();
        // Of single users there may be a great many.
        appids.retain(|appid| !appid.contains('/'));
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

    /// `clear_quota`: what is limited for good stays.
    pub(crate) fn clear(&mut self, appid: &str) {
        if let Some(used) = self.used.get_mut(appid) {
            used.retain(|name, _| NOT_CLEARED.iter().any(|limit| limit.name == *name));
        }
    }
}

impl Limit {
    /// The endpoint it is the limit of, if it is the only one or the day's; `None` for the others.
    fn path(&self) -> Option<&'static str> {
        let is_it = |limit: Option<Self>| limit.is_some_and(|limit| limit.name == self.name);
        let found = OF_PATHS.iter().find(|(_, day, minute)| is_it((*day).or(*minute)));
        let in_all = || IN_ALL.iter().find(|(_, limit)| limit.name == self.name).map(|(path, _)| *path);
        found.map(|(path, ..)| *path).or_else(in_all)
    }
}

const fn limit(name: &'static str, window: Window, most: u32, code: i64) -> Limit {
    Limit { name, window, most, code }
}

/// What is free a day, of each kind of document.
const fn ocr(name: &'static str) -> Limit {
    limit(name, Window::Day, 100, 101_003)
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
/// `getwxacode` and `createwxaqrcode` together, for good.
pub(crate) const WXACODE_IN_ALL: Limit = limit("wxacode/in_all", Window::Never, 100_000, 45029);
pub(crate) const SCHEME_SECOND: Limit = limit("scheme/second", Window::Second, 100, 44990);
pub(crate) const NFC_SECOND: Limit = limit("nfc_scheme/second", Window::Second, 100, 44990);
pub(crate) const URLLINK_SECOND: Limit = limit("urllink/second", Window::Second, 100, 44990);
/// Schemes and URL links together.
pub(crate) const LINK_DAY: Limit = limit("links", Window::Day, 500_000, 44993);
pub(crate) const LINK_VISITS: Limit = limit("links/visits", Window::Day, 3_000_000, 85406);
pub(crate) const SHORTLINK_DAY: Limit = limit("shortlink", Window::Day, 10_000_000, 45009);
pub(crate) const SHORTLINK_PERMANENT: Limit = limit("shortlink/permanent", Window::Never, 100_000, 85400);
pub(crate) const MSG_CHECK_MINUTE: Limit = limit("msg_sec_check/minute", Window::Minute, 4_000, 44991);
pub(crate) const MSG_CHECK_DAY: Limit = limit("msg_sec_check", Window::Day, 2_000_000, 45009);
pub(crate) const IMG_CHECK_MINUTE: Limit = limit("img_sec_check/minute", Window::Minute, 2_000, 45011);
pub(crate) const IMG_CHECK_DAY: Limit = limit("img_sec_check", Window::Day, 200_000, 45009);
pub(crate) const MEDIA_CHECK_MINUTE: Limit = limit("media_check/minute", Window::Minute, 2_000, 44991);
pub(crate) const MEDIA_CHECK_DAY: Limit = limit("media_check", Window::Day, 200_000, 45009);
pub(crate) const RESET_SESSION_MINUTE: Limit = limit("resetusersessionkey", Window::Minute, 60_000, 45011);
pub(crate) const USER_INFO_DAY: Limit = limit("user/info", Window::Day, 5_000_000, 45009);
pub(crate) const USER_GET_DAY: Limit = limit("user/get", Window::Day, 500, 45009);
pub(crate) const CUSTOM_DAY: Limit = limit("custom/send", Window::Day, 500_000, 45009);
pub(crate) const TAG_DAY: Limit = limit("tags/create", Window::Day, 1_000, 45009);
pub(crate) const REMARK_DAY: Limit = limit("user/info/updateremark", Window::Day, 10_000, 45009);
pub(crate) const MEDIA_DAY: Limit = limit("media/upload", Window::Day, 100_000, 45009);
pub(crate) const CLEAR: Limit = limit("clear_quota", Window::Month, 10, 48006);
/// Of one user: counted under the account and the openid.
pub(crate) const LOGIN_MINUTE: Limit = limit("jscode2session/user", Window::Minute, 100, 45011);

pub(crate) const MENU_CREATE_DAY: Limit = limit("menu/create", Window::Day, 1_000, 45009);
pub(crate) const MENU_GET_DAY: Limit = limit("menu/get", Window::Day, 10_000, 45009);
pub(crate) const MENU_DELETE_DAY: Limit = limit("menu/delete", Window::Day, 1_000, 45009);
pub(crate) const MENU_ADD_DAY: Limit = limit("menu/addconditional", Window::Day, 2_000, 45009);
pub(crate) const MENU_DEL_DAY: Limit = limit("menu/delconditional", Window::Day, 2_000, 45009);
pub(crate) const MENU_MATCH_DAY: Limit = limit("menu/trymatch", Window::Day, 20_000, 45009);
pub(crate) const MASS_MINUTE: Limit = limit("mass/minute", Window::Minute, 60, 45011);
pub(crate) const MASS_DAY: Limit = limit("mass", Window::Day, 100, 45009);
pub(crate) const MASS_PREVIEW_DAY: Limit = limit("mass/preview", Window::Day, 100, 45009);
/// Messages to all followers of a service account.
pub(crate) const MASS_MONTH: Limit = limit("mass/all", Window::Month, 4, 45028);
/// Mass messages of one account that a user gets: counted under the account and the openid.
pub(crate) const MASS_USER_MONTH: Limit = limit("mass/user", Window::Month, 4, 45028);

/// What `clear_quota` doesn't clear.
const NOT_CLEARED: [Limit; 6] =
    [CLEAR, MASS_MONTH, QR_PERMANENT, SHORTLINK_PERMANENT, WXACODE_IN_ALL, WXACODE_UNCHECKED];

/// The limit of a day of this path.
pub(crate) fn of_day(path: &str) -> Option<Limit> {
    OF_PATHS.iter().find(|(known, ..)| *known == path).and_then(|(_, day, _)| *day)
}

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
    WXACODE_IN_ALL,
    SCHEME_SECOND,
    NFC_SECOND,
    URLLINK_SECOND,
    LINK_DAY,
    LINK_VISITS,
    SHORTLINK_DAY,
    SHORTLINK_PERMANENT,
    MSG_CHECK_MINUTE,
    MSG_CHECK_DAY,
    IMG_CHECK_MINUTE,
    IMG_CHECK_DAY,
    MEDIA_CHECK_MINUTE,
    MEDIA_CHECK_DAY,
    RESET_SESSION_MINUTE,
    USER_INFO_DAY,
    USER_GET_DAY,
    CUSTOM_DAY,
    TAG_DAY,
    REMARK_DAY,
    MEDIA_DAY,
    CLEAR,
    LOGIN_MINUTE,
    MENU_CREATE_DAY,
    MENU_GET_DAY,
    MENU_DELETE_DAY,
    MENU_ADD_DAY,
    MENU_DEL_DAY,
    MENU_MATCH_DAY,
    MASS_MINUTE,
    MASS_DAY,
    MASS_PREVIEW_DAY,
    MASS_MONTH,
    MASS_USER_MONTH,
    ocr("ocr/bankcard"),
    ocr("ocr/bizlicense"),
    ocr("ocr/comm"),
    ocr("ocr/driving"),
    ocr("ocr/drivinglicense"),
    ocr("ocr/idcard"),
    ocr("ocr/platenum"),
];

/// The day's limit and the minute's of the endpoints that have one here.
pub(crate) const OF_PATHS: &[(&str, Option<Limit>, Option<Limit>)] = &[
    (catalog::QRCODE_CREATE.path, Some(QR_DAY), None),
    (catalog::TEMPLATE_SEND.path, Some(TEMPLATE_DAY), None),
    (catalog::CUSTOM_SEND.path, Some(CUSTOM_DAY), None),
    (catalog::USER_GET.path, Some(USER_GET_DAY), None),
    (catalog::USER_INFO.path, Some(USER_INFO_DAY), None),
    (catalog::MASS_PREVIEW.path, Some(MASS_PREVIEW_DAY), None),
    (catalog::MASS_SEND.path, Some(MASS_DAY), Some(MASS_MINUTE)),
    (catalog::MASS_SENDALL.path, Some(MASS_DAY), Some(MASS_MINUTE)),
    (catalog::MEDIA_UPLOAD.path, Some(MEDIA_DAY), None),
    (catalog::TAGS_CREATE.path, Some(TAG_DAY), None),
    (catalog::MENU_ADDCONDITIONAL.path, Some(MENU_ADD_DAY), None),
    (catalog::MENU_CREATE.path, Some(MENU_CREATE_DAY), None),
    (catalog::MENU_DELCONDITIONAL.path, Some(MENU_DEL_DAY), None),
    (catalog::MENU_DELETE.path, Some(MENU_DELETE_DAY), None),
    (catalog::MENU_GET.path, Some(MENU_GET_DAY), None),
    (catalog::MENU_TRYMATCH.path, Some(MENU_MATCH_DAY), None),
    (catalog::TOKEN.path, Some(TOKEN_DAY), None),
    (catalog::USER_REMARK.path, Some(REMARK_DAY), None),
    (catalog::STABLE_TOKEN.path, Some(STABLE_DAY), Some(STABLE_MINUTE)),
    (catalog::WXACODE_UNLIMIT.path, None, Some(WXACODE_MINUTE)),
    (catalog::GENERATE_SCHEME.path, Some(LINK_DAY), None),
    (catalog::GENERATE_NFC_SCHEME.path, Some(LINK_DAY), None),
    (catalog::GENERATE_URLLINK.path, Some(LINK_DAY), None),
    (catalog::GENERATE_SHORTLINK.path, Some(SHORTLINK_DAY), None),
    (catalog::MSG_SEC_CHECK.path, Some(MSG_CHECK_DAY), Some(MSG_CHECK_MINUTE)),
    (catalog::IMG_SEC_CHECK.path, Some(IMG_CHECK_DAY), Some(IMG_CHECK_MINUTE)),
    (catalog::MEDIA_CHECK_ASYNC.path, Some(MEDIA_CHECK_DAY), Some(MEDIA_CHECK_MINUTE)),
    (catalog::RESET_SESSION.path, None, Some(RESET_SESSION_MINUTE)),
    (catalog::OCR_BANKCARD.path, Some(ocr("ocr/bankcard")), None),
    (catalog::OCR_BIZLICENSE.path, Some(ocr("ocr/bizlicense")), None),
    (catalog::OCR_COMM.path, Some(ocr("ocr/comm")), None),
    (catalog::OCR_DRIVING.path, Some(ocr("ocr/driving")), None),
    (catalog::OCR_DRIVINGLICENSE.path, Some(ocr("ocr/drivinglicense")), None),
    (catalog::OCR_IDCARD.path, Some(ocr("ocr/idcard")), None),
    (catalog::OCR_PLATENUM.path, Some(ocr("ocr/platenum")), None),
];

/// Limits of endpoints that have none of a day, but one for good.
const IN_ALL: &[(&str, Limit)] =
    &[(catalog::WXACODE.path, WXACODE_IN_ALL), (catalog::WXA_QRCODE.path, WXACODE_IN_ALL)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_at_midnight_in_beijing() {
        // The last millisecond of a month there, and the first of the next, in Unix seconds of the latter.
        for first in [951_840_000, 1_769_875_200, 1_772_294_400, 1_767_196_800, -2_707_200] {
            let month = |now| Window::Month.of(now);
            assert_eq!(month(first * 1000), month(first * 1000 - 1) + 1, "{first}");
            assert_eq!(month(first * 1000), month((first + 27 * 86_400) * 1000), "{first}");
        }
    }

    #[test]
    fn every_limit_can_be_set_and_seen() {
        let defined = include_str!("quota.rs").matches(": Limit = limit(").count();
        // Itself, in the line above.
        assert_eq!(
            ALL.len(),
            defined - 1 + ALL.iter().filter(|limit| limit.name.starts_with("ocr/")).count(),
            "a limit that is not in ALL can't be set"
        );
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
