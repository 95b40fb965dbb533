//! The configuration: one TOML file and what it includes, the environment over it, all mistakes reported together.
//!
//! [`load`] reads text into a [`Config`]: [`files`] finds the tables, [`sections`] reads the settings of the process, and
//! [`crate::entries`] judges apps, callers and routes. Every key, its default and its meaning stand in
//! `config.default.toml`, which a test holds equal to this code.

mod applied;
mod environment;
mod files;
mod postgres;
mod sections;
mod server;
mod store;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

pub use applied::{Wanted, wanted};
pub use environment::{environment, secret_of};
pub use postgres::{Postgres, SslMode};
pub use sections::{Access, Auth, Callback, Egress, Log, LogFormat, Retention, Server, Traces, Wechat};
pub use store::{Database, Store};

use crate::entries::{
    self, Entries, EntryKind, Environment, Lookup, Mistake, Mistakes, Origin, Secret, Sources, Table, UNKNOWN,
};
use crate::lang::Words;

/// The full configuration with every default and a comment for each key.
pub const DEFAULT_TOML: &str = include_str!("../../../config.default.toml");

/// The same, with comments in English.
pub const DEFAULT_TOML_EN: &str = include_str!("../../../config.default.en.toml");

/// What is said of other keys in an included file.
const NOT_INCLUDED: Words = Words::fixed(
    "被 include 的文件里只能有 [[apps]]、[[callers]]、[[routes]]",
    "an included file may hold [[apps]], [[callers]] and [[routes]] only",
);

/// Everything a gateway is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub store: Store,
    /// `[wechat]`
    pub wechat: Wechat,
    /// `[auth]`
    pub auth: Auth,
    /// `[callback]`
    pub callback: Callback,
    /// `[retention]`
    pub retention: Retention,
    /// `[egress]`
    pub egress: Egress,
    /// `[log]`
    pub log: Log,
    /// `[traces]`, where they go anywhere.
    pub traces: Option<Traces>,
    /// `[limits] body_budget`: bytes of bodies in memory at once, if not the default.
    pub body_budget: Option<usize>,
    /// `[cluster] advertise`: where other nodes reach this one.
    pub advertise: Option<Url>,
    /// `[[apps]]`, `[[callers]]` and `[[routes]]` of all files.
    pub entries: Entries,
    /// Where its secrets stand.
    pub sources: Sources,
    /// `WXGATE_ADMIN_TOKEN`: opens the admin API; without it nothing does.
    pub admin_token: Option<Secret>,
    /// Password of the user `admin`.
    pub admin_password: Option<Secret>,
}

/// Reads the configuration file at `path` and what it includes.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Mistakes> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Mistakes(vec![Mistake::new(
            path.display().to_string(),
            format!("读不到配置文件（{error}）；用 `wxgate init` 生成一份，或用 --config 指定"),
            format!(
                "the configuration file can't be read ({error}); `wxgate init` makes one, --config names one"
            ),
        )])
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    parse(&text, &path.display().to_string(), &folder, environment)
}

/// `[store]` of the file at `path` alone, whatever else is wrong with it: where its process is found.
pub fn store_of(path: &Path, environment: &Environment) -> Result<Store, Mistakes> {
    let wrong = |mistake| Mistakes(vec![mistake]);
    let mut mistakes = Vec::new();
    let mut members = files::read(path).map_err(wrong)?;
    let overrides = environment::overrides(environment, &mut mistakes);
    environment::apply(&overrides, &mut members);
    let folder = path.parent().unwrap_or(Path::new(""));
    let sources = RefCell::default();
    let lookup = Lookup { file: path, folder, environment, sources: &sources };
    let mut root = Table::new(members, String::new(), Some(lookup));
    mistakes.clear();
    let store = sections::read(&mut root, "store", &mut mistakes, store::store);
    let is_nowhere = store.database == Database::Sqlite(PathBuf::new());
    if is_nowhere { Err(Mistakes(mistakes)) } else { Ok(store) }
}

