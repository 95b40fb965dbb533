//! Whatever the command line says, it says in both languages.

use std::path::Path;
use std::process::Output;

use crate::cli::{run, text};

fn is_chinese(text: &str) -> bool {
    text.contains(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c))
}

/// The same said twice: standard output and error of both.
fn both(args: &[&str], dir: &Path, input: &str) -> [(Output, String); 2] {
    ["zh", "en"].map(|language| {
        let output = run(&[args, &["--lang", language]].concat(), dir, input);
        let said = text(&output.stdout) + &text(&output.stderr);
        (output, said)
    })
}

/// Every line that says something is in its language.
fn assert_both(args: &[&str], dir: &Path, input: &str) -> [(Output, String); 2] {
    let [zh, en] = both(args, dir, input);
    assert_eq!(zh.0.status.code(), en.0.status.code(), "{args:?}");
    assert!(is_chinese(&zh.1), "{args:?}: {}", zh.1);
    assert!(!is_chinese(&en.1) && !en.1.trim().is_empty(), "{args:?}: {}", en.1);
    [zh, en]
}

/// The words of clap's own that Chinese pages must not hold.
const CLAP: [&str; 9] = [
    "Usage",
    "Commands",
    "Arguments",
    "Options",
    "OPTIONS",
    "default:",
    "possible values",
    "Print ",
    "error:",
];

#[test]
fn every_page_of_help_is_in_both_languages() {
    let dir = tempfile::tempdir().unwrap();
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = commands.pop() {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let [(output, zh), (_, en)] = assert_both(&args, dir.path(), "");
        assert_eq!(output.status.code(), Some(0), "{path:?}");
        for word in CLAP {
            assert!(!zh.contains(word), "{path:?}: {word} in {zh}");
        }
        // What has a description in one language has one in the other: a line each.
        assert_eq!(zh.lines().count(), en.lines().count(), "{path:?}: {zh}\n{en}");
        let is_flag = |line: &&str| line.trim_start().starts_with('-') || line.starts_with("  ");
        for line in zh.lines().filter(is_flag).filter(|line| line.trim().contains("  ")) {
            assert!(is_chinese(line), "{path:?}: {line}");
        }
        let listed = en.split("Commands:\n").nth(1).unwrap_or_default();
        let names = listed.lines().take_while(|line| !line.is_empty());
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            commands.push(path.iter().cloned().chain([name.to_owned()]).collect());
        }
        seen += 1;
    }
    assert!(seen > 12, "every command: {seen}");
}

#[test]
fn help_about_help_and_about_what_was_nearly_right() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["help", "--help"][..], &["help", "-h"], &["config", "help", "--help"]] {
        let [(output, _), _] = assert_both(args, dir.path(), "");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
    for (args, meant) in [
        (&["serv"][..], "'serve'"),
        (&["serve", "--confg", "x"], "'--config'"),
        (&["config", "defalt"], "'default'"),
    ] {
        let [(_, zh), (_, en)] = assert_both(args, dir.path(), "");
        assert!(zh.contains(&format!("是不是 {meant}")) && en.contains(meant), "{zh}{en}");
    }
}

#[test]
fn what_is_wrong_with_a_command_line_is_said_in_both_languages() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["nonsense"][..],
        &["serve", "--nonsense"],
        &["serve", "stray"],
        &["serve", "--config"],
        &["serve", "--config=a", "--config=b"],
        &["key"],
        &["import"],
        &["sandbox", "--listen", "x"],
        &["demo", "--host", "nowhere"],
        &["route", "test", "--event", "a", "--text", "b"],
        &["check", "--online=1"],
    ] {
        let [(output, zh), _] = assert_both(args, dir.path(), "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        for word in CLAP {
            assert!(!zh.contains(word), "{args:?}: {word} in {zh}");
        }
    }
    let wrong = run(&["check", "--lang", "fr"], dir.path(), "");
    assert!(wrong.status.code() == Some(2) && is_chinese(&text(&wrong.stderr)), "Chinese by default");
}

#[test]
fn the_environment_says_the_language_and_the_command_line_overrides_it() {
    let dir = tempfile::tempdir().unwrap();
    let said = |variable: &str, args: &[&str]| {
        let output = crate::cli::wxgate().args(args).env("WXGATE_LANG", variable).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    assert!(!is_chinese(&said("en", &["--help"]).1) && is_chinese(&said("", &["--help"]).1));
    assert!(is_chinese(&said("en", &["--help", "--lang=zh"]).1));
    let (code, words) = said("fr", &["key", "new"]);
    assert!(code == Some(2) && words.contains("WXGATE_LANG"), "{words}");
    drop(dir);
}

#[test]
fn what_commands_say_is_in_both_languages() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("bad.toml", "[server]\nlisten = \"x\"\ncolour = 1\n[auth]\nmode = \"?\"");
    write("broken.toml", "[server");
    write(
        "fine.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\npublic_url = \"https://wx.example.com\"\n\
         [[apps]]\nappid = \"wx00000000000000a1\"\nkind = \"official\"\nsecret = \"s\"\ncallback_token = \"t\"\n\
         oauth_redirects = [\"https://a.example.com/\"]\n\
         [[callers]]\nname = \"c\"\nkey = \"key_0123456789abcdefghijklmn\"\napps = [\"wx1\"]\napis = [\"*\"]\n\
         [[routes]]\nname = \"r\"\ntarget = \"http://127.0.0.1:9/x\"\nevents = [\"SCAN\"]\n",
    );
    write("proxy.yaml", "Host: nowhere\nOdd: 1\nWxAppInfo: [{AppID: wx1, AppSecret: s}, {AppID: wx1}]\n");
    write("empty.yaml", "a: 1\n");
    for args in [
        &["check", "--config", "bad.toml"][..],
        &["check", "--config", "broken.toml"],
        &["check", "--config", "missing.toml"],
        &["check", "--config", "fine.toml"],
        &["serve", "--config", "bad.toml"],
        &["reload", "--config", "fine.toml"],
        &["route", "test", "--config", "fine.toml"],
        &["route", "test", "--config", "fine.toml", "--event", "SCAN", "--send"],
        &["route", "test", "--config", "fine.toml", "--appid", "wx2"],
        &["migrate", "--config", "fine.toml"],
        &["migrate", "--config", "bad.toml", "--from", "mysql:x"],
        &["migrate", "--config", "fine.toml", "--from", "sqlite:x"],
        &["import", "proxy.yaml"],
        &["import", "empty.yaml"],
        &["import", "missing.yaml"],
        &["config", "default"],
        &["openapi"],
        &["errors", "40164"],
        &["errors", "-1"],
        &["errors", "12345"],
        &["init", "--config", "fine.toml"],
        &["init", "--config", "new.toml"],
    ] {
        assert_both(args, dir.path(), "");
    }
    let [_, (_, english)] = both(&["config", "default"], dir.path(), "");
    assert_eq!(english, wxgate::config::DEFAULT_TOML_EN);
}
