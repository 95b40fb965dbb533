//! Traces by OpenTelemetry: what a collector gets, and that nothing of it is anybody's secret.

use http::Method;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::app::{EXAMPLE, OFFICIAL, TestApp};
use crate::backend::{Backend, Got, says};
use crate::signed::{Maker, text};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const EXPORTER: &str = "key_exporter_0123456789abcdef";
const QR: &str = "/cgi-bin/qrcode/create";

/// A gateway whose traces go to `collector`, and messages to `backend`.
async fn traced(collector: &Backend, backend: &Backend, more: &str) -> TestApp {
    TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[traces]\nendpoint = \"{}\"\nheader = \"Authentication: abc\"\n{more}\n\
         [[routes]]\nname = \"crm\"\napps = [\"*\"]\ntarget = \"{}\"\n\
         [[callers]]\nname = \"exporter\"\nkey = \"{EXPORTER}\"\napps = [\"*\"]\napis = [\"*\"]\nexport_token = true\n",
        collector.url, backend.url
    ))
    .await
}

/// All spans that came, of which a stop sends the last.
async fn spans(app: &mut TestApp, collector: &Backend) -> Vec<Span> {
    app.stop().await;
    let read = |got: &Got| {
        assert_eq!((got.path.as_str(), got.header("authentication")), ("/v1/traces", "abc"));
        ExportTraceServiceRequest::decode(&got.body[..]).unwrap().resource_spans
    };
    let resources = collector.got().iter().flat_map(read).collect::<Vec<_>>();
    for resource in &resources {
        let of = resource.resource.as_ref().unwrap();
        assert!(of.attributes.iter().any(|one| one.key == "service.name"), "{of:?}");
    }
    resources.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let one = found.next().unwrap_or_else(|| panic!("no {name}: {spans:?}"));
    assert!(found.next().is_none(), "more than one {name}: {spans:?}");
    one
}

fn said(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(Said::StringValue(text)) => text,
        Some(Said::IntValue(number)) => number.to_string(),
        Some(Said::BoolValue(yes)) => yes.to_string(),
        other => panic!("{key} is {other:?} in {span:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_call_is_one_trace_from_its_caller_to_wechat() {
    let (collector, backend) = (Backend::start().await, Backend::start().await);
    let mut app = traced(&collector, &backend, "").await;
    let wanted = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", wanted.as_str())];
    let body = json!({"appid": OFFICIAL, "scene": "s", "source": "t"});
    app.call_with("getwxqrcode", &headers, body.clone()).await.ok();
    app.fault(QR, json!({"errcode": 45009})).await;
    let failed = app.call_with("getwxqrcode", &headers, body.clone()).await;
    // A caller that wants no trace has none.
    let unwanted = format!("00-{TRACE}-{PARENT}-00");
    app.call_with("getwxqrcode", &[("traceparent", &unwanted)], body).await;
    let calls = app.http.send(Method::GET, &format!("{}/sandbox/calls", app.sandbox.url()), &[], "").await;
    let calls = calls.unwrap().json().to_string().to_lowercase();
    assert!(calls.contains("user-agent") && !calls.contains("traceparent"), "WeChat gets no trace header");

    let spans = spans(&mut app, &collector).await;
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{spans:?}");
    let servers: Vec<&Span> = spans.iter().filter(|span| span.name == "/v1/service/wx/getwxqrcode").collect();
    let [good, bad] = servers[..] else { panic!("{spans:?}") };
    assert!([good, bad].iter().all(|span| hex(&span.parent_span_id) == PARENT && span.kind == 2));
    assert_eq!(
        (said(good, "wxgate.appid"), said(good, "http.response.status_code")),
        (OFFICIAL.into(), "200".into())
    );
    assert_eq!(said(bad, "wechat.errcode"), "45009");
    assert_eq!(said(bad, "wxgate.request_id"), failed.ret()["request_id"].as_str().unwrap());
    assert_eq!((good.status.as_ref().map_or(0, |s| s.code), bad.status.as_ref().unwrap().code), (0, 2));
    let fetch = named(&spans, "/cgi-bin/stable_token");
    assert_eq!((&fetch.parent_span_id, fetch.kind), (&good.span_id, 3));
    let asked: Vec<&Span> = spans.iter().filter(|span| span.name == QR).collect();
    assert_eq!(asked.iter().map(|span| said(span, "wechat.errcode")).collect::<Vec<_>>(), ["0", "45009"]);
    assert_eq!((&asked[0].parent_span_id, &asked[1].parent_span_id), (&good.span_id, &bad.span_id));
    assert!(asked[0].start_time_unix_nano >= good.start_time_unix_nano);
    assert!(spans.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano));
    let picture = named(&spans, "/cgi-bin/showqrcode");
    assert_eq!((&picture.parent_span_id, spans.len()), (&good.span_id, 6), "{spans:?}");
}

