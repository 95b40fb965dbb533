//! `callback/check`: what a callback's host name stands for, and whether something listens there.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};

/// How long an address may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Addresses looked at.
const MAX_ADDRESSES: usize = 8;

/// What is to be looked at.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) lists_addresses: bool,
    pub(crate) reaches: bool,
    pub(crate) operator: String,
}

impl Probe {
    /// The answer. WeChat pings; here a connection is made, which needs no rights.
    pub(super) async fn look(&self) -> Value {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let addresses: BTreeSet<IpAddr> =
            found.into_iter().flatten().map(|found| found.ip()).take(MAX_ADDRESSES).collect();
        let mut answer = json!({});
        if self.lists_addresses {
            let list = addresses.iter().map(|ip| json!({"ip": ip, "real_operator": self.operator}));
            answer["dns"] = list.collect();
        }
        if self.reaches {
            let mut list = Vec::new();
            for ip in &addresses {
                list.push(self.reach(*ip).await);
            }
            answer["ping"] = list.into();
        }
        answer
    }

    async fn reach(&self, ip: IpAddr) -> Value {
        let begin = Instant::now();
        let made = tokio::time::timeout(TIMEOUT, TcpStream::connect((ip, self.port))).await;
        let is_there = matches!(made, Ok(Ok(_)));
        let took = if is_there { begin.elapsed().as_secs_f64() * 1000.0 } else { 0.0 };
        json!({
            "ip": ip,
            "from_operator": self.operator,
            "package_loss": if is_there { "0%" } else { "100%" },
            "time": format!("{took:.3}ms"),
        })
    }
}
