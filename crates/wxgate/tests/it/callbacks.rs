//! WeChat's callbacks: what is taken, what is refused, and that nothing is taken twice.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{EXAMPLE, MINI, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::signed::{AES_KEY, Callback, Maker, TOKEN, nonce, text};

const OTHER_KEY: &str = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";

/// A gateway whose every message goes to the backend.
pub(crate) async fn with_backend(more: &str) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"all\"\ntarget = \"{}/hook\"\n{more}",
        backend.url
    ))
    .await;
    (app, backend)
}

#[track_caller]
fn taken(reply: &Reply) {
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"success"[..]));
}

#[track_caller]
fn refused(reply: &Reply, what: &str) {
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::FORBIDDEN, &b"refused"[..]), "{what}");
    assert_eq!(reply.headers["content-type"], "text/plain");
    assert!(reply.headers["x-request-id"].to_str().unwrap().starts_with("wxmsg_"));
}

#[tokio::test]
async fn a_url_is_verified_by_the_bare_echostr() {
    let app = TestApp::start().await;
    let check =
        async |appid: &str, query: &str| app.get(&format!("/v1/service/wx/wxmsg{appid}?{query}"), &[]).await;
    for path in ["".to_owned(), format!("/{OFFICIAL}"), format!("/{EXAMPLE}")] {
        let reply = check(&path, &Maker::new(OFFICIAL, app.now()).check("4375120948345356249")).await;
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"4375120948345356249"[..]), "{path}");
        assert_eq!(reply.headers["content-type"], "text/plain");
    }
    let good = Maker::new(OFFICIAL, app.now());
    let wrong = [
        ("another token", Maker { token: "other", ..good }.check("1")),
        ("too old", Maker { at: app.now() - 90_000, ..good }.check("1")),
        ("no echostr", good.check("")),
        ("no signature", format!("timestamp={}&nonce=1&echostr=1", app.now())),
        ("nothing", String::new()),
        ("twice", format!("{}&nonce=1", good.check("1"))),
    ];
    for (what, query) in wrong {
        refused(&check("", &query).await, what);
    }
    refused(&check("/wx0000000000000000", &good.check("1")).await, "unknown app");
    assert_eq!(app.events().await.len(), 0);
}

#[tokio::test]
async fn every_mode_and_format_is_one_event_and_one_delivery() {
    let (app, backend) = with_backend("").await;
    let cases = [
        (EXAMPLE, "plain", "xml"),
        (OFFICIAL, "compat", "xml"),
        (OFFICIAL, "safe", "xml"),
        (MINI, "compat", "json"),
        (MINI, "safe", "json"),
        (MINI, "safe", "xml"),
    ];
    for (index, (appid, mode, format)) in cases.into_iter().enumerate() {
        app.subscribe(appid, mode, format).await;
        let openid = app.user(appid).await;
        let said = app.control("message", json!({"appid": appid, "openid": openid, "text": "你好🐠"})).await;
        let attempts = said["pushes"][0]["attempts"].as_array().unwrap();
        assert_eq!((attempts.len(), &attempts[0]["body"]), (1, &json!("success")), "{mode} {format}");
        app.all_delivered().await;
        let event = app.events().await.remove(0);
        assert_eq!((&event["appid"], &event["openid"]), (&json!(appid), &json!(openid)));
        assert_eq!((&event["msg_type"], &event["event"]), (&json!("text"), &json!("")));
        let deliveries = event["deliveries"].as_array().unwrap();
        assert_eq!((deliveries.len(), &deliveries[0]["status"]), (1, &json!("delivered")), "{event}");
        let got = backend.got().pop().unwrap();
        assert_eq!(backend.count(), index + 1, "{mode} {format}");
        assert_eq!(got.path, "/hook");
        assert_eq!(got.message().content(), "你好🐠");
        assert_eq!(got.header("content-type"), if format == "xml" { "text/xml" } else { "application/json" });
        assert_eq!(got.header("x-wxgate-appid"), appid);
        assert_eq!(got.header("x-wxgate-event-id"), event["id"].to_string());
        assert_eq!(got.header("x-wxgate-attempt"), "1");
    }
}

