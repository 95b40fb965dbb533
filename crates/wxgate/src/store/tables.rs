//! What is moved from one kind of database to another: the tables that both kinds of database have, as data, and sums over their rows.

use sha2::{Digest as _, Sha256};

use super::lines::{HELD, IN_ORDER};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bytes,
    Number,
    /// A number that PostgreSQL keeps in four bytes.
    Count,
    /// Unix milliseconds: the wall's in SQLite, the database's in PostgreSQL.
    Time,
}

use Kind::{Bytes, Count, Number, Text, Time};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row, in the order of the table's columns.
pub(super) type Row = Vec<Value>;

/// A table that both have, with the columns that are moved.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// So many of the first columns are its key.
    key: usize,
    pub(super) columns: &'static [(&'static str, Kind)],
}

impl Table {
    pub(super) fn key(&self) -> &'static [(&'static str, Kind)] {
        &self.columns[..self.key]
    }

    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// A row whose times are by a clock that is ahead by `shift`.
    pub(super) fn shifted(&self, mut row: Row, shift: i64) -> Row {
        for (value, (_, kind)) in row.iter_mut().zip(self.columns) {
            // A delivery's turn in a line is no time.
            if let (Value::Number(at), Time) = (value, kind)
                && *at != IN_ORDER
                && *at != HELD
            {
                *at = at.saturating_add(shift);
            }
        }
        row
    }
}

/// Leases stay behind: their owners have ended.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "credentials",
        key: 2,
        // A history is by the wall's time in both.
        columns: &[
            ("appid", Text),
            ("kind", Text),
            ("version", Number),
            ("value", Bytes),
            ("fetched_at", Time),
            ("expires_at", Time),
            ("history", Text),
        ],
    },
    Table { name: "once", key: 1, columns: &[("key", Bytes), ("answer", Bytes), ("expires_at", Time)] },
    Table {
        name: "bound",
        key: 1,
        columns: &[("key", Bytes), ("digest", Bytes), ("again_until", Time), ("expires_at", Time)],
    },
    Table {
        name: "usage",
        key: 2,
        columns: &[
            ("caller", Text),
            ("api", Text),
            ("calls", Number),
            ("refused", Number),
            ("since", Time),
            ("last_at", Time),
        ],
    },
    Table {
        name: "events",
        key: 1,
        columns: &[
            ("id", Number),
            ("appid", Text),
            ("openid", Text),
            ("msg_type", Text),
            ("event", Text),
            ("kind", Text),
            ("scene", Text),
            ("msg_id", Text),
            ("received_at", Time),
            ("digest", Bytes),
            ("body", Bytes),
            ("came", Text),
        ],
    },
    Table {
        name: "seen_msg",
        key: 2,
        columns: &[
            ("created", Number),
            ("digest", Bytes),
            ("event_id", Number),
            ("expires_at", Time),
            ("answer", Bytes),
        ],
    },
    Table { name: "seen_sig", key: 1, columns: &[("key", Bytes), ("digest", Bytes), ("expires_at", Time)] },
    Table {
        name: "due",
        key: 1,
        columns: &[("id", Number), ("route", Text), ("due_at", Time), ("round", Count), ("attempts", Count)],
    },
    Table {
        name: "deliveries",
        key: 2,
        columns: &[
            ("id", Number),
            ("round", Count),
            ("route", Text),
            ("status", Count),
            ("attempts", Count),
            ("done_at", Time),
            ("last_at", Time),
            ("last_status", Count),
            ("last_ms", Number),
        ],
    },
    Table {
        name: "attempts",
        key: 3,
        columns: &[
            ("delivery_id", Number),
            ("round", Count),
            ("n", Count),
            ("at", Time),
            ("status", Count),
            ("ms", Number),
            ("error", Text),
            ("answer", Bytes),
        ],
    },
    Table {
        name: "entries",
        key: 2,
        columns: &[
            ("kind", Text),
            ("name", Text),
            ("revision", Number),
            ("position", Number),
            ("value", Bytes),
            ("changed_at", Time),
        ],
    },
    Table {
        name: "audit",
        key: 1,
        columns: &[
            ("id", Number),
            ("at", Time),
            ("actor", Text),
            ("role", Text),
            ("ip", Text),
            ("action", Text),
            ("target", Text),
            ("before", Text),
            ("after", Text),
        ],
    },
    // What is amiss is found anew.
    Table {
        name: "series",
        key: 4,
        columns: &[
            ("tier", Count),
            ("key", Text),
            ("bucket", Number),
            ("node", Count),
            ("n", Number),
            ("bad", Number),
            ("ms", Number),
            ("hist", Bytes),
        ],
    },
    Table {
        name: "rings",
        key: 1,
        columns: &[
            ("id", Number),
            ("ring", Text),
            ("at", Time),
            ("appid", Text),
            ("who", Text),
            ("code", Number),
            ("request_id", Text),
            ("value", Text),
        ],
    },
    Table {
        name: "wx_quotas",
        key: 2,
        columns: &[
            ("appid", Text),
            ("api", Text),
            ("asked_at", Time),
            ("most", Number),
            ("used", Number),
            ("remain", Number),
            ("rate_calls", Number),
            ("rate_seconds", Number),
        ],
    },
    Table {
        name: "quotas",
        key: 3,
        columns: &[("caller", Text), ("pattern", Text), ("start", Number), ("until", Number), ("n", Number)],
    },
    // What goes of a line, and what is held.
    Table {
        name: "lines",
        key: 3,
        columns: &[("route", Text), ("openid", Text), ("id", Number), ("goes", Count)],
    },
    Table {
        name: "streams",
        key: 2,
        columns: &[
            ("caller", Text),
            ("name", Text),
            ("place", Number),
            ("replayed", Number),
            ("epoch", Number),
            ("expires_at", Time),
        ],
    },
    Table { name: "replays", key: 1, columns: &[("id", Number), ("event_id", Number), ("expires_at", Time)] },
    Table {
        name: "codes",
        key: 1,
        columns: &[
            ("ticket", Bytes),
            ("appid", Text),
            ("caller", Text),
            ("flow_id", Text),
            ("scene", Text),
            ("made_at", Time),
            ("ends_at", Time),
            ("event_id", Number),
            ("openid", Text),
            ("event", Text),
            ("scanned_at", Number),
            ("expires_at", Time),
        ],
    },
    Table {
        name: "sent",
        key: 2,
        columns: &[
            ("appid", Text),
            ("msgid", Text),
            ("caller", Text),
            ("sent_at", Time),
            ("expires_at", Time),
        ],
    },
    Table {
        name: "jobs",
        key: 1,
        columns: &[
            ("id", Number),
            ("kind", Text),
            ("caller", Text),
            ("again", Bytes),
            ("state", Count),
            ("made_at", Time),
            ("ended_at", Time),
            ("rate", Count),
            ("total", Number),
            ("place", Number),
            ("good", Number),
            ("bad", Number),
            ("lost", Number),
            ("value", Bytes),
            ("expires_at", Time),
        ],
    },
    Table {
        name: "job_items",
        key: 2,
        columns: &[
            ("job", Number),
            ("n", Number),
            ("state", Count),
            ("begun_at", Time),
            ("delivery", Number),
            ("round", Count),
            ("openid", Text),
            ("msgid", Text),
            ("code", Number),
            ("value", Bytes),
        ],
    },
];

