//! A connection by hand: for what no client library would send, or would not wait for.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::app::Reply;

/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// To the listener at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let address = url.rsplit('/').next().unwrap();
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// The same from another address of this machine.
    pub(crate) async fn between(from: &str, url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        Self(socket.connect(url.rsplit('/').next().unwrap().parse().unwrap()).await.unwrap())
    }

    /// The other end may have closed by then: what it said is still to be read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// One answer, whole: its body has a length, or ends with the connection.
    pub(crate) async fn answer(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, self.0.read_u8()).await.expect("an answer").expect("a whole head"));
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status: StatusCode = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HeaderMap = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect();
        let body = match headers.get("content-length") {
            Some(length) => self.bytes(length.to_str().unwrap().parse().unwrap()).await,
            None => self.rest().await,
        };
        Reply { status, headers, body: body.into() }
    }

    /// So many bytes of what comes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.expect("bytes").unwrap();
        bytes
    }

    /// What comes, to the end of the first `mark`.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        let mut seen = Vec::new();
        while !seen.ends_with(mark.as_bytes()) {
            seen.push(timeout(PATIENCE, self.0.read_u8()).await.expect("it comes").expect("more"));
        }
        String::from_utf8(seen).unwrap()
    }

    /// All that comes until the other end closes, or resets.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await.expect("an end");
        bytes
    }

    /// Whether nothing has come, not even the end.
    pub(crate) fn is_silent(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
