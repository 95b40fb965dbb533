//! A look from outside, also while a server runs.

use std::path::Path;

use anyhow::bail;

use super::{file, meta, migrations};
use crate::lang::say;
use crate::store::Inspection;

/// How many steps the database has taken, and how many there are.
pub(in crate::store) fn steps(path: &Path) -> anyhow::Result<(i64, i64)> {
    let done = if path.exists() { migrations::version(&file::look(path)?)? } else { 0 };
    Ok((done.into(), migrations::latest()))
}

pub(in crate::store) fn inspect(path: &Path) -> anyhow::Result<Option<Inspection>> {
    if !path.exists() {
        return Ok(None);
    }
    let db = file::look(path)?;
    let fate = db.query_row("pragma integrity_check", [], |row| row.get(0));
    let fate: String = fate.map_err(|error| file::unreadable(path, error))?;
    if fate != "ok" {
        let path = path.display();
        bail!(say(
            format!("数据库 {path} 已损坏（{fate}）：请从备份恢复"),
            format!("the database {path} is damaged ({fate}): restore it from a backup"),
        ));
    }
    let schema = migrations::version(&db)?;
    if schema == 0 {
        return Ok(Some(Inspection::default()));
    }
    let count = |sql: &str| db.query_row(sql, [], |row| row.get(0));
    let mut found = Inspection {
        schema: schema.into(),
        credentials: count("select count(*) from credentials")?,
        key_check: meta::key_check(&db)?,
        ..Inspection::default()
    };
    if schema > 1 {
        found.events = count("select count(*) from events")?;
    }
    if schema == 2 {
        found.pending = count("select count(*) from deliveries where status = 'pending'")?;
        found.dead = count("select count(*) from deliveries where status = 'dead'")?;
    }
    if schema > 2 {
        found.pending = count("select count(*) from due")?;
        found.dead = count("select count(*) from deliveries where status = 2")?;
    }
    Ok(Some(found))
}
