//! `wxgate listen`: messages, as a gateway keeps them, to a URL on this machine, in order; and what that answers back to WeChat.
//!
//! One task reads the stream and connects again when it ends ([`gateway`], [`sse`]); the messages wait in a short queue for the
//! local URL ([`local`]); what is done is acknowledged by a third, so that a named stream goes on there at the next start.

mod gateway;
mod local;
mod sse;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::ValueEnum;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::run::{notice, print};
use super::signals::{Ask, Signals};
use crate::clock::Clock;
use crate::config;
use crate::entries::WebhookSecret;
use crate::feed::TAKEN;
use crate::lang::{Words, say};
use crate::limits::Limits;
use crate::net::{Client, piece};
use crate::random::Random;
use crate::tls::Authorities;

use gateway::{Gateway, Opened, Replied};
use local::{Answer, Form, Local};
use sse::{Parser, Said};
use table::Fate;

/// A stream in which nothing was said for so long is dead: a comment comes every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// Waits before something is tried again: the first, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// Messages that wait for the local URL.
const QUEUE: usize = 64;
/// At the end what is done is still acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Whoever sent an older message doesn't wait for an answer any more.
const ANSWERED_WITHIN: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Wechat,
    Json,
}

/// Kinds as a route's `events` writes them; as the table shows them, they are taken as well.
fn as_in_routes(kinds: &str) -> String {
    let one = |kind: &str| match kind.trim().split_once('.') {
        Some(("message", kind)) => format!("message:{kind}"),
        Some(("event", name)) => name.to_owned(),
        _ => kind.trim().to_owned(),
    };
    kinds.split(',').map(one).collect::<Vec<_>>().join(",")
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:36012", help = say(
        "网关的地址",
        "The gateway's URL"
    ))]
    gateway: Url,
    #[arg(long, help = say(
        "调用方密钥；不写则取环境变量 WXGATE_KEY [没有则不带密钥]",
        "The caller's key; without it WXGATE_KEY of the environment, or none"
    ))]
    key: Option<String>,
    #[arg(long, value_name = "URL", help = say(
        "每条消息 POST 到这里 [不写则只显示]",
        "Each message is POSTed there [without it they are only shown]"
    ))]
    forward: Option<Url>,
    #[arg(long, help = say("只要这个账号的", "Of this account only"))]
    appid: Option<String>,
    #[arg(long, help = say(
        "只要这位用户的；本地的应答成为被动回复（调用方须有 may_reply）",
        "Of this user only; the local answer is the passive reply (the caller needs may_reply)"
    ))]
    openid: Option<String>,
    #[arg(long, help = say(
        "只要这些，写法同路由的 events，用逗号分开",
        "Of these kinds only, as in a route's events, apart by commas"
    ))]
    event: Option<String>,
    #[arg(long, help = say(
        "流的名字：关掉期间的消息，下次用同一个名字打开时按序补上",
        "The stream's name: what comes while it is closed follows in order when it is opened again"
    ))]
    name: Option<String>,
    #[arg(long, value_enum, default_value = "wechat", help = say(
        "转发的格式：wechat 和微信推来的一样，json 见回调文档",
        "How it is forwarded: wechat as WeChat sends it, json as the page on callbacks says"
    ))]
    format: Format,
    #[arg(long, help = say(
        "转发用什么签名：wechat 的 token [默认：wxgate]，json 的 whsec_… [默认：不签名]",
        "What signs it: wechat's token [default: wxgate], json's whsec_… [default: nothing]"
    ))]
    token: Option<String>,
    #[arg(long, help = say(
        "另外信任的证书机构（PEM）",
        "Further authorities to trust (PEM)"
    ))]
    ca_file: Option<PathBuf>,
}

/// A message on its way to the local URL.
struct Message {
    /// Its place in the stream; absent of one that is sent once more.
    id: Option<i64>,
    event: Value,
}

/// Waits that grow.
struct BackOff(Duration);

impl BackOff {
    fn next(&mut self) -> Duration {
        let wait = self.0.mul_f64(Random::System.jitter());
        self.0 = (self.0 * 2).min(LONGEST);
        wait.min(LONGEST)
    }
}

/// What all of it stands on.
struct Listener {
    gateway: Gateway,
    local: Option<Local>,
    name: Option<String>,
    /// The local answer may go to the user.
    replies: bool,
    done: watch::Sender<i64>,
    /// Nothing more is begun.
    stopping: CancellationToken,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let listener = Arc::new(listener(args)?);
    let mut signals = Signals::new()?;
    let (send, receive) = mpsc::channel(QUEUE);
    let (reading, working, acking) = (listener.clone(), listener.clone(), listener.clone());
    let mut work = Box::pin(async {
        tokio::select! {
            ended = reading.read(send) => ended,
            ended = working.work(receive) => ended,
            () = acking.acknowledge() => Ok(()),
        }
    });
    let stopped = async { while signals.next().await != Ask::Stop {} };
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = stopped => {
            // What is at work is finished, lest it comes again.
            listener.stopping.cancel();
            tokio::time::timeout(LAST_WORDS, &mut work).await.unwrap_or(Ok(()))
        }
    };
    drop(work);
    listener.last_words().await;
    ended
}

