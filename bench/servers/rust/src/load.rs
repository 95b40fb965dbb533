//! Requests over kept connections: as fast as the answers come, or at a rate that waits for nobody. There every request
//! has its time, and its latency counts from then, whether a connection was free or not.

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::wire;

/// How much, how fast, and where.
pub struct Plan {
    pub address: String,
    pub seconds: f64,
    /// Ends with this request; 0: no bound.
    pub count: usize,
    /// Requests a second; 0: as fast as they are answered.
    pub rate: f64,
    pub connections: usize,
}

impl Plan {
    /// `ADDRESS SECONDS COUNT RATE CONNECTIONS`
    pub fn parse(arguments: &[String]) -> Self {
        let number = |at: usize| arguments[at].parse::<f64>().expect("a number");
        Self {
            address: arguments[0].clone(),
            seconds: number(1),
            count: number(2) as usize,
            rate: number(3),
            connections: number(4) as usize,
        }
    }
}

/// What the connections share.
struct Work<F> {
    /// Of the paced requests, when each is due.
    due: Option<Mutex<UnboundedReceiver<Instant>>>,
    end: Instant,
    left: RefCell<usize>,
    request: RefCell<F>,
    /// Microseconds.
    took: RefCell<Vec<u32>>,
}

impl<F: FnMut() -> Vec<u8>> Work<F> {
    /// From when the next request counts; `None`: there is no next.
    async fn next(&self) -> Option<Instant> {
        if let Some(due) = &self.due {
            return due.lock().await.recv().await;
        }
        let now = Instant::now();
        let mut left = self.left.borrow_mut();
        *left = left.checked_sub(1)?;
        (now < self.end).then_some(now)
    }

    async fn run(&self, mut stream: TcpStream) {
        let mut answer = Vec::with_capacity(4096);
        while let Some(due) = self.next().await {
            // A closed loop counts from the sending, not from the making of the request.
            let request = (self.request.borrow_mut())();
            let due = if self.due.is_some() { due } else { Instant::now() };
            stream.write_all(&request).await.expect("sent");
            let head = wire::read(&mut stream, &mut answer).await.expect("an answer").expect("an answer");
            assert!(is_good(&answer[..head]), "{}", String::from_utf8_lossy(&answer));
            self.took.borrow_mut().push(due.elapsed().as_micros() as u32);
        }
    }
}

/// 200, and no refusal in WeChat's own manner.
fn is_good(head: &[u8]) -> bool {
    let refused = b"x-wxgate-error";
    head.starts_with(b"HTTP/1.1 200")
        && !head.windows(refused.len()).any(|bytes| bytes.eq_ignore_ascii_case(refused))
}

/// Hands out the times at which requests are due.
async fn pace(mut timer: Receiver, start: Instant, plan: &Plan, due: UnboundedSender<Instant>) {
    let total = (plan.rate * plan.seconds) as usize;
    let total = if plan.count > 0 { total.min(plan.count) } else { total };
    let mut sent = 0;
    while sent < total {
        timer.read_exact(&mut [0; 8]).await.expect("a timer");
        let expired = (start.elapsed().as_secs_f64() * plan.rate) as usize;
        while sent < expired.min(total) {
            sent += 1;
            let _ = due.send(start + Duration::from_secs_f64(sent as f64 / plan.rate));
        }
    }
}

/// A timer of the kernel's own, which is read as a pipe is: tokio's knows whole milliseconds only.
fn timer(rate: f64) -> Receiver {
    let timer =
        rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).expect("a timer");
    let interval = Timespec::try_from(Duration::from_secs_f64(1.0 / rate)).expect("an interval");
    let spec = Itimerspec { it_interval: interval, it_value: interval };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec).expect("a timer");
    Receiver::from_file_unchecked(File::from(timer)).expect("a timer")
}

/// Sends what `request` makes; prints `count took_s p50_us p99_us`.
pub fn run<F: FnMut() -> Vec<u8> + 'static>(plan: Plan, request: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let (mut took, elapsed) = local.block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..plan.connections {
            let stream = TcpStream::connect(&plan.address).await.expect("a connection");
            stream.set_nodelay(true).expect("an option");
            streams.push(stream);
        }
        let (sender, due) = unbounded_channel();
        let start = Instant::now();
        let work = Rc::new(Work {
            due: (plan.rate > 0.0).then(|| Mutex::new(due)),
            end: start + Duration::from_secs_f64(plan.seconds),
            left: RefCell::new(if plan.count > 0 { plan.count } else { usize::MAX }),
            request: RefCell::new(request),
            took: RefCell::default(),
        });
        let each = |stream| {
            let work = work.clone();
            tokio::task::spawn_local(async move { work.run(stream).await })
        };
        let all: Vec<_> = streams.into_iter().map(each).collect();
        if plan.rate > 0.0 {
            pace(timer(plan.rate), start, &plan, sender).await;
        }
        for one in all {
            one.await.expect("a connection to its end");
        }
        (work.took.take(), start.elapsed().as_secs_f64())
    });
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!("{} {elapsed} {} {}", took.len(), at(0.5), at(0.99));
}

/// The apps that requests are for, in turn: one, or those of a file if it begins with `@`.
pub fn apps(argument: &str) -> Vec<String> {
    match argument.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).expect("a file").lines().map(str::to_owned).collect(),
        None => vec![argument.to_owned()],
    }
}
