//! The one dialect of patterns, for paths and scenes alike: `*` is any run of characters, slashes included; `?` is any one;
//! `[ab]` is one of these. And lists of patterns, in which a leading `!` excludes.

/// One pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    shape: Shape,
    literal: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Any,
    Exact(String),
    Prefix(String),
    Glob(glob::Pattern),
}

impl Pattern {
    /// Reads a pattern; `None`: it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut text = text.to_owned();
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        let is_special = |text: &str| text.contains(['*', '?', '[']);
        let prefix = text.strip_suffix('*').filter(|prefix| !is_special(prefix));
        let literal = text.chars().filter(|c| !matches!(c, '*' | '?')).count();
        let shape = match prefix {
            Some("") => Shape::Any,
            Some(prefix) => Shape::Prefix(prefix.to_owned()),
            None if !is_special(&text) => Shape::Exact(text),
            None => Shape::Glob(glob::Pattern::new(&text).ok()?),
        };
        Some(Self { shape, literal })
    }

    /// Everything.
    pub fn any() -> Self {
        Self { shape: Shape::Any, literal: 0 }
    }

    /// Whether all of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Exact(own) => own == text,
            Shape::Prefix(own) => text.starts_with(own),
            Shape::Glob(glob) => glob.matches(text),
        }
    }

    /// Whether it fits one text only.
    pub fn is_literal(&self) -> bool {
        matches!(self.shape, Shape::Exact(_))
    }

    /// How many characters of it stand for themselves.
    pub fn literal(&self) -> usize {
        self.literal
    }
}

/// What must fit, and what must not.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T> {
    wanted: Vec<T>,
    excluded: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { wanted: Vec::new(), excluded: Vec::new() }
    }
}

impl<T> List<T> {
    /// Reads texts of which each may begin with `!`; the error is the one that `parse` can't read.
    pub fn parse(texts: &[String], parse: impl Fn(&str) -> Option<T>) -> Result<Self, String> {
        let mut list = Self::default();
        for text in texts {
            let (patterns, rest) = match text.strip_prefix('!') {
                Some(rest) => (&mut list.excluded, rest),
                None => (&mut list.wanted, text.as_str()),
            };
            patterns.push(parse(rest).ok_or_else(|| text.clone())?);
        }
        Ok(list)
    }

    /// One that wants `pattern` alone.
    pub fn of(pattern: T) -> Self {
        Self { wanted: vec![pattern], excluded: Vec::new() }
    }

    /// Each, wanted or not.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        self.wanted.iter().chain(&self.excluded)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.excluded.is_empty()
    }

    /// Whether something is wanted by name and not excluded.
    pub fn names(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.wanted.iter().any(&fits) && !self.excluded.iter().any(fits)
    }

    /// The same where an empty list wants everything.
    pub fn takes(&self, fits: impl Fn(&T) -> bool) -> bool {
        (self.wanted.is_empty() || self.wanted.iter().any(&fits)) && !self.excluded.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, fits, misses) in [
            ("*", &["", "/a/b"][..], &[][..]),
            ("/a", &["/a"], &["/a/", "/ab", ""]),
            ("/a/*", &["/a/", "/a/b/c"], &["/a", "/b/a/"]),
            ("*/b", &["/b", "/a/b"], &["/b/"]),
            ("/cgi-bin/*/send", &["/cgi-bin/message/template/send"], &["/cgi-bin/sendx"]),
            ("login_*", &["login_", "login_7"], &["logi", "xlogin_7"]),
            ("a**b", &["ab", "axb"], &["a"]),
            ("[ab]?", &["ax", "b1"], &["cx", "a"]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert!(fits.iter().all(|text| pattern.matches(text)), "{pattern:?}");
            assert!(!misses.iter().any(|text| pattern.matches(text)), "{pattern:?}");
        }
        assert_eq!(Pattern::parse("[a"), None);
        assert_eq!(Pattern::parse("/a/*").unwrap().literal(), 3);
        assert!(Pattern::parse("/a").unwrap().is_literal() && !Pattern::parse("/a*").unwrap().is_literal());
    }
}
