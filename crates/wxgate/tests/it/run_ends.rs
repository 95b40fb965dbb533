//! How `wxgate run` ends: as its command does, with what it is told on the way, and with nothing left behind.

use std::io::{BufRead as _, BufReader, Read as _};
#[cfg(target_os = "linux")]
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::cli::{Running, wxgate};
use crate::fixed_hosts::{ran, run, sh};

const KEY: &str = "key_fixed_hosts_0123456789abcdef";

#[tokio::test]
async fn it_ends_as_its_command_does() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        assert_eq!(sh(&[], script).await.code, code, "{script}");
    }
    let missing = ran(run(&[], &["no-such-program-anywhere"])).await;
    assert!(missing.code == 127 && missing.err.contains("no-such-program-anywhere"), "{}", missing.err);
    assert_eq!(ran(run(&[], &["/"])).await.code, 126);
    for usage in
        [&["run"][..], &["run", "--key", KEY, "--", "true"], &["run", "--allow", "a b", "--", "true"]]
    {
        assert_eq!(
            ran({
                let mut command = wxgate();
                command.args(usage);
                command
            })
            .await
            .code,
            2,
            "{usage:?}"
        );
    }
    let both = ["--gateway", "http://127.0.0.1:1", "--sandbox", "http://127.0.0.1:1"];
    assert_eq!(ran(run(&both, &["true"])).await.code, 2);
}

#[tokio::test]
async fn signals_reach_the_command() {
    for (name, said) in [("-TERM", "TERM"), ("-INT", "INT"), ("-HUP", "HUP"), ("-USR1", "USR1")] {
        let script = format!("trap 'echo {said}; exit 3' {said}; echo ready; while :; do sleep 0.05; done");
        let mut command = run(&[], &["sh", "-c", &script]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut running = Running(child);
        let mut out = BufReader::new(running.0.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        running.signal(name);
        assert_eq!(running.wait(Duration::from_secs(10)).code(), Some(3), "{name}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim(), said);
    }
}

/// Nothing can be caught of a SIGKILL: the command is ended by the kernel, the folder is removed by whoever comes next.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_run_that_is_killed_takes_its_command_along() {
    let place = tempfile::tempdir().unwrap();
    let mut command =
        run(&[], &["sh", "-c", "echo $$; dirname $SSL_CERT_FILE; while :; do sleep 0.05; done"]);
    command.env("TMPDIR", place.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (child, folder) = (lines.next().unwrap(), lines.next().unwrap());
    // One that has ended may still be listed, where nobody asks how.
    let runs = || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    assert!(runs() && Path::new(&folder).exists());
    running.signal("-KILL");
    running.wait(Duration::from_secs(10));
    for _ in 0..100 {
        if !runs() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!runs(), "the command goes on");
    assert!(Path::new(&folder).exists(), "nobody was left to remove it");
    let mut next = run(&[], &["true"]);
    next.env("TMPDIR", place.path());
    assert_eq!(ran(next).await.code, 0);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
