//! Writes of several callers in one statement: what waits while one is on its way goes with the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::link::Failure;
use crate::limits::Limits;
use crate::store::StoreError;

/// When a queue's statements wait for more to go with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linger {
    /// From so many commits a second on,
    pub(super) from: u32,
    /// each for so long,
    pub(super) time: Duration,
    /// unless so many are there already: others came while the last was on its way.
    pub(super) unless: usize,
}

/// What goes into one statement with others.
pub(super) trait Item: Send + 'static {
    type Outcome: Send + 'static;
    /// Two of a statement must not touch the same row.
    fn is_apart_from(&self, other: &Self) -> bool;
}

/// Writes a group; an outcome for each, in their order.
pub(super) type Write<T> =
    Box<dyn Fn(Arc<Vec<T>>) -> BoxFuture<'static, Result<Vec<<T as Item>::Outcome>, Failure>> + Send + Sync>;

struct Asked<T: Item> {
    item: T,
    done: oneshot::Sender<Result<T::Outcome, StoreError>>,
}

/// A queue whose task writes groups, one at a time.
pub(super) struct Groups<T: Item> {
    asked: mpsc::UnboundedSender<Asked<T>>,
    /// Room in the queue.
    room: Arc<Semaphore>,
    time: Duration,
}

impl<T: Item> std::fmt::Debug for Groups<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Groups")
    }
}

impl<T: Item> Groups<T> {
    /// `write` is given at most `most` at once.
    pub(super) fn new(runtime: &Handle, limits: Limits, most: usize, linger: Linger, write: Write<T>) -> Self
    where
        T: Sync,
    {
        let (asked, queue) = mpsc::unbounded_channel();
        runtime.spawn(run(queue, most, linger, write));
        Self { asked, room: Arc::new(Semaphore::new(limits.writes)), time: limits.commit_time }
    }

    /// What became of `item`, once that is on disk.
    pub(super) async fn write(&self, item: T) -> Result<T::Outcome, StoreError> {
        let closed = || StoreError::Unavailable("closed".into());
        let written = async {
            let _room = self.room.acquire().await.map_err(|_| closed())?;
            let (done, outcome) = oneshot::channel();
            self.asked.send(Asked { item, done }).map_err(|_| closed())?;
            outcome.await.unwrap_or_else(|_| Err(closed()))
        };
        tokio::time::timeout(self.time, written).await.unwrap_or(Err(StoreError::NoAnswer))
    }
}

async fn run<T: Item + Sync>(
    mut queue: mpsc::UnboundedReceiver<Asked<T>>,
    most: usize,
    linger: Linger,
    write: Write<T>,
) {
    let mut waiting: VecDeque<Asked<T>> = VecDeque::new();
    let (mut since, mut commits, mut is_busy) = (Instant::now(), 0, false);
    loop {
        if waiting.is_empty() {
            match queue.recv().await {
                Some(asked) => waiting.push_back(asked),
                None => return,
            }
        }
        gather(&mut queue, &mut waiting);
        if is_busy && waiting.len() < linger.unless {
            tokio::time::sleep(linger.time).await;
            gather(&mut queue, &mut waiting);
        }
        write_group(&write, next(&mut waiting, most)).await;
        commits += 1;
        if since.elapsed() >= Duration::from_secs(1) {
            is_busy = commits >= linger.from;
            (since, commits) = (Instant::now(), 0);
        }
    }
}

fn gather<T: Item>(queue: &mut mpsc::UnboundedReceiver<Asked<T>>, waiting: &mut VecDeque<Asked<T>>) {
    while let Ok(asked) = queue.try_recv() {
        waiting.push_back(asked);
    }
}

/// Writes a group. If one of them is what the server can't keep, halves are written apart, so that it spoils no other.
async fn write_group<T: Item + Sync>(write: &Write<T>, group: (Vec<T>, Vec<Done<T>>)) {
    let mut parts = vec![group];
    while let Some((items, mut done)) = parts.pop() {
        let items = Arc::new(items);
        let error = match write(items.clone()).await {
            Ok(outcomes) if outcomes.len() == items.len() => {
                done.into_iter().zip(outcomes).for_each(|(done, outcome)| drop(done.send(Ok(outcome))));
                continue;
            }
            Ok(_) => StoreError::Corrupt("a group's outcomes".into()),
            Err(Failure::Row(error)) => match Arc::try_unwrap(items) {
                Ok(mut items) if items.len() > 1 => {
                    let middle = items.len() / 2;
                    let (later, laters) = (items.split_off(middle), done.split_off(middle));
                    parts.extend([(later, laters), (items, done)]);
                    continue;
                }
                _ => error,
            },
            Err(Failure::Lost(error) | Failure::Other(error)) => error,
        };
        done.into_iter().for_each(|done| drop(done.send(Err(error.clone()))));
    }
}

type Done<T> = oneshot::Sender<Result<<T as Item>::Outcome, StoreError>>;

/// The next group: what would touch the same rows waits for the one after.
fn next<T: Item>(waiting: &mut VecDeque<Asked<T>>, most: usize) -> (Vec<T>, Vec<Done<T>>) {
    let (mut items, mut done, mut later) = (Vec::<T>::new(), Vec::new(), VecDeque::new());
    while let Some(asked) = waiting.pop_front() {
        if items.len() < most && items.iter().all(|item| asked.item.is_apart_from(item)) {
            items.push(asked.item);
            done.push(asked.done);
        } else {
            later.push_back(asked);
        }
    }
    *waiting = later;
    (items, done)
}
