//! Bodies that came without their length and are too long for memory: in files that have no name, so that they are gone
//! with the process.

use std::fs::File;
use std::io::{Result, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Read at once.
const PIECE: usize = 128 << 10;

/// Where the files are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Path>);

/// A file that is being written.
#[derive(Debug)]
pub struct Spooling {
    file: File,
    length: usize,
}

/// A body in a file; a copy is the same body from its beginning.
#[derive(Clone, Debug)]
pub struct Spooled {
    file: Arc<File>,
    length: u64,
}

impl Spool {
    /// In this folder.
    pub fn new(folder: impl Into<Arc<Path>>) -> Self {
        Self(folder.into())
    }

    /// A new file.
    pub async fn open(&self) -> Result<Spooling> {
        let folder = self.0.clone();
        let file = aside(move || tempfile::tempfile_in(folder)).await?;
        Ok(Spooling { file, length: 0 })
    }
}

impl Spooling {
    /// Bytes written.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Puts `data` at the end.
    pub async fn write(self, data: Bytes) -> Result<Self> {
        let Self { mut file, length } = self;
        aside(move || {
            file.write_all(&data)?;
            Ok(Self { file, length: length + data.len() })
        })
        .await
    }

    /// All of it is there.
    pub fn end(self) -> Spooled {
        Spooled { file: Arc::new(self.file), length: self.length as u64 }
    }
}

impl Spooled {
    /// What is in `file` already.
    pub fn of(file: File) -> Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length })
    }

    /// To be sent; `sent` is cancelled when all of it is on its way.
    pub fn body(&self, sent: CancellationToken) -> SpooledBody {
        SpooledBody { spooled: self.clone(), at: 0, reading: None, sent }
    }
}

/// A [`Spooled`] on its way.
#[derive(Debug)]
pub struct SpooledBody {
    spooled: Spooled,
    at: u64,
    reading: Option<JoinHandle<Result<Bytes>>>,
    sent: CancellationToken,
}

impl Body for SpooledBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Self::Error>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let (file, at) = (self.spooled.file.clone(), self.at);
        let left = usize::try_from(self.spooled.length - at).unwrap_or(PIECE).min(PIECE);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; left];
                file.read_exact_at(&mut piece, at)?;
                Ok(piece.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        let piece = read??;
        self.at += piece.len() as u64;
        if self.is_end_stream() {
            self.sent.cancel();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.spooled.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.spooled.length - self.at)
    }
}

/// A disk may be slow.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_and_again_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Spool::new(folder.path()).open().await.unwrap();
        let mut all = Vec::new();
        for n in 0..5_u8 {
            let piece = vec![n; 100_000];
            all.extend_from_slice(&piece);
            file = file.write(piece.into()).await.unwrap();
        }
        let spooled = file.end();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
        for _ in 0..2 {
            let sent = CancellationToken::new();
            let body = spooled.body(sent.clone());
            assert_eq!(body.size_hint().exact(), Some(500_000));
            assert_eq!(body.collect().await.unwrap().to_bytes(), all);
            assert!(sent.is_cancelled());
        }
    }
}
