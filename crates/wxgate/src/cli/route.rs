//! `wxgate route test`: which routes a message takes, and why; sent for real if asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use url::Url;
use wechat::message::Message;

use super::run::print;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::delivery::Courier;
use crate::delivery::sample::{Sample, What, message_kind};
use crate::entries::{AppEntry, RouteEntry, Verdict, verdicts};
use crate::keys::Keys;
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::net::{Client, Resolver};
use crate::random::Random;
use crate::rules::egress::Egress;
use crate::rules::filter::Subject;
use crate::store::Claimed;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "wxgate.toml", help = say("配置文件", "The configuration file"))]
    config: PathBuf,
    #[arg(long, help = say(
        "哪个账号的消息 [默认：第一个账号]",
        "Which account's message [default: the first account's]"
    ))]
    appid: Option<String>,
    #[arg(long, conflicts_with_all = ["text", "msg_type"], help = say(
        "事件名，如 SCAN、subscribe、CLICK；也可像路由的 events 那样写 message:image、event:LOCATION，或消息类型 text、image、location",
        "The event's name, like SCAN, subscribe, CLICK; or, as in a route's events, message:image, event:LOCATION, or a kind of message: text, image, location"
    ))]
    event: Option<String>,
    #[arg(long, value_name = "TYPE", value_parser = kind_of_message, help = say(
        "用户消息的类型：text、image、voice、video、shortvideo、location、link、miniprogrampage",
        "The kind of a user's message: text, image, voice, video, shortvideo, location, link, miniprogrampage"
    ))]
    msg_type: Option<String>,
    #[arg(long, help = say(
        "文本消息的内容 [没有 --event 时默认 \"test\"]",
        "What a text message says [without --event \"test\"]"
    ))]
    text: Option<String>,
    #[arg(long, default_value = "o-wxgate-route-test", help = say("用户的 openid", "The user's openid"))]
    openid: String,
    #[arg(long, default_value = "", hide_default_value = true, help = say(
        "扫码场景值，用于 SCAN 和 subscribe",
        "The scene that was scanned, for SCAN and subscribe"
    ))]
    scene: String,
    #[arg(long, help = say(
        "真的发给匹配的路由，每条一次；不经过运行中的网关，也不留记录",
        "Send it to the routes that take it, once each; not through the running gateway, and nothing is recorded"
    ))]
    send: bool,
}

pub(super) async fn test(args: Args) -> anyhow::Result<()> {
    let config = config::load(&args.config, &config::environment())?;
    let app = match &args.appid {
        Some(appid) => config.entries.apps.iter().find(|app| app.appid == *appid),
        None => config.entries.apps.first(),
    };
    let app = app.with_context(|| match &args.appid {
        Some(appid) => Words::new(
            format!("没有配置 {appid}：先加进 [[apps]]"),
            format!("{appid} is not configured: add it to [[apps]]"),
        ),
        None => Words::fixed(
            "配置文件里没有 [[apps]]：这个命令只看文件，控制台里加的在控制台的 路由 → 试一试",
            "the files have no [[apps]]: this command sees files alone, what was made at the console is tried there",
        ),
    })?;
    let xml = sample(&args, app)?;
    let message = Message::parse(xml.as_bytes()).context(UNWRITABLE)?;
    let (appid, kind, openid) = (&app.appid, message.kind(), &args.openid);
    print(&say(
        format!("{appid} 的 {kind}，openid {openid}\n"),
        format!("{kind} of {appid}, openid {openid}\n"),
    ))?;
    if config.entries.routes.is_empty() {
        bail!(Words::fixed(
            "没有配置任何 [[routes]]：消息会存下，但不会转发",
            "there are no [[routes]]: messages are kept and go nowhere",
        ));
    }
    let taking = explain(&config, app, &message)?;
    if taking.is_empty() {
        bail!(Words::fixed(
            "没有路由匹配：这样的消息会存下，但不会转发",
            "no route takes it: such messages are kept and go nowhere",
        ));
    }
    if args.send {
        let sending: Vec<&RouteEntry> = taking.into_iter().filter(|route| !route.paused).collect();
        send(&config, app, &sending, xml).await?;
    }
    Ok(())
}

fn kind_of_message(text: &str) -> Result<String, String> {
    let wrong = || say("没有这种消息", "there is no such kind").to_owned();
    message_kind(text).map(str::to_owned).ok_or_else(wrong)
}

const UNWRITABLE: Words = Words::fixed("这样的消息写不出来", "there can be no such message");

/// A target for people: everything but its query, where a secret may stand.
fn shown(url: &Url) -> String {
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}{}{query}", url.origin().ascii_serialization(), url.path())
}

