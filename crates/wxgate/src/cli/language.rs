//! The language of the command line, and clap's own words in Chinese: it knows only English.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::entries::Environment;
use crate::lang::{self, Language, say};

/// Says the language where no `--lang` does.
const VARIABLE: &str = "WXGATE_LANG";

/// What stands in clap's pages, and what it is in Chinese.
const PAGES: [(&str, &str); 11] = [
    ("Usage: ", "用法："),
    ("Commands:", "命令："),
    ("Arguments:", "参数："),
    ("Options:", "选项："),
    ("[OPTIONS]", "[选项]"),
    ("COMMAND", "命令"),
    ("[default: ", "[默认："),
    ("[possible values: ", "[可选："),
    ("Print this message or the help of the given subcommand(s)", "显示帮助，或某个命令的帮助"),
    ("Print help", "显示帮助"),
    ("Print version", "显示版本"),
];

/// Sets the language by what stands in `arguments`, else by the environment. A wrong `--lang` is left to clap.
pub(super) fn choose(
    arguments: impl Iterator<Item = OsString>,
    environment: &Environment,
) -> Result<(), &'static str> {
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let mut asked = None;
    while let Some(argument) = arguments.next().filter(|argument| argument != "--") {
        match argument.split_once('=') {
            Some(("--lang", value)) => asked = Language::parse(value),
            None if argument == "--lang" => {
                asked = arguments.next().and_then(|value| Language::parse(&value))
            }
            _ => {}
        }
    }
    let set = environment.get(VARIABLE).filter(|value| !value.is_empty());
    let set = set.map(|value| Language::parse(value).ok_or(()));
    lang::speak(asked.or(set.and_then(Result::ok)).unwrap_or_default());
    match set {
        Some(Err(())) if asked.is_none() => {
            Err("WXGATE_LANG 只能是 zh 或 en（WXGATE_LANG must be zh or en）")
        }
        _ => Ok(()),
    }
}

/// `arguments` without options, if they ask for `help`, which takes none in clap's eyes, not even `--help`. The language is
/// chosen by then.
pub(super) fn plain(arguments: Vec<OsString>) -> Vec<OsString> {
    let is_option = |argument: &OsString| argument.to_string_lossy().starts_with('-');
    let mut begin = arguments.iter().skip(1).take(2).take_while(|argument| !is_option(argument));
    if !begin.any(|argument| argument == "help") {
        return arguments;
    }
    let is_value = |at: usize| at > 0 && arguments[at - 1] == "--lang";
    let words = arguments.iter().enumerate().filter(|(at, argument)| !is_option(argument) && !is_value(*at));
    words.map(|(_, argument)| argument.clone()).collect()
}

/// What clap wants to tell: a page it was asked for, or what is wrong with the arguments.
pub(super) fn told(error: &clap::Error) -> String {
    let is_page = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::DisplayVersion
    );
    match (lang::is_english(), is_page) {
        (true, _) => error.to_string(),
        (false, true) => page(&error.to_string()),
        (false, false) => complaint(error),
    }
}

/// A page of clap's, in the process's language.
pub(super) fn page(text: &str) -> String {
    if lang::is_english() {
        return text.to_owned();
    }
    PAGES.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// In Chinese, by what clap knows of the mistake.
fn complaint(error: &clap::Error) -> String {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::None) | None => String::new(),
        Some(ContextValue::Strings(several)) => several.join("、"),
        Some(value) => value.to_string(),
    };
    let (argument, value) = (of(ContextKind::InvalidArg), of(ContextKind::InvalidValue));
    let mut text = match error.kind() {
        ErrorKind::UnknownArgument => format!("没有 '{argument}' 这个参数"),
        ErrorKind::InvalidSubcommand => format!("没有 '{}' 这个命令", of(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => format!("'{}' 之后要写一个命令", of(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("缺少参数 {argument}"),
        ErrorKind::ArgumentConflict
            if of(ContextKind::PriorArg) == argument || of(ContextKind::PriorArg).is_empty() =>
        {
            format!("参数 '{argument}' 只能写一次")
        }
        ErrorKind::ArgumentConflict => {
            format!("参数 '{argument}' 不能与 {} 同时使用", of(ContextKind::PriorArg))
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("参数 '{argument}' 缺少值"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("参数 '{argument}' 的值 '{value}' 不对")
        }
        ErrorKind::TooManyValues => format!("参数 '{argument}' 的值 '{value}' 多余"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("参数 '{argument}' 的值个数不对"),
        ErrorKind::NoEquals => format!("参数 '{argument}' 与它的值之间要写等号"),
        ErrorKind::InvalidUtf8 => "参数里有不是 UTF-8 的字节".to_owned(),
        _ => "命令行写错了".to_owned(),
    };
    if let Some(reason) = std::error::Error::source(error) {
        text.push_str(&format!("：{reason}"));
    }
    let allowed = [of(ContextKind::ValidValue), of(ContextKind::ValidSubcommand)].concat();
    if !allowed.is_empty() {
        text.push_str(&format!("（可选：{allowed}）"));
    }
    let meant = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue]
        .map(of)
        .concat();
    if !meant.is_empty() {
        text.push_str(&format!("：是不是 '{meant}'？"));
    }
    let usage = of(ContextKind::Usage);
    let usage = if usage.is_empty() { usage } else { format!("\n\n{}", page(&usage)) };
    format!("错误：{text}{usage}\n\n详细说明用 '--help'\n")
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| say("应是 IP:端口，如 127.0.0.1:36012", "it must be IP:port, like 127.0.0.1:36012"))
}

/// The host of such an address.
pub(super) fn host(text: &str) -> Result<std::net::IpAddr, &'static str> {
    text.parse().map_err(|_| say("应是 IP 地址，如 0.0.0.0", "it must be an IP address, like 0.0.0.0"))
}
