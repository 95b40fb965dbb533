//! What a client sent last, as far as it is kept: enough to tell whom an answer without a request is for.

use std::str::from_utf8;

/// So many bytes of a request are kept: a request line that is longer is known by its beginning.
const KEPT: usize = 512;

/// The beginning of what came after the last request that was understood.
#[derive(Debug)]
pub(super) struct Seen {
    kept: Vec<u8>,
    /// All that came; more than is kept once something is missing.
    total: usize,
    /// Whether what came last ended with an empty line.
    ends: bool,
}

impl Seen {
    pub(super) const fn new() -> Self {
        Self { kept: Vec::new(), total: 0, ends: false }
    }

    /// Takes note of `bytes`, which followed what came before.
    pub(super) fn came(&mut self, bytes: &[u8]) {
        if self.kept.len() == self.total {
            let taken = bytes.len().min(KEPT - self.kept.len());
            self.kept.reserve_exact(taken);
            self.kept.extend_from_slice(&bytes[..taken]);
        }
        self.total = self.total.saturating_add(bytes.len());
        self.ends = bytes.ends_with(b"\n\r\n");
    }

    /// Passes over `requests` that were answered, all that can have been understood of what came.
    pub(super) fn settle(&mut self, requests: usize) {
        // What is left could only be the beginning of a head, which has no empty line.
        if requests > 0 && self.ends {
            self.forget();
        } else {
            self.pass(requests);
        }
    }

    /// Passes over `requests` that were understood, so that what is left is the next one. False when nobody
    /// can say where they end; then nothing is left.
    pub(super) fn pass(&mut self, requests: usize) -> bool {
        for _ in 0..requests {
            let Some(length) = self.request_length() else {
                self.forget();
                return false;
            };
            self.kept.drain(..length.min(self.kept.len()));
            self.total = self.total.saturating_sub(length);
        }
        true
    }

    fn forget(&mut self) {
        self.kept.clear();
        self.total = 0;
    }

    /// How long the first request is, head and body, if its head was kept whole.
    fn request_length(&self) -> Option<usize> {
        let kept = &self.kept[..];
        let begin = kept.iter().position(|byte| !is_line_end(*byte))?;
        let end =
            (begin..kept.len()).filter(|at| kept[*at] == b'\n').find_map(|at| match &kept[at + 1..] {
                [b'\n', ..] => Some(at + 2),
                [b'\r', b'\n', ..] => Some(at + 3),
                _ => None,
            })?;
        Some(end.saturating_add(body_length(&kept[begin..end])?))
    }

    /// Method and path of the request that begins here, as far as they can be known: a path may be the
    /// beginning of a longer one.
    pub(super) fn request_line(&self) -> (Option<&str>, Option<&str>) {
        let kept = &self.kept[..];
        let Some(begin) = kept.iter().position(|byte| !is_line_end(*byte)) else { return (None, None) };
        let line = kept[begin..].split(|byte| is_line_end(*byte)).next().unwrap_or_default();
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return (None, None) };
        if method.is_empty() || !method.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-') {
            return (None, None);
        }
        (from_utf8(method).ok(), path(target))
    }

    /// Whether two readers could see different ends of the request, by what was kept of its head: what it says of its body's
    /// length is refused, perhaps.
    pub(super) fn is_ambiguous(&self) -> bool {
        let mut lengths = 0;
        self.headers().any(|(name, value)| {
            let is_length = name.eq_ignore_ascii_case(b"content-length");
            lengths += usize::from(is_length);
            let is_odd = is_length && (value.is_empty() || !value.iter().all(u8::is_ascii_digit));
            is_odd || lengths > 1 || name.eq_ignore_ascii_case(b"transfer-encoding")
        })
    }

    /// The first language of its `Accept-Language`, "" without one; `None`: the head wasn't kept whole.
    pub(super) fn language(&self) -> Option<&str> {
        let mut headers = self.headers();
        let said = headers.find(|(name, _)| name.eq_ignore_ascii_case(b"accept-language"));
        match said {
            Some((_, value)) => from_utf8(value).ok(),
            None => (self.kept.len() == self.total).then_some(""),
        }
    }

    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        headers(self.kept.trim_ascii_start())
    }
}

/// Names and values of a head, without the spaces around them; the first line isn't one.
fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

/// The length that a head gives to its body; `None` if it gives none that can be had without reading it.
fn body_length(head: &[u8]) -> Option<usize> {
    let mut length = 0;
    for (name, value) in headers(head) {
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return None;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            length = from_utf8(value).ok()?.parse().ok()?;
        }
    }
    Some(length)
}

