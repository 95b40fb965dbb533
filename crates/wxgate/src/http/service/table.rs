//! Every endpoint of the service API as data: its parameters are checked, its OpenAPI entry is
//! written and its failures are coded from here.

mod jobs;
mod results;
mod streams;

use std::collections::HashMap;
use std::sync::LazyLock;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;

use super::fields::Fields;
use super::param::{CODE, Doc, FLOW_ID, OPENID, Param, Shape, TOUSER, may, need};
use super::{Alone, Call, Service, Success, messages, token};
use crate::entries::AccountKind::{self, Mini, Official, Open};
use crate::problem::{Code, Problem};
use crate::registry::callers::Caller;
use crate::shares::Room;

/// One endpoint with one method.
#[derive(Debug)]
pub(super) struct Operation {
    /// Path below the prefix.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// For people.
    pub(super) summary: Doc,
    /// Besides `source` and `appid`.
    pub(super) params: &'static [Param],
    /// Members of `body`, with their JSON type.
    pub(super) answer: &'static [(&'static str, &'static str)],
    /// The code of WeChat's refusal when no rule of the contract is closer.
    pub(super) refused_as: Code,
    /// Needs a caller with `export_token`.
    pub(super) exports_token: bool,
    /// The kinds of account it is for.
    pub(super) kinds: &'static [AccountKind],
    /// For accounts of a kind it isn't for: what they have for that.
    pub(super) instead: &'static [(AccountKind, &'static str)],
    /// Answers pictures to `Accept: image/*`.
    pub(super) picture: bool,
    /// Finds the account that it is about, where the request need not name one.
    pub(super) app_of: Option<AppOf>,
    /// What it takes a place of.
    pub(super) room: Room,
    /// What the parameters' shapes don't tell; before the app is looked at.
    pub(super) check: Check,
    /// Absent where `own` stands; else it is answered by the document itself, without a key.
    pub(super) run: Option<Run>,
    /// It is for no single app.
    pub(super) own: Option<Own>,
}

/// How a call is answered that is for no single app, so that it needs neither `appid` nor `source`.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) run: fn(Service, Alone) -> BoxFuture<'static, Result<Success, Problem>>,
    pub(super) takes: Takes,
    /// The media type of a success, if that is no JSON of ours.
    pub(super) gives: Option<&'static str>,
}

/// What a call that is for no single app takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Its parameters stand in the query.
    Query,
    /// They are the members of its body.
    Json,
    /// Its body is no JSON of ours; it has no parameters.
    Raw,
    /// Its body is read as it comes; its parameters stand in the query.
    Lines,
}

/// The whole path of each endpoint, by name.
static PATHS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    ENDPOINTS
        .iter()
        .map(|endpoint| (endpoint.name, format!("{}{}", crate::http::PREFIX, endpoint.name)))
        .collect()
});

impl Operation {
    /// Its whole path.
    pub(super) fn path(&self) -> &'static str {
        PATHS.get(self.name).map_or("", String::as_str)
    }

    /// Whether it is the document of all of them.
    pub(super) fn is_document(&self) -> bool {
        self.run.is_none() && self.own.is_none()
    }
}

/// The function that answers a call; it owns the call, so that work which must go on when the caller hangs up can.
pub(super) type Run = fn(Service, Call) -> BoxFuture<'static, Result<Success, Problem>>;

/// Finds the account of what a request names.
pub(super) type AppOf =
    for<'a> fn(&'a Service, &'a Caller, &'a Fields) -> BoxFuture<'a, Result<String, Problem>>;

/// Checks what the parameters' shapes don't tell.
pub(super) type Check = fn(&Fields) -> Result<(), Problem>;

const BASE: Operation = Operation {
    name: "",
    method: Method::POST,
    summary: ("", ""),
    params: &[],
    answer: &[],
    refused_as: Code::Internal,
    exports_token: false,
    kinds: &[Official, Mini, Open],
    instead: &[],
    picture: false,
    app_of: None,
    room: Room::Calls,
    check: |_| Ok(()),
    run: None,
    own: None,
};

const TOKEN_ANSWER: &[(&str, &str)] =
    &[("appid", "string"), ("access_token", "string"), ("expires_in", "integer"), ("version", "integer")];

