//! The rows of [`table()`](super::table()): code, class, WeChat's words, Chinese, English.

mod features;
mod general;
mod limits;

use super::{Class, Entry};
use crate::catalog;

/// Ascending, and each ascending.
pub(super) const ROWS: [&[Entry]; 3] = [general::ROWS, limits::ROWS, features::ROWS];

/// A row in WeChat's own words.
const fn row(code: i64, class: Class, text: &'static str, zh: &'static str, en: &'static str) -> Entry {
    Entry { code, class, text, zh, en, official: true }
}

/// A row whose real words nobody could name.
const fn ours(code: i64, class: Class, text: &'static str, zh: &'static str, en: &'static str) -> Entry {
    Entry { code, class, text, zh, en, official: false }
}

const UNLINKED: Entry = row(
    40013,
    Class::Config,
    "invalid appid",
    "miniprogram.appid 的小程序没有与该账号关联：在后台关联这个小程序，或去掉 miniprogram。",
    "The mini program of miniprogram.appid isn't linked to this account: link it in the console, or leave miniprogram out.",
);
const NO_PAGE: Entry = row(
    41030,
    Class::Argument,
    "invalid page",
    "page 不存在或小程序未发布：必须是已发布版本里的页面；要发到体验版或开发版，用 miniprogram_state。",
    "The page doesn't exist or isn't published: it must be one of the published version; for a trial or developer version use miniprogram_state.",
);

/// What a code means at one path where it means something else than elsewhere.
#[rustfmt::skip]
pub(super) const AT: &[(&str, Entry)] = &[
    (catalog::TEMPLATE_SEND.path, UNLINKED),
    (catalog::SUBSCRIBE_SEND.path, UNLINKED),
    (catalog::SUBSCRIBE_BIZSEND.path, UNLINKED),
    (catalog::SUBSCRIBE_SEND.path, NO_PAGE),
    (catalog::SUBSCRIBE_BIZSEND.path, NO_PAGE),
    (catalog::WXACODE_UNLIMIT.path, row(45009, Class::Busy, "reach max api daily quota limit",
        "每分钟调用次数超限（小程序码 5000 次/分钟）：降低频率，下一分钟再试。",
        "Over the limit per minute (5000 codes): slow down, try again next minute.")),
];