#[tokio::test]
async fn scans_arrive_with_their_scene() {
    let (app, backend) = with_backend("events = [\"SCAN\", \"subscribe\"]\nscenes = [\"login_*\"]\n").await;
    app.subscribe(OFFICIAL, "safe", "xml").await;
    for scene in ["login_1", "other"] {
        let code = app.call("getwxqrcode", json!({"appid": OFFICIAL, "scene": scene})).await.ok();
        for _ in 0..2 {
            let openid = app.user(OFFICIAL).await;
            app.control("scan", json!({"ticket": code["ticket"], "openid": openid})).await;
        }
    }
    app.all_delivered().await;
    let scenes: Vec<String> = backend.got().iter().map(|got| got.message().scene().into_owned()).collect();
    assert_eq!(scenes, ["login_1", "login_1"], "the other scene is kept, but routed nowhere");
    assert_eq!(app.events().await.len(), 4);
}

#[tokio::test]
async fn the_same_message_three_times_is_one_event_with_one_answer() {
    let (app, backend) = with_backend("reply = true\n").await;
    backend.does(|_| {
        says(200, r#"{"MsgType":"text","Content":"once"}"#).after(std::time::Duration::from_millis(300))
    });
    // At once, each signed anew, as WeChat may.
    let message = text("gh_0000000000c3", "one");
    let again = || Maker::new(EXAMPLE, app.now()).plain(&message);
    let (first, second) = (again(), again());
    let third = first.clone();
    let (a, b, c) =
        tokio::join!(app.callback(None, &first), app.callback(None, &second), app.callback(None, &third));
    assert_eq!((&a.body, &a.body), (&b.body, &c.body));
    assert!(std::str::from_utf8(&a.body).unwrap().contains("once"), "{:?}", a.body);
    // And later, also after a restart.
    let mut app = app;
    app.restart().await;
    let later = app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
    assert_eq!(later.body, a.body);
    // In safe mode, too: the first answer to the letter.
    let sealed = Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", "two"));
    let (a, b) = tokio::join!(app.callback(None, &sealed), app.callback(None, &sealed));
    let c = app.callback(None, &sealed).await;
    assert!(a.body.starts_with(b"<xml><Encrypt>"), "{:?}", a.body);
    assert_eq!((&a.body, &a.body), (&b.body, &c.body));
    assert_eq!((app.events().await.len(), backend.count()), (2, 2));
}

#[tokio::test]
async fn messages_of_one_msgid_are_two_messages() {
    let (app, backend) = with_backend("").await;
    for content in ["one", "two", "three"] {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
        taken(&app.callback(None, &callback).await);
    }
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (3, 3));
}

#[tokio::test]
async fn duplicates_are_known_for_max_age() {
    let (app, backend) = with_backend("[callback]\nmax_age = \"1h\"\n").await;
    let again = async || {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "same"));
        taken(&app.callback(None, &callback).await);
    };
    again().await;
    app.all_delivered().await;
    app.advance(std::time::Duration::from_secs(3590)).await;
    again().await;
    app.all_delivered().await;
    assert_eq!(backend.count(), 1);
    app.advance(std::time::Duration::from_secs(3660)).await;
    again().await;
    app.until("it comes again", async || backend.count() == 2).await;
    assert_eq!(app.events().await.len(), 2);
}

#[tokio::test]
async fn max_age_zero_takes_any_age() {
    let (app, _) = with_backend("[callback]\nmax_age = \"0\"\n").await;
    let old = Maker { at: 1_409_735_669, ..Maker::new(EXAMPLE, 0) };
    taken(&app.callback(None, &old.plain(&text("gh_0000000000c3", "old"))).await);
    let reply = app.get(&format!("/v1/service/wx/wxmsg?{}", old.check("77")), &[]).await;
    assert_eq!(&reply.body[..], b"77");
}

