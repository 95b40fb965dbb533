//! The words of an `errmsg`, without what is the call's own.

use std::collections::HashSet;

use crate::errcode;

/// Every word of the error table: only these are told, so that nothing of what a user wrote is.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary(HashSet<&'static str>);

impl Default for Vocabulary {
    fn default() -> Self {
        let texts = errcode::table().map(|row| row.text).chain(errcode::at_paths().map(|(_, row)| row.text));
        Self(texts.chain(ALSO.iter().map(|(_, text)| *text)).flat_map(words).collect())
    }
}

/// Words of WeChat's that the table has in short.
pub(super) const ALSO: &[(i64, &str)] = &[
    // "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"
    (40164, "invalid ip 0 ipv6 0, not in whitelist"),
    (40164, "invalid ip 0, not in whitelist"),
    // "argument invalid! data.thing1.value invalid"
    (47003, "argument invalid! 0 invalid"),
    (47003, "argument invalid! 0 is empty"),
];

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty() && !has_digit(word))
}

fn has_digit(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
}

impl Vocabulary {
    /// `errmsg` in the table's words, each other one as `*`; without its `rid`, its hints, the field and the address that it names.
    pub(super) fn form(&self, errmsg: &str) -> String {
        let mut text = without_hints(without_rid(errmsg));
        let own = [errcode::invalid_field(errmsg), errcode::refused_ip(errmsg)].into_iter().flatten();
        for own in own.filter(|own| own.len() >= SHORTEST) {
            text = text.replace(own, "0");
        }
        let mut form: Vec<&str> = Vec::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let word = if self.0.contains(word) { word } else { "*" };
            if word != "*" || form.last() != Some(&"*") {
                form.push(word);
            }
            if form.len() == LONGEST {
                break;
            }
        }
        form.join(" ")
    }
}

/// What is shorter may be a part of any word.
const SHORTEST: usize = 3;
/// Words of a form.
const LONGEST: usize = 60;

fn without_rid(errmsg: &str) -> &str {
    match errcode::rid(errmsg) {
        Some(_) => errmsg.find("rid:").map_or(errmsg, |at| &errmsg[..at]),
        None => errmsg,
    }
}

/// `hints: [ req_id: … ]` and `hint: […]`, as older answers have it.
fn without_hints(text: &str) -> String {
    let Some(at) = text.find("hint") else { return text.to_owned() };
    let is_hint = text[at..]
        .trim_start_matches("hints")
        .trim_start_matches("hint")
        .trim_start()
        .starts_with([':', '[']);
    match text[at..].find(']') {
        Some(end) if is_hint => format!("{}{}", &text[..at], &text[at + end + 1..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_table_are_told() {
        let vocabulary = Vocabulary::default();
        for (errmsg, form) in [
            ("invalid openid rid: 65a33cd8-01234567-89abcdef", "invalid openid"),
            ("invalid code, rid: 65a33cd8-01234567-89abcdef", "invalid code"),
            ("invalid openid hints: [ req_id: 4k9a!s ]", "invalid openid"),
            ("invalid ip 10.0.0.7 ipv6 ::ffff:10.0.0.7, not in whitelist", "invalid ip * not in whitelist"),
            ("invalid openid oABCDEFGHIJK 老王 zebra", "invalid openid *"),
            ("", ""),
        ] {
            assert_eq!(vocabulary.form(errmsg), form, "{errmsg}");
        }
        let field = |name: &str| vocabulary.form(&format!("argument invalid! data.{name}.value is empty"));
        assert_eq!((field("thing1"), field("first")), (field("keyword1"), field("invalid")));
    }
}
