//! WeChat's dialect of XML: one `<xml>` element, elements within, no attributes that mean anything,
//! text as CDATA or plain.

use super::{Fields, MAX_DEPTH, Malformed, always_list};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::ops::Range;

/// An element whose end hasn't been seen.
struct Open {
    name: String,
    fields: Map<String, Value>,
    /// All text, in order.
    text: String,
    /// Where CDATA stands in it.
    cdata: Vec<Range<usize>>,
    /// The rest is white space.
    blank: bool,
}

impl Open {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fields: Map::new(),
            text: String::new(),
            cdata: Vec::new(),
            blank: true,
        }
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.blank &= is_blank(text);
    }

    fn cdata(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.cdata.push(start..self.text.len());
    }

    /// Text and elements: WeChat writes no such thing.
    fn is_mixed(&self) -> bool {
        !self.fields.is_empty() && (!self.cdata.is_empty() || !self.blank)
    }

    /// An object if it has elements and nothing else; else its text, CDATA as it stands and plain text trimmed.
    fn value(self) -> Value {
        if !self.fields.is_empty() && !self.is_mixed() {
            return Value::Object(self.fields);
        }
        let all = 0..self.text.len();
        Value::String(match &self.cdata[..] {
            [] => self.text.trim_matches(is_space).to_owned(),
            _ if !self.blank => self.text,
            [only] if *only == all => self.text,
            parts => parts.iter().map(|part| &self.text[part.clone()]).collect(),
        })
    }
}

/// The children of the root that can be read of `text`, and why those aren't all. `mends`: what isn't XML, but can be read
/// as text, is.
pub(super) fn read(text: &str, mends: bool) -> (Fields, Option<Malformed>) {
    let (mut open, mut root, mut is_suspect) = (Vec::new(), None, false);
    let wrong = walk(text, mends, &mut open, &mut root, &mut is_suspect).err();
    let cut = || open.into_iter().next().map(|root| root.fields);
    let map = root.or_else(cut).unwrap_or_default();
    (Fields { map, is_suspect }, wrong)
}

fn walk(
    text: &str,
    mends: bool,
    open: &mut Vec<Open>,
    root: &mut Option<Map<String, Value>>,
    is_suspect: &mut bool,
) -> Result<(), Malformed> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = mends;
    loop {
        match reader.read_event().map_err(|_| Malformed::Xml)? {
            Event::Start(tag) => {
                start(open, tag.name().as_ref(), root.is_some())?;
            }
            Event::Empty(tag) => {
                start(open, tag.name().as_ref(), root.is_some())?;
                *is_suspect |= end(open, root)?;
            }
            Event::End(_) => *is_suspect |= end(open, root)?,
            Event::Text(text) => match open.last_mut() {
                Some(element) => element.plain(&text),
                None if is_blank(&text) => {}
                None => return Err(Malformed::Root),
            },
            Event::CData(text) => open.last_mut().ok_or(Malformed::Root)?.cdata(&text),
            Event::GeneralRef(name) => {
                let character = match resolve(&name) {
                    Err(_) if mends => format!("&{};", &*name),
                    resolved => resolved?,
                };
                open.last_mut().ok_or(Malformed::Root)?.plain(&character);
            }
            Event::DocType(_) => return Err(Malformed::Doctype),
            // WeChat writes none within a message.
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => *is_suspect |= !open.is_empty(),
            Event::Eof if open.is_empty() => return root.is_some().then_some(()).ok_or(Malformed::Root),
            Event::Eof => return Err(Malformed::Xml),
        }
    }
}

fn start(open: &mut Vec<Open>, name: &str, root_seen: bool) -> Result<(), Malformed> {
    if open.len() == MAX_DEPTH {
        return Err(Malformed::Depth);
    }
    if open.is_empty() && (root_seen || name != "xml") {
        return Err(Malformed::Root);
    }
    open.push(Open::new(name));
    Ok(())
}

