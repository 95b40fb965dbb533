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

/// A mass message is taken, not sent yet.
const SUBMITTED: Entry = row(
    0,
    Class::Ok,
    "send job submission success",
    "成功：群发任务已提交，结果看 MASSSENDJOBFINISH 事件。",
    "Success: the mass message is taken; the event MASSSENDJOBFINISH tells what became of it.",
);

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

const OTHERS_OPENID: Entry = row(
    43104,
    Class::Argument,
    "The openid does not match the appid",
    "openid 不是这个小程序的：使用该小程序 jscode2session 得到的 openid。",
    "The openid isn't this mini program's: use the one that its jscode2session gave.",
);
const NOT_VISITED: Entry = row(
    61010,
    Class::User,
    "code is expired",
    "该用户近两小时没有访问过小程序：只对正在使用小程序的用户调用。",
    "The user hasn't been in the mini program for two hours: call it only for users who are there.",
);
/// What a code means at one path where it means something else than elsewhere.
#[rustfmt::skip]
pub(super) const AT: &[(&str, Entry)] = &[
    (catalog::MASS_SENDALL.path, SUBMITTED),
    (catalog::MASS_SEND.path, SUBMITTED),
    (catalog::MASS_PREVIEW.path, row(0, Class::Ok, "preview success",
        "成功：预览已发出。",
        "Success: the preview was sent.")),
    (catalog::TEMPLATE_SEND.path, UNLINKED),
    (catalog::SUBSCRIBE_SEND.path, UNLINKED),
    (catalog::SUBSCRIBE_BIZSEND.path, UNLINKED),
    (catalog::SUBSCRIBE_SEND.path, NO_PAGE),
    (catalog::SUBSCRIBE_BIZSEND.path, NO_PAGE),
    (catalog::USER_RISK.path, OTHERS_OPENID),
    (catalog::USER_RISK.path, NOT_VISITED),
    (catalog::MSG_SEC_CHECK.path, OTHERS_OPENID),
    (catalog::MSG_SEC_CHECK.path, NOT_VISITED),
    (catalog::MEDIA_CHECK_ASYNC.path, OTHERS_OPENID),
    (catalog::MEDIA_CHECK_ASYNC.path, NOT_VISITED),
    (catalog::MEDIA_CHECK_ASYNC.path, row(40004, Class::Argument, "invalid media type",
        "media_type 不正确：1 为音频，2 为图片。",
        "Wrong media_type: 1 is a sound, 2 a picture.")),
    (catalog::CHECK_ENCRYPTED.path, row(1, Class::Argument, "data not exit",
        "微信没有生成过这份加密数据：三天以前的、别的小程序的查不到，核对哈希是不是 encryptedData 原文的 SHA-256。",
        "WeChat sealed no such data: what is older than three days or another mini program's isn't found, check that the hash is the SHA-256 of encryptedData as it came.")),
    (catalog::WXACODE_UNLIMIT.path, row(45009, Class::Busy, "reach max api daily quota limit",
        "每分钟调用次数超限（小程序码 5000 次/分钟）：降低频率，下一分钟再试。",
        "Over the limit per minute (5000 codes): slow down, try again next minute.")),
];
