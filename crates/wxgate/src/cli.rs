//! The command line: one file a command under `cli/`. Exit codes: 0 fine, 1 failed, 2 wrong usage.

mod check;
mod demo;
mod import;
mod init;
mod route;
mod run;
mod serve;
mod signals;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config;
use crate::http::service;
use crate::random::Random;

/// 微信凭据网关：公众号、小程序的 AppSecret 和 access_token 由它统一管理，各语言的后端经由它调用微信。
#[derive(Debug, Parser)]
#[command(name = "wxgate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 一条命令试用：微信模拟器、网关、健康检查都在一个进程里，无需任何配置
    Demo(demo::Args),
    /// 问几个问题，试一试凭据，写出 wxgate.toml
    Init(init::Args),
    /// 运行网关
    Serve(ConfigFile),
    /// 只运行微信模拟器
    Sandbox {
        /// 监听地址
        #[arg(long, default_value = "127.0.0.1:36080")]
        listen: std::net::SocketAddr,
    },
    /// 检查配置和数据库，一次列出所有问题
    Check(check::Args),
    /// 把 wx-proxy-service 的 YAML 配置转成 wxgate 的配置，写到标准输出；要手工补的写到标准错误
    Import {
        /// wx-proxy-service 的配置文件
        file: PathBuf,
    },
    /// 配置相关
    #[command(subcommand)]
    Config(ConfigCommand),
    /// 调用方密钥相关
    #[command(subcommand)]
    Key(KeyCommand),
    /// 消息路由相关
    #[command(subcommand)]
    Route(RouteCommand),
    /// 打印服务接口的 OpenAPI 3.1 文档
    Openapi,
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// 配置文件
    #[arg(long, default_value = "wxgate.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// 打印全部配置项、默认值和说明
    Default,
}

#[derive(Debug, Subcommand)]
enum RouteCommand {
    /// 一条消息会走哪些路由、为什么；加 --send 真的发一次
    Test(route::Args),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// 生成一个调用方密钥
    New,
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    no_core_dumps();
    let outcome = match Cli::parse().command {
        Command::Demo(args) => run::blocking(demo::run(args)),
        Command::Init(args) => run::blocking(init::run(args)),
        Command::Serve(args) => run::blocking(serve::run(args.config)),
        Command::Sandbox { listen } => run::blocking(serve::sandbox(listen)),
        Command::Check(args) => run::blocking(check::run(args)),
        Command::Import { file } => import::run(&file),
        Command::Config(ConfigCommand::Default) => run::print(config::DEFAULT_TOML),
        Command::Key(KeyCommand::New) => run::print(&format!("{}\n", new_key())),
        Command::Route(RouteCommand::Test(args)) => run::blocking(route::test(args)),
        Command::Openapi => run::print(&service::openapi::generate()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// A fresh caller key: `wxk_` and 40 letters and digits, 238 bits.
fn new_key() -> String {
    format!("wxk_{}", Random::System.letters(40))
}

/// A core file would hold every secret in clear.
fn no_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Lowering one's own limit fails only where limits can't be set at all.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
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
        assert!(crate::entries::is_key(&new_key()));
        assert_ne!(new_key(), new_key());
    }
}
