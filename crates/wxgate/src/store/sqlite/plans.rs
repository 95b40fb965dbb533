//! What serves, forgets and lists goes through an index, however much is stored.

use std::path::Path;

use rusqlite::Connection;

use super::lists::{ENDED, EVENTS, WAITING, delivery_conditions, ended_conditions, event_conditions};
use super::{codes, lines, migrations, purge, queue, receipts, series};
use crate::store::{DeliveryQuery, EventQuery, Status};

fn database() -> Connection {
    let mut db = Connection::open(Path::new(":memory:")).unwrap();
    migrations::migrate(&mut db).unwrap();
    db
}

fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("explain query plan {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.map(Result::unwrap).collect::<Vec<_>>().join("; ")
}

#[test]
fn nothing_that_serves_walks_a_table() {
    let db = database();
    let mut statements = vec![
        queue::CLAIM,
        queue::NEXT,
        queue::WAITING_ROUTES,
        queue::OF_ROUTE,
        queue::BACKLOG,
        queue::WAITING_BY,
        queue::ENDED_BY,
        queue::NEXT_PLACE,
        lines::DUE,
        lines::IS_BUSY,
        lines::FIRST,
        lines::GONE,
        lines::ENDED,
        purge::DIED,
        purge::OLD,
        purge::IS_OLD,
        purge::NEEDED,
        codes::OF_KEY,
        codes::OF_FLOW,
        codes::SCANNED,
        receipts::CALLER,
        receipts::RECEIPT,
    ];
    statements.extend(purge::EXPIRED);
    for sql in statements {
        let plan = plan(&db, sql);
        let walks =
            plan.split("; ").filter(|line| line.contains("SCAN") && !line.contains("SCAN CONSTANT ROW"));
        // What a limit ends, and what a step of another query made.
        let is_bounded = |line: &str| line == "SCAN names" || line.starts_with("SCAN (subquery");
        assert!(walks.clone().all(is_bounded), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn lists_of_events_take_the_index_of_their_filter() {
    let db = database();
    let some = |text: &str| Some(text.to_owned());
    let all = EventQuery::default;
    for (query, expected) in [
        // Newest first is the order of the table: a list without a filter ends at its limit.
        (all(), "SCAN events"),
        (EventQuery { before: Some(1), ..all() }, "PRIMARY KEY (rowid<?)"),
        (EventQuery { id: Some(1), ..all() }, "PRIMARY KEY (rowid=?)"),
        (EventQuery { appid: some("x"), ..all() }, "INDEX events_appid (appid=?)"),
        (EventQuery { appid: some("x"), before: Some(1), ..all() }, "events_appid (appid=? AND id<?)"),
        (EventQuery { event: some("x"), ..all() }, "INDEX events_kind (kind=?)"),
    ] {
        let plan = plan(&db, &event_conditions(query.clone(), None).newest_first(EVENTS, 50));
        assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
    }
    let narrow = || EventQuery { appid: some("x"), event: some("x"), before: Some(1), ..all() };
    for (query, expected) in [
        (
            EventQuery { openid: some("x"), ..narrow() },
            "events_batch_openid (<expr>=? AND openid=? AND rowid<?)",
        ),
        (
            EventQuery { scene: some("x"), ..narrow() },
            "events_batch_scene (<expr>=? AND scene=? AND rowid<?)",
        ),
        (
            EventQuery { msg_id: some("x"), ..narrow() },
            "events_batch_msg_id (<expr>=? AND msg_id=? AND rowid<?)",
        ),
    ] {
        let plan = plan(&db, &event_conditions(query.clone(), Some(1)).newest_first(EVENTS, 50));
        assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
    }
    let between = EventQuery { from: Some(1), to: Some(2), ..all() };
    let plan = plan(&db, &event_conditions(between, None).newest_first(EVENTS, 50));
    assert!(plan.contains("INDEX events_received (received_at>? AND received_at<?)"), "{plan}");
}

#[test]
fn lists_of_deliveries_take_the_index_of_their_filter() {
    let db = database();
    let route = Some("x".to_owned());
    let all = DeliveryQuery::default;
    for (query, waiting, ended) in [
        (all(), "SCAN due", "SCAN deliveries"),
        (
            DeliveryQuery { event_id: Some(1), ..all() },
            "PRIMARY KEY (rowid>? AND rowid<?)",
            "PRIMARY KEY (id>? AND id<?)",
        ),
        (
            DeliveryQuery { route: route.clone(), before: Some(1), ..all() },
            "due_route (route=? AND id<?)",
            "deliveries_route (route=? AND id<?)",
        ),
        (
            DeliveryQuery { status: Some(Status::Dead), before: Some(1), ..all() },
            "",
            "INDEX deliveries_dead (id<?)",
        ),
        (
            DeliveryQuery { status: Some(Status::Dead), route: route.clone(), ..all() },
            "",
            "INDEX deliveries_dead_route (route=?)",
        ),
        (
            DeliveryQuery { status: Some(Status::Delivered), route, ..all() },
            "",
            "INDEX deliveries_route (route=?)",
        ),
    ] {
        let conditions =
            [(WAITING, delivery_conditions(&query), waiting), (ENDED, ended_conditions(&query), ended)];
        for (sql, conditions, expected) in conditions {
            let plan = plan(&db, &conditions.newest_first(sql, 50));
            assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
        }
    }
}

#[test]
fn figures_are_found_by_key_and_forgotten_by_bucket() {
    let db = database();
    for (sql, expected) in [
        (series::NEXT_KEY, "SEARCH series USING PRIMARY KEY (tier=? AND key>? AND key<?)"),
        (series::KEY_AFTER, "SEARCH series USING PRIMARY KEY (tier=? AND key>? AND key<?)"),
        (series::OF_KEY, "SEARCH series USING PRIMARY KEY (tier=? AND key=? AND bucket>? AND bucket<?)"),
        (series::FORGET, "INDEX series_bucket (tier=? AND bucket<?)"),
        (series::DEAD, "INDEX deliveries_dead_route (route=?)"),
    ] {
        let plan = plan(&db, sql);
        assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
