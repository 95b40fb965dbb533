//! What nodes say to each other before a body: the call, and what came of it. JSON behind its length.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use wechat::answer::ApiError;
use wechat::catalog::Host;

use super::call::{CallError, Part, PassRequest};
use crate::slots::TokenError;
use crate::transport::Lost;

/// A call's head may be as long as a request's, and some more.
const LONGEST: usize = 512 << 10;

/// `head` with its length before it.
pub(super) fn written(head: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(head).unwrap_or_default();
    [&(json.len() as u32).to_be_bytes()[..], &json].concat()
}

/// How long a head is that begins so, its length included. `None`: longer than any.
pub(super) fn length(begin: [u8; 4]) -> Option<usize> {
    let length = u32::from_be_bytes(begin) as usize;
    (length <= LONGEST).then_some(4 + length)
}

/// A call without its body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CallHead {
    pub(super) caller: String,
    pub(super) appid: String,
    host: String,
    method: String,
    path: String,
    target: Vec<Part>,
    headers: Vec<(String, String)>,
    proves_token: bool,
    /// Of the body.
    pub(super) length: u64,
}

const HOSTS: [(Host, &str); 3] = [(Host::Api, "api"), (Host::Mp, "mp"), (Host::Open, "open")];

/// A header's value may be of any bytes: each is a character here.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn read(texts: &[(String, String)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(texts.len());
    for (name, text) in texts {
        let bytes = text.chars().map(|char| u8::try_from(char).ok()).collect::<Option<Vec<u8>>>()?;
        headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(&bytes).ok()?);
    }
    Some(headers)
}

impl CallHead {
    pub(super) fn of(appid: &str, request: &PassRequest, length: u64) -> Self {
        let host = HOSTS.iter().find(|(host, _)| *host == request.host).map_or("", |(_, name)| name);
        Self {
            caller: request.caller.to_string(),
            appid: appid.to_owned(),
            host: host.to_owned(),
            method: request.method.to_string(),
            path: request.path.clone(),
            target: request.target.clone(),
            headers: texts(&request.headers),
            proves_token: request.proves_token,
            length,
        }
    }

    /// The request, but for its body.
    pub(super) fn request(self, body: crate::transport::Payload) -> Option<PassRequest> {
        Some(PassRequest {
            caller: self.caller.into(),
            host: HOSTS.iter().find(|(_, name)| *name == self.host)?.0,
            method: Method::from_bytes(self.method.as_bytes()).ok()?,
            path: self.path,
            target: self.target,
            headers: read(&self.headers)?,
            body,
            proves_token: self.proves_token,
        })
    }
}

/// What came of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AnswerHead {
    /// WeChat answered: its body follows.
    Answered {
        status: u16,
        headers: Vec<(String, String)>,
        errcode: i64,
    },
    Failed(Failed),
    /// Nothing was done: another node may have it.
    NotTaken {
        why: String,
    },
}

impl AnswerHead {
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, errcode: i64) -> Self {
        Self::Answered { status: status.as_u16(), headers: texts(headers), errcode }
    }

    /// Status and headers of WeChat's answer.
    pub(super) fn parts(status: u16, headers: &[(String, String)]) -> Option<(StatusCode, HeaderMap)> {
        Some((StatusCode::from_u16(status).ok()?, read(headers)?))
    }
}

/// A [`CallError`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failed {
    TokenRefused(Said),
    TokenLost(Gone),
    NoToken,
    Refused(Said),
    Unknown,
    Again,
    Lost(Gone),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    errcode: i64,
    errmsg: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gone {
    sent: bool,
    why: String,
    zh: String,
}

impl From<ApiError> for Said {
    fn from(error: ApiError) -> Self {
        Self { errcode: error.errcode, errmsg: error.errmsg }
    }
}

impl From<Said> for ApiError {
    fn from(said: Said) -> Self {
        Self { errcode: said.errcode, errmsg: said.errmsg }
    }
}

impl From<Lost> for Gone {
    fn from(lost: Lost) -> Self {
        Self { sent: lost.sent, why: lost.why.to_string(), zh: lost.zh.to_string() }
    }
}

impl From<Gone> for Lost {
    fn from(gone: Gone) -> Self {
        Self { sent: gone.sent, why: gone.why.into(), zh: gone.zh.into() }
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Token(TokenError::Refused(error) | TokenError::TicketRefused(error)) => {
                Self::TokenRefused(error.into())
            }
            CallError::Token(TokenError::Lost(lost) | TokenError::TicketLost(lost)) => {
                Self::TokenLost(lost.into())
            }
            CallError::Token(TokenError::None) => Self::NoToken,
            CallError::Refused(error) => Self::Refused(error.into()),
            CallError::Unknown => Self::Unknown,
            CallError::Again => Self::Again,
            CallError::Lost(lost) => Self::Lost(lost.into()),
        }
    }
}

impl From<Failed> for CallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::TokenRefused(said) => Self::Token(TokenError::Refused(said.into())),
            Failed::TokenLost(gone) => Self::Token(TokenError::Lost(gone.into())),
            Failed::NoToken => Self::Token(TokenError::None),
            Failed::Refused(said) => Self::Refused(said.into()),
            Failed::Unknown => Self::Unknown,
            Failed::Again => Self::Again,
            Failed::Lost(gone) => Self::Lost(gone.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::Payload;

    #[test]
    fn a_call_and_its_failures_arrive_as_they_were() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_bytes(b"\xe6\xb1\x89 \xff").unwrap());
        headers.append("x-a", HeaderValue::from_static("two"));
        let request = PassRequest {
            caller: "oa".into(),
            host: Host::Api,
            method: Method::POST,
            path: "/cgi-bin/x".to_owned(),
            target: vec![Part::Raw("/cgi-bin/x?access_token=".to_owned()), Part::AccessToken],
            headers: headers.clone(),
            body: Payload::Kept(Bytes::new()),
            proves_token: true,
        };
        let wire = written(&CallHead::of("wx1", &request, 7));
        let (begin, json) = wire.split_first_chunk().unwrap();
        assert_eq!(length(*begin), Some(wire.len()));
        let head: CallHead = serde_json::from_slice(json).unwrap();
        assert_eq!((&*head.appid, head.length), ("wx1", 7));
        let read = head.request(Payload::Kept(Bytes::new())).unwrap();
        assert_eq!((read.headers, read.target, read.proves_token), (headers, request.target, true));
        assert_eq!(length([0xFF; 4]), None);

        let error = || ApiError { errcode: 40164, errmsg: "invalid ip".to_owned() };
        for error in [
            CallError::Token(TokenError::Refused(error())),
            CallError::Token(TokenError::None),
            CallError::Token(TokenError::Lost(Lost::before("a", "甲"))),
            CallError::Refused(error()),
            CallError::Unknown,
            CallError::Again,
            CallError::Lost(Lost::after("b", "乙")),
        ] {
            let told = format!("{error:?}");
            let json = serde_json::to_vec(&Failed::from(error)).unwrap();
            let read: Failed = serde_json::from_slice(&json).unwrap();
            assert_eq!(format!("{:?}", CallError::from(read)), told);
        }
    }
}
