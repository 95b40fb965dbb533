//! Reading bodies: a piece of any, or all of an answer's. Requests' are gathered by `http::body`, within a budget.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What [`collect`] read of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Everything read so far; over the limit only by what came with the byte that passed it.
    pub bytes: Bytes,
    /// Whether the body has ended within the limit. If not, the rest is still to be read from it.
    pub whole: bool,
}

/// Why a body broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// No byte came for so long.
    #[error("no byte for {0:?}")]
    Stalled(Duration),
    /// The connection broke or spoke nonsense; the error and what lies under it, without a URL.
    #[error("{0}")]
    Broken(String),
}

/// Reads `body` until it ends, is longer than `limit`, or `enough` holds for what came so far, which is asked
/// with every piece. It has no limit in time but `silence`, the longest wait for a byte: a body that trickles
/// is bounded by the caller's own deadline.
pub async fn collect<B>(
    body: &mut B,
    limit: usize,
    silence: Duration,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<Collected, Cut>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut gathered = Gathered::default();
    while let Some(data) = piece(body, silence).await? {
        gathered.push(data);
        let is_over = gathered.as_slice().len() > limit;
        if is_over || enough(gathered.as_slice()) {
            let whole = !is_over && body.is_end_stream();
            return Ok(Collected { bytes: gathered.into_bytes(), whole });
        }
    }
    Ok(Collected { bytes: gathered.into_bytes(), whole: true })
}

/// The next bytes of `body`, if they come within `silence`; `None` at its end. Frames without a byte don't count as a sign
/// of life.
pub async fn piece<B>(body: &mut B, silence: Duration) -> Result<Option<Bytes>, Cut>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let deadline = Instant::now() + silence;
    loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Cut::Stalled(silence)),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(Cut::Broken(causes(error.into().as_ref()))),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Pieces in one buffer, which doubles as it grows: a body of one-byte pieces costs two bytes a byte at most,
/// where a list of pieces would cost dozens.
#[derive(Default)]
enum Gathered {
    #[default]
    Nothing,
    /// As it came: most bodies are one piece, and that one is never copied.
    One(Bytes),
    Many(Vec<u8>),
}

impl Gathered {
    fn push(&mut self, data: Bytes) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all = Vec::with_capacity(first.len() + data.len());
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&data);
                Self::Many(all)
            }
        };
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.into(),
        }
    }
}

/// An error and what lies under it, on one line.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use futures_util::stream::{self, Stream, StreamExt as _};
    use http::HeaderMap;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    const SILENCE: Duration = Duration::from_secs(30);

    type Piece = Result<Frame<Bytes>, Error>;

    fn data(text: &'static str) -> Piece {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    fn body(pieces: Vec<Piece>) -> StreamBody<impl Stream<Item = Piece> + Unpin> {
        StreamBody::new(stream::iter(pieces))
    }

    /// The pieces, and then nothing for ever.
    fn stuck(pieces: Vec<Piece>) -> StreamBody<impl Stream<Item = Piece> + Unpin> {
        StreamBody::new(stream::iter(pieces).chain(stream::pending()))
    }

    fn never(_: &[u8]) -> bool {
        false
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end() {
        let mut empty = body(vec![]);
        let read = collect(&mut empty, 0, SILENCE, never).await.unwrap();
        assert_eq!(read, Collected { bytes: Bytes::new(), whole: true });
        let trailers = Ok(Frame::trailers(HeaderMap::new()));
        let mut pieces = body(vec![data("ab"), data(""), data("c"), data("def"), trailers]);
        let read = collect(&mut pieces, 6, SILENCE, never).await.unwrap();
        assert_eq!(read, Collected { bytes: Bytes::from_static(b"abcdef"), whole: true });
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let bytes = Bytes::from(vec![7; 10_000]);
        let mut body = Full::new(bytes.clone());
        let read = collect(&mut body, 10_000, SILENCE, never).await.unwrap();
        assert!(read.whole);
        assert_eq!(read.bytes.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_body_of_single_bytes_costs_two_bytes_each_at_most() {
        const LENGTH: usize = 100_000;
        let mut gathered = Gathered::default();
        let byte = Bytes::from_static(b"x");
        for _ in 0..LENGTH {
            gathered.push(byte.clone());
        }
        let Gathered::Many(buffer) = &gathered else { panic!("one buffer") };
        assert!(buffer.len() == LENGTH && buffer.capacity() <= 2 * LENGTH, "{}", buffer.capacity());
        // Handed over, not copied.
        let place = buffer.as_ptr();
        assert_eq!(gathered.into_bytes().as_ptr(), place);
    }

    #[tokio::test]
    async fn beyond_the_limit_the_rest_stays_unread() {
        let mut long = body(vec![data("abc"), data("def"), data("ghi")]);
        let read = collect(&mut long, 4, SILENCE, never).await.unwrap();
        assert_eq!(read, Collected { bytes: Bytes::from_static(b"abcdef"), whole: false });
        let rest = collect(&mut long, 4, SILENCE, never).await.unwrap();
        assert_eq!(rest, Collected { bytes: Bytes::from_static(b"ghi"), whole: true });
        // One piece that is the whole body and too long is not taken for a body within the limit.
        let read = collect(&mut Full::new(Bytes::from_static(b"abcde")), 4, SILENCE, never).await.unwrap();
        assert!(!read.whole);
    }

    #[tokio::test]
    async fn enough_is_enough() {
        let mut page = stuck(vec![data("<ht"), data("ml>")]);
        let read = collect(&mut page, 100, SILENCE, |seen| !seen.starts_with(b"{")).await.unwrap();
        assert_eq!(read, Collected { bytes: Bytes::from_static(b"<ht"), whole: false });
        let read = collect(&mut Full::new(Bytes::from_static(b"<")), 100, SILENCE, |_| true).await.unwrap();
        assert!(read.whole, "it ended there");
    }

    #[tokio::test]
    async fn silence_ends_it_and_a_byte_in_time_does_not() {
        const SHORT: Duration = Duration::from_secs(1);
        let slowly = |pieces: Vec<Piece>| {
            StreamBody::new(Box::pin(stream::iter(pieces).then(async |piece| {
                tokio::time::sleep(SHORT / 4).await;
                piece
            })))
        };
        let mut stuck = stuck(vec![data("abc")]);
        let mut slow = slowly((0..6).map(|_| data("a")).collect());
        // Frames without a byte are silence.
        let mut idle = slowly((0..100).map(|_| data("")).collect());
        let begin = Instant::now();
        let (stuck, slow, idle) = tokio::join!(
            collect(&mut stuck, 100, SHORT, never),
            collect(&mut slow, 100, SHORT, never),
            collect(&mut idle, 100, SHORT, never)
        );
        assert_eq!((stuck, idle), (Err(Cut::Stalled(SHORT)), Err(Cut::Stalled(SHORT))));
        assert_eq!(slow.unwrap().bytes.len(), 6);
        assert!(begin.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn a_break_names_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the answer was cut")]
        struct Outer(#[source] Error);
        let error = Outer(Error::new(ErrorKind::ConnectionReset, "the peer went away"));
        let mut broken =
            StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from_static(b"abc"))), Err(error)]));
        let cut = collect(&mut broken, 100, SILENCE, never).await.unwrap_err();
        assert_eq!(cut.to_string(), "the answer was cut: the peer went away");
    }
}
