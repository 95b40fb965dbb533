//! `wxgate migrate`: from SQLite to PostgreSQL without losing anything, however often it is begun.

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use wxgate::clock::Clock;
use wxgate::store::{Moved, Progress, move_from};

use crate::app::{ADMIN_TOKEN, EXAMPLE, MINI, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::cli::{free_port, run};
use crate::postgres::{POSTGRES, new_database};
use crate::signed::{Callback, Maker, text};

const ON_SQLITE: &str = "url = \"sqlite:source.db\"";

/// The server, if there is one.
fn server() -> Option<String> {
    wxgate::config::environment().get(POSTGRES).cloned()
}

/// A configuration with another store.
fn with_store(text: &str, store: &str) -> String {
    let (begin, end) = (text.find("[store]").unwrap(), text.find("[[apps]]").unwrap());
    format!("{}[store]\n{store}\n{}", &text[..begin], &text[end..])
}

/// A gateway on `source.db`.
async fn on_sqlite(more: &str) -> TestApp {
    let mut app = TestApp::configured(&format!("[auth]\nmode = \"off\"\n{more}")).await;
    let text = with_store(app.text(), ON_SQLITE);
    app.restart_with(&text).await;
    app
}

/// Its configuration with a new PostgreSQL database and its own key.
fn on_postgres(app: &TestApp, server: &str) -> String {
    let key = std::fs::read_to_string(app.dir.path().join("source.db.key")).unwrap();
    with_store(app.text(), &format!("url = \"{}\"\nmaster_key = \"{key}\"", new_database(server)))
}

async fn moved_until(
    app: &TestApp,
    text: &str,
    mut end: impl FnMut(Progress) -> bool,
) -> anyhow::Result<Moved> {
    let config = app.config(text).unwrap();
    let clock = Clock::Manual(app.clock.clone());
    let mut watch = |progress| if end(progress) { anyhow::bail!("cut") } else { Ok(()) };
    move_from(&app.dir.path().join("source.db"), &config.store, clock, &mut watch).await
}

async fn moved(app: &TestApp, text: &str) -> Moved {
    moved_until(app, text, |_| false).await.unwrap()
}

#[track_caller]
fn assert_equal(moved: &Moved) {
    assert!(moved.tables.len() == 23 && moved.tables.iter().all(|table| table.is_equal), "{moved:?}");
}

fn rows(moved: &Moved, name: &str) -> u64 {
    moved.tables.iter().find(|table| table.table == name).unwrap().target
}

async fn send(app: &TestApp, content: &str) -> Callback {
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
    assert_eq!(app.callback(None, &callback).await.body, "success");
    callback
}

/// Until all that could be delivered is, and all else was tried once.
async fn settled(app: &TestApp) {
    app.until("all was tried", async || {
        let waiting = app.deliveries("status=pending").await;
        waiting.iter().all(|d| d["route"] == "down" && d["attempts"].as_array().unwrap().len() == 1)
    })
    .await;
}

/// A second round of a delivery that has ended.
fn replay(database: &Path, id: i64, now: i64) {
    let db = Connection::open(database).unwrap();
    let ended = db.execute("update deliveries set status = 3 where id = ?1 and status = 1", [id]).unwrap();
    assert_eq!(ended, 1);
    db.execute("insert into due (id, route, due_at, round) values (?1, 'up', ?2, 1)", [id, now]).unwrap();
}

/// What the admin API shows.
async fn shown(app: &TestApp) -> [Value; 3] {
    [app.events().await.into(), app.deliveries("").await.into(), app.api("callers").await]
}

#[tokio::test]
async fn everything_moves_and_nobody_notices() {
    let Some(server) = server() else { return };
    let (backend, port) = (Backend::start().await, free_port());
    backend.does(|got| if got.message().content() == "dies" { says(410, "") } else { says(200, "") });
    let mut app = on_sqlite(&format!(
        "[[routes]]\nname = \"up\"\ntarget = \"{}/\"\n[[routes]]\nname = \"down\"\ntarget = \"http://127.0.0.1:{port}/\"\n",
        backend.url
    ))
    .await;
    app.qr_code(OFFICIAL).await.ok();
    app.qr_code(EXAMPLE).await.ok();
    let code = app.code("login", MINI, &app.user(MINI).await).await;
    let login = json!({"appid": MINI, "code": code});
    let session = app.call("code2session", login.clone()).await.ok();
    let mut sent = Vec::new();
    for content in ["a", "b", "dies"] {
        sent.push(send(&app, content).await);
    }
    settled(&app).await;
    let ended = app.deliveries("route=up&status=delivered").await[0]["id"].as_i64().unwrap();
    app.stop().await;
    replay(&app.dir.path().join("source.db"), ended, app.clock.now());
    app.restart().await;
    settled(&app).await;
    let caller =
        json!({"name": "made", "key": "key_made_0123456789abcdefghijk", "apps": ["*"], "apis": ["*"]});
    let url = format!("{}/api/v1/callers", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let made =
        app.http.send(Method::POST, &url, &[("authorization", &bearer)], caller.to_string()).await.unwrap();
    assert_eq!(made.status, 201, "{:?}", made.body);
    let (before, tokens, got) = (shown(&app).await, app.token_calls(None).await, backend.count());
    assert_eq!(got, 4, "a, b and dies, and one of them again");
    app.stop().await;

    let text = on_postgres(&app, &server);
    let moved = moved(&app, &text).await;
    assert_equal(&moved);
    assert!(!moved.was_done);
    let counts = ["credentials", "once", "events", "seen_msg", "seen_sig", "due", "deliveries", "attempts"];
    assert_eq!(counts.map(|table| rows(&moved, table)), [2, 1, 3, 3, 3, 3, 4, 4]);
    // The caller, and the setup code of a gateway without users.
    assert_eq!(["entries", "audit"].map(|table| rows(&moved, table)), [2, 1]);
    app.restart_with(&text).await;
    assert_eq!(shown(&app).await, before);
    // What was made at run time is there, and what comes after it follows.
    assert!(app.api("callers").await["items"].to_string().contains("\"made\""));
    let second = caller.to_string().replace("made", "next");
    let url = format!("{}/api/v1/callers", app.admin_url());
    let made = app.http.send(Method::POST, &url, &[("authorization", &bearer)], second).await.unwrap();
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(app.api("audit").await["items"].as_array().unwrap().len(), 2);
    app.qr_code(OFFICIAL).await.ok();
    app.qr_code(EXAMPLE).await.ok();
    assert_eq!(app.token_calls(None).await, tokens, "no token is fetched anew");
    let asked = app.calls("/sns/jscode2session", None).await;
    assert_eq!(app.call("code2session", login).await.ok(), session);
    assert_eq!(app.calls("/sns/jscode2session", None).await, asked, "the spent code's answer is known");
    for callback in &sent {
        assert_eq!(app.callback(None, callback).await.status, StatusCode::OK);
    }
    let forged = Callback { body: text_of("forged"), ..sent[0].clone() };
    assert_eq!(app.callback(None, &forged).await.status, StatusCode::FORBIDDEN);
    assert_eq!((app.events().await.len(), backend.count()), (3, got), "duplicates are known");
    let late = Backend::at(port).await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    assert_eq!(late.count(), 3, "what waited goes out");
    send(&app, "new").await;
    let events = app.events().await;
    assert!(events.len() == 4 && events[0]["id"].as_i64() > Some(3), "ids go on: {events:?}");
    app.all_delivered().await;
    assert_eq!((late.count(), backend.count()), (4, got + 1));
}

/// The newest message's id.
async fn newest(app: &TestApp) -> Option<i64> {
    app.api("events?limit=1").await["items"][0]["id"].as_i64()
}

fn text_of(content: &str) -> Vec<u8> {
    text("gh_0000000000c3", content).into_bytes()
}

/// Rows that no test would wait for, the newest of which are forgotten.
fn fill(database: &Path, now: i64) {
    let db = Connection::open(database).unwrap();
    let with = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500)";
    for (table, values) in [
        (
            "events (id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body)",
            "1000 + i, 'wx1', 'o', 'text', '', 'text', '', '', ?1, randomblob(32), randomblob(200)",
        ),
        ("seen_sig (key, digest, expires_at)", "randomblob(32), x'', ?1 + 60000"),
        ("usage (caller, api, calls, refused, since, last_at)", "'c', char(i, 20000 + i), i, 0, ?1, ?1"),
        ("bound (key, digest, again_until, expires_at)", "randomblob(32), randomblob(32), ?1, ?1 + 60000"),
    ] {
        let text = format!("insert into {table} {with} select {values} from n");
        db.execute(&text, [now]).unwrap();
    }
    db.execute("delete from events where id > 3400", []).unwrap();
    let noted = "update attempts set error = error || char(0) || 'x'";
    assert!(db.execute(noted, []).unwrap() > 0);
    db.execute("update due set owner = 7, leased_until = due_at", []).unwrap();
}

#[tokio::test]
async fn a_move_that_was_cut_goes_on_however_the_source_went_on() {
    let Some(server) = server() else { return };
    let port = free_port();
    let route = format!("[[routes]]\nname = \"down\"\ntarget = \"http://127.0.0.1:{port}/\"\n");
    let mut app = on_sqlite(&route).await;
    for content in ["a", "b", "c"] {
        send(&app, content).await;
    }
    settled(&app).await;
    app.stop().await;
    fill(&app.dir.path().join("source.db"), app.clock.now());
    let on_sqlite = app.text().to_owned();
    let text = on_postgres(&app, &server);
    for (table, compares) in [("events", false), ("seen_sig", true), ("attempts", true)] {
        let at = |p: Progress| p.table == table && p.compares == compares && p.rows > 0;
        let error = moved_until(&app, &text, at).await.unwrap_err();
        assert_eq!(error.to_string(), "cut", "{table}");
        let refused = app.beside_here(&text).await.err().unwrap().to_string();
        assert!(refused.contains("没有迁完"), "{refused}");
    }
    // The old one serves once more, and delivers what the cut move has copied as waiting.
    let backend = Backend::at(port).await;
    app.restart_with(&on_sqlite).await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    send(&app, "d").await;
    app.all_delivered().await;
    assert_eq!(backend.count(), 4);
    app.stop().await;
    let first = moved(&app, &text).await;
    assert_equal(&first);
    assert!(!first.was_done);
    assert_eq!(["due", "deliveries", "seen_sig"].map(|table| rows(&first, table)), [0, 4, 2504]);
    let again = moved(&app, &text).await;
    assert_equal(&again);
    assert!(again.was_done, "a further run only compares");
    app.restart_with(&text).await;
    send(&app, "e").await;
    app.all_delivered().await;
    assert_eq!((backend.count(), newest(&app).await), (5, Some(3502)));
    app.stop().await;
    let late = moved(&app, &text).await;
    assert!(late.was_done);
    assert_eq!(
        (rows(&late, "events"), rows(&late, "deliveries")),
        (rows(&first, "events") + 1, 5),
        "nothing comes back"
    );
}

/// `wxgate migrate`: whether it went well, and what it said.
fn migrate(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = run(&[&["migrate"], args].concat(), dir, "");
    (output.status.success(), crate::cli::text(&[output.stdout, output.stderr].concat()))
}

#[track_caller]
fn assert_refused(outcome: &(bool, String), words: &str) {
    assert!(!outcome.0 && outcome.1.contains(words), "{}: {}", words, outcome.1);
}

#[test]
fn a_database_of_the_configuration_gets_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wxgate.toml"), "[store]\nurl = \"sqlite:data/own.db\"\n").unwrap();
    let (done, said) = migrate(dir.path(), &[]);
    assert!(done && said.contains("own.db：原来是空的，已建表（schema 8）"), "{said}");
    let (done, said) = migrate(dir.path(), &["--lang", "en"]);
    assert!(done && said.contains("it has schema 8 already"), "{said}");
    for (from, words) in [
        ("mysql:x", "只能从 SQLite 迁出"),
        ("sqlite:", "只能从 SQLite 迁出"),
        ("sqlite:data/own.db", "只能迁到 PostgreSQL"),
    ] {
        assert_refused(&migrate(dir.path(), &["--from", from]), words);
    }
    if let Some(server) = server() {
        let url = new_database(&server);
        let store = format!("[store]\nurl = \"{url}\"\nmaster_key = \"{}\"\n", "A".repeat(43) + "=");
        std::fs::write(dir.path().join("wxgate.toml"), store).unwrap();
        for words in ["已建表（schema 6）", "已是 schema 6，不用升级"] {
            let (done, said) = migrate(dir.path(), &[]);
            assert!(done && said.contains(words), "{said}");
        }
        for (from, words) in [("sqlite:none.db", "none.db"), ("sqlite:data/own.db", "是空的，没有可迁移的")]
        {
            assert_refused(&migrate(dir.path(), &["--from", from]), words);
        }
    }
}

