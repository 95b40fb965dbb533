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

    /// Gives an account another limit of a day for an endpoint; what it has used stays.
    pub(crate) fn set(&mut self, appid: &str, path: &str, most: u32) -> Result<(), String> {
        let day = OF_PATHS.iter().find(|(known, ..)| *known == path).and_then(|(_, day, _)| *day);
        let day = day.ok_or_else(|| {
            let known: Vec<&str> =
                OF_PATHS.iter().filter(|(_, day, _)| day.is_some()).map(|(path, ..)| *path).collect();
            format!("api: {path:?} has no limit of a day here; there is {}", known.join(", "))
        })?;
        self.set.insert((appid.to_owned(), day.name), most);
        Ok(())
    }

    /// `clear_quota`.
    pub(crate) fn clear(&mut self, appid: &str) {
        self.used.retain(|(of, name), _| of != appid || *name == CLEAR.name);
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
/// Ten a month on the platform; a month's length in windows isn't worth a rule of its own.
pub(crate) const CLEAR: Limit = limit("clear_quota", Window::Never, 10, 48006);

/// The day's limit and the minute's of the endpoints that have one here.
pub(crate) const OF_PATHS: &[(&str, Option<Limit>, Option<Limit>)] = &[
    (catalog::QRCODE_CREATE.path, Some(QR_DAY), None),
    (catalog::TEMPLATE_SEND.path, Some(TEMPLATE_DAY), None),
    (catalog::CUSTOM_SEND.path, Some(CUSTOM_DAY), None),
    (catalog::USER_INFO.path, Some(USER_INFO_DAY), None),
    (catalog::MASS_PREVIEW.path, Some(MASS_PREVIEW_DAY), None),
    (catalog::MASS_SEND.path, Some(MASS_DAY), Some(MASS_MINUTE)),
    (catalog::MASS_SENDALL.path, Some(MASS_DAY), Some(MASS_MINUTE)),
    (catalog::MEDIA_UPLOAD.path, Some(MEDIA_DAY), None),
    (catalog::MENU_ADDCONDITIONAL.path, Some(MENU_ADD_DAY), None),
    (catalog::MENU_CREATE.path, Some(MENU_CREATE_DAY), None),
    (catalog::MENU_DELCONDITIONAL.path, Some(MENU_DEL_DAY), None),
    (catalog::MENU_DELETE.path, Some(MENU_DELETE_DAY), None),
    (catalog::MENU_GET.path, Some(MENU_GET_DAY), None),
    (catalog::MENU_TRYMATCH.path, Some(MENU_MATCH_DAY), None),
    (catalog::TOKEN.path, Some(TOKEN_DAY), None),
    (catalog::STABLE_TOKEN.path, Some(STABLE_DAY), Some(STABLE_MINUTE)),
    (catalog::WXACODE_UNLIMIT.path, None, Some(WXACODE_MINUTE)),
];
