//! `wxgate send`: the template messages of a file, given to a wxgate that runs somewhere as one job, and watched until all are sent.

mod batch;
mod results;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Either;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::client::{Answer, Server, id_of};
use super::jobs::{Job, State, Unseen, follow};
use super::progress::{Bar, Far, grouped};
use super::run::{notice, print};
use crate::clock::Clock;
use crate::config;
use crate::entries::Secret;
use crate::lang::{Words, say};
use crate::net::{Pace, Upload};

use batch::Batch;
use results::Results;

/// Results of one answer.
const PAGE: u32 = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "http://127.0.0.1:36012", value_name = "URL", help = say(
        "wxgate 的地址（server.listen）",
        "Where the wxgate is (server.listen)"
    ))]
    gateway: Url,
    #[arg(long, help = say(
        "调用方密钥；不写则从环境变量 WXGATE_KEY（或 WXGATE_KEY_FILE）读取，别人看不到",
        "The caller's key; without it WXGATE_KEY (or WXGATE_KEY_FILE) is read, which nobody else sees"
    ))]
    key: Option<Secret>,
    #[arg(long, value_name = "FILE", help = say(
        "另外信任的证书机构（PEM），https 的地址用",
        "Further authorities to trust (PEM), for an address with https"
    ))]
    ca_file: Option<PathBuf>,
    #[arg(short, long, required_unless_present = "job", help = say(
        "一行一条消息的文件（NDJSON），每行是 sendwxtemplatemsg 的请求；- 是标准输入",
        "A file with a message a line (NDJSON), each a request of sendwxtemplatemsg; - is standard input"
    ))]
    file: Option<PathBuf>,
    #[arg(long, help = say("用哪个账号发；每行里也可以各写各的", "The account that sends; lines may name their own"))]
    appid: Option<String>,
    #[arg(long, help = say("请求的 source，即哪个服务在发", "The requests' source: which service sends"))]
    source: Option<String>,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), help = say(
        "每秒最多几条 [默认由网关定]",
        "At most so many a second [default: the gateway's]"
    ))]
    rate: Option<u32>,
    #[arg(long, value_name = "KEY", help = say(
        "同一个键只发一次 [默认取自文件内容和账号：再运行一次不会重发]",
        "What is sent once only [default: of the file's content and the account, so that a second run sends nothing twice]"
    ))]
    idempotency_key: Option<String>,
    #[arg(long, help = say("交出去就结束，不等发完", "End once it is handed over, don't wait until it is sent"))]
    detach: bool,
    #[arg(long, value_name = "FILE", help = say("把每一行的结果写到这里（NDJSON）", "Write every line's result to this file (NDJSON)"))]
    results: Option<PathBuf>,
    #[arg(
        long, value_name = "ID", conflicts_with_all = ["file", "appid", "source", "rate", "idempotency_key", "detach"],
        help = say("看一个已经开始的任务", "Watch a job that was begun before")
    )]
    job: Option<String>,
    #[arg(long, requires = "job", help = say("停掉 --job 的任务", "Stop the job of --job"))]
    stop: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let key = match &args.key {
        Some(key) => Some(key.clone()),
        None => config::secret_of("WXGATE_KEY", &config::environment())?,
    };
    let key = key.context(Words::fixed(
        "没有调用方密钥：用 --key，或设置环境变量 WXGATE_KEY（或 WXGATE_KEY_FILE）",
        "there is no caller's key: use --key, or set WXGATE_KEY (or WXGATE_KEY_FILE) in the environment",
    ))?;
    let server =
        Server::new(args.gateway.clone(), args.ca_file.as_deref(), key.expose_secret(), "--key, WXGATE_KEY")?;
    match (&args.job, &args.file) {
        (Some(id), _) if args.stop => stop(&server, id).await,
        (Some(id), _) => watch(&server, id, Results::new(args.results.as_deref())?, 0).await,
        (None, Some(file)) => {
            let batch = Batch::read(file)?;
            send(&server, &args, &batch).await
        }
        (None, None) => Ok(()),
    }
}

