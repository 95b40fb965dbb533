//! Names to addresses, without a thread for each: a name server that drops packets delays nobody but whoever asks it.

use std::fmt;
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::Instant;

/// What the machine says of names; both are read again when they change.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// They are looked at so often.
const FRESH: Duration = Duration::from_secs(5);

/// What answers which addresses a name has.
pub type Lookup = dyn Fn(&str) -> Result<Vec<IpAddr>> + Send + Sync;

/// Who turns names into addresses. Cheap to clone.
#[derive(Clone)]
pub enum Resolver {
    /// The name servers and the table of hosts of this machine.
    Machine(Machine),
    /// A function, for tests.
    Injected(Arc<Lookup>),
    /// A name server that never answers, for tests.
    Silent,
}

/// See [`Resolver::Machine`].
#[derive(Clone, Default)]
pub struct Machine(Arc<Mutex<Option<Loaded>>>);

struct Loaded {
    /// `None`: the files can't be read, and the operating system is asked.
    resolver: Option<TokioResolver>,
    stamps: Stamps,
    looked: Instant,
}

type Stamps = [Option<SystemTime>; FILES.len()];

impl Resolver {
    /// This machine's.
    pub fn machine() -> Self {
        Self::Machine(Machine::default())
    }

    /// Every address of `host`, which is a name or an IP address (IPv6 with or without brackets); never none.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let found = match self {
            Self::Machine(machine) => machine.lookup(bare).await?,
            Self::Injected(lookup) => lookup(bare)?,
            Self::Silent => std::future::pending().await,
        };
        match found.is_empty() {
            true => Err(Error::new(ErrorKind::NotFound, "the name has no address")),
            false => Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()),
        }
    }
}

impl Machine {
    async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>> {
        let Some(resolver) = self.resolver() else {
            return Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect());
        };
        let found = resolver.lookup_ip(host).await.map_err(|error| Error::new(ErrorKind::NotFound, error))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        // Where IPv6 leads nowhere it is not what is waited for first.
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses)
    }

    fn resolver(&self) -> Option<TokioResolver> {
        let now = Instant::now();
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*loaded
            && now - loaded.looked < FRESH
        {
            return loaded.resolver.clone();
        }
        let stamps = FILES.map(|file| changed(Path::new(file)));
        match &mut *loaded {
            Some(loaded) if loaded.stamps == stamps => loaded.looked = now,
            other => *other = Some(Loaded { resolver: read(), stamps, looked: now }),
        }
        loaded.as_ref().and_then(|loaded| loaded.resolver.clone())
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|about| about.modified()).ok()
}

fn read() -> Option<TokioResolver> {
    let mut builder = TokioResolver::builder_tokio().ok()?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build().ok()
}

/// As the connector to WeChat asks.
impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.resolve(name.as_str(), 0).await?.into_iter()) })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine(_) => "Machine",
            Self::Injected(_) => "Injected",
            Self::Silent => "Silent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_resolver() {
        let resolver = Resolver::Injected(Arc::new(|host| match host {
            "backend.example" => Ok(vec!["10.0.0.8".parse().unwrap(), "fd00::8".parse().unwrap()]),
            "empty.example" => Ok(Vec::new()),
            _ => Err(Error::other(format!("asked for {host}"))),
        }));
        for (host, expected) in [
            ("10.0.0.1", &["10.0.0.1:81"][..]),
            ("[fd00::1]", &["[fd00::1]:81"]),
            ("fd00::1", &["[fd00::1]:81"]),
            ("backend.example", &["10.0.0.8:81", "[fd00::8]:81"]),
        ] {
            let found = resolver.resolve(host, 81).await.unwrap();
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{host}");
        }
        assert_eq!(resolver.resolve("empty.example", 81).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(resolver.resolve("other.example", 81).await.is_err());
        // What the system knows by itself, and the number that is an address in disguise.
        for host in ["localhost", "2130706433"] {
            for address in Resolver::machine().resolve(host, 81).await.unwrap_or_default() {
                assert!(
                    address.ip().to_canonical().is_loopback() && address.port() == 81,
                    "{host}: {address}"
                );
            }
        }
    }
}
