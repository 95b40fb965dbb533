//! The writer: a thread that takes what is waiting, runs it in one transaction, commits, and reports.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};

use super::checkpoint::Wal;
use super::file::Placed;
use super::meta;
use super::recent::Shared;
use crate::lang::say;
use crate::limits::Limits;
use crate::store::StoreError;
use crate::workers;

/// So often it is looked whether the connection needs its cache of the database,
const LOOKS: Duration = Duration::from_secs(10);
/// which with fewer writes than that it doesn't.
const FEW: usize = 1000;

/// Hands writes to its thread.
pub(super) struct Writer {
    thread: Mutex<Option<Thread>>,
    /// Room in the queue.
    room: Arc<Semaphore>,
    limits: Limits,
    reporters: Arc<Reporters>,
}

struct Thread {
    jobs: SyncSender<Box<dyn Job>>,
    handle: JoinHandle<()>,
}

/// One write: runs inside the group's transaction, again if that is rolled back, and is told how the commit went.
trait Job: Send {
    /// Which of the workers waits for it.
    fn worker(&self) -> usize;
    fn run(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()>;
    fn report(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<F, T> {
    worker: usize,
    run: F,
    outcome: Option<T>,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Write<F, T>
where
    F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn worker(&self) -> usize {
        self.worker
    }

    fn run(&mut self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.outcome = None;
        self.outcome = Some((self.run)(tx)?);
        Ok(())
    }

    fn report(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { outcome, done, .. } = *self;
        let value = outcome.ok_or_else(|| StoreError::Unavailable("the write was not run".into()));
        // Whoever asked may have gone: the write holds all the same.
        let _ = done.send(committed.and(value));
    }
}

/// A write that was run, and how its commit went.
type Reported = (Box<dyn Job>, Result<(), StoreError>);

/// Tells each worker what became of its writes, all those of a group at once: to wake a thread for every one of them costs
/// more than many of them do.
struct Reporters(Vec<OnceLock<UnboundedSender<Vec<Reported>>>>);

impl Reporters {
    fn new() -> Self {
        Self((0..=workers::MOST).map(|_| OnceLock::new()).collect())
    }

    /// Which worker this is, and that it gets to know what became of its writes; 0: told by the writer's own thread.
    fn here(&self) -> usize {
        let index = workers::index();
        if index > 0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends with the writer, and has nothing of its own"
            )]
            self.0[index].get_or_init(|| {
                let (tell, told) = unbounded_channel();
                tokio::spawn(report(told));
                tell
            });
        }
        index
    }

    fn tell(&self, group: impl Iterator<Item = Reported>) {
        let mut of_workers: Vec<(usize, Vec<Reported>)> = Vec::new();
        for (job, outcome) in group {
            let worker = job.worker();
            if self.0[worker].get().is_none() {
                job.report(outcome);
                continue;
            }
            match of_workers.iter_mut().find(|(of, _)| *of == worker) {
                Some((_, own)) => own.push((job, outcome)),
                None => of_workers.push((worker, vec![(job, outcome)])),
            }
        }
        for (worker, own) in of_workers {
            if let Some(tell) = self.0[worker].get() {
                // A worker that has ended waits for nothing.
                let _ = tell.send(own);
            }
        }
    }
}

async fn report(mut told: UnboundedReceiver<Vec<Reported>>) {
    while let Some(group) = told.recv().await {
        group.into_iter().for_each(|(job, outcome)| job.report(outcome));
    }
}

impl Writer {
    /// `lock` is held until the thread has ended.
    pub(super) fn start(
        mut connection: Connection,
        wal: Wal,
        recent: Shared,
        place: Placed,
        lock: File,
        limits: Limits,
    ) -> std::io::Result<Self> {
        // Twice the room: jobs whose callers went still stand here.
        let (jobs, queue) = sync_channel(2 * limits.writes);
        let reporters = Arc::new(Reporters::new());
        let telling = reporters.clone();
        let handle = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            write_groups(&mut connection, &queue, place, limits.group, &wal, &recent, &telling);
            if let Err(error) = write_recent(&mut connection, &recent) {
                tracing::warn!(%error, "{}", say("停止时没能写完最近见过的消息：下次启动时从消息本身读回", "couldn't write down which messages came lately: they are read from the messages at the next start"));
            }
            // Its connection goes first, so that this one is the last.
            wal.end(&mut connection);
            // So that the database file alone is whole, for whoever copies it now.
            if let Err(error) = connection.execute_batch("pragma wal_checkpoint(truncate)") {
                tracing::warn!(%error, "{}", say("停止时没能把 WAL 并入数据库文件：复制数据库时请连同 *-wal 文件", "couldn't merge the WAL into the database at the stop: whoever copies the database takes the *-wal file along"));
            }
            drop(connection);
            drop(lock);
        })?;
        let thread = Mutex::new(Some(Thread { jobs, handle }));
        Ok(Self { thread, room: Arc::new(Semaphore::new(limits.writes)), limits, reporters })
    }

    /// Ends the thread after what was handed to it; blocks.
    pub(super) fn end(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Thread { jobs, handle }) = thread else { return };
        drop(jobs);
        if handle.join().is_err() {
            tracing::error!("{}", say("写数据库的线程崩溃了", "the store's writer thread panicked"));
        }
    }

    /// Runs `run` in the next group and returns what it gave once that is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        run: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("closed".into());
        let jobs = {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            thread.as_ref().map(|thread| thread.jobs.clone()).ok_or_else(closed)?
        };
        let (done, outcome) = oneshot::channel();
        let worker = self.reporters.here();
        let queued = async move {
            // Room is given back when the job has been reported.
            let room = self.room.acquire().await.map_err(|_| closed())?;
            jobs.try_send(Box::new(Write { worker, run, outcome: None, done }))
                .map_err(|_| StoreError::Unavailable("too many writes are waiting".into()))?;
            drop(jobs);
            let outcome = outcome.await.unwrap_or_else(|_| Err(closed()));
            drop(room);
            outcome
        };
        tokio::time::timeout(self.limits.commit_time, queued).await.unwrap_or(Err(StoreError::NoAnswer))
    }

    /// Commits something, within the time of a ping.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let ping = self.write(meta::ping);
        tokio::time::timeout(self.limits.ping_time, ping).await.unwrap_or(Err(StoreError::NoAnswer))
    }
}

