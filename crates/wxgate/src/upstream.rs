//! Calling WeChat as an app: puts the credential on the wire. Typed calls are in [`call`], callers' own requests in
//! [`pass`]; what a dead token needs is done by [`crate::tokens`].

mod call;
mod pass;

use wechat::answer::ApiError;

use crate::entries::AppEntry;
use crate::metrics::Meter;
use crate::registry::App;
use crate::tokens::{self, Tokens};
use crate::transport::{Lost, Transport};

pub use crate::handover::{CallError, Part, PassAnswer, PassRequest};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream {
    tokens: Tokens,
    /// For calls that are nobody's.
    transport: Transport,
    /// What is counted of them.
    meter: Meter,
}

impl Upstream {
    /// `transport` and `meter` are for calls that are no app's.
    pub fn new(tokens: Tokens, transport: Transport, meter: Meter) -> Self {
        Self { tokens, transport, meter }
    }

    /// The token authority.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Tries the credentials of an account that isn't configured yet.
    pub async fn try_account(&self, app: &AppEntry) -> Result<Option<ApiError>, Lost> {
        let own = app.proxy.as_ref().map(|proxy| self.transport.by(proxy)).transpose();
        let own = own.map_err(|error| Lost::before(error.to_string(), "经由它的 proxy 连不出去"))?;
        tokens::try_account(own.as_ref().unwrap_or(&self.transport), app).await
    }

    /// Whether calls of `app` go by another node.
    fn goes_elsewhere(&self, app: &App) -> bool {
        self.tokens.handover().reach().is_refused(&app.appid)
    }

    /// What another node is answered, if one takes the call. Boxed: it is rare.
    async fn elsewhere(&self, app: &App, request: &PassRequest) -> Option<Result<PassAnswer, CallError>> {
        Box::pin(self.tokens.handover().send(app, request)).await
    }
}

/// The media type of a picture, by its first bytes.
pub fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        _ => None,
    }
}
