//! Why there is no connection, or no answer, in words that say what to look at.

use std::error::Error as StdError;
use std::io;

use http::StatusCode;
use rustls::CertificateError;

use super::pool::Unanswered;
use super::tunnel::TunnelError;
use crate::lang::Words;

/// Why `error` kept a connection from being made, or an answer from coming. It completes "cannot connect to X (…)".
pub fn why(error: &Unanswered) -> Words {
    let causes = causes_of(error);
    let found = causes.iter().find_map(|cause| named(*cause));
    found.unwrap_or_else(|| {
        let last = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
        Words::new(last.clone(), last)
    })
}

/// Whether the other end answered with something that isn't HTTP.
pub fn is_no_http(error: &Unanswered) -> bool {
    causes_of(error)
        .iter()
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse)
}

/// What lies under `error`. An [`io::Error`] counts what it was made of.
fn causes_of<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut found = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        found.push(cause);
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    found
}

fn named(cause: &(dyn StdError + 'static)) -> Option<Words> {
    if let Some(tunnel) = cause.downcast_ref::<TunnelError>() {
        return Some(of_proxy(tunnel));
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(of_tls(tls));
    }
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        return of_io(io);
    }
    // What the resolver says has no type of its own; a test looks up a name that doesn't exist.
    cause.to_string().starts_with("dns error").then(|| {
        Words::new(
            "域名解析失败：检查 DNS（/etc/resolv.conf）和域名的拼写",
            "the name can't be resolved: check DNS (/etc/resolv.conf) and how the name is spelt",
        )
    })
}

fn of_proxy(error: &TunnelError) -> Words {
    match error {
        TunnelError::Unreachable { proxy, source } => {
            let causes = causes_of(&**source);
            let cause = causes.iter().find_map(|cause| named(*cause)).unwrap_or_else(|| {
                let text = source.to_string();
                Words::new(text.clone(), text)
            });
            Words::new(
                format!("连不上代理 {proxy}：{}", cause.zh),
                format!("the proxy {proxy} can't be reached: {}", cause.en),
            )
        }
        TunnelError::Refused { proxy, status } => refused_by_proxy(proxy, *status),
        TunnelError::Broken { proxy, .. } => Words::new(
            format!("代理 {proxy} 没有像 HTTP 代理那样应答：检查 proxy 的主机和端口"),
            format!("the proxy {proxy} did not answer as an HTTP proxy: check host and port in `proxy`"),
        ),
    }
}

fn refused_by_proxy(proxy: &str, status: StatusCode) -> Words {
    let status = status.as_u16();
    let (zh, en) = match status {
        407 => ("检查 proxy 里的用户名和密码", "check user and password in `proxy`"),
        405 | 501 => ("它不支持 CONNECT：换一个 HTTP 代理", "it knows no CONNECT: use another HTTP proxy"),
        400..=499 => ("在代理上放行这个主机和端口", "allow this host and port on the proxy"),
        500..=599 => (
            "代理自己连不上这个主机：检查代理的网络",
            "the proxy itself can't reach the host: check its network",
        ),
        _ => ("检查 proxy 指向的是不是 HTTP 代理", "see whether `proxy` names an HTTP proxy"),
    };
    Words::new(
        format!("代理 {proxy} 拒绝了，HTTP {status}：{zh}"),
        format!("the proxy {proxy} refused, HTTP {status}: {en}"),
    )
}

fn of_tls(error: &rustls::Error) -> Words {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => Words::new(
            "对方的证书已过期：检查本机时间；是中间的代理或自建的服务时，换它的证书",
            "its certificate has expired: check this machine's clock, or renew the certificate of the proxy or server there",
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => Words::new(
            "对方的证书还没有生效：检查本机时间",
            "its certificate is not valid yet: check this machine's clock",
        ),
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            Words::new(
                "对方的证书不属于这个主机名：检查地址，或中间的代理",
                "its certificate is for another host: check the address, or a proxy in between",
            )
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => Words::new(
            "不认识签发对方证书的机构：公司自己的 CA 写进 wechat.ca_file",
            "nobody knows who issued its certificate: put a company's own CA into wechat.ca_file",
        ),
        rustls::Error::InvalidCertificate(_) => Words::new(
            format!("对方的证书不能用（{error}）"),
            format!("its certificate can't be used ({error})"),
        ),
        rustls::Error::InvalidMessage(_) => Words::new(
            "对方说的不是 TLS：这个端口多半是明文 HTTP，把 https:// 改成 http://，或换端口",
            "it does not speak TLS: the port is plain HTTP, most likely; write http:// for https://, or another port",
        ),
        _ => Words::new(format!("TLS 握手失败（{error}）"), format!("the TLS handshake failed ({error})")),
    }
}

fn of_io(error: &io::Error) -> Option<Words> {
    use io::ErrorKind as Kind;
    Some(match error.kind() {
        Kind::ConnectionRefused => Words::new(
            "连接被拒绝：那个端口没有服务，或被防火墙拒绝",
            "connection refused: nothing listens on that port, or a firewall refuses",
        ),
        Kind::TimedOut => Words::new(
            "连接超时：检查防火墙和出口网络",
            "the connection timed out: check firewalls and the way out",
        ),
        Kind::NetworkUnreachable | Kind::HostUnreachable => Words::new(
            "网络不通：检查路由和出口网络",
            "the network is unreachable: check routes and the way out",
        ),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            Words::new("连接被对方断开", "the other end broke the connection")
        }
        Kind::UnexpectedEof => Words::new(
            "握手时连接被对方断开：那个端口可能不说 TLS",
            "the other end hung up during the handshake: the port may not speak TLS",
        ),
        _ => return None,
    })
}
