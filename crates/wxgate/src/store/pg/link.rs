//! One connection, made when it is needed and again when it was lost, and the statements that were prepared on it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::why::{self, unavailable};
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
    /// The connection is gone, or didn't answer: nobody knows what was done.
    Lost(StoreError),
    /// Anything else.
    Other(StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Row(error) | Failure::Lost(error) | Failure::Other(error) => error,
        }
    }
}

/// A server that can't be connected to may be back within this time.
const SOON: Duration = Duration::from_secs(5);
/// And is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// To the end of a handshake.
const CONNECT: Duration = Duration::from_secs(3);
/// A connection that only listens is asked so often whether it lives.
const ALIVE: Duration = Duration::from_secs(10);
/// And looked at so often, whether it has ended.
const LOOK: Duration = Duration::from_millis(500);

/// How statements are planned: once, for tables that are nearly empty now and large soon, so by their indexes. Who makes a plan
/// for what a table holds at that moment reads all of it a minute later.
pub(super) const BY_INDEX: &str =
    "set jit = off; set plan_cache_mode = force_generic_plan; set enable_seqscan = off;
    set enable_hashjoin = off; set enable_mergejoin = off";
/// A group is joined with itself.
pub(super) const OF_GROUPS: &str = "set jit = off; set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_mergejoin = off";
/// Filters differ from list to list.
pub(super) const BY_CONTENT: &str = "set jit = off";

/// What the server can't keep, is too long for an index, or breaks a rule of the table.
const OF_A_ROW: [&str; 3] = ["22", "23", "54"];

/// Since when no connection could be made, and when somebody tried last.
#[derive(Clone, Copy)]
struct Away {
    since: Instant,
    tried: Instant,
}

/// The server, and what is known of it.
pub(super) struct Server {
    settings: Postgres,
    tls: Option<MakeRustlsConnect>,
    /// Where connections are driven: whoever asks for one may end before it.
    runtime: Handle,
    /// A pooler in between forgets what was prepared.
    forgets: AtomicBool,
    /// Connections that were made again.
    losses: AtomicU64,
    /// Since when no connection could be made.
    away: Mutex<Option<Away>>,
    is_closed: AtomicBool,
}

/// What is done with a message of another node.
pub(super) type Hear = Box<dyn Fn(&str) + Send>;

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.settings)
    }
}

impl Server {
    /// To be called in the runtime that outlives every other.
    pub(super) fn new(settings: Postgres) -> anyhow::Result<Self> {
        let tls = super::tls::connector(&settings)?;
        Ok(Self {
            settings,
            tls,
            runtime: Handle::current(),
            forgets: AtomicBool::new(false),
            losses: AtomicU64::new(0),
            away: Mutex::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Nothing is asked of it any more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Nobody could connect for a while, and somebody has just tried: until one could, nobody waits. Before that whoever has
    /// time does: a server that restarts is back soon.
    pub(super) fn is_away(&self) -> bool {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|Away { since, tried }| since.elapsed() >= SOON && tried.elapsed() < AGAIN)
    }

    /// How often a connection was lost and made again: what is there may be another server, which has forgotten something.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    pub(super) fn place(&self) -> String {
        self.settings.to_string()
    }

    /// A new connection, driven until its client is dropped.
    #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
    async fn connect(self: &Arc<Self>, hear: Hear) -> Result<Client, StoreError> {
        let (server, began) = (self.clone(), Instant::now());
        let connecting = self.runtime.spawn(async move {
            let settings = &server.settings.client;
            match server.tls.clone() {
                Some(tls) => {
                    let (client, connection) = settings.connect(tls).await?;
                    tokio::spawn(drive(connection, hear));
                    Ok::<_, Error>(client)
                }
                None => {
                    let (client, connection) = settings.connect(NoTls).await?;
                    tokio::spawn(drive(connection, hear));
                    Ok(client)
                }
            }
        });
        let connected = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(connected)) => connected.map_err(|error| why::unreachable(&error, &self.settings)),
            Ok(Err(error)) => Err(StoreError::Unavailable(error.to_string().into())),
            Err(_) => Err(StoreError::NoAnswer),
        };
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let since = away.map_or(began, |away| away.since);
        *away = connected.is_err().then(|| Away { since, tried: Instant::now() });
        connected
    }

    /// Hears what is told on `channel`, until the connection ends; `ready`: from now on it does.
    pub(super) async fn listen(
        self: &Arc<Self>,
        channel: &str,
        hear: Hear,
        ready: impl FnOnce() + Send,
    ) -> Result<(), StoreError> {
        let client = self.connect(hear).await?;
        let ask = async |text: &str| match tokio::time::timeout(ALIVE, client.batch_execute(text)).await {
            Ok(done) => done.map_err(|error| unavailable(&error)),
            Err(_) => Err(StoreError::NoAnswer),
        };
        ask(&format!("listen {channel}")).await?;
        ready();
        let mut asked = Instant::now();
        while !self.is_closed() && !client.is_closed() {
            tokio::time::sleep(LOOK).await;
            if asked.elapsed() >= ALIVE {
                ask("").await?;
                asked = Instant::now();
            }
        }
        Ok(())
    }
}