/// The message as WeChat would write it.
fn sample(args: &Args, app: &AppEntry) -> anyhow::Result<String> {
    let to = Some(&*app.original_id).filter(|id| !id.is_empty()).unwrap_or("gh_000000000000");
    let text = args.text.as_deref().unwrap_or("test");
    let what = match (&args.event, &args.msg_type) {
        (Some(name), _) => What::named(name, &args.scene, text),
        (None, Some(kind)) => What::Message(kind, text),
        (None, None) => What::Message("text", text),
    };
    Sample { to, from: &args.openid, what, at: Clock::System.now() }.xml().context(UNWRITABLE)
}

/// Prints every route and why it does or doesn't take the message; returns those that do.
fn explain<'a>(config: &'a Config, app: &AppEntry, message: &Message) -> anyhow::Result<Vec<&'a RouteEntry>> {
    let subject = Subject::of(message);
    let verdicts = verdicts(&config.entries.routes, &app.appid, &app.tags, &subject);
    for verdict in &verdicts {
        print(&line(verdict, app, &verdicts))?;
    }
    Ok(verdicts.into_iter().filter(|verdict| verdict.matched).map(|verdict| verdict.route).collect())
}

fn line(verdict: &Verdict<'_>, app: &AppEntry, all: &[Verdict<'_>]) -> String {
    let name = &verdict.route.name;
    if let Some(last) = verdict.stopped_by {
        return say(
            format!("- {name}：不看了，{last} 设了 stop\n"),
            format!("- {name}: not looked at, {last} has stop\n"),
        );
    }
    if let Some(missed) = verdict.why.iter().find(|condition| !condition.holds) {
        let key = missed.list;
        return say(format!("× {name}：{key} 不匹配\n"), format!("× {name}: {key} doesn't match\n"));
    }
    let is_answered = all.iter().any(|one| one.replies);
    let role = match verdict.route.reply {
        _ if verdict.route.paused => {
            say("，已暂停：留存，恢复后再发", ", paused: it is kept and goes out later").to_owned()
        }
        Some(reply) if verdict.replies => {
            let wait = reply.wait;
            say(
                format!("，应答作为被动回复（最多等 {wait:?}）"),
                format!(", its answer is the passive reply ({wait:?} at most)"),
            )
        }
        Some(_) if is_answered => {
            say("，应答不用：前面已有 reply 路由", ", its answer isn't used: an earlier route replies")
                .to_owned()
        }
        Some(_) | None => String::new(),
    };
    let target = verdict.route.target.url(&app.appid).map(|url| shown(&url)).unwrap_or_default();
    format!("√ {name} → {target}{role}\n")
}

/// The gateway's key, so that it knows the delivery again if somebody sends it there.
fn gateways_keys(config: &Config) -> anyhow::Result<Keys> {
    match config.store.key_file().is_some_and(|file| !file.exists()) {
        true => Ok(Keys::new(&Random::System.bytes(), Random::System)),
        false => config.store.keys(false, Random::System),
    }
}

async fn send(config: &Config, app: &AppEntry, routes: &[&RouteEntry], xml: String) -> anyhow::Result<()> {
    let limits = Arc::new(Limits::default());
    let own = [Some(config.server.listen), Some(config.server.admin_listen), config.server.public_listen];
    let egress = Egress::new(own.into_iter().flatten().collect());
    let tls = config.egress.authorities.client_config()?;
    let client = Client::guarded(egress, Resolver::machine(), true, tls, &limits);
    let keys = gateways_keys(config)?;
    let claimed = Claimed {
        id: 0,
        round: 0,
        attempt: 1,
        event_id: 0,
        event_name: format!("evt_test_{:016x}", Random::System.number()),
        appid: app.appid.clone(),
        received_at: Clock::System.now(),
        body: xml.into_bytes(),
    };
    let mut failed = 0;
    for route in routes {
        let (random, clock) = (&Random::System, &Clock::System);
        let courier =
            Courier { client: &client, keys: &keys, random, clock, limits: &limits, traceparent: None };
        let began = Instant::now();
        let (sent, body) = courier.deliver(route, &claimed, Some(app), true).await;
        let ms = began.elapsed().as_millis();
        if sent.error.is_empty() {
            let body = body.unwrap_or_default();
            let text = String::from_utf8_lossy(&body);
            let text: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
            let (name, status) = (&route.name, sent.status);
            print(&say(
                format!("√ {name}：HTTP {status}，{ms} ms，应答：{text}\n"),
                format!("√ {name}: HTTP {status}, {ms} ms, answered: {text}\n"),
            ))?;
        } else {
            failed += 1;
            let (name, error) = (&route.name, sent.error);
            print(&say(
                format!("× {name}：没有收下，{error}（{ms} ms）\n"),
                format!("× {name}: not taken, {error} ({ms} ms)\n"),
            ))?;
        }
    }
    if failed > 0 {
        bail!(Words::new(
            format!("{failed} 条路由没有收下"),
            format!("routes that didn't take it: {failed}"),
        ));
    }
    Ok(())
}
