//! At the end of the time that a message is remembered for: no copy of it gets through.

use std::time::Duration;

use http::StatusCode;

use crate::app::{EXAMPLE, TestApp};
use crate::callbacks::with_backend;
use crate::raw::Raw;
use crate::signed::{Callback, Maker, text};

const ORIGINAL: &str = "gh_0000000000c3";

/// Sends a callback whose last byte comes so much after the others, by the manual clock.
async fn slowly(app: &TestApp, callback: &Callback, late: Duration) -> StatusCode {
    let mut raw = Raw::to(&app.url()).await;
    let (most, rest) = callback.body.split_at(callback.body.len() - 1);
    raw.send(format!(
        "POST /v1/service/wx/wxmsg/{EXAMPLE}?{} HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        callback.query,
        callback.body.len()
    ))
    .await;
    raw.send(most).await;
    // Its head is looked at meanwhile.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.advance(late).await;
    raw.send(rest).await;
    raw.answer().await.status
}

#[tokio::test]
async fn a_copy_whose_body_comes_slowly_is_too_old_by_then() {
    for (forged, late) in [(false, 300), (false, 3000), (true, 3000)] {
        let (app, backend) = with_backend("").await;
        let at = app.now();
        // It comes 100 ms after the begin of the second it was signed in.
        app.clock.set(at * 1000 + 100 - app.clock.now());
        let callback = Maker::new(EXAMPLE, at).plain(&text(ORIGINAL, "once"));
        assert_eq!(app.callback(None, &callback).await.status, StatusCode::OK);
        app.all_delivered().await;
        app.advance(Duration::from_millis(86_400_800)).await;
        let body = if forged { text(ORIGINAL, "forged").into_bytes() } else { callback.body.clone() };
        let again = Callback { body, ..callback.clone() };
        assert_eq!(slowly(&app, &again, Duration::from_millis(late)).await, StatusCode::FORBIDDEN);
        assert_eq!((app.events().await.len(), backend.count()), (1, 1), "{forged} {late}");
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_minutes_forgets_nothing() {
    const YEAR: i64 = 365 * 86_400_000;
    let (app, backend) = with_backend("").await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text(ORIGINAL, "once"));
    assert_eq!(app.callback(None, &callback).await.status, StatusCode::OK);
    app.all_delivered().await;
    app.clock.set(YEAR);
    for _ in 0..4 {
        app.advance(Duration::from_secs(61)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.clock.set(-YEAR);
    assert_eq!(app.callback(None, &callback).await.status, StatusCode::OK);
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (1, 1));
}