/// Everything an attacker, a broken proxy or a wrong setting may send.
fn broken(now: i64) -> Vec<(&'static str, Option<&'static str>, Callback)> {
    let official = Maker::new(OFFICIAL, now);
    let example = Maker::new(EXAMPLE, now);
    let (sealed_text, plain_text) = (text("gh_0000000000a1", "x"), text("gh_0000000000c3", "x"));
    let safe = official.safe(&sealed_text);
    let plain = example.plain(&plain_text);
    let query = |callback: &Callback, from: &str, to: &str| {
        let query = callback.query.replacen(from, to, 1);
        assert_ne!(query, callback.query, "{from}");
        Callback { query, ..callback.clone() }
    };
    let body = |callback: &Callback, body: &[u8]| Callback { body: body.to_vec(), ..callback.clone() };
    let message = |xml: &str| example.plain(xml);
    let flipped = {
        let mut sealed = safe.clone();
        let place = sealed.body.len() / 2;
        sealed.body[place] = if sealed.body[place] == b'A' { b'B' } else { b'A' };
        sealed
    };
    let swapped = query(&query(&safe, "msg_signature=", "x="), "signature=", "msg_signature=");
    let deep = format!("<xml>{}{}<MsgType>text</MsgType></xml>", "<a>".repeat(40), "</a>".repeat(40));
    let mut broken = vec![
        ("plain: signed with another token", None, Maker { token: "other", ..example }.plain(&plain_text)),
        ("plain: no signature", None, query(&plain, "signature=", "x=")),
        (
            "plain: signature in capitals",
            None,
            Callback { query: plain.query.to_uppercase(), ..plain.clone() },
        ),
        (
            "plain: empty signature",
            None,
            Callback { query: format!("signature=&timestamp={now}&nonce=1"), ..plain.clone() },
        ),
        ("plain: another nonce", None, query(&plain, "nonce=", "nonce=1")),
        ("plain: another timestamp", None, query(&plain, "timestamp=", "timestamp=0")),
        ("plain: no query at all", None, Callback { query: String::new(), ..plain.clone() }),
        (
            "plain: the nonce twice",
            None,
            Callback { query: format!("{}&nonce=1", plain.query), ..plain.clone() },
        ),
        (
            "plain: the nonce twice, spelt another way",
            None,
            Callback { query: format!("{}&%6eonce=1", plain.query), ..plain.clone() },
        ),
        ("plain: a timestamp of letters", None, query(&plain, &now.to_string(), "now")),
        ("plain: a negative timestamp", None, query(&plain, &now.to_string(), &format!("-{now}"))),
        ("plain: a timestamp beyond 63 bits", None, query(&plain, &now.to_string(), "9223372036854775808")),
        ("plain: older than max_age", None, Maker { at: now - 86_500, ..example }.plain(&plain_text)),
        ("plain: from the future", None, Maker { at: now + 86_500, ..example }.plain(&plain_text)),
        ("plain: to an account with a key", Some(OFFICIAL), official.plain(&sealed_text)),
        ("plain: to an account with a key, by its original id", None, official.plain(&sealed_text)),
        ("plain: in the path of another account", Some(MINI), example.plain(&plain_text)),
        ("plain: in the path of an unknown account", Some("wx0000000000000000"), example.plain(&plain_text)),
        ("a path that climbs", Some("..%2f"), plain.clone()),
        ("empty body", None, body(&plain, b"")),
        ("neither XML nor JSON", None, body(&plain, b"hello")),
        ("not UTF-8", None, body(&plain, b"<xml><MsgType>\xff\xfe</MsgType></xml>")),
        ("GBK", None, body(&plain, b"<xml><Content>\xc4\xe3\xba\xc3</Content></xml>")),
        ("UTF-16", None, body(&plain, b"\xff\xfe<\0x\0m\0l\0>\0")),
        ("NUL", None, body(&plain, b"<xml><MsgType>a\0b</MsgType></xml>")),
        ("cut XML", None, body(&plain, &plain.body[..plain.body.len() / 2])),
        ("another root", None, message("<foo><MsgType>text</MsgType></foo>")),
        ("two roots", None, message("<xml></xml><xml></xml>")),
        (
            "a document type",
            None,
            message(
                "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><xml><Content>&a;</Content></xml>",
            ),
        ),
        ("an unknown entity", None, message("<xml><Content>&a;</Content></xml>")),
        ("nested too deeply", None, message(&deep)),
        ("cut JSON", None, message("{\"MsgType\":\"text\"")),
        ("a JSON list", None, message("[{\"MsgType\":\"text\"}]")),
        ("safe: another token", None, Maker { token: "other", ..official }.safe(&sealed_text)),
        ("safe: another key", None, Maker { aes_key: OTHER_KEY, ..official }.safe(&sealed_text)),
        (
            "safe: sealed for another account",
            Some(OFFICIAL),
            Maker { appid: MINI, ..official }.safe(&sealed_text),
        ),
        (
            "safe: sealed for an unknown account",
            None,
            Maker { appid: "wx0000000000000000", ..official }.safe(&sealed_text),
        ),
        ("safe: no msg_signature", None, query(&safe, "msg_signature=", "x=")),
        ("safe: the two signatures swapped", None, swapped),
        ("safe: the plain signature instead", None, query(&safe, "&msg_signature=", "&x=")),
        ("safe: one character changed", None, flipped),
        ("safe: cut", None, body(&safe, &safe.body[..safe.body.len() - 40])),
        ("safe: older than max_age", None, Maker { at: now - 86_500, ..official }.safe(&sealed_text)),
        (
            "safe: what is sealed is no message",
            None,
            Maker::new(OFFICIAL, now)
                .safe("<xml><ToUserName>gh_0000000000a1</ToUserName></xml>")
                .tap(|callback| callback.body.truncate(60)),
        ),
        (
            "safe: to an account without a key",
            Some(EXAMPLE),
            Maker { appid: EXAMPLE, ..official }.safe(&plain_text),
        ),
        (
            "compat: the envelope is for another key",
            None,
            Maker { aes_key: OTHER_KEY, ..official }.compat(&sealed_text),
        ),
        ("compat: without its envelope", None, body(&official.compat(&sealed_text), sealed_text.as_bytes())),
    ];
    // The vectors WeChat publishes are signed right, with other secrets and long ago.
    let published = "signature=899cf89e464efb63f54ddac96b0a0a235f53aa78&timestamp=1714037059&nonce=486452656";
    broken.push((
        "a published vector",
        None,
        Callback { query: published.to_owned(), body: plain_text.into_bytes() },
    ));
    broken
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Callback {}

#[tokio::test]
async fn broken_and_forged_input_is_refused_alike_and_leaves_nothing() {
    let (app, backend) = with_backend("reply = true\n").await;
    let broken = broken(app.now());
    assert!(broken.len() >= 45);
    for (what, appid, callback) in &broken {
        refused(&app.callback(*appid, callback).await, what);
    }
    let long = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", &"x".repeat(1 << 20)));
    let reply = app.callback(None, &long).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::PAYLOAD_TOO_LARGE, &b"too large"[..]));
    for method in [Method::PUT, Method::DELETE, Method::HEAD, Method::PATCH] {
        let url = format!("{}/v1/service/wx/wxmsg", app.url());
        let reply = app.http.send(method, &url, &[], "").await.unwrap();
        assert_eq!(
            (reply.status, &reply.headers["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, POST".parse().unwrap())
        );
    }
    assert_eq!((app.events().await.len(), backend.count()), (0, 0));
    // None of it spoilt anything for what is right.
    taken(
        &app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "right"))).await,
    );
    taken(
        &app.callback(None, &Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", "right"))).await,
    );
    taken(
        &app.callback(
            Some(OFFICIAL),
            &Maker::new(OFFICIAL, app.now()).compat(&text("gh_0000000000a1", "too")),
        )
        .await,
    );
    assert_eq!(app.events().await.len(), 3);
}

