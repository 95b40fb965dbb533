//! The passive reply: a backend's answer on its way back to WeChat.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wechat::message::Message;

use crate::app::{EXAMPLE, MINI, OFFICIAL, TestApp};
use crate::backend::{Backend, says};
use crate::signed::{AES_KEY, Maker, text};

const REPLY: &str = "<xml><ToUserName><![CDATA[o1]]></ToUserName><FromUserName><![CDATA[gh_0000000000c3]]></FromUserName>\
    <CreateTime>1409735669</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[hello]]></Content></xml>";

async fn replying(more: &str) -> (TestApp, Backend) {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"reply\"\ntarget = \"{}\"\nreply = true\n{more}",
        backend.url
    ))
    .await;
    (app, backend)
}

/// What the sandbox's user sees of a text to `appid`.
async fn said(app: &TestApp, appid: &str, content: &str) -> Value {
    let openid = app.user(appid).await;
    let said = app.control("message", json!({"appid": appid, "openid": openid, "text": content})).await;
    let attempts = said["pushes"][0]["attempts"].as_array().unwrap().clone();
    assert_eq!(attempts.len(), 1, "{said}");
    attempts[0].clone()
}

#[tokio::test]
async fn wechat_reads_the_reply_in_every_mode() {
    let (app, backend) = replying("").await;
    backend.does(|got| {
        let message = got.message();
        let content = format!("you said {}", message.content());
        says(
            200,
            json!({"MsgType": "text", "Content": content, "ToUserName": message.from_user(),
            "FromUserName": message.to_user(), "CreateTime": 1})
            .to_string(),
        )
    });
    for (appid, mode, format) in [
        (EXAMPLE, "plain", "xml"),
        (OFFICIAL, "compat", "xml"),
        (OFFICIAL, "safe", "xml"),
        (MINI, "safe", "json"),
        (MINI, "compat", "json"),
    ] {
        app.subscribe(appid, mode, format).await;
        let attempt = said(&app, appid, &format!("{mode} {format}")).await;
        assert_eq!(attempt["error"], Value::Null, "{mode} {format}: {attempt}");
        let reply = Message::parse(attempt["reply"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(reply.content(), format!("you said {mode} {format}"));
        assert_eq!(
            attempt["body"].as_str().unwrap().contains("Encrypt"),
            mode != "plain",
            "as the message was"
        );
    }
}

#[tokio::test]
async fn what_is_a_reply_and_what_is_success() {
    let (app, backend) = replying("").await;
    let cases: &[(u16, &str, Option<&str>)] = &[
        (200, REPLY, Some("hello")),
        (200, r#"{"MsgType":"text","Content":"from json"}"#, Some("from json")),
        (201, r#"{"MsgType":"text","Content":"also 201"}"#, Some("also 201")),
        // As a map with sorted names is written.
        (200, r#"{"Content":"sorted","MsgType":"text"}"#, Some("sorted")),
        (200, "<xml><Content>last</Content><MsgType>text</MsgType></xml>", Some("last")),
        (200, "success", None),
        (200, "", None),
        (204, "", None),
        (200, r#"{"ok":true}"#, None),
        (200, "OK", None),
        (200, "[]", None),
        (200, "<html><body>hi</body></html>", None),
        (200, "<xml><Content>no type</Content></xml>", None),
        (200, "<!DOCTYPE a><xml><MsgType>text</MsgType></xml>", None),
        (500, REPLY, None),
        (302, REPLY, None),
    ];
    for (index, (status, body, expected)) in cases.iter().enumerate() {
        backend.does(|_| says(*status, *body));
        let message = text("gh_0000000000c3", &format!("case {index}"));
        let reply = app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
        assert_eq!(reply.status.as_u16(), 200, "{body}");
        match expected {
            None => assert_eq!(&reply.body[..], b"success", "{status} {body}"),
            Some(content) => {
                let reply = Message::parse(&reply.body).unwrap();
                assert_eq!(reply.content(), *content);
                // What a lazy backend left out is there all the same.
                assert_eq!((&*reply.to_user(), &*reply.from_user()), ("o1", "gh_0000000000c3"));
                assert!(reply.create_time() > 0);
            }
        }
    }
    let delivered = app.deliveries("status=delivered").await;
    assert_eq!(delivered.len(), cases.len() - 2, "2xx is delivered, whatever it says");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_within_the_wait_is_used_and_a_late_one_counts_as_delivered() {
    let (app, backend) = replying("").await;
    backend.does(|got| {
        let wait = if got.message().content() == "four" { 4 } else { 6 };
        says(200, REPLY).after(Duration::from_secs(wait))
    });
    let send = async |content: &str| {
        let began = Instant::now();
        let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", content));
        let reply = app.callback(None, &callback).await;
        (reply.body, began.elapsed())
    };
    let ((four, _), (six, waited)) = tokio::join!(send("four"), send("six"));
    assert!(four.starts_with(b"<xml>"), "{four:?}");
    assert_eq!(&six[..], b"success");
    assert!(waited < Duration::from_secs(5), "WeChat's own limit: {waited:?}");
    assert_eq!(app.deliveries("status=pending").await.len(), 1, "still with its backend");
    app.all_delivered().await;
    let delivered = app.deliveries("status=delivered").await;
    let attempts: Vec<_> = delivered.iter().map(|d| d["attempts"].as_array().unwrap().len()).collect();
    assert_eq!((attempts, backend.count()), (vec![1, 1], 2), "the late one was not cut and not sent again");
}

#[tokio::test]
async fn reply_wait_is_at_most_what_wechat_is_kept_waiting() {
    let (app, backend) = replying("reply_wait = \"200ms\"\n").await;
    backend.does(|_| says(200, REPLY).after(Duration::from_millis(1500)));
    let began = Instant::now();
    let reply =
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await;
    assert_eq!(&reply.body[..], b"success");
    assert!(began.elapsed() < Duration::from_millis(1400));
    app.all_delivered().await;
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn a_backend_that_fails_gets_it_again_from_the_queue() {
    let (app, backend) = replying("").await;
    backend
        .does(|got| if got.header("x-wxgate-attempt") == "1" { says(500, "no") } else { says(200, REPLY) });
    let reply =
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await;
    assert_eq!(&reply.body[..], b"success");
    app.until("the attempt is recorded", async || {
        app.deliveries("").await[0]["attempts"].as_array().unwrap().len() == 1
    })
    .await;
    app.advance(Duration::from_secs(7)).await;
    app.all_delivered().await;
    assert_eq!(backend.count(), 2);
    // Whoever sends it again gets what the first got.
    let again =
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await;
    assert_eq!(&again.body[..], b"success");
}

#[tokio::test]
async fn an_encrypted_route_answers_encrypted_by_its_own_key() {
    let own = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR";
    let (app, backend) = replying(&format!("token = \"own\"\naes_key = \"{own}\"\n")).await;
    let answer = |key: &'static str, token: &'static str, appid: &'static str| {
        let key = wechat::crypt::AesKey::parse(key).unwrap();
        let keys = wechat::envelope::Keys { appid, token, key: Some(&key) };
        // A numeric nonce, and a timestamp in milliseconds: some SDKs write it so.
        let stamp = wechat::envelope::Stamp { timestamp: 1_714_112_445_000, nonce: "77", random: [7; 16] };
        let sealed =
            wechat::envelope::seal_reply(&keys, wechat::message::Format::Xml, REPLY.as_bytes(), &stamp);
        says(200, String::from_utf8(sealed).unwrap())
    };
    let cases = [
        (own, "own", EXAMPLE, true),
        (AES_KEY, "own", EXAMPLE, false),
        (own, "other", EXAMPLE, false),
        (own, "own", OFFICIAL, false),
    ];
    for (index, (key, token, appid, good)) in cases.into_iter().enumerate() {
        backend.does(move |_| answer(key, token, appid));
        let message = text("gh_0000000000c3", &format!("{index}"));
        let reply = app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
        assert_eq!(reply.body == REPLY, good, "{index}: {:?}", reply.body);
        assert!(good || reply.body == "success");
        let sealed = backend.got().pop().unwrap();
        assert!(sealed.message().content().is_empty() && sealed.query.contains("msg_signature="));
    }
}

#[tokio::test]
async fn of_several_the_first_replies_and_the_others_get_it_too() {
    let first = Backend::start().await;
    let second = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"a\"\ntarget = \"{}\"\nevents = [\"event:*\"]\nreply = true\n\
         [[routes]]\nname = \"b\"\ntarget = \"{}\"\nreply = true\n[[routes]]\nname = \"c\"\ntarget = \"{}\"\nreply = true",
        first.url, first.url, second.url
    ))
    .await;
    first.does(|_| says(200, REPLY));
    second.does(|_| says(200, REPLY.replace("hello", "second")));
    let reply =
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"))).await;
    assert_eq!(Message::parse(&reply.body).unwrap().content(), "hello");
    app.all_delivered().await;
    assert_eq!((first.count(), second.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reply_backend_delays_nobody_else() {
    let slow = Backend::start().await;
    let quick = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"slow\"\napps = [\"{OFFICIAL}\"]\ntarget = \"{}\"\nreply = true\n\
         [[routes]]\nname = \"quick\"\napps = [\"{EXAMPLE}\"]\ntarget = \"{}\"\nreply = true",
        slow.url, quick.url
    ))
    .await;
    slow.does(|_| says(200, REPLY).after(Duration::from_secs(30)));
    quick.does(|_| says(200, REPLY));
    let stuck = (0..40).map(|n| {
        let callback = Maker::new(OFFICIAL, app.now()).safe(&text("gh_0000000000a1", &format!("slow {n}")));
        let app = &app;
        async move { app.callback(None, &callback).await.body }
    });
    let others = async {
        for n in 0..20 {
            let message = text("gh_0000000000c3", &format!("quick {n}"));
            let reply = app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await;
            assert_eq!(reply.body, REPLY);
        }
        Instant::now()
    };
    let (stuck, others_done) = tokio::join!(futures_util::future::join_all(stuck), others);
    assert!(stuck.iter().all(|body| body == "success"));
    assert!(others_done < Instant::now(), "the others were through first");
    assert!(slow.count() <= 8, "no more than `concurrency` at once");
    assert_eq!(app.events().await.len(), 60);
}

#[tokio::test]
async fn what_stands_before_a_reply_is_dropped_and_a_compressed_one_is_read() {
    let (app, backend) = replying("").await;
    let answer = async |content: &str| {
        let message = text("gh_0000000000c3", content);
        app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&message)).await.body
    };
    let before = format!("\u{feff}\u{feff}\n\u{feff}\n<?xml version=\"1.0\"?>\n{REPLY}\n");
    backend.does(move |_| says(200, before.clone()));
    let plain = answer("a byte order mark").await;
    assert!(plain.starts_with(b"<"), "{plain:?}");
    assert_eq!(Message::parse(&plain).unwrap().content(), "hello");

    let zip = |text: &str| {
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(text.as_bytes()).unwrap();
        zip.finish().unwrap()
    };
    let deflate = |text: &str| {
        let mut zip = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(text.as_bytes()).unwrap();
        zip.finish().unwrap()
    };
    let zipped = zip(REPLY);
    backend.does(move |got| {
        assert_eq!(got.header("accept-encoding"), "identity");
        says(200, zipped.clone()).header("content-encoding", "gzip")
    });
    assert_eq!(Message::parse(&answer("gzip").await).unwrap().content(), "hello");
    let (gzip, zlib) = (zip(REPLY), deflate(REPLY));
    for (coding, body) in [("x-gzip", gzip.clone()), (" GZip ", gzip), ("deflate", zlib)] {
        backend.does(move |_| says(200, body.clone()).header("content-encoding", coding));
        assert_eq!(Message::parse(&answer(coding).await).unwrap().content(), "hello", "{coding}");
    }
    backend.does(move |_| says(200, REPLY.to_owned()).header("content-encoding", "br"));
    assert_eq!(answer("what nobody reads").await, "success");
    // A bomb is no reply.
    let bomb = zip(&format!("<xml>{}", " ".repeat(8 << 20)));
    backend.does(move |_| says(200, bomb.clone()).header("content-encoding", "gzip"));
    assert_eq!(answer("a bomb").await, "success");
}
