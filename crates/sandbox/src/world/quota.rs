//! Counters per account, API and time window.

use crate::refusal::{Refusal, refuse};
use std::collections::HashMap;
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
            Self::Day => day(now),
            Self::Month => month(day(now)),
            Self::Never => 0,
        }
    }
}

/// Days since 1970 in Beijing.
const fn day(now: i64) -> i64 {
    (now + 8 * 3_600_000).div_euclid(86_400_000)
}

/// A number of its own for every month of the calendar, by its days since 1970: counted from a March in years that
/// begin with it, so that the leap day is a year's last.
const fn month(day: i64) -> i64 {
    const CYCLE: i64 = 146_097;
    let since = day + 719_468;
    let (cycle, day) = (since.div_euclid(CYCLE), since.rem_euclid(CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    (cycle * 400 + year) * 12 + (5 * day + 2) / 153
}

/// What has been used, and the limits that are others than usual.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    used: HashMap<(String, &'static str), (i64, u32)>,
    set: HashMap<(String, &'static str), u32>,
}

impl Quotas {
    /// Counts one call, unless that is one too many.
    pub(crate) fn take(&mut self, appid: &str, limit: Limit, now: i64) -> Result<(), Refusal> {
        let window = limit.window.of(now);
        let most = self.most(appid, limit);
        let used = self.used.entry((appid.to_owned(), limit.name)).or_insert((window, 0));
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
        let used = self.used.get(&(appid.to_owned(), limit.name));
        used.filter(|(window, _)| *window == limit.window.of(now)).map_or(0, |(_, used)| *used)
    }

    /// How much there is of a limit for an account.
    pub(crate) fn most(&self, appid: &str, limit: Limit) -> u32 {
        self.set.get(&(appid.to_owned(), limit.name)).copied().unwrap_or(limit.most)
    }

    /// Gives an account another limit of a day for an endpoint, or the one for good if it has no other; what it has
    /// used stays.
    pub(crate) fn set(&mut self, appid: &str, path: &str, most: u32) -> Result<(), String> {
        let in_all = IN_ALL.iter().find(|(known, _)| *known == path).map(|(_, limit)| *limit);
        let day = of_day(path).or(in_all).ok_or_else(|| {
            let of_a_day = OF_PATHS.iter().filter(|(_, day, _)| day.is_some()).map(|(path, ..)| *path);
            let known: Vec<&str> = of_a_day.chain(IN_ALL.iter().map(|(path, _)| *path)).collect();
            format!("api: {path:?} has no limit of a day here; there is {}", known.join(", "))
        })?;
        self.set.insert((appid.to_owned(), day.name), most);
        Ok(())
    }

    /// `clear_quota`: what is limited for good stays.
    pub(crate) fn clear(&mut self, appid: &str) {
        self.used.retain(|(of, name), _| of != appid || FOR_GOOD.iter().any(|limit| limit.name == *name));
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

/// What `clear_quota` doesn't clear.
const FOR_GOOD: [Limit; 5] = [CLEAR, QR_PERMANENT, SHORTLINK_PERMANENT, WXACODE_IN_ALL, WXACODE_UNCHECKED];

/// The limit of a day of this path.
pub(crate) fn of_day(path: &str) -> Option<Limit> {
    OF_PATHS.iter().find(|(known, ..)| *known == path).and_then(|(_, day, _)| *day)
}
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
}
