//! Wakes of other nodes: LISTEN on a connection of its own, and NOTIFY in statements that hold nothing else, so that no
//! commit waits for another's. Both may fail, as behind some poolers: whoever waits looks again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::types::Type;

use super::link::{Link, Server, Sql};
use crate::store::Wakes;

const CHANNEL: &str = "wxgate";
/// What is told within this time is told once.
const GATHER: Duration = Duration::from_millis(10);
/// Before the connection is made again.
const PAUSE: Duration = Duration::from_secs(1);

static NOTIFY: Sql = Sql { text: "select pg_notify($1, $2)", types: &[Type::TEXT, Type::TEXT] };

/// What something changed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Topic {
    Credentials = 1,
    Due = 2,
    Answers = 4,
    Entries = 8,
}

impl Topic {
    const ALL: [Self; 4] = [Self::Credentials, Self::Due, Self::Answers, Self::Entries];
}

/// Tells others, and hears from them.
#[derive(Debug)]
pub(super) struct Teller {
    /// To be told.
    topics: AtomicU8,
    is_told: Notify,
    wakes: Wakes,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { topics: AtomicU8::new(0), is_told: Notify::new(), wakes: Wakes::default() }
    }

    pub(super) fn wakes(&self) -> Wakes {
        self.wakes.clone()
    }

    /// Something changed, here.
    pub(super) fn tell(&self, topic: Topic) {
        if self.topics.fetch_or(topic as u8, Ordering::AcqRel) & topic as u8 == 0 {
            self.is_told.notify_one();
        }
    }

    /// Waits a moment until what changed is told.
    pub(super) async fn flush(&self) {
        for _ in 0..20 {
            if self.topics.load(Ordering::Acquire) == 0 {
                return;
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Something changed, somewhere.
    fn heard(&self, topics: u8) {
        for topic in Topic::ALL.into_iter().filter(|topic| topics & *topic as u8 != 0) {
            match topic {
                Topic::Credentials => self.wakes.credentials.all(),
                Topic::Due => self.wakes.due.all(),
                Topic::Answers => self.wakes.answers.all(),
                Topic::Entries => self.wakes.entries.all(),
            }
        }
    }
}

/// Tells what there is to tell, until it is cut.
pub(super) async fn tell(teller: Arc<Teller>, link: Link) {
    loop {
        teller.is_told.notified().await;
        tokio::time::sleep(GATHER).await;
        let topics = teller.topics.load(Ordering::Acquire);
        // A wake that is lost costs others a moment.
        let _ = link.query(&NOTIFY, &[&CHANNEL, &topics.to_string()]).await;
        if teller.topics.fetch_and(!topics, Ordering::AcqRel) != topics {
            teller.is_told.notify_one();
        }
    }
}

/// Hears what others tell, until it is cut.
pub(super) async fn listen(teller: Arc<Teller>, server: Arc<Server>) {
    while !server.is_closed() {
        let heard = teller.clone();
        let hear = Box::new(move |payload: &str| heard.heard(payload.parse().unwrap_or(u8::MAX)));
        // What was told before it listens is looked at, too.
        let ready = teller.clone();
        let _ = server.listen(CHANNEL, hear, move || ready.heard(u8::MAX)).await;
        tokio::time::sleep(PAUSE).await;
    }
}
