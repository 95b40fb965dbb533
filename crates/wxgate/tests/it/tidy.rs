//! What ARCHITECTURE.md promises about the source, checked on the source.

use std::path::{Path, PathBuf};

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dir);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_path_buf(), text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Lines of code, without comments and without unit tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
}

fn nowhere_but(dir: &str, needle: &str, allowed: &[&str]) {
    for (path, text) in sources(dir) {
        let name = path.to_string_lossy().into_owned();
        let is_allowed = allowed.iter().any(|prefix| name.starts_with(prefix));
        for line in code(&text).filter(|line| line.contains(needle)) {
            assert!(is_allowed, "{dir}/{name}: {needle} belongs to {allowed:?} only: {line}");
        }
    }
}

const WXGATE: &str = "crates/wxgate/src";

#[test]
fn sql_stands_under_store_only() {
    for needle in ["rusqlite", "\"select ", "\"insert ", "\"delete ", "\"update "] {
        nowhere_but(WXGATE, needle, &["store"]);
    }
}

#[test]
fn axum_stands_under_http_only() {
    nowhere_but(WXGATE, "axum::", &["http"]);
}

#[test]
fn only_tokens_and_upstream_put_a_token_on_the_wire() {
    nowhere_but(WXGATE, "(\"access_token\", token", &["tokens", "upstream"]);
    nowhere_but(WXGATE, ".publish(", &["tokens"]);
    nowhere_but(WXGATE, "save_credential(", &["tokens", "store"]);
}

#[test]
fn only_the_inbox_commits_messages_and_only_deliveries_send_them() {
    nowhere_but(WXGATE, "store.accept(", &["inbox"]);
    nowhere_but(WXGATE, "store.record(", &["delivery"]);
    nowhere_but(WXGATE, "Client::guarded(", &["gateway.rs", "cli/route.rs", "net"]);
}

#[test]
fn only_config_reads_the_environment_and_only_clock_the_time() {
    nowhere_but(WXGATE, "std::env::var", &["config"]);
    nowhere_but(WXGATE, "SystemTime::now", &["clock"]);
}

#[test]
fn dependencies_point_one_way() {
    // Leaves know nobody above them; the middle knows no surface.
    for (part, forbidden) in [
        (
            "store",
            &[
                "crate::http",
                "crate::http::service",
                "crate::tokens",
                "crate::registry",
                "crate::gateway::",
                "crate::cli",
            ][..],
        ),
        ("seal", &["crate::"]),
        ("clock", &["crate::"]),
        ("egress", &["crate::"]),
        ("redirects", &["crate::"]),
        ("tasks", &["crate::gateway::", "crate::http"]),
        (
            "config",
            &[
                "crate::http",
                "crate::http::service",
                "crate::tokens",
                "crate::store",
                "crate::registry",
                "crate::cli",
            ],
        ),
        ("net", &["crate::http", "crate::http::service", "crate::tokens", "crate::registry", "crate::cli"]),
        (
            "transport",
            &[
                "crate::http",
                "crate::tokens",
                "crate::slots",
                "crate::registry",
                "crate::upstream",
                "crate::cli",
            ],
        ),
        ("slots", &["crate::http", "crate::tokens::", "crate::registry", "crate::upstream", "crate::cli"]),
        ("apps", &["crate::http", "crate::tokens", "crate::upstream", "crate::cli"]),
        (
            "tokens",
            &["crate::upstream", "crate::http", "crate::http::service", "crate::gateway::", "crate::cli"],
        ),
        ("upstream", &["crate::http", "crate::http::service", "crate::gateway::", "crate::cli"]),
        ("http", &["crate::gateway::", "crate::cli", "sandbox::"]),
        ("gateway_token", &["crate::config", "crate::registry", "crate::store", "crate::http"]),
        ("usage", &["crate::"]),
        ("filter", &["crate::config", "crate::registry", "crate::store", "crate::http"]),
        ("nonce", &["crate::config", "crate::registry", "crate::store", "crate::http"]),
        ("routes", &["crate::registry", "crate::store", "crate::delivery", "crate::inbox", "crate::http"]),
        (
            "delivery",
            &[
                "crate::inbox",
                "crate::http",
                "crate::tokens",
                "crate::upstream",
                "crate::gateway::",
                "crate::cli",
            ],
        ),
        ("inbox", &["crate::http", "crate::tokens", "crate::upstream", "crate::gateway::", "crate::cli"]),
    ] {
        for (path, text) in sources(WXGATE) {
            let name = path.to_string_lossy().into_owned();
            if name != format!("{part}.rs") && !name.starts_with(&format!("{part}/")) {
                continue;
            }
            for line in code(&text) {
                let wrong = forbidden.iter().find(|needle| line.contains(**needle));
                assert!(wrong.is_none(), "{name} must not use {}: {line}", wrong.unwrap());
            }
        }
    }
}

#[test]
fn the_protocol_crate_is_pure_and_the_sandbox_signs_by_itself() {
    for needle in ["tokio", "std::fs", "TcpStream", "SystemTime", "Instant"] {
        nowhere_but("crates/wechat/src", needle, &[]);
    }
    nowhere_but("crates/sandbox/src", "wechat::crypt", &[]);
    nowhere_but("crates/sandbox/src", "wechat::envelope", &[]);
}

#[test]
fn nothing_is_left_unfinished() {
    for dir in ["crates/wechat/src", "crates/sandbox/src", WXGATE] {
        for needle in ["todo!", "unimplemented!", "FIXME", "#[allow"] {
            nowhere_but(dir, needle, &[]);
        }
    }
}
