//! TLS on the callers' listener: certificate chain and key from PEM files, re-read on reload.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::lang::Words;

/// Reads both files; the error says which one and why, never what is in them.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, Words> {
    let (cert_file, key_file) = (cert.display(), key.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            Words::new(
                format!("读不到证书 {cert_file}（PEM）：{error}"),
                format!("the certificate {cert_file} can't be read (PEM): {error}"),
            )
        })?;
    if chain.is_empty() {
        return Err(Words::new(
            format!("{cert_file} 里没有证书"),
            format!("{cert_file} holds no certificate"),
        ));
    }
    // What the parser says of a key might quote it.
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|_| {
        Words::new(
            format!("读不到私钥 {key_file}（PEM）"),
            format!("the private key {key_file} can't be read (PEM)"),
        )
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_der))
        .map_err(|error| {
            Words::new(
                format!("证书 {cert_file} 与私钥 {key_file} 不配：{error}"),
                format!("the certificate {cert_file} doesn't fit the private key {key_file}: {error}"),
            )
        })?;
    Ok(Arc::new(config))
}

/// The one TLS provider, for both directions.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