pub(super) const ENDPOINTS: &[Operation] = &[
    Operation {
        name: "getwxuserinfo",
        summary: ("网页授权：code 换用户信息", "Web OAuth: a code for the user's profile"),
        params: &[
            CODE,
            may(
                "lang",
                Shape::Choice(&["zh_CN", "zh_TW", "en"]),
                "资料的语言",
                "the language of the profile",
            ),
        ],
        answer: &[
            ("appid", "string"),
            ("openid", "string"),
            ("unionid", "string"),
            ("nickname", "string"),
            ("sex", "integer"),
            ("province", "string"),
            ("city", "string"),
            ("country", "string"),
            ("headimgurl", "string"),
            ("privilege", "array"),
            ("is_snapshot_user", "integer"),
            ("access_token", "string"),
            ("refresh_token", "string"),
        ],
        kinds: &[Official, Open],
        instead: &[(Mini, "code2session")],
        refused_as: Code::User,
        run: Some(|service, call| service.once(call, Service::user_info).boxed()),
        ..BASE
    },
    Operation {
        name: "code2session",
        summary: (
            "小程序登录：code 换 openid 和 session_key",
            "Mini program login: a code for openid and session_key",
        ),
        params: &[CODE],
        answer: &[
            ("appid", "string"),
            ("openid", "string"),
            ("unionid", "string"),
            ("session_key", "string"),
        ],
        kinds: &[Mini],
        instead: &[(Official, "getwxuserinfo"), (Open, "getwxuserinfo")],
        refused_as: Code::User,
        run: Some(|service, call| service.once(call, Service::session).boxed()),
        ..BASE
    },
    Operation {
        name: "getwxqrcode",
        summary: ("公众号带参二维码", "An official account's QR code with a scene"),
        params: &[
            may(
                "scene",
                Shape::Text(64),
                "场景值，1 到 64 个字符；不给则随机",
                "the scene, 1 to 64 characters; a random one if absent",
            ),
            may(
                "expire_seconds",
                Shape::Int(1, 2_592_000),
                "有效秒数，默认 2592000（30 天）",
                "seconds it lives, 2592000 (30 days) by default",
            ),
            may(
                "permanent",
                Shape::Flag,
                "true：永久二维码（总数 10 万）",
                "true: a permanent code (100,000 in all)",
            ),
            FLOW_ID,
        ],
        answer: &[
            ("flow_id", "string"),
            ("appid", "string"),
            ("scene", "string"),
            ("ticket", "string"),
            ("url", "string"),
            ("expire_seconds", "integer"),
            ("qr_buffer", "string"),
        ],
        kinds: &[Official],
        instead: &[(Mini, "getunlimitedqrcode")],
        refused_as: Code::QrCode,
        picture: true,
        run: Some(|service, call| async move { service.qr_code(&call).await }.boxed()),
        ..BASE
    },
    results::SCAN_RESULT,
    Operation {
        name: "getunlimitedqrcode",
        summary: ("小程序码（不限数量）", "A mini program's code (any number of them)"),
        params: &[
            need("scene", Shape::Text(32), "场景值，1 到 32 个字符", "the scene, 1 to 32 characters"),
            may(
                "page",
                Shape::Text(1024),
                "页面路径，不以 / 开头、不带参数；默认主页",
                "the page's path, without a leading / and parameters; default: the first page",
            ),
            may(
                "check_path",
                Shape::Flag,
                "是否检查页面已发布，默认 true",
                "whether the page has to be published, true by default",
            ),
            may(
                "env_version",
                Shape::Choice(&["release", "trial", "develop"]),
                "要打开的版本，默认 release",
                "the version to open, release by default",
            ),
            may(
                "width",
                Shape::Int(1, 4096),
                "宽度（像素），微信支持 280 到 1280，默认 430",
                "width in pixels, WeChat takes 280 to 1280, 430 by default",
            ),
            may("auto_color", Shape::Flag, "自动配色", "choose colours by itself"),
            may(
                "line_color",
                Shape::Object,
                "线条颜色 {\"r\":0,\"g\":0,\"b\":0}",
                "the lines' colour {\"r\":0,\"g\":0,\"b\":0}",
            ),
            may("is_hyaline", Shape::Flag, "透明底色", "a transparent background"),
            FLOW_ID,
        ],
        answer: &[("flow_id", "string"), ("appid", "string"), ("qr_buffer", "string")],
        kinds: &[Mini],
        instead: &[(Official, "getwxqrcode")],
        refused_as: Code::QrCode,
        picture: true,
        run: Some(|service, call| async move { service.wxa_code(&call).await }.boxed()),
        ..BASE
    },
    Operation {
        name: "getuserphone",
        summary: ("小程序手机号：code 换号码", "Mini program: a code for the phone number"),
        params: &[
            CODE,
            may(
                "openid",
                Shape::Text(128),
                "用户的 openid，微信用来核对",
                "the user's openid, which WeChat checks",
            ),
        ],
        answer: &[
            ("appid", "string"),
            ("purePhoneNumber", "string"),
            ("phoneNumber", "string"),
            ("countryCode", "string"),
        ],
        kinds: &[Mini],
        refused_as: Code::Phone,
        run: Some(|service, call| service.once(call, Service::phone).boxed()),
        ..BASE
    },
    Operation {
        name: "sendwxtemplatemsg",
        summary: ("公众号模板消息", "An official account's template message"),
        params: &[
            OPENID,
            TOUSER,
            need(
                "data",
                Shape::ObjectOrText,
                "关键词对象，或整条微信消息（对象或其 JSON 文本）",
                "the keywords as an object, or a whole WeChat message (an object, or its JSON as a string)",
            ),
            may(
                "template_id",
                Shape::Text(128),
                "模板 ID；data 是整条消息时可省",
                "the template's id; not needed when data is a whole message",
            ),
            may("url", Shape::Text(2048), "点击后打开的网页", "the page that a tap opens"),
            may(
                "miniprogram",
                Shape::Object,
                "点击后打开的小程序 {\"appid\":\"\",\"pagepath\":\"\"}",
                "the mini program that a tap opens {\"appid\":\"\",\"pagepath\":\"\"}",
            ),
            may(
                "client_msg_id",
                Shape::Text(128),
                "防重入 ID：微信 10 分钟内只发一次",
                "an id against doubles: WeChat sends it once within 10 minutes",
            ),
            FLOW_ID,
        ],
        answer: &[("flow_id", "string"), ("msgid", "string")],
        kinds: &[Official],
        instead: &[(Mini, "sendsubscribemsg")],
        refused_as: Code::Message,
        check: messages::check_template,
        run: Some(|service, call| async move { service.template_message(&call).await }.boxed()),
        ..BASE
    },
    jobs::BATCH,
    jobs::JOB,
    jobs::STOP,
    Operation {
        name: "sendsubscribemsg",
        summary: (
            "订阅消息：公众号走 bizsend，小程序走 send",
            "A subscription message: bizsend for official accounts, send for mini programs",
        ),
        params: &[
            OPENID,
            TOUSER,
            need("template_id", Shape::Text(128), "模板 ID", "the template's id"),
            need(
                "data",
                Shape::ObjectOrText,
                "关键词对象 {\"thing1\":{\"value\":\"…\"}}",
                "the keywords as an object {\"thing1\":{\"value\":\"…\"}}",
            ),
            may("page", Shape::Text(1024), "点击后打开的页面", "the page that a tap opens"),
            may(
                "miniprogram",
                Shape::Object,
                "公众号：点击后打开的小程序",
                "official accounts: the mini program that a tap opens",
            ),
            may(
                "miniprogram_state",
                Shape::Choice(&["developer", "trial", "formal"]),
                "小程序：版本，默认 formal",
                "mini programs: the version, formal by default",
            ),
            may(
                "lang",
                Shape::Choice(&["zh_CN", "en_US", "zh_HK", "zh_TW"]),
                "小程序：语言，默认 zh_CN",
                "mini programs: the language, zh_CN by default",
            ),
            FLOW_ID,
        ],
        answer: &[("flow_id", "string"), ("msgid", "string")],
        kinds: &[Official, Mini],
        refused_as: Code::Message,
        check: messages::check_subscribe,
        run: Some(|service, call| async move { service.subscribe_message(&call).await }.boxed()),
        ..BASE
    },
    results::MESSAGE_RESULT,
    Operation {
        name: "jssdk",
        summary: ("JS-SDK 签名", "A JS-SDK signature"),
        params: &[need(
            "url",
            Shape::Text(2048),
            "当前网页的完整地址，# 之后不参与签名",
            "the page's full URL; what follows # is not signed",
        )],
        answer: &[
            ("appId", "string"),
            ("timestamp", "integer"),
            ("nonceStr", "string"),
            ("signature", "string"),
        ],
        kinds: &[Official],
        refused_as: Code::Token,
        check: token::check_url,
        run: Some(|service, call| async move { service.js_sdk(&call).await }.boxed()),
        ..BASE
    },
    Operation {
        name: "token",
        method: Method::GET,
        summary: (
            "读取真正的 access_token（调用方须有 export_token）",
            "Read the real access_token (the caller needs export_token)",
        ),
        answer: TOKEN_ANSWER,
        kinds: &[Official, Mini],
        refused_as: Code::Token,
        exports_token: true,
        run: Some(|service, call| async move { service.token(&call).await }.boxed()),
        ..BASE
    },
    Operation {
        name: "token/refresh",
        summary: (
            "上报失效的 access_token：它仍是当前的才会刷新（调用方须有 export_token）",
            "Report a dead access_token: it is refreshed only if it is still the current one (the caller needs export_token)",
        ),
        params: &[need(
            "current",
            Shape::Text(1024),
            "被微信拒绝的 access_token",
            "the access_token that WeChat refused",
        )],
        answer: TOKEN_ANSWER,
        kinds: &[Official, Mini],
        refused_as: Code::Token,
        exports_token: true,
        run: Some(|service, call| async move { service.token_refresh(&call).await }.boxed()),
        ..BASE
    },
    streams::EVENTS,
    streams::ACK,
    streams::REPLY,
    Operation {
        name: "openapi.json",
        method: Method::GET,
        summary: ("本接口的 OpenAPI 3.1 文档（无需密钥）", "This API's OpenAPI 3.1 document (without a key)"),
        ..BASE
    },
];
