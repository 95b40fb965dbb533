//! What a database has to do for the store.
//!
//! A backend gets and gives rows: what is secret in them is sealed already, and stays so. Times are Unix milliseconds.
//! Each method that writes is one transaction, and returns once that is on disk.

use std::fs::File;
use std::path::PathBuf;

use futures_util::future::BoxFuture;

use super::codes::Codes;
use super::job_rows::Jobs;
use super::receipts::Receipts;
pub(crate) use super::records::Pending;
use super::records::Records;
use super::streams::Streams;
use super::{
    Attempt, AuditQuery, Binding, DeadGroup, Delivery, DeliveryQuery, Event, EventQuery, Fate, GroupQuery,
    Lease, Node, Purge, Purged, Reach, SealedCredential, Turn, UsageDelta, UsageRow, Wakes,
};

/// A delivery's id is its message's, times this, plus its place among the message's deliveries.
pub(crate) const DELIVERIES_PER_MESSAGE: i64 = 65_536;

/// A database, opened for this process and migrated.
pub(crate) trait Backend: Records + Lines + Codes + Receipts + Jobs + Streams {
    /// Names it to people.
    fn place(&self) -> String;

    /// The sealed probe of the master key, if there is one.
    fn key_check(&self) -> Pending<'_, Option<Vec<u8>>>;
    /// Keeps the probe unless there is one, and gives the one that stands.
    fn keep_key_check(&self, sealed: Vec<u8>) -> Pending<'_, Vec<u8>>;

    /// Every token and ticket.
    fn credentials(&self) -> Pending<'_, Vec<SealedCredential>>;
    /// Keeps a token or ticket, if `turn` is the last that somebody took, and no newer one is there. The turn goes on until then.
    fn save_credential(&self, row: SealedCredential, turn: Turn, until: i64) -> Pending<'_, SavedRow>;

