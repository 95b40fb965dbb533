//! Messages and events, from XML or JSON, with every field kept under WeChat's own name.
//!
//! There is no struct per message type: WeChat adds fields and events at will, and a gateway has to
//! pass on what it doesn't know. [`Message`] is the fields, and methods for those everybody needs,
//! which read the same from both formats.
//!
//! WeChat doesn't always escape what users write, so a text may end its element and go on with elements of its own. What
//! everybody relies on is therefore read from where no user's text can stand ([`Message::from_user`], [`Message::event`]), and
//! a message that shows traces of such a text says so ([`Message::is_suspect`]).
//!
//! Both parsers refuse what no push of WeChat's should contain: DTDs, foreign entities, NUL, nesting beyond
//! 16 levels. But WeChat does push such a thing once in a while, because a user wrote it: whoever knows by its signature
//! that it is WeChat's takes what can be read of it ([`Message::read`]). The caller limits the size.

mod json;
mod receipt;
pub(crate) mod xml;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::catalog::events;

pub use receipt::Receipt;

/// Elements, or objects and arrays, within each other.
const MAX_DEPTH: usize = 16;

/// What a message has once, and what a user's text may not add or replace.
const GUARDED: [&str; 8] =
    ["ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId", "Event", "EventKey", "Ticket"];
/// Stands around messages, never in one.
const ENCRYPT: &str = "Encrypt";

/// `name` as readers may take it that care for neither case nor prefix.
fn folded(name: &str) -> Cow<'_, str> {
    let local = name.bytes().rposition(|byte| byte == b':').map_or(name, |at| &name[at + 1..]);
    if local.is_ascii() {
        return Cow::Borrowed(local);
    }
    // Letters that only case makes one of ASCII's, as U+017F and U+212A.
    local.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect::<String>().into()
}

/// As which of the guarded fields some reader may take `name`.
fn guarded(name: &str) -> Option<&'static str> {
    let name = folded(name);
    GUARDED.into_iter().find(|guarded| guarded.eq_ignore_ascii_case(&name))
}

/// Top-level fields as they come in.
#[derive(Debug, Default)]
struct Fields {
    map: Map<String, Value>,
    is_suspect: bool,
}

/// Whether `name` is among `fields` already although a message has it once.
fn repeats(fields: &Map<String, Value>, name: &str) -> bool {
    guarded(name)
        .is_some_and(|guarded| fields.keys().any(|known| folded(known).eq_ignore_ascii_case(guarded)))
}

/// Whether `text`, XML that can't be read to its end, may hold twice what a message has once: what can't be read here
/// others may read.
fn may_repeat(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let holds_twice = |guarded: &str| {
        let name = guarded.to_ascii_lowercase();
        let begins = |(at, _): &(usize, &str)| {
            let (before, after) = (text[..*at].chars().next_back(), text[at + name.len()..].chars().next());
            matches!(before, Some('<' | ':')) && after.is_none_or(|c| !c.is_alphanumeric())
        };
        text.match_indices(&name).filter(begins).count() > 1
    };
    GUARDED.iter().any(|guarded| holds_twice(guarded))
}

/// The names WeChat gives to lists, which may hold one.
fn always_list(name: &str) -> bool {
    matches!(name, "item" | "List")
}

/// Of what stands there more than once, the first.
fn keep_first(value: &mut Value) {
    if let Value::Array(items) = value
        && let Some(first) = items.first_mut()
    {
        *value = first.take();
    }
}

/// Makes an array of what stands at `path`, if the fields above it are there.
fn make_list(fields: &mut Map<String, Value>, path: &[&str]) {
    let Some((name, rest)) = path.split_first() else { return };
    // An element without content reads as "".
    let is_empty =
        |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    match (fields.get_mut(*name), rest.is_empty()) {
        (Some(Value::Object(next)), false) => make_list(next, rest),
        (Some(empty), false) if is_empty(empty) => {
            let mut next = Map::new();
            make_list(&mut next, rest);
            *empty = Value::Object(next);
        }
        (None, false) => {
            let mut next = Map::new();
            make_list(&mut next, rest);
            fields.insert((*name).to_owned(), Value::Object(next));
        }
        (Some(Value::Array(_)), true) | (_, false) => {}
        (Some(empty), true) if is_empty(empty) => *empty = Value::Array(Vec::new()),
        (Some(one), true) => *one = Value::Array(vec![one.take()]),
        (None, true) => drop(fields.insert((*name).to_owned(), Value::Array(Vec::new()))),
    }
}

/// Without a byte order mark.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// How an account's messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `<xml>…</xml>`: official accounts always, mini programs by choice.
    Xml,
    /// `{…}`: mini programs by choice.
    Json,
}

impl Format {
    /// The format of a body, by its first character after a byte order mark and white space.
    pub fn of(body: &[u8]) -> Option<Self> {
        match without_mark(body).trim_ascii_start().first()? {
            b'<' => Some(Self::Xml),
            b'{' => Some(Self::Json),
            _ => None,
        }
    }

    /// The content type WeChat sends it with.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }
}

