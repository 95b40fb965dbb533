//! Routes that keep order.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Sqlite, queue};
use crate::store::Lease;
use crate::store::backend::{ClaimedRow, Lines};
use crate::store::lines::{HELD, IN_ORDER, LOOK, tried_first};
use crate::store::records::Pending;

pub(super) const DUE: &str = "
    select due.id, events.openid from due indexed by due_at cross join events on events.id = due.id >> 16
    where due.route = ?1 and due.due_at between ?2 and ?3 order by due.due_at, due.id limit ?4";
pub(super) const IS_BUSY: &str =
    "select exists (select 1 from lines where route = ?1 and openid = ?2 and goes = 1 and id <> ?3)";
pub(super) const FIRST: &str =
    "select id, goes from lines where route = ?1 and openid = ?2 order by id limit 1";
pub(super) const GONE: &str = "
    delete from lines where id = ?1 and route = ?2 and not exists (select 1 from due where due.id = ?1)
    returning openid";
pub(super) const ENDED: &str = "
    select id from lines indexed by lines_go
    where route = ?1 and goes = 1 and not exists (select 1 from due where due.id = lines.id)";
const NOTE: &str = "
    insert into lines (route, openid, id, goes) values (?1, ?2, ?3, ?4)
    on conflict (route, openid, id) do update set goes = ?4";
const WAITS: &str = "update due set due_at = ?2 where id = ?1";

impl Lines for Sqlite {
    fn claim_in_order(
        &self,
        route: &str,
        ended: Vec<i64>,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)> {
        let route = route.to_owned();
        Box::pin(self.writer.write(move |tx| {
            let_go(tx, &route, &ended)?;
            claim(tx, &route, now, limit, lease)
        }))
    }

    fn ended_elsewhere(&self, route: &str) -> Pending<'_, Vec<i64>> {
        let route = route.to_owned();
        Box::pin(
            self.rows
                .read(move |db| db.prepare_cached(ENDED)?.query_map([&route], |row| row.get(0))?.collect()),
        )
    }

    fn straighten(&self, route: &str, keeps_order: bool) -> Pending<'_, ()> {
        let route = route.to_owned();
        Box::pin(self.writer.write(move |tx| straighten(tx, &route, keeps_order)))
    }
}

fn let_go(tx: &Transaction<'_>, route: &str, ended: &[i64]) -> rusqlite::Result<()> {
    for id in ended {
        let openid: Option<String> =
            tx.prepare_cached(GONE)?.query_row(params![id, route], |row| row.get(0)).optional()?;
        let Some(openid) = openid else { continue };
        let next = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let first: Option<(i64, bool)> =
            tx.prepare_cached(FIRST)?.query_row(params![route, openid], next).optional()?;
        if let Some((id, false)) = first {
            tx.prepare_cached("update due set due_at = ?2 where id = ?1 and due_at = ?3")?
                .execute(params![id, IN_ORDER, HELD])?;
        }
    }
    Ok(())
}

/// Takes on what is due again first, with half of the room; then new ones, a few at a time, as most of those that are looked
/// at are taken; then the rest.
fn claim(
    tx: &Transaction<'_>,
    route: &str,
    now: i64,
    limit: u32,
    lease: Lease,
) -> rusqlite::Result<(Vec<ClaimedRow>, Option<i64>)> {
    let due = |from: i64, to: i64, most: u32| -> rusqlite::Result<Vec<(i64, String)>> {
        tx.prepare_cached(DUE)?
            .query_map(params![route, from, to, most], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    let mut claimed = Vec::new();
    let tried = due(IN_ORDER + 1, now, limit)?;
    let (first, later) = tried.split_at(tried.len().min(tried_first(limit)));
    let mut is_all = take(tx, route, first, limit, lease, &mut claimed)? && tried.len() < limit as usize;
    let mut looked = 0;
    while claimed.len() < limit as usize {
        let new = due(IN_ORDER, IN_ORDER, limit.saturating_mul(2).min(LOOK))?;
        looked += new.len();
        is_all &= take(tx, route, &new, limit, lease, &mut claimed)?;
        if new.is_empty() {
            break;
        }
        if looked >= LOOK as usize {
            is_all = false;
            break;
        }
    }
    is_all &= take(tx, route, later, limit, lease, &mut claimed)? && claimed.len() < limit as usize;
    claimed.sort_unstable_by_key(|row: &ClaimedRow| row.id);
    let next = match is_all {
        true => tx.prepare_cached(queue::NEXT)?.query_row([route], |row| row.get(0)).optional()?,
        false => Some(now),
    };
    Ok((claimed, next))
}

/// Takes on of `due` what goes, and holds what doesn't, until there are `limit`; whether it came to the end.
fn take(
    tx: &Transaction<'_>,
    route: &str,
    due: &[(i64, String)],
    limit: u32,
    lease: Lease,
    claimed: &mut Vec<ClaimedRow>,
) -> rusqlite::Result<bool> {
    for (id, openid) in due {
        if claimed.len() >= limit as usize {
            return Ok(false);
        }
        let is_busy: bool =
            tx.prepare_cached(IS_BUSY)?.query_row(params![route, openid, id], |row| row.get(0))?;
        tx.prepare_cached(NOTE)?.execute(params![route, openid, id, !is_busy])?;
        match is_busy {
            true => drop(tx.prepare_cached(WAITS)?.execute(params![id, HELD])?),
            false => claimed.extend(queue::lease(tx, *id, lease)?),
        }
    }
    Ok(true)
}

fn straighten(tx: &Transaction<'_>, route: &str, keeps_order: bool) -> rusqlite::Result<()> {
    if !keeps_order {
        tx.execute("delete from lines where route = ?1", [route])?;
        return tx
            .execute(
                "update due set due_at = ?2 where route = ?1 and due_at = ?3",
                params![route, IN_ORDER, HELD],
            )
            .map(drop);
    }
    tx.execute(
        "delete from lines where route = ?1 and not exists (select 1 from due where due.id = lines.id)",
        [route],
    )?;
    tx.execute(
        "update due set due_at = ?2 where route = ?1 and due_at = ?3 and (
             id in (select min(id) from lines where route = ?1 group by openid having max(goes) = 0)
             or not exists (select 1 from lines where lines.id = due.id))",
        params![route, IN_ORDER, HELD],
    )
    .map(drop)
}
