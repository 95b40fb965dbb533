//! TLS on the callers' listener: certificate chain and key from PEM files, re-read on reload.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads both files; the error says which one and why, never what is in them.
pub fn server_config(cert: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("读不到证书 {}（PEM）", cert.display()))?;
    if chain.is_empty() {
        bail!("{} 里没有证书", cert.display());
    }
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|_| anyhow::anyhow!("读不到私钥 {}（PEM）", key.display()))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| format!("证书 {} 与私钥 {} 不配", cert.display(), key.display()))?;
    Ok(Arc::new(config))
}

/// The one TLS provider, for both directions.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
