//! `wxgate replay`: dead letters, or what was delivered, sent again by a wxgate that runs somewhere; counted first, and watched.

mod when;

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use url::Url;

use super::client::{Answer, Server, id_of};
use super::jobs::{Job, State, Unseen, follow};
use super::progress::{grouped, moment};
use super::run::{confirmed, notice, print};
use crate::config;
use crate::entries::Secret;
use crate::lang::{Words, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, alias = "url", default_value = "http://127.0.0.1:36013", value_name = "URL", help = say(
        "wxgate 的管理端口",
        "The admin port of the wxgate"
    ))]
    admin: Url,
    #[arg(long, help = say(
        "管理令牌；不写则从环境变量 WXGATE_ADMIN_TOKEN（或 WXGATE_ADMIN_TOKEN_FILE）读取，别人看不到",
        "The admin token; without it WXGATE_ADMIN_TOKEN (or WXGATE_ADMIN_TOKEN_FILE) is read, which nobody else sees"
    ))]
    token: Option<Secret>,
    #[arg(long, value_name = "FILE", help = say(
        "另外信任的证书机构（PEM），https 的管理端口用",
        "Further authorities to trust (PEM), for an admin port with https"
    ))]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000), help = say(
        "每秒最多几条，1 到 1000 [默认：50]",
        "At most so many a second, 1 to 1000 [default: 50]"
    ))]
    rate: Option<u32>,
    #[arg(long, help = say("只数，不重放", "Count them, replay none"))]
    dry_run: bool,
    #[arg(long, help = say("不问，直接重放", "Don't ask, replay"))]
    yes: bool,
    #[arg(long, value_name = "ID", help = say("看一个已经开始的任务", "Watch a job that was begun before"))]
    job: Option<String>,
    #[arg(long, requires = "job", help = say("停掉 --job 的任务", "Stop the job of --job"))]
    stop: bool,
}

#[derive(Debug, clap::Args)]
struct Filter {
    #[arg(long, help = say("只要这条路由的", "Of this route"))]
    route: Option<String>,
    #[arg(
        long, value_parser = ["dead", "delivered"], value_name = "dead|delivered", hide_possible_values = true,
        help = say("死信，或已投递的 [默认：dead]", "Dead letters, or what was delivered [default: dead]")
    )]
    status: Option<String>,
    #[arg(long, value_name = "N", help = say(
        "最后一次投递的 HTTP 状态，如 502；0 是没有应答",
        "The HTTP status of the last attempt, as 502; 0: no answer"
    ))]
    error_status: Option<u16>,
    #[arg(long, value_name = "T", value_parser = when::parse, help = say(
        "从什么时候起：2026-11-27T14:03:00+08:00，本机时区的 \"2026-11-27 14:03\"，或 2h（2 小时前）",
        "From when: 2026-11-27T14:03:00+08:00, \"2026-11-27 14:03\" in this machine's zone, or 2h (2 hours ago)"
    ))]
    from: Option<i64>,
    #[arg(long, value_name = "T", value_parser = when::parse, help = say("到什么时候为止", "Until when"))]
    to: Option<i64>,
    #[arg(long, help = say("只要这个账号的", "Of this account"))]
    appid: Option<String>,
    #[arg(long, help = say("只要这个用户的", "Of this user"))]
    openid: Option<String>,
    #[arg(long, help = say("事件名或消息类型，如 SCAN、text", "The event's name or the kind of message, as SCAN, text"))]
    event: Option<String>,
    #[arg(
        long, value_name = "N", num_args = 1..,
        conflicts_with_all = ["route", "status", "error_status", "from", "to", "appid", "openid", "event"],
        help = say("只要这些编号的投递（不是消息的编号）", "The deliveries with these ids (not the messages')")
    )]
    id: Vec<i64>,
}

impl Filter {
    /// What the API is to look for.
    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        if !self.id.is_empty() {
            body.insert("ids".to_owned(), json!(self.id));
            return body;
        }
        let status = self.status.as_deref().unwrap_or("dead");
        let mut filter = json!({
            "route": self.route, "status": status, "error_status": self.error_status, "from": self.from, "to": self.to,
            "appid": self.appid, "openid": self.openid, "event": self.event,
        });
        if let Value::Object(members) = &mut filter {
            members.retain(|_, value| !value.is_null());
        }
        body.insert("filter".to_owned(), filter);
        body
    }
}

