//! A database filled with the rows of another kind of database. Until that is done a mark says so, and no node begins there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio_postgres::types::{ToSql, Type};

use super::link::{Link, Server, Sql};
use super::time::Time;
use super::{nodes, schema, values};
use crate::clock::Clock;
use crate::config::Postgres;
use crate::lang::say;
use crate::store::StoreError;
use crate::store::tables::{Kind, Row, TABLES, Table, Value};

/// Figures, which a node leaves that only began: they give way to those that are moved.
const LEFT: [&str; 2] = ["series", "rings"];

/// For each question.
const PATIENCE: Duration = Duration::from_secs(120);

static MARK: Sql = Sql {
    text: "select f.value, s.value, exists (select from meta where name = 'moving')
           from meta f, meta s where f.name = 'moved_from' and s.name = 'moved_shift'",
    types: &[],
};
/// Whoever comes second changes nothing.
static BEGIN: Sql = Sql {
    text: "insert into meta (name, value)
           select name, value from (values ('moved_from', $1), ('moved_shift', $2), ('key_check', $3), ('moving', ''))
               as t (name, value)
           where not exists (select from meta where name = 'moved_from')
           on conflict do nothing",
    types: &[Type::BYTEA, Type::BYTEA, Type::BYTEA],
};
static IS_MOVING: Sql = Sql { text: "select exists (select from meta where name = 'moving')", types: &[] };
/// Ids go on above the highest, tokens get revisions, and nodes may begin.
static END: Sql = Sql {
    text: "
with e as (update counter set v = greatest(v, $1) where name = 'event'),
i as (update counter set v = greatest(v, (select max(revision) from entries)) where name = 'entry'),
a as (update counter set v = greatest(v, (select max(id) from audit)) where name = 'audit'),
g as (update counter set v = greatest(v, (select max(id) from rings)) where name = 'ring'),
t as (update counter set v = greatest(v, (select max(id) from replays)) where name = 'replay'),
n as (select appid, kind, row_number() over (order by appid, kind) as n from credentials),
r as (update counter set v = v + (select count(*) from n) where name = 'credential' returning v),
c as (
    update credentials set revision = r.v - (select count(*) from n) + n.n from n, r
    where credentials.appid = n.appid and credentials.kind = n.kind)
delete from meta where name = 'moving'",
    types: &[Type::INT8],
};

/// What says that a database was, or is being, filled from another.
#[derive(Debug)]
pub(in crate::store) struct Mark {
    /// Which one it is.
    pub(in crate::store) from: Vec<u8>,
    /// How far the database's time was ahead of the wall's when that began: what is copied later goes by it, too.
    pub(in crate::store) shift: i64,
    pub(in crate::store) is_done: bool,
}

/// An error while a database is only partly filled.
pub(super) async fn whole(link: &Link, place: &str) -> anyhow::Result<()> {
    if link.row(&IS_MOVING, &[]).await?.is_some_and(|row| row.get(0)) {
        bail!(say(
            format!(
                "正在往数据库 {place} 迁移数据，或上次没有迁完：等它结束，或把当时的 wxgate migrate --from 再运行一次"
            ),
            format!(
                "data is being moved into the database {place}, or wasn't to the end: wait for it, or run that wxgate migrate --from again"
            ),
        ));
    }
    Ok(())
}

/// A database to be filled.
pub(in crate::store) struct Target {
    server: Arc<Server>,
    link: Link,
    time: Time,
    clock: Clock,
}

impl Target {
    /// Connects and migrates.
    pub(in crate::store) async fn open(settings: &Postgres, clock: Clock) -> anyhow::Result<Self> {
        let server = Arc::new(Server::new(settings.clone())?);
        let (link, time) = (Link::new(&server, PATIENCE), Time::new(clock.clone()));
        schema::migrate(&link).await?;
        values::learn_time(&link, &time).await?;
        Ok(Self { server, link, time, clock })
    }

    pub(in crate::store) fn place(&self) -> String {
        self.server.place()
    }

    pub(in crate::store) async fn key_check(&self) -> Result<Option<Vec<u8>>, StoreError> {
        values::key_check(&self.link).await
    }