#[tokio::test]
async fn an_exact_replay_stores_nothing_and_gets_the_first_answer() {
    let (app, backend) = with_backend("").await;
    for callback in [
        Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a")),
        Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", "a")),
    ] {
        for _ in 0..3 {
            taken(&app.callback(None, &callback).await);
        }
    }
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (2, 2));
}

#[tokio::test]
async fn a_plain_signature_is_good_for_one_body_only() {
    let (mut app, backend) = with_backend("").await;
    let maker = Maker::new(EXAMPLE, app.now());
    let first = maker.plain(&text("gh_0000000000c3", "true"));
    taken(&app.callback(None, &first).await);
    let forged = Callback { body: text("gh_0000000000c3", "forged").into_bytes(), ..first.clone() };
    refused(&app.callback(None, &forged).await, "a captured signature on another body");
    // A retry is signed anew: that signature is used up, too.
    let retry = maker.plain(&text("gh_0000000000c3", "true"));
    taken(&app.callback(None, &retry).await);
    refused(
        &app.callback(None, &Callback { body: forged.body.clone(), ..retry }).await,
        "a retry's signature",
    );
    // So is the one of a check by GET.
    let check = maker.check("1");
    assert_eq!(app.get(&format!("/v1/service/wx/wxmsg?{check}"), &[]).await.status, StatusCode::OK);
    let checked = Callback { query: check.clone(), ..forged.clone() };
    refused(&app.callback(None, &checked).await, "the signature of a check");
    assert_eq!(
        app.get(&format!("/v1/service/wx/wxmsg?{check}"), &[]).await.status,
        StatusCode::OK,
        "asked again"
    );
    app.restart().await;
    refused(&app.callback(None, &forged).await, "after a restart");
    refused(&app.callback(None, &checked).await, "after a restart");
    assert_eq!((app.events().await.len(), backend.count()), (1, 1));
}

