//! Reads `[server]`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use url::Host;

use super::sections::{Server, address, optional, web_url};
use crate::entries::Table;
use crate::lang::Words;

pub(super) fn server(s: &mut Table<'_>) -> Server {
    let listen = address(s, "listen", "0.0.0.0:36012");
    let admin_listen = address(s, "admin_listen", "127.0.0.1:36013");
    if listen == admin_listen && listen.port() != 0 {
        s.mistake("admin_listen", "不能与 server.listen 相同", "must not be server.listen");
    }
    let what = Words::fixed(
        "应是 http(s) 地址，如 \"https://wx.example.com\"",
        "must be an http(s) URL, like \"https://wx.example.com\"",
    );
    let public_url = optional(s, "public_url", what, web_url);
    let what = Words::fixed(
        "应是 http(s) 地址，如 \"https://wx-admin.example.com\"",
        "must be an http(s) URL, like \"https://wx-admin.example.com\"",
    );
    let admin_url = optional(s, "admin_url", what, web_url);
    let hosts = s.strings("hosts", &[]);
    for host in hosts.iter().filter(|host| !is_host(host)) {
        s.mistake(
            "hosts",
            format!("\"{host}\" 应是主机名，不带协议、端口和通配符，如 \"wxgate\" 或 \"wx.internal\""),
            format!("\"{host}\" must be a host name without scheme, port or wildcard, like \"wxgate\" or \"wx.internal\""),
        );
    }
    let trusted_proxies = s.networks("trusted_proxies");
    let tls = tls(s);
    let shutdown_grace = s.duration("shutdown_grace", "25s");
    let what = Words::fixed(
        "应是 \"IP:端口\"，如 \"0.0.0.0:36080\"；不用则为空",
        "must be \"IP:port\", like \"0.0.0.0:36080\", or empty for none",
    );
    let public_listen = optional(s, "public_listen", what, |text| text.parse::<SocketAddr>().ok());
    if public_listen.is_some_and(|own| own.port() != 0 && (own == listen || own == admin_listen)) {
        s.mistake(
            "public_listen",
            "不能与 server.listen 或 server.admin_listen 相同",
            "must be neither server.listen nor server.admin_listen",
        );
    }
    let verify_files = s.texts("verify_files");
    for name in verify_files.keys().filter(|name| !is_file_name(name)) {
        s.mistake(
            "verify_files",
            format!("\"{name}\" 应是文件名，如 \"MP_verify_8rTLYcFQ2vRmVUOt.txt\""),
            format!("\"{name}\" must be a file's name, like \"MP_verify_8rTLYcFQ2vRmVUOt.txt\""),
        );
    }
    Server {
        listen,
        admin_listen,
        admin_url,
        public_listen,
        verify_files,
        public_url,
        hosts,
        trusted_proxies,
        tls,
        shutdown_grace,
    }
}

/// Whether `text` is a name that a request may be sent to, as requests name it.
fn is_host(text: &str) -> bool {
    let is_of_names = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_address = text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address || (!text.is_empty() && text.chars().all(is_of_names) && Host::parse(text).is_ok())
}

/// Certificate chain and key, which must be readable and fit.
fn tls(s: &mut Table<'_>) -> Option<(PathBuf, PathBuf)> {
    match (s.path("tls_cert"), s.path("tls_key")) {
        (Some(cert), Some(key)) => {
            if let Err(error) = crate::tls::server_config(&cert, &key) {
                s.mistake("tls_cert", error.zh, error.en);
            }
            Some((cert, key))
        }
        (None, None) => None,
        _ => {
            s.mistake(
                "tls_cert",
                "tls_cert 与 tls_key 须同时给出",
                "tls_cert and tls_key belong together: give both",
            );
            None
        }
    }
}

/// A name below `/`, of the kind WeChat gives.
fn is_file_name(name: &str) -> bool {
    !name.starts_with('.')
        && (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}
