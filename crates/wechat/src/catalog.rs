//! Every WeChat endpoint wxgate or its sandbox knows, as data: one row an endpoint.
//!
//! Typed calls, rights, metrics labels, the manual and the sandbox read this table; nothing else
//! spells a WeChat path.

mod checks;
mod content;
pub mod events;
mod people;

pub use checks::*;
pub use content::*;
pub use people::*;

/// The host an endpoint lives on; each has its own configurable base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// `api.weixin.qq.com`
    Api,
    /// `mp.weixin.qq.com`
    Mp,
    /// `open.weixin.qq.com`
    Open,
}

/// The names each host answers to: as its documentation spells it, then those for disaster recovery, of a region, and of old.
/// For whoever stands in WeChat's place.
pub const HOSTS: [(Host, &[&str]); 3] = [
    (
        Host::Api,
        &[
            "api.weixin.qq.com",
            "api2.weixin.qq.com",
            "sh.api.weixin.qq.com",
            "sz.api.weixin.qq.com",
            "hk.api.weixin.qq.com",
            "file.api.weixin.qq.com",
        ],
    ),
    (Host::Mp, &["mp.weixin.qq.com"]),
    (Host::Open, &["open.weixin.qq.com"]),
];

/// The HTTP method WeChat documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query, no body.
    Get,
    /// A body that is never empty: `{}` at least.
    Post,
}

/// Which credential goes with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The app's `access_token`, in the query.
    AccessToken,
    /// `appid` and `secret`, in query or body.
    Secret,
    /// A web-OAuth user's own token, in the query.
    UserToken,
    /// Nothing.
    None,
}

/// What a call that may have reached WeChat without an answer has perhaps done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: asking again is safe.
    Reads,
    /// Changed or sent something.
    Writes,
    /// Spent a single-use code.
    SpendsCode,
}

/// What a gateway does with a call of an SDK that takes it for WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treat {
    /// Answers with a token of its own.
    Token,
    /// Answers from the tickets it manages.
    Ticket,
    /// Puts the app's secret in; the single-use code in this parameter, seen again, gets its answer again.
    Code(&'static str),
    /// Likewise, but there is no code, and SDKs show no secret of their own.
    Refresh,
    /// Puts the app's secret in, as `appsecret`; no code is spent.
    Secret,
    /// Passes it on for every known network: no credential of ours goes with it.
    Open,
    /// Sends the browser that opens it on to WeChat.
    Page,
    /// Passes it on with the app's access_token.
    Plain,
}

/// One WeChat endpoint.
#[derive(Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Short dotted name, for logs and metrics: `message.template.send`.
    pub name: &'static str,
    /// Documented method.
    pub method: Method,
    /// Path, with its leading slash.
    pub path: &'static str,
    /// Host it lives on.
    pub host: Host,
    /// Credential it takes.
    pub auth: Auth,
    /// What an unanswered call may have done.
    pub effect: Effect,
    /// What a gateway does with it.
    pub treat: Treat,
    /// Concerns every caller of an app: only for callers to whom it was given by this very path.
    pub by_name: bool,
}

impl Endpoint {
    const fn treat(self, treat: Treat) -> Self {
        Self { treat, ..self }
    }

    const fn on(self, host: Host) -> Self {
        Self { host, ..self }
    }

    const fn by_name(self) -> Self {
        Self { by_name: true, ..self }
    }
}

const fn api(name: &'static str, method: Method, path: &'static str, auth: Auth, effect: Effect) -> Endpoint {
    Endpoint { name, method, path, host: Host::Api, auth, effect, treat: Treat::Plain, by_name: false }
}

const fn page(name: &'static str, path: &'static str) -> Endpoint {
    api(name, Method::Get, path, Auth::None, Effect::Reads).on(Host::Open).treat(Treat::Page)
}

/// `access_token`, classic: every call ends the token before the last.
pub const TOKEN: Endpoint =
    api("token", Method::Get, "/cgi-bin/token", Auth::Secret, Effect::Writes).treat(Treat::Token);
