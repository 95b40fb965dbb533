//! The environment: `WXGATE_SECTION__KEY` over the file's scalars, and secrets that stand nowhere else.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use crate::entries::{Environment, Mistake, Mistakes, Secret, UNKNOWN};
use crate::lang::Words;

/// By section and key, in lower case.
pub(super) type Overrides = BTreeMap<(String, String), String>;

/// The process's environment.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Every `WXGATE_SECTION__KEY=value`.
pub(super) fn overrides(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Overrides {
    let mut found = Overrides::new();
    for (name, value) in environment {
        let Some((section, key)) = name.strip_prefix("WXGATE_").and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        if key.contains("__") {
            mistakes.push(Mistake::new(
                name.as_str(),
                "环境变量只能覆盖标量：写成 WXGATE_SECTION__KEY",
                "a variable overrides single values only: WXGATE_SECTION__KEY",
            ));
            continue;
        }
        found.insert((section.to_lowercase(), key.to_lowercase()), value.clone());
    }
    found
}

/// Puts `overrides` into a file's table.
pub(super) fn apply(overrides: &Overrides, members: &mut Map<String, Value>) {
    for ((section, key), value) in overrides {
        let section = members.entry(section.as_str()).or_insert_with(|| Value::Object(Map::new()));
        // A section that is none is a mistake of its own.
        if let Value::Object(section) = section {
            section.insert(key.clone(), value.as_str().into());
        }
    }
}

/// Mistakes about what nobody knows, that an override brought in, name the variable.
pub(super) fn name_overrides(overrides: &Overrides, sections: &[&str], mistakes: &mut [Mistake]) {
    for (section, key) in overrides.keys() {
        let is_known = sections.contains(&section.as_str());
        let wrong = if is_known { format!("{section}.{key}") } else { section.clone() };
        for mistake in mistakes.iter_mut().filter(|mistake| mistake.key == wrong && mistake.text == UNKNOWN) {
            mistake.key = format!("WXGATE_{}__{}", section.to_uppercase(), key.to_uppercase());
            mistake.text = match is_known {
                true => Words::new(
                    format!("没有配置项 {section}.{key}"),
                    format!("there is no key {section}.{key}"),
                ),
                false => Words::new(
                    format!("环境变量指向不存在的配置节 [{section}]"),
                    format!("the variable means a section that doesn't exist: [{section}]"),
                ),
            };
        }
    }
}

/// The secret in the variable `name`, or in the file that `name_FILE` names, for a command that needs it.
pub fn secret_of(name: &str, environment: &Environment) -> Result<Option<Secret>, Mistakes> {
    let mut mistakes = Vec::new();
    let found = secret(name, environment, &mut mistakes);
    if mistakes.is_empty() { Ok(found) } else { Err(Mistakes(mistakes)) }
}

/// A shorter admin token could be guessed.
const SHORTEST_TOKEN: usize = 24;

/// `WXGATE_ADMIN_TOKEN`, of 24 characters at least.
pub(super) fn admin_token(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Option<Secret> {
    const NAME: &str = "WXGATE_ADMIN_TOKEN";
    let token = secret(NAME, environment, mistakes)?;
    if token.expose_secret().chars().count() >= SHORTEST_TOKEN {
        return Some(token);
    }
    let key = if environment.contains_key(NAME) { NAME.to_owned() } else { format!("{NAME}_FILE") };
    mistakes.push(Mistake::new(
        key,
        "管理令牌太短：至少 24 个字符，可用 `wxgate key new --admin` 生成",
        "the admin token is too short: 24 characters at least, `wxgate key new --admin` makes one",
    ));
    None
}

/// `WXGATE_ADMIN_PASSWORD`, of the user `admin`.
pub(super) fn admin_password(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Option<Secret> {
    secret("WXGATE_ADMIN_PASSWORD", environment, mistakes)
}

/// The secret in the variable `name`, or in the file that `name_FILE` names.
pub(super) fn secret(name: &str, environment: &Environment, mistakes: &mut Vec<Mistake>) -> Option<Secret> {
    let file = format!("{name}_FILE");
    let (key, text) = match (environment.get(name), environment.get(&file)) {
        (Some(value), _) => (name.to_owned(), Ok(value.clone())),
        (None, Some(path)) => (file, std::fs::read_to_string(path)),
        (None, None) => return None,
    };
    let mistake = match text {
        Ok(text) if !text.trim().is_empty() => return Some(text.trim().to_owned().into()),
        Ok(_) => Words::fixed(
            "是空的：给出值，或去掉这个环境变量",
            "is empty: give it a value, or remove the variable",
        ),
        Err(error) => Words::new(format!("读不到文件：{error}"), format!("the file can't be read: {error}")),
    };
    mistakes.push(Mistake { text: mistake, ..Mistake::new(key, "", "") });
    None
}
