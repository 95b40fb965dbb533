//! `wxgate apply`, the real command, against a gateway: the difference first, all or nothing, and nothing the second time.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, OFFICIAL, TestApp};
use crate::cli::{text, wxgate};

const KEY: &str = "key_appl_0123456789abcdefghijk";
const OTHER: &str = "key_othr_0123456789abcdefghijk";

const FILE: &str = r#"
[[callers]]
name = "shop"
key = "env:SHOP_KEY"
apps = ["*"]
apis = ["*"]
quotas = { "/cgi-bin/message/*" = "10000/d" }
expires_at = 2099-12-31
[[callers]]
name = "file"
key = "file:other.key"
apps = ["*"]
apis = ["*"]
[[routes]]
name = "b"
target = "https://example.com/b"
[[routes]]
name = "a"
target = "https://example.com/a"
"#;

/// In this folder, with these lines as the file; exit code and what was said.
async fn apply(app: &TestApp, dir: &Path, file: &str, args: &[&str]) -> (i32, String) {
    apply_with(app, dir, file, args, KEY).await
}

async fn apply_with(app: &TestApp, dir: &Path, file: &str, args: &[&str], key: &str) -> (i32, String) {
    std::fs::write(dir.join("entries.toml"), file).unwrap();
    std::fs::write(dir.join("other.key"), OTHER).unwrap();
    let mut command = wxgate();
    command
        .args(["apply", "-f", "entries.toml", "--url", &app.admin_url()])
        .args(args)
        .current_dir(dir)
        .env("WXGATE_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("SHOP_KEY", key)
        .stdin(Stdio::null());
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code().unwrap(), text(&stdout) + &text(&stderr))
}

async fn server() -> (TestApp, tempfile::TempDir) {
    let file = format!("[[callers]]\nname = \"file\"\nkey = \"{OTHER}\"\napps = [\"*\"]\napis = [\"*\"]\n");
    (TestApp::configured(&file).await, tempfile::tempdir().unwrap())
}

