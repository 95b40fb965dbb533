//! Who may use what: patterns over apps and over paths.

/// `["*"]`, `["tag:prod", "!wx1"]`, `["wx1"]`: which apps are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppPatterns {
    allowed: Vec<AppPattern>,
    denied: Vec<AppPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AppPattern {
    Any,
    Tag(String),
    Appid(String),
}

impl AppPatterns {
    /// Reads the configured texts; the error is the one that can't be read.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut patterns = Self::default();
        for text in texts {
            let (list, rest) = match text.strip_prefix('!') {
                Some(rest) => (&mut patterns.denied, rest),
                None => (&mut patterns.allowed, text.as_str()),
            };
            list.push(match rest.strip_prefix("tag:") {
                Some(tag) if !tag.is_empty() => AppPattern::Tag(tag.to_owned()),
                None if rest == "*" => AppPattern::Any,
                None if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    AppPattern::Appid(rest.to_owned())
                }
                _ => return Err(text.clone()),
            });
        }
        Ok(patterns)
    }

    /// Every app.
    pub fn any() -> Self {
        Self { allowed: vec![AppPattern::Any], denied: Vec::new() }
    }

    /// Whether the app with these tags is meant.
    pub fn matches(&self, appid: &str, tags: &[String]) -> bool {
        let hit = |pattern: &AppPattern| match pattern {
            AppPattern::Any => true,
            AppPattern::Tag(tag) => tags.contains(tag),
            AppPattern::Appid(one) => one == appid,
        };
        self.allowed.iter().any(hit) && !self.denied.iter().any(hit)
    }
}

/// `["*"]`, `["/cgi-bin/*", "!/cgi-bin/menu/*"]`: which paths may be called. The pattern with the
/// most literal characters decides; a tie denies, no match denies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiPatterns(Vec<ApiPattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ApiPattern {
    allows: bool,
    /// Split at `*`: the path begins with the first, ends with the last, has the others in order.
    parts: Vec<String>,
    literal: usize,
}

impl ApiPatterns {
    /// Reads the configured texts; the error is the one that can't be read.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            let (allows, rest) = match text.strip_prefix('!') {
                Some(rest) => (false, rest),
                None => (true, text.as_str()),
            };
            if !rest.starts_with(['/', '*']) {
                return Err(text.clone());
            }
            // A path that is denied is denied in every spelling.
            let rest = if allows { rest.to_owned() } else { rest.to_ascii_lowercase() };
            let parts: Vec<String> = rest.split('*').map(str::to_owned).collect();
            let literal = parts.iter().map(String::len).sum();
            patterns.push(ApiPattern { allows, parts, literal });
        }
        Ok(Self(patterns))
    }

    /// Every path.
    pub fn any() -> Self {
        Self(vec![ApiPattern { allows: true, parts: vec![String::new(); 2], literal: 0 }])
    }

    /// Whether `path` itself is named, by no pattern with a `*`.
    pub fn names(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| pattern.allows && pattern.parts.len() == 1 && pattern.parts[0] == path)
    }

    /// Whether `path` may be called.
    pub fn allows(&self, path: &str) -> bool {
        let mut best: Option<&ApiPattern> = None;
        let mut allowed = false;
        for pattern in self.0.iter().filter(|pattern| pattern.matches(path)) {
            let longest = best.map(|best| best.literal);
            if longest.is_none_or(|longest| pattern.literal > longest) {
                best = Some(pattern);
                allowed = pattern.allows;
            } else if longest == Some(pattern.literal) {
                allowed &= pattern.allows;
            }
        }
        allowed
    }
}

impl ApiPattern {
    fn matches(&self, path: &str) -> bool {
        if self.allows { self.fits(path) } else { self.fits(&path.to_ascii_lowercase()) }
    }

    fn fits(&self, path: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == path);
        };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
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
