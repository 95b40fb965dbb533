//! WeChat as far as a benchmark needs it: fixed answers by path. `upstream ADDRESS [FILE]`: with FILE it speaks TLS, writes
//! there whom its certificate is from, and answers `/count` with the handshakes so far.
use std::path::Path;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use yardsticks::tls::{self, HANDSHAKES};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("an address").parse().expect("an address");
    let token = Bytes::from(format!("{{\"access_token\":\"75_{}\",\"expires_in\":7200}}", "t".repeat(133)));
    let sent = Bytes::from_static(b"{\"errcode\":0,\"errmsg\":\"ok\",\"msgid\":3921234567890123456}");
    let users = Bytes::from(format!(
        "{{\"total\":1,\"count\":1,\"data\":{{\"openid\":[\"{}\"]}},\"next\":\"{}\"}}",
        "o".repeat(28),
        "n".repeat(112)
    ));
    let mut image = vec![0xFF, 0xD8, 0xFF];
    image.resize(60_000, 7);
    let image = Bytes::from(image);
    let answer = move |request: hyper::Request<hyper::body::Incoming>| {
        let path = request.uri().path();
        if path.ends_with("token") {
            return yardsticks::json(token.clone());
        }
        if path.ends_with("/send") {
            return yardsticks::json(sent.clone());
        }
        if path.ends_with("/get_image") {
            let mut response = yardsticks::json(image.clone());
            let jpeg = hyper::header::HeaderValue::from_static("image/jpeg");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, jpeg);
            return response;
        }
        if path == "/count" {
            return yardsticks::json(Bytes::from(HANDSHAKES.load(Ordering::Relaxed).to_string()));
        }
        yardsticks::json(users.clone())
    };
    match arguments.next() {
        Some(authority) => tls::serve(address, Path::new(&authority), answer),
        None => yardsticks::serve(address, answer),
    }
}
