//! Every bound that ARCHITECTURE.md promises, in one place: inputs, queues, places and waits. A test holds that page to
//! [`Limits::table`]; tests that try a bound start a gateway with a smaller one.

use std::time::Duration;

/// What a gateway takes, holds and waits for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one listener; more wait in the kernel's queue.
    pub connections: usize,
    /// To the end of a request's head, the first and every later one of a connection.
    pub head_time: Duration,
    /// Bytes of a request's head.
    pub head: usize,
    /// A TLS handshake with a client.
    pub handshake_time: Duration,
    /// Service calls at work.
    pub calls: usize,
    /// Requests passed on at work.
    pub passed: usize,
    /// Passed-on requests admitted by their address alone, and token calls whose body is read.
    pub strangers: usize,
    /// Callbacks at work.
    pub callbacks: usize,
    /// Callbacks at work whose query nobody signed.
    pub unsigned: usize,
    /// Logins that come back from WeChat, at work.
    pub logins: usize,
    /// Bytes of a service call's or a callback's body, and of WeChat's answer to a code that is passed on.
    pub body: usize,
    /// Bytes of an unsigned callback's body.
    pub unsigned_body: usize,
    /// Bytes of a token call's body.
    pub token_body: usize,
    /// To the end of a token call's body.
    pub token_body_time: Duration,
    /// To the end of a service call's body.
    pub body_time: Duration,
    /// Bytes of a passed-on body that are kept, so that the call can be repeated.
    pub kept: usize,
    /// To the end of a body that is kept.
    pub kept_time: Duration,
    /// Bytes of an answer that are held back for a look.
    pub look: usize,
    /// Bytes of an error or a page that is searched for credentials before it is passed on.
    pub page: usize,
    /// Bytes of WeChat's answer to a typed call.
    pub answer: usize,
    /// Without a byte in either direction of a transfer.
    pub silence: Duration,
    /// To make a connection: TCP, a proxy's CONNECT and TLS.
    pub connect_time: Duration,
    /// TCP with one address.
    pub dial_time: Duration,
    /// Addresses of a target's name that are tried.
    pub addresses: usize,
    /// To resolve a target's name.
    pub resolve_time: Duration,
    /// To the answer of a callback: WeChat waits five seconds.
    pub callback_time: Duration,
    /// To the end of a callback's body.
    pub callback_body_time: Duration,
    /// Bytes of a backend's answer.
    pub reply: usize,
    /// Writes that wait for the store.
    pub writes: usize,
    /// Writes in one commit.
    pub group: usize,
    /// To the end of a commit, or of reading rows by their keys, for whoever waits for it.
    pub commit_time: Duration,
    /// To the proof that the store takes writes: whoever asks for health has little time.
    pub ping_time: Duration,
    /// Lists for people that are asked for at once.
    pub lists: usize,
    /// To the end of a list.
    pub list_time: Duration,
    /// Lines of the log that wait to be written.
    pub log_lines: usize,
    /// Requests a second from one address that need no credential.
    pub open_rate: u32,
    /// Addresses whose rate is counted.
    pub open_addresses: usize,
    /// OAuth states that are remembered after WeChat answered.
    pub states: usize,
    /// Paths of one caller that are counted by name.
    pub counted_paths: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            head_time: Duration::from_secs(75),
            head: 64 << 10,
            handshake_time: Duration::from_secs(10),
            calls: 4096,
            passed: 4096,
            strangers: 256,
            callbacks: 4096,
            unsigned: 64,
            logins: 1024,
            body: 1 << 20,
            unsigned_body: 128 << 10,
            token_body: 64 << 10,
            token_body_time: Duration::from_secs(5),
            body_time: Duration::from_secs(30),
            kept: 1 << 20,
            kept_time: Duration::from_secs(300),
            look: 4096,
            page: 64 << 10,
            answer: 20 << 20,
            silence: Duration::from_secs(30),
            connect_time: Duration::from_secs(5),
            dial_time: Duration::from_secs(3),
            addresses: 4,
            resolve_time: Duration::from_secs(5),
            callback_time: Duration::from_millis(4500),
            callback_body_time: Duration::from_millis(3500),
            reply: 64 << 10,
            writes: 1024,
            group: 256,
            commit_time: Duration::from_secs(8),
            ping_time: Duration::from_secs(2),
            lists: 8,
            list_time: Duration::from_secs(2),
            log_lines: 8192,
            open_rate: 20,
            open_addresses: 16_384,
            states: 500_000,
            counted_paths: 200,
        }
    }
}

impl Limits {
    /// Name and number of each, as the page has them.
    pub fn table(&self) -> Vec<(&'static str, String)> {
        let count = |n: usize| n.to_string();
        let time = |time: Duration| match time.as_millis() {
            millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
            millis => format!("{:.1} s", millis as f64 / 1000.0),
        };
        let size = |bytes: usize| match bytes {
            bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
            bytes => format!("{} KiB", bytes >> 10),
        };
        vec![
            ("connections", count(self.connections)),
            ("head_time", time(self.head_time)),
            ("head", size(self.head)),
            ("handshake_time", time(self.handshake_time)),
            ("calls", count(self.calls)),
            ("passed", count(self.passed)),
            ("strangers", count(self.strangers)),
            ("callbacks", count(self.callbacks)),
            ("unsigned", count(self.unsigned)),
            ("logins", count(self.logins)),
            ("body", size(self.body)),
            ("unsigned_body", size(self.unsigned_body)),
            ("token_body", size(self.token_body)),
            ("token_body_time", time(self.token_body_time)),
            ("body_time", time(self.body_time)),
            ("kept", size(self.kept)),
            ("kept_time", time(self.kept_time)),
            ("look", size(self.look)),
            ("page", size(self.page)),
            ("answer", size(self.answer)),
            ("silence", time(self.silence)),
            ("connect_time", time(self.connect_time)),
            ("dial_time", time(self.dial_time)),
            ("addresses", count(self.addresses)),
            ("resolve_time", time(self.resolve_time)),
            ("callback_time", time(self.callback_time)),
            ("callback_body_time", time(self.callback_body_time)),
            ("reply", size(self.reply)),
            ("writes", count(self.writes)),
            ("group", count(self.group)),
            ("commit_time", time(self.commit_time)),
            ("ping_time", time(self.ping_time)),
            ("lists", count(self.lists)),
            ("list_time", time(self.list_time)),
            ("log_lines", count(self.log_lines)),
            ("open_rate", count(self.open_rate as usize)),
            ("open_addresses", count(self.open_addresses)),
            ("states", count(self.states)),
            ("counted_paths", count(self.counted_paths)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_bound_once() {
        let table = Limits::default().table();
        let fields = format!("{:?}", Limits::default());
        for (name, _) in &table {
            assert!(fields.contains(&format!("{name}: ")), "{name}");
        }
        assert_eq!(fields.matches(": ").count(), table.len());
    }
}
