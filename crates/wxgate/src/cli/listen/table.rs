//! What passes, a line each, as wide as the terminal.

use rustix::termios::tcgetwinsize;
use serde_json::Value;

use crate::lang::say;

/// Where there is no terminal.
const WIDTH: usize = 120;
/// What is narrower shows less.
const NARROW: usize = 84;
/// And still less, down to so many columns.
const TINY: usize = 60;
const LEAST: usize = 40;
/// WeChat's own time is eight hours ahead.
const BEIJING: u64 = 8 * 3600;

/// What became of a message.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// What the local URL said.
    pub(super) status: String,
    pub(super) ms: Option<u128>,
    pub(super) reply: &'static str,
}

/// A line of the table.
pub(super) fn line(event: &Value, kind: &str, fate: &Fate) -> String {
    let data = &event["data"];
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let what = [text("content"), text("event_key"), text("openid")].into_iter().find(|text| !text.is_empty());
    let ms = fate.ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
    let time = time(event["timestamp"].as_str().unwrap_or_default());
    let cells = [&time, text("appid"), kind, what.unwrap_or_default(), &fate.status, &ms, fate.reply];
    written(cells, width())
}

/// The line above them.
pub(super) fn head() -> String {
    let cells = say(
        ["时间", "账号", "类型", "内容", "本地应答", "用时", "回复"],
        ["time", "account", "type", "content", "local", "took", "reply"],
    );
    written(cells, width())
}

fn width() -> usize {
    let size = tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    size.filter(|width| *width > 0).map_or(WIDTH, |width| width.max(LEAST))
}

fn written([time, appid, kind, what, status, ms, reply]: [&str; 7], width: usize) -> String {
    let mut cells = vec![(time, 8)];
    if width >= NARROW {
        cells.push((appid, 18));
    }
    let is_tiny = width < TINY;
    cells.push((
        kind,
        if width >= NARROW {
            22
        } else if is_tiny {
            10
        } else {
            14
        },
    ));
    let mut last = vec![(status, if is_tiny { 4 } else { 8 })];
    if width >= NARROW {
        last.push((ms, 8));
    }
    last.push((reply, if is_tiny { 4 } else { 6 }));
    let taken: usize = cells.iter().chain(&last).map(|(_, size)| size + 1).sum();
    cells.push((what, width.saturating_sub(taken + 1).max(2)));
    let line: Vec<String> = cells.into_iter().chain(last).map(|(text, size)| fitted(text, size)).collect();
    format!("{}\n", line.join(" ").trim_end())
}

/// `text` in exactly so many columns, in one line.
fn fitted(text: &str, size: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let (mut out, mut used) = (String::new(), 0);
    let whole: usize = clean.clone().map(columns).sum();
    for c in clean {
        let room = if whole > size { size - 1 } else { size };
        if used + columns(c) > room {
            break;
        }
        out.push(c);
        used += columns(c);
    }
    if whole > size {
        out.push('…');
        used += 1;
    }
    out.extend(std::iter::repeat_n(' ', size.saturating_sub(used)));
    out
}

/// How wide a character is on a terminal.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The time of day, as WeChat's users have it.
fn time(timestamp: &str) -> String {
    let Ok(at) = humantime::parse_rfc3339_weak(timestamp) else { return String::new() };
    let seconds = at.duration_since(std::time::UNIX_EPOCH).map_or(0, |at| at.as_secs()) + BEIJING;
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_as_wide_as_the_terminal_whatever_stands_in_it() {
        let event = json!({"timestamp": "2014-09-03T09:14:28Z", "data": {"appid": "wx3cc8fd6963e31a32",
            "content": "你好\n\u{1b}[31m世界".repeat(20)}});
        let data = &event["data"];
        for width in [40, 60, 83, 84, 120, 200] {
            let cells = [
                &time(event["timestamp"].as_str().unwrap()),
                data["appid"].as_str().unwrap(),
                "message.text",
                data["content"].as_str().unwrap(),
                "200",
                "12 ms",
                "yes",
            ];
            let line = written(cells, width);
            let used: usize = line.trim_end().chars().map(columns).sum();
            assert!(used <= width, "{width}: {used} {line}");
            assert!(line.starts_with("17:14:28 ") && !line.contains('\u{1b}'), "{line}");
            assert_eq!(line.matches('\n').count(), 1);
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(fitted("你好", 6), "你好  ");
        assert_eq!(fitted("你好吗", 5), "你好…");
        assert_eq!(fitted("你好吗", 4), "你… ");
        assert_eq!(fitted("abc", 3), "abc");
    }
}
