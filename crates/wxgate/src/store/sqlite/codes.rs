//! QR codes that were made here, and who scanned them, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::Sqlite;
use crate::store::backend::{EventRow, Pending};
use crate::store::codes::{Code, CodeOf, CodeRow, Codes, Scan, event_name};

pub(super) const OF_KEY: &str =
    "select ticket, appid, caller, scene, ends_at, openid, event, scanned_at from codes where ticket = ?1";
pub(super) const OF_FLOW: &str =
    "select ticket, appid, caller, scene, ends_at, openid, event, scanned_at from codes
     where caller = ?1 and flow_id <> '' and flow_id = ?2 order by made_at desc limit 1";
/// The first scan of a code that ends, of one that doesn't the latest.
pub(super) const SCANNED: &str = "
    update codes set event_id = ?3, openid = ?4, event = ?5, scanned_at = ?6
    where ticket = ?1 and appid = ?2
      and case when ends_at is null then ifnull(scanned_at, ?6) <= ?6 else event_id is null and ?7 <= ends_at end";

impl Codes for Sqlite {
    fn keep_code(&self, code: CodeRow) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |tx| keep(tx, &code)))
    }

    fn code(&self, of: CodeOf) -> Pending<'_, Option<Code>> {
        Box::pin(self.rows.read(move |db| find(db, &of)))
    }
}

/// Of codes that are called the same each is newer than the one before, whatever the clock says.
fn keep(tx: &Transaction<'_>, code: &CodeRow) -> rusqlite::Result<bool> {
    let CodeRow { key, appid, caller, flow_id, scene, made_at, ends_at, expires_at } = code;
    let kept = tx
        .prepare_cached(
            "insert into codes (ticket, appid, caller, flow_id, scene, made_at, ends_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5, max(?6, ifnull(
                 (select max(made_at) + 1 from codes where caller = ?3 and flow_id = ?4 and flow_id <> ''), ?6)), ?7, ?8)
             on conflict (ticket) do update set
                 flow_id = excluded.flow_id, scene = excluded.scene, made_at = excluded.made_at,
                 ends_at = excluded.ends_at, expires_at = excluded.expires_at
                 where codes.appid = excluded.appid and codes.caller = excluded.caller",
        )?
        .execute(params![key, appid, caller, flow_id, scene, made_at, ends_at, expires_at])?;
    Ok(kept > 0)
}

fn find(db: &Connection, of: &CodeOf) -> rusqlite::Result<Option<Code>> {
    match of {
        CodeOf::Key(key) => db.prepare_cached(OF_KEY)?.query_row([key], code).optional(),
        CodeOf::Flow { caller, flow_id } => {
            db.prepare_cached(OF_FLOW)?.query_row([caller, flow_id], code).optional()
        }
    }
}

fn code(row: &Row<'_>) -> rusqlite::Result<Code> {
    let (openid, event): (String, String) = (row.get(5)?, row.get(6)?);
    let scanned_at: Option<i64> = row.get(7)?;
    Ok(Code {
        key: row.get(0)?,
        appid: row.get(1)?,
        caller: row.get(2)?,
        scene: row.get(3)?,
        ends_at: row.get(4)?,
        scan: scanned_at.map(|at| Scan { openid, event: event_name(&event).to_owned(), at }),
    })
}

/// Message `id` is new, and says that a code was scanned.
pub(super) fn scanned(
    tx: &Transaction<'_>,
    id: i64,
    event: &EventRow,
    ticket: &[u8; 32],
) -> rusqlite::Result<()> {
    tx.prepare_cached(SCANNED)?.execute(params![
        ticket,
        event.appid,
        id,
        event.openid,
        event.event,
        event.scanned_at(),
        event.received_at
    ])?;
    Ok(())
}
