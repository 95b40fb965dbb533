//! One connection, made when it is needed and again when it was lost, and the statements that were prepared on it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::Postgres;
use crate::lang::say;
use crate::store::StoreError;

/// A statement, and the types of its parameters.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: &'static str,
    pub(super) types: &'static [Type],
}

/// Values of a statement's parameters.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A text as PostgreSQL takes it: it has no NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Why a statement failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server can't keep a row of it; without that row it might have done.
    Row(StoreError),
    /// Anything else.
    Other(StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Row(error) | Failure::Other(error) => error,
        }
    }
}

/// What the server can't keep, is too long for an index, or breaks a rule of the table.
const OF_A_ROW: [&str; 3] = ["22", "23", "54"];

/// The server, and what is known of it.
pub(super) struct Server {
    settings: Postgres,
    tls: Option<MakeRustlsConnect>,
    /// Where connections are driven: whoever asks for one may end before it.
    runtime: Handle,
    /// A pooler in between forgets what was prepared.
    forgets: AtomicBool,
    is_closed: AtomicBool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.settings)
    }
}

impl Server {
    /// To be called in the runtime that outlives every other.
    pub(super) fn new(settings: Postgres) -> anyhow::Result<Self> {
        let tls = super::tls::connector(&settings)?;
        let (forgets, is_closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { settings, tls, runtime: Handle::current(), forgets, is_closed })
    }

    /// Nothing is asked of it any more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn place(&self) -> String {
        self.settings.to_string()
    }

    /// A new connection, driven until its client is dropped.
    #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
    async fn connect(self: &Arc<Self>) -> Result<Client, StoreError> {
        let server = self.clone();
        let connecting = self.runtime.spawn(async move {
            let settings = &server.settings.client;
            match server.tls.clone() {
                Some(tls) => {
                    let (client, connection) = settings.connect(tls).await?;
                    tokio::spawn(async move { connection.await.ok() });
                    Ok(client)
                }
                None => {
                    let (client, connection) = settings.connect(NoTls).await?;
                    tokio::spawn(async move { connection.await.ok() });
                    Ok(client)
                }
            }
        });
        let connected: Result<Client, Error> =
            connecting.await.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        connected.map_err(|error| unavailable(&error))
    }
}

/// What is said of an error: the server's words and their code, never a row's values.
pub(super) fn unavailable(error: &Error) -> StoreError {
    let text = match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(error), _) => format!("{} ({})", error.message(), error.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    };
    StoreError::Unavailable(text.into())
}

/// One connection. Statements of several callers are sent one after the other without waiting for answers.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    /// To a statement's answer.
    time: Duration,
    open: tokio::sync::Mutex<Option<Arc<Open>>>,
}

#[derive(Debug)]
struct Open {
    client: Client,
    prepared: Mutex<HashMap<&'static str, Statement>>,
}

impl Link {
    pub(super) fn new(server: &Arc<Server>, time: Duration) -> Self {
        Self { server: server.clone(), time, open: tokio::sync::Mutex::default() }
    }

    /// The rows that a statement gives, or whose fault it is that it gives none.
    pub(super) async fn attempt(&self, sql: &'static Sql, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        self.timed(async |open| self.ask(open, sql, values).await).await
    }

    /// The rows that a statement gives.
    pub(super) async fn query(&self, sql: &'static Sql, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.attempt(sql, values).await?)
    }

    /// The only row that a statement gives, if it gives one.
    pub(super) async fn row(&self, sql: &'static Sql, values: Values<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// A statement that is another each time.
    pub(super) async fn query_once(
        &self,
        text: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(self.timed(async |open| open.client.query_typed(text, values).await).await?)
    }

    /// Several statements without values.
    pub(super) async fn batch(&self, text: &str) -> Result<(), StoreError> {
        Ok(self.timed(async |open| open.client.batch_execute(text).await).await?)
    }

    /// What `ask` gives within the time. A connection that doesn't answer, or can't go on, is left.
    async fn timed<T>(&self, ask: impl AsyncFnOnce(&Open) -> Result<T, Error>) -> Result<T, Failure> {
        let asked = async {
            let open = self.open().await.map_err(Failure::Other)?;
            match tokio::time::timeout(self.time, ask(&open)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => {
                    if is_lost(&error) {
                        self.leave(&open).await;
                    }
                    let is_of_a_row =
                        |code: &SqlState| OF_A_ROW.iter().any(|class| code.code().starts_with(class));
                    let failed = unavailable(&error);
                    Err(if error.code().is_some_and(is_of_a_row) {
                        Failure::Row(failed)
                    } else {
                        Failure::Other(failed)
                    })
                }
                Err(_) => {
                    self.leave(&open).await;
                    Err(Failure::Other(StoreError::NoAnswer))
                }
            }
        };
        let unanswered = Err(Failure::Other(StoreError::NoAnswer));
        tokio::time::timeout(self.time + self.time, asked).await.unwrap_or(unanswered)
    }

    async fn open(&self) -> Result<Arc<Open>, StoreError> {
        if self.server.is_closed.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("closed".into()));
        }
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref().filter(|open| !open.client.is_closed()) {
            return Ok(open.clone());
        }
        let client = self.server.connect().await?;
        Ok(open.insert(Arc::new(Open { client, prepared: Mutex::default() })).clone())
    }

    async fn leave(&self, lost: &Arc<Open>) {
        let mut open = self.open.lock().await;
        open.take_if(|open| Arc::ptr_eq(open, lost));
    }

    async fn ask(&self, open: &Open, sql: &'static Sql, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let forgets = &self.server.forgets;
        if !forgets.load(Ordering::Relaxed) {
            let asked = async {
                let statement = open.prepared(sql).await?;
                open.client.query(&statement, values).await
            };
            match asked.await {
                Err(error) if is_forgotten(&error) => {
                    if !forgets.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            "{}",
                            say(
                                "PostgreSQL 前面的连接池记不住预备语句：改为每次重新解析，会慢一些（可直连数据库端口）",
                                "the pooler in front of PostgreSQL forgets prepared statements: they are parsed each time, which is slower (a direct connection to the database isn't)"
                            )
                        );
                    }
                }
                asked => return asked,
            }
        }
        let typed: Vec<_> = values.iter().copied().zip(sql.types.iter().cloned()).collect();
        open.client.query_typed(sql.text, &typed).await
    }
}

impl Open {
    async fn prepared(&self, sql: &'static Sql) -> Result<Statement, Error> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql.text).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare_typed(sql.text, sql.types).await?;
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(sql.text, statement.clone());
        Ok(statement)
    }
}

fn is_forgotten(error: &Error) -> bool {
    let forgotten = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT];
    error.code().is_some_and(|code| forgotten.contains(code))
}

/// The connection leads nowhere: it is closed, the server ends, or it has become a standby.
fn is_lost(error: &Error) -> bool {
    let Some(code) = error.code() else { return true };
    let text = code.code();
    *code == SqlState::READ_ONLY_SQL_TRANSACTION || text.starts_with("08") || text.starts_with("57P0")
}
