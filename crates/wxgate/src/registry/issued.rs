//! Gateway tokens that were issued lately: whoever asks again soon gets the same, for to seal one costs more than all the rest
//! of a token call. It lives longer than anybody is told, so that the minute is none of the time it is good for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::keys::Holder;

/// So long the same one is given, by the wall's clock, as tokens live.
const FRESH_MS: i64 = 60_000;
/// Holders of one app; with more, all are forgotten.
const HOLDERS: usize = 4096;

/// The answers to one app's token calls, by who holds the token.
#[derive(Debug, Default)]
pub struct Issued(Mutex<HashMap<Holder, (Bytes, i64)>>);

impl Issued {
    /// The answer for `holder`: the last one while it is fresh at `now` (Unix milliseconds), else what `issue` gives.
    pub fn of(&self, holder: Holder, now: i64, issue: impl FnOnce() -> Bytes) -> Bytes {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((answer, at)) = issued.get(&holder)
            && (0..FRESH_MS).contains(&(now - *at))
        {
            return answer.clone();
        }
        if issued.len() >= HOLDERS {
            issued.clear();
        }
        let answer = issue();
        issued.insert(holder, (answer.clone(), now));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_the_same_and_everybody_their_own() {
        let issued = Issued::default();
        let [one, other] = ["a", "b"].map(|key| Holder::new(Some(key), ""));
        let of = |holder, at, text: &'static str| {
            issued.of(holder, 1_000_000 + at, || Bytes::from_static(text.as_bytes()))
        };
        assert_eq!(of(one, 0, "1"), "1");
        assert_eq!(of(other, 0, "2"), "2");
        assert_eq!(of(one, FRESH_MS - 1, "3"), "1");
        assert_eq!(of(one, FRESH_MS, "3"), "3");
        assert_eq!(of(one, FRESH_MS - 1, "4"), "4", "the clock was set back");
    }
}
