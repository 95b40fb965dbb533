//! TOML files as tables.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::entries::Mistake;

/// The table that `text` of the file `name` holds.
pub(super) fn toml(name: &str, text: &str) -> Result<Map<String, Value>, Mistake> {
    match text.parse::<toml::Table>() {
        Ok(table) => Ok(members(table)),
        Err(error) => {
            // The parser's own rendering quotes the line, which may hold a secret: say only where and what.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let what = error.message();
            Err(Mistake::new(
                name,
                format!("第 {line} 行 TOML 语法错误：{what}"),
                format!("line {line} is no TOML: {what}"),
            ))
        }
    }
}

/// The table in the file at `path`.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, Mistake> {
    let label = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => toml(&label, &text),
        Err(error) => Err(Mistake::new(label, format!("读不到：{error}"), format!("can't be read: {error}"))),
    }
}

fn members(table: toml::Table) -> Map<String, Value> {
    table.into_iter().map(|(name, value)| (name, json(value))).collect()
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(members(table)),
    }
}

/// The files that `patterns` mean, in order.
pub(super) fn included(patterns: &[String], folder: &Path, mistakes: &mut Vec<Mistake>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for pattern in patterns {
        include(pattern, folder, &mut files, mistakes);
    }
    files
}

fn include(pattern: &str, folder: &Path, files: &mut Vec<PathBuf>, mistakes: &mut Vec<Mistake>) {
    let mut mistake = |zh: String, en: String| mistakes.push(Mistake::new("include", zh, en));
    // The folder's own name is no pattern, whatever characters it has.
    let folder = PathBuf::from(glob::Pattern::escape(&folder.to_string_lossy()));
    let full = folder.join(pattern);
    let paths = match glob::glob(&full.to_string_lossy()) {
        Ok(paths) => paths,
        Err(error) => {
            return mistake(
                format!("\"{pattern}\" 不是有效的文件模式：{error}"),
                format!("\"{pattern}\" is no pattern of files: {error}"),
            );
        }
    };
    let mut found = Vec::new();
    for path in paths {
        match path {
            Ok(path) => found.push(path),
            Err(error) => {
                let (path, why) = (error.path().display(), error.error());
                mistake(format!("读不到 {path}：{why}"), format!("{path} can't be read: {why}"));
            }
        }
    }
    if found.is_empty() && !pattern.contains(['*', '?', '[']) {
        mistake(format!("找不到 {pattern}"), format!("{pattern} isn't there"));
    }
    found.sort();
    files.extend(found);
}
