//! A file whose entries are put through the admin API: its apps, callers and routes, judged here, with the secrets that they mean on this
//! machine.

use std::cell::RefCell;
use std::path::Path;

use serde_json::{Map, Value};

use super::{environment, files};
use crate::entries::{
    Entries, EntryKind, Environment, Lookup, Mistakes, Origin, Secret, Table, UNKNOWN, with_secrets,
};

/// What such a file says.
#[derive(Clone, PartialEq)]
pub struct Wanted {
    /// The lists that it has, by name. Secrets are among them.
    pub lists: Map<String, Value>,
    /// What else stands in it.
    pub others: Vec<String>,
    /// `WXGATE_ADMIN_TOKEN` of this machine.
    pub admin_token: Option<Secret>,
}

/// Without what it says, among which are secrets.
impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.lists.keys()).finish()
    }
}

/// Reads and judges the file at `path`.
pub fn wanted(path: &Path, environment: &Environment) -> Result<Wanted, Mistakes> {
    let mut members = files::read(path).map_err(|mistake| Mistakes(vec![mistake]))?;
    let is_list = |name: &str| EntryKind::ALL.iter().any(|kind| kind.list() == name);
    let others = members.keys().filter(|name| !is_list(name)).cloned().collect();
    members.retain(|name, _| is_list(name));
    let folder = path.parent().unwrap_or(Path::new(""));
    let sources = RefCell::default();
    let lookup = Lookup { file: path, folder, environment, sources: &sources };
    let (mut all, mut mistakes, mut lists) = (Entries::default(), Vec::new(), Map::new());
    let mut table = Table::new(members, String::new(), Some(lookup));
    for kind in EntryKind::ALL {
        if !table.has(kind.list()) {
            continue;
        }
        let mut list = Vec::new();
        for (index, members) in table.list(kind.list()).into_iter().enumerate() {
            let place = format!("{}[{index}]", kind.list());
            list.push(Value::Object(with_secrets(&members, lookup)));
            all.add(kind, members, &place, Origin::Stored, Some(lookup), &mut mistakes);
        }
        lists.insert(kind.list().to_owned(), Value::Array(list));
    }
    table.finish(&UNKNOWN, &mut mistakes);
    all.check(|kind, index| format!("{}[{index}]", kind.list()), &mut mistakes);
    let admin_token = environment::admin_token(environment, &mut mistakes);
    if mistakes.is_empty() { Ok(Wanted { lists, others, admin_token }) } else { Err(Mistakes(mistakes)) }
}
