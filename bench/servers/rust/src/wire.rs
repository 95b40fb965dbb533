//! As much of HTTP/1.1 as load and receiver need: heads, and bodies with a length.

use std::io::{Error, ErrorKind, Result};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Reads a whole message into `buffer`, which is emptied first; the length of its head. `None`: the peer has closed.
pub async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<usize>> {
    buffer.clear();
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
    };
    let length = length(&buffer[..head])?;
    while buffer.len() < head + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

/// `Content-Length`; 0 without one.
fn length(head: &[u8]) -> Result<usize> {
    let wrong = |what: &str| Error::other(format!("{what}: {}", String::from_utf8_lossy(head)));
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(wrong("chunked"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(value).map_err(|_| wrong("no length"))?;
            return text.trim().parse().map_err(|_| wrong("no length"));
        }
    }
    Ok(0)
}
