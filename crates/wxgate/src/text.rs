//! Small text formats that several places read or write: hexadecimal, and forms.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// One name or value of a form or query, decoded; broken UTF-8 becomes U+FFFD.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned().into()
}

/// Names and values of a form or query, decoded, in order; empty pairs are left out.
pub fn pairs(text: &[u8]) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_forms() {
        assert_eq!(hex(&[0, 0x9f, 0xff]), "009fff");
        for (text, decoded) in
            [("a", "a"), ("a+b", "a b"), ("%e6%b1%89", "汉"), ("%", "%"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decode(text), decoded, "{text}");
        }
        let pairs: Vec<_> = pairs(b"a=1&&b=%20&c").map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(pairs, ["a:1", "b: ", "c:"]);
    }
}
