//! The configuration: one TOML file (and what it includes), the environment over it, all problems
//! reported together.
//!
//! [`load`] reads text into a [`Config`]; [`reader`] is the small machine that takes keys out of
//! tables and writes problems down instead of stopping at the first. Every key, its default and
//! its meaning stand in `config.default.toml`, which a test holds equal to this code.

mod entries;
mod reader;
mod routes;
mod secret;
mod sections;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use entries::{AppEntry, CallerEntry, Kind, TokenMode, is_key};
pub use routes::{Form, RouteEntry, Seal, Target};
pub use secret::{Secret, WebhookSecret};
pub use sections::{Auth, Callback, Egress, Log, LogFormat, Retention, Server, Store, Wechat};

use reader::Reader;

/// The full configuration with every default and a comment for each key.
pub const DEFAULT_TOML: &str = include_str!("../../../config.default.toml");

/// Variables of the environment, as read once by [`environment`].
pub type Environment = BTreeMap<String, String>;

/// Everything a gateway is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[wechat]`
    pub wechat: Wechat,
    /// `[auth]`
    pub auth: Auth,
    /// `[callback]`
    pub callback: Callback,
    /// `[retention]`
    pub retention: Retention,
    /// `[egress]`
    pub egress: Egress,
    /// `[log]`
    pub log: Log,
    /// `[[apps]]`, of all files
    pub apps: Vec<AppEntry>,
    /// `[[callers]]`, of all files
    pub callers: Vec<CallerEntry>,
    /// `[[routes]]`, of all files, in order
    pub routes: Vec<RouteEntry>,
    /// `WXGATE_ADMIN_TOKEN`: opens the admin API; without it nothing does.
    pub admin_token: Option<Secret>,
}

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key it is about, as `server.listen` or `apps[0].secret`; a file's name for its syntax.
    pub key: String,
    /// What is wrong and how to mend it.
    pub text: String,
}

/// Every mistake found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "配置有 {} 处问题：", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  {}：{}", problem.key, problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The process's environment, for [`load`].
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the configuration file at `path` and what it includes.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problems(vec![Problem {
            key: path.display().to_string(),
            text: format!("读不到配置文件（{error}）；用 `wxgate init` 生成一份，或用 --config 指定"),
        }])
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    parse(&text, &path.display().to_string(), &folder, environment)
}

/// Reads configuration text; `folder` is where relative paths start.
pub fn parse(text: &str, name: &str, folder: &Path, environment: &Environment) -> Result<Config, Problems> {
    let mut problems = Vec::new();
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => return Err(Problems(vec![syntax_problem(name, text, &error)])),
    };
    let overrides = overrides(environment, &mut problems);
    let mut root = Reader::root(table, folder, environment, &overrides);
    let mut files = Vec::new();
    for pattern in root.strings("include", &[]) {
        included(&pattern, folder, &mut files, &mut problems);
    }
    let server = sections::server(root.section("server"), &mut problems);
    let mut config = Config {
        auth: sections::auth(root.section("auth"), &server, &mut problems),
        server,
        store: sections::store(root.section("store"), &mut problems),
        wechat: sections::wechat(root.section("wechat"), &mut problems),
        callback: sections::callback(root.section("callback"), &mut problems),
        retention: sections::retention(root.section("retention"), &mut problems),
        egress: sections::egress(root.section("egress"), &mut problems),
        log: sections::log(root.section("log"), &mut problems),
        apps: Vec::new(),
        callers: Vec::new(),
        routes: Vec::new(),
        admin_token: secret::from_environment("WXGATE_ADMIN_TOKEN", environment, &mut problems),
    };
    let mut lists = entries::Lists::default();
    lists.read(&mut root, "", &mut problems);
    root.finish(&mut problems);
    for file in files {
        let label = file.display().to_string();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem { key: label, text: format!("读不到：{error}") });
                continue;
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => {
                let none = BTreeMap::new();
                let mut reader = Reader::root(table, folder, environment, &none);
                lists.read(&mut reader, &format!("{label}: "), &mut problems);
                reader.finish_named(&label, &mut problems);
            }
            Err(error) => problems.push(syntax_problem(&label, &text, &error)),
        }
    }
    for (section, key) in overrides.keys() {
        if !sections::NAMES.contains(&section.as_str()) {
            problems.push(Problem {
                key: format!("WXGATE_{}__{}", section.to_uppercase(), key.to_uppercase()),
                text: format!("环境变量指向不存在的配置节 [{section}]"),
            });
        }
    }
    lists.finish(&mut config, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

fn syntax_problem(name: &str, text: &str, error: &toml::de::Error) -> Problem {
    // The parser's own rendering quotes the line, which may hold a secret: say only where and what.
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Problem { key: name.to_owned(), text: format!("第 {line} 行 TOML 语法错误：{}", error.message()) }
}

/// `WXGATE_SECTION__KEY=value`, by section and key in lower case.
fn overrides(environment: &Environment, problems: &mut Vec<Problem>) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for (name, value) in environment {
        let Some((section, key)) = name.strip_prefix("WXGATE_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        if key.contains("__") {
            problems.push(Problem {
                key: name.clone(),
                text: "环境变量只能覆盖标量：写成 WXGATE_SECTION__KEY".to_owned(),
            });
            continue;
        }
        found.insert((section.to_lowercase(), key.to_lowercase()), value.clone());
    }
    found
}

fn included(pattern: &str, folder: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let mut problem = |text: String| problems.push(Problem { key: "include".to_owned(), text });
    // The folder's own name is no pattern, whatever characters it has.
    let folder = PathBuf::from(glob::Pattern::escape(&folder.to_string_lossy()));
    let full = folder.join(pattern);
    let paths = match glob::glob(&full.to_string_lossy()) {
        Ok(paths) => paths,
        Err(error) => return problem(format!("\"{pattern}\" 不是有效的文件模式：{error}")),
    };
    let mut found = Vec::new();
    for path in paths {
        match path {
            Ok(path) => found.push(path),
            Err(error) => problem(format!("读不到 {}：{}", error.path().display(), error.error())),
        }
    }
    if found.is_empty() && !pattern.contains(['*', '?', '[']) {
        problem(format!("找不到 {pattern}"));
    }
    found.sort();
    files.extend(found);
}

#[cfg(test)]
mod tests;
