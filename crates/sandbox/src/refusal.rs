//! WeChat's way of saying no: `errcode`, `errmsg`, `rid`.

use crate::world::World;
use serde_json::{Value, json};

/// A refused call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    /// Instead of the catalogue's words: those that carry an address or a field.
    pub(crate) text: Option<String>,
}

/// Refused in the catalogue's own words.
pub(crate) const fn refuse(code: i64) -> Refusal {
    Refusal { code, text: None }
}

/// Refused in these words.
pub(crate) fn refuse_with(code: i64, text: String) -> Refusal {
    Refusal { code, text: Some(text) }
}

impl Refusal {
    /// The answer's body. `/sns` puts a comma before the `rid`, everything else a space; `rid` begins
    /// with the time.
    pub(crate) fn body(&self, path: &str, world: &mut World) -> Value {
        let known = || wechat::errcode::lookup(self.code).map(|row| row.text.to_owned());
        let text = self.text.clone().or_else(known);
        // A fault may have a code that nobody knows: no other's words then.
        let text = text.unwrap_or_else(|| format!("errcode {}", self.code));
        // A scripted text may be a whole one.
        if wechat::errcode::rid(&text).is_some() {
            return json!({"errcode": self.code, "errmsg": text});
        }
        let comma = if path.starts_with("/sns/") { "," } else { "" };
        json!({"errcode": self.code, "errmsg": format!("{text}{comma} rid: {}", rid(world))})
    }
}

/// Three groups of eight hexadecimal digits; the first is the time.
fn rid(world: &mut World) -> String {
    let time = world.now_seconds() & 0xffff_ffff;
    format!("{time:08x}-{}-{}", world.random.hex::<4>(), world.random.hex::<4>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> World {
        World { now: seconds * 1000, ..World::default() }
    }

    #[test]
    fn words_and_rid() {
        let body = refuse(40029).body("/sns/userinfo", &mut at(0x65a3_3cd8));
        let text = body["errmsg"].as_str().unwrap();
        assert!(text.starts_with("invalid code, rid: 65a33cd8-"), "{text}");
        assert!(wechat::errcode::rid(text).is_some());
        let body = refuse(40003).body("/cgi-bin/user/info", &mut at(1));
        assert!(body["errmsg"].as_str().unwrap().starts_with("invalid openid rid: 00000001-"));
    }
}
