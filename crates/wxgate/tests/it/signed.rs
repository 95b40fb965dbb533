//! Callbacks as WeChat signs and encrypts them, and all the ways to get that wrong.

use wechat::crypt::{AesKey, signature};
use wechat::envelope::{Keys, Stamp, compatible_push, push};

pub(crate) const TOKEN: &str = "sandboxtoken";
pub(crate) const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// A callback, ready to be sent or spoilt.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
}

/// With what it is made.
#[derive(Clone, Copy)]
pub(crate) struct Maker<'a> {
    pub(crate) appid: &'a str,
    pub(crate) token: &'a str,
    pub(crate) aes_key: &'a str,
    /// Unix seconds.
    pub(crate) at: i64,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(appid: &'a str, at: i64) -> Self {
        Self { appid, token: TOKEN, aes_key: AES_KEY, at }
    }

    pub(crate) fn plain(self, message: &(impl AsRef<[u8]> + ?Sized)) -> Callback {
        self.plain_with(&nonce(), message)
    }

    pub(crate) fn plain_with(self, nonce: &str, message: &(impl AsRef<[u8]> + ?Sized)) -> Callback {
        let at = self.at.to_string();
        let signature = signature(&[self.token, &at, nonce]);
        Callback {
            query: format!("signature={signature}&timestamp={at}&nonce={nonce}&openid=o1"),
            body: message.as_ref().to_vec(),
        }
    }

    pub(crate) fn safe(self, message: &(impl AsRef<[u8]> + ?Sized)) -> Callback {
        self.sealed(message, |keys, message, stamp| Ok(push(keys, message, stamp)))
    }

    pub(crate) fn compat(self, message: &(impl AsRef<[u8]> + ?Sized)) -> Callback {
        self.sealed(message, compatible_push)
    }

    fn sealed(
        self,
        message: &(impl AsRef<[u8]> + ?Sized),
        write: fn(
            &Keys<'_>,
            &[u8],
            &Stamp<'_>,
        ) -> Result<wechat::envelope::Outgoing, wechat::message::Malformed>,
    ) -> Callback {
        let key = AesKey::parse(self.aes_key).unwrap();
        let keys = Keys { appid: self.appid, token: self.token, key: Some(&key) };
        let stamp = Stamp { timestamp: self.at, nonce: &nonce(), random: rand::random() };
        // What is encrypted says when it was made.
        let message = replaced(message.as_ref(), MADE, &self.at.to_string());
        let push = write(&keys, &message, &stamp).unwrap();
        Callback { query: push.query, body: push.body }
    }

    /// The GET that checks a URL.
    pub(crate) fn check(self, echostr: &str) -> String {
        let (nonce, at) = (nonce(), self.at.to_string());
        let signature = signature(&[self.token, &at, &nonce]);
        format!("signature={signature}&timestamp={at}&nonce={nonce}&echostr={echostr}")
    }
}

/// Nine digits: one that could be a time to come is remembered longer.
pub(crate) fn nonce() -> String {
    rand::random_range(100_000_000..1_000_000_000_u32).to_string()
}

/// When a [`text`] was made, unless it is sealed.
const MADE: &str = "1409735668";

fn replaced(text: &[u8], what: &str, by: &str) -> Vec<u8> {
    let Some(at) = text.windows(what.len()).position(|window| window == what.as_bytes()) else {
        return text.to_vec();
    };
    [&text[..at], by.as_bytes(), &text[at + what.len()..]].concat()
}

/// A text message from `o1`.
pub(crate) fn text(to: &str, content: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[{to}]]></ToUserName><FromUserName><![CDATA[o1]]></FromUserName>\
         <CreateTime>1409735668</CreateTime><MsgType><![CDATA[text]]></MsgType>\
         <Content><![CDATA[{content}]]></Content><MsgId>6054768590064713728</MsgId></xml>"
    )
}
