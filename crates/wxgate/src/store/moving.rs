//! All of a SQLite database moved into a PostgreSQL one: copied in the order of its keys, then compared.
//!
//! A run that was cut is followed by another: what is there already is left, and a table that turns out to differ, because
//! somebody worked on the source between the two, is copied anew. Until all is equal the target is marked, and no node
//! begins there. Once it is, a further run only compares.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::pg::{Mark, Target};
use super::sqlite::Source;
use super::tables::{Row, Sum, TABLES, Table};
use super::{KEY_CHECK, other_key};
use crate::clock::Clock;
use crate::config::{self, Database};
use crate::keys::Keys;
use crate::lang::say;
use crate::random::Random;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table at work.
    pub table: &'static str,
    /// It is copied already, and being compared.
    pub compares: bool,
    /// Rows that are done.
    pub rows: u64,
    /// Of so many.
    pub of: u64,
}

/// Hears how far it is; an error ends it there.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> anyhow::Result<()>;

/// A table in both databases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// Rows of the source.
    pub source: u64,
    /// Rows of the target.
    pub target: u64,
    /// The rows are the same.
    pub is_equal: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Nothing was copied: an earlier run had moved all.
    pub was_done: bool,
    /// Each table. If one differs, the move has failed.
    pub tables: Vec<Compared>,
}

/// Rows of the target that are read at once where the source has no more.
const SOME: usize = 64;

/// Moves what is in the SQLite database at `path` into the PostgreSQL database of `settings`.
pub async fn move_from(
    path: &Path,
    settings: &config::Store,
    clock: Clock,
    watch: Watch<'_>,
) -> anyhow::Result<Moved> {
    let Database::Postgres(server) = &settings.database else {
        bail!(say(
            "只能迁到 PostgreSQL：先把配置的 store.url 改成 postgres://用户:密码@主机/库",
            "it only moves into PostgreSQL: change store.url in the configuration to postgres://USER:PASSWORD@HOST/DATABASE first",
        ));
    };
    let keys = settings.keys(false, Random::System)?;
    let source = open(path, &clock).await?;
    let check = fitting(path, &source, &keys).await?;
    let target = Target::open(server, clock).await?;
    if target.key_check().await?.is_some_and(|check| keys.open(KEY_CHECK, &check).is_err()) {
        bail!(other_key(target.place()));
    }
    let mark = begin(&target, &check).await?;
    let mut moving = Moving { source, target, shift: mark.shift, watch };
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        tables.push(if mark.is_done { moving.compare(table).await? } else { moving.take(table).await? });
    }
    if !mark.is_done && tables.iter().all(|table| table.is_equal) {
        moving.target.end(moving.source.newest().await?).await?;
    }
    Ok(Moved { was_done: mark.is_done, tables })
}

async fn open(path: &Path, clock: &Clock) -> anyhow::Result<Source> {
    let name = path.display();
    let context = || {
        say(format!("无法读取 --from 的数据库 {name}"), format!("can't read the database {name} of --from"))
    };
    // A link to it has the same lock.
    let path = std::fs::canonicalize(path).with_context(context)?;
    let now = clock.now();
    tokio::task::spawn_blocking(move || Source::open(&path, now)).await?.with_context(context)
}

/// The probe of the source's master key, which has to be `keys`.
async fn fitting(path: &Path, source: &Source, keys: &Keys) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let Some(check) = source.key_check().await? else {
        bail!(say(
            format!("数据库 {name} 是空的，没有可迁移的：检查 --from 的路径"),
            format!("the database {name} is empty, there is nothing to move: look at the path of --from"),
        ));
    };
    if keys.open(KEY_CHECK, &check).is_err() {
        bail!(say(
            format!(
                "store.master_key 不是数据库 {name} 的主密钥：迁移要沿用原来的那把。它在 {name}.key 里（base64，可写 master_key = \"file:{name}.key\"），\
                 或在原配置的 store.master_key 里"
            ),
            format!(
                "store.master_key isn't the master key of the database {name}: what is moved keeps its key. That is in {name}.key (base64; \
                 master_key = \"file:{name}.key\" will do), or in store.master_key of the former configuration"
            ),
        ));
    }
    Ok(check)
}

