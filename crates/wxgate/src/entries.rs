//! What an operator sets up: apps, callers and routes. One set of rules judges an entry, whether it comes from a
//! configuration file or through an API: [`Entries::add`] takes a table with where it came from, [`Entries::check`] looks
//! at what only all of them together show.

mod app;
mod caller;
mod lookup;
mod mistake;
mod moment;
mod origin;
mod proxy;
mod quota;
mod route;
mod secret;
mod stored;
mod table;
mod verdict;

use std::collections::HashMap;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

pub use app::{AccountKind, AppEntry, TokenMode};
pub use caller::{CallerEntry, SHORTEST_KEY, is_key, is_of_keys, new_key};
pub use lookup::{Environment, Lookup, Sources, with_secrets};
pub use mistake::{Mistake, Mistakes, UNKNOWN};
pub use origin::Origin;
pub use proxy::Proxy;
pub use quota::{Quota, Unit};
pub use route::{Form, Replying, RouteEntry, Seal, Target, WAIT_OF_ONE};
pub use secret::{Secret, WebhookSecret};
pub use stored::{Aside, in_a_line, judge};
pub use table::Table;
pub use verdict::{Verdict, verdicts};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A WeChat account.
    App,
    /// A program that calls.
    Caller,
    /// Where messages go.
    Route,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::App, Self::Caller, Self::Route];

    /// The list it stands in.
    pub fn list(self) -> &'static str {
        match self {
            Self::App => "apps",
            Self::Caller => "callers",
            Self::Route => "routes",
        }
    }

    /// What it is named by.
    pub fn key(self) -> &'static str {
        match self {
            Self::App => "appid",
            Self::Caller | Self::Route => "name",
        }
    }
}

/// What must differ among the entries of a kind, and whether it is a secret.
const DISTINCT: [(EntryKind, &str, bool); 5] = [
    (EntryKind::App, "appid", false),
    (EntryKind::App, "original_id", false),
    (EntryKind::Caller, "name", false),
    (EntryKind::Route, "name", false),
    (EntryKind::Caller, "key", true),
];

/// Keys that hold secrets, in any kind of entry.
pub const SECRETS: [&str; 10] = [
    "secret",
    "previous_secret",
    "callback_token",
    "previous_callback_token",
    "aes_key",
    "previous_aes_key",
    "proxy",
    "key",
    "previous_key",
    "token",
];

/// An entry as it was written, for people: of a secret it shows that there is one.
pub fn without_secrets(members: &Map<String, Value>) -> Map<String, Value> {
    let shown = |key: &String, value: &Value| match SECRETS.contains(&key.as_str()) && *value != "" {
        true => Value::Bool(true),
        false => value.clone(),
    };
    members.iter().map(|(key, value)| (key.clone(), shown(key, value))).collect()
}

/// Longest name that a mistake shows of an entry.
const SHOWN: usize = 64;

/// The entry at `place` with its name, as `callers[2] "shop"`; "" if it has none.
fn shown(place: &str, name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let name: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    format!("{place} \"{name}\"")
}

/// Likewise, of a table that nobody judged yet.
pub(crate) fn with_name(place: &str, kind: EntryKind, members: &Map<String, Value>) -> String {
    shown(place, members.get(kind.key()).and_then(Value::as_str).unwrap_or_default())
}

/// Longest name of a caller or a route, in characters.
const LONGEST_NAME: usize = 64;

/// A name that stands in addresses, labels and lines of a log.
fn name(s: &mut Table<'_>) -> String {
    let name = s.string("name", "");
    // What turns the reading direction around makes another name of it for whoever reads.
    let is_odd = |c: char| {
        c.is_control()
            || c == '/'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if name.chars().count() > LONGEST_NAME || name.chars().any(is_odd) || [".", ".."].contains(&&*name) {
        s.mistake(
            "name",
            "最长 64 个字符，不含 / 和控制字符，也不能是 . 或 ..",
            "has 64 characters at most, no / and no control characters, and is neither . nor ..",
        );
    }
    name
}

/// Everything that is set up, each list in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// WeChat accounts.
    pub apps: Vec<AppEntry>,
    /// Who may call.
    pub callers: Vec<CallerEntry>,
    /// Where messages go, in order.
    pub routes: Vec<RouteEntry>,
}

impl Entries {
    /// Judges a table and adds the entry it makes; mistakes are named by `place`, as `apps[0].secret`.
    pub fn add(
        &mut self,
        kind: EntryKind,
        members: Map<String, Value>,
        place: &str,
        origin: Origin,
        lookup: Option<Lookup<'_>>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let (entry, shown) = (with_name(place, kind, &members), without_secrets(&members));
        let mut table = Table::new(members, format!("{place}."), lookup).named(entry);
        match kind {
            EntryKind::App => self.apps.push(AppEntry { shown, ..app::app(&mut table, origin) }),
            EntryKind::Caller => {
                self.callers.push(CallerEntry { shown, ..caller::caller(&mut table, origin) })
            }
            EntryKind::Route => self.routes.push(RouteEntry { shown, ..route::route(&mut table, origin) }),
        }
        table.finish(&UNKNOWN, mistakes);
    }

