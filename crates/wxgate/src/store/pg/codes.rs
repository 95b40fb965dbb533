//! QR codes that were made here; who scanned them is written by `intake`.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Pg;
use super::link::{Link, Sql, text};
use crate::store::StoreError;
use crate::store::backend::Pending;
use crate::store::codes::{Code, CodeOf, CodeRow, Codes, Scan, event_name};

/// Of codes that are called the same each is newer than the one before, whatever the clock says.
static KEEP: Sql = Sql {
    text: "insert into codes as c (ticket, appid, caller, flow_id, scene, made_at, ends_at, expires_at)
           values ($1, $2, $3, $4, $5, greatest($6, (
               select max(made_at) + 1 from codes where caller = $3 and flow_id = $4 and flow_id <> '')), $7, $8)
           on conflict (ticket) do update set
               flow_id = excluded.flow_id, scene = excluded.scene, made_at = excluded.made_at,
               ends_at = excluded.ends_at, expires_at = excluded.expires_at
               where c.appid = excluded.appid and c.caller = excluded.caller
           returning 1",
    types: &[Type::BYTEA, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8, Type::INT8],
};
static OF_KEY: Sql = Sql {
    text: "select ticket, appid, caller, scene, ends_at, openid, event, scanned_at from codes where ticket = $1",
    types: &[Type::BYTEA],
};
static OF_FLOW: Sql = Sql {
    text: "select ticket, appid, caller, scene, ends_at, openid, event, scanned_at from codes
           where caller = $1 and flow_id <> '' and flow_id = $2 order by made_at desc limit 1",
    types: &[Type::TEXT, Type::TEXT],
};

impl Codes for Pg {
    fn keep_code(&self, mut code: CodeRow) -> Pending<'_, bool> {
        code.made_at = self.time.theirs(code.made_at);
        for time in [&mut code.ends_at, &mut code.expires_at] {
            *time = time.map(|time| self.time.theirs(time));
        }
        Box::pin(async move { keep(&self.work, &code).await })
    }

    fn code(&self, of: CodeOf) -> Pending<'_, Option<Code>> {
        Box::pin(async move {
            let found = find(&self.rows, &of).await?;
            // `scanned_at` is WeChat's time, not the database's.
            let ours = |code: Code| Code { ends_at: code.ends_at.map(|at| self.time.ours(at)), ..code };
            Ok(found.map(ours))
        })
    }
}

async fn keep(link: &Link, code: &CodeRow) -> Result<bool, StoreError> {
    let CodeRow { key, appid, caller, flow_id, scene, made_at, ends_at, expires_at } = code;
    let (appid, caller, flow_id, scene) = (text(appid), text(caller), text(flow_id), text(scene));
    let kept = link
        .row(&KEEP, &[&&key[..], &appid, &caller, &flow_id, &scene, made_at, ends_at, expires_at])
        .await?;
    Ok(kept.is_some())
}

async fn find(link: &Link, of: &CodeOf) -> Result<Option<Code>, StoreError> {
    let row = match of {
        CodeOf::Key(key) => link.row(&OF_KEY, &[&&key[..]]).await?,
        CodeOf::Flow { caller, flow_id } => link.row(&OF_FLOW, &[&text(caller), &text(flow_id)]).await?,
    };
    Ok(row.and_then(|row| code(&row)))
}

/// `None`: its key is none of ours.
fn code(row: &Row) -> Option<Code> {
    let (openid, event): (String, String) = (row.get(5), row.get(6));
    let scanned_at: Option<i64> = row.get(7);
    Some(Code {
        key: row.get::<_, &[u8]>(0).try_into().ok()?,
        appid: row.get(1),
        caller: row.get(2),
        scene: row.get(3),
        ends_at: row.get(4),
        scan: scanned_at.map(|at| Scan { openid, event: event_name(&event).to_owned(), at }),
    })
}
