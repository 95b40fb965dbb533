//! What was sent and its receipts.

use tokio_postgres::types::Type;

use super::Pg;
use super::link::{Link, Sql, text};
use crate::store::backend::Pending;
use crate::store::receipts::{ReceiptRow, Receipts};
use crate::store::{SentMessage, StoreError};

static KEEP: Sql = Sql {
    text: "insert into sent (appid, msgid, caller, sent_at, expires_at)
           select * from unnest($1, $2, $3, $4, $5) on conflict (appid, msgid) do nothing",
    types: &[Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::TEXT_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};
/// In the words of the index.
static FIND: Sql = Sql {
    text: "
select s.caller, e.digest, e.body from (values (1)) as one (n)
left join (select caller from sent where appid = $1 and msgid = $2) s on true
left join (
    select digest, body from events
    where appid = $1 and msg_id = $2 and msg_id <> ''
      and kind in ('templatesendjobfinish', 'subscribe_msg_sent_event')
    order by id desc limit 1) e on true",
    types: &[Type::TEXT, Type::TEXT],
};

impl Receipts for Pg {
    fn keep_sent(&self, mut rows: Vec<SentMessage>) -> Pending<'_, ()> {
        for row in &mut rows {
            row.sent_at = self.time.theirs(row.sent_at);
            row.expires_at = self.time.theirs(row.expires_at);
        }
        Box::pin(async move { keep(&self.work, &rows).await })
    }

    fn receipt(&self, appid: &str, msgid: &str) -> Pending<'_, (Option<String>, Option<ReceiptRow>)> {
        let (appid, msgid) = (text(appid).into_owned(), text(msgid).into_owned());
        Box::pin(async move {
            let Some(row) = self.rows.row(&FIND, &[&appid, &msgid]).await? else { return Ok((None, None)) };
            let (digest, body): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(1), row.get(2));
            Ok((row.get(0), digest.zip(body)))
        })
    }
}

async fn keep(link: &Link, rows: &[SentMessage]) -> Result<(), StoreError> {
    let texts = |of: fn(&SentMessage) -> &str| rows.iter().map(|row| text(of(row))).collect::<Vec<_>>();
    let times = |of: fn(&SentMessage) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    let (appids, msgids) = (texts(|row| &row.appid), texts(|row| &row.msgid));
    let (callers, sent, ends) =
        (texts(|row| &row.caller), times(|row| row.sent_at), times(|row| row.expires_at));
    link.query(&KEEP, &[&appids, &msgids, &callers, &sent, &ends]).await.map(drop)
}