/// `access_token`, stable: the same token until five minutes before its end.
pub const STABLE_TOKEN: Endpoint =
    api("stable_token", Method::Post, "/cgi-bin/stable_token", Auth::Secret, Effect::Reads)
        .treat(Treat::Token);
/// `jsapi_ticket` and `wx_card` ticket.
pub const GET_TICKET: Endpoint =
    api("ticket.getticket", Method::Get, "/cgi-bin/ticket/getticket", Auth::AccessToken, Effect::Reads)
        .treat(Treat::Ticket);
/// Web OAuth: code for user token.
pub const OAUTH_ACCESS_TOKEN: Endpoint =
    api("sns.oauth2.access_token", Method::Get, "/sns/oauth2/access_token", Auth::Secret, Effect::SpendsCode)
        .treat(Treat::Code("code"));
/// Web OAuth: the user's profile.
pub const SNS_USERINFO: Endpoint =
    api("sns.userinfo", Method::Get, "/sns/userinfo", Auth::UserToken, Effect::Reads).treat(Treat::Open);
/// Mini-program login.
pub const JSCODE2SESSION: Endpoint =
    api("sns.jscode2session", Method::Get, "/sns/jscode2session", Auth::Secret, Effect::SpendsCode)
        .treat(Treat::Code("js_code"));
/// Parametric QR code of an official account.
pub const QRCODE_CREATE: Endpoint =
    api("qrcode.create", Method::Post, "/cgi-bin/qrcode/create", Auth::AccessToken, Effect::Writes);
/// The picture of a parametric QR code.
pub const SHOWQRCODE: Endpoint =
    api("showqrcode", Method::Get, "/cgi-bin/showqrcode", Auth::None, Effect::Reads)
        .on(Host::Mp)
        .treat(Treat::Open);
