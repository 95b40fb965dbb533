//! Takes typed keys out of a TOML table. A mistake is written down and its default used, so that
//! one run shows all of them; what nobody took is an unknown key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::{Environment, Problem, Secret};

pub(super) type Overrides = BTreeMap<(String, String), String>;

pub(super) struct Reader<'a> {
    table: Table,
    /// What stands before a key in a problem: `server.`, `apps[0].`.
    prefix: String,
    /// The section's name, for overrides; empty in lists.
    section: String,
    folder: &'a Path,
    environment: &'a Environment,
    overrides: &'a Overrides,
    /// Names asked for, so that an override of an unknown key is noticed.
    asked: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn root(
        table: Table,
        folder: &'a Path,
        environment: &'a Environment,
        overrides: &'a Overrides,
    ) -> Self {
        Self {
            table,
            prefix: String::new(),
            section: String::new(),
            folder,
            environment,
            overrides,
            asked: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn child(&self, table: Table, prefix: String, section: String) -> Self {
        Self { table, prefix, section, asked: Vec::new(), problems: Vec::new(), ..*self }
    }

    /// The table `[name]`, empty if absent.
    pub(super) fn section(&mut self, name: &'static str) -> Self {
        let table = match self.table.remove(name) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.problem(name, format!("应是一节：[{name}]"));
                Table::new()
            }
        };
        self.child(table, format!("{name}."), name.to_owned())
    }

    /// The tables `[[name]]`.
    pub(super) fn list(&mut self, name: &'static str, label: &str) -> Vec<Self> {
        let items = match self.table.remove(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problem(name, format!("应是若干个 [[{name}]]"));
                Vec::new()
            }
        };
        let mut readers = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::Table(table) => {
                    readers.push(self.child(table, format!("{label}{name}[{index}]."), String::new()));
                }
                _ => self.problem(name, format!("第 {} 项应是 [[{name}]]", index + 1)),
            }
        }
        readers
    }

    pub(super) fn problem(&mut self, key: &str, text: impl Into<String>) {
        self.problems.push(Problem { key: format!("{}{key}", self.prefix), text: text.into() });
    }

    /// How many mistakes there are so far.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }

    /// The key's value; one from the environment is a string whatever the key wants.
    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.asked.push(key);
        let from_file = self.table.remove(key);
        let name = (self.section.clone(), key.to_owned());
        match self.overrides.get(&name).filter(|_| !self.section.is_empty()) {
            Some(text) => Some(Value::String(text.clone())),
            None => from_file,
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
            || (!self.section.is_empty()
                && self.overrides.contains_key(&(self.section.clone(), key.to_owned())))
    }

    pub(super) fn string(&mut self, key: &'static str, default: &str) -> String {
        match self.take(key) {
            None => default.to_owned(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.problem(key, "应是字符串");
                default.to_owned()
            }
        }
    }

    pub(super) fn bool(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(value)) => value,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                self.problem(key, "应是 true 或 false");
                default
            }
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, default: u32) -> u32 {
        let value = match self.take(key) {
            None => return default,
            Some(Value::Integer(value)) => u32::try_from(value).ok(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        value.unwrap_or_else(|| {
            self.problem(key, "应是不小于 0 的整数");
            default
        })
    }

    pub(super) fn strings(&mut self, key: &'static str, default: &[&str]) -> Vec<String> {
        let default = || default.iter().map(ToString::to_string).collect();
        match self.take(key) {
            None => default(),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<String>> =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.unwrap_or_else(|| {
                    self.problem(key, "应是字符串数组，如 [\"a\", \"b\"]");
                    default()
                })
            }
            Some(_) => {
                self.problem(key, "应是字符串数组，如 [\"a\", \"b\"]；环境变量不能覆盖数组");
                default()
            }
        }
    }

    /// A string one of `allowed`.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, allowed: &[(&str, T)]) -> T {
        let text = self.string(key, allowed[0].0);
        match allowed.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => *value,
            None => {
                let names: Vec<String> = allowed.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                self.problem(key, format!("只能是 {}", names.join("、")));
                allowed[0].1
            }
        }
    }

    /// `10s`, `2m`, `24h`, `7d`, `500ms`.
    pub(super) fn duration(&mut self, key: &'static str, default: &str) -> Duration {
        let text = self.string(key, default);
        parse_duration(&text).unwrap_or_else(|| {
            self.problem(key, "应是时长，如 \"500ms\"、\"10s\"、\"2m\"、\"24h\"、\"7d\"");
            parse_duration(default).unwrap_or_default()
        })
    }

    /// A list of durations.
    pub(super) fn durations(&mut self, key: &'static str, default: &[&str]) -> Vec<Duration> {
        let read =
            |texts: &[String]| texts.iter().map(|text| parse_duration(text)).collect::<Option<Vec<_>>>();
        let texts = self.strings(key, default);
        read(&texts).unwrap_or_else(|| {
            self.problem(key, "应是时长数组，如 [\"5s\", \"2m\"]");
            Vec::new()
        })
    }

    /// A table of strings, as `{ "a.txt" = "text" }`.
    pub(super) fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let read = |table: Table| {
            let pairs = table.into_iter().map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                _ => None,
            });
            pairs.collect::<Option<_>>()
        };
        match self.take(key) {
            None => Some(BTreeMap::new()),
            Some(Value::Table(table)) => read(table),
            Some(_) => None,
        }
        .unwrap_or_else(|| {
            self.problem(key, "应是字符串表，如 { \"a.txt\" = \"内容\" }");
            BTreeMap::new()
        })
    }

    /// A value that `parse` understands; `what` completes "应是…".
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.string(key, default);
        let value = parse(&text);
        if value.is_none() {
            self.problem(key, format!("应是{what}"));
        }
        value
    }

    /// `path`, started at the configuration file's folder if it is relative.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// A path; relative ones start at the configuration file's folder. `None` for "".
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.string(key, "");
        (!text.is_empty()).then(|| self.resolve(&text))
    }

    /// A secret: itself, `env:NAME` or `file:/path`. `None` for "" or an absent key.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let text = self.string(key, "");
        if text.is_empty() {
            return None;
        }
        let (value, missing) = if let Some(name) = text.strip_prefix("env:") {
            (
                self.environment.get(name).cloned(),
                format!(
                    "环境变量 {name} 不存在或为空（运行中的进程看不到后来设的变量：要重启，或改用 \"file:路径\"）"
                ),
            )
        } else if let Some(path) = text.strip_prefix("file:") {
            let path = self.resolve(path);
            let value = std::fs::read_to_string(&path).ok();
            (value, format!("文件 {} 读不到或为空", path.display()))
        } else {
            (Some(text), "只有空白".to_owned())
        };
        // Files and variables often end in a newline that nobody meant, or begin with a BOM.
        let value = value.map(|value| value.trim_start_matches('\u{feff}').trim().to_owned());
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Some(value.into()),
            None => {
                self.problem(key, missing);
                None
            }
        }
    }

    /// A key whose feature comes later: its default may be written, nothing else.
    pub(super) fn later(&mut self, key: &'static str, default: &Value) {
        let Some(value) = self.take(key) else { return };
        let is_default = value == *default || value.as_str() == Some(&bare(default));
        if !is_default {
            self.problem(key, "此版本尚不支持（not in this version）：请删去，或写回默认值");
        }
    }

    /// Whatever is left is unknown.
    pub(super) fn finish(mut self, problems: &mut Vec<Problem>) {
        let unknown: Vec<String> = self.table.keys().cloned().collect();
        for key in unknown {
            self.problem(&key, "没有这个配置项：检查拼写，全部配置项见 `wxgate config default`");
        }
        for (section, key) in self.overrides.keys() {
            if *section == self.section && !section.is_empty() && !self.asked.contains(&key.as_str()) {
                let name = format!("WXGATE_{}__{}", section.to_uppercase(), key.to_uppercase());
                self.problems.push(Problem { key: name, text: format!("没有配置项 {section}.{key}") });
            }
        }
        problems.append(&mut self.problems);
    }

    /// [`Reader::finish`] for an included file, which may hold only lists.
    pub(super) fn finish_named(mut self, file: &str, problems: &mut Vec<Problem>) {
        for key in self.table.keys() {
            self.problems.push(Problem {
                key: format!("{file}: {key}"),
                text: "被 include 的文件里只能有 [[apps]]、[[callers]]、[[routes]]".to_owned(),
            });
        }
        problems.append(&mut self.problems);
    }
}

fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
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
