//! Takes typed keys out of a table, which may come from TOML or JSON. A mistake is written down and the key's default
//! used, so that one run shows all of them; what nobody took is an unknown key.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value};

use super::lookup::{Lookup, meant};
use super::mistake::Mistake;
use super::secret::Secret;
use crate::lang::Words;

/// A table on its way to become settings.
pub struct Table<'a> {
    members: Map<String, Value>,
    /// Stands before a key in a mistake: `server.`, `apps[0].`.
    prefix: String,
    /// The entry it is, with its name.
    entry: String,
    /// Absent: secrets are written as they are, and nothing is looked up (what comes through an API).
    lookup: Option<Lookup<'a>>,
    mistakes: Vec<Mistake>,
}

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

impl<'a> Table<'a> {
    /// Over `members`; `prefix` stands before every key in a mistake.
    pub fn new(members: Map<String, Value>, prefix: String, lookup: Option<Lookup<'a>>) -> Self {
        Self { members, prefix, entry: String::new(), lookup, mistakes: Vec::new() }
    }

    /// Mistakes name the entry so.
    pub fn named(self, entry: String) -> Self {
        Self { entry, ..self }
    }

    /// The table `[name]`, empty if absent.
    pub fn section(&mut self, name: &'static str) -> Self {
        let members = match self.take(name) {
            None => Map::new(),
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.mistake(name, format!("应是一节：[{name}]"), format!("must be a section: [{name}]"));
                Map::new()
            }
        };
        Self::new(members, format!("{name}."), self.lookup)
    }

    /// The tables `[[name]]`, in order, each with its place.
    pub fn list(&mut self, name: &'static str) -> Vec<Map<String, Value>> {
        let items = match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.mistake(
                    name,
                    format!("应是若干个 [[{name}]]"),
                    format!("must be written as [[{name}]], one for each"),
                );
                Vec::new()
            }
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::Object(members) => tables.push(members),
                _ => {
                    let number = index + 1;
                    self.mistake(
                        name,
                        format!("第 {number} 项应是 [[{name}]]"),
                        format!("item {number} must be a [[{name}]]"),
                    );
                }
            }
        }
        tables
    }

    /// Writes a mistake down.
    pub fn mistake(&mut self, key: &str, zh: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) {
        let mistake = Mistake::new(format!("{}{key}", self.prefix), zh, en);
        self.mistakes.push(mistake.of(self.entry.as_str()));
    }

    /// How many mistakes there are so far.
    pub fn mistakes(&self) -> usize {
        self.mistakes.len()
    }

    /// What stands before a key in a mistake.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key's value; `null` is as good as nothing.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.members.shift_remove(key).filter(|value| !value.is_null())
    }

    /// Whether the key is written.
    pub fn has(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(|value| !value.is_null())
    }

    /// What is written under a key, if it is a text; it is still to be read.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.members.get(key).and_then(Value::as_str)
    }

    /// A variable of the environment.
    pub fn variable(&self, name: &str) -> Option<&'a str> {
        self.lookup.and_then(|lookup| lookup.environment.get(name)).map(String::as_str)
    }

    /// A text.
    pub fn string(&mut self, key: &'static str, default: &str) -> String {
        match self.take(key) {
            None => default.to_owned(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.mistake(key, "应是字符串", "must be a string");
                default.to_owned()
            }
        }
    }

    /// `true` or `false`, also as texts (the environment knows no others).
    pub fn bool(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Bool(value)) => value,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                self.mistake(key, "应是 true 或 false", "must be true or false");
                default
            }
        }
    }

    /// `false` (the default), `true`, or `word`: `None` for `false`, and whether it is the word.
    pub fn switch(&mut self, key: &'static str, word: &str) -> Option<bool> {
        match self.take(key) {
            None | Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(false),
            Some(Value::String(text)) if text == word => Some(true),
            Some(_) => {
                let en = format!("must be true, false or \"{word}\"");
                self.mistake(key, format!("应是 true、false 或 \"{word}\""), en);
                None
            }
        }
    }

    /// A whole number, also as a text.
    pub fn integer(&mut self, key: &'static str, default: u32) -> u32 {
        let value = match self.take(key) {
            None => return default,
            Some(Value::Number(value)) => value.as_u64().and_then(|value| u32::try_from(value).ok()),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        value.unwrap_or_else(|| {
            self.mistake(key, "应是不小于 0 的整数", "must be a whole number, 0 or more");
            default
        })
    }

    /// A list of texts.
    pub fn strings(&mut self, key: &'static str, default: &[&str]) -> Vec<String> {
        let default = || default.iter().map(ToString::to_string).collect();
        match self.take(key) {
            None => default(),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.unwrap_or_else(|| {
                    self.mistake(
                        key,
                        "应是字符串数组，如 [\"a\", \"b\"]",
                        "must be a list of strings, like [\"a\", \"b\"]",
                    );
                    default()
                })
            }
            Some(_) => {
                self.mistake(
                    key,
                    "应是字符串数组，如 [\"a\", \"b\"]；环境变量不能覆盖数组",
                    "must be a list of strings, like [\"a\", \"b\"]; a variable of the environment can't override a list",
                );
                default()
            }
        }
    }

    /// A string one of `allowed`.
    pub fn choice<T: Copy>(&mut self, key: &'static str, allowed: &[(&str, T)]) -> T {
        let text = self.string(key, allowed[0].0);
        match allowed.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => *value,
            None => {
                let names: Vec<String> = allowed.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                self.mistake(
                    key,
                    format!("只能是 {}", names.join("、")),
                    format!("must be one of {}", names.join(", ")),
                );
                allowed[0].1
            }
        }
    }

    /// `10s`, `2m`, `24h`, `7d`, `500ms`.
    pub fn duration(&mut self, key: &'static str, default: &str) -> Duration {
        let text = self.string(key, default);
        parse_duration(&text).unwrap_or_else(|| {
            self.mistake(
                key,
                "应是时长，如 \"500ms\"、\"10s\"、\"2m\"、\"24h\"、\"7d\"",
                "must be a length of time, like \"500ms\", \"10s\", \"2m\", \"24h\", \"7d\"",
            );
            parse_duration(default).unwrap_or_default()
        })
    }

    /// A list of durations.
    pub fn durations(&mut self, key: &'static str, default: &[&str]) -> Vec<Duration> {
        let read =
            |texts: &[String]| texts.iter().map(|text| parse_duration(text)).collect::<Option<Vec<_>>>();
        let texts = self.strings(key, default);
        read(&texts).unwrap_or_else(|| {
            self.mistake(
                key,
                "应是时长数组，如 [\"5s\", \"2m\"]",
                "must be a list of lengths of time, like [\"5s\", \"2m\"]",
            );
            Vec::new()
        })
    }

    /// A table of strings, as `{ "a.txt" = "text" }`.
    pub fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let read = |members: Map<String, Value>| {
            let pairs = members.into_iter().map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                _ => None,
            });
            pairs.collect::<Option<_>>()
        };
        match self.take(key) {
            None => Some(BTreeMap::new()),
            Some(Value::Object(members)) => read(members),
            Some(_) => None,
        }
        .unwrap_or_else(|| {
            self.mistake(
                key,
                "应是字符串表，如 { \"a.txt\" = \"内容\" }",
                "must be a table of strings, like { \"a.txt\" = \"text\" }",
            );
            BTreeMap::new()
        })
    }

    /// A value that `parse` understands; `what` completes "应是…" and "must be …".
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        default: &str,
        what: &Words,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.string(key, default);
        let value = parse(&text);
        if value.is_none() {
            self.mistake(key, format!("应是{}", what.zh), format!("must be {}", what.en));
        }
        value
    }

    /// `path`, started at the configuration file's folder if it is relative.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.lookup.map_or_else(|| PathBuf::from(path), |lookup| lookup.folder.join(path))
    }

    /// A path; relative ones start at the configuration file's folder. `None` for "".
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.string(key, "");
        (!text.is_empty()).then(|| self.resolve(&text))
    }

    /// A secret: itself, `env:NAME` or `file:/path`. `None` for "" or an absent key.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let text = self.string(key, "");
        if text.is_empty() {
            return None;
        }
        self.note_source(key, &text);
        match meant(self.lookup, &text) {
            Ok(value) => Some(value.into()),
            Err(missing) => {
                self.mistake(key, missing.zh, missing.en);
                None
            }
        }
    }

    fn note_source(&self, key: &str, text: &str) {
        let Some(lookup) = self.lookup else { return };
        let mut sources = lookup.sources.borrow_mut();
        let whole = || format!("{}{key}", self.prefix);
        match text.split_once(':') {
            Some(("env", name)) => drop(sources.variables.entry(name.to_owned()).or_insert_with(whole)),
            Some(("file", path)) => drop(sources.files.insert(self.resolve(path))),
            _ => drop(sources.written.entry(lookup.file.to_owned()).or_insert_with(whole)),
        }
    }

    /// Networks in CIDR notation, or single addresses.
    pub fn networks(&mut self, key: &'static str) -> Vec<IpNet> {
        let mut found = Vec::new();
        for text in self.strings(key, &[]) {
            match text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
                Some(network) => found.push(network),
                None => self.mistake(
                    key,
                    format!("\"{text}\" 应是 CIDR，如 \"10.0.0.0/8\""),
                    format!("\"{text}\" must be in CIDR notation, like \"10.0.0.0/8\""),
                ),
            }
        }
        found
    }

    /// Gives the mistakes to `mistakes`; what is left in the table is unknown: `text` says so.
    pub fn finish(mut self, text: &Words, mistakes: &mut Vec<Mistake>) {
        let unknown: Vec<String> = self.members.keys().cloned().collect();
        for key in unknown {
            self.mistake(&key, text.zh.clone(), text.en.clone());
        }
        mistakes.append(&mut self.mistakes);
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let value: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(value * seconds).ok()
}
