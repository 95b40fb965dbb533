//! The built binary as an operator uses it: reload, check, init.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::app::{EXAMPLE, Http, MINI, OFFICIAL};
use crate::cli::{Running, free_port, run, sandbox, serve, served, text, wxgate};

const KEY: &str = "key_0123456789abcdefghijklmn";

fn caller(key: &str) -> String {
    format!("[[callers]]\nname = \"crm\"\nkey = \"{key}\"\napps = [\"*\"]\napis = [\"*\"]")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// With variables of the environment.
fn run_with(args: &[&str], dir: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = wxgate().args(args).current_dir(dir).envs(variables.iter().copied()).output().unwrap();
    said(&output)
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

struct Served {
    dir: tempfile::TempDir,
    url: String,
    sandbox: sandbox::Sandbox,
    ports: (u16, u16),
    gateway: Running,
}

impl Served {
    async fn start(more: &str) -> Self {
        let sandbox = sandbox().await;
        let dir = tempfile::tempdir().unwrap();
        let ports = (free_port(), free_port());
        let url = sandbox.url();
        std::fs::write(dir.path().join("wxgate.toml"), served(&url, ports.0, ports.1, more)).unwrap();
        let gateway = serve(dir.path(), ports.1).await;
        Self { dir, url, sandbox, ports, gateway }
    }

    fn write(&self, more: &str) {
        let text = served(&self.url, self.ports.0, self.ports.1, more);
        std::fs::write(self.dir.path().join("wxgate.toml"), text).unwrap();
    }

    async fn status(&self, key: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/v1/service/wx/code2session", self.ports.0);
        let body = json!({"source": "t", "appid": MINI, "code": "demo-login"}).to_string();
        let reply = Http::new().send(Method::POST, &url, &[("x-api-key", key)], body).await.unwrap();
        reply.status.as_u16()
    }

    async fn stop(mut self) {
        self.gateway.signal("-TERM");
        assert!(self.gateway.wait(Duration::from_secs(10)).success());
        assert!(!self.dir.path().join("data/wxgate.db.sock").exists(), "its socket goes with it");
        self.sandbox.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reload_says_what_came_of_it() {
    let app = Served::start("").await;
    let dir = app.dir.path();
    assert_eq!(mode(&dir.join("data/wxgate.db.sock")), 0o600);
    assert_eq!(app.status(KEY).await, 401);

    app.write(&caller(KEY));
    let (code, words) = said(&run(&["reload"], dir, ""));
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("2 个账号，1 个调用方"), "{words}");
    assert_eq!(app.status(KEY).await, 200, "taken up when it says so");

    let wrong = format!("{}\ncolour = 1", caller(KEY));
    app.write(&wrong);
    for (language, word) in [("zh", "没有重新读取"), ("en", "was not read again")] {
        let (code, words) = said(&run(&["reload", "--lang", language], dir, ""));
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(word) && words.contains("callers[0]") && words.contains("colour"), "{words}");
    }
    assert_eq!(app.status(KEY).await, 200, "the former configuration stays");

    app.write(&format!("{}\n[log]\nlevel = \"debug\"", caller(KEY)));
    let (code, words) = said(&run(&["reload"], dir, ""));
    assert!(code == Some(0) && words.contains("重启") && words.contains("log"), "{words}");
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    assert!(log.contains("配置已重新读取") && log.contains("配置没有重新读取"), "the log hears of it: {log}");

    // Even from a file that nobody can read as a whole the process is found.
    app.write("[server]\n");
    assert_eq!(said(&run(&["reload"], dir, "")).0, Some(1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_that_is_meant_is_the_one_that_is_read() {
    let app = Served::start("").await;
    let dir = app.dir.path();
    let text = std::fs::read_to_string(dir.join("wxgate.toml")).unwrap();
    let other = text.replace(&app.ports.0.to_string(), "0").replace(&app.ports.1.to_string(), "0");
    std::fs::write(dir.join("other.toml"), other).unwrap();
    let (code, words) = said(&run(&["reload", "--config", "other.toml"], dir, ""));
    assert!(
        code == Some(1) && words.contains("wxgate.toml，不是") && words.contains("other.toml"),
        "{words}"
    );
    let (code, words) = said(&run(&["check", "--config", "other.toml"], dir, ""));
    assert!(code == Some(1) && words.contains("数据库正由用"), "{words}");
    // By whatever name.
    std::os::unix::fs::symlink("wxgate.toml", dir.join("link.toml")).unwrap();
    assert_eq!(said(&run(&["reload", "--config", "link.toml"], dir, "")).0, Some(0));
    app.stop().await;
}

#[test]
fn reload_without_a_process_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wxgate.toml"), "").unwrap();
    let (code, words) = said(&run(&["reload"], dir.path(), ""));
    assert!(code == Some(1) && words.contains("wxgate serve --config wxgate.toml"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_a_process_that_answers_from_one_that_hangs_or_is_gone() {
    let mut app = Served::start("").await;
    let health = |dir: &Path| said(&run(&["health"], dir, ""));
    let (code, words) = health(app.dir.path());
    assert!(code == Some(0) && words.contains("在运行"), "{words}");
    app.gateway.signal("-STOP");
    let (code, words) = health(app.dir.path());
    assert!(code == Some(1) && words.contains("没有应答"), "{words}");
    app.gateway.signal("-CONT");
    assert_eq!(health(app.dir.path()).0, Some(0));
    app.gateway.signal("-KILL");
    app.gateway.wait(Duration::from_secs(10));
    let (code, words) = health(app.dir.path());
    assert!(code == Some(1) && words.contains("wxgate serve --config wxgate.toml"), "{words}");
    app.sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_has_its_folder_and_survives_a_kill() {
    let mut app = Served::start("").await;
    app.gateway.signal("-KILL");
    app.gateway.wait(Duration::from_secs(10));
    let run_dir = app.dir.path().join("run".repeat(40));
    std::fs::create_dir_all(&run_dir).unwrap();
    assert_eq!(said(&run(&["reload"], app.dir.path(), "")).0, Some(1), "what it left behind answers nobody");
    let file = app.dir.path().join("wxgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[store]", &format!("[store]\nrun_dir = \"{}\"", "run".repeat(40)));
    std::fs::write(&file, text).unwrap();
    app.gateway = serve(app.dir.path(), app.ports.1).await;
    assert_eq!(
        mode(&run_dir.join("wxgate.db.sock")),
        0o600,
        "also where the path is longer than a socket's may be"
    );
    assert_eq!(said(&run(&["reload"], app.dir.path(), "")).0, Some(0));
    std::fs::remove_file(app.dir.path().join("data/wxgate.db.sock")).unwrap();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_warns_of_variables_that_the_process_cannot_see() {
    let app = Served::start("").await;
    let dir = app.dir.path();
    app.write(&caller("env:CRM_KEY"));
    let (code, words) = run_with(&["check"], dir, &[("CRM_KEY", KEY)]);
    assert_eq!(code, Some(0), "{words}");
    assert!(
        words.contains("env:CRM_KEY") && words.contains("file:") && words.contains("callers[0]"),
        "{words}"
    );
    let (code, words) = run_with(&["reload"], dir, &[("CRM_KEY", KEY)]);
    assert!(code == Some(1) && words.contains("CRM_KEY"), "{words}");

    std::fs::write(dir.join("crm.key"), KEY).unwrap();
    chmod(&dir.join("crm.key"), 0o600);
    app.write(&caller("file:crm.key"));
    let (code, words) = said(&run(&["check"], dir, ""));
    assert!(code == Some(0) && !words.contains("crm"), "{words}");
    assert_eq!(said(&run(&["reload"], dir, "")).0, Some(0));
    assert_eq!(app.status(KEY).await, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_knows_whose_ports_are_taken() {
    let app = Served::start("").await;
    let (code, words) = said(&run(&["check"], app.dir.path(), ""));
    assert_eq!(code, Some(0), "held by the wxgate of this database: {words}");
    assert!(words.contains(&format!("127.0.0.1:{}", app.ports.0)), "{words}");

    let other = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(app.dir.path().join("wxgate.toml")).unwrap();
    std::fs::write(other.path().join("wxgate.toml"), text).unwrap();
    let (code, words) = said(&run(&["check"], other.path(), ""));
    assert_eq!(code, Some(1), "{words}");
    for part in ["server.listen", "server.admin_listen", "端口已被占用", "有 2 处问题"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    app.stop().await;
}

/// A configuration that needs no port.
fn quiet(more: &str) -> String {
    format!("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{more}\n")
}

#[test]
fn check_finds_what_serve_would_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        std::fs::write(dir.path().join("wxgate.toml"), text).unwrap();
        chmod(&dir.path().join("wxgate.toml"), 0o600);
        said(&run(&["check"], dir.path(), ""))
    };
    assert_eq!(check(&quiet("")).0, Some(0));

    // A folder that can't be one.
    std::fs::write(dir.path().join("file"), "").unwrap();
    let (code, words) = check(&quiet("[store]\nurl = \"sqlite:file/data/wxgate.db\""));
    assert!(code == Some(1) && words.contains("store.url"), "{words}");
    // One that can't be written; for root all can.
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    chmod(&closed, 0o555);
    let is_root = std::fs::write(closed.join("x"), "").is_ok();
    let (code, words) = check(&quiet("[store]\nurl = \"sqlite:closed/wxgate.db\""));
    assert!(is_root || (code == Some(1) && words.contains("不可写")), "{words}");

    let (code, words) = check(&quiet("[store]\nrun_dir = \"closed\""));
    assert!(is_root || (code == Some(1) && words.contains("store.run_dir")), "{words}");
    // Where even root can't.
    for key in ["url = \"sqlite:/proc/x/wxgate.db\"", "run_dir = \"/proc/x\"", "run_dir = \"file/run\""] {
        let (code, words) = check(&quiet(&format!("[store]\n{key}")));
        let name = format!("store.{}", key.split(' ').next().unwrap());
        assert!(code == Some(1) && words.contains(&name), "{key}: {words}");
    }

    // Another program's, which stays as it is.
    for (name, sql) in [
        ("theirs.db", "create table t (x); insert into t values (1)"),
        ("events.db", "create table events (x); pragma user_version = 2"),
    ] {
        let database = rusqlite::Connection::open(dir.path().join(name)).unwrap();
        database.execute_batch(sql).unwrap();
        drop(database);
        let before = std::fs::read(dir.path().join(name)).unwrap();
        check(&quiet(&format!("[store]\nurl = \"sqlite:{name}\"")));
        for command in ["check", "serve"] {
            let (code, words) = said(&run(&[command], dir.path(), ""));
            assert!(code == Some(1) && words.contains("是别的程序的数据库"), "{command}: {words}");
        }
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), before);
    }

    // A file that is something else.
    std::fs::write(dir.path().join("other.db"), "something else, and long enough for a header".repeat(99))
        .unwrap();
    for command in ["check", "serve"] {
        check(&quiet("[store]\nurl = \"sqlite:other.db\""));
        let (code, words) = said(&run(&[command], dir.path(), ""));
        for part in ["other.db 不是 SQLite 数据库", "store.url", "备份"] {
            assert!(code == Some(1) && words.contains(part), "{command}: {part}: {words}");
        }
    }

    // An address of another machine.
    let (code, words) = check("[server]\nlisten = \"192.0.2.1:36012\"\nadmin_listen = \"127.0.0.1:0\"");
    assert!(code == Some(1) && words.contains("192.0.2.1") && words.contains("本机没有这个地址"), "{words}");

    // A newer version's database.
    let database = rusqlite::Connection::open(dir.path().join("newer.db")).unwrap();
    database.execute_batch("create table t (x); pragma user_version = 9999").unwrap();
    drop(database);
    let (code, words) = check(&quiet("[store]\nurl = \"sqlite:newer.db\""));
    assert!(code == Some(1) && words.contains("9999") && words.contains("升级 wxgate"), "{words}");
}

#[test]
fn check_looks_at_the_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("expired.pem", include_str!("certs/lapsed.pem"));
    write("fine.pem", include_str!("certs/test.pem"));
    write("test.key", include_str!("certs/test.key"));
    write("other.key", include_str!("certs/other.key"));
    let check = |cert: &str, key: &str| {
        write("wxgate.toml", &quiet(&format!("tls_cert = \"{cert}\"\ntls_key = \"{key}\"")));
        said(&run(&["check"], dir.path(), ""))
    };
    let (code, words) = check("fine.pem", "test.key");
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("test.key 是密钥文件，而所有人都能读"), "{words}");
    chmod(&dir.path().join("test.key"), 0o600);
    assert!(!check("fine.pem", "test.key").1.contains("所有人都能读"));
    let (code, words) = check("expired.pem", "test.key");
    assert!(code == Some(1) && words.contains("已过期"), "{words}");
    let (code, words) = check("fine.pem", "other.key");
    assert!(code == Some(1) && words.contains("server.tls_cert") && words.contains("不配"), "{words}");
}

#[test]
fn check_warns_of_secrets_that_others_can_read() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
    };
    let app = |secret: &str| format!("[[apps]]\nappid = \"wx1\"\nkind = \"mini\"\nsecret = \"{secret}\"\n");
    let check = |variables: &[(&str, &str)]| {
        let (code, words) = run_with(&["check"], dir.path(), variables);
        assert_eq!(code, Some(0), "a danger is no problem: {words}");
        words.lines().filter(|line| line.contains("所有人都能读")).map(str::to_owned).collect::<Vec<_>>()
    };
    write("wxgate.toml", &quiet(&app("written-out")));
    let warned = check(&[]);
    assert!(warned.len() == 1 && warned[0].contains("wxgate.toml") && warned[0].contains("apps[0].secret"));
    chmod(&dir.path().join("wxgate.toml"), 0o600);
    assert!(check(&[]).is_empty());
    // A file without one may be everybody's, unlike what it names and includes.
    write("wxgate.toml", &format!("include = [\"apps.d/*.toml\"]\n{}", quiet(&app("file:secret.txt"))));
    write("secret.txt", "s");
    write(
        "apps.d/more.toml",
        "[[callers]]\nname = \"c\"\nkey = \"key_0123456789abcdefghijklmn\"\napps = [\"*\"]\napis = [\"*\"]",
    );
    let warned = check(&[]).join("\n");
    assert!(
        warned.lines().count() == 2 && warned.contains("secret.txt") && warned.contains("more.toml"),
        "{warned}"
    );
    // The master key beside the database.
    chmod(&dir.path().join("secret.txt"), 0o640);
    chmod(&dir.path().join("apps.d/more.toml"), 0o600);
    write("data/wxgate.db.key", "x");
    let warned = check(&[("WXGATE_WECHAT__PROXY", "http://u:p@127.0.0.1:1")]);
    assert!(warned.len() == 1 && warned[0].contains("wxgate.db.key"), "{warned:?}");
}

#[test]
fn check_warns_of_proxies_that_are_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let check = |more: &str| {
        std::fs::write(dir.path().join("wxgate.toml"), quiet(more)).unwrap();
        said(&run(&["check"], dir.path(), "")).1
    };
    let public = "public_url = \"https://wx.example.com\"";
    assert!(check(public).contains("server.trusted_proxies"));
    assert!(!check(&format!("{public}\ntrusted_proxies = [\"127.0.0.1\"]")).contains("trusted_proxies"));
    assert!(!check("").contains("trusted_proxies"));
}

#[tokio::test(flavor = "multi_thread")]
async fn init_asks_again_until_appid_and_secret_are_right() {
    let sandbox = sandbox().await;
    let url = sandbox.url();
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = ("a1".repeat(16), "b9".repeat(16));
    let input = format!("1\n{OFFICIAL}\n{wrong}\nwx00000000000000ff\n{right}\n{OFFICIAL}\n{right}\n");
    let (code, words) = said(&run(&["init", "--api-base", &url], dir.path(), &input));
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(words.matches("请重新输入").count(), 2, "{words}");
    let file = std::fs::read_to_string(dir.path().join("wxgate.toml")).unwrap();
    assert!(file.contains(&right) && !file.contains(&wrong), "{file}");
    assert!(
        words.contains("所有账号的所有接口") && file.contains("所有账号的所有接口"),
        "all rights are said: {words}"
    );
    assert!(!words.contains(&right), "the secret isn't shown: {words}");
    // The two lines that set the callback at the simulated WeChat work once it runs.
    let lines: Vec<&str> = words.lines().filter(|line| line.contains("/sandbox/")).collect();
    assert_eq!(lines.len(), 2, "{words}");
    let file = file.replacen("[wechat]", &quiet("[wechat]"), 1);
    std::fs::write(dir.path().join("wxgate.toml"), file).unwrap();
    let port = free_port();
    let admin = free_port();
    let file = std::fs::read_to_string(dir.path().join("wxgate.toml")).unwrap();
    let file = file.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    let file = file.replacen("127.0.0.1:0", &format!("127.0.0.1:{admin}"), 1);
    std::fs::write(dir.path().join("wxgate.toml"), file).unwrap();
    let mut gateway = serve(dir.path(), admin).await;
    for line in lines {
        let line = line.trim().replace("36012", &port.to_string()).replace("curl ", "curl -sS --fail ");
        let output = std::process::Command::new("sh").args(["-c", &line]).current_dir(dir.path()).output();
        let output = output.unwrap();
        if text(&output.stderr).contains("not found") {
            eprintln!("skipped: no curl here");
            break;
        }
        assert!(output.status.success(), "{line}: {}", text(&output.stdout) + &text(&output.stderr));
    }
    gateway.signal("-TERM");
    gateway.wait(Duration::from_secs(10));

    // What can't be an AppID is never tried, and what was right isn't asked for again.
    let input = format!("1\nwx1\n{right}\n{OFFICIAL}\n");
    let (code, words) = said(&run(&["init", "--config", "never.toml"], dir.path(), &input));
    assert!(
        code == Some(1) && words.contains("18 个字母和数字") && words.contains("像是 AppSecret"),
        "{words}"
    );
    let input = format!("1\n{OFFICIAL}\n{wrong}\n{right}\n");
    let (code, words) = said(&run(&["init", "--config", "two.toml", "--api-base", &url], dir.path(), &input));
    assert!(code == Some(0) && words.matches("AppID：").count() == 1, "{words}");
    assert!(words.contains("AppSecret 不正确") && !words.contains("reload"), "nothing runs yet: {words}");

    // With nothing right in it the input ends, and nothing is written.
    let input = format!("1\n{OFFICIAL}\n{wrong}\n");
    let args = ["init", "--config", "never.toml", "--api-base", &url];
    let (code, words) = said(&run(&args, dir.path(), &input));
    assert!(code == Some(1) && words.contains("再运行一次"), "{words}");
    assert!(!dir.path().join("never.toml").exists());
    sandbox.stop().await;
}

#[test]
fn init_knows_websites_and_mobile_apps() {
    let dir = tempfile::tempdir().unwrap();
    let input = format!("3\n{EXAMPLE}\n{}\n", "c3".repeat(16));
    let (code, words) = said(&run(&["init"], dir.path(), &input));
    assert_eq!(code, Some(0), "{words}");
    let config = wxgate::config::load(&dir.path().join("wxgate.toml"), &Default::default()).unwrap();
    assert_eq!(config.entries.apps[0].kind.as_str(), "open");
    assert!(
        config.entries.apps[0].callback_tokens.is_empty() && words.contains("oauth_redirects"),
        "{words}"
    );
}
