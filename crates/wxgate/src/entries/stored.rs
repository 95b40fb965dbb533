//! Entries made at run time stand behind those of the files, which win. One that no longer fits is put aside and said, and
//! never keeps the rest from working.

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::mistake::{Mistake, Mistakes};
use super::origin::Origin;
use super::{Entries, EntryKind};
use crate::lang::Words;

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
    /// Adds one that was made at run time and that was judged; or why it can't stand beside the others.
    pub fn join(&mut self, one: Self) -> Result<(), Words> {
        let Self { apps, callers, routes } = one;
        for app in apps {
            self.apps.iter().try_for_each(|other| {
                differ(&other.appid, &app.appid, &other.origin)?;
                if app.original_id.is_empty() {
                    return Ok(());
                }
                differ(&other.original_id, &app.original_id, &other.origin)
            })?;
            self.apps.push(app);
        }
        for caller in callers {
            for other in &self.callers {
                differ(&other.name, &caller.name, &other.origin)?;
                let own = [&caller.key, &caller.previous_key].into_iter().flatten();
                let mut theirs = [&other.key, &other.previous_key].into_iter().flatten();
                for key in own {
                    if theirs.any(|their| their.expose_secret() == key.expose_secret()) {
                        return Err(Words::new(
                            format!("与调用方 {} 的密钥相同：每个调用方用自己的密钥", other.name),
                            format!("it has the key of the caller {}: each has its own", other.name),
                        ));
                    }
                }
            }
            self.callers.push(caller);
        }
        for route in routes {
            self.routes.iter().try_for_each(|other| differ(&other.name, &route.name, &other.origin))?;
            self.routes.push(route);
        }
        Ok(())
    }
}

fn differ(theirs: &str, own: &str, origin: &Origin) -> Result<(), Words> {
    if theirs != own {
        return Ok(());
    }
    Err(match origin {
        Origin::File { file, place } => Words::new(
            format!("{own} 已在 {file} 的 {place} 里，以文件为准"),
            format!("{own} stands in {place} of {file}, and the file wins"),
        ),
        _ => Words::new(format!("{own} 已经有了"), format!("there is {own} already")),
    })
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

    #[test]
    fn what_stands_beside_others_has_a_name_and_a_key_of_its_own() {
        let mut all = caller("shop", "key_0123456789abcdefghijklmn");
        all.callers[0].origin = Origin::file(&"wxgate.toml".into(), "callers[0]".to_owned());
        let why = all.join(caller("shop", "key_9123456789abcdefghijklmn")).unwrap_err();
        assert!(why.zh.contains("wxgate.toml 的 callers[0]"), "{why:?}");
        assert!(all.join(caller("crm", "key_0123456789abcdefghijklmn")).unwrap_err().en.contains("shop"));
        all.join(caller("crm", "key_9123456789abcdefghijklmn")).unwrap();
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
