//! Bodies between nodes, sealed and opened as they come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::frames::{Broken, MOST, Opener, Sealer};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Next = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// A head and `body`, in frames. What is there at once goes in one.
pub(super) struct Sealed<B> {
    sealer: Sealer,
    waiting: BytesMut,
    body: B,
    is_over: bool,
}

impl<B> Sealed<B> {
    pub(super) fn new(sealer: Sealer, head: &[u8], body: B) -> Self {
        Self { sealer, waiting: head.into(), body, is_over: false }
    }

    /// As much of what waits as fits.
    fn frame(&mut self, is_last: bool) -> Next {
        let length = self.waiting.len().min(MOST);
        let frame = self.sealer.frame(&self.waiting[..length], is_last);
        self.waiting.advance(length);
        self.is_over = is_last;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

impl<B> Body for Sealed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            if self.waiting.len() > MOST {
                return self.frame(false);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.waiting.extend_from_slice(&data);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Ready(None) => return self.frame(true),
                Poll::Pending if self.waiting.is_empty() => return Poll::Pending,
                Poll::Pending => return self.frame(false),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

/// What frames hold. It ends with the last of them, or breaks.
pub(super) struct Opened<B> {
    opener: Opener,
    body: B,
    /// The last frame's content, until what carried it has ended.
    last: Option<Bytes>,
    is_over: bool,
    /// So much must still come, if that is known.
    pub(super) left: Option<u64>,
}

impl<B> Opened<B> {
    pub(super) fn new(opener: Opener, body: B) -> Self {
        Self { opener, body, last: None, is_over: false, left: None }
    }

    fn counted(&mut self, data: Bytes) -> Next {
        if let Some(left) = &mut self.left {
            match left.checked_sub(data.len() as u64) {
                Some(less) => *left = less,
                None => return Poll::Ready(Some(Err(Broken.into()))),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl<B> Opened<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Reads what carries the frames; true: it ended.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BoxError>> {
        if self.body.is_end_stream() {
            return Poll::Ready(Ok(true));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.opener.push(&data);
                }
                Poll::Ready(Ok(false))
            }
            Some(Err(error)) => Poll::Ready(Err(error.into())),
            None => Poll::Ready(Ok(true)),
        }
    }
}

impl<B> Body for Opened<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        loop {
            if self.is_over {
                return Poll::Ready(None);
            }
            match self.opener.next() {
                // Whoever has all doesn't ask again, and a connection goes back at its end only.
                Ok(Some(data)) if self.opener.is_over() => {
                    self.last = Some(data);
                    continue;
                }
                Ok(Some(data)) if data.is_empty() => continue,
                Ok(Some(data)) => return self.counted(data),
                Ok(None) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken.into()))),
            }
            match ready!(self.poll_more(cx)) {
                Ok(false) => {}
                Ok(true) if self.opener.is_over() => {
                    self.is_over = true;
                    if let Some(data) = self.last.take().filter(|data| !data.is_empty()) {
                        return self.counted(data);
                    }
                }
                Ok(true) => return Poll::Ready(Some(Err(Broken.into()))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;
    use crate::handover::frames::{Opening, Way};
    use crate::keys::Keys;
    use crate::random::Random;

    fn ends() -> (Sealer, Opener) {
        let keys = Keys::new(&[1; 32], Random::System);
        let opening = Opening { from: 1, time: 5, nonce: [3; 16] };
        (opening.sealer(&keys, 2, Way::Answer), opening.opener(&keys, 2, Way::Answer))
    }

    /// A body that comes in `pieces`, whole or not.
    fn body(pieces: &[&[u8]]) -> impl Body<Data = Bytes, Error = BoxError> + Unpin {
        let frame = |piece: &&[u8]| Ok(Frame::data(Bytes::copy_from_slice(piece)));
        StreamBody::new(stream::iter(pieces.iter().map(frame).collect::<Vec<_>>()))
    }

    async fn opened(opener: Opener, wire: &[u8]) -> Result<Bytes, BoxError> {
        let pieces: Vec<&[u8]> = wire.chunks(1000).collect();
        Ok(Opened::new(opener, body(&pieces)).collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_body_comes_out_as_it_went_in_or_breaks() {
        let long = vec![7; 3 * MOST];
        let cases: [&[&[u8]]; 4] = [&[], &[b"a"], &[b"a", b"", b"b"], &[&long, b"b", &long]];
        for pieces in cases {
            let (sealer, opener) = ends();
            let wire = Sealed::new(sealer, b"head", body(pieces)).collect().await.unwrap().to_bytes();
            assert_eq!(opened(opener, &wire).await.unwrap(), [b"head", &*pieces.concat()].concat());
            for cut in [0, 1, wire.len() / 2, wire.len() - 1] {
                assert!(opened(ends().1, &wire[..cut]).await.is_err(), "cut at {cut}");
            }
            assert!(opened(ends().1, &[&wire, &b"x"[..]].concat()).await.is_err(), "more than there was");
        }
        // Longer than was said is broken, too.
        let (sealer, opener) = ends();
        let wire = Sealed::new(sealer, b"", body(&[b"abc"])).collect().await.unwrap().to_bytes();
        let pieces = [&wire[..]];
        let mut longer = Opened::new(opener, body(&pieces));
        longer.left = Some(2);
        assert!(longer.collect().await.is_err());
    }
}
