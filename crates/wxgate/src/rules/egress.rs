//! Where wxgate may connect to on a configured target's behalf: private networks yes; metadata services,
//! link-local, multicast and reserved addresses and wxgate itself never.
//!
//! Every address a name resolves to is judged, and the address judged is the address connected to: that is
//! the part of [`Client::guarded`](crate::net::Client::guarded). Here stand the rules.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use rustix::io::Errno;
use url::{Host, Url};

/// Alibaba Cloud's metadata service, amid the shared addresses (100.64/10).
const ALIBABA_METADATA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Metadata services of Azure and Oracle, at public and special addresses.
const OTHER_METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// Metadata services of AWS and Google, amid the unique local addresses (fc00::/7).
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Why an address is never connected to. The address is the whole one, also where an IPv4 address
/// embedded in it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// 0.0.0.0/8 and `::`.
    #[error("{0} is an unspecified address")]
    Unspecified(SocketAddr),
    /// 127.0.0.0/8 and `::1`, where they are not allowed.
    #[error("{0} is a loopback address, and loopback is not allowed here")]
    Loopback(SocketAddr),
    /// 169.254.0.0/16, fe80::/10, and the deprecated site-local fec0::/10.
    #[error("{0} is a link-local address, where metadata services live")]
    LinkLocal(SocketAddr),
    /// The metadata services outside the link-local networks.
    #[error("{0} is a cloud's metadata service")]
    Metadata(SocketAddr),
    /// 224.0.0.0/4 and ff00::/8.
    #[error("{0} is a multicast address")]
    Multicast(SocketAddr),
    /// 240.0.0.0/4 with the broadcast address.
    #[error("{0} is a reserved address")]
    Reserved(SocketAddr),
    /// 2001::/32, which hides an IPv4 address and a port behind a relay.
    #[error("{0} is a Teredo tunnel address")]
    Teredo(SocketAddr),
    /// One of wxgate's own listeners.
    #[error("{0} is a listener of wxgate itself")]
    Own(SocketAddr),
}

impl Forbidden {
    /// The refused address.
    pub fn address(&self) -> SocketAddr {
        match *self {
            Self::Unspecified(address)
            | Self::Loopback(address)
            | Self::LinkLocal(address)
            | Self::Metadata(address)
            | Self::Multicast(address)
            | Self::Reserved(address)
            | Self::Teredo(address)
            | Self::Own(address) => address,
        }
    }

    /// The same in Chinese.
    pub fn zh(&self) -> String {
        let why = match self {
            Self::Unspecified(_) => "是未指定地址",
            Self::Loopback(_) => "是本机回环地址，此处不允许",
            Self::LinkLocal(_) => "是链路本地地址（云元数据服务所在）",
            Self::Metadata(_) => "是云厂商的元数据服务",
            Self::Multicast(_) => "是组播地址",
            Self::Reserved(_) => "是保留地址",
            Self::Teredo(_) => "是 Teredo 隧道地址",
            Self::Own(_) => "是 wxgate 自己的监听地址",
        };
        format!("{} {why}", self.address())
    }
}

/// Why a URL can't be a target. Never names the URL, which may carry a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// Neither http nor https.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// No host.
    #[error("the URL has no host")]
    Host,
    /// `user:password@`.
    #[error("the URL must not hold a user name or password")]
    Userinfo,
    /// The host is an address that is never connected to.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

impl BadTarget {
    /// The same in Chinese.
    pub fn zh(&self) -> String {
        match self {
            Self::Scheme => "URL 必须以 http:// 或 https:// 开头".to_owned(),
            Self::Host => "URL 没有主机名".to_owned(),
            Self::Userinfo => "URL 不能带用户名或密码".to_owned(),
            Self::Forbidden(forbidden) => forbidden.zh(),
        }
    }
}

/// The rules of one gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Egress {
    own: Arc<[SocketAddr]>,
}

impl Egress {
    /// `own_listeners`: the addresses wxgate accepts connections on, as bound.
    pub fn new(own_listeners: Vec<SocketAddr>) -> Self {
        Self { own: own_listeners.into() }
    }

