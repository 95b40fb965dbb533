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
/// Browsers take a name that begins so from this very host alone, over HTTPS: no other subdomain can plant it.
const HOST_ONLY: &str = "__Host-";
/// Longest cookie, name and value: browsers drop what is over 4096.
const MAX_COOKIE: usize = 4096;
/// Logins of one browser that are kept beside each other.
const MAX_LOGINS: usize = 8;
/// Bytes of their cookies: what stands in front of us may take 8 KiB of headers.
const MAX_COOKIES: usize = 6 << 10;
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
    /// Over HTTPS, and set by nobody else.
    secure: bool,
}

impl<'a> Jar<'a> {
    pub(super) fn new(keys: &'a Keys, callback: &'a Url, secure: bool) -> Self {
        Self { keys, callback, secure }
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
        self.ours(cookies)
            .filter(|(name, _)| *name == wanted)
            .find_map(|(name, value)| self.open(name, value))
    }

    /// `Set-Cookie` that ends whatever of ours is too much beside the login under `state`: what doesn't
    /// open, and the oldest.
    pub(super) fn surplus(&self, state: &str, cookies: &GetAll<'_, HeaderValue>) -> Vec<String> {
        let current = self.name(state);
        let others = self.ours(cookies).filter(|(name, _)| *name != current);
        let mut others: Vec<(i64, &str, usize)> = others
            .map(|(name, value)| {
                let expires = self.open(name, value).map_or(0, |login| login.expires);
                (expires, name, name.len() + value.len())
            })
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        let mut room = MAX_COOKIES;
        let fits = |(expires, _, size): &&(i64, &str, usize)| {
            let left = room.checked_sub(*size).filter(|_| *expires > 0);
            room = left.unwrap_or(0);
            left.is_some()
        };
        let kept = others.iter().take(MAX_LOGINS - 1).take_while(fits).count();
        others[kept..].iter().map(|(_, name, _)| self.set(name, "", 0)).collect()
    }

    fn open(&self, name: &str, value: &str) -> Option<Login> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?;
        serde_json::from_slice(&self.keys.open(cell(name), &sealed).ok()?).ok()
    }

    /// Belongs to `state` and doesn't show it.
    fn name(&self, state: &str) -> String {
        let index = self.keys.mac(&[b"oauth cookie", state.as_bytes()]);
        format!("{}{PREFIX}{}", self.host_only(), text::hex(&index[..16]))
    }

    fn host_only(&self) -> &'static str {
        if self.secure { HOST_ONLY } else { "" }
    }

    /// Name and value of every cookie of ours. A name with anything else in it was made by nobody here.
    fn ours<'c>(&self, cookies: &GetAll<'c, HeaderValue>) -> impl Iterator<Item = (&'c str, &'c str)> {
        let host_only = self.host_only();
        let texts = cookies.iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(name, _)| {
            let index = name.strip_prefix(host_only).and_then(|name| name.strip_prefix(PREFIX));
            index.is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        })
    }

    fn set(&self, name: &str, value: &str, max_age: u32) -> String {
        // What is for one host alone is for all of it: browsers insist.
        let (path, secure) = if self.secure { ("/", "; Secure") } else { (self.callback.path(), "") };
        format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }
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
        let jar = Jar::new(&keys, &callback, true);
        let cookie = jar.put("state-a", &login(5)).unwrap();
        let shape = "; Path=/; Max-Age=900; HttpOnly; SameSite=Lax; Secure";
        assert!(cookie.ends_with(shape) && !cookie.contains("state-a"), "{cookie}");
        assert!(cookie.starts_with("__Host-wxgate_login_"), "{cookie}");
        let plain = Url::parse("http://127.0.0.1/cb").unwrap();
        let plain = Jar::new(&keys, &plain, false).put("state-a", &login(5)).unwrap();
        assert!(
            !plain.contains("Secure") && plain.starts_with("wxgate_login_") && plain.contains("Path=/cb;")
        );

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
        assert_eq!(take("state-a", &[pair(&plain)]), None, "a sibling subdomain may plant it");
        assert_eq!(take("state-a", &[own.strip_prefix("__Host-").unwrap()]), None);
        let stranger = Keys::new(&[2; 32], Random::System);
        assert!(
            Jar::new(&stranger, &callback, true).take("state-a", &headers(&[own]).get_all(COOKIE)).is_none()
        );
    }

    #[test]
    fn the_number_and_the_size_of_cookies_are_bounded() {
        let (keys, callback) =
            (Keys::new(&[1; 32], Random::System), Url::parse("http://127.0.0.1/cb").unwrap());
        let jar = Jar::new(&keys, &callback, false);
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
