//! Who set an entry up, and so where it is changed.

use std::sync::Arc;

/// Where an entry stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// In a configuration file, at a place like `callers[2]`.
    File {
        /// The file.
        file: Arc<str>,
        /// The place in it.
        place: String,
    },
    /// In the store: made by the console or the admin API.
    #[default]
    Stored,
    /// Nowhere: `auth.mode = "off"` lets everybody call as `anonymous`.
    Open,
}

impl Origin {
    /// The place in `file`.
    pub fn file(file: &Arc<str>, place: String) -> Self {
        Self::File { file: file.clone(), place }
    }

    /// Where `key` of the entry is set, in Chinese and English: completes "add it to …".
    pub fn key(&self, key: &str) -> (String, String) {
        match self {
            Self::File { file, place } => {
                (format!("{file} 里 {place} 的 {key}"), format!("`{key}` of {place} in {file}"))
            }
            Self::Stored => (format!("控制台里它的 {key}"), format!("its `{key}` in the console")),
            Self::Open => (
                format!("一个有密钥的 [[callers]]（auth.mode = \"off\" 时谁都是 anonymous）的 {key}"),
                format!(
                    "`{key}` of a caller with a key in [[callers]] (with auth.mode = \"off\" everybody is anonymous)"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_follows_the_origin() {
        let file = Origin::file(&"wxgate.toml".into(), "callers[2]".to_owned());
        assert_eq!(file.key("apis").0, "wxgate.toml 里 callers[2] 的 apis");
        assert_eq!(file.key("apis").1, "`apis` of callers[2] in wxgate.toml");
        assert_eq!(Origin::Stored.key("apis").1, "its `apis` in the console");
    }
}
