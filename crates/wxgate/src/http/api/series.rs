//! `GET /series`: what passed, by bucket of time.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Api, Refusal, bad, number, parameters, unknown, wrong};
use crate::lang::Words;
use crate::metrics::Tally;
use crate::series::{self, Asked, Dimension, Family, Found, Item, Span};
use crate::store::Tier;

/// Buckets of one answer.
const MOST: usize = 1_500;
/// Ranges by name, in seconds.
const RANGES: [(&str, i64); 4] = [("1h", 3_600), ("6h", 21_600), ("24h", 86_400), ("7d", 604_800)];
/// Where no range is named.
const RANGE: i64 = 3_600;
/// Names that a figure may be asked by.
const NAMES: [Dimension; 4] = [Dimension::App, Dimension::Caller, Dimension::Api, Dimension::Route];
const KNOWN: [&str; 10] = ["metric", "by", "range", "from", "to", "step", "appid", "caller", "api", "route"];

/// A time that was asked for: a range until now, or both ends.
#[derive(Default)]
pub(super) struct Time {
    range: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
}

impl Time {
    /// Whether the parameter is one of a time's; then it is taken.
    pub(super) fn takes(&mut self, name: &str, value: &str) -> Result<bool, Refusal> {
        match name {
            "range" => {
                let found = RANGES.iter().find(|(name, _)| *name == value).map(|(_, seconds)| *seconds);
                let wrong = || wrong("range", "只能是 1h、6h、24h、7d", "must be one of 1h, 6h, 24h, 7d");
                self.range = Some(found.ok_or_else(wrong)?);
            }
            "from" => self.from = Some(number("from", value)?),
            "to" => self.to = Some(number("to", value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Both ends, Unix seconds; this second is within what goes until now.
    pub(super) fn ends(&self, now: i64) -> Result<(i64, i64), Refusal> {
        let now = now + 1;
        match (self.range, self.from, self.to) {
            (range, None, None) => Ok((now - range.unwrap_or(RANGE), now)),
            (None, Some(from), to) if 0 <= from && from < to.unwrap_or(now) => Ok((from, to.unwrap_or(now))),
            _ => Err(bad(Words::fixed(
                "时间要么是 range，要么是 from 和 to（Unix 秒，from 早于 to）",
                "a time is a range, or from and to (Unix seconds, from before to)",
            ))),
        }
    }
}

/// `GET /series`
pub(super) async fn series(State(api): State<Api>, RawQuery(raw): RawQuery) -> Result<Response, Refusal> {
    let now = series::now(&api.parts);
    let asked = asked(raw.as_deref().unwrap_or_default(), now)?;
    let found = series::read(&api.parts, &asked).await?;
    let Span { from, to, tier } = asked.span;
    let items: Vec<Value> = found.items.iter().map(|item| item_json(item, &found)).collect();
    let body = json!({
        "from": from, "to": to, "step": tier.step(), "partial_from": found.partial_from, "items": items,
    });
    Ok(axum::Json(body).into_response())
}

fn asked(raw: &str, now: i64) -> Result<Asked, Refusal> {
    let (mut family, mut by, mut step) = (None, None, None);
    let (mut time, mut filters) = (Time::default(), Vec::new());
    for (name, value) in parameters(raw) {
        let dimension = NAMES.into_iter().find(|dimension| dimension.as_str() == name);
        match name.as_str() {
            "metric" => {
                let found = Family::ALL.into_iter().find(|family| family.as_str() == value);
                family = Some(found.ok_or_else(not_a_metric)?);
            }
            "by" => by = Some(value),
            "step" => step = Some(tier(&value)?),
            _ if let Some(dimension) = dimension => filters.push((dimension, value)),
            _ if time.takes(&name, &value)? => {}
            _ => return Err(unknown(&name, &KNOWN)),
        }
    }
    let family = family.ok_or_else(not_a_metric)?;
    let by = match by.as_deref() {
        None | Some("total") => None,
        Some(name) => Some(dimension(family, "by", name)?),
    };
    for (filter, _) in &filters {
        dimension(family, filter.as_str(), filter.as_str())?;
    }
    let (from, to) = time.ends(now)?;
    let span = Span::around(from, to, step.unwrap_or_else(|| Span::tier_for(from, to)));
    if span.len() > MOST {
        return Err(bad(Words::new(
            format!("这段时间按这个 step 超过 {MOST} 点：缩短时间，或用更大的 step（60、600、3600）"),
            format!("over {MOST} points: ask for a shorter time, or a larger step (60, 600, 3600)"),
        )));
    }
    Ok(Asked { family, by, filters, span })
}

fn not_a_metric() -> Refusal {
    wrong(
        "metric",
        "只能是 calls、api、callbacks、deliveries、waiting、dead",
        "must be one of calls, api, callbacks, deliveries, waiting, dead",
    )
}

fn tier(value: &str) -> Result<Tier, Refusal> {
    let found = Tier::ALL.into_iter().find(|tier| tier.step().to_string() == value);
    found.ok_or_else(|| wrong("step", "只能是 60、600、3600", "must be one of 60, 600, 3600"))
}

/// What `name` is of the family's.
fn dimension(family: Family, parameter: &str, name: &str) -> Result<Dimension, Refusal> {
    let dimensions = family.dimensions();
    dimensions.iter().copied().find(|dimension| dimension.as_str() == name).ok_or_else(|| {
        let names: Vec<&str> = dimensions.iter().map(|dimension| dimension.as_str()).collect();
        let (metric, zh, en) = (family.as_str(), names.join("、"), names.join(", "));
        wrong(
            parameter,
            &format!("：{metric} 只按 total、{zh} 分"),
            &format!(": {metric} goes by total, {en}"),
        )
    })
}

fn item_json(item: &Item, found: &Found) -> Value {
    let of = |figure: &dyn Fn(&Tally) -> Option<f64>| {
        let figures = item.tallies.iter().zip(&found.known);
        figures.map(|(tally, known)| known.then(|| figure(tally)).flatten().map(short)).collect::<Vec<_>>()
    };
    let share = |share: f64| of(&move |tally: &Tally| tally.percentile(share));
    json!({
        "key": item.key,
        "n": of(&|tally| Some(tally.n as f64)), "bad": of(&|tally| Some(tally.bad as f64)),
        "p50": share(0.5), "p95": share(0.95), "p99": share(0.99),
    })
}

/// A figure with as many digits as somebody reads; whole ones are.
pub(super) fn short(figure: f64) -> Value {
    let rounded = (figure * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        let cases = [(3.0, "3"), (3.04, "3"), (3.26, "3.3"), (0.0, "0")];
        for (figure, text) in cases {
            assert_eq!(short(figure).to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let fails = |raw: &str| asked(raw, 1_000_000).is_err();
        for raw in [
            "",
            "metric=x",
            "metric=calls&by=route",
            "metric=dead&appid=wx1",
            "metric=calls&step=61",
            "metric=calls&range=2h",
            "metric=calls&from=9&to=3",
            "metric=calls&range=1h&from=3",
            "metric=calls&from=0&step=60",
            "metric=calls&x=1",
        ] {
            assert!(fails(raw), "{raw}");
        }
        let fine = asked("metric=calls&by=caller&appid=wx1&from=60&to=3600", 1_000_000).ok().unwrap();
        assert_eq!((fine.by, fine.span.len()), (Some(Dimension::Caller), 59));
        assert_eq!(asked("metric=dead&range=7d", 1_000_000).ok().unwrap().span.tier, Tier::Hour);
    }
}
