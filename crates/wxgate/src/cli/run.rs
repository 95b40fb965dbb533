//! Running a command and speaking to the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock::Clock;
use crate::gateway::World;
use crate::lang::say;
use crate::limits::Limits;
use crate::workers::Workers;

/// A complaint that isn't read after this time isn't read at all.
const COMPLAINT: Duration = Duration::from_secs(1);

/// Runs an async command to its end.
pub(super) fn blocking<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(command);
    // Whatever still runs after an orderly stop must not hold the process up.
    runtime.shutdown_background();
    outcome
}

/// What a gateway of this process gets: as many files as it may have, and bounds that fit them.
pub(super) fn world() -> World {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    // Where no more threads are to be had, one runtime serves as well.
    let workers = Workers::each_core().unwrap_or_else(|_| Workers::none());
    World { limits: Limits::default().within(files), workers, ..Clock::System.into() }
}

/// Writes to standard output; a closed pipe (`| head`) is no failure.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Asks whether to go on; nobody at a terminal says no.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print(&format!("{question}[y/N] "))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes" | "是"))
}

/// Shows a page that was asked for, or says on standard error what is wrong with the command line.
pub(super) fn tell(text: &str, is_complaint: bool) -> ExitCode {
    if is_complaint {
        write_error(text.to_owned());
        return ExitCode::from(super::WRONG_USAGE);
    }
    match print(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error what went wrong.
pub(super) fn complain(error: &anyhow::Error) {
    write_error(say(format!("错误：{error:#}\n"), format!("error: {error:#}\n")));
}

fn write_error(text: String) {
    let (done, written) = std::sync::mpsc::channel();
    // Nobody is left to tell if this fails. On a thread of its own: a pipe that nobody reads must not keep
    // the process from ending.
    let _ = std::thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = done.send(());
    });
    let _ = written.recv_timeout(COMPLAINT);
}

/// Says on standard error how far something is.
pub(super) fn notice(text: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says on standard error what is left to do, in one line.
pub(super) fn remark(text: &str) {
    // Nobody is left to tell if this fails.
    let label = say("提醒：", "note: ");
    let _ = writeln!(std::io::stderr(), "{label}{}", text.replace(char::is_control, " "));
}
