//! `GET events`: messages in the order in which they were kept, to whoever may see them, none passed over and none twice; streams
//! that have a name go on where they were; and what their readers answer reaches the user.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;
use wechat::message::Message;
use wxgate::limits::Limits;

use crate::app::{ADMIN_TOKEN, EXAMPLE, OFFICIAL, Reply, TestApp};
use crate::backend::{Backend, says};
use crate::database;
use crate::signed::{Maker, text};

const SHOP: &str = "key_shop_0123456789abcdefghijk";
const DEV: &str = "key_dev__0123456789abcdefghijk";
/// What takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(10);

const CALLERS: &str = "[[callers]]\nname = \"shop\"\nkey = \"key_shop_0123456789abcdefghijk\"\napps = [\"wx3cc8fd6963e31a32\"]\napis = [\"*\"]\n\
    [[callers]]\nname = \"dev\"\nkey = \"key_dev__0123456789abcdefghijk\"\napps = [\"*\"]\napis = [\"*\"]\nmay_reply = true\n\
    [[callers]]\nname = \"small\"\nkey = \"key_small_0123456789abcdefghij\"\napps = [\"*\"]\napis = [\"/v1/service/wx/getwxqrcode\"]\n";

/// Something that a stream said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: Option<i64>,
    pub(crate) event: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Stream {
    body: hyper::body::Incoming,
    buffer: String,
}

impl Stream {
    /// Opens one; the error is the refusal.
    pub(crate) async fn open(
        url: &str,
        key: &str,
        query: &str,
        last: Option<i64>,
    ) -> Result<Self, (StatusCode, Value)> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut request =
            Request::get(format!("{url}/v1/service/wx/events?{query}")).header("x-api-key", key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = client.request(request.body(Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        if head.headers["content-type"] != "text/event-stream" {
            let body = body.collect().await.unwrap().to_bytes();
            return Err((head.status, serde_json::from_slice(&body).unwrap()));
        }
        assert_eq!(head.status, StatusCode::OK);
        assert!(head.headers["cache-control"] == "no-store" && head.headers["x-accel-buffering"] == "no");
        Ok(Self { body, buffer: String::new() })
    }

    /// The next block; `None`: the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let block = block.to_owned();
                self.buffer = rest.to_owned();
                return Some(block);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("something is said")?;
            self.buffer.push_str(std::str::from_utf8(&frame.ok()?.into_data().ok()?).unwrap());
        }
    }

    /// The next event; `None`: the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let block = self.block().await?;
            if block.starts_with(':') {
                continue;
            }
            let mut frame = Frame { id: None, event: String::new(), data: Value::Null };
            for line in block.lines() {
                match line.split_once(": ").unwrap() {
                    ("id", id) => frame.id = Some(id.parse().unwrap()),
                    ("event", event) => frame.event = event.to_owned(),
                    ("data", data) => frame.data = serde_json::from_str(data).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            return Some(frame);
        }
    }

    async fn some(&mut self, count: usize) -> Vec<Frame> {
        let mut found = Vec::new();
        while found.len() < count {
            found.push(self.next().await.expect("more"));
        }
        found
    }

    /// Whether nothing comes for a moment.
    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(400), self.next()).await.is_err()
    }
}

fn ids(frames: &[Frame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.id.expect("a place")).collect()
}

fn said(frame: &Frame) -> &str {
    frame.data["data"]["content"].as_str().unwrap()
}

async fn started() -> TestApp {
    TestApp::configured(CALLERS).await
}

async fn open(app: &TestApp, key: &str, query: &str, last: Option<i64>) -> Stream {
    Stream::open(&app.url(), key, query, last).await.unwrap_or_else(|no| panic!("{no:?}"))
}

/// A text from `openid` to the example's account.
fn text_from(openid: &str, content: &str) -> String {
    text("gh_0000000000c3", content).replace("[o1]", &format!("[{openid}]"))
}

async fn send(app: &TestApp, openid: &str, content: &str) -> Reply {
    app.callback(None, &Maker::new(EXAMPLE, app.now()).plain(&text_from(openid, content))).await
}

async fn send_all(app: &TestApp, names: std::ops::Range<usize>) {
    for n in names {
        assert_eq!(send(app, "o1", &format!("{n}")).await.status, StatusCode::OK);
    }
}

