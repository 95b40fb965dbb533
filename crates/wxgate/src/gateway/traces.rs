//! Traces on their way to a collector: OTLP over HTTP, by the client that everything goes by.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor as _};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::lang::say;
use crate::limits::Limits;
use crate::net::{Client, causes, collect};
use crate::traces::Traces;

/// A collector has to answer within this.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER: usize = 64 << 10;
/// Spans that wait; what comes on top is lost.
const QUEUE: usize = 8192;

/// As `[traces]` says; nowhere, if it doesn't.
pub(super) fn start(config: &Config, limits: &Limits) -> anyhow::Result<Traces> {
    let Some(wanted) = &config.traces else { return Ok(Traces::default()) };
    let client = Client::new(None, config.egress.authorities.client_config()?, limits, 1);
    let collector = Collector {
        client,
        silence: limits.silence,
        handle: Handle::current(),
        is_failing: AtomicBool::default(),
    };
    let endpoint = format!("{}/v1/traces", wanted.endpoint.as_str().trim_end_matches('/'));
    let header = |(name, value): &(http::HeaderName, crate::entries::Secret)| {
        (name.to_string(), value.expose_secret().to_owned())
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(TIME)
        .with_headers(wanted.header.iter().map(header).collect::<HashMap<_, _>>())
        .build()
        .context("[traces]")?;
    let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
    let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    processor.set_resource(&Resource::builder().with_service_name("wxgate").build());
    Ok(Traces::new(processor, wanted.percent))
}

/// Where spans are sent. Asked from a thread outside the runtime.
#[derive(Debug)]
struct Collector {
    client: Client,
    silence: Duration,
    handle: Handle,
    is_failing: AtomicBool,
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, silence) = (self.client.clone(), self.silence);
        let sent = self.handle.spawn(async move {
            let posted = async {
                let response = client.send(request.map(Full::new)).await.map_err(|error| causes(&error))?;
                let (head, mut body) = response.into_parts();
                let read = collect(&mut body, ANSWER, silence, |_| false).await;
                Ok(Response::from_parts(head, read.map(|read| read.bytes).unwrap_or_default()))
            };
            tokio::time::timeout(TIME, posted)
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {TIME:?}")))
        });
        let sent = sent.await.unwrap_or_else(|error| Err(error.to_string()));
        let why = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("HTTP {}", answer.status().as_u16())),
            Err(why) => Some(why.clone()),
        };
        self.tell(why.as_deref());
        sent.map_err(Into::into)
    }
}

impl Collector {
    /// Once when it begins to fail, and once when that is over.
    fn tell(&self, why: Option<&str>) {
        let was_failing = self.is_failing.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) if !was_failing => tracing::warn!(
                why,
                "{}",
                say(
                    "追踪数据发不到 [traces] endpoint：检查地址和 header；请求不受影响",
                    "traces don't reach [traces] endpoint: look at the address and header; requests are not affected"
                )
            ),
            None if was_failing => {
                tracing::info!("{}", say("追踪数据又能发出了", "traces are sent again"));
            }
            _ => {}
        }
    }
}
