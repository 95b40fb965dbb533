//! What a child finds on disk: whom to trust, in the forms that languages read, and Node's way to the proxy. A folder of its
//! own, closed to other users, which goes with the run.

use std::collections::HashSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
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

/// See the module.
pub(super) struct Files {
    folder: TempDir,
}

impl Files {
    /// `own` besides all that the child would trust without us; its proxy is at `port`.
    pub(super) fn write(
        own: &CertificateDer<'static>,
        environment: &Environment,
        port: u16,
    ) -> anyhow::Result<Self> {
        let closed = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("wxgate-run-").permissions(closed).tempdir();
        let folder = folder.context(Words::fixed("无法创建临时目录", "can't make a temporary folder"))?;
        let files = Self { folder };
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
