//! The page with the phone and its files, which are part of the binary, and the dress of WeChat's own pages.

use super::facts;
use super::worlds::Below;
use crate::Shared;
use crate::sign::sha1_hex;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use std::sync::{Arc, LazyLock};

/// As `npm run build` in `console/` makes it; checked in, so that nobody needs Node to build this.
static DIST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../console/dist-sandbox");
/// What the page has in the place of the way to the files.
const PLACE: &str = "/_/ASSETS/";
/// What the page has in the place of the way to the root of the sandbox.
const ROOT: &str = "ROOT/";
/// What the page has in the place of what is for whoever has no JavaScript.
const FACTS: &str = "FACTS";
/// Nothing inline, nothing from elsewhere, no markup made from text; in a frame, whatever page the user opens.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
    connect-src 'self'; frame-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
    require-trusted-types-for 'script'; trusted-types vue";
/// Of the pages that are made here.
pub(super) const PLAIN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

/// The files' place, which changes with what is in them: a browser may keep them for ever.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let (mut parts, mut folders) = (Vec::new(), vec![&DIST]);
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        parts.extend(
            folder.files().map(|file| format!("{} {}", file.path().display(), sha1_hex(file.contents()))),
        );
    }
    parts.sort();
    sha1_hex(parts.join("\n").as_bytes())[..16].to_owned()
});

/// The way to the files from a page that lies so many folders below the sandbox's root.
fn assets(depth: usize) -> String {
    format!("{}_/{}/", up(depth), *DIGEST)
}

/// Relative, so that it holds below any prefix.
fn up(depth: usize) -> String {
    if depth == 0 { "./".to_owned() } else { "../".repeat(depth) }
}

/// `GET /`: the phone; for a terminal, what there is, as text.
pub(super) async fn home(State(shared): State<Arc<Shared>>, below: Below, headers: HeaderMap) -> Response {
    let facts = facts::text(&shared, &below, &headers);
    if is_for_people(&headers) || !is_terminal(&headers) {
        return index(0, &facts);
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::VARY, VARY)];
    (kind, facts).into_response()
}

/// `GET /q/{id}`: where a code of an official account leads: the page asks who scans it.
pub(super) async fn scanned(Path(_id): Path<String>) -> Response {
    index(1, "")
}

/// Whether a browser wants a page.
pub(super) fn is_for_people(headers: &HeaderMap) -> bool {
    let takes = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    headers.get_all(header::ACCEPT).iter().any(takes)
}

/// Programs that people read text with.
const TERMINALS: [&str; 3] = ["curl/", "Wget/", "HTTPie/"];

fn is_terminal(headers: &HeaderMap) -> bool {
    let starts = |value: &HeaderValue| {
        value.to_str().is_ok_and(|agent| TERMINALS.iter().any(|one| agent.starts_with(one)))
    };
    let plain = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.starts_with("text/plain"));
    headers.get(header::USER_AGENT).is_some_and(starts) || headers.get(header::ACCEPT).is_some_and(plain)
}

/// What the answer at `/` depends on.
const VARY: &str = "accept, accept-language, user-agent";

fn index(depth: usize, facts: &str) -> Response {
    let text = DIST.get_file("index.html").and_then(|file| file.contents_utf8()).unwrap_or_default();
    let text = text.replace(PLACE, &assets(depth)).replace(ROOT, &up(depth));
    let text = text.replace(FACTS, &escape(facts));
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, VARY),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (head, text).into_response()
}

/// A file of the page.
pub(super) async fn file(Path((digest, name)): Path<(String, String)>) -> Response {
    let Some(file) = DIST.get_file(&name).filter(|_| digest == *DIGEST && name != "index.html") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let head = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (head, Body::from(file.contents())).into_response()
}

/// A page of WeChat's in the same dress, in both languages: which is seen is up to `lang` and to what the browser prefers.
/// `path` is its own, `body` is HTML.
pub(super) fn dressed(path: &str, english: bool, title: &str, body: &str) -> String {
    let script = format!("<script src=\"{}theme.js\"></script>", assets(depth(path)));
    in_dress(path, english, title, &script, body)
}

/// Likewise, without any script: always light.
pub(super) fn dressed_still(path: &str, english: bool, title: &str, body: &str) -> String {
    in_dress(path, english, title, "", body)
}

/// How many folders below the sandbox's root a page is.
fn depth(path: &str) -> usize {
    path.matches('/').count().saturating_sub(1)
}

fn in_dress(path: &str, english: bool, title: &str, script: &str, body: &str) -> String {
    let assets = assets(depth(path));
    let lang = if english { "en" } else { "zh-CN" };
    format!(
        "<!doctype html><html lang=\"{lang}\" data-theme=\"light\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><link rel=\"icon\" href=\"{assets}icon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"{assets}a/index.css\">{script}</head>\
         <body class=\"sheet\"><main>{body}</main></body></html>"
    )
}

/// Text for HTML, attributes included.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The same in both languages, as HTML.
pub(super) fn both(zh: &str, en: &str) -> String {
    format!("<span lang=\"zh-CN\">{}</span><span lang=\"en\">{}</span>", escape(zh), escape(en))
}
