//! WeChat changes, and wxgate notices by itself: the form of its answers is held against the sandbox's, at run time and by
//! `wxgate sandbox compare`. No value of an answer is shown.

mod standin;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_TOKEN, EXAMPLE, Http, MINI, OFFICIAL, Reply};
use crate::cli::{Running, free_port, run, sandbox, serve, served, text};
use standin::{Rng, Standin, VALUE};

const LIST: &str = include_str!("compare/differences.json");

/// A served gateway whose WeChat is the stand-in.
struct Rig {
    standin: Standin,
    url: String,
    admin: String,
    http: Http,
    dir: tempfile::TempDir,
    _gateway: Running,
}

impl Rig {
    async fn start(is_moody: bool, compare: bool) -> Self {
        let standin = Standin::start(is_moody).await;
        let dir = tempfile::tempdir().unwrap();
        let (port, admin) = (free_port(), free_port());
        let more = format!(
            "[auth]\nmode = \"off\"\n[log]\nlevel = \"trace\"\n[[apps]]\nappid = \"{EXAMPLE}\"\nkind = \"official\"\nsecret = \"{}\"",
            "c3".repeat(16)
        );
        let config = served(&standin.backend.url, port, admin, &more);
        let config = config.replace("timeout = \"2s\"", &format!("timeout = \"10s\"\ncompare = {compare}"));
        std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
        let gateway = serve(dir.path(), admin).await;
        let (url, admin) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{admin}"));
        Self { standin, url, admin, http: Http::new(), dir, _gateway: gateway }
    }

    async fn admin(&self, method: Method, path: &str) -> Reply {
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let url = format!("{}{path}", self.admin);
        self.http.send(method, &url, &[("authorization", &bearer)], "").await.unwrap()
    }

    async fn differences(&self) -> Value {
        let reply = self.admin(Method::GET, "/api/v1/differences").await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()
    }

    async fn forget(&self) {
        let reply = self.admin(Method::DELETE, "/api/v1/differences").await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{reply:?}");
    }

