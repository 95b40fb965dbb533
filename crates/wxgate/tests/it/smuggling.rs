//! Requests that two readers could understand differently: refused, or rebuilt so that WeChat sees
//! one meaning. Nothing hidden in a body ever becomes a request of its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::mirror::Mirror;
use crate::proxy::mirrored;

/// What has to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// WeChat sees nothing.
    Refused,
    /// WeChat sees one request with a body of this length.
    Forwarded(usize),
}

use Fate::{Forwarded, Refused};

const EVIL: &str = "GET /evil?access_token={T} HTTP/1.1\r\nHost: h\r\n\r\n";

/// Request line and headers after `Host`, and what follows the blank line.
fn with(headers: &str, body: &str) -> String {
    format!("POST /cgi-bin/x?access_token={{T}} HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n{body}")
}

fn get(line: &str, headers: &str) -> String {
    format!("{line}\r\n{headers}\r\n\r\n")
}

fn cases() -> Vec<(&'static str, String, Fate)> {
    let chunked = format!("0\r\n\r\n{EVIL}");
    let te = |value: &str| with(value, &chunked);
    let cl = |value: &str| with(value, "hello");
    let chunk = |body: &str| with("Transfer-Encoding: chunked", body);
    let line = |line: &str| get(line, "Host: h");
    let header = |header: &str| get("GET /cgi-bin/x?access_token={T} HTTP/1.1", header);
    vec![
        // Plain ones, so that the rest means something.
        ("a length", cl("Content-Length: 5"), Forwarded(5)),
        ("a length with zeros before it", cl("Content-Length: 005"), Forwarded(5)),
        ("chunks", chunk("5\r\nhello\r\n0\r\n\r\n"), Forwarded(5)),
        ("chunks in capitals", with("tRANSFER-eNCODING: CHUNKED", "5\r\nhello\r\n0\r\n\r\n"), Forwarded(5)),
        ("a chunk extension", chunk("5;a=b\r\nhello\r\n0\r\n\r\n"), Forwarded(5)),
        ("a trailer", chunk("5\r\nhello\r\n0\r\nX: y\r\n\r\n"), Forwarded(5)),
        ("a trailer that is a length", chunk("5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"), Forwarded(5)),
        // Two lengths.
        ("two lengths", cl("Content-Length: 5\r\nContent-Length: 6"), Refused),
        ("two lengths in one", cl("Content-Length: 5, 6"), Refused),
        ("a signed length", cl("Content-Length: +5"), Refused),
        ("a negative length", cl("Content-Length: -5"), Refused),
        ("a hexadecimal length", cl("Content-Length: 0x5"), Refused),
        ("a length with letters", cl("Content-Length: 5a"), Refused),
        ("a length with a blank in it", cl("Content-Length: 1 5"), Refused),
        ("an empty length", cl("Content-Length: "), Refused),
        ("a length beyond 64 bits", cl("Content-Length: 99999999999999999999"), Refused),
        ("a length that wraps", cl("Content-Length: 18446744073709551621"), Refused),
        ("a blank before the colon of a length", cl("Content-Length : 5"), Refused),
        // Length and chunks.
        ("chunks and a length", te("Transfer-Encoding: chunked\r\nContent-Length: 50"), Forwarded(0)),
        ("a length and chunks", te("Content-Length: 4\r\nTransfer-Encoding: chunked"), Forwarded(0)),
        // Odd codings.
        ("another coding", te("Transfer-Encoding: xchunked"), Refused),
        ("a coding after chunks", te("Transfer-Encoding: chunked, identity"), Refused),
        ("identity", te("Transfer-Encoding: identity"), Refused),
        ("identity with a length", with("Transfer-Encoding: identity\r\nContent-Length: 5", "hello"), Refused),
        ("quoted", te("Transfer-Encoding: \"chunked\""), Refused),
        ("with a parameter", te("Transfer-Encoding: chunked;q=1"), Refused),
        ("with a vertical tab", te("Transfer-Encoding: \x0bchunked"), Refused),
        ("with a NUL", te("Transfer-Encoding: chunked\0"), Refused),
        ("a blank before the colon", te("Transfer-Encoding : chunked"), Refused),
        ("a tab before the colon", te("Transfer-Encoding\t: chunked"), Refused),
        ("two headers, the last another", te("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), Refused),
        ("folded", te("Transfer-Encoding:\r\n chunked"), Refused),
        ("by HTTP/1.0", "POST /cgi-bin/x?access_token={T} HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), Refused),
        // Odd chunks.
        ("a size of letters", chunk("zz\r\nhello\r\n0\r\n\r\n"), Refused),
        ("a negative size", chunk("-5\r\nhello\r\n0\r\n\r\n"), Refused),
        ("a size with 0x", chunk("0x5\r\nhello\r\n0\r\n\r\n"), Refused),
        ("a size that overflows", chunk("FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), Refused),
        ("no size", chunk("\r\nhello\r\n0\r\n\r\n"), Refused),
        ("longer than its size", chunk("3\r\nhello\r\n0\r\n\r\n"), Refused),
        ("a size with a blank before it", chunk(" 5\r\nhello\r\n0\r\n\r\n"), Refused),
        ("a NUL in the size", chunk("5\0\r\nhello\r\n0\r\n\r\n"), Refused),
        ("ends in the middle", chunk("50\r\nhello"), Refused),
        // Hosts.
        ("two hosts", header("Host: h\r\nHost: evil"), Refused),
        ("the same host twice", header("Host: h\r\nHost: h"), Refused),
        ("no host", header("X: y"), Refused),
        ("absolute, another host", get("GET http://evil/cgi-bin/x?access_token={T} HTTP/1.1", "Host: h"), Refused),
        ("absolute, the same host with userinfo", get("GET http://a@h/cgi-bin/x?access_token={T} HTTP/1.1", "Host: h"), Refused),
        ("absolute, the same host", get("GET http://h/cgi-bin/x?access_token={T} HTTP/1.1", "Host: h"), Forwarded(0)),
        // Methods.
        ("CONNECT", get("CONNECT evil:443 HTTP/1.1", "Host: evil:443"), Refused),
        ("TRACE", line("TRACE /cgi-bin/x?access_token={T} HTTP/1.1"), Refused),
        ("a websocket", header("Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket"), Refused),
        ("h2c", header("Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA"), Refused),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Refused),
        ("OPTIONS *", line("OPTIONS * HTTP/1.1"), Refused),
        // Request lines.
        ("two blanks", line("GET  /cgi-bin/x?access_token={T} HTTP/1.1"), Refused),
        ("a tab", line("GET\t/cgi-bin/x?access_token={T}\tHTTP/1.1"), Refused),
        ("a blank in the path", line("GET /cgi-bin /x?access_token={T} HTTP/1.1"), Refused),
        ("no version", line("GET /cgi-bin/x?access_token={T}"), Refused),
        ("another version", line("GET /cgi-bin/x?access_token={T} HTTP/1.9"), Refused),
        ("a NUL in the path", line("GET /cgi-bin/\0x?access_token={T} HTTP/1.1"), Refused),
        ("a backslash", line("GET /cgi-bin\\x?access_token={T} HTTP/1.1"), Refused),
        ("a climb", line("GET /cgi-bin/../x?access_token={T} HTTP/1.1"), Refused),
        ("an encoded climb", line("GET /cgi-bin/%2e%2e/x?access_token={T} HTTP/1.1"), Refused),
        ("an encoded slash", line("GET /cgi-bin%2fx?access_token={T} HTTP/1.1"), Refused),
        ("an encoded line end", line("GET /cgi-bin/x%0d%0aX:y?access_token={T} HTTP/1.1"), Refused),
        ("a semicolon", line("GET /cgi-bin/x;y?access_token={T} HTTP/1.1"), Refused),
        ("a userinfo host", line("GET //evil@h/x?access_token={T} HTTP/1.1"), Forwarded(0)),
        ("a fragment, which is cut off", line("GET /cgi-bin/x?access_token={T}#/evil HTTP/1.1"), Forwarded(0)),
        ("two tokens", line("GET /cgi-bin/x?access_token={T}&access_token={T} HTTP/1.1"), Refused),
        ("two tokens, one encoded", line("GET /cgi-bin/x?access_token={T}&%61ccess_token={T} HTTP/1.1"), Refused),
        // Headers.
        ("a folded header", header("Host: h\r\nX: y\r\n z"), Refused),
        ("a blank before the first header", get("GET /cgi-bin/x?access_token={T} HTTP/1.1", " Host: h"), Refused),
        ("a header without a colon", header("Host: h\r\nnonsense"), Refused),
        ("a blank in a name", header("Host: h\r\nX y: z"), Refused),
        ("a NUL in a value", header("Host: h\r\nX: a\0b"), Refused),
        ("a bare CR in a value", header("Host: h\r\nX: a\rContent-Length: 5"), Refused),
        ("an empty name", header("Host: h\r\n: x"), Refused),
        // Line ends: hyper writes them anew.
        ("bare line feeds", "GET /cgi-bin/x?access_token={T} HTTP/1.1\nHost: h\n\n".to_owned(), Forwarded(0)),
    ]
}

/// Sends raw bytes and waits for the first of the answer.
async fn send(address: &str, raw: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    // Some wait for more, which never comes.
    let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut answer)).await;
    answer.truncate(read.map_or(0, |read| read.unwrap_or(0)));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_requests_are_refused_or_rebuilt() {
    let (app, mirror, token) = mirrored().await;
    let address = app.url().replace("http://", "");
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut wrong = Vec::new();
    for (what, raw, fate) in cases {
        let answer = send(&address, &raw.replace("{T}", &token)).await;
        let lengths = body_lengths(&mirror, what);
        let fits = match fate {
            Refused => lengths.is_empty(),
            Forwarded(length) => lengths == [length],
        };
        if !fits {
            let first = answer.lines().next().unwrap_or_default().to_owned();
            wrong.push(format!("{what}: {fate:?}, but WeChat saw {lengths:?}; {first}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And whoever comes next is served as ever.
    let good = app.get(&format!("/cgi-bin/x?access_token={token}"), &[]).await;
    assert_eq!(good.status.as_u16(), 200);
}

/// The requests WeChat saw, by the length of their bodies. What follows a whole request on its
/// connection is its client's next one and answered as such, if the connection lives on: it is not
/// counted here.
fn body_lengths(mirror: &Mirror, what: &str) -> Vec<usize> {
    let seen = mirror.take();
    for seen in &seen {
        assert_eq!(seen.headers.get_all("host").iter().count(), 1, "{what}");
    }
    seen.iter().filter(|seen| !seen.target.starts_with("/evil?")).map(|seen| seen.length).collect()
}