async fn names(app: &TestApp, list: &str) -> Vec<String> {
    let items = app.api(list).await["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn calls(app: &TestApp, key: &str) -> u16 {
    let body = json!({"appid": OFFICIAL, "scene": "s"});
    app.call_with("getwxqrcode", &[("x-api-key", key)], body).await.status.as_u16()
}

#[tokio::test]
async fn a_file_is_applied_once_and_has_nothing_to_do_then() {
    let (app, dir) = server().await;
    let (code, said) = apply(&app, dir.path(), FILE, &[]).await;
    assert_eq!(code, 3, "nobody was there to ask: {said}");
    assert!(
        said.contains("+ callers/shop") && said.contains("+ routes/a") && said.contains("--yes"),
        "{said}"
    );
    assert_eq!(calls(&app, KEY).await, 401, "nothing was done");
    let (code, said) = apply(&app, dir.path(), FILE, &["--yes"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("! callers/file") && said.contains("callers[0]"), "{said}");
    assert_eq!((calls(&app, KEY).await, calls(&app, OTHER).await), (200, 200));
    assert_eq!(names(&app, "routes").await, ["b", "a"]);
    let revisions = async || {
        let lists = [app.api("callers").await, app.api("routes").await];
        let items = lists.iter().flat_map(|list| list["items"].as_array().unwrap().clone());
        items.map(|item| item["revision"].clone()).collect::<Vec<Value>>()
    };
    let before = (revisions().await, app.api("audit").await["items"].as_array().unwrap().len());
    for args in [&[][..], &["--yes"], &["--yes", "--prune"]] {
        let (code, said) = apply(&app, dir.path(), FILE, args).await;
        assert!(code == 0 && said.contains("没有要做的"), "{code} {said}");
    }
    assert_eq!((revisions().await, app.api("audit").await["items"].as_array().unwrap().len()), before);
    assert!(!said.contains("key_"), "{said}");
}

#[tokio::test]
async fn what_differs_is_shown_and_a_secret_only_that_it_does() {
    let (app, dir) = server().await;
    apply(&app, dir.path(), FILE, &["--yes"]).await;
    let next = "key_next_0123456789abcdefghijk";
    let changed = FILE
        .replace("10000/d", "20000/d")
        .replace("name = \"b\"", "name = \"x\"")
        .replace("example.com/b", "example.com/x");
    let (code, said) = apply_with(&app, dir.path(), &changed, &["--yes"], next).await;
    assert_eq!(code, 0, "{said}");
    for part in ["~ callers/shop", "key：另一个密钥", "\"20000/d\"", "+ routes/x"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("key_"), "{said}");
    assert_eq!((calls(&app, KEY).await, calls(&app, next).await), (401, 200));
    assert_eq!(names(&app, "routes").await, ["x", "a", "b"], "what the file doesn't name stays, behind");
    let (code, said) = apply_with(&app, dir.path(), &changed, &["--yes", "--prune"], next).await;
    assert!(code == 0 && said.contains("- routes/b"), "{said}");
    assert_eq!(names(&app, "routes").await, ["x", "a"]);
    // A list that the file doesn't have is left alone, and one that is empty is emptied.
    let (code, said) = apply_with(&app, dir.path(), "routes = []", &["--yes", "--prune"], next).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!((names(&app, "routes").await.len(), calls(&app, next).await), (0, 200));
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let (app, dir) = server().await;
    let failed = async |file: &str, part: &str| {
        let (code, said) = apply(&app, dir.path(), file, &["--yes"]).await;
        assert!(code == 1 && said.contains(part), "{code} {said}");
    };
    failed("[[callers]]\nname = \"a\"\nkey = \"env:NOT_THERE\"\napps = [\"*\"]\napis = [\"*\"]", "NOT_THERE")
        .await;
    failed(&FILE.replace("https://example.com/a", "ftp://x/"), "routes[1]").await;
    // The server has the last word, over all of it.
    failed(
        &FILE.replace("env:SHOP_KEY", "file:other.key").replace("name = \"file\"", "name = \"gone\""),
        "密钥",
    )
    .await;
    failed("[[callers]\n", "TOML").await;
    assert_eq!(names(&app, "callers").await, ["file"]);
    assert!(names(&app, "routes").await.is_empty());
    let mut command = wxgate();
    command.args(["apply", "-f", "entries.toml", "--url", "http://127.0.0.1:9"]).current_dir(dir.path());
    let output = command.output().unwrap();
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("TOML"));
    std::fs::write(dir.path().join("entries.toml"), "[log]\nlevel = \"info\"\n").unwrap();
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("WXGATE_ADMIN_TOKEN") && said.contains("log"),
        "{said}"
    );
    let output = command.env("WXGATE_ADMIN_TOKEN", ADMIN_TOKEN).output().unwrap();
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("127.0.0.1:9"));
}

#[tokio::test]
async fn whoever_looked_before_somebody_changed_something_looks_again() {
    let (app, _dir) = server().await;
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let url = format!("{}/api/v1", app.admin_url());
    let post = async |path: &str, body: Value| {
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        app.http.send(http::Method::POST, &format!("{url}/{path}"), &headers, body.to_string()).await.unwrap()
    };
    let shop = json!([{"name": "shop", "key": KEY, "apps": ["*"], "apis": ["*"]}]);
    let seen = post("apply", json!({"callers": shop, "dry_run": true})).await.json();
    assert_eq!((&seen["pending"], &seen["changes"][0]["action"]), (&json!(1), &json!("create")));
    post("routes", json!({"name": "r", "target": "https://example.com/"})).await;
    let late = post("apply", json!({"callers": shop, "revision": seen["revision"]})).await;
    assert_eq!((late.status.as_u16(), calls(&app, KEY).await), (412, 401));
    // What isn't in any such file is no change of it.
    let seen = post("apply", json!({"callers": shop, "dry_run": true})).await.json();
    let user = json!({"name": "li", "role": "viewer", "password": "correct horse battery"});
    assert_eq!(post("users", user).await.status.as_u16(), 201);
    let done = post("apply", json!({"callers": shop, "revision": seen["revision"]})).await;
    assert_eq!(done.status.as_u16(), 200, "{:?}", done.body);
    let again = post("apply", json!({"callers": shop, "revision": done.json()["revision"]})).await;
    assert_eq!((again.status.as_u16(), &again.json()["revision"]), (200, &done.json()["revision"]));
    for wrong in [
        json!({"callers": {}}),
        json!({"callers": [1]}),
        json!({"calers": []}),
        json!({"prune": 1, "callers": []}),
    ] {
        assert_eq!(post("apply", wrong.clone()).await.status.as_u16(), 400, "{wrong}");
    }
}