    /// The answer under `key` that lives at `now`.
    fn once_answer(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<Vec<u8>>>;
    /// Keeps an answer.
    fn keep_once_answer(&self, key: [u8; 32], sealed: Vec<u8>, expires_at: i64) -> Pending<'_, ()>;

    /// What `key` is bound to at `now`.
    fn bound(&self, key: [u8; 32], now: i64) -> Pending<'_, Option<BoundRow>>;
    /// Binds a key unless it is bound at `now`, and gives what it was bound to before: `None` if nothing.
    fn bind(&self, binding: Binding, now: i64) -> Pending<'_, Option<BoundRow>>;

    /// What everybody called.
    fn usage(&self) -> Pending<'_, Vec<UsageRow>>;
    /// Adds to what was called.
    fn add_usage(&self, deltas: Vec<UsageDelta>) -> Pending<'_, ()>;

    /// Keeps a message. First its signature is looked at: one that came with another body refuses it. Then its digest: if
    /// that is known, the message is a duplicate, and known for longer if `remembered_until` is later. One whose signature
    /// came with a digest that is forgotten is refused, too. Else message, deliveries, digest and signature are kept; and, if it
    /// says that one of the [`Codes`] was scanned, who did: first who scanned one that ends, before that end; last who scanned
    /// another.
    fn accept(&self, event: EventRow) -> Pending<'_, AcceptedRow>;
    /// Keeps the answer of a message that is still remembered, for its duplicates.
    fn keep_answer(&self, seen: MessageKey, event_id: i64, sealed: Vec<u8>) -> Pending<'_, ()>;
    /// Remembers a signature that is good for no body, unless it is remembered at `now`.
    fn keep_signature(&self, key: [u8; 32], now: i64, until: i64) -> Pending<'_, ()>;

    /// Leases at most `limit` deliveries of `route` that are due at `now` and that nobody holds; and when the next one
    /// may be.
    fn claim(
        &self,
        route: &str,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)>;
    /// Leases the delivery of a message by `route`, unless somebody holds it: one that has ended in another round, one that
    /// never was as a new one. `None` also if the message is forgotten.
    fn take_on(&self, event_id: i64, route: &str, now: i64, lease: Lease) -> Pending<'_, Option<ClaimedRow>>;
    /// Writes down an attempt and what follows from it.
    fn record(&self, record: Record) -> Pending<'_, ()>;
    /// Makes a delivery that `owner` holds due at `now`.
    fn release(&self, delivery: i64, owner: i32, now: i64) -> Pending<'_, ()>;
    /// Once, before `owner` takes anything on: makes due at `now` what dead owners hold. Those who may still live keep what
    /// they hold.
    fn resume(&self, owner: i32, now: i64) -> Pending<'_, ()>;
    /// The routes that something waits for.
    fn waiting_routes(&self) -> Pending<'_, Vec<String>>;
    /// How many deliveries wait for `route`, counted up to `most`.
    fn backlog(&self, route: &str, most: u32) -> Pending<'_, u32>;
    /// Gives up at most `limit` deliveries that wait for `route`, whoever holds them; how many.
    fn bury(&self, route: &str, now: i64, limit: u32) -> Pending<'_, usize>;
    /// Begins another round of a delivery that has ended; false if none has.
    fn replay(&self, delivery: i64, now: i64) -> Pending<'_, bool>;
    /// One step of forgetting.
    fn purge(&self, step: Purge) -> Pending<'_, Purged>;

    /// Messages, newest first.
    fn events(&self, query: EventQuery) -> Pending<'_, Vec<Event>>;
    /// Digest and sealed body of a message.
    fn event_body(&self, id: i64) -> Pending<'_, Option<(Vec<u8>, Vec<u8>)>>;
    /// Deliveries, newest first.
    fn deliveries(&self, query: DeliveryQuery) -> Pending<'_, Vec<Delivery>>;

    /// Dead letters by route and failure.
    fn dead_groups(&self, query: GroupQuery) -> Pending<'_, Vec<DeadGroup>>;

    /// Entries made at run time, in order, and the revision of the newest change.
    fn entries(&self) -> Pending<'_, (i64, Vec<EntryRow>)>;
    /// That revision alone.
    fn entries_revision(&self) -> Pending<'_, i64>;
    /// Makes changes, each of a row that has the revision it says (0: there is none), with lines of the book, all or nothing; one
    /// without a value ends. Gives their revision; `None` if a row has another.
    fn change_entries(&self, changes: Vec<EntryRow>, book: Vec<AuditRow>) -> Pending<'_, Option<i64>>;
    /// The book, newest first.
    fn audit(&self, query: AuditQuery) -> Pending<'_, Vec<AuditRow>>;

    // What only several processes need: one alone gets it as it is here.

    /// What others change; `None`: nobody else does.
    fn wakes(&self) -> Option<Wakes> {
        None
    }
    /// A time of ours as all processes have it.
    fn common_time(&self, ours: i64) -> i64 {
        ours
    }
    /// A process lives at `now`.
    fn beat(&self, _node: Node, _now: i64) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// Those that live at `now`.
    fn nodes(&self, _now: i64) -> Pending<'_, Vec<Node>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Gives back at `now` what `owner` holds, and forgets it.
    fn leave(&self, _owner: i32, _now: i64) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// Takes, or keeps, what only one does, unless another has it at `now`.
    fn hold(&self, _name: &str, _lease: Lease, _now: i64) -> Pending<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    /// Which process can reach WeChat for which app.
    fn reach(&self) -> Pending<'_, Vec<Reach>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Keeps whether one can.
    fn tell_reach(&self, _reach: Reach) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// The tokens and tickets that changed since `revision`.
    fn credentials_since(&self, _revision: i64) -> Pending<'_, Vec<SealedCredential>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Takes the turn to ask WeChat about a value whose row has the revision `seen`, or goes on with it.
    fn take_turn(
        &self,
        _appid: &str,
        _kind: &str,
        _seen: i64,
        _now: i64,
        _lease: Lease,
    ) -> Pending<'_, TakenRow> {
        Box::pin(async { Ok(TakenRow::Ours(Turn::default(), None)) })
    }
    /// Goes on with the turn until then, unless another was taken since.
    fn go_on(&self, _appid: &str, _kind: &str, _turn: Turn, _until: i64) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// Gives the turn back.
    fn end_turn(&self, _appid: &str, _kind: &str, _turn: Turn) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// A later fetch than that of this version was made, and lost its turn.
    fn supersede(&self, _appid: &str, _kind: &str, _version: i64) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// The answer under `key` that lives at `now`, or whose turn it is to get it.
    fn begin_once(&self, key: [u8; 32], now: i64, _lease: Lease) -> Pending<'_, OnceRow> {
        Box::pin(async move {
            let answer = self.once_answer(key, now).await?;
            Ok(answer.map_or(OnceRow::First, OnceRow::Answer))
        })
    }
    /// No answer came of `owner`'s turn.
    fn end_once(&self, _key: [u8; 32], _owner: i32) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    /// The answer of a kept message, and whether another than `owner` has its delivery by `route` at `now`.
    fn answer(
        &self,
        _seen: MessageKey,
        _event_id: i64,
        _route: &str,
        _owner: i32,
        _now: i64,
    ) -> Pending<'_, (Option<Vec<u8>>, bool)> {
        Box::pin(async { Ok((None, false)) })
    }

    /// A copy of all of it in a file in `folder` that is nobody else's; `None`: it has tools of its own for that.
    fn copy(&self, _folder: PathBuf) -> Pending<'_, Option<File>> {
        Box::pin(async { Ok(None) })
    }
    /// Proves that it takes writes.
    fn ping(&self) -> Pending<'_, ()>;
    /// Ends it after what was handed to it.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The part of a [`Backend`] that keeps order. One process at a time takes on deliveries of such a route.
