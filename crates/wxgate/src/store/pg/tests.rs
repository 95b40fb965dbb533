//! What holds of PostgreSQL alone: connections that are lost, servers that forget, poolers in between.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::*;
use crate::clock::ManualClock;
use crate::config;
use crate::store::backend::{AcceptedRow, Backend, DueRow, MessageKey};
use crate::store::suite::postgres;
use crate::store::{Attempt, Lease, Node};

const NOW: i64 = 1_795_305_600_000;
const OWNER: i32 = 7;

/// A new database and its store; `None`: there is no server.
#[expect(clippy::disallowed_methods, reason = "it ends with the test")]
async fn opened() -> Option<(Pg, tokio_postgres::Client)> {
    let environment = config::environment();
    let url = postgres::new_database(environment.get(postgres::POSTGRES)?);
    let settings = Postgres::parse(&url, std::path::Path::new(""), None).unwrap();
    let (client, connection) = settings.client.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let pg = Pg::open(settings, Limits::default(), Clock::Manual(ManualClock::at(NOW))).await.unwrap();
    Some((pg, client))
}

pub(super) fn event(n: u32) -> EventRow {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&n.to_be_bytes());
    let lease = Some(Lease { owner: OWNER, until: NOW + 60_000 });
    let due = |route: &str| DueRow { route: route.to_owned(), due_at: NOW, lease };
    EventRow {
        appid: "wx1".to_owned(),
        openid: "o1".to_owned(),
        msg_type: "text".to_owned(),
        event: String::new(),
        kind: "text".to_owned(),
        scene: String::new(),
        msg_id: String::new(),
        came: String::new(),
        received_at: NOW,
        seen: MessageKey { created: 1, digest },
        body: n.to_be_bytes().to_vec(),
        ticket: None,
        signature: None,
        is_plain: false,
        remembered_until: NOW + 60_000,
        spent_until: NOW + 60_000,
        deliveries: vec![due("one"), due("other")],
    }
}

fn arrival(delivery: i64) -> Record {
    let attempt = Attempt { at: NOW, status: 200, ms: 1, error: String::new(), answer: Vec::new() };
    Record { delivery, round: 0, n: 1, owner: OWNER, attempt, fate: Fate::Delivered, now: NOW }
}

fn node() -> Node {
    Node { id: OWNER, version: String::new(), address: String::new(), routes: Vec::new() }
}

/// Ends every connection but the one that says so.
async fn cut(client: &tokio_postgres::Client) {
    let all = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()";
    client.batch_execute(all).await.unwrap();
}

async fn numbers(client: &tokio_postgres::Client, sql: &str) -> Vec<i64> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_group_whose_connection_is_lost_is_kept_once_and_is_ours() {
    let Some((pg, client)) = opened().await else { return };
    let cutting = async {
        for _ in 0..10 {
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            cut(&client).await;
        }
    };
    let accepting = async {
        let mut kept = Vec::new();
        for round in 0..40 {
            let some = (0..20).map(|n| pg.accept(event(round * 20 + n)));
            kept.extend(join_all(some).await);
        }
        kept
    };
    let (kept, ()) = tokio::join!(accepting, cutting);
    let mut ids = HashSet::new();
    for outcome in kept {
        match outcome.unwrap() {
            AcceptedRow::New(id, deliveries) => {
                assert!(ids.insert(id), "{id} twice");
                assert_eq!(deliveries, [id << 16, (id << 16) + 1]);
            }
            other => panic!("each came once: {other:?}"),
        }
    }
    assert_eq!(numbers(&client, "select id from events").await.into_iter().collect::<HashSet<_>>(), ids);
    assert_eq!(numbers(&client, "select count(*) from due").await, [1600]);
}

