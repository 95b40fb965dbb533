//! The command line: one file a command under `cli/`. Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 nobody
//! confirmed what was to be done.

mod apply;
mod check;
mod client;
mod compare;
mod control;
mod demo;
mod health;
mod import;
mod init;
mod jobs;
mod language;
mod listen;
mod migrate;
mod progress;
mod reload;
mod replay;
mod route;
mod run;
mod sandbox;
mod send;
mod serve;
mod signals;
mod tunnel;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::http::{api, service};
use crate::lang::{self, say};
use crate::random::Random;
use crate::{config, entries, errors};

/// The exit code of a command line that can't be understood.
const WRONG_USAGE: u8 = 2;
/// Of what nobody confirmed.
const NOT_CONFIRMED: u8 = 3;

#[derive(Debug, Parser)]
#[command(
    name = "wxgate", version, arg_required_else_help = true,
    about = say(
        "微信凭据网关：公众号、小程序的 AppSecret 和 access_token 由它统一管理，各语言的后端经由它调用微信。",
        "Owns the AppSecrets and access_tokens of a company's official accounts and mini programs; backends in any language call WeChat through it."
    )
)]
struct Cli {
    #[arg(
        long, global = true, value_parser = ["zh", "en"], value_name = "zh|en", hide_possible_values = true,
        help = say("命令行和日志的语言；也可以用环境变量 WXGATE_LANG [默认：zh]", "The language of command line and log; WXGATE_LANG in the environment says it as well [default: zh]")
    )]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(about = say(
        "一条命令试用：微信模拟器、网关、健康检查都在一个进程里，无需任何配置",
        "Try it with one command: a simulated WeChat, the gateway and health in one process, nothing to configure"
    ))]
    Demo(demo::Args),
    #[command(about = say(
        "问几个问题，试一试凭据，写出 wxgate.toml",
        "Ask a few questions, try the credentials, write wxgate.toml"
    ))]
    Init(init::Args),
    #[command(about = say("运行网关", "Run the gateway"))]
    Serve(ConfigFile),
    #[command(about = say(
        "让运行中的 wxgate 重读配置，并打印结果",
        "Have the wxgate that runs read its configuration again, and print what came of it"
    ))]
    Reload(ConfigFile),
    #[command(about = say(
        "运行中的 wxgate 是否应答：给容器的健康检查用，退出码 0 或 1",
        "Whether the wxgate that runs answers: for a container's health check, exit code 0 or 1"
    ))]
    Health(ConfigFile),
    #[command(
        args_conflicts_with_subcommands = true,
        about = say("只运行微信模拟器；compare 把它与真微信比较", "Run the simulated WeChat alone; compare holds it against the real one")
    )]
    Sandbox {
        #[command(flatten)]
        args: sandbox::Args,
        #[command(subcommand)]
        command: Option<SandboxCommand>,
    },
    #[command(about = say(
        "检查配置和数据库，一次列出所有问题",
        "Check configuration and database, and list every problem at once"
    ))]
    Check(check::Args),
    #[command(about = say(
        "把一个文件里的账号、调用方和路由经管理接口应用到运行中的 wxgate，先打印差异",
        "Put the apps, callers and routes of a file through the admin API of a wxgate that runs; prints the difference first"
    ))]
    Apply(apply::Args),
    #[command(about = say(
        "把一个文件里的模板消息交给运行中的 wxgate 逐条发送，一行一条 JSON，看着它发完",
        "Give the template messages of a file, a JSON object a line, to a wxgate that runs, and watch it send them"
    ))]
    Send(send::Args),
    #[command(about = say(
        "重放死信，或已投递过的消息：先数出多少条，问一句，再看着它投完",
        "Replay dead letters, or what was delivered: counts them first, asks, then watches until all are done"
    ))]
    Replay(replay::Args),
    #[command(about = say(
        "把 wx-proxy-service 的 YAML 配置转成 wxgate 的配置，写到标准输出；要手工补的写到标准错误",
        "Turn the YAML of a wx-proxy-service into a wxgate configuration on standard output; what is left to do goes to standard error"
    ))]
    Import {
        #[arg(help = say("wx-proxy-service 的配置文件", "The configuration of the wx-proxy-service"))]
        file: PathBuf,
    },
    #[command(about = say(
        "把网关收到的消息实时转到这台机器上的地址（本机不用公网地址），本地的应答可以成为被动回复",
        "Stream messages from a gateway to a URL on this machine, which needs no public address; its answer can be the passive reply"
    ))]
    Listen(listen::Args),
    #[command(about = say(
        "运行一条命令，它里面发往微信各域名的 HTTPS 都到微信模拟器或网关：给写死了域名的 SDK 用",
        "Run a command whose HTTPS for WeChat's hosts goes to the simulated WeChat or a gateway: for SDKs with fixed hosts"
    ))]
    Run(tunnel::Args),
    #[command(name = tunnel::FOLLOW, hide = true)]
    RunChild(tunnel::Followed),
    #[command(about = say(
        "升级数据库的表结构；加 --from 把 SQLite 里的全部数据迁到 PostgreSQL",
        "Take the database to this version's schema; with --from, move all of a SQLite database into PostgreSQL"
    ))]
    Migrate(migrate::Args),
    #[command(subcommand, about = say("配置相关", "About the configuration"))]
    Config(ConfigCommand),
    #[command(subcommand, about = say("调用方密钥相关", "About callers' keys"))]
    Key(KeyCommand),
    #[command(subcommand, about = say("消息路由相关", "About the routes of messages"))]
    Route(RouteCommand),
    #[command(about = say("打印服务接口的 OpenAPI 3.1 文档", "Print the OpenAPI 3.1 document of the service API"))]
    Openapi {
        #[arg(long, help = say("管理接口的", "Of the admin API"))]
        admin: bool,
    },
    #[command(about = say(
        "错误码的原因和解决办法：写一个码只说它，不写打印整张表（Markdown）",
        "What error codes mean and what to do: of one code, or all of them as Markdown"
    ))]
    Errors {
        #[arg(allow_negative_numbers = true, help = say("错误码，如 40164", "A code, as 40164"))]
        code: Option<i64>,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    #[arg(long, default_value = "wxgate.toml", help = say("配置文件", "The configuration file"))]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    #[command(about = say(
        "用模拟器自己的用例调用配置里的微信（如测试号），打印状态、响应头、错误码、形状和措辞的每处不同，不显示任何值",
        "Make the simulator's own cases' calls at the WeChat of a configuration (a test account, say), and print each difference in status, headers, code, form and words; no value is shown"
    ))]
    Compare(compare::Args),
    #[command(hide = true, about = say("打印模拟器应答的形状（make gen 用）", "Print the form of the simulator's answers, for make gen"))]
    Shapes,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    #[command(about = say("打印全部配置项、默认值和说明", "Print every key, its default and what it means"))]
    Default,
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    #[command(about = say(
        "一条消息会走哪些路由、为什么；加 --send 真的发一次",
        "Which routes a message takes, and why; with --send it is sent once"
    ))]
    Test(route::Args),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    #[command(about = say("生成一个调用方密钥，或管理令牌", "Make a key for a caller, or an admin token"))]
    New {
        #[arg(long, help = say("生成管理令牌（WXGATE_ADMIN_TOKEN 用）", "An admin token (for WXGATE_ADMIN_TOKEN)"))]
        admin: bool,
    },
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    no_onlookers();
    if let Err(wrong) = language::choose(std::env::args_os().skip(1), &config::environment()) {
        run::complain(&anyhow::anyhow!(wrong));
        return ExitCode::from(WRONG_USAGE);
    }
    let command = match Cli::try_parse_from(language::plain(std::env::args_os().collect())) {
        Ok(cli) => cli.command,
        Err(error) => return run::tell(&language::told(&error), error.use_stderr()),
    };
    let outcome = match command {
        Command::Demo(args) => run::blocking(demo::run(args)),
        Command::Init(args) => run::blocking(init::run(args)),
        Command::Serve(args) => run::blocking(serve::run(args.config)),
        Command::Reload(args) => run::blocking(reload::run(&args.config)),
        Command::Health(args) => run::blocking(health::run(&args.config)),
        Command::Sandbox { args, command: None } => run::blocking(sandbox::run(args)),
        Command::Sandbox { command: Some(SandboxCommand::Compare(args)), .. } => {
            run::blocking(compare::run(args))
        }
        Command::Sandbox { command: Some(SandboxCommand::Shapes), .. } => run::blocking(compare::shapes()),
        Command::Check(args) => run::blocking(check::run(args)),
        Command::Apply(args) => run::blocking(apply::run(args)),
        Command::Send(args) => run::blocking(send::run(args)),
        Command::Replay(args) => run::blocking(replay::run(args)),
        Command::Import { file } => import::run(&file),
        Command::Listen(args) => run::blocking(listen::run(args)),
        Command::Run(args) => return ended(run::blocking(tunnel::run(args))),
        Command::RunChild(args) => return ExitCode::from(tunnel::follow(&args)),
        Command::Migrate(args) => run::blocking(migrate::run(args)),
        Command::Config(ConfigCommand::Default) => {
            run::print(say(config::DEFAULT_TOML, config::DEFAULT_TOML_EN))
        }
        Command::Key(KeyCommand::New { admin: false }) => run::print(&format!("{}\n", new_key())),
        Command::Key(KeyCommand::New { admin: true }) => run::print(&format!("{}\n", new_admin_token())),
        Command::Route(RouteCommand::Test(args)) => run::blocking(route::test(args)),
        Command::Openapi { admin: false } => run::print(service::openapi::document(lang::is_english())),
        Command::Openapi { admin: true } => run::print(api::document::document(lang::is_english())),
        Command::Errors { code } => explain(code),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::complain(&error);
            let is_left = error.is::<apply::NotApplied>() || error.is::<replay::NotReplayed>();
            if is_left { ExitCode::from(NOT_CONFIRMED) } else { ExitCode::FAILURE }
        }
    }
}