#[tokio::test]
async fn a_message_and_its_deliveries_are_one_trace() {
    let (collector, backend) = (Backend::start().await, Backend::start().await);
    backend.does(|got| says(if got.header("x-wxgate-attempt") == "1" { 502 } else { 200 }, "success"));
    let mut app = traced(&collector, &backend, "").await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "很私密的话"));
    assert_eq!(app.callback(None, &callback).await.body, "success");
    assert_eq!(app.callback(None, &callback).await.body, "success", "WeChat sends it once more");
    let attempts = async || app.deliveries("").await[0]["attempts"].as_array().unwrap().len();
    app.until("it was tried", async || attempts().await == 1).await;
    app.advance(std::time::Duration::from_secs(7)).await;
    app.all_delivered().await;
    let got = backend.got();
    let spans = spans(&mut app, &collector).await;
    let (first, again): (Vec<&Span>, Vec<&Span>) = spans
        .iter()
        .filter(|span| span.name == "wxmsg")
        .partition(|span| said(span, "wxgate.duplicate") == "false");
    let ([first], [again]) = (&first[..], &again[..]) else { panic!("{spans:?}") };
    assert!(first.parent_span_id.is_empty() && again.parent_span_id == first.span_id, "{spans:?}");
    let mut attempts: Vec<&Span> = spans.iter().filter(|span| span.name == "deliver").collect();
    attempts.sort_by_key(|span| said(span, "wxgate.attempt"));
    assert_eq!(attempts.len(), 2);
    for (span, got) in attempts.iter().zip(&got) {
        let told = format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id));
        assert_eq!(got.header("traceparent"), told);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&first.trace_id, &first.span_id));
        assert_eq!(
            (said(span, "wxgate.route"), said(span, "wxgate.event")),
            ("crm".into(), said(first, "wxgate.event"))
        );
    }
    assert_eq!(
        (said(attempts[0], "http.response.status_code"), attempts[0].status.as_ref().unwrap().code),
        ("502".into(), 2)
    );
    assert_eq!(spans.len(), 4, "{spans:?}");
}

#[tokio::test]
async fn nothing_that_is_secret_reaches_a_collector() {
    let (collector, backend) = (Backend::start().await, Backend::start().await);
    let mut app = traced(&collector, &backend, "").await;
    let openid = app.user(OFFICIAL).await;
    let code = app.code("oauth", OFFICIAL, &openid).await;
    app.call("getwxuserinfo", json!({"appid": OFFICIAL, "code": code})).await.ok();
    app.get(&format!("/cgi-bin/user/info?openid={openid}"), &[("x-wx-appid", OFFICIAL)]).await;
    app.get(&format!("/cgi-bin/user/info?openid={openid}&access_token=stolen-token"), &[]).await;
    app.get("/secret-path/of-a-stranger?key=stolen-token", &[]).await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "很私密的话"));
    app.callback(None, &callback).await;
    app.all_delivered().await;
    let path = format!("/v1/service/wx/token?appid={OFFICIAL}");
    let exported = app.get(&path, &[("x-api-key", EXPORTER)]).await.ok();
    let token = exported["access_token"].as_str().unwrap().to_owned();
    assert!(!spans(&mut app, &collector).await.is_empty());
    let sent = collector.got();
    let holds =
        |needle: &str| sent.iter().any(|got| memchr::memmem::find(&got.body, needle.as_bytes()).is_some());
    for needle in [openid.as_str(), code.as_str(), "stolen-token", "secret-path", "很私密的话", "openid="]
    {
        assert!(!needle.is_empty() && !holds(needle), "{needle}");
    }
    assert!(token.len() > 60 && !holds(&token) && !holds(EXPORTER));
}

#[tokio::test]
async fn without_a_collector_nobody_gets_a_trace_header_and_one_that_is_away_delays_nothing() {
    let backend = Backend::start().await;
    let app = TestApp::configured(&format!(
        "[auth]\nmode = \"off\"\n[[routes]]\nname = \"crm\"\napps = [\"*\"]\ntarget = \"{}\"\n",
        backend.url
    ))
    .await;
    let callback = Maker::new(EXAMPLE, app.now()).plain(&text("gh_0000000000c3", "a"));
    app.callback(None, &callback).await;
    app.all_delivered().await;
    assert!(backend.got().iter().all(|got| !got.headers.contains_key("traceparent")));

    let collector = Backend::start().await;
    collector.does(|_| says(503, ""));
    let mut app = traced(&collector, &backend, "percent = 0").await;
    app.qr_code(OFFICIAL).await.ok();
    app.http.send(Method::GET, &format!("{}/healthz", app.url()), &[], "").await.unwrap();
    let wanted = format!("00-{TRACE}-{PARENT}-01");
    let body = json!({"appid": OFFICIAL, "scene": "s", "source": "t"});
    app.call_with("getwxqrcode", &[("traceparent", &wanted)], body).await.ok();
    let spans = spans(&mut app, &collector).await;
    assert!(!spans.is_empty() && spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{spans:?}");
}
