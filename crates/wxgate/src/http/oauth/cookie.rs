//! What a browser keeps for us while it is at WeChat: sealed, one cookie a login, sent to the callback
//! alone.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::GetAll;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::keys::{Cell, Keys};
use crate::text;

const PREFIX: &str = "wxgate_login_";
/// Longest cookie, name and value: browsers drop what is over 4096.
const MAX_COOKIE: usize = 4096;
/// Logins of one browser that are kept when one of them ends.
const MAX_LOGINS: usize = 8;
/// As long as the callback may answer: a login's ten minutes, and five for the same again.
const MAX_AGE_SECS: u32 = 15 * 60;

/// A login that has begun.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Login {
    /// Whose users log in.
    pub(super) appid: String,
    /// Where to go back, as it was allowed.
    pub(super) back: String,
    /// The caller's state.
    pub(super) state: String,
    /// When it is too late, Unix milliseconds.
    pub(super) expires: i64,
}

/// The browser's cookies, as far as they are ours.
pub(super) struct Jar<'a> {
    keys: &'a Keys,
    /// Where they are sent.
    callback: &'a Url,
}

impl<'a> Jar<'a> {
    pub(super) fn new(keys: &'a Keys, callback: &'a Url) -> Self {
        Self { keys, callback }
    }

    /// `Set-Cookie` for a login under WeChat's `state`; `None`: no browser would keep it.
    pub(super) fn put(&self, state: &str, login: &Login) -> Option<String> {
        let name = self.name(state);
        let sealed = self.keys.seal(cell(&name), &serde_json::to_vec(login).ok()?);
        let value = BASE64_URL_SAFE_NO_PAD.encode(sealed);
        (name.len() + value.len() <= MAX_COOKIE).then(|| self.set(&name, &value, MAX_AGE_SECS))
    }

    /// The login that this browser began under `state`.
    pub(super) fn take(&self, state: &str, cookies: &GetAll<'_, HeaderValue>) -> Option<Login> {
        let wanted = self.name(state);
        ours(cookies).filter(|(name, _)| *name == wanted).find_map(|(name, value)| self.open(name, value))
    }

    /// `Set-Cookie` that ends whatever of ours is too much beside the login under `state`: what doesn't
    /// open, and the oldest.
    pub(super) fn surplus(&self, state: &str, cookies: &GetAll<'_, HeaderValue>) -> Vec<String> {
        let current = self.name(state);
        let others = ours(cookies).filter(|(name, _)| *name != current);
        let mut others: Vec<(i64, &str)> = others
            .map(|(name, value)| (self.open(name, value).map_or(0, |login| login.expires), name))
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let kept = others.iter().take(MAX_LOGINS - 1).take_while(|(expires, _)| *expires > 0).count();
        others[kept..].iter().map(|(_, name)| self.set(name, "", 0)).collect()
    }

    fn open(&self, name: &str, value: &str) -> Option<Login> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        serde_json::from_slice(&self.keys.open(cell(name), &sealed).ok()?).ok()
    }

    /// Belongs to `state` and doesn't show it.
    fn name(&self, state: &str) -> String {
        let index = self.keys.mac(&[b"oauth cookie", state.as_bytes()]);
        format!("{PREFIX}{}", text::hex(&index[..16]))
    }

    fn set(&self, name: &str, value: &str, max_age: u32) -> String {
        let path = self.callback.path();
        let secure = if self.callback.scheme() == "https" { "; Secure" } else { "" };
        format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// Name and value of every cookie of ours. A name with anything else in it was made by nobody here.
fn ours<'a>(cookies: &GetAll<'a, HeaderValue>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let texts = cookies.iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| {
        name.strip_prefix(PREFIX)
            .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

fn cell(name: &str) -> Cell<'_> {
    Cell { table: "oauth", row: name, column: "cookie" }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::COOKIE;

    use super::*;
    use crate::random::Random;

    fn login(n: i64) -> Login {
        Login { appid: "wx1".into(), back: "https://a.example.com/".into(), state: "s".into(), expires: n }
    }

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (COOKIE, HeaderValue::from_str(cookie).unwrap())).collect()
    }

    fn pair(cookie: &str) -> &str {
        cookie.split(';').next().unwrap()
    }

    #[test]
    fn a_login_comes_back_under_its_own_state_only() {
        let (keys, callback) =
            (Keys::new(&[1; 32], Random::System), Url::parse("https://wx.example.com/p/cb").unwrap());
        let jar = Jar::new(&keys, &callback);
        let cookie = jar.put("state-a", &login(5)).unwrap();
        let shape = "; Path=/p/cb; Max-Age=900; HttpOnly; SameSite=Lax; Secure";
        assert!(cookie.ends_with(shape) && !cookie.contains("state-a"), "{cookie}");
        let plain = Url::parse("http://127.0.0.1/cb").unwrap();
        assert!(!Jar::new(&keys, &plain).put("state-a", &login(5)).unwrap().contains("Secure"));

        let take = |state: &str, cookies: &[&str]| {
            jar.take(state, &headers(cookies).get_all(COOKIE)).map(|login| login.expires)
        };
        let own = pair(&cookie);
        assert_eq!(take("state-a", &[own]), Some(5));
        assert_eq!(take("state-a", &["a=b; c", &format!("x=y;  {own}; z=")]), Some(5));
        assert_eq!(take("state-b", &[own]), None);
        let (name, value) = own.split_once('=').unwrap();
        let other = jar.put("state-b", &login(6)).unwrap();
        let moved = format!("{}={value}", pair(&other).split('=').next().unwrap());
        assert_eq!(take("state-b", &[&moved]), None, "a cookie under another name");
        assert_eq!(take("state-a", &[&format!("{name}={}", &value[1..])]), None);
        assert_eq!(take("state-a", &[&format!("{name}=x"), own]), Some(5), "a planted one hides none");
        let stranger = Keys::new(&[2; 32], Random::System);
        assert!(Jar::new(&stranger, &callback).take("state-a", &headers(&[own]).get_all(COOKIE)).is_none());
    }

    #[test]
    fn the_number_and_the_size_of_cookies_are_bounded() {
        let (keys, callback) =
            (Keys::new(&[1; 32], Random::System), Url::parse("http://127.0.0.1/cb").unwrap());
        let jar = Jar::new(&keys, &callback);
        let long = |n: usize| jar.put("s", &Login { back: "x".repeat(n), ..login(1) });
        assert!(long(2048 + 800).is_some() && long(4000).is_none());

        let cookies: Vec<String> =
            (1..=12).map(|n| jar.put(&format!("state{n}"), &login(n)).unwrap()).collect();
        let mut texts: Vec<&str> = cookies.iter().map(|cookie| pair(cookie)).collect();
        let broken = format!("{PREFIX}{}=x", "0".repeat(32));
        texts.push(&broken);
        texts.push("theirs=1");
        let headers = headers(&texts);
        let ended = jar.surplus("state1", &headers.get_all(COOKIE));
        let names: Vec<&str> = ended.iter().map(|cookie| cookie.split('=').next().unwrap()).collect();
        let oldest: Vec<String> = (2..=5).rev().map(|n| jar.name(&format!("state{n}"))).collect();
        assert_eq!(names[..4], oldest[..]);
        assert_eq!((names.len(), names[4]), (5, broken.split('=').next().unwrap()));
        assert!(ended[0].contains("=; Path=/cb; Max-Age=0; "), "{}", ended[0]);
    }
}
