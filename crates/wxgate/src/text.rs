//! Small text formats that several places read or write: hexadecimal, and forms.

use std::borrow::Cow;

use memchr::memchr;
use percent_encoding::{percent_decode, percent_decode_str};
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

/// What was percent-encoded more often than this is read by nobody.
const ROUNDS: usize = 4;

/// Whether `is_so` for `text` as it stands, or percent-decoded, once or more.
pub fn in_any_encoding(text: &[u8], is_so: impl Fn(&[u8]) -> bool) -> bool {
    if memchr(b'%', text).is_none() {
        return is_so(text);
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        if is_so(&text) {
            return true;
        }
        let Cow::Owned(decoded) = Cow::from(percent_decode(&text)) else { return false };
        text = Cow::Owned(decoded);
    }
    false
}

/// A character that people don't see, or take for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// Which, and where, Chinese.
    pub zh: String,
    /// The same in English.
    pub en: String,
}

/// The first character of `text` that no identifier has; nothing else of it is repeated.
pub fn odd_character(text: &str) -> Option<Odd> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let (at, odd) = text.chars().enumerate().find(|(_, c)| !fits(*c))?;
    let (zh, en) = match odd {
        ' ' => ("空格", "a space"),
        '\u{3000}' => ("全角空格", "a full-width space"),
        '\u{A0}' => ("不换行空格", "a no-break space"),
        '\u{FEFF}' => ("BOM（零宽不换行空格）", "a byte order mark"),
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{AD}' => {
            ("看不见的零宽字符", "an invisible zero-width character")
        }
        '\t' => ("制表符", "a tab"),
        '\r' | '\n' => ("换行", "a line break"),
        '"' | '\'' | '“' | '”' | '‘' | '’' => ("引号", "a quote"),
        '\u{FF01}'..='\u{FF5E}' => ("全角字符", "a full-width character"),
        c if c.is_whitespace() => ("空白字符", "white space"),
        c if c.is_control() => ("控制字符", "a control character"),
        _ => ("不该有的字符", "a character that doesn't belong there"),
    };
    let (at, code) = (at + 1, u32::from(odd));
    Some(Odd {
        zh: format!("{zh}（第 {at} 个字符，U+{code:04X}）"),
        en: format!("{en} (character {at}, U+{code:04X})"),
    })
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

    #[test]
    fn what_nobody_sees_is_named() {
        assert_eq!(odd_character("wx3cc8fd6963e31a32_-"), None);
        for (text, en) in [
            ("wx1 ", "a space (character 4, U+0020)"),
            ("\u{FEFF}wx1", "a byte order mark (character 1, U+FEFF)"),
            ("wx\u{3000}", "a full-width space (character 3, U+3000)"),
            ("wx\u{A0}", "a no-break space (character 3, U+00A0)"),
            ("w\u{200B}x", "an invisible zero-width character (character 2, U+200B)"),
            ("ｗx", "a full-width character (character 1, U+FF57)"),
            ("wx\n", "a line break (character 3, U+000A)"),
            ("wx.", "a character that doesn't belong there (character 3, U+002E)"),
        ] {
            assert_eq!(odd_character(text).unwrap().en, en);
        }
    }
}