/// Nobody confirmed it.
#[derive(Debug)]
pub(super) struct NotReplayed;

impl fmt::Display for NotReplayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(say(
            "没有重放：加 --yes，或在终端里确认",
            "nothing is replayed: say --yes, or confirm it on a terminal",
        ))
    }
}

impl std::error::Error for NotReplayed {}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let environment = config::environment();
    let token = match &args.token {
        Some(token) => Some(token.clone()),
        None => config::secret_of("WXGATE_ADMIN_TOKEN", &environment)?,
    };
    let token = token.context(Words::fixed(
        "没有管理令牌：用 --token，或设置环境变量 WXGATE_ADMIN_TOKEN（或 WXGATE_ADMIN_TOKEN_FILE）",
        "there is no admin token: use --token, or set WXGATE_ADMIN_TOKEN (or WXGATE_ADMIN_TOKEN_FILE) in the environment",
    ))?;
    let server = Server::new(
        args.admin.clone(),
        args.ca_file.as_deref(),
        token.expose_secret(),
        "--token, WXGATE_ADMIN_TOKEN",
    )?;
    match &args.job {
        Some(id) if args.stop => stop(&server, id).await,
        Some(id) => watch(&server, id).await,
        None => replay(&server, &args).await,
    }
}

async fn replay(server: &Server, args: &Args) -> anyhow::Result<()> {
    let ask = |more: Value| {
        let mut body = args.filter.body();
        body.extend(more.as_object().cloned().unwrap_or_default());
        server.admin(Method::POST, "replay", Value::Object(body))
    };
    let planned = ask(json!({"dry_run": true})).await?;
    let Some(count) = planned["count"].as_u64() else {
        let place = server.place();
        bail!(Words::new(
            format!(
                "{place} 的应答不是 wxgate 管理接口的：--admin 应是 server.admin_listen 的地址（默认端口 36013）"
            ),
            format!(
                "{place} isn't a wxgate's admin API: --admin must be where server.admin_listen is (port 36013 by default)"
            ),
        ));
    };
    print(&told(&planned, count))?;
    if count == 0 || args.dry_run {
        return Ok(());
    }
    let n = grouped(count);
    let question = say(format!("重放 {n} 条？"), format!("Replay {n}? "));
    if !args.yes && !confirmed(&question)? {
        bail!(NotReplayed);
    }
    let begun = ask(json!({"rate": args.rate.unwrap_or(50)})).await?;
    let id = id_of(&begun["job_id"]).context(STRANGE)?;
    notice(&say(format!("任务 {id} 开始了"), format!("job {id} has begun")));
    watch(server, &id).await
}

const STRANGE: Words =
    Words::fixed("看不懂它的应答：那里真的是 wxgate 吗？", "its answer makes no sense: is there a wxgate?");

/// What a dry run found.
fn told(planned: &Value, count: u64) -> String {
    let mut text = if count == 0 {
        say("没有可以重放的\n", "nothing to replay\n").to_owned()
    } else {
        let at = |key: &str| planned[key].as_i64().map_or_else(|| "?".to_owned(), moment);
        let (n, oldest, newest) = (grouped(count), at("oldest"), at("newest"));
        say(
            format!("{n} 条，最早 {oldest}，最晚 {newest}\n"),
            format!("{n}: the oldest of {oldest}, the newest of {newest}\n"),
        )
    };
    if let Some(skipped) = planned["skipped"].as_u64().filter(|n| *n > 0) {
        text += &say(
            format!("另有 {skipped} 条不重放：它们的路由已经没有了\n"),
            format!("not replayed, as their route is gone: {skipped}\n"),
        );
    }
    text
}

/// Where a job is; its id may be anything that somebody typed.
fn path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("jobs/{id}")
}

