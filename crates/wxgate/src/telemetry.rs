//! The log: wxgate's own modules at the configured level, every other crate at WARN and above.
//!
//! Lines wait in a queue for a thread that writes them to standard error. Where nobody reads there, lines are
//! lost and counted, and no request waits; where nobody is left to read, they are lost and nothing else is.

use std::io::{Result, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat};
use crate::lang::say;
use crate::limits::Limits;

/// At the end of the process the queue gets this long to empty.
const PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

/// Starts logging to standard error, of panics too; a second call changes nothing. What is logged while the
/// guard lives is written before the process ends, if somebody reads it.
pub fn start(log: Log) -> Guard {
    // Beside the queue, which may be full: the thread that empties it writes this line itself.
    let beside = Dispatch::new(tracing_subscriber::registry().with(layer(log, std::io::stderr)));
    let tell = move |lost: usize| {
        tracing::dispatcher::with_default(&beside, || {
            tracing::warn!(
                lost,
                "{}",
                say(
                    "日志有丢失：标准错误的读取方停顿过，或者读得太慢；请求不受影响",
                    "lines of the log were lost: whoever reads standard error paused, or is too slow; no request was delayed"
                )
            );
        });
    };
    let (lines, guard) = queue(std::io::stderr(), tell, Limits::default().log_lines);
    // Only a test that starts twice in one process meets the error.
    if tracing_subscriber::registry().with(layer(log, lines)).try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    guard
}

fn layer<W>(log: Log, writer: W) -> impl Layer<Registry>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(log.level))
        .with_target("wxgate", log.level)
        .with_target("sandbox", log.level);
    let layer = fmt::layer().with_writer(writer);
    let layer = match log.format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    layer.with_filter(targets)
}

/// Into the log like everything else: Rust's own hook would write to standard error, and wait there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(tracing::field::display);
    let (label, what) = (say("崩溃（panic），请报告：", "panic, please report: "), panic.payload_as_str());
    tracing::error!(place, "{label}{}", what.unwrap_or_default());
}

