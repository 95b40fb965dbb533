//! WeChat's error codes: what each means, and how a client should react.
//!
//! Source: the "全局返回码" page and the pages of the single APIs. `errmsg` texts are not stable;
//! never match on them, but for what [`rid`], [`refused_ip`] and [`invalid_field`] take out.

mod table;

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
#[derive(Debug)]
pub struct Entry {
    /// WeChat's number.
    pub code: i64,
    /// Reaction.
    pub class: Class,
    /// WeChat's own words, without `rid`.
    pub text: &'static str,
    /// What is wrong and what to do, Chinese.
    pub zh: &'static str,
    /// The same in English.
    pub en: &'static str,
}

/// The table, ascending by code.
pub const TABLE: &[Entry] = table::ROWS;

/// The row of `code`.
pub fn lookup(code: i64) -> Option<&'static Entry> {
    TABLE.binary_search_by_key(&code, |e| e.code).ok().map(|i| &TABLE[i])
}

/// WeChat's own words for `code`; `system error` for one that is not in the table.
pub fn text(code: i64) -> &'static str {
    lookup(code).map_or("system error", |e| e.text)
}

/// Whether WeChat refuses the app's access_token with `code`, and did nothing else: after another token
/// was fetched the call may be repeated.
///
/// [`Class::Token`] has two more, 42009 and 48012: it is not known that WeChat raises them before it acts,
/// nor that another access_token mends them.
pub fn is_dead_token(code: i64) -> bool {
    matches!(code, 40001 | 40014 | 42001)
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
    let (field, verdict) = rest.split_once(' ')?;
    let named = !field.is_empty()
        && field.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let verdict = verdict.trim_start();
    let is_verdict = ["invalid", "is ", "rid:"].iter().any(|known| verdict.starts_with(known));
    (named && is_verdict).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_ascends_and_every_row_is_whole() {
        assert!(TABLE.windows(2).all(|w| w[0].code < w[1].code));
        for e in TABLE {
            assert!(!e.text.is_empty() && !e.zh.is_empty() && !e.en.is_empty(), "{}", e.code);
            assert!(e.en.is_ascii() || e.en.contains('→'), "{}", e.code);
            assert!(!e.zh.is_ascii() && !e.text.contains("rid:"), "{}", e.code);
        }
        assert_eq!(lookup(40001).map(|e| e.class), Some(Class::Token));
        assert_eq!(lookup(-1).map(|e| e.class), Some(Class::Busy));
        assert!(lookup(40000).is_none());
        assert_eq!(text(40125), "invalid appsecret");
        assert_eq!(text(12345), "system error");
    }

    fn codes(which: impl Fn(&Entry) -> bool) -> Vec<i64> {
        TABLE.iter().filter(|e| which(e)).map(|e| e.code).collect()
    }

    #[test]
    fn the_sets_are_those_of_the_table() {
        assert_eq!(codes(|e| is_dead_token(e.code)), [40001, 40014, 42001]);
        assert_eq!(codes(|e| e.class == Class::Token), [40001, 40014, 42001, 42009, 48012]);
        let account = codes(|e| is_account_error(e.code));
        assert_eq!(account[..8], [40013, 40125, 40164, 40243, 45035, 50004, 50007, 61004]);
        assert!(account[8..].iter().all(|code| code / 100 == 895), "{account:?}");
        assert!(codes(|e| is_account_error(e.code) && e.class != Class::Config).is_empty());
        assert_eq!(codes(|e| is_limit(e.code)), [44990, 45009, 45011]);
        for code in [-1, 0, 40000, 40003, 89499, 89600] {
            assert!(!is_dead_token(code) && !is_account_error(code) && !is_limit(code), "{code}");
        }
        // A code the table doesn't have yet.
        assert!(is_account_error(89599) && lookup(89599).is_none());
    }

    #[test]
    fn rid_is_found_in_every_form() {
        let id = "61b9947b-4eeffea7-4f08b7a6";
        for tail in ["invalid openid rid: ", "invalid code, rid: ", "rid:", "rid: x rid:  "] {
            assert_eq!(rid(&format!("{tail}{id}")), Some(id), "{tail}");
        }
        assert_eq!(rid(&format!("a rid: {id}, more")), Some(id));
        for none in [
            "",
            "rid:",
            "invalid code hint: [IfdFrrMre-JPlAXa]",
            "rid: 61B9947B-4eeffea7-4f08b7a6",
            "rid: 61b9947b4-eeffea7-4f08b7a6",
            "rid: 汉字汉字汉字汉字汉字汉字",
        ] {
            assert_eq!(rid(none), None, "{none}");
        }
    }

    #[test]
    fn refused_address_is_found() {
        let cases = [
            (
                "invalid ip 124.223.42.217 ipv6 ::ffff:124.223.42.217, not in whitelist rid: 0",
                "124.223.42.217",
            ),
            ("invalid ip 1.2.3.4, not in whitelist", "1.2.3.4"),
            ("invalid ip 2408:4001::1, not in whitelist", "2408:4001::1"),
            ("invalid ip  ipv6 2408:4001::1, not in whitelist", "2408:4001::1"),
            ("access clientip is not registered requestIP: 47.107.99.226 rid: 0", "47.107.99.226"),
            ("access clientip is not registered requestIP: ::ffff:47.1.2.3", "::ffff:47.1.2.3"),
        ];
        for (errmsg, ip) in cases {
            assert_eq!(refused_ip(errmsg), Some(ip), "{errmsg}");
        }
        for none in ["", "invalid ip", "invalid ip 1.2.3, not", "requestIP: ；汉字", "invalid openid"] {
            assert_eq!(refused_ip(none), None, "{none}");
        }
    }

    #[test]
    fn invalid_field_is_found() {
        let f = invalid_field("argument invalid! data.thing4.value invalid rid: 1");
        assert_eq!(f, Some("data.thing4.value"));
        let f = invalid_field("argument invalid! data.time2.value is emtpy");
        assert_eq!(f, Some("data.time2.value"));
        let f = invalid_field("argument invalid! data.character_string13.value  rid: 66f2a1b3-1");
        assert_eq!(f, Some("data.character_string13.value"));
        assert_eq!(invalid_field("argument invalid!"), None);
        assert_eq!(invalid_field("argument invalid! rid: 1"), None);
    }
}
