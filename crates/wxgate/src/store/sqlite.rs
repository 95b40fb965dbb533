//! SQLite: one writer thread that commits whole groups, one reader connection.
//!
//! WAL with `synchronous=FULL`: what was answered as stored survives a power cut. Group commit
//! makes that as fast as not syncing: while one group is being synced, the next one gathers.

mod messages;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use tokio::sync::{Semaphore, oneshot};

use super::migrations::STEPS;
use super::{Credential, Inspection, StoreError};

/// Most jobs in one commit.
const GROUP: usize = 256;
/// How long a caller waits for its commit: longer than SQLite waits for a lock. A disk that hangs
/// must not hang whoever asks.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a ping waits: whoever asks for health has little time.
const PING_PATIENCE: Duration = Duration::from_secs(2);
/// Lists for people that may be asked for at once, and how long one may take.
const LISTS: usize = 8;
const LIST_TIME: Duration = Duration::from_secs(2);
/// Jobs that may wait for the writer before callers have to.
const QUEUE: usize = 1024;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

/// One write: runs inside the group's transaction, and is told how the commit went.
trait Job: Send {
    fn run(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()>;
    fn report(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<F, T> {
    run: Option<F>,
    outcome: Option<T>,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Write<F, T>
where
    F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        self.outcome = Some(run(tx)?);
        Ok(())
    }

    fn report(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { outcome, done, .. } = *self;
        let value = outcome.ok_or_else(|| StoreError::Unavailable("the write was not run".into()));
        // Whoever asked may have gone: the write holds all the same.
        let _ = done.send(committed.and(value));
    }
}

#[derive(Clone)]
pub(super) struct Sqlite {
    writer: Arc<Mutex<Option<Writer>>>,
    /// Room in the writer's queue.
    room: Arc<Semaphore>,
    /// For what callers wait for: single rows by their keys.
    reader: Arc<Mutex<Connection>>,
    /// For people's lists, which may take a while.
    lists: Arc<Mutex<Connection>>,
    /// A place in the queue for a list.
    turns: Arc<Semaphore>,
}

struct Writer {
    jobs: SyncSender<Box<dyn Job>>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sqlite")
    }
}

impl Sqlite {
    /// Opens and migrates; `prepare` is told the probe of the master key, if there is one, and may
    /// give the first.
    pub(super) fn open(
        path: &Path,
        prepare: impl FnOnce(Option<Vec<u8>>) -> anyhow::Result<Option<Vec<u8>>>,
    ) -> anyhow::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("无法创建目录 {}", dir.display()))?;
        }
        let lock = lock(path)?;
        private_file(path).with_context(|| format!("无法创建数据库 {}", path.display()))?;
        let mut connection = connect(path, OpenFlags::default())
            .with_context(|| format!("无法打开数据库 {}", path.display()))?;
        migrate(&mut connection).with_context(|| format!("数据库 {} 升级失败", path.display()))?;
        if let Some(first) = prepare(meta(&connection, KEY_CHECK)?)? {
            connection.execute("insert into meta values (?1, ?2)", params![KEY_CHECK, first])?;
        }
        let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let (reader, lists) = (connect(path, read_only)?, connect(path, read_only)?);
        let placed = Placed::new(path)?;
        let (jobs, queue) = sync_channel(2 * QUEUE);
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            write_groups(&mut connection, &queue, placed);
            // So that the database file alone is whole, for whoever copies it now.
            if let Err(error) = connection.execute_batch("pragma wal_checkpoint(truncate)") {
                tracing::warn!(%error, "停止时没能把 WAL 并入数据库文件：复制数据库时请连同 *-wal 文件");
            }
            drop(connection);
            drop(lock);
        })?;
        Ok(Self {
            writer: Arc::new(Mutex::new(Some(Writer { jobs, thread }))),
            room: Arc::new(Semaphore::new(QUEUE)),
            reader: Arc::new(Mutex::new(reader)),
            lists: Arc::new(Mutex::new(lists)),
            turns: Arc::new(Semaphore::new(LISTS)),
        })
    }

    pub(super) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Writer { jobs, thread }) = writer else { return };
        drop(jobs);
        if thread.join().is_err() {
            tracing::error!("the store's writer thread panicked");
        }
    }

    /// Runs `run` in the next group and returns what it gave once that is on disk.
    async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let jobs = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|writer| writer.jobs.clone())
            .ok_or_else(|| StoreError::Unavailable("closed".into()))?;
        let (done, outcome) = oneshot::channel();
        let queued = async move {
            // Room is given back when the job has been reported.
            let room = self.room.acquire().await.map_err(|_| StoreError::Unavailable("closed".into()))?;
            jobs.try_send(Box::new(Write { run: Some(run), outcome: None, done }))
                .map_err(|_| StoreError::Unavailable("too many writes are waiting".into()))?;
            drop(jobs);
            let outcome = outcome.await.unwrap_or_else(|_| Err(StoreError::Unavailable("closed".into())));
            drop(room);
            outcome
        };
        tokio::time::timeout(PATIENCE, queued)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the disk doesn't answer".into())))
    }

    fn read_blocking<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        Ok(run(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))?)
    }

    /// A row by its key, for whoever waits for it.
    async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read_blocking(run));
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(read) => read.unwrap_or_else(|_| Err(StoreError::Unavailable("a read panicked".into()))),
            Err(_) => Err(StoreError::Unavailable("the disk doesn't answer".into())),
        }
    }

    /// A list for people, on a connection of its own: one at a time, few that wait, and none for long.
    async fn list<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let busy = |_| StoreError::Unavailable("too many lists are asked for at once: try again".into());
        let turn = self.turns.clone().try_acquire_owned().map_err(busy)?;
        let lists = self.lists.clone();
        let read = tokio::task::spawn_blocking(move || {
            let lists = lists.lock().unwrap_or_else(PoisonError::into_inner);
            let handle = lists.get_interrupt_handle();
            let (done, ended) = channel::<()>();
            std::thread::spawn(move || {
                if ended.recv_timeout(LIST_TIME) == Err(RecvTimeoutError::Timeout) {
                    handle.interrupt();
                }
            });
            let outcome = run(&lists);
            drop(done);
            drop(turn);
            outcome
        });
        match read.await {
            Ok(Err(error))
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
            {
                Err(StoreError::Unavailable(
                    "the list takes too long: ask for less of it (appid, openid, from)".into(),
                ))
            }
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(StoreError::Unavailable("a read panicked".into())),
        }
    }

    pub(super) fn credentials_blocking(&self) -> Result<Vec<Credential>, StoreError> {
        self.read_blocking(|db| {
            db.prepare(
                "select appid, kind, version, value, fetched_at, expires_at, history from credentials",
            )?
            .query_map([], |row| {
                Ok(Credential {
                    appid: row.get(0)?,
                    kind: row.get(1)?,
                    version: row.get(2)?,
                    value: row.get(3)?,
                    fetched_at: row.get(4)?,
                    expires_at: row.get(5)?,
                    history: row.get(6)?,
                })
            })?
            .collect()
        })
    }

    pub(super) async fn save_credential(&self, row: Credential) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached(
                "insert into credentials (appid, kind, version, value, fetched_at, expires_at, history)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 on conflict (appid, kind) do update
                 set version = ?3, value = ?4, fetched_at = ?5, expires_at = ?6, history = ?7
                 where excluded.version >= credentials.version",
            )?
            .execute(params![
                row.appid,
                row.kind,
                row.version,
                row.value,
                row.fetched_at,
                row.expires_at,
                row.history
            ])
            .map(drop)
        })
        .await
    }

    pub(super) async fn once_answer(&self, key: [u8; 32], now: i64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |db| {
            db.prepare_cached("select answer from once where key = ?1 and expires_at > ?2")?
                .query_row(params![key, now], |row| row.get(0))
                .optional()
        })
        .await
    }

    pub(super) async fn keep_once_answer(
        &self,
        key: [u8; 32],
        sealed: Vec<u8>,
        now: i64,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.prepare_cached("delete from once where expires_at <= ?1")?.execute(params![now])?;
            tx.prepare_cached(
                "insert into once values (?1, ?2, ?3)
                 on conflict do update set answer = ?2, expires_at = ?3",
            )?
            .execute(params![key, sealed, expires_at])
            .map(drop)
        })
        .await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let ping = self.write(|tx| {
            // A new value every time: SQLite writes nothing when a row stays what it was.
            tx.prepare_cached(
                "insert into meta values ('ping', randomblob(8))
                 on conflict do update set value = excluded.value",
            )?
            .execute([])
            .map(drop)
        });
        tokio::time::timeout(PING_PATIENCE, ping)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("the disk doesn't answer".into())))
    }
}

