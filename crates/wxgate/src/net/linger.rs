//! A connection that closes while its client still sends: what comes is read away for a while, so that the client gets to
//! read the answer. Closing on unread bytes would reset the connection, and many clients would see that alone.

use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::limits::Limits;

/// It has to keep up its rate in each of these.
const STEP: Duration = Duration::from_secs(1);

/// A server's stream; see the module.
pub struct Lingering<S> {
    stream: S,
    limits: Arc<Limits>,
    closing: CancellationToken,
    drain: Option<Box<Drain>>,
}

/// Nothing more is written, and what still comes is read away.
struct Drain {
    left: usize,
    end: Instant,
    /// In the present step.
    came: usize,
    step: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Lingering<S> {
    /// Over `stream`; once `closing` is cancelled nobody is waited for.
    pub fn new(stream: S, limits: Arc<Limits>, closing: CancellationToken) -> Self {
        Self { stream, limits, closing, drain: None }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { stream, limits, closing, drain } = self;
        let drain = drain.get_or_insert_with(|| {
            Box::new(Drain {
                left: limits.drained,
                end: Instant::now() + limits.drain_time,
                came: 0,
                step: Box::pin(tokio::time::sleep(STEP)),
                closing: Box::pin(closing.clone().cancelled_owned()),
            })
        });
        if drain.closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0_u8; 16 << 10];
        loop {
            if drain.step.as_mut().poll(cx).is_ready() {
                if drain.came < limits.drain_rate || Instant::now() >= drain.end {
                    return Poll::Ready(Ok(()));
                }
                drain.came = 0;
                drain.step.as_mut().reset((Instant::now() + STEP).min(drain.end));
                continue;
            }
            let mut buffer = ReadBuf::new(&mut scrap);
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer));
            let count = buffer.filled().len();
            if read.is_err() || count == 0 || count >= drain.left {
                return Poll::Ready(Ok(()));
            }
            drain.left -= count;
            drain.came += count;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.drain.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_drain(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    use super::*;

    /// Answers at once and closes; gives what the client gets to read while it sends up to `sent` bytes.
    async fn answered(limits: Limits, sent: usize) -> (String, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let closing = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut stream = Lingering::new(stream, Arc::new(limits), closing);
            stream.write_all(b"no").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let (mut reader, mut writer) = client.into_split();
        let mut count = 0;
        while count < sent && writer.write_all(&[b'x'; 4096]).await.is_ok() {
            count += 4096;
        }
        // It keeps its end open.
        tasks.join_next().await.unwrap().unwrap();
        let mut answer = Vec::new();
        // Whatever came before a reset is what a client sees.
        let _ = reader.read_to_end(&mut answer).await;
        (String::from_utf8(answer).unwrap(), count)
    }

    #[tokio::test]
    async fn an_upload_that_is_refused_is_read_away_so_that_its_answer_is_seen() {
        let (answer, count) = answered(Limits::default(), 8 << 20).await;
        assert_eq!((&*answer, count), ("no", 8 << 20));
    }

    #[tokio::test]
    async fn no_more_is_read_away_than_a_bound_and_nobody_silent_is_waited_for() {
        let few = Limits { drained: 64 << 10, ..Limits::default() };
        assert!(answered(few, 64 << 20).await.1 < 64 << 20, "the bytes");
        let slow = Limits { drain_rate: usize::MAX, ..Limits::default() };
        assert_eq!(answered(slow, 4096).await.0, "no");
        let short = Limits { drain_time: STEP, drain_rate: 0, ..Limits::default() };
        assert_eq!(answered(short, 4096).await.0, "no");
    }

    #[tokio::test]
    async fn a_stop_waits_for_nobody() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let closing = CancellationToken::new();
        let endless = Limits { drain_rate: 0, drain_time: Duration::MAX / 4, ..Limits::default() };
        let mut stream = Lingering::new(ours, Arc::new(endless), closing.clone());
        closing.cancel();
        stream.shutdown().await.unwrap();
    }
}
