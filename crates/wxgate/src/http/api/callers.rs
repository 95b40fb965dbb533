//! Callers as they are shown: who calls what, with which key, how often each was refused, and what is left of its quotas.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Api;
use crate::entries::{EntryKind, Origin};
use crate::parts::Parts;
use crate::registry::callers::Caller;
use crate::registry::quotas::Metered;

/// Calls of windows that aren't over, spent or reserved by anybody; by caller, quota and begin. `None`: nobody knows.
pub(super) type Windows = Option<HashMap<(String, String, i64), i64>>;

impl Api {
    /// Every caller.
    pub(super) fn callers(&self, english: bool, windows: &Windows) -> Vec<Value> {
        let entries = self.listed(EntryKind::Caller, english);
        let live = self.parts.registry.live().clone();
        let (in_use, rest): (Vec<Value>, Vec<Value>) =
            entries.into_iter().partition(|item| item["unused"].is_null());
        let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
        let mut in_use: HashMap<String, Value> = in_use.into_iter().map(|item| (name(&item), item)).collect();
        let mut items = Vec::new();
        for caller in live.callers.all() {
            let mut item = in_use.remove(&*caller.name).unwrap_or_else(|| json!({}));
            if let (Some(item), Value::Object(more)) =
                (item.as_object_mut(), self.shown_caller(caller, windows))
            {
                item.extend(more);
            }
            items.push(item);
        }
        items.extend(in_use.into_values());
        items.extend(rest);
        items
    }

    /// What is spent of quotas, if any caller has one.
    pub(super) async fn windows(&self) -> Windows {
        let live = self.parts.registry.live().clone();
        if live.callers.all().iter().all(|caller| caller.quotas.is_empty()) {
            return None;
        }
        let Parts { store, clock, .. } = &self.parts;
        let rows = store.quotas(store.common_time(clock.now())).await.ok()?;
        Some(rows.into_iter().map(|row| ((row.caller, row.pattern, row.start), row.n)).collect())
    }

    fn shown_caller(&self, caller: &Caller, windows: &Windows) -> Value {
        let used = caller.usage.used();
        let calls: Map<String, Value> = used
            .calls
            .iter()
            .filter(|(_, count)| count.calls > 0)
            .map(|(api, count)| (api.to_string(), count.calls.into()))
            .collect();
        let refused: u64 = used.calls.values().map(|count| count.refused).sum();
        // When a file's key was made, nobody knows.
        let is_made_here = caller.origin == Origin::Stored;
        let keys = caller.keys.iter().map(|key| {
            let made_at = key.uses.made_at().filter(|_| is_made_here);
            json!({
                "slot": key.slot, "hint": key.hint, "created_at": made_at.and_then(seconds),
                "last_used_at": key.uses.used_at().and_then(seconds),
            })
        });
        let quotas =
            caller.quotas.iter().map(|Metered { quota, .. }| (quota.text.clone(), quota.to_string().into()));
        json!({
            "name": &*caller.name,
            "last_used_at": seconds(used.last_used_at),
            "calls": calls,
            "since": seconds(used.since),
            "refused": refused,
            "keys": keys.collect::<Vec<_>>(),
            "expires_at": caller.expires_at.map(|at| at.div_euclid(1000)),
            "quotas": quotas.collect::<Map<_, _>>(),
            "used": caller.quotas.iter().map(|metered| self.used(metered, windows)).collect::<Map<_, _>>(),
        })
    }

    /// What of a quota is spent; what other nodes have reserved counts as such.
    fn used(&self, Metered { quota, bucket }: &Metered, windows: &Windows) -> (String, Value) {
        let Parts { store, clock, .. } = &self.parts;
        let start = quota.unit.start(store.common_time(clock.now()));
        let used = windows.as_ref().map(|windows| {
            let key = (bucket.caller.clone(), bucket.key.clone(), start);
            let n = windows.get(&key).copied().unwrap_or_default();
            (n - bucket.left(start)).max(0)
        });
        let shown = json!({"used": used, "limit": quota.limit, "resets_at": quota.unit.end(start) / 1000});
        (quota.text.clone(), shown)
    }
}

/// Of milliseconds; 0: nobody knows.
fn seconds(at: i64) -> Option<i64> {
    Some(at.div_euclid(1000)).filter(|_| at > 0)
}
