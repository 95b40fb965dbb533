//! What goes wrong, as callers see it: one struct, made by named constructors, rendered by the
//! surface it is answered on.
//!
//! A problem says whose it is to mend and how, in Chinese and English. What only the operator may
//! know (paths, causes) stays in `cause`, which is logged once, where the answer is made.

use std::borrow::Cow;

use http::StatusCode;
use wechat::answer::ApiError;

pub use crate::lang::Words;

/// The service API's codes (contract section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// A bug of ours.
    Internal = 3_584_001,
    /// A parameter is missing or wrong.
    Parameter = 3_584_002,
    /// The body is no JSON object.
    Json = 3_584_003,
    /// No access_token to be had or accepted; an OAuth code refused.
    Token = 3_584_004,
    /// The appid is not configured, its secret is wrong, or the IP is not allowed.
    App = 3_584_005,
    /// User info or session failed.
    User = 3_584_006,
    /// QR code failed.
    QrCode = 3_584_007,
    /// Phone number failed.
    Phone = 3_584_008,
    /// Template or subscription message failed.
    Message = 3_584_009,
    /// The caller showed no key, or a wrong one.
    Unauthenticated = 3_584_010,
    /// The caller may not.
    Forbidden = 3_584_011,
    /// The caller's rate, or WeChat's quota.
    Limited = 3_584_012,
    /// WeChat gave no usable answer.
    Unreachable = 3_584_013,
    /// The store is not available.
    Store = 3_584_014,
    /// Too much at once.
    Overloaded = 3_584_015,
    /// No such endpoint or method.
    NotFound = 3_584_016,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Json => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            // Understood and tried: the code tells.
            _ => StatusCode::OK,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Our code.
    pub code: Code,
    /// What is wrong and what to do.
    pub words: Words,
    /// Whether the same call may succeed if repeated as it is.
    pub retryable: bool,
    /// In how many seconds it may be, where that is known.
    pub again_in: Option<u32>,
    /// WeChat's words, if it answered.
    pub wechat: Option<Box<ApiError>>,
    /// The method to use, when the status is 405.
    pub allow: &'static str,
    /// For the log only.
    pub cause: Option<String>,
}

impl Problem {
    /// The status that belongs to `code`.
    pub fn new(code: Code, zh: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: code.status(),
            code,
            words: Words::new(zh, en),
            retryable: matches!(code, Code::Limited | Code::Store | Code::Overloaded),
            again_in: None,
            wechat: None,
            allow: "",
            cause: None,
        }
    }

    /// With another HTTP status.
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// With something for the log.
    pub fn cause(self, cause: &(impl ToString + ?Sized)) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// Parameter `name` is not what it should be; the texts complete "appid 应…".
    pub fn parameter(name: &str, zh: &str, en: &str) -> Self {
        Self::new(Code::Parameter, format!("参数 {name} {zh}"), format!("parameter {name} {en}"))
    }

    /// A bug of ours.
    pub fn internal(cause: &(impl ToString + ?Sized)) -> Self {
        Self::new(
            Code::Internal,
            "wxgate 内部错误：请凭 request_id 查看日志，并报告给 wxgate",
            "internal error of wxgate: look up the request_id in its log and report it",
        )
        .cause(cause)
    }
}
