//! The form of WeChat's answers: which members, of which types, in which words; never a value.
//!
//! [`Known`] is what the sandbox's answers look like, by endpoint, read from a file that `make gen` writes. An answer is held
//! against it by [`Known::compare`], which names each [`Difference`]. What was never seen is unknown, and no difference.

mod answers;
mod known;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

pub use answers::Seen;
pub use known::{Compared, Known};

/// A JSON value that is neither list nor object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` and `false`
    Bool,
    /// A number without a fraction.
    Integer,
    /// A number with a fraction, or an exponent.
    Fraction,
    /// A string.
    Text,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Null, Self::Bool, Self::Integer, Self::Fraction, Self::Text];

    /// As it is written in the file and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Fraction => "fraction",
            Self::Text => "text",
        }
    }
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A member that was always there.
    Gone,
    /// A member that nobody knew.
    New,
    /// The type of a value.
    Type,
    /// What the body is at all: an object, a picture, a page, ….
    Body,
    /// A byte order mark.
    Mark,
    /// The HTTP status.
    Status,
    /// The content type.
    ContentType,
    /// A header that was always there is gone.
    Header,
    /// A code that nobody knows.
    Code,
    /// The words of an `errmsg`.
    Words,
    /// Whether a refusal names its `rid`.
    Rid,
}

impl What {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::New => "new",
            Self::Type => "type",
            Self::Body => "body",
            Self::Mark => "mark",
            Self::Status => "status",
            Self::ContentType => "content_type",
            Self::Header => "header",
            Self::Code => "code",
            Self::Words => "words",
            Self::Rid => "rid",
        }
    }
}

/// One difference. It is made of names and types that are known, of names that look like names, and of words of the error
/// table: a value of an answer has no way in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difference {
    /// Where: `user_info_list[].sex`; "" for the answer as a whole.
    pub place: String,
    /// What.
    pub what: What,
    /// What is known of it; "" for nothing.
    pub known: String,
    /// What was seen; "" for nothing.
    pub seen: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, what, known, seen } = self;
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        write!(f, "{} {}: {} -> {}", what.name(), or_none(place), or_none(known), or_none(seen))
    }
}

/// Differences of one answer that are told; what comes on top isn't.
const MOST: usize = 32;
/// Alternatives at one place that are kept apart.
const MOST_ALTERNATIVES: usize = 8;
/// Names of a path, and levels of lists, that are told.
const DEEPEST: usize = 24;

/// What a value at one place may be. A default one is unknown: anything fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    kinds: BTreeSet<Kind>,
    /// Of a list: what its elements are.
    list: Option<Box<Self>>,
    /// Objects that have little in common are kept apart: of a user who doesn't follow WeChat tells three members.
    objects: Vec<Object>,
}

/// An object's members by name. Those whose names are no names but data (a map by openid) are one, `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Object(BTreeMap<String, Member>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    is_always: bool,
    shape: Shape,
}

/// The member for every name that is data.
const ANY: &str = "*";

/// Whether `name` looks like a member's name, not like an openid or anything else that is data.
fn is_name(name: &str) -> bool {
    let count = |of: fn(&u8) -> bool| name.bytes().filter(of).count();
    let (digits, capitals) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    (1..=40).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && digits <= 2
        && match name.len() {
            // A short one may have its abbreviations: MsgID, URL.
            ..=12 => capitals * 2 <= name.len() + 2 || capitals == name.len(),
            long => capitals * 4 <= long + 4,
        }
}

/// A member's name as it may be shown: `*` for what looks like data.
pub fn shown(name: &str) -> &str {
    if is_name(name) { name } else { ANY }
}

impl Shape {
    /// Of one value.
    pub fn of(value: &Value) -> Self {
        let mut shape = Self::default();
        match value {
            Value::Array(items) => {
                let mut of_items = Self::default();
                items.iter().for_each(|item| of_items.merge(Self::of(item)));
                shape.list = Some(Box::new(of_items));
            }
            Value::Object(members) => {
                let mut object = Object::default();
                for (name, value) in members {
                    let member = object.0.entry(shown(name).to_owned()).or_default();
                    member.is_always = shown(name) != ANY;
                    member.shape.merge(Self::of(value));
                }
                shape.objects.push(object);
            }
            scalar => shape.kinds.extend(kind(scalar)),
        }
        shape
    }