/// The database's file, which must stay where it is: what is written to one that was removed is
/// gone with the process.
struct Placed {
    path: PathBuf,
    file: (u64, u64),
    looked: Instant,
}

impl Placed {
    fn new(path: &Path) -> anyhow::Result<Self> {
        let file = identity(path).with_context(|| format!("无法读取数据库 {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, looked: Instant::now() })
    }

    /// Looks once a second.
    fn check(&mut self) -> Result<(), StoreError> {
        if self.looked.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        if identity(&self.path).ok() != Some(self.file) {
            return Err(StoreError::Unavailable("the database file was removed or replaced: restart".into()));
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

/// The writer thread: takes what is waiting, runs it in one transaction, commits, reports.
fn write_groups(connection: &mut Connection, queue: &Receiver<Box<dyn Job>>, mut place: Placed) {
    while let Ok(first) = queue.recv() {
        let mut group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).take(GROUP).collect();
        let ran = place.check().and_then(|()| run_group(connection, &mut group));
        let (outcomes, committed) = match ran {
            Ok(outcomes) => (outcomes, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let mut outcomes = outcomes.into_iter();
        for job in group {
            let outcome = outcomes.next().unwrap_or(Ok(()));
            job.report(committed.clone().and(outcome));
        }
    }
}

/// Runs every job in its own savepoint, so that one failing job spoils no other, and commits. An
/// error means that nothing of the group holds.
fn run_group(
    connection: &mut Connection,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let outcome = in_savepoint(&transaction, job.as_mut()).map_err(StoreError::from);
        if transaction.is_autocommit() {
            // A full disk or a failed read ends the whole transaction, earlier jobs with it.
            return Err(outcome.err().unwrap_or_else(|| StoreError::Unavailable("rolled back".into())));
        }
        outcomes.push(outcome);
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn in_savepoint(transaction: &Transaction<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    transaction.execute_batch("savepoint job")?;
    // A bug in one write must not end the writer for all.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run(transaction)));
    let outcome = outcome.unwrap_or_else(|_| Err(rusqlite::Error::InvalidQuery));
    match outcome {
        Ok(()) => transaction.execute_batch("release job"),
        Err(error) => {
            if !transaction.is_autocommit() {
                transaction.execute_batch("rollback to job; release job")?;
            }
            Err(error)
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
         pragma temp_store = memory; pragma secure_delete = on;",
    )?;
    Ok(connection)
}

/// A new database is for its owner only; SQLite gives its other files the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path).map(drop)
}

/// One process a database: two would each think they own the tokens.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .with_context(|| format!("无法创建锁文件 {}", name.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "数据库 {} 正在使用：同一个 SQLite 文件只能由一个 wxgate 进程打开，请先停掉另一个",
            path.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => Err(error).context("无法锁定数据库"),
    }
}

fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let done: u32 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    if done as usize > STEPS.len() {
        bail!("这个数据库由更新版本的 wxgate 写成（schema {done}），请升级 wxgate");
    }
    for (version, step) in (1u32..).zip(STEPS).skip(done as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Row of `meta` that proves the master key.
const KEY_CHECK: &str = "key_check";

fn meta(db: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("select value from meta where name = ?1", [name], |row| row.get(0)).optional()
}

pub(super) fn inspect(path: &Path) -> anyhow::Result<Option<Inspection>> {
    if !path.exists() {
        return Ok(None);
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(Duration::from_secs(5))?;
    let verdict: String = db.query_row("pragma integrity_check", [], |row| row.get(0))?;
    if verdict != "ok" {
        bail!("数据库 {} 已损坏（{verdict}）：请从备份恢复", path.display());
    }
    let schema: i64 = db.query_row("pragma user_version", [], |row| row.get(0))?;
    if schema == 0 {
        return Ok(Some(Inspection::default()));
    }
    let count = |sql: &str| db.query_row(sql, [], |row| row.get(0));
    let mut found = Inspection {
        schema,
        credentials: count("select count(*) from credentials")?,
        key_check: meta(&db, KEY_CHECK)?,
        ..Inspection::default()
    };
    if schema > 1 {
        found.events = count("select count(*) from events")?;
        found.pending = count("select count(*) from deliveries where status = 'pending'")?;
        found.dead = count("select count(*) from deliveries where status = 'dead'")?;
    }
    Ok(Some(found))
}
