//! Where `oauth/start` may send a browser back: patterns over URLs.
//!
//! A URL is judged twice, by its text and as the `url` crate (which reads like a browser) parsed it;
//! where the two don't say the same, it is refused. What is allowed is given back as parsed, so that
//! the browser gets the very text that was judged.

mod written;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::lang::Words;

/// `["https://*.example.com/", "https://shop.example.com:8443/app/"]`; empty: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirects(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    scheme: Scheme,
    /// Its labels; `*` is any one. An IPv6 address is a single one, in brackets.
    host: Vec<String>,
    port: u16,
    /// Begins and ends with a slash.
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Redirects {
    /// Whether it allows nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the configured texts; the error says which one can't be read and how to mend it.
    pub fn parse(texts: &[String]) -> Result<Self, Words> {
        let parse = |text: &String| {
            written::pattern(text).map_err(|Words { zh, en }| {
                let (one, other) = ("\"https://*.example.com/\"", "\"https://shop.example.com:8443/app/\"");
                Words::new(
                    format!("\"{text}\" {zh}；例：{one}、{other}"),
                    format!("\"{text}\" {en}; for example {one}, {other}"),
                )
            })
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The URL that `text` is, if a browser may be sent there.
    pub fn allows(&self, text: &str) -> Option<Url> {
        let split = split(text)?;
        let url = Url::parse(text).ok()?;
        if !means_the_same(&split, &url) || hides_something(url.path()) {
            return None;
        }
        self.0.iter().any(|pattern| pattern.matches(&split, url.path())).then_some(url)
    }
}

impl Pattern {
    fn matches(&self, split: &Split<'_>, path: &str) -> bool {
        // An encoded international label may look like another: only a pattern that spells it allows it.
        let is_label =
            |(own, label): (&String, &&str)| own == label || (own == "*" && !label.starts_with("xn--"));
        self.scheme == split.scheme
            && self.port == split.port
            && self.host.len() == split.host.len()
            && self.host.iter().zip(&split.host).all(is_label)
            && path.starts_with(&self.path)
    }
}

/// A URL's text, taken apart without leniency.
struct Split<'a> {
    scheme: Scheme,
    host: Vec<&'a str>,
    port: u16,
    /// Path and query, as written.
    rest: &'a str,
}

/// `None` for whatever only a lenient reader would take.
fn split(text: &str) -> Option<Split<'_>> {
    if text.contains(['\\', '#']) || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = match text.split_once("://")? {
        ("https", rest) => (Scheme::Https, rest),
        ("http", rest) => (Scheme::Http, rest),
        _ => return None,
    };
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rfind(':').filter(|colon| !authority[*colon..].contains(']')) {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    let port = match port {
        Some(digits) if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) => {
            return None;
        }
        Some(digits) => digits.parse().ok()?,
        None => scheme.default_port(),
    };
    let host: Vec<&str> = if host.starts_with('[') { vec![host] } else { host.split('.').collect() };
    let is_address = |text: &str| text.starts_with('[') && text.ends_with(']');
    host.iter().all(|label| is_label(label) || is_address(label)).then_some(Split {
        scheme,
        host,
        port,
        rest,
    })
}

fn is_label(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=63).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Whether the browser's reading is ours: nothing normalised but what stands unencoded.
fn means_the_same(split: &Split<'_>, url: &Url) -> bool {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let read = format!("{}{query}", url.path());
    let slash = if split.rest.starts_with('/') { "" } else { "/" };
    let written = format!("{slash}{}", split.rest);
    url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.host_str() == Some(&split.host.join("."))
        && url.port_or_known_default() == Some(split.port)
        && percent_decode_str(&read).eq(percent_decode_str(&written))
}