/// A queue of `limit` lines and the thread that writes them to `out`; `tell` is called there with the number
/// of lost lines.
fn queue<W, F>(out: W, tell: F, limit: usize) -> (NonBlocking, Guard)
where
    W: Write + Send + 'static,
    F: Fn(usize) + Send + 'static,
{
    let shared = Arc::new(Shared { is_empty: AtomicBool::new(true), dropped: OnceLock::new() });
    let end = Sink { out, tell, shared: shared.clone(), limit, unwritten: 0, told: 0, since: 0, flows: true };
    let (lines, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(limit)
        .lossy(true)
        .thread_name("wxgate-log")
        .finish(end);
    // Set once: here.
    let _ = shared.dropped.set(lines.error_counter());
    (lines, Guard { worker: Some(worker), shared })
}

#[derive(Debug)]
struct Shared {
    /// The thread has written all there was when it looked last.
    is_empty: AtomicBool,
    /// Counts the lines that found the queue full.
    dropped: OnceLock<ErrorCounter>,
}

/// Keeps the log's thread at work; at its end the queue is written, for which it waits a second at most.
#[derive(Debug)]
#[must_use = "the log ends with it"]
pub struct Guard {
    worker: Option<WorkerGuard>,
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let is_empty = || self.shared.is_empty.load(Ordering::Acquire);
        let mut left = PATIENCE;
        while !is_empty() && !left.is_zero() {
            std::thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
        let worker = self.worker.take();
        if !is_empty() {
            // The thread is stuck. The worker's own guard would complain on standard output, and panic if
            // that is closed.
            std::mem::forget(worker);
        }
    }
}

/// The queue's far end, where lines are written; it belongs to the thread.
struct Sink<W, F> {
    out: W,
    tell: F,
    shared: Arc<Shared>,
    limit: usize,
    /// Lines that `out` didn't take.
    unwritten: usize,
    /// Lost lines that were told of.
    told: usize,
    /// Lines that came since it was looked whether some were lost.
    since: usize,
    /// Whether `out` took the last line.
    flows: bool,
}

impl<W: Write, F: Fn(usize)> Sink<W, F> {
    /// Tells how many lines were lost since it was told last, if a line gets through.
    fn tell(&mut self) {
        self.since = 0;
        let dropped = self.shared.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        let lost = dropped.saturating_add(self.unwritten);
        if self.flows && lost > self.told {
            (self.tell)(lost - self.told);
            self.told = lost;
        }
    }
}

impl<W: Write, F: Fn(usize)> Write for Sink<W, F> {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    /// Never fails: the thread would only lose sight of the queue's end.
    fn write_all(&mut self, line: &[u8]) -> Result<()> {
        self.shared.is_empty.store(false, Ordering::Release);
        self.flows = self.out.write_all(line).is_ok();
        self.unwritten += usize::from(!self.flows);
        self.since += 1;
        // What stood in the queue when it was full has been written by now.
        if self.since >= self.limit {
            self.tell();
        }
        Ok(())
    }

    /// Comes whenever the queue is empty.
    fn flush(&mut self) -> Result<()> {
        self.tell();
        let flushed = self.out.flush();
        self.shared.is_empty.store(true, Ordering::Release);
        flushed
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    /// Of a kilobyte, so that a pipe is soon full.
    fn line(n: usize) -> String {
        format!("{n:1023}\n")
    }

    fn told() -> (Arc<Mutex<Vec<usize>>>, impl Fn(usize) + Send + 'static) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        (told, move |lost| tell.lock().unwrap().push(lost))
    }

    #[test]
    fn a_reader_that_stops_loses_lines_and_each_is_counted() {
        const LINES: usize = 1000;
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (told, tell) = told();
        let (mut lines, guard) = queue(writer, tell, 16);
        let begin = Instant::now();
        for n in 0..LINES {
            lines.write_all(line(n).as_bytes()).unwrap();
        }
        assert!(begin.elapsed() < PATIENCE, "nobody waits");
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        // A line of the time after: the first that finds room.
        let dropped = || guard.shared.dropped.get().unwrap().dropped_lines();
        let mut sent = LINES;
        loop {
            let before = dropped();
            lines.write_all(line(LINES).as_bytes()).unwrap();
            sent += 1;
            if dropped() == before {
                break;
            }
            std::thread::sleep(STEP);
        }
        drop((lines, guard));
        let text = reading.join().unwrap();
        let lost: usize = told.lock().unwrap().iter().sum();
        assert!(lost > LINES / 2, "{lost}");
        assert_eq!(text.lines().count() + lost, sent);
        assert!(text.ends_with(&line(LINES)));
    }

    #[test]
    fn where_nobody_reads_the_end_comes_all_the_same() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (_, tell) = told();
        let (mut lines, guard) = queue(writer, tell, 16);
        for n in 0..200 {
            lines.write_all(line(n).as_bytes()).unwrap();
        }
        let begin = Instant::now();
        drop(guard);
        assert!(begin.elapsed() < PATIENCE * 3 / 2, "{:?}", begin.elapsed());
        drop(reader);
    }

    #[test]
    fn a_reader_that_went_away_is_nobodys_trouble() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (told, tell) = told();
        let (mut lines, guard) = queue(writer, tell, 16);
        for n in 0..100 {
            lines.write_all(line(n).as_bytes()).unwrap();
        }
        let begin = Instant::now();
        drop(guard);
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
        assert!(told.lock().unwrap().is_empty(), "there is nobody to tell");
    }

    #[test]
    fn what_could_not_be_written_is_told_with_the_next_line_that_could() {
        /// Full at first.
        struct Disk(usize);
        impl Write for Disk {
            fn write(&mut self, line: &[u8]) -> Result<usize> {
                self.0 = self.0.saturating_sub(1);
                if self.0 > 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(line.len()) }
            }
            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let (told, tell) = told();
        let (mut lines, guard) = queue(Disk(4), tell, 16);
        for n in 0..6 {
            lines.write_all(line(n).as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(*told.lock().unwrap(), [3]);
    }
}