fn write_groups(
    connection: &mut Connection,
    queue: &Receiver<Box<dyn Job>>,
    mut place: Placed,
    most: usize,
    wal: &Wal,
    recent: &Shared,
    reporters: &Reporters,
) {
    let (mut written, mut since, mut holds) = (0, Instant::now(), false);
    loop {
        if since.elapsed() >= LOOKS {
            if holds && written < FEW {
                shrink(connection);
                holds = false;
            }
            (written, since) = (0, Instant::now());
        }
        let first = match queue.recv_timeout(LOOKS) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).take(most).collect();
        let ran = place.check().and_then(|()| run_group(connection, recent, &mut group));
        let (outcomes, committed) = match ran {
            Ok(outcomes) => (outcomes, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        written += group.len();
        holds = true;
        let outcomes = outcomes.into_iter().chain(std::iter::repeat(Ok(())));
        reporters.tell(group.into_iter().zip(outcomes.map(|outcome| committed.clone().and(outcome))));
        wal.shorten(connection);
    }
}

/// At the end, so that the tables alone are whole.
fn write_recent(connection: &mut Connection, recent: &Shared) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    recent.lock().write(&transaction, usize::MAX)?;
    transaction.commit()
}

/// Gives back what is kept of the database in memory.
fn shrink(connection: &Connection) {
    if let Err(error) = connection.execute_batch("pragma shrink_memory") {
        tracing::warn!(%error, "{}", say("没能释放数据库的缓存", "couldn't give the database's cache back"));
    }
}

/// Runs every job and commits. One that fails spoils no other: it is all rolled back then, and run once more with a
/// savepoint for each. An error means that nothing of the group holds.
fn run_group(
    connection: &mut Connection,
    recent: &Shared,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let together = run_together(connection, recent, group);
    recent.lock().done(matches!(together, Ok(true)));
    if together? {
        return Ok(group.iter().map(|_| Ok(())).collect());
    }
    let outcomes = run_apart(connection, recent, group);
    recent.lock().done(outcomes.is_ok());
    outcomes
}

/// False: one of the jobs failed, and all is rolled back.
fn run_together(
    connection: &mut Connection,
    recent: &Shared,
    group: &mut [Box<dyn Job>],
) -> Result<bool, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let spill = |transaction: &Transaction<'_>| recent.lock().spill(transaction);
    if group.iter_mut().all(|job| guarded(&transaction, job.as_mut()).is_ok()) && spill(&transaction).is_ok()
    {
        transaction.commit()?;
        return Ok(true);
    }
    if !transaction.is_autocommit() {
        transaction.rollback()?;
    }
    Ok(false)
}

/// Runs every job in a savepoint of its own, and commits.
fn run_apart(
    connection: &mut Connection,
    recent: &Shared,
    group: &mut [Box<dyn Job>],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let outcome = in_savepoint(&transaction, job.as_mut()).map_err(StoreError::from);
        if transaction.is_autocommit() {
            // A full disk or a failed read ends the whole transaction, earlier jobs with it.
            return Err(outcome.err().unwrap_or_else(|| StoreError::Unavailable("rolled back".into())));
        }
        outcomes.push(outcome);
    }
    spill_apart(&transaction, recent)?;
    transaction.commit()?;
    Ok(outcomes)
}

/// What is remembered is written if it can be: who was kept is no worse off if not.
fn spill_apart(transaction: &Transaction<'_>, recent: &Shared) -> Result<(), StoreError> {
    transaction.execute_batch("savepoint spill")?;
    if let Err(error) = recent.lock().spill(transaction) {
        if transaction.is_autocommit() {
            return Err(error.into());
        }
        transaction.execute_batch("rollback to spill")?;
        recent.lock().unwritten();
    }
    Ok(transaction.execute_batch("release spill")?)
}

/// A bug in one write must not end the writer for all.
fn guarded(transaction: &Transaction<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(transaction)));
    outcome.unwrap_or_else(|_| Err(rusqlite::Error::InvalidQuery))
}

fn in_savepoint(transaction: &Transaction<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    transaction.execute_batch("savepoint job")?;
    match guarded(transaction, job) {
        Ok(()) => transaction.execute_batch("release job"),
        Err(error) => {
            if !transaction.is_autocommit() {
                transaction.execute_batch("rollback to job; release job")?;
            }
            Err(error)
        }
    }
}
