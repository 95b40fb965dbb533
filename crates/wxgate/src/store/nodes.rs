//! Several processes on one database: who they are, what only one of them does, and how they wake each other. A SQLite
//! database has one process, which is alone in all of it.

use std::time::Duration;

use super::{Store, StoreError};
use crate::wake::Wake;

/// How often a node says that it lives.
pub const BEAT: Duration = Duration::from_secs(5);
/// Whoever said nothing for so long may be dead.
pub const SILENT: Duration = Duration::from_secs(20);

/// A process that works on the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The number it drew when it opened the store.
    pub id: i32,
    /// wxgate's.
    pub version: String,
    /// How others reach it; "": not at all.
    pub address: String,
    /// The routes it has.
    pub routes: Vec<String>,
}

/// Whether WeChat takes a node's calls of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The app.
    pub appid: String,
    /// The node.
    pub node: i32,
    /// It takes them; else the node's address isn't listed.
    pub ok: bool,
    /// The address that WeChat named.
    pub ip: String,
    /// Since when, Unix milliseconds.
    pub since: i64,
}

/// What changed in the database, by whichever node. Nobody may count on being woken: who waits looks again by itself, too.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Tokens and tickets, and who can reach WeChat.
    pub credentials: Wake,
    /// What waits for routes.
    pub due: Wake,
    /// Answers that duplicates wait for.
    pub answers: Wake,
    /// Entries made at run time.
    pub entries: Wake,
}

impl Store {
    /// This process, among those that work on the database.
    pub fn node(&self) -> i32 {
        self.owner
    }

    /// Whether other processes may work on the database.
    pub fn is_shared(&self) -> bool {
        self.backend.wakes().is_some()
    }

    /// What others changed.
    pub fn wakes(&self) -> Wakes {
        self.backend.wakes().unwrap_or_default()
    }

    /// What `ours`, Unix milliseconds, is by the clock that all nodes go by.
    pub fn common_time(&self, ours: i64) -> i64 {
        self.backend.common_time(ours)
    }

    /// Says that this node lives at `now`. Where others may have lost what was acknowledged here, it is kept again.
    pub async fn beat(&self, node: &Node, now: i64) -> Result<(), StoreError> {
        self.backend.beat(node.clone(), now).await
    }

    /// The nodes that live at `now`, this one among them if it ever said so.
    pub async fn nodes(&self, now: i64) -> Result<Vec<Node>, StoreError> {
        self.backend.nodes(now).await
    }

    /// Gives back at `now` all that this node holds: it ends.
    pub async fn leave(&self, now: i64) -> Result<(), StoreError> {
        self.backend.leave(self.owner, now).await
    }

    /// Whether this node alone does what is called `name`, from `now` until then.
    pub async fn hold(&self, name: &str, now: i64, until: i64) -> Result<bool, StoreError> {
        self.backend.hold(name, self.lease(until), now).await
    }

    /// Which nodes can reach WeChat for which apps, as far as that is known.
    pub async fn reach(&self) -> Result<Vec<Reach>, StoreError> {
        self.backend.reach().await
    }

    /// Tells the other nodes whether this one can.
    pub async fn tell_reach(&self, reach: Reach) -> Result<(), StoreError> {
        self.backend.tell_reach(reach).await
    }
}