/// As the command that was run ended.
fn ended(outcome: anyhow::Result<u8>) -> ExitCode {
    outcome.map_or_else(
        |error| {
            run::complain(&error);
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

/// What one code means, or all of them.
fn explain(code: Option<i64>) -> anyhow::Result<()> {
    let Some(code) = code else { return run::print(&errors::document(lang::is_english())) };
    let help = errors::lookup(code).ok_or_else(|| {
        anyhow::anyhow!(say(
            format!("没有收录错误码 {code}：凭 rid 到公众平台查询"),
            format!("the code {code} isn't listed: look its rid up at WeChat")
        ))
    })?;
    run::print(&format!("{}\n", help.words))
}

/// A fresh caller key.
fn new_key() -> String {
    entries::new_key(&Random::System)
}

/// A fresh admin token, as hard to guess.
fn new_admin_token() -> String {
    format!("wxadmin_{}", Random::System.letters(40))
}

/// A core file, or another process of the same user that looks in, would have every secret in clear.
fn no_onlookers() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Lowering one's own limit fails only where limits can't be set at all.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // The limit doesn't hold for a core that is piped to a program; this does, and it keeps ptrace and /proc/PID/mem out.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_new_key_is_a_key() {
        assert!(entries::is_key(&new_key()));
        assert_ne!(new_key(), new_key());
    }
}
