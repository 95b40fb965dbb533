//! Entries made at run time and the book of changes. An entry that ended leaves its row.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::link::{Failure, Link, Sql};
use crate::store::backend::{AuditRow, EntryRow};
use crate::store::{AuditQuery, StoreError};

static REVISION: Sql =
    Sql { text: "select coalesce(max(v), 0)::int8 from counter where name = 'entry'", types: &[] };
static ALL: Sql = Sql {
    text: "select kind, name, revision, position, value, changed_at from entries
           where value is not null order by kind collate \"C\", position, name collate \"C\"",
    types: &[],
};
/// The counter's row is held from its first statement on, so that changes come one after the other. A row that is another than
/// was expected isn't written, and the division ends all of it.
static CHANGE: Sql = Sql {
    text: "
with r as (update counter set v = v + least(1, $1) where name = 'entry' returning v),
t as materialized (
    select r.v, t.* from r, unnest($2, $3, $4, $5, $6, $7) as t (kind, name, expected, position, value, at)),
w as (
    insert into entries as e (kind, name, revision, position, value, changed_at)
    select kind, name, v, position, value, at from t order by kind, name
    on conflict (kind, name) do update set
        revision = excluded.revision, position = excluded.position, value = excluded.value, changed_at = excluded.changed_at
    where (case when e.value is null then 0 else e.revision end)
        = (select expected from t where t.kind = e.kind and t.name = e.name)
    returning e.revision),
a as (update counter set v = v + cardinality($8) where name = 'audit' returning v - cardinality($8) as base),
b as (
    insert into audit (id, at, actor, role, ip, action, target, before, after)
    select a.base + ord, at, actor, role, ip, action, target, before, after
    from a, unnest($8, $9, $10, $11, $12, $13, $14, $15)
        with ordinality as t (at, actor, role, ip, action, target, before, after, ord)),
-- What wasn't there can't be another than was expected, unless it was expected to be there.
n as (
    select count(*) as missing from t
    where expected <> 0 and not exists (select from entries e where e.kind = t.kind and e.name = t.name))
select r.v / (case when (select count(*) from w) = $1 and n.missing = 0 then 1 else 0 end) from r, n",
    types: &[
        Type::INT8,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
    ],
};
static AUDIT: Sql = Sql {
    text: "select id, at, actor, role, ip, action, target, before, after from audit
           where ($1::int8 is null or id < $1) and ($2::text is null or target = $2)
             and ($3::text is null or actor = $3) order by id desc limit $4",
    types: &[Type::INT8, Type::TEXT, Type::TEXT, Type::INT8],
};

pub(super) async fn revision(link: &Link) -> Result<i64, StoreError> {
    Ok(link.row(&REVISION, &[]).await?.map_or(0, |row| row.get(0)))
}

pub(super) async fn all(link: &Link) -> Result<(i64, Vec<EntryRow>), StoreError> {
    // In this order: what changes in between is read again.
    let revision = revision(link).await?;
    let read = |row: &Row| EntryRow {
        kind: row.get(0),
        name: row.get(1),
        revision: row.get(2),
        position: row.get(3),
        value: row.get(4),
        changed_at: row.get(5),
    };
    Ok((revision, link.query(&ALL, &[]).await?.iter().map(read).collect()))
}

pub(super) async fn change(
    link: &Link,
    changes: &[EntryRow],
    book: &[AuditRow],
) -> Result<Option<i64>, StoreError> {
    fn texts<'a, T>(rows: &'a [T], of: fn(&'a T) -> &'a str) -> Vec<&'a str> {
        rows.iter().map(of).collect()
    }
    fn numbers<T>(rows: &[T], of: fn(&T) -> i64) -> Vec<i64> {
        rows.iter().map(of).collect()
    }
    let values: Vec<Option<&[u8]>> = changes.iter().map(|row| row.value.as_deref()).collect();
    let count = i64::try_from(changes.len()).unwrap_or_default();
    let changed = link
        .attempt(
            &CHANGE,
            &[
                &count,
                &texts(changes, |row| &row.kind),
                &texts(changes, |row| &row.name),
                &numbers(changes, |row| row.revision),
                &numbers(changes, |row| row.position),
                &values,
                &numbers(changes, |row| row.changed_at),
                &numbers(book, |line| line.at),
                &texts(book, |line| &line.actor),
                &texts(book, |line| &line.role),
                &texts(book, |line| &line.ip),
                &texts(book, |line| &line.action),
                &texts(book, |line| &line.target),
                &texts(book, |line| &line.before),
                &texts(book, |line| &line.after),
            ],
        )
        .await;
    match changed {
        Ok(rows) => Ok(rows.first().map(|row| row.get(0))),
        // The division.
        Err(Failure::Row(error)) if error.to_string().contains("22012") => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn audit(link: &Link, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
    let limit = i64::from(query.limit);
    let rows = link.query(&AUDIT, &[&query.before, &query.target, &query.actor, &limit]).await?;
    let read = |row: &Row| AuditRow {
        id: row.get(0),
        at: row.get(1),
        actor: row.get(2),
        role: row.get(3),
        ip: row.get(4),
        action: row.get(5),
        target: row.get(6),
        before: row.get(7),
        after: row.get(8),
    };
    Ok(rows.iter().map(read).collect())
}
