//! The query of a callback.

use super::Refused;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A callback's parameters; `""` for an absent one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// SHA-1 over token, timestamp and nonce.
    pub signature: String,
    /// Digits, as sent: it is signed in this form.
    pub timestamp: String,
    /// Signed along.
    pub nonce: String,
    /// To be answered when a URL is checked.
    pub echostr: String,
    /// The user a push is about.
    pub openid: String,
    /// `aes`, or nothing.
    pub encrypt_type: String,
    /// SHA-1 over token, timestamp, nonce and ciphertext.
    pub msg_signature: String,
}

impl Query {
    /// Reads what stands behind the `?`. No name may occur twice, however it is spelt; names that
    /// WeChat doesn't send are ignored.
    pub fn parse(raw: &str) -> Result<Self, Refused> {
        let mut query = Self::default();
        let mut names = Vec::with_capacity(8);
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            if let Some(field) = query.field(&name) {
                *field = decode(value)?.into_owned();
            }
            names.push(name);
        }
        names.sort_unstable();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return Err(Refused::Query("a parameter occurs twice"));
        }
        if !query.timestamp.bytes().all(|b| b.is_ascii_digit()) || query.timestamp.parse::<i64>().is_err() {
            return Err(Refused::Query("timestamp isn't a number of seconds"));
        }
        if query.nonce.is_empty() {
            return Err(Refused::Query("nonce is missing"));
        }
        Ok(query)
    }

    /// `timestamp` as a number.
    pub fn seconds(&self) -> i64 {
        self.timestamp.parse().unwrap_or_default()
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "signature" => &mut self.signature,
            "timestamp" => &mut self.timestamp,
            "nonce" => &mut self.nonce,
            "echostr" => &mut self.echostr,
            "openid" => &mut self.openid,
            "encrypt_type" => &mut self.encrypt_type,
            "msg_signature" => &mut self.msg_signature,
            _ => return None,
        })
    }
}

/// Form encoding: `+` is a space.
fn decode(text: &str) -> Result<Cow<'_, str>, Refused> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%' | b'\0')) {
        return Ok(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| Refused::Query("not UTF-8"))?;
    if decoded.contains('\0') { Err(Refused::Query("holds NUL")) } else { Ok(decoded.into_owned().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_checked() {
        let query =
            Query::parse("timestamp=1714036504&nonce=a%20b+c&&x&openid=%6F1&echostr=%E6%B1%89").unwrap();
        assert_eq!((query.nonce.as_str(), query.openid.as_str()), ("a b c", "o1"));
        assert_eq!((query.seconds(), query.echostr.as_str()), (1_714_036_504, "汉"));
        assert_eq!(query.signature, "");
        for bad in [
            "",
            "timestamp=1",
            "nonce=1",
            "timestamp=&nonce=1",
            "timestamp=12a&nonce=1",
            "timestamp=-1&nonce=1",
            "timestamp=+1&nonce=1",
            "timestamp=9223372036854775808&nonce=1",
            "timestamp=1&nonce=1&nonce=1",
            "timestamp=1&nonce=1&%6eonce=2",
            "timestamp=1&nonce=1&x=1&x=2",
            "timestamp=1&nonce=%ff",
            "timestamp=1&nonce=%00",
        ] {
            assert!(matches!(Query::parse(bad), Err(Refused::Query(_))), "{bad}");
        }
    }
}
