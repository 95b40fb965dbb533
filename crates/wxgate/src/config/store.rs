//! `[store]`: where things are kept, and the key that seals them.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::postgres::Postgres;
use crate::entries::{Secret, Table};
use crate::keys::Keys;
use crate::lang::say;
use crate::random::Random;

/// Where things are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The database.
    pub database: Database,
    /// 32 bytes base64; absent: a file beside a SQLite database.
    pub master_key: Option<Secret>,
    /// Files of a running process; absent: the database's folder.
    pub run_dir: Option<PathBuf>,
}

/// Which database it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Database {
    /// A file, for one process.
    Sqlite(PathBuf),
    /// A server, for several.
    Postgres(Box<Postgres>),
}

impl Store {
    /// Where files of a running process lie.
    pub fn run_dir(&self) -> PathBuf {
        let beside = || self.file().and_then(|file| file.parent().map(Path::to_path_buf)).unwrap_or_default();
        self.run_dir.clone().unwrap_or_else(beside)
    }

    /// The database itself, if it is a file: a link to it has the same lock and the same key.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.database {
            Database::Sqlite(path) => Some(std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())),
            Database::Postgres(_) => None,
        }
    }

    /// Where the generated master key lies, if there is one.
    pub fn key_file(&self) -> Option<PathBuf> {
        let file = self.file().filter(|_| self.master_key.is_none())?;
        let mut name = file.into_os_string();
        name.push(".key");
        Some(name.into())
    }

    /// The master key. `may_make`: nothing is sealed yet, so that one may be made.
    pub fn keys(&self, may_make: bool, random: Random) -> anyhow::Result<Keys> {
        match (&self.master_key, self.key_file()) {
            (Some(key), _) => Ok(Keys::from_base64(key, random)?),
            (None, Some(file)) => Keys::from_file(&file, may_make, random),
            (None, None) => anyhow::bail!(say(
                "缺少 store.master_key：与其他节点相同的那一把；从 SQLite 迁来时，是原来的那一把（数据库旁的 .key 文件，写成 file:）",
                "store.master_key is missing: the same as the other nodes'; moving from SQLite, the one it had (the .key file beside the database, as file:)"
            )),
        }
    }
}

pub(super) fn store(s: &mut Table<'_>) -> Store {
    // What names a file is no secret.
    let database = match s.text("url") {
        None => sqlite(s, "sqlite:data/wxgate.db"),
        Some(url) if url.starts_with("sqlite:") => {
            let url = s.string("url", "");
            sqlite(s, &url)
        }
        Some(_) => server(s),
    };
    let master_key = s.secret("master_key");
    if let Some(key) = &master_key
        && let Err(error) = Keys::from_base64(key, Random::System)
    {
        s.mistake("master_key", error.zh, error.en);
    }
    let mut run_dir = s.path("run_dir");
    if matches!(database, Database::Postgres(_)) {
        if master_key.is_none() {
            s.mistake(
                "master_key",
                "使用 PostgreSQL 时必须设置（所有节点同一把）：新装的用 `openssl rand -base64 32` 生成，从 SQLite 迁来的用原来那一把（数据库旁的 .key 文件）；写成 env: 或 file:",
                "is required with PostgreSQL, the same on every node: a new one by `openssl rand -base64 32`, or, moving from SQLite, the one it had (the .key file beside the database); written as env: or file:",
            );
        }
        run_dir = run_dir.or_else(|| Some(s.resolve("")));
    }
    Store { database, master_key, run_dir }
}

fn sqlite(s: &mut Table<'_>, url: &str) -> Database {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() && !path.starts_with(':') => Database::Sqlite(s.resolve(path)),
        _ => {
            s.mistake(
                "url",
                "应是 \"sqlite:路径\"，如 \"sqlite:data/wxgate.db\"",
                "must be \"sqlite:PATH\", like \"sqlite:data/wxgate.db\"",
            );
            Database::Sqlite(PathBuf::new())
        }
    }
}

/// A server's URL holds a password: it may stand elsewhere.
fn server(s: &mut Table<'_>) -> Database {
    let nowhere = Database::Sqlite(PathBuf::new());
    let Some(url) = s.secret("url") else { return nowhere };
    let url = url.expose_secret();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        s.mistake(
            "url",
            "应是 \"sqlite:路径\" 或 \"postgres://用户:密码@主机/库\"",
            "must be \"sqlite:PATH\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"",
        );
        return nowhere;
    }
    match Postgres::parse(url, &s.resolve(""), s.variable("PGPASSFILE")) {
        Ok(server) => Database::Postgres(Box::new(server)),
        Err(error) => {
            s.mistake(
                "url",
                format!("PostgreSQL 地址不对（{error}）"),
                format!("the PostgreSQL URL is wrong ({error})"),
            );
            nowhere
        }
    }
}