#[tokio::test]
async fn what_wxgate_signed_itself_is_no_callback() {
    let backend = Backend::start().await;
    let route = |name: &str, more: &str| {
        format!("[[routes]]\nname = \"{name}\"\ntarget = \"{}/{name}\"\n{more}\n", backend.url)
    };
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n{}{}",
        route("plain", "reply = true"),
        route("sealed", "aes_key = \"app\"")
    ))
    .await;
    backend.does(|_| says(200, r#"{"MsgType":"text","Content":"hi"}"#));
    let answer =
        app.callback(None, &Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", "a"))).await;
    app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await;
    app.all_delivered().await;
    let got = backend.got();
    assert_eq!(got.len(), 4);
    for got in &got {
        let forged = text("gh_0000000000c3", "forged").into_bytes();
        for body in [got.body.to_vec(), forged] {
            for appid in [None, Some(OFFICIAL), Some(EXAMPLE)] {
                let callback = Callback { query: got.query.clone(), body: body.clone() };
                refused(&app.callback(appid, &callback).await, "a delivery of our own");
            }
        }
        let check = format!("/v1/service/wx/wxmsg?{}&echostr=1", got.query);
        refused(&app.get(&check, &[]).await, "a delivery of our own, as a check");
    }
    // Nor is the passive reply, which is signed and encrypted with the account's own secrets.
    let reply = wechat::message::Message::parse(&answer.body).unwrap();
    let query = format!(
        "msg_signature={}&timestamp={}&nonce={}&signature=x&encrypt_type=aes",
        reply.text("MsgSignature"),
        reply.text("TimeStamp"),
        reply.text("Nonce")
    );
    refused(
        &app.callback(Some(OFFICIAL), &Callback { query, body: answer.body.to_vec() }).await,
        "a reply of our own",
    );
    // Digits may move between timestamp and nonce without changing what was signed.
    let own = got.iter().find(|got| got.header("x-wxgate-appid") == EXAMPLE).unwrap();
    let at = app.now().to_string();
    let (head, tail) = at.split_at(at.len() - 3);
    let shifted = own.query.replace(&format!("timestamp={at}"), &format!("timestamp={head}"));
    let shifted = shifted.replace("nonce=", &format!("nonce={tail}"));
    let callback = Callback { query: shifted, body: text("gh_0000000000c3", "forged").into_bytes() };
    refused(&app.callback(Some(EXAMPLE), &callback).await, "shifted");
    assert_eq!(app.events().await.len(), 2);
}

#[tokio::test]
async fn tokens_and_keys_roll_over() {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"all\"\ntarget = \"{}\"\n\
         [[apps]]\nappid = \"wx00000000000000d4\"\nkind = \"official\"\nsecret = \"s\"\noriginal_id = \"gh_d4\"\n\
         callback_token = \"new\"\nprevious_callback_token = \"old\"\naes_key = \"{AES_KEY}\"\n\
         previous_aes_key = \"{OTHER_KEY}\"\nallow_plain = true",
        backend.url
    ))
    .await;
    let mut sent = 0;
    for token in ["new", "old"] {
        let maker = Maker { token, ..Maker::new("wx00000000000000d4", app.now()) };
        let message = |what: &str| text("gh_d4", &format!("{token} {what}"));
        for callback in [
            maker.safe(&message("safe")),
            Maker { aes_key: OTHER_KEY, ..maker }.safe(&message("safe, old key")),
            maker.compat(&message("compat")),
            maker.plain(&message("plain")),
        ] {
            taken(&app.callback(None, &callback).await);
            sent += 1;
        }
        assert_eq!(app.get(&format!("/v1/service/wx/wxmsg?{}", maker.check("5")), &[]).await.body, "5");
    }
    // allow_plain opens no way around the envelope.
    let maker = Maker { token: "new", ..Maker::new("wx00000000000000d4", app.now()) };
    let mixed = Maker { aes_key: &"B".repeat(43), ..maker }.compat(&text("gh_d4", "mixed"));
    refused(&app.callback(None, &mixed).await, "an envelope that doesn't open, beside the message in clear");
    refused(
        &app.callback(None, &Maker { token: "older", ..maker }.plain(&text("gh_d4", "x"))).await,
        "older",
    );
    app.all_delivered().await;
    assert_eq!((app.events().await.len(), backend.count()), (sent, sent));
}

