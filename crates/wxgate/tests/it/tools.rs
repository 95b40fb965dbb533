//! `wxgate send` and `wxgate replay`, the real commands, against a backend that plays the API: what goes over the wire, what is said in
//! both languages, and how they end.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::backend::{Backend, Does, Got, says};
use crate::cli::{Running, text, wxgate};

const TOKEN: &str = "wxadmin_0123456789abcdefghijklmn";
const KEY: &str = "key_send_0123456789abcdefghijk";
const REPLAY: &str = "/api/v1/replay";
const JOB: &str = "/api/v1/jobs/7";
const BATCH: &str = "/v1/service/wx/sendwxtemplatemsg/batch";
const SENT: &str = "/v1/service/wx/jobs/b-1";

fn json_of(status: u16, value: &Value) -> Does {
    says(status, value.to_string()).header("content-type", "application/json")
}

fn body(got: &Got) -> Value {
    serde_json::from_slice(&got.body).unwrap()
}

/// In this folder; exit code, standard output, standard error.
async fn ran(mut command: Command, dir: &Path) -> (i32, String, String) {
    command.current_dir(dir).stdin(Stdio::null());
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

fn replay(api: &Backend, args: &[&str]) -> Command {
    let mut command = wxgate();
    command.args(["replay", "--admin", &api.url]).args(args).env("WXGATE_ADMIN_TOKEN", TOKEN);
    command
}

fn send(api: &Backend, args: &[&str]) -> Command {
    let mut command = wxgate();
    command.args(["send", "--gateway", &api.url]).args(args).env("WXGATE_KEY", KEY);
    command
}

fn job(status: &str, delivered: u64, failed: u64) -> Value {
    json!({
        "id": 7, "kind": "replay", "status": status, "total": 1284, "delivered": delivered, "failed": failed,
        "waiting": 1284 - delivered - failed, "rate": 50, "made_at": 1, "ended_at": null, "actor": "token", "filter": {},
    })
}

/// An admin API with 1,284 dead letters, whose replay stands like `states` one after the other.
async fn admin(states: Vec<Value>) -> Backend {
    let api = Backend::start().await;
    let seen = std::sync::atomic::AtomicUsize::new(0);
    api.does(move |got| match got.path.as_str() {
        REPLAY if body(got)["dry_run"] == true => json_of(
            200,
            &json!({"count": 1284, "oldest": 1_798_711_200, "newest": 1_798_714_800, "skipped": 2}),
        ),
        REPLAY => json_of(202, &json!({"job_id": 7, "total": 1284})),
        JOB => {
            let at = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            json_of(200, &states[at.min(states.len() - 1)])
        }
        "/api/v1/jobs/7/stop" => json_of(200, &job("stopped", 640, 2)),
        _ => json_of(404, &json!({"status": 404, "detail": "没有这一项"})),
    });
    api
}

#[tokio::test]
async fn a_replay_is_counted_confirmed_and_watched() {
    let dir = tempfile::tempdir().unwrap();
    let api = admin(vec![job("running", 600, 0), job("done", 1284, 0)]).await;
    let (code, out, err) = ran(replay(&api, &["--route", "crm", "--error-status", "502"]), dir.path()).await;
    assert_eq!(code, 3, "nobody was there to ask: {out}{err}");
    for part in ["1,284 条", "最早 2026-12-31 18:00:00（北京时间）", "另有 2 条"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(err.contains("--yes"), "{err}");
    let filter = json!({"route": "crm", "status": "dead", "error_status": 502});
    let asked: Vec<Value> = api.got().iter().map(body).collect();
    assert_eq!(asked, [json!({"filter": filter, "dry_run": true})], "nothing was begun");
    let args = ["--route", "crm", "--error-status", "502", "--rate", "200", "--yes"];
    let (code, out, err) = ran(replay(&api, &args), dir.path()).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("共 1,284 条，送达 1,284，没成 0"), "{out}");
    assert!(err.contains("任务 7") && err.contains("46% 600/1,284"), "{err}");
    let got = api.got();
    assert_eq!(body(&got[2]), json!({"filter": filter, "rate": 200}));
    let paths: Vec<&str> = got[1..].iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, [REPLAY, REPLAY, JOB, JOB]);
    for one in &got {
        assert_eq!(one.header("authorization"), format!("Bearer {TOKEN}"));
        assert_eq!(one.header("accept-language"), "zh");
    }
    assert!(!(out + &err).contains(TOKEN));
}

