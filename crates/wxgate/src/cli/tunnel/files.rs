//! What a child finds on disk: whom to trust, in the forms that languages read, and Node's way to the proxy. A folder of its
//! own, closed to other users, which goes with the run.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha1::{Digest as _, Sha1};
use tempfile::TempDir;

use crate::entries::Environment;
use crate::lang::Words;

/// Name a file of authorities, which the child's takes the place of.
pub(super) const BUNDLES: [&str; 4] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
/// Where systems keep theirs: Debian and Alpine, Fedora, SUSE, BSD and macOS.
const SYSTEMS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Java's keystores have one; it keeps nothing secret.
pub(super) const STORE_PASSWORD: &str = "changeit";

/// How the folders' names begin, in the system's place for such.
const PREFIX: &str = "wxgate-run-";
/// A file in it that is locked for as long as the run lasts: what nobody holds was left by a run that was killed.
const LOCK: &str = ".lock";

/// See the module.
pub(super) struct Files {
    folder: TempDir,
    _lock: File,
}

impl Files {
    /// `own` besides all that the child would trust without us; its proxy is at `port`.
    pub(super) fn write(
        own: &CertificateDer<'static>,
        environment: &Environment,
        port: u16,
    ) -> anyhow::Result<Self> {
        sweep(&std::env::temp_dir());
        let closed = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(closed).tempdir();
        let folder = folder.context(Words::fixed("无法创建临时目录", "can't make a temporary folder"))?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        let files = Self { folder, _lock: lock };
        let trusted = trusted(own, environment);
        let bundle = files.bundle();
        let php = format!("curl.cainfo=\"{0}\"\nopenssl.cafile=\"{0}\"\n", bundle.display());
        std::fs::create_dir(files.php())?;
        std::fs::write(&bundle, pem(&trusted))?;
        std::fs::write(files.java(), java_store(&trusted))?;
        std::fs::write(files.php().join("wxgate.ini"), php)?;
        std::fs::write(files.node(), include_str!("node.cjs").replace("__PORT__", &port.to_string()))?;
        Ok(files)
    }

    /// Authorities, PEM.
    pub(super) fn bundle(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The same as a JKS.
    pub(super) fn java(&self) -> PathBuf {
        self.path("ca.jks")
    }

    /// A folder of settings for PHP.
    pub(super) fn php(&self) -> PathBuf {
        self.path("php")
    }

    /// What Node is to load first.
    pub(super) fn node(&self) -> PathBuf {
        self.path("node.cjs")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Removes what runs of this user left in `place` that were killed. What can't be removed stays.
fn sweep(place: &Path) {
    let user = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        // Not what a link leads to.
        let is_own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        if !is_own || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let is_left = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_left {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// `own`, the system's, and those of the files that variables name. What can't be read there the child couldn't either.
fn trusted(own: &CertificateDer<'static>, environment: &Environment) -> Vec<CertificateDer<'static>> {
    let system = SYSTEMS.iter().map(Path::new).find(|path| path.exists());
    let named = BUNDLES.iter().filter_map(|name| environment.get(*name)).map(Path::new);
    let mut trusted = vec![own.clone()];
    for file in system.into_iter().chain(named) {
        trusted.extend(CertificateDer::pem_file_iter(file).into_iter().flatten().flatten());
    }
    let mut seen = HashSet::new();
    trusted.retain(|one| seen.insert(one.clone()));
    trusted
}

fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for one in certificates {
        let encoded = BASE64_STANDARD.encode(one);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// A JKS, which every Java reads: a head, an entry for each certificate, and a digest over password and all.
fn java_store(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    const MAGIC: u32 = 0xfeed_feed;
    const VERSION: u32 = 2;
    const TRUSTED: u32 = 2;
    const WHITENER: &[u8] = b"Mighty Aphrodite";
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let word = |text: &str| [&number(text.len())[2..], text.as_bytes()].concat();
    let mut store = [MAGIC.to_be_bytes(), VERSION.to_be_bytes(), number(certificates.len())].concat();
    for (at, one) in certificates.iter().enumerate() {
        store.extend(TRUSTED.to_be_bytes());
        store.extend(word(&format!("wxgate-{at}")));
        // When it was added: nobody asks.
        store.extend([0; 8]);
        store.extend(word("X.509"));
        store.extend(number(one.len()));
        store.extend(one.iter());
    }
    let mut digest = Sha1::new();
    for unit in STORE_PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend(digest.finalize());
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_is_in_use_is_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, has_lock: bool| {
            let path = place.path().join(name);
            std::fs::create_dir(&path).unwrap();
            has_lock.then(|| File::create(path.join(LOCK)).unwrap())
        };
        drop(folder("wxgate-run-dead", true));
        let held = folder("wxgate-run-alive", true).unwrap();
        held.lock().unwrap();
        folder("wxgate-run-somebodys", false);
        drop(folder("other", true));
        std::os::unix::fs::symlink(place.path().join("other"), place.path().join("wxgate-run-link")).unwrap();
        sweep(place.path());
        let mut left: Vec<_> =
            std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other", "wxgate-run-alive", "wxgate-run-link", "wxgate-run-somebodys"]);
    }
}
