//! Reads one pattern as an operator writes it.

use url::Url;

use super::{Pattern, Scheme, hides_something, means_the_same, split};
use crate::lang::Words;

const ASCII: Words = Words::fixed(
    "只能用 ASCII 字符：国际化域名写成 xn-- 的形式，路径只写 ASCII 的那一段",
    "must be ASCII: write international names in their xn-- form, and of the path only what is ASCII",
);
const FORBIDDEN: Words = Words::fixed(
    "不能含 ?、#、@、\\、%、空格和控制字符：只写协议、主机、端口和路径前缀",
    "must not hold ?, #, @, \\, %, spaces or control characters: write scheme, host, port and the path's beginning only",
);
const SCHEME: Words = Words::fixed(
    "应以 https:// 开头（确需明文时 http://），小写",
    "must begin with https:// (or http:// where it has to be), in lower case",
);
const WIDE_STAR: Words = Words::fixed(
    "的 * 太宽：它右边至少要有两级域名，如 *.example.com",
    "has a * that is too wide: two labels at least must stand to its right, as in *.example.com",
);
const PART_STAR: Words = Words::fixed(
    "的 * 只能是完整的一级域名，如 *.example.com",
    "has a * that is no whole label; it must be one, as in *.example.com",
);
const HOST: Words = Words::fixed(
    "的主机或端口不对：主机写小写域名或 IP，末尾没有点；端口是没有前导零的数字",
    "has a wrong host or port: the host is a name in lower case or an IP address without a dot at its end, the port a number without leading zeros",
);
const PORT: Words = Words::fixed(
    "的端口不用写或不对：http 的 80、https 的 443 不写，0 无效",
    "has a port that is wrong or not to be written: 80 of http and 443 of https are left out, 0 is none",
);
const PATH_END: Words = Words::fixed(
    "的路径是前缀，须以 / 结尾",
    "has a path that doesn't end with a /, as the beginning of paths must",
);
const PATH: Words = Words::fixed(
    "的路径里不能有 * 和 //：它是逐字比较的前缀",
    "has a path with * or //: it is compared letter by letter",
);
const BROWSER: Words = Words::fixed(
    "在浏览器里不是这个样子：照浏览器地址栏里的写法，不含 . 和 .. 的路径段",
    "reads differently in a browser: write it as its address line shows it, without segments . and ..",
);

/// The error completes "… is wrong: …", in both languages.
pub(super) fn pattern(text: &str) -> Result<Pattern, Words> {
    if !text.is_ascii() {
        return Err(ASCII);
    }
    if text.contains(['?', '#', '@', '\\', '%']) || text.contains(|c: char| c.is_control() || c == ' ') {
        return Err(FORBIDDEN);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some(("https", rest)) => (Scheme::Https, rest),
        Some(("http", rest)) => (Scheme::Http, rest),
        _ => {
            return Err(SCHEME);
        }
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    // The first label that isn't literal must be so far to the left that nobody can register there.
    let labels: Vec<&str> = authority.split(':').next().unwrap_or_default().split('.').collect();
    let literal = labels.iter().rev().take_while(|label| **label != "*").count();
    if labels.contains(&"*") && literal < 2 && labels.last() != Some(&"localhost") {
        return Err(WIDE_STAR);
    }
    // With a label for every star it has to be a URL like those it allows.
    if authority.split(['.', ':', '[', ']']).any(|label| label != "*" && label.contains('*')) {
        return Err(PART_STAR);
    }
    let example =
        format!("{}{path}", text[..text.len() - rest.len()].to_owned() + &authority.replace('*', "w"));
    let Some(split) = split(&example) else {
        return Err(HOST);
    };
    if split.port == 0 || authority.ends_with(&format!(":{}", scheme.default_port())) {
        return Err(PORT);
    }
    if !path.ends_with('/') {
        return Err(PATH_END);
    }
    if path.contains('*') || path.contains("//") {
        return Err(PATH);
    }
    let means_itself = Url::parse(&example)
        .is_ok_and(|url| means_the_same(&split, &url) && url.path() == path && !hides_something(url.path()));
    if !means_itself {
        return Err(BROWSER);
    }
    let host = if authority.starts_with('[') {
        split.host.iter().map(ToString::to_string).collect()
    } else {
        labels.iter().map(ToString::to_string).collect()
    };
    Ok(Pattern { scheme, host, port: split.port, path: path.to_owned() })
}