/// Marks the target as this source's; an error if it holds anything else.
async fn begin(target: &Target, check: &[u8]) -> anyhow::Result<Mark> {
    // No two databases have the same probe: it is sealed with a nonce.
    let from = Sha256::digest(check);
    let place = target.place();
    let mark = match target.mark().await? {
        Some(mark) => Some(mark),
        None => {
            if target.is_served().await? {
                bail!(in_use(&place));
            }
            if let Some(table) = target.filled().await? {
                bail!(say(
                    format!(
                        "数据库 {place} 里已有别的数据（表 {table}）：迁移要一个空库，用 create database 新建一个并改 store.url"
                    ),
                    format!(
                        "the database {place} holds other data (table {table}): it has to be empty, make a new one by create database and change store.url"
                    ),
                ));
            }
            target.begin(&from, check).await?
        }
    };
    match mark {
        Some(mark) if mark.from != from[..] => bail!(say(
            format!("数据库 {place} 里是从另一个数据库迁来的数据：另建一个空库，并改 store.url"),
            format!(
                "the database {place} holds what was moved from another database: make a new one and change store.url"
            ),
        )),
        // Whoever began just before the mark has said that it lives by now.
        Some(mark) if !mark.is_done && target.is_served().await? => bail!(in_use(&place)),
        Some(mark) => Ok(mark),
        None => bail!("meta: moved_from"),
    }
}

fn in_use(place: &dyn Display) -> String {
    say(
        format!("有 wxgate 正在使用数据库 {place}：停掉它（刚停的等 20 秒），并迁到一个空库"),
        format!(
            "a wxgate works on the database {place}: stop it (and wait 20 seconds if it was killed), and move into an empty database"
        ),
    )
}

struct Moving<'a> {
    source: Source,
    target: Target,
    /// How far the target's time is ahead of the source's.
    shift: i64,
    watch: Watch<'a>,
}

impl Moving<'_> {
    async fn take(&mut self, table: &'static Table) -> anyhow::Result<Compared> {
        self.copy(table).await?;
        let compared = self.compare(table).await?;
        if compared.is_equal {
            return Ok(compared);
        }
        // An earlier run had copied it, before the source changed.
        self.target.clear(table).await?;
        self.copy(table).await?;
        self.compare(table).await
    }

    async fn copy(&mut self, table: &'static Table) -> anyhow::Result<()> {
        let of = self.source.count(table).await?;
        let mut progress = Progress { table: table.name, compares: false, rows: 0, of };
        let mut last = None;
        loop {
            (self.watch)(progress)?;
            let rows = self.rows(table, last.clone()).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let written = self.target.insert(table, &rows).await;
            written.with_context(|| {
                let table = table.name;
                say(format!("写表 {table} 失败"), format!("can't write the table {table}"))
            })?;
            progress.rows += rows.len() as u64;
            last = rows.into_iter().next_back();
        }
    }

    async fn compare(&mut self, table: &'static Table) -> anyhow::Result<Compared> {
        let of = self.source.count(table).await?;
        let (mut source, mut target) = (Sum::default(), Sum::default());
        let (mut last, mut last_there) = (None, None);
        loop {
            (self.watch)(Progress { table: table.name, compares: true, rows: source.rows, of })?;
            let rows = self.rows(table, last.clone()).await?;
            let most = if rows.is_empty() { SOME } else { rows.len() };
            let there = self.target.rows(table, last_there.as_ref(), most).await?;
            if rows.is_empty() && there.is_empty() {
                break;
            }
            source.add(&rows);
            target.add(&there);
            last = rows.into_iter().next_back().or(last);
            last_there = there.into_iter().next_back().or(last_there);
        }
        let (rows, there) = (source.rows, target.rows);
        let is_equal = source.equals(target);
        Ok(Compared { table: table.name, source: rows, target: there, is_equal })
    }

    /// Rows of the source, in the target's time. No key has a time in it.
    async fn rows(&self, table: &'static Table, after: Option<Row>) -> anyhow::Result<Vec<Row>> {
        let rows = self.source.rows(table, after).await?;
        Ok(rows.into_iter().map(|row| table.shifted(row, self.shift)).collect())
    }
}