/// Moves a connection's bytes until it ends.
async fn drive<S, T>(mut connection: Connection<S, T>, hear: Hear)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notification(told) = message {
            hear(told.payload());
        }
    }
}

/// One connection. Statements of several callers are sent one after the other without waiting for answers.
#[derive(Debug)]
pub(super) struct Link {
    server: Arc<Server>,
    /// To a statement's answer.
    time: Duration,
    open: tokio::sync::Mutex<Option<Arc<Open>>>,
    was_open: AtomicBool,
    plans: &'static str,
}

#[derive(Debug)]
struct Open {
    client: Client,
    prepared: Mutex<HashMap<&'static str, Statement>>,
}

impl Link {
    pub(super) fn new(server: &Arc<Server>, time: Duration) -> Self {
        Self {
            server: server.clone(),
            time,
            open: tokio::sync::Mutex::default(),
            was_open: AtomicBool::new(false),
            plans: BY_INDEX,
        }
    }

    pub(super) fn planned(self, plans: &'static str) -> Self {
        Self { plans, ..self }
    }

    /// Makes a connection unless there is one.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        Ok(self.timed(None, async |_| Ok(())).await?)
    }

    /// Whether there is a connection.
    pub(super) async fn is_open(&self) -> bool {
        self.open.lock().await.as_ref().is_some_and(|open| !open.client.is_closed())
    }

    #[cfg(test)]
    pub(super) fn has_forgotten(&self) -> bool {
        self.server.forgets.load(Ordering::Relaxed)
    }

    /// The rows that a statement gives, or whose fault it is that it gives none.
    pub(super) async fn attempt(&self, sql: &'static Sql, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        self.timed(None, async |open| self.ask(open, sql, values).await).await
    }

    /// The same, unless a connection was made again since there were so many `losses`: then nothing is asked.
    pub(super) async fn attempt_since(
        &self,
        losses: u64,
        sql: &'static Sql,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Failure> {
        self.timed(Some(losses), async |open| self.ask(open, sql, values).await).await
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
        Ok(self.timed(None, async |open| open.client.query_typed(text, values).await).await?)
    }

    /// Several statements without values.
    pub(super) async fn batch(&self, text: &str) -> Result<(), StoreError> {
        Ok(self.timed(None, async |open| open.client.batch_execute(text).await).await?)
    }

    /// What `ask` gives within the time. A connection that doesn't answer, or can't go on, is left.
    async fn timed<T>(
        &self,
        losses: Option<u64>,
        ask: impl AsyncFnOnce(&Open) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let asked = async {
            let open = self.open().await.map_err(Failure::Lost)?;
            if losses.is_some_and(|losses| losses != self.server.losses()) {
                return Err(Failure::Lost(StoreError::Unavailable("the connection was made again".into())));
            }
            match tokio::time::timeout(self.time, ask(&open)).await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(error)) => {
                    let is_lost = is_lost(&error);
                    if is_lost {
                        self.leave(&open).await;
                    }
                    let is_of_a_row =
                        |code: &SqlState| OF_A_ROW.iter().any(|class| code.code().starts_with(class));
                    let failed = unavailable(&error);
                    Err(match error.code() {
                        _ if is_lost => Failure::Lost(failed),
                        Some(code) if is_of_a_row(code) => Failure::Row(failed),
                        _ => Failure::Other(failed),
                    })
                }
                Err(_) => {
                    self.leave(&open).await;
                    Err(Failure::Lost(StoreError::NoAnswer))
                }
            }
        };
        let unanswered = Err(Failure::Lost(StoreError::NoAnswer));
        tokio::time::timeout(self.time + self.time, asked).await.unwrap_or(unanswered)
    }

    async fn open(&self) -> Result<Arc<Open>, StoreError> {
        if self.server.is_closed() {
            return Err(StoreError::Unavailable("closed".into()));
        }
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref().filter(|open| !open.client.is_closed()) {
            return Ok(open.clone());
        }
        if self.server.is_away() {
            return Err(StoreError::Unavailable("no connection".into()));
        }
        let client = self.server.connect(Box::new(|_| {})).await?;
        // What nobody waits for any more ends there, too.
        let settings = format!("{}; set statement_timeout = {}", self.plans, self.time.as_millis());
        client.batch_execute(&settings).await.map_err(|error| unavailable(&error))?;
        if self.was_open.swap(true, Ordering::Relaxed) {
            self.server.losses.fetch_add(1, Ordering::AcqRel);
        }
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
