//! Brings the callers' counters to the store, so that a restart forgets nothing of them and a crash ten seconds at most.

use crate::lang::say;
use crate::parts::Parts;
use crate::registry::usage::Count;
use crate::store::{StoreError, UsageDelta};

/// How often what is new goes to the store.
const EVERY_MS: i64 = 10_000;

/// Takes up what the store kept.
pub(crate) async fn restore(parts: &Parts) -> Result<(), StoreError> {
    for row in parts.store.usage().await? {
        let count = Count { calls: row.calls, refused: row.refused };
        parts.registry.usages().of(&row.caller).restore(&row.api, count, row.since, row.last_at);
    }
    Ok(())
}

/// Keeps the books until the stop begins.
pub(crate) async fn run(parts: Parts) {
    loop {
        tokio::select! {
            () = parts.tasks.draining.cancelled() => return,
            () = parts.clock.sleep_until(parts.clock.now() + EVERY_MS) => {
                flush(&parts).await;
                refresh(&parts).await;
            }
        }
    }
}

/// Takes up what other nodes counted.
async fn refresh(parts: &Parts) {
    if !parts.store.is_shared() {
        return;
    }
    // The next time will do as well.
    for row in parts.store.usage().await.unwrap_or_default() {
        let count = Count { calls: row.calls, refused: row.refused };
        parts.registry.usages().of(&row.caller).refreshed(&row.api, count, row.since, row.last_at);
    }
}

/// Stores what is new; what couldn't be is new the next time as well.
pub(crate) async fn flush(parts: &Parts) {
    let fresh: Vec<_> = parts
        .registry
        .usages()
        .all()
        .into_iter()
        .map(|(caller, usage)| (caller, usage.take_fresh(), usage))
        .collect();
    let deltas = fresh.iter().flat_map(|(caller, fresh, _)| {
        fresh.iter().map(|one| UsageDelta {
            caller: caller.clone(),
            api: one.api.to_string(),
            calls: one.count.calls,
            refused: one.count.refused,
            at: one.at,
        })
    });
    match parts.store.add_usage(deltas.collect()).await {
        Ok(()) => {}
        // It is mostly done all the same: to store it again would count twice.
        Err(error @ StoreError::NoAnswer) => {
            tracing::warn!(%error, "{}", say("不知道调用计数存下没有，不再重存", "nobody knows whether the callers' counters were stored: they aren't stored again"))
        }
        Err(error) => {
            tracing::warn!(%error, "{}", say("调用计数暂时存不下，稍后再存", "can't store the callers' counters now: later"));
            for (_, fresh, usage) in fresh {
                usage.give_back(fresh);
            }
        }
    }
}
