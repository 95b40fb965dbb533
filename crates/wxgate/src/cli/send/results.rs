//! What became of each message of a batch.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::errors;
use crate::lang::{Words, is_english, say};

/// So many failed ones are printed.
const SHOWN: usize = 20;

/// Where results go: all of them to a file, if there is one, and those that failed to whoever looks.
pub(super) struct Results {
    file: Option<(PathBuf, BufWriter<File>)>,
    /// The first that failed.
    told: Vec<String>,
    failed: usize,
}

impl Results {
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path.map(|path| {
            let file = File::create(path).with_context(|| unwritable(path))?;
            anyhow::Ok((path.to_owned(), BufWriter::new(file)))
        });
        Ok(Self { file: file.transpose()?, told: Vec::new(), failed: 0 })
    }

    /// A line that wasn't taken.
    pub(super) fn rejected(&mut self, error: &Value) -> anyhow::Result<()> {
        let (line, msg) = (&error["line"], plain(error["msg"].as_str().unwrap_or_default()));
        self.fail(say(format!("第 {line} 行没有收下：{msg}"), format!("line {line} isn't taken: {msg}")));
        self.write(&json!({"line": line, "rejected": msg}))
    }

    /// What became of a line.
    pub(super) fn add(&mut self, result: &Value) -> anyhow::Result<()> {
        let (line, code) = (&result["line"], result["wx_errcode"].as_i64().unwrap_or_default());
        let usual = match (code, result["msgid"].as_str()) {
            (0, Some("") | None) => "unknown",
            (0, Some(_)) => "sent",
            _ => "failed",
        };
        match result["status"].as_str().unwrap_or(usual) {
            // One that a stop left alone.
            "sent" | "waiting" => {}
            "unknown" => self.fail(say(
                format!("第 {line} 行不确定：没等到微信的应答"),
                format!("line {line}: unknown, as WeChat's answer didn't come"),
            )),
            _ => {
                let help = errors::lookup(code).map(|help| help.words.clone());
                let why = help.as_ref().map_or("", |words| words.parts()[usize::from(is_english())].0);
                self.fail(say(format!("第 {line} 行：{code} {why}"), format!("line {line}: {code} {why}")));
            }
        }
        self.write(result)
    }

    fn fail(&mut self, told: String) {
        self.failed += 1;
        if self.told.len() < SHOWN {
            self.told.push(told);
        }
    }

    fn write(&mut self, result: &Value) -> anyhow::Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        writeln!(file, "{result}").with_context(|| unwritable(path))
    }

    /// What is printed of them.
    pub(super) fn end(mut self) -> anyhow::Result<String> {
        if let Some((path, file)) = &mut self.file {
            file.flush().with_context(|| unwritable(path))?;
        }
        let more = self.failed - self.told.len();
        if more > 0 {
            self.told.push(say(
                format!("另有 {more} 行：用 --results FILE 写出全部"),
                format!("and {more} more: --results FILE writes all of them"),
            ));
        }
        Ok(self.told.iter().map(|line| format!("  {line}\n")).collect())
    }
}

fn unwritable(path: &Path) -> Words {
    let path = path.display();
    Words::new(format!("写不了 {path}"), format!("{path} can't be written"))
}

/// What a server says may hold anything.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_failed_are_told_and_all_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.ndjson");
        let mut results = Results::new(Some(&path)).unwrap();
        results.rejected(&json!({"line": 1, "msg": "不是 JSON\u{1b}[2J"})).unwrap();
        results.add(&json!({"line": 2, "openid": "o1", "msgid": "9", "wx_errcode": 0})).unwrap();
        results.add(&json!({"line": 3, "openid": "o2", "msgid": "", "wx_errcode": 0})).unwrap();
        results.add(&json!({"line": 3, "msgid": "", "wx_errcode": 0, "status": "waiting"})).unwrap();
        for line in 4..30 {
            results.add(&json!({"line": line, "openid": "o2", "msgid": "", "wx_errcode": 43004})).unwrap();
        }
        let told = results.end().unwrap();
        assert!(told.starts_with("  第 1 行没有收下：不是 JSON[2J\n  第 3 行不确定"), "{told}");
        assert!(
            told.contains("  第 4 行：43004 ") && told.ends_with("另有 8 行：用 --results FILE 写出全部\n"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 21);
        assert!(!told.contains("o2"), "no user is named");
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 30);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = Results::new(Some(Path::new("/nowhere/x"))).err().unwrap();
        assert!(format!("{error:#}").contains("/nowhere/x"));
    }
}
