//! How long is remembered what must not get through twice.
//!
//! A signature covers token, timestamp and nonce without a mark between them, so the same signature may hold at another time as
//! well: it is spent until every such time is over. What is encrypted says by itself when it was made.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use wechat::crypt;
use wechat::envelope::Query;
use wechat::message::Message;

use crate::clock;
use crate::registry::Live;

/// What is encrypted may be so old, whatever `callback.max_age` says; and so long duplicates are known if callbacks of any age
/// are taken.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The year 2100, in Unix seconds: no callback claims a later time, so that nothing is remembered for longer.
pub(super) const LATEST: i64 = 4_102_444_800;
/// Ten digits.
const TIMES: std::ops::RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;

/// How far from now what is encrypted may have been made; `None`: it doesn't say, or nobody minds.
pub(super) fn window(live: &Live, message: &Message) -> Option<Duration> {
    let max_age = live.callback.max_age?;
    TIMES.contains(&message.create_time()).then(|| max_age.max(DAY))
}

/// Until when `message` is a duplicate, Unix milliseconds. `now` likewise.
pub(super) fn message(live: &Live, query: &Query, message: &Message, is_encrypted: bool, now: i64) -> i64 {
    let Some(max_age) = live.callback.max_age else { return after(now, DAY) };
    let sent = now.max(millis(query.seconds()));
    match window(live, message) {
        _ if !is_encrypted => after(sent, max_age),
        Some(window) => after(sent.max(millis(message.create_time())), window),
        // It may be sent again with any other time that can be cut from what was signed.
        None => after(sent.max(millis(LATEST)), max_age),
    }
}

/// Until when the plain signature of a query is good for nothing else, Unix milliseconds. `now` likewise; `token`: what it was
/// signed with.
pub(super) fn signature(live: &Live, query: &Query, token: &str, now: i64) -> i64 {
    let Some(max_age) = live.callback.max_age else { return after(now, DAY) };
    let plain = live.plain.iter().flat_map(|app| &app.entry.callback_tokens);
    let tokens = std::iter::once(token).chain(plain.map(|token| token.expose_secret()));
    let times = crypt::readings([token, &query.timestamp, &query.nonce], tokens);
    let last = times.into_iter().filter(|time| *time < LATEST).max().unwrap_or_default();
    after(now.max(millis(query.seconds())).max(millis(last)), max_age)
}

fn millis(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

/// A second is added: ages are counted in whole ones.
fn after(time: i64, window: Duration) -> i64 {
    time.saturating_add(clock::millis(window)).saturating_add(1000)
}