    /// Whether `address` may be connected to.
    pub fn check(&self, address: SocketAddr, loopback_allowed: bool) -> Result<(), Forbidden> {
        check_range(address, loopback_allowed)?;
        let mut ips = readings(address.ip());
        ips.push(address.ip());
        match ips.into_iter().any(|ip| self.is_own(ip.to_canonical(), address.port())) {
            true => Err(Forbidden::Own(address)),
            false => Ok(()),
        }
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().filter(|own| own.port() == port).any(|own| {
            let listener = own.ip().to_canonical();
            listener == ip || listener.is_unspecified() && is_this_machine(ip)
        })
    }
}

/// Whether a URL can be a target at all, judged before any name is resolved: an early word on what
/// [`Egress::check`] would refuse at every delivery. Loopback passes.
pub fn check_url(url: &Url) -> Result<(), BadTarget> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadTarget::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadTarget::Userinfo);
    }
    let ip = match url.host() {
        None | Some(Host::Domain("")) => return Err(BadTarget::Host),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
    };
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(check_range(SocketAddr::new(ip, port), true)?)
}

/// Judges the address by the networks it is in; those of its IPv4 readings decide where it has any.
fn check_range(address: SocketAddr, loopback_allowed: bool) -> Result<(), Forbidden> {
    for ip in readings(address.ip()) {
        let why = match ip {
            IpAddr::V4(ip) => v4(ip),
            IpAddr::V6(ip) => v6(ip),
        };
        match why.map(|why| why(address)) {
            Some(Forbidden::Loopback(_)) if loopback_allowed => {}
            Some(forbidden) => return Err(forbidden),
            None => {}
        }
    }
    Ok(())
}

type Why = fn(SocketAddr) -> Forbidden;

fn v4(ip: Ipv4Addr) -> Option<Why> {
    match ip.octets() {
        [0, ..] => Some(Forbidden::Unspecified),
        [127, ..] => Some(Forbidden::Loopback),
        [169, 254, ..] => Some(Forbidden::LinkLocal),
        [224..=239, ..] => Some(Forbidden::Multicast),
        [240..=255, ..] => Some(Forbidden::Reserved),
        _ if ip == ALIBABA_METADATA || OTHER_METADATA.contains(&ip) => Some(Forbidden::Metadata),
        _ => None,
    }
}

fn v6(ip: Ipv6Addr) -> Option<Why> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Forbidden::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Forbidden::Loopback),
        [0x2001, 0, ..] => Some(Forbidden::Teredo),
        // Link-local fe80::/10 and site-local fec0::/10.
        [0xfe80..=0xfeff, ..] => Some(Forbidden::LinkLocal),
        [0xff00..=0xffff, ..] => Some(Forbidden::Multicast),
        _ if METADATA_V6.contains(&ip) => Some(Forbidden::Metadata),
        _ => None,
    }
}

/// The addresses `ip` stands for: itself, or the IPv4 address it embeds (every one it may embed, where the
/// place is not fixed).
fn readings(ip: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = ip else { return vec![ip] };
    let bytes = v6.octets();
    let at = |places: [usize; 4]| IpAddr::from(places.map(|place| bytes[place]));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => vec![ip],
        // IPv4-mapped, IPv4-compatible, IPv4-translated, NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![at([12, 13, 14, 15])]
        }
        // NAT64 for local use: the operator chooses the prefix's length, and so where the IPv4 address begins
        // (RFC 6052, 2.2). What reads as 0.x.y.z is read at the wrong place, unless nothing else is left.
        [0x64, 0xff9b, 1, ..] => {
            let all = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];
            let right: Vec<IpAddr> = all.into_iter().filter(|places| bytes[places[0]] != 0).map(at).collect();
            if right.is_empty() { vec![Ipv4Addr::UNSPECIFIED.into()] } else { right }
        }
        // 6to4.
        [0x2002, ..] => vec![at([2, 3, 4, 5])],
        _ => vec![ip],
    }
}

/// Whether `ip` is one of this machine's addresses: only to those can a socket be bound. When in doubt, it is.
fn is_this_machine(ip: IpAddr) -> bool {
    match UdpSocket::bind((ip, 0)) {
        Ok(_) => true,
        Err(error) => {
            error.kind() != ErrorKind::AddrNotAvailable
                && error.raw_os_error() != Some(Errno::AFNOSUPPORT.raw_os_error())
        }
    }
}

#[cfg(test)]
mod tests;
