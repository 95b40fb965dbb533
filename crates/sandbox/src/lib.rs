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
//! - `cases`: calls with their answers as data, by which it is held against the real WeChat;
//! - `faults`: scripted faults; `picture`: codes that can be scanned; `refusal`: errcode and rid.

pub mod cases;
mod faults;
mod http;
mod picture;
mod push;
mod refusal;
mod sign;
mod world;

use std::io;
use std::net::SocketAddr;
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
    shared: Arc<Shared>,
}

/// What connections, pushes and the handle have in common.
struct Shared {
    world: Mutex<World>,
    now: Now,
    http: push::Client,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Serves on `listener` until [`stop`](Self::stop). Must be called within a tokio runtime.
    pub fn start(listener: TcpListener, now: Now) -> Self {
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new()),
            now,
            http: push::client(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let addr = listener.local_addr();
        shared.tasks.spawn(http::serve(listener, shared.clone()));
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
