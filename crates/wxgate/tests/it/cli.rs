//! The built binary, from outside.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use sandbox::Sandbox;
use serde_json::json;
use tokio::net::TcpListener;

use wxgate::config;

use crate::app::{ADMIN_TOKEN, EXAMPLE, EXAMPLE_CODE, Http, MINI, OFFICIAL};

pub(crate) fn wxgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wxgate"));
    command.env_clear();
    command
}

/// `check` of a configuration with the usual ports, which something on this machine may hold.
fn check(args: &[&str], dir: &Path) -> Output {
    let anywhere = "127.0.0.1:0";
    let mut command = wxgate();
    command.env("WXGATE_SERVER__LISTEN", anywhere).env("WXGATE_SERVER__ADMIN_LISTEN", anywhere);
    command.arg("check").args(args).current_dir(dir).output().unwrap()
}

pub(crate) fn run(args: &[&str], dir: &Path, input: &str) -> Output {
    let mut child = wxgate()
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A child that is killed when the test ends, however it ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> std::process::ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "still running after {limit:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A free port that no other test was given; another process might take it, but hardly in the same second.
pub(crate) fn free_port() -> u16 {
    static GIVEN: std::sync::Mutex<BTreeSet<u16>> = std::sync::Mutex::new(BTreeSet::new());
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// A sandbox on the machine's clock.
pub(crate) async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, Arc::new(|| wxgate::clock::Clock::System.now()))
}

#[tokio::test]
async fn the_demo_runs_and_every_line_it_prints_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = blocked.local_addr().unwrap().to_string();
    let (admin, sandbox) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let child = wxgate()
        .args(["demo", "--listen", &taken, "--admin-listen", &admin, "--sandbox-listen", &sandbox])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut demo = Running(child);
    let mut out = BufReader::new(demo.0.stdout.take().unwrap());
    let (mut lines, mut printed) = (Vec::new(), String::new());
    while !printed.contains("Ctrl-C") {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "{printed}");
        printed.push_str(&line);
        if let Some(command) = line.trim().strip_prefix("curl ") {
            lines.push(command.to_owned());
        }
    }
    assert!(printed.contains("已被占用"), "a taken port moves to the next and says so: {printed}");
    assert!(lines.len() >= 9, "{printed}");
    for line in lines {
        let command = ["-c", &format!("curl -sS --fail {line}")];
        let output = Command::new("sh").args(command).current_dir(dir.path()).output();
        let Ok(output) = output else { return };
        if text(&output.stderr).contains("not found") {
            eprintln!("skipped: no curl here");
            break;
        }
        let answer = text(&output.stdout);
        assert!(output.status.success(), "{line}: {answer} {}", text(&output.stderr));
        assert!(answer.len() < 2000, "it doesn't flood the terminal: {line}: {answer}");
        if line.contains("/v1/service/wx/") && !line.contains("--output") {
            assert!(answer.contains("\"code\":0"), "{line}: {answer}");
        }
        if line.contains("/sandbox/message") {
            assert!(answer.contains("收到：你好"), "the sample backend's answer reaches the user: {answer}");
        }
        if line.contains("/api/v1/events") {
            assert!(answer.contains("\"event\":\"SCAN\"") && answer.contains("delivered"), "{answer}");
        }
    }
    for picture in ["qr.jpg", "wxacode.jpg"] {
        let bytes = std::fs::read(dir.path().join(picture)).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8]), "{picture} is a picture");
    }
    demo.signal("-TERM");
    assert!(demo.wait(Duration::from_secs(10)).success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("[示例后端] wechat.event.scan") && rest.contains("scene=login_1"), "{rest}");
    assert!(rest.contains("wechat.message.text") && rest.contains("content=你好"), "{rest}");
}

