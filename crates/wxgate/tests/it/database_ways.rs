//! Ways to a PostgreSQL server: with TLS, whose certificate is looked at as `sslmode` says.

use std::path::Path;

use crate::app::TestApp;
use crate::database::{by, place, server};

fn certs(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/certs").join(name).display().to_string()
}

/// Connections with TLS and without.
async fn connections(server: &str, database: &str) -> (i64, i64) {
    let client: tokio_postgres::Config = server.parse().unwrap();
    let (client, connection) = client.connect(tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let counted = client
        .query_one(
            "select count(*) filter (where ssl), count(*) filter (where not ssl)
             from pg_stat_ssl join pg_stat_activity using (pid) where datname = $1 and client_addr is not null",
            &[&database],
        )
        .await
        .unwrap();
    driver.abort();
    (counted.get(0), counted.get(1))
}

#[tokio::test]
async fn a_server_is_looked_at_as_the_url_says() {
    let Some(server) = server() else { return };
    let (_, port) = place(&server);
    let app = TestApp::start().await;
    let database =
        app.text().split_once("postgres://wxgate@/").unwrap().1.split_once('?').unwrap().0.to_owned();
    let (ours, other) = (certs("ca.pem"), certs("test.pem"));
    for (host, query, is_private) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), false),
        ("127.0.0.1", "sslmode=prefer".to_owned(), true),
        ("127.0.0.1", String::new(), true),
        ("127.0.0.1", "sslmode=require".to_owned(), true),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), true),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), true),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}"), true),
    ] {
        let node = app.beside(&by(app.text(), &format!("{host}:{port}"), &query)).await;
        let (private, open) = connections(&server, &database).await;
        assert!((private > 0, open > 0) == (is_private, !is_private), "{query}: {private} {open}");
        node.stop().await;
    }
    for (host, query) in [
        ("127.0.0.1", "sslmode=verify-full".to_owned()),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={other}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={other}")),
    ] {
        let text = by(app.text(), &format!("{host}:{port}"), &query);
        let refused = app.beside_here(&text).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("数据库"), "{query}: {refused:#}");
    }
}
