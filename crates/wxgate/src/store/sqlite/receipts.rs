//! What was sent and its receipts, in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::Sqlite;
use crate::store::SentMessage;
use crate::store::backend::Pending;
use crate::store::receipts::{ReceiptRow, Receipts};

pub(super) const CALLER: &str = "select caller from sent where appid = ?1 and msgid = ?2";
/// In the words of the index.
pub(super) const RECEIPT: &str = "
    select digest, body from events
    where appid = ?1 and msg_id = ?2 and msg_id <> ''
      and kind in ('templatesendjobfinish', 'subscribe_msg_sent_event')
    order by id desc limit 1";

impl Receipts for Sqlite {
    fn keep_sent(&self, rows: Vec<SentMessage>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |tx| keep(tx, &rows)))
    }

    fn receipt(&self, appid: &str, msgid: &str) -> Pending<'_, (Option<String>, Option<ReceiptRow>)> {
        let (appid, msgid) = (appid.to_owned(), msgid.to_owned());
        Box::pin(self.rows.read(move |db| find(db, &appid, &msgid)))
    }
}

fn keep(tx: &Transaction<'_>, rows: &[SentMessage]) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(
        "insert into sent (appid, msgid, caller, sent_at, expires_at) values (?1, ?2, ?3, ?4, ?5)
         on conflict (appid, msgid) do nothing",
    )?;
    for SentMessage { appid, msgid, caller, sent_at, expires_at } in rows {
        insert.execute(params![appid, msgid, caller, sent_at, expires_at])?;
    }
    Ok(())
}

fn find(db: &Connection, appid: &str, msgid: &str) -> rusqlite::Result<(Option<String>, Option<ReceiptRow>)> {
    let caller = db.prepare_cached(CALLER)?.query_row([appid, msgid], |row| row.get(0)).optional()?;
    let receipt = db
        .prepare_cached(RECEIPT)?
        .query_row([appid, msgid], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok((caller, receipt))
}
