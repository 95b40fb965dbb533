//! A whole database read out, in the order of its keys, for another kind of database to take in.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};

use super::reader::Rows;
use super::recent::Recent;
use super::{file, meta, migrations, queue};
use crate::lang::say;
use crate::limits::Limits;
use crate::store::StoreError;
use crate::store::tables::{Kind, Row, Table, Value};

/// Rows that are read at once, at most,
const ROWS: usize = 1000;
/// and bytes of them, about.
const BYTES: usize = 4 << 20;
/// To the end of one question: to count a table that isn't in memory takes a while.
const PATIENCE: Duration = Duration::from_secs(600);
/// No process: leases are everybody's to take back.
const NOBODY: i32 = -1;

/// A database that this process alone has open, to read all of it.
pub(in crate::store) struct Source {
    rows: Rows,
    /// Held for as long as it is read.
    _lock: File,
}

impl Source {
    /// Opens as a start does, at `now`: locks and migrates, writes down what only `events` remembers, and takes leases back;
    /// blocks.
    pub(in crate::store) fn open(path: &Path, now: i64) -> anyhow::Result<Self> {
        file::look(path)?;
        let lock = file::lock(path)?;
        let unreadable = |error| file::unreadable(path, error);
        let mut db = file::connect(path, OpenFlags::default()).map_err(unreadable)?;
        migrations::migrate(&mut db).with_context(|| {
            let path = path.display();
            say(format!("数据库 {path} 升级失败"), format!("can't upgrade the database {path}"))
        })?;
        prepare(&mut db, now).map_err(unreadable)?;
        let limits = Limits { commit_time: PATIENCE, ..Limits::default() };
        Ok(Self { rows: Rows::new(db, limits), _lock: lock })
    }

    pub(in crate::store) async fn key_check(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.read(meta::key_check).await
    }

    /// How many rows there are.
    pub(in crate::store) async fn count(&self, table: &'static Table) -> Result<u64, StoreError> {
        let text = format!("select count(*) from {}", table.name);
        let count: i64 = self.rows.read(move |db| db.query_row(&text, [], |row| row.get(0))).await?;
        Ok(count.unsigned_abs())
    }

    /// The highest id that a message ever had.
    pub(in crate::store) async fn newest(&self) -> Result<i64, StoreError> {
        let text = "select max(ifnull((select max(id) from events), 0),
                               ifnull((select seq from sqlite_sequence where name = 'events'), 0))";
        self.rows.read(move |db| db.query_row(text, [], |row| row.get(0))).await
    }

    /// Some of the rows whose keys follow that of `after`; none: there are no more.
    pub(in crate::store) async fn rows(
        &self,
        table: &'static Table,
        after: Option<Row>,
    ) -> Result<Vec<Row>, StoreError> {
        let read = self.rows.read(move |db| rows(db, table, after.as_ref())).await;
        read.map_err(|error| StoreError::Corrupt(format!("{}: {error}", table.name).into()))
    }
}

fn prepare(db: &mut Connection, now: i64) -> rusqlite::Result<()> {
    let recent = Recent::load(db)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    recent.lock().write(&transaction, usize::MAX)?;
    queue::resume(&transaction, NOBODY, now)?;
    transaction.commit()
}

fn rows(db: &Connection, table: &Table, after: Option<&Row>) -> rusqlite::Result<Vec<Row>> {
    let (columns, name) = (table.names(), table.name);
    let key = table.key().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let marks = vec!["?"; table.key().len()].join(", ");
    let condition = if after.is_some() { format!("where ({key}) > ({marks})") } else { String::new() };
    let text = format!("select {columns} from {name} {condition} order by {key} limit {ROWS}");
    let values = after.into_iter().flat_map(|row| &row[..table.key().len()]).map(plain);
    let mut statement = db.prepare_cached(&text)?;
    let mut read = statement.query(params_from_iter(values))?;
    let (mut rows, mut size) = (Vec::new(), 0);
    while size < BYTES
        && let Some(row) = read.next()?
    {
        let mut values = Row::with_capacity(table.columns.len());
        for (index, (name, kind)) in table.columns.iter().enumerate() {
            let value = row.get_ref(index)?;
            size += value.as_bytes_or_null().ok().flatten().map_or(8, <[u8]>::len);
            let wrong = || rusqlite::Error::InvalidColumnType(index, (*name).to_owned(), value.data_type());
            values.push(found(value, *kind).ok_or_else(wrong)?);
        }
        rows.push(values);
    }
    Ok(rows)
}

/// A value as PostgreSQL takes it, whose texts are UTF-8 and have no NUL.
fn found(value: ValueRef<'_>, kind: Kind) -> Option<Value> {
    Some(match (kind, value) {
        (_, ValueRef::Null) => Value::Nothing,
        (Kind::Text, ValueRef::Text(text) | ValueRef::Blob(text)) => {
            Value::Text(String::from_utf8_lossy(text).replace('\0', "\u{fffd}"))
        }
        (Kind::Bytes, ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_owned()),
        (Kind::Number | Kind::Count | Kind::Time, ValueRef::Integer(number)) => Value::Number(number),
        _ => return None,
    })
}

fn plain(value: &Value) -> rusqlite::types::Value {
    match value.clone() {
        Value::Nothing => rusqlite::types::Value::Null,
        Value::Number(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Bytes(bytes) => bytes.into(),
    }
}
