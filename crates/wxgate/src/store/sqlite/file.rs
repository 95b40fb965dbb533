//! The database's file: opened, locked for one process, and watched.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrations;
use crate::lang::say;
use crate::store::StoreError;

/// How long SQLite waits for a lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// What is wrong with the database at `path`, and the cure where one is known.
pub(super) fn unreadable(path: &Path, error: rusqlite::Error) -> anyhow::Error {
    let path = path.display();
    let words = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => say(
            format!(
                "{path} 不是 SQLite 数据库：store.url 指错了文件（改掉它），或文件被覆盖了（从备份恢复）"
            ),
            format!(
                "{path} is no SQLite database: store.url names the wrong file (change it), or the file was overwritten (restore it from a backup)"
            ),
        ),
        Some(ErrorCode::DatabaseCorrupt) => say(
            format!("数据库 {path} 已损坏：请从备份恢复"),
            format!("the database {path} is damaged: restore it from a backup"),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => say(
            format!(
                "无法打开数据库 {path}：检查它和所在目录的属主和权限（要归运行 wxgate 的用户），或改 store.url"
            ),
            format!(
                "can't open the database {path}: look at who owns it and its folder (it must be the user that wxgate runs as), or change store.url"
            ),
        ),
        _ => say(format!("无法打开数据库 {path}"), format!("can't open the database {path}")),
    };
    anyhow::Error::new(error).context(words)
}

/// The database at `path`, which is there, for a look that writes nothing; what another program keeps there is refused.
pub(super) fn look(path: &Path) -> anyhow::Result<Connection> {
    let open = || {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(BUSY)?;
        let tables = "select count(*), count(*) filter (where name in ('meta', 'credentials')) from sqlite_master where type = 'table'";
        let counts: (i64, i64) = db.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((db, counts))
    };
    let (db, (all, ours)) = open().map_err(|error| unreadable(path, error))?;
    migrations::version(&db)?;
    if all > 0 && ours < 2 {
        let path = path.display();
        bail!(say(
            format!("{path} 是别的程序的数据库：改 store.url"),
            format!("{path} is another program's database: change store.url"),
        ));
    }
    Ok(db)
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // All that is asked again and again: one more than fits would have each of them parsed anew.
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory;
         pragma secure_delete = on;",
    )?;
    Ok(connection)
}

/// A new database is for its owner only; SQLite gives its other files the same mode.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

/// One process a database: two would each think they own the tokens.
pub(super) fn lock(path: &Path) -> anyhow::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name).with_context(|| {
        let name = name.display();
        say(format!("无法创建锁文件 {name}"), format!("can't make the lock file {name}"))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let path = path.display();
            bail!(say(
                format!(
                    "数据库 {path} 正在使用：同一个 SQLite 文件只能由一个 wxgate 进程打开，请先停掉另一个"
                ),
                format!(
                    "the database {path} is in use: one wxgate at a time may open it, stop the other first"
                ),
            ))
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).context(say("无法锁定数据库", "can't lock the database"))
        }
    }
}

/// The database's file, which must stay where it is: what is written to one that was removed is
/// gone with the process.
pub(super) struct Placed {
    path: PathBuf,
    file: (u64, u64),
    looked: Instant,
}

impl Placed {
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let file = identity(path).with_context(|| {
            let path = path.display();
            say(format!("无法读取数据库 {path}"), format!("can't read the database {path}"))
        })?;
        Ok(Self { path: path.to_owned(), file, looked: Instant::now() })
    }

    /// Looks once a second.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        if self.looked.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        if identity(&self.path).ok() != Some(self.file) {
            return Err(StoreError::Unavailable(
                say("数据库文件被移走或替换了：请重启", "the database file was removed or replaced: restart")
                    .into(),
            ));
        }
        self.looked = Instant::now();
        Ok(())
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
