//! Where the gateways of the tests keep things: SQLite, or the PostgreSQL that tests/with-postgres started.

use std::sync::atomic::{AtomicU32, Ordering};

const POSTGRES: &str = "WXGATE_TEST_POSTGRES";
const KEY: &str = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU=";

/// `[store]` of a gateway whose database is new.
pub(crate) fn store() -> String {
    let environment = wxgate::config::environment();
    let Some(server) = environment.get(POSTGRES) else {
        return "[store]\nurl = \"sqlite:wxgate.db\"\n".to_owned();
    };
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let create = format!("create database {name}");
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
    let url = server.replace("/postgres?", &format!("/{name}?"));
    format!("[store]\nurl = \"{url}\"\nmaster_key = \"{KEY}\"\n")
}