/// A count of rows and a digest over them, which goes by their order.
#[derive(Clone, Default)]
pub(super) struct Sum {
    pub(super) rows: u64,
    digest: Sha256,
}

impl Sum {
    pub(super) fn add(&mut self, rows: &[Row]) {
        self.rows += rows.len() as u64;
        for value in rows.iter().flatten() {
            let number;
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Nothing => (0, &[]),
                Value::Number(n) => {
                    number = n.to_be_bytes();
                    (1, &number)
                }
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            self.digest.update([kind]);
            self.digest.update((bytes.len() as u64).to_be_bytes());
            self.digest.update(bytes);
        }
    }

    /// Whether both are over the same rows.
    pub(super) fn equals(self, other: Self) -> bool {
        self.rows == other.rows && self.digest.finalize() == other.digest.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[Row]) -> Sum {
        let mut sum = Sum::default();
        sum.add(rows);
        sum
    }

    #[test]
    fn sums_tell_values_kinds_orders_and_borders_apart() {
        let text = |text: &str| Value::Text(text.to_owned());
        let one = [vec![text("a"), text("b")], vec![Value::Number(1)]];
        assert!(sum(&one).equals(sum(&one)));
        for other in [
            vec![vec![text("ab"), text("")], vec![Value::Number(1)]],
            vec![vec![text("a"), Value::Bytes(b"b".to_vec())], vec![Value::Number(1)]],
            vec![vec![text("a"), text("b")], vec![Value::Nothing]],
            vec![vec![Value::Number(1)], vec![text("a"), text("b")]],
            vec![vec![text("a"), text("b")]],
        ] {
            assert!(!sum(&one).equals(sum(&other)), "{other:?}");
        }
    }

    #[test]
    fn times_alone_are_shifted() {
        let bound = TABLES.iter().find(|table| table.name == "bound").unwrap();
        let row = vec![Value::Bytes(vec![1]), Value::Nothing, Value::Number(5), Value::Nothing];
        let shifted = vec![Value::Bytes(vec![1]), Value::Nothing, Value::Number(-2), Value::Nothing];
        assert_eq!(bound.shifted(row, -7), shifted);
        let due = TABLES.iter().find(|table| table.name == "due").unwrap();
        for (at, shifted) in [(IN_ORDER, IN_ORDER), (HELD, HELD), (9, 2)] {
            let row = |at| vec![Value::Number(4), Value::Text("r".to_owned()), Value::Number(at)];
            assert_eq!(due.shifted(row(at), -7), row(shifted), "a turn is no time");
        }
    }
}
