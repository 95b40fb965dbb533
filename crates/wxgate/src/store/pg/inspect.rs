//! A look from outside, also while nodes run.

use std::sync::Arc;
use std::time::Duration;

use super::link::{Link, Server, Sql};
use super::{load, schema, values};
use crate::config::Postgres;
use crate::store::Inspection;

static COUNTS: Sql = Sql {
    text:
        "select (select count(*) from credentials), (select count(*) from events), (select count(*) from due),
                  (select count(*) from deliveries where status = 2)",
    types: &[],
};

/// For each question.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many steps the database has taken, and how many there are.
pub(in crate::store) async fn steps(settings: &Postgres) -> anyhow::Result<(i64, i64)> {
    let link = Link::new(&Arc::new(Server::new(settings.clone())?), PATIENCE);
    let done = schema::version(&link).await?;
    schema::fits(&link, done).await?;
    Ok((done, schema::latest()))
}

pub(in crate::store) async fn inspect(settings: &Postgres) -> anyhow::Result<Inspection> {
    let server = Arc::new(Server::new(settings.clone())?);
    let link = Link::new(&server, PATIENCE);
    let schema = schema::fit(&link, &server.place()).await?;
    schema::fits(&link, schema).await?;
    if schema == 0 {
        return Ok(Inspection::default());
    }
    load::whole(&link, &server.place()).await?;
    let mut found =
        Inspection { schema, key_check: values::key_check(&link).await?, ..Inspection::default() };
    if let Some(row) = link.row(&COUNTS, &[]).await? {
        (found.credentials, found.events) = (row.get(0), row.get(1));
        (found.pending, found.dead) = (row.get(2), row.get(3));
    }
    Ok(found)
}
