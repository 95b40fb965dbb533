//! Passing a caller's own request on, with the app's credential in the place it left for it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode, response};
use secrecy::ExposeSecret as _;
use wechat::answer::{ApiError, errcode};
use wechat::catalog;

use super::{CallError, Part, PassAnswer, PassRequest, Upstream, picture_type};
use crate::clock::Instant;
use crate::lang::say;
use crate::metrics::{Asking, Meter, OTHER};
use crate::net::{Answered, Download, collect};
use crate::registry::App;
use crate::rules::leaks::Leaks;
use crate::slots::{Token, Way};
use crate::tokens::{Said, TokenCall};
use crate::transport::{Lost, Transport};

impl Upstream {
    /// Passes `request` on, which carries no access_token of ours: whatever comes back is the caller's.
    pub async fn pass_untouched(
        &self,
        app: Option<&App>,
        request: &PassRequest,
    ) -> Result<PassAnswer, CallError> {
        let of_secret = app.filter(|_| request.shows_secret());
        let mut is_tried = false;
        if let Some(app) = of_secret.filter(|app| self.goes_elsewhere(app)) {
            if let Some(answer) = self.elsewhere(app, request).await {
                return answer;
            }
            is_tried = true;
        }
        let (answer, said) = self.once_untouched(app, request).await?;
        if let Some(app) = of_secret.filter(|_| said.is_of_address() && !is_tried && request.is_repeatable())
            && let Some(answer) = self.elsewhere(app, request).await
        {
            return answer;
        }
        Ok(answer)
    }

    async fn once_untouched(
        &self,
        app: Option<&App>,
        request: &PassRequest,
    ) -> Result<(PassAnswer, Said), Lost> {
        let transport = app.map_or(&self.transport, |app| &app.transport);
        let meter = app.map_or(&self.meter, |app| &app.meter);
        let exchange = Exchange { transport, app, meter, request };
        let (answer, said) = exchange.once(None, transport.deadline()).await?;
        if let Some(app) = app.filter(|_| request.shows_secret()) {
            self.tokens.heard(app, Way::Secret, &request.path, &said);
        }
        Ok((answer, said))
    }

    /// Passes `request` on as `app`. A dead access_token is replaced, and the request sent again if it can be.
    pub async fn pass(&self, app: &Arc<App>, request: &PassRequest) -> Result<PassAnswer, CallError> {
        let exchange = Exchange::of(app, request);
        self.tokens.healed(app, &exchange).await
    }

    /// The same for another node: it goes from here, whatever comes of it.
    pub async fn pass_for_node(
        &self,
        app: &Arc<App>,
        request: &PassRequest,
    ) -> Result<PassAnswer, CallError> {
        if request.target.contains(&Part::AccessToken) {
            let exchange = Exchange::of(app, request);
            return Ok(self.tokens.healed_here(app, &exchange).await?.0);
        }
        Ok(self.once_untouched(Some(app), request).await?.0)
    }
}

struct Exchange<'a> {
    transport: &'a Transport,
    app: Option<&'a App>,
    meter: &'a Meter,
    request: &'a PassRequest,
}

impl TokenCall for Exchange<'_> {
    type Answer = PassAnswer;

    fn path(&self) -> &str {
        &self.request.path
    }

    fn is_repeatable(&self) -> bool {
        self.request.is_repeatable()
    }

    fn request(&self) -> Cow<'_, PassRequest> {
        Cow::Borrowed(self.request)
    }

    async fn read(&self, answer: PassAnswer) -> Result<PassAnswer, Lost> {
        Ok(answer)
    }

    async fn send(&self, token: &Token, deadline: Instant) -> Result<(PassAnswer, Said), Lost> {
        self.once(Some(token), deadline).await
    }
}

impl<'a> Exchange<'a> {
    fn of(app: &'a App, request: &'a PassRequest) -> Self {
        Self { transport: &app.transport, app: Some(app), meter: &app.meter, request }
    }
}

