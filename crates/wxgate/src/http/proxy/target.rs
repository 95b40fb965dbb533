//! Where a passed-on request goes, as its caller wrote it: path, app and parameters, without
//! changing a byte of what WeChat will read.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr3};
use wechat::catalog::{self, Endpoint};

use crate::text::decode;
use crate::upstream::Part;

/// What is wrong with a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The path may mean one thing here and another at WeChat.
    Path,
    /// A parameter that holds a credential occurs twice, or in another spelling.
    Parameter(&'static str),
}

/// A request line, understood.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// From `/wx/{appid}/…`.
    pub(super) appid: Option<&'a str>,
    /// Begins with one slash; the prefix is gone.
    pub(super) path: &'a str,
    /// What WeChat's catalogue says of it.
    pub(super) known: Option<&'static Endpoint>,
    /// What stands behind the `?`, if one does.
    pub(super) query: Option<&'a str>,
    /// The query's, in order.
    pairs: Vec<Pair<'a>>,
}

/// A parameter as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair<'a> {
    /// Where its value ends in the query.
    end: usize,
    name: &'a str,
    value: &'a str,
    /// Nothing stands in it that its readers could take for something else: no escape, no `;`, and a name of words.
    is_plain: bool,
}

/// Where a parameter's value stands in a query.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Span<'a> {
    start: usize,
    end: usize,
    /// Decoded.
    pub(super) value: Cow<'a, str>,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.path)
    }
}

impl fmt::Debug for Span<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({}..{})", self.start, self.end)
    }
}

impl<'a> Target<'a> {
    /// Reads path and query as they came.
    pub(super) fn parse(path: &'a str, query: Option<&'a str>) -> Result<Self, Wrong> {
        let mut path = fold(path);
        let mut appid = None;
        if let Some(rest) = path.strip_prefix("/wx/") {
            let slash = rest.find('/').ok_or(Wrong::Path)?;
            let (name, rest) = rest.split_at(slash);
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(Wrong::Path);
            }
            appid = Some(name);
            path = fold(rest);
        }
        let known = catalog::by_path(path);
        let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'%' | b';' | b'\\');
        let is_step = |segment: &str| matches!(segment, "" | "." | "..");
        let is_path =
            || path.starts_with('/') && path.bytes().all(is_plain) && !path.split('/').skip(1).any(is_step);
        if known.is_none() && !is_path() {
            return Err(Wrong::Path);
        }
        Ok(Self { appid, path, known, query, pairs: query.map(pairs).unwrap_or_default() })
    }

    /// The parameter `name`, which must occur once at most and be spelt as WeChat spells it.
    pub(super) fn parameter(&self, name: &'static str) -> Result<Option<Span<'a>>, Wrong> {
        let mut found = None;
        for pair in &self.pairs {
            if pair.name == name {
                let span = Span { start: pair.end - pair.value.len(), end: pair.end, value: pair.decoded() };
                if found.replace(span).is_some() {
                    return Err(Wrong::Parameter(name));
                }
            } else if pair.may_mean(name) {
                return Err(Wrong::Parameter(name));
            }
        }
        Ok(found)
    }

    /// Every value in the query, decoded, by name.
    pub(super) fn values(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.pairs.iter().map(|pair| match pair.is_plain {
            true => (pair.name.into(), pair.value.into()),
            false => (decode(pair.name), decode(pair.value)),
        })
    }

    /// Path and query in parts: the value at each span replaced, and parameters that were missing
    /// put at the end.
    pub(super) fn parts(&self, mut replaced: Vec<(Span<'_>, Part)>, added: Vec<(&str, Part)>) -> Vec<Part> {
        replaced.sort_by_key(|(span, _)| span.start);
        let query = self.query.unwrap_or_default();
        let mut parts = Vec::new();
        let mut raw = self.path.to_owned();
        if self.query.is_some() {
            raw.push('?');
        }
        let mut from = 0;
        for (span, part) in replaced {
            raw.push_str(&query[from..span.start]);
            // `?access_token` without a value.
            if query[..span.start].ends_with(|c| c != '=') {
                raw.push('=');
            }
            parts.extend([Part::Raw(std::mem::take(&mut raw)), part]);
            from = span.end;
        }
        raw.push_str(&query[from..]);
        let mut mark = match self.query {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        for (name, part) in added {
            raw.push_str(mark);
            raw.push_str(name);
            raw.push('=');
            parts.extend([Part::Raw(std::mem::take(&mut raw)), part]);
            mark = "&";
        }
        parts.push(Part::Raw(raw));
        parts
    }
}

/// A doubled slash at the start is one.
fn fold(path: &str) -> &str {
    let rest = path.trim_start_matches('/');
    &path[(path.len() - rest.len()).saturating_sub(1)..]
}

impl<'a> Pair<'a> {
    fn decoded(&self) -> Cow<'a, str> {
        if self.is_plain { Cow::Borrowed(self.value) } else { decode(self.value) }
    }

    /// Whether some reader may take it, or a part of it, for the parameter `name`.
    fn may_mean(&self, name: &str) -> bool {
        // As nearly all are written.
        if self.is_plain {
            return self.name.eq_ignore_ascii_case(name);
        }
        let parts = self.value.split(';').skip(1).chain(self.name.split(';').skip(1));
        means(self.name, name) || parts.map(key).any(|part| means(part, name))
    }
}

/// A query's parameters.
fn pairs(query: &str) -> Vec<Pair<'_>> {
    let is_of_words = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut pairs = Vec::with_capacity(4);
    let mut start = 0;
    loop {
        let end = memchr(b'&', &query.as_bytes()[start..]).map_or(query.len(), |at| start + at);
        let pair = &query[start..end];
        let (name, value) = match memchr(b'=', pair.as_bytes()) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, ""),
        };
        let is_plain = name.bytes().all(is_of_words) && memchr3(b'%', b'+', b';', value.as_bytes()).is_none();
        pairs.push(Pair { end, name, value, is_plain });
        if end == query.len() {
            return pairs;
        }
        start = end + 1;
    }
}

