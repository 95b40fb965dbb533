//! What follows from an attempt.

use std::time::{Duration, UNIX_EPOCH};

use super::Sent;
use crate::clock::millis;
use crate::store::Fate;

/// `retry`: the waits before each further attempt. `attempt`: the number of this one, from 1.
/// `jitter`: between 0.8 and 1.2. `now`: Unix milliseconds.
pub fn fate(retry: &[Duration], attempt: u32, sent: &Sent, now: i64, jitter: f64) -> Fate {
    if sent.is_success() {
        return Fate::Delivered;
    }
    if sent.status == 410 {
        return Fate::Dead;
    }
    let Some(scheduled) = retry.get(attempt.saturating_sub(1) as usize) else {
        return Fate::Dead;
    };
    let asked = sent.retry_after.as_deref().and_then(|text| retry_after(text, now));
    let wait = match asked {
        Some(asked) => asked.clamp(*scheduled, *scheduled * 2),
        None => scheduled.mul_f64(jitter),
    };
    Fate::Retry(now + millis(wait))
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(text: &str, now: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(u64::try_from(now).ok()?);
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_305_600_000;

    fn sent(status: u16, retry_after: Option<&str>) -> Sent {
        Sent { status, error: String::new(), retry_after: retry_after.map(str::to_owned), answer: Vec::new() }
    }

    fn secs(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_secs).collect()
    }

    /// Seconds until the next attempt.
    fn wait(fate: Fate) -> Option<f64> {
        match fate {
            Fate::Retry(at) => Some((at - NOW) as f64 / 1000.0),
            _ => None,
        }
    }

    #[test]
    fn every_step_of_the_schedule_then_the_end() {
        let retry = secs(&[5, 30, 120]);
        for (attempt, expected) in [(1, Some(5.0)), (2, Some(30.0)), (3, Some(120.0)), (4, None), (9, None)] {
            assert_eq!(wait(fate(&retry, attempt, &sent(500, None), NOW, 1.0)), expected, "{attempt}");
        }
        assert_eq!(wait(fate(&retry, 2, &sent(0, None), NOW, 0.8)), Some(24.0));
        assert_eq!(wait(fate(&retry, 2, &sent(302, None), NOW, 1.2)), Some(36.0));
        assert_eq!(fate(&[], 1, &sent(500, None), NOW, 1.0), Fate::Dead);
    }

    #[test]
    fn only_2xx_is_success_and_410_is_final() {
        for status in [200, 201, 204, 299] {
            assert_eq!(fate(&secs(&[5]), 1, &sent(status, None), NOW, 1.0), Fate::Delivered);
        }
        for status in [0, 100, 300, 301, 304, 307, 400, 403, 404, 429, 500, 503] {
            assert_eq!(wait(fate(&secs(&[5]), 1, &sent(status, None), NOW, 1.0)), Some(5.0), "{status}");
        }
        assert_eq!(fate(&secs(&[5]), 1, &sent(410, None), NOW, 1.0), Fate::Dead);
    }

    #[test]
    fn retry_after_holds_between_the_schedule_and_twice_it() {
        let date = |ahead: u64| {
            let at = UNIX_EPOCH + Duration::from_secs(NOW as u64 / 1000 + ahead);
            httpdate::fmt_http_date(at)
        };
        let cases = [
            ("0".to_owned(), 100.0),
            ("30".to_owned(), 100.0),
            ("150".to_owned(), 150.0),
            (" 120.5 ".to_owned(), 120.5),
            ("99999999999999999999".to_owned(), 200.0),
            ("1e308".to_owned(), 200.0),
            ("inf".to_owned(), 200.0),
            (date(130), 130.0),
            (date(86400), 200.0),
            ("Mon, 01 Jan 2001 00:00:00 GMT".to_owned(), 100.0),
            // Not understood: as if it weren't there.
            ("-5".to_owned(), 80.0),
            ("NaN".to_owned(), 80.0),
            ("soon".to_owned(), 80.0),
            (String::new(), 80.0),
        ];
        for (text, expected) in cases {
            let fate = fate(&secs(&[100]), 1, &sent(503, Some(&text)), NOW, 0.8);
            assert_eq!(wait(fate), Some(expected), "{text}");
        }
    }
}