#[tokio::test]
async fn the_app_is_found_by_path_by_original_id_or_by_what_fits() {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"all\"\ntarget = \"{}/{{appid}}?own=1\"\n\
         [[apps]]\nappid = \"wx00000000000000d4\"\nkind = \"official\"\nsecret = \"s\"\ncallback_token = \"t4\"\n\
         [[apps]]\nappid = \"wx00000000000000e5\"\nkind = \"official\"\nsecret = \"s\"\n\
         [[apps]]\nappid = \"wx0000000000000a77\"\nkind = \"official\"\nsecret = \"s\"\ncallback_token = \"t7\"\n\
         [[apps]]\nappid = \"wx0000000000000b77\"\nkind = \"official\"\nsecret = \"s\"\ncallback_token = \"t7\"\n\
         [[apps]]\nappid = \"wx00000000000000f6\"\nkind = \"open\"\nsecret = \"s\"\ncallback_token = \"t6\"",
        backend.url
    ))
    .await;
    let fourth = Maker { token: "t4", ..Maker::new("wx00000000000000d4", app.now()) };
    taken(&app.callback(None, &fourth.plain(&text("gh_unknown", "by what fits"))).await);
    taken(&app.callback(Some("wx00000000000000d4"), &fourth.plain(&text("gh_other", "by path"))).await);
    taken(
        &app.callback(None, &Maker::new(MINI, app.now()).safe(&text("gh_0000000000b2", "by original id")))
            .await,
    );
    taken(
        &app.callback(None, &Maker::new(MINI, app.now()).safe(&text("gh_unknown", "by the id inside"))).await,
    );
    refused(&app.callback(None, &fourth.plain(&text("gh_0000000000c3", "x"))).await, "another's original id");
    let shared = Maker { token: "t7", ..fourth };
    refused(&app.callback(None, &shared.plain(&text("gh_unknown", "x"))).await, "fits several accounts");
    let no_token = Maker { token: "", ..Maker::new("wx00000000000000e5", app.now()) };
    refused(
        &app.callback(Some("wx00000000000000e5"), &no_token.plain(&text("gh", "x"))).await,
        "no callback_token",
    );
    let open = Maker { token: "t6", ..Maker::new("wx00000000000000f6", app.now()) };
    refused(&app.callback(Some("wx00000000000000f6"), &open.plain(&text("gh", "x"))).await, "kind open");
    app.all_delivered().await;
    let mut paths: Vec<String> = backend.got().iter().map(|got| got.path.clone()).collect();
    paths.sort();
    let (mini, fourth) = (format!("/{MINI}"), "/wx00000000000000d4".to_owned());
    assert_eq!(paths, [mini.as_str(), &mini, &fourth, &fourth]);
    assert!(backend.got().iter().all(|got| got.query.starts_with("own=1&signature=")), "its own query stays");
}

#[tokio::test]
async fn messages_without_a_route_are_kept_all_the_same() {
    let app = TestApp::start().await;
    taken(&app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await);
    let events = app.events().await;
    assert_eq!((events.len(), &events[0]["deliveries"]), (1, &json!([])));
}

