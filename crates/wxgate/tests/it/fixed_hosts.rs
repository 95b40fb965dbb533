//! `wxgate run`, the built binary: programs that know nothing of it call WeChat by its own names, and reach a sandbox or a
//! gateway and nobody else.

use std::path::Path;
use std::process::{Command, Stdio};

use http::Method;
use serde_json::{Value, json};

use crate::app::{Http, MINI, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::cli::{sandbox, text, wxgate};

const KEY: &str = "key_fixed_hosts_0123456789abcdef";
const EXPORTER: &str = "key_exporter_of_this_test_0123456";
const CALLERS: &str = r#"
    [[callers]]
    name = "fixed"
    key = "key_fixed_hosts_0123456789abcdef"
    apps = ["*"]
    apis = ["*"]
    [[callers]]
    name = "exporter"
    key = "key_exporter_of_this_test_0123456"
    apps = ["*"]
    apis = ["*"]
    export_token = true
"#;
/// What an SDK holds for its AppSecret behind a gateway.
const DUMMY: &str = "whatever-stands-in-its-configuration";

/// How a run ended, and what it wrote.
pub(crate) struct Ran {
    pub(crate) code: i32,
    out: String,
    pub(crate) err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

pub(crate) fn run(options: &[&str], command: &[&str]) -> Command {
    let mut run = wxgate();
    // As a shell has it: where programs lie, and a home.
    run.env("PATH", std::env::var("PATH").unwrap()).env("HOME", "/");
    run.arg("run").args(options).arg("--").args(command).stdin(Stdio::null());
    run
}

pub(crate) async fn ran(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

pub(crate) async fn sh(options: &[&str], script: &str) -> Ran {
    ran(run(options, &["sh", "-c", script])).await
}

/// Whether this machine has it.
fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

fn token_url(appid: &str, secret: &str) -> String {
    format!(
        "https://api.weixin.qq.com/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}"
    )
}

fn official() -> String {
    token_url(OFFICIAL, &"a1".repeat(16))
}

#[tokio::test]
async fn without_more_wechat_is_a_sandbox_of_its_own() {
    let ran = sh(&[], &format!("curl -sS '{}'", official())).await;
    assert_eq!(ran.json()["expires_in"], 7200, "{}", ran.err);
    assert!(ran.err.contains("微信模拟器 http://127.0.0.1:"), "{}", ran.err);
    let ran = sh(&["--lang", "en"], "curl -sS $WXGATE_SANDBOX/sandbox/state").await;
    assert!(ran.json()["apps"].is_array(), "its control calls are reached directly: {}", ran.err);
    assert!(ran.err.contains("the simulated WeChat http://127.0.0.1:"), "{}", ran.err);
}

#[tokio::test]
async fn each_of_wechats_hosts_is_the_sandbox_by_https_and_by_http() {
    let sandbox = sandbox().await;
    let token = sh(&["--sandbox", &sandbox.url()], &format!("curl -sS '{}'", official())).await.json();
    let token = token["access_token"].as_str().unwrap();
    for base in [
        "https://api.weixin.qq.com",
        "http://api.weixin.qq.com",
        "https://api2.weixin.qq.com",
        "https://sh.api.weixin.qq.com:443",
        "http://file.api.weixin.qq.com:80",
    ] {
        let script = format!("curl -sS '{base}/cgi-bin/get_api_domain_ip?access_token={token}'");
        let ran = sh(&["--sandbox", &sandbox.url()], &script).await;
        assert!(ran.json()["ip_list"].is_array(), "{base}: {} {}", ran.out, ran.err);
    }
    let script = format!(
        "ticket=$(curl -sS 'https://api.weixin.qq.com/cgi-bin/qrcode/create?access_token={token}' \
            -d '{{\"action_name\":\"QR_STR_SCENE\",\"action_info\":{{\"scene\":{{\"scene_str\":\"a\"}}}}}}' | sed 's/.*ticket\":\"\\([^\"]*\\)\".*/\\1/') && \
         curl -sS -G -o /dev/null -w '%{{http_code}} %{{content_type}} ' --data-urlencode \"ticket=$ticket\" https://mp.weixin.qq.com/cgi-bin/showqrcode && \
         curl -sS -o /dev/null -w '%{{http_code}} %{{content_type}}' 'https://open.weixin.qq.com/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code&scope=snsapi_userinfo&state=s#wechat_redirect'"
    );
    let ran = sh(&["--sandbox", &sandbox.url()], &script).await;
    assert_eq!(ran.out, "200 image/jpg 200 text/html; charset=utf-8", "{}", ran.err);
}

#[tokio::test]
async fn what_goes_up_and_what_comes_down_is_the_same_to_the_byte() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    let picture: Vec<u8> =
        [0xff, 0xd8, 0xff, 0xe0].into_iter().chain((0..300_000_u32).map(|n| (n % 251) as u8)).collect();
    std::fs::write(dir.path().join("p.jpg"), &picture).unwrap();
    let script = format!(
        "token=$(curl -sS '{}' | sed 's/.*token\":\"\\([^\"]*\\)\".*/\\1/') && \
         id=$(curl -sS \"http://file.api.weixin.qq.com/cgi-bin/media/upload?access_token=$token&type=image\" -F media=@p.jpg | sed 's/.*media_id\":\"\\([^\"]*\\)\".*/\\1/') && \
         curl -sS \"https://api.weixin.qq.com/cgi-bin/media/get?access_token=$token&media_id=$id\" -o got.jpg && \
         curl -sS -o chunked -w '%{{http_code}}' -H 'Transfer-Encoding: chunked' -d '{{}}' \"https://api.weixin.qq.com/cgi-bin/menu/create?access_token=$token\"",
        official()
    );
    let mut command = run(&["--sandbox", &sandbox.url()], &["sh", "-c", &script]);
    command.current_dir(dir.path());
    let ran = ran(command).await;
    assert!(std::fs::read(dir.path().join("got.jpg")).unwrap() == picture, "{} {}", ran.out, ran.err);
    assert_eq!(ran.out, "412", "a chunked body stays chunked, which WeChat refuses: {}", ran.err);
}

#[tokio::test]
async fn what_breaks_off_at_the_sandbox_breaks_off_at_the_child() {
    let sandbox = sandbox().await;
    // curl: 52 says that nothing came, 18 that a part is missing.
    for (cut, codes) in [("before", [52, 52]), ("half", [18, 56])] {
        let fault = json!({"path": "/cgi-bin/token", "cut": cut, "times": 1}).to_string();
        let url = format!("{}/sandbox/fault", sandbox.url());
        Http::new().send(Method::POST, &url, &[], fault).await.unwrap();
        let ran = sh(&["--sandbox", &sandbox.url()], &format!("curl -sS '{}'", official())).await;
        assert!(codes.contains(&ran.code), "{cut}: {} {} {}", ran.code, ran.out, ran.err);
    }
}

#[tokio::test]
async fn through_a_gateway_the_child_needs_no_secret_and_holds_none() {
    let app = TestApp::configured(CALLERS).await;
    let openid = app.sandbox.state()["users"][0]["openids"][OFFICIAL].as_str().unwrap().to_owned();
    let script = format!(
        "set -e
         token=$(curl -sS '{}' | sed 's/.*token\":\"\\([^\"]*\\)\".*/\\1/')
         echo $token
         curl -sS https://api.weixin.qq.com/cgi-bin/stable_token -d '{{\"grant_type\":\"client_credential\",\"appid\":\"{OFFICIAL}\",\"secret\":\"{DUMMY}\"}}'; echo
         curl -sS \"https://api.weixin.qq.com/cgi-bin/user/info?access_token=$token&openid={openid}\"; echo
         curl -sS 'https://api.weixin.qq.com/sns/jscode2session?appid={MINI}&secret={DUMMY}&js_code=demo-login&grant_type=authorization_code'; echo
         curl -sSi 'https://open.weixin.qq.com/connect/oauth2/authorize?appid={OFFICIAL}&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code&scope=snsapi_base&state=s#wechat_redirect' | grep -i '^x-request-id'
         env; tr '\\0' '\\n' < /proc/self/environ",
        token_url(OFFICIAL, DUMMY)
    );
    let mut command = run(&["--gateway", &app.url()], &["sh", "-c", &script]);
    command.env("WXGATE_KEY", KEY).env("WXGATE_ADMIN_TOKEN", "nobodys-business").env("OTHER", "stays");
    let ran = ran(command).await;
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    let answer = |at: usize| -> Value { serde_json::from_str(lines[at]).unwrap() };
    assert!((64..=256).contains(&lines[0].len()), "a gateway token: {}", lines[0]);
    assert_eq!(answer(1)["expires_in"], 7200);
    assert_eq!(answer(2)["openid"], openid, "{}", lines[2]);
    assert!(answer(3)["session_key"].is_string(), "{}", lines[3]);
    assert!(lines[4].starts_with("x-request-id: wxmsg_"), "the gateway's own page: {}", lines[4]);
    for secret in [KEY, "WXGATE_KEY", "nobodys-business", &"a1".repeat(16), &"b2".repeat(16)] {
        assert!(!ran.out.contains(secret), "{secret} in {}", ran.out);
    }
    assert!(lines.contains(&"OTHER=stays"));
    let path = format!("/v1/service/wx/token?appid={OFFICIAL}");
    let real = app.get(&path, &[("x-api-key", EXPORTER)]).await.ok();
    assert!(!ran.out.contains(real["access_token"].as_str().unwrap()), "WeChat's own token is the gateway's");
}

#[tokio::test]
async fn without_a_key_the_gateway_hears_what_the_child_says() {
    let app = TestApp::configured(CALLERS).await;
    let ask = |secret: &str| format!("curl -sS '{}'", token_url(OFFICIAL, secret));
    let refused = sh(&["--gateway", &app.url()], &ask(DUMMY)).await.json();
    assert_eq!(refused["errcode"], 40125, "{refused}");
    let told = sh(&["--gateway", &app.url()], &ask(KEY)).await.json();
    assert_eq!(told["expires_in"], 7200, "{told}");
    let ran = sh(&["--gateway", &app.url(), "--key", "key_nobodys_0123456789abcdefghij"], &ask(KEY)).await;
    assert_eq!(ran.json()["errcode"], 40125, "the key of the run counts: {}", ran.out);
    assert!(ran.err.contains("密钥不对") && ran.err.contains("--key"), "it is told before: {}", ran.err);
    let right = sh(&["--gateway", &app.url(), "--key", KEY], &ask(DUMMY)).await;
    assert_eq!(right.json()["expires_in"], 7200, "{}", right.out);
    assert_eq!(right.err.lines().count(), 1, "nothing to complain of: {}", right.err);
}

#[tokio::test]
async fn every_other_host_is_refused_with_a_text_that_says_how_to_allow_it() {
    // Somebody listens there: were it not refused, it would answer.
    let elsewhere = Backend::start().await;
    elsewhere.does(|_| says(200, "hello"));
    let address = elsewhere.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let there = format!("http://{address}/");
    for (language, words) in [("zh", "不让访问"), ("en", "isn't WeChat's")] {
        let script = format!("curl -sS --noproxy '' -w ' %{{http_code}}' {there}");
        let ran = sh(&["--lang", language], &script).await;
        let hint = format!("--allow {address}");
        assert!(
            ran.out.contains(words) && ran.out.contains(&hint) && ran.out.ends_with(" 403"),
            "{}",
            ran.out
        );
        assert!(ran.err.contains(&hint), "most SDKs show no proxy's text: {}", ran.err);
        let ran = sh(&["--lang", language], &format!("curl -sSp --noproxy '' {there}")).await;
        assert!(ran.code == 56 && ran.err.contains("403"), "CONNECT as well: {} {}", ran.code, ran.err);
    }
    assert_eq!(elsewhere.count(), 0);
    for host in ["https://example.com", "https://api.mch.weixin.qq.com", "https://api.weixin.qq.com:8443"] {
        let ran = sh(&[], &format!("curl -sS {host}")).await;
        assert!(ran.code == 56 && ran.err.contains("403"), "{host}: {} {}", ran.code, ran.err);
    }
    for allow in [address.as_str(), "127.0.0.1"] {
        let script = format!("curl -sS --noproxy '' {there} && curl -sSp --noproxy '' {there}");
        let ran = sh(&["--allow", allow], &script).await;
        assert_eq!(ran.out, "hellohello", "{}", ran.err);
    }
    let ran =
        sh(&["--allow", "127.0.0.1:1"], &format!("curl -sS --noproxy '' -w '%{{http_code}}' {there}")).await;
    assert!(ran.out.ends_with("403"), "{}", ran.out);
    let ran =
        sh(&["--allow", "127.0.0.1:1", "--lang", "en"], "curl -sS --noproxy '' http://127.0.0.1:1/").await;
    assert!(ran.out.contains("can't be reached"), "{}", ran.out);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_named() {
    let ran = sh(
        &["--gateway", "http://127.0.0.1:1", "--lang", "en"],
        &format!("curl -sS -w '%{{http_code}}' '{}'", official()),
    )
    .await;
    assert!(
        ran.out.contains("http://127.0.0.1:1 can't be reached") && ran.out.ends_with("502"),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("http://127.0.0.1:1 can't be reached"),
        "before the command starts: {}",
        ran.err
    );
}

/// A sandbox has the pictures that it made addresses of.
#[tokio::test]
async fn a_picture_comes_from_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.png"), b"\x89PNG\r\n\x1a\n and more").unwrap();
    let script = format!(
        "token=$(curl -sS '{}' | sed 's/.*token\":\"\\([^\"]*\\)\".*/\\1/') && \
         url=$(curl -sS \"https://api.weixin.qq.com/cgi-bin/media/uploadimg?access_token=$token\" -F media=@p.png | sed 's/.*url\":\"\\([^\"]*\\)\".*/\\1/') && \
         curl -sS \"$url\" -o by-http && curl -sS \"https${{url#http}}\" -o by-https && echo $url",
        official()
    );
    let mut command = run(&[], &["sh", "-c", &script]);
    command.current_dir(dir.path());
    let ran = ran(command).await;
    assert!(ran.out.starts_with("http://mmbiz.qpic.cn/mmbiz_png/"), "{} {}", ran.out, ran.err);
    for name in ["by-http", "by-https"] {
        let got = std::fs::read(dir.path().join(name)).unwrap();
        assert_eq!(got, b"\x89PNG\r\n\x1a\n and more", "{name}: {}", ran.err);
    }
}

#[tokio::test]
async fn the_child_alone_trusts_the_authority_which_goes_with_it() {
    let script = "dirname $SSL_CERT_FILE; stat -c %a $(dirname $SSL_CERT_FILE); ls $(dirname $SSL_CERT_FILE); grep -l PRIVATE -r $(dirname $SSL_CERT_FILE); \
        echo $NO_PROXY $no_proxy; echo $PHP_INI_SCAN_DIR; echo $NODE_OPTIONS; echo $JAVA_TOOL_OPTIONS; curl -sS -o /dev/null -w '%{http_code}' --capath /nowhere --cacert /dev/null https://api.weixin.qq.com/ 2>&1";
    let mut command = run(&[], &["sh", "-c", script]);
    command
        .env("NO_PROXY", "*")
        .env("no_proxy", ".qq.com")
        .env("NODE_OPTIONS", "--no-warnings")
        .env("PHP_INI_SCAN_DIR", "/etc/php");
    let ran = ran(command).await;
    let lines: Vec<&str> = ran.out.lines().collect();
    let folder = lines[0];
    assert!(!Path::new(folder).exists(), "{folder} is left");
    assert_eq!(lines[1..6], ["700", "ca.jks", "ca.pem", "node.cjs", "php"]);
    assert_eq!(lines[6], "localhost,127.0.0.1,::1 localhost,127.0.0.1,::1", "{}", ran.out);
    assert_eq!(lines[7], format!("/etc/php:{folder}/php"));
    assert_eq!(lines[8], format!("--no-warnings --require {folder}/node.cjs"));
    assert!(lines[9].contains(&format!("trustStore={folder}/ca.jks")), "{}", lines[9]);
    assert!(lines.last().unwrap().ends_with("000"), "nobody else does: {}", ran.out);
}

/// The port is open to all who are on this machine; the key behind it isn't.
#[tokio::test]
async fn another_user_of_this_machine_is_sent_away() {
    if !rustix::process::geteuid().is_root() || !has("setpriv") {
        println!("skipped: only root can try to be somebody else");
        return;
    }
    let ask = format!("curl -sSk -x $https_proxy '{}'", official());
    let ran = sh(&[], &format!("{ask}; echo; setpriv --reuid 65534 --clear-groups {ask}")).await;
    assert!(
        ran.out.contains("expires_in") && ran.code == 52 || ran.code == 56,
        "{} {} {}",
        ran.code,
        ran.out,
        ran.err
    );
    assert_eq!(ran.out.matches("expires_in").count(), 1);
}

#[tokio::test]
async fn python_finds_its_way() {
    if !has("python3") {
        println!("skipped: there is no python3 here");
        return;
    }
    let script = format!(
        "import urllib.request as r, urllib.error as e\n\
         print(r.urlopen('{}').read().decode())\n\
         try: r.urlopen('https://example.com/')\n\
         except e.URLError as refused: print(refused)",
        official()
    );
    let ran = ran(run(&[], &["python3", "-c", &script])).await;
    assert!(ran.out.contains("expires_in") && ran.out.contains("403"), "{} {}", ran.out, ran.err);
}

/// By its own agents, by one that a library made, and by fetch; two requests on one connection each.
#[tokio::test]
async fn node_finds_its_way() {
    if !has("node") {
        println!("skipped: there is no node here");
        return;
    }
    let script = r#"
        const http = require("http"), https = require("https");
        const get = (module, url, options) => new Promise((done) => {
          const asked = module.get(url, options, (answer) => {
            let text = ""; answer.on("data", (piece) => (text += piece)); answer.on("end", () => done(text));
          });
          asked.on("error", (error) => done("refused " + error.message));
        });
        (async () => {
          const url = process.argv[1], agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
          console.log(await get(https, url, {}));
          console.log(await get(https, url, { agent }));
          console.log(await get(https, url, { agent }));
          console.log(await get(https, url, { agent: false }));
          console.log(await get(http, url.replace("https:", "http:"), {}));
          console.log(await get(http, url.replace("https:", "http:"), { agent: new http.Agent({ keepAlive: true }) }));
          if (typeof fetch === "function") {
            console.log(await (await fetch(url)).text());
            console.log(await (await fetch(url.replace("https:", "http:"))).text());
            console.log(await fetch("https://example.com").then(() => "came", (error) => "refused " + error.cause));
          }
          console.log(await get(https, "https://example.com", { agent: new https.Agent() }));
          console.log(await get(http, process.env.WXGATE_SANDBOX + "/sandbox/state", {}));
          agent.destroy();
        })();
    "#;
    let ran = ran(run(&["--lang", "en"], &["node", "-e", script, &official()])).await;
    let lines: Vec<&str> = ran.out.lines().collect();
    let count = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("\"expires_in\""), if lines.len() > 8 { 8 } else { 6 }, "{} {}", ran.out, ran.err);
    assert_eq!(count("came"), 0);
    assert!(count("refused") >= 1 && count("--allow example.com:443") >= 1, "{} {}", ran.out, ran.err);
    assert!(lines.last().unwrap().contains("\"apps\""), "this machine is reached directly: {}", ran.out);
}

#[tokio::test]
async fn java_finds_its_way() {
    if !has("java") {
        println!("skipped: there is no java here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("Probe.java");
    let source = r#"
        import java.net.*; import java.net.http.*;
        class Probe {
          public static void main(String[] a) throws Exception {
            System.out.println(new String(URI.create(a[0]).toURL().openStream().readAllBytes()));
            var request = HttpRequest.newBuilder(URI.create(a[0])).build();
            System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
            try { URI.create("https://example.com").toURL().openStream(); System.out.println("came"); }
            catch (java.io.IOException refused) { System.out.println(refused); }
          }
        }"#;
    std::fs::write(&program, source).unwrap();
    let ran = ran(run(&[], &["java", program.to_str().unwrap(), &official()])).await;
    assert_eq!(ran.out.matches("expires_in").count(), 2, "{} {}", ran.out, ran.err);
    assert!(ran.out.contains("403") && !ran.out.contains("came"), "{} {}", ran.out, ran.err);
}
