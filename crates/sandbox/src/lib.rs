//! A fake WeChat: api, mp and open hosts in one, with WeChat's state machine, limits, error codes,
//! content types and texts, and a control API under `/sandbox`.
//!
//! * [`world`]: the state and its rules, plain data, no IO.
//! * [`http`]: the skin over it: WeChat's endpoints, the OAuth pages, the control API, faults.
//! * [`push`]: callbacks to the accounts' servers, signed by [`sign`], which shares no code with
//!   the client side: both are held to published vectors.
//!
//! It refuses what WeChat refuses; a sandbox that is kinder than WeChat makes green tests lie.

mod http;
mod picture;
mod push;
pub mod sign;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use world::World;

/// The time, Unix milliseconds; shared with whoever is tested. The sandbox adds what
/// `POST /sandbox/clock` moved.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every task of one sandbox shares.
pub(crate) struct Shared {
    world: Mutex<World>,
    client: push::Client,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running sandbox.
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sandbox({})", self.address)
    }
}

impl Sandbox {
    /// Serves on `listener` until stopped.
    ///
    /// # Panics
    /// If the listener has no local address, which a bound one has.
    pub fn start(listener: TcpListener, now: Now) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(now)),
            client: push::client(),
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        shared.tracker.spawn(http::serve(listener, shared.clone()));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it; open connections are cut.
    pub async fn stop(self) {
        self.shared.stopping.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }
}
