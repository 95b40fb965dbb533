//! The schema, one step an entry; steps are only ever added, and each leaves what the version before reads and writes: nodes of
//! both run side by side. Where that can't be, the step says `update steps set breaks = true` of its number.

pub(super) const STEPS: &[&str] = &["
create table meta (name text primary key, value bytea not null);

-- Numbers that are given out in the order of commits: whoever takes some holds the row until it has committed.
create table counter (name text primary key, v bigint not null) with (fillfactor = 50);
insert into counter (name, v) values ('event', 0);

create table credentials (
    appid      text not null,
    kind       text not null,
    version    bigint not null,
    value      bytea not null,
    fetched_at bigint not null,
    expires_at bigint not null,
    history    text not null,
    -- A classic one that a later fetch outlived: it ends within minutes.
    superseded boolean not null default false,
    -- Counts up over the whole table, with every change that other nodes should know of.
    revision   bigint not null default 0,
    -- Whoever may ask WeChat for another; the epoch says which taking on it was.
    lease_owner int,
    lease_until bigint,
    lease_epoch bigint not null default 0,
    primary key (appid, kind)
);
create index credentials_revision on credentials (revision);
insert into counter (name, v) values ('credential', 0);

-- An answer, or that somebody is about to have it.
create table once (
    key         bytea primary key,
    answer      bytea,
    owner       int,
    lease_until bigint,
    expires_at  bigint not null
);
create index once_expires on once (expires_at);

create table bound (
    key         bytea primary key,
    digest      bytea not null,
    again_until bigint not null,
    expires_at  bigint not null
);
create index bound_expires on bound (expires_at);

create table usage (
    caller  text not null,
    api     text not null,
    calls   bigint not null,
    refused bigint not null,
    since   bigint not null,
    last_at bigint not null,
    primary key (caller, api)
);

-- Messages from WeChat.
create table events (
    id          bigint primary key,
    appid       text not null,
    openid      text not null,
    msg_type    text not null,
    event       text not null,
    kind        text not null,
    scene       text not null,
    msg_id      text not null,
    received_at bigint not null,
    digest      bytea not null,
    body        bytea not null
);
alter table events alter column body set storage external;
create index events_appid on events (appid, id);
create index events_openid on events (openid, id);
create index events_kind on events (kind, id);
create index events_received on events using brin (received_at);
create index events_scene on events (appid, scene, id) where scene <> '';
create index events_msg_id on events (appid, msg_id, id) where msg_id <> '';

-- Messages that must not get through twice, with the answer they got.
create table seen_msg (
    created    bigint not null,
    digest     bytea not null,
    event_id   bigint not null,
    expires_at bigint not null,
    answer     bytea,
    primary key (created, digest)
);
create index seen_msg_expires on seen_msg using brin (expires_at) with (autosummarize = on);

-- Signatures of plain mode, the one body each is good for, and the message that came with it first.
create table seen_sig (
    key        bytea primary key,
    digest     bytea not null,
    event_id   bigint not null,
    expires_at bigint not null
);
create index seen_sig_expires on seen_sig (expires_at);

-- What waits. An id is the message's * 65536 + the delivery's place among those of its message.
create table due (
    id           bigint primary key,
    route        text not null,
    due_at       bigint not null,
    round        int not null default 0,
    attempts     int not null default 0,
    owner        int,
    leased_until bigint
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
-- Neither owner nor lease: to take a row on changes no index.
create index due_at on due (route, due_at);

-- Rounds that have ended: 1 delivered, 2 dead, 3 replayed, which is by a later round. The attempt that arrived stands here,
-- those that failed in attempts.
create table deliveries (
    id         bigint not null,
    round      int not null,
    route      text not null,
    status     int not null,
    attempts   int not null,
    done_at    bigint not null,
    last_at    bigint,
    last_status int,
    last_ms    bigint,
    primary key (id, round)
);
create index deliveries_route on deliveries (route, id);
create index deliveries_dead on deliveries (id) where status = 2;
create index deliveries_dead_route on deliveries (route, id) where status = 2;
create index deliveries_died on deliveries (done_at) where status = 2;
create table attempts (
    delivery_id bigint not null,
    round       int not null,
    n           int not null,
    at          bigint not null,
    status      int not null,
    ms          bigint not null,
    error       text not null,
    primary key (delivery_id, round, n)
);

-- Who works on this database.
create table nodes (
    id      int primary key,
    version text not null,
    beat_at bigint not null,
    address text not null,
    routes  text[] not null
);
-- Whose calls of which app WeChat refuses for their address, or no longer does.
create table reach (
    appid text not null,
    node  int not null,
    ok    boolean not null,
    ip    text not null,
    since bigint not null,
    primary key (appid, node)
);
create table leases (name text primary key, owner int not null, epoch bigint not null, until bigint not null);
", "
-- A route has most of the deliveries or few: those that died are what is looked for.
drop index deliveries_route;
", "
-- Apps, callers and routes made at run time; one that ended leaves its row.
insert into counter (name, v) values ('entry', 0), ('audit', 0);
create table entries (
    kind       text not null,
    name       text not null,
    revision   bigint not null,
    position   bigint not null,
    value      bytea,
    changed_at bigint not null,
    primary key (kind, name)
);
-- Who changed what.
create table audit (
    id     bigint primary key,
    at     bigint not null,
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
", "
-- How a message came: the request's name, the mode, and the key that fitted.
alter table events add column came text not null default '';
-- Figures of what passed, by minute (tier 0), ten minutes (1) and hour (2); hist: counts of latency classes.
insert into counter (name, v) values ('ring', 0);
create table series (
    tier   int not null,
    key    text collate \"C\" not null,
    bucket bigint not null,
    node   int not null,
    n      bigint not null,
    bad    bigint not null,
    ms     bigint not null,
    hist   bytea,
    primary key (tier, key, bucket, node)
);
create index series_bucket on series (tier, bucket);
-- What is remembered a while, the oldest forgotten first: refused callbacks, failed calls, what became of tokens.
create table rings (
    id         bigint primary key,
    ring       text not null,
    at         bigint not null,
    appid      text not null,
    who        text not null,
    code       bigint not null,
    request_id text not null,
    value      text not null
);
create index rings_ring on rings (ring, id);
create index rings_appid on rings (ring, appid, id);
-- How much of a caller's quota is spent or reserved, by the window that begins then; and how much the last reservation got.
create table quotas (
    caller  text not null,
    pattern text not null,
    start   bigint not null,
    until   bigint not null,
    n       bigint not null,
    granted bigint not null default 0,
    primary key (caller, pattern, start)
);
-- What is amiss, as each node sees it, and whether people were told; closed: it is over, and no more is said of it.
create table alerts (
    id          text not null,
    node        int not null,
    since       bigint not null,
    seen_at     bigint not null,
    ended_at    bigint,
    muted_until bigint not null default 0,
    told_at     bigint,
    closed_at   bigint,
    value       text not null,
    primary key (id, node, since)
);
create index alerts_open on alerts (id) where closed_at is null;
create index alerts_ended on alerts (ended_at) where ended_at is not null;
-- What WeChat said of an app's quotas.
create table wx_quotas (
    appid        text not null,
    api          text not null,
    asked_at     bigint not null,
    most         bigint not null,
    used         bigint not null,
    remain       bigint not null,
    rate_calls   bigint,
    rate_seconds bigint,
    primary key (appid, api)
);
", "
-- What a failed attempt was answered: the head and the begin of the body, sealed. Some databases had it before this step.
alter table attempts add column if not exists answer bytea;
", "
insert into counter (name, v) values ('replay', 0);
-- Of routes that keep order: what has been looked at, by user. One of these goes, those after it are held until it has ended.
create table lines (
    route  text not null,
    openid text not null,
    id     bigint not null,
    goes   int not null,
    primary key (route, openid, id)
);
create index lines_id on lines (id);
create index lines_go on lines (route) where goes = 1;
-- How far named streams have come, in events and in what was sent once more; epoch: how often it was opened.
create table streams (
    caller     text not null,
    name       text not null,
    place      bigint not null,
    replayed   bigint not null,
    epoch      bigint not null,
    expires_at bigint not null,
    primary key (caller, name)
);
create index streams_expires on streams (expires_at);
-- Messages that were sent once more, for streams.
create table replays (
    id         bigint primary key,
    event_id   bigint not null,
    expires_at bigint not null
);
create index replays_expires on replays (expires_at);
-- QR codes made here, by a digest of their tickets, and who scanned them. ends_at: when they do; null: never.
create table codes (
    ticket       bytea primary key,
    appid        text not null,
    caller       text not null,
    flow_id      text not null,
    scene        text not null,
    made_at      bigint not null,
    ends_at      bigint,
    event_id     bigint,
    openid       text not null default '',
    event        text not null default '',
    scanned_at   bigint,
    expires_at   bigint
);
create index codes_flow on codes (caller, flow_id, made_at) where flow_id <> '';
create index codes_expires on codes (expires_at) where expires_at is not null;
-- Template messages that were sent, until their receipt is forgotten.
create table sent (
    appid      text not null,
    msgid      text not null,
    caller     text not null,
    sent_at    bigint not null,
    expires_at bigint not null,
    primary key (appid, msgid)
);
create index sent_expires on sent (expires_at);
-- Receipts of what was sent, by its number.
create index events_receipts on events (appid, msg_id, id)
    where msg_id <> '' and kind in ('templatesendjobfinish', 'subscribe_msg_sent_event');
-- Work that goes on by itself. state: 0 comes in, 1 at work, 2 stopped, 3 done. again: of its Idempotency-Key. value: what is to be
-- done, sealed. good, bad, lost: what became of its items.
create table jobs (
    id           bigint primary key,
    kind         text not null,
    caller       text not null,
    again        bytea unique,
    state        int not null,
    made_at      bigint not null,
    ended_at     bigint,
    rate         int not null,
    total        bigint not null,
    place        bigint not null,
    good         bigint not null,
    bad          bigint not null,
    lost         bigint not null,
    value        bytea not null,
    owner        int,
    leased_until bigint,
    expires_at   bigint
);
create index jobs_open on jobs (id) where state < 2;
create index jobs_expires on jobs (expires_at) where expires_at is not null;
-- What a job is made of. state: 0 waits, 1 begun, 2 well, 3 badly, 4 nobody knows. delivery and round: what a replay began.
create table job_items (
    job      bigint not null,
    n        bigint not null,
    state    int not null,
    begun_at bigint,
    delivery bigint,
    round    int,
    openid   text not null default '',
    msgid    text not null default '',
    code     bigint not null default 0,
    value    bytea,
    primary key (job, n)
);
create index job_items_open on job_items (job, state, n) where state < 2;
"];
