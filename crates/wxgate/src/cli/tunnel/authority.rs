//! The certificate authority of one run. It signs one certificate, for WeChat's hosts, and then its key is gone: nobody can
//! be given another, whoever trusts it.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::hosts::PICTURES;
use crate::tls;

/// What all of WeChat's hosts end in: even before its key was gone the authority could sign for no others.
const REALMS: [&str; 2] = ["weixin.qq.com", PICTURES];
const NAME: &str = "wxgate run";

/// See the module.
pub(super) struct Authority {
    /// What the child is to trust.
    pub(super) certificate: CertificateDer<'static>,
    /// What it is shown.
    pub(super) server: Arc<ServerConfig>,
}

impl Authority {
    /// For these hosts, all of WeChat's.
    pub(super) fn new(hosts: &[&str]) -> anyhow::Result<Self> {
        let mut own = params(NAME, Vec::new())?;
        own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        own.name_constraints = Some(NameConstraints {
            permitted_subtrees: REALMS.map(|realm| GeneralSubtree::DnsName(realm.to_owned())).to_vec(),
            excluded_subtrees: Vec::new(),
        });
        let own_key = KeyPair::generate()?;
        let certificate = own.self_signed(&own_key)?.der().clone();

        let names = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut shown = params(hosts.first().unwrap_or(&REALMS[0]), names)?;
        shown.use_authority_key_identifier_extension = true;
        shown.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        shown.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let shown = shown.signed_by(&key, &Issuer::new(own, own_key))?.der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut server = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![shown], key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { certificate, server: Arc::new(server) })
    }
}

/// Good for any child, whatever its clock says: it ends with the run. The two go by names of their own, or the second would count
/// as signed by itself.
fn params(name: &str, hosts: Vec<String>) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// Whether a client that trusts the authority believes that it speaks with `host`.
    async fn is_believed(authority: &Authority, host: &'static str) -> bool {
        let mut trusted = RootCertStore::empty();
        trusted.add(authority.certificate.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let (here, there) = tokio::io::duplex(64 << 10);
        let connector = TlsConnector::from(Arc::new(client));
        let acceptor = TlsAcceptor::from(authority.server.clone());
        let name = ServerName::try_from(host).unwrap();
        tokio::join!(connector.connect(name, here), acceptor.accept(there)).0.is_ok()
    }

    #[tokio::test]
    async fn it_speaks_for_wechats_hosts_and_no_others() {
        let authority = Authority::new(&["api.weixin.qq.com", "mp.weixin.qq.com", PICTURES]).unwrap();
        assert!(is_believed(&authority, PICTURES).await);
        assert!(is_believed(&authority, "api.weixin.qq.com").await);
        assert!(is_believed(&authority, "mp.weixin.qq.com").await);
        for host in ["weixin.qq.com", "open.weixin.qq.com", "example.com", "127.0.0.1"] {
            assert!(!is_believed(&authority, host).await, "{host}");
        }
    }

    /// Even with its key nobody could be given a certificate for another host.
    #[tokio::test]
    async fn nothing_else_can_be_signed() {
        let authority = Authority::new(&["api.weixin.qq.com", "example.com"]).unwrap();
        assert!(!is_believed(&authority, "example.com").await);
    }
}