#[tokio::test]
async fn what_would_spoil_a_database_is_refused() {
    let Some(server) = server() else { return };
    let mut app = on_sqlite("").await;
    let dir = app.dir.path().to_owned();
    app.qr_code(OFFICIAL).await.ok();
    let text = on_postgres(&app, &server);
    let from = |text: &str, source: &str| {
        std::fs::write(dir.join("to.toml"), text).unwrap();
        migrate(&dir, &["--config", "to.toml", "--from", source])
    };
    assert_refused(&from(&text, "sqlite:source.db"), "请先停掉另一个");
    app.stop().await;
    let key = std::fs::read_to_string(dir.join("source.db.key")).unwrap();
    let other_key = "A".repeat(43) + "=";
    assert_refused(&from(&text.replace(&key, &other_key), "sqlite:source.db"), "source.db.key");

    // Into one that is served, or that another key was used for, or that holds something else.
    let served = app.beside_here(&text).await.unwrap();
    assert_refused(&from(&text, "sqlite:source.db"), "有 wxgate 正在使用数据库");
    served.stop().await;
    let keyed = on_postgres(&app, &server);
    app.beside_here(&keyed.replace(&key, &other_key)).await.unwrap().stop().await;
    assert_refused(&from(&keyed, "sqlite:source.db"), "主密钥与数据库");
    let filled = on_postgres(&app, &server);
    let source = app.text().to_owned();
    app.restart_with(&filled).await;
    app.qr_code(OFFICIAL).await.ok();
    app.stop().await;
    assert_refused(&from(&filled, "sqlite:source.db"), "已有别的数据");

    // A node began there and left nothing but its key, which is this one.
    let (done, said) = from(&text, "sqlite:source.db");
    assert!(done && said.contains("√ credentials") && said.contains("迁移完成"), "{said}");
    let (done, said) = from(&text, "sqlite:source.db");
    assert!(done && said.contains("什么也没有做"), "{said}");
    let other = with_store(&source, &format!("url = \"sqlite:other.db\"\nmaster_key = \"{key}\""));
    app.beside_here(&other).await.unwrap().stop().await;
    assert_refused(&from(&text, "sqlite:other.db"), "从另一个数据库迁来");
    app.restart_with(&source).await;
    app.qr_code(OFFICIAL).await.ok();
    app.stop().await;
    assert_refused(&from(&text, "sqlite:source.db"), "此后有一边变了");
}
