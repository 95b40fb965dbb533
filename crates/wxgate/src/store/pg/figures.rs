//! What messages cost on PostgreSQL; bench/figures/postgres.py runs it beside pgbench. Judges nothing.

use std::time::{Duration, Instant};

use super::tests::event;
use super::*;
use crate::config;
use crate::store::backend::{AcceptedRow, Backend, DueRow};
use crate::store::suite::postgres;
use crate::store::{Attempt, Lease};

/// `name=value` of WXGATE_FIGURE, between blanks.
fn setting(name: &str, default: u64) -> u64 {
    let all = config::environment().get("WXGATE_FIGURE").cloned().unwrap_or_default();
    let own = all.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    own.and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn now() -> i64 {
    Clock::System.now()
}

/// A new database of the server and so many nodes on it; `None`: there is no server.
async fn opened(nodes: u64) -> Option<(Postgres, Vec<Arc<Pg>>)> {
    let environment = config::environment();
    let url = postgres::new_database(environment.get(postgres::POSTGRES)?);
    let settings = Postgres::parse(&url, std::path::Path::new(""), None).unwrap();
    let mut opened = Vec::new();
    for _ in 0..nodes {
        opened.push(Arc::new(Pg::open(settings.clone(), Limits::default(), Clock::System).await.unwrap()));
    }
    Some((settings, opened))
}

/// A message of 1 KB that nobody has seen, with a delivery that is ours.
fn message(node: u64, n: u64) -> EventRow {
    let mut one = event(0);
    one.seen.created = u32::try_from(now() / 1000).unwrap();
    one.seen.digest[..8].copy_from_slice(&node.to_be_bytes());
    one.seen.digest[8..16].copy_from_slice(&n.to_be_bytes());
    // As a digest is.
    one.seen.digest[16] = n as u8;
    one.seen.digest.rotate_left(16);
    let lease = Some(Lease { owner: 7, until: now() + 60_000 });
    one.deliveries = vec![DueRow { route: "backend".to_owned(), due_at: now(), lease }];
    one.openid = format!("o{}", n % 100_000);
    one.body = vec![n as u8; 1024];
    (one.received_at, one.remembered_until, one.spent_until) =
        (now(), now() + 86_400_000, now() + 86_400_000);
    one
}

async fn accepts(
    pg: &Arc<Pg>,
    node: u64,
    acceptor: u64,
    end: Instant,
    lives: bool,
    pace: Option<Duration>,
    stagger: Duration,
) -> Vec<Duration> {
    let mut took = Vec::new();
    // Spread out, as callers are.
    let mut next = Instant::now() + stagger;
    // Who sends a message waits for it to be kept, not for its delivery.
    let mut lived = tokio::task::JoinSet::new();
    for n in 0.. {
        if Instant::now() >= end {
            break;
        }
        while lived.len() >= 64 {
            lived.join_next().await;
        }
        if let Some(pace) = pace {
            next += pace;
            tokio::time::sleep_until(next.into()).await;
        }
        let began = Instant::now();
        let accepted = pg.accept(message(node, (acceptor << 40) | n)).await.unwrap();
        took.push(began.elapsed());
        let AcceptedRow::New(_, deliveries) = accepted else { panic!("it is new") };
        if lives {
            let attempt = Attempt { at: now(), status: 200, ms: 1, error: String::new(), answer: Vec::new() };
            let (delivery, now) = (deliveries[0], now());
            let record = Record { delivery, round: 0, n: 1, owner: 7, attempt, fate: Fate::Delivered, now };
            let pg = pg.clone();
            lived.spawn(async move { pg.record(record).await.unwrap() });
        }
    }
    lived.join_all().await;
    took
}

/// `nodes`, `acceptors` (of each node), `seconds`, `lives` (1: with delivery's record), `pace` (ms between the messages of an
/// acceptor; 0: none).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
#[expect(clippy::disallowed_methods, reason = "they end with the test")]
async fn figures_of_messages() {
    let (nodes, acceptors) = (setting("nodes", 1), setting("acceptors", 64));
    let pace = Some(setting("pace", 0)).filter(|pace| *pace > 0).map(Duration::from_millis);
    let Some((_, opened)) = opened(nodes).await else { return };
    let begin = Instant::now();
    let end = begin + Duration::from_secs(setting("seconds", 4));
    let mut tasks = Vec::new();
    for (node, pg) in (0..).zip(&opened) {
        for acceptor in 0..acceptors {
            let (pg, lives) = (pg.clone(), setting("lives", 0) == 1);
            let place = u32::try_from(acceptor * nodes + node).unwrap();
            let stagger = pace.unwrap_or_default() * place / u32::try_from(acceptors * nodes).unwrap();
            tasks.push(tokio::spawn(
                async move { accepts(&pg, node, acceptor, end, lives, pace, stagger).await },
            ));
        }
    }
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    let seconds = begin.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let due = opened[0].lists.query_once("select pg_total_relation_size('due')", &[]).await.unwrap();
    println!(
        "{{\"messages\": {}, \"due_mib\": {}, \"rate\": {:.1}, \"p50_ms\": {:.3}, \"p99_ms\": {:.3}}}",
        took.len(),
        due[0].get::<_, i64>(0) >> 20,
        took.len() as f64 / seconds,
        at(0.5),
        at(0.99)
    );
}

const ROUTES: i64 = 10;
const DEAD: i64 = 3;

/// Takes on and ends what waits for a route, until `end`.
async fn drains(pg: &Pg, route: String, is_dead: bool, end: Instant) -> u64 {
    let mut done = 0;
    while Instant::now() < end {
        let lease = Lease { owner: 7, until: now() + 60_000 };
        let (rows, _) = pg.claim(&route, now(), if is_dead { 8 } else { 64 }, lease).await.unwrap();
        if rows.is_empty() || is_dead {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let records = rows.iter().map(|row| {
            let (fate, status) = match is_dead {
                true => (Fate::Retry(now() + 60_000), 0),
                false => (Fate::Delivered, 200),
            };
            let attempt = Attempt { at: now(), status, ms: 1, error: String::new(), answer: Vec::new() };
            let n = row.attempts + 1;
            let record =
                Record { delivery: row.id, round: row.round, n, owner: 7, attempt, fate, now: now() };
            pg.record(record)
        });
        for recorded in futures_util::future::join_all(records).await {
            recorded.unwrap();
        }
        done += u64::from(!is_dead) * rows.len() as u64;
    }
    done
}

/// `nodes`, `backlog`, `seconds`, `snapshot` (1: one is held from before): what waits for ten routes, three of them dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
#[expect(clippy::disallowed_methods, reason = "they end with the test")]
async fn figures_of_claims() {
    let Some((settings, opened)) = opened(setting("nodes", 3)).await else { return };
    let (client, connection) = settings.client.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let fill = format!(
        "insert into events (id, appid, openid, msg_type, event, kind, scene, msg_id, received_at, digest, body)
         select n, 'wx1', 'o' || n % 100000, 'text', '', 'text', '', '', {now}, sha256(n::text::bytea), repeat('x', 100)::bytea
         from generate_series(1, {backlog}) n;
         insert into due (id, route, due_at) select n::bigint << 16, 'r' || n % {ROUTES}, {now} from generate_series(1, {backlog}) n",
        now = now(),
        backlog = setting("backlog", 100_000)
    );
    client.batch_execute(&fill).await.unwrap();
    client.batch_execute("vacuum analyze due").await.unwrap();
    if setting("snapshot", 0) == 1 {
        client.batch_execute("begin isolation level repeatable read").await.unwrap();
        client.batch_execute("select 1 from due limit 1").await.unwrap();
    }
    let begin = Instant::now();
    let end = begin + Duration::from_secs(setting("seconds", 4));
    let mut tasks = Vec::new();
    for pg in &opened {
        for route in 0..ROUTES {
            let pg = pg.clone();
            tasks
                .push(tokio::spawn(async move { drains(&pg, format!("r{route}"), route < DEAD, end).await }));
        }
    }
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    println!("{{\"messages\": {done}, \"rate\": {:.1}}}", done as f64 / begin.elapsed().as_secs_f64());
}
