//! `POST /apply`: the entries that a file of the operator's wants, against those made at run time. What differs is said first, if that
//! is all that is asked for; then it is made, all of it or nothing.
//!
//! Secrets are compared here and never shown: of one that differs, only that it does.

use std::collections::HashSet;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::changes::{MOST, members_of, shown_line, target};
use super::{Api, Refusal, bad, unknown};
use crate::entries::{EntryKind, SECRETS, without_secrets};
use crate::lang::Words;
use crate::people::Actor;
use crate::store::{Audit, EntryChange, StoredEntry};

/// What is to be done, and what is said of it.
#[derive(Default)]
struct Plan {
    changes: Vec<EntryChange>,
    book: Vec<Audit>,
    shown: Vec<Value>,
}

/// What is asked for.
struct Wanted {
    lists: Vec<(EntryKind, Vec<Map<String, Value>>)>,
    /// What a list that is given doesn't hold ends.
    prune: bool,
    dry_run: bool,
    /// The state that was looked at.
    revision: Option<i64>,
}

const KEYS: [&str; 6] = ["apps", "callers", "routes", "prune", "dry_run", "revision"];

impl Wanted {
    fn read(members: &Map<String, Value>) -> Result<Self, Refusal> {
        if let Some(other) = members.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(unknown(other, &KEYS));
        }
        let mut lists = Vec::new();
        for kind in EntryKind::ALL {
            let Some(list) = members.get(kind.list()) else { continue };
            lists.push((kind, entries_of(kind, list)?));
        }
        let flag = |key: &str| match members.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(bad(Words::new(
                format!("{key} 应是 true 或 false"),
                format!("{key} must be true or false"),
            ))),
        };
        let wrong = || bad(Words::fixed("revision 应是整数", "revision must be a whole number"));
        let revision =
            members.get("revision").map(|revision| revision.as_i64().ok_or_else(wrong)).transpose()?;
        Ok(Self { lists, prune: flag("prune")?, dry_run: flag("dry_run")?, revision })
    }
}

fn entries_of(kind: EntryKind, list: &Value) -> Result<Vec<Map<String, Value>>, Refusal> {
    let name = kind.list();
    let wrong = || {
        bad(Words::new(
            format!("{name} 应是对象数组，最多 {MOST} 个，{} 各不相同", kind.key()),
            format!("{name} must be a list of objects, {MOST} at most, with another {} each", kind.key()),
        ))
    };
    let items = list.as_array().filter(|items| items.len() <= MOST).ok_or_else(wrong)?;
    let items: Option<Vec<_>> = items.iter().map(|item| item.as_object().map(written)).collect();
    let items = items.ok_or_else(wrong)?;
    let names: HashSet<&str> = items.iter().map(|members| named(kind, members)).collect();
    if names.len() == items.len() { Ok(items) } else { Err(wrong()) }
}

fn named(kind: EntryKind, members: &Map<String, Value>) -> &str {
    members.get(kind.key()).and_then(Value::as_str).unwrap_or_default()
}

