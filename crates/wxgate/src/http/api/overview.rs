//! `GET /overview`: whether anything is wrong, and how much passes.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use super::series::{Time, short};
use super::{Api, Refusal, parameters, unknown};
use crate::errors;
use crate::http::wants_english;
use crate::metrics::Tally;
use crate::parts::Parts;
use crate::problems::signs;
use crate::series::{self, Dimension, Family, Span};
use crate::store::{EventQuery, SeriesRow, Stock, StoreError, Tier};

/// Points of a small chart.
const POINTS: usize = 30;
/// Names of a list of the most frequent.
const TOP: usize = 8;
/// What goes well or not, and how fast, is told over so many seconds.
const LATELY: i64 = 300;
const DAY: i64 = 86_400;

/// `GET /overview`
pub(super) async fn overview(
    State(api): State<Api>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut time = Time::default();
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        if !time.takes(&name, &value)? {
            return Err(unknown(&name, &["range", "from", "to"]));
        }
    }
    let (parts, now) = (&api.parts, series::now(&api.parts));
    let (from, to) = time.ends(now)?;
    let english = wants_english(&headers);
    let problems = api.problems(english).await?;
    let (total, bad) = apps(&api);
    let body = json!({
        "now": now, "rev": revision(&problems), "problems": problems,
        "figures": figures(parts, now).await?, "sparks": sparks(parts, from, to, now).await?,
        "apps": {"total": total, "bad": bad},
        "top": top(parts, from, to, english).await?, "steps": steps(parts).await?,
    });
    Ok(axum::Json(body).into_response())
}

/// Another number when something else is amiss.
fn revision(problems: &[Value]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    for problem in problems {
        for member in ["id", "severity", "ended_at", "muted_until"] {
            problem[member].to_string().hash(&mut hasher);
        }
    }
    // As many digits as every reader of JSON keeps.
    hasher.finish() >> 12
}

fn apps(api: &Api) -> (usize, usize) {
    let Parts { registry, clock, .. } = &api.parts;
    let (live, reach) = (registry.live(), api.upstream.tokens().handover().reach());
    (live.apps().len(), live.apps().filter(|app| signs::is_down(app, reach, clock)).count())
}

/// How much passes now.
struct Now {
    calls_min: f64,
    callbacks_min: f64,
    /// Calls of the last minutes.
    calls: Tally,
    waiting: u64,
    dead: u64,
}

/// Whose figures are shown.
const FAMILIES: [Family; 4] = [Family::Calls, Family::Callbacks, Family::Waiting, Family::Dead];

async fn lately(parts: &Parts, now: i64) -> Result<Now, StoreError> {
    let ranges = [Family::Calls, Family::Callbacks].map(Family::keys);
    let span = Span::around(now - LATELY + 60, now + 1, Tier::Minute);
    let rows = series::rows(parts, &ranges, span).await?;
    let a_minute = |family| {
        let within = |at: i64| {
            let rows = rows.iter().filter(|row| row.bucket == at && Family::of(&row.key) == Some(family));
            rows.map(|row| row.tally.n as f64).sum::<f64>()
        };
        let begun = now - now.rem_euclid(60);
        let (current, last) = (within(begun), within(begun - 60));
        let sliding = current + last * (60 - (now - begun)) as f64 / 60.0;
        // What others have counted in this minute isn't known yet.
        if parts.store.is_shared() { sliding.max(last) } else { sliding }
    };
    let (calls_min, callbacks_min) = (a_minute(Family::Calls), a_minute(Family::Callbacks));
    let calls = sums(rows).remove(&Family::Calls).unwrap_or_default();
    let stock = series::stock(parts).await?;
    let sum = |of: fn(&Stock) -> u32| stock.iter().map(|(_, stock)| u64::from(of(stock))).sum();
    let (waiting, dead) = (sum(|stock| stock.waiting), sum(|stock| stock.dead));
    Ok(Now { calls_min, callbacks_min, calls, waiting, dead })
}

/// What a page that is open hears each second.
pub(super) async fn tick(api: &Api) -> Result<Value, Refusal> {
    let now = series::now(&api.parts);
    let Now { calls_min, callbacks_min, calls, waiting, dead } = lately(&api.parts, now).await?;
    let problems = api.problems(true).await?;
    Ok(json!({
        "now": now, "calls_min": short(calls_min), "callbacks_min": short(callbacks_min),
        "bad_rate": bad_rate(&calls), "waiting": waiting, "dead": dead, "rev": revision(&problems),
    }))
}

/// How much passes now, and passed at this time yesterday.
async fn figures(parts: &Parts, now: i64) -> Result<Value, StoreError> {
    let Now { calls_min, callbacks_min, calls, waiting, dead } = lately(parts, now).await?;
    let span = Span::around(now - DAY, now - DAY + 1, Tier::Ten);
    let before = sums(series::rows(parts, &FAMILIES.map(Family::keys), span).await?);
    let of = |family| before.get(&family);
    let a_minute = |family| of(family).map(|tally| short(tally.n as f64 / 10.0));
    let level = |family| of(family).map(|tally| tally.n);
    Ok(json!({
        "calls_min": [short(calls_min), a_minute(Family::Calls)],
        "bad_rate": [bad_rate(&calls), of(Family::Calls).and_then(bad_rate)],
        "p95": [p95(&calls).map(short), of(Family::Calls).and_then(p95).map(short)],
        "callbacks_min": [short(callbacks_min), a_minute(Family::Callbacks)],
        "waiting": [waiting, level(Family::Waiting)],
        "dead": [dead, level(Family::Dead)],
    }))
}

