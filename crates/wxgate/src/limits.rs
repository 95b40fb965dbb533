//! Every bound that ARCHITECTURE.md promises, in one place: inputs, queues, places and waits. A test holds that page to
//! [`Limits::table`]; tests that try a bound start a gateway with a smaller one.

use std::time::Duration;

/// What a gateway takes, holds and waits for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of callers and the internet, where so many files may be open; whoever has most gives way.
    pub connections: usize,
    /// Connections of the admin side, which has its own.
    pub admin_connections: usize,
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
    /// Passed-on requests admitted by their address alone.
    pub strangers: usize,
    /// Streams of events, long polls that wait and uploads of batches, beside all calls at work.
    pub long: usize,
    /// Callbacks at work.
    pub callbacks: usize,
    /// Callbacks at work whose query nobody signed.
    pub unsigned: usize,
    /// Bytes of a batch, and of one of its lines.
    pub batch: usize,
    /// See `batch`.
    pub batch_line: usize,
    /// Lines of a batch.
    pub batch_lines: usize,
    /// Logins that come back from WeChat, at work.
    pub logins: usize,
    /// Bytes of a service call's or a callback's body, and of WeChat's answer to a code that is passed on.
    pub body: usize,
    /// Bytes of an unsigned callback's body.
    pub unsigned_body: usize,
    /// Bytes of a token call's body.
    pub token_body: usize,
    /// From where a body has to keep up with `body_rate`.
    pub body_grace: Duration,
    /// Bytes of a body that come a second, at least.
    pub body_rate: usize,
    /// Bytes of bodies in memory, by default: `[limits] body_budget`.
    pub body_budget: usize,
    /// That a body waits for a part of that.
    pub budget_time: Duration,
    /// Bytes of a passed-on body that are kept in memory.
    pub kept: usize,
    /// Bytes of a passed-on body that came without its length.
    pub collected: usize,
    /// Bytes of such bodies in files.
    pub spooled: usize,
    /// Bytes that are read away after an answer that ended a request early.
    pub drained: usize,
    /// The same in time.
    pub drain_time: Duration,
    /// The same a second, at least.
    pub drain_rate: usize,
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
    /// To the end of a callback that is left without an answer, for WeChat's next attempt.
    pub callback_left: Duration,
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
    /// A step of forgetting what is old: whoever commits may wait for one.
    pub purge_time: Duration,
    /// Lists for people that are asked for at once.
    pub lists: usize,
    /// To the end of a list.
    pub list_time: Duration,
    /// Lines of the log that wait to be written.
    pub log_lines: usize,
    /// Strangers whose lines are told apart.
    pub log_sources: usize,
    /// Requests a second from one address that need no credential.
    pub open_rate: u32,
    /// Addresses whose rate is counted.
    pub open_addresses: usize,
    /// To the answer to a wrong admin token, after the third from one address in a minute.
    pub wrong_token_pause: Duration,
    /// OAuth states that are remembered after WeChat answered.
    pub states: usize,
    /// Paths of one caller that are counted by name.
    pub counted_paths: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            admin_connections: 256,
            head_time: Duration::from_secs(75),
            head: 64 << 10,
            handshake_time: Duration::from_secs(10),
            calls: 4096,
            passed: 4096,
            strangers: 256,
            long: 10_000,
            callbacks: 4096,
            unsigned: 64,
            batch: 64 << 20,
            batch_line: 64 << 10,
            batch_lines: 100_000,
            logins: 1024,
            body: 1 << 20,
            unsigned_body: 128 << 10,
            token_body: 64 << 10,
            body_grace: Duration::from_secs(5),
            body_rate: 1 << 10,
            body_budget: 256 << 20,
            budget_time: Duration::from_secs(5),
            kept: 1 << 20,
            collected: 20 << 20,
            spooled: 1 << 30,
            drained: 16 << 20,
            drain_time: Duration::from_secs(30),
            drain_rate: 64 << 10,
            look: 4096,
            page: 64 << 10,
            answer: 20 << 20,
            silence: Duration::from_secs(30),
            connect_time: Duration::from_secs(5),
            dial_time: Duration::from_secs(3),
            addresses: 4,
            resolve_time: Duration::from_secs(5),
            callback_time: Duration::from_millis(4500),
            callback_left: Duration::from_millis(5500),
            callback_body_time: Duration::from_millis(3500),
            reply: 64 << 10,
            writes: 1024,
            group: 256,
            commit_time: Duration::from_secs(8),
            ping_time: Duration::from_secs(2),
            purge_time: Duration::from_millis(5),
            lists: 8,
            list_time: Duration::from_secs(2),
            log_lines: 8192,
            log_sources: 256,
            open_rate: 20,
            open_addresses: 16_384,
            wrong_token_pause: Duration::from_secs(1),
            states: 500_000,
            counted_paths: 200,
        }
    }
}

