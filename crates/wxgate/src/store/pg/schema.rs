//! Bringing a database to the schema.

mod steps;

use std::time::Duration;

use anyhow::bail;
use tokio_postgres::types::Type;

use super::link::{Link, Sql};
use crate::store::{StoreError, too_new};
use steps::STEPS;

/// To the end of a step, which may go through a large table.
pub(super) const PATIENCE: Duration = Duration::from_secs(3600);
/// Several nodes may begin at once: those that are in each other's way wait so long, so often.
const PAUSE: Duration = Duration::from_millis(200);
const TRIES: usize = 50;
/// What is said to who comes second: it waited too long for a lock, what it makes is there, or both waited for each other.
const IN_THE_WAY: [&str; 5] = ["(55P03)", "(23505)", "(42P07)", "(42710)", "(40P01)"];

static DONE: Sql = Sql { text: "select coalesce(max(n), 0)::int8 from steps", types: &[] };
/// Steps that a version which doesn't know them can't run beside.
static BROKEN: Sql =
    Sql { text: "select count(*)::int8 from steps where n > $1 and breaks", types: &[Type::INT8] };
static IS_THERE: Sql = Sql { text: "select to_regclass('steps') is not null", types: &[] };

/// How many steps the database has taken.
pub(super) async fn version(link: &Link) -> Result<i64, StoreError> {
    let is_there = link.row(&IS_THERE, &[]).await?.is_some_and(|row| row.get(0));
    if !is_there {
        return Ok(0);
    }
    Ok(link.row(&DONE, &[]).await?.map_or(0, |row| row.get(0)))
}

static DATABASE: Sql = Sql {
    text: "select coalesce(has_schema_privilege(current_schema(), 'create'), false), current_setting('server_encoding')",
    types: &[],
};

/// An error if the database can't become ours; else how many steps it has taken.
pub(super) async fn fit(link: &Link, place: &str) -> anyhow::Result<i64> {
    let done = version(link).await?;
    if let Some(row) = link.row(&DATABASE, &[]).await? {
        let (may_create, encoding): (bool, String) = (row.get(0), row.get(1));
        if let Some(why) = super::why::unfit(place, may_create || done >= latest(), &encoding) {
            bail!(why);
        }
    }
    Ok(done)
}

/// How many there are.
pub(super) fn latest() -> i64 {
    STEPS.len() as i64
}

/// An error if the database, which has taken `done` steps, has taken one that is not known here and that this version can't
/// run beside. Others a later version has taken, while this one runs on.
pub(super) async fn fits(link: &Link, done: i64) -> anyhow::Result<()> {
    if done > latest() {
        let broken: i64 = link.row(&BROKEN, &[&latest()]).await?.map_or(1, |row| row.get(0));
        if broken > 0 {
            bail!(too_new(done));
        }
    }
    Ok(())
}

/// Takes the steps that are left.
pub(super) async fn migrate(link: &Link) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        let done = version(link).await?;
        fits(link, done).await?;
        let Some(step) = usize::try_from(done).ok().and_then(|done| STEPS.get(done)) else { return Ok(()) };
        // All at once, or nothing: whoever comes second fails at the step's number, and looks again.
        let text = format!(
            "begin; set local lock_timeout = '2s';
             create table if not exists steps (
                 n bigint primary key, taken_at timestamptz not null default now(), breaks boolean not null default false);
             insert into steps (n) values ({});{step}commit",
            done + 1
        );
        let Err(error) = link.batch(&text).await else { continue };
        // The transaction that failed is still open.
        let _ = link.batch("rollback").await;
        tries += 1;
        let is_in_the_way = IN_THE_WAY.iter().any(|code| error.to_string().contains(code));
        if tries == TRIES || !is_in_the_way {
            return Err(error.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::text::hex;

    #[test]
    fn steps_that_exist_never_change() {
        let digests: Vec<String> = STEPS.iter().map(|step| hex(&Sha256::digest(step)[..8])).collect();
        let taken = [
            "3b430c4d5fba966b",
            "cfb8d106914d161d",
            "43e245d3d7420e34",
            "c170d4b5248c21dc",
            "e9d7bfceb2167e05",
            "ce44cb684f1b8cb3",
        ];
        assert_eq!(digests, taken);
    }
}
