//! Facts nobody could confirm, to be set either way.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name and values; the first is the default.
const QUIRKS: &[(&str, [&str; 2])] = &[
    ("retry_signature", ["same", "new"]),
    ("forced_refresh_within_30s", ["same", "error"]),
    ("hyaline", ["png", "jpeg"]),
    ("garbage_token", ["40001", "40014"]),
    ("country_code", ["string", "number"]),
    ("bankcard_number", ["number", "id"]),
    ("img_check_pixels", ["documented", "4000"]),
    ("datacube_before_8", ["ready", "61503"]),
    ("ip_scope", ["all", "secret"]),
    ("oauth_link", ["lenient", "strict"]),
    ("subscribe_msgid", ["present", "absent"]),
    ("u_escapes", ["accept", "refuse"]),
    ("tag_name", ["bytes", "characters"]),
    ("menuid", ["always", "conditional"]),
    ("comment_page", ["49", "50"]),
];

/// How they are set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub(crate) struct Quirks(BTreeMap<&'static str, &'static str>);

impl Default for Quirks {
    fn default() -> Self {
        Self(QUIRKS.iter().map(|(name, values)| (*name, values[0])).collect())
    }
}

impl TryFrom<BTreeMap<String, String>> for Quirks {
    type Error = String;

    fn try_from(set: BTreeMap<String, String>) -> Result<Self, String> {
        let mut quirks = Self::default();
        set.iter().try_for_each(|(name, value)| quirks.set(name, value))?;
        Ok(quirks)
    }
}

impl Quirks {
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, values) = QUIRKS
            .iter()
            .find(|quirk| quirk.0 == name)
            .ok_or_else(|| format!("{name}: there is no such quirk"))?;
        let value = values
            .iter()
            .find(|known| **known == value)
            .ok_or_else(|| format!("{name}: {} or {}, not {value:?}", values[0], values[1]))?;
        self.0.insert(name, value);
        Ok(())
    }

    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name) == Some(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_says_what_speaks_for_each() {
        for manual in
            [include_str!("../../../../docs/sandbox.md"), include_str!("../../../../docs/sandbox.en.md")]
        {
            let row = |begin: &str| manual.lines().find(|line| line.starts_with(begin));
            let call = row("| `POST quirks`").unwrap();
            for (name, values) in QUIRKS {
                let own = row(&format!("| `{name}` | `{}` *", values[0])).unwrap_or_default();
                assert!(own.contains(&format!("`{}`", values[1])), "{name}");
                assert!(call.contains(&format!("`{name}`")), "{name}");
            }
        }
    }
}