    /// Calls `path` by the gateway; `is_bad`: so that WeChat refuses it.
    async fn call(&self, path: &str, is_bad: bool, appid: &str) {
        let who = match is_bad {
            true => "bad",
            false
                if path.starts_with("/cgi-bin/user/")
                    && self.standin.is_moody
                    && fresh().is_multiple_of(4) =>
            {
                "gone"
            }
            false => "oX",
        };
        let (query, body) = match path {
            // wxgate itself calls these.
            "/cgi-bin/stable_token" => {
                self.admin(Method::POST, &format!("/api/v1/apps/{appid}/refresh")).await;
                return;
            }
            "/cgi-bin/user/info" => (format!("openid={who}"), None),
            "/cgi-bin/user/info/batchget" => (
                String::new(),
                Some(json!({"user_list": [{"openid": who}, {"openid": "o2"}, {"openid": "o3"}]})),
            ),
            "/cgi-bin/message/template/send" => {
                let id = if is_bad { "bad" } else { "t" };
                (String::new(), Some(json!({"touser": "oX", "template_id": id, "data": {}})))
            }
            "/cgi-bin/qrcode/create" => (String::new(), Some(json!({"action_name": "QR_STR_SCENE"}))),
            "/wxa/getwxacodeunlimit" => (String::new(), Some(json!({"scene": "s"}))),
            "/wxa/business/getuserphonenumber" => {
                (String::new(), Some(json!({"code": format!("c{:x}", fresh())})))
            }
            "/sns/jscode2session" => {
                let code = format!("js_code=c{:x}", fresh());
                (format!("appid={appid}&secret=any&{code}&grant_type=authorization_code"), None)
            }
            "/cgi-bin/ticket/getticket" => ("type=jsapi".to_owned(), None),
            "/cgi-bin/media/get" => ("media_id=m".to_owned(), None),
            "/cgi-bin/openapi/quota/get" => (String::new(), Some(json!({"cgi_path": "/cgi-bin/user/get"}))),
            _ => (String::new(), None),
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let url = format!("{}{path}?{query}", self.url);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = [("x-wx-appid", appid), ("content-type", "application/json")];
        self.http.send(method, &url, &headers, body).await.unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Everything that is shown of differences.
    async fn shown(&self) -> String {
        let metrics = self.admin(Method::GET, "/metrics").await;
        format!("{}\n{}\n{}", self.differences().await, text(&metrics.body), self.log())
    }
}

/// A number that nobody had.
fn fresh() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn account(path: &str) -> &'static str {
    if path.starts_with("/wxa/") || path.starts_with("/sns/js") { MINI } else { OFFICIAL }
}

fn no_value_is_in(shown: &str) {
    for value in [VALUE, "PLANTED", "4242424242", "1800.5"] {
        assert!(
            !shown.contains(value),
            "{value}: {}",
            shown.lines().find(|line| line.contains(value)).unwrap()
        );
    }
}

fn items(told: &Value) -> &Vec<Value> {
    told["items"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_differences_thirty_eight_are_found_at_first_sight_and_no_value_is_told() {
    let rig = Rig::start(false, true).await;
    let list: Value = serde_json::from_str(LIST).unwrap();
    let list = list["differences"].as_array().unwrap();
    assert_eq!(list.len(), 40);
    let (mut found, mut missed) = (0, Vec::new());
    for difference in list {
        let path = difference["call"].as_str().unwrap();
        let is_bad = difference["errcode"].is_i64();
        // What is as it should be shows none.
        rig.standin.plant(None);
        rig.forget().await;
        rig.call(path, is_bad, account(path)).await;
        let before = rig.differences().await;
        assert!(items(&before).is_empty(), "{}: {before}", difference["n"]);
        rig.standin.plant(Some(difference));
        // A ticket is kept: of another account there is none yet.
        let appid = if path == "/cgi-bin/ticket/getticket" { EXAMPLE } else { account(path) };
        rig.call(path, is_bad, appid).await;
        let after = rig.differences().await;
        let all: Vec<String> = items(&after).iter().map(told).collect();
        println!("{:>2} {}: {}", difference["n"], difference["what"], all.join("; "));
        let is_of_it = items(&after).iter().all(|item| item["api"] == path && item["count"] == 1);
        assert!(is_of_it, "{}: {after}", difference["n"]);
        if items(&after).is_empty() {
            missed.push(difference);
        } else {
            found += 1;
        }
        no_value_is_in(&after.to_string());
        // A rid stands in the line of its call, but in no difference.
        assert!(!after.to_string().contains("65a33cd8"), "{after}");
    }
    assert!(found >= 38, "{found}: {missed:?}");
    assert!(missed.iter().all(|difference| difference["hard"] == true), "{missed:?}");
    let shown = rig.shown().await;
    no_value_is_in(&shown);
    for line in [
        "wxgate_answers_compared_total{outcome=\"different\"}",
        "wxgate_answer_differences{api=\"/cgi-bin/media/get\"} 1",
    ] {
        assert!(shown.contains(line), "{line}");
    }
    let warnings = rig.log().lines().filter(|line| line.contains("与模拟器的不一样")).count();
    assert!(warnings >= found, "each has a line: {warnings}");
}

fn told(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default();
    format!("{} {} ({} -> {})", text("what"), text("place"), text("known"), text("seen"))
}

/// Ten thousand calls of all kinds, some refused, some about nobody, with members that not every answer has.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_answers_as_documented_show_no_difference() {
    const PATHS: [&str; 12] = [
        "/cgi-bin/user/info",
        "/cgi-bin/user/get",
        "/cgi-bin/user/info/batchget",
        "/cgi-bin/message/template/send",
        "/cgi-bin/template/get_all_private_template",
        "/cgi-bin/qrcode/create",
        "/wxa/getwxacodeunlimit",
        "/wxa/business/getuserphonenumber",
        "/sns/jscode2session",
        "/cgi-bin/media/get",
        "/cgi-bin/openapi/quota/get",
        "/cgi-bin/get_api_domain_ip",
    ];
    const CALLS: usize = 10_000;
    const AT_ONCE: u64 = 8;
    let rig = Arc::new(Rig::start(true, true).await);
    let mut callers = Vec::new();
    for caller in 0..AT_ONCE {
        let rig = rig.clone();
        callers.push(tokio::spawn(async move {
            let mut rng = Rng::new(caller + 1);
            for _ in 0..CALLS as u64 / AT_ONCE {
                let path = rng.of(&PATHS);
                rig.call(path, rng.one_in(10), account(path)).await;
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let differences = rig.differences().await;
    assert!(items(&differences).is_empty(), "{differences:#}");
    let count = |name: &str| differences[name].as_u64().unwrap() as usize;
    assert_eq!((count("different"), count("forgotten"), differences["on"].as_bool()), (0, 0, Some(true)));
    assert!(count("alike") >= CALLS && count("unknown") == 0, "{differences}");
    no_value_is_in(&rig.shown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_off_unless_somebody_wants_it() {
    let rig = Rig::start(false, false).await;
    let list: Value = serde_json::from_str(LIST).unwrap();
    rig.standin.plant(Some(&list["differences"][0]));
    rig.call("/cgi-bin/user/info", false, OFFICIAL).await;
    let differences = rig.differences().await;
    assert_eq!(
        (&differences["on"], &differences["alike"], &differences["different"]),
        (&json!(false), &json!(0), &json!(0))
    );
    assert!(items(&differences).is_empty());
}

/// `wxgate sandbox compare`, and what it printed.
fn compare(dir: &Path, more: &[&str]) -> (Option<i32>, String) {
    let args = [&["sandbox", "compare", "--config", "wxgate.toml"], more].concat();
    let output = run(&args, dir, "");
    (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

/// Every text below `value`, but the words of errors.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            members.iter().filter(|(name, _)| *name != "errmsg").for_each(|(_, value)| texts(value, found));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn against_the_sandbox_itself_nothing_differs_and_fixtures_hold_no_value() {
    let sandbox = sandbox().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wxgate.toml"), served(&sandbox.url(), free_port(), free_port(), ""))
        .unwrap();
    let (code, said) = compare(dir.path(), &["--record", "seen"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains('≠') && said.contains("0 个不一样"), "{said}");
    let mut files = 0;
    for entry in std::fs::read_dir(dir.path().join("seen")).unwrap() {
        let kept = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        files += 1;
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let mut all = Vec::new();
        texts(&kept["body"], &mut all);
        for text in all {
            let is_hidden = text.chars().all(|c| "xX0字".contains(c) || !c.is_alphanumeric());
            assert!(is_hidden, "{text} in {kept}");
        }
    }
    assert!(files >= 60, "{files}");
    let state = sandbox.state();
    let journal = state["calls"].as_array().unwrap();
    assert!(journal.len() >= files, "{}", journal.len());

    // Something else is answered than the sandbox says.
    let user = json!({
        "subscribe": 1, "openid": "PLANTED", "nickname": "", "sex": 0, "city": "", "province": "", "country": "",
        "headimgurl": "", "subscribe_time": 1, "remark": "", "groupid": 0, "tagid_list": [], "subscribe_scene": "",
        "qr_scene": 0, "qr_scene_str": "", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M": 1,
    });
    let fault = json!({"path": "/cgi-bin/user/info", "times": 0, "body": user});
    let url = format!("{}/sandbox/fault", sandbox.url());
    Http::new().send(Method::POST, &url, &[], fault.to_string()).await.unwrap();
    let (code, said) = compare(dir.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("≠ user.info.follower /cgi-bin/user/info: gone language:") && said.contains("new *:"),
        "{said}"
    );
    assert!(said.contains("≠ user.info.wrong_openid /cgi-bin/user/info: errcode: 40003 -> 0"), "{said}");
    assert!(!said.contains("PLANTED") && !said.contains("o6_bm"), "{said}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_account_is_neither_harmed_nor_asked_for_scenes() {
    let standin = Standin::start(false).await;
    let dir = tempfile::tempdir().unwrap();
    let config = served(&standin.backend.url, free_port(), free_port(), "");
    std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
    let (code, said) = compare(dir.path(), &[]);
    assert_eq!(code, Some(1), "it is not the sandbox: {said}");
    assert!(!said.contains(VALUE), "{said}");
    let got = standin.backend.got();
    assert!(got.len() > 30, "{}", got.len());
    for call in got {
        let body = text(&call.body);
        let is_scene = call.path.starts_with("/sandbox/") && call.path != "/sandbox/state";
        let sends =
            call.path.ends_with("/send") && body.contains("sandbox-template-00000000000000000000000001");
        let ends = call.path == "/cgi-bin/token" && call.query.contains(&"a1".repeat(16));
        let clears =
            call.path.starts_with("/cgi-bin/clear_quota") && (body.contains(OFFICIAL) || body.contains(MINI));
        assert!(!is_scene && !sends && !ends && !clears, "{} {} {body}", call.path, call.query);
    }
}

#[test]
fn what_is_known_of_the_sandbox_is_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["sandbox", "shapes"], dir.path(), "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let is_same = text(&output.stdout) == wechat::shape::Known::file();
    assert!(is_same, "crates/wechat/src/shapes.json is stale: run `make gen`");
}