    /// What fits either fits both afterwards.
    pub fn merge(&mut self, other: Self) {
        self.kinds.extend(other.kinds);
        if let Some(other) = other.list {
            match &mut self.list {
                Some(own) => own.merge(*other),
                none => *none = Some(other),
            }
        }
        other.objects.into_iter().for_each(|object| self.add(object));
    }

    /// To the alternative that has most in common with it, if that is three members of five.
    fn add(&mut self, object: Object) {
        let common = |own: &Object| {
            let both = own.0.keys().filter(|name| object.0.contains_key(*name)).count();
            let all = own.0.len() + object.0.len() - both;
            (both * 100).checked_div(all).unwrap_or(100)
        };
        let best = self.objects.iter().enumerate().max_by_key(|(at, own)| (common(own), usize::MAX - at));
        let best = best.map(|(at, own)| (at, common(own)));
        match best {
            Some((at, common)) if common >= 60 || self.objects.len() >= MOST_ALTERNATIVES => {
                self.objects[at].merge(object);
            }
            _ => self.objects.push(object),
        }
    }

    fn is_unknown(&self) -> bool {
        self.kinds.is_empty() && self.list.is_none() && self.objects.is_empty()
    }

    /// The types it may have, in words.
    fn types(&self) -> String {
        let mut types: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        types.extend(self.list.as_ref().map(|_| "list"));
        types.extend((!self.objects.is_empty()).then_some("object"));
        types.join("|")
    }

    /// How `value` differs from it. `place` is where it stands.
    fn compare(&self, value: &Value, place: &Place<'_>, found: &mut Vec<Difference>) {
        if self.is_unknown() || found.len() >= MOST {
            return;
        }
        match value {
            Value::Array(items) => match &self.list {
                Some(known) => items.iter().for_each(|item| known.compare(item, &Place::Item(place), found)),
                None => self.is_other(place, "list", found),
            },
            Value::Object(members) => match self.nearest(members) {
                Some(known) => known.compare(members, place, found),
                None => self.is_other(place, "object", found),
            },
            scalar => {
                let kind = kind(scalar);
                let is_known = |kind| {
                    self.kinds.contains(&kind)
                        || (kind == Kind::Integer && self.kinds.contains(&Kind::Fraction))
                };
                if let Some(kind) = kind.filter(|kind| !is_known(*kind)) {
                    self.is_other(place, kind.name(), found);
                }
            }
        }
    }

    fn is_other(&self, place: &Place<'_>, seen: &str, found: &mut Vec<Difference>) {
        add(found, place, What::Type, self.types(), seen);
    }

    /// The alternative whose names fit best.
    fn nearest(&self, members: &Map<String, Value>) -> Option<&Object> {
        self.objects
            .iter()
            .min_by_key(|object| object.gone(members).count() + object.unknown(members).count())
    }

    /// As it stands in the file: `"text|null"`, `[…]` for a list, `{…}` for an object, in which `name?` may be absent, and
    /// `["|", …]` for alternatives.
    pub fn to_json(&self) -> Value {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let mut all: Vec<Value> = Vec::new();
        all.extend((!kinds.is_empty()).then(|| kinds.join("|").into()));
        all.extend(self.list.as_ref().map(|items| match items.is_unknown() {
            true => json!([]),
            false => json!([items.to_json()]),
        }));
        all.extend(self.objects.iter().map(Object::to_json));
        match all.len() {
            1 => all.remove(0),
            _ => Value::Array(std::iter::once("|".into()).chain(all).collect()),
        }
    }

    /// What [`Self::to_json`] wrote; whatever else is there is passed over.
    pub fn from_json(value: &Value) -> Self {
        let mut shape = Self::default();
        match value {
            Value::String(kinds) => {
                let named = |kind: &Kind| kinds.split('|').any(|name| name == kind.name());
                shape.kinds.extend(Kind::ALL.into_iter().filter(named));
            }
            Value::Array(all) if all.first().is_some_and(|first| first == "|") => {
                for one in all.iter().skip(1).map(Self::from_json) {
                    shape.kinds.extend(one.kinds);
                    shape.list = shape.list.or(one.list);
                    // As they were: alternatives stay apart.
                    shape.objects.extend(one.objects);
                }
            }
            Value::Array(items) => {
                shape.list = Some(Box::new(items.first().map(Self::from_json).unwrap_or_default()));
            }
            Value::Object(members) => shape.objects.push(Object::from_json(members)),
            _ => {}
        }
        shape
    }
}

