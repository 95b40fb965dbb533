//! Hyper serving through [`Bare`] over TCP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream;
use http::{HeaderValue, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::http::Held;
use crate::limits::Limits;
use crate::net::Lingering;

/// The largest head.
const MAX_HEAD: usize = 64 << 10;
const MARK: &str = "made by the surface";
/// What a body may hold as well.
const LOOKALIKE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                         date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

type TestBody = UnsyncBoxBody<Bytes, Infallible>;

fn whole(text: impl Into<Bytes>) -> TestBody {
    Full::new(text.into()).boxed_unsync()
}

/// Pieces that come one by one, each flushed before the next.
fn pieces(pieces: Vec<&'static str>) -> TestBody {
    let pieces = stream::unfold(pieces.into_iter(), async |mut rest| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let piece = Frame::data(Bytes::from_static(rest.next()?.as_bytes()));
        Some((Ok::<_, Infallible>(piece), rest))
    });
    StreamBody::new(Box::pin(pieces)).boxed_unsync()
}

async fn handle(request: Request<Incoming>) -> Response<TestBody> {
    let path = request.uri().path().to_owned();
    let mut response = Response::new(whole(format!("ok {path}")));
    match path.as_str() {
        "/refuse" => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            *response.body_mut() = whole("");
        }
        "/echo" => {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            *response.body_mut() = whole(body);
        }
        "/chunked" => *response.body_mut() = pieces(vec!["a", LOOKALIKE, "b", LOOKALIKE]),
        "/sized" => {
            let length = HeaderValue::from(2 + 2 * LOOKALIKE.len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
            *response.body_mut() = pieces(vec!["a", LOOKALIKE, "b", LOOKALIKE]);
        }
        "/lookalike" => *response.body_mut() = whole(LOOKALIKE),
        _ => {}
    }
    response
}

/// The surface's answer, with `padding` after the mark.
fn made(status: StatusCode, Known { path, .. }: Known<'_>, padding: usize) -> Bytes {
    let text = format!("{MARK}: {} {}{}", status.as_u16(), path.unwrap_or("?"), "x".repeat(padding));
    let response = Response::builder().status(status).header("x-made", "yes").body(Bytes::from(text));
    write_response(&response.unwrap())
}

struct Served {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Served {
    async fn start() -> Self {
        Self::with(MAX_HEAD, 0).await
    }

    async fn with(max_head: usize, padding: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, max_head, padding));
            }
        });
        Self { address, _tasks: tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that is answered to `raw`.
    async fn ask(&self, raw: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may close before all is written.
        let _ = stream.write_all(raw.as_ref()).await;
        rest(&mut stream).await
    }
}

async fn serve(stream: TcpStream, max_head: usize, padding: usize) {
    let answers = Answers::default();
    let stream = Lingering::new(stream, Arc::new(Limits::default()), CancellationToken::new());
    let stream = Bare::new(stream, answers.clone(), move |status, path| made(status, path, padding));
    let service = service_fn(move |request| {
        let open = answers.began();
        async { Ok::<_, Infallible>(handle(request).await.map(|body| Held::new(body, open))) }
    });
    let mut builder = http1::Builder::new();
    // `max_buf_size` alone is no limit to a head that comes in few pieces: up to twice as much gets through.
    builder.max_buf_size(max_head).max_header_size(max_head);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("an end").unwrap();
    String::from_utf8(answer).unwrap()
}

/// One answer of a kept connection: head and a body of known length.
async fn one(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        answer.push(timeout(Duration::from_secs(10), stream.read_u8()).await.expect("an answer").unwrap());
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return text.into_owned();
        }
    }
}

