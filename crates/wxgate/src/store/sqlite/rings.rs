//! What is remembered for a while, in SQLite.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

use crate::store::rings::{Ring, RingQuery, RingRow};

pub(super) fn keep(tx: &Transaction<'_>, rows: &[RingRow]) -> rusqlite::Result<()> {
    let (mut rings, mut apps) = (HashSet::new(), HashSet::new());
    for row in rows {
        let RingRow { id: _, ring, at, appid, who, code, request_id, value } = row;
        tx.prepare_cached(
            "insert into rings (ring, at, appid, who, code, request_id, value) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![ring.name(), at, appid, who, code, request_id, value])?;
        if ring.is_by_app() {
            apps.insert((*ring, appid.as_str()));
        } else {
            rings.insert(*ring);
        }
    }
    for ring in rings {
        tx.prepare_cached(
            "delete from rings where ring = ?1 and id <= (
                 select id from rings where ring = ?1 order by id desc limit 1 offset ?2)",
        )?
        .execute(params![ring.name(), ring.most()])?;
    }
    for (ring, appid) in apps {
        tx.prepare_cached(
            "delete from rings where ring = ?1 and appid = ?2 and id <= (
                 select id from rings where ring = ?1 and appid = ?2 order by id desc limit 1 offset ?3)",
        )?
        .execute(params![ring.name(), appid, ring.most()])?;
    }
    Ok(())
}

pub(super) fn list(db: &Connection, query: &RingQuery) -> rusqlite::Result<Vec<RingRow>> {
    let mut text = "select id, at, appid, who, code, request_id, value from rings where ring = ?".to_owned();
    let mut values: Vec<Value> = vec![Value::Text(query.ring.name().to_owned())];
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            text.push_str(condition);
            values.push(value);
        }
    };
    let named = |name: &Option<String>| name.clone().map(Value::Text);
    add(" and id < ?", query.before.map(Value::Integer));
    add(" and at >= ?", query.since.map(Value::Integer));
    add(" and appid = ?", named(&query.appid));
    add(" and who = ?", named(&query.who));
    add(" and code = ?", query.code.map(Value::Integer));
    add(" and request_id = ?", named(&query.request_id));
    text.push_str(" order by id desc limit ");
    text.push_str(&query.limit.to_string());
    db.prepare(&text)?
        .query_map(params_from_iter(values), |row| {
            Ok(RingRow {
                id: row.get(0)?,
                ring: query.ring,
                at: row.get(1)?,
                appid: row.get(2)?,
                who: row.get(3)?,
                code: row.get(4)?,
                request_id: row.get(5)?,
                value: row.get(6)?,
            })
        })?
        .collect()
}

pub(super) fn codes(db: &Connection, ring: Ring, since: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    db.prepare("select code, count(*) from rings where ring = ?1 and at >= ?2 group by code order by code")?
        .query_map(params![ring.name(), since], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
