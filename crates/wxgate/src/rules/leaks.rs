//! Whether what came back shows a credential that went out with the call: as it is, or percent-encoded, once or more.

use std::fmt;

use memchr::memchr2_iter;
use wechat::answer::ApiError;
use wechat::errcode;

use crate::text::in_any_encoding;

/// What is shorter than this is no credential, and would be found everywhere.
const SHORTEST: usize = 8;

/// The credentials of one call: the app's AppSecret, and its access_token if that went out.
#[derive(Clone, Copy)]
pub struct Leaks<'a> {
    secret: &'a str,
    token: &'a str,
}

impl fmt::Debug for Leaks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaks")
    }
}

impl<'a> Leaks<'a> {
    /// Of a call with these; "" for none.
    pub fn new(secret: &'a str, token: &'a str) -> Self {
        Self { secret, token }
    }

    /// Whether `text` shows one of them.
    pub fn are_in(&self, text: &[u8]) -> bool {
        // Most headers are too short to hold anything.
        text.len() >= SHORTEST
            && in_any_encoding(text, |text| {
                [self.secret, self.token].iter().any(|secret| holds(text, secret.as_bytes()))
            })
    }

    /// `error` with other words, if its own show one of them.
    pub fn hidden(&self, error: ApiError) -> ApiError {
        if !self.are_in(error.errmsg.as_bytes()) {
            return error;
        }
        ApiError { errmsg: errcode::text(error.errcode).to_owned(), ..error }
    }
}

/// In any case: an AppSecret in capitals is still one.
fn holds(text: &[u8], secret: &[u8]) -> bool {
    let Some(first) = secret.first().filter(|_| secret.len() >= SHORTEST) else { return false };
    memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text)
        .map_while(|at| text.get(at..at + secret.len()))
        .any(|found| found.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a1b2a1b2a1b2a1b2a1b2a1b2a1b2a1b2";
    const TOKEN: &str = "75_the-real-access-token";

    /// Every byte percent-encoded.
    fn encoded(text: &str, upper: bool) -> String {
        text.bytes().map(|b| if upper { format!("%{b:02X}") } else { format!("%{b:02x}") }).collect()
    }

    #[test]
    fn a_credential_is_found_in_every_encoding() {
        let leaks = Leaks::new(SECRET, TOKEN);
        for secret in [SECRET, TOKEN] {
            let twice = encoded(&encoded(secret, true), false);
            for text in [
                secret.to_owned(),
                secret.to_ascii_uppercase(),
                secret.replace('_', "%5F").replace('-', "%2d"),
                secret.replacen('a', "%61", 1),
                encoded(secret, true),
                encoded(secret, false),
                twice.clone(),
                encoded(&twice, true),
            ] {
                assert!(leaks.are_in(text.as_bytes()), "{text}");
                let quoted = format!("<a href=\"https://x/?access_token={text}&a=%zz%\">");
                assert!(leaks.are_in(quoted.as_bytes()), "{quoted}");
            }
            assert!(!leaks.are_in(&secret.as_bytes()[1..]) && !leaks.are_in(b"") && !leaks.are_in(b"%"));
        }
    }

    #[test]
    fn what_is_absent_or_short_is_found_nowhere() {
        assert!(!Leaks::new("", "").are_in(SECRET.as_bytes()));
        assert!(!Leaks::new("x", "a1b2").are_in(SECRET.as_bytes()));
    }

    #[test]
    fn words_that_show_one_are_replaced_by_the_codes_own() {
        let leaks = Leaks::new(SECRET, TOKEN);
        let error = |errmsg: &str| ApiError { errcode: 40125, errmsg: errmsg.to_owned() };
        assert_eq!(leaks.hidden(error(&format!("bad {SECRET}"))), error("invalid appsecret"));
        assert_eq!(leaks.hidden(error("invalid appsecret rid: 1")), error("invalid appsecret rid: 1"));
        assert_eq!(format!("{leaks:?}"), "Leaks");
    }
}
