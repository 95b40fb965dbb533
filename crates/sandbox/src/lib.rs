//! A faithful fake WeChat: the api, mp and open hosts in one HTTP server, with WeChat's state machine,
//! limits, error codes and texts, and the pushes that follow from what its users do.
//!
//! Nothing is global: any number of sandboxes run in one process, each with its own listener, state
//! and clock. It refuses what WeChat refuses; a fake that is kinder than the real thing makes tests lie.
//!
//! - `world`: the platform as plain state and rules, without IO;
//! - `http`: the skin over it: WeChat's own paths, OAuth pages, the control calls under `/sandbox`;
//! - `push`: callbacks: sealed, posted, tried three times;
//! - `sign`: signatures and the AES envelope, apart from the `wechat` crate's;
//! - `start`: how a world begins, and begins again; `http::worlds`: any number of them beside the first;
//! - `cases`: calls with their answers as data, by which it is held against the real WeChat;
//! - `faults`: scripted faults; `picture`: codes that can be scanned; `refusal`: errcode and rid.

pub mod cases;
mod faults;
mod http;
mod picture;
mod push;
mod refusal;
mod sign;
mod start;
mod world;

use start::Start;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use world::World;

/// The time in Unix milliseconds: shared with whatever is tested against the sandbox, so that both can
/// follow one manual clock.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A running sandbox; it stops when it is dropped.
pub struct Sandbox {
    addr: io::Result<SocketAddr>,
    /// The world that has no name.
    shared: Arc<Shared>,
}

/// One world, and what connections, pushes and the handle have in common.
struct Shared {
    world: Mutex<World>,
    /// Empty: the world there is from the start.
    name: String,
    start: Arc<Start>,
    /// About how many bytes of calls and files the world held when it was last called.
    weight: AtomicUsize,
    now: Now,
    http: push::Client,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Serves on `listener` until [`stop`](Self::stop). Must be called within a tokio runtime.
    pub fn start(listener: TcpListener, now: Now) -> Self {
        Self::serve(listener, http::Worlds::new(Shared::first(now, None)))
    }

    /// Likewise, but every id, token and code comes from `seed`, so that the same calls in the same order are answered
    /// the same again; and the world begins as `world` says: a JSON object whose members are names of control calls,
    /// each with a body or a list of bodies, or what `GET /sandbox/snapshot` answered.
    ///
    /// # Errors
    ///
    /// What is wrong with `world`, and in which line.
    pub async fn start_as(
        listener: TcpListener,
        now: Now,
        seed: Option<u64>,
        world: Option<&str>,
    ) -> Result<Self, String> {
        let worlds = http::Worlds::new(Shared::first(now, seed));
        if let Some(world) = world {
            worlds.lay(world).await?;
        }
        Ok(Self::serve(listener, worlds))
    }

    fn serve(listener: TcpListener, worlds: http::Worlds) -> Self {
        let (addr, shared) = (listener.local_addr(), worlds.first().clone());
        shared.tasks.spawn(http::serve(listener, Arc::new(worlds)));
        Self { addr, shared }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        self.addr.as_ref().map_or(unknown, |addr| *addr)
    }

    /// The base URL of all three hosts: `http://127.0.0.1:36080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// What `GET /sandbox/state` answers.
    pub fn state(&self) -> serde_json::Value {
        let state = self.shared.world().state();
        serde_json::from_slice(&state).unwrap_or_default()
    }

    /// Closes the listener and every connection, gives up pushes under way, and waits for all of it.
    pub async fn stop(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Paths of WeChat's that it simulates.
pub fn simulated() -> impl Iterator<Item = &'static str> {
    http::simulated()
}

impl Shared {
    /// The world that has no name.
    fn first(now: Now, seed: Option<u64>) -> Arc<Self> {
        let start = Arc::new(Start::new(seed));
        Arc::new(Self {
            world: Mutex::new(start.world("", None)),
            name: String::new(),
            start,
            weight: AtomicUsize::new(0),
            now,
            http: push::client(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Another world of the same sandbox.
    fn beside(&self, name: &str, seed: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(self.start.world(name, seed)),
            name: name.to_owned(),
            start: self.start.clone(),
            weight: AtomicUsize::new(0),
            now: self.now.clone(),
            http: self.http.clone(),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
        })
    }

    /// Tells the worlds' common sum about how many bytes of calls and files this one holds now.
    fn weigh(&self, bytes: usize) {
        let before = self.weight.swap(bytes, Ordering::Relaxed);
        // Wraps around and back if it is less than before.
        self.start.weight.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Puts another world in the place of this one, whose callbacks under way are given up.
    fn put(&self, world: World) {
        let mut held = self.world();
        held.life.cancel();
        *held = world;
        self.weigh(held.bytes());
    }

    /// Locks the world at the present time. A panic under the lock fails one call, not all later ones.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.now = (self.now)() + world.offset;
        world
    }

    /// Runs `work` until it ends or the sandbox stops.
    fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.weigh(0);
    }
}
