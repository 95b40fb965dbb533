//! One single-threaded runtime a core, to which connections are handed as they come: a request and all it asks for stay on
//! their core, and nobody wakes another thread for them.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// More cores than that get no runtime of their own: each has its own connections to WeChat.
pub const MOST: usize = 64;

/// So often a thread's freed memory is looked through, some of it at a time.
const GIVES_BACK: Duration = Duration::from_secs(1);
/// So many bytes are allocated for that, twice what jemalloc waits for (`tcache_gc_incr_bytes`).
const ENOUGH: usize = 128 << 10;

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// Which of the workers this thread is, from 1 on; 0 for every other thread.
pub fn index() -> usize {
    INDEX.get()
}

/// Where connections are served. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    handles: Vec<Handle>,
    next: AtomicUsize,
    end: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// On the runtime that accepts them.
    pub fn none() -> Self {
        Self(None)
    }

    /// One for each core that this process may use. They end with the last clone.
    pub fn each_core() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let (mut handles, mut threads, end) = (Vec::new(), Vec::new(), CancellationToken::new());
        for index in 0..cores {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let end = end.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                INDEX.set(index + 1);
                runtime.block_on(work(end));
                runtime.shutdown_background();
            })?;
            threads.push(thread);
        }
        Ok(Self(Some(Arc::new(Inner { handles, next: AtomicUsize::new(0), end, threads }))))
    }

    /// How many values [`index`] has: what each has for itself is there so many times.
    pub fn count(&self) -> usize {
        1 + self.0.as_ref().map_or(0, |inner| inner.handles.len())
    }

    /// Serves `stream` by `serve` on the worker whose turn it is. `tracker` counts it from now on.
    pub fn serve<F>(
        &self,
        tracker: &TaskTracker,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(Inner { handles, next, .. }) = self.0.as_deref() else {
            tracker.spawn(serve(stream));
            return;
        };
        // A socket belongs to the runtime that it was made on.
        let Ok(stream) = stream.into_std() else { return };
        let worker = &handles[next.fetch_add(1, Ordering::Relaxed) % handles.len()];
        tracker.spawn_on(
            async move {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    serve(stream).await;
                }
            },
            worker,
        );
    }
}

/// What a worker does by itself, until `end`.
async fn work(end: CancellationToken) {
    let mut tick = tokio::time::interval(GIVES_BACK);
    while end.run_until_cancelled(tick.tick()).await.is_some() {
        // The allocator keeps some of what was freed for each thread, and gives it back when the thread allocates: one that
        // has nothing to do would keep it for ever.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(ENOUGH)));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end.cancel();
        let own = std::thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}
