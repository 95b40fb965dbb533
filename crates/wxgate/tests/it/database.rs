//! Where the gateways of the tests keep things: SQLite, or PostgreSQL.

use std::path::PathBuf;

use crate::app::TestApp;
use crate::postgres::{POSTGRES, new_database};

const KEY: &str = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU=";

/// `[store]` of a gateway whose database is new.
pub(crate) fn store() -> String {
    match wxgate::config::environment().get(POSTGRES) {
        None => "[store]\nurl = \"sqlite:wxgate.db\"\n".to_owned(),
        Some(server) => format!("[store]\nurl = \"{}\"\nmaster_key = \"{KEY}\"\n", new_database(server)),
    }
}

/// The server of the tests, if they run on one.
pub(crate) fn server() -> Option<String> {
    wxgate::config::environment().get(POSTGRES).cloned()
}

/// Folder of the server's socket, and its port.
pub(crate) fn place(server: &str) -> (PathBuf, u16) {
    let (folder, port) = server.split_once("?host=").unwrap().1.split_once("&port=").unwrap();
    (folder.into(), port.parse().unwrap())
}

/// Its socket.
pub(crate) fn socket(server: &str) -> PathBuf {
    let (folder, port) = place(server);
    folder.join(format!(".s.PGSQL.{port}"))
}

/// A configuration whose database is reached another way: `way` is `HOST:PORT` and `QUERY` of its URL.
pub(crate) fn by(text: &str, host: &str, query: &str) -> String {
    let (before, rest) = text.split_once("postgres://wxgate@/").unwrap();
    let (database, rest) = rest.split_once("?host=").unwrap();
    let (_, rest) = rest.split_once('"').unwrap();
    format!("{before}postgres://wxgate@{host}/{database}?{query}\"{rest}")
}

/// Its URL, if it is a server's.
fn url(app: &TestApp) -> Option<String> {
    let (_, rest) = app.text().split_once("url = \"postgres")?;
    Some(format!("postgres{}", rest.split_once('"')?.0))
}

fn file(app: &TestApp) -> PathBuf {
    app.dir.path().join("wxgate.db")
}

/// A connection besides the gateway's.
async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Calls that the database knows of.
pub(crate) async fn stored_calls(app: &TestApp) -> i64 {
    const CALLS: &str =
        "select cast(coalesce(sum(calls), 0) as bigint) from usage where api not like 'key:%'";
    match url(app) {
        Some(url) => client(&url).await.query_one(CALLS, &[]).await.unwrap().get(0),
        None => {
            let db = rusqlite::Connection::open(file(app)).unwrap();
            db.query_row(CALLS, [], |row| row.get(0)).unwrap()
        }
    }
}

/// What keeps every commit waiting.
pub(crate) enum Blocker {
    File(rusqlite::Connection),
    Server(tokio_postgres::Client),
}

/// Lets nobody write until [`Blocker::release`].
pub(crate) async fn block(app: &TestApp) -> Blocker {
    match url(app) {
        Some(url) => {
            let client = client(&url).await;
            let all =
                "begin; lock table meta, counter, credentials, seen_msg, nodes, due, quotas in share mode";
            client.batch_execute(all).await.unwrap();
            Blocker::Server(client)
        }
        None => {
            let db = rusqlite::Connection::open(file(app)).unwrap();
            db.execute_batch("begin immediate").unwrap();
            Blocker::File(db)
        }
    }
}

impl Blocker {
    pub(crate) async fn release(self) {
        match self {
            Self::File(db) => db.execute_batch("rollback").unwrap(),
            Self::Server(client) => client.batch_execute("rollback").await.unwrap(),
        }
    }
}

/// Takes the database away under the gateway.
pub(crate) async fn take_away(app: &TestApp) {
    match (url(app), server()) {
        (Some(url), Some(server)) => {
            let name = url.split_once("@/").unwrap().1.split_once('?').unwrap().0;
            let client = client(&server).await;
            client.batch_execute(&format!("alter database {name} allow_connections false")).await.unwrap();
            let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
            client.query(end, &[&name]).await.unwrap();
        }
        _ => std::fs::remove_file(file(app)).unwrap(),
    }
}

/// What lies in the gateway's folder.
pub(crate) fn files() -> &'static [&'static str] {
    match server() {
        Some(_) => &["setup-code"],
        None => {
            &["setup-code", "wxgate.db", "wxgate.db-shm", "wxgate.db-wal", "wxgate.db.key", "wxgate.db.lock"]
        }
    }
}