impl Object {
    fn merge(&mut self, other: Self) {
        for (name, own) in &mut self.0 {
            own.is_always &= other.0.contains_key(name);
        }
        for (name, member) in other.0 {
            match self.0.get_mut(&name) {
                Some(own) => {
                    own.is_always &= member.is_always;
                    own.shape.merge(member.shape);
                }
                None => drop(self.0.insert(name, Member { is_always: false, ..member })),
            }
        }
    }

    /// What was always there, and isn't in `members`.
    fn gone<'a>(&'a self, members: &'a Map<String, Value>) -> impl Iterator<Item = (&'a str, &'a Shape)> {
        let always = self.0.iter().filter(|(_, member)| member.is_always);
        always
            .filter(move |(name, _)| !members.contains_key(*name))
            .map(|(name, member)| (&**name, &member.shape))
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.0.get(shown(name))
    }

    /// What of `members` isn't known.
    fn unknown<'a>(&'a self, members: &'a Map<String, Value>) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let unknown = members.iter().filter(move |(name, _)| self.member(name).is_none());
        unknown.map(|(name, value)| (shown(name), value))
    }

    fn compare(&self, members: &Map<String, Value>, place: &Place<'_>, found: &mut Vec<Difference>) {
        for (name, shape) in self.gone(members) {
            add(found, &Place::Member(place, name), What::Gone, shape.types(), "");
        }
        for (name, value) in self.unknown(members) {
            add(found, &Place::Member(place, name), What::New, String::new(), type_of(value));
        }
        for (name, value) in members {
            if let Some(member) = self.member(name) {
                member.shape.compare(value, &Place::Member(place, shown(name)), found);
            }
        }
    }

    fn to_json(&self) -> Value {
        let named = self.0.iter().map(|(name, member)| {
            let mark = if member.is_always || name == ANY { "" } else { "?" };
            (format!("{name}{mark}"), member.shape.to_json())
        });
        Value::Object(named.collect())
    }

    fn from_json(members: &Map<String, Value>) -> Self {
        let member = |(name, shape): (&String, &Value)| {
            let bare = name.strip_suffix('?');
            let is_always = bare.is_none() && name != ANY;
            (bare.unwrap_or(name).to_owned(), Member { is_always, shape: Shape::from_json(shape) })
        };
        Self(members.iter().map(member).collect())
    }
}

/// Where a value stands, as a way back to the top: written out for differences only.
enum Place<'a> {
    Top,
    Member(&'a Self, &'a str),
    Item(&'a Self),
}

impl Place<'_> {
    fn write(&self, text: &mut String, left: usize) {
        match self {
            _ if left == 0 => text.push('…'),
            Self::Top => {}
            Self::Member(outer, name) => {
                outer.write(text, left - 1);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Self::Item(outer) => {
                outer.write(text, left - 1);
                text.push_str("[]");
            }
        }
    }
}

/// Once for each place: the elements of a list differ together, mostly.
fn add(
    found: &mut Vec<Difference>,
    place: &Place<'_>,
    what: What,
    known: impl Into<String>,
    seen: impl Into<String>,
) {
    let mut text = String::new();
    place.write(&mut text, DEEPEST);
    let difference = Difference { place: text, what, known: known.into(), seen: seen.into() };
    if found.len() < MOST && !found.contains(&difference) {
        found.push(difference);
    }
}

fn kind(scalar: &Value) -> Option<Kind> {
    match scalar {
        Value::Null => Some(Kind::Null),
        Value::Bool(_) => Some(Kind::Bool),
        // Longer ones than an i64 are whole as well.
        Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => Some(Kind::Fraction),
        Value::Number(_) => Some(Kind::Integer),
        Value::String(_) => Some(Kind::Text),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "list",
        Value::Object(_) => "object",
        scalar => kind(scalar).map_or("", Kind::name),
    }
}

#[cfg(test)]
mod tests;