#[tokio::test]
async fn what_was_not_delivered_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let api = admin(vec![job("done", 1280, 4)]).await;
    let (code, out, err) = ran(replay(&api, &["--yes", "--lang", "en"]), dir.path()).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("1,284: the oldest of 2026-12-31 10:00:00 UTC"), "{out}");
    assert!(out.contains("of 1,284, delivered 1,280, failed 4"), "{out}");
    assert!(err.contains("not delivered: 4"), "{err}");
    let (code, out, _) = ran(replay(&api, &["--dry-run", "--id", "3", "4"]), dir.path()).await;
    assert!(code == 0 && out.contains("1,284 条"), "{out}");
    assert_eq!(body(api.got().last().unwrap()), json!({"ids": [3, 4], "dry_run": true}));
}

#[tokio::test]
async fn a_job_is_watched_and_stopped_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let api = admin(vec![job("done", 1284, 0)]).await;
    let (code, out, err) = ran(replay(&api, &["--job", "7", "--stop"]), dir.path()).await;
    assert!(code == 0 && out.contains("已停：共 1,284 条，送达 640，没成 2，没重放 642"), "{out}{err}");
    let (code, out, _) = ran(replay(&api, &["--job", "7"]), dir.path()).await;
    assert!(code == 0 && out.contains("送达 1,284"), "{out}");
    let (code, _, err) = ran(replay(&api, &["--job", "../apps"]), dir.path()).await;
    assert!(code == 1 && err.contains("没有任务") && !err.contains("还在进行"), "{err}");
    assert!(api.got().iter().all(|one| one.path.starts_with("/api/v1/jobs/")));
    let mut command = wxgate();
    command.args(["replay", "--admin", &api.url]);
    let (code, _, err) = ran(command, dir.path()).await;
    assert!(code == 1 && err.contains("WXGATE_ADMIN_TOKEN"), "{err}");
    let mut command = wxgate();
    std::fs::write(dir.path().join("token"), TOKEN).unwrap();
    command.args(["replay", "--admin", &api.url, "--job", "7"]).env("WXGATE_ADMIN_TOKEN_FILE", "token");
    assert_eq!(ran(command, dir.path()).await.0, 0);
}