/// Template message of an official account.
pub const TEMPLATE_SEND: Endpoint = api(
    "message.template.send",
    Method::Post,
    "/cgi-bin/message/template/send",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscription notification of an official account.
pub const SUBSCRIBE_BIZSEND: Endpoint = api(
    "message.subscribe.bizsend",
    Method::Post,
    "/cgi-bin/message/subscribe/bizsend",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscription message of a mini program.
pub const SUBSCRIBE_SEND: Endpoint = api(
    "message.subscribe.send",
    Method::Post,
    "/cgi-bin/message/subscribe/send",
    Auth::AccessToken,
    Effect::Writes,
);
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

/// Clears an app's daily quotas by its AppSecret.
pub const CLEAR_QUOTA_V2: Endpoint =
    api("clear_quota.v2", Method::Post, "/cgi-bin/clear_quota/v2", Auth::Secret, Effect::Writes)
        .treat(Treat::Secret)
        .by_name();
/// Clears an app's daily quotas: ten times a month.
pub const CLEAR_QUOTA: Endpoint =
    api("clear_quota", Method::Post, "/cgi-bin/clear_quota", Auth::AccessToken, Effect::Writes).by_name();
/// Clears one endpoint's daily quota.
pub const QUOTA_CLEAR: Endpoint = api(
    "openapi.quota.clear",
    Method::Post,
    "/cgi-bin/openapi/quota/clear",
    Auth::AccessToken,
    Effect::Writes,
)
.by_name();
/// What is left of an endpoint's daily quota.
pub const QUOTA_GET: Endpoint =
    api("openapi.quota.get", Method::Post, "/cgi-bin/openapi/quota/get", Auth::AccessToken, Effect::Reads);
/// The call behind a `rid`, its URL and token included.
pub const RID_GET: Endpoint =
    api("openapi.rid.get", Method::Post, "/cgi-bin/openapi/rid/get", Auth::AccessToken, Effect::Reads)
        .by_name();
/// Addresses of WeChat's API.
pub const API_DOMAIN_IP: Endpoint =
    api("get_api_domain_ip", Method::Get, "/cgi-bin/get_api_domain_ip", Auth::AccessToken, Effect::Reads);
/// Addresses WeChat pushes from.
pub const CALLBACK_IP: Endpoint =
    api("getcallbackip", Method::Get, "/cgi-bin/getcallbackip", Auth::AccessToken, Effect::Reads);
/// Has WeChat reach for the callback URL.
pub const CALLBACK_CHECK: Endpoint =
    api("callback.check", Method::Post, "/cgi-bin/callback/check", Auth::AccessToken, Effect::Reads);
/// Web OAuth: renews a user token by its refresh token.
pub const OAUTH_REFRESH_TOKEN: Endpoint =
    api("sns.oauth2.refresh_token", Method::Get, "/sns/oauth2/refresh_token", Auth::None, Effect::Reads)
        .treat(Treat::Refresh);
/// Web OAuth: whether a user token is good.
pub const SNS_AUTH: Endpoint =
    api("sns.auth", Method::Get, "/sns/auth", Auth::UserToken, Effect::Reads).treat(Treat::Open);
/// A follower.
pub const USER_INFO: Endpoint =
    api("user.info", Method::Get, "/cgi-bin/user/info", Auth::AccessToken, Effect::Reads);
/// Up to 100 followers.
pub const USER_INFO_BATCHGET: Endpoint =
    api("user.info.batchget", Method::Post, "/cgi-bin/user/info/batchget", Auth::AccessToken, Effect::Reads);
/// The followers' openids, 10,000 a page.
pub const USER_GET: Endpoint =
    api("user.get", Method::Get, "/cgi-bin/user/get", Auth::AccessToken, Effect::Reads);
/// Stores a text under a short key.
pub const SHORTEN_GEN: Endpoint =
    api("shorten.gen", Method::Post, "/cgi-bin/shorten/gen", Auth::AccessToken, Effect::Writes);
/// The text of a short key.
pub const SHORTEN_FETCH: Endpoint =
    api("shorten.fetch", Method::Post, "/cgi-bin/shorten/fetch", Auth::AccessToken, Effect::Reads);
/// Sets the account's menu.
pub const MENU_CREATE: Endpoint =
    api("menu.create", Method::Post, "/cgi-bin/menu/create", Auth::AccessToken, Effect::Writes);
/// The account's menus.
pub const MENU_GET: Endpoint =
    api("menu.get", Method::Get, "/cgi-bin/menu/get", Auth::AccessToken, Effect::Reads);
/// Removes the account's menus.
pub const MENU_DELETE: Endpoint =
    api("menu.delete", Method::Get, "/cgi-bin/menu/delete", Auth::AccessToken, Effect::Writes);
/// Template messages: sets the industries.
pub const TEMPLATE_SET_INDUSTRY: Endpoint = api(
    "template.api_set_industry",
    Method::Post,
    "/cgi-bin/template/api_set_industry",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages: the industries.
pub const TEMPLATE_GET_INDUSTRY: Endpoint = api(
    "template.get_industry",
    Method::Get,
    "/cgi-bin/template/get_industry",
    Auth::AccessToken,
    Effect::Reads,
);
/// Template messages: adds a template.
pub const TEMPLATE_ADD: Endpoint = api(
    "template.api_add_template",
    Method::Post,
    "/cgi-bin/template/api_add_template",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages: the account's templates.
pub const TEMPLATE_LIST: Endpoint = api(
    "template.get_all_private_template",
    Method::Get,
    "/cgi-bin/template/get_all_private_template",
    Auth::AccessToken,
    Effect::Reads,
);
/// Template messages: removes a template.
pub const TEMPLATE_DELETE: Endpoint = api(
    "template.del_private_template",
    Method::Post,
    "/cgi-bin/template/del_private_template",
    Auth::AccessToken,
    Effect::Writes,
);
/// Template messages that were intercepted.
pub const TEMPLATE_BLOCKED: Endpoint = api(
    "wxa.sec.queryblocktmplmsg",
    Method::Post,
    "/wxa/sec/queryblocktmplmsg",
    Auth::AccessToken,
    Effect::Reads,
);
/// One-time subscription message of an official account.
pub const TEMPLATE_SUBSCRIBE: Endpoint = api(
    "message.template.subscribe",
    Method::Post,
    "/cgi-bin/message/template/subscribe",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: adds a template.
pub const NEWTMPL_ADD: Endpoint = api(
    "newtmpl.addtemplate",
    Method::Post,
    "/wxaapi/newtmpl/addtemplate",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: removes a template.
pub const NEWTMPL_DELETE: Endpoint = api(
    "newtmpl.deltemplate",
    Method::Post,
    "/wxaapi/newtmpl/deltemplate",
    Auth::AccessToken,
    Effect::Writes,
);
/// Subscriptions: the account's templates.
pub const NEWTMPL_LIST: Endpoint =
    api("newtmpl.gettemplate", Method::Get, "/wxaapi/newtmpl/gettemplate", Auth::AccessToken, Effect::Reads);
/// Subscriptions: the account's categories.
pub const NEWTMPL_CATEGORY: Endpoint =
    api("newtmpl.getcategory", Method::Get, "/wxaapi/newtmpl/getcategory", Auth::AccessToken, Effect::Reads);
/// Subscriptions: titles of the public library.
pub const NEWTMPL_TITLES: Endpoint = api(
    "newtmpl.getpubtemplatetitles",
    Method::Get,
    "/wxaapi/newtmpl/getpubtemplatetitles",
    Auth::AccessToken,
    Effect::Reads,
);
/// Subscriptions: keywords of a title.
pub const NEWTMPL_KEYWORDS: Endpoint = api(
    "newtmpl.getpubtemplatekeywords",
    Method::Get,
    "/wxaapi/newtmpl/getpubtemplatekeywords",
    Auth::AccessToken,
    Effect::Reads,
);
/// Customer-service message.
pub const CUSTOM_SEND: Endpoint = api(
    "message.custom.send",
    Method::Post,
    "/cgi-bin/message/custom/send",
    Auth::AccessToken,
    Effect::Writes,
);
/// Customer service: the typing state.
pub const CUSTOM_TYPING: Endpoint = api(
    "message.custom.typing",
    Method::Post,
    "/cgi-bin/message/custom/typing",
    Auth::AccessToken,
    Effect::Writes,
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
/// Temporary media: upload.
pub const MEDIA_UPLOAD: Endpoint =
    api("media.upload", Method::Post, "/cgi-bin/media/upload", Auth::AccessToken, Effect::Writes);
/// Temporary media: download.
pub const MEDIA_GET: Endpoint =
    api("media.get", Method::Get, "/cgi-bin/media/get", Auth::AccessToken, Effect::Reads);
/// Temporary media: a page's recording in full quality.
pub const MEDIA_GET_JSSDK: Endpoint =
    api("media.get.jssdk", Method::Get, "/cgi-bin/media/get/jssdk", Auth::AccessToken, Effect::Reads);
/// Picture for an article.
pub const MEDIA_UPLOADIMG: Endpoint =
    api("media.uploadimg", Method::Post, "/cgi-bin/media/uploadimg", Auth::AccessToken, Effect::Writes);
/// Permanent media: upload.
pub const MATERIAL_ADD: Endpoint = api(
    "material.add_material",
    Method::Post,
    "/cgi-bin/material/add_material",
    Auth::AccessToken,
    Effect::Writes,
);
/// Permanent media: download.
pub const MATERIAL_GET: Endpoint = api(
    "material.get_material",
    Method::Post,
    "/cgi-bin/material/get_material",
    Auth::AccessToken,
    Effect::Reads,
);
/// Permanent media: remove.
pub const MATERIAL_DELETE: Endpoint = api(
    "material.del_material",
    Method::Post,
    "/cgi-bin/material/del_material",
    Auth::AccessToken,
    Effect::Writes,
);
/// Permanent media: list.
pub const MATERIAL_LIST: Endpoint = api(
    "material.batchget_material",
    Method::Post,
    "/cgi-bin/material/batchget_material",
    Auth::AccessToken,
    Effect::Reads,
);
/// Permanent media: numbers.
pub const MATERIAL_COUNT: Endpoint = api(
    "material.get_materialcount",
    Method::Get,
    "/cgi-bin/material/get_materialcount",
    Auth::AccessToken,
    Effect::Reads,
);
/// Web OAuth: the page that asks the user.
pub const OAUTH_AUTHORIZE: Endpoint = page("connect.oauth2.authorize", "/connect/oauth2/authorize");
/// Web login by QR code: the page that shows it.
pub const QRCONNECT: Endpoint = page("connect.qrconnect", "/connect/qrconnect");

/// All rows, by path in the order of its bytes.
pub const ALL: &[&Endpoint] = &[
    &CALLBACK_CHECK,
    &CHANGE_OPENID,
    &CLEAR_QUOTA,
    &CLEAR_QUOTA_V2,
    &COMMENT_CLOSE,
    &COMMENT_DELETE,
    &COMMENT_LIST,
    &COMMENT_ELECT,
    &COMMENT_OPEN,
    &COMMENT_REPLY,
    &COMMENT_UNREPLY,
    &COMMENT_UNELECT,
    &KF_LIST,
    &KF_ONLINE,
    &DRAFT_ADD,
    &DRAFT_LIST,
    &DRAFT_COUNT,
    &DRAFT_DELETE,
    &DRAFT_GET,
    &DRAFT_SWITCH,
    &DRAFT_UPDATE,
    &PUBLISH_LIST,
    &PUBLISH_DELETE,
    &PUBLISH_GET,
    &PUBLISH_ARTICLE,
    &PUBLISH_SUBMIT,
    &API_DOMAIN_IP,
    &SELFMENU_INFO,
    &CALLBACK_IP,
    &MATERIAL_ADD,
    &MATERIAL_ADD_NEWS,
    &MATERIAL_LIST,
    &MATERIAL_DELETE,
    &MATERIAL_GET,
    &MATERIAL_COUNT,
    &MATERIAL_UPDATE_NEWS,
    &MEDIA_GET,
    &MEDIA_GET_JSSDK,
    &MEDIA_UPLOAD,
    &MEDIA_UPLOADIMG,
    &MENU_ADDCONDITIONAL,
    &MENU_CREATE,
    &MENU_DELCONDITIONAL,
    &MENU_DELETE,
    &MENU_GET,
    &MENU_TRYMATCH,
    &CUSTOM_SEND,
    &CUSTOM_TYPING,
    &MASS_DELETE,
    &MASS_GET,
    &MASS_PREVIEW,
    &MASS_SEND,
    &MASS_SENDALL,
    &MASS_SPEED_GET,
    &MASS_SPEED_SET,
    &SUBSCRIBE_BIZSEND,
    &SUBSCRIBE_SEND,
    &TEMPLATE_SEND,
    &TEMPLATE_SUBSCRIBE,
    &QUOTA_CLEAR,
    &QUOTA_GET,
    &RID_GET,
    &QRCODE_CREATE,
    &SHORTEN_FETCH,
    &SHORTEN_GEN,
    &SHOWQRCODE,
    &STABLE_TOKEN,
    &TAGS_CREATE,
    &TAGS_DELETE,
    &TAGS_GET,
    &TAGS_OF_USER,
    &BLACKLIST_ADD,
    &TAGS_TAG,
    &BLACKLIST_REMOVE,
    &TAGS_UNTAG,
    &BLACKLIST_GET,
    &TAGS_UPDATE,
    &TEMPLATE_ADD,
    &TEMPLATE_SET_INDUSTRY,
    &TEMPLATE_DELETE,
    &TEMPLATE_LIST,
    &TEMPLATE_GET_INDUSTRY,
    &GET_TICKET,
    &TOKEN,
    &USER_GET,
    &USER_INFO,
    &USER_INFO_BATCHGET,
    &USER_REMARK,
    &TAG_MEMBERS,
    &WXA_QRCODE,
    &OAUTH_AUTHORIZE,
    &QRCONNECT,
    &KF_ADD,
    &KF_DELETE,
    &KF_INVITE,
    &KF_UPDATE,
    &KF_HEADIMG,
    &KF_SESSION_CLOSE,
    &KF_SESSION_CREATE,
    &KF_SESSION_GET,
    &KF_SESSION_LIST,
    &KF_WAITING,
    &KF_RECORDS,
    &OCR_BANKCARD,
    &OCR_BIZLICENSE,
    &OCR_COMM,
    &OCR_DRIVING,
    &OCR_DRIVINGLICENSE,
    &OCR_IDCARD,
    &OCR_PLATENUM,
    &CUBE_ARTICLE_SUMMARY,
    &CUBE_ARTICLE_TOTAL,
    &CUBE_INTERFACE,
    &CUBE_INTERFACE_HOUR,
    &CUBE_UPSTREAM,
    &CUBE_UPSTREAM_DIST,
    &CUBE_UPSTREAM_DIST_MONTH,
    &CUBE_UPSTREAM_DIST_WEEK,
    &CUBE_UPSTREAM_HOUR,
    &CUBE_UPSTREAM_MONTH,
    &CUBE_UPSTREAM_WEEK,
    &CUBE_USER_CUMULATE,
    &CUBE_USER_READ,
    &CUBE_USER_READ_HOUR,
    &CUBE_USER_SHARE,
    &CUBE_USER_SHARE_HOUR,
    &CUBE_USER_SUMMARY,
    &SUBSCRIBE_MSG_PAGE,
    &SNS_AUTH,
    &JSCODE2SESSION,
    &OAUTH_ACCESS_TOKEN,
    &OAUTH_REFRESH_TOKEN,
    &SNS_USERINFO,
    &CHECK_ENCRYPTED,
    &USER_ENCRYPT_KEY,
    &PHONE_NUMBER,
    &CHECK_SESSION,
    &GENERATE_URLLINK,
    &GENERATE_NFC_SCHEME,
    &GENERATE_SCHEME,
    &GENERATE_SHORTLINK,
    &PAID_UNIONID,
    &USER_RISK,
    &WXACODE,
    &WXACODE_UNLIMIT,
    &IMG_SEC_CHECK,
    &MEDIA_CHECK_ASYNC,
    &MSG_SEC_CHECK,
    &QUERY_URLLINK,
    &QUERY_SCHEME,
    &RESET_SESSION,
    &TEMPLATE_BLOCKED,
    &NEWTMPL_ADD,
    &NEWTMPL_DELETE,
    &NEWTMPL_CATEGORY,
    &NEWTMPL_KEYWORDS,
    &NEWTMPL_TITLES,
    &NEWTMPL_LIST,
];

/// The row of a path, which begins with its slash and has no query.
pub fn by_path(path: &str) -> Option<&'static Endpoint> {
    ALL.binary_search_by_key(&path, |endpoint| endpoint.path).ok().map(|at| ALL[at])
}

/// Whether a path concerns every caller of an app, in whatever case it is written: whoever may call
/// many paths by a pattern may not yet call this one.
pub fn by_name_only(path: &str) -> bool {
    // Also what is below or beside it: a third version would clear quotas as these do.
    begins(path, CLEAR_QUOTA.path)
        || ALL.iter().any(|endpoint| endpoint.by_name && endpoint.path.eq_ignore_ascii_case(path))
}

/// Whether a path wants the credential of a third-party platform: an account's own access_token is
/// refused there with the very codes that elsewhere mean it is dead.
pub fn wants_other_credential(path: &str) -> bool {
    const PLATFORM: [&str; 3] = ["/cgi-bin/component/", "/sns/component/", "/sns/oauth2/component/"];
    PLATFORM.iter().any(|prefix| begins(path, prefix))
}

/// Whether `path` begins with `prefix`, in whatever case it is written.
fn begins(path: &str, prefix: &str) -> bool {
    path.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests;
