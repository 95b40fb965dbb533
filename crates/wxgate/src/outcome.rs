//! What one request was: one record, begun by the carrier, filled by the surface as it learns, and written down once by
//! the carrier: one line of the log, one count of its caller, one of the metrics.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::clock::{Clock, Instant};
use crate::config::Access;
use crate::lang::say;
use crate::metrics::{Called, Id, Metrics, Received};
use crate::random::Random;
use crate::registry::App;
use crate::registry::callers::Caller;
pub use crate::registry::usage::OTHER;
use crate::rings::{FailedCall, Refusal, RefusedCallback, Rings};
use crate::shares::Share;
use crate::shares::lines::{GATHERED, Gathered, Lines};
use crate::shares::seats::Seat;
use crate::traces::{self, Traces, attribute};

/// `wxmsg_` and ten of `[a-z0-9]`: names one request in answer, header and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A fresh one.
    pub fn new(random: &Random) -> Self {
        let drawn: [u8; 10] = random.drawn(b"abcdefghijklmnopqrstuvwxyz0123456789");
        let mut id = *b"wxmsg_0000000000";
        id[6..].copy_from_slice(&drawn);
        Self(id)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As the value of `x-request-id`.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// How a request ended, as far as its caller is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was answered: by WeChat's own refusal, perhaps, which then stands in `errcode`.
    Done,
    /// wxgate said no.
    Refused,
    /// It was tried and failed: WeChat refused, or gave no usable answer.
    Failed,
    /// A bug of ours, or a store that doesn't answer.
    Broken,
}

/// What a request is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It isn't.
    Nothing,
    /// A call of our API or WeChat's.
    Call,
    /// A callback; the inbox counts those that brought a message.
    Callback,
}

/// One request. What isn't known stays empty.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub id: RequestId,
    /// Who connected, or the client that a trusted proxy names.
    pub peer: IpAddr,
    /// Which surface it came to.
    pub surface: &'static str,
    /// Who called.
    pub caller: Option<Arc<Caller>>,
    /// The app it was for: configured, or at least of an AppID's characters.
    pub appid: Option<Arc<str>>,
    /// What was called: one of our own endpoints, or a path of WeChat's that a caller may call; never a query.
    pub api: Cow<'static, str>,
    /// How it ended.
    pub end: End,
    /// The code in the answer: `ret.code` of the service API, `errcode` of the pass-through; 0 for success.
    pub errcode: i64,
    /// WeChat's own code, if it answered with one.
    pub wx_errcode: Option<i64>,
    /// WeChat's name for the request that it refused.
    pub rid: Option<Box<str>>,
    /// Why a callback was refused.
    pub refusal: Option<Box<Refusal>>,
    /// What it counts as.
    pub counted: Counted,
    /// For the log: what the answer says, without anything that a stranger sent.
    pub words: Cow<'static, str>,
    /// For the log: what only the operator may know.
    pub cause: Option<String>,
    /// From where on it only waited, as a long poll does: that isn't counted as the time it took.
    pub waits_from: Option<Instant>,
    /// The app for counters, which know those that are configured.
    app: Id,
    began: Instant,
    /// The same by the wall's clock, Unix milliseconds.
    at: i64,
    /// Of its connection.
    seat: Option<Arc<Seat>>,
    /// As it is traced.
    trace: Option<Arc<traces::Request>>,
    /// Somebody known sent it who is no caller: WeChat, another node, or an admin.
    is_known: bool,
}

impl Outcome {
    /// A request that `peer` has just sent, on the connection that `seat` is.
    pub fn new(
        id: RequestId,
        peer: IpAddr,
        surface: &'static str,
        clock: &Clock,
        seat: Option<Arc<Seat>>,
    ) -> Self {
        Self {
            id,
            peer,
            surface,
            caller: None,
            appid: None,
            api: Cow::Borrowed(OTHER),
            end: End::Done,
            errcode: 0,
            wx_errcode: None,
            rid: None,
            refusal: None,
            counted: Counted::Nothing,
            words: Cow::Borrowed(""),
            cause: None,
            waits_from: None,
            app: Id::NONE,
            began: clock.instant(),
            at: clock.now(),
            seat,
            trace: None,
            is_known: false,
        }
    }

    /// The client is at `address`, as the connection or a trusted proxy says.
    pub fn comes_from(&mut self, address: IpAddr) {
        self.peer = address;
        if let Some(seat) = &self.seat {
            seat.comes_from(address);
        }
    }

