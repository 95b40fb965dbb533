//! What the machine would refuse `serve`: folders that can't be written, ports that can't be bound, a certificate that has
//! expired. Disturbs nobody.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::super::control::{self, Status};
use crate::clock::Clock;
use crate::config::{self, Config, Database};
use crate::gateway::Unbound;
use crate::lang::Words;
use crate::random::Random;
use crate::{store, tls};

/// What is in order, or what is wrong and how it is mended.
pub(in crate::cli) type Found = Result<Words, Words>;

/// The database: there or not, whole, of this version, its key's, and writable.
pub(super) async fn database(settings: &config::Store) -> Found {
    let path = match &settings.database {
        Database::Sqlite(path) => path.display().to_string(),
        Database::Postgres(server) => server.to_string(),
    };
    let found = store::inspect(settings).await.map_err(|error| same(format!("{error:#}")))?;
    if let Some(file) = settings.file() {
        writable(&file)?;
    }
    let Some(found) = found else {
        return Ok(Words::new(
            format!("数据库 {path}：还没有，启动时创建"),
            format!("database {path}: none yet, the start makes it"),
        ));
    };
    if found.schema == 0 && matches!(settings.database, Database::Postgres(_)) {
        return Ok(Words::new(
            format!("数据库 {path}：是空的，启动时建表"),
            format!("database {path}: empty, the start makes its tables"),
        ));
    }
    if found.schema == 0 {
        return Ok(Words::new(
            format!("数据库 {path}：是空的，启动时建表（若应有数据：恢复备份时请连同 *-wal 文件）"),
            format!(
                "database {path}: empty, the start fills it (if it should hold data: a backup's *-wal file belongs to it)"
            ),
        ));
    }
    let keys = settings.keys(false, Random::System).map_err(|error| same(format!("{error:#}")))?;
    if !found.fits(&keys) {
        return Err(Words::new(
            format!("主密钥与数据库 {path} 不符：恢复原来的 store.master_key 或密钥文件"),
            format!(
                "the master key doesn't fit the database {path}: restore the former store.master_key or key file"
            ),
        ));
    }
    let store::Inspection { schema, credentials, events, pending, dead, .. } = found;
    Ok(Words::new(
        format!(
            "数据库 {path}：完好（schema {schema}，{credentials} 个令牌，{events} 条消息，{pending} 个待投递，{dead} 个死信）"
        ),
        format!(
            "database {path}: whole (schema {schema}, tokens {credentials}, messages {events}, to deliver {pending}, dead letters {dead})"
        ),
    ))
}

/// Whether a process with another configuration has the database.
pub(super) fn in_use(path: &Path, running: Option<&Status>) -> Option<Found> {
    let other = running.map(|status| &status.file).filter(|file| **file != control::whole(path))?;
    let other = other.display();
    Some(Err(Words::new(
        format!("数据库正由用 {other} 运行的 wxgate 使用：停掉它，或改 store.url"),
        format!("the wxgate that runs with {other} has the database: stop it, or change store.url"),
    )))
}

/// Said already in the process's language.
fn same(text: String) -> Words {
    Words::new(text.clone(), text)
}

/// Whether the database at `path`, and what SQLite puts beside it, can be written.
fn writable(path: &Path) -> Result<(), Words> {
    takes_files(path.parent().unwrap_or(Path::new("")), "store.url")?;
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let files = ["", "-wal", "-shm", ".lock"].map(beside);
    match files.iter().find(|file| file.exists() && access(*file, Access::WRITE_OK).is_err()) {
        Some(file) => Err(refused(file, "store.url")),
        None => Ok(()),
    }
}

fn refused(what: &Path, key: &str) -> Words {
    let what = what.display();
    Words::new(
        format!("{what} 不可写：把它的属主改成运行 wxgate 的用户，或改 {key}"),
        format!("{what} can't be written: give it to the user that wxgate runs as, or change {key}"),
    )
}

/// Whether files can be made in `folder`, the one that `key` names. Folders that are missing are made by `serve` in the
/// nearest one that isn't.
fn takes_files(folder: &Path, key: &str) -> Result<(), Words> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    if !there.is_dir() {
        let there = there.display();
        return Err(Words::new(
            format!("{there} 不是目录，里面放不了文件：改 {key}"),
            format!("{there} is no folder, no file can be in it: change {key}"),
        ));
    }
    // The rights don't tell all: root has them where there is nothing to write to. The file has no name.
    tempfile::tempfile_in(there).map(drop).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => refused(there, key),
        _ => {
            let there = there.display();
            Words::new(
                format!("{there} 里创建不了文件（{error}）：改 {key}"),
                format!("no file can be made in {there} ({error}): change {key}"),
            )
        }
    })
}

/// Where the socket of `wxgate reload` and long bodies go.
pub(super) fn run_dir(settings: &config::Store) -> Option<Found> {
    let own = settings.run_dir.as_ref()?;
    takes_files(own, "store.run_dir").err().map(Err)
}

/// Every address to listen on, as far as nobody listens there: `running` is the wxgate of this database, whose addresses
/// are its own.
pub(super) fn ports(config: &Config, running: Option<&Status>) -> Vec<Found> {
    let server = &config.server;
    let wanted = [
        ("server.listen", Some(server.listen)),
        ("server.admin_listen", Some(server.admin_listen)),
        ("server.public_listen", server.public_listen),
    ];
    let wanted = wanted.into_iter().filter_map(|(key, address)| Some((key, address?)));
    wanted.map(|(key, address)| port(key, address, running)).collect()
}

fn port(key: &str, address: SocketAddr, running: Option<&Status>) -> Found {
    if running.is_some_and(|status| status.addresses.contains(&address)) {
        return Ok(Words::new(
            format!("{address}（{key}）：运行中的 wxgate 正在监听"),
            format!("{address} ({key}): the wxgate that runs listens there"),
        ));
    }
    match TcpListener::bind(address) {
        Ok(_) => Ok(Words::new(format!("{address}（{key}）：可以监听"), format!("{address} ({key}): free"))),
        Err(error) => Err(Unbound::new(key, address, &error).words),
    }
}

/// The certificate's time. That it fits its key is the configuration's to say.
pub(super) fn certificate(config: &Config) -> Option<Found> {
    const DAY: i64 = 86_400;
    let (cert, _) = config.server.tls.as_ref()?;
    let (file, now) = (cert.display(), Clock::System.now_secs());
    let (from, until) = match tls::validity(cert) {
        Ok(validity) => validity,
        Err(words) => return Some(Err(words)),
    };
    Some(if until < now {
        Err(Words::new(
            format!("证书 {file}（server.tls_cert）已过期 {} 天：换上新证书", (now - until) / DAY),
            format!(
                "the certificate {file} (server.tls_cert) expired {} days ago: put a new one there",
                (now - until) / DAY
            ),
        ))
    } else if from > now {
        Err(Words::new(
            format!("证书 {file}（server.tls_cert）还没生效：检查本机的时间，或换证书"),
            format!(
                "the certificate {file} (server.tls_cert) isn't valid yet: check this machine's clock, or the certificate"
            ),
        ))
    } else {
        Ok(Words::new(
            format!("证书 {file}：还有 {} 天到期", (until - now) / DAY),
            format!("certificate {file}: valid for {} days more", (until - now) / DAY),
        ))
    })
}

/// For the terminal.
pub(in crate::cli) fn line(found: &Found) -> String {
    match found {
        Ok(fine) => format!("√ {fine}\n"),
        Err(wrong) => format!("× {wrong}\n"),
    }
}
