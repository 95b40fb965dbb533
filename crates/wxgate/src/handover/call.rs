//! A call that carries an app's credential, as whichever node puts it in may make it; and why one gave nothing.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, response};
use serde::{Deserialize, Serialize};
use wechat::answer::ApiError;
use wechat::catalog::{self, Auth, Endpoint, Host};

use crate::limits::Limits;
use crate::net::{Download, collect};
use crate::slots::TokenError;
use crate::transport::{self, Answer, Lost, Payload, more_query};

/// A request for WeChat.
#[derive(Clone)]
pub struct PassRequest {
    /// Who wants it, for the log of the node that makes it.
    pub caller: Arc<str>,
    /// Which of WeChat's hosts.
    pub host: Host,
    /// As the caller sent it.
    pub method: Method,
    /// The path alone: what is to blame if it refuses every token.
    pub path: String,
    /// Path and query, in parts.
    pub target: Vec<Part>,
    /// All but what HTTP itself needs.
    pub headers: HeaderMap,
    /// As the caller sent it.
    pub body: Payload,
    /// WeChat looks at the access_token there, so that a success proves that it lives.
    pub proves_token: bool,
}

impl PassRequest {
    /// A call of `endpoint`, with the credential of the app `appid` before `query`.
    pub fn typed(
        caller: &Arc<str>,
        appid: &str,
        endpoint: &Endpoint,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Self {
        let path = endpoint.path;
        let mut target = match endpoint.auth {
            Auth::Secret => vec![Part::Raw(format!("{path}?appid={appid}&secret=")), Part::Secret],
            _ => vec![Part::Raw(format!("{path}?access_token=")), Part::AccessToken],
        };
        target.push(Part::Raw(more_query(query)));
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, transport::OUR_NAME);
        let is_post = endpoint.method == catalog::Method::Post;
        if is_post {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Self {
            caller: caller.clone(),
            host: endpoint.host,
            method: if is_post { Method::POST } else { Method::GET },
            path: path.to_owned(),
            target,
            headers,
            body: Payload::Kept(body.unwrap_or_default()),
            proves_token: endpoint.auth == Auth::AccessToken,
        }
    }

    /// Whether the app's AppSecret is in it.
    pub fn shows_secret(&self) -> bool {
        self.target.contains(&Part::Secret)
    }

    /// Whether something of its body went by already.
    pub fn is_touched(&self) -> bool {
        matches!(&self.body, Payload::Stream(upload) if upload.is_touched())
    }

    /// Whether it can be made again.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self.body, Payload::Stream(_))
    }
}

impl fmt::Debug for PassRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PassRequest({} {})", self.method, self.path)
    }
}

/// A part of a path and query.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// As the caller wrote it.
    Raw(String),
    /// The app's access_token.
    AccessToken,
    /// The app's AppSecret.
    Secret,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Raw",
            Self::AccessToken => "AccessToken",
            Self::Secret => "Secret",
        })
    }
}

/// WeChat's answer.
#[derive(Debug)]
pub struct PassAnswer {
    /// Status and headers.
    pub head: response::Parts,
    /// Still on its way, mostly.
    pub body: Download,
    /// WeChat's code in it, as far as it was looked at; 0 for success and for whatever wasn't.
    pub errcode: i64,
    /// WeChat's name for what it refused, where it was asked from here.
    pub rid: Option<Box<str>>,
}

impl PassAnswer {
    /// All of it.
    pub async fn whole(mut self, limits: &Limits) -> Result<Answer, Lost> {
        let read = collect(&mut self.body, limits.answer, limits.silence, |_| false).await;
        let read = read.map_err(|cut| Lost::after(cut.to_string(), "应答没有收全"))?;
        if !read.whole {
            return Err(Lost::after(format!("the answer is over {} bytes", limits.answer), "应答太大"));
        }
        Ok(Answer { status: self.head.status, body: read.bytes })
    }
}

/// Why a call gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The app's access_token could not be had.
    #[error("no access_token: {0}")]
    Token(#[from] TokenError),
    /// WeChat's own refusal. For a token error: no other token helps, because this path refuses everybody's, or another may
    /// not be had now.
    #[error("WeChat refused: {} {}", .0.errcode, .0.errmsg)]
    Refused(ApiError),
    /// WeChat refused the token, and nobody could find out why. The call may be made again.
    #[error("the access_token was refused, and whether it is dead could not be found out")]
    Unknown,
    /// The call was refused for what is cured by now, but its body is gone: the caller may send it again.
    #[error("the access_token was replaced; the call was not repeated")]
    Again,
    /// No usable answer.
    #[error("no answer: {0}")]
    Lost(#[from] Lost),
}

impl CallError {
    /// Whether WeChat did nothing for it: it wasn't sent, or has to be sent again.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::Token(_) | Self::Again => true,
            Self::Lost(lost) => !lost.sent,
            Self::Refused(_) | Self::Unknown => false,
        }
    }

    /// Whether the call was refused for the address it came from, before there was a token for it.
    pub fn is_of_address(&self) -> bool {
        matches!(self, Self::Token(TokenError::Refused(error)) if error.is_of_address())
    }
}
