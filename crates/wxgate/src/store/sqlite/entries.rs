//! Entries made at run time and the book of changes, in SQLite. An entry that ended leaves its row, so that revisions rise.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params, params_from_iter};

use crate::store::AuditQuery;
use crate::store::backend::{AuditRow, EntryRow};

pub(super) fn revision(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("select ifnull(max(revision), 0) from entries", [], |row| row.get(0))
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<(i64, Vec<EntryRow>)> {
    let rows = db
        .prepare(
            "select kind, name, revision, position, value, changed_at from entries
             where value is not null order by kind, position, name",
        )?
        .query_map([], |row| {
            Ok(EntryRow {
                kind: row.get(0)?,
                name: row.get(1)?,
                revision: row.get(2)?,
                position: row.get(3)?,
                value: row.get(4)?,
                changed_at: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((revision(db)?, rows))
}

/// `None`, and nothing is changed, if a row has another revision than its change expects.
pub(super) fn change(
    tx: &Transaction<'_>,
    changes: &[EntryRow],
    book: &[AuditRow],
) -> rusqlite::Result<Option<i64>> {
    for row in changes {
        let has = tx
            .prepare_cached(
                "select revision from entries where kind = ?1 and name = ?2 and value is not null",
            )?
            .query_row(params![row.kind, row.name], |row| row.get::<_, i64>(0))
            .optional()?;
        if has.unwrap_or_default() != row.revision {
            return Ok(None);
        }
    }
    let next = revision(tx)? + i64::from(!changes.is_empty());
    for row in changes {
        tx.prepare_cached(
            "insert into entries (kind, name, revision, position, value, changed_at) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (kind, name) do update set revision = excluded.revision, position = excluded.position,
                 value = excluded.value, changed_at = excluded.changed_at",
        )?
        .execute(params![row.kind, row.name, next, row.position, row.value, row.changed_at])?;
    }
    for line in book {
        let AuditRow { id: _, at, actor, role, ip, action, target, before, after } = line;
        tx.prepare_cached(
            "insert into audit (at, actor, role, ip, action, target, before, after)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![at, actor, role, ip, action, target, before, after])?;
    }
    Ok(Some(next))
}

pub(super) fn audit(db: &Connection, query: &AuditQuery) -> rusqlite::Result<Vec<AuditRow>> {
    let mut text =
        "select id, at, actor, role, ip, action, target, before, after from audit where true".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            text.push_str(condition);
            values.push(value);
        }
    };
    add(" and id < ?", query.before.map(Value::Integer));
    add(" and target = ?", query.target.clone().map(Value::Text));
    add(" and actor = ?", query.actor.clone().map(Value::Text));
    text.push_str(" order by id desc limit ");
    text.push_str(&query.limit.to_string());
    db.prepare(&text)?
        .query_map(params_from_iter(values), |row| {
            Ok(AuditRow {
                id: row.get(0)?,
                at: row.get(1)?,
                actor: row.get(2)?,
                role: row.get(3)?,
                ip: row.get(4)?,
                action: row.get(5)?,
                target: row.get(6)?,
                before: row.get(7)?,
                after: row.get(8)?,
            })
        })?
        .collect()
}