/// The keys that say something: null is as good as nothing.
fn written(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The keys of two editions of an entry that differ, for people.
fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Value> {
    let (shown_before, shown_after) = (without_secrets(before), without_secrets(after));
    let keys: HashSet<&String> = before.keys().chain(after.keys()).collect();
    let mut keys: Vec<&String> = keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
    keys.sort_unstable();
    let one = |key: &String| {
        let is_secret = SECRETS.contains(&key.as_str());
        json!({"key": key, "before": shown_before.get(key), "after": shown_after.get(key), "secret": is_secret})
    };
    keys.into_iter().map(one).collect()
}

fn told(action: &str, kind: EntryKind, name: &str, keys: &[Value], file: Option<&str>) -> Value {
    json!({"action": action, "list": kind.list(), "name": name, "keys": keys, "file": file})
}

impl Api {
    fn plan(&self, wanted: Wanted, actor: &Actor) -> Plan {
        let mut plan = Plan::default();
        for (kind, list) in wanted.lists {
            self.plan_list(&mut plan, kind, list, wanted.prune, actor);
        }
        plan
    }

    fn plan_list(
        &self,
        plan: &mut Plan,
        kind: EntryKind,
        mut list: Vec<Map<String, Value>>,
        prune: bool,
        actor: &Actor,
    ) {
        let in_files = self.in_files(kind);
        list.retain(|members| {
            let name = named(kind, members);
            let Some(place) = in_files.get(name) else { return true };
            plan.shown.push(told("file", kind, name, &[], Some(place)));
            false
        });
        let mut had: Vec<StoredEntry> = self.parts.registry.stored();
        had.retain(|entry| entry.kind == kind);
        let is_wanted = |entry: &StoredEntry| list.iter().any(|members| named(kind, members) == entry.name);
        let ended: Vec<StoredEntry> = had.extract_if(.., |entry| prune && !is_wanted(entry)).collect();
        let places = places(kind, &had, &list);
        for (name, position) in &places {
            let entry = had.iter().find(|entry| entry.name == *name);
            let members = list.iter().find(|members| named(kind, members) == name);
            let after = members.or(entry.map(|entry| &entry.members));
            let Some(after) = after else { continue };
            let keys = differences(&entry.map(|entry| written(&entry.members)).unwrap_or_default(), after);
            let differs = members.is_some() && !keys.is_empty();
            if members.is_some() {
                let action = match (entry, differs) {
                    (None, _) => "create",
                    (Some(_), true) => "change",
                    (Some(_), false) => "same",
                };
                plan.shown.push(told(action, kind, name, &keys, None));
            }
            if entry.is_some_and(|entry| !differs && entry.position == *position) {
                continue;
            }
            match entry {
                Some(entry) if differs => {
                    plan.book.push(shown_line(self, actor, "update", entry, Some(after)))
                }
                Some(_) => {}
                None => {
                    let shown = Value::Object(without_secrets(after));
                    plan.book.push(self.line(actor, "create", target(kind, name), Value::Null, shown));
                }
            }
            let (name, expected) = (name.clone(), entry.map_or(0, |entry| entry.revision));
            let members = Some(if differs || entry.is_none() { after.clone() } else { entry_members(entry) });
            plan.changes.push(EntryChange { kind, name, expected, position: *position, members });
        }
        self.plan_order(plan, kind, &had, &places, actor);
        for entry in ended {
            plan.shown.push(told("delete", kind, &entry.name, &[], None));
            plan.book.push(shown_line(self, actor, "delete", &entry, None));
            let (name, expected) = (entry.name, entry.revision);
            plan.changes.push(EntryChange { kind, name, expected, position: entry.position, members: None });
        }
    }

    /// Says that routes which were there are tried in another order.
    fn plan_order(
        &self,
        plan: &mut Plan,
        kind: EntryKind,
        had: &[StoredEntry],
        places: &[(String, i64)],
        actor: &Actor,
    ) {
        let before: Vec<&str> = had.iter().map(|entry| &*entry.name).collect();
        let names = places.iter().map(|(name, _)| &**name);
        let after: Vec<&str> = names.filter(|name| before.contains(name)).collect();
        if before != after {
            let keys = [json!({"key": "names", "before": before, "after": after, "secret": false})];
            plan.shown.push(told("order", kind, "", &keys, None));
            plan.book.push(self.line(actor, "order", kind.list().to_owned(), json!(before), json!(after)));
        }
    }
}

fn entry_members(entry: Option<&StoredEntry>) -> Map<String, Value> {
    entry.map(|entry| entry.members.clone()).unwrap_or_default()
}

/// Every entry that will be there, with its position, in order. Routes of the file come first, as they stand there; those that it
/// doesn't name follow as they were. Where that is the order already, nothing moves.
fn places(kind: EntryKind, had: &[StoredEntry], list: &[Map<String, Value>]) -> Vec<(String, i64)> {
    let is_there = |name: &str| had.iter().any(|entry| entry.name == name);
    let is_wanted = |name: &str| list.iter().any(|members| named(kind, members) == name);
    let wanted = list.iter().map(|members| named(kind, members).to_owned());
    let last = had.iter().map(|entry| entry.position).max().unwrap_or_default();
    let fresh = wanted.clone().filter(|name| !is_there(name)).zip(last + 1..);
    let kept = had.iter().map(|entry| (entry.name.clone(), entry.position)).chain(fresh);
    let kept: Vec<(String, i64)> = kept.collect();
    let rest = had.iter().map(|entry| entry.name.clone()).filter(|name| !is_wanted(name));
    let order: Vec<String> = wanted.chain(rest).collect();
    let is_so = kept.iter().map(|(name, _)| name).eq(&order);
    if kind != EntryKind::Route || is_so { kept } else { order.into_iter().zip(1..).collect() }
}

/// Another number for other entries, on whatever node. Logins and channels, which the store counts too, don't change it.
fn mark(entries: &[StoredEntry]) -> i64 {
    let mut digest = Sha256::new();
    for StoredEntry { kind, name, revision, .. } in entries {
        digest.update(kind.list());
        digest.update(name.len().to_be_bytes());
        digest.update(name);
        digest.update(revision.to_be_bytes());
    }
    // As much as a number in JSON holds.
    digest.finalize()[..6].iter().fold(0, |mark, byte| mark << 8 | i64::from(*byte))
}

/// See the module.
pub(super) async fn apply(
    State(api): State<Api>,
    Extension(actor): Extension<Actor>,
    body: Body,
) -> Result<Response, Refusal> {
    let wanted = Wanted::read(&members_of(body).await?)?;
    let (dry_run, seen) = (wanted.dry_run, wanted.revision);
    let revision = mark(&api.parts.registry.stored());
    if seen.is_some_and(|seen| seen != revision) {
        return Err(Refusal(
            StatusCode::PRECONDITION_FAILED,
            Words::fixed(
                "看过之后又有人改了：重新看差异，再应用",
                "somebody changed something since you looked: look at the difference again, then apply it",
            ),
        ));
    }
    let Plan { changes, book, shown } = api.plan(wanted, &actor);
    let count = changes.len();
    if dry_run {
        api.fits(&changes)?;
    } else if count > 0 {
        api.make(changes, book).await?;
    }
    let now = mark(&api.parts.registry.stored());
    let answer = json!({"revision": now, "changes": shown, "pending": if dry_run { count } else { 0 }});
    Ok(axum::Json(answer).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn had(names: &[(&str, i64)]) -> Vec<StoredEntry> {
        let entry = |(name, position): &(&str, i64)| StoredEntry {
            kind: EntryKind::Route,
            name: (*name).to_owned(),
            revision: 1,
            position: *position,
            members: Map::new(),
            changed_at: 0,
        };
        names.iter().map(entry).collect()
    }

    #[test]
    fn routes_of_the_file_come_first_and_nothing_moves_that_stands_right() {
        let placed = |names: &[(&str, i64)], wanted: &[&str]| {
            let of = |name: &&str| [("name".to_owned(), Value::from(*name))].into_iter().collect();
            let list: Vec<Map<String, Value>> = wanted.iter().map(of).collect();
            let places = places(EntryKind::Route, &had(names), &list);
            places.into_iter().map(|(name, at)| format!("{name}{at}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(placed(&[("a", 4), ("b", 7)], &["a", "b"]), "a4 b7");
        assert_eq!(placed(&[("a", 4), ("b", 7)], &["a", "b", "c", "d"]), "a4 b7 c8 d9");
        assert_eq!(placed(&[("a", 4), ("x", 5)], &["a"]), "a4 x5");
        assert_eq!(placed(&[("x", 3), ("a", 4), ("b", 7)], &["b", "a"]), "b1 a2 x3");
        assert_eq!(placed(&[("a", 4), ("x", 5)], &["a", "b"]), "a1 b2 x3");
        assert_eq!(placed(&[], &["b", "a"]), "b1 a2");
    }

    #[test]
    fn a_secret_that_differs_shows_only_that_it_does() {
        let (Value::Object(before), Value::Object(after)) = (
            json!({"name": "shop", "key": "one", "rate": 1, "apis": ["*"]}),
            json!({"name": "shop", "key": "two", "rate": 2, "apis": ["*"]}),
        ) else {
            unreachable!()
        };
        let keys = differences(&before, &after);
        assert_eq!(
            Value::Array(keys),
            json!([{"key": "key", "before": true, "after": true, "secret": true},
                {"key": "rate", "before": 1, "after": 2, "secret": false}])
        );
        assert!(differences(&before, &before).is_empty());
    }
}
