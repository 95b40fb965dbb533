//! No other process of the same user looks into one that holds secrets: what of `/proc/PID` is gated belongs to root.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::Sandbox;
use tokio::net::TcpListener;

use crate::cli::{Running, served};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// Starts a program in `dir` as somebody who isn't root; `None`: that can't be done here.
fn start(program: &str, args: &[&str], dir: &Path) -> Option<(Running, u32)> {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    let own = rustix::process::geteuid().as_raw();
    let uid = if own == 0 { NOBODY } else { own };
    if own == 0 {
        for entry in std::fs::read_dir(dir).ok()?.flatten() {
            chown(entry.path(), Some(NOBODY), Some(NOBODY)).ok()?;
        }
        chown(dir, Some(NOBODY), Some(NOBODY)).ok()?;
        command.uid(NOBODY).gid(NOBODY);
    }
    Some((Running(command.spawn().ok()?), uid))
}

/// Whose a file is that only whoever may look into the process may read.
fn owner(child: &Running) -> Option<u32> {
    std::fs::metadata(format!("/proc/{}/environ", child.0.id())).ok().map(|file| file.uid())
}

#[tokio::test]
async fn what_holds_secrets_is_closed_to_its_own_user() {
    let dir = tempfile::tempdir().unwrap();
    let plain = start("/bin/sleep", &["60"], dir.path());
    let Some((plain, uid)) = plain.filter(|(child, uid)| owner(child) == Some(*uid)) else {
        println!("skipped: this kernel doesn't say whose a process is");
        return;
    };
    assert_eq!(owner(&plain), Some(uid), "any other process is its user's");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, std::sync::Arc::new(|| 1_767_339_000_000));
    let text = served(&sandbox.url(), 0, 0, "[auth]\nmode = \"off\"");
    std::fs::write(dir.path().join("wxgate.toml"), text).unwrap();
    let any = "127.0.0.1:0";
    let demo = ["demo", "--listen", any, "--admin-listen", any, "--sandbox-listen", any, "--data", "demo"];
    for args in [&["serve"][..], &demo] {
        let Some((mut child, _)) = start(env!("CARGO_BIN_EXE_wxgate"), args, dir.path()) else {
            println!("skipped: nobody may run the binary here");
            return;
        };
        let mut closed = false;
        for _ in 0..500 {
            closed = owner(&child) == Some(0);
            if closed {
                break;
            }
            assert_eq!(child.0.try_wait().unwrap(), None, "{args:?} ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(closed, "{args:?}: {:?}", owner(&child));
    }
}