async fn send(server: &Server, args: &Args, batch: &Batch) -> anyhow::Result<()> {
    // Before anything is sent.
    let mut results = Results::new(args.results.as_deref())?;
    let taken = hand_over(server, args, batch).await?;
    let count = |name: &str| taken[name].as_u64().unwrap_or_default();
    let (accepted, rejected) = (count("accepted"), count("rejected"));
    for error in taken["errors"].as_array().into_iter().flatten() {
        results.rejected(error)?;
    }
    let (n, not) = (grouped(accepted), grouped(rejected));
    let id = id_of(&taken["job_id"]);
    let Some(id) = id.filter(|_| accepted > 0) else {
        print(&results.end()?)?;
        bail!(Words::new(
            format!("一条也没有收下（{not} 行不对）"),
            format!("no line is taken ({not} are wrong)")
        ));
    };
    let place = server.place();
    if taken["again"] == true {
        if accepted + rejected != batch.lines {
            bail!(Words::new(
                format!(
                    "这个 --idempotency-key 已经用在另一批消息上（任务 {id}），这个文件没有发送：换一个键"
                ),
                format!(
                    "this --idempotency-key was used for other messages (job {id}), and nothing of this file is sent: take another"
                ),
            ));
        }
        notice(&say(
            format!("这批消息以前交过，没有重新发送：任务 {id}"),
            format!("these messages were handed over before, and none is sent again: job {id}"),
        ));
        return watch(server, &id, results, rejected).await;
    }
    notice(&say(
        format!("{place} 收下 {n} 条，没收下 {not} 条：任务 {id}"),
        format!("{place} takes {n}, refuses {not}: job {id}"),
    ));
    if !args.detach {
        return watch(server, &id, results, rejected).await;
    }
    print(&results.end()?)?;
    print(&format!("{}\n", again(server, &id)))?;
    if rejected > 0 { bail!(not_sent(rejected)) } else { Ok(()) }
}

/// Sends the messages; what the gateway said of them.
async fn hand_over(server: &Server, args: &Args, batch: &Batch) -> anyhow::Result<Value> {
    let given =
        [("appid", &args.appid), ("source", &args.source), ("rate", &args.rate.map(|n| n.to_string()))];
    let mut query = Serializer::new(String::new());
    query.extend_pairs(given.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))));
    let path = format!("v1/service/wx/sendwxtemplatemsg/batch?{}", query.finish());
    let key = args.idempotency_key.clone().unwrap_or_else(|| batch.key(args.appid.as_deref()));
    let headers = [("idempotency-key", key.as_str())];
    let body = batch.body();
    let gone = body.gone();
    let upload = Upload::new(Bytes::new(), body, server.limits.silence, Pace::new(&server.limits));
    let mut answer = std::pin::pin!(server.pass(
        Method::POST,
        path.trim_end_matches('?'),
        "application/x-ndjson",
        &headers,
        Either::Right(Either::Left(upload))
    ));
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut bar, clock) = (Bar::new(), Clock::System);
    let words =
        say(format!("{} 条上传中", grouped(batch.lines)), format!("uploading {}", grouped(batch.lines)));
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            _ = &mut interrupted => {
                bar.clear();
                bail!(AGAIN);
            }
            () = clock.pause(std::time::Duration::from_millis(200)) => {
                let good = gone.load(Ordering::Relaxed) / 1024;
                let far = Far { good, bad: 0, total: batch.bytes.div_ceil(1024), words: format!("KiB  {words}") };
                bar.show(&far);
            }
        }
    };
    bar.clear();
    taken(server, answer.context(AGAIN)?)
}

const AGAIN: Words = Words::fixed(
    "没有交完。再运行一次同样的命令：已经收下的不会重发",
    "it wasn't handed over. Run the same command again: nothing is sent twice",
);
const STRANGE: Words =
    Words::fixed("看不懂它的应答：那里真的是 wxgate 吗？", "its answer makes no sense: is there a wxgate?");