/// Reads configuration text; `folder` is where relative paths start.
pub fn parse(text: &str, name: &str, folder: &Path, environment: &Environment) -> Result<Config, Mistakes> {
    let mut mistakes = Vec::new();
    let mut members = files::toml(name, text).map_err(|mistake| Mistakes(vec![mistake]))?;
    let overrides = environment::overrides(environment, &mut mistakes);
    environment::apply(&overrides, &mut members);
    let sources = RefCell::default();
    let lookup = Lookup { file: Path::new(name), folder, environment, sources: &sources };
    let mut root = Table::new(members, String::new(), Some(lookup));
    let included = files::included(&root.strings("include", &[]), folder, &mut mistakes);
    let server = sections::read(&mut root, "server", &mut mistakes, server::server);
    let mut config = Config {
        auth: sections::read(&mut root, "auth", &mut mistakes, |s| sections::auth(s, &server)),
        server,
        store: sections::read(&mut root, "store", &mut mistakes, store::store),
        wechat: sections::read(&mut root, "wechat", &mut mistakes, sections::wechat),
        callback: sections::read(&mut root, "callback", &mut mistakes, sections::callback),
        retention: sections::read(&mut root, "retention", &mut mistakes, sections::retention),
        egress: sections::read(&mut root, "egress", &mut mistakes, sections::egress),
        log: sections::read(&mut root, "log", &mut mistakes, sections::log),
        traces: sections::read(&mut root, "traces", &mut mistakes, sections::traces),
        body_budget: sections::read(&mut root, "limits", &mut mistakes, sections::body_budget),
        advertise: sections::read(&mut root, "cluster", &mut mistakes, sections::advertise),
        entries: Entries::default(),
        sources: Sources::default(),
        admin_token: environment::admin_token(environment, &mut mistakes),
        admin_password: environment::admin_password(environment, &mut mistakes),
    };
    let mut lists = Lists::default();
    lists.read(&mut root, name, "", lookup, &mut mistakes);
    root.finish(&UNKNOWN, &mut mistakes);
    for file in included {
        let label = file.display().to_string();
        match files::read(&file) {
            Ok(members) => {
                let lookup = Lookup { file: &file, ..lookup };
                let mut table = Table::new(members, format!("{label}: "), Some(lookup));
                lists.read(&mut table, &label, &format!("{label}: "), lookup, &mut mistakes);
                table.finish(&NOT_INCLUDED, &mut mistakes);
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    lists.finish(&mut config, &mut mistakes);
    config.sources = sources.into_inner();
    // What a variable overrides stands in no file.
    let is_override = |key: &str| {
        key.split_once('.')
            .is_some_and(|(section, key)| overrides.contains_key(&(section.to_owned(), key.to_owned())))
    };
    config.sources.written.retain(|_, key| !is_override(key));
    environment::name_overrides(&overrides, &sections::NAMES, &mut mistakes);
    if mistakes.is_empty() { Ok(config) } else { Err(Mistakes(mistakes)) }
}

/// Gathers entries over several files, and remembers where each stands.
#[derive(Default)]
struct Lists {
    entries: Entries,
    /// Of each kind, in the order of [`EntryKind::ALL`].
    places: [Vec<String>; 3],
}

impl Lists {
    fn read(
        &mut self,
        table: &mut Table<'_>,
        file: &str,
        label: &str,
        lookup: Lookup<'_>,
        mistakes: &mut Vec<Mistake>,
    ) {
        let file: Arc<str> = file.into();
        for kind in EntryKind::ALL {
            for (index, members) in table.list(kind.list()).into_iter().enumerate() {
                let place = format!("{}[{index}]", kind.list());
                let labelled = format!("{label}{place}");
                let named = entries::with_name(&place, kind, &members);
                let origin = Origin::file(&file, if named.is_empty() { place } else { named });
                self.entries.add(kind, members, &labelled, origin, Some(lookup), mistakes);
                self.places[kind as usize].push(labelled);
            }
        }
    }

    fn finish(self, config: &mut Config, mistakes: &mut Vec<Mistake>) {
        self.entries.check(|kind, index| self.places[kind as usize][index].clone(), mistakes);
        config.entries = self.entries;
    }
}

#[cfg(test)]
mod tests;