/// The path of a request's target: without query, and without the host of an absolute form.
fn path(target: &[u8]) -> Option<&str> {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#') || byte.is_ascii_control());
    let target = &target[..end.unwrap_or(target.len())];
    let text = target.utf8_chunks().next()?.valid();
    if text.starts_with('/') {
        return Some(text);
    }
    let (_, rest) = text.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> Seen {
        let mut seen = Seen::new();
        seen.came(bytes);
        seen
    }

    #[test]
    fn a_request_line_is_known_as_far_as_it_came() {
        for (bytes, method, path) in [
            (&b"GET /x?openid=\"a\" HTTP/1.1\r\n"[..], Some("GET"), Some("/x")),
            (b"\r\n\r\nPOST /a/b HTTP/1.1\r\n", Some("POST"), Some("/a/b")),
            (b"POST /a b c HTTP/1.1\r\n", Some("POST"), Some("/a")),
            (b"GET /cut", Some("GET"), Some("/cut")),
            (b"GET http://h:1/a/b?c HTTP/1.1", Some("GET"), Some("/a/b")),
            (b"GET http://h HTTP/1.1", Some("GET"), None),
            (b"GET /a/\xffb HTTP/1.1", Some("GET"), Some("/a/")),
            (b"GET /a\x1b[0m HTTP/1.1", Some("GET"), Some("/a")),
            ("GET /中文 HTTP/1.1".as_bytes(), Some("GET"), Some("/中文")),
            (b"GET  /two HTTP/1.1", Some("GET"), None),
            (b"GET * HTTP/1.1", Some("GET"), None),
            (b"garbage\r\nGET /x HTTP/1.1\r\n", None, None),
            (b"\x16\x03\x01\x02\x00\x01", None, None),
            (b"\r\n", None, None),
            (b"", None, None),
        ] {
            assert_eq!(seen(bytes).request_line(), (method, path), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_said_of_a_length_is_told_from_every_other_mistake() {
        for (headers, is_ambiguous) in [
            ("X: y", false),
            ("Content-Length: 5", false),
            ("content-length:5", false),
            ("Content-Length: 5\r\nContent-Length: 5", true),
            ("Content-Length: +5", true),
            ("Content-Length: ", true),
            ("Content-Length : 5, 5", true),
            ("transfer-encoding : x", true),
            ("X: Transfer-Encoding: chunked", false),
        ] {
            let head = format!("\r\nGET /x HTTP/1.1\r\n{headers}\r\n\r\n");
            assert_eq!(seen(head.as_bytes()).is_ambiguous(), is_ambiguous, "{headers}");
        }
    }

    #[test]
    fn the_language_is_known_where_it_was_kept() {
        let language = |head: &str| seen(head.as_bytes()).language().map(str::to_owned);
        assert_eq!(language("GET / HTTP/1.1\r\naccept-LANGUAGE: en-GB,zh\r\n"), Some("en-GB,zh".to_owned()));
        assert_eq!(language("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), Some(String::new()));
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(KEPT));
        assert_eq!(language(&format!("{long}Accept-Language: en\r\n\r\n")), None);
    }

    #[test]
    fn what_was_understood_is_passed_over() {
        let next = |bytes: &str, requests: usize| {
            let mut seen = seen(bytes.as_bytes());
            let known = seen.pass(requests);
            (known, seen.request_line().1.map(str::to_owned))
        };
        let known = |path: Option<&str>| (true, path.map(str::to_owned));
        const GET: &str = "GET /a HTTP/1.1\r\nhost: h\r\n\r\n";
        assert_eq!(next(&format!("{GET}GET /b"), 1), known(Some("/b")));
        assert_eq!(next(&format!("{GET}\r\n{GET}GET /b"), 2), known(Some("/b")));
        assert_eq!(next("GET /a HTTP/1.1\n\nGET /b", 1), known(Some("/b")));
        assert_eq!(next("POST /a HTTP/1.1\r\nContent-LENGTH:  3 \r\n\r\nabcGET /b", 1), known(Some("/b")));
        // The body was not there when the answer was made, and is not what comes next either.
        assert_eq!(next("POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\na", 1), known(None));
        assert_eq!(next(GET, 1), known(None));
        let chunked = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b";
        assert_eq!(next(chunked, 1), (false, None));
        assert_eq!(next("GET /a HTTP/1.1\r\nhost", 1), (false, None));
    }

    #[test]
    fn what_was_not_kept_is_not_made_up() {
        let mut gap =
            seen(format!("POST /a HTTP/1.1\r\ncontent-length: 600\r\n\r\n{}", "x".repeat(600)).as_bytes());
        gap.came(b"GET /b HTTP/1.1");
        assert!(gap.pass(1));
        assert_eq!(gap.request_line(), (None, None), "its beginning is lost");
        gap.came(b"GET /c HTTP/1.1");
        assert_eq!(gap.request_line(), (None, None), "and this is not its beginning");
        assert!(!gap.pass(1));
        gap.came(b"GET /d HTTP/1.1");
        assert_eq!(gap.request_line().1, Some("/d"));
    }
}