fn listener(args: Args) -> anyhow::Result<Listener> {
    let authorities = match &args.ca_file {
        Some(file) => Authorities::read(file)?,
        None => Authorities::default(),
    };
    let limits = Limits::default();
    let client = Client::new(None, authorities.client_config()?, &limits, 1);
    let form = match (args.format, args.token) {
        (Format::Wechat, token) => Form::Wechat(token.unwrap_or_else(|| "wxgate".to_owned())),
        (Format::Json, None) => Form::Json(None),
        (Format::Json, Some(secret)) => {
            Form::Json(Some(WebhookSecret::parse(&secret).context(Words::fixed(
                "--format json 的 --token 应是 whsec_ 加 base64",
                "--token of --format json must be whsec_ and base64",
            ))?))
        }
    };
    if let Some(url) = &args.forward
        && (!matches!(url.scheme(), "http" | "https") || !url.has_host())
    {
        bail!(Words::fixed(
            "--forward 应是 http:// 开头的地址，如 http://127.0.0.1:8080/wx",
            "--forward must be an http URL, as http://127.0.0.1:8080/wx",
        ));
    }
    let replies = args.openid.is_some() && args.forward.is_some();
    let is_raw = args.forward.is_some() && matches!(form, Form::Wechat(_));
    let mut wanted = Vec::new();
    let event = args.event.map(|kinds| as_in_routes(&kinds));
    let given = [("appid", args.appid), ("openid", args.openid), ("event", event)];
    wanted.extend(given.into_iter().filter_map(|(key, value)| Some((key, value?))));
    if is_raw {
        wanted.push(("raw", "1".to_owned()));
    }
    if let Some(name) = &args.name {
        wanted.extend([("name", name.clone()), ("acks", "1".to_owned())]);
    }
    let local = args.forward.map(|url| Local { client: client.clone(), limits, url, form });
    let environment = config::environment();
    let key = args.key.or_else(|| environment.get("WXGATE_KEY").cloned()).filter(|key| !key.is_empty());
    let gateway = Gateway::new(client, limits, &args.gateway, key.as_deref(), wanted)?;
    Ok(Listener {
        gateway,
        local,
        name: args.name,
        replies,
        done: watch::channel(0).0,
        stopping: CancellationToken::new(),
    })
}

