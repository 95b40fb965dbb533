//! What answers look like, by endpoint; and one answer held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::answers::{Answers, Body, Seen, content_type, is_told, texts};
use super::words::{ALSO, Vocabulary};
use super::{Difference, Place, Shape, What, add};
use crate::{answer, errcode};

/// The sandbox's answers, as `make gen` wrote them down.
const SANDBOX: &str = include_str!("../shapes.json");

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
            Some(value) if answers.bodies.contains(&body) => {
                answers.shape.compare(value, &Place::Top, &mut found)
            }
            // What should be an object isn't even JSON.
            None if seen.is_whole
                && matches!(body, Body::Object | Body::List)
                && answers.bodies.contains(&body) =>
            {
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
            // WeChat's have nine digits at most: a longer one may be anybody's number.
            let shown = if code.unsigned_abs() < 1_000_000_000 { code.to_string() } else { "*".to_owned() };
            add(found, &Place::Member(&Place::Top, "errcode"), What::Code, "", shown);
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
            headers: Some(
                seen.headers
                    .iter()
                    .filter(|name| is_told(name))
                    .map(|name| ((*name).to_owned(), true))
                    .collect(),
            ),
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
        let (refused, words, endpoints) =
            (&whole["refused"], lines(&whole["words"]), lines(&whole["endpoints"]));
        format!(
            "{{\n\"refused\": {refused},\n\"words\": {{\n{words}\n}},\n\"endpoints\": {{\n{endpoints}\n}}\n}}\n"
        )
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
            endpoints: members(&value["endpoints"])
                .iter()
                .map(|(path, one)| (path.clone(), endpoint(one)))
                .collect(),
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
