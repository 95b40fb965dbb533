//! Help with error codes, and where each was met lately.

use std::collections::HashMap;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::rings::failure_json;
use super::{Api, Refusal, parameters, unknown, whole};
use crate::errors::{self, Help};
use crate::http::wants_english;
use crate::lang::Words;
use crate::store::{Ring, RingQuery, RingRow};

/// What was met within this time is counted; milliseconds.
const LATELY: i64 = 24 * 3_600_000;
/// Failures that are shown with a code.
const SAMPLES: usize = 20;
/// Rows that are counted by app, caller and path; the ring has no more.
const COUNTED: u32 = 20_000;
/// The most frequent of them are named.
const NAMED: usize = 20;

/// `GET /errors`
pub(super) async fn list(
    State(api): State<Api>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut wanted = String::new();
    for (name, value) in parameters(raw.as_deref().unwrap_or_default()) {
        match name.as_str() {
            "q" => wanted = value,
            _ => return Err(unknown(&name, &["q"])),
        }
    }
    let english = wants_english(&headers);
    let seen = api.seen().await?;
    let mut found: Vec<Help> = errors::all().filter(|help| help.is_about(&wanted)).collect();
    // What was met and has no row of its own: of a family, or unknown.
    let has = |code: i64| found.iter().any(|help| help.code == code);
    let others: Vec<i64> =
        seen.keys().copied().filter(|code| !has(*code) && code.to_string().contains(&wanted)).collect();
    found.extend(others.into_iter().map(|code| errors::lookup(code).unwrap_or_else(|| strange(code))));
    let items: Vec<Value> = found.iter().map(|help| help_json(help, &seen, english)).collect();
    Ok(whole(&items))
}

/// `GET /errors/{code}`
pub(super) async fn one(
    State(api): State<Api>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let missing = || {
        let words = Words::new(
            format!("没有错误码 {code}：既不在表里，24 小时内也没有出现过"),
            format!("there is no code {code}: it isn't in the table, and wasn't met within 24 hours"),
        );
        Refusal(StatusCode::NOT_FOUND, words)
    };
    let Ok(number) = code.parse::<i64>() else { return Err(missing()) };
    let seen = api.seen().await?;
    let known = errors::lookup(number);
    let help = known.or_else(|| seen.contains_key(&number).then(|| strange(number))).ok_or_else(missing)?;
    let since = Some(api.parts.clock.now() - LATELY);
    let query = RingQuery { code: Some(number), since, ..RingQuery::newest(Ring::Failures, COUNTED) };
    let rows = api.ring(query).await?;
    let mut item = help_json(&help, &seen, wants_english(&headers));
    let samples: Vec<Value> = rows.iter().take(SAMPLES).map(failure_json).collect();
    let api_of = |row: &RingRow| failure_json(row)["api"].as_str().unwrap_or_default().to_owned();
    item["samples"] = samples.into();
    item["by"] = json!({
        "apps": counted(rows.iter().map(|row| row.appid.clone())),
        "callers": counted(rows.iter().map(|row| row.who.clone())),
        "apis": counted(rows.iter().map(api_of)),
    });
    Ok(axum::Json(item).into_response())
}

impl Api {
    /// How often each code was met lately.
    async fn seen(&self) -> Result<HashMap<i64, i64>, Refusal> {
        let Self { parts, .. } = self;
        parts.rings.flush(&parts.store).await?;
        let counts = parts.store.ring_codes(Ring::Failures, parts.clock.now() - LATELY).await?;
        Ok(counts.into_iter().collect())
    }
}

/// A code that nobody listed.
fn strange(code: i64) -> Help {
    let words = Words::fixed(
        "没有收录的错误码：看微信的原话（wx_errmsg），凭 rid 到公众平台查询。",
        "A code that isn't listed: see WeChat's own words (wx_errmsg), and look the rid up at WeChat.",
    );
    Help { code, ours: None, text: None, words, retry: false }
}

fn help_json(help: &Help, seen: &HashMap<i64, i64>, english: bool) -> Value {
    let (cause, fix) = help.parts(english);
    json!({
        "code": help.code, "ours": help.ours, "errmsg": help.text, "zh": help.words.zh, "en": help.words.en,
        "cause": cause, "fix": fix, "retry": help.retry, "seen": seen.get(&help.code).copied().unwrap_or_default(),
    })
}

/// The most frequent first.
fn counted(keys: impl Iterator<Item = String>) -> Vec<Value> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    for key in keys.filter(|key| !key.is_empty()) {
        *counts.entry(key).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    counts.into_iter().take(NAMED).map(|(key, n)| json!({"key": key, "n": n})).collect()
}