/// The body of an answer of the service API, if it is a success.
fn taken(server: &Server, answer: Answer) -> anyhow::Result<Value> {
    let Answer { status, mut body } = answer;
    match body["ret"]["code"].as_i64() {
        Some(0) if status.is_success() => Ok(body["body"].take()),
        _ => Err(server.refusal(status, &body).into()),
    }
}

/// Where a job is; its id may be anything that somebody typed.
fn path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("v1/service/wx/jobs/{id}")
}

async fn look(server: &Server, id: &str) -> Result<Job, Unseen> {
    let asked = server.ask(Method::GET, &format!("{}?limit=1", path(id)), Value::Null).await;
    let Answer { status, body } = asked.map_err(Unseen::Away)?;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Unseen::Away(server.refusal(status, &body)));
    }
    let body = taken(server, Answer { status, body }).map_err(Unseen::Refused)?;
    Job::read(&body, "sent").ok_or_else(|| Unseen::Refused(STRANGE.into()))
}

/// Until all are sent; then what became of each.
async fn watch(server: &Server, id: &str, mut results: Results, rejected: u64) -> anyhow::Result<()> {
    let clock = Clock::System;
    let began = clock.ticks();
    let job = follow(async || look(server, id).await, again(server, id)).await?;
    let mut cursor = String::new();
    loop {
        let asked = format!("{}?limit={PAGE}{cursor}", path(id));
        let page = taken(server, server.ask(Method::GET, &asked, Value::Null).await?)?;
        for result in page["results"].as_array().into_iter().flatten() {
            results.add(result)?;
        }
        let Some(next) = id_of(&page["next"]) else { break };
        let query = Serializer::new(String::new()).append_pair("cursor", &next).finish();
        let further = format!("&{query}");
        if further == cursor {
            bail!(STRANGE);
        }
        cursor = further;
    }
    let seconds = u64::try_from(clock.ticks() - began).unwrap_or_default() / 1000;
    print(&summary(&job, rejected, Some(seconds)))?;
    print(&results.end()?)?;
    let missing = job.total.saturating_sub(job.good) + rejected;
    if missing > 0 { bail!(not_sent(missing)) } else { Ok(()) }
}

async fn stop(server: &Server, id: &str) -> anyhow::Result<()> {
    let answer = server.ask(Method::POST, &format!("{}/stop", path(id)), Value::Null).await?;
    let job = Job::read(&taken(server, answer)?, "sent").context(STRANGE)?;
    print(&summary(&job, 0, None))
}

fn not_sent(n: u64) -> Words {
    let n = grouped(n);
    Words::new(format!("{n} 条没有发出"), format!("not sent: {n}"))
}

/// How to come back to a job that goes on.
fn again(server: &Server, id: &str) -> Words {
    let place = server.place();
    Words::new(
        format!("任务 {id} 还在进行。接着看：wxgate send --gateway {place} --job {id}；停掉：再加 --stop"),
        format!(
            "the job {id} goes on. Watch it: wxgate send --gateway {place} --job {id}; stop it: add --stop"
        ),
    )
}

fn summary(job: &Job, rejected: u64, seconds: Option<u64>) -> String {
    let [all, sent, failed, unknown, left] =
        [job.total + rejected, job.good, job.failed + rejected, job.unknown, job.left()].map(grouped);
    let took = seconds.map(super::progress::span);
    let zh = took.as_ref().map(|took| format!("，用时 {took}")).unwrap_or_default();
    let en = took.as_ref().map(|took| format!(", in {took}")).unwrap_or_default();
    match job.state {
        State::Stopped => say(
            format!("已停：共 {all} 条，发出 {sent}，没成 {failed}，不确定 {unknown}，没发 {left}{zh}\n"),
            format!(
                "stopped: of {all}, sent {sent}, failed {failed}, unknown {unknown}, not sent {left}{en}\n"
            ),
        ),
        State::Done | State::Running => say(
            format!("共 {all} 条，发出 {sent}，没成 {failed}，不确定 {unknown}{zh}\n"),
            format!("of {all}, sent {sent}, failed {failed}, unknown {unknown}{en}\n"),
        ),
    }
}