    /// `caller` showed that it is who sent this.
    pub fn is_of(&mut self, caller: &Arc<Caller>) {
        self.caller = Some(caller.clone());
        if let Some(seat) = &self.seat {
            seat.belongs_to(&caller.share);
        }
    }

    /// It is for `app`.
    pub fn is_for(&mut self, app: &App) {
        self.appid = Some(app.appid.clone());
        self.app = app.meter.id();
    }

    /// It is for an app that isn't configured; its AppID, if it may be repeated.
    pub fn is_for_unknown(&mut self, appid: Option<Arc<str>>) {
        self.appid = appid;
        self.app = Id::OTHER;
    }

    /// It is WeChat's, for the app whose share this is, as a signature says.
    pub fn is_wechats(&mut self, app: &Arc<Share>) {
        self.is_known = true;
        if let Some(seat) = &self.seat {
            seat.belongs_to(app);
        }
    }

    /// Another node sent it.
    pub fn is_a_nodes(&mut self) {
        self.is_known = true;
    }

    /// It showed the admin token.
    pub fn is_an_admins(&mut self) {
        self.is_known = true;
    }

    /// As it is told of in a trace.
    fn span(&self, status: u16, is_success: bool) -> traces::Said {
        let name = match &self.api {
            _ if self.counted == Counted::Callback => "wxmsg",
            Cow::Borrowed(api) => api,
            // It may be anything that a caller called.
            Cow::Owned(_) => OTHER,
        };
        let mut attributes = vec![
            attribute("wxgate.request_id", self.id.as_str().to_owned()),
            attribute("wxgate.surface", self.surface),
            attribute("http.response.status_code", i64::from(status)),
        ];
        let texts = [
            ("wxgate.caller", self.caller.as_ref().map(|caller| caller.name.to_string())),
            ("wxgate.appid", self.appid.as_ref().map(ToString::to_string)),
            ("wechat.rid", self.rid.as_ref().map(ToString::to_string)),
        ];
        attributes.extend(texts.into_iter().filter_map(|(key, text)| Some(attribute(key, text?))));
        let codes = [
            ("wxgate.errcode", Some(self.errcode).filter(|code| *code != 0)),
            ("wechat.errcode", self.wx_errcode),
        ];
        attributes.extend(codes.into_iter().filter_map(|(key, code)| Some(attribute(key, code?))));
        traces::Said { name: name.into(), is_success, attributes }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// When it began, Unix milliseconds.
    pub fn at(&self) -> i64 {
        self.at
    }
}

/// Where outcomes go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    access: Access,
    clock: Clock,
    strangers: Lines,
    rings: Rings,
    metrics: Metrics,
    traces: Traces,
}

impl Recorder {
    /// Which requests leave a line is `access`; those of `sources` strangers are told apart. What failed is remembered in `rings`,
    /// everything counted in `metrics`, and what is traced sent by `traces`.
    pub fn new(
        access: Access,
        clock: Clock,
        sources: usize,
        (rings, metrics): (Rings, Metrics),
        traces: Traces,
    ) -> Self {
        Self { access, clock, strangers: Lines::new(sources), rings, metrics, traces }
    }

    /// What has these headers is traced from now on, if anything is; what works for it is to know.
    pub fn trace(&self, outcome: &mut Outcome, headers: &HeaderMap) -> Option<Arc<traces::Request>> {
        outcome.trace = self.traces.begin(headers, outcome.at, outcome.began);
        outcome.trace.clone()
    }

    /// Writes the gathered lines when they are due, for ever.
    pub async fn run(self) {
        loop {
            self.clock.pause(GATHERED / 4).await;
            self.flush(self.clock.instant());
        }
    }

    /// Writes every line that was gathered.
    pub fn finish(&self) {
        self.flush(self.clock.instant() + GATHERED);
    }

    fn flush(&self, now: Instant) {
        for (peer, Gathered { count, named }) in self.strangers.due(now) {
            let (peer, requests) = (peer.map(|peer| peer.to_string()), named.join("; "));
            let peer = peer.as_deref().unwrap_or("*");
            let words =
                say("同一来源的更多请求，合并为一行", "more requests of one source, gathered in a line");
            tracing::info!(peer, count, requests, "{words}");
        }
    }