/// Files for the store, the log and what a process opens in passing.
const OWN_FILES: usize = 64;

impl Limits {
    /// The same for a process that may open so many files: first of all those that store, admin side and deliveries need,
    /// then one for a connection and one for what is asked of WeChat for it.
    pub fn within(self, files: usize) -> Self {
        let admin = self.admin_connections.min(files / 16);
        let rest = files.saturating_sub(OWN_FILES + admin + files / 8);
        Self {
            connections: self.connections.min(rest / 2).max(1),
            admin_connections: admin.max(1),
            calls: self.calls.min(rest / 4).max(1),
            passed: self.passed.min(rest / 4).max(1),
            long: self.long.min(rest / 4).max(1),
            ..self
        }
    }

    /// Name and number of each, as the page has them.
    pub fn table(&self) -> Vec<(&'static str, String)> {
        let count = |n: usize| n.to_string();
        vec![
            ("connections", count(self.connections)),
            ("admin_connections", count(self.admin_connections)),
            ("head_time", time(self.head_time)),
            ("head", size(self.head)),
            ("handshake_time", time(self.handshake_time)),
            ("calls", count(self.calls)),
            ("passed", count(self.passed)),
            ("strangers", count(self.strangers)),
            ("long", count(self.long)),
            ("callbacks", count(self.callbacks)),
            ("unsigned", count(self.unsigned)),
            ("batch", size(self.batch)),
            ("batch_line", size(self.batch_line)),
            ("batch_lines", count(self.batch_lines)),
            ("logins", count(self.logins)),
            ("body", size(self.body)),
            ("unsigned_body", size(self.unsigned_body)),
            ("token_body", size(self.token_body)),
            ("body_grace", time(self.body_grace)),
            ("body_rate", size(self.body_rate)),
            ("body_budget", size(self.body_budget)),
            ("budget_time", time(self.budget_time)),
            ("kept", size(self.kept)),
            ("collected", size(self.collected)),
            ("spooled", size(self.spooled)),
            ("drained", size(self.drained)),
            ("drain_time", time(self.drain_time)),
            ("drain_rate", size(self.drain_rate)),
            ("look", size(self.look)),
            ("page", size(self.page)),
            ("answer", size(self.answer)),
            ("silence", time(self.silence)),
            ("connect_time", time(self.connect_time)),
            ("dial_time", time(self.dial_time)),
            ("addresses", count(self.addresses)),
            ("resolve_time", time(self.resolve_time)),
            ("callback_time", time(self.callback_time)),
            ("callback_left", time(self.callback_left)),
            ("callback_body_time", time(self.callback_body_time)),
            ("reply", size(self.reply)),
            ("writes", count(self.writes)),
            ("group", count(self.group)),
            ("commit_time", time(self.commit_time)),
            ("ping_time", time(self.ping_time)),
            ("purge_time", time(self.purge_time)),
            ("lists", count(self.lists)),
            ("list_time", time(self.list_time)),
            ("log_lines", count(self.log_lines)),
            ("log_sources", count(self.log_sources)),
            ("open_rate", count(self.open_rate as usize)),
            ("open_addresses", count(self.open_addresses)),
            ("wrong_token_pause", time(self.wrong_token_pause)),
            ("states", count(self.states)),
            ("counted_paths", count(self.counted_paths)),
        ]
    }
}

fn time(time: Duration) -> String {
    match time.as_millis() {
        millis if millis < 100 => format!("{millis} ms"),
        millis if millis % 1000 == 0 => format!("{} s", millis / 1000),
        millis => format!("{:.1} s", millis as f64 / 1000.0),
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_leave_something_for_everybody() {
        let usual = Limits::default().within(1024);
        assert_eq!((usual.connections, usual.admin_connections, usual.calls), (384, 64, 192));
        assert_eq!(usual.long, 192, "what only waits leaves connections to others");
        assert!(usual.connections + usual.admin_connections + usual.calls + usual.passed + 128 < 1024);
        assert_eq!(Limits::default().within(1 << 20), Limits::default());
    }

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