impl Listener {
    /// Reads the stream, again and again; ends where that is of no use.
    async fn read(&self, send: mpsc::Sender<Message>) -> anyhow::Result<()> {
        let (mut last, mut back_off) = (None, BackOff(FIRST));
        loop {
            let why = match self.gateway.open(last).await? {
                Opened::Refused(words) => bail!(words),
                Opened::Later(words) => words,
                Opened::Stream(mut body) => {
                    let place = self.gateway.place();
                    notice(&say(
                        format!("已连上 {place}，等待消息（Ctrl-C 结束）"),
                        format!("connected to {place}, waiting for messages (Ctrl-C ends)"),
                    ));
                    let mut parser = Parser::default();
                    loop {
                        let bytes = match piece(&mut body, SILENCE).await {
                            Ok(Some(bytes)) => bytes,
                            Ok(None) => {
                                break Words::fixed("网关结束了事件流", "the gateway ended the stream");
                            }
                            Err(cut) => {
                                break Words::new(
                                    format!("连接断了：{cut}"),
                                    format!("the connection broke: {cut}"),
                                );
                            }
                        };
                        back_off = BackOff(FIRST);
                        let Some(said) = parser.push(&bytes) else {
                            break Words::fixed("这不是事件流", "that is no stream of events");
                        };
                        for said in said {
                            self.take(said, &mut last, &send).await?;
                        }
                    }
                }
            };
            let wait = back_off.next();
            notice(&say(
                format!("{}；{:.0?} 后重连", why.zh, wait),
                format!("{}; connecting again in {:.0?}", why.en, wait),
            ));
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes what the stream said.
    async fn take(
        &self,
        said: Said,
        last: &mut Option<i64>,
        send: &mpsc::Sender<Message>,
    ) -> anyhow::Result<()> {
        match said {
            Said::Comment(text) if format!(": {text}\n\n").as_bytes() == TAKEN => bail!(Words::fixed(
                "这个名字的事件流在别处打开了，这里结束：各用各的 --name",
                "the stream of this name was opened elsewhere, and ends here: use a --name for each",
            )),
            // A stream that nothing came in goes on from there as well.
            Said::Comment(text) => {
                if let Some(place) = text.strip_prefix("place ").and_then(|place| place.parse().ok())
                    && self.name.is_none()
                {
                    *last = Some(place);
                }
            }
            Said::Event { name, data, .. } if name == "gap" => {
                let gap: Value = serde_json::from_str(&data).unwrap_or_default();
                let (from, to) = (&gap["from"], &gap["to"]);
                notice(&say(
                    format!("编号 {from} 到 {to} 之间有消息已不在网关（过了保留期，或数据库换过）"),
                    format!(
                        "some messages from {from} to {to} are no longer at the gateway (over their retention, or the database is another)"
                    ),
                ));
            }
            Said::Event { name, id, data } => {
                let Ok(event) = serde_json::from_str(&data) else { return Ok(()) };
                let id = (name != "replay").then(|| id.parse().ok()).flatten();
                // Where nobody takes it any more, the other task has ended.
                let _ = send.send(Message { id, event }).await;
                *last = id.or(*last);
            }
        }
        Ok(())
    }

    /// Brings each message to the local URL, in order.
    async fn work(&self, mut receive: mpsc::Receiver<Message>) -> anyhow::Result<()> {
        let (mut is_begun, mut may_reply) = (false, self.replies);
        while let Some(Some(message)) = self.stopping.run_until_cancelled(receive.recv()).await {
            if !std::mem::replace(&mut is_begun, true) {
                print(&table::head())?;
            }
            let kind = message.event["type"].as_str().unwrap_or_default();
            let kind = kind.strip_prefix("wechat.").unwrap_or(kind);
            let kind = match message.id {
                Some(_) => kind.to_owned(),
                None => say(format!("重放 {kind}"), format!("replay {kind}")),
            };
            let mut fate = Fate::default();
            if let Some(local) = &self.local {
                let Some((answer, ms)) = self.deliver(local, &message.event).await else { return Ok(()) };
                fate.status = answer.status.to_string();
                fate.ms = Some(ms);
                if may_reply && (200..300).contains(&answer.status) {
                    fate.reply = self.reply(&message, answer.body, &mut may_reply).await;
                }
            }
            print(&table::line(&message.event, &kind, &fate))?;
            if let Some(id) = message.id {
                self.done.send_replace(id);
            }
        }
        Ok(())
    }

    /// Sends `event` until it is taken or refused, or nothing more is to be begun; with the time that the last attempt took.
    async fn deliver(&self, local: &Local, event: &Value) -> Option<(Answer, u128)> {
        let (mut back_off, mut attempt) = (BackOff(FIRST), 0);
        loop {
            attempt += 1;
            let began = Instant::now();
            let answer = local.send(event, attempt).await;
            let ms = began.elapsed().as_millis();
            if !answer.is_passing() {
                return Some((answer, ms));
            }
            let wait = back_off.next();
            let why = if answer.status == 0 { answer.why.clone() } else { format!("HTTP {}", answer.status) };
            let place = local.url.origin().ascii_serialization();
            notice(&say(
                format!("{place} 没有收下（{why}），{wait:.0?} 后再试"),
                format!("{place} doesn't take it ({why}); again in {wait:.0?}"),
            ));
            self.stopping.run_until_cancelled(tokio::time::sleep(wait)).await?;
        }
    }

    /// Gives what the local URL answered to the user.
    async fn reply(&self, message: &Message, body: Bytes, may_reply: &mut bool) -> &'static str {
        let made = message.event["data"]["create_time"].as_i64().unwrap_or_default();
        let Some(id) = message.id.filter(|_| (Clock::System.now_secs() - made).abs() <= ANSWERED_WITHIN)
        else {
            return "";
        };
        let is_nothing = matches!(body.trim_ascii(), b"" | b"success");
        match self.gateway.reply(id, body).await {
            Replied::Taken if is_nothing => "",
            Replied::Taken => say("已回复", "sent"),
            Replied::Late if is_nothing => "",
            Replied::Late => say("太晚", "late"),
            Replied::Refused(why) => {
                *may_reply = false;
                notice(&say(format!("不能回复：{why}"), format!("it can't be answered: {why}")));
                say("无权", "no")
            }
            Replied::Failed(why) => {
                notice(&say(format!("没有回复成：{why}"), format!("the answer wasn't taken: {why}")));
                say("失败", "failed")
            }
        }
    }

    /// Tells the gateway how far this has come, whenever that is further.
    async fn acknowledge(&self) {
        let mut done = self.done.subscribe();
        let Some(name) = &self.name else { return std::future::pending().await };
        while done.changed().await.is_ok() {
            let mut back_off = BackOff(FIRST);
            loop {
                let id = *done.borrow_and_update();
                if self.gateway.ack(name, id).await {
                    break;
                }
                tokio::time::sleep(back_off.next()).await;
            }
        }
    }

    /// The same at the end, once.
    async fn last_words(&self) {
        let id = *self.done.borrow();
        if let (Some(name), true) = (&self.name, id > 0) {
            let _ = tokio::time::timeout(LAST_WORDS, self.gateway.ack(name, id)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_taken_as_the_table_shows_them() {
        assert_eq!(as_in_routes("SCAN, message:text"), "SCAN,message:text");
        assert_eq!(as_in_routes("event.SCAN,message.text"), "SCAN,message:text");
    }
}
