//! The sockets that a gateway listens on, and why one can't be had.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::config;
use crate::lang::Words;

/// Why an address can't be listened on, and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbound {
    /// What is said of it.
    pub words: Words,
    /// Somebody else has it.
    pub is_taken: bool,
}

impl Unbound {
    /// `what` wanted to listen on `address`.
    pub fn new(what: &str, address: SocketAddr, error: &std::io::Error) -> Self {
        let port = address.port();
        let (zh, en) = match error.kind() {
            ErrorKind::AddrInUse => (
                "端口已被占用：换一个，或停掉占用它的进程".to_owned(),
                "the port is taken: choose another, or stop who has it".to_owned(),
            ),
            ErrorKind::PermissionDenied => (
                format!(
                    "{port} 端口只有 root 能监听：用 1024 以上的端口，由反向代理接 80/443；或给程序 CAP_NET_BIND_SERVICE \
                     （systemd：AmbientCapabilities=CAP_NET_BIND_SERVICE）"
                ),
                format!(
                    "port {port} is for root: use one from 1024 on behind a proxy that has 80/443, or give the program CAP_NET_BIND_SERVICE \
                     (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)"
                ),
            ),
            ErrorKind::AddrNotAvailable => (
                "本机没有这个地址：写本机的 IP，或 0.0.0.0".to_owned(),
                "this machine has no such address: write one of its own, or 0.0.0.0".to_owned(),
            ),
            _ => (error.to_string(), error.to_string()),
        };
        let words = Words::new(
            format!("无法监听 {address}（{what}）：{zh}"),
            format!("can't listen on {address} ({what}): {en}"),
        );
        Self { words, is_taken: error.kind() == ErrorKind::AddrInUse }
    }
}

impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.fmt(f)
    }
}

impl std::error::Error for Unbound {}

/// Bound sockets; tests bind port 0.
#[derive(Debug)]
pub struct Listeners {
    /// For callers.
    pub callers: TcpListener,
    /// For operators.
    pub admin: TcpListener,
    /// For the internet, if it has a port of its own.
    pub public: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration names.
    pub async fn bind(server: &config::Server) -> Result<Self, Unbound> {
        let bind = |key: &str, address: SocketAddr| {
            listen(address).map_err(|error| Unbound::new(key, address, &error))
        };
        Ok(Self {
            callers: bind("server.listen", server.listen)?,
            admin: bind("server.admin_listen", server.admin_listen)?,
            public: match server.public_listen {
                Some(address) => Some(bind("server.public_listen", address)?),
                None => None,
            },
        })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        [Some(&self.callers), Some(&self.admin), self.public.as_ref()]
            .into_iter()
            .flatten()
            .map(TcpListener::local_addr)
            .collect()
    }
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