impl Exchange<'_> {
    async fn once(&self, token: Option<&Token>, deadline: Instant) -> Result<(PassAnswer, Said), Lost> {
        let PassRequest { host, method, target, headers, body, .. } = self.request;
        let secret = self.app.map(|app| app.entry.secret.expose_secret());
        let path = target.iter().map(|part| match part {
            Part::Raw(text) => text.as_str(),
            Part::AccessToken => token.map_or("", Token::expose),
            Part::Secret => secret.unwrap_or_default(),
        });
        let path: Vec<&str> = path.collect();
        let api = catalog::by_path(&self.request.path).map_or(OTHER, |known| known.path);
        let mut asking = self.meter.asks(api, self.transport.clock().instant());
        let answer = self.transport.pass(*host, method, &path, headers, body, deadline).await?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Lost::after("HTTP 101", "应答是 HTTP 101"));
        }
        let leaks = Leaks::new(secret.unwrap_or_default(), token.map_or("", Token::expose));
        if head.headers.values().any(|value| leaks.are_in(value.as_bytes())) {
            return Err(self.leaked());
        }
        if self.app.is_some() && may_quote(&head) {
            let page = self.searched(&head.headers, body, leaks).await?;
            self.compare(&head, &page, true);
            let body = Download::new(page, None, self.silence());
            count(&mut asking, &head);
            return Ok((PassAnswer { head, body, errcode: 0, rid: None }, Said::Nothing));
        }
        if !(token.is_some() || self.request.shows_secret()) || head.status != StatusCode::OK {
            let body = Download::new(Bytes::new(), Some(body), self.silence());
            count(&mut asking, &head);
            return Ok((PassAnswer { head, body, errcode: 0, rid: None }, Said::Nothing));
        }
        self.look(head, body, leaks, asking).await
    }

    /// Whether the answer, as far as it was read, looks as such answers do.
    fn compare(&self, head: &response::Parts, seen: &[u8], is_whole: bool) {
        self.transport.differences().look(&self.request.path, (head.status, &head.headers), seen, is_whole);
    }

    fn silence(&self) -> Duration {
        self.transport.limits().silence
    }

    /// The whole of a page, which shows no credential.
    async fn searched(
        &self,
        headers: &HeaderMap,
        mut body: Answered,
        leaks: Leaks<'_>,
    ) -> Result<Bytes, Lost> {
        let limits = self.transport.limits();
        let (deadline, clock) = (self.transport.deadline(), self.transport.clock());
        let read = clock.by(deadline, collect(&mut body, limits.page, limits.silence, |_| false)).await;
        let read = read.ok_or_else(|| Lost::after("the answer did not end in time", "应答没有收全"))?;
        let read = read.map_err(|cut| Lost::after(cut.to_string(), "应答没有收全"))?;
        if !read.whole {
            let why = format!("the answer is a page of over {} bytes", limits.page);
            return Err(Lost::after(why, "应答是一张太长的页面，不像来自微信"));
        }
        // What can't be read can't be searched.
        let is_encoded = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
        if !read.bytes.is_empty() && (is_encoded || leaks.are_in(&read.bytes)) {
            return Err(self.leaked());
        }
        Ok(read.bytes)
    }

    /// Something between us and WeChat quoted the request.
    fn leaked(&self) -> Lost {
        tracing::warn!(
            appid = self.app.map(|app| &*app.appid),
            path = catalog::by_path(&self.request.path).map(|known| known.path),
            "{}",
            say(
                "应答里出现了 AppSecret 或 access_token，没有交给调用方：多半是中间的代理回显了请求，检查 wechat.proxy 和 wechat.api_base",
                "an answer quoted the AppSecret or the access_token and was kept back: a proxy, most likely; check wechat.proxy and wechat.api_base",
            )
        );
        Lost::after(
            "the answer quoted the AppSecret or the access_token, as a proxy may do, and is kept back",
            "应答里出现了 AppSecret 或 access_token，多半是中间的代理回显的，wxgate 没有交出",
        )
    }

    /// Reads the beginning of an answer: until it shows that it is no JSON object, or is longer than is held back, or
    /// ends.
    async fn look(
        &self,
        head: response::Parts,
        mut body: Answered,
        leaks: Leaks<'_>,
        mut asking: Asking<'_>,
    ) -> Result<(PassAnswer, Said), Lost> {
        let limits = self.transport.limits();
        let is_other = |seen: &[u8]| seen.first().is_some_and(|first| *first != b'{');
        let seen = collect(&mut body, limits.look, limits.silence, is_other).await;
        let seen = seen.map_err(|cut| Lost::after(cut.to_string(), "应答没有收全"))?;
        let rest = (!seen.whole).then_some(body);
        let is_object = seen.bytes.starts_with(b"{");
        self.compare(&head, &seen.bytes, seen.whole);
        let error = (seen.whole && is_object).then(|| errcode(&seen.bytes)).flatten();
        let code = error.as_ref().map_or(0, |error| error.errcode);
        asking.answered(code);
        // Whatever may quote the request may say 200 as well. What says that the token is dead goes no further anyway.
        // Of pictures and the like, which come in large pieces, the beginning tells.
        let begin = &seen.bytes[..seen.bytes.len().min(limits.look)];
        if !error.as_ref().is_some_and(ApiError::is_dead_token) && leaks.are_in(begin) {
            return Err(self.leaked());
        }
        let rid = error.as_ref().and_then(|error| error.rid()).map(Into::into);
        let said = match error {
            Some(error) => Said::of(&leaks.hidden(error)),
            None if !(is_object || is_media(&head.headers, &seen.bytes)) => Said::Nothing,
            None if self.request.proves_token => Said::Accepted,
            None => Said::Done,
        };
        let body = Download::new(seen.bytes, rest, limits.silence);
        Ok((PassAnswer { head, body, errcode: code, rid }, said))
    }
}

/// A broken edge speaks in pages; WeChat in objects, pictures and media.
fn is_media(headers: &HeaderMap, seen: &[u8]) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let is_typed = !seen.is_empty() && !media_type.is_empty() && !media_type.starts_with(b"text/");
    picture_type(seen).is_some() || is_typed
}

/// What isn't looked at is an answer, unless its status says that it is none.
fn count(asking: &mut Asking<'_>, head: &response::Parts) {
    if !head.status.is_client_error() && !head.status.is_server_error() {
        asking.answered(0);
    }
}

/// A page for people, or an error: that may come from anything on the way, and quote the request.
fn may_quote(head: &response::Parts) -> bool {
    let is_page = |value: &HeaderValue| {
        let media_type = value.as_bytes().trim_ascii_start();
        media_type.get(..9).is_some_and(|begin| begin.eq_ignore_ascii_case(b"text/html"))
    };
    !matches!(head.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
        || head.headers.get_all(CONTENT_TYPE).iter().any(is_page)
}
