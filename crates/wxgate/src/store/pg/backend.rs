//! What is asked of a PostgreSQL database, and in whose time: a list; each file beside it has the SQL about one thing.

use futures_util::future::BoxFuture;

use super::wakes::Topic;
use super::{Pg, credentials, entries, intake, lists, nodes, purge, queue, values};
use crate::store::backend::{
    AcceptedRow, AuditRow, Backend, BoundRow, ClaimedRow, DELIVERIES_PER_MESSAGE, EntryRow, EventRow,
    MessageKey, OnceRow, Pending, Record, SavedRow, TakenRow,
};
use crate::store::{
    AuditQuery, Binding, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, Fate, GroupQuery, IN_ORDER,
    Lease, Node, Purge, Purged, Reach, SealedCredential, StoreError, Turn, UsageDelta, UsageRow, Wakes,
};

impl Backend for Pg {
    fn place(&self) -> String {
        self.server.place()
    }

    fn key_check(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(values::key_check(&self.rows))
    }

    fn keep_key_check(&self, sealed: Vec<u8>) -> Pending<'_, Vec<u8>> {
        Box::pin(values::keep_key_check(&self.work, sealed))
    }

    fn credentials(&self) -> Pending<'_, Vec<SealedCredential>> {
        self.credentials_since(-1)
    }

    fn credentials_since(&self, revision: i64) -> Pending<'_, Vec<SealedCredential>> {
        Box::pin(async move {
            let rows = credentials::since(&self.rows, revision).await?;
            Ok(rows.into_iter().map(|row| self.credential(row)).collect())
        })
    }

    fn save_credential(&self, row: SealedCredential, turn: Turn, until: i64) -> Pending<'_, SavedRow> {
        let (fetched_at, expires_at) = (self.time.theirs(row.fetched_at), self.time.theirs(row.expires_at));
        let row = SealedCredential { fetched_at, expires_at, ..row };
        let until = self.time.theirs(until);
        Box::pin(async move {
            let saved = credentials::save(&self.tokens, row, turn, until).await?;
            self.teller.tell(Topic::Credentials);
            Ok(match saved {
                SavedRow::Newer(row) => SavedRow::Newer(self.credential(row)),
                saved @ SavedRow::Saved(_) => saved,
            })
        })
    }

    fn take_turn(&self, appid: &str, kind: &str, seen: i64, now: i64, lease: Lease) -> Pending<'_, TakenRow> {
        let (appid, kind) = (appid.to_owned(), kind.to_owned());
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            Ok(match credentials::take(&self.tokens, &appid, &kind, seen, now, lease).await? {
                TakenRow::Newer(row) => TakenRow::Newer(self.credential(row)),
                taken => taken,
            })
        })
    }

    fn go_on(&self, appid: &str, kind: &str, turn: Turn, until: i64) -> Pending<'_, ()> {
        let (appid, kind, until) = (appid.to_owned(), kind.to_owned(), self.time.theirs(until));
        Box::pin(async move { credentials::go_on(&self.tokens, &appid, &kind, turn, until).await })
    }

    fn end_turn(&self, appid: &str, kind: &str, turn: Turn) -> Pending<'_, ()> {
        let (appid, kind) = (appid.to_owned(), kind.to_owned());
        Box::pin(async move {
            credentials::end(&self.tokens, &appid, &kind, turn).await?;
            self.teller.tell(Topic::Credentials);
            Ok(())
        })
    }

    fn supersede(&self, appid: &str, kind: &str, version: i64) -> Pending<'_, ()> {
        let (appid, kind) = (appid.to_owned(), kind.to_owned());
        Box::pin(async move {
            credentials::supersede(&self.tokens, &appid, &kind, version).await?;
            self.teller.tell(Topic::Credentials);
            Ok(())
        })
    }

    fn begin_once(&self, key: [u8; 32], now: i64, lease: Lease) -> Pending<'_, OnceRow> {
        let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
        Box::pin(values::begin_once(&self.work, key, now, lease))
    }

    fn end_once(&self, key: [u8; 32], owner: i32) -> Pending<'_, ()> {
        Box::pin(values::end_once(&self.work, key, owner))
    }

    fn once_answer(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(values::answer(&self.rows, key, self.time.theirs(now)))
    }

    fn keep_once_answer(&self, key: [u8; 32], sealed: Vec<u8>, expires_at: i64) -> Pending<'_, ()> {
        let expires_at = self.time.theirs(expires_at);
        Box::pin(async move {
            values::keep_answer(&self.work, key, &sealed, expires_at).await?;
            self.teller.tell(Topic::Answers);
            Ok(())
        })
    }

    fn bound(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<BoundRow>> {
        Box::pin(async move {
            let row = values::bound(&self.rows, key, self.time.theirs(now)).await?;
            Ok(row.map(|row| self.ours(row)))
        })
    }

    fn bind(&self, binding: Binding, now: i64) -> Pending<'_, Option<BoundRow>> {
        let time = &self.time;
        let binding = Binding {
            again_until: time.theirs(binding.again_until),
            expires_at: time.theirs(binding.expires_at),
            ..binding
        };
        Box::pin(async move {
            let row = values::bind(&self.work, binding, self.time.theirs(now)).await?;
            Ok(row.map(|row| self.ours(row)))
        })
    }

    fn usage(&self) -> Pending<'_, Vec<UsageRow>> {
        Box::pin(async {
            let mut rows = values::usage(&self.rows).await?;
            for row in &mut rows {
                row.since = self.time.ours(row.since);
                row.last_at = self.time.ours(row.last_at);
            }
            Ok(rows)
        })
    }

    fn add_usage(&self, mut deltas: Vec<UsageDelta>) -> Pending<'_, ()> {
        deltas.iter_mut().for_each(|delta| delta.at = self.time.theirs(delta.at));
        Box::pin(async move { values::add_usage(&self.work, &deltas).await })
    }

    fn accept(&self, mut event: EventRow) -> Pending<'_, AcceptedRow> {
        if event.deliveries.len() as i64 > DELIVERIES_PER_MESSAGE {
            return Box::pin(async { Err(StoreError::Unavailable("too many routes".into())) });
        }
        let theirs = |time: &mut i64| *time = self.time.theirs(*time);
        theirs(&mut event.received_at);
        theirs(&mut event.remembered_until);
        theirs(&mut event.spent_until);
        for due in &mut event.deliveries {
            if due.due_at != IN_ORDER {
                theirs(&mut due.due_at);
            }
            due.lease = due.lease.map(|lease| self.time.lease(lease));
        }
        let waits = event.deliveries.iter().any(|due| due.lease.is_none());
        Box::pin(async move {
            if self.server.is_away() && !self.intake.is_open().await {
                // Another node may take it.
                return Err(StoreError::Unavailable("no connection".into()));
            }
            let accepted = self.accepts.write(event).await?;
            if waits && matches!(accepted, AcceptedRow::New(..)) {
                self.teller.tell(Topic::Due);
            }
            Ok(accepted)
        })
    }

    fn answer(
        &self,
        seen: MessageKey,
        event_id: i64,
        route: &str,
        owner: i32,
        now: i64,
    ) -> Pending<'_, (Option<Vec<u8>>, bool)> {
        let (route, now) = (route.to_owned(), self.time.theirs(now));
        Box::pin(async move { intake::answer(&self.rows, seen, event_id, &route, owner, now).await })
    }

    fn keep_answer(&self, seen: MessageKey, event_id: i64, sealed: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move {
            intake::keep_answer(&self.work, seen, event_id, &sealed).await?;
            self.teller.tell(Topic::Answers);
            Ok(())
        })
    }

    fn keep_signature(&self, key: [u8; 32], now: i64, until: i64) -> Pending<'_, ()> {
        Box::pin(intake::keep_signature(&self.work, key, self.time.theirs(now), self.time.theirs(until)))
    }

    fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)> {
        let route = route.to_owned();
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            let (mut rows, next) =
                queue::claim(&self.work, &self.floors, &route, (now, self.time.ticks()), limit, lease)
                    .await?;
            rows.iter_mut().for_each(|row| row.received_at = self.time.ours(row.received_at));
            Ok((rows, next.map(|next| self.time.ours(next))))
        })
    }

    fn take_on(&self, event_id: i64, route: &str, now: i64, lease: Lease) -> Pending<'_, Option<ClaimedRow>> {
        let route = route.to_owned();
        Box::pin(async move {
            let (now, lease) = (self.time.theirs(now), self.time.lease(lease));
            let row = queue::take_on(&self.work, event_id, &route, now, lease).await?;
            Ok(row.map(|row| ClaimedRow { received_at: self.time.ours(row.received_at), ..row }))
        })
    }

    fn record(&self, mut record: Record) -> Pending<'_, ()> {
        record.now = self.time.theirs(record.now);
        record.attempt.at = self.time.theirs(record.attempt.at);
        if let Fate::Retry(at) = &mut record.fate {
            *at = self.time.theirs(*at);
        }
        Box::pin(self.records.write(record))
    }

    fn release(&self, delivery: i64, owner: i32, now: i64) -> Pending<'_, ()> {
        let now = self.time.theirs(now);
        Box::pin(async move {
            queue::release(&self.work, delivery, owner, now).await?;
            self.teller.tell(Topic::Due);
            Ok(())
        })
    }

    fn resume(&self, _owner: i32, _now: i64) -> Pending<'_, ()> {
        // Other nodes may live: what a dead one had taken on is due when its lease ends.
        Box::pin(async { Ok(()) })
    }

    fn waiting_routes(&self) -> Pending<'_, Vec<String>> {
        Box::pin(queue::waiting_routes(&self.rows))
    }

    fn backlog(&self, route: &str, most: u32) -> Pending<'_, u32> {
        let route = route.to_owned();
        Box::pin(async move { queue::backlog(&self.rows, &route, most).await })
    }

    fn bury(&self, route: &str, now: i64, limit: u32) -> Pending<'_, usize> {
        let route = route.to_owned();
        Box::pin(async move { queue::bury(&self.work, &route, self.time.theirs(now), limit).await })
    }

    fn replay(&self, delivery: i64, now: i64) -> Pending<'_, bool> {
        let now = self.time.theirs(now);
        Box::pin(async move {
            let is_replayed = queue::replay(&self.work, delivery, now).await?;
            self.teller.tell(Topic::Due);
            Ok(is_replayed)
        })
    }

    fn purge(&self, step: Purge) -> Pending<'_, Purged> {
        // Within a purge the clocks stand to each other as they do: where it got is an id.
        let theirs = |time| self.time.theirs(time);
        let (now, events_before, dead_before) =
            (theirs(step.now), theirs(step.events_before), theirs(step.dead_before));
        let own = Purge { now, events_before, dead_before, ..step };
        Box::pin(async move {
            let purged = purge::step(&self.work, &own).await?;
            let next = purged.next.map(|next| Purge { after: next.after, ..step });
            Ok(Purged { next, ..purged })
        })
    }

    fn events(&self, mut query: EventQuery) -> Pending<'_, Vec<Event>> {
        query.from = query.from.map(|from| self.time.theirs(from));
        query.to = query.to.map(|to| self.time.theirs(to));
        Box::pin(async move {
            let mut events = self.list(lists::events(&self.lists, query)).await?;
            for event in &mut events {
                event.received_at = self.time.ours(event.received_at);
                self.shown(&mut event.deliveries);
            }
            Ok(events)
        })
    }

    fn event_body(&self, id: i64) -> Pending<'_, Option<(Vec<u8>, Vec<u8>)>> {
        Box::pin(self.list(lists::event_body(&self.lists, id)))
    }

    fn deliveries(&self, query: DeliveryQuery) -> Pending<'_, Vec<Delivery>> {
        Box::pin(async move {
            let mut deliveries = self.list(lists::deliveries(&self.lists, &query)).await?;
            self.shown(&mut deliveries);
            Ok(deliveries)
        })
    }

    fn dead_groups(&self, mut query: GroupQuery) -> Pending<'_, Vec<DeadGroup>> {
        query.from = query.from.map(|at| self.time.theirs(at));
        query.to = query.to.map(|at| self.time.theirs(at));
        Box::pin(async move {
            let mut groups = self.list(lists::dead_groups(&self.lists, &query)).await?;
            for group in &mut groups {
                (group.oldest, group.newest) = (self.time.ours(group.oldest), self.time.ours(group.newest));
            }
            Ok(groups)
        })
    }

    fn entries(&self) -> Pending<'_, (i64, Vec<EntryRow>)> {
        Box::pin(async {
            let (revision, mut rows) = entries::all(&self.rows).await?;
            rows.iter_mut().for_each(|row| row.changed_at = self.time.ours(row.changed_at));
            Ok((revision, rows))
        })
    }

    fn entries_revision(&self) -> Pending<'_, i64> {
        Box::pin(entries::revision(&self.rows))
    }

    fn change_entries(
        &self,
        mut changes: Vec<EntryRow>,
        mut book: Vec<AuditRow>,
    ) -> Pending<'_, Option<i64>> {
        changes.iter_mut().for_each(|row| row.changed_at = self.time.theirs(row.changed_at));
        book.iter_mut().for_each(|line| line.at = self.time.theirs(line.at));
        Box::pin(async move {
            let changed = entries::change(&self.work, &changes, &book).await?;
            if changed.is_some() && !changes.is_empty() {
                self.teller.tell(Topic::Entries);
            }
            Ok(changed)
        })
    }

    fn audit(&self, query: AuditQuery) -> Pending<'_, Vec<AuditRow>> {
        Box::pin(async move {
            let mut lines = self.list(entries::audit(&self.lists, &query)).await?;
            lines.iter_mut().for_each(|line| line.at = self.time.ours(line.at));
            Ok(lines)
        })
    }

    fn wakes(&self) -> Option<Wakes> {
        Some(self.teller.wakes())
    }

    fn common_time(&self, ours: i64) -> i64 {
        self.time.theirs(ours)
    }

    fn beat(&self, node: Node, now: i64) -> Pending<'_, ()> {
        Box::pin(async move {
            nodes::beat(&self.pings, &self.time, &node, now).await?;
            self.intake.catch_up().await.map(drop)
        })
    }

    fn nodes(&self, now: i64) -> Pending<'_, Vec<Node>> {
        Box::pin(nodes::alive(&self.rows, self.time.theirs(now)))
    }

    fn leave(&self, owner: i32, now: i64) -> Pending<'_, ()> {
        let now = self.time.theirs(now);
        Box::pin(async move {
            nodes::leave(&self.work, owner, now).await?;
            self.teller.tell(Topic::Due);
            self.teller.tell(Topic::Credentials);
            Ok(())
        })
    }

    fn hold(&self, name: &str, lease: Lease, now: i64) -> Pending<'_, bool> {
        let name = name.to_owned();
        Box::pin(async move {
            nodes::hold(&self.work, &name, self.time.lease(lease), self.time.theirs(now)).await
        })
    }

    fn reach(&self) -> Pending<'_, Vec<Reach>> {
        Box::pin(async {
            let mut rows = nodes::reach(&self.rows).await?;
            rows.iter_mut().for_each(|row| row.since = self.time.ours(row.since));
            Ok(rows)
        })
    }

    fn tell_reach(&self, mut reach: Reach) -> Pending<'_, ()> {
        reach.since = self.time.theirs(reach.since);
        Box::pin(async move {
            nodes::tell_reach(&self.work, &reach).await?;
            self.teller.tell(Topic::Credentials);
            Ok(())
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(values::ping(&self.pings))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        // Whoever handed something to it has waited for that. What was told goes out before.
        Box::pin(async {
            self.teller.flush().await;
            self.server.close();
        })
    }
}