/// Whether a server might read another path out of this one: encoded slashes, dots, percent signs
/// and control characters, and dots before a `;`.
fn hides_something(path: &str) -> bool {
    let escapes = path.match_indices('%').map(|(at, _)| path.get(at + 1..at + 3));
    let is_plain = |hex: Option<&str>| {
        let byte = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        byte.is_some_and(|byte| !byte.is_ascii_control() && !b"/\\.%".contains(&byte))
    };
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    !escapes.into_iter().all(is_plain) || path.split('/').any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirects(texts: &[&str]) -> Result<Redirects, Words> {
        Redirects::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Every way to allow something.
    fn some() -> Redirects {
        redirects(&[
            "https://*.example.com/",
            "https://shop.example.com:8443/app/",
            "https://one.example.org/app/",
            "https://xn--fsqu00a.example.net/",
            "http://intranet/",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/",
            "https://*.*.two.example.net",
        ])
        .unwrap()
    }

    #[test]
    fn what_is_meant_is_allowed_as_written() {
        for text in [
            "https://a.example.com/",
            "https://a.example.com/any/path?with=a&query=%23",
            "https://a-b_c.example.com//double//slash",
            "https://shop.example.com:8443/app/",
            "https://shop.example.com:8443/app/x?next=https://evil.com/",
            "https://one.example.org/app/%E4%B8%AD/a.b;v=1",
            "https://one.example.org/app/..x/.well-known/x..",
            "https://xn--fsqu00a.example.net/",
            "http://intranet/login?a=@&b=//evil.com",
            "http://127.0.0.1:8080/cb",
            "http://[::1]:8080/cb",
            "https://a.b.two.example.net/",
            "https://a.example.com/?q=%0d%0aSet-Cookie:x",
        ] {
            assert_eq!(some().allows(text).map(String::from).as_deref(), Some(text));
        }
        // The same to every reader, and handed on in the one way to write it.
        for (text, as_sent) in [
            ("https://a.example.com", "https://a.example.com/"),
            ("http://[::1]:8080", "http://[::1]:8080/"),
            ("https://a.example.com?x=1", "https://a.example.com/?x=1"),
            ("https://a.example.com:443/x", "https://a.example.com/x"),
            (
                "https://a.example.com/登录?名=值",
                "https://a.example.com/%E7%99%BB%E5%BD%95?%E5%90%8D=%E5%80%BC",
            ),
        ] {
            assert_eq!(some().allows(text).map(String::from).as_deref(), Some(as_sent), "{text}");
        }
    }

    #[test]
    fn no_trick_gets_through() {
        for text in [
            // Other schemes, other ports, other hosts.
            "",
            "/",
            "//a.example.com/",
            "a.example.com/",
            "http://a.example.com/",
            "https://intranet/",
            "ftp://a.example.com/",
            "javascript:alert(1)//a.example.com/",
            "javascript://a.example.com/%0aalert(1)",
            "data:text/html,https://a.example.com/",
            "https://a.example.com:8443/",
            "https://a.example.com:80/",
            "https://shop.example.com:8444/app/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80801/",
            "https://evil.com/",
            "https://evil.com/https://a.example.com/",
            "https://evil.com?https://a.example.com/",
            // Hosts that only look right.
            "https://example.com/",
            "https://.example.com/",
            "https://a.b.example.com/",
            "https://aexample.com/",
            "https://a.example.com.evil.com/",
            "https://a.example.comevil.com/",
            "https://a.example.com./",
            "https://a..example.com/",
            "https://*.example.com/",
            "https://a.two.example.net/",
            "https://a.b.c.two.example.net/",
            "https://xn--80ak6aa92e.example.com/",
            "https://аррӏе.example.com/",
            "https://a.ｅxample.com/",
            "https://a。example.com/",
            "https://a．example.com/",
            "https://a.exa\u{ad}mple.com/",
            "https://a.example\u{200b}.com/",
            "https://例子.example.net/",
            "https://A.example.com/",
            "https://a.EXAMPLE.com/",
            "https://a%2eexample.com/",
            "https://%61.example.com/",
            "https://evil.com%2f.example.com/",
            "https://evil.com%23.example.com/",
            "https://evil.com%00.example.com/",
            "http://2130706433:8080/",
            "http://0x7f.0.0.1:8080/",
            "http://127.1:8080/",
            "http://0177.0.0.1:8080/",
            "http://[0:0:0:0:0:0:0:1]:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[::1]/",
            "http://[::1:8080/",
            "http://[a@b]:8080/",
            // Userinfo and what a reader may take for it.
            "https://a.example.com@evil.com/",
            "https://user@a.example.com/",
            "https://user:password@a.example.com/",
            "https://@a.example.com/",
            "https://:@a.example.com/",
            "https://evil.com\\@a.example.com/",
            "https://evil.com\\.example.com/",
            "https://a.example.com\\@evil.com/",
            "https://evil.com,.example.com/",
            "https://evil.com;.example.com/",
            "https://evil.com&.example.com/",
            // Ports that aren't.
            "https://a.example.com:/",
            "https://a.example.com:0443/",
            "https://a.example.com:443:443/",
            "https://a.example.com:+443/",
            "https://a.example.com:4433333/",
            "https://a.example.com:443@evil.com/",
            // What a lenient reader skips or mends.
            "https:a.example.com/",
            "https:/a.example.com/",
            "https:///a.example.com/",
            "https:\\\\a.example.com/",
            "HTTPS://a.example.com/",
            " https://a.example.com/",
            "https://a.example.com/ ",
            "https://a.example.com/\u{a0}",
            "\thttps://a.example.com/",
            "ht\ntps://a.example.com/",
            "https://a.exam\tple.com/",
            "https://a.example.com/\r\nSet-Cookie: x=y",
            "https://a.example.com/\0",
            "https://a.example.com/\u{7f}",
            "https://a.example.com/\u{2028}",
            "https://a.example.com/#",
            "https://a.example.com/#@evil.com/",
            "https://evil.com#.example.com/",
            "https://a.example.com\u{ff0f}evil/",
            // Paths that leave the prefix.
            "https://one.example.org/",
            "https://one.example.org/app",
            "https://one.example.org/app?x=/app/",
            "https://one.example.org/application",
            "https://one.example.org/application/",
            "https://one.example.org/App/",
            "https://one.example.org/%61pp/",
            "https://one.example.org//app/",
            "https://one.example.org/app/../admin",
            "https://one.example.org/app/..",
            "https://one.example.org/app/./x",
            "https://one.example.org/x/../app/",
            "https://one.example.org/app/%2e%2e/admin",
            "https://one.example.org/app/.%2E/admin",
            "https://one.example.org/app/..%2fadmin",
            "https://one.example.org/app%2f..%2f",
            "https://one.example.org/app/..%5cadmin",
            "https://one.example.org/app/..\\admin",
            "https://one.example.org/app/%252e%252e/admin",
            "https://one.example.org/app/..;/admin",
            "https://one.example.org/app/..;a=b/admin",
            "https://one.example.org/app/%00",
            "https://one.example.org/app/%0d%0a",
            "https://one.example.org/app/%",
            "https://one.example.org/app/%zz",
            "https://one.example.org/app/%u002e",
            "https://shop.example.com:8443/",
        ] {
            assert_eq!(some().allows(text), None, "{text:?}");
        }
        assert_eq!(Redirects::default().allows("https://a.example.com/"), None, "by default nowhere");
    }

    #[test]
    fn a_wrong_pattern_is_named_with_its_mend() {
        for (text, mend) in [
            ("", "https://"),
            ("*", "https://"),
            ("a.example.com", "https://"),
            ("ftp://a.example.com/", "https://"),
            ("HTTPS://a.example.com/", "https://"),
            ("https://", "主机"),
            ("https:///", "主机"),
            ("https://A.example.com/", "主机"),
            ("https://a.example.com./", "主机"),
            ("https://a..example.com/", "主机"),
            ("https://a.example.com:x/", "端口"),
            ("https://a.example.com:443/", "443"),
            ("http://a.example.com:80/", "80"),
            ("https://a.example.com:0/", "端口"),
            ("https://*/", "太宽"),
            ("https://*.com/", "太宽"),
            ("https://a.*.com/", "太宽"),
            ("https://*.*/", "太宽"),
            ("https://a.example.*/", "太宽"),
            ("https://shop-*.example.com/", "完整"),
            ("https://**.example.com/", "完整"),
            ("https://a.example.com:*/", "端口"),
            ("https://a.example.com/app", "/ 结尾"),
            ("https://a.example.com/*", "/ 结尾"),
            ("https://a.example.com/*/", "路径"),
            ("https://a.example.com//", "路径"),
            ("https://a.example.com/a/../", "地址栏"),
            ("https://a.example.com/./", "地址栏"),
            ("https://127.1/", "地址栏"),
            ("https://a.example.com/?x", "?"),
            ("https://a.example.com/#", "#"),
            ("https://user@a.example.com/", "@"),
            ("https://a.example.com/%2f/", "%"),
            ("https://a.example.com/ /", "空格"),
            ("https://例子.example.com/", "xn--"),
        ] {
            let error = redirects(&["https://fine.example.com/", text]).unwrap_err();
            let quoted = format!("\"{text}\"");
            assert!(error.zh.contains(&quoted) && error.zh.contains(mend), "{text}: {error}");
            assert!(error.en.contains(&quoted), "{text}: {}", error.en);
        }
        assert!(redirects(&["http://*.localhost:3000/", "http://localhost/"]).is_ok());
    }
}
