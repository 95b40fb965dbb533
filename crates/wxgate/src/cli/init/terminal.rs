//! Questions on the terminal, or to whatever standard input is.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::bail;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::super::run::print;
use crate::lang::{Words, say};

/// Asks until `read` understands, and says why it doesn't; the end of input is an error.
pub(super) fn ask<T>(question: &str, read: impl Fn(&str) -> Result<T, Words>) -> anyhow::Result<T> {
    loop {
        print(question)?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!(Words::fixed(
                "输入提前结束，没有写配置：再运行一次 wxgate init",
                "the input ended, and no configuration was written: run wxgate init again",
            ));
        }
        match read(line.trim()) {
            Ok(value) => return Ok(value),
            Err(why) => print(&say(format!("{why}，请重新输入\n"), format!("{why}: once more, please\n")))?,
        }
    }
}

/// Likewise, and what is typed on a terminal isn't shown.
pub(super) fn ask_hidden<T>(question: &str, read: impl Fn(&str) -> Result<T, Words>) -> anyhow::Result<T> {
    let quiet = Quiet::begin();
    let answer = ask(question, read);
    if quiet.is_some() {
        // The newline that was typed isn't shown either.
        print("\n")?;
    }
    answer
}

/// While it lives, the terminal doesn't show what is typed.
struct Quiet(Termios);

impl Quiet {
    /// `None`: standard input is no terminal.
    fn begin() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
