//! Traces, where `[traces] endpoint` names a collector: a span for each call from its caller's to WeChat, and for each
//! callback from WeChat's to the backends. Off, a request costs a look at an empty option.
//!
//! A caller's `traceparent` is followed; WeChat gets no trace header, backends get the one of their delivery. A message and all
//! its deliveries, on whatever node and however late, are one trace: its id follows from the name of the event.
//!
//! Spans hold names, numbers and codes: no query, no body, no openid, no credential.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanProcessor as _};
use sha2::{Digest as _, Sha256};

use crate::clock::Instant;

tokio::task_local! {
    /// The request that a task works for.
    static CURRENT: Option<Arc<Request>>;
}

/// Where spans go. Cheap to clone; by default they go nowhere.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    processor: BatchSpanProcessor,
    /// Of a hundred requests that bring no `traceparent`, and of messages.
    percent: u32,
    scope: InstrumentationScope,
}

/// A request that is traced, while it is at work.
#[derive(Debug)]
pub struct Request {
    traces: Traces,
    trace: TraceId,
    span: SpanId,
    /// The caller's.
    parent: Option<SpanId>,
    /// When it began, on both clocks.
    began: (SystemTime, Instant),
    /// The message that it brought, and whether that was new.
    event: OnceLock<(String, bool)>,
}

/// What a finished span says.
#[derive(Debug)]
pub struct Said {
    /// What was done.
    pub name: Cow<'static, str>,
    /// Whether it went well.
    pub is_success: bool,
    /// All else.
    pub attributes: Vec<KeyValue>,
}

/// An attribute.
pub fn attribute(key: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(key, value)
}

/// `work`, for the request that is worked for here: for tasks that a request waits for.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), work)
}

/// `work`, for `request`.
pub fn within<F: Future>(request: Arc<Request>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Some(request), work)
}

/// The request that is worked for here, if it is traced.
pub fn current() -> Option<Arc<Request>> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// The request that is worked for here brought this message.
pub fn brought(name: impl FnOnce() -> String, is_new: bool) {
    if let Some(request) = current() {
        let _ = request.event.set((name(), is_new));
    }
}

impl Traces {
    /// By `processor`; of `percent` in a hundred.
    pub fn new(processor: BatchSpanProcessor, percent: u32) -> Self {
        let scope = InstrumentationScope::builder("wxgate").with_version(env!("CARGO_PKG_VERSION")).build();
        Self(Some(Arc::new(Inner { processor, percent, scope })))
    }

    /// A request with these headers begins at `at`, Unix milliseconds; `None`: it isn't traced.
    pub fn begin(&self, headers: &HeaderMap, at: i64, began: Instant) -> Option<Arc<Request>> {
        let inner = self.0.as_ref()?;
        let said =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let said = said.span().span_context().clone();
        let (trace, parent) = if said.is_valid() {
            (said.trace_id(), Some(said.span_id()))
        } else {
            (TraceId::from_bytes(rand::random()), None)
        };
        let is_wanted = if parent.is_some() { said.is_sampled() } else { inner.wants(trace) };
        is_wanted.then(|| {
            Arc::new(Request {
                traces: self.clone(),
                trace,
                span: SpanId::from_bytes(rand::random()),
                parent,
                began: (system_time(at), began),
                event: OnceLock::new(),
            })
        })
    }

    /// A delivery of the event with this name begins; `None`: it isn't traced.
    pub fn delivers(&self, event: &str) -> Option<Delivery> {
        let inner = self.0.as_ref()?;
        let (trace, parent) = ids_of(event);
        inner.wants(trace).then(|| Delivery {
            traces: self.clone(),
            trace,
            parent,
            span: SpanId::from_bytes(rand::random()),
        })
    }

    /// Sends what wasn't sent yet. Blocks, for so long at most.
    pub fn finish(&self, patience: Duration) {
        if let Some(inner) = &self.0 {
            let _ = inner.processor.shutdown_with_timeout(patience);
        }
    }

    fn end(
        &self,
        (trace, span, parent): (TraceId, SpanId, Option<SpanId>),
        kind: SpanKind,
        (start_time, took): (SystemTime, Duration),
        said: Said,
    ) {
        let Some(inner) = &self.0 else { return };
        let status = if said.is_success { Status::Unset } else { Status::error("") };
        inner.processor.on_end(SpanData {
            span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: kind == SpanKind::Server && parent.is_some(),
            span_kind: kind,
            name: said.name,
            start_time,
            end_time: start_time + took,
            attributes: said.attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status,
            instrumentation_scope: inner.scope.clone(),
        });
    }
}

impl Inner {
    /// Every node says the same of the same trace.
    fn wants(&self, trace: TraceId) -> bool {
        let [.., high, low] = trace.to_bytes();
        u32::from(u16::from_be_bytes([high, low])) * 100 < self.percent << 16
    }
}

impl Request {
    /// It has ended.
    pub fn ended(&self, took: Duration, mut said: Said) {
        let (mut trace, mut span, mut parent) = (self.trace, self.span, self.parent);
        if let Some((event, is_new)) = self.event.get() {
            let root;
            (trace, root) = ids_of(event);
            // What came first is what deliveries follow from; a repetition is beside them.
            (span, parent) = if *is_new { (root, None) } else { (span, Some(root)) };
            said.attributes.push(attribute("wxgate.event", event.clone()));
            said.attributes.push(attribute("wxgate.duplicate", !is_new));
        }
        self.traces.end((trace, span, parent), SpanKind::Server, (self.began.0, took), said);
    }

    /// Something was asked of WeChat for it.
    pub fn asked(&self, began: Instant, said: Said) {
        let start = self.began.0 + began.saturating_duration_since(self.began.1);
        let ids = (self.trace, SpanId::from_bytes(rand::random()), Some(self.span));
        self.traces.end(ids, SpanKind::Client, (start, began.elapsed()), said);
    }
}

/// An attempt of a delivery that is traced.
#[derive(Debug)]
pub struct Delivery {
    traces: Traces,
    trace: TraceId,
    parent: SpanId,
    span: SpanId,
}

impl Delivery {
    /// What the backend is told of it.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace, self.span)
    }

    /// It has ended; it began at `at`, Unix milliseconds.
    pub fn ended(self, at: i64, took: Duration, said: Said) {
        let Self { traces, trace, parent, span } = self;
        traces.end((trace, span, Some(parent)), SpanKind::Client, (system_time(at), took), said);
    }
}

/// The trace of an event, and the span of the callback that brought it.
fn ids_of(event: &str) -> (TraceId, SpanId) {
    let digest: [u8; 32] = Sha256::digest(event.as_bytes()).into();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&digest[..16]);
    span.copy_from_slice(&digest[16..24]);
    (TraceId::from_bytes(trace), SpanId::from_bytes(span))
}

fn system_time(at: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0))
}
