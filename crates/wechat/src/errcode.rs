//! WeChat's error codes: what each means, and how a client should react.
//!
//! Source: the "全局返回码" page and the pages of the single APIs. `errmsg` texts are not stable;
//! never match on them, but for what [`rid`], [`refused_ip`] and [`invalid_field`] take out.

mod table;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use crate::catalog;

/// How to react to a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Success.
    Ok,
    /// About a token. Whether it is dead: [`is_dead_token`].
    Token,
    /// Transient: back off.
    Busy,
    /// Quota: stop until it is reset.
    Quota,
    /// The caller's argument.
    Argument,
    /// The user's state.
    User,
    /// The user must authorise again, or a new code is needed.
    Code,
    /// Configuration or permission of the account: an operator must act.
    Config,
    /// Third-party-platform token handling.
    Platform,
    /// Seen before; success-like.
    Repeat,
}

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// WeChat's number.
    pub code: i64,
    /// Reaction.
    pub class: Class,
    /// What WeChat writes into `errmsg`, without `rid`; see `official`.
    pub text: &'static str,
    /// What is wrong and what to do, Chinese.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// Whether `text` is WeChat's own; else it is ours, for nobody could name WeChat's.
    pub official: bool,
}

/// WeChat's newer numbers, most of which it doesn't explain: those without a row have that of the first.
const INTERNAL: RangeInclusive<i64> = 268_487_000..=268_487_999;

/// Every row, ascending by code.
pub fn table() -> impl Iterator<Item = &'static Entry> {
    table::ROWS.into_iter().flatten()
}

/// The row of `code`.
pub fn lookup(code: i64) -> Option<&'static Entry> {
    let find = |code: i64| {
        let mut parts = table::ROWS.into_iter();
        parts.find_map(|rows| rows.binary_search_by_key(&code, |e| e.code).ok().map(|at| &rows[at]))
    };
    let family =
        || if is_busy(code) { Some(-1) } else { INTERNAL.contains(&code).then_some(*INTERNAL.start()) };
    find(code).or_else(|| family().and_then(find))
}

/// WeChat's own words for `code`; those of -1 where they aren't known.
pub fn text(code: i64) -> &'static str {
    lookup(code).map_or("system error", |entry| entry.text)
}

/// The row of `code` as an answer of `path`, where some codes mean something of their own.
pub fn lookup_at(path: &str, code: i64) -> Option<&'static Entry> {
    let own = table::AT.iter().find(|(at, row)| *at == path && row.code == code);
    own.map(|(_, row)| row).or_else(|| lookup(code))
}

/// Whether WeChat refuses the app's access_token with `code`, and did nothing else: after another token
/// was fetched the call may be repeated.
///
/// [`Class::Token`] has two more, 42009 and 48012: it is not known that WeChat raises them before it acts,
/// nor that another access_token mends them.
pub fn is_dead_token(code: i64) -> bool {
    matches!(code, 40001 | 40014 | 42001)
}

/// Whether WeChat refuses with `code` the address that a call came from, which it does before it acts: another node whose
/// address is listed may make the call.
pub fn is_of_address(code: i64) -> bool {
    matches!(code, 40164 | 61004)
}

/// Whether `code` says that the account itself is not set up (its AppID, its AppSecret, its list of
/// addresses, a freeze), so that it fails whatever is called until an operator has acted.
pub fn is_account_error(code: i64) -> bool {
    matches!(code, 40013 | 40125 | 40164 | 40243 | 45035 | 50004 | 50007 | 61004 | 89500..=89599)
}

/// Whether `code` says that a limit was reached: of a day, of a minute, or of calls at once.
pub fn is_limit(code: i64) -> bool {
    matches!(code, 44990 | 45009 | 45011)
}

/// Whether what `code` complains of at `path` passes by itself within minutes, so that the same call may be made again
/// later: WeChat says such a code before it acts. Not the quota of a day, nor -1, after which a write may have taken effect.
pub fn is_passing(path: &str, code: i64) -> bool {
    match code {
        44990 | 45011 | 45169 | 61503 | 268_487_001 | 268_487_002 => true,
        // Of this path it is the minute's.
        45009 => path == catalog::WXACODE_UNLIMIT.path,
        _ => false,
    }
}

/// Whether the same call may be made again, now or later, though nobody has changed anything: after a look at what a write did,
/// where WeChat says no more than that it is in trouble.
pub fn is_retryable(code: i64) -> bool {
    let class = lookup(code).map(|entry| entry.class);
    matches!(class, Some(Class::Busy | Class::Token)) || is_passing("", code)
}

/// What some codes mean at one path where they mean something else than elsewhere.
pub fn at_paths() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    table::AT.iter().map(|(path, row)| (*path, row))
}

/// Whether `code` says that WeChat itself is in trouble: -1, and other negative codes mean no more.
pub fn is_busy(code: i64) -> bool {
    code < 0
}

/// WeChat's request id in an `errmsg`: `… rid: 61b9947b-4eeffea7-4f08b7a6`.
pub fn rid(errmsg: &str) -> Option<&str> {
    errmsg.match_indices("rid:").find_map(|(at, found)| {
        let rest = errmsg[at + found.len()..].trim_start();
        rest.get(..RID_LEN).filter(|id| is_rid(id))
    })
}

/// Three groups of eight hexadecimal digits and the two hyphens between them.
const RID_LEN: usize = 26;

fn is_rid(id: &str) -> bool {
    id.len() == RID_LEN
        && id.bytes().enumerate().all(|(i, b)| match i {
            8 | 17 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The address WeChat refused, out of the `errmsg` of 40164 (`invalid ip A ipv6 ::ffff:A, not in
/// whitelist`) or 61004 (`… requestIP: A`). IPv4 where WeChat names both forms; never anything
/// that isn't an address.
pub fn refused_ip(errmsg: &str) -> Option<&str> {
    ["invalid ip", "ipv6", "requestIP:"].iter().find_map(|label| {
        let rest = &errmsg[errmsg.find(label)? + label.len()..];
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
        let ip = &rest[..end.unwrap_or(rest.len())];
        ip.parse::<std::net::IpAddr>().is_ok().then_some(ip)
    })
}

/// The field a 47003 complains of: `data.thing4.value` in `argument invalid! data.thing4.value
/// invalid`.
pub fn invalid_field(errmsg: &str) -> Option<&str> {
    const LABEL: &str = "argument invalid!";
    let rest = errmsg[errmsg.find(LABEL)? + LABEL.len()..].trim_start();
    let end = rest.find([' ', ',', '\n', '\r', '\t']).unwrap_or(rest.len());
    let (field, verdict) = rest.split_at(end);
    let named = !field.is_empty()
        && field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let verdict = verdict.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    let is_verdict =
        verdict.is_empty() || ["invalid", "is ", "rid:"].iter().any(|known| verdict.starts_with(known));
    (named && is_verdict).then_some(field)
}
