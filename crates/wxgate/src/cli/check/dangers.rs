//! What is allowed and dangerous: secrets that others can read, variables that a running process can't see, addresses of
//! clients that nobody tells.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::control::Status;
use crate::config::Config;
use crate::lang::say;

/// Read, write or enter for everybody.
const OTHERS: u32 = 0o007;

/// Every danger; `running` is the process of this configuration.
pub(super) fn dangers(config: &Config, running: Option<&Status>) -> Vec<String> {
    let mut found = readable(config);
    for name in running.map(|status| status.unseen.as_slice()).unwrap_or_default() {
        let key = config.sources.variables.get(name).map_or("", String::as_str);
        found.push(say(
            format!(
                "{key} = \"env:{name}\"：运行中的 wxgate 看不到这个变量现在的值，重读配置时用不上：改用 \"file:路径\"，或设好变量后重启"
            ),
            format!(
                "{key} = \"env:{name}\": the wxgate that runs won't see the variable as it is now, whatever it reads again: use \"file:PATH\", \
                 or set the variable for it and restart"
            ),
        ));
    }
    if config.server.public_url.is_some() && config.server.trusted_proxies.is_empty() {
        let note = say(
            "server.public_url 有值而 server.trusted_proxies 为空：经反向代理来的请求都算作代理的地址；代理在前时写上它的网段，如 [\"127.0.0.1/32\"]",
            "server.public_url is set and server.trusted_proxies is empty: whatever comes through a proxy counts as the proxy's; if there is one, name its network, as [\"127.0.0.1/32\"]",
        );
        found.push(note.to_owned());
    }
    found
}

/// Files that hold secrets and that everybody on the machine can read.
fn readable(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for (file, key) in &config.sources.written {
        if is_open(file) {
            let name = file.display();
            found.push(say(
                format!("{name} 里写着密钥（{key}），而所有人都能读：chmod 600 {name}"),
                format!("{name} holds a secret ({key}), and everybody can read it: chmod 600 {name}"),
            ));
        }
    }
    for file in config.sources.files.iter().chain(&others(config)).filter(|file| is_open(file)) {
        let name = file.display();
        found.push(say(
            format!("{name} 是密钥文件，而所有人都能读：chmod 600 {name}"),
            format!("{name} holds a secret, and everybody can read it: chmod 600 {name}"),
        ));
    }
    found
}

/// The master key and the key of TLS.
fn others(config: &Config) -> Vec<PathBuf> {
    let master = config.store.key_file();
    let tls = config.server.tls.as_ref().map(|(_, key)| key.clone());
    master.into_iter().chain(tls).collect()
}

fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
}
