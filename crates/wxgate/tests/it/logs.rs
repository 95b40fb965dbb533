//! A log that nobody reads: the built binary answers as ever, and says later what it lost.

use std::collections::HashSet;
use std::io::{PipeReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::Method;
use sandbox::Sandbox;

use crate::app::Http;
use crate::cli::{Running, free_port, sandbox, served};

const GRACE: Duration = Duration::from_secs(5);
/// How long the log may take at the end where nobody reads it, and the machine besides.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A gateway whose standard error is a pipe.
struct Piped {
    gateway: Running,
    log: Option<PipeReader>,
    url: String,
    sandbox: Sandbox,
    _dir: tempfile::TempDir,
}

impl Piped {
    async fn start() -> Self {
        let sandbox = sandbox().await;
        let dir = tempfile::tempdir().unwrap();
        let (port, admin) = (free_port(), free_port());
        let more = "[auth]\nmode = \"off\"\n[log]\nlevel = \"debug\"";
        let config = served(&sandbox.url(), port, admin, more);
        let config =
            config.replace("[store]", &format!("shutdown_grace = \"{}s\"\n[store]", GRACE.as_secs()));
        std::fs::write(dir.path().join("wxgate.toml"), config).unwrap();
        let (log, stderr) = std::io::pipe().unwrap();
        // Only the child has the pipe's other end: the command goes at once.
        let child = Command::new(env!("CARGO_BIN_EXE_wxgate"))
            .env_clear()
            .arg("serve")
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut piped = Self { gateway: Running(child), log: Some(log), url, sandbox, _dir: dir };
        let ready = format!("http://127.0.0.1:{admin}/readyz");
        let http = Http::new();
        for _ in 0..500 {
            if http.send(Method::GET, &ready, &[], "").await.is_ok() {
                return piped;
            }
            assert!(piped.gateway.0.try_wait().unwrap().is_none(), "it ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never ready");
    }

    /// Sends `count` requests that are logged, some at once; their ids, and how long the slowest took.
    async fn flood(&self, count: usize) -> (HashSet<String>, Duration) {
        const AT_ONCE: usize = 16;
        let http = Http::new();
        // Of a caller, who has a line for each: anybody, here.
        let url = format!("{}/cgi-bin/user/get", self.url);
        let nobodys = [("x-wx-appid", "wx0000000000000000")];
        let some = async || {
            let (mut ids, mut slowest) = (Vec::new(), Duration::ZERO);
            for _ in 0..count / AT_ONCE {
                let begin = Instant::now();
                let reply = tokio::time::timeout(GRACE, http.send(Method::GET, &url, &nobodys, "")).await;
                let reply = reply.expect("an answer in time").expect("an answer");
                slowest = slowest.max(begin.elapsed());
                ids.push(reply.headers["x-request-id"].to_str().unwrap().to_owned());
            }
            (ids, slowest)
        };
        let all = futures_util::future::join_all((0..AT_ONCE).map(|_| some())).await;
        let slowest = all.iter().map(|(_, slowest)| *slowest).max().unwrap();
        (all.into_iter().flat_map(|(ids, _)| ids).collect(), slowest)
    }

    /// Reads the log from now on, on a thread.
    fn read(&mut self) -> (Arc<Mutex<String>>, JoinHandle<()>) {
        let read = Arc::new(Mutex::new(String::new()));
        let (text, mut log) = (read.clone(), self.log.take().unwrap());
        let reading = std::thread::spawn(move || {
            let mut room = vec![0; 64 << 10];
            let mut bytes = Vec::new();
            loop {
                let count = log.read(&mut room).unwrap();
                bytes.extend_from_slice(&room[..count]);
                *text.lock().unwrap() = String::from_utf8_lossy(&bytes).into_owned();
                if count == 0 {
                    return;
                }
            }
        });
        (read, reading)
    }

    async fn stop(mut self) {
        self.gateway.signal("-TERM");
        assert!(self.gateway.wait(GRACE + LAST_WORDS).success());
        self.sandbox.stop().await;
    }
}

/// Of all the lines that say so.
fn lost(log: &str) -> usize {
    let counts = log.lines().filter_map(|line| line.split_once("lost=")).map(|(before, after)| {
        assert!(before.contains("WARN"), "{before}");
        after.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    });
    counts.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_delays_nobody_and_what_was_lost_is_said() {
    // A line each at least: the queue's 8,192, what a pipe of 64 KiB holds, and some more.
    const REQUESTS: usize = 10_000;
    let mut piped = Piped::start().await;
    let (mut ids, slowest) = piped.flood(REQUESTS).await;
    assert_eq!(ids.len(), REQUESTS);
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");

    let (log, reading) = piped.read();
    let end = Instant::now() + Duration::from_secs(20);
    while lost(&log.lock().unwrap()) == 0 {
        assert!(Instant::now() < end, "never said");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // From here on nothing is lost.
    let (later, _) = piped.flood(16).await;
    piped.stop().await;
    reading.join().unwrap();
    let log = log.lock().unwrap();
    for id in &later {
        assert!(log.contains(id), "{id}");
    }
    let lost = lost(&log);
    ids.retain(|id| !log.contains(id));
    assert!(!ids.is_empty() && lost >= ids.len(), "{lost} lost, {} requests without a line", ids.len());
    assert!(log.lines().last().unwrap().contains("已停止"), "the last line was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_does_not_keep_the_process_from_ending() {
    let piped = Piped::start().await;
    // Enough to fill the pipe.
    let (ids, _) = piped.flood(1600).await;
    assert_eq!(ids.len(), 1600);
    piped.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_went_away_is_nobodys_trouble() {
    let mut piped = Piped::start().await;
    drop(piped.log.take());
    let (ids, _) = piped.flood(320).await;
    assert_eq!(ids.len(), 320);
    piped.stop().await;
}