/// Whether what ends can't be WeChat's: it is there for the second time although a message has it once, say.
fn end(open: &mut Vec<Open>, root: &mut Option<Map<String, Value>>) -> Result<bool, Malformed> {
    let mut element = open.pop().ok_or(Malformed::Xml)?;
    let is_top = open.len() == 1;
    let mut repeats = false;
    match open.last_mut() {
        None => *root = Some(element.fields),
        Some(parent) => {
            let name = std::mem::take(&mut element.name);
            // WeChat writes no prefixes, and readers that look at the local name alone take them for nothing.
            repeats =
                is_top && (super::repeats(&parent.fields, &name) || name.contains(':') || element.is_mixed());
            insert(&mut parent.fields, name, element.value());
        }
    }
    Ok(repeats)
}

/// Repeated names become an array; a list is one from its first item on.
fn insert(fields: &mut Map<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None if always_list(&name) => drop(fields.insert(name, Value::Array(vec![value]))),
        None => drop(fields.insert(name, value)),
    }
}

/// Character references and XML's own five entities; there are no others without a DTD.
fn resolve(reference: &BytesRef<'_>) -> Result<String, Malformed> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| Malformed::Entity)? {
        return if character == '\0' { Err(Malformed::Nul) } else { Ok(character.to_string()) };
    }
    resolve_xml_entity(reference).map(str::to_owned).ok_or(Malformed::Entity)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// `<xml>` with the fields in their order.
pub(super) fn render(fields: &Map<String, Value>) -> Result<String, Malformed> {
    let mut out = String::from("<xml>");
    render_fields(&mut out, fields, 1)?;
    out.push_str("</xml>");
    Ok(out)
}

fn render_fields(out: &mut String, fields: &Map<String, Value>, depth: usize) -> Result<(), Malformed> {
    if depth >= MAX_DEPTH {
        return Err(Malformed::Depth);
    }
    for (name, value) in fields {
        match value {
            // The articles of a news reply are a plain array in many a JSON backend.
            Value::Array(items) if name == "Articles" => {
                let list = Map::from_iter([("item".to_owned(), Value::Array(items.clone()))]);
                render_element(out, name, &Value::Object(list), depth)?;
            }
            Value::Array(items) => {
                for item in items {
                    render_element(out, name, item, depth)?;
                }
            }
            single => render_element(out, name, single, depth)?,
        }
    }
    Ok(())
}

fn render_element(out: &mut String, name: &str, value: &Value, depth: usize) -> Result<(), Malformed> {
    if !is_name(name) {
        return Err(Malformed::Name);
    }
    let _ = write!(out, "<{name}>");
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::String(text) => cdata(out, text),
        Value::Object(fields) => render_fields(out, fields, depth + 1)?,
        Value::Array(_) => return Err(Malformed::Name),
    }
    let _ = write!(out, "</{name}>");
    Ok(())
}

/// CDATA without the characters XML can't hold, `]]>` split over two sections.
pub(crate) fn cdata(out: &mut String, text: &str) {
    out.push_str("<![CDATA[");
    for (i, part) in text.split("]]>").enumerate() {
        if i > 0 {
            out.push_str("]]]]><![CDATA[>");
        }
        out.extend(
            part.chars()
                .filter(|c| is_space(*c) || !(c.is_ascii_control() || ('\u{fffe}'..='\u{ffff}').contains(c))),
        );
    }
    out.push_str("]]>");
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Whether `text` is a document, whatever its root is called.
pub(super) fn is_document(text: &str) -> bool {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut roots) = (0_usize, 0);
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => {
                roots += usize::from(depth == 0);
                depth += 1;
            }
            Ok(Event::Empty(_)) => roots += usize::from(depth == 0),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(text)) if depth == 0 && !is_blank(&text) => return false,
            Ok(Event::CData(_) | Event::GeneralRef(_)) if depth == 0 => return false,
            Ok(Event::Eof) => return depth == 0 && roots == 1,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