#[tokio::test]
async fn what_a_server_that_takes_over_lacks_is_kept_again() {
    let Some((pg, client)) = opened().await else { return };
    pg.beat(node(), NOW).await.unwrap();
    let mut first = Vec::new();
    for n in 0..6 {
        let AcceptedRow::New(id, _) = pg.accept(event(n)).await.unwrap() else { panic!("it is new") };
        first.push(id);
    }
    // One delivery of the third and all of the last have arrived.
    for delivery in [first[2] << 16, first[5] << 16, (first[5] << 16) + 1] {
        pg.record(arrival(delivery)).await.unwrap();
    }
    // The standby had the first two messages, and nothing of what became of them.
    client
        .batch_execute(
            "delete from events where id > 2; delete from seen_msg where event_id > 2; delete from due where id >> 16 > 2;
             delete from deliveries; update counter set v = 2 where name = 'event'",
        )
        .await
        .unwrap();
    cut(&client).await;
    let before = first.iter().max().copied().unwrap();
    pg.beat(node(), NOW).await.ok();
    pg.beat(node(), NOW).await.unwrap();
    let ids = numbers(&client, "select id from events order by id").await;
    assert_eq!((ids.len(), &ids[..2]), (6, &[1, 2][..]));
    assert!(ids[2..].iter().all(|id| *id > before), "no id is used for two messages: {ids:?}");
    // What arrived waits for nobody; the rest is anybody's.
    let waiting = numbers(&client, "select id from due where id >> 16 > 2 order by id").await;
    assert_eq!(waiting.len(), 5, "{waiting:?}");
    assert!(waiting.iter().all(|id| id >> 16 != ids[5]));
    assert_eq!(
        numbers(&client, "select count(*) from due where owner is not null and id >> 16 > 2").await,
        [0]
    );
    assert_eq!(numbers(&client, "select count(*) from deliveries where status = 1").await, [3]);
    // It is no news any more.
    let AcceptedRow::Duplicate(id, _) = pg.accept(event(4)).await.unwrap() else { panic!("it is known") };
    assert_eq!(id, ids[4]);
    pg.beat(node(), NOW).await.unwrap();
    assert_eq!(numbers(&client, "select id from events order by id").await, ids);
}

#[tokio::test]
async fn one_connection_that_cannot_be_made_stops_nothing_else() {
    let Some((pg, client)) = opened().await else { return };
    assert!(matches!(pg.accept(event(1)).await.unwrap(), AcceptedRow::New(..)));
    // As where a role's connections are used up.
    let may = async |may: bool| {
        let sql = format!("update pg_database set datallowconn = {may} where datname = current_database()");
        client.batch_execute(&sql).await.unwrap();
    };
    may(false).await;
    assert!(pg.deliveries(crate::store::DeliveryQuery { limit: 1, ..Default::default() }).await.is_err());
    for n in 2..5 {
        assert!(matches!(pg.accept(event(n)).await.unwrap(), AcceptedRow::New(..)));
    }
    may(true).await;
    pg.deliveries(crate::store::DeliveryQuery { limit: 1, ..Default::default() }).await.unwrap();
}

#[tokio::test]
async fn a_queue_that_was_empty_when_it_was_planned_is_read_by_its_indexes() {
    let Some((pg, client)) = opened().await else { return };
    let lease = Lease { owner: OWNER, until: NOW + 60_000 };
    client.batch_execute("vacuum analyze due").await.unwrap();
    for _ in 0..8 {
        assert!(pg.claim("one", NOW, 32, lease).await.unwrap().0.is_empty());
        pg.record(arrival(1 << 16)).await.unwrap();
    }
    let fill = format!(
        "insert into events (id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body)
         select n, 'wx1', 'o', 'text', '', 'text', '', '', {NOW}, '', '' from generate_series(1, 60000) n;
         insert into due (id, route, due_at) select n::bigint << 16, 'one', {NOW} from generate_series(1, 60000) n"
    );
    client.batch_execute(&fill).await.unwrap();
    let read = "select idx_tup_fetch from pg_stat_user_tables where relname = 'due'";
    let statistics = async || {
        // They are told when a transaction ends, once a second.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        pg.claim("other", NOW, 1, lease).await.unwrap();
        pg.record(arrival(1 << 40)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        numbers(&client, read).await[0]
    };
    let before = statistics().await;
    let (claimed, _) = pg.claim("one", NOW, 32, lease).await.unwrap();
    assert_eq!(claimed.len(), 32);
    join_all(claimed.iter().map(|row| pg.record(arrival(row.id)))).await;
    let rows = statistics().await - before;
    assert!(rows < 5_000, "{rows} rows were read for 32");
    assert_eq!(numbers(&client, "select count(*) from deliveries where status = 1").await, [32]);
}

#[tokio::test]
async fn a_pooler_that_forgets_statements_is_noticed() {
    let Some((pg, _client)) = opened().await else { return };
    assert!(matches!(pg.accept(event(1)).await.unwrap(), AcceptedRow::New(..)));
    pg.release(1, OWNER, NOW).await.unwrap();
    // As another client's connection to the server has none of ours.
    pg.work.batch("deallocate all").await.unwrap();
    pg.release(1, OWNER, NOW).await.unwrap();
    assert!(pg.work.has_forgotten());
    assert!(matches!(pg.accept(event(2)).await.unwrap(), AcceptedRow::New(..)));
    assert!(pg.credentials().await.is_ok() && pg.backlog("one", 10).await.unwrap() == 2);
}
