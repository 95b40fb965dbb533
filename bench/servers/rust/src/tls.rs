//! The same server over TLS, with a certificate it makes itself, and a count of handshakes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Handshakes that were completed, full or resumed.
pub static HANDSHAKES: AtomicU64 = AtomicU64::new(0);

/// For the host of `address`; the authority that signed it stands in `authority` afterwards, as PEM.
fn acceptor(
    address: SocketAddr,
    authority: &Path,
) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
    let mut own = CertificateParams::new(Vec::new())?;
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    own.distinguished_name.push(rcgen::DnType::CommonName, "benchmark authority");
    let issuer = CertifiedIssuer::self_signed(own, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![address.ip().to_string()])?.signed_by(&key, &issuer)?;
    let chain = vec![leaf.der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key.into())?;
    std::fs::write(authority, issuer.pem())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves `answer` at `address`, for ever, on one thread.
pub fn serve<F>(address: SocketAddr, authority: &Path, answer: F) -> std::io::Result<()>
where
    F: Fn(Request<Incoming>) -> Response<Full<Bytes>> + Clone + 'static,
{
    let acceptor = acceptor(address, authority).map_err(std::io::Error::other)?;
    crate::each_connection(address, move |stream| {
        let (answer, acceptor) = (answer.clone(), acceptor.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            HANDSHAKES.fetch_add(1, Ordering::Relaxed);
            let _ = crate::speak(stream, answer).await;
        }
    })
}
