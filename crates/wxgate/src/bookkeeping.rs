//! Brings the callers' counters to the store, so that a restart forgets nothing of them and a crash ten seconds at most; and gives
//! back what was reserved of quotas and isn't spent. What was sent is noted beside that ([`crate::sent`]).

use std::sync::Arc;

use crate::lang::say;
use crate::parts::Parts;
use crate::registry::counted::Count;
use crate::registry::quotas::Bucket;
use crate::store::{QuotaRow, StoreError, UsageDelta};

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
    let (store, clock) = (parts.store.clone(), parts.clock.clone());
    parts.tasks.spawn(parts.sent.clone().run(store, clock, parts.tasks.draining.clone()));
    loop {
        tokio::select! {
            () = parts.tasks.draining.cancelled() => return,
            () = parts.clock.sleep_until(parts.clock.now() + EVERY_MS) => {
                flush(&parts).await;
                refresh(&parts).await;
                give_back(&parts, true).await;
            }
        }
    }
}

/// Gives back what is reserved of quotas here, if `only_idle` what nobody took of lately: another node may have use for it.
async fn give_back(parts: &Parts, only_idle: bool) {
    let buckets: Vec<Arc<Bucket>> = parts.registry.usages().quotas.all();
    for bucket in buckets {
        // Whoever has it fills it now.
        let Ok(_gate) = bucket.gate.try_lock() else { continue };
        let Some(part) = bucket.drain(only_idle) else { continue };
        let (caller, pattern) = (bucket.caller.clone(), bucket.key.clone());
        // The row is there already: where it ends isn't asked.
        let unspent = QuotaRow { caller, pattern, start: part.start, until: part.start, n: part.calls };
        if let Err(error) = parts.store.return_quota(unspent).await {
            tracing::warn!(
                caller = bucket.caller, quota = bucket.key, %error, "{}",
                say("没用完的限额暂时还不回去", "what is left of a quota can't be given back now")
            );
            // It may have come back all the same: then it isn't ours any more.
            if !matches!(error, StoreError::NoAnswer) {
                bucket.keep(part);
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

/// The end: nothing is counted or reserved any more.
pub(crate) async fn end(parts: &Parts) {
    give_back(parts, false).await;
    flush(parts).await;
    let _ = parts.sent.flush(&parts.store).await;
}

/// Stores what is new; what couldn't be is new the next time as well.
async fn flush(parts: &Parts) {
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
