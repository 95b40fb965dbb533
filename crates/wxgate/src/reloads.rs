//! Asking the process to read its configuration again, from inside it: the admin API asks, and whoever started the gateway, who
//! alone knows the files, does it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::lang::Words;

/// Those that wait for one another.
const WAITING: usize = 8;
/// One that isn't done after this time is not waited for.
const WORK: Duration = Duration::from_secs(30);

/// What became of a reload.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// Whether it was taken up.
    pub done: bool,
    /// What is said of it.
    pub words: Words,
}

/// Whoever asked for a reload, and waits.
pub type Asker = oneshot::Sender<Reloaded>;

/// Where a reload is asked for; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloads(mpsc::Sender<Asker>);

impl Reloads {
    /// With the end at which they are answered.
    pub fn new() -> (Self, mpsc::Receiver<Asker>) {
        let (asks, asked) = mpsc::channel(WAITING);
        (Self(asks), asked)
    }

    /// Asks, and waits for what comes of it; `None`: nobody answers.
    pub async fn ask(&self) -> Option<Reloaded> {
        let (asker, answer) = oneshot::channel();
        self.0.try_send(asker).ok()?;
        tokio::time::timeout(WORK, answer).await.ok()?.ok()
    }
}
