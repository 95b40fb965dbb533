//! The console's page and its files, which are part of the binary. The files' place changes with what is in them, so a browser may
//! keep them for ever; the page itself is asked for each time.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, request};
use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

use crate::text::hex;

/// As `npm run build` in `console/` makes it; checked in, so that nobody needs Node to build wxgate.
static DIST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../console/dist");
/// Its page.
const INDEX: &str = "index.html";
/// What the page has in the place of the files' digest.
const PLACE: &str = "/_/ASSETS/";
/// Nothing inline, nothing from elsewhere, no markup made from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue";

/// Made at the first request, for all gateways of the process: it follows from the binary alone.
static SITE: LazyLock<Site> = LazyLock::new(Site::new);

struct Site {
    /// Where the files are, as `/_/5f3c…/`.
    prefix: String,
    index: File,
    files: HashMap<String, File>,
}

struct File {
    kind: &'static str,
    plain: Bytes,
    /// Where that is shorter.
    gzipped: Option<Bytes>,
    tag: HeaderValue,
}

impl Site {
    fn new() -> Self {
        let (mut found, mut folders) = (Vec::new(), vec![&DIST]);
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            found.extend(folder.files());
        }
        found.sort_by_key(|file| file.path());
        let mut digest = Sha256::new();
        for file in &found {
            digest.update(file.path().as_os_str().as_encoded_bytes());
            digest.update(Sha256::digest(file.contents()));
        }
        let prefix = format!("/_/{}/", hex(&digest.finalize()[..8]));
        let mut files: HashMap<String, File> = HashMap::new();
        for file in found {
            let name = file.path().to_string_lossy().into_owned();
            let contents = match file.contents_utf8() {
                Some(text) if name == INDEX => text.replace(PLACE, &prefix).into_bytes().into(),
                _ => Bytes::from_static(file.contents()),
            };
            let file = File::new(&name, contents);
            files.insert(name, file);
        }
        let index = files.remove(INDEX).unwrap_or_else(|| File::new(INDEX, Bytes::new()));
        Self { prefix, index, files }
    }
}

impl File {
    fn new(name: &str, plain: Bytes) -> Self {
        let kind = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            "json" => "application/json",
            _ => "application/octet-stream",
        };
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzipped = encoder.write_all(&plain).and_then(|()| encoder.finish()).ok();
        let gzipped = gzipped.filter(|gzipped| gzipped.len() < plain.len()).map(Bytes::from);
        let tag = format!("\"{}\"", hex(&Sha256::digest(&plain)[..8]));
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { kind, plain, gzipped, tag }
    }

    fn answer(&self, headers: &HeaderMap, keep: &'static str) -> Response {
        let knows = headers.get(IF_NONE_MATCH).is_some_and(|known| known == self.tag);
        let takes = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("gzip"));
        let gzipped = self.gzipped.as_ref().filter(|_| headers.get_all(ACCEPT_ENCODING).iter().any(takes));
        let body = if knows { Bytes::new() } else { gzipped.unwrap_or(&self.plain).clone() };
        let is_packed = !knows && gzipped.is_some();
        let mut response = Response::new(Body::from(body));
        if knows {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let head = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, self.kind),
            (CACHE_CONTROL, keep),
            (VARY, "accept-encoding"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "same-origin"),
        ] {
            head.insert(name, HeaderValue::from_static(value));
        }
        head.insert(ETAG, self.tag.clone());
        if is_packed {
            head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// A file of the console, or its page for whoever asks for a page; `None`: this is for somebody else to answer.
pub(super) fn answer(head: &request::Parts) -> Option<Response> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    let path = head.uri.path();
    if path.starts_with("/_/") {
        let name = path.strip_prefix(&*SITE.prefix)?;
        return Some(SITE.files.get(name)?.answer(&head.headers, "public, max-age=31536000, immutable"));
    }
    let takes = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    let is_for_people = head.headers.get_all(ACCEPT).iter().any(takes);
    (is_for_people && !path.starts_with("/api/")).then(|| SITE.index.answer(&head.headers, "no-cache"))
}
