//! Every WeChat endpoint wxgate or its sandbox knows, as data: one row an endpoint.
//!
//! Typed calls, rights, metrics labels, the manual and the sandbox read this table; nothing else
//! spells a WeChat path.

mod account;
mod checks;
mod content;
pub mod events;
mod login;
mod message;
mod mini;
mod people;

pub use account::*;
pub use checks::*;
pub use content::*;
pub use login::*;
pub use message::*;
pub use mini::*;
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

/// Reads something, by GET, with the account's token.
const fn get(name: &'static str, path: &'static str) -> Endpoint {
    api(name, Method::Get, path, Auth::AccessToken, Effect::Reads)
}

/// Likewise, by POST.
const fn asks(name: &'static str, path: &'static str) -> Endpoint {
    api(name, Method::Post, path, Auth::AccessToken, Effect::Reads)
}

/// Changes or sends something, by POST, with the account's token.
const fn does(name: &'static str, path: &'static str) -> Endpoint {
    api(name, Method::Post, path, Auth::AccessToken, Effect::Writes)
}

const fn page(name: &'static str, path: &'static str) -> Endpoint {
    api(name, Method::Get, path, Auth::None, Effect::Reads).on(Host::Open).treat(Treat::Page)
}

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
