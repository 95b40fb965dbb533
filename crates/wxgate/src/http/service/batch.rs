//! Template messages in bulk: an upload becomes a job, line by line as it comes; and what jobs have come to.

mod lines;

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Given};
use super::table::Operation;
use super::{Alone, Service, Success, find, kinds, messages, too_large};
use crate::admit::Denied;
use crate::http::problem::written;
use crate::http::{Reader, Unread, wants_english};
use crate::jobs::{self, RATE};
use crate::net::Inbound;
use crate::parts::Parts;
use crate::problem::{Code, Problem};
use crate::registry::callers::Caller;
use crate::shares::{For, Place, Room};
use crate::store::{Added, ItemState, Job, JobItem, JobKind, NewJob};
use lines::Lines;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of an `Idempotency-Key`.
const LONGEST_KEY: usize = 128;
/// An upload that stood still for so long is given up, milliseconds.
const STALE: i64 = 3_600_000;
/// Lines that are told wrong.
const TOLD: usize = 100;
/// What is kept in one commit: lines, and their bytes.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 256 << 10;
/// Bytes of memory that an upload takes up: what comes, a line, what is made of it, and what is to be kept.
const HELD: usize = 1 << 20;
/// Results a page, unless asked for others.
const PAGE: i64 = 100;

impl Service {
    /// `sendwxtemplatemsg/batch`
    pub(super) async fn batch(&self, call: Alone) -> Result<Success, Problem> {
        Ok(Success::Body(upload(self, call).await?))
    }

    /// `GET jobs/{job_id}`
    pub(super) async fn job(&self, call: Alone) -> Result<Success, Problem> {
        Ok(Success::Body(show(self, &call).await?))
    }

    /// `jobs/{job_id}/stop`
    pub(super) async fn stop_job(&self, call: Alone) -> Result<Success, Problem> {
        Ok(Success::Body(stop(self, &call).await?))
    }
}

async fn upload(service: &Service, call: Alone) -> Result<Value, Problem> {
    let Parts { store, clock, random, limits, shares, .. } = &service.0.parts;
    let again = idempotency_key(&call.headers)?;
    let Alone { entered, fields: query, headers, lines, .. } = call;
    let (caller, Some(body)) = (entered.caller, lines) else {
        return Err(Problem::internal("an upload without a body"));
    };
    if hyper::body::Body::size_hint(&body).lower() > limits.batch as u64 {
        return Err(too_large(limits.batch));
    }
    let Some(_uploading) = service.0.jobs.begin_upload(&caller.name) else {
        return Err(Denied::Busy { caller: caller.clone() }.into());
    };
    let long = service.0.door.place_alone(Room::Long, &caller)?;
    let by = For::from(&caller.share);
    let mut held = shares.take(Room::Bodies, 0, by).map_err(|_| Denied::Overloaded)?;
    if !held.grow(HELD, clock, clock.instant() + limits.budget_time).await {
        return Err(Denied::Overloaded.into());
    }
    let rate = query.int("rate").and_then(|rate| u32::try_from(rate).ok()).unwrap_or(RATE);
    let now = clock.now();
    let new = NewJob {
        kind: JobKind::Send,
        caller: caller.name.to_string(),
        again,
        rate,
        total: None,
        value: Vec::new(),
        until: now.saturating_add(STALE),
    };
    let job = match store.add_job(new, random, now).await? {
        Added::New(id) => id,
        Added::Known(id) => return known(service, &caller, id).await,
    };
    let mut upload = Upload {
        service,
        query: &query,
        template: find::find("sendwxtemplatemsg", &Method::POST)?,
        caller,
        english: wants_english(&headers),
        job,
        items: Vec::new(),
        bytes: 0,
        accepted: 0,
        rejected: 0,
        errors: Vec::new(),
        _places: [long, held],
    };
    let done = match upload.read(body).await {
        Ok(()) => upload.end().await,
        Err(problem) => Err(problem),
    };
    if done.is_err() {
        // Else it is forgotten within the hour.
        let _ = store.drop_job(job, clock.now()).await;
    }
    done
}

/// The caller's own name for its upload.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Problem::parameter(
            "Idempotency-Key",
            "应是 1 到 128 个可打印的 ASCII 字符",
            "must be 1 to 128 printable ASCII characters",
        ));
    }
    Ok(Some(key.to_owned()))
}

