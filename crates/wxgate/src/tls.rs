//! TLS: on the callers' listener, with certificate chain and key from PEM files, re-read on reload; and towards WeChat and
//! backends, with the authorities that everybody trusts and those that the operator adds.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

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

/// From when to when the certificate in `cert` holds, Unix seconds.
pub fn validity(cert: &Path) -> Result<(i64, i64), Words> {
    let file = cert.display();
    let unread = |error: &dyn fmt::Display| {
        Words::new(
            format!("读不到证书 {file}（PEM）：{error}"),
            format!("the certificate {file} can't be read (PEM): {error}"),
        )
    };
    // The first is the server's own; what follows leads to the authority.
    let own = CertificateDer::from_pem_file(cert).map_err(|error| unread(&error))?;
    let own = Certificate::from_der(&own).map_err(|error| unread(&error))?;
    let validity = own.tbs_certificate().validity();
    let seconds = |time: Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Ok((seconds(validity.not_before), seconds(validity.not_after)))
}

/// Further certificate authorities, of a company's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads a PEM file; the error says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Words> {
        let file = path.display();
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = found.map_err(|error| {
            Words::new(
                format!("读不到 CA 证书 {file}（PEM）：{error}"),
                format!("the authorities in {file} can't be read (PEM): {error}"),
            )
        })?;
        if found.is_empty() {
            return Err(Words::new(
                format!("{file} 里没有证书（PEM）"),
                format!("{file} holds no certificate (PEM)"),
            ));
        }
        for certificate in &found {
            RootCertStore::empty().add(certificate.clone()).map_err(|error| {
                Words::new(
                    format!("{file} 里有不能用的证书：{error}"),
                    format!("{file} holds a certificate that can't be used: {error}"),
                )
            })?;
        }
        Ok(Self(found))
    }

    /// Trusts these besides those that everybody trusts.
    pub fn client_config(&self) -> anyhow::Result<ClientConfig> {
        Ok(ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.beside(everybodys())?)
            .with_no_client_auth())
    }

    /// Trusts these and nobody else.
    pub fn alone(&self) -> anyhow::Result<RootCertStore> {
        self.beside(RootCertStore::empty())
    }

    fn beside(&self, mut roots: RootCertStore) -> anyhow::Result<RootCertStore> {
        for certificate in &self.0 {
            roots.add(certificate.clone())?;
        }
        Ok(roots)
    }
}

/// The authorities that everybody trusts.
pub fn everybodys() -> RootCertStore {
    RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
}

/// The one TLS provider, for both directions.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