pub(crate) trait Lines {
    /// First lets go what the deliveries in `ended` held, which is the next of their users'. Then as
    /// [`Backend::claim`], but at most one of a user's.
    fn claim_in_order(
        &self,
        route: &str,
        ended: Vec<i64>,
        now: i64,
        limit: u32,
        lease: Lease,
    ) -> Pending<'_, (Vec<ClaimedRow>, Option<i64>)>;
    /// What went of the route and has ended, and holds others still: by a process that had the route before.
    fn ended_elsewhere(&self, route: &str) -> Pending<'_, Vec<i64>>;
    /// Before anything is taken on: what is held by nothing may go; all of it, if the route doesn't keep order.
    fn straighten(&self, route: &str, keeps_order: bool) -> Pending<'_, ()>;
}

/// An entry made at run time.
#[derive(Clone, Debug)]
pub(crate) struct EntryRow {
    /// The list it stands in.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) revision: i64,
    pub(crate) position: i64,
    /// Sealed; `None`: it ends.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) changed_at: i64,
}

/// A line of the book of changes; "": nothing was there before, or after.
#[derive(Clone, Debug)]
pub(crate) struct AuditRow {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) role: String,
    pub(crate) ip: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// What makes a message a duplicate: when it was made comes first, so that keys ascend in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessageKey {
    /// `CreateTime`, Unix seconds.
    pub(crate) created: u32,
    /// Of appid and body.
    pub(crate) digest: [u8; 32],
}

/// A message to keep.
#[derive(Clone, Debug)]
pub(crate) struct EventRow {
    pub(crate) appid: String,
    pub(crate) openid: String,
    pub(crate) msg_type: String,
    pub(crate) event: String,
    /// What lists are filtered by.
    pub(crate) kind: String,
    pub(crate) scene: String,
    pub(crate) msg_id: String,
    pub(crate) came: String,
    pub(crate) received_at: i64,
    pub(crate) seen: MessageKey,
    /// Sealed.
    pub(crate) body: Vec<u8>,
    /// It says that somebody scanned the code with this key.
    pub(crate) ticket: Option<[u8; 32]>,
    /// Key of the signature it came with.
    pub(crate) signature: Option<[u8; 32]>,
    /// The signature is good for this body, and for no other.
    pub(crate) is_plain: bool,
    pub(crate) remembered_until: i64,
    pub(crate) spent_until: i64,
    /// In the order of their places.
    pub(crate) deliveries: Vec<DueRow>,
}

impl EventRow {
    /// When the code was scanned, if one was, Unix milliseconds.
    pub(crate) fn scanned_at(&self) -> i64 {
        i64::from(self.seen.created) * 1000
    }
}

/// A delivery to come.
#[derive(Clone, Debug)]
pub(crate) struct DueRow {
    pub(crate) route: String,
    pub(crate) due_at: i64,
    pub(crate) lease: Option<Lease>,
}

/// What became of an [`EventRow`].
#[derive(Clone, Debug)]
pub(crate) enum AcceptedRow {
    /// It is kept: its id, and those of its deliveries.
    New(i64, Vec<i64>),
    /// It was there: its id, and its sealed answer.
    Duplicate(i64, Option<Vec<u8>>),
    /// Its signature came with another body.
    SignatureReused,
}

/// A delivery with its message.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedRow {
    pub(crate) id: i64,
    pub(crate) round: u32,
    /// Attempts of this round that are over.
    pub(crate) attempts: u32,
    pub(crate) appid: String,
    pub(crate) received_at: i64,
    pub(crate) digest: Vec<u8>,
    /// Sealed.
    pub(crate) body: Vec<u8>,
}

/// How attempt number `n` of a delivery's round went, by whoever held it.
///
/// It counts if `owner` still holds the delivery at that attempt. If it doesn't, only an arrival does: that ends the
/// round, even one that was given up.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) delivery: i64,
    pub(crate) round: u32,
    pub(crate) n: u32,
    pub(crate) owner: i32,
    pub(crate) attempt: Attempt,
    pub(crate) fate: Fate,
    pub(crate) now: i64,
}

/// What a key is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoundRow {
    pub(crate) digest: [u8; 32],
    pub(crate) again_until: i64,
}

/// What became of taking a turn.
#[derive(Clone, Debug)]
pub(crate) enum TakenRow {
    /// It is ours; with the history of the row, if it has one.
    Ours(Turn, Option<String>),
    /// Somebody else has it.
    Held,
    /// The row is another than was seen.
    Newer(SealedCredential),
}

/// What became of saving a value.
#[derive(Clone, Debug)]
pub(crate) enum SavedRow {
    /// It is kept, under this revision.
    Saved(i64),
    /// The turn was over: this is what stands.
    Newer(SealedCredential),
}

/// What is known of a single-use code.
#[derive(Clone, Debug)]
pub(crate) enum OnceRow {
    /// Nothing: it is ours to use.
    First,
    /// What came of it, sealed.
    Answer(Vec<u8>),
    /// Another process is at it.
    Held,
}

/// The ids that the deliveries of a message can have: first and last.
pub(crate) fn deliveries_of(event_id: i64) -> (i64, i64) {
    let first = event_id.saturating_mul(DELIVERIES_PER_MESSAGE);
    (first, first.saturating_add(DELIVERIES_PER_MESSAGE - 1))
}