#[tokio::test]
async fn the_public_port_has_callbacks_and_verify_files_only() {
    let mut app = TestApp::configured(
        "[auth]\nmode = \"off\"\n[server.verify_files]\n\"MP_verify_8rTLYcFQ2vRmVUOt.txt\" = \"8rTLYcFQ2vRmVUOt\"\n",
    )
    .await;
    let text_with_port =
        app.text().replace("shutdown_grace", "public_listen = \"127.0.0.1:0\"\nshutdown_grace");
    app.restart_with(&text_with_port).await;
    let public = format!("http://{}", app.gateway().public_address().unwrap());
    let http = app.http.clone();
    let get = async |base: &str, path: &str| {
        http.send(Method::GET, &format!("{base}{path}"), &[], "").await.unwrap()
    };
    for base in [&public, &app.url()] {
        let file = get(base, "/MP_verify_8rTLYcFQ2vRmVUOt.txt").await;
        assert_eq!((file.status, &file.body[..]), (StatusCode::OK, &b"8rTLYcFQ2vRmVUOt"[..]));
        assert_ne!(get(base, "/MP_verify_other.txt").await.body, "8rTLYcFQ2vRmVUOt");
        let check = Maker::new(EXAMPLE, app.now()).check("9");
        assert_eq!(get(base, &format!("/v1/service/wx/wxmsg?{check}")).await.body, "9");
    }
    for path in ["/", "/v1/service/wx/openapi.json", "/metrics", "/api/v1/events", "/cgi-bin/token"] {
        assert_eq!(get(&public, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let url = format!("{public}/v1/service/wx/getwxqrcode");
    let body = json!({"source": "t", "appid": OFFICIAL}).to_string();
    assert_eq!(app.http.send(Method::POST, &url, &[], body).await.unwrap().status, StatusCode::NOT_FOUND);
    // Files come and go with a reload.
    let config = app.config(&text_with_port.replace("8rTLYcFQ2vRmVUOt", "other")).unwrap();
    assert_eq!(app.gateway().reload(config).unwrap(), Vec::<&str>::new());
    assert_eq!(get(&public, "/MP_verify_other.txt").await.body, "other");
}

#[tokio::test]
async fn a_message_is_the_same_however_wide_its_query() {
    // `openid` in the query is nobody's business but WeChat's: the message decides.
    let (app, _) = with_backend("").await;
    let maker = Maker::new(EXAMPLE, app.now());
    let message = text("gh_0000000000c3", "a");
    let first = maker.plain_with(&nonce(), &message);
    taken(&app.callback(None, &first).await);
    let other = Callback { query: first.query.replace("openid=o1", "openid=o2&from=x"), ..first };
    taken(&app.callback(None, &other).await);
    let events = app.events().await;
    assert_eq!((events.len(), &events[0]["openid"]), (1, &json!("o1")));
}

#[tokio::test]
async fn the_signature_beside_an_encrypted_message_is_good_for_no_plain_one() {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"all\"\ntarget = \"{}\"\n\
         [[apps]]\nappid = \"wx00000000000000d4\"\nkind = \"official\"\nsecret = \"s\"\noriginal_id = \"gh_d4\"\n\
         callback_token = \"{TOKEN}\"\naes_key = \"{AES_KEY}\"\nallow_plain = true",
        backend.url
    ))
    .await;
    let sealed = Maker::new("wx00000000000000d4", app.now()).safe(&text("gh_d4", "true"));
    taken(&app.callback(None, &sealed).await);
    let query = sealed.query.split("&encrypt_type").next().unwrap().to_owned();
    for (to, appid) in [("gh_d4", Some("wx00000000000000d4")), ("gh_0000000000c3", Some(EXAMPLE))] {
        let forged = Callback { query: query.clone(), body: text(to, "forged").into_bytes() };
        refused(&app.callback(appid, &forged).await, to);
    }
    // The same push again is the same push.
    taken(&app.callback(None, &sealed).await);
    app.all_delivered().await;
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn a_timestamp_and_a_nonce_that_changed_places_make_no_new_time() {
    let (app, backend) = with_backend("[callback]\nmax_age = \"60s\"\n").await;
    let later = app.now() + 1200;
    let body = text("gh_0000000000a1", "old").replace("1409735668", &app.now().to_string());
    let key = wechat::crypt::AesKey::parse(AES_KEY).unwrap();
    let keys = wechat::envelope::Keys { appid: OFFICIAL, token: TOKEN, key: Some(&key) };
    let stamp = wechat::envelope::Stamp { timestamp: app.now(), nonce: &later.to_string(), random: [1; 16] };
    let push = wechat::envelope::push(&keys, body.as_bytes(), &stamp);
    let sealed = Callback { query: push.query.clone(), body: push.body };
    let plain =
        Maker::new(EXAMPLE, app.now()).plain_with(&(later + 1).to_string(), &text("gh_0000000000c3", "old"));
    taken(&app.callback(None, &sealed).await);
    taken(&app.callback(None, &plain).await);
    let swap = |callback: &Callback, at: i64, nonce: i64| {
        let query = callback.query.replace(&format!("nonce={nonce}"), "nonce=N");
        let query = query.replace(&format!("timestamp={at}"), &format!("timestamp={nonce}"));
        Callback { query: query.replace("nonce=N", &format!("nonce={at}")), ..callback.clone() }
    };
    let now = app.now();
    app.all_delivered().await;
    app.advance(std::time::Duration::from_secs(1200)).await;
    refused(&app.callback(None, &sealed).await, "too old by itself");
    refused(&app.callback(None, &swap(&sealed, now, later)).await, "swapped, encrypted");
    let forged =
        Callback { body: text("gh_0000000000c3", "new").into_bytes(), ..swap(&plain, now, later + 1) };
    refused(&app.callback(None, &forged).await, "swapped, plain, another body");
    assert_eq!((app.events().await.len(), backend.count()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_leave_wechat_its_room() {
    use tokio::io::AsyncWriteExt as _;
    let (app, _) = with_backend("").await;
    let address = app.url().replace("http://", "");
    let mut strangers = Vec::new();
    for n in 0..100 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /v1/service/wx/wxmsg?signature=x&timestamp={}&nonce={n} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n<xml>",
            app.now()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        strangers.push(stream);
    }
    for n in 0..5 {
        let message = text("gh_0000000000c3", &format!("{n}"));
        taken(&app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await);
    }
    // What isn't signed is short, too.
    let long = Maker { token: "other", ..Maker::new(EXAMPLE, app.now()) }
        .plain(&text("gh_0000000000c3", &"x".repeat(200_000)));
    drop(strangers);
    app.until("room again", async || app.callback(None, &long).await.status == StatusCode::PAYLOAD_TOO_LARGE)
        .await;
}

#[tokio::test]
async fn a_database_that_was_taken_away_takes_no_message() {
    let (app, _) = with_backend("").await;
    let send = async |content: &str| {
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
        app.callback(None, &callback).await.status
    };
    assert_eq!(send("before").await, StatusCode::OK);
    database::take_away(&app).await;
    // It is looked at once a second.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(send("after").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(app.admin("/readyz?for=callbacks").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn user_text_that_leaves_its_field_logs_nobody_in() {
    let (all, logins) = (Backend::start().await, Backend::start().await);
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n\
         [[routes]]\nname = \"scans\"\ntarget = \"{0}/scans\"\nevents = [\"SCAN\", \"event:*\"]\n\
         [[routes]]\nname = \"scenes\"\ntarget = \"{0}/scenes\"\nscenes = [\"login_*\"]\n\
         [[routes]]\nname = \"victims\"\ntarget = \"{0}/victims\"\nopenids = [\"oVICTIM\"]\n\
         [[routes]]\nname = \"texts\"\ntarget = \"{1}/texts\"\nevents = [\"text\"]\n\
         [[routes]]\nname = \"json\"\ntarget = \"{1}/json\"\nformat = \"json\"\n\
         secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n",
        logins.url, all.url
    ))
    .await;
    let content = "hi]]></Content><FromUserName><![CDATA[oVICTIM]]></FromUserName>\
        <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[SCAN]]></Event>\
        <EventKey><![CDATA[login_1]]></EventKey><Content><![CDATA[";
    let sent = text("gh_0000000000a1", content).replace("1409735668", &app.now().to_string());
    taken(&app.callback(None, &Maker::new(OFFICIAL, app.now()).safe(&sent)).await);
    app.all_delivered().await;
    assert_eq!(logins.count(), 0, "nobody's login");
    let got = all.got();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|got| got.header("x-wxgate-suspect") == "1"));
    let raw = got.iter().find(|got| got.path == "/texts").unwrap();
    assert_eq!(raw.body, sent.as_bytes(), "as it came");
    let json: Value =
        serde_json::from_slice(&got.iter().find(|got| got.path == "/json").unwrap().body).unwrap();
    assert_eq!(json["type"], "wechat.message.text");
    for name in ["event", "event_key", "scene", "ticket", "msg_id"] {
        assert_eq!(json["data"][name], "", "{name}");
    }
    let event = app.events().await.remove(0);
    assert_eq!((&event["event"], &event["msg_type"]), (&Value::from(""), &Value::from("text")));
    // A text that only looks so is a text like any other.
    taken(
        &app.callback(None, &Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", "plain"))).await,
    );
    app.all_delivered().await;
    assert_eq!(all.got()[2..].iter().filter(|got| got.header("x-wxgate-suspect").is_empty()).count(), 2);
}

#[tokio::test]
async fn slashes_that_a_proxy_adds_are_folded() {
    let app = TestApp::configured("[auth]\nmode = \"off\"\n").await;
    for path in [
        format!("//v1/service/wx/wxmsg/{OFFICIAL}"),
        format!("/v1//service/wx/wxmsg/{OFFICIAL}/"),
        format!("/v1/service/wx//wxmsg//{OFFICIAL}//"),
    ] {
        let callback = Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", &path));
        let url = format!("{}{path}?{}", app.url(), callback.query);
        taken(&app.http.send(Method::POST, &url, &[], callback.body.clone()).await.unwrap());
        let forged = format!("{}{path}?signature=x&timestamp={}&nonce=n", app.url(), app.now());
        let reply = app.http.send(Method::POST, &forged, &[], callback.body).await.unwrap();
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "never 200: {path}");
    }
    assert_eq!(app.events().await.len(), 3);
    let reply = app.http.send(Method::POST, &format!("{}//v1/service/wx/jssdk", app.url()), &[], "{}").await;
    assert_eq!(reply.unwrap().json()["ret"]["code"], 3_584_002, "the service API's own");
}