/// Whether `answer` is the surface's, whole and alone.
fn assert_made(answer: &str, status: u16, path: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
    assert_eq!(body, format!("{MARK}: {status} {path}"));
    let count = |name: &str| head.lines().filter(|line| line.starts_with(name)).count();
    let names = ["date: ", "connection: close", "content-length: ", "x-made: yes"];
    assert_eq!(names.map(count), [1; 4], "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
}

#[tokio::test]
async fn what_hyper_refuses_is_answered_by_the_surface() {
    let served = Served::start().await;
    let header = |line: &str| format!("POST /v1/x?a=b HTTP/1.1\r\nhost: h\r\n{line}\r\n\r\nhello");
    for (raw, path) in [
        ("garbage\r\n\r\n".to_owned(), "?"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n".to_owned(), "?"),
        ("GET /x?openid=\"a\" HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        ("GET /x?openid={\"a\":1} HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        ("GET /x?name=a b HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        ("GET /a b HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), "/a"),
        ("GET /x HTTP/1.9\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        ("GET /x HTTP/2.0\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        ("GET /x\r\nhost: h\r\n\r\n".to_owned(), "/x"),
        (header("bad name: x"), "/v1/x"),
        (header("name\u{1}: x"), "/v1/x"),
        (header("no colon"), "/v1/x"),
        (header("x: a\u{0}b"), "/v1/x"),
        (header("x: a\r\n folded"), "/v1/x"),
        (header("content-length: 5a"), "/v1/x"),
        (header("content-length: -5"), "/v1/x"),
        (header("content-length: 99999999999999999999"), "/v1/x"),
        (header("content-length: 5\r\ncontent-length: 6"), "/v1/x"),
        (header("transfer-encoding: gzip"), "/v1/x"),
        ("POST /v1/x HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "/v1/x"),
    ] {
        assert_made(&served.ask(&raw).await, 400, path);
    }
    let headed = served.ask("HEAD /x?\"a\" HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let (head, body) = headed.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("x-made: yes") && head.contains("content-length: ") && body.is_empty(), "{headed}");
}

#[tokio::test]
async fn too_much_is_answered_by_the_surface() {
    let served = Served::start().await;
    let many: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    assert_made(&served.ask(format!("GET /many HTTP/1.1\r\n{many}\r\n")).await, 431, "/many");
    for length in [70_000, 1_000_000] {
        let large = format!("GET /large?q HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(length));
        assert_made(&served.ask(large).await, 431, "/large");
    }
    // A URI beyond hyper's 65,534 bytes is beyond the largest head too, which hyper looks at first.
    let long = format!("GET /long?q={} HTTP/1.1\r\nhost: h\r\n\r\n", "y".repeat(65_535));
    assert_made(&served.ask(&long).await, 431, "/long");
    let roomy = Served::with(256 << 10, 0).await;
    assert_made(&roomy.ask(&long).await, 414, "/long");
    // Beyond what is kept, a path is known by its beginning.
    let path = format!("/{}", "p".repeat(600));
    let answer = served.ask(format!("GET {path}?\"a\" HTTP/1.1\r\n\r\n")).await;
    assert_made(&answer, 400, &path[..512 - "GET ".len()]);
}

#[tokio::test]
async fn a_client_that_still_writes_is_not_reset() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let large = format!("GET /large HTTP/1.1\r\nx: {}", "y".repeat(200_000));
    stream.write_all(large.as_bytes()).await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(&[b'y'; 10_000]).await.unwrap();
    }
    assert_made(&rest(&mut stream).await, 431, "/large");
}

#[tokio::test]
async fn a_later_request_of_a_kept_connection_is_known_too() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let body = "z".repeat(3000);
    let posts = [
        format!("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 3000\r\n\r\n{body}"),
        format!(
            "POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nbb8\r\n{body}\r\n0\r\n\r\n"
        ),
        format!("POST /echo HTTP/1.1\r\nhost: {}\r\ncontent-length: 3000\r\n\r\n{body}", "h".repeat(600)),
    ];
    for post in posts {
        stream.write_all(post.as_bytes()).await.unwrap();
        assert!(one(&mut stream).await.ends_with(&format!("\r\n\r\n{body}")));
    }
    stream.write_all(b"GET /refuse HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert!(!one(&mut stream).await.contains(MARK));
    // Piece by piece, so that hyper reads often.
    for piece in ["GE", "T /second", "?\"", "a\" HTTP/1.1\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_made(&rest(&mut stream).await, 400, "/second");
}

#[tokio::test]
async fn after_http_1_0_it_is_replaced_as_well() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await.unwrap();
    assert!(one(&mut stream).await.ends_with("ok /a"));
    stream.write_all(b"GET /b?\"a\" HTTP/1.0\r\n\r\n").await.unwrap();
    assert_made(&rest(&mut stream).await, 400, "/b");
}

#[tokio::test]
async fn pipelined_requests_are_answered_whole_before() {
    let served = Served::start().await;
    const GOOD: &str = "GET /good HTTP/1.1\r\nhost: h\r\n\r\n";
    const POST: &str = "POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
    const BAD: &str = "GET /bad?\"a\" HTTP/1.1\r\nhost: h\r\n\r\n";
    const CHUNKED: &str =
        "POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let long = format!("GET /good HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(600));
    for (before, count, path) in [
        (GOOD.to_owned(), 1, "/bad"),
        (POST.to_owned(), 1, "/bad"),
        ([GOOD, POST, GOOD].concat(), 3, "/bad"),
        // Nobody can say where it ends.
        (CHUNKED.to_owned(), 1, "?"),
        (long, 1, "?"),
    ] {
        let answers = served.ask(format!("{before}{BAD}{GOOD}")).await;
        let at = answers.rfind("HTTP/1.1 ").unwrap();
        assert_made(&answers[at..], 400, path);
        assert_eq!(answers[..at].matches("HTTP/1.1 200 OK").count(), count, "{answers}");
        assert!(answers[..at].ends_with("ok /good") || answers[..at].ends_with("hello"), "{answers}");
    }
}

#[tokio::test]
async fn what_handlers_say_passes_byte_for_byte() {
    let served = Served::start().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let refused = served.ask(get("/refuse")).await;
    assert!(bare(refused.as_bytes()).is_some(), "to the byte what hyper says by itself: {refused}");
    let sized = served.ask(get("/sized")).await;
    assert!(sized.ends_with(&format!("\r\n\r\na{LOOKALIKE}b{LOOKALIKE}")), "{sized}");
    let chunked = served.ask(get("/chunked")).await;
    assert_eq!(chunked.matches(LOOKALIKE).count(), 2, "{chunked}");
    let lookalike = served.ask(get("/lookalike")).await;
    assert!(lookalike.ends_with(&format!("\r\n\r\n{LOOKALIKE}")), "{lookalike}");
    let mut stream = served.connect().await;
    for path in ["/lookalike", "/refuse", "/lookalike", "/good"] {
        let get = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
        stream.write_all(get.as_bytes()).await.unwrap();
        assert!(!one(&mut stream).await.contains(MARK));
    }
    let post = "POST /echo HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(post.as_bytes()).await.unwrap();
    let mut continued = [0; 25];
    stream.read_exact(&mut continued).await.unwrap();
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    assert!(one(&mut stream).await.ends_with("\r\n\r\nhello"));
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_it() {
    const PADDING: usize = 3 << 20;
    let served = Served::with(MAX_HEAD, PADDING).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(served.address).await.unwrap();
    stream.write_all(b"GET /slow?\"a\" HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 10_000];
    for part in answer.chunks_mut(100) {
        stream.read_exact(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), format!("{MARK}: 400 /slow").len() + PADDING);
}

#[test]
fn only_the_bare_form_is_taken_for_it() {
    let date = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    let with = |head: &str| format!("HTTP/1.1 {head}\r\n\r\n");
    for (text, status) in [
        (LOOKALIKE.to_owned(), Some(400)),
        (with(&format!("414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n{date}")), Some(414)),
        (with("431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0"), Some(431)),
        ("HTTP/1.0 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned(), Some(400)),
        (with("400 Bad Request\r\nconnection: close"), None),
        (with("400 Bad Request\r\ncontent-length: 0\r\nx-request-id: a"), None),
        (with("400 Bad Request\r\ncontent-length: 5"), None),
        (with("401 Unauthorized\r\ncontent-length: 0"), None),
        (format!("{LOOKALIKE}x"), None),
        (format!("x{LOOKALIKE}"), None),
        (format!("{LOOKALIKE}{LOOKALIKE}"), None),
        (LOOKALIKE[..LOOKALIKE.len() - 1].to_owned(), None),
    ] {
        assert_eq!(bare(text.as_bytes()).map(|(status, _)| status.as_u16()), status, "{text:?}");
    }
}

#[test]
fn a_written_response_says_length_and_end_itself() {
    let response = Response::builder()
        .status(431)
        .header(CONTENT_LENGTH, 99)
        .header(CONNECTION, "keep-alive")
        .header(TRANSFER_ENCODING, "chunked")
        .header("a", "1")
        .header("a", "2")
        .body(Bytes::from_static(b"body"));
    let text = "HTTP/1.1 431 Request Header Fields Too Large\r\na: 1\r\na: 2\r\n\
                content-length: 4\r\nconnection: close\r\n\r\nbody";
    assert_eq!(write_response(&response.unwrap()), text);
}
