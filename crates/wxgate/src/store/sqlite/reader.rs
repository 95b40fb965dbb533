//! Reading, off the threads that serve: rows that somebody waits for, and people's lists.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use crate::limits::Limits;
use crate::store::StoreError;

/// A connection for what callers wait for: rows by their keys.
pub(super) struct Rows {
    connection: Arc<Mutex<Connection>>,
    limits: Limits,
}

/// A connection for people's lists: one at a time, few that wait, and none for long.
pub(super) struct Lists {
    connection: Arc<Mutex<Connection>>,
    turns: Arc<Semaphore>,
    limits: Limits,
}

impl Rows {
    pub(super) fn new(connection: Connection, limits: Limits) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), limits }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let read = spawn_blocking(move || run(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        match tokio::time::timeout(self.limits.commit_time, read).await {
            Ok(read) => Ok(read.map_err(panicked)??),
            Err(_) => Err(StoreError::NoAnswer),
        }
    }
}

impl Lists {
    pub(super) fn new(connection: Connection, limits: Limits) -> Self {
        let turns = Arc::new(Semaphore::new(limits.lists));
        Self { connection: Arc::new(Mutex::new(connection)), turns, limits }
    }

    /// All that `run` reads is of one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let busy = |_| StoreError::Unavailable("too many lists are asked for at once: try again".into());
        let turn = self.turns.clone().try_acquire_owned().map_err(busy)?;
        let (connection, time) = (self.connection.clone(), self.limits.list_time);
        let read = spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let handle = connection.get_interrupt_handle();
            let (done, ended) = channel::<()>();
            std::thread::spawn(move || {
                if ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                    handle.interrupt();
                }
            });
            let outcome = connection.unchecked_transaction().and_then(|snapshot| run(&snapshot));
            drop(done);
            drop(turn);
            outcome
        });
        match read.await.map_err(panicked)? {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Err(StoreError::Unavailable(
                    "the list takes too long: ask for less of it (appid, openid, from)".into(),
                ))
            }
            outcome => Ok(outcome?),
        }
    }
}

fn panicked(_: JoinError) -> StoreError {
    StoreError::Unavailable("a read panicked".into())
}