#[tokio::test]
async fn outside_the_loopback_the_demo_wants_the_key_it_prints() {
    let ports = [free_port(), free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    let listen = ports[0].replace("127.0.0.1", "0.0.0.0");
    let child = wxgate()
        .args([
            "demo",
            "--host",
            "0.0.0.0",
            "--listen",
            &listen,
            "--admin-listen",
            &ports[1],
            "--sandbox-listen",
            &ports[2],
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut demo = Running(child);
    let mut out = BufReader::new(demo.0.stdout.take().unwrap());
    let mut printed = String::new();
    while !printed.contains("Ctrl-C") {
        assert_ne!(out.read_line(&mut printed).unwrap(), 0);
    }
    let at = printed.find("wxk_").expect("a key is printed");
    let key = &printed[at..at + 44];
    let url = format!("http://{}/v1/service/wx/getwxuserinfo", ports[0]);
    let body = json!({"source": "t", "appid": EXAMPLE, "code": EXAMPLE_CODE}).to_string();
    let http = Http::new();
    let bare = http.send(Method::POST, &url, &[], body.clone()).await.unwrap();
    assert_eq!(bare.status.as_u16(), 401);
    http.send(Method::POST, &url, &[("x-api-key", key)], body).await.unwrap().ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn init_tries_the_account_and_writes_what_check_accepts() {
    let sandbox = sandbox().await;
    let url = sandbox.url();
    let dir = tempfile::tempdir().unwrap();
    let secret = "a1".repeat(16);
    let output = run(&["init", "--api-base", &url], dir.path(), &format!("9\n1\n{OFFICIAL}\n{secret}\n"));
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(
        said.contains("微信接受了凭据") && said.contains("IP白名单") && !said.contains(&secret),
        "{said}"
    );
    // What to paste into 公众平台 is what the file says.
    let path = dir.path().join("wxgate.toml");
    let written = config::load(&path, &Default::default()).unwrap();
    let token =
        secrecy::ExposeSecret::expose_secret(&**written.entries.apps[0].callback_tokens.first().unwrap());
    assert!(said.contains(token) && said.contains(&format!("/v1/service/wx/wxmsg/{OFFICIAL}")), "{said}");
    assert_eq!(written.entries.apps[0].aes_keys.len(), 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let checked = check(&["--online"], dir.path());
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    let again = run(&["init"], dir.path(), "");
    assert_eq!(again.status.code(), Some(1), "an existing file is never overwritten");
    assert!(
        text(&again.stderr).contains("mv wxgate.toml"),
        "and what to do is said: {}",
        text(&again.stderr)
    );

    // WeChat refuses this machine's address: named, and the file is written all the same.
    let account = json!({"appid": OFFICIAL, "secret": secret, "kind": "official", "ip_allow": ["8.8.8.8"]});
    let control = format!("{url}/sandbox/apps");
    Http::new().send(Method::POST, &control, &[], account.to_string()).await.unwrap();
    let args = ["init", "--config", "other.toml", "--api-base", &url];
    let output = run(&args, dir.path(), &format!("1\n{OFFICIAL}\n{secret}\n"));
    let said = text(&output.stdout);
    assert!(said.contains("127.0.0.1") && said.contains("白名单"), "{said}");
    let checked = check(&["--online", "--config", "other.toml"], dir.path());
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked.stdout));
    sandbox.stop().await;
}

#[test]
fn what_the_small_commands_print_and_how_they_end() {
    let dir = tempfile::tempdir().unwrap();
    let stdout = |args: &[&str]| {
        let output = run(args, dir.path(), "");
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    assert_eq!(stdout(&["config", "default"]), wxgate::config::DEFAULT_TOML);
    assert_eq!(stdout(&["openapi"]), wxgate::http::service::openapi::document(false));
    assert!(wxgate::entries::is_key(stdout(&["key", "new"]).trim()));
    for wrong in [&[][..], &["nonsense"], &["serve", "--nonsense"], &["key"]] {
        assert_eq!(run(wrong, dir.path(), "").status.code(), Some(2), "{wrong:?}");
    }
    let missing = run(&["serve"], dir.path(), "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("wxgate init"), "{}", text(&missing.stderr));
    std::fs::write(dir.path().join("bad.toml"), "[server]\nlisten = \"x\"\ncolour = 1\n[auth]\nmode = \"?\"")
        .unwrap();
    let bad = run(&["check", "--config", "bad.toml"], dir.path(), "");
    assert_eq!(bad.status.code(), Some(1));
    for key in ["server.listen", "server.colour", "auth.mode"] {
        assert!(text(&bad.stderr).contains(key), "{}", text(&bad.stderr));
    }
}

/// Two accounts and three environments, as wx-proxy-service has them.
const WX_PROXY: &str = r#"
Name: wx-proxy-api
Host: 0.0.0.0
Port: 36012
WxAppInfo:
  - {AppID: wx00000000000000a1, AppSecret: a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1}
  - {AppID: wx00000000000000b2, AppSecret: b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2}
WxMsgMgr:
  AllowMsgEvent: ["SCAN", "subscribe", ""]
  WxOpenIdList:
    - EnvName: dev
      AllowMsgEvent: ["SCAN", "subscribe", ""]
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg1
      OpenIdList: [o-iUq6qghnE5dHvzRo4JGokOr0lk11]
    - EnvName: beta
      AllowMsgEvent: ["SCAN", "subscribe"]
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg2
      OpenIdList: [o-iUq6qghnE5dHvzRo4JGokOr0lk22]
    - EnvName: idc
      AllowMsgEvent: ["SCAN", "subscribe", ""]
      HandleUrl: http://127.0.0.1:22255/v1/client/wxmsg3
      OpenIdList: []
"#;

#[test]
fn check_accepts_what_import_makes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wx-proxy.yaml"), WX_PROXY).unwrap();
    let import = run(&["import", "wx-proxy.yaml"], dir.path(), "");
    let remarks = text(&import.stderr);
    assert_eq!(import.status.code(), Some(0), "{remarks}");
    assert!(!remarks.contains("wxgate check"), "{remarks}");
    std::fs::write(dir.path().join("imported.toml"), import.stdout).unwrap();
    let checked = check(&["--config", "imported.toml"], dir.path());
    assert_eq!(checked.status.code(), Some(0), "{}{}", text(&checked.stdout), text(&checked.stderr));
    assert!(text(&checked.stdout).contains("2 个账号，1 个调用方"), "{}", text(&checked.stdout));
}

#[test]
fn import_writes_the_configuration_and_remarks_apart_or_fails() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("good.yaml", format!("{WX_PROXY}\n\"odd\\nkey\": 1\n").as_bytes());
    let good = run(&["import", "good.yaml"], dir.path(), "");
    let (out, remarks) = (text(&good.stdout), text(&good.stderr));
    assert_eq!(good.status.code(), Some(0), "{remarks}");
    assert_eq!(out.matches("[[routes]]").count(), 3, "{out}");
    assert!(out.contains(&"a1".repeat(16)) && !remarks.contains(&"a1".repeat(16)), "{remarks}");
    assert!(remarks.lines().all(|line| line.starts_with("提醒：")), "one a line: {remarks}");
    assert!(remarks.contains("Name、odd key"), "{remarks}");

    write("empty.yaml", b"");
    write("other.yaml", b"a: 1\n");
    write("broken.yaml", b"WxAppInfo: [\n");
    write("latin1.yaml", b"a: \xe9\n");
    write("big.yaml", &vec![b'#'; (1 << 20) + 1]);
    let bad = ["missing.yaml", "empty.yaml", "other.yaml", "broken.yaml", "latin1.yaml", "big.yaml", "."];
    for name in bad {
        let failed = run(&["import", name], dir.path(), "");
        assert_eq!(failed.status.code(), Some(1), "{name}");
        assert!(failed.stdout.is_empty(), "{name}");
        assert!(text(&failed.stderr).contains(name), "{}", text(&failed.stderr));
    }
    assert_eq!(run(&["import"], dir.path(), "").status.code(), Some(2));
}

/// A configuration against `sandbox`, for a served gateway on `port`.
pub(crate) fn served(sandbox: &str, port: u16, admin: u16, more: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_listen = \"127.0.0.1:{admin}\"\n\
         [store]\nurl = \"sqlite:data/wxgate.db\"\n\
         [wechat]\napi_base = \"{sandbox}\"\nmp_base = \"{sandbox}\"\nopen_base = \"{sandbox}\"\ntimeout = \"2s\"\n\
         [[apps]]\nappid = \"{MINI}\"\nkind = \"mini\"\nsecret = \"{}\"\n\
         [[apps]]\nappid = \"{OFFICIAL}\"\nkind = \"official\"\nsecret = \"{}\"\n{more}\n",
        "b2".repeat(16),
        "a1".repeat(16)
    )
}

/// Starts `wxgate serve` in `dir` and waits until it is ready; its log goes to `dir/log`.
pub(crate) async fn serve(dir: &Path, admin: u16) -> Running {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let token = ("WXGATE_ADMIN_TOKEN", ADMIN_TOKEN);
    let child = wxgate().arg("serve").envs([token]).current_dir(dir).stderr(log).spawn().unwrap();
    let mut running = Running(child);
    let http = Http::new();
    for _ in 0..500 {
        if http.send(Method::GET, &format!("http://127.0.0.1:{admin}/readyz"), &[], "").await.is_ok() {
            return running;
        }
        if let Some(status) = running.0.try_wait().unwrap() {
            let mut log = String::new();
            std::fs::File::open(dir.join("log")).unwrap().read_to_string(&mut log).unwrap();
            panic!("ended with {status}: {log}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never ready");
}

#[tokio::test]
async fn a_served_gateway_reloads_on_hup_and_refuses_a_lost_key_and_a_second_process() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, admin) = (free_port(), free_port());
    let config = dir.path().join("wxgate.toml");
    std::fs::write(&config, served(&sandbox.url(), port, admin, "[auth]\nmode = \"off\"")).unwrap();
    let mut gateway = serve(dir.path(), admin).await;
    let http = Http::new();
    let session = async || {
        let body = json!({"source": "t", "appid": MINI, "code": "demo-login"}).to_string();
        let url = format!("http://127.0.0.1:{port}/v1/service/wx/code2session");
        http.send(Method::POST, &url, &[], body).await.unwrap()
    };
    session().await.ok();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    let logged = async |what: &str| {
        for _ in 0..200 {
            if log().contains(what) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never logged: {what}\n{}", log());
    };

    std::fs::write(&config, "[server]\nlistn = \"\"").unwrap();
    gateway.signal("-HUP");
    logged("server.listn").await;
    session().await.ok();
    std::fs::write(&config, served(&sandbox.url(), port, admin, "")).unwrap();
    gateway.signal("-HUP");
    logged("配置已重新读取").await;
    assert_eq!(session().await.status.as_u16(), 401, "now keys are needed");

    let second = run(&["serve"], dir.path(), "");
    assert_eq!(second.status.code(), Some(1));
    let check = run(&["check"], dir.path(), "");
    assert_eq!(check.status.code(), Some(0), "beside a running server: {}", text(&check.stdout));

    gateway.signal("-TERM");
    assert!(gateway.wait(Duration::from_secs(10)).success());

    let key = dir.path().join("data/wxgate.db.key");
    let saved = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let lost = run(&["serve"], dir.path(), "");
    assert_eq!(lost.status.code(), Some(1));
    assert!(text(&lost.stderr).contains("主密钥"), "{}", text(&lost.stderr));
    assert!(!key.exists(), "never made anew over existing data");
    std::fs::write(&key, saved).unwrap();
    let mut again = serve(dir.path(), admin).await;
    again.signal("-TERM");
    assert!(again.wait(Duration::from_secs(10)).success());
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn route_test_says_which_routes_take_a_message_and_why() {
    let backend = crate::backend::Backend::start().await;
    backend.does(|got| {
        if got.path == "/gone" { crate::backend::says(410, "") } else { crate::backend::says(200, "welcome") }
    });
    let dir = tempfile::tempdir().unwrap();
    let route = |name: &str, more: &str| {
        format!("[[routes]]\nname = \"{name}\"\ntarget = \"{}/{name}\"\n{more}\n", backend.url)
    };
    let file = [
        format!(
            "[[apps]]\nappid = \"{OFFICIAL}\"\nkind = \"official\"\nsecret = \"s\"\ncallback_token = \"t\"\n"
        ),
        route("logins", "scenes = [\"login_*\"]\nreply = true"),
        route("scans", "events = [\"SCAN\"]\nstop = true"),
        route("gone", ""),
    ]
    .concat();
    std::fs::write(dir.path().join("wxgate.toml"), file).unwrap();
    let test = |args: &[&str]| {
        let output = run(&[&["route", "test"], args].concat(), dir.path(), "");
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = test(&["--event", "SCAN", "--scene", "login_1", "--send"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["√ logins", "被动回复", "√ scans", "- gone", "HTTP 200", "welcome"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains(&format!("√ logins → {}/logins", backend.url)), "with port and path: {said}");
    let got = backend.got();
    assert_eq!(got.iter().map(|got| got.path.as_str()).collect::<Vec<_>>(), ["/logins", "/scans"]);
    assert_eq!(got[0].message().scene(), "login_1");
    let (code, said) = test(&["--text", "hi"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("× logins：scenes") && said.contains("× scans：events") && said.contains("√ gone"),
        "{said}"
    );
    assert_eq!(backend.count(), 2, "nothing is sent unasked");
    let (code, said) = test(&["--text", "hi", "--send"]);
    assert!(code == Some(1) && said.contains("HTTP 410"), "{said}");
    let (code, said) = test(&["--appid", "wx0000000000000000"]);
    assert!(code == Some(1) && said.contains("没有配置"), "{said}");
}
