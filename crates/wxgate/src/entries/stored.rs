//! Entries made at run time stand behind those of the files, which win. One that no longer fits is put aside and said, and
//! never keeps the rest from working.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::mistake::{Mistake, Mistakes};
use super::origin::Origin;
use super::{DISTINCT, Entries, EntryKind};
use crate::lang::Words;

/// Of which kind, under which key, whether it is a secret, and the value.
type Distinct<'a> = (EntryKind, &'static str, bool, &'a str);

/// An entry that is kept and not in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// What it is.
    pub kind: EntryKind,
    /// Its AppID or name.
    pub name: String,
    /// Why not.
    pub why: Words,
}

/// What is wrong in an entry that came through an API; its keys have no place before them.
pub fn judge(kind: EntryKind, members: &Map<String, Value>) -> Result<Entries, Mistakes> {
    let (mut one, mut mistakes) = (Entries::default(), Vec::new());
    one.add(kind, members.clone(), "", Origin::Stored, None, &mut mistakes);
    for mistake in &mut mistakes {
        mistake.key = mistake.key.trim_start_matches('.').to_owned();
    }
    if mistakes.is_empty() { Ok(one) } else { Err(Mistakes(mistakes)) }
}

impl Entries {
    /// These, and behind them what was made at run time, as far as it can stand beside them: judged, or why it breaks a rule.
    pub fn behind(mut self, made: Vec<(EntryKind, String, Result<Self, Mistakes>)>) -> (Self, Vec<Aside>) {
        let (mut fits, mut aside) = (Vec::new(), Vec::new());
        let file = &self;
        let mut seen: HashMap<Distinct<'_>, (&Self, usize)> =
            file.distinct().map(|(index, key)| (key, (file, index))).collect();
        for (kind, name, one) in &made {
            let why = match one {
                Err(mistakes) => Some(in_a_line(&mistakes.0)),
                Ok(one) => one.distinct().find_map(|(_, key)| {
                    let (other, index) = seen.get(&key)?;
                    Some(other.clash(key, *index))
                }),
            };
            fits.push(why.is_none());
            match (why, one) {
                (Some(why), _) => aside.push(Aside { kind: *kind, name: name.clone(), why }),
                (None, Ok(one)) => seen.extend(one.distinct().map(|(index, key)| (key, (one, index)))),
                (None, Err(_)) => {}
            }
        }
        for ((.., one), fits) in made.into_iter().zip(fits) {
            if let (Ok(one), true) = (one, fits) {
                self.apps.extend(one.apps);
                self.callers.extend(one.callers);
                self.routes.extend(one.routes);
            }
        }
        (self, aside)
    }

    /// Every value that must differ, with its entry's number.
    fn distinct(&self) -> impl Iterator<Item = (usize, Distinct<'_>)> {
        DISTINCT.into_iter().flat_map(|(kind, key, is_secret)| {
            let of = move |(index, value)| (index, (kind, key, is_secret, value));
            self.values(kind, key).into_iter().map(of)
        })
    }

    /// Why the entry with this number leaves no room for another with the same value.
    fn clash(&self, (kind, _, is_secret, value): Distinct<'_>, index: usize) -> Words {
        if is_secret {
            let name = self.name(kind, index);
            return Words::new(
                format!("与调用方 {name} 的密钥相同：每个调用方用自己的密钥"),
                format!("it has the key of the caller {name}: each has its own"),
            );
        }
        match self.origin(kind, index) {
            Origin::File { file, place } => Words::new(
                format!("{value} 已在 {file} 的 {place} 里，以文件为准"),
                format!("{value} stands in {place} of {file}, and the file wins"),
            ),
            _ => Words::new(format!("{value} 已经有了"), format!("there is {value} already")),
        }
    }

    fn origin(&self, kind: EntryKind, index: usize) -> &Origin {
        match kind {
            EntryKind::App => &self.apps[index].origin,
            EntryKind::Caller => &self.callers[index].origin,
            EntryKind::Route => &self.routes[index].origin,
        }
    }
}

/// Mistakes in one line.
pub fn in_a_line(mistakes: &[Mistake]) -> Words {
    let joined =
        |words: fn(&Mistake) -> String, by: &str| mistakes.iter().map(words).collect::<Vec<_>>().join(by);
    Words::new(
        joined(|mistake| format!("{}：{}", mistake.key, mistake.text.zh), "；"),
        joined(|mistake| format!("{}: {}", mistake.key, mistake.text.en), "; "),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(name: &str, key: &str) -> Entries {
        let Value::Object(members) = json!({"name": name, "key": key, "apps": ["*"], "apis": ["*"]}) else {
            unreachable!()
        };
        judge(EntryKind::Caller, &members).unwrap()
    }

    fn joined(all: &Entries, name: &str, key: &str) -> Result<Entries, Words> {
        let made = vec![(EntryKind::Caller, name.to_owned(), Ok(caller(name, key)))];
        let (all, mut aside) = all.clone().behind(made);
        aside.pop().map_or(Ok(all), |aside| Err(aside.why))
    }

    #[test]
    fn what_stands_beside_others_has_a_name_and_a_key_of_its_own() {
        let mut all = caller("shop", "key_0123456789abcdefghijklmn");
        all.callers[0].origin = Origin::file(&"wxgate.toml".into(), "callers[0]".to_owned());
        all.callers[0].previous_key = Some("key_old_0123456789abcdefghij".to_owned().into());
        let why = joined(&all, "shop", "key_9123456789abcdefghijklmn").unwrap_err();
        assert!(why.zh.contains("wxgate.toml 的 callers[0]"), "{why:?}");
        for key in ["key_0123456789abcdefghijklmn", "key_old_0123456789abcdefghij"] {
            assert!(joined(&all, "crm", key).unwrap_err().en.contains("shop"));
        }
        let mut one = caller("crm", "key_8123456789abcdefghijklmn");
        one.callers[0].previous_key = all.callers[0].key.clone();
        let (_, aside) = all.clone().behind(vec![(EntryKind::Caller, "crm".to_owned(), Ok(one))]);
        assert!(aside[0].why.en.contains("shop"), "its former key counts as well");
        all = joined(&all, "crm", "key_9123456789abcdefghijklmn").unwrap();
        assert_eq!(all.callers.len(), 2);
    }

    #[test]
    fn a_mistake_names_its_key_alone() {
        let Value::Object(members) = json!({"name": "shop", "key": "short", "apps": ["*"], "apis": ["*"]})
        else {
            unreachable!()
        };
        let wrong = judge(EntryKind::Caller, &members).unwrap_err();
        assert_eq!(wrong.0.iter().map(|mistake| &*mistake.key).collect::<Vec<_>>(), ["key"]);
    }
}
