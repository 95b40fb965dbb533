//! What ARCHITECTURE.md promises about the source, checked on the source.

mod layers;
mod source;

use std::path::Path;

use layers::{Layers, Map};
use source::Source;

/// The modules of `wxgate` from the top down: each uses what is below it, nothing above and nothing
/// beside it. A module that isn't named here belongs to the nearest one around it that is.
const LAYERS: Layers<'_> = &[
    &["main"],
    &["cli"],
    &["gateway"],
    // What listens. Surfaces don't use each other.
    &["http::callers", "http::admin"],
    &["http::public", "http::service", "http::proxy", "http::api", "http::node"],
    &["http::callback", "http::oauth", "http::health", "http::console", "http::metrics"],
    &["http::once"],
    &["http::server"],
    // What surfaces share.
    &["http"],
    &["jobs"],
    &["admit"],
    &["outcome"],
    // Messages in and out, calls out.
    &["inbox", "wx_quotas"],
    &["feed"],
    &["delivery"],
    &["upstream"],
    &["people", "alerts"],
    &["tokens", "bookkeeping", "heartbeat", "stored", "problems", "series"],
    &["handover"],
    &["parts"],
    // What there is, and where it is kept.
    &["registry"],
    &["slots"],
    &["transport", "rings", "sent"],
    &["flushing"],
    &["net"],
    &["store"],
    &["flights", "telemetry"],
    // What an operator said.
    &["config"],
    &["places"],
    &["entries"],
    &["rules", "keys", "errors"],
    // What every part may use.
    &["tls", "problem", "shares", "reloads", "metrics", "differences"],
    &["traces"],
    &["lang", "limits", "clock", "random", "tasks", "text", "wake", "workers"],
];

/// A function that is longer is two.
const LONGEST_FUNCTION: usize = 60;
/// A file that is longer is two.
const LONGEST_FILE: usize = 450;

const WXGATE: &str = "crates/wxgate/src";

/// Every file.
fn files(dir: &str) -> Vec<Source> {
    Source::all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dir))
}

/// Every file that is no test.
fn sources(dir: &str) -> Vec<Source> {
    Source::without_tests(files(dir))
}

