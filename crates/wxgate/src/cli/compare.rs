//! `wxgate sandbox compare`: the sandbox's cases against the WeChat of a configuration. What differs is printed, without a value.
//! `wxgate sandbox shapes` writes down what the sandbox's answers look like.

mod fixture;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use sandbox::Sandbox;
use sandbox::cases::{self, Case, On};
use tokio::net::TcpListener;
use wechat::shape::{Compared, Known};

use super::run::print;
use crate::clock::Clock;
use crate::config;
use crate::lang::{Words, say};

use target::{Answered, Outcome, Target, Way};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long, default_value = "wxgate.toml", help = say(
        "配置文件：用它的 [wechat] 和 [[apps]]，公众号、小程序各取第一个",
        "The configuration file: its [wechat], and of its [[apps]] the first official account and the first mini program"
    ))]
    config: PathBuf,
    #[arg(long = "appid", value_name = "APPID", help = say("改用这个账号，可写多次", "Use this account instead; may be given more than once"))]
    appids: Vec<String>,
    #[arg(long, help = say(
        "也调用会发消息、结束令牌、清额度或占用永久资源的用例：只对测试号用",
        "Also make the calls that send messages, end tokens, clear quotas or use up what is for good: for test accounts only"
    ))]
    all: bool,
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "fixtures", help = say(
        "把每个应答写进这个目录（不写目录：fixtures），值都遮掉",
        "Keep each answer in this folder (fixtures if none is named), its values hidden"
    ))]
    record: Option<PathBuf>,
}

/// What came of all cases.
#[derive(Debug, Default)]
struct Tally {
    alike: usize,
    different: usize,
    skipped: usize,
    lost: usize,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let config = config::load(&args.config, &config::environment())?;
    let mut target = Target::new(&config, &args.appids)?;
    target.find_out().await;
    if let Some(folder) = &args.record {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let known = Known::of_the_sandbox();
    let mut tally = Tally::default();
    for case in cases::all() {
        if case.harms && !args.all && !target.is_sandbox() {
            tally.skipped += 1;
            continue;
        }
        match target.run(case).await? {
            Outcome::Skipped => tally.skipped += 1,
            Outcome::Lost(why) => {
                tally.lost += 1;
                print(&say(
                    format!("? {}：没有应答：{why}\n", case.name),
                    format!("? {}: no answer: {why}\n", case.name),
                ))?;
            }
            Outcome::Answered(answered) => {
                if let Some(folder) = &args.record {
                    fixture::keep(folder, &known, case, &answered)?;
                }
                let lines = differences(&known, case, &answered);
                *if lines.is_empty() { &mut tally.alike } else { &mut tally.different } += 1;
                for line in lines {
                    print(&format!("≠ {} {}: {line}\n", case.name, case.at.path))?;
                }
            }
        }
    }
    tally.told()
}

impl Tally {
    fn told(&self) -> anyhow::Result<()> {
        let Self { alike, different, skipped, lost } = self;
        print(&say(
            format!(
                "{alike} 个用例与模拟器一样，{different} 个不一样，{lost} 个没有应答，略过 {skipped} 个\n"
            ),
            format!(
                "alike: {alike}, different: {different}, without an answer: {lost}, left out: {skipped}\n"
            ),
        ))?;
        if different + lost > 0 {
            bail!(Words::fixed("与模拟器不一样", "it isn't as the sandbox is"));
        }
        if *alike == 0 {
            bail!(Words::fixed(
                "没有可以运行的用例：配置里要有公众号或小程序",
                "there was no case to run: the configuration needs an official account or a mini program",
            ));
        }
        Ok(())
    }
}

/// What differs, a line each; no value is in them.
fn differences(known: &Known, case: &Case, answered: &Answered) -> Vec<String> {
    let mut lines = Vec::new();
    let code = answered.errcode();
    if code != case.says {
        lines.push(format!("errcode: {} -> {code}", case.says));
    }
    let names = answered.header_names();
    let seen = answered.seen(case.at.path, &names);
    match known.compare(&seen) {
        Compared::Part(found) | Compared::Whole(found) => {
            let all = found.into_iter().chain(known.new_headers(&seen));
            lines.extend(all.map(|difference| difference.to_string()));
        }
        Compared::Broken => lines.push(format!("status: 200 -> {}", answered.status)),
        Compared::Unknown => {}
    }
    lines
}

/// The accounts that every sandbox has.
fn standing() -> Vec<(On, &'static str, String)> {
    vec![
        (On::Official, super::demo::OFFICIAL, "a1".repeat(16)),
        (On::Mini, super::demo::MINI, "b2".repeat(16)),
    ]
}

/// `wxgate sandbox shapes`: what is embedded for the comparison, as `make gen` writes it down.
pub(super) async fn shapes() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let sandbox = Sandbox::start(listener, Arc::new(|| Clock::System.now()));
    let mut target = Target::sandbox(&sandbox.url(), Way::direct()?, standing())?;
    let (mut known, mut wrong) = (Known::default(), Vec::new());
    for case in cases::all() {
        match target.run(case).await? {
            Outcome::Answered(answered) if answered.errcode() == case.says => {
                known.learn(&answered.seen(case.at.path, &answered.header_names()));
            }
            Outcome::Answered(answered) => {
                wrong.push(format!("{}: {} -> {}", case.name, case.says, answered.errcode()));
            }
            Outcome::Lost(why) => wrong.push(format!("{}: {why}", case.name)),
            Outcome::Skipped => wrong.push(format!("{}: -", case.name)),
        }
    }
    sandbox.stop().await;
    if !wrong.is_empty() {
        let all = wrong.join("; ");
        bail!(Words::new(
            format!("这些用例与模拟器的应答不符：{all}"),
            format!("the sandbox answers these cases otherwise: {all}")
        ));
    }
    for (endpoint, body) in cases::shown::ALL {
        known.learn_body(endpoint.path, &serde_json::from_str(body)?);
    }
    print(&known.text())
}
