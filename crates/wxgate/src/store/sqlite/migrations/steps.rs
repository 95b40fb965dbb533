//! The schema, one step an entry; steps are only ever added.

pub(super) const STEPS: &[&str] = &[
    "
create table meta (
    name  text primary key,
    value blob not null
) without rowid;

create table credentials (
    appid      text not null,
    kind       text not null,
    version    integer not null,
    value      blob not null,
    fetched_at integer not null,
    expires_at integer not null,
    history    text not null,
    primary key (appid, kind)
) without rowid;

create table once (
    key        blob primary key,
    answer     blob not null,
    expires_at integer not null
) without rowid;
create index once_expires on once (expires_at);
",
    "
-- Messages from WeChat.
create table events (
    id          integer primary key autoincrement,
    appid       text not null,
    openid      text not null,
    msg_type    text not null,
    event       text not null,
    kind        text not null,
    received_at integer not null,
    digest      blob not null,
    body        blob not null
);
create index events_received on events (received_at);
create index events_openid on events (openid, id);
create index events_appid on events (appid, id);
create index events_kind on events (kind, id);

-- What must not get through twice: messages (with the answer they got), and signatures of plain mode.
create table seen (
    key        blob primary key,
    digest     blob not null,
    event_id   integer,
    answer     blob,
    expires_at integer not null
) without rowid;
create index seen_expires on seen (expires_at);

-- One row for each message and route.
create table deliveries (
    id       integer primary key autoincrement,
    event_id integer not null references events (id) on delete cascade,
    route    text not null,
    status   text not null,
    next_at  integer not null,
    leased   integer not null,
    attempts integer not null,
    done_at  integer
);
create index deliveries_event on deliveries (event_id);
create index deliveries_route on deliveries (route, status, id);
create index deliveries_status on deliveries (status, id);
create index deliveries_due on deliveries (route, next_at) where status = 'pending';
create index deliveries_leased on deliveries (id) where leased = 1;
create index deliveries_dead on deliveries (done_at) where status = 'dead';

create table attempts (
    delivery_id integer not null references deliveries (id) on delete cascade,
    n           integer not null,
    at          integer not null,
    status      integer not null,
    ms          integer not null,
    error       text not null,
    primary key (delivery_id, n)
) without rowid;
",
    "
-- One shape for every kind of database: what is seen has tables of its own, what waits is a small queue, and what has
-- ended is only ever added to.
alter table events add column scene text not null default '';
alter table events add column msg_id text not null default '';
create index events_scene on events (appid, scene, id) where scene <> '';
create index events_msg_id on events (appid, msg_id, id) where msg_id <> '';

-- Messages that must not get through twice, with the answer they got. A day's keys stand together.
create table seen_msg (
    created    integer not null,
    digest     blob not null,
    event_id   integer not null,
    expires_at integer not null,
    answer     blob,
    primary key (created, digest)
) without rowid;

-- Signatures of plain mode, and the one body each is good for.
create table seen_sig (
    key        blob primary key,
    digest     blob not null,
    expires_at integer not null
) without rowid;

-- A key was 'm', four bytes of CreateTime, and the digest; or 's' and the signature's MAC. instr gives a hexadecimal
-- digit's value.
insert into seen_msg (created, digest, event_id, expires_at, answer)
select (instr('123456789ABCDEF', substr(hex(key), 3, 1)) << 28)
     | (instr('123456789ABCDEF', substr(hex(key), 4, 1)) << 24)
     | (instr('123456789ABCDEF', substr(hex(key), 5, 1)) << 20)
     | (instr('123456789ABCDEF', substr(hex(key), 6, 1)) << 16)
     | (instr('123456789ABCDEF', substr(hex(key), 7, 1)) << 12)
     | (instr('123456789ABCDEF', substr(hex(key), 8, 1)) << 8)
     | (instr('123456789ABCDEF', substr(hex(key), 9, 1)) << 4)
     | instr('123456789ABCDEF', substr(hex(key), 10, 1)),
       digest, event_id, expires_at, answer
from seen where substr(key, 1, 1) = x'6d' and event_id is not null;
insert into seen_sig (key, digest, expires_at)
select substr(key, 2), digest, expires_at from seen where substr(key, 1, 1) = x'73';
drop table seen;
create index seen_msg_expires on seen_msg (expires_at);
create index seen_sig_expires on seen_sig (expires_at);

-- What waits. An id is the message's * 65536 + the delivery's place among those of its message.
create table due (
    id           integer primary key,
    route        text not null,
    due_at       integer not null,
    round        integer not null default 0,
    attempts     integer not null default 0,
    owner        integer,
    leased_until integer
);

-- Rounds that have ended: 1 delivered, 2 dead, 3 replayed, which is by a later round.
alter table deliveries rename to old_deliveries;
alter table attempts rename to old_attempts;
create table deliveries (
    id       integer not null,
    round    integer not null,
    route    text not null,
    status   integer not null,
    attempts integer not null,
    done_at  integer not null,
    primary key (id, round)
) without rowid;
create table attempts (
    delivery_id integer not null,
    round       integer not null,
    n           integer not null,
    at          integer not null,
    status      integer not null,
    ms          integer not null,
    error       text not null,
    primary key (delivery_id, round, n)
) without rowid;

-- Where each delivery stands among those of its message, and how many attempts it has: those that came late were
-- written down without being counted.
create table places (old integer primary key, id integer not null, attempts integer not null);
insert into places
select id, event_id * 65536 + row_number() over (partition by event_id order by id) - 1,
       max(attempts, ifnull((select max(n) from old_attempts where delivery_id = old_deliveries.id), 0))
from old_deliveries;
-- Nobody is 0: what an earlier process had taken on is given back at the start.
insert into due (id, route, due_at, attempts, owner, leased_until)
select places.id, route, next_at, places.attempts, iif(leased, 0, null), iif(leased, next_at, null)
from old_deliveries join places on places.old = old_deliveries.id where status = 'pending';
insert into deliveries (id, round, route, status, attempts, done_at)
select places.id, 0, route, iif(status = 'dead', 2, 1), places.attempts, ifnull(done_at, next_at)
from old_deliveries join places on places.old = old_deliveries.id where status <> 'pending';
insert into attempts (delivery_id, round, n, at, status, ms, error)
select places.id, 0, n, at, status, ms, error
from old_attempts join places on places.old = old_attempts.delivery_id;
drop table places;
drop table old_attempts;
drop table old_deliveries;

create index due_at on due (route, due_at);
create index due_route on due (route, id);
create index due_owner on due (owner) where owner is not null;
create index deliveries_route on deliveries (route, id);
create index deliveries_dead on deliveries (id) where status = 2;
create index deliveries_dead_route on deliveries (route, id) where status = 2;
create index deliveries_died on deliveries (done_at) where status = 2;

-- Keys bound to the first digest that came with them: the states of logins.
create table bound (
    key         blob primary key,
    digest      blob not null,
    again_until integer not null,
    expires_at  integer not null
) without rowid;
create index bound_expires on bound (expires_at);

-- What callers called.
create table usage (
    caller  text not null,
    api     text not null,
    calls   integer not null,
    refused integer not null,
    since   integer not null,
    last_at integer not null,
    primary key (caller, api)
) without rowid;
",
    "
-- What is another for each message is found batch by batch (see lists.rs).
drop index events_openid;
drop index events_scene;
drop index events_msg_id;
create index events_batch_openid on events (id / 1024, openid);
create index events_batch_scene on events (id / 1024, scene) where scene <> '';
create index events_batch_msg_id on events (id / 1024, msg_id) where msg_id <> '';

-- The attempt that arrived stands with its round, those that failed in attempts. Rows of before have theirs there.
alter table deliveries add column last_at integer;
alter table deliveries add column last_status integer;
alter table deliveries add column last_ms integer;
-- Owners are looked for at the start alone.
drop index due_owner;

-- Messages after this one may not stand in seen_msg yet: what is remembered of them stands here (see recent.rs).
insert into meta (name, value) select 'seen_to', ifnull(max(id), 0) from events;
alter table events add column created integer not null default 0;
alter table events add column remembered_until integer not null default 0;
",
    "
-- Apps, callers and routes made at run time; one that ended leaves its row, so that revisions rise.
create table entries (
    kind       text not null,
    name       text not null,
    revision   integer not null,
    position   integer not null,
    value      blob,
    changed_at integer not null,
    primary key (kind, name)
) without rowid;
create index entries_revision on entries (revision);
-- Who changed what.
create table audit (
    id     integer primary key,
    at     integer not null,
    actor  text not null,
    role   text not null,
    ip     text not null,
    action text not null,
    target text not null,
    before text not null,
    after  text not null
);
create index audit_target on audit (target, id);
create index audit_at on audit (at);
",
    "
-- How a message came: the request's name, the mode, and the key that fitted.
alter table events add column came text not null default '';
-- Figures of what passed, by minute (tier 0), ten minutes (1) and hour (2); hist: counts of latency classes.
create table series (
    tier   integer not null,
    key    text not null,
    bucket integer not null,
    node   integer not null,
    n      integer not null,
    bad    integer not null,
    ms     integer not null,
    hist   blob,
    primary key (tier, key, bucket, node)
) without rowid;
create index series_bucket on series (tier, bucket);
-- What is remembered a while, the oldest forgotten first: refused callbacks, failed calls, what became of tokens.
create table rings (
    id         integer primary key,
    ring       text not null,
    at         integer not null,
    appid      text not null,
    who        text not null,
    code       integer not null,
    request_id text not null,
    value      text not null
);
create index rings_ring on rings (ring, id);
create index rings_appid on rings (ring, appid, id);
-- How much of a caller's quota is spent or reserved, by the window that begins then.
create table quotas (
    caller  text not null,
    pattern text not null,
    start   integer not null,
    until   integer not null,
    n       integer not null,
    primary key (caller, pattern, start)
) without rowid;
-- What is amiss, as each node sees it, and whether people were told; closed: it is over, and no more is said of it.
create table alerts (
    id          text not null,
    node        integer not null,
    since       integer not null,
    seen_at     integer not null,
    ended_at    integer,
    muted_until integer not null default 0,
    told_at     integer,
    closed_at   integer,
    value       text not null,
    primary key (id, node, since)
) without rowid;
create index alerts_open on alerts (id) where closed_at is null;
create index alerts_ended on alerts (ended_at) where ended_at is not null;
-- What WeChat said of an app's quotas.
create table wx_quotas (
    appid        text not null,
    api          text not null,
    asked_at     integer not null,
    most         integer not null,
    used         integer not null,
    remain       integer not null,
    rate_calls   integer,
    rate_seconds integer,
    primary key (appid, api)
) without rowid;
",
    "
-- What a failed attempt was answered: the head and the begin of the body, sealed. Made anew, for some databases had the column
-- before this step.
alter table attempts rename to old_attempts;
create table attempts (
    delivery_id integer not null,
    round       integer not null,
    n           integer not null,
    at          integer not null,
    status      integer not null,
    ms          integer not null,
    error       text not null,
    answer      blob,
    primary key (delivery_id, round, n)
) without rowid;
insert into attempts (delivery_id, round, n, at, status, ms, error)
select delivery_id, round, n, at, status, ms, error from old_attempts;
drop table old_attempts;
",
    "
-- Of routes that keep order: what has been looked at, by user. One of these goes, those after it are held until it has ended.
create table lines (
    route  text not null,
    openid text not null,
    id     integer not null,
    goes   integer not null,
    primary key (route, openid, id)
) without rowid;
create index lines_id on lines (id);
create index lines_go on lines (route) where goes = 1;
-- How far named streams have come, in events and in what was sent once more; epoch: how often it was opened.
create table streams (
    caller     text not null,
    name       text not null,
    place      integer not null,
    replayed   integer not null,
    epoch      integer not null,
    expires_at integer not null,
    primary key (caller, name)
) without rowid;
create index streams_expires on streams (expires_at);
-- Messages that were sent once more, for streams.
create table replays (
    id         integer primary key autoincrement,
    event_id   integer not null,
    expires_at integer not null
);
create index replays_expires on replays (expires_at);
-- QR codes made here, by a digest of their tickets, and who scanned them. ends_at: when they do; null: never.
create table codes (
    ticket       blob primary key,
    appid        text not null,
    caller       text not null,
    flow_id      text not null,
    scene        text not null,
    made_at      integer not null,
    ends_at      integer,
    event_id     integer,
    openid       text not null default '',
    event        text not null default '',
    scanned_at   integer,
    expires_at   integer
) without rowid;
create index codes_flow on codes (caller, flow_id, made_at) where flow_id <> '';
create index codes_expires on codes (expires_at) where expires_at is not null;
-- Template messages that were sent, until their receipt is forgotten.
create table sent (
    appid      text not null,
    msgid      text not null,
    caller     text not null,
    sent_at    integer not null,
    expires_at integer not null,
    primary key (appid, msgid)
) without rowid;
create index sent_expires on sent (expires_at);
-- Receipts of what was sent, by its number.
create index events_receipts on events (appid, msg_id)
    where msg_id <> '' and kind in ('templatesendjobfinish', 'subscribe_msg_sent_event');
-- Work that goes on by itself. state: 0 comes in, 1 at work, 2 stopped, 3 done. again: of its Idempotency-Key. value: what is to be
-- done, sealed. good, bad, lost: what became of its items.
create table jobs (
    id           integer primary key,
    kind         text not null,
    caller       text not null,
    again        blob unique,
    state        integer not null,
    made_at      integer not null,
    ended_at     integer,
    rate         integer not null,
    total        integer not null,
    place        integer not null,
    good         integer not null,
    bad          integer not null,
    lost         integer not null,
    value        blob not null,
    owner        integer,
    leased_until integer,
    expires_at   integer
);
create index jobs_open on jobs (id) where state < 2;
create index jobs_expires on jobs (expires_at) where expires_at is not null;
-- What a job is made of. state: 0 waits, 1 begun, 2 well, 3 badly, 4 nobody knows. delivery and round: what a replay began.
create table job_items (
    job      integer not null,
    n        integer not null,
    state    integer not null,
    begun_at integer,
    delivery integer,
    round    integer,
    openid   text not null default '',
    msgid    text not null default '',
    code     integer not null default 0,
    value    blob,
    primary key (job, n)
) without rowid;
create index job_items_open on job_items (job, state, n) where state < 2;
",
];
