//! The child: what it finds in its environment, the signals that are passed on to it, and how it ends.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{SignalKind, signal};

use super::FOLLOW;
use super::files::{BUNDLES, Files, STORE_PASSWORD};
use crate::cli::run::complain;
use crate::entries::Environment;
use crate::lang::{Words, is_english};

/// As a shell says that there is no such command, or that it can't be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const KILLED: i32 = 128;

/// This machine is reached without the proxy.
const DIRECT: &str = "localhost,127.0.0.1,::1";
const PROXIES: [&str; 3] = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"];
/// Of ours the child keeps this one.
const LANGUAGE: &str = "WXGATE_LANG";

/// A variable's new value; `None`: it goes.
pub(super) type Variables = BTreeMap<String, Option<String>>;

/// What changes in the child's environment: the proxy at `port`, whom to trust, and none of wxgate's own secrets and settings.
pub(super) fn variables(parent: &Environment, port: u16, files: &Files, sandbox: Option<&str>) -> Variables {
    let own = parent.keys().filter(|name| name.starts_with("WXGATE_") && *name != LANGUAGE);
    let mut set: Variables = own.map(|name| (name.clone(), None)).collect();
    let mut put = |name: &str, value: String| drop(set.insert(name.to_owned(), Some(value)));
    for (name, value) in PROXIES.map(|name| (name, format!("http://127.0.0.1:{port}"))) {
        put(&name.to_lowercase(), value.clone());
        put(name, value);
    }
    put("NO_PROXY", DIRECT.to_owned());
    put("no_proxy", DIRECT.to_owned());
    for name in BUNDLES {
        put(name, text(&files.bundle()));
    }
    put(
        "NODE_OPTIONS",
        beside(parent, "NODE_OPTIONS", &format!("--require {}", quoted(&text(&files.node())))),
    );
    put("JAVA_TOOL_OPTIONS", beside(parent, "JAVA_TOOL_OPTIONS", &java(port, &text(&files.java()))));
    // An empty part stands for the folder that PHP was built with.
    let php = parent.get("PHP_INI_SCAN_DIR").map(String::as_str).unwrap_or_default();
    put("PHP_INI_SCAN_DIR", format!("{php}:{}", text(&files.php())));
    if let Some(sandbox) = sandbox {
        put("WXGATE_SANDBOX", sandbox.to_owned());
    }
    set
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Both Node and Java take a word with blanks in double quotes.
fn quoted(word: &str) -> String {
    if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() }
}

/// What stands in the variable `name`, and this.
fn beside(parent: &Environment, name: &str, more: &str) -> String {
    match parent.get(name).filter(|given| !given.is_empty()) {
        Some(given) => format!("{given} {more}"),
        None => more.to_owned(),
    }
}

fn java(port: u16, store: &str) -> String {
    let mut options = vec![
        "-Dhttp.nonProxyHosts=localhost|127.*|[::1]".to_owned(),
        quoted(&format!("-Djavax.net.ssl.trustStore={store}")),
        "-Djavax.net.ssl.trustStoreType=JKS".to_owned(),
        format!("-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}"),
    ];
    for scheme in ["http", "https"] {
        options.push(format!("-D{scheme}.proxyHost=127.0.0.1"));
        options.push(format!("-D{scheme}.proxyPort={port}"));
    }
    options.join(" ")
}

/// Starts `command`; what a shell would end with, if it can't be.
pub(super) fn start(command: &[OsString], variables: Variables) -> Result<Child, u8> {
    let (program, _) = command.split_first().ok_or(NOT_FOUND)?;
    let mut child = bound(command);
    for (name, value) in variables {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    child.spawn().map_err(|error| cannot_run(program, error))
}

fn cannot_run(program: &OsStr, error: std::io::Error) -> u8 {
    let program = program.to_string_lossy();
    let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
    let words = Words::new(format!("无法运行 {program}"), format!("can't run {program}"));
    complain(&anyhow::Error::new(error).context(words));
    code
}

/// The command, so that it doesn't outlive this process. Linux can end a child with whoever started it, but only the child itself
/// can ask for that: this program is started, which asks ([`follow`]) and becomes the command. Elsewhere the command is started.
fn bound(command: &[OsString]) -> Command {
    // Even if the file has been replaced meanwhile.
    let own = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && own.exists() {
        let mut child = Command::new(own);
        let language = if is_english() { "en" } else { "zh" };
        child.args(["--lang", language, FOLLOW, &std::process::id().to_string(), "--"]).args(command);
        return child;
    }
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]);
    child
}

/// Becomes the command, which ends when the process `parent` does; what a shell would end with, if it can't be.
#[cfg(target_os = "linux")]
pub(super) fn follow(parent: u32, command: &[OsString]) -> u8 {
    use rustix::process::{getppid, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt as _;

    let Some((program, arguments)) = command.split_first() else { return NOT_FOUND };
    // Where it can't be asked for, the command runs all the same.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    // It may have ended before that was asked.
    let is_there = getppid().is_some_and(|now| u32::try_from(now.as_raw_nonzero().get()) == Ok(parent));
    if !is_there {
        return u8::try_from(KILLED + Signal::TERM.as_raw()).unwrap_or(NOT_RUN);
    }
    cannot_run(program, Command::new(program).args(arguments).exec())
}

/// Nothing starts this here.
#[cfg(not(target_os = "linux"))]
pub(super) fn follow(_parent: u32, _command: &[OsString]) -> u8 {
    NOT_RUN
}

/// What this process is told, for the child: made before it starts, so that nothing is missed.
pub(super) struct Told {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    first: tokio::signal::unix::Signal,
    second: tokio::signal::unix::Signal,
}

impl Told {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            first: signal(SignalKind::user_defined1())?,
            second: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the child, which is told all of it meanwhile; how it ended, as a shell says it.
    pub(super) async fn until_ended(mut self, mut child: Child) -> anyhow::Result<u8> {
        let pid = Pid::from_child(&child);
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        tokio::select! {
            status = waiting => Ok(code(status??)),
            never = self.pass_on(pid) => match never {},
        }
    }

    async fn pass_on(&mut self, child: Pid) -> Infallible {
        loop {
            let (signal, is_of_keys) = tokio::select! {
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.interrupt.recv() => (Signal::INT, true),
                _ = self.quit.recv() => (Signal::QUIT, true),
                _ = self.hang_up.recv() => (Signal::HUP, false),
                _ = self.first.recv() => (Signal::USR1, false),
                _ = self.second.recv() => (Signal::USR2, false),
            };
            // Then the terminal told the child as well, and a second Ctrl-C means something else to many.
            if !(is_of_keys && is_in_front()) {
                // It may just have ended.
                let _ = kill_process(child, signal);
            }
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| KILLED + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// Whether a key that is pressed at the terminal reaches this process's group, and so the child.
fn is_in_front() -> bool {
    let front = std::fs::File::open("/dev/tty").ok().and_then(|terminal| tcgetpgrp(terminal).ok());
    front == Some(getpgrp())
}
