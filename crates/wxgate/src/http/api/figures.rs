//! Figures that stand beside apps and routes in their lists.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::series::short;
use crate::entries::EntryKind;
use crate::metrics::Tally;
use crate::parts::Parts;
use crate::registry::lane::Failing;
use crate::series::{self, Dimension, Family, Span};
use crate::store::StoreError;

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// What was counted by the names of one kind in the last `seconds`.
pub(crate) async fn by(
    parts: &Parts,
    family: Family,
    dimension: Dimension,
    seconds: i64,
) -> Result<HashMap<String, Tally>, StoreError> {
    let now = series::now(parts);
    let span = Span::around(now - seconds, now + 1, Span::tier_for(now - seconds, now));
    let mut all: HashMap<String, Tally> = HashMap::new();
    for row in series::rows(parts, &[family.keys_by(dimension)], span).await? {
        all.entry(series::name_of(&row.key).to_owned()).or_default().merge(&row.tally);
    }
    Ok(all)
}

/// Adds to each item what is counted of it.
pub(super) async fn add(parts: &Parts, kind: EntryKind, items: &mut [Value]) -> Result<(), StoreError> {
    match kind {
        EntryKind::App => of_apps(parts, items).await,
        EntryKind::Route => of_routes(parts, items).await,
        EntryKind::Caller => Ok(()),
    }
}

async fn of_apps(parts: &Parts, items: &mut [Value]) -> Result<(), StoreError> {
    let calls = by(parts, Family::Calls, Dimension::App, DAY).await?;
    for item in items {
        let found = item["appid"].as_str().and_then(|appid| calls.get(&series::part(appid)));
        let (n, bad) = found.map_or((0, 0), |tally| (tally.n, tally.bad));
        item["calls24"] = json!({"n": n, "bad": bad});
    }
    Ok(())
}

async fn of_routes(parts: &Parts, items: &mut [Value]) -> Result<(), StoreError> {
    let sent = by(parts, Family::Deliveries, Dimension::Route, HOUR).await?;
    let name_of = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    let names = items.iter().map(name_of).collect();
    let stock = parts.store.stock(names, series::MOST_COUNTED).await?;
    for (item, stock) in items.iter_mut().zip(stock) {
        let name = name_of(item);
        let p95 = sent.get(&series::part(&name)).and_then(|tally| tally.percentile(0.95));
        let live = parts.registry.live();
        let failing = live.routes.by_name(&name).and_then(|route| route.lane.failing());
        let more = json!({
            "p95": p95.map(short), "waiting": stock.waiting, "dead": stock.dead,
            "breaker": if failing.as_ref().is_some_and(Failing::is_left_alone) { "open" } else { "closed" },
            "failing_since": failing.as_ref().map(|failing| failing.since / 1000),
            "last_error": failing.map(|failing| failing.error.to_string()),
        });
        if let (Some(item), Value::Object(more)) = (item.as_object_mut(), more) {
            let item: &mut Map<String, Value> = item;
            item.extend(more);
        }
    }
    Ok(())
}