    pub(in crate::store) async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let Some(row) = self.link.row(&MARK, &[]).await? else { return Ok(None) };
        let shift: &[u8] = row.get(1);
        let shift = shift.try_into().map_err(|_| StoreError::Corrupt("meta: moved_shift".into()))?;
        Ok(Some(Mark { from: row.get(0), shift: i64::from_be_bytes(shift), is_done: !row.get::<_, bool>(2) }))
    }

    /// Marks that it is being filled, and with what key; gives the mark that stands.
    pub(in crate::store) async fn begin(
        &self,
        from: &[u8],
        key_check: &[u8],
    ) -> Result<Option<Mark>, StoreError> {
        let shift = self.time.theirs(0).to_be_bytes();
        self.link.query(&BEGIN, &[&from, &&shift[..], &key_check]).await?;
        // What a node that only began has left.
        for table in LEFT {
            self.link.query_once(&format!("delete from {table}"), &[]).await?;
        }
        self.link.query_once("delete from entries where kind = 'setup'", &[]).await?;
        self.mark().await
    }

    /// Whether nodes work on it.
    pub(in crate::store) async fn is_served(&self) -> Result<bool, StoreError> {
        Ok(!nodes::alive(&self.link, self.time.theirs(self.clock.now())).await?.is_empty())
    }

    /// A table that has rows, if one has.
    pub(in crate::store) async fn filled(&self) -> Result<Option<&'static str>, StoreError> {
        for table in TABLES.iter().filter(|table| !LEFT.contains(&table.name)) {
            // The setup code is made by whoever begins first.
            let text = match table.name {
                "entries" => "select from entries where kind <> 'setup' limit 1".to_owned(),
                name => format!("select from {name} limit 1"),
            };
            if !self.link.query_once(&text, &[]).await?.is_empty() {
                return Ok(Some(table.name));
            }
        }
        Ok(None)
    }

    /// Inserts rows, unless they are there.
    pub(in crate::store) async fn insert(&self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let (name, columns) = (table.name, table.names());
        let marks: Vec<String> = (1..=table.columns.len()).map(|n| format!("${n}")).collect();
        let marks = marks.join(", ");
        // SQLite doesn't know which message came with a signature first: none that is to come.
        let (more, given) = if name == "seen_sig" { (", event_id", ", 0") } else { ("", "") };
        // Nobody waits for the disk: the end does.
        let text = format!(
            "with x as (select set_config('synchronous_commit', 'off', true) as off)
             insert into {name} ({columns}{more}) select {columns}{given} from x, unnest({marks}) as t ({columns})
             where off = 'off' on conflict do nothing"
        );
        let arrays: Vec<_> =
            table.columns.iter().enumerate().map(|(at, (_, kind))| array(*kind, rows, at)).collect();
        self.ask(&text, &arrays).await.map(drop)
    }

    /// At most so many of the rows whose keys follow that of `after`.
    pub(in crate::store) async fn rows(
        &self,
        table: &Table,
        after: Option<&Row>,
        most: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let (name, columns) = (table.name, table.names());
        // In the order of their bytes, as SQLite has it.
        let of_key = |(name, kind): &(&str, Kind)| match kind {
            Kind::Text => format!("{name} collate \"C\""),
            _ => (*name).to_owned(),
        };
        let key = table.key().iter().map(of_key).collect::<Vec<_>>().join(", ");
        let marks: Vec<String> = (1..=table.key().len()).map(|n| format!("${n}")).collect();
        let condition = after.map_or_else(String::new, |_| format!("where ({key}) > ({})", marks.join(", ")));
        let text = format!("select {columns} from {name} {condition} order by {key} limit {most}");
        let past = after.into_iter().flatten().zip(table.key());
        let past: Vec<_> = past.map(|(value, (_, kind))| single(*kind, value)).collect();
        let rows = self.ask(&text, &past).await?;
        let read = |row: &tokio_postgres::Row| {
            table.columns.iter().enumerate().map(|(at, (_, kind))| found(row, at, *kind)).collect()
        };
        Ok(rows.iter().map(read).collect())
    }

    /// Takes all rows away.
    pub(in crate::store) async fn clear(&self, table: &Table) -> Result<(), StoreError> {
        self.link.batch(&format!("truncate {}", table.name)).await
    }

    /// It is filled: the next message's id is above `newest`.
    pub(in crate::store) async fn end(&self, newest: i64) -> Result<(), StoreError> {
        self.link.query(&END, &[&newest]).await.map(drop)
    }

    async fn ask(&self, text: &str, values: &[Typed<'_>]) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect();
        self.link.query_once(text, &values).await
    }
}

/// A parameter of a statement.
type Typed<'a> = (Box<dyn ToSql + Sync + Send + 'a>, Type);

fn text(value: &Value) -> Option<&str> {
    if let Value::Text(text) = value { Some(text) } else { None }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
}

fn number(value: &Value) -> Option<i64> {
    if let Value::Number(number) = value { Some(*number) } else { None }
}

/// What doesn't fit is kept as the most that does.
fn count(value: &Value) -> Option<i32> {
    number(value).map(|number| i32::try_from(number).unwrap_or(i32::MAX))
}

fn single(kind: Kind, value: &Value) -> Typed<'_> {
    match kind {
        Kind::Text => (Box::new(text(value)), Type::TEXT),
        Kind::Bytes => (Box::new(bytes(value)), Type::BYTEA),
        Kind::Number | Kind::Time => (Box::new(number(value)), Type::INT8),
        Kind::Count => (Box::new(count(value)), Type::INT4),
    }
}

/// A column of several rows.
fn array(kind: Kind, rows: &[Row], at: usize) -> Typed<'_> {
    fn all<'a, T>(rows: &'a [Row], at: usize, of: fn(&'a Value) -> Option<T>) -> Vec<Option<T>> {
        rows.iter().map(|row| of(&row[at])).collect()
    }
    match kind {
        Kind::Text => (Box::new(all(rows, at, text)), Type::TEXT_ARRAY),
        Kind::Bytes => (Box::new(all(rows, at, bytes)), Type::BYTEA_ARRAY),
        Kind::Number | Kind::Time => (Box::new(all(rows, at, number)), Type::INT8_ARRAY),
        Kind::Count => (Box::new(all(rows, at, count)), Type::INT4_ARRAY),
    }
}

fn found(row: &tokio_postgres::Row, at: usize, kind: Kind) -> Value {
    match kind {
        Kind::Text => row.get::<_, Option<String>>(at).map(Value::Text),
        Kind::Bytes => row.get::<_, Option<Vec<u8>>>(at).map(Value::Bytes),
        Kind::Number | Kind::Time => row.get::<_, Option<i64>>(at).map(Value::Number),
        Kind::Count => row.get::<_, Option<i32>>(at).map(|count| Value::Number(count.into())),
    }
    .unwrap_or(Value::Nothing)
}
