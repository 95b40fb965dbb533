//! `wxgate migrate`: the database's schema taken to this version's; with `--from`, all of a SQLite database moved into
//! PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::run::{notice, print};
use crate::clock::Clock;
use crate::config::{self, Database};
use crate::lang::{Words, say};
use crate::store::{self, Moved, Progress, Upgraded};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "wxgate.toml", help = say("配置文件", "The configuration file"))]
    config: PathBuf,
    #[arg(
        long, value_name = "sqlite:PATH",
        help = say(
            "把这个 SQLite 数据库（先停掉用它的 wxgate）的全部数据迁到配置里的 PostgreSQL",
            "Move all of this SQLite database, whose wxgate is stopped, into the configuration's PostgreSQL"
        )
    )]
    from: Option<String>,
}

/// How often it is told how far it is.
const EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let settings = config::store_of(&args.config, &config::environment())?;
    match args.from {
        None => upgrade(&settings).await,
        Some(from) => move_from(&from, &settings).await,
    }
}

async fn upgrade(settings: &config::Store) -> anyhow::Result<()> {
    let Upgraded { from, to } = Box::pin(store::upgrade(settings, Clock::System)).await?;
    let place = match &settings.database {
        Database::Sqlite(path) => path.display().to_string(),
        Database::Postgres(server) => server.to_string(),
    };
    print(&match (from, to) {
        (0, _) => say(
            format!("数据库 {place}：原来是空的，已建表（schema {to}）\n"),
            format!("database {place}: it was empty, and has its tables now (schema {to})\n"),
        ),
        _ if from == to => say(
            format!("数据库 {place}：已是 schema {to}，不用升级\n"),
            format!("database {place}: it has schema {to} already, nothing was left to do\n"),
        ),
        _ => say(
            format!("数据库 {place}：已从 schema {from} 升级到 schema {to}\n"),
            format!("database {place}: taken from schema {from} to schema {to}\n"),
        ),
    })
}

async fn move_from(from: &str, settings: &config::Store) -> anyhow::Result<()> {
    let Some(path) = from.strip_prefix("sqlite:").filter(|path| !path.is_empty()) else {
        bail!(Words::fixed(
            "--from 应是 \"sqlite:路径\"，如 sqlite:data/wxgate.db：只能从 SQLite 迁出",
            "--from must be \"sqlite:PATH\", like sqlite:data/wxgate.db: it only moves from SQLite",
        ));
    };
    let mut told = Instant::now();
    let mut watch = |progress: Progress| {
        if told.elapsed() >= EVERY {
            notice(&line(progress));
            told = Instant::now();
        }
        Ok(())
    };
    let moved = Box::pin(store::move_from(Path::new(path), settings, Clock::System, &mut watch)).await?;
    print(&table(&moved))?;
    judge(path, &moved)
}

/// How far it is.
fn line(progress: Progress) -> String {
    let Progress { table, compares, rows, of } = progress;
    match compares {
        false => say(
            format!("复制 {table}：{rows} 行，共 {of} 行"),
            format!("copying {table}: {rows} rows of {of}"),
        ),
        true => say(
            format!("核对 {table}：{rows} 行，共 {of} 行"),
            format!("comparing {table}: {rows} rows of {of}"),
        ),
    }
}

/// The tables, and how many rows each has on both sides.
fn table(moved: &Moved) -> String {
    let mut text =
        say("  表              源库行数     目标库行数\n", "  table             source         target\n")
            .to_owned();
    for store::Compared { table, source, target, is_equal } in &moved.tables {
        let sign = if *is_equal { '√' } else { '×' };
        text.push_str(&format!("{sign} {table:<12} {source:>12}   {target:>12}\n"));
    }
    text
}

fn judge(path: &str, moved: &Moved) -> anyhow::Result<()> {
    let different: Vec<&str> =
        moved.tables.iter().filter(|table| !table.is_equal).map(|table| table.table).collect();
    let names = different.join(", ");
    match (different.is_empty(), moved.was_done) {
        (true, false) => print(&say(
            format!("迁移完成，两边每一行都相同。{path} 不再更新：确认新库工作正常后再归档它\n"),
            format!(
                "all is moved, and every row is the same on both sides. Nothing is written to {path} any more: keep it until the new database has proved itself\n"
            ),
        )),
        (true, true) => print(say(
            "以前已经迁移完成，两边仍然相同：什么也没有做\n",
            "all was moved before, and is still the same on both sides: nothing was done\n",
        )),
        (false, true) => bail!(say(
            format!(
                "以前已经迁移完成，此后有一边变了（{names}）：什么也没有做。要重新迁移，另建一个空库并改 store.url"
            ),
            format!(
                "all was moved before, and one side has changed since ({names}): nothing was done. To move once more, make a new database and change store.url"
            ),
        )),
        (false, false) => bail!(say(
            format!("两边的行不相同：{names}。目标库未启用，再运行一次；仍不相同请换一个空库"),
            format!(
                "the rows differ: {names}. The target isn't released for use: run it again, and if they still differ take an empty database"
            ),
        )),
    }
}
