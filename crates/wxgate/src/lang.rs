//! Chinese and English. What wxgate says, it says in both: [`Words`] for what is told to whoever asks (a surface picks the
//! language of the request), [`say`] for what only this process says: the command line and the log.
//!
//! ```ignore
//! tracing::warn!(route, "{}", say("投递失败", "the delivery failed"));
//! bail!(say(format!("{path} 已经存在"), format!("{path} exists already")));
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// What the process speaks: one process, one log, one terminal.
static SPOKEN: OnceLock<Language> = OnceLock::new();

/// A language that wxgate speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// 中文
    #[default]
    Chinese,
    /// English
    English,
}

impl Language {
    /// `zh` or `en`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }
}

/// Sets the language of the process, before it says anything; a second call changes nothing.
pub fn speak(language: Language) {
    // Set once: whoever comes second speaks as the first.
    let _ = SPOKEN.set(language);
}

/// Whether the process speaks English; Chinese until [`speak`] says otherwise.
pub fn is_english() -> bool {
    SPOKEN.get() == Some(&Language::English)
}

/// What the process says: `zh` or `en`, which are the same in two languages.
pub fn say<T>(zh: T, en: T) -> T {
    if is_english() { en } else { zh }
}

/// What is wrong and what to do, in both languages. Displayed, it is in the process's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Chinese.
    pub zh: Cow<'static, str>,
    /// English.
    pub en: Cow<'static, str>,
}

impl Words {
    /// The same said twice.
    pub fn new(zh: impl Into<Cow<'static, str>>, en: impl Into<Cow<'static, str>>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// Likewise, of texts that are always the same.
    pub const fn fixed(zh: &'static str, en: &'static str) -> Self {
        Self { zh: Cow::Borrowed(zh), en: Cow::Borrowed(en) }
    }

    /// As the process says it, for the log.
    pub fn said(self) -> Cow<'static, str> {
        say(self.zh, self.en)
    }

    /// Each in both, for whom nobody knows the language of.
    pub fn both(&self) -> Self {
        let both = format!("{} / {}", self.zh, self.en);
        Self::new(both.clone(), both)
    }

    /// What is wrong, and what to do about it: the texts here are written so, "cause：fix" and "cause: fix". "" where one of
    /// them isn't said.
    pub fn parts(&self) -> [(&str, &str); 2] {
        [
            self.zh.split_once('：').unwrap_or((&self.zh, "")),
            self.en.split_once(": ").unwrap_or((&self.en, "")),
        ]
    }

    /// In one of them.
    pub fn of(&self, english: bool) -> &str {
        if english { &self.en } else { &self.zh }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of(is_english()))
    }
}

impl std::error::Error for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_spoken_until_somebody_says_otherwise() {
        assert_eq!(say("中文", "English"), "中文");
        assert_eq!(Words::fixed("中文", "English").to_string(), "中文");
        assert_eq!(Words::fixed("中文", "English").of(true), "English");
        assert_eq!(
            ["zh", "en", "EN", ""].map(Language::parse)[..2],
            [Some(Language::Chinese), Some(Language::English)]
        );
    }
}