/// Why a body isn't a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// Begins with neither `<` nor `{`.
    #[error("neither XML nor JSON")]
    Format,
    /// Another encoding, or broken.
    #[error("not UTF-8")]
    Utf8,
    /// Holds the character NUL.
    #[error("holds NUL")]
    Nul,
    /// XML that doesn't parse.
    #[error("malformed XML")]
    Xml,
    /// JSON that doesn't parse, or no object.
    #[error("malformed JSON")]
    Json,
    /// `<!DOCTYPE`.
    #[error("holds a document type definition")]
    Doctype,
    /// An entity that isn't one of XML's own.
    #[error("holds an unknown entity")]
    Entity,
    /// Nested beyond 16 levels.
    #[error("nested too deeply")]
    Depth,
    /// No root, another than `<xml>`, or several.
    #[error("the root isn't one <xml> element")]
    Root,
    /// A JSON member that can't be an XML element.
    #[error("a field can't be written as XML")]
    Name,
}

/// A message or an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    format: Format,
    fields: Map<String, Value>,
    is_suspect: bool,
    is_malformed: bool,
}

impl Message {
    /// Reads a body in either format.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let format = Format::of(body).ok_or(Malformed::Format)?;
        let text = std::str::from_utf8(without_mark(body)).map_err(|_| Malformed::Utf8)?;
        if text.contains('\0') {
            return Err(Malformed::Nul);
        }
        let (fields, wrong) = match format {
            Format::Xml => xml::read(text, false),
            Format::Json => json::read(text),
        };
        match wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Self::new(format, fields, false)),
        }
    }

    /// Reads a body whatever it is. Of one that isn't a message all that can be read is there, up to where it can't be
    /// read any more; what no text can hold is U+FFFD.
    pub fn read(body: &[u8]) -> Self {
        Self::parse(body).unwrap_or_else(|_| {
            let body = without_mark(body);
            let (fields, format) = match Format::of(body) {
                Some(Format::Xml) => {
                    let text = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
                    let (mut fields, wrong) = xml::read(&text, true);
                    fields.is_suspect |= wrong.is_some() && may_repeat(&text);
                    (fields, Format::Xml)
                }
                Some(Format::Json) => {
                    let (mut fields, wrong) = json::read(&json::mended(body));
                    // What follows may be anything, in any spelling.
                    fields.is_suspect |= wrong == Some(Malformed::Json);
                    (fields, Format::Json)
                }
                None => (Fields::default(), Format::Xml),
            };
            Self::new(format, fields, true)
        })
    }

    fn new(format: Format, fields: Fields, is_malformed: bool) -> Self {
        Self { format, fields: fields.map, is_suspect: fields.is_suspect, is_malformed }
    }

    /// What it was parsed from.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Every field under WeChat's name. XML leaves are strings, `item` and `List` always arrays, JSON
    /// integers above 2^53 strings.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The same, as an object in which all that WeChat can repeat in such an event is an array, also where there is one of
    /// it or none, and no other top-level element of XML is one: of what a user's text repeats the first counts.
    pub fn into_value(mut self) -> Value {
        let lists = events::lists(&self.event());
        if self.format == Format::Xml {
            let is_list = |name: &str| always_list(name) || lists.iter().any(|path| **path == [name]);
            for (_, value) in self.fields.iter_mut().filter(|(name, _)| !is_list(name)) {
                keep_first(value);
            }
        }
        for path in lists {
            make_list(&mut self.fields, path);
        }
        Value::Object(self.fields)
    }

    /// Whether a user's text may have left its field: something stands twice that a message has once, or something stands
    /// within that WeChat never writes.
    pub fn is_suspect(&self) -> bool {
        self.is_suspect || self.fields.keys().any(|name| folded(name).eq_ignore_ascii_case(ENCRYPT))
    }

    /// Whether the body isn't quite a message, and was read as far as that goes.
    pub fn is_malformed(&self) -> bool {
        self.is_malformed
    }

    /// A field as text: numbers in digits, of a repeated field the first, `""` for an absent one.
    pub fn text(&self, name: &str) -> Cow<'_, str> {
        self.fields.get(name).map_or(Cow::Borrowed(""), as_text)
    }

    /// A field that stands before any text of a user's; `""` if it doesn't.
    fn leading(&self, name: &str) -> Cow<'_, str> {
        match self.fields.keys().find(|known| *known == name || *known == "Content") {
            Some(first) if first == name => self.text(name),
            _ => Cow::Borrowed(""),
        }
    }

    /// A field of an event; `""` in a message.
    fn of_event(&self, name: &str) -> Cow<'_, str> {
        if self.is_event() { self.text(name) } else { Cow::Borrowed("") }
    }

    /// `ToUserName`: the account's original id, `gh_…`.
    pub fn to_user(&self) -> Cow<'_, str> {
        self.text("ToUserName")
    }

    /// `FromUserName`: the user's openid.
    pub fn from_user(&self) -> Cow<'_, str> {
        self.leading("FromUserName")
    }

    /// `CreateTime`, Unix seconds; 0 if absent or no number.
    pub fn create_time(&self) -> i64 {
        seconds(&self.leading("CreateTime"))
    }

    /// `MsgType`: `text`, `event`, …
    pub fn msg_type(&self) -> Cow<'_, str> {
        self.leading("MsgType")
    }

    /// `Event`, in WeChat's spelling, which mixes cases: compare without; `""` in a message.
    pub fn event(&self) -> Cow<'_, str> {
        self.of_event("Event")
    }

    /// `EventKey`.
    pub fn event_key(&self) -> Cow<'_, str> {
        self.of_event("EventKey")
    }

    /// `Ticket` of the parametric QR code that was scanned.
    pub fn ticket(&self) -> Cow<'_, str> {
        self.of_event("Ticket")
    }

    /// `MsgId`, or the `MsgID` of a sending report. 64 bits. `""` if the message is suspect.
    pub fn msg_id(&self) -> Cow<'_, str> {
        if self.is_suspect() {
            return Cow::Borrowed("");
        }
        let id = self.text("MsgId");
        if id.is_empty() { self.text("MsgID") } else { id }
    }

    /// `Content` of a text.
    pub fn content(&self) -> Cow<'_, str> {
        self.text("Content")
    }

    /// Whether it is an event rather than a message.
    pub fn is_event(&self) -> bool {
        self.msg_type().eq_ignore_ascii_case("event")
    }

    /// The scene of the parametric QR code that was scanned, by a follower (`SCAN`) or by one who
    /// follows thereby (`subscribe`, whose key has a prefix); `""` for all else, and for what is suspect or malformed: a
    /// scene may log somebody in.
    pub fn scene(&self) -> Cow<'_, str> {
        if self.is_suspect() || self.is_malformed || !self.is_event() {
            return Cow::Borrowed("");
        }
        let (event, key) = (self.event(), self.event_key());
        if event.eq_ignore_ascii_case("SCAN") {
            key
        } else if event.eq_ignore_ascii_case("subscribe") {
            key.strip_prefix("qrscene_").map_or(Cow::Borrowed(""), |scene| Cow::Owned(scene.to_owned()))
        } else {
            Cow::Borrowed("")
        }
    }

    /// `Ticket` of the code that was scanned, by whom that may log in; `""` for all else, and for what is suspect or malformed.
    pub fn scanned_ticket(&self) -> Cow<'_, str> {
        let is_scan = ["SCAN", "subscribe"].iter().any(|name| self.event().eq_ignore_ascii_case(name));
        if is_scan && !self.is_suspect() && !self.is_malformed { self.ticket() } else { Cow::Borrowed("") }
    }

    /// What kind it is, in lower case: `event.scan`, `message.text`; `unknown` without a `MsgType`.
    pub fn kind(&self) -> String {
        let kind = match self.msg_type() {
            none if none.is_empty() => "unknown".to_owned(),
            _ if self.is_event() => format!("event.{}", self.event()),
            message => format!("message.{message}"),
        };
        kind.to_ascii_lowercase()
    }

    /// Whether it can be a passive reply: WeChat's root and a `MsgType`.
    pub fn is_reply(&self) -> bool {
        // A backend writes its members in any order.
        !self.text("MsgType").is_empty()
    }

    /// As XML.
    pub fn to_xml(&self) -> Result<String, Malformed> {
        xml::render(&self.fields)
    }

    /// As JSON; `CreateTime` is a number there, and so are the codes of an event's own answer.
    pub fn to_json(&self) -> String {
        let mut fields = self.fields.clone();
        if let Some(time) = fields.get_mut("CreateTime") {
            *time = seconds(&self.text("CreateTime")).into();
        }
        for name in ["ErrCode", "errcode", "SubErrCode"] {
            if let Some(code) = fields.get_mut(name)
                && let Ok(number) = self.text(name).trim().parse::<i64>()
            {
                *code = number.into();
            }
        }
        Value::Object(fields).to_string()
    }

    /// Whether an event's own answer says success: `ErrCode` or `errcode` 0.
    pub fn says_success(&self) -> bool {
        ["ErrCode", "errcode"].iter().any(|name| self.text(name).trim() == "0")
    }
}

/// Fields as WeChat's XML, in their order: strings as CDATA, numbers plain, arrays as repeated
/// elements. For messages made here; [`Message::to_xml`] is for one that was read.
pub fn to_xml(fields: &Map<String, Value>) -> Result<String, Malformed> {
    xml::render(fields)
}

/// Whether `text` is a document of XML or JSON, of WeChat's kind or not; JSON that is a bare word or number isn't.
pub fn is_document(text: &[u8]) -> bool {
    match text.trim_ascii_start().first() {
        Some(b'<') => std::str::from_utf8(text).is_ok_and(xml::is_document),
        Some(b'{' | b'[') => serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok(),
        _ => false,
    }
}

fn seconds(text: &str) -> i64 {
    text.trim().parse().unwrap_or_default()
}

fn as_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Value::Array(items) => items.first().map_or(Cow::Borrowed(""), as_text),
        Value::Null | Value::Object(_) => Cow::Borrowed(""),
    }
}