/// Presses Ctrl-C once `api` was asked for the job.
async fn interrupted(mut command: Command, api: &Backend, asked: &'static str) -> (i32, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = child.stderr.take().unwrap();
    let mut running = Running(child);
    let begin = Instant::now();
    while !api.got().iter().any(|one| one.path == asked) {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never asks");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.signal("-INT");
    tokio::task::spawn_blocking(move || {
        let status = running.wait(Duration::from_secs(10));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut said, &mut text).unwrap();
        (status.code().unwrap(), text)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn ctrl_c_leaves_it_running_and_says_how_to_come_back() {
    let api = admin(vec![job("running", 1, 0)]).await;
    let (code, said) = interrupted(replay(&api, &["--yes"]), &api, JOB).await;
    assert_eq!(code, 1, "{said}");
    let url = &api.url;
    assert!(
        said.contains(&format!("wxgate replay --admin {url} --job 7")) && said.contains("--stop"),
        "{said}"
    );
    assert!(api.got().iter().all(|one| !one.path.ends_with("/stop")), "it goes on");
    let gateway = gateway(Taken { accepted: 3, ..Taken::default() }, "running").await;
    let (code, said) = interrupted(send(&gateway, &["--job", "b-1"]), &gateway, SENT).await;
    let url = &gateway.url;
    assert!(code == 1 && said.contains(&format!("wxgate send --gateway {url} --job b-1")), "{said}");
}

#[derive(Clone, Debug, Default)]
struct Taken {
    accepted: u64,
    rejected: Vec<Value>,
    /// Of lines that were accepted.
    results: Vec<Value>,
}

fn ok(body: &Value) -> Value {
    json!({"ret": {"code": 0, "msg": "ok"}, "body": body})
}

/// A gateway that takes a batch, and gives its results two at a time.
async fn gateway(taken: Taken, status: &'static str) -> Backend {
    let api = Backend::start().await;
    api.does(move |got| {
        let with = |code: i64| taken.results.iter().filter(|one| one["wx_errcode"] == code).count() as u64;
        let failed = taken.results.len() as u64 - with(0);
        match got.path.as_str() {
            BATCH => json_of(
                200,
                &ok(&json!({
                    "job_id": "b-1", "accepted": taken.accepted, "rejected": taken.rejected.len(), "errors": taken.rejected,
                })),
            ),
            SENT => {
                let query: Vec<(String, String)> =
                    url::form_urlencoded::parse(got.query.as_bytes()).into_owned().collect();
                let cursor = query.iter().find(|(name, _)| name == "cursor").map_or("0", |(_, value)| value);
                let from: usize = cursor.parse().unwrap();
                let page: Vec<Value> = taken.results.iter().skip(from).take(2).cloned().collect();
                let next = (from + 2 < taken.results.len()).then(|| (from + 2).to_string());
                json_of(
                    200,
                    &ok(&json!({
                        "job_id": "b-1", "status": status, "total": taken.accepted, "sent": with(0), "failed": failed,
                        "unknown": 0, "results": page, "next": next,
                    })),
                )
            }
            _ => json_of(401, &json!({"ret": {"code": 3_584_010, "msg": "没有这个密钥"}, "body": null})),
        }
    });
    api
}

fn result(line: u64, code: i64) -> Value {
    let msgid = if code == 0 { format!("90{line}") } else { String::new() };
    json!({"line": line, "openid": format!("o6_user_{line}"), "msgid": msgid, "wx_errcode": code})
}

const FILE: &str = "{\"openid\":\"o1\"}\n{\"openid\":\"o2\"}\n\n{\"openid\":\"o3\"}";

#[tokio::test]
async fn a_file_is_sent_once_and_every_line_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.ndjson"), FILE).unwrap();
    let results = vec![result(1, 0), result(2, 0), result(4, 0)];
    let api = gateway(Taken { accepted: 3, results, ..Taken::default() }, "done").await;
    let args = ["-f", "all.ndjson", "--appid", "wx1", "--source", "shop & co", "--rate", "20"];
    let (code, out, err) = ran(send(&api, &args), dir.path()).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("共 3 条，发出 3，没成 0，不确定 0"), "{out}");
    assert!(err.contains("收下 3 条，没收下 0 条：任务 b-1"), "{err}");
    let (first, again) = (api.got()[0].clone(), ran(send(&api, &args), dir.path()).await);
    assert_eq!(again.0, 0);
    assert_eq!((first.path.as_str(), first.query.as_str()), (BATCH, "appid=wx1&source=shop+%26+co&rate=20"));
    assert_eq!(first.body, Bytes::from_static(FILE.as_bytes()));
    assert_eq!(first.header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(first.header("content-length"), FILE.len().to_string());
    let uploads: Vec<Got> = api.got().into_iter().filter(|one| one.path == BATCH).collect();
    let key = first.header("idempotency-key");
    assert!(uploads.len() == 2 && key.len() > 20 && uploads[1].header("idempotency-key") == key, "{key}");
    for args in
        [&["-f", "all.ndjson", "--appid", "wx2"][..], &["-f", "all.ndjson", "--idempotency-key", "mine"]]
    {
        ran(send(&api, args), dir.path()).await;
        let upload = api.got().into_iter().rfind(|one| one.path == BATCH).unwrap();
        assert_ne!(upload.header("idempotency-key"), key);
    }
    assert!(!(out + &err).contains(KEY));
}

#[tokio::test]
async fn lines_that_failed_are_told_and_all_are_written() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.ndjson"), FILE).unwrap();
    let rejected = vec![json!({"line": 2, "msg": "不是 JSON"})];
    let results = vec![result(1, 43004), result(4, 0), result(5, 43004)];
    let api = gateway(Taken { accepted: 3, rejected, results }, "done").await;
    let args = ["-f", "all.ndjson", "--results", "results.ndjson"];
    let (code, out, err) = ran(send(&api, &args), dir.path()).await;
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("共 4 条，发出 1，没成 3，不确定 0"), "{out}");
    for part in ["第 2 行没有收下：不是 JSON", "第 1 行：43004", "第 5 行：43004"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("第 4 行") && !out.contains("o6_user"), "{out}");
    assert!(err.contains("3 条没有发出"), "{err}");
    let written = std::fs::read_to_string(dir.path().join("results.ndjson")).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"line": 2, "rejected": "不是 JSON"}));
    assert_eq!(lines[1..], [result(1, 43004), result(4, 0), result(5, 43004)], "of all pages");
    let (code, out, err) = ran(send(&api, &[&args[..2], &["--lang", "en"]].concat()), dir.path()).await;
    assert!(code == 1 && out.contains("of 4, sent 1, failed 3, unknown 0, in 0:0"), "{out}");
    assert!(out.contains("line 1: 43004") && err.contains("not sent: 3"), "{out}{err}");
    let (code, out, _) = ran(send(&api, &["-f", "all.ndjson", "--detach"]), dir.path()).await;
    assert!(code == 1 && out.contains("--job b-1"), "one line isn't taken: {out}");
}

