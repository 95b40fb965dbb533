//! What the text of a secret means: itself, or where it stands on this machine.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::SECRETS;
use crate::lang::Words;

/// Variables of the environment.
pub type Environment = BTreeMap<String, String>;

/// Where the secrets of a configuration stand, as far as that is seen while it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files with a secret written out, each with the first such key.
    pub written: BTreeMap<PathBuf, String>,
    /// Files that `file:` names.
    pub files: BTreeSet<PathBuf>,
    /// Variables that `env:` names, each with the first key that does.
    pub variables: BTreeMap<String, String>,
}

/// Where `env:NAME` and `file:PATH` are looked up.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The file that is read.
    pub file: &'a Path,
    /// Relative paths start here.
    pub folder: &'a Path,
    /// What `env:` names.
    pub environment: &'a Environment,
    /// What is found is noted here.
    pub sources: &'a RefCell<Sources>,
}

/// The secret that `text` means: itself, `env:NAME` or `file:PATH`; or why there is none. Without a lookup only itself.
pub(super) fn meant(lookup: Option<Lookup<'_>>, text: &str) -> Result<String, Words> {
    let (value, missing) = match (lookup, text.split_once(':')) {
        (None, Some(("env" | "file", _))) => (
            None,
            Words::fixed(
                "这里写密钥本身：env: 和 file: 只能写在配置文件里",
                "write the secret itself: env: and file: are for the configuration file",
            ),
        ),
        (Some(lookup), Some(("env", name))) => (
            lookup.environment.get(name).cloned(),
            Words::new(
                format!(
                    "环境变量 {name} 不存在或为空（运行中的进程看不到后来设的变量：要重启，或改用 \"file:路径\"）"
                ),
                format!(
                    "the variable {name} is missing or empty (a running process doesn't see variables that are set later: restart it, or use \"file:PATH\")"
                ),
            ),
        ),
        (Some(lookup), Some(("file", path))) => {
            let path = lookup.folder.join(path);
            let file = path.display();
            let missing = Words::new(
                format!("文件 {file} 读不到或为空"),
                format!("the file {file} can't be read, or is empty"),
            );
            (std::fs::read_to_string(&path).ok(), missing)
        }
        _ => (Some(text.to_owned()), Words::fixed("只有空白", "is nothing but blanks")),
    };
    // Files and variables often end in a newline that nobody meant, or begin with a BOM.
    let value = value.map(|value| value.trim_start_matches('\u{feff}').trim().to_owned());
    value.filter(|value| !value.is_empty()).ok_or(missing)
}

/// An entry with its secrets in the place of where they stand; one that can't be had stays as it is written.
pub fn with_secrets(members: &Map<String, Value>, lookup: Lookup<'_>) -> Map<String, Value> {
    let value = |(key, value): (&String, &Value)| {
        let text = value.as_str().filter(|text| !text.is_empty() && SECRETS.contains(&key.as_str()));
        let meant = text.and_then(|text| meant(Some(lookup), text).ok());
        (key.clone(), meant.map_or_else(|| value.clone(), Value::String))
    };
    members.iter().map(value).collect()
}
