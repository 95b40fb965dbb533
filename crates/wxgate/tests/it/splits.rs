//! One signed text, cut elsewhere: no other time and nonce of the same characters gets anything through.

use std::time::Duration;

use http::StatusCode;
use wechat::crypt;

use crate::app::{EXAMPLE, OFFICIAL, TestApp};
use crate::signed::{Callback, Maker, TOKEN, text};

const DAY: i64 = 86_400;

/// Another cut of the text that `query` is signed over: what it says at `at`.
fn cut(query: &str, at: i64, nonce: &str, body: &str) -> Callback {
    let signature = query.split('&').find(|pair| pair.starts_with("signature=")).unwrap();
    Callback { query: format!("{signature}&timestamp={at}&nonce={nonce}"), body: body.as_bytes().to_vec() }
}

async fn refuses(app: &TestApp, callback: &Callback) {
    let reply = app.callback(Some(EXAMPLE), callback).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::FORBIDDEN, &b"refused"[..]), "{callback:?}");
}

/// A nonce that makes the last ten digits of `at` and it read as `later`.
fn shifted(at: i64, later: i64) -> (String, String) {
    let (at, later) = (at.to_string(), later.to_string());
    assert_eq!(at[9..], later[..1], "the cut needs it");
    (later[1..].to_owned(), at[..9].to_owned())
}

#[tokio::test]
async fn a_later_time_in_the_digits_counts_as_seen() {
    let app = TestApp::start().await;
    // A time that ends in 1, and one that begins with it.
    let at = app.now() / 10 * 10 + 1;
    for (days, body) in [(2, "days"), (300, "months"), (3000, "years")] {
        let later = at + days * DAY + 7;
        let (nonce, rest) = shifted(at, later);
        let genuine =
            Maker { at, ..Maker::new(EXAMPLE, at) }.plain_with(&nonce, &text("gh_0000000000c3", body));
        let parts = [TOKEN, &later.to_string(), &rest];
        if !genuine.query.contains(&format!("signature={}&", crypt::signature(&parts))) {
            continue;
        }
        assert_eq!(app.callback(None, &genuine).await.body, "success", "{body}");
        let ahead = Duration::from_secs((later - app.now()) as u64);
        app.advance(ahead).await;
        refuses(&app, &cut(&genuine.query, later, &rest, &text("gh_0000000000c3", "forged"))).await;
        refuses(&app, &cut(&genuine.query, later, &rest, &text("gh_0000000000c3", body))).await;
        return;
    }
    panic!("no case had another time");
}

#[tokio::test]
async fn the_two_may_change_places_years_later() {
    let app = TestApp::start().await;
    let (at, later) = (app.now(), app.now() + 4000 * DAY);
    let body = text("gh_0000000000c3", "a");
    let genuine = Maker::new(EXAMPLE, at).plain_with(&later.to_string(), &body);
    assert_eq!(app.callback(None, &genuine).await.body, "success");
    // A check of the URL as well.
    let check = Maker::new(EXAMPLE, at).check("1");
    assert_eq!(app.get(&format!("/v1/service/wx/wxmsg?{check}"), &[]).await.body, "1");
    app.advance(Duration::from_secs(4000 * DAY as u64)).await;
    refuses(&app, &cut(&genuine.query, later, &at.to_string(), &body)).await;
    refuses(&app, &cut(&genuine.query, later, &at.to_string(), &text("gh_0000000000c3", "b"))).await;
}

#[tokio::test]
async fn what_is_encrypted_says_when_it_was_made() {
    let app = TestApp::start().await;
    let sealed = |at: i64, made: String| {
        Maker::new(OFFICIAL, at).safe(&text("gh_0000000000a1", &made).replace("1409735668", &made))
    };
    let now = app.now();
    let status = async |callback: Callback| app.callback(Some(OFFICIAL), &callback).await.status;
    for (made, expected) in [
        (now.to_string(), StatusCode::OK),
        ((now - DAY + 60).to_string(), StatusCode::OK),
        ((now + DAY - 60).to_string(), StatusCode::OK),
        ((now - DAY - 60).to_string(), StatusCode::FORBIDDEN),
        ((now + DAY + 60).to_string(), StatusCode::FORBIDDEN),
        ("1409735669".to_owned(), StatusCode::FORBIDDEN),
        // Of another form, or none.
        ("5".to_owned(), StatusCode::OK),
        ("soon".to_owned(), StatusCode::OK),
        (format!("{now}000"), StatusCode::OK),
        (String::new(), StatusCode::OK),
    ] {
        assert_eq!(status(sealed(now, made.clone())).await, expected, "{made}");
    }
    // Signed with both: whoever saw it may say it is of another time, and what says no time of its own is known for ever.
    let timeless = sealed(now, "never".to_owned());
    assert_eq!(status(timeless.clone()).await, StatusCode::OK);
    let events = app.events().await.len();
    app.advance(Duration::from_secs(3000 * DAY as u64)).await;
    assert_eq!(status(timeless).await, StatusCode::FORBIDDEN);
    assert_eq!(app.events().await.len(), events);
}

#[tokio::test]
async fn times_are_ten_digits_and_nonces_short() {
    let app = TestApp::start().await;
    let body = text("gh_0000000000c3", "a");
    let signed = |at: &str, nonce: &str| Callback {
        query: format!("signature={}&timestamp={at}&nonce={nonce}", crypt::signature(&[TOKEN, at, nonce])),
        body: body.clone().into_bytes(),
    };
    let now = app.now();
    for at in
        [format!("0{now}"), format!("{now}0"), format!("0{}", now / 10), now.to_string()[..9].to_owned()]
    {
        refuses(&app, &signed(&at, "n")).await;
    }
    refuses(&app, &signed(&now.to_string(), &"n".repeat(65))).await;
    assert_eq!(app.callback(None, &signed(&now.to_string(), &"n".repeat(64))).await.body, "success");
    app.advance(Duration::from_secs((4_102_444_800 - now) as u64)).await;
    refuses(&app, &signed("4102444800", "n")).await;
}