fn key(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(key, _)| key)
}

/// Whether some reader may take `raw` for `name`.
fn means(raw: &str, name: &str) -> bool {
    let decoded = decode(raw);
    let decoded = decode(&decoded);
    // PHP reads a dot and a blank as an underscore, and forgets what stands in brackets.
    let bare = decoded
        .split(['[', '\0'])
        .next()
        .unwrap_or_default()
        .trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let is_same = |(a, b): (char, char)| a.eq_ignore_ascii_case(&b) || (b == '_' && matches!(a, '.' | ' '));
    bare.chars().count() == name.len() && bare.chars().zip(name.chars()).all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(line: &str) -> Target<'_> {
        let (path, query) = line.split_once('?').map_or((line, None), |(path, query)| (path, Some(query)));
        Target::parse(path, query).unwrap()
    }

    fn line(parts: &[Part]) -> String {
        let text = |part: &Part| match part {
            Part::Raw(text) => text.clone(),
            Part::AccessToken => "REAL".to_owned(),
            Part::Secret => "SECRET".to_owned(),
        };
        parts.iter().map(text).collect()
    }

    #[test]
    fn paths_prefixes_and_doubled_slashes() {
        let cases = [
            ("/cgi-bin/menu/get", None, "/cgi-bin/menu/get"),
            ("//cgi-bin/menu/get", None, "/cgi-bin/menu/get"),
            ("///cgi-bin/menu/get?a=//b", None, "/cgi-bin/menu/get"),
            ("/wx/wx1/cgi-bin/menu/get", Some("wx1"), "/cgi-bin/menu/get"),
            ("//wx/wx1//cgi-bin/menu/get", Some("wx1"), "/cgi-bin/menu/get"),
            ("/wxa/getwxacodeunlimit", None, "/wxa/getwxacodeunlimit"),
            ("/a/.b/..c/d...", None, "/a/.b/..c/d..."),
            ("/a@b:c,d+e=f!$'()*~-_.", None, "/a@b:c,d+e=f!$'()*~-_."),
        ];
        for (text, appid, path) in cases {
            let target = target(text);
            assert_eq!((target.appid, target.path), (appid, path), "{text}");
        }
        for wrong in [
            "/",
            "//",
            "",
            "/a/",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/..",
            "/.",
            "/a/..",
            "/%61",
            "/a%2fb",
            "/a%",
            "/a;b",
            "/a\\b",
            "/a b",
            "/é",
            "/a\t",
            "/wx/",
            "/wx/wx1",
            "/wx/wx1/",
            "/wx//cgi-bin/x",
            "/wx/../cgi-bin/x",
            "/wx/a-b/x",
            "/wx/wx1/../x",
            "/wx/wx1/a%2e",
        ] {
            assert_eq!(Target::parse(wrong, None), Err(Wrong::Path), "{wrong}");
        }
    }

    #[test]
    fn the_token_is_replaced_in_its_place_and_nothing_else_moves() {
        let cases = [
            ("/x?access_token=GT", "/x?access_token=REAL"),
            ("/x?access_token=GT&a=1", "/x?access_token=REAL&a=1"),
            ("/x?b=+%20&access_token=GT&a=1&a=2", "/x?b=+%20&access_token=REAL&a=1&a=2"),
            ("/x?a=1&access_token=GT", "/x?a=1&access_token=REAL"),
            ("/x?&&access_token=GT&&", "/x?&&access_token=REAL&&"),
            ("/x?access_token=&a=1", "/x?access_token=REAL&a=1"),
            ("/x?access_token", "/x?access_token=REAL"),
            ("/x?a=access_token=GT&access_token=GT", "/x?a=access_token=GT&access_token=REAL"),
            ("/x?a=%", "/x?a=%&access_token=REAL"),
            ("/x", "/x?access_token=REAL"),
            ("/x?", "/x?access_token=REAL"),
            ("/x?a=1&", "/x?a=1&access_token=REAL"),
            ("//wx/wx1//x?a=汉", "/x?a=汉&access_token=REAL"),
        ];
        for (text, expected) in cases {
            let target = target(text);
            let parts = match target.parameter("access_token").unwrap() {
                Some(span) => target.parts(vec![(span, Part::AccessToken)], Vec::new()),
                None => target.parts(Vec::new(), vec![("access_token", Part::AccessToken)]),
            };
            assert_eq!(line(&parts), expected, "{text}");
        }
        let target = target("/sns/x?secret=KEY&js_code=c");
        let secret = target.parameter("secret").unwrap().unwrap();
        assert_eq!(secret.value, "KEY");
        let parts = target.parts(vec![(secret, Part::Secret)], vec![("appid", Part::Raw("wx1".to_owned()))]);
        assert_eq!(line(&parts), "/sns/x?secret=SECRET&js_code=c&appid=wx1");
    }

    #[test]
    fn a_second_token_or_another_spelling_is_refused() {
        for query in [
            "access_token=a&access_token=b",
            "access_token=a&access_token=a",
            "access_token=a&%61ccess_token=b",
            "%61ccess_token=a",
            "access%5ftoken=a",
            "access%5Ftoken=a&b=1",
            "ACCESS_TOKEN=a",
            "Access_Token=a",
            "+access_token=a",
            "access_token+=a",
            "access_token%00=a",
            "access_token%0a=a",
            "access_token[]=a",
            "access_token%5b0%5d=a",
            "a=1;access_token=b",
            "a=1;%61ccess_token=b",
            "access.token=a",
            "access+token=a",
            "%2561ccess_token=a",
        ] {
            let line = format!("/x?{query}");
            assert_eq!(
                target(&line).parameter("access_token"),
                Err(Wrong::Parameter("access_token")),
                "{query}"
            );
        }
        for query in [
            "access_token2=a",
            "xaccess_token=a",
            "token=access_token",
            "a=%26access_token%3Db",
            "access-token=a",
        ] {
            assert_eq!(target(&format!("/x?{query}")).parameter("access_token"), Ok(None), "{query}");
        }
    }
}