async fn look(server: &Server, id: &str) -> Result<Job, Unseen> {
    let asked = server.ask(Method::GET, &format!("api/v1/{}", path(id)), Value::Null).await;
    let Answer { status, body } = asked.map_err(Unseen::Away)?;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let detail = body["detail"].as_str().unwrap_or_default().to_owned();
        return Err(Unseen::Away(Words::new(detail.clone(), detail)));
    }
    if status == StatusCode::OK {
        return Job::read(&body, "delivered").ok_or_else(|| Unseen::Refused(STRANGE.into()));
    }
    let (place, status, detail) =
        (server.place(), status.as_u16(), body["detail"].as_str().unwrap_or_default());
    Err(Unseen::Refused(anyhow::anyhow!(Words::new(
        format!("{place} 没有任务 {id}（HTTP {status}）：{detail}"),
        format!("{place} has no job {id} (HTTP {status}): {detail}"),
    ))))
}

async fn watch(server: &Server, id: &str) -> anyhow::Result<()> {
    let job = follow(async || look(server, id).await, again(server, id)).await?;
    print(&summary(&job))?;
    judge(&job)
}

async fn stop(server: &Server, id: &str) -> anyhow::Result<()> {
    let stopped = server.admin(Method::POST, &format!("{}/stop", path(id)), Value::Null).await?;
    let job = Job::read(&stopped, "delivered").context(STRANGE)?;
    print(&summary(&job))
}

/// How to come back to a job that goes on.
fn again(server: &Server, id: &str) -> Words {
    let place = server.place();
    Words::new(
        format!("任务 {id} 还在进行。接着看：wxgate replay --admin {place} --job {id}；停掉：再加 --stop"),
        format!(
            "the job {id} goes on. Watch it: wxgate replay --admin {place} --job {id}; stop it: add --stop"
        ),
    )
}

fn summary(job: &Job) -> String {
    let [total, good, failed, left] = [job.total, job.good, job.failed, job.left()].map(grouped);
    match job.state {
        State::Stopped => say(
            format!("已停：共 {total} 条，送达 {good}，没成 {failed}，没重放 {left}\n"),
            format!("stopped: of {total}, delivered {good}, failed {failed}, not replayed {left}\n"),
        ),
        State::Done | State::Running => say(
            format!("共 {total} 条，送达 {good}，没成 {failed}\n"),
            format!("of {total}, delivered {good}, failed {failed}\n"),
        ),
    }
}

fn judge(job: &Job) -> anyhow::Result<()> {
    if job.good == job.total {
        return Ok(());
    }
    let missing = grouped(job.total - job.good.min(job.total));
    bail!(Words::new(
        format!("{missing} 条没有送达：原因在控制台的死信页，或 GET /api/v1/deliveries?status=dead"),
        format!(
            "not delivered: {missing}; the console's dead letters tell why, or GET /api/v1/deliveries?status=dead"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn body(line: &[&str]) -> Value {
        let line = Line::try_parse_from([&["replay"], line].concat()).unwrap();
        Value::Object(line.args.filter.body())
    }

    #[test]
    fn the_command_line_is_what_the_api_looks_for() {
        assert_eq!(body(&[]), json!({"filter": {"status": "dead"}}));
        let line = [
            "--route",
            "crm",
            "--status",
            "delivered",
            "--error-status",
            "0",
            "--from",
            "2026-12-31T18:00:00+08:00",
        ];
        let line = [&line[..], &["--openid", "o1", "--event", "SCAN", "--appid", "wx1"]].concat();
        let filter = json!({
            "route": "crm", "status": "delivered", "error_status": 0, "from": 1_798_711_200,
            "openid": "o1", "event": "SCAN", "appid": "wx1",
        });
        assert_eq!(body(&line), json!({ "filter": filter }));
        assert_eq!(body(&["--id", "3", "4", "--id", "5"]), json!({"ids": [3, 4, 5]}));
    }

    #[test]
    fn what_means_two_things_is_refused() {
        for line in [
            &["--id", "3", "--route", "crm"][..],
            &["--stop"],
            &["--rate", "0"],
            &["--rate", "1001"],
            &["--status", "pending"],
            &["--from", "soon"],
        ] {
            assert!(Line::try_parse_from([&["replay"], line].concat()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_id_stays_in_its_place() {
        assert_eq!(path("12"), "jobs/12");
        assert_eq!(path("../apps?x"), "jobs/..%2Fapps%3Fx");
    }
}
