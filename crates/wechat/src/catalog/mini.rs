//! Mini programs: codes, links, sessions, phone numbers.

use super::{Auth, Effect, Endpoint, Method, api, asks, does, get};

/// Mini-program code, unlimited in number.
pub const WXACODE_UNLIMIT: Endpoint = asks("wxa.getwxacodeunlimit", "/wxa/getwxacodeunlimit");
/// Phone number of a mini-program user.
pub const PHONE_NUMBER: Endpoint = api(
    "wxa.business.getuserphonenumber",
    Method::Post,
    "/wxa/business/getuserphonenumber",
    Auth::AccessToken,
    Effect::SpendsCode,
);
/// Mini-program code, limited in number.
pub const WXACODE: Endpoint = does("wxa.getwxacode", "/wxa/getwxacode");
/// Square QR code of a mini program, limited in number.
pub const WXA_QRCODE: Endpoint = does("wxaapp.createwxaqrcode", "/cgi-bin/wxaapp/createwxaqrcode");
/// URL scheme that opens a mini program.
pub const GENERATE_SCHEME: Endpoint = does("wxa.generatescheme", "/wxa/generatescheme");
/// What a URL scheme opens.
pub const QUERY_SCHEME: Endpoint = asks("wxa.queryscheme", "/wxa/queryscheme");
/// URL scheme for an NFC tag.
pub const GENERATE_NFC_SCHEME: Endpoint = does("wxa.generatenfcscheme", "/wxa/generatenfcscheme");
/// URL link that opens a mini program.
pub const GENERATE_URLLINK: Endpoint = does("wxa.generate_urllink", "/wxa/generate_urllink");
/// What a URL link opens.
pub const QUERY_URLLINK: Endpoint = asks("wxa.query_urllink", "/wxa/query_urllink");
/// Short link for chats.
pub const GENERATE_SHORTLINK: Endpoint = does("wxa.genwxashortlink", "/wxa/genwxashortlink");
/// Whether a mini program's session key is good.
pub const CHECK_SESSION: Endpoint = get("wxa.checksession", "/wxa/checksession");
/// Replaces a mini program's session key.
pub const RESET_SESSION: Endpoint = api(
    "wxa.resetusersessionkey",
    Method::Get,
    "/wxa/resetusersessionkey",
    Auth::AccessToken,
    Effect::Writes,
);
/// Whether encrypted data came from WeChat.
pub const CHECK_ENCRYPTED: Endpoint =
    asks("wxa.business.checkencryptedmsg", "/wxa/business/checkencryptedmsg");
/// A mini-program user's encryption keys.
pub const USER_ENCRYPT_KEY: Endpoint =
    get("wxa.business.getuserencryptkey", "/wxa/business/getuserencryptkey");
/// The unionid of a user who has paid.
pub const PAID_UNIONID: Endpoint = get("wxa.getpaidunionid", "/wxa/getpaidunionid");
