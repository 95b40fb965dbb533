//! Mini programs: codes, links, sessions, phone numbers.

use super::{Auth, Effect, Endpoint, Method, api};

/// Mini-program code, unlimited in number.
pub const WXACODE_UNLIMIT: Endpoint =
    api("wxa.getwxacodeunlimit", Method::Post, "/wxa/getwxacodeunlimit", Auth::AccessToken, Effect::Reads);
/// Phone number of a mini-program user.
pub const PHONE_NUMBER: Endpoint = api(
    "wxa.business.getuserphonenumber",
    Method::Post,
    "/wxa/business/getuserphonenumber",
    Auth::AccessToken,
    Effect::SpendsCode,
);
/// Mini-program code, limited in number.
pub const WXACODE: Endpoint =
    api("wxa.getwxacode", Method::Post, "/wxa/getwxacode", Auth::AccessToken, Effect::Writes);
/// Square QR code of a mini program, limited in number.
pub const WXA_QRCODE: Endpoint = api(
    "wxaapp.createwxaqrcode",
    Method::Post,
    "/cgi-bin/wxaapp/createwxaqrcode",
    Auth::AccessToken,
    Effect::Writes,
);
/// URL scheme that opens a mini program.
pub const GENERATE_SCHEME: Endpoint =
    api("wxa.generatescheme", Method::Post, "/wxa/generatescheme", Auth::AccessToken, Effect::Writes);
/// What a URL scheme opens.
pub const QUERY_SCHEME: Endpoint =
    api("wxa.queryscheme", Method::Post, "/wxa/queryscheme", Auth::AccessToken, Effect::Reads);
/// URL scheme for an NFC tag.
pub const GENERATE_NFC_SCHEME: Endpoint =
    api("wxa.generatenfcscheme", Method::Post, "/wxa/generatenfcscheme", Auth::AccessToken, Effect::Writes);
/// URL link that opens a mini program.
pub const GENERATE_URLLINK: Endpoint =
    api("wxa.generate_urllink", Method::Post, "/wxa/generate_urllink", Auth::AccessToken, Effect::Writes);
/// What a URL link opens.
pub const QUERY_URLLINK: Endpoint =
    api("wxa.query_urllink", Method::Post, "/wxa/query_urllink", Auth::AccessToken, Effect::Reads);
/// Short link for chats.
pub const GENERATE_SHORTLINK: Endpoint =
    api("wxa.genwxashortlink", Method::Post, "/wxa/genwxashortlink", Auth::AccessToken, Effect::Writes);
/// Whether a mini program's session key is good.
pub const CHECK_SESSION: Endpoint =
    api("wxa.checksession", Method::Get, "/wxa/checksession", Auth::AccessToken, Effect::Reads);
/// Replaces a mini program's session key.
pub const RESET_SESSION: Endpoint = api(
    "wxa.resetusersessionkey",
    Method::Get,
    "/wxa/resetusersessionkey",
    Auth::AccessToken,
    Effect::Writes,
);
/// Whether encrypted data came from WeChat.
pub const CHECK_ENCRYPTED: Endpoint = api(
    "wxa.business.checkencryptedmsg",
    Method::Post,
    "/wxa/business/checkencryptedmsg",
    Auth::AccessToken,
    Effect::Reads,
);
/// A mini-program user's encryption keys.
pub const USER_ENCRYPT_KEY: Endpoint = api(
    "wxa.business.getuserencryptkey",
    Method::Get,
    "/wxa/business/getuserencryptkey",
    Auth::AccessToken,
    Effect::Reads,
);
/// The unionid of a user who has paid.
pub const PAID_UNIONID: Endpoint =
    api("wxa.getpaidunionid", Method::Get, "/wxa/getpaidunionid", Auth::AccessToken, Effect::Reads);