fn is_one_of(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// `needle` stands in files that begin so, and in no other.
fn only_in(dir: &str, needle: &str, allowed: &[&str]) {
    let (mut wrong, mut is_found) = (Vec::new(), false);
    for source in sources(dir) {
        for (at, line) in source.code.lines().enumerate().filter(|(_, line)| line.contains(needle)) {
            is_found = true;
            if !is_one_of(&source.name, allowed) {
                wrong.push(format!("{dir}/{}:{}: {}", source.name, at + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{needle} belongs to {allowed:?} only:\n{}", wrong.join("\n"));
    assert!(is_found || allowed.is_empty(), "{needle} is nowhere in {dir}: look for what it is called now");
}

#[test]
fn every_arrow_points_down() {
    let map = Map::new("wxgate", &sources(WXGATE));
    assert!(map.arrows.len() > 100, "the source is not understood: {:?}", map.arrows);
    none(&[map.misplaced(LAYERS), map.upward(LAYERS), map.circles(LAYERS)].concat());
}

#[test]
fn functions_and_files_are_short() {
    let mut wrong = Vec::new();
    for source in files(WXGATE) {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", source.name));
        }
    }
    for source in sources(WXGATE) {
        for function in source.functions().iter().filter(|function| function.lines > LONGEST_FUNCTION) {
            let source::Function { name, line, lines } = function;
            wrong.push(format!("{}:{line}: {name} has {lines} lines", source.name));
        }
    }
    none(&wrong);
}

#[test]
fn the_engine_takes_time_randomness_threads_and_sockets_from_elsewhere() {
    const ENGINE: [&str; 6] = ["tokens.rs", "tokens/", "inbox.rs", "inbox/", "delivery.rs", "delivery/"];
    const WORDS: [&str; 4] = ["spawn_blocking", "TcpStream", "TcpListener", "UdpSocket"];
    const PATHS: [&str; 4] = ["std::thread", "std::net", "tokio::time", "rand"];
    let mut wrong = Vec::new();
    for source in sources(WXGATE).iter().filter(|source| is_one_of(&source.name, &ENGINE)) {
        for (word, line) in source.words().filter(|(word, _)| WORDS.contains(word)) {
            wrong.push(format!("{}:{line}: {word}", source.name));
        }
        for path in source.paths() {
            let whole = path.segments.join("::");
            if PATHS.iter().any(|forbidden| source::is_in(&whole, forbidden)) {
                wrong.push(format!("{}:{}: {whole}", source.name, path.line));
            }
        }
    }
    none(&wrong);
}

#[test]
fn sql_stands_under_the_backends_only() {
    only_in(WXGATE, "rusqlite", &["store/sqlite"]);
    // Its URL is read where the configuration is.
    only_in(WXGATE, "tokio_postgres", &["store/pg", "config/postgres"]);
    for needle in ["\"select ", "\"insert ", "\"delete ", "\"update "] {
        only_in(WXGATE, needle, &["store/sqlite", "store/pg"]);
    }
}

#[test]
fn axum_stands_under_http_only() {
    only_in(WXGATE, "axum::", &["http"]);
}

#[test]
fn only_the_command_line_knows_the_sandbox() {
    only_in(WXGATE, "sandbox::", &["cli"]);
}

#[test]
fn only_tokens_and_upstream_put_a_token_on_the_wire() {
    only_in(WXGATE, "(\"access_token\", token", &["tokens", "upstream"]);
    only_in(WXGATE, ".publish(", &["tokens"]);
    only_in(WXGATE, "save_credential(", &["tokens", "store"]);
}

#[test]
fn only_the_inbox_commits_messages_and_only_deliveries_send_them() {
    only_in(WXGATE, "store.accept(", &["inbox"]);
    only_in(WXGATE, "store.record(", &["delivery"]);
    only_in(WXGATE, "Client::guarded(", &["gateway.rs", "cli/route.rs", "net"]);
}

#[test]
fn only_config_reads_the_environment_and_only_clock_the_time() {
    only_in(WXGATE, "std::env::var", &["config"]);
    only_in(WXGATE, "SystemTime::now", &["clock"]);
}

#[test]
fn the_protocol_crate_is_pure_and_the_sandbox_signs_by_itself() {
    for needle in ["tokio", "std::fs", "TcpStream", "SystemTime", "Instant"] {
        only_in("crates/wechat/src", needle, &[]);
    }
    only_in("crates/sandbox/src", "wechat::crypt", &[]);
    only_in("crates/sandbox/src", "wechat::envelope", &[]);
}

#[test]
fn every_line_of_the_log_is_in_both_languages() {
    let is_chinese = |text: &str| text.contains(|c: char| ('\u{3400}'..='\u{9fff}').contains(&c));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources(WXGATE) {
        for call in ["error", "warn", "info", "debug", "trace"].map(|level| format!("tracing::{level}!")) {
            for call in source.calls(&call) {
                seen += 1;
                // What isn't a placeholder is a text.
                let texts: Vec<&str> = call
                    .texts
                    .iter()
                    .copied()
                    .filter(|text| !text.trim_matches('"').starts_with('{'))
                    .collect();
                let is_pair = |pair: &[&str]| pair.len() == 2 && is_chinese(pair[0]) && !is_chinese(pair[1]);
                let is_said = texts.is_empty() || call.rest.contains("say(");
                let others = texts.iter().filter(|text| !is_chinese(text)).count();
                let pairs = texts.windows(2).filter(|pair| is_pair(pair)).count();
                if !is_said || pairs != texts.len() - others {
                    wrong.push(format!("{}:{}: {texts:?}", source.name, call.line));
                }
            }
        }
    }
    assert!(seen > 30, "the source is not understood: {seen}");
    none(&wrong);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for dir in ["crates/wechat/src", "crates/sandbox/src", WXGATE] {
        for source in files(dir) {
            for (at, line) in source.text.lines().enumerate() {
                if ["todo!", "unimplemented!", "FIXME", "#[allow"].iter().any(|needle| line.contains(needle))
                {
                    wrong.push(format!("{dir}/{}:{}: {}", source.name, at + 1, line.trim()));
                }
            }
        }
    }
    none(&wrong);
}
