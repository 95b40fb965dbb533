//! Who may use what: patterns over apps and over paths.

use super::pattern::{List, Pattern};

/// `["*"]`, `["tag:prod", "!wx1"]`, `["wx1"]`: which apps are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppPatterns(List<AppPattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum AppPattern {
    Any,
    Tag(String),
    Appid(String),
}

impl AppPattern {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("tag:") {
            Some(tag) => (!tag.is_empty()).then(|| Self::Tag(tag.to_owned())),
            None if text == "*" => Some(Self::Any),
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                Some(Self::Appid(text.to_owned()))
            }
            None => None,
        }
    }
}

impl AppPatterns {
    /// Reads the configured texts; the error is the one that can't be read.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        List::parse(texts, AppPattern::parse).map(Self)
    }

    /// Every app.
    pub fn any() -> Self {
        Self(List::of(AppPattern::Any))
    }

    /// Whether the app with these tags is meant.
    pub fn matches(&self, appid: &str, tags: &[String]) -> bool {
        self.0.names(|pattern| match pattern {
            AppPattern::Any => true,
            AppPattern::Tag(tag) => tags.contains(tag),
            AppPattern::Appid(one) => one == appid,
        })
    }
}

/// `["*"]`, `["/cgi-bin/*", "!/cgi-bin/menu/*"]`: which paths may be called. The pattern with the
/// most literal characters decides; a tie denies, no match denies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiPatterns(Vec<ApiPattern>);

#[derive(Clone, Debug, PartialEq)]
struct ApiPattern {
    allows: bool,
    pattern: Pattern,
}

impl ApiPatterns {
    /// Reads the configured texts; the error is the one that can't be read.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let parse = |text: &String| {
            let (allows, rest) = match text.strip_prefix('!') {
                Some(rest) => (false, rest),
                None => (true, text.as_str()),
            };
            // A path that is denied is denied in every spelling.
            let rest = if allows { rest.to_owned() } else { rest.to_ascii_lowercase() };
            let pattern = Pattern::parse(&rest).filter(|_| rest.starts_with(['/', '*']));
            pattern.map(|pattern| ApiPattern { allows, pattern }).ok_or_else(|| text.clone())
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Every path.
    pub fn any() -> Self {
        Self(vec![ApiPattern { allows: true, pattern: Pattern::any() }])
    }

    /// Whether `path` itself is named, by no pattern with a `*`.
    pub fn names(&self, path: &str) -> bool {
        self.0.iter().any(|one| one.allows && one.pattern.is_literal() && one.pattern.matches(path))
    }

    /// Whether `path` may be called.
    pub fn allows(&self, path: &str) -> bool {
        let mut best = None;
        let mut allowed = false;
        for one in self.0.iter().filter(|one| one.matches(path)) {
            let literal = one.pattern.literal();
            if best.is_none_or(|best| literal > best) {
                best = Some(literal);
                allowed = one.allows;
            } else if best == Some(literal) {
                allowed &= one.allows;
            }
        }
        allowed
    }
}

impl ApiPattern {
    fn matches(&self, path: &str) -> bool {
        if self.allows {
            self.pattern.matches(path)
        } else {
            self.pattern.matches(&path.to_ascii_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apis(texts: &[&str]) -> ApiPatterns {
        ApiPatterns::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_longest_literal_wins_and_a_tie_denies() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&["*"], "/cgi-bin/menu/get", true),
            (&[], "/cgi-bin/menu/get", false),
            (&["/cgi-bin/*"], "/cgi-bin/menu/get", true),
            (&["/cgi-bin/*"], "/wxa/x", false),
            (&["/cgi-bin/*", "!/cgi-bin/menu/*"], "/cgi-bin/menu/get", false),
            (&["!/cgi-bin/*", "/cgi-bin/menu/*"], "/cgi-bin/menu/get", true),
            (&["!/cgi-bin/menu/get", "/cgi-bin/menu/*"], "/cgi-bin/menu/get", false),
            (&["/a/*", "!*/b/"], "/a/b/", false),
            (&["!*/b/", "/a/*"], "/a/b/", false),
            (&["/v1/service/wx/getwxqrcode"], "/v1/service/wx/getwxqrcode", true),
            (&["/v1/service/wx/getwxqrcode"], "/v1/service/wx/getwxqrcode2", false),
            (&["/cgi-bin/*/send"], "/cgi-bin/message/template/send", true),
            (&["/cgi-bin/*/send"], "/cgi-bin/message/template/sendx", false),
            (&["/ab*ba"], "/aba", false),
            (&["/cgi-bin/*", "!/cgi-bin/menu/*"], "/cgi-bin/Menu/get", false),
            (&["/cgi-bin/*", "!/cgi-bin/Menu/*"], "/cgi-bin/menu/GET", false),
            (&["/cgi-bin/menu/*"], "/cgi-bin/Menu/get", false),
        ];
        for (patterns, path, expected) in cases {
            assert_eq!(apis(patterns).allows(path), *expected, "{patterns:?} on {path}");
        }
    }

    #[test]
    fn apps_by_id_tag_or_all_but() {
        let parse =
            |texts: &[&str]| AppPatterns::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        let tags = ["prod".to_owned()];
        assert!(parse(&["*"]).unwrap().matches("wx1", &[]));
        assert!(parse(&["tag:prod"]).unwrap().matches("wx1", &tags));
        assert!(!parse(&["tag:prod"]).unwrap().matches("wx1", &[]));
        assert!(!parse(&["*", "!wx1"]).unwrap().matches("wx1", &tags));
        assert!(!parse(&["!wx2"]).unwrap().matches("wx1", &tags), "only exclusions allow nothing");
        assert_eq!(parse(&["tag:"]).unwrap_err(), "tag:");
    }
}
