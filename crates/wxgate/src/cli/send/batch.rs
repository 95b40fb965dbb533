//! The messages that are sent: a file, or standard input kept in one, as a body that tells how much of it has gone.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::lang::Words;
use crate::net::{Spooled, SpooledBody};
use crate::text::hex;

/// Messages of a batch: the API takes no more.
const MOST: u64 = 100_000;
/// Bytes of standard input that are kept.
const MOST_BYTES: u64 = 1 << 30;

/// What is to be sent.
pub(super) struct Batch {
    spooled: Spooled,
    pub(super) bytes: u64,
    /// Those that aren't blank.
    pub(super) lines: u64,
    digest: [u8; 32],
}

impl Batch {
    /// The file at `path`; `-`: standard input.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let broken = || Words::new(format!("读不到 {shown}"), format!("{shown} can't be read"));
        let file = match path.as_os_str() == "-" {
            true => kept(std::io::stdin().lock())?,
            false => File::open(path).with_context(broken)?,
        };
        Self::of(file).with_context(broken)?.judged()
    }

    fn of(mut file: File) -> std::io::Result<Self> {
        let (mut digest, mut lines, mut bytes) = (Sha256::new(), 0, 0);
        let mut reader = BufReader::with_capacity(1 << 20, &mut file);
        let mut is_blank = true;
        loop {
            let piece = reader.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            digest.update(piece);
            bytes += piece.len() as u64;
            for byte in piece {
                match byte {
                    b'\n' => {
                        lines += u64::from(!is_blank);
                        is_blank = true;
                    }
                    _ => is_blank &= byte.is_ascii_whitespace(),
                }
            }
            let read = piece.len();
            reader.consume(read);
        }
        lines += u64::from(!is_blank);
        drop(reader);
        file.rewind()?;
        Ok(Self { spooled: Spooled::of(file)?, bytes, lines, digest: digest.finalize().into() })
    }

    fn judged(self) -> anyhow::Result<Self> {
        if self.lines == 0 {
            bail!(Words::fixed(
                "一条消息也没有：一行一个 JSON 对象",
                "there is no message: a JSON object a line"
            ));
        }
        if self.lines > MOST {
            let lines = self.lines;
            bail!(Words::new(
                format!("有 {lines} 条消息，一批最多 {MOST} 条：用 split -l {MOST} 拆开，一个一个发"),
                format!(
                    "there are {lines} messages, and a batch has {MOST} at most: split -l {MOST} makes files of it"
                ),
            ));
        }
        Ok(self)
    }

    /// The same messages for the same account have the same key, so that they are sent once.
    pub(super) fn key(&self, appid: Option<&str>) -> String {
        let mut digest = Sha256::new_with_prefix(self.digest);
        digest.update(appid.unwrap_or_default());
        format!("wxgate-send-{}", &hex(&digest.finalize())[..48])
    }

    /// To be sent.
    pub(super) fn body(&self) -> Counted {
        Counted { body: self.spooled.body(CancellationToken::new()), gone: Arc::default() }
    }
}

/// Standard input in a file without a name: it is read twice, for its key and to be sent.
fn kept(input: impl Read) -> anyhow::Result<File> {
    let mut file = tempfile::tempfile()?;
    let copied = std::io::copy(&mut input.take(MOST_BYTES + 1), &mut file)?;
    if copied > MOST_BYTES {
        bail!(Words::fixed("标准输入超过 1 GiB", "standard input is longer than 1 GiB"));
    }
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

/// A body that counts what has gone of it.
pub(super) struct Counted {
    body: SpooledBody,
    gone: Arc<AtomicU64>,
}

impl Counted {
    pub(super) fn gone(&self) -> Arc<AtomicU64> {
        self.gone.clone()
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = <SpooledBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            self.gone.fetch_add(length, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn batch(text: &str) -> Batch {
        Batch::of(kept(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn lines_are_counted_but_for_blank_ones() {
        for (text, lines) in
            [("", 0), ("\n \n", 0), ("{}", 1), ("{}\n", 1), ("{}\r\n\r\n{}\n", 2), ("{}\n\n\n{}", 2)]
        {
            assert_eq!(batch(text).lines, lines, "{text:?}");
        }
        assert!(batch("\n\n").judged().is_err());
        let many = "{}\n".repeat(100_001);
        assert!(batch(&many).judged().err().unwrap().to_string().contains("100001"));
        assert!(batch(&many[3..]).judged().is_ok());
    }

    #[test]
    fn the_same_messages_for_the_same_account_have_the_same_key() {
        let key = batch("{}\n").key(Some("wx1"));
        assert_eq!(key, batch("{}\n").key(Some("wx1")));
        assert_ne!(key, batch("{}\n").key(Some("wx2")));
        assert_ne!(key, batch("{}").key(Some("wx1")));
        assert_eq!(key.len(), 60);
    }

    #[tokio::test]
    async fn all_of_it_goes_and_is_counted() {
        let text = "{\"a\":1}\n".repeat(50_000);
        let body = batch(&text).body();
        let gone = body.gone();
        assert_eq!(body.size_hint().exact(), Some(400_000));
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
        assert_eq!(gone.load(Ordering::Relaxed), 400_000);
    }
}
