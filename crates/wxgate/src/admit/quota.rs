//! A caller's quotas, spent call by call: from memory, and a block at a time from the store. What a block is for is reserved
//! before the first call of it is made, so that nothing is spent twice, whoever is killed, reloaded or started meanwhile.

use std::future::Future;
use std::sync::Arc;

use super::{Denied, Door, Inner};
use crate::entries::{Quota, Unit};
use crate::lang::say;
use crate::registry::callers::Caller;
use crate::registry::quotas::{Bucket, Metered, Part, Rest, Take};
use crate::store::{QuotaRow, Store, StoreError};

/// A call that its caller's quotas have room for. It is spent when it is made, and comes back if it isn't.
#[derive(Debug, Default)]
pub struct Allowed(Vec<(Metered, i64)>);

impl Allowed {
    /// What `call` gives. It is spent unless that `is_unsent`; also if nobody waits for its end.
    pub async fn spent_on<T, E>(
        mut self,
        call: impl Future<Output = Result<T, E>>,
        is_unsent: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let taken = std::mem::take(&mut self.0);
        let outcome = call.await;
        if outcome.as_ref().is_err_and(is_unsent) {
            self.0 = taken;
        }
        outcome
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        for (Metered { quota, bucket }, start) in &self.0 {
            bucket.put_back(*start, quota.limit);
        }
    }
}

impl Door {
    /// Takes a call of WeChat's `path` off each of the caller's quotas that it counts for.
    pub async fn allow(&self, caller: &Arc<Caller>, path: &str) -> Result<Allowed, Denied> {
        let mut allowed = Allowed::default();
        for metered in caller.quotas.iter().filter(|metered| metered.quota.matches(path)) {
            let start = self.take(caller, metered).await?;
            allowed.0.push((metered.clone(), start));
        }
        Ok(allowed)
    }

    /// Takes a call of the present window, and gives where that begins.
    async fn take(&self, caller: &Arc<Caller>, metered: &Metered) -> Result<i64, Denied> {
        let Inner { clock, store, tasks, .. } = &*self.0;
        let Metered { quota, bucket } = metered;
        let mut gate = None;
        loop {
            // By the time that all nodes go by; another window may have begun while the gate was shut.
            let now = store.common_time(clock.now());
            let start = quota.unit.start(now);
            match bucket.take(start, quota.limit, clock.ticks()) {
                Take::Taken => return Ok(start),
                Take::Rests(Rest::Spent) => return Err(spent(caller, quota, start, now)),
                Take::Rests(Rest::Away) => return Err(Denied::QuotaUnknown { caller: caller.clone() }),
                Take::Empty => {}
            }
            // Whoever has the gate may fill it: it is looked at once more.
            let Some(gate) = gate.take() else {
                gate = Some(bucket.gate.clone().lock_owned().await);
                continue;
            };
            let (store, clock, metered) = (store.clone(), clock.clone(), metered.clone());
            // In a task of its own: what is reserved is kept, whoever hangs up.
            let filling = tasks.spawn(async move {
                let filled = fill(&store, &metered, start, clock.now()).await;
                let Metered { quota, bucket } = &metered;
                match filled {
                    Ok(calls) => bucket.fill(start, quota.limit, calls, clock.ticks()),
                    Err(error) => {
                        bucket.rest(clock.ticks());
                        tracing::error!(
                            caller = bucket.caller, quota = bucket.key, %error, "{}",
                            say("限额在数据库里预留不了，调用被拒绝", "nothing of a quota can be reserved in the database: calls are refused")
                        );
                    }
                }
                drop(gate);
            });
            if filling.await.ok().flatten().is_none() {
                return Err(Denied::QuotaUnknown { caller: caller.clone() });
            }
        }
    }
}

/// Reserves a block of a window, and gives how many calls that are. `now`: by the wall's clock.
async fn fill(store: &Store, metered: &Metered, start: i64, now: i64) -> Result<i64, StoreError> {
    let Metered { quota, bucket } = metered;
    let before = bucket.turn(start, quota.limit);
    if let Some(before) = before.filter(|before| quota.unit.end(before.start) > store.common_time(now)) {
        // Of the same window under another limit, or the clock was set back.
        store.return_quota(row(bucket, quota.unit, before)).await?;
    }
    let nodes = i64::try_from(store.nodes(now).await?.len()).unwrap_or(1).max(1);
    let wanted = Part { start, calls: (quota.limit / 100 / nodes).max(1) };
    store.reserve_quota(row(bucket, quota.unit, wanted), quota.limit).await
}

/// A part of a window as the store has it.
fn row(bucket: &Bucket, unit: Unit, Part { start, calls }: Part) -> QuotaRow {
    QuotaRow {
        caller: bucket.caller.clone(),
        pattern: bucket.key.clone(),
        start,
        until: unit.end(start),
        n: calls,
    }
}

fn spent(caller: &Arc<Caller>, quota: &Quota, start: i64, now: i64) -> Denied {
    let left = quota.unit.end(start).saturating_sub(now);
    Denied::Quota {
        caller: caller.clone(),
        pattern: quota.text.clone(),
        limit: quota.to_string(),
        is_daily: quota.unit == Unit::Day,
        seconds: u32::try_from(left.saturating_add(999) / 1000).unwrap_or(1).max(1),
    }
}