    /// Writes `outcome` down: `status` is the answer's.
    pub fn record(&self, outcome: &Outcome, status: u16) {
        if let Some(caller) = &outcome.caller {
            caller.usage.count(&outcome.api, outcome.end == End::Refused, outcome.at);
        }
        let is_success = outcome.end == End::Done && outcome.errcode == 0 && status < 400;
        self.remember(outcome, status, is_success);
        self.count(outcome, is_success);
        if let Some(trace) = outcome.trace.as_ref().filter(|_| outcome.counted != Counted::Nothing) {
            trace.ended(self.clock.instant() - outcome.began, outcome.span(status, is_success));
        }
        match self.access {
            Access::All => {}
            Access::Failures if !is_success => {}
            // What is broken is always said.
            _ if outcome.end == End::Broken => {}
            _ => return,
        }
        if self.is_told_alone(outcome, status) {
            self.log(outcome, status);
        }
    }

    /// What went wrong is remembered for whoever looks for the mistake: callbacks that were refused, calls of known callers that
    /// failed. A stranger's calls leave nothing.
    fn remember(&self, outcome: &Outcome, status: u16, is_success: bool) {
        let Outcome { id, peer, caller, appid, api, errcode, wx_errcode, rid, refusal, .. } = outcome;
        if let Some(refusal) = refusal {
            if let Some(app) = &refusal.app {
                self.rings.callbacks.refused(app, refusal.why.clone(), outcome.at);
            }
            self.rings.refused(RefusedCallback {
                at: outcome.at,
                request_id: id.as_str().to_owned(),
                ip: peer.to_canonical(),
                refusal,
            });
        } else if let Some(caller) = caller.as_ref().filter(|_| !is_success) {
            self.rings.failed(&FailedCall {
                at: outcome.at,
                request_id: id.as_str(),
                caller: &caller.name,
                appid: appid.as_deref().unwrap_or_default(),
                api,
                status,
                errcode: wx_errcode.unwrap_or(*errcode),
                rid: rid.as_deref(),
                ms: self.took(outcome),
            });
        }
    }

    fn took(&self, outcome: &Outcome) -> u64 {
        u64::try_from((self.clock.instant() - outcome.began).as_millis()).unwrap_or(u64::MAX)
    }

    fn count(&self, outcome: &Outcome, is_success: bool) {
        match (outcome.counted, outcome.end) {
            (Counted::Nothing, _) | (Counted::Callback, End::Done | End::Failed) => {}
            (Counted::Callback, End::Refused) => self.metrics.not_received(outcome.app, Received::Refused),
            (Counted::Callback, End::Broken) => self.metrics.not_received(outcome.app, Received::Failed),
            (Counted::Call, end) => {
                let end = match end {
                    End::Done if is_success => Called::Ok,
                    End::Done | End::Failed => Called::Failed,
                    End::Refused => Called::Refused,
                    End::Broken => Called::Broken,
                };
                // What isn't a constant may be anything that a caller called.
                let api = if let Cow::Borrowed(api) = outcome.api { api } else { OTHER };
                let code = outcome.wx_errcode.unwrap_or(outcome.errcode);
                let caller = outcome.caller.as_ref().map_or(Id::NONE, |caller| caller.meter.id());
                let took = outcome.waits_from.unwrap_or_else(|| self.clock.instant()) - outcome.began;
                self.metrics.called((outcome.app, caller), (api, code), end, took);
            }
        }
    }

    /// Strangers have a line a source and second.
    fn is_told_alone(&self, outcome: &Outcome, status: u16) -> bool {
        if outcome.caller.is_some() || outcome.is_known || outcome.end == End::Broken {
            return true;
        }
        let (refused, now) = (outcome.end == End::Refused, self.clock.instant());
        self.strangers.take(outcome.peer, refused, now, || {
            let Outcome { id, appid, api, words, cause, .. } = outcome;
            let appid = appid.as_deref().unwrap_or("-");
            let why = cause.as_deref().unwrap_or(words);
            format!("{} {api} {appid} {status} {why}", id.as_str())
        })
    }

    fn log(&self, outcome: &Outcome, status: u16) {
        let Outcome { id, peer, surface, caller, appid, api, errcode, wx_errcode, words, cause, .. } =
            outcome;
        let (request_id, peer) = (id.as_str(), peer.to_canonical());
        let caller = caller.as_ref().map_or("-", |caller| &*caller.name);
        let appid = appid.as_deref().unwrap_or("-");
        let ms = self.took(outcome);
        let cause = cause.as_deref();
        if outcome.end == End::Broken {
            tracing::error!(
                request_id, caller, appid, %api, status, errcode, ms, %peer, surface, wx_errcode, cause, "{words}"
            );
        } else {
            tracing::info!(
                request_id, caller, appid, %api, status, errcode, ms, %peer, surface, wx_errcode, cause, "{words}"
            );
        }
    }
}
