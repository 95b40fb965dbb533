//! What answers look like, by endpoint; and one answer held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::words::{ALSO, Vocabulary};
use super::{Difference, Place, Shape, What, add};
use crate::{answer, errcode};

/// The sandbox's answers, as `make gen` wrote them down.
const SANDBOX: &str = include_str!("../shapes.json");

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

/// What came of holding an answer against what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// No answer of the endpoint, or none of this sort, is known.
    Unknown,
    /// The edge before WeChat is broken, or refused the request unread: that is no answer of the endpoint.
    Broken,
    /// The body isn't all there: only the rest was compared. With what differs.
    Part(Vec<Difference>),
    /// All of it was compared. With what differs.
    Whole(Vec<Difference>),
}

/// What a body is at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Body {
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

    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Object => "object",
            Self::List => "list",
            Self::Page => "page",
            Self::Picture => "picture",
            Self::Other => "other",
        }
    }

    fn of(body: &[u8]) -> Self {
        match without_mark(body).trim_ascii_start() {
            [] => Self::Empty,
            [b'{', ..] => Self::Object,
            [b'[', ..] => Self::List,
            [b'<', ..] => Self::Page,
            [0xFF, 0xD8, 0xFF, ..] | [0x89, b'P', b'N', b'G', ..] | [b'G', b'I', b'F', b'8', ..] => Self::Picture,
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
struct Answers {
    /// HTTP statuses.
    status: BTreeSet<u16>,
    types: BTreeSet<String>,
    bodies: BTreeSet<Body>,
    /// Names of headers, and whether they are always there; `None`: no answer was seen.
    headers: Option<BTreeMap<String, bool>>,
    /// Whether a refusal names its rid.
    rids: BTreeSet<bool>,
    shape: Shape,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Endpoint {
    ok: Answers,
    refused: Answers,
}

/// What answers look like.
#[derive(Clone, Debug, Default)]
pub struct Known {
    endpoints: BTreeMap<String, Endpoint>,
    /// Of any endpoint.
    refused: Answers,
    /// Forms of the words of a code, besides those of the table.
    words: BTreeMap<i64, BTreeSet<String>>,
    vocabulary: Vocabulary,
}

impl Known {
    /// The sandbox's, as they were when this was built.
    pub fn of_the_sandbox() -> Self {
        Self::from_json(&serde_json::from_str(SANDBOX).unwrap_or_default())
    }

    /// The file that it was read from.
    pub fn file() -> &'static str {
        SANDBOX
    }

    /// Paths of which anything is known.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.endpoints.keys().map(String::as_str)
    }

    /// How `seen` differs from what is known.
    pub fn compare(&self, seen: &Seen<'_>) -> Compared {
        let body = Body::of(seen.body);
        if is_of_the_edge(seen.status) && body != Body::Object {
            return Compared::Broken;
        }
        let Some(endpoint) = self.endpoints.get(seen.path) else { return Compared::Unknown };
        let parsed = seen.is_whole.then(|| parsed(body, seen.body)).flatten();
        let code = parsed.as_ref().and_then(code_of);
        let answers = self.answers(endpoint, code);
        if answers.is_unknown() {
            return Compared::Unknown;
        }
        let mut found = Vec::new();
        answers.compare_head(seen, body, &mut found);
        match &parsed {
            Some(value) if answers.bodies.contains(&body) => answers.shape.compare(value, &Place::Top, &mut found),
            // What should be an object isn't even JSON.
            None if seen.is_whole && matches!(body, Body::Object | Body::List) && answers.bodies.contains(&body) => {
                add(&mut found, &Place::Top, What::Body, body.name(), "no JSON");
            }
            _ => {}
        }
        if let (Some(value), Some(code)) = (&parsed, code) {
            self.compare_words(answers, (seen.path, code), value, &mut found);
        }
        // A beginning tells of a picture or a file what there is to tell.
        let is_told = seen.is_whole || !matches!(body, Body::Object | Body::List);
        if is_told { Compared::Whole(found) } else { Compared::Part(found) }
    }

    fn answers<'a>(&'a self, endpoint: &'a Endpoint, code: Option<i64>) -> &'a Answers {
        match code {
            None | Some(0) => &endpoint.ok,
            Some(_) if endpoint.refused.is_unknown() => &self.refused,
            Some(_) => &endpoint.refused,
        }
    }

    /// Headers of `seen` that such answers don't have. Apart from [`Self::compare`], for what is on the way may add some.
    pub fn new_headers(&self, seen: &Seen<'_>) -> Vec<Difference> {
        let mut found = Vec::new();
        let Some(endpoint) = self.endpoints.get(seen.path) else { return found };
        let code = parsed(Body::of(seen.body), seen.body).as_ref().and_then(code_of);
        let Some(known) = &self.answers(endpoint, code).headers else { return found };
        for name in seen.headers.iter().filter(|name| is_told(name) && !known.contains_key(**name)) {
            add(&mut found, &Place::Member(&Place::Top, name), What::Header, "", "header");
        }
        found
    }

    fn compare_words(
        &self,
        answers: &Answers,
        (path, code): (&str, i64),
        value: &Value,
        found: &mut Vec<Difference>,
    ) {
        let Some(row) = errcode::lookup_at(path, code) else {
            add(found, &Place::Member(&Place::Top, "errcode"), What::Code, "", code.to_string());
            return;
        };
        let Some(errmsg) = value.get("errmsg").and_then(Value::as_str) else { return };
        let place = Place::Member(&Place::Top, "errmsg");
        let has_rid = errcode::rid(errmsg).is_some();
        if code != 0 && !answers.rids.is_empty() && !answers.rids.contains(&has_rid) {
            let name = |has| if has { "rid" } else { "" };
            add(found, &place, What::Rid, name(!has_rid), name(has_rid));
        }
        // A row of a family, or in our own words, doesn't know WeChat's.
        if row.code != code || !row.official {
            return;
        }
        let form = self.vocabulary.form(errmsg);
        let of_table = |row: &errcode::Entry| self.vocabulary.form(row.text) == form;
        let is_known = of_table(row)
            || errcode::lookup(code).is_some_and(of_table)
            || ALSO.iter().any(|(also, text)| *also == code && self.vocabulary.form(text) == form)
            || self.words.get(&code).is_some_and(|words| words.contains(&form));
        if !is_known {
            add(found, &place, What::Words, self.vocabulary.form(row.text), form);
        }
    }

    /// Takes `seen` for what such answers look like.
    pub fn learn(&mut self, seen: &Seen<'_>) {
        let body = Body::of(seen.body);
        let parsed = parsed(body, seen.body);
        let code = parsed.as_ref().and_then(code_of);
        let is_refused = code.is_some_and(|code| code != 0);
        let errmsg = parsed.as_ref().and_then(|value| value.get("errmsg")).and_then(Value::as_str);
        let rid = errmsg.filter(|_| is_refused).map(|errmsg| errcode::rid(errmsg).is_some());
        let one = Answers {
            status: [seen.status].into(),
            types: [content_type(seen.content_type)].into(),
            bodies: [body].into(),
            headers: Some(seen.headers.iter().filter(|name| is_told(name)).map(|name| ((*name).to_owned(), true)).collect()),
            rids: rid.into_iter().collect(),
            shape: parsed.as_ref().map(Shape::of).unwrap_or_default(),
        };
        if let (Some(code), Some(errmsg)) = (code, errmsg) {
            self.learn_words(seen.path, code, errmsg);
        }
        let endpoint = self.endpoints.entry(seen.path.to_owned()).or_default();
        if is_refused {
            self.refused.merge(one.clone());
            endpoint.refused.merge(one);
        } else {
            endpoint.ok.merge(one);
        }
    }

    fn learn_words(&mut self, path: &str, code: i64, errmsg: &str) {
        let Some(row) = errcode::lookup_at(path, code).filter(|row| row.official && row.code == code) else {
            return;
        };
        let form = self.vocabulary.form(errmsg);
        if form != self.vocabulary.form(row.text) {
            self.words.entry(code).or_default().insert(form);
        }
    }

    /// Takes the JSON of `body` for what a success of `path` may look like, as WeChat's documentation shows one.
    pub fn learn_body(&mut self, path: &str, body: &Value) {
        let endpoint = self.endpoints.entry(path.to_owned()).or_default();
        endpoint.ok.shape.merge(Shape::of(body));
    }

    /// The words of an `errmsg` that may be shown: those of the error table, each other one as `*`.
    pub fn words(&self, errmsg: &str) -> String {
        self.vocabulary.form(errmsg)
    }

    /// The file: a line for each endpoint.
    pub fn text(&self) -> String {
        let whole = self.to_json();
        let lines = |value: &Value| {
            let members = value.as_object().into_iter().flatten();
            members.map(|(name, value)| format!("{}: {value}", json!(name))).collect::<Vec<_>>().join(",\n")
        };
        let (refused, words, endpoints) = (&whole["refused"], lines(&whole["words"]), lines(&whole["endpoints"]));
        format!("{{\n\"refused\": {refused},\n\"words\": {{\n{words}\n}},\n\"endpoints\": {{\n{endpoints}\n}}\n}}\n")
    }

    /// As it stands in the file.
    pub fn to_json(&self) -> Value {
        let endpoint = |known: &Endpoint| {
            let mut both = Map::new();
            for (name, answers) in [("ok", &known.ok), ("refused", &known.refused)] {
                if !answers.is_unknown() {
                    both.insert(name.to_owned(), answers.to_json());
                }
            }
            Value::Object(both)
        };
        let endpoints: Map<String, Value> =
            self.endpoints.iter().map(|(path, known)| (path.clone(), endpoint(known))).collect();
        let words: Map<String, Value> =
            self.words.iter().map(|(code, words)| (code.to_string(), json!(words))).collect();
        json!({"refused": self.refused.to_json(), "words": words, "endpoints": endpoints})
    }

    /// What [`Self::to_json`] wrote.
    pub fn from_json(value: &Value) -> Self {
        let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let endpoint = |value: &Value| Endpoint {
            ok: Answers::from_json(&value["ok"]),
            refused: Answers::from_json(&value["refused"]),
        };
        let words = members(&value["words"]).into_iter();
        Self {
            endpoints: members(&value["endpoints"]).iter().map(|(path, one)| (path.clone(), endpoint(one))).collect(),
            refused: Answers::from_json(&value["refused"]),
            words: words.filter_map(|(code, words)| Some((code.parse().ok()?, texts(&words)))).collect(),
            vocabulary: Vocabulary::default(),
        }
    }
}

/// Statuses by which the edge before WeChat says that nobody is there, or that it doesn't pass the request on.
fn is_of_the_edge(status: u16) -> bool {
    status >= 500 || matches!(status, 412 | 413)
}

fn parsed(body: Body, bytes: &[u8]) -> Option<Value> {
    matches!(body, Body::Object | Body::List).then(|| answer::json(bytes)).flatten()
}

/// An object's errcode, be it a text; `None`: it has none.
fn code_of(value: &Value) -> Option<i64> {
    match value.get("errcode")? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Whether a header's absence is worth a word: not those that HTTP itself and what is on the way add.
fn is_told(name: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "connection", "content-length", "content-type", "date", "keep-alive", "server", "set-cookie", "transfer-encoding",
        "vary",
    ];
    !OTHERS.contains(&name)
}

/// A content type in words that are known, in small letters; what isn't is `*`.
fn content_type(header: &str) -> String {
    const KNOWN: [&str; 18] = [
        "application/json", "application/javascript", "application/octet-stream", "application/xml", "application/pdf",
        "application/zip", "text/plain", "text/html", "text/xml", "text/json", "image/jpeg", "image/jpg", "image/png",
        "image/gif", "audio/amr", "audio/mpeg", "audio/speex", "video/mp4",
    ];
    const PARAMETERS: [&str; 6] =
        ["charset=utf-8", "charset=utf8", "charset=gbk", "encoding=utf-8", "encoding=utf8", "charset=iso-8859-1"];
    let header = header.to_ascii_lowercase();
    let mut parts = header.split(';').map(str::trim);
    let known = |part: &str, known: &[&'static str]| known.iter().find(|one| **one == part).copied().unwrap_or("*");
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

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn joined<T>(all: &BTreeSet<T>, name: impl Fn(&T) -> String) -> String {
    all.iter().map(name).collect::<Vec<_>>().join("|")
}

impl Answers {
    fn is_unknown(&self) -> bool {
        self.headers.is_none()
    }

    fn merge(&mut self, other: Self) {
        self.status.extend(other.status);
        self.types.extend(other.types);
        self.bodies.extend(other.bodies);
        self.rids.extend(other.rids);
        self.shape.merge(other.shape);
        self.headers = match (self.headers.take(), other.headers) {
            (Some(own), Some(other)) => {
                let is_always = |name: &String| own.get(name) == Some(&true) && other.get(name) == Some(&true);
                Some(own.keys().chain(other.keys()).map(|name| (name.clone(), is_always(name))).collect())
            }
            (own, other) => own.or(other),
        };
    }

    /// All but what is in the body.
    fn compare_head(&self, seen: &Seen<'_>, body: Body, found: &mut Vec<Difference>) {
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

    fn to_json(&self) -> Value {
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

    fn from_json(value: &Value) -> Self {
        let bodies = texts(&value["body"]);
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        Self {
            status: list("status").iter().filter_map(|status| u16::try_from(status.as_u64()?).ok()).collect(),
            types: texts(&value["type"]),
            bodies: Body::ALL.into_iter().filter(|body| bodies.contains(body.name())).collect(),
            headers: value.is_object().then(|| texts(&value["headers"]).iter().map(|name| header(name)).collect()),
            rids: list("rid").iter().filter_map(Value::as_bool).collect(),
            shape: Shape::from_json(&value["shape"]),
        }
    }
}
