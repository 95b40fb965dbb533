//! What was sent, noted for whoever asks for its receipt. Nobody who sends waits for that: it is gathered in memory, within
//! bounds, and brought to the store each second; what there is too much of is dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::flushing::each_second;
use crate::lang::Words;
use crate::store::{SentMessage, Store, StoreError};

/// Messages that wait for the store.
const WAITING: usize = 50_000;
/// Messages in one write.
const CHUNK: usize = 1_000;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    waiting: Arc<Mutex<Vec<SentMessage>>>,
    /// One flush at a time: who asks for a receipt waits for what was noted before.
    flushing: Arc<tokio::sync::Mutex<()>>,
}

impl Sent {
    fn waiting(&self) -> MutexGuard<'_, Vec<SentMessage>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what WeChat took.
    pub fn note(&self, message: SentMessage) {
        let mut waiting = self.waiting();
        if waiting.len() < WAITING {
            waiting.push(message);
        }
    }

    /// Brings what is gathered to the store each second, until the stop begins.
    pub async fn run(self, store: Store, clock: Clock, draining: CancellationToken) {
        let trouble =
            Words::fixed("发过的消息暂时记不下，稍后再记", "can't keep what was sent just now: later");
        each_second(&clock, &draining, &trouble, || self.flush(&store)).await;
    }

    /// Brings what was gathered to the store; what it doesn't take now is tried again the next time, for to keep it twice is to
    /// keep it once.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let _one = self.flushing.lock().await;
        let mut messages = std::mem::take(&mut *self.waiting());
        while !messages.is_empty() {
            let rest = messages.split_off(messages.len().min(CHUNK));
            if let Err(error) = store.keep_sent(messages.clone()).await {
                let mut waiting = self.waiting();
                let later = std::mem::take(&mut *waiting);
                waiting.extend(messages.into_iter().chain(rest).chain(later).take(WAITING));
                return Err(error);
            }
            messages = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded() {
        let sent = Sent::default();
        for n in 0..WAITING + 10 {
            sent.note(SentMessage {
                appid: "wx1".to_owned(),
                msgid: n.to_string(),
                caller: "shop".to_owned(),
                sent_at: 0,
                expires_at: 1,
            });
        }
        assert_eq!(sent.waiting().len(), WAITING);
    }
}