    /// What an entry is called, for people; "" if it has no name.
    fn name(&self, kind: EntryKind, index: usize) -> &str {
        match kind {
            EntryKind::App => &self.apps[index].appid,
            EntryKind::Caller => &self.callers[index].name,
            EntryKind::Route => &self.routes[index].name,
        }
    }

    /// The values of a key of [`DISTINCT`], each with its entry's number.
    fn values(&self, kind: EntryKind, key: &str) -> Vec<(usize, &str)> {
        let apps = |of: fn(&AppEntry) -> &str| self.apps.iter().map(of).enumerate().collect();
        let callers = self.callers.iter().enumerate();
        let values: Vec<(usize, &str)> = match (kind, key) {
            (EntryKind::App, "appid") => apps(|app| &app.appid),
            (EntryKind::App, _) => apps(|app| &app.original_id),
            (EntryKind::Caller, "key") => callers
                .flat_map(|(index, caller)| {
                    let keys = [&caller.key, &caller.previous_key].into_iter().flatten();
                    keys.map(move |key| (index, key.expose_secret()))
                })
                .collect(),
            (EntryKind::Caller, _) => callers.map(|(index, caller)| (index, &*caller.name)).collect(),
            (EntryKind::Route, _) => self.routes.iter().map(|route| &*route.name).enumerate().collect(),
        };
        values.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// What only all of them together show: values that must differ. `place` names the entry with this number in its list.
    pub fn check(&self, place: impl Fn(EntryKind, usize) -> String, mistakes: &mut Vec<Mistake>) {
        for (kind, key, is_secret) in DISTINCT {
            let mut seen = HashMap::new();
            for (index, value) in self.values(kind, key) {
                let first = *seen.entry(value).or_insert(index);
                if first == index {
                    continue;
                }
                let (zh, en) = if is_secret {
                    let first = shown(&place(kind, first), self.name(kind, first));
                    (
                        format!("与 {first} 的密钥相同：每个调用方用自己的密钥（wxgate key new）"),
                        format!("the same key as {first}: each caller has its own (wxgate key new)"),
                    )
                } else {
                    let first = place(kind, first);
                    (format!("{value} 与 {first} 重复"), format!("{value} stands in {first} already"))
                };
                let entry = shown(&place(kind, index), self.name(kind, index));
                mistakes.push(Mistake::new(format!("{}.{key}", place(kind, index)), zh, en).of(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(kind: EntryKind, members: Value) -> (Entries, Vec<String>) {
        let Value::Object(members) = members else { panic!("no object") };
        let (mut entries, mut mistakes) = (Entries::default(), Vec::new());
        entries.add(kind, members, "it", Origin::Stored, None, &mut mistakes);
        (entries, mistakes.into_iter().map(|mistake| mistake.key).collect())
    }

    #[test]
    fn a_table_from_json_is_judged_as_one_from_toml() {
        let (entries, wrong) = judged(
            EntryKind::Caller,
            json!({"name": "shop", "key": "key_0123456789abcdefghijklmn", "apps": ["*"], "apis": ["*"], "rate": 5, "previous_key": null}),
        );
        assert_eq!(
            (wrong.len(), entries.callers[0].rate, &entries.callers[0].origin),
            (0, 5, &Origin::Stored)
        );
        let (_, wrong) =
            judged(EntryKind::Caller, json!({"name": "shop", "key": "short", "apps": "*", "rat": 1}));
        assert_eq!(wrong, ["it.key", "it.apps", "it.apis", "it.rat"]);
        let (entries, wrong) =
            judged(EntryKind::App, json!({"appid": "wx1", "kind": "mini", "secret": "s", "tags": ["a"]}));
        assert_eq!((wrong.len(), entries.apps[0].tags.len()), (0, 1));
        let (_, wrong) =
            judged(EntryKind::Route, json!({"name": "r", "target": "ftp://x/", "timeout": "soon"}));
        assert_eq!(wrong, ["it.target", "it.timeout"]);
    }

    #[test]
    fn what_comes_through_an_api_reads_no_file_and_no_variable() {
        for secret in ["env:HOME", "file:/etc/hostname"] {
            let (_, wrong) =
                judged(EntryKind::App, json!({"appid": "wx1", "kind": "mini", "secret": secret}));
            assert_eq!(wrong, ["it.secret"], "{secret}");
        }
    }
}
