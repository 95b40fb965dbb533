//! What is wrong in what an operator wrote: each mistake with its key, its entry and its cure, in both languages.

use std::borrow::Cow;
use std::fmt;

use crate::lang::{self, Words};

/// One mistake in what an operator wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key it is about, as `server.listen` or `apps[0].secret`; a file's name for its syntax.
    pub key: String,
    /// The entry it stands in with its name, as `callers[2] "shop"`; empty where there is none.
    pub entry: String,
    /// What is wrong and how to mend it.
    pub text: Words,
}

impl Mistake {
    /// About `key`.
    pub fn new(
        key: impl Into<String>,
        zh: impl Into<Cow<'static, str>>,
        en: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { key: key.into(), entry: String::new(), text: Words::new(zh, en) }
    }

    /// In the entry that is shown so.
    pub fn of(self, entry: impl Into<String>) -> Self {
        Self { entry: entry.into(), ..self }
    }

    /// In a line.
    fn line(&self, english: bool) -> String {
        let Self { key, entry, text } = self;
        match (entry.is_empty(), english) {
            (true, false) => format!("{key}：{}", text.zh),
            (true, true) => format!("{key}: {}", text.en),
            (false, false) => format!("{key}（{entry}）：{}", text.zh),
            (false, true) => format!("{key} ({entry}): {}", text.en),
        }
    }
}

/// Every mistake found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// All of them, in English or Chinese.
    pub fn text(&self, english: bool) -> String {
        let count = self.0.len();
        let mut text = match english {
            true => format!("problems of the configuration: {count}"),
            false => format!("配置有 {count} 处问题："),
        };
        for mistake in &self.0 {
            text.push_str("\n  ");
            text.push_str(&mistake.line(english));
        }
        text
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(lang::is_english()))
    }
}

impl std::error::Error for Mistakes {}

/// What is said of a key that nobody knows.
pub const UNKNOWN: Words = Words::fixed(
    "没有这个配置项：检查拼写，全部配置项见 `wxgate config default`",
    "there is no such key: check its spelling; `wxgate config default` shows them all",
);
