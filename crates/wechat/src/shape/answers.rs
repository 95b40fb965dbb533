//! Answers of one sort: what is known of them, and all of one but its members held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Difference, Place, Shape, What, add};

/// An answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Path of the endpoint.
    pub path: &'a str,
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`; "" for none.
    pub content_type: &'a str,
    /// Names of its headers, in small letters.
    pub headers: &'a [&'a str],
    /// The body, or its beginning.
    pub body: &'a [u8],
    /// Whether that is all of the body.
    pub is_whole: bool,
}

/// What a body is at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Body {
    Empty,
    /// A JSON object.
    Object,
    List,
    /// HTML or XML.
    Page,
    Picture,
    /// A file, or text.
    Other,
}

impl Body {
    const ALL: [Self; 6] = [Self::Empty, Self::Object, Self::List, Self::Page, Self::Picture, Self::Other];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Object => "object",
            Self::List => "list",
            Self::Page => "page",
            Self::Picture => "picture",
            Self::Other => "other",
        }
    }

    pub(super) fn of(body: &[u8]) -> Self {
        match without_mark(body).trim_ascii_start() {
            [] => Self::Empty,
            [b'{', ..] => Self::Object,
            [b'[', ..] => Self::List,
            [b'<', ..] => Self::Page,
            [0xFF, 0xD8, 0xFF, ..] | [0x89, b'P', b'N', b'G', ..] | [b'G', b'I', b'F', b'8', ..] => {
                Self::Picture
            }
            _ => Self::Other,
        }
    }
}

const MARK: &[u8] = b"\xef\xbb\xbf";

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(MARK).unwrap_or(body)
}

/// Answers of one sort: an endpoint's successes, or its refusals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// HTTP statuses.
    pub(super) status: BTreeSet<u16>,
    pub(super) types: BTreeSet<String>,
    pub(super) bodies: BTreeSet<Body>,
    /// Names of headers, and whether they are always there; `None`: no answer was seen.
    pub(super) headers: Option<BTreeMap<String, bool>>,
    /// Whether a refusal names its rid.
    pub(super) rids: BTreeSet<bool>,
    pub(super) shape: Shape,
}

impl Answers {
    pub(super) fn is_unknown(&self) -> bool {
        self.headers.is_none()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.status.extend(other.status);
        self.types.extend(other.types);
        self.bodies.extend(other.bodies);
        self.rids.extend(other.rids);
        self.shape.merge(other.shape);
        self.headers = match (self.headers.take(), other.headers) {
            (Some(own), Some(other)) => {
                let is_always =
                    |name: &String| own.get(name) == Some(&true) && other.get(name) == Some(&true);
                Some(own.keys().chain(other.keys()).map(|name| (name.clone(), is_always(name))).collect())
            }
            (own, other) => own.or(other),
        };
    }

    /// All but what is in the body.
    pub(super) fn compare_head(&self, seen: &Seen<'_>, body: Body, found: &mut Vec<Difference>) {
        let top = Place::Top;
        if !self.status.contains(&seen.status) {
            let known = joined(&self.status, u16::to_string);
            add(found, &top, What::Status, known, seen.status.to_string());
        }
        if !self.bodies.contains(&body) {
            add(found, &top, What::Body, joined(&self.bodies, |body| body.name().to_owned()), body.name());
        }
        let seen_type = content_type(seen.content_type);
        if !self.has_type(&seen_type, body) {
            add(found, &top, What::ContentType, joined(&self.types, String::clone), seen_type);
        }
        if seen.body.starts_with(MARK) {
            add(found, &top, What::Mark, "", "byte order mark");
        }
        let always = self.headers.iter().flatten().filter(|(_, is_always)| **is_always);
        for (name, _) in always.filter(|(name, _)| !seen.headers.contains(&name.as_str())) {
            add(found, &Place::Member(&top, name), What::Header, "header", "");
        }
    }

    /// Of a file the type is the file's own, and of pictures which kind.
    fn has_type(&self, seen: &str, body: Body) -> bool {
        let main = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
        match body {
            Body::Other if self.bodies.contains(&Body::Other) => true,
            Body::Picture => self.types.iter().any(|known| main(known) == main(seen)),
            _ => self.types.contains(seen),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "type": self.types,
            "body": self.bodies.iter().map(|body| body.name()).collect::<Vec<_>>(),
            "headers": self.headers.iter().flatten().map(|(name, is_always)| match is_always {
                true => name.clone(),
                false => format!("{name}?"),
            }).collect::<Vec<_>>(),
            "rid": self.rids,
            "shape": self.shape.to_json(),
        })
    }

    pub(super) fn from_json(value: &Value) -> Self {
        let bodies = texts(&value["body"]);
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        Self {
            status: list("status").iter().filter_map(|status| u16::try_from(status.as_u64()?).ok()).collect(),
            types: texts(&value["type"]),
            bodies: Body::ALL.into_iter().filter(|body| bodies.contains(body.name())).collect(),
            headers: value
                .is_object()
                .then(|| texts(&value["headers"]).iter().map(|name| header(name)).collect()),
            rids: list("rid").iter().filter_map(Value::as_bool).collect(),
            shape: Shape::from_json(&value["shape"]),
        }
    }
}

/// Whether a header's absence is worth a word: not those that HTTP itself and what is on the way add.
pub(super) fn is_told(name: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "server",
        "set-cookie",
        "transfer-encoding",
        "vary",
    ];
    !OTHERS.contains(&name)
}

/// A content type in words that are known, in small letters; what isn't is `*`.
pub(super) fn content_type(header: &str) -> String {
    const KNOWN: [&str; 18] = [
        "application/json",
        "application/javascript",
        "application/octet-stream",
        "application/xml",
        "application/pdf",
        "application/zip",
        "text/plain",
        "text/html",
        "text/xml",
        "text/json",
        "image/jpeg",
        "image/jpg",
        "image/png",
        "image/gif",
        "audio/amr",
        "audio/mpeg",
        "audio/speex",
        "video/mp4",
    ];
    const PARAMETERS: [&str; 6] = [
        "charset=utf-8",
        "charset=utf8",
        "charset=gbk",
        "encoding=utf-8",
        "encoding=utf8",
        "charset=iso-8859-1",
    ];
    let header = header.to_ascii_lowercase();
    let mut parts = header.split(';').map(str::trim);
    let known =
        |part: &str, known: &[&'static str]| known.iter().find(|one| **one == part).copied().unwrap_or("*");
    let mut words = vec![match parts.next() {
        None | Some("") => "",
        Some(media_type) => known(media_type, &KNOWN),
    }];
    words.extend(parts.filter(|part| !part.is_empty()).map(|part| known(part, &PARAMETERS)));
    words.join("; ")
}

/// Of the file: its name, and whether it is always there.
fn header(text: &str) -> (String, bool) {
    match text.strip_suffix('?') {
        Some(name) => (name.to_owned(), false),
        None => (text.to_owned(), true),
    }
}

pub(super) fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn joined<T>(all: &BTreeSet<T>, name: impl Fn(&T) -> String) -> String {
    all.iter().map(name).collect::<Vec<_>>().join("|")
}
