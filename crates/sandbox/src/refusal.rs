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
        // Its very own row: families and -1 have words that are about others.
        let row = wechat::errcode::lookup_at(path, self.code).filter(|row| row.code == self.code);
        let known = row.map_or("unknown error", |row| row.text);
        let text = self.text.as_deref().unwrap_or(known);
        // A scripted text may be a whole one.
        if wechat::errcode::rid(text).is_some() {
            return json!({"errcode": self.code, "errmsg": text});
        }
        let is_sns = path.starts_with("/sns/");
        let comma = if is_sns { "," } else { "" };
        let hint = if HINTED.contains(&self.code) && !is_sns { hint(world) } else { String::new() };
        json!({"errcode": self.code, "errmsg": format!("{text}{hint}{comma} rid: {}", rid(world))})
    }
}

/// What is refused with an old-style hint as well, as captures show it; 40029 except under `/sns`.
const HINTED: [i64; 4] = [40005, 40007, 40029, 41005];

/// ` hint: [HEDcr7Ore-vifjwA]`
fn hint(world: &mut World) -> String {
    format!(" hint: [{}-{}]", world.random.alphanumeric(9), world.random.alphanumeric(6))
}

/// Three groups of eight hexadecimal digits; the first is the time.
pub(crate) fn rid(world: &mut World) -> String {
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
        for code in [-1000, 99_999, 268_487_123] {
            let body = refuse(code).body("/cgi-bin/user/info", &mut at(1));
            assert!(body["errmsg"].as_str().unwrap().starts_with("unknown error rid: "), "{body}");
        }
    }
}
