//! Databases on the PostgreSQL server that tests/with-postgres started. The unit tests of the store have this file, too.

use std::sync::atomic::{AtomicU32, Ordering};

/// Names the server; without it there is none.
pub(crate) const POSTGRES: &str = "WXGATE_TEST_POSTGRES";

/// The URL of a new database on `server`.
pub(crate) fn new_database(server: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    // A schema of a later version, which this one has to get on with.
    let template = wxgate_template().map(|template| format!(" template {template}")).unwrap_or_default();
    let create = format!("create database {name}{template}");
    let client: tokio_postgres::Config = server.parse().unwrap();
    // In a thread and a runtime of its own: whoever asks stands in one already.
    let made = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (client, connection) = client.connect(tokio_postgres::NoTls).await.unwrap();
            let asked = async { client.batch_execute(&create).await.unwrap() };
            tokio::select! { () = asked => (), _ = connection => panic!("the server is gone") }
        });
    });
    made.join().unwrap();
    server.replace("/postgres?", &format!("/{name}?"))
}

/// What new databases are copies of, if not empty.
fn wxgate_template() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "tests are told by their environment")]
    std::env::var("WXGATE_TEST_TEMPLATE").ok()
}