/// What the upload of the same name was answered.
async fn known(service: &Service, caller: &Caller, id: i64) -> Result<Value, Problem> {
    let job = service.0.parts.store.job(id).await?;
    let answer = job.and_then(|job| jobs::answer_of(&job, &caller.line));
    let Some(mut answer) = answer else {
        return Err(Problem::parameter(
            "Idempotency-Key",
            "此刻另有一次上传用着它，或它属于这个调用方以前的密钥：换一个",
            "is in use by another upload at this moment, or belongs to former keys of this caller: take another",
        ));
    };
    answer["again"] = true.into();
    Ok(answer)
}

/// A batch that comes in.
struct Upload<'a> {
    service: &'a Service,
    query: &'a Fields,
    template: &'static Operation,
    caller: Arc<Caller>,
    english: bool,
    job: i64,
    /// To be kept.
    items: Vec<(i64, String, Vec<u8>)>,
    bytes: usize,
    accepted: i64,
    rejected: i64,
    errors: Vec<Value>,
    _places: [Place; 2],
}

impl Upload<'_> {
    async fn read(&mut self, body: Inbound) -> Result<(), Problem> {
        let service = self.service;
        let parts = &service.0.parts;
        let limits = &parts.limits;
        let share = self.caller.share.clone();
        let mut reader = Reader::new(parts, &share, body);
        let (mut lines, mut length) = (Lines::new(limits.batch_line), 0);
        while let Some(data) = reader.next().await.map_err(|unread| unread_as(unread, limits.batch))? {
            length += data.len();
            if length > limits.batch {
                return Err(too_large(limits.batch));
            }
            for (n, line) in lines.feed(&data) {
                self.take(n, line).await?;
            }
        }
        if let Some((n, line)) = lines.end() {
            self.take(n, line).await?;
        }
        self.keep().await
    }

    async fn take(&mut self, n: usize, line: Option<Vec<u8>>) -> Result<(), Problem> {
        let limits = &self.service.0.parts.limits;
        if self.accepted + self.rejected >= limits.batch_lines as i64 {
            let most = limits.batch_lines;
            let problem = Problem::new(
                Code::Parameter,
                format!("超过 {most} 行"),
                format!("there are over {most} lines"),
            );
            return Err(problem.status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let checked = match line {
            Some(line) => self.checked(n as i64, &line),
            None => {
                let most = limits.batch_line;
                let (zh, en) = (format!("超过 {most} 字节"), format!("is over {most} bytes"));
                Err(Problem::new(Code::Parameter, zh, en))
            }
        };
        match checked {
            Ok((openid, message)) => {
                self.accepted += 1;
                self.bytes += message.len();
                self.items.push((n as i64, openid, message));
            }
            Err(problem) => {
                self.rejected += 1;
                if self.errors.len() < TOLD {
                    self.errors.push(json!({"line": n, "msg": problem.words.of(self.english)}));
                }
            }
        }
        if self.items.len() >= KEPT || self.bytes >= KEPT_BYTES { self.keep().await } else { Ok(()) }
    }

    /// The receiver, and the message as WeChat gets it.
    fn checked(&self, n: i64, line: &[u8]) -> Result<(String, Vec<u8>), Problem> {
        let door = &self.service.0.door;
        let mut given = Given::from_body(line)?;
        given.lacks("source", self.query.text("source"));
        if !given.has("app_id") {
            given.lacks("appid", self.query.text("appid"));
        }
        let fields = given.check(self.template.params, true)?;
        (self.template.check)(&fields)?;
        fields.refuse(|text| door.shows_credential(text.as_bytes()))?;
        let app = door.usable(&self.caller, fields.appid())?;
        kinds::check(self.template, &app, &self.caller, &self.service.0.parts.registry.live())?;
        let mut message = messages::template_message(&fields)?;
        let named = message.get("client_msg_id").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
        if !named {
            message.set("client_msg_id", Cow::Owned(jobs::client_msg_id(self.job, n).into()));
        }
        let openid = message.get("touser").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok((openid, jobs::message(&app.appid, &written(&message))))
    }

    async fn keep(&mut self) -> Result<(), Problem> {
        let Parts { store, clock, .. } = &self.service.0.parts;
        let now = clock.now();
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        if items.is_empty() || store.add_items(self.job, &items, now, now.saturating_add(STALE)).await? {
            Ok(())
        } else {
            Err(given_up())
        }
    }

    /// All of it is there.
    async fn end(&self) -> Result<Value, Problem> {
        let Self { service, caller, job, accepted, rejected, errors, .. } = self;
        if *accepted == 0 {
            let first =
                errors.first().map(|error| (&error["line"], error["msg"].as_str().unwrap_or_default()));
            let (zh, en) = match first {
                Some((line, msg)) => (
                    format!("没有一行能发送。第 {line} 行：{msg}"),
                    format!("no line can be sent. Line {line}: {msg}"),
                ),
                None => ("请求体里没有一行".to_owned(), "the body has no line".to_owned()),
            };
            return Err(Problem::new(Code::Parameter, zh, en));
        }
        let answer = json!({"job_id": job.to_string(), "accepted": accepted, "rejected": rejected, "errors": errors, "again": false});
        let Parts { store, clock, .. } = &service.0.parts;
        let begun = store.begin_job(*job, *accepted, &jobs::batch(caller, &answer), clock.now()).await?;
        service.0.jobs.look();
        if begun { Ok(answer) } else { Err(given_up()) }
    }
}

/// Another upload of the same name came.
fn given_up() -> Problem {
    Problem::parameter(
        "Idempotency-Key",
        "又有一次上传用了它，这一次作废",
        "was used by another upload, and this one is given up",
    )
}

fn unread_as(unread: Unread, most: usize) -> Problem {
    match unread {
        Unread::TooLarge => too_large(most),
        Unread::Cut(cause) => {
            let (zh, en) = (
                "请求体没有收全，没有建任务：整批重新上传",
                "the body was cut or came too slowly, and no job is made of it: upload all of it again",
            );
            Problem::new(Code::Json, zh, en).cause(&cause)
        }
        Unread::NoRoom => Denied::Overloaded.into(),
    }
}

/// A job of this caller.
async fn found(service: &Service, asked: &Alone) -> Result<Job, Problem> {
    let id = asked.segment.parse::<i64>().ok();
    let job = match id {
        Some(id) => service.0.parts.store.job(id).await?,
        None => None,
    };
    let is_own = |job: &Job| {
        job.kind == JobKind::Send
            && *job.caller == *asked.entered.caller.name
            && jobs::answer_of(job, &asked.entered.caller.line).is_some()
    };
    job.filter(is_own).ok_or_else(|| {
        Problem::parameter(
            "job_id",
            "没有这个任务：可能不是这个调用方建的，或已过保留期（retention.events）",
            "names no job: it may be another caller's, or over its retention (retention.events)",
        )
    })
}

async fn show(service: &Service, asked: &Alone) -> Result<Value, Problem> {
    let job = found(service, asked).await?;
    let limit = asked.fields.int("limit").unwrap_or(PAGE);
    let after = asked.fields.int("cursor").unwrap_or_default();
    let items = service.0.parts.store.items(job.id, after, u32::try_from(limit).unwrap_or(1)).await?;
    let next = items.last().filter(|_| items.len() as i64 == limit).map(|last| last.n.to_string());
    let mut body = standing(&job);
    body.insert("results".to_owned(), items.iter().map(result).collect());
    body.insert("next".to_owned(), next.into());
    Ok(body.into())
}

async fn stop(service: &Service, asked: &Alone) -> Result<Value, Problem> {
    let job = found(service, asked).await?;
    let Parts { store, clock, .. } = &service.0.parts;
    let now = clock.now();
    store.stop_job(job.id, now, service.0.jobs.forgotten_at(now)).await?;
    service.0.jobs.look();
    Ok(standing(&found(service, asked).await?).into())
}

fn standing(job: &Job) -> Map<String, Value> {
    let members = [
        ("job_id", Value::from(job.id.to_string())),
        ("status", job.state.as_str().into()),
        ("total", job.total.into()),
        ("sent", job.good.into()),
        ("failed", job.bad.into()),
        ("unknown", job.lost.into()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn result(item: &JobItem) -> Value {
    let status = match item.state {
        ItemState::Waits | ItemState::Begun => "waiting",
        ItemState::Good => "sent",
        ItemState::Bad => "failed",
        ItemState::Lost => "unknown",
    };
    json!({
        "line": item.n, "openid": item.openid, "msgid": item.msgid, "wx_errcode": item.code, "status": status,
    })
}