fn p95(tally: &Tally) -> Option<f64> {
    tally.percentile(0.95)
}

/// To the thousandth.
fn bad_rate(tally: &Tally) -> Option<f64> {
    (tally.n > 0).then(|| (tally.bad as f64 / tally.n as f64 * 1000.0).round() / 1000.0)
}

/// Of how much there was, the most counts.
fn sums(rows: Vec<SeriesRow>) -> HashMap<Family, Tally> {
    let mut sums: HashMap<Family, Tally> = HashMap::new();
    for SeriesRow { key, tally, .. } in rows {
        if let Some(family) = Family::of(&key) {
            series::gather(sums.entry(family).or_default(), &tally, family);
        }
    }
    sums
}

/// The same as small charts over the time that is looked at.
async fn sparks(parts: &Parts, from: i64, to: i64, now: i64) -> Result<Value, StoreError> {
    let ranges = FAMILIES.map(Family::keys);
    let span = Span::around(from, to, Span::tier_for(from, to));
    let mut points: HashMap<Family, [Option<Tally>; POINTS]> = HashMap::new();
    let length = (to - from).max(1);
    for SeriesRow { key, bucket, tally, .. } in series::rows(parts, &ranges, span).await? {
        let Some(family) = Family::of(&key) else { continue };
        let place = usize::try_from((bucket - from).max(0) * POINTS as i64 / length).unwrap_or_default();
        let points = points.entry(family).or_insert_with(|| std::array::from_fn(|_| None));
        let Some(point) = points.get_mut(place) else { continue };
        series::gather(point.get_or_insert_default(), &tally, family);
    }
    let chart = |family, figure: &dyn Fn(usize, &Tally) -> Option<Value>| {
        let Some(points) = points.get(&family) else { return vec![None; POINTS] };
        let figure =
            |(at, point): (usize, &Option<Tally>)| point.as_ref().and_then(|point| figure(at, point));
        points.iter().enumerate().map(figure).collect::<Vec<Option<Value>>>()
    };
    let each = length as f64 / POINTS as f64;
    let a_minute = |at: usize, tally: &Tally| {
        // The last one isn't over.
        let begun = from as f64 + at as f64 * each;
        let passed = (now as f64 - begun).clamp(60.0_f64.min(each), each);
        Some(short(tally.n as f64 * 60.0 / passed.max(1.0)))
    };
    let level = |_: usize, tally: &Tally| Some(json!(tally.n));
    Ok(json!({
        "calls_min": chart(Family::Calls, &a_minute),
        "bad_rate": chart(Family::Calls, &|_, tally| bad_rate(tally).map(|rate| json!(rate))),
        "p95": chart(Family::Calls, &|_, tally| p95(tally).map(short)),
        "callbacks_min": chart(Family::Callbacks, &a_minute),
        "waiting": chart(Family::Waiting, &level),
        "dead": chart(Family::Dead, &level),
    }))
}

/// The codes, routes and callers that came most often.
async fn top(parts: &Parts, from: i64, to: i64, english: bool) -> Result<Value, StoreError> {
    let lists = [
        (Family::Api, Dimension::Errcode),
        (Family::Deliveries, Dimension::Route),
        (Family::Calls, Dimension::Caller),
    ];
    let ranges = lists.map(|(family, dimension)| family.keys_by(dimension));
    let tier = if to - from <= 3_600 { Tier::Minute } else { Span::tier_for(from, to).max(Tier::Ten) };
    let mut sums: HashMap<(Family, String), Tally> = HashMap::new();
    for row in series::rows(parts, &ranges, Span::around(from, to, tier)).await? {
        let Some(family) = Family::of(&row.key) else { continue };
        sums.entry((family, series::name_of(&row.key).to_owned())).or_default().merge(&row.tally);
    }
    let list = |family: Family| {
        let mut found: Vec<(&str, &Tally)> = sums
            .iter()
            .filter(|((of, name), _)| *of == family && (family != Family::Api || name != "0"))
            .map(|((_, name), tally)| (name.as_str(), tally))
            .collect();
        found.sort_by(|a, b| b.1.n.cmp(&a.1.n).then_with(|| a.0.cmp(b.0)));
        found.truncate(TOP);
        found
    };
    let with_bad = |family| {
        let of = |(key, tally): (&str, &Tally)| json!({"key": key, "n": tally.n, "bad": tally.bad});
        list(family).into_iter().map(of).collect::<Vec<_>>()
    };
    let meaning = |key: &str| Some(errors::lookup(key.parse().ok()?)?.words.of(english).to_owned());
    let code = |(key, tally): (&str, &Tally)| json!({"key": key, "n": tally.n, "text": meaning(key)});
    let codes = list(Family::Api).into_iter().map(code);
    Ok(json!({
        "errcodes": codes.collect::<Vec<_>>(),
        "routes": with_bad(Family::Deliveries), "callers": with_bad(Family::Calls),
    }))
}

/// What somebody who begins has done.
async fn steps(parts: &Parts) -> Result<Value, StoreError> {
    let query = EventQuery { limit: 1, ..EventQuery::default() };
    let has_messages = !parts.store.events(query).await?.is_empty();
    let has_calls = parts.registry.usages().all().iter().any(|(_, usage)| usage.used().last_used_at > 0);
    let live = parts.registry.live();
    Ok(json!({
        "app": live.apps().len() > 0, "caller": !live.callers.all().is_empty(),
        "call": has_calls, "message": has_messages,
    }))
}