#[tokio::test]
async fn standard_input_is_sent_too_and_what_is_none_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let api = gateway(Taken { accepted: 3, ..Taken::default() }, "done").await;
    let output = {
        let mut command = send(&api, &["-f", "-", "--detach"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), FILE.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap()
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("--job b-1"));
    let got = api.got();
    assert!(got.len() == 1 && got[0].body == FILE.as_bytes(), "it doesn't wait: {got:?}");
    std::fs::write(dir.path().join("empty"), "\n\n").unwrap();
    for (args, part) in [(&["-f", "empty"][..], "一条消息也没有"), (&["-f", "nowhere"], "读不到 nowhere")]
    {
        let (code, _, err) = ran(send(&api, args), dir.path()).await;
        assert!(code == 1 && err.contains(part), "{err}");
    }
    assert_eq!(ran(send(&api, &[]), dir.path()).await.0, 2, "a file, or a job");
    assert_eq!(ran(send(&api, &["--job", "b-1", "-f", "empty"]), dir.path()).await.0, 2);
    assert_eq!(api.count(), 1);
}

#[tokio::test]
async fn a_refusal_is_told_and_a_gateway_that_is_away_may_be_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.ndjson"), FILE).unwrap();
    let api = Backend::start().await;
    api.does(|_| json_of(401, &json!({"ret": {"code": 3_584_010, "msg": "没有这个密钥"}, "body": null})));
    let (code, _, err) = ran(send(&api, &["-f", "all.ndjson"]), dir.path()).await;
    assert!(code == 1 && err.contains("HTTP 401，3584010") && err.contains("没有这个密钥"), "{err}");
    let (code, _, err) = ran(send(&api, &["--job", "b-1", "--lang", "en"]), dir.path()).await;
    assert!(code == 1 && err.contains("HTTP 401, 3584010"), "{err}");
    let mut command = wxgate();
    command.args(["send", "--gateway", "http://127.0.0.1:1", "--key", KEY, "-f", "all.ndjson"]);
    let (code, _, err) = ran(command, dir.path()).await;
    assert!(code == 1 && err.contains("再运行一次同样的命令") && err.contains("连不上"), "{err}");
    // What passes by itself is waited for.
    let seen = std::sync::atomic::AtomicUsize::new(0);
    api.does(move |_| match seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => json_of(503, &json!({"ret": {"code": 3_584_014, "msg": "数据库不可用"}, "body": null})),
        _ => {
            json_of(200, &ok(&json!({"status": "stopped", "total": 9, "sent": 4, "failed": 0, "unknown": 1})))
        }
    });
    let (code, out, err) = ran(send(&api, &["--job", "b-1"]), dir.path()).await;
    assert!(code == 1 && out.contains("已停：共 9 条，发出 4，没成 0，不确定 1，没发 4"), "{out}{err}");
    let (code, out, _) = ran(send(&api, &["--job", "b-1", "--stop"]), dir.path()).await;
    assert!(code == 0 && out.contains("已停"), "{out}");
    assert_eq!(api.got().last().unwrap().path, format!("{SENT}/stop"));
}
