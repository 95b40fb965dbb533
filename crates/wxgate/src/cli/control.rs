//! How `wxgate reload`, `wxgate check` and `wxgate health` speak with the process that serves: over a socket in `store.run_dir` that only
//! its user may open. One line of JSON each way.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::config;
use crate::entries::Environment;
use crate::lang::{Words, say};
use crate::text::hex;

/// Bytes of a line.
const LONGEST: u64 = 256 << 10;
/// A request that isn't there after this time doesn't come.
const PATIENCE: Duration = Duration::from_secs(2);
/// A reload that isn't done after this time is not waited for.
const WORK: Duration = Duration::from_secs(30);

/// What is asked of the process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub(super) enum Request {
    /// Read the files again.
    Reload {
        /// The configuration that whoever asks means.
        file: PathBuf,
    },
    /// What are you?
    Status {
        /// Variables by name, with a digest of each value: which of them does the process not see?
        variables: BTreeMap<String, String>,
    },
}

/// What became of a reload.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reloaded {
    /// Whether it was taken up.
    pub(super) done: bool,
    zh: String,
    en: String,
}

impl From<Reloaded> for crate::reloads::Reloaded {
    fn from(Reloaded { done, zh, en }: Reloaded) -> Self {
        Self { done, words: Words::new(zh, en) }
    }
}

impl Reloaded {
    pub(super) fn new(done: bool, Words { zh, en }: Words) -> Self {
        Self { done, zh: zh.into_owned(), en: en.into_owned() }
    }

    /// For the terminal and the log.
    pub(super) fn text(&self) -> &str {
        say(&self.zh, &self.en)
    }
}

/// What a process says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Status {
    /// Its configuration.
    pub(super) file: PathBuf,
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
    /// Variables that it doesn't see, or not so.
    pub(super) unseen: Vec<String>,
}

impl Status {
    /// Of a process with `environment`.
    pub(super) fn new(
        file: PathBuf,
        addresses: Vec<SocketAddr>,
        variables: &BTreeMap<String, String>,
        environment: &Environment,
    ) -> Self {
        let differs = |(name, seen): &(&String, &String)| {
            environment.get(*name).map(|value| digest(value)).as_ref() != Some(*seen)
        };
        let unseen = variables.iter().filter(differs).map(|(name, _)| name.clone()).collect();
        Self { file, addresses, unseen }
    }
}

/// So that no secret goes over the socket.
pub(super) fn digest(value: &str) -> String {
    hex(&Sha256::digest(value.as_bytes()))
}

/// Where a process is spoken to, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    place: Place,
}

impl Control {
    /// Takes the place of `store`'s process: whoever has its database open is the only one.
    pub(super) fn bind(store: &config::Store) -> anyhow::Result<Self> {
        let place =
            std::fs::create_dir_all(folder(store)).and_then(|()| Place::of(store)).and_then(|place| {
                // Under another name until its mode is right.
                let fresh = place.reach(&format!(".{}", std::process::id()));
                let _ = std::fs::remove_file(&fresh);
                let listener = UnixListener::bind(&fresh)?;
                std::fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
                std::fs::rename(&fresh, place.reach(""))?;
                Ok(Self { listener, place })
            });
        place.with_context(|| {
            let dir = folder(store);
            let dir = dir.display();
            say(
                format!("无法在 {dir} 里创建 wxgate reload 用的套接字（store.run_dir）"),
                format!("can't make the socket of wxgate reload in {dir} (store.run_dir)"),
            )
        })
    }

    /// The next request, and who waits for its answer. A connection without one is dropped.
    pub(super) async fn next(&self) -> (Request, UnixStream) {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                // Out of descriptors, most likely.
                tokio::time::sleep(PATIENCE).await;
                continue;
            };
            let line = tokio::time::timeout(PATIENCE, read_line(&mut stream)).await;
            if let Ok(Ok(line)) = line
                && let Ok(request) = serde_json::from_slice(&line)
            {
                return (request, stream);
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // What is left of it answers nobody.
        let _ = std::fs::remove_file(self.place.reach(""));
    }
}

/// Answers whoever asked; one that went away is nobody's trouble.
pub(super) async fn answer(mut stream: UnixStream, answer: &impl Serialize) {
    if let Ok(mut line) = serde_json::to_vec(answer) {
        line.push(b'\n');
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(&line)).await;
    }
}

/// Asks the process of `store`; `Ok(None)`: none runs there.
pub(super) async fn ask<T: for<'a> Deserialize<'a>>(
    store: &config::Store,
    request: &Request,
) -> anyhow::Result<Option<T>> {
    let Ok(place) = Place::of(store) else { return Ok(None) };
    let mut stream = match UnixStream::connect(place.reach("")).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(error).context(Words::fixed(
                "无权与运行中的 wxgate 通话：用运行它的用户（或 root）",
                "may not speak with the wxgate that runs: do it as its user (or root)",
            ));
        }
        Err(_) => return Ok(None),
    };
    let silent = || {
        Words::fixed(
            "运行中的 wxgate 没有应答：看它的日志",
            "the wxgate that runs doesn't answer: look at its log",
        )
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let exchange = async {
        stream.write_all(&line).await?;
        read_line(&mut stream).await
    };
    let line = tokio::time::timeout(WORK, exchange).await.with_context(silent)?.with_context(silent)?;
    Ok(Some(serde_json::from_slice(&line).with_context(silent)?))
}

/// That no process runs with the configuration `path`.
pub(super) fn nobody(path: &Path, store: &config::Store) -> Words {
    let (path, dir) = (path.display(), folder(store));
    let dir = dir.display();
    Words::new(
        format!("没有用 {path} 运行的 wxgate（{dir} 里没有它的套接字）：先启动 wxgate serve --config {path}"),
        format!("no wxgate runs with {path} (none answers in {dir}): start wxgate serve --config {path}"),
    )
}

async fn read_line(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// A file's one name, by which two processes know it.
pub(super) fn whole(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Where it is: a relative path may be nothing but the file's name.
fn folder(store: &config::Store) -> PathBuf {
    let dir = store.run_dir();
    if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir }
}

/// The socket's place. Its path may be longer than a socket's may, so it is reached through its folder.
#[derive(Debug)]
struct Place {
    folder: File,
    dir: PathBuf,
    name: String,
}

impl Place {
    fn of(store: &config::Store) -> std::io::Result<Self> {
        let file = store.file();
        let name = file.as_ref().and_then(|file| file.file_name()).map(|name| name.to_string_lossy());
        let dir = folder(store);
        let name = format!("{}.sock", name.as_deref().unwrap_or("wxgate"));
        Ok(Self { folder: File::open(&dir)?, dir, name })
    }

    fn reach(&self, suffix: &str) -> PathBuf {
        let folder = PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()));
        let folder = if folder.exists() { &folder } else { &self.dir };
        folder.join(format!("{}{suffix}", self.name))
    }
}
