//! What hyper refuses by itself: a request that it can't read is answered with a bare 400, 414 or 431 which
//! no handler made and no hook sees. [`Bare`] stands between hyper and the stream and puts an answer of the
//! surface's in its place; everything else passes byte for byte.
//!
//! It tells hyper's answers from a handler's by [`Answers`], which knows whether one of a handler's is on its
//! way, and not by the bytes alone: a handler may say 400 without a body too. That needs hyper to flush an
//! answer before it reads on, so `pipeline_flush` must stay off.

mod seen;

use std::fmt;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use seen::Seen;

/// How a client begins that speaks HTTP/2 without asking.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No bare answer is longer.
const LONGEST: usize = 160;

/// Whether an answer of a handler's is on its way, on one connection. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests that a handler has and answers that aren't handed over yet.
    open: AtomicUsize,
    /// The last answer was handed over, but perhaps not written.
    unwritten: AtomicBool,
    /// Requests begun since the stream asked last.
    begun: AtomicUsize,
}

impl Answers {
    /// A request was read; its answer is open until the guard is dropped, which goes with its body.
    pub fn began(&self) -> Open {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        self.0.open.fetch_add(1, Ordering::AcqRel);
        self.0.unwritten.store(true, Ordering::Release);
        Open(self.clone())
    }

    /// All that hyper had was written.
    fn written(&self) {
        if self.0.open.load(Ordering::Acquire) == 0 {
            self.0.unwritten.store(false, Ordering::Release);
        }
    }

    /// Whether nothing of a handler's can be among the bytes that hyper writes now.
    fn are_through(&self) -> bool {
        self.0.open.load(Ordering::Acquire) == 0 && !self.0.unwritten.load(Ordering::Acquire)
    }

    fn take_begun(&self) -> usize {
        self.0.begun.swap(0, Ordering::AcqRel)
    }
}

/// An answer that is open; see [`Answers::began`].
#[derive(Debug)]
pub struct Open(Answers);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is known of a request that hyper refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Its path, or the beginning of it, without the query.
    pub path: Option<&'a str>,
    /// Two readers could see different ends of it.
    pub is_ambiguous: bool,
    /// Its `Accept-Language`, "" without one; `None`: nobody knows.
    pub language: Option<&'a str>,
}

/// A connection's stream as hyper gets it; see the module.
pub struct Bare<S, R> {
    stream: S,
    replace: R,
    answers: Answers,
    seen: Seen,
    /// What is still to be written in place of a bare answer.
    instead: Bytes,
}

impl<S, R> fmt::Debug for Bare<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bare").field("answers", &self.answers).finish_non_exhaustive()
    }
}

impl<S, R> Bare<S, R>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Fn(StatusCode, Known<'_>) -> Bytes + Unpin,
{
    /// Over `stream`. `replace` is told the status and what is known of the request; it gives the whole answer, with `connection: close` and without `date` (see
    /// [`write_response`]). Each request's answer has to be announced to `answers`.
    pub fn new(stream: S, answers: Answers, replace: R) -> Self {
        Self { stream, replace, answers, seen: Seen::new(), instead: Bytes::new() }
    }

    /// Takes note of what came.
    fn came(&mut self, bytes: &[u8]) {
        if self.answers.are_through() {
            // Where nobody can say what of it belonged to the requests before, it begins anew: only a client
            // that didn't wait for its answer can have sent more.
            self.seen.settle(self.answers.take_begun());
        }
        self.seen.came(bytes);
    }

    /// Whether `bytes` are a bare answer; then another is on its way.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > LONGEST || !self.answers.are_through() {
            return false;
        }
        let Some((status, date)) = bare(bytes) else { return false };
        let known = self.seen.pass(self.answers.take_begun());
        let (mut known_of_it, mut is_head) = (Known::default(), false);
        if known {
            let (method, path) = self.seen.request_line();
            let (is_ambiguous, language) = (self.seen.is_ambiguous(), self.seen.language());
            known_of_it = Known { path, is_ambiguous, language };
            is_head = method == Some("HEAD");
        }
        self.instead = dated(&(self.replace)(status, known_of_it), date, is_head);
        true
    }

    /// Writes what stands in place of a bare answer.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.instead.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                written => self.instead.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Swallows `bytes`, if they are a bare answer, and begins to write the other one. To hyper they are
    /// written; it flushes and closes next, and that waits for the rest.
    fn poll_swallow(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<Option<usize>>> {
        ready!(self.poll_instead(cx))?;
        if !self.is_replaced(bytes) {
            return Poll::Ready(Ok(None));
        }
        if let Poll::Ready(Err(error)) = self.poll_instead(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(Some(bytes.len())))
    }
}

impl<S, R> AsyncRead for Bare<S, R>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Fn(StatusCode, Known<'_>) -> Bytes + Unpin,
{
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = &mut buf.filled_mut()[before..];
        self.came(came);
        if came.starts_with(HTTP2) && self.answers.are_through() {
            // Hyper hangs up on it without a word; this it refuses.
            came[0].make_ascii_lowercase();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, R> AsyncWrite for Bare<S, R>
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: Fn(StatusCode, Known<'_>) -> Bytes + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match ready!(self.poll_swallow(cx, bytes))? {
            Some(length) => Poll::Ready(Ok(length)),
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        // A bare answer is one piece.
        let only = match (filled.next(), filled.next()) {
            (Some(only), None) => &only[..],
            _ => &[],
        };
        match ready!(self.poll_swallow(cx, only))? {
            Some(length) => Poll::Ready(Ok(length)),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_instead(cx))?;
        // Hyper flushes only when it has nothing left to write.
        self.answers.written();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Status and date line, if `bytes` are an answer in hyper's bare form. After a request of HTTP/1.0 on the
/// same connection it says so too, and leaves `connection` out.
fn bare(bytes: &[u8]) -> Option<(StatusCode, &[u8])> {
    let text = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let head = text.strip_suffix(b"\r\n\r\n")?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = match lines.next()? {
        b"400 Bad Request" => StatusCode::BAD_REQUEST,
        b"414 URI Too Long" => StatusCode::URI_TOO_LONG,
        b"431 Request Header Fields Too Large" => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => return None,
    };
    let (mut date, mut is_empty) = (&b""[..], false);
    for line in lines {
        match line {
            b"connection: close" => {}
            b"content-length: 0" => is_empty = true,
            _ if line.starts_with(b"date: ") => date = line,
            _ => return None,
        }
    }
    is_empty.then_some((status, date))
}

/// `answer` with the line `date` after its status line; where `is_head`, without its body.
fn dated(answer: &Bytes, date: &[u8], is_head: bool) -> Bytes {
    let end = |mark: &[u8]| answer.windows(mark.len()).position(|window| window == mark);
    let line = end(b"\r\n").map_or(0, |at| at + 2);
    let whole = match end(b"\r\n\r\n") {
        Some(at) if is_head => &answer[..at + 4],
        _ => answer,
    };
    let (status, rest) = whole.split_at(line);
    match date {
        b"" => [status, rest].concat().into(),
        _ => [status, date, b"\r\n", rest].concat().into(),
    }
}

/// `response` as HTTP/1.1 writes it, for [`Bare`]: the connection ends with it, and its date is hyper's.
pub fn write_response(response: &Response<Bytes>) -> Bytes {
    let status = response.status();
    let mut head =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default())
            .into_bytes();
    for (name, value) in response.headers() {
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, DATE].contains(name) {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    let length = response.body().len();
    head.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
    [head.as_slice(), response.body()].concat().into()
}

#[cfg(test)]
mod tests;
