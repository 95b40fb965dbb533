//! This process among those that share the database: it says that it lives, and gives back what it holds when it ends.

use std::time::Duration;

use crate::clock::millis;
use crate::lang::say;
use crate::parts::Parts;
use crate::store::{BEAT, Node, StoreError};

/// A database that is away is looked for so often.
const AWAY: Duration = Duration::from_millis(500);

/// Says once that this node lives.
pub(crate) async fn beat(parts: &Parts, address: &str) -> Result<(), StoreError> {
    if !parts.store.is_shared() {
        return Ok(());
    }
    let node = Node {
        id: parts.store.node(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: address.to_owned(),
        routes: parts.registry.live().routes.iter().map(|route| route.entry.name.clone()).collect(),
    };
    parts.store.beat(&node, parts.clock.now()).await
}

/// Says so until the stop begins; and at once, when what it has changes.
pub(crate) async fn run(parts: Parts, address: String) {
    if !parts.store.is_shared() {
        return;
    }
    let pause = millis(BEAT);
    let mut changes = parts.registry.changes.sleeper();
    let mut was_away = false;
    loop {
        changes.mark_seen();
        let beaten = beat(&parts, &address).await;
        match &beaten {
            Err(error) if !was_away => {
                tracing::error!(%error, "{}", say("数据库不可用：令牌照常使用到失效，回调暂不接收", "the database is away: tokens serve until they end, callbacks aren't taken"));
            }
            Ok(()) if was_away => {
                tracing::info!("{}", say("数据库恢复", "the database is back"));
            }
            _ => {}
        }
        was_away = beaten.is_err();
        tokio::select! {
            () = parts.tasks.draining.cancelled() => return,
            () = changes.woken() => {}
            () = parts.clock.rest_until(parts.clock.ticks() + pause) => {}
            () = parts.clock.pause(AWAY), if was_away => {}
        }
    }
}

/// Gives back what this node holds.
pub(crate) async fn leave(parts: &Parts) {
    if parts.store.is_shared() {
        // If it doesn't get there, others have it when its leases end.
        let _ = parts.store.leave(parts.clock.now()).await;
    }
}