/// The service API's answer to a POST below `events/`.
async fn post(app: &TestApp, key: &str, path: &str, body: &str) -> Reply {
    let url = format!("{}/v1/service/wx/events/{path}", app.url());
    app.http.send(Method::POST, &url, &[("x-api-key", key)], body.to_owned()).await.unwrap()
}

async fn replay(app: &TestApp, id: i64) -> StatusCode {
    let url = format!("{}/api/v1/events/{id}/replay", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    app.http.send(Method::POST, &url, &[("authorization", &bearer)], "{}").await.unwrap().status
}

#[tokio::test]
async fn a_replay_of_many_reaches_a_named_stream_that_was_closed_meanwhile() {
    let backend = Backend::start().await;
    backend.does(|_| says(410, ""));
    let route = format!("[[routes]]\nname = \"r\"\ntarget = \"{}\"\n", backend.url);
    let app = TestApp::configured(&format!("{CALLERS}{route}")).await;
    let mut named = open(&app, DEV, "name=laptop", None).await;
    for n in 0..4 {
        send(&app, "o1", &format!("{n}")).await;
    }
    let first = ids(&named.some(4).await);
    app.until("all are dead", async || app.deliveries("status=dead").await.len() == 4).await;
    drop(named);
    let url = format!("{}/api/v1/replay", app.admin_url());
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let asked = json!({"filter": {"route": "r"}, "rate": 1000}).to_string();
    let reply = app.http.send(Method::POST, &url, &[("authorization", &bearer)], asked).await.unwrap();
    assert_eq!(reply.json()["total"], 4);
    app.until("all went again", async || backend.count() == 8).await;
    let mut named = open(&app, DEV, "name=laptop", None).await;
    let again = named.some(4).await;
    assert!(again.iter().all(|frame| frame.event == "replay" && frame.id.is_none()), "{again:?}");
    let mut events: Vec<i64> =
        again.iter().map(|frame| frame.data["event_id"].as_str().unwrap().parse().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, first);
    assert!(named.is_silent().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_stream_gets_every_message_once_in_order_wherever_it_resumes() {
    let app = started().await;
    let mut whole = open(&app, DEV, "", None).await;
    let mut cut = open(&app, SHOP, "", None).await;
    let load = join_all((0..300).map(|n| {
        let app = &app;
        async move { send(app, &format!("o{}", n % 7), &format!("{n}")).await }
    }));
    let reading = async {
        let first = cut.some(100).await;
        drop(cut);
        let last = first.last().unwrap().id;
        let mut resumed = open(&app, SHOP, "", last).await;
        let rest = resumed.some(200).await;
        assert!(resumed.is_silent().await);
        [ids(&first), ids(&rest)].concat()
    };
    let (sent, all, resumed) = tokio::join!(load, whole.some(300), reading);
    assert!(sent.iter().all(|reply| reply.body == "success"));
    assert!(whole.is_silent().await);
    let all_ids = ids(&all);
    assert!(all_ids.is_sorted() && all_ids.windows(2).all(|two| two[0] < two[1]));
    assert_eq!(resumed, all_ids);
    let mut contents: Vec<usize> = all.iter().map(|frame| said(frame).parse().unwrap()).collect();
    contents.sort_unstable();
    assert_eq!(contents, (0..300).collect::<Vec<_>>());
    let frame = &all[0];
    assert_eq!((&*frame.event, &frame.data["type"]), ("wechat.message.text", &json!("wechat.message.text")));
    assert_eq!(frame.data["event_id"], frame.id.unwrap().to_string());
    assert_eq!(frame.data["data"]["message"]["MsgType"], "text");
    assert_eq!(frame.data["data"]["raw"], Value::Null);
    // From the beginning, by whoever can't set headers.
    let mut again = open(&app, SHOP, &format!("last_event_id={}&raw=1", all_ids[0] - 1), None).await;
    let again = again.some(300).await;
    assert_eq!(ids(&again), all_ids);
    assert!(again[0].data["data"]["raw"].as_str().unwrap().len() > 100);
}

#[tokio::test]
async fn filters_rights_and_refusals() {
    let app = started().await;
    let mut one = open(&app, DEV, "openid=o2", None).await;
    let mut official = open(&app, DEV, &format!("appid={OFFICIAL}"), None).await;
    let mut scans = open(&app, DEV, "event=SCAN,message:image", None).await;
    let mut shop = open(&app, SHOP, "", None).await;
    send(&app, "o1", "first").await;
    send(&app, "o2", "second").await;
    let scan = "<xml><ToUserName>gh_0000000000a1</ToUserName><FromUserName>o3</FromUserName><CreateTime>1409735668</CreateTime>\
        <MsgType>event</MsgType><Event>SCAN</Event><EventKey>login_1</EventKey><Ticket>t</Ticket></xml>";
    app.callback(Some(OFFICIAL), &Maker::new(OFFICIAL, app.now()).safe(scan)).await;
    assert_eq!(said(&one.next().await.unwrap()), "second");
    for stream in [&mut official, &mut scans] {
        let frame = stream.next().await.unwrap();
        assert_eq!((&*frame.event, &frame.data["data"]["scene"]), ("wechat.event.scan", &json!("login_1")));
    }
    assert_eq!(shop.some(2).await.iter().map(said).collect::<Vec<_>>(), ["first", "second"]);
    for stream in [&mut one, &mut official, &mut scans, &mut shop] {
        assert!(stream.is_silent().await, "nothing else is for it");
    }

    let refused = async |key: &str, query: &str| {
        let (status, said) = Stream::open(&app.url(), key, query, None).await.err().expect("refused");
        (status.as_u16(), said["ret"]["code"].as_u64().unwrap())
    };
    assert_eq!(refused("key_wrong_0123456789abcdefghij", "").await, (401, 3_584_010));
    assert_eq!(refused("key_small_0123456789abcdefghij", "").await, (403, 3_584_011));
    assert_eq!(refused(SHOP, &format!("appid={OFFICIAL}")).await, (403, 3_584_011));
    assert_eq!(refused(DEV, "appid=wxnobody").await, (200, 3_584_005));
    for wrong in ["event=odd:SCAN", "name=a/b", "last_event_id=x", "acks=2"] {
        assert_eq!(refused(DEV, wrong).await, (200, 3_584_002), "{wrong}");
    }
    for odd in ["1/answer", "/reply", "1/2/reply"] {
        assert_eq!(post(&app, DEV, odd, "").await.status, StatusCode::NOT_FOUND, "{odd}");
    }
    let url = format!("{}/v1/service/wx/events", app.url());
    let posted = app.http.send(Method::POST, &url, &[("x-api-key", DEV)], "{}").await.unwrap();
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_stream_ends_with_its_callers_key_or_rights_and_with_the_gateway() {
    let mut app = started().await;
    let (mut shop, mut dev) = (open(&app, SHOP, "", None).await, open(&app, DEV, "", None).await);
    let text = app.text().replace(SHOP, "key_other_0123456789abcdefghij");
    let config = app.config(&text).unwrap();
    app.gateway().reload(config).unwrap();
    assert_eq!(timeout(Duration::from_secs(5), shop.next()).await.expect("it ends"), None);
    assert!(dev.is_silent().await, "another's stream goes on");

    let mut shop = open(&app, "key_other_0123456789abcdefghij", "", None).await;
    let config =
        app.config(&text.replace("apps = [\"wx3cc8fd6963e31a32\"]", "apps = [\"wx00000000000000a1\"]"));
    app.gateway().reload(config.unwrap()).unwrap();
    assert_eq!(timeout(Duration::from_secs(5), shop.next()).await.expect("it ends"), None);

    send(&app, "o1", "last").await;
    assert_eq!(said(&dev.next().await.unwrap()), "last");
    let began = Instant::now();
    let (ended, ()) = tokio::join!(dev.next(), app.stop());
    assert_eq!(ended, None);
    assert!(began.elapsed() < Duration::from_secs(4), "it doesn't hold the stop up");
}

#[tokio::test]
async fn what_was_forgotten_is_told_and_nothing_else_is() {
    let app = started().await;
    send_all(&app, 0..3).await;
    let first = app.events().await.last().unwrap()["id"].as_i64().unwrap();
    let mut stream = open(&app, DEV, "", Some(first)).await;
    assert_eq!(ids(&stream.some(2).await), [first + 1, first + 2], "no gap where nothing is missing");
    // Those are over their retention.
    app.advance(Duration::from_secs(8 * 86_400)).await;
    app.until("they are forgotten", async || app.events().await.is_empty()).await;
    send_all(&app, 3..5).await;
    let mut stream = open(&app, DEV, "", Some(first)).await;
    let gap = stream.next().await.unwrap();
    assert_eq!((&*gap.event, gap.id), ("gap", None));
    assert_eq!(gap.data, json!({"from": first, "to": first + 2}));
    assert_eq!(ids(&stream.some(2).await), [first + 3, first + 4]);
    let mut stream = open(&app, DEV, "", Some(first + 2)).await;
    assert_eq!(ids(&stream.some(2).await), [first + 3, first + 4], "what it has is no gap");
    // A database that was put back.
    let mut stream = open(&app, DEV, "", Some(first + 1000)).await;
    let gap = stream.next().await.unwrap();
    assert_eq!((&*gap.event, &gap.data), ("gap", &json!({"from": first + 1000, "to": first + 2})));
    assert_eq!(ids(&stream.some(2).await), [first + 3, first + 4]);
}

#[tokio::test]
async fn a_named_stream_goes_on_where_it_was_and_its_last_opening_has_it() {
    let mut app = started().await;
    send_all(&app, 0..1).await;
    let mut stream = open(&app, DEV, "name=laptop", None).await;
    send_all(&app, 1..3).await;
    let got = stream.some(2).await;
    assert_eq!(got.iter().map(said).collect::<Vec<_>>(), ["1", "2"], "its first opening begins then");
    // What it was given is noted by then, at the latest when it ends.
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    send_all(&app, 3..6).await;
    app.restart().await;
    let mut stream = open(&app, DEV, "name=laptop", None).await;
    assert_eq!(stream.some(3).await.iter().map(said).collect::<Vec<_>>(), ["3", "4", "5"]);
    // Another caller's stream of that name is another, and so is another name.
    let mut shop = open(&app, SHOP, "name=laptop", None).await;
    let mut second = open(&app, DEV, "name=laptop.2", None).await;
    assert!(shop.is_silent().await && second.is_silent().await);
    // It says itself where it is.
    let mut third = open(&app, DEV, "name=laptop", got[1].id).await;
    assert_eq!(stream.next().await, None, "the first one has ended");
    assert_eq!(third.some(3).await.iter().map(said).collect::<Vec<_>>(), ["3", "4", "5"]);
    send_all(&app, 6..7).await;
    for stream in [&mut shop, &mut second, &mut third] {
        assert_eq!(said(&stream.next().await.unwrap()), "6");
    }
}

#[tokio::test]
async fn a_named_stream_may_go_by_what_its_reader_acknowledges() {
    let app = started().await;
    let query = "name=laptop&acks=1&openid=o1";
    let mut stream = open(&app, DEV, query, None).await;
    send_all(&app, 0..4).await;
    let got = ids(&stream.some(4).await);
    drop(stream);
    let ack = async |name: &str, id: i64| {
        let body = json!({"name": name, "id": id}).to_string();
        post(&app, DEV, "ack", &body).await.code()
    };
    assert_eq!(ack("laptop", got[1]).await, 0);
    assert_eq!(ack("laptop", got[0]).await, 0, "it doesn't go back");
    assert_eq!((ack("desktop", got[1]).await, ack("laptop", got[3] + 100).await), (3_584_002, 3_584_002));
    let mut stream = open(&app, DEV, query, None).await;
    assert_eq!(ids(&stream.some(2).await), got[2..], "what wasn't acknowledged comes again");
    // What its reader says it has got isn't acknowledged by that.
    let mut stream = open(&app, DEV, query, Some(got[3])).await;
    assert!(stream.is_silent().await);
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut stream = open(&app, DEV, query, None).await;
    assert_eq!(ids(&stream.some(2).await), got[2..]);
    assert_eq!(ack("laptop", got[3]).await, 0);
    send(&app, "o2", "somebody else").await;
    send_all(&app, 4..5).await;
    assert_eq!(said(&stream.next().await.unwrap()), "4");
}

#[tokio::test]
async fn what_is_sent_once_more_reaches_streams_and_those_with_a_name_later_too() {
    let app = started().await;
    send_all(&app, 0..2).await;
    let first = app.events().await.last().unwrap()["id"].as_i64().unwrap();
    let named = open(&app, DEV, "name=laptop", None).await;
    let mut live = open(&app, DEV, "", None).await;
    drop(named);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(replay(&app, first).await, StatusCode::ACCEPTED);
    assert_eq!(replay(&app, first + 100).await, StatusCode::NOT_FOUND);
    let frame = live.next().await.unwrap();
    assert_eq!((&*frame.event, frame.id, said(&frame)), ("replay", None, "0"));
    assert_eq!(frame.data["event_id"], first.to_string());
    send_all(&app, 2..3).await;
    assert_eq!(said(&live.next().await.unwrap()), "2");
    let mut named = open(&app, DEV, "name=laptop", None).await;
    let mut got = named.some(2).await;
    got.sort_by_key(|frame| frame.id);
    assert_eq!((&*got[0].event, said(&got[0]), said(&got[1])), ("replay", "0", "2"));
    drop(named);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut named, mut other) =
        (open(&app, DEV, "name=laptop", None).await, open(&app, DEV, "", None).await);
    assert!(named.is_silent().await && other.is_silent().await, "once, and not to whoever comes later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_from_a_stream_reaches_the_phone() {
    let app = started().await;
    app.subscribe(EXAMPLE, "plain", "xml").await;
    let openid = app.user(EXAMPLE).await;
    let mut stream = open(&app, DEV, &format!("openid={openid}"), None).await;
    let push = app.control("message", json!({"appid": EXAMPLE, "openid": openid, "text": "hello"}));
    let reply = async {
        let frame = stream.next().await.unwrap();
        let id = frame.id.unwrap();
        assert_eq!(post(&app, DEV, &format!("{id}/reply"), "{\"odd\":1}").await.code(), 3_584_002);
        let body = json!({"MsgType": "text", "Content": "from the laptop"}).to_string();
        assert_eq!(post(&app, DEV, &format!("{id}/reply"), &body).await.ok(), json!({}));
        let again = post(&app, DEV, &format!("{id}/reply"), &body).await;
        assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, 3_584_002), "it is answered");
    };
    let (pushed, ()) = tokio::join!(push, reply);
    let attempts = pushed["pushes"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{pushed}");
    let reply = Message::parse(attempts[0]["reply"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!((&*reply.content(), &*reply.to_user()), ("from the laptop", &*openid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_messages_get_the_reply_and_one_that_comes_too_late_is_told() {
    let app = started().await;
    let mut stream = open(&app, DEV, "openid=o1", None).await;
    let message = text_from("o1", "hello");
    let callback = || Maker::new(EXAMPLE, app.now()).plain(&message);
    let (first, second) = (callback(), callback());
    let reply = async {
        let id = stream.next().await.unwrap().data["event_id"].as_str().unwrap().to_owned();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let body = "<xml><MsgType>text</MsgType><Content>hi</Content></xml>";
        assert_eq!(post(&app, DEV, &format!("{id}/reply"), body).await.code(), 0);
    };
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.callback(None, &second).await.body
    };
    let (one, other, ()) = tokio::join!(app.callback(None, &first), later, reply);
    assert_eq!(Message::parse(&one.body).unwrap().content(), "hi");
    assert_eq!(other, one.body, "who comes meanwhile joins the wait");
    assert_eq!(app.callback(None, &callback()).await.body, one.body, "and who comes later finds it");
    assert!(stream.is_silent().await, "kept once");

    let began = Instant::now();
    let (late, id) =
        tokio::join!(send(&app, "o1", "slow"), async { stream.next().await.unwrap().id.unwrap() });
    assert_eq!(late.body, "success");
    assert!((4400..5000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let body = json!({"MsgType": "text", "Content": "late"}).to_string();
    let told = post(&app, DEV, &format!("{id}/reply"), &body).await;
    assert_eq!((told.status, told.code()), (StatusCode::CONFLICT, 3_584_002));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_reply_and_that_a_route_goes_first() {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "{CALLERS}[[routes]]\nname = \"reply\"\nopenids = [\"o9\"]\ntarget = \"{}\"\nreply = true\n",
        backend.url
    ))
    .await;
    backend.does(|_| says(200, json!({"MsgType": "text", "Content": "from the route"}).to_string()));
    let body = json!({"MsgType": "text", "Content": "from a stream"}).to_string();
    let reply = async |key: &str, id: i64| {
        let reply = post(&app, key, &format!("{id}/reply"), &body).await;
        (reply.status.as_u16(), reply.code())
    };
    // Without may_reply, and without a filter by user, nobody is waited for.
    let mut shop = open(&app, SHOP, "openid=o1", None).await;
    let mut dev = open(&app, DEV, "", None).await;
    let began = Instant::now();
    assert_eq!(send(&app, "o1", "a").await.body, "success");
    assert!(began.elapsed() < Duration::from_secs(2));
    let id = shop.next().await.unwrap().id.unwrap();
    assert_eq!(dev.next().await.unwrap().id, Some(id));
    assert_eq!(reply(SHOP, id).await, (403, 3_584_011), "it may not");
    assert_eq!(reply(DEV, id).await, (403, 3_584_011), "it has no stream of that user");
    assert_eq!(reply(DEV, id + 100).await, (200, 3_584_002), "there is no such message");

    let mut ninth = open(&app, DEV, "openid=o9", None).await;
    let answer = send(&app, "o9", "b").await.body;
    assert_eq!(Message::parse(&answer).unwrap().content(), "from the route");
    let id = ninth.next().await.unwrap().id.unwrap();
    assert_eq!(reply(DEV, id).await, (409, 3_584_002));

    // The newest stream that takes the message is asked; one that filters it away isn't.
    let mut own = open(&app, DEV, "openid=o1", None).await;
    let _other = open(&app, DEV, "openid=o1&event=SCAN", None).await;
    let (answer, said) = tokio::join!(send(&app, "o1", "c"), async {
        let id = own.next().await.unwrap().id.unwrap();
        reply(DEV, id).await
    });
    assert_eq!((said, &*Message::parse(&answer.body).unwrap().content()), ((200, 0), "from a stream"));
    // Whoever says that there is nothing to say keeps nobody waiting.
    let began = Instant::now();
    let (answer, said) = tokio::join!(send(&app, "o1", "d"), async {
        let id = own.next().await.unwrap().id.unwrap();
        post(&app, DEV, &format!("{id}/reply"), "success").await.code()
    });
    assert_eq!((&answer.body[..], said), (&b"success"[..], 0));
    assert!(began.elapsed() < Duration::from_secs(2));
    drop((own, _other));
    app.until("nobody is waited for any more", async || {
        let began = Instant::now();
        send(&app, "o1", &format!("{began:?}")).await;
        began.elapsed() < Duration::from_secs(2)
    })
    .await;
}

#[tokio::test]
async fn over_the_bound_a_stream_is_refused_and_a_place_that_is_left_is_free() {
    let limits = Limits { long: 2, calls: 1, ..Limits::default() };
    let app = TestApp::limited(CALLERS, limits).await;
    let first = open(&app, DEV, "", None).await;
    let _second = open(&app, SHOP, "", None).await;
    let (status, said) = Stream::open(&app.url(), DEV, "", None).await.err().expect("refused");
    assert_eq!(
        (status.as_u16(), &said["ret"]["code"], &said["ret"]["retryable"]),
        (503, &json!(3_584_015), &json!(true))
    );
    // They are no calls at work.
    let code =
        app.call_with("getwxqrcode", &[("x-api-key", DEV)], json!({"appid": EXAMPLE, "scene": "s"})).await;
    code.ok();
    drop(first);
    app.until("the place is free", async || Stream::open(&app.url(), DEV, "", None).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_nodes_have_one_stream_and_a_reply_may_come_to_any() {
    if database::server().is_none() {
        return;
    }
    let app = started().await;
    let other = app.beside(app.text()).await;
    let mut here = open(&app, DEV, "name=laptop&openid=o1", None).await;
    let mut plain = Stream::open(&other.url(), SHOP, "", None).await.unwrap_or_else(|no| panic!("{no:?}"));
    send_all(&app, 0..3).await;
    assert_eq!(ids(&here.some(3).await), ids(&plain.some(3).await));
    // Opened at the other node, it ends here.
    let mut there = Stream::open(&other.url(), DEV, "name=laptop&openid=o1", None)
        .await
        .unwrap_or_else(|no| panic!("{no:?}"));
    assert_eq!(here.next().await, None);
    // By then the nodes know who listens.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    for (url, content) in [(other.url(), "by the stream's node"), (app.url(), "by the message's node")] {
        let body = json!({"MsgType": "text", "Content": content}).to_string();
        let (answer, replied) = tokio::join!(send(&app, "o1", content), async {
            let id = there.next().await.unwrap().id.unwrap();
            let url = format!("{url}/v1/service/wx/events/{id}/reply");
            app.http.send(Method::POST, &url, &[("x-api-key", DEV)], body).await.unwrap()
        });
        assert_eq!(replied.code(), 0, "{content}: {:?}", replied.body);
        assert_eq!(Message::parse(&answer.body).unwrap().content(), content);
        assert_eq!(send(&app, "o1", content).await.body, answer.body, "and its duplicate");
    }
    other.stop().await;
}
